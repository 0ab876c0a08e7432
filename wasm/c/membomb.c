/**
 * Villain membomb: takes memory page by page until it is refused, touches each page, then traps.
 *
 * Proves `memoryMiB`. Touching matters: untouched pages cost address space, not memory, so a bomb that doesn't write
 * hurts nobody. A sound host refuses growth (`memory.grow` answers -1) long before the machine is in want.
 */
#include "wasi.h"

enum { PAGE_BYTES = 65536 };

EXPORT("_start") void _start(void) {
  for (;;) {
    const size_t page = __builtin_wasm_memory_grow(0, 1);
    if (page == (size_t)-1) __builtin_trap();
    *(volatile uint8_t *)(page * PAGE_BYTES) = 1;
  }
}
