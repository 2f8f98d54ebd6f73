/* What the files of settings share. */
#ifndef QUERN_BASE_SETTINGS_PRIVATE_H
#define QUERN_BASE_SETTINGS_PRIVATE_H

#include "base/settings.h"

enum { Q_RANGE_TEXT = 96 };

/* A row's bounds: `min` and `max` where not both are 0; a max below min is none. */
bool q_setting_in_range(const struct q_setting *row, double value);
/* "0 to 1", "at least 1", "1 to 1TiB"; "" where there is no bound. Returns `out`. */
const char *q_setting_range(const struct q_setting *row, char out[Q_RANGE_TEXT]);
/* "auto, jsonl, html or text" */
const char *q_setting_choices(const struct q_setting *row, char *out, size_t out_size);

#endif
