/* The end of a run that found a defect of quern itself. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void q_check_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "quern: defect at %s:%d: '%s' does not hold\n", file, line, condition);
    abort();
}
