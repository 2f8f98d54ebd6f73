/* Streams: text in as it comes, ids out; ids in, text out. Bounded memory, whatever the length.
 *
 *     tokenizer_stream_create
 *     tokenizer_stream_feed(text), tokenizer_stream_feed(more text), ...      parts of any size, cut anywhere, within a character too
 *     tokenizer_stream_finish                                                  then the next text may begin
 *     tokenizer_stream_release
 *
 * All ids that come are those that tokenizer_encode gives for the whole text. An id comes as soon as no text that may follow can change it, and some
 * text was waiting for company (a block of some KiB).
 *
 * What is held back is the last piece, or so. A piece without end (a gigabyte of one letter) is given out as it comes, too: up to a border that the
 * encoding of the piece has however it goes on. Exceptions, for which the stream holds all it must: a pretokenizer that is not built in (the whole text), a
 * vocabulary whose merges are not in order (the piece), added tokens with lstrip, rstrip or single_word in a text without punctuation.
 */
#ifndef QUERN_TOKENIZER_TOKENIZER_STREAM_H
#define QUERN_TOKENIZER_TOKENIZER_STREAM_H

#include "tokenizer/tokenizer.h"

struct tokenizer_stream;
/* The tokenizer must outlive it. */
q_status tokenizer_stream_create(const struct tokenizer *tokenizer, enum tokenizer_special_mode mode,
                                 struct tokenizer_stream **out) Q_MUST_USE;
void tokenizer_stream_release(struct tokenizer_stream *stream);
/* Appends the ids that are certain now. After a failure the stream is fit for release only. */
q_status tokenizer_stream_feed(struct tokenizer_stream *stream, q_string text, struct tokenizer_ids *out) Q_MUST_USE;
/* Appends those that are left: the text ends here. */
q_status tokenizer_stream_finish(struct tokenizer_stream *stream, struct tokenizer_ids *out) Q_MUST_USE;
/* Bytes that wait. */
size_t tokenizer_stream_held(const struct tokenizer_stream *stream);

/* What a decoding stream does with the first bytes of a character whose others have not come. */
enum tokenizer_characters {
    TOKENIZER_BYTES,            /* gives all bytes at once */
    TOKENIZER_WHOLE_CHARACTERS, /* waits for the others; bytes that are no UTF-8 are given as they are */
    TOKENIZER_REPLACED_CHARACTERS /* waits, and puts U+FFFD for each maximal part of a broken character, so that all that comes is UTF-8 */
};

/* Ready when zeroed but for its first two members. */
struct tokenizer_decoding {
    const struct tokenizer *tokenizer;
    enum tokenizer_characters characters;
    char held[4]; /* of a character that is not whole */
    size_t held_count;
};

/* Appends the text of the ids, but for what waits. An id out of range is Q_ERR_INPUT, and nothing of this call is appended. */
q_status tokenizer_decoding_feed(struct tokenizer_decoding *decoding, const uint32_t *ids, size_t count,
                                 struct q_buffer *out) Q_MUST_USE;
/* Appends what waits: as it is, or U+FFFD. */
q_status tokenizer_decoding_finish(struct tokenizer_decoding *decoding, struct q_buffer *out) Q_MUST_USE;

#endif
