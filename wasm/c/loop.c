/**
 * Villain loop: never returns, never calls the host.
 *
 * Proves that a deadline doesn't depend on the guest's goodwill: nothing in here can be asked to stop, so `wallMs` and
 * cancel must end the process that it runs in. The CUDA counterpart is a kernel that spins on a flag nobody sets.
 */
#include "wasi.h"

EXPORT("_start") void _start(void) {
  for (;;) {
  }
}
