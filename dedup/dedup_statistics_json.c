/* The statistics of the filter step as JSON: in the parts' records and in the manifest. */
#include "base/check.h"
#include "dedup/dedup_statistics.h"

/* --- out ---------------------------------------------------------------------------------------------------------- */

static json_t *tally_json(struct q_tally tally)
{
    return json_pack("{s:I, s:I}", "documents", (json_int_t)tally.documents, "bytes", (json_int_t)tally.bytes);
}

static q_status put_shares(json_t *object, const char *key, const struct dedup_shares *shares)
{
    json_t *all = json_object();
    Q_TRY(q_json_set(object, key, all)); /* which owns it from here on */
    for (size_t i = 0; i < shares->count; i++) {
        json_t *share = json_object();
        Q_TRY(q_json_set(all, shares->items[i].name, share));
        for (int kind = 0; kind < 3; kind++)
            Q_TRY(q_json_set(share, verdict_kind_name((enum verdict_kind)kind),
                             tally_json(shares->items[i].tallies[kind])));
    }
    return Q_OK;
}

static q_status put_counts(json_t *object, const char *key, const uint64_t *counts, size_t count)
{
    json_t *array = json_array();
    Q_TRY(q_json_set(object, key, array));
    for (size_t i = 0; i < count; i++)
        Q_TRY(q_json_push(array, json_integer((json_int_t)counts[i])));
    return Q_OK;
}

static q_status put_samples(json_t *object, const char *key, const struct dedup_samples *samples)
{
    json_t *array = json_array();
    Q_TRY(q_json_set(object, key, array));
    for (size_t i = 0; i < samples->count; i++) {
        const struct dedup_sample *sample = &samples->items[i];
        json_t *one = json_object();
        Q_TRY(q_json_push(array, one));
        Q_TRY(q_json_set(one, "id", q_json_string(q_string_of(sample->id))));
        Q_TRY(q_json_set(one, "text", q_json_string(q_string_of(sample->text))));
        Q_TRY(q_json_set(one, "order", json_real(sample->order)));
        if (sample->survivor)
            Q_TRY(q_json_set(one, "survivor", q_json_string(q_string_of(sample->survivor))));
    }
    return Q_OK;
}

static q_status fill(const struct dedup_statistics *statistics, json_t *object)
{
    Q_TRY(put_shares(object, "languages", &statistics->languages));
    Q_TRY(put_shares(object, "sources", &statistics->sources));
    Q_TRY(put_counts(object, "cluster_sizes", statistics->sizes, DEDUP_SIZE_BINS));
    Q_TRY(put_counts(object, "jaccard", statistics->jaccard, DEDUP_JACCARD_BINS));
    Q_TRY(put_samples(object, "largest", &statistics->largest));
    return put_samples(object, "least_alike", &statistics->least_alike);
}

q_status dedup_statistics_json(const struct dedup_statistics *statistics, json_t **out)
{
    json_t *object = json_object();
    if (!object)
        return q_fail(Q_ERR_MEMORY, "out of memory: statistics");
    q_status status = fill(statistics, object);
    if (status == Q_OK)
        *out = object;
    else
        json_decref(object);
    return status;
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

/* Strings are borrowed from the object: dedup_statistics_add copies them. */
static q_status get_share(const json_t *object, const char *name, struct dedup_share *share)
{
    for (int kind = 0; kind < 3; kind++) {
        json_t *tally;
        Q_TRY(q_json_get_object(object, name, verdict_kind_name((enum verdict_kind)kind), &tally));
        Q_TRY(q_json_get_u64(tally, name, "documents", &share->tallies[kind].documents));
        Q_TRY(q_json_get_u64(tally, name, "bytes", &share->tallies[kind].bytes));
    }
    return Q_OK;
}

static q_status get_shares(const json_t *object, const char *name, const char *key, struct dedup_shares *shares)
{
    json_t *all, *value;
    const char *share_name;
    Q_TRY(q_json_get_object(object, name, key, &all));
    json_object_foreach(all, share_name, value)
    {
        struct dedup_share share = {.name = share_name};
        Q_TRY(get_share(value, name, &share));
        Q_TRY(q_grow(&shares->items, &shares->capacity, shares->count + 1, sizeof(*shares->items)));
        shares->items[shares->count++] = share;
    }
    return Q_OK;
}

static q_status get_counts(const json_t *object, const char *name, const char *key, uint64_t *counts, size_t count)
{
    json_t *array;
    Q_TRY(q_json_get_array(object, name, key, &array));
    if (json_array_size(array) != count)
        return q_fail(Q_ERR_INPUT, "%s: '%s' has %zu numbers, not %zu", name, key, json_array_size(array), count);
    for (size_t i = 0; i < count; i++) {
        json_int_t value = json_integer_value(json_array_get(array, i));
        if (value < 0)
            return q_fail(Q_ERR_INPUT, "%s: '%s' has a number below 0", name, key);
        counts[i] = (uint64_t)value;
    }
    return Q_OK;
}

static q_status get_samples(const json_t *object, const char *name, const char *key, struct dedup_samples *samples)
{
    json_t *array;
    Q_TRY(q_json_get_array(object, name, key, &array));
    for (size_t i = 0; i < json_array_size(array) && samples->count < DEDUP_SAMPLES; i++) {
        const json_t *one = json_array_get(array, i);
        struct dedup_sample *sample = &samples->items[samples->count++];
        q_string text;
        Q_TRY(q_json_get_string(one, name, "id", &text));
        sample->id = text.data;
        Q_TRY(q_json_get_string(one, name, "text", &text));
        sample->text = text.data;
        Q_TRY(q_json_get_double(one, name, "order", &sample->order));
        sample->survivor = json_string_value(json_object_get(one, "survivor"));
    }
    return Q_OK;
}

static q_status get_all(const json_t *object, const char *name, struct dedup_statistics *part)
{
    Q_TRY(get_shares(object, name, "languages", &part->languages));
    Q_TRY(get_shares(object, name, "sources", &part->sources));
    Q_TRY(get_counts(object, name, "cluster_sizes", part->sizes, DEDUP_SIZE_BINS));
    Q_TRY(get_counts(object, name, "jaccard", part->jaccard, DEDUP_JACCARD_BINS));
    Q_TRY(get_samples(object, name, "largest", &part->largest));
    return get_samples(object, name, "least_alike", &part->least_alike);
}

q_status dedup_statistics_parse(const json_t *object, const char *name, struct dedup_statistics *sum)
{
    struct dedup_statistics part = {0};
    q_status status = get_all(object, name, &part);
    if (status == Q_OK)
        status = dedup_statistics_add(sum, &part);
    dedup_statistics_release(&part);
    return status;
}
