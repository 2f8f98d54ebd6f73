/* The check that a table is whole. */
#include "train/ops.h"

#include "base/check.h"

#include <string.h>

struct entry {
    const char *name;
    size_t offset;
};

/* clang-format off */
#define ENTRY(member) {#member, offsetof(struct op_table, member)}
/* clang-format on */
static const struct entry entries[] = {
    ENTRY(create),
    ENTRY(release),
    ENTRY(reserve),
    ENTRY(workspace_bytes),
    ENTRY(workspace_plan),
    ENTRY(memory_create),
    ENTRY(memory_release),
    ENTRY(memory_room),
    ENTRY(copy_in),
    ENTRY(copy_out),
    ENTRY(zero),
    ENTRY(synchronize),
    ENTRY(mark),
    ENTRY(mark_seconds),
    ENTRY(repeat),
    ENTRY(embed),
    ENTRY(embed_backward),
    ENTRY(rmsnorm),
    ENTRY(rmsnorm_backward),
    ENTRY(matmul),
    ENTRY(grouped),
    ENTRY(rope),
    ENTRY(attention),
    ENTRY(attention_backward),
    ENTRY(swiglu),
    ENTRY(swiglu_backward),
    ENTRY(router),
    ENTRY(router_backward),
    ENTRY(balance),
    ENTRY(route),
    ENTRY(gather),
    ENTRY(gather_backward),
    ENTRY(combine),
    ENTRY(combine_backward),
    ENTRY(cross_entropy),
    ENTRY(sum_squares),
    ENTRY(adamw),
    ENTRY(average),
    ENTRY(narrow),
    ENTRY(bias_update),
};
/* Every member from create on is a function and is listed above. */
_Static_assert(sizeof(struct op_table) == offsetof(struct op_table, create) + sizeof(void *) * Q_COUNT_OF(entries),
               "an operation is missing from the list");

q_status op_table_check(const struct op_table *table)
{
    for (size_t i = 0; i < Q_COUNT_OF(entries); i++) {
        const void *function;
        memcpy(&function, (const char *)table + entries[i].offset, sizeof(function));
        if (!function)
            return q_fail(Q_ERR_USAGE, "backend '%s' lacks the operation '%s'", table->name, entries[i].name);
    }
    return Q_OK;
}
