#include "corpus/text/mojibake.h"

#include "base/bytes16.h"
#include "base/check.h"
#include "corpus/text/mojibake_run.h"

enum { GAIN_SURE = 2, ROUNDS_MAX = 4, WHOLE_OF = 20 };

/* What a charset makes of a text or of a line. */
struct view {
    uint64_t gain;               /* of the sure runs */
    uint64_t sequences, outside; /* what is not ASCII: in sequences, and characters that are in none */
};

/* --- the quick look ---------------------------------------------------------------------------------------------------------------- */

/* Whether a character begins at `at` right behind another beyond ASCII, and the two look like part of a sequence by their bytes:
 *   - the second begins with C2, C5, C6, CB or E2: a C1 control, a symbol or punctuation, as most of what bytes 80 to BF are in 8-bit charsets;
 *   - the first is beyond U+2040 or the low quotation mark U+201A: box drawings and mathematics, which lead in the charsets of DOS and Mac OS;
 *   - a Greek letter or U+00D4 before one of Latin-1: quotation marks in the charsets of DOS.
 * All broken texts but the shortest have such pairs, and few others do. */
static bool is_pair(const unsigned char *begin, const unsigned char *at)
{
    unsigned char here = at[0], b1 = at - begin >= 1 ? at[-1] : 0, b2 = at - begin >= 2 ? at[-2] : 0;
    unsigned char b3 = at - begin >= 3 ? at[-3] : 0;
    if (here < 0xC2 || b1 < 0x80)
        return false;
    return here == 0xC2 || here == 0xC5 || here == 0xC6 || here == 0xCB || here == 0xE2 ||
           (b3 == 0xE2 && (b2 > 0x80 || b1 == 0x9A)) || (here == 0xC3 && (b2 == 0xCE || (b2 == 0xC3 && b1 == 0x94)));
}

/* Whether is_pair holds for one of the 16 bytes at `at`, which has three bytes before it. */
static bool any_pair(const unsigned char *at)
{
    q_bytes16 here = q_bytes16_load(at), b1 = q_bytes16_load(at - 1), b2 = q_bytes16_load(at - 2),
              b3 = q_bytes16_load(at - 3);
    q_bytes16 pair =
        Q_IS16(here, 0xC2) | Q_IS16(here, 0xC5) | Q_IS16(here, 0xC6) | Q_IS16(here, 0xCB) | Q_IS16(here, 0xE2);
    pair |= (q_bytes16)(here >= 0xC2) & Q_IS16(b3, 0xE2) & ((q_bytes16)(b2 > 0x80) | Q_IS16(b1, 0x9A));
    pair |= Q_IS16(here, 0xC3) & (Q_IS16(b2, 0xCE) | (Q_IS16(b2, 0xC3) & Q_IS16(b1, 0x94)));
    pair &= (q_bytes16)(b1 >= 0x80);
    return q_bytes16_any(pair);
}

/* The next second character of a pair at or behind `at`; NULL where there is none. */
static const unsigned char *next_inner(const unsigned char *begin, const unsigned char *at, const unsigned char *end)
{
    while (at < end) {
        while (at - begin >= 3 && end - at >= 16 && !any_pair(at))
            at += 16;
        for (const unsigned char *stop = at + Q_MIN(end - at, 16); at < stop; at++)
            if (is_pair(begin, at))
                return at;
    }
    return NULL;
}

/* Where the characters of the charset that lead up to `at` begin, `begin` at the earliest. */
static const unsigned char *first_of(const struct mojibake *m, unsigned charset, const unsigned char *begin,
                                     const unsigned char *at)
{
    for (const unsigned char *before = at; at > begin && at[-1] >= 0x80; at = before) {
        do
            before--;
        while ((*before & 0xC0) == 0x80);
        const unsigned char *next = before;
        if (!m->byte_of[charset][mojibake_slot(mojibake_next(&next))])
            break;
    }
    return at;
}

/* Whether one of the runs that begin in [from, to] is sure; *behind is set behind them. */
static bool any_sure(const struct mojibake *m, unsigned charset, q_string text, const unsigned char *from,
                     const unsigned char *to, const unsigned char **behind)
{
    const unsigned char *begin = (const unsigned char *)text.data, *end = begin + text.size;
    bool sure = false;
    while (from <= to && !sure) {
        struct mojibake_run run = mojibake_measure(m, charset, begin, from, end);
        sure = run.gain >= GAIN_SURE;
        if (run.size)
            from += run.size;
        else
            mojibake_next(&from);
    }
    *behind = from;
    return sure;
}

/* The charsets in which the text has a sure run. */
static unsigned sure_charsets(const struct mojibake *m, q_string text)
{
    const unsigned char *begin = (const unsigned char *)text.data, *end = begin + text.size;
    const unsigned char *behind[MOJIBAKE_CHARSETS]; /* what was looked at, by charset */
    unsigned sure = 0;
    for (unsigned i = 0; i < MOJIBAKE_CHARSETS; i++)
        behind[i] = begin;
    for (const unsigned char *at = begin; (at = next_inner(begin, at, end)) != NULL; at++) {
        const unsigned char *next = at;
        unsigned fitting = m->inners[mojibake_slot(mojibake_next(&next))] & ~sure;
        for (unsigned i = 0; fitting >> i; i++)
            if (fitting >> i & 1 && at >= behind[i] &&
                any_sure(m, i, text, first_of(m, i, behind[i], at), at, &behind[i]))
                sure |= 1u << i;
    }
    return sure;
}

/* --- lines ------------------------------------------------------------------------------------------------------------------------- */

static bool is_repaired(const struct mojibake_run *run, const struct view *line, const struct view *all)
{
    if (run->gain >= GAIN_SURE)
        return true;
    return (run->gain >= 0 && line->outside == 0) || all->outside * WHOLE_OF <= all->sequences;
}

/* The next run at or behind *at, which is moved to it; the characters beyond ASCII before it count as outside. */
static struct mojibake_run next_run(const struct mojibake *m, unsigned charset, const unsigned char *begin,
                                    const unsigned char **at, const unsigned char *end, struct view *view)
{
    struct mojibake_run run = {0};
    while (*at < end) {
        if (**at < 0x80) {
            ++*at;
            continue;
        }
        run = mojibake_measure(m, charset, begin, *at, end);
        if (run.size)
            break;
        view->outside++;
        mojibake_next(at);
    }
    view->gain += run.gain >= GAIN_SURE ? (uint64_t)run.gain : 0;
    view->sequences += run.sequences;
    return run;
}

/* Adds what a charset makes of a line. */
static void survey(const struct mojibake *m, unsigned charset, q_string line, struct view *view)
{
    const unsigned char *begin = (const unsigned char *)line.data, *end = begin + line.size, *at = begin;
    while (at < end)
        at += next_run(m, charset, begin, &at, end, view).size;
}

/* Appends the line, repaired as its view and that of the whole text allow. */
static q_status write_line(const struct mojibake *m, unsigned charset, q_string text, const struct view *line,
                           const struct view *all, struct q_buffer *out, uint64_t *runs)
{
    const unsigned char *begin = (const unsigned char *)text.data, *end = begin + text.size, *at = begin,
                        *copied = begin;
    const unsigned char *next;
    struct view seen = {0};
    unsigned char utf8[4];
    while (at < end) {
        struct mojibake_run run = next_run(m, charset, begin, &at, end, &seen);
        if (!run.size || !is_repaired(&run, line, all)) {
            at += run.size;
            continue;
        }
        Q_TRY(q_buffer_append(out, copied, (size_t)(at - copied)));
        for (copied = at + run.size; at < copied; at = next) {
            unsigned size = mojibake_sequence(m, charset, at, end, &next, utf8);
            Q_TRY(q_buffer_append(out, utf8, size));
        }
        ++*runs;
    }
    return q_buffer_append(out, copied, (size_t)(end - copied));
}

/* The line with its LF taken off *rest. */
static q_string next_line(q_string *rest)
{
    const char *end = memchr(rest->data, '\n', rest->size);
    size_t size = end ? (size_t)(end - rest->data) + 1 : rest->size;
    q_string line = {rest->data, size};
    *rest = (q_string){rest->data + size, rest->size - size};
    return line;
}

/* Whether a charset explains a text better: it is sure of something, leaves less outside, gains more. */
static bool is_better(const struct view *a, const struct view *b)
{
    if ((a->gain != 0) != (b->gain != 0))
        return a->gain != 0;
    return a->gain && (a->outside != b->outside ? a->outside < b->outside : a->gain > b->gain);
}

/* The charset that explains the line best; where none is sure there, the whole text. */
static unsigned best_charset(const struct mojibake *m, unsigned charsets, q_string line, const struct view *all,
                             struct view *view)
{
    unsigned best = MOJIBAKE_CHARSETS;
    struct view views[MOJIBAKE_CHARSETS] = {0};
    for (unsigned i = 0; i < MOJIBAKE_CHARSETS; i++) {
        if (!(charsets >> i & 1))
            continue;
        survey(m, i, line, &views[i]);
        if (best == MOJIBAKE_CHARSETS || is_better(&views[i], &views[best]) ||
            (!is_better(&views[best], &views[i]) && is_better(&all[i], &all[best])))
            best = i;
    }
    *view = views[best];
    return best;
}

/* The whole text once, appended to `out`, where some charset surely fits it. */
static q_status repair_once(const struct mojibake *m, q_string text, struct q_buffer *out, uint64_t *runs)
{
    struct view all[MOJIBAKE_CHARSETS] = {0}, line_view;
    unsigned charsets = sure_charsets(m, text);
    *runs = 0;
    if (!charsets)
        return Q_OK;
    for (unsigned i = 0; i < MOJIBAKE_CHARSETS; i++)
        for (q_string rest = text; charsets >> i & 1 && rest.size;)
            survey(m, i, next_line(&rest), &all[i]);
    for (q_string rest = text; rest.size;) {
        q_string line = next_line(&rest);
        unsigned best = best_charset(m, charsets, line, all, &line_view);
        Q_TRY(write_line(m, best, line, &line_view, &all[best], out, runs));
    }
    return Q_OK;
}

q_status mojibake_repair(const struct mojibake *m, q_string text, struct q_buffer *out, struct q_buffer *scratch,
                         bool *found, struct corpus_changes *changes)
{
    uint64_t runs, sum = 0;
    *found = false;
    for (unsigned round = 0; round <= ROUNDS_MAX; round++) {
        q_buffer_clear(scratch);
        Q_TRY(repair_once(m, round ? q_buffer_string(out) : text, scratch, &runs));
        if (!runs) {
            *found = round != 0;
            changes->mojibake += sum;
            return Q_OK;
        }
        struct q_buffer swap = *out;
        *out = *scratch;
        *scratch = swap;
        sum += runs;
    }
    return Q_OK; /* still not what anybody wrote */
}
