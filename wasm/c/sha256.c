/**
 * sha256: stdin to its SHA-256, as 64 lower-case hex digits and a newline.
 *
 * Why: a job whose answer everybody can check (`sha256sum` on the same file), and whose memory stays the same
 * whatever the length of the input, for it hashes while it reads.
 * Exit code 0; 1 when stdout refuses. Source of the algorithm: FIPS 180-4, §4.1.2, §5, §6.2.
 */
#include "wasi.h"

enum { BLOCK_BYTES = 64, CHUNK_BYTES = 1024 * BLOCK_BYTES, ROUNDS = 64 };

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, §4.2.2). */
static const uint32_t K[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/** Eight words that one block after the other is mixed into; starts from the square roots of the first 8 primes. */
static uint32_t state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint8_t chunk[CHUNK_BYTES + BLOCK_BYTES]; // the last block's padding may need one block more

/** Bits moved out on the right come in on the left; one instruction, `i32.rotl`. */
static uint32_t rotate_right(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

/** SHA-256 is defined on big-endian words; WebAssembly's memory is little-endian. */
static uint32_t load_big_endian(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static HOT void mix_block(const uint8_t *block) {
  uint32_t w[ROUNDS];
  for (int i = 0; i < 16; i++) w[i] = load_big_endian(block + 4 * i);
  for (int i = 16; i < ROUNDS; i++) {
    const uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
    const uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < ROUNDS; i++) {
    const uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i];
    const uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1;
    d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

/** After the last byte: one bit 1, zeros up to 8 bytes before a block's end, then the length in bits, big-endian. */
static size_t pad(size_t bytes, uint64_t totalBytes) {
  chunk[bytes++] = 0x80;
  while (bytes % BLOCK_BYTES != BLOCK_BYTES - 8) chunk[bytes++] = 0;
  for (int shift = 56; shift >= 0; shift -= 8) chunk[bytes++] = (uint8_t)(totalBytes * 8 >> shift);
  return bytes;
}

EXPORT("_start") void _start(void) {
  uint64_t totalBytes = 0;
  size_t bytes = CHUNK_BYTES;
  while (bytes == CHUNK_BYTES) { // a chunk that isn't full is the last one, and is padded
    bytes = read_full(STDIN, chunk, CHUNK_BYTES);
    totalBytes += bytes;
    const size_t end = bytes == CHUNK_BYTES ? bytes : pad(bytes, totalBytes);
    for (size_t at = 0; at < end; at += BLOCK_BYTES) mix_block(chunk + at);
  }
  char line[65];
  for (int i = 0; i < 64; i++) line[i] = "0123456789abcdef"[state[i / 8] >> (28 - 4 * (i % 8)) & 15];
  line[64] = '\n';
  if (write_full(STDOUT, line, sizeof line) != 0) proc_exit(1);
}
