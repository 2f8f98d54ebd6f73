/* Rows of the families' settings tables. Only rules_*.c include this. */
#ifndef QUERN_CORPUS_RULES_TABLES_H
#define QUERN_CORPUS_RULES_TABLES_H

#include "base/settings.h"

#define CORPUS_ROW_ENABLED(struct_name, default_text)                                                                  \
    {                                                                                                                  \
        .name = "enabled", .type = Q_SETTING_BOOL, .offset = offsetof(struct struct_name, enabled),                    \
        .standard = default_text, .meaning = "whether the family is asked"                                             \
    }
#define CORPUS_ROW_BOUND(struct_name, field, default_text, least, most, words)                                         \
    {                                                                                                                  \
        .name = #field, .type = Q_SETTING_DOUBLE, .offset = offsetof(struct struct_name, field),                       \
        .standard = default_text, .min = least, .max = most, .meaning = words                                          \
    }
#define CORPUS_ROW_SWITCH(struct_name, field, default_text, words)                                                     \
    {                                                                                                                  \
        .name = #field, .type = Q_SETTING_BOOL, .offset = offsetof(struct struct_name, field),                         \
        .standard = default_text, .meaning = words                                                                     \
    }

static inline double corpus_ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

#endif
