#include "corpus/text/text_metrics.h"

#include "base/check.h"
#include "base/hash.h"
#include "corpus/text/count_bytes.h"
#include "corpus/text/text_lines.h"

/* --- words ------------------------------------------------------------------------------------------------------------------------- */

static void count_words(const struct corpus_words *words, struct corpus_metrics *m)
{
    bool ended = false; /* a sentence did, and the next one has not begun */
    for (size_t i = 0; i < words->count; i++) {
        const struct corpus_word *word = &words->items[i];
        unsigned flags = word->flags;
        bool plain = flags & CORPUS_WORD_PLAIN;
        m->plain_words += plain;
        m->plain_characters += plain ? word->characters : 0;
        m->estimated_words += (flags & CORPUS_WORD_ESTIMATED) != 0;
        m->letter_words += flags & CORPUS_WORD_LETTER;
        m->chunks += (flags & CORPUS_WORD_BEGINS_CHUNK) != 0;
        if (flags & CORPUS_WORD_BEGINS_LINE || (ended && !(flags & (CORPUS_WORD_END | CORPUS_WORD_PUNCTUATION)))) {
            m->sentences++;
            ended = false;
        }
        ended |= (flags & CORPUS_WORD_END) != 0;
    }
    m->words = words->count;
}

/* --- characters -------------------------------------------------------------------------------------------------------------------- */

/* How often the sequence that `first` begins is there, without overlaps: "..." and U+2026 begin with bytes that texts have few of. */
static uint64_t count_sequence(q_string text, const char sequence[3])
{
    const char *at = text.data, *end = text.data + text.size;
    uint64_t count = 0;
    while (end - at >= 3 && (at = memchr(at, sequence[0], (size_t)(end - at) - 2)) != NULL) {
        bool here = at[1] == sequence[1] && at[2] == sequence[2];
        count += here;
        at += here ? 3 : 1;
    }
    return count;
}

static uint64_t count_ellipses(q_string text)
{
    return text.size ? count_sequence(text, "...") + count_sequence(text, "\xE2\x80\xA6") : 0;
}

/* --- lines ------------------------------------------------------------------------------------------------------------------------- */

static bool ends_sentence(const uint16_t *classes, q_string line)
{
    size_t size;
    const uint8_t *from = (const uint8_t *)line.data;
    return corpus_character_class(classes, corpus_character_before(from, from + line.size, &size)) &
           CORPUS_SENTENCE_END;
}

static q_status count_line(const uint16_t *classes, q_string line, struct corpus_hash_set *set,
                           struct corpus_metrics *m)
{
    q_string inner = corpus_line_strip(classes, line);
    if (!inner.size)
        return Q_OK;
    uint64_t characters = corpus_count_characters(line);
    m->text_lines++;
    m->longest_line = Q_MAX(m->longest_line, characters);
    m->bullet_lines += inner.data[0] == '-' || q_string_starts(inner, "\xE2\x80\xA2");
    m->ellipsis_lines += q_string_ends(inner, "...") || q_string_ends(inner, "\xE2\x80\xA6");
    m->stopped_lines += ends_sentence(classes, line);
    m->short_lines += characters <= CORPUS_SHORT_LINE;
    struct corpus_hash_slot *slot;
    Q_TRY(corpus_hash_set_take(set, q_hash64(line.data, line.size, 0), &slot));
    const uint32_t before = slot->count++;
    if (before) {
        m->duplicate_lines++;
        m->duplicate_line_characters += characters;
        m->repeated_lines += before == 1 ? 2 : 1;
        m->repeated_line_characters += characters * (before == 1 ? 2 : 1);
    }
    return Q_OK;
}

q_status corpus_measure(q_string text, const struct corpus_words *words, struct corpus_hash_set *set,
                        struct corpus_metrics *out)
{
    const uint16_t *classes = corpus_character_classes();
    *out = (struct corpus_metrics){.characters = corpus_count_characters(text),
                                   .newlines = corpus_count_byte(text, '\n'),
                                   .hashes = corpus_count_byte(text, '#'),
                                   .ellipses = count_ellipses(text)};
    count_words(words, out);
    const size_t lines = (size_t)out->newlines + 1;
    Q_TRY(corpus_hash_set_begin(set, Q_MIN(lines, (size_t)CORPUS_HASH_SET_FEW), corpus_hash_key(text)));
    q_string rest = text, line;
    for (; q_string_next_line(&rest, &line); out->lines++)
        Q_TRY(count_line(classes, line, set, out));
    return Q_OK;
}
