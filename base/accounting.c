#include "base/accounting.h"

#include "base/check.h"
#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char reason_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

void q_accounting_release(struct q_accounting *accounting)
{
    q_release(accounting->reasons);
    *accounting = (struct q_accounting){0};
}

static bool is_reason(const char *name, size_t length)
{
    if (length == 0 || length >= sizeof(((struct q_reason *)0)->name))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!name[i] || !strchr(reason_characters, name[i]))
            return false;
    return true;
}

/* By name; where both drop and fail by one name, dropped first. */
static int compare_reason(const struct q_reason *reason, const char *name, bool failed)
{
    int order = strcmp(reason->name, name);
    return order ? order : (int)reason->failed - (int)failed;
}

/* The reason of this name, made where it is new. */
static q_status find_reason(struct q_accounting *accounting, const char *name, bool failed, struct q_reason **out)
{
    size_t low = 0, high = accounting->reason_count, length = strlen(name);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_reason(&accounting->reasons[middle], name, failed) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < accounting->reason_count && compare_reason(&accounting->reasons[low], name, failed) == 0;
    if (!found) {
        q_check(is_reason(name, length));
        Q_TRY(q_grow(&accounting->reasons, &accounting->reason_capacity, accounting->reason_count + 1,
                     sizeof(*accounting->reasons)));
        struct q_reason *at = &accounting->reasons[low];
        memmove(at + 1, at, (accounting->reason_count - low) * sizeof(*at));
        *at = (struct q_reason){.failed = failed};
        memcpy(at->name, name, length + 1);
        accounting->reason_count++;
    }
    *out = &accounting->reasons[low];
    return Q_OK;
}

static bool tally_add(struct q_tally *sum, struct q_tally part)
{
    return q_add_u64(sum->documents, part.documents, &sum->documents) && q_add_u64(sum->bytes, part.bytes, &sum->bytes);
}

/* Counts of what passes through memory or files of this machine cannot reach 2^64; a wrap would be a defect. */
static void count(struct q_tally *tally, uint64_t bytes)
{
    q_check(tally_add(tally, (struct q_tally){1, bytes}));
}

q_status q_account_kept(struct q_accounting *accounting, uint64_t in_bytes, uint64_t out_bytes)
{
    count(&accounting->in, in_bytes);
    count(&accounting->kept, in_bytes);
    q_check(q_add_u64(accounting->out_bytes, out_bytes, &accounting->out_bytes));
    return Q_OK;
}

static q_status account_lost(struct q_accounting *accounting, const char *name, bool failed, uint64_t in_bytes)
{
    struct q_reason *reason;
    Q_TRY(find_reason(accounting, name, failed, &reason)); /* first: a failure counts nothing */
    count(&reason->tally, in_bytes);
    count(&accounting->in, in_bytes);
    return Q_OK;
}

q_status q_account_dropped(struct q_accounting *accounting, const char *reason, uint64_t in_bytes)
{
    return account_lost(accounting, reason, false, in_bytes);
}

q_status q_account_failed(struct q_accounting *accounting, const char *reason, uint64_t in_bytes)
{
    return account_lost(accounting, reason, true, in_bytes);
}

q_status q_account_more(struct q_accounting *accounting, const char *name, uint64_t in_bytes, uint64_t out_bytes)
{
    struct q_reason *reason;
    if (name)
        Q_TRY(find_reason(accounting, name, false, &reason));
    struct q_tally *tally = name ? &reason->tally : &accounting->kept;
    q_check(q_add_u64(tally->bytes, in_bytes, &tally->bytes) &&
            q_add_u64(accounting->in.bytes, in_bytes, &accounting->in.bytes));
    q_check(name || q_add_u64(accounting->out_bytes, out_bytes, &accounting->out_bytes));
    return Q_OK;
}

q_status q_accounting_add(struct q_accounting *sum, const struct q_accounting *part)
{
    struct q_reason *reason;
    bool fits = true;
    for (size_t i = 0; i < part->reason_count && fits; i++) {
        Q_TRY(find_reason(sum, part->reasons[i].name, part->reasons[i].failed, &reason));
        fits = tally_add(&reason->tally, part->reasons[i].tally);
    }
    fits = fits && tally_add(&sum->in, part->in) && tally_add(&sum->kept, part->kept) &&
           q_add_u64(sum->out_bytes, part->out_bytes, &sum->out_bytes);
    return fits ? Q_OK : q_fail(Q_ERR_INPUT, "an accounting is too large to be true");
}

/* Kept + dropped + failed; false where a sum wraps. */
static bool sum_of(const struct q_accounting *accounting, bool failed_only, bool dropped_only, struct q_tally *sum)
{
    bool fits = true;
    *sum = failed_only || dropped_only ? (struct q_tally){0} : accounting->kept;
    for (size_t i = 0; i < accounting->reason_count && fits; i++) {
        bool failed = accounting->reasons[i].failed;
        if ((failed && !dropped_only) || (!failed && !failed_only))
            fits = tally_add(sum, accounting->reasons[i].tally);
    }
    return fits;
}

static bool balances(const struct q_accounting *accounting)
{
    struct q_tally sum;
    return sum_of(accounting, false, false, &sum) && sum.documents == accounting->in.documents &&
           sum.bytes == accounting->in.bytes;
}

void q_accounting_check(const struct q_accounting *accounting)
{
    q_check(balances(accounting));
}

static q_status tally_json(json_t *object, const char *key, struct q_tally tally)
{
    json_t *value = json_object();
    /* Put in first: from then on the object owns it, whatever fails. */
    Q_TRY(q_json_set(object, key, value));
    Q_TRY(q_json_set(value, "documents", json_integer((json_int_t)tally.documents)));
    return q_json_set(value, "bytes", json_integer((json_int_t)tally.bytes));
}

static q_status fill_json(const struct q_accounting *accounting, json_t *object)
{
    json_t *dropped = json_object(), *failed = json_object();
    q_status status = q_json_set(object, "dropped", dropped);
    if (status) {
        json_decref(failed);
        return status;
    }
    Q_TRY(q_json_set(object, "failed", failed));
    Q_TRY(tally_json(object, "in", accounting->in));
    Q_TRY(tally_json(object, "kept", accounting->kept));
    Q_TRY(q_json_set(object, "out_bytes", json_integer((json_int_t)accounting->out_bytes)));
    for (size_t i = 0; i < accounting->reason_count; i++) {
        const struct q_reason *reason = &accounting->reasons[i];
        Q_TRY(tally_json(reason->failed ? failed : dropped, reason->name, reason->tally));
    }
    return Q_OK;
}

q_status q_accounting_json(const struct q_accounting *accounting, json_t **out)
{
    json_t *object = json_object();
    if (!object)
        return q_fail(Q_ERR_MEMORY, "out of memory for an accounting");
    q_status status = fill_json(accounting, object);
    if (status)
        json_decref(object);
    else
        *out = object;
    return status;
}

static q_status parse_tally(const json_t *object, const char *name, const char *key, struct q_tally *out)
{
    json_t *value;
    Q_TRY(q_json_get_object(object, name, key, &value));
    Q_TRY(q_json_get_u64(value, name, "documents", &out->documents));
    return q_json_get_u64(value, name, "bytes", &out->bytes);
}

static q_status parse_reasons(const json_t *object, const char *name, bool failed, struct q_accounting *out)
{
    json_t *reasons;
    Q_TRY(q_json_get_object(object, name, failed ? "failed" : "dropped", &reasons));
    for (void *at = json_object_iter(reasons); at; at = json_object_iter_next(reasons, at)) {
        const char *key = json_object_iter_key(at);
        struct q_reason *reason;
        if (!is_reason(key, strlen(key)))
            return q_fail(Q_ERR_INPUT, "%s: an accounting holds a reason that is no name", name);
        Q_TRY(find_reason(out, key, failed, &reason));
        Q_TRY(parse_tally(reasons, name, key, &reason->tally));
    }
    return Q_OK;
}

static q_status parse(const json_t *object, const char *name, struct q_accounting *out)
{
    Q_TRY(parse_tally(object, name, "in", &out->in));
    Q_TRY(parse_tally(object, name, "kept", &out->kept));
    Q_TRY(q_json_get_u64(object, name, "out_bytes", &out->out_bytes));
    Q_TRY(parse_reasons(object, name, false, out));
    Q_TRY(parse_reasons(object, name, true, out));
    if (!balances(out))
        return q_fail(Q_ERR_INPUT, "%s: the accounting does not balance: in is not kept + dropped + failed", name);
    return Q_OK;
}

q_status q_accounting_parse(const json_t *object, const char *name, struct q_accounting *out)
{
    *out = (struct q_accounting){0};
    q_status status = parse(object, name, out);
    if (status)
        q_accounting_release(out);
    return status;
}

/* 1204 as "1,204". */
static q_status append_count(struct q_buffer *out, uint64_t value)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            Q_TRY(q_buffer_append_byte(out, ','));
        Q_TRY(q_buffer_append_byte(out, digits[i]));
    }
    return Q_OK;
}

static int by_documents(const void *a, const void *b)
{
    const struct q_reason *x = *(const struct q_reason *const *)a, *y = *(const struct q_reason *const *)b;
    if (x->tally.documents != y->tally.documents)
        return x->tally.documents < y->tally.documents ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* " + dropped 100 (words 60, lang 40)": the largest reasons first. */
static q_status append_lost(struct q_buffer *out, const struct q_accounting *accounting, bool failed)
{
    const struct q_reason **order = NULL;
    struct q_tally sum;
    size_t used = 0;
    q_check(sum_of(accounting, failed, !failed, &sum));
    Q_TRY(q_buffer_append_string(out, failed ? Q_STRING(" + failed ") : Q_STRING(" + dropped ")));
    Q_TRY(append_count(out, sum.documents));
    Q_TRY(q_alloc(accounting->reason_count, sizeof(const struct q_reason *), &order));
    for (size_t i = 0; i < accounting->reason_count; i++)
        if (accounting->reasons[i].failed == failed && accounting->reasons[i].tally.documents > 0)
            order[used++] = &accounting->reasons[i];
    if (used > 0)
        qsort(order, used, sizeof(const struct q_reason *), by_documents);
    q_status status = Q_OK;
    for (size_t i = 0; i < used && !status; i++) {
        status = q_buffer_printf(out, "%s%s ", i ? ", " : " (", order[i]->name);
        if (!status)
            status = append_count(out, order[i]->tally.documents);
    }
    if (!status && used > 0)
        status = q_buffer_append_byte(out, ')');
    q_release(order);
    return status;
}

q_status q_accounting_line(const struct q_accounting *accounting, const char *what, double seconds,
                           struct q_buffer *out)
{
    char text[32];
    double rate = (double)accounting->in.bytes / (seconds > 1e-3 ? seconds : 1e-3);
    Q_TRY(q_buffer_printf(out, "%s: in ", what));
    Q_TRY(append_count(out, accounting->in.documents));
    Q_TRY(q_buffer_printf(out, " documents (%s) = kept ", q_format_bytes(text, (double)accounting->in.bytes)));
    Q_TRY(append_count(out, accounting->kept.documents));
    Q_TRY(append_lost(out, accounting, false));
    Q_TRY(append_lost(out, accounting, true));
    Q_TRY(q_buffer_printf(out, "; out %s", q_format_bytes(text, (double)accounting->out_bytes)));
    Q_TRY(q_buffer_printf(out, "; %s", q_format_duration(text, seconds)));
    return q_buffer_printf(out, ", %s/s", q_format_bytes(text, rate));
}

void q_accounting_print(const struct q_accounting *accounting, const char *what, double seconds)
{
    struct q_buffer line = {0};
    q_accounting_check(accounting);
    q_progress_hide();
    if (!q_accounting_line(accounting, what, seconds, &line) && !q_buffer_append_byte(&line, '\n'))
        (void)fwrite(line.data, 1, line.size, stderr);
    else /* out of memory: without the reasons' names */
        (void)fprintf(stderr, "%s: in %llu documents, kept %llu\n", what, (unsigned long long)accounting->in.documents,
                      (unsigned long long)accounting->kept.documents);
    q_buffer_release(&line);
    q_progress_show();
}
