/* A loaded fastText model: shared by fasttext_load.c, which checks it, and fasttext_predict.c, which trusts it. */
#ifndef QUERN_CORPUS_FASTTEXT_PRIVATE_H
#define QUERN_CORPUS_FASTTEXT_PRIVATE_H

#include "corpus/lang/fasttext.h"

enum fasttext_loss { FASTTEXT_HS = 1, FASTTEXT_NS, FASTTEXT_SOFTMAX, FASTTEXT_OVA }; /* as files number them */

/* A word or a label of the dictionary. */
struct fasttext_entry {
    uint32_t at, size; /* in `names` */
    uint32_t hash;     /* fasttext_hash_bytes of it */
};

/* The nodes of the Huffman tree over labels, of which labels are the first; children are numbered below their parents. */
struct fasttext_node {
    uint32_t left, right;
};

/* A row per subword that pruning left. An empty slot has row UINT32_MAX. */
struct fasttext_kept {
    uint32_t bucket, row;
};

struct fasttext_model {
    q_hash hash;
    uint32_t dimensions, word_ngrams, buckets, minn, maxn;
    enum fasttext_loss loss;

    char *names;
    struct fasttext_entry *entries; /* words, then labels */
    uint32_t word_count, label_count;
    uint32_t *slots; /* open addressing by hash: entry + 1, 0 is empty */
    uint32_t slot_mask;

    bool pruned;
    struct fasttext_kept *kept; /* open addressing by bucket; NULL where nothing is kept */
    uint32_t kept_mask;

    float *input; /* [words + buckets or kept][dimensions], pages of input_bytes */
    size_t input_bytes;
    float *output;               /* [dimensions][labels]: transposed, so that labels are summed side by side */
    struct fasttext_node *nodes; /* of hierarchical softmax: [2 labels - 1], the root last; else NULL */
};

/* FNV-1a of 32 bits over bytes as signed numbers, as fastText's dictionary hashes (an accident that files depend on). */
#define FASTTEXT_HASH_START 2166136261u
static inline uint32_t fasttext_hash_byte(uint32_t hash, char byte)
{
    const int32_t widened = (signed char)byte;
    return (hash ^ (uint32_t)widened) * 16777619u;
}

static inline uint32_t fasttext_hash_bytes(const char *bytes, size_t size)
{
    uint32_t hash = FASTTEXT_HASH_START;
    for (size_t i = 0; i < size; i++)
        hash = fasttext_hash_byte(hash, bytes[i]);
    return hash;
}

static inline q_string fasttext_name(const struct fasttext_model *model, uint32_t entry)
{
    return (q_string){model->names + model->entries[entry].at, model->entries[entry].size};
}

/* A model whose table has more full slots in a row is refused: of good hashes, in a table that is half empty, fewer than a hundred stand together in the
 * largest models, and a look-up must not become a search. */
enum { FASTTEXT_RUN_MAX = 512 };

/* The first slot that is empty or holds the name, of the table of entries. */
static inline uint32_t fasttext_slot(const struct fasttext_model *model, q_string name, uint32_t hash)
{
    uint32_t slot = hash & model->slot_mask;
    for (; model->slots[slot]; slot = (slot + 1) & model->slot_mask) {
        const uint32_t entry = model->slots[slot] - 1;
        if (model->entries[entry].hash == hash && q_string_equal(name, fasttext_name(model, entry)))
            break;
    }
    return slot;
}

/* The same of the table of kept subwords. Buckets are hashes already, but remainders: spread anew. */
static inline uint32_t fasttext_kept_home(const struct fasttext_model *model, uint32_t bucket)
{
    return bucket * 2654435769u >> 7 & model->kept_mask;
}

static inline uint32_t fasttext_kept_slot(const struct fasttext_model *model, uint32_t bucket)
{
    uint32_t slot = fasttext_kept_home(model, bucket);
    while (model->kept[slot].row != UINT32_MAX && model->kept[slot].bucket != bucket)
        slot = (slot + 1) & model->kept_mask;
    return slot;
}

#endif
