/* What lies behind quern_tokenizer.h. Private to its files. */
#ifndef QUERN_TOKENIZER_QUERN_TOKENIZER_PRIVATE_H
#define QUERN_TOKENIZER_QUERN_TOKENIZER_PRIVATE_H

#include "base/status.h"
#include "tokenizer/library/quern_tokenizer.h"
#include "tokenizer/tokenizer.h"

/* A q_status on its way out. */
#define FACE(status) ((enum quern_tokenizer_status)(status))

enum { QUERN_TOKENIZER_THREADS_MAX = 1024 };

/* Reads a structure that begins with its size. A smaller one than ours (`known` bytes) comes from an earlier header: what it lacks is zero; less than
 * `first`, the size in soname 0's first version, is Q_ERR_USAGE. So is a larger one in which something that we do not know is not zero. */
q_status quern_tokenizer_read_struct(const void *given, const char *name, size_t first, size_t known,
                                     void *out) Q_MUST_USE;

struct quern_tokenizer {
    struct tokenizer *core;
    uint32_t *by_bytes; /* open addressing over the tokens: id + 1; 0: empty */
    size_t capacity;
};

#endif
