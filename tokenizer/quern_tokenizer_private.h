/* What lies behind quern_tokenizer.h. Private to its files. */
#ifndef QUERN_TOKENIZER_QUERN_TOKENIZER_PRIVATE_H
#define QUERN_TOKENIZER_QUERN_TOKENIZER_PRIVATE_H

#include "base/status.h"
#include "tokenizer/quern_tokenizer.h"
#include "tokenizer/tokenizer.h"

/* A q_status on its way out. */
#define FACE(status) ((enum quern_tokenizer_status)(status))

enum { QUERN_TOKENIZER_THREADS_MAX = 1024 };

/* A structure of the caller that is larger than ours comes from a later header: Q_ERR_USAGE where what we do not know is not zero. */
q_status quern_tokenizer_check_tail(const void *given, size_t known, size_t size) Q_MUST_USE;

struct quern_tokenizer {
    struct tokenizer *core;
    uint32_t *by_bytes; /* open addressing over the tokens: id + 1; 0: empty */
    size_t capacity;
};

#endif
