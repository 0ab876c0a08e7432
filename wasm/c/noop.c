/**
 * noop: returns at once, with no import at all.
 *
 * Why: the price of a job without its work. What a run of noop costs is what Berth costs.
 * The CUDA counterpart is the empty kernel with which one measures launch overhead.
 */
#include "wasi.h"

EXPORT("_start") void _start(void) {}
