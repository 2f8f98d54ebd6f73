/* Folders of documents for tests, as the corpus stage would leave them, and what is read out of a deduplicated one. */
#ifndef QUERN_TESTS_MADE_CORPUS_H
#define QUERN_TESTS_MADE_CORPUS_H

#include "base/document.h"
#include "base/memory.h"
#include "dedup/dedup_settings.h"

/* A document to be. */
struct made_document {
    char id[32];
    char *text;     /* malloc; made_documents_release frees it */
    double quality; /* -1: none */
    const char *date, *lang;
    unsigned cluster_size;
};

struct made_documents {
    struct made_document *items;
    size_t count, capacity;
};

void made_documents_add(struct made_documents *documents, const char *id, const char *text);
void made_documents_release(struct made_documents *documents);
/* `count` documents of `words` random words each, where every other one is a copy of an earlier one with a random
 * share of its words changed: so that Jaccard indices of all sizes occur, and chains. Ids are d0, d1, ... */
void made_documents_random(struct made_documents *documents, uint64_t seed, size_t count, size_t words);
/* The same documents in another order. */
void made_documents_shuffle(struct made_documents *documents, uint64_t seed);

/* Writes them in this order as a finished corpus of so many parts (the last ones may be empty), frame_documents to a
 * frame. */
void made_corpus_write(const char *folder, const struct made_documents *documents, size_t parts,
                       size_t frame_documents);

/* The standard settings, with "name=value" overrides ended by NULL. */
void made_settings(struct dedup_settings *settings, const char *const *overrides);

/* A build of all steps in this process; returns the failure. */
q_status made_dedup(const char *corpus, const char *out, const struct dedup_settings *settings, unsigned threads);

/* The documents of a folder (of either stage), in order. */
void made_corpus_read(const char *folder, struct made_documents *documents);

/* A line of evidence. */
struct made_evidence {
    char id[32], survivor[32], kind[8];
    double jaccard, containment;
};
struct made_evidences {
    struct made_evidence *items;
    size_t count, capacity;
};
void made_evidence_read(const char *folder, struct made_evidences *evidences);

#endif
