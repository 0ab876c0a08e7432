/**
 * Villain flood: writes to stdout for ever and doesn't care for errors.
 *
 * Proves `outputBytes`: a result is stored durably, so without a cap one guest could fill the disk of all.
 */
#include "wasi.h"

static const char line[] = "The flood does not stop by itself; somebody has to stop it now.\n";

EXPORT("_start") void _start(void) {
  for (;;) (void)WRITE_TEXT(STDOUT, line);
}
