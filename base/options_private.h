/* What the parser and the help texts share. */
#ifndef QUERN_BASE_OPTIONS_PRIVATE_H
#define QUERN_BASE_OPTIONS_PRIVATE_H

#include "base/options.h"

/* An option of struct q_common, and the Q_TAKES_ bit of the verbs that have it (0: all). */
struct q_common_option {
    struct q_option option;
    unsigned takes;
};

const struct q_common_option *q_common_options(void); /* ended by one of type Q_OPTION_END */
bool q_verb_takes(const struct q_verb *verb, const struct q_common_option *common);

#endif
