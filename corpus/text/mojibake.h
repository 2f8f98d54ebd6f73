/* Mojibake: UTF-8 that somebody read in an 8-bit charset and wrote as UTF-8 again ("cafÃ©", "itâ€™s", "РџСЂРёРІРµС‚"), once or
 * several times over. What was lost on the way (a no-break space that became a space, bytes without a character) stays lost.
 *
 * A *sequence* is two to four characters that some charset writes as the bytes of one UTF-8 character; a *run* is a row of them. Text holds such pairs
 * by chance too: the capital of «JOSÉ» with its quotation mark, "déšť" in Czech, tables drawn with boxes. So a run is repaired only where the text
 * becomes smoother by it. The *roughness* of a text counts, at each pair of neighbours, what does not happen inside words: a small letter before a
 * capital beyond ASCII (2), a letter or a dash beside a symbol, two different symbols, an opening quotation mark behind a letter, any other between two
 * letters, two scripts in a word, a digit before a cased letter beyond ASCII (1 each), a C1 control (2). The *gain* of a run is the roughness before
 * less that after, and 1 for each three-byte and 2 for each four-byte sequence, which chance does not make so easily; less 2 for each end where a
 * letter or symbol of the charset touches it that is in no sequence: bytes that are not UTF-8 were of another charset, GB 2312 read as Latin-1, say.
 *   - A run with a gain of 2 is repaired wherever it stands: pages mix good text and bad.
 *   - A run with less but no loss, where the document has such a run of the charset and every character beyond ASCII of the line is in a sequence.
 *   - Any run, where the document has such a run, and twenty sequences to each character beyond ASCII that is in none: it is broken as a whole.
 * Of several charsets that fit a line, the one counts that leaves the fewest characters beyond ASCII outside of sequences, then the one that gains most.
 * That is done again until nothing changes, four times at most; a text that changes still stays as it came. So repairing twice is repairing once.
 *
 * The idea to weigh what is unlikely before and after is that of ftfy (Speer 2019, 6.3 tried), whose lists of characters this does without: classes,
 * cases and scripts are Unicode's, the charsets ICU's. Work is linear in the text.
 */
#ifndef QUERN_CORPUS_MOJIBAKE_H
#define QUERN_CORPUS_MOJIBAKE_H

#include "corpus/text/normalise.h"

/* The charsets' tables, the same for ever: one serves all threads. */
struct mojibake;

q_status mojibake_create(struct mojibake **out) Q_MUST_USE; /* Q_ERR_SYSTEM where ICU lacks a charset */
void mojibake_release(struct mojibake *mojibake);           /* NULL is allowed */

/* Writes `text` (valid UTF-8) repaired into `out` (cleared first; `scratch` is used too) and sets *found; where nothing is to be repaired, *found is false and
 * `out` says nothing. Counts the runs in `mojibake`. Fails for want of memory only. */
q_status mojibake_repair(const struct mojibake *mojibake, q_string text, struct q_buffer *out, struct q_buffer *scratch,
                         bool *found, struct corpus_changes *changes) Q_MUST_USE;

#endif
