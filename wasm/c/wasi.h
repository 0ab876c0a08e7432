/**
 * The guest's side of WASI preview 1: what a module may ask of its host, and three helpers on top.
 *
 * For readers who know CUDA: a WebAssembly module is to its host what a kernel is to the driver.
 * - `_start` is the kernel's entry point. The host calls it once; returning from it is exit code 0.
 * - Linear memory is the guest's whole "device memory": one array of bytes that starts at address 0 and grows in
 *   pages of 65,536 bytes. A pointer is a 32-bit offset into it. The host reads and writes it, the guest can't look out.
 * - An import is the only way out. Each declaration below becomes one entry (module name, function name) in the import
 *   section of the binary *if a guest calls it*, and in no other case. So the list of imports is the list of everything
 *   that a module can ever do to the world, and it can be read before a single instruction runs. That is why Berth
 *   compares imports with declared capabilities, and why these guests are linked without libc: libc would import
 *   functions (fd_seek, fd_close, clocks) that the program never needs.
 *
 * There is no malloc, no printf, no errno here. File descriptors: 0 stdin, 1 stdout, 2 stderr, 3 the job's model, if any.
 * Source: https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md
 */
#ifndef BERTH_WASI_H
#define BERTH_WASI_H

#include <stddef.h>
#include <stdint.h>

#define WASI(function) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#function)))

/** Makes a function visible to the host. The linker exports `memory` by itself. */
#define EXPORT(name) __attribute__((export_name(name)))

/**
 * For the function where the time goes; keeps the compiler from inlining it. V8 compiles a function quickly first, and
 * well only after it was called often; it can't swap the code of a call under way. A hot loop inlined into `_start`,
 * which is called once, stays slow to the end. Measured: sha256 of 64 MiB takes 0.6 s with HOT and 4.4 s without
 * (Node 20.20.2, 2 shared cores, one run each).
 */
#define HOT __attribute__((noinline))

enum { STDIN = 0, STDOUT = 1, STDERR = 2, MODEL = 3 };

/** One piece of a scattered buffer (`iovec` in POSIX). */
typedef struct {
  uint8_t *at;
  size_t bytes;
} Span;

/** WASI functions answer 0 for success, else an error number. Results come back through pointers. */
typedef uint16_t Errno;

/** Capability `stdio`. Reads at most `spans[0 .. count)`; `*done` = 0 means end of file. */
WASI(fd_read) Errno fd_read(int fd, const Span *spans, size_t count, size_t *done);

/** Capability `stdio`. Writes at most `spans[0 .. count)`; `*done` may be less than asked. */
WASI(fd_write) Errno fd_write(int fd, const Span *spans, size_t count, size_t *done);

/** Capability `env:NAME`. Number of variables, and bytes that all of them take together. */
WASI(environ_sizes_get) Errno environ_sizes_get(size_t *count, size_t *bytes);

/** Capability `env:NAME`. Fills `pointers[count]` and `text[bytes]`: `NAME=value`, each ended by a zero byte. */
WASI(environ_get) Errno environ_get(char **pointers, char *text);

/** Ends the guest at once with an exit code. Needs no capability: it only takes the guest away. */
WASI(proc_exit) _Noreturn void proc_exit(int code);

/** Reads until `bytes` are there or the input ends. Returns how many came: fewer means the input ended or failed. */
static inline size_t read_full(int fd, void *into, size_t bytes) {
  size_t got = 0;
  while (got < bytes) {
    const Span rest = {(uint8_t *)into + got, bytes - got};
    size_t done = 0;
    if (fd_read(fd, &rest, 1, &done) != 0 || done == 0) break;
    got += done;
  }
  return got;
}

/** Writes all `bytes`. Returns 0, or 1 when the host refuses: a host may take less than asked, so one call isn't enough. */
static inline int write_full(int fd, const void *from, size_t bytes) {
  size_t put = 0;
  while (put < bytes) {
    const Span rest = {(uint8_t *)from + put, bytes - put};
    size_t done = 0;
    if (fd_write(fd, &rest, 1, &done) != 0 || done == 0) return 1;
    put += done;
  }
  return 0;
}

/** Writes a string literal, without its closing zero byte. */
#define WRITE_TEXT(fd, literal) write_full((fd), (literal), sizeof(literal) - 1)

#endif
