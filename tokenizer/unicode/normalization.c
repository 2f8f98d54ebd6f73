/* Normal forms in one pass (UAX #15, with the data of unicode/unicode_normal.h).
 *
 * The text is walked once. What is normal already is copied in one go; a segment that is not (from one border to the next) is decomposed into an
 * array of code points, each with its class in the top byte, sorted, composed and written. A border is a character that nothing before
 * it can change: its decomposition begins with a starter that is no second part of a composite.
 */
#include "tokenizer/unicode/normalization.h"

#include "base/bytes16.h"
#include "base/check.h"
#include "tokenizer/unicode/unicode_normal.h"
#include "tokenizer/unicode/utf8_decode.h"

enum {
    BLOCK = 16,       /* bytes looked at together */
    CLASS_SHIFT = 24, /* of an entry: class * 2^24 + code point */
    CODE_MASK = (1 << CLASS_SHIFT) - 1,
    SORT_SHORT = 24, /* up to here by insertion, above by counting */
    /* Hangul (The Unicode Standard, 3.12). */
    SYLLABLE = 0xAC00,
    LEAD = 0x1100,
    VOWEL = 0x1161,
    TAIL = 0x11A7, /* one before the first tail: index 0 is "none" */
    LEADS = 19,
    VOWELS = 21,
    TAILS = 28,
    SYLLABLES = LEADS * VOWELS * TAILS,
};

/* What the four forms differ in. */
struct form_rules {
    uint8_t not_normal; /* flags of a character that the form changes */
    uint8_t inside;     /* flags of one that is no border */
    uint8_t plain;      /* bytes below it belong to characters that the form leaves alone, and that change nothing */
    bool composes, compatible;
};

/* U+00C0 (0xC3 0x80) is the first that decomposes, U+00A0 (0xC2 0xA0) the first that does so in a compatible way, U+0300 (0xCC 0x80) the
 * first that joins. */
static const struct form_rules rules_of[] = {
    [NORMALIZATION_NONE] = {0, 0, 0xFF, false, false},
    [NORMALIZATION_NFC] = {UNICODE_NOT_C, UNICODE_INSIDE, 0xCC, true, false},
    [NORMALIZATION_NFD] = {UNICODE_NOT_D, UNICODE_INSIDE, 0xC3, false, false},
    [NORMALIZATION_NFKC] = {UNICODE_NOT_KC, UNICODE_INSIDE_K, 0xC2, true, true},
    [NORMALIZATION_NFKD] = {UNICODE_NOT_KD, UNICODE_INSIDE_K, 0xC2, false, true},
};

const char *normalization_name(enum normalization form)
{
    static const char *const names[] = {"none", "NFC", "NFD", "NFKC", "NFKD"};
    return names[form];
}

void normalization_edits_release(struct normalization_edits *edits)
{
    q_release(edits->items);
    *edits = (struct normalization_edits){0};
}

/* The composite of a character and the one behind it; 0 where there is none. */
static uint32_t compose(uint32_t first, uint32_t second)
{
    if (first - LEAD < LEADS && second - VOWEL < VOWELS)
        return SYLLABLE + ((first - LEAD) * VOWELS + second - VOWEL) * TAILS;
    if (first - SYLLABLE < SYLLABLES)
        return (first - SYLLABLE) % TAILS == 0 && second - TAIL - 1 < TAILS - 1 ? first + second - TAIL : 0;
    const struct unicode_normal *normal = unicode_normal(first);
    const struct unicode_composite *list = unicode_composites + normal->composites;
    for (unsigned i = 0; i < normal->composites_count; i++)
        if (list[i].second == second)
            return list[i].whole;
    return 0;
}

/* Which bytes of a block are no reason to look closer (0xFF). A character is judged by its lead byte, so that tails, and bytes that are
 * never UTF-8, pass:
 *
 *     below `plain`        scripts before the first that the form changes
 *     0xE4-0xE9            U+4000..U+9FFF
 *     0xD0 0xD1, 0xEB-ED   where the form composes: U+0400..U+047F and U+B000..U+D7FF
 *
 * and for NFC, by the bytes behind it:
 *
 *     0xE2                 U+2002..U+20BF (general punctuation)
 *     0xE3                 U+3000..U+3FFF without U+302A..U+302F, U+3099, U+309A (what marks kana)
 *     0xEA, 0xEF           U+AC00..U+AFFF; U+FF00..U+FFFF (wide forms)
 *     0xE0                 U+0E00..U+0E7F without its marks (Thai) */
static inline q_bytes16 plain_ones(const struct form_rules *rules, const uint8_t *at)
{
    q_bytes16 lead = q_bytes16_load(at);
    q_bytes16 good = (q_bytes16)(lead < rules->plain) | Q_IN16(lead, 0xE4, 0xE9);
    if (!rules->composes)
        return good;
    good |= Q_IN16(lead, 0xD0, 0xD1) | Q_IN16(lead, 0xEB, 0xED);
    if (rules->compatible)
        return good;
    q_bytes16 second = q_bytes16_load(at + 1), third = q_bytes16_load(at + 2);
    q_bytes16 e2 = Q_IN16(second, 0x81, 0x82) | (Q_IS16(second, 0x80) & (q_bytes16)(third >= 0x82));
    q_bytes16 e3 =
        ~((Q_IS16(second, 0x82) & Q_IN16(third, 0x99, 0x9A)) | (Q_IS16(second, 0x80) & Q_IN16(third, 0xAA, 0xAF)));
    q_bytes16 e0 = (Q_IS16(second, 0xB8) & (q_bytes16)(third - 0xB8 >= 3)) |
                   (Q_IS16(second, 0xB9) & (q_bytes16)(third - 0x88 >= 4));
    return good | (Q_IS16(lead, 0xE2) & e2) | (Q_IS16(lead, 0xE3) & e3) | (Q_IS16(lead, 0xE0) & e0) |
           (Q_IS16(lead, 0xEA) & (q_bytes16)(second >= 0xB0)) | (Q_IS16(lead, 0xEF) & (q_bytes16)(second >= 0xBC));
}

/* The bytes from `at` on that belong, whatever they are joined to, to characters that the form leaves alone and that join nothing: whole
 * blocks and the start of one. 0.4 cycles a byte. */
static size_t plain_bytes(const struct form_rules *rules, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *from = at;
    for (; end - at >= BLOCK + 2; at += BLOCK) {
        const unsigned good = q_bytes16_first(~plain_ones(rules, at));
        if (good < BLOCK)
            return (size_t)(at - from) + good;
    }
    return (size_t)(at - from);
}

/* As utf8_decode, three bytes first: where marks and letters mix, most characters have three. */
static inline struct utf8_code decode(const uint8_t *at, const uint8_t *end)
{
    if ((at[0] & 0xF0) == 0xE0 && end - at >= 3 && utf8_is_tail(at[2])) {
        uint32_t code = (at[0] & 0xFu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
        if (utf8_is_tail(at[1]) && code >= 0x800 && code - 0xD800 >= 0x800)
            return (struct utf8_code){code, 3};
    }
    return utf8_decode(at, end);
}

/* What the walk knows of the segment so far. */
struct walk {
    const struct form_rules *rules;
    uint32_t starter;             /* the last starter */
    uint8_t starter_flags, class; /* class: of the last character */
};

/* Whether the form leaves this character alone, behind those of the walk. */
static bool stays(const struct walk *walk, const struct unicode_normal *normal, uint32_t code)
{
    if (normal->flags & walk->rules->not_normal)
        return false;
    if (normal->class && normal->class < walk->class) /* out of canonical order */
        return false;
    if (!walk->rules->composes || !(normal->flags & UNICODE_JOINS))
        return true;
    if (walk->starter_flags &
        UNICODE_NOT_D) /* decomposed, its parts may order and join otherwise: let the slow way decide */
        return false;
    bool blocked = walk->class && walk->class >= normal->class;
    return blocked || !compose(walk->starter, code);
}

size_t normalization_normal_prefix(enum normalization form, q_string text)
{
    if (form == NORMALIZATION_NONE || !text.size)
        return text.size;
    const uint8_t *begin = (const uint8_t *)text.data, *end = begin + text.size, *at = begin, *segment = at, *look = at;
    struct walk walk = {.rules = &rules_of[form]};
    while (at < end) {
        if (at >= look) {
            size_t plain = plain_bytes(walk.rules, at, end);
            look = at + plain + BLOCK;
            if (plain) /* back to the last character: the starter of marks that may follow */
                at = segment = utf8_before(at, at + plain);
        }
        struct utf8_code decoded = decode(at, end);
        const struct unicode_normal *normal = unicode_normal(decoded.code);
        if (normal == &unicode_normals[0]) { /* most are: a starter that stays and joins nothing before it */
            segment = at;
            walk.starter = decoded.code;
            walk.starter_flags = walk.class = 0;
            at += decoded.bytes;
            continue;
        }
        if (!stays(&walk, normal, decoded.code))
            return (size_t)(segment - begin);
        if (!(normal->flags & walk.rules->inside))
            segment = at;
        if (!normal->class) {
            walk.starter = decoded.code;
            walk.starter_flags = normal->flags;
        }
        walk.class = normal->class;
        at += decoded.bytes;
    }
    return text.size;
}

/* Whether more bytes could make a character of the last few, so that they are no character yet. */
static size_t unfinished_bytes(const uint8_t *begin, const uint8_t *end)
{
    for (const uint8_t *lead = end - 1; lead >= begin && end - lead < 4; lead--) {
        if (utf8_is_tail(*lead))
            continue;
        uint32_t length = *lead >= 0xF0 ? 4 : *lead >= 0xE0 ? 3 : *lead >= 0xC2 ? 2 : 1;
        size_t there = (size_t)(end - lead);
        return *lead <= 0xF4 && there < length && utf8_decode(lead, end).bytes == there ? there : 0;
    }
    return 0;
}

size_t normalization_final_prefix(enum normalization form, q_string text)
{
    if (form == NORMALIZATION_NONE || !text.size)
        return text.size;
    const uint8_t *begin = (const uint8_t *)text.data, *end = begin + text.size;
    end -= unfinished_bytes(begin, end);
    while (end > begin) {
        end = utf8_before(begin, end);
        uint32_t code = utf8_decode(end, begin + text.size).code;
        if (!(unicode_normal(code)->flags & rules_of[form].inside))
            break;
    }
    return (size_t)(end - begin);
}

/* The characters of one segment. */
struct segment {
    uint32_t *entries, *sorted; /* sorted: room for the counting sort */
    size_t count, capacity, sorted_capacity;
};

static q_status put_entry(struct segment *segment, uint32_t code)
{
    if (segment->count == segment->capacity)
        Q_TRY(q_grow(&segment->entries, &segment->capacity, segment->count + 1, sizeof(*segment->entries)));
    segment->entries[segment->count++] = (uint32_t)unicode_normal(code)->class << CLASS_SHIFT | code;
    return Q_OK;
}

static q_status decompose(struct segment *segment, bool compatible, uint32_t code)
{
    const struct unicode_normal *normal = unicode_normal(code);
    if (normal->flags & UNICODE_HANGUL) {
        uint32_t index = code - SYLLABLE, tail = index % TAILS;
        Q_TRY(put_entry(segment, LEAD + index / (VOWELS * TAILS)));
        Q_TRY(put_entry(segment, VOWEL + index / TAILS % VOWELS));
        return tail ? put_entry(segment, TAIL + tail) : Q_OK;
    }
    unsigned count = compatible && normal->compatible_count ? normal->compatible_count : normal->canonical_count;
    const uint32_t *codes =
        unicode_normal_codes + (compatible && normal->compatible_count ? normal->compatible : normal->canonical);
    for (unsigned i = 0; i < count; i++)
        Q_TRY(put_entry(segment, codes[i]));
    return count ? Q_OK : put_entry(segment, code);
}

/* Sorts a run of marks by class, those of one class in the order they came. Linear for long runs: there are 256 classes. */
static q_status sort_marks(struct segment *segment, uint32_t *marks, size_t count)
{
    if (count <= SORT_SHORT) {
        for (size_t i = 1; i < count; i++) {
            uint32_t mark = marks[i];
            size_t k = i;
            for (; k > 0 && marks[k - 1] >> CLASS_SHIFT > mark >> CLASS_SHIFT; k--)
                marks[k] = marks[k - 1];
            marks[k] = mark;
        }
        return Q_OK;
    }
    size_t places[256] = {0}, place = 0;
    if (count > segment->sorted_capacity)
        Q_TRY(q_grow(&segment->sorted, &segment->sorted_capacity, count, sizeof(*segment->sorted)));
    for (size_t i = 0; i < count; i++)
        places[marks[i] >> CLASS_SHIFT]++;
    for (unsigned class = 0; class < 256; class ++) {
        size_t here = places[class];
        places[class] = place;
        place += here;
    }
    for (size_t i = 0; i < count; i++)
        segment->sorted[places[marks[i] >> CLASS_SHIFT]++] = marks[i];
    memcpy(marks, segment->sorted, count * sizeof(*marks));
    return Q_OK;
}

static q_status order(struct segment *segment)
{
    for (size_t i = 0; i < segment->count;) {
        size_t start = i;
        while (i < segment->count && segment->entries[i] >> CLASS_SHIFT)
            i++;
        if (i - start > 1)
            Q_TRY(sort_marks(segment, segment->entries + start, i - start));
        i += i == start; /* a starter */
    }
    return Q_OK;
}

/* Each character joins the last starter where a composite of the two exists and nothing between them has its class or a higher one. */
static void compose_all(struct segment *segment)
{
    uint32_t *entries = segment->entries;
    size_t kept = 0, starter = SIZE_MAX;
    for (size_t i = 0; i < segment->count; i++) {
        uint32_t entry = entries[i], class = entry >> CLASS_SHIFT, whole = 0;
        if (starter != SIZE_MAX && (kept == starter + 1 || entries[kept - 1] >> CLASS_SHIFT < class))
            whole = compose(entries[starter] & CODE_MASK, entry & CODE_MASK);
        if (whole) {
            entries[starter] = whole; /* a composite of a starter is a starter */
            continue;
        }
        if (!class)
            starter = kept;
        entries[kept++] = entry;
    }
    segment->count = kept;
}

static void put_utf8(struct q_buffer *out, uint32_t code)
{
    char *to = out->data + out->size;
    if (code < 0x80) {
        to[0] = (char)code;
        out->size += 1;
    } else if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        out->size += 2;
    } else if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (char)(0x80 | (code & 0x3F));
        out->size += 3;
    } else {
        to[0] = (char)(0xF0 | code >> 18);
        to[1] = (char)(0x80 | (code >> 12 & 0x3F));
        to[2] = (char)(0x80 | (code >> 6 & 0x3F));
        to[3] = (char)(0x80 | (code & 0x3F));
        out->size += 4;
    }
}

/* Appends the normal form of the segment that begins at *at, and moves *at behind it. */
static q_status apply_segment(const struct form_rules *rules, struct segment *segment, const uint8_t **at,
                              const uint8_t *end, struct q_buffer *out)
{
    struct utf8_code decoded = utf8_decode(*at, end);
    segment->count = 0;
    if (decoded.code == UTF8_REPLACEMENT) { /* perhaps broken bytes: they are kept, and join nothing */
        Q_TRY(q_buffer_append(out, *at, decoded.bytes));
        *at += decoded.bytes;
    } else {
        Q_TRY(decompose(segment, rules->compatible, decoded.code));
        *at += decoded.bytes;
    }
    for (; *at < end; *at += decoded.bytes) {
        decoded = utf8_decode(*at, end);
        if (!(unicode_normal(decoded.code)->flags & rules->inside))
            break;
        Q_TRY(decompose(segment, rules->compatible, decoded.code));
    }
    Q_TRY(order(segment));
    if (rules->composes)
        compose_all(segment);
    size_t room;
    if (!q_mul_size(segment->count, 4, &room))
        return q_fail(Q_ERR_MEMORY, "a run of %zu marks is too long", segment->count);
    Q_TRY(q_buffer_reserve(out, room));
    for (size_t i = 0; i < segment->count; i++)
        put_utf8(out, segment->entries[i] & CODE_MASK);
    return Q_OK;
}

static q_status put_edit(struct normalization_edits *edits, struct normalization_edit edit)
{
    if (edits->count == edits->capacity)
        Q_TRY(q_grow(&edits->items, &edits->capacity, edits->count + 1, sizeof(*edits->items)));
    edits->items[edits->count++] = edit;
    return Q_OK;
}

static q_status apply_all(enum normalization form, q_string text, struct segment *segment, struct q_buffer *out,
                          struct normalization_edits *edits)
{
    size_t first = out->size;
    const uint8_t *begin = (const uint8_t *)text.data, *end = begin + text.size, *at = begin;
    while (at < end) {
        size_t same = normalization_normal_prefix(form, (q_string){(const char *)at, (size_t)(end - at)});
        Q_TRY(q_buffer_append(out, at, same));
        at += same;
        if (at == end)
            break;
        const uint8_t *from = at;
        size_t to = out->size;
        Q_TRY(apply_segment(&rules_of[form], segment, &at, end, out));
        size_t from_size = (size_t)(at - from), to_size = out->size - to;
        if (!edits || (from_size == to_size && memcmp(from, out->data + to, to_size) == 0))
            continue; /* the quick check doubted it for nothing */
        Q_TRY(put_edit(edits, (struct normalization_edit){(size_t)(from - begin), (size_t)(at - begin), to - first,
                                                          out->size - first}));
    }
    return Q_OK;
}

q_status normalization_apply(enum normalization form, q_string text, struct q_buffer *out,
                             struct normalization_edits *edits)
{
    struct segment segment = {0};
    if (!text.size)
        return Q_OK;
    q_status status = apply_all(form, text, &segment, out, edits);
    q_release(segment.entries);
    q_release(segment.sorted);
    return status;
}

/* Where an offset of the result was in the original; one inside an edit is the edit's start, or its end where `up`. */
static size_t original_of(const struct normalization_edits *edits, size_t *hint, size_t at, bool up)
{
    if (*hint >= edits->count || edits->items[*hint].to > at)
        *hint = 0;
    /* Items before `low` begin at or before `at`. From the hint on, doubling steps: near where the last call ended. */
    size_t low = *hint, high = edits->count;
    for (size_t step = 1; low + step < high; step *= 2) {
        if (edits->items[low + step].to > at) {
            high = low + step;
            break;
        }
        low += step;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (edits->items[middle].to <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return at;
    const struct normalization_edit *edit = &edits->items[ *hint = low - 1];
    if (at >= edit->to_end)
        return at - edit->to_end + edit->from_end;
    return at == edit->to || !up ? edit->from : edit->from_end;
}

void normalization_original(const struct normalization_edits *edits, size_t *hint, size_t from, size_t to,
                            size_t *original_from, size_t *original_to)
{
    *original_from = original_of(edits, hint, from, false);
    *original_to = to == from ? *original_from : original_of(edits, hint, to, true);
}
