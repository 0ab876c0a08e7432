/**
 * Villain smuggle: looks like hello, and imports two functions that no job is given.
 *
 * Proves attestation. It would read a secret of its host and send it away by a socket. Whoever runs it and watches may
 * see nothing, for it could wait for a good day; whoever reads its import section sees both before it runs. So the job
 * ends as `rejected`, and no runner ever loads this binary. `env.host_secret` is a name that no capability grants;
 * `sock_send` is genuine WASI, which no default grants either. Linking instead of checking would also refuse it, but
 * only after it had waited in the queue and been given a slot.
 */
#include "wasi.h"

__attribute__((import_module("env"), import_name("host_secret"))) size_t host_secret(uint8_t *into, size_t bytes);
WASI(sock_send) Errno sock_send(int fd, const Span *spans, size_t count, uint16_t flags, size_t *done);

EXPORT("_start") void _start(void) {
  static uint8_t secret[4096];
  const Span loot = {secret, host_secret(secret, sizeof secret)};
  size_t done = 0;
  (void)sock_send(4, &loot, 1, 0, &done);
  (void)WRITE_TEXT(STDOUT, "nothing to see here\n");
}
