/**
 * flaky: fails on its first attempt and succeeds on the second. Shows `attempts.max`.
 *
 * The runner tells a guest which attempt it is in `BERTH_ATTEMPT`, 1 for the first, when the job holds capability
 * `env:BERTH_ATTEMPT`. That is how a guest with no clock, no files and no memory of its past can still differ in time.
 * Exit code 0 and "second time lucky" when the variable is 2 or more; else 1, with a line on stderr.
 */
#include "wasi.h"

enum { VARIABLES_MAX = 64, TEXT_BYTES_MAX = 65536 };

static char *variables[VARIABLES_MAX];
static char text[TEXT_BYTES_MAX];

/** The value behind `NAME=`, or NULL when `variable` isn't called `name`. */
static const char *value_of(const char *variable, const char *name) {
  while (*name != 0 && *variable == *name) variable++, name++;
  return *name == 0 && *variable == '=' ? variable + 1 : NULL;
}

/** Whether `digits` is a decimal number of 2 or more. */
static int is_retry(const char *digits) {
  uint32_t value = 0;
  if (*digits == 0) return 0;
  for (; *digits != 0; digits++) {
    if (*digits < '0' || *digits > '9') return 0;
    if (value < 2) value = value * 10 + (uint32_t)(*digits - '0'); // enough to know; can't overflow
  }
  return value >= 2;
}

EXPORT("_start") void _start(void) {
  size_t count = 0, bytes = 0;
  if (environ_sizes_get(&count, &bytes) != 0 || count > VARIABLES_MAX || bytes > TEXT_BYTES_MAX ||
      environ_get(variables, text) != 0) {
    WRITE_TEXT(STDERR, "flaky: can't read the environment\n");
    proc_exit(1);
  }
  for (size_t i = 0; i < count; i++) {
    const char *const attempt = value_of(variables[i], "BERTH_ATTEMPT");
    if (attempt != NULL && is_retry(attempt)) {
      if (WRITE_TEXT(STDOUT, "second time lucky\n") != 0) proc_exit(1);
      return;
    }
  }
  WRITE_TEXT(STDERR, "flaky: BERTH_ATTEMPT is not 2 or more; failing on purpose\n");
  proc_exit(1);
}
