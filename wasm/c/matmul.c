/**
 * matmul: C = A · B for square matrices of f32.
 *
 * stdin:  `u32 n`, then A, then B. stdout: C. All little-endian; each matrix is row-major, n × n × 4 bytes.
 * n from 0 to 2048; n = 0 has no values and gives an empty output. Memory: 2·n²·4 bytes + 128 KiB, at most 33 MiB,
 * for C leaves the guest row by row.
 * Exit codes: 0 done · 1 stdout refused, or no memory for the matrices · 2 malformed input (stderr says which way).
 *
 * How it compares with a CUDA kernel: there is one thread. The inner loop runs along a row of B and of C, so that
 * neighbouring values lie in neighbouring addresses (what coalescing is on a GPU), and the compiler makes it four lanes
 * wide (`f32x4`, WebAssembly's SIMD128). Each element is summed over k from 0 upwards, every product and sum rounded
 * to f32, no fused multiply-add: the bytes of the result are the same on every machine. A NaN's payload alone isn't.
 */
#include "wasi.h"

enum { N_MAX = 2048, PAGE_BYTES = 65536 };

/** The linker's name for the first address after all static data; everything above is free. */
extern uint8_t __heap_base;

static float row[N_MAX];

/** Takes `bytes` of fresh memory above the static data, or NULL. Never given back: a guest lives for one job. */
static void *take(size_t bytes) {
  uint8_t *const start = &__heap_base;
  const size_t end = (size_t)start + bytes;
  const size_t have = __builtin_wasm_memory_size(0) * PAGE_BYTES;
  if (end <= have) return start;
  const size_t pages = (end - have + PAGE_BYTES - 1) / PAGE_BYTES;
  return __builtin_wasm_memory_grow(0, pages) == (size_t)-1 ? NULL : start;
}

/** row = a_row · B. Sums in the order of k. */
static HOT void multiply_row(const float *restrict a_row, const float *restrict b, size_t n) {
  for (size_t j = 0; j < n; j++) row[j] = 0;
  for (size_t k = 0; k < n; k++) {
    const float a = a_row[k];
    for (size_t j = 0; j < n; j++) row[j] += a * b[k * n + j];
  }
}

EXPORT("_start") void _start(void) {
  uint32_t n;
  if (read_full(STDIN, &n, sizeof n) != sizeof n) {
    WRITE_TEXT(STDERR, "matmul: the input ends before n (4 bytes, u32 little-endian)\n");
    proc_exit(2);
  }
  if (n > N_MAX) {
    WRITE_TEXT(STDERR, "matmul: n is over 2048\n");
    proc_exit(2);
  }
  const size_t cells = (size_t)n * n;
  float *const a = take(2 * cells * sizeof(float));
  if (a == NULL) {
    WRITE_TEXT(STDERR, "matmul: no memory for two matrices; raise limits.memoryMiB\n");
    proc_exit(1);
  }
  const float *const b = a + cells;
  if (read_full(STDIN, a, 2 * cells * sizeof(float)) != 2 * cells * sizeof(float)) {
    WRITE_TEXT(STDERR, "matmul: the input ends before two n x n matrices of f32\n");
    proc_exit(2);
  }
  uint8_t extra;
  if (read_full(STDIN, &extra, 1) != 0) {
    WRITE_TEXT(STDERR, "matmul: the input goes on after two n x n matrices of f32\n");
    proc_exit(2);
  }
  for (size_t i = 0; i < n; i++) {
    multiply_row(a + i * n, b, n);
    if (write_full(STDOUT, row, n * sizeof(float)) != 0) proc_exit(1);
  }
}
