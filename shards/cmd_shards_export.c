/* quern-shards export: the ids for other programs. */
#include "shards/cmd_shards.h"

#include "base/fs.h"
#include "base/log.h"
#include "shards/shards_export.h"

static q_status export_split(const char *folder, enum shards_split split, const char *out)
{
    struct q_arena arena = {0};
    struct shards *shards;
    const char *prefix;
    Q_TRY(shards_open(folder, split, &shards));
    q_status status = q_fs_join(&arena, out, shards_split_names[split], &prefix);
    if (!status)
        status = shards_export_megatron(shards, prefix);
    if (!status)
        q_log_info("%s: %llu tokens to '%s.bin'", shards_split_names[split], (unsigned long long)shards->tokens,
                   prefix);
    q_arena_release(&arena);
    shards_close(shards);
    return status;
}

q_status cmd_shards_export(void *opaque, const char *const *arguments, size_t count)
{
    const struct shards_show_options *options = opaque;
    (void)count;
    if (!options->format || strcmp(options->format, "megatron") != 0)
        return q_fail(Q_ERR_USAGE, "the format must be given: --format megatron");
    if (!options->common.out)
        return q_fail(Q_ERR_USAGE, "no folder for the result; give one with -o");
    Q_TRY(q_fs_make_directories(options->common.out));
    Q_TRY(export_split(arguments[0], SHARDS_TRAIN, options->common.out));
    return export_split(arguments[0], SHARDS_HELDOUT, options->common.out);
}
