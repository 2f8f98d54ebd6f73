/* Unicode normalization (UAX #15): the forms that a tokenizer.json may ask for before its pretokenizer.
 *
 * The forms are those of the Unicode version that Hugging Face's library has (unicode/unicode_normal.h), never the machine's. Bytes that
 * are not UTF-8 stay as they are: a broken byte is a starter that composes with nothing, so the text left of it and right of it are
 * normalized by themselves.
 *
 * A text falls into segments: a segment begins at a starter that no text on its left can change. So a text can be normalized piece by piece
 * at such borders, and only segments that are not normal already cost anything:
 *
 *     "abc e ◌́ ◌̣ xyz"  -->  "abc ẹ́ xyz"        one edit: bytes 4..9 became bytes 4..10
 */
#ifndef QUERN_TOKENIZER_NORMALIZATION_H
#define QUERN_TOKENIZER_NORMALIZATION_H

#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

#include <stddef.h>

enum normalization {
    NORMALIZATION_NONE,
    NORMALIZATION_NFC,
    NORMALIZATION_NFD,
    NORMALIZATION_NFKC,
    NORMALIZATION_NFKD,
};

/* "NFC"; "none". */
const char *normalization_name(enum normalization form);

/* A range of the original that became another range of the result; what lies between two edits is the same bytes in both. */
struct normalization_edit {
    size_t from, from_end; /* in the original */
    size_t to, to_end;     /* in the result */
};

/* Where the parts of a result came from: edits in order. Ready when zeroed; clear `count` to use it again. */
struct normalization_edits {
    struct normalization_edit *items;
    size_t count, capacity;
};
void normalization_edits_release(struct normalization_edits *edits);

/* The longest prefix, as far as the quick check sees, that is normal and that no text behind it can change; text.size where the whole text
 * is normal. One pass, next to nothing for ASCII: a caller who gets text.size back uses the text as it is. */
size_t normalization_normal_prefix(enum normalization form, q_string text);

/* The longest prefix whose normal form is final whatever follows, for texts that come in blocks: normalize(prefix), then normalize(rest +
 * next block). 0 where all of it hangs on what follows (a run of marks has no bound). */
size_t normalization_final_prefix(enum normalization form, q_string text);

/* Appends the normal form of a whole text to `out`; to `edits`, where it is not NULL, what changed: offsets in `text` and, for the result,
 * from the first byte appended. Linear, for any run of marks. Q_ERR_MEMORY only. */
q_status normalization_apply(enum normalization form, q_string text, struct q_buffer *out,
                             struct normalization_edits *edits) Q_MUST_USE;

/* The range of the original that [from, to) of the result came from; an offset inside an edit stands for all of the edit. `*hint` (begin
 * with 0) makes calls with rising offsets cost nothing. */
void normalization_original(const struct normalization_edits *edits, size_t *hint, size_t from, size_t to,
                            size_t *original_from, size_t *original_to);

#endif
