/**
 * hello: prints "hello" and its arguments on one line, then copies stdin to stdout.
 *
 * Why: the smallest job that shows both ways in, args and stdin. It is also the example in a second language:
 * AssemblyScript is TypeScript's syntax with WebAssembly's types. It has a garbage collector, which this file doesn't
 * use: everything lies in static buffers, so that nothing is linked that would need to be explained.
 * Exit code 0; 1 when stdout refuses or there are over 1,023 arguments or 64 KiB of them.
 */
import { args_get, args_sizes_get, fd_read, fd_write, proc_exit } from './wasi_snapshot_preview1';

const STDIN: i32 = 0;
const STDOUT: i32 = 1;
const ARGS_MAX: u32 = 1024;
const BUFFER_BYTES: u32 = 65536;

/** Static memory; `memory.data(n)` is the address of n zero bytes, fixed when compiling. */
const span: usize = memory.data(8); // one {address, bytes} pair: what fd_read and fd_write take
const first: usize = memory.data(4); // where WASI puts a result
const second: usize = memory.data(4);
const pointers: usize = memory.data(4096); // ARGS_MAX addresses of 4 bytes
const buffer: usize = memory.data(65536); // BUFFER_BYTES: the arguments' text, then stdin in pieces
const hello: usize = memory.data<u8>([0x68, 0x65, 0x6c, 0x6c, 0x6f]); // "hello" in ASCII

/** Writes all `bytes` from `at`; a host may take less than asked. */
function write(at: usize, bytes: u32): void {
  let put: u32 = 0;
  while (put < bytes) {
    store<u32>(span, at + put);
    store<u32>(span, bytes - put, 4);
    if (fd_write(STDOUT, span, 1, first) != 0 || load<u32>(first) == 0) proc_exit(1);
    put += load<u32>(first);
  }
}

/** Puts one byte on stdout. */
function writeByte(byte: u8): void {
  store<u8>(second, byte);
  write(second, 1);
}

/** Length of a text that a zero byte ends. */
function lengthOf(text: usize): u32 {
  let bytes: u32 = 0;
  while (load<u8>(text + bytes) != 0) bytes++;
  return bytes;
}

export function _start(): void {
  if (args_sizes_get(first, second) != 0) proc_exit(1);
  const count = load<u32>(first);
  if (count > ARGS_MAX || load<u32>(second) > BUFFER_BYTES || args_get(pointers, buffer) != 0) proc_exit(1);

  write(hello, 5);
  for (let i: u32 = 1; i < count; i++) { // argument 0 is the program's own name
    const text = load<u32>(pointers + i * 4);
    writeByte(0x20);
    write(text, lengthOf(text));
  }
  writeByte(0x0a);

  for (;;) {
    store<u32>(span, buffer);
    store<u32>(span, BUFFER_BYTES, 4);
    if (fd_read(STDIN, span, 1, first) != 0 || load<u32>(first) == 0) return; // 0 bytes: end of input
    write(buffer, load<u32>(first));
  }
}
