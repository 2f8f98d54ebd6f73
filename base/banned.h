/* Included before every C source: functions that lose bounds or errors are compile errors. */
#ifndef QUERN_BASE_BANNED_H
#define QUERN_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll atof rand srand random mktemp tmpnam

#endif
