/* libquern_tokenizer: text to ids and back by byte-level BPE, for other programs.
 *
 * This header is the manual, and all of the interface. It needs nothing but the C library's headers, and may be included from C (11 and later) and C++.
 * Everything begins with quern_tokenizer_ or QUERN_TOKENIZER_.
 *
 *     #include <quern_tokenizer.h>
 *
 *     struct quern_tokenizer *tokenizer;
 *     struct quern_tokenizer_context *context;
 *     struct quern_tokenizer_ids ids;
 *
 *     if (quern_tokenizer_load("tokenizer.json", &tokenizer) ||
 *         quern_tokenizer_context_create(tokenizer, 1, &context) ||
 *         quern_tokenizer_encode(context, "Hello, world!", 13, NULL, &ids))
 *         fprintf(stderr, "%s\n", quern_tokenizer_error());
 *     ...                                              // ids.ids[0 .. ids.count)
 *     quern_tokenizer_context_release(context);
 *     quern_tokenizer_release(tokenizer);
 *
 *     cc program.c $(pkg-config --cflags --libs quern_tokenizer)
 *
 * What it computes. The ids are those of Hugging Face's `tokenizers` for the same tokenizer.json, for every text of valid UTF-8. A text may be any
 * bytes, NUL and broken UTF-8 included; where the file asks for no normalization, decoding gives the same bytes back. No begin or
 * end token is added. The time is near-linear in the text, whatever the text; nothing grows with the texts seen before.
 *
 * Objects
 *
 *     quern_tokenizer           a vocabulary made ready. Never changes: any number of threads may use one at the same time.
 *     quern_tokenizer_context   what encoding and decoding need to work with, and their results. For one thread at a time: each thread of yours makes its own
 *                               (some 13 MB). Its tokenizer must outlive it.
 *     quern_tokenizer_stream    encoding of a text that comes in parts, and _decoder, decoding of ids that do. For one thread at a time.
 *     quern_tokenizer_trainer   counts of pieces, and the vocabulary made of them. For one thread at a time.
 *
 * Memory. What a function gives through `const` pointers belongs to the object it was given by and is not to be freed: a token's bytes live as long as the
 * tokenizer; what the others give lives until the next call with it, or its release. Objects are released by the function of
 * their name, which takes NULL too. The library allocates with malloc; no allocation of yours is ever freed or kept.
 *
 * Errors. A function that can fail returns a status: 0, or who has to act. The reason is quern_tokenizer_error(), one line of English in memory of the
 * calling thread, good until this thread's next failure. After a failure the `out` arguments are as they were, and objects can be used
 * as if the call had not been made. Out of memory is an error like any other. The library never prints and never exits, changes no signal handler, no
 * locale and no environment, and has no state outside its objects and that text.
 *
 * Threads. Only quern_tokenizer_encode_batch and quern_tokenizer_trainer_train use threads of their own, and only as many as they were given (less one: yours
 * is among them). Results never depend on their number. A context with more than one thread does not survive fork() in the child.
 *
 * Input that is not to be trusted. Texts and ids may come from anywhere. A tokenizer.json may, too: it is read within bounds of size and depth, and
 * refused with the reason where it is broken or asks for something this library cannot reproduce exactly. Encoding needs memory for up to 4 bytes per byte of
 * text, and some 40 bytes per byte of the longest piece that a pattern does not cut.
 *
 * Stability. Functions and values of this header keep their meaning as long as the soname (libquern_tokenizer.so.0) stays the same; structures that the caller
 * fills begin with their size and may grow at the end.
 */
#ifndef QUERN_TOKENIZER_H
#define QUERN_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QUERN_TOKENIZER_API __attribute__((visibility("default")))
#define QUERN_TOKENIZER_MUST_USE __attribute__((warn_unused_result))
#else
#define QUERN_TOKENIZER_API
#define QUERN_TOKENIZER_MUST_USE
#endif

/* The version of this header. That of the library in use is quern_tokenizer_version(), "0.1.0". */
#define QUERN_TOKENIZER_VERSION_MAJOR 0
#define QUERN_TOKENIZER_VERSION_MINOR 1
#define QUERN_TOKENIZER_VERSION_PATCH 0
QUERN_TOKENIZER_API const char *quern_tokenizer_version(void);

enum quern_tokenizer_status {
    QUERN_TOKENIZER_OK = 0,
    QUERN_TOKENIZER_ERR_USAGE = 1,  /* an argument is out of its range */
    QUERN_TOKENIZER_ERR_INPUT = 2,  /* a file or an id is not what it should be */
    QUERN_TOKENIZER_ERR_SYSTEM = 3, /* a file could not be read, a thread not started */
    QUERN_TOKENIZER_ERR_MEMORY = 4  /* out of memory, or beyond a stated bound */
};

/* Why the last call of this thread that failed did so. Never NULL. */
QUERN_TOKENIZER_API const char *quern_tokenizer_error(void);

/* ---- Loading ---- */

struct quern_tokenizer;

/* Loads FILE (a tokenizer.json) or FOLDER/tokenizer.json. ERR_INPUT: broken, or something in it cannot be reproduced exactly; the text names it. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_load(const char *path, struct quern_tokenizer **out) QUERN_TOKENIZER_MUST_USE;

/* The same from the bytes of such a file, which are not needed afterwards. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_load_memory(const void *bytes, size_t size, struct quern_tokenizer **out) QUERN_TOKENIZER_MUST_USE;

/* No context of it may be in use any more. */
QUERN_TOKENIZER_API void quern_tokenizer_release(struct quern_tokenizer *tokenizer);

/* ---- The vocabulary ---- */

/* No token. Never an id. */
#define QUERN_TOKENIZER_NO_ID UINT32_MAX

/* How many ids there are, of all kinds: the highest + 1. Some may be unused. */
QUERN_TOKENIZER_API uint32_t quern_tokenizer_size(const struct quern_tokenizer *tokenizer);

/* The bytes that an id decodes to (any bytes: a token may be a part of a character), and in *size their number; no NUL stands behind them. NULL, and 0,
 * where the id stands for nothing. */
QUERN_TOKENIZER_API const char *quern_tokenizer_token(const struct quern_tokenizer *tokenizer, uint32_t id,
                                                      size_t *size);

/* The id that decodes to exactly these bytes (the lowest of several); QUERN_TOKENIZER_NO_ID where there is none. Encoding need not give that id for them. */
QUERN_TOKENIZER_API uint32_t quern_tokenizer_find(const struct quern_tokenizer *tokenizer, const char *bytes,
                                                  size_t size);

/* Whether an id is a special token (begin, end, roles, ...): 1 or 0. */
QUERN_TOKENIZER_API int quern_tokenizer_is_special(const struct quern_tokenizer *tokenizer, uint32_t id);

/* The special tokens that programs ask for, by their texts in DeepSeek-V3's vocabulary; others are found with quern_tokenizer_find. */
enum quern_tokenizer_special {
    QUERN_TOKENIZER_BEGIN = 0,
    QUERN_TOKENIZER_END = 1,
    QUERN_TOKENIZER_PADDING = 2,
    QUERN_TOKENIZER_FIM_HOLE = 3,
    QUERN_TOKENIZER_FIM_BEGIN = 4,
    QUERN_TOKENIZER_FIM_END = 5
};
/* QUERN_TOKENIZER_NO_ID where the vocabulary has none. */
QUERN_TOKENIZER_API uint32_t quern_tokenizer_special_id(const struct quern_tokenizer *tokenizer,
                                                        enum quern_tokenizer_special special);

/* ---- Contexts ---- */

struct quern_tokenizer_context;

/* threads: 1 to 1024, those that quern_tokenizer_encode_batch may use (they start with its first call). */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_context_create(const struct quern_tokenizer *tokenizer, unsigned threads,
                               struct quern_tokenizer_context **out) QUERN_TOKENIZER_MUST_USE;
QUERN_TOKENIZER_API void quern_tokenizer_context_release(struct quern_tokenizer_context *context);

/* ---- Encoding ---- */

/* How a text is encoded. Zeroed but for its size it is the ordinary way, which NULL in its place is, too:
 *
 *     struct quern_tokenizer_options options = {.size = sizeof(options)};          // C
 *     quern_tokenizer_options options{}; options.size = sizeof(options);            // C++
 */
struct quern_tokenizer_options {
    size_t size; /* sizeof(struct quern_tokenizer_options) */

    /* 0: the text of a special token is text like any other, so nobody can smuggle one in. 1: it becomes the token, as in
     * Hugging Face's library. */
    int parse_special;

    /* The next are for training data. Ids are drawn among several that decode to the same text: a pure function of the text, the seed and the document, the
     * same for any threads and in any order.
     *
     * dropout, 0..1: each merge is left out of each step with this probability (BPE dropout, Provilkov et al., ACL 2020, algorithm 1).
     * boundary_split, 0..1: this share of the tokens that join punctuation with line breaks (".\n") is split between the two, against the token
     * boundary bias (as in DeepSeek-V3's training, arXiv 2412.19437, 4.1). */
    double dropout;
    double boundary_split;
    uint64_t seed;
    const void *document; /* the document's name, any bytes; NULL: the text itself is its name */
    size_t document_size;
    uint64_t position; /* where the text begins in its document, in bytes: for documents encoded in parts */
};

struct quern_tokenizer_ids {
    const uint32_t *ids;
    size_t count;
};

/* The ids of a text of any bytes, as a whole: nothing before or behind it is looked at. text may be NULL where size is 0. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_encode(struct quern_tokenizer_context *context, const char *text, size_t size,
                       const struct quern_tokenizer_options *options,
                       struct quern_tokenizer_ids *out) QUERN_TOKENIZER_MUST_USE;

/* The bytes of a text that an id stands for: text[start, end). */
struct quern_tokenizer_span {
    size_t start, end;
};

/* As quern_tokenizer_encode, and in (*spans)[i] where ids[i] came from; they live as long as the ids. Spans rise. Where the tokenizer normalizes, a span has
 * all that a changed part came from; it may be a part of a character, or empty for a space that the tokenizer puts before a text. ERR_USAGE: with
 * dropout or boundary_split there are none. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_encode_spans(struct quern_tokenizer_context *context, const char *text, size_t size,
                             const struct quern_tokenizer_options *options, struct quern_tokenizer_ids *out,
                             const struct quern_tokenizer_span **spans) QUERN_TOKENIZER_MUST_USE;

struct quern_tokenizer_batch {
    const uint32_t *ids;  /* of all texts, end to end */
    const size_t *firsts; /* [texts + 1]: text i has ids[firsts[i] .. firsts[i + 1]) */
};

/* The same for many texts at once, by all threads of the context; a text is encoded by one thread. With dropout or boundary_split each text is a
 * document of its own, named by its text: `document` must be NULL. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_encode_batch(struct quern_tokenizer_context *context, const char *const *texts, const size_t *sizes,
                             size_t count, const struct quern_tokenizer_options *options,
                             struct quern_tokenizer_batch *out) QUERN_TOKENIZER_MUST_USE;

/* ---- Decoding ---- */

struct quern_tokenizer_text {
    const char *bytes; /* a NUL stands behind them, and may be among them */
    size_t size;
};

/* The bytes of the ids, one after the other; with skip_special those of special tokens are left out. Any ids decode, but one that is not below
 * quern_tokenizer_size is ERR_INPUT. ids may be NULL where count is 0. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_decode(struct quern_tokenizer_context *context, const uint32_t *ids, size_t count, int skip_special,
                       struct quern_tokenizer_text *out) QUERN_TOKENIZER_MUST_USE;

/* ---- Streams: texts and ids that come in parts ---- */

/* Text in as it comes, ids out: those of quern_tokenizer_encode for the whole text, in little memory. What an id is may hang on what follows, so some KiB of
 * text are held back, or a piece that no pattern cuts; all of the text where the pretokenizer is not a built-in one. For one thread at a time; the tokenizer
 * must outlive it. After a failure of feed or finish a stream is good for its release only. */
struct quern_tokenizer_stream;
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_stream_create(const struct quern_tokenizer *tokenizer, int parse_special,
                              struct quern_tokenizer_stream **out) QUERN_TOKENIZER_MUST_USE;
QUERN_TOKENIZER_API void quern_tokenizer_stream_release(struct quern_tokenizer_stream *stream);
/* More of the text, cut anywhere, within a character too. *out: the ids that are certain now and were not given yet; they live until the next call with the
 * stream. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_stream_feed(struct quern_tokenizer_stream *stream, const char *text, size_t size,
                            struct quern_tokenizer_ids *out) QUERN_TOKENIZER_MUST_USE;
/* The text ends here: the ids that are left. Another text may begin. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_stream_finish(struct quern_tokenizer_stream *stream,
                              struct quern_tokenizer_ids *out) QUERN_TOKENIZER_MUST_USE;

/* What a decoder does with the first bytes of a character whose others have not come yet. */
enum quern_tokenizer_characters {
    QUERN_TOKENIZER_BYTES = 0,              /* gives them at once */
    QUERN_TOKENIZER_WHOLE_CHARACTERS = 1,   /* waits for the others; bytes that are no UTF-8 come as they are */
    QUERN_TOKENIZER_REPLACED_CHARACTERS = 2 /* waits; U+FFFD for what is no UTF-8, so that all that comes is */
};

/* Ids in as they come (from a model, say), text out. For one thread at a time; the tokenizer must outlive it. */
struct quern_tokenizer_decoder;
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_decoder_create(const struct quern_tokenizer *tokenizer, enum quern_tokenizer_characters characters,
                               struct quern_tokenizer_decoder **out) QUERN_TOKENIZER_MUST_USE;
QUERN_TOKENIZER_API void quern_tokenizer_decoder_release(struct quern_tokenizer_decoder *decoder);
/* *out: the text of these ids, but for what waits; it lives until the next call with the decoder. ERR_INPUT: an id is not below quern_tokenizer_size; then
 * none of the ids were taken. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_decoder_feed(struct quern_tokenizer_decoder *decoder, const uint32_t *ids, size_t count,
                             struct quern_tokenizer_text *out) QUERN_TOKENIZER_MUST_USE;
/* The ids end here: what waited. Others may follow. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_decoder_finish(struct quern_tokenizer_decoder *decoder,
                               struct quern_tokenizer_text *out) QUERN_TOKENIZER_MUST_USE;

/* ---- Training ---- */

/* Counts of pieces on their way to a vocabulary. For one thread at a time. */
struct quern_tokenizer_trainer;

/* pretokenizer: which cuts texts into pieces: "deepseek-v3" (NULL, too), or another that this library has built in. ERR_USAGE: it has no such. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_trainer_create(const char *pretokenizer, struct quern_tokenizer_trainer **out) QUERN_TOKENIZER_MUST_USE;
QUERN_TOKENIZER_API void quern_tokenizer_trainer_release(struct quern_tokenizer_trainer *trainer);

/* Counts the pieces of a text, which is not kept. Memory is that of the distinct pieces, some 40 bytes and their own for each. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_trainer_add_text(struct quern_tokenizer_trainer *trainer, const char *text,
                                 size_t size) QUERN_TOKENIZER_MUST_USE;
/* A piece that occurs `count` > 0 times: for those who count themselves. It is not cut. The sum of all counts must stay below 2^60. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_trainer_add_piece(struct quern_tokenizer_trainer *trainer, const char *piece, size_t size,
                                  uint64_t count) QUERN_TOKENIZER_MUST_USE;

struct quern_tokenizer_training {
    size_t size;                /* sizeof(struct quern_tokenizer_training); the rest may be zero but for vocab_size */
    uint64_t vocab_size;        /* ids in all: special tokens, the 256 bytes and merges; at most 2^24 */
    uint64_t min_frequency;     /* of a pair that is merged; 0 and 1 are the same */
    uint64_t max_token_length;  /* bytes; tokens stay shorter than this. 0: no bound */
    const char *const *special; /* [special_count] texts of special tokens, distinct, UTF-8: ids from 0 on */
    size_t special_count;
    unsigned threads; /* 0: one. The result does not depend on it */
};

/* Trains a vocabulary with exactly the merges of Hugging Face's BpeTrainer, and gives it as the bytes of a tokenizer.json (for a file, or
 * quern_tokenizer_load_memory), which belong to the trainer. The counts are used up, after a failure, too; then others may be added. The vocabulary is
 * smaller than asked for where no pair is left. */
QUERN_TOKENIZER_API enum quern_tokenizer_status
quern_tokenizer_trainer_train(struct quern_tokenizer_trainer *trainer, const struct quern_tokenizer_training *training,
                              struct quern_tokenizer_text *out_json) QUERN_TOKENIZER_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
