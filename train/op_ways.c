#include "train/op_ways.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>

/* "grouped, wgmma" */
static void name_of(const struct op_way *row, char out[OP_WAYS_TEXT])
{
    (void)snprintf(out, OP_WAYS_TEXT, "%s, %s", row->operation, row->way);
}

static void put_rows(struct q_json *json, const struct op_ways *ways)
{
    char name[OP_WAYS_TEXT];
    q_json_open(json, "ways", '{');
    for (size_t i = 0; i < ways->count; i++) {
        name_of(&ways->rows[i], name);
        q_json_put_u64(json, name, ways->rows[i].times);
    }
    q_json_close(json, '}');
}

static void put_refused(struct q_json *json, const struct op_ways *ways)
{
    char name[OP_WAYS_TEXT];
    q_json_open(json, "refused", '{');
    for (size_t i = 0; i < ways->count; i++)
        if (ways->rows[i].why[0]) {
            name_of(&ways->rows[i], name);
            q_json_put_string(json, name, q_string_of(ways->rows[i].why));
        }
    q_json_close(json, '}');
}

void op_ways_put(struct q_json *json, const struct op_table *table, const struct op_context *context)
{
    if (!table->ways)
        return;
    const struct op_ways *ways = table->ways(context);
    put_rows(json, ways);
    put_refused(json, ways);
    q_json_put_string(json, "left_out", q_string_of(ways->left_out));
}

void op_ways_print(const struct op_table *table, const struct op_context *context)
{
    char name[OP_WAYS_TEXT];
    const struct op_ways *ways = table->ways ? table->ways(context) : NULL;
    if (!ways)
        return;
    printf("\n%-36s %8s\n", "way", "times");
    for (size_t i = 0; i < ways->count; i++) {
        const struct op_way *row = &ways->rows[i];
        name_of(row, name);
        printf("%-36s %8" PRIu64 "%s%s\n", name, row->times, row->why[0] ? "  " : "", row->why);
    }
    if (ways->left_out[0])
        printf("left out: %s\n", ways->left_out);
}

void op_ways_since(const struct op_table *table, const struct op_context *context, struct op_ways_seen *seen,
                   char out[OP_WAYS_TEXT])
{
    const struct op_ways *ways = table->ways ? table->ways(context) : NULL;
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; ways && i < ways->count; i++) {
        if (ways->rows[i].times > seen->times[i] && used < OP_WAYS_TEXT)
            used += (size_t)snprintf(out + used, OP_WAYS_TEXT - used, "%s%s", used ? " + " : "", ways->rows[i].way);
        seen->times[i] = ways->rows[i].times;
    }
}
