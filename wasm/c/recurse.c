/**
 * Villain recurse: calls itself without end.
 *
 * Proves that a full call stack is a crash of the guest (`crashed`, ERR_GUEST_STACK), not of the runner. The call stack
 * isn't in linear memory: the guest can neither see nor overwrite a return address.
 * Both `volatile`s keep the compiler honest: there seems to be a way out, and there is work after the call, so it may
 * neither drop the recursion nor turn it into a loop.
 */
#include "wasi.h"

static volatile uint32_t way_out; // nobody ever sets it
static volatile uint32_t deepest;

static __attribute__((noinline)) void descend(uint32_t depth) {
  if (way_out != 0) return;
  descend(depth + 1);
  deepest = depth;
}

EXPORT("_start") void _start(void) { descend(0); }
