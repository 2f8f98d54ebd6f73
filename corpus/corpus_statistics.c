#include "corpus/corpus_statistics.h"

#include "base/check.h"
#include "base/document.h"

#include <stdio.h>
#include <unicode/uloc.h>

/* --- named tallies ----------------------------------------------------------------------------------------------------------------- */

static size_t find_count(const struct corpus_counts *counts, const char *name, bool *found)
{
    size_t low = 0, high = counts->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, counts->items[middle].name);
        if (order == 0)
            return *found = true, middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *found = false;
    return low;
}

q_status corpus_count_add(struct corpus_counts *counts, const char *name, struct q_tally tally)
{
    char cut[CORPUS_COUNT_NAME];
    bool found;
    snprintf(cut, sizeof cut, "%s", name);
    size_t at = find_count(counts, cut, &found);
    if (!found) {
        Q_TRY(q_grow(&counts->items, &counts->capacity, counts->count + 1, sizeof *counts->items));
        memmove(counts->items + at + 1, counts->items + at, (counts->count - at) * sizeof *counts->items);
        counts->items[at] = (struct corpus_count){0};
        memcpy(counts->items[at].name, cut, sizeof cut);
        counts->count++;
    }
    counts->items[at].tally.documents += tally.documents;
    counts->items[at].tally.bytes += tally.bytes;
    return Q_OK;
}

/* --- samples ----------------------------------------------------------------------------------------------------------------------- */

static int compare_samples(const char *reason, q_hash key, const struct corpus_sample *b)
{
    int order = strcmp(reason, b->reason);
    return order ? order : q_hash_compare(key, b->key);
}

/* First sample that is not before (reason, key). */
static size_t sample_place(const struct corpus_statistics *s, const char *reason, q_hash key)
{
    size_t low = 0, high = s->sample_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_samples(reason, key, &s->samples[middle]) <= 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static size_t reason_end(const struct corpus_statistics *s, size_t at, const char *reason)
{
    while (at < s->sample_count && strcmp(s->samples[at].reason, reason) == 0)
        at++;
    return at;
}

static void remove_sample(struct corpus_statistics *s, size_t at)
{
    q_release((void *)(uintptr_t)s->samples[at].id.data);
    s->sample_count--;
    memmove(s->samples + at, s->samples + at + 1, (s->sample_count - at) * sizeof *s->samples);
}

static q_string cut_sample(q_string text)
{
    size_t size = Q_MIN(text.size, (size_t)CORPUS_SAMPLE_BYTES);
    while (size && size < text.size && ((unsigned char)text.data[size] & 0xC0) == 0x80)
        size--;
    return q_string_slice(text, 0, size);
}

static q_status insert_sample(struct corpus_statistics *s, size_t at, const char *reason, q_hash key, q_string id,
                              q_string text)
{
    char *bytes;
    Q_TRY(q_grow(&s->samples, &s->sample_capacity, s->sample_count + 1, sizeof *s->samples));
    Q_TRY(q_alloc(id.size + text.size + 1, 1, &bytes));
    memcpy(bytes, id.data, id.size);
    memcpy(bytes + id.size, text.data, text.size);
    memmove(s->samples + at + 1, s->samples + at, (s->sample_count - at) * sizeof *s->samples);
    s->samples[at] = (struct corpus_sample){.key = key, .id = {bytes, id.size}, .text = {bytes + id.size, text.size}};
    snprintf(s->samples[at].reason, sizeof s->samples[at].reason, "%s", reason);
    s->sample_count++;
    return Q_OK;
}

q_status corpus_statistics_sample(struct corpus_statistics *s, const char *reason, q_string id, q_string text,
                                  size_t samples_max)
{
    q_hash key = q_document_key(id);
    size_t at = sample_place(s, reason, key), first = sample_place(s, reason, (q_hash){0, 0});
    size_t end = reason_end(s, first, reason);
    if (at - first >= samples_max || (at < end && q_hash_equal(s->samples[at].key, key)))
        return Q_OK;
    Q_TRY(insert_sample(s, at, reason, key, id, cut_sample(text)));
    if (end + 1 - first > samples_max)
        remove_sample(s, end);
    return Q_OK;
}

/* --- the whole --------------------------------------------------------------------------------------------------------------------- */

void corpus_statistics_clear(struct corpus_statistics *s)
{
    while (s->sample_count)
        remove_sample(s, s->sample_count - 1);
    s->languages.count = s->formats.count = s->losses.count = s->lines.count = 0;
    s->held_out = s->mixed = (struct q_tally){0};
    s->changes = (struct corpus_changes){0};
    memset(s->lengths, 0, sizeof s->lengths);
}

void corpus_statistics_release(struct corpus_statistics *s)
{
    corpus_statistics_clear(s);
    q_release(s->languages.items);
    q_release(s->formats.items);
    q_release(s->losses.items);
    q_release(s->lines.items);
    q_release(s->samples);
    *s = (struct corpus_statistics){0};
}

static bool are_letters(q_string text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (i >= text.size || !((text.data[i] | 0x20) >= 'a' && (text.data[i] | 0x20) <= 'z'))
            return false;
    return true;
}

/* The name under which a language is counted: language and script, not its region; "other" where it is none of ISO 639. What users state is not
 * bounded otherwise. */
static void language_name(q_string lang, char out[CORPUS_COUNT_LANG])
{
    size_t size = 0;
    while (size < lang.size && lang.data[size] != '-')
        size++;
    bool known = size <= 3 && are_letters(lang, 0, size);
    snprintf(out, CORPUS_COUNT_LANG, "%.*s", known ? (int)size : 0, lang.data);
    known = known && (strcmp(out, "und") == 0 || *uloc_getISO3Language(out));
    bool script = size + 5 <= lang.size && are_letters(lang, size + 1, size + 5) &&
                  (size + 5 == lang.size || lang.data[size + 5] == '-');
    if (!known)
        snprintf(out, CORPUS_COUNT_LANG, "other");
    else if (script)
        snprintf(out, CORPUS_COUNT_LANG, "%.*s", (int)size + 5, lang.data);
}

q_status corpus_statistics_lost(struct corpus_statistics *s, q_string lang, const char *reason, uint64_t text_bytes)
{
    char name[CORPUS_COUNT_NAME], language[CORPUS_COUNT_LANG];
    int family = (int)strcspn(reason, ".");
    language_name(lang, language);
    snprintf(name, sizeof name, "%s/%.*s", language, family, reason);
    return corpus_count_add(&s->losses, name, (struct q_tally){1, text_bytes});
}

q_status corpus_statistics_kept(struct corpus_statistics *s, q_string lang, uint64_t text_bytes, bool held_out)
{
    const struct q_tally one = {1, text_bytes};
    char name[CORPUS_COUNT_LANG];
    unsigned bin = text_bytes ? 63 - (unsigned)__builtin_clzll(text_bytes) : 0;
    language_name(lang, name);
    s->lengths[Q_MIN(bin, (unsigned)CORPUS_LENGTH_BINS - 1)]++;
    if (held_out) {
        s->held_out.documents++;
        s->held_out.bytes += text_bytes;
    }
    return corpus_count_add(&s->languages, name, one);
}

/* The counters of struct corpus_changes by name. */
#define CHANGES(X)                                                                                                     \
    X(charset)                                                                                                         \
    X(repaired)                                                                                                        \
    X(mojibake)                                                                                                        \
    X(line_ends)                                                                                                       \
    X(controls)                                                                                                        \
    X(bidi)                                                                                                            \
    X(soft_hyphens) X(zero_widths) X(trailing_blanks) X(blank_lines) X(composed) X(trimmed) X(emails) X(ips) X(phones) \
        X(ibans) X(cards)

void corpus_changes_add(struct corpus_changes *sum, const struct corpus_changes *one)
{
#define X(name) sum->name += one->name;
    CHANGES(X)
#undef X
}

static q_status add_counts(struct corpus_counts *sum, const struct corpus_counts *part)
{
    for (size_t i = 0; i < part->count; i++)
        Q_TRY(corpus_count_add(sum, part->items[i].name, part->items[i].tally));
    return Q_OK;
}

q_status corpus_statistics_add(struct corpus_statistics *sum, const struct corpus_statistics *part, size_t samples_max)
{
    Q_TRY(add_counts(&sum->languages, &part->languages));
    Q_TRY(add_counts(&sum->formats, &part->formats));
    Q_TRY(add_counts(&sum->losses, &part->losses));
    Q_TRY(add_counts(&sum->lines, &part->lines));
    sum->held_out.documents += part->held_out.documents;
    sum->held_out.bytes += part->held_out.bytes;
    sum->mixed.documents += part->mixed.documents;
    sum->mixed.bytes += part->mixed.bytes;
    for (size_t i = 0; i < CORPUS_LENGTH_BINS; i++)
        sum->lengths[i] += part->lengths[i];
    corpus_changes_add(&sum->changes, &part->changes);
    for (size_t i = 0; i < part->sample_count; i++) {
        const struct corpus_sample *sample = &part->samples[i];
        Q_TRY(corpus_statistics_sample(sum, sample->reason, sample->id, sample->text, samples_max));
    }
    return Q_OK;
}

/* --- as JSON ----------------------------------------------------------------------------------------------------------------------- */

static q_status set_u64(json_t *object, const char *key, uint64_t value)
{
    return q_json_set(object, key, json_integer((json_int_t)value));
}

/* `unit`: what is counted, "documents" or "lines". */
static q_status set_tally(json_t *object, const char *key, const char *unit, struct q_tally tally)
{
    json_t *value = json_object();
    Q_TRY(q_json_set(object, key, value));
    Q_TRY(set_u64(value, unit, tally.documents));
    return set_u64(value, "bytes", tally.bytes);
}

static q_status set_counts(json_t *object, const char *key, const char *unit, const struct corpus_counts *counts)
{
    json_t *value = json_object();
    Q_TRY(q_json_set(object, key, value));
    for (size_t i = 0; i < counts->count; i++)
        Q_TRY(set_tally(value, counts->items[i].name, unit, counts->items[i].tally));
    return Q_OK;
}

static q_status set_samples(json_t *object, const struct corpus_statistics *s)
{
    json_t *reasons = json_object(), *list = NULL;
    Q_TRY(q_json_set(object, "samples", reasons));
    for (size_t i = 0; i < s->sample_count; i++) {
        const struct corpus_sample *sample = &s->samples[i];
        if (!i || strcmp(sample->reason, s->samples[i - 1].reason) != 0) {
            list = json_array();
            Q_TRY(q_json_set(reasons, sample->reason, list));
        }
        json_t *entry = json_object();
        Q_TRY(q_json_push(list, entry));
        Q_TRY(q_json_set(entry, "id", q_json_string(sample->id)));
        Q_TRY(q_json_set(entry, "text", q_json_string(sample->text)));
    }
    return Q_OK;
}

static q_status fill(json_t *object, const struct corpus_statistics *s)
{
    Q_TRY(set_counts(object, "languages", "documents", &s->languages));
    Q_TRY(set_counts(object, "formats", "documents", &s->formats));
    Q_TRY(set_counts(object, "losses", "documents", &s->losses));
    Q_TRY(set_counts(object, "lines", "lines", &s->lines));
    Q_TRY(set_tally(object, "held_out", "documents", s->held_out));
    Q_TRY(set_tally(object, "mixed", "documents", s->mixed));
    json_t *lengths = json_array(), *changes = json_object();
    q_status status = q_json_set(object, "lengths", lengths);
    if (status != Q_OK) {
        json_decref(changes);
        return status;
    }
    Q_TRY(q_json_set(object, "changes", changes));
    for (size_t i = 0; i < CORPUS_LENGTH_BINS; i++)
        Q_TRY(q_json_push(lengths, json_integer((json_int_t)s->lengths[i])));
#define X(name) Q_TRY(set_u64(changes, #name, s->changes.name));
    CHANGES(X)
#undef X
    return set_samples(object, s);
}

q_status corpus_statistics_json(const struct corpus_statistics *statistics, json_t **out)
{
    json_t *object = json_object();
    if (!object)
        return q_fail(Q_ERR_MEMORY, "no memory for statistics");
    q_status status = fill(object, statistics);
    if (status != Q_OK) {
        json_decref(object);
        return status;
    }
    *out = object;
    return Q_OK;
}

static q_status parse_tally(const json_t *value, const char *name, const char *unit, struct q_tally *out)
{
    Q_TRY(q_json_get_u64(value, name, unit, &out->documents));
    return q_json_get_u64(value, name, "bytes", &out->bytes);
}

static q_status parse_counts(const json_t *object, const char *name, const char *key, const char *unit,
                             struct corpus_counts *sum)
{
    json_t *counts;
    Q_TRY(q_json_get_object(object, name, key, &counts));
    for (void *at = json_object_iter(counts); at; at = json_object_iter_next(counts, at)) {
        struct q_tally tally;
        Q_TRY(parse_tally(json_object_iter_value(at), name, unit, &tally));
        Q_TRY(corpus_count_add(sum, json_object_iter_key(at), tally));
    }
    return Q_OK;
}

static q_status parse_samples(const json_t *object, const char *name, size_t samples_max, struct corpus_statistics *sum)
{
    json_t *reasons;
    Q_TRY(q_json_get_object(object, name, "samples", &reasons));
    for (void *at = json_object_iter(reasons); at; at = json_object_iter_next(reasons, at)) {
        const json_t *list = json_object_iter_value(at);
        for (size_t i = 0; i < json_array_size(list); i++) {
            q_string id, text;
            Q_TRY(q_json_get_string(json_array_get(list, i), name, "id", &id));
            Q_TRY(q_json_get_string(json_array_get(list, i), name, "text", &text));
            Q_TRY(corpus_statistics_sample(sum, json_object_iter_key(at), id, text, samples_max));
        }
    }
    return Q_OK;
}

q_status corpus_statistics_parse(const json_t *object, const char *name, size_t samples_max,
                                 struct corpus_statistics *sum)
{
    json_t *held_out, *mixed, *lengths, *changes;
    struct q_tally tally;
    uint64_t value;
    Q_TRY(parse_counts(object, name, "languages", "documents", &sum->languages));
    Q_TRY(parse_counts(object, name, "formats", "documents", &sum->formats));
    Q_TRY(parse_counts(object, name, "losses", "documents", &sum->losses));
    Q_TRY(parse_counts(object, name, "lines", "lines", &sum->lines));
    Q_TRY(q_json_get_object(object, name, "held_out", &held_out));
    Q_TRY(parse_tally(held_out, name, "documents", &tally));
    sum->held_out.documents += tally.documents;
    sum->held_out.bytes += tally.bytes;
    Q_TRY(q_json_get_object(object, name, "mixed", &mixed));
    Q_TRY(parse_tally(mixed, name, "documents", &tally));
    sum->mixed.documents += tally.documents;
    sum->mixed.bytes += tally.bytes;
    Q_TRY(q_json_get_array(object, name, "lengths", &lengths));
    for (size_t i = 0; i < CORPUS_LENGTH_BINS; i++)
        sum->lengths[i] += (uint64_t)json_integer_value(json_array_get(lengths, i));
    Q_TRY(q_json_get_object(object, name, "changes", &changes));
#define X(field)                                                                                                       \
    Q_TRY(q_json_get_u64(changes, name, #field, &value));                                                              \
    sum->changes.field += value;
    CHANGES(X)
#undef X
    return parse_samples(object, name, samples_max, sum);
}
