/* Bytes of any charset to UTF-8.
 *
 * In this order: a byte order mark; valid UTF-8 (text in another charset hardly ever is valid by chance); what the transport said (HTTP's Content-Type), which
 * outweighs the page (HTML Standard, 13.2.3.2); what the page declares; UTF-8 with some damage
 * (at least ten good multi-byte characters to a bad one): repaired; ICU's detection, where it is sure enough. What is left is refused.
 * The declared labels mean what the WHATWG Encoding Standard says: iso-8859-1 is windows-1252, gb2312 is GB 18030.
 */
#ifndef QUERN_CORPUS_CHARSET_H
#define QUERN_CORPUS_CHARSET_H

#include "base/memory.h"
#include "corpus/text/normalise.h"

/* One per thread. */
struct corpus_decoder;

q_status corpus_decoder_create(struct corpus_decoder **out) Q_MUST_USE;
void corpus_decoder_release(struct corpus_decoder *decoder); /* NULL is allowed */

/* *text gets valid UTF-8: the bytes themselves (without their mark) or the decoder's, until its next use. *known = false: no charset fits, *text is
 * empty. html: the declaration is looked for in the page's first 1,024 bytes. transport: the label that came with the bytes; NULL or "": none. Changes
 * are counted. Fails for want of memory only. */
q_status corpus_decode(struct corpus_decoder *decoder, q_string bytes, bool html, const char *transport, q_string *text,
                       bool *known, struct corpus_changes *changes) Q_MUST_USE;

#endif
