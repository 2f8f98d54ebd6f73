/* What lies behind quern_tokenizer.h. Private to its files. */
#ifndef QUERN_TOKENIZER_QUERN_TOKENIZER_PRIVATE_H
#define QUERN_TOKENIZER_QUERN_TOKENIZER_PRIVATE_H

#include "base/status.h"
#include "tokenizer/quern_tokenizer.h"
#include "tokenizer/tokenizer.h"

/* A q_status on its way out. */
#define FACE(status) ((enum quern_tokenizer_status)(status))

struct quern_tokenizer {
    struct tokenizer *core;
    uint32_t *by_bytes; /* open addressing over the tokens: id + 1; 0: empty */
    size_t capacity;
};

#endif
