/**
 * Villain trap: executes `unreachable`.
 *
 * Proves that a crash is a fact about one attempt (`crashed`, ERR_GUEST_TRAP) and nothing else. The CUDA counterpart is
 * `__trap()`, with one difference: there the whole context is lost, here only this guest.
 */
#include "wasi.h"

EXPORT("_start") void _start(void) { __builtin_trap(); }
