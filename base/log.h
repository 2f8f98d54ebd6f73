/* Log lines on standard error: time, program, level, text. They break into the progress bar cleanly. Programs log; libraries
 * return (the one exception: a warning that must not stop the work). */
#ifndef QUERN_BASE_LOG_H
#define QUERN_BASE_LOG_H

#include "base/status.h"

enum q_log_level { Q_LOG_ERROR, Q_LOG_WARNING, Q_LOG_INFO, Q_LOG_DEBUG };

void q_log_set_level(enum q_log_level level); /* default Q_LOG_INFO; -q gives WARNING, -v DEBUG */
void q_log_set_program(const char *name);     /* "quern-corpus" */
enum q_log_level q_log_get_level(void);

void q_log(enum q_log_level level, const char *format, ...) Q_PRINTF(2, 3);
#define q_log_warning(...) q_log(Q_LOG_WARNING, __VA_ARGS__)
#define q_log_info(...) q_log(Q_LOG_INFO, __VA_ARGS__)
#define q_log_debug(...) q_log(Q_LOG_DEBUG, __VA_ARGS__)

#endif
