/* quern-dedup pairs: near duplicates among the documents of some files. */
#include "dedup/cmd_dedup.h"

#include "base/check.h"
#include "base/json.h"
#include "dedup/near_pairs.h"

#include <stdio.h>
#include <stdlib.h>

/* An id as one field: what would end the field or the line becomes a space. */
static void print_id(q_string id)
{
    for (size_t i = 0; i < id.size; i++) {
        char c = id.data[i];
        (void)putchar(c == '\t' || c == '\n' || c == '\r' ? ' ' : c);
    }
}

static q_status print_pair(void *context, q_string first, q_string second, double jaccard)
{
    (void)context;
    print_id(first);
    (void)putchar('\t');
    print_id(second);
    printf("\t%.6f\n", jaccard);
    return Q_OK;
}

/* For --json: the pairs of one object. */
static q_status add_pair(void *context, q_string first, q_string second, double jaccard)
{
    struct q_json *json = context;
    q_json_open(json, NULL, '[');
    q_json_put_string(json, NULL, first);
    q_json_put_string(json, NULL, second);
    q_json_put_fixed(json, NULL, jaccard, 6);
    q_json_close(json, ']');
    return json->status;
}

static q_status find_as_json(const struct dedup_settings *settings, const char *const *files, size_t count,
                             struct q_pool *pool, const char *folder)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_open(&json, "pairs", '[');
    q_status status = near_pairs_find(settings, files, count, pool, folder, add_pair, &json);
    q_json_close(&json, ']');
    q_json_close(&json, '}');
    q_json_newline(&json);
    if (status == Q_OK)
        status = q_json_end(&json);
    if (status == Q_OK)
        (void)fwrite(text.data, 1, text.size, stdout);
    q_buffer_release(&text);
    return status;
}

q_status cmd_dedup_pairs(void *opaque, const char *const *arguments, size_t count)
{
    const struct q_common *common = opaque;
    struct q_arena arena = {0};
    struct q_pool *pool = NULL;
    struct dedup_settings settings;
    const char *folder = getenv("TMPDIR");
    q_status status;
    if (!folder || !folder[0])
        folder = "/tmp";
    Q_TRY_GOTO(out, dedup_settings_read(common, &arena, &settings));
    Q_TRY_GOTO(out, q_pool_create((unsigned)common->threads, &pool));
    if (common->json)
        status = find_as_json(&settings, arguments, count, pool, folder);
    else
        status = near_pairs_find(&settings, arguments, count, pool, folder, print_pair, NULL);
out:
    if (pool)
        q_pool_release(pool);
    q_arena_release(&arena);
    return status;
}
