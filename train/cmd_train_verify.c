/* quern-train verify: whether checkpoints are whole and hold the state that was written, and whether two runs are the same. */
#include "base/check.h"
#include "base/fs.h"
#include "base/journal.h"
#include "train/checkpoint/checkpoint.h"
#include "train/cmd_train.h"
#include "train/model/model_config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct q_option train_verify_table[] = {
    {"against", 0, Q_OPTION_TEXT, offsetof(struct train_verify_options, against), "RUN",
     "compare the runs' journals with that of this one instead: the hashes of their states, step by step"},
    {0}};

/* Hashes of a run's state, out of its journal. */
struct state_line {
    uint64_t step;
    size_t number; /* of the line */
    struct state_hashes hashes;
};

struct state_lines {
    struct state_line *items;
    size_t count, capacity;
    bool nondeterministic; /* somewhere on its way */
};

static int by_step(const void *a, const void *b)
{
    const struct state_line *x = a, *y = b;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static q_status collect(const json_t *lines, const char *path, struct state_lines *out)
{
    const json_t *line;
    size_t i;
    json_array_foreach(lines, i, line)
    {
        struct state_line one = {.number = i};
        bool found;
        out->nondeterministic = out->nondeterministic || json_is_false(json_object_get(line, "deterministic"));
        Q_TRY(state_hashes_read(line, path, &one.hashes, &found));
        if (!found)
            continue;
        Q_TRY(q_json_get_u64(line, path, "step", &one.step));
        Q_TRY(q_grow(&out->items, &out->capacity, out->count + 1, sizeof *out->items));
        out->items[out->count++] = one;
    }
    if (out->count)
        qsort(out->items, out->count, sizeof *out->items, by_step);
    return Q_OK;
}

/* The lines of RUN/journal that have hashes, by step; those of one step in the order of the journal. An absent journal has none. */
static q_status read_states(const char *run, struct state_lines *out)
{
    struct q_arena arena = {0};
    const char *path;
    json_t *lines = NULL;
    q_status status = q_fs_join(&arena, run, "journal", &path);
    if (!status)
        status = q_journal_read(path, &lines);
    if (!status)
        status = collect(lines, path, out);
    json_decref(lines);
    q_arena_release(&arena);
    return status;
}

/* What a step came to in the end: the last of its lines, where a run was set back and came by again. *at goes behind it. */
static const struct state_line *next_step(const struct state_lines *lines, size_t *at)
{
    if (*at == lines->count)
        return NULL;
    while (*at + 1 < lines->count && lines->items[*at + 1].step == lines->items[*at].step)
        ++*at;
    return &lines->items[(*at)++];
}

static q_status compare(const char *a_name, const struct state_lines *a, const char *b_name,
                        const struct state_lines *b)
{
    size_t at_a = 0, at_b = 0;
    uint64_t same = 0, last = 0;
    const struct state_line *x = next_step(a, &at_a), *y = next_step(b, &at_b);
    while (x && y) {
        if (x->step == y->step) {
            const char *differs = state_hashes_differ(&x->hashes, &y->hashes);
            char before[64] = "";
            if (same)
                snprintf(before, sizeof before, ", and are still the same at step %" PRIu64, last);
            if (differs)
                return q_fail(Q_ERR_INPUT, "'%s' and '%s' differ in their %s at step %" PRIu64 "%s%s", a_name, b_name,
                              differs, x->step, before,
                              a->nondeterministic || b->nondeterministic ? "; with 'train.deterministic' false they may"
                                                                         : "");
            same++;
            last = x->step;
        }
        const uint64_t step_x = x->step, step_y = y->step;
        x = step_x <= step_y ? next_step(a, &at_a) : x;
        y = step_y <= step_x ? next_step(b, &at_b) : y;
    }
    if (!same)
        return q_fail(Q_ERR_INPUT,
                      "'%s' and '%s' have no step in common whose state was hashed; see 'train.hash_every'", a_name,
                      b_name);
    printf("%s and %s: the same at %" PRIu64 " steps, the last of them %" PRIu64 "\n", a_name, b_name, same, last);
    return Q_OK;
}

/* Whether FOLDER has NAME in it. */
static q_status look_in(const char *folder, const char *name, bool *has)
{
    struct q_arena arena = {0};
    const char *path;
    q_status status = q_fs_join(&arena, folder, name, &path);
    if (!status)
        status = q_fs_look(path, has, NULL);
    q_arena_release(&arena);
    return status;
}

/* The states of a run that is there. */
static q_status read_run(const char *run, struct state_lines *out)
{
    bool has;
    Q_TRY(look_in(run, "journal", &has));
    return has ? read_states(run, out)
               : q_fail(Q_ERR_INPUT, "'%s' has no journal to compare by; is it a training?", run);
}

static q_status verify_against(const char *run, const char *other)
{
    struct state_lines a = {0}, b = {0};
    q_status status = read_run(run, &a);
    if (!status)
        status = read_run(other, &b);
    if (!status)
        status = compare(run, &a, other, &b);
    q_release(a.items);
    q_release(b.items);
    return status;
}

/* The hashes of what the files hold. */
static q_status hash_folder(const char *folder, struct state_hashes *out)
{
    struct model_config config;
    struct model *outline;
    Q_TRY(model_config_read(folder, &config));
    const struct model_shape shape = {
        .batch = 1, .sequence = 1 + (size_t)config.num_nextn_predict_layers, .training = true};
    Q_TRY(model_outline(&config, op_table_cpu(OP_FP32), &shape, 1, &outline));
    q_status status = state_hash_files(folder, outline, out);
    model_release(outline);
    return status;
}

/* RUN/checkpoints/NAME: whether RUN/journal says the same of this step; *known = false where it says nothing. Where several courses of the run came by,
 * one of them must be this one. */
static q_status ask_journal(const char *folder, uint64_t step, const struct state_hashes *hashes, bool *known)
{
    struct q_arena arena = {0};
    struct state_lines lines = {0};
    const char *parent, *run;
    bool agrees = false;
    *known = false;
    q_status status = q_fs_parent(&arena, folder, &parent);
    if (!status)
        status = q_fs_parent(&arena, parent, &run);
    if (!status && !strcmp(q_fs_base_name(parent), "checkpoints"))
        status = read_states(run, &lines);
    for (size_t i = 0; i < lines.count; i++) {
        if (lines.items[i].step != step)
            continue;
        *known = true;
        agrees = agrees || !state_hashes_differ(&lines.items[i].hashes, hashes);
    }
    if (!status && *known && !agrees)
        status = q_fail(Q_ERR_INPUT, "'%s' is whole, but not the state that '%s/journal' has of step %" PRIu64, folder,
                        run, step);
    q_release(lines.items);
    q_arena_release(&arena);
    return status;
}

static q_status verify_checkpoint(const char *folder)
{
    struct train_position position;
    struct state_hashes written, seen;
    bool hashed, known = false, is_run;
    char hex[Q_HASH_HEX];
    Q_TRY(look_in(folder, "checkpoints", &is_run));
    if (is_run)
        return q_fail(Q_ERR_USAGE, "'%s' is a training; name its checkpoints: '%s/checkpoints/'*", folder, folder);
    Q_TRY(checkpoint_hashes(folder, &position, &written, &hashed));
    if (hashed) {
        Q_TRY(hash_folder(folder, &seen));
        const char *differs = state_hashes_differ(&written, &seen);
        if (differs)
            return q_fail(Q_ERR_INPUT, "'%s' is whole, but its %s are not those that the run had in memory", folder,
                          differs);
        Q_TRY(ask_journal(folder, position.step, &seen, &known));
    }
    printf("%s: whole; step %" PRIu64 ", %" PRIu64 " samples, %" PRIu64 " tokens", folder, position.step,
           position.samples, position.tokens);
    if (hashed) {
        printf("; parameters %s", q_hash_hex(seen.parameters, hex));
        printf(", moments %s", q_hash_hex(seen.moments, hex));
        if (seen.has_ema)
            printf(", average %s", q_hash_hex(seen.ema, hex));
        printf("%s", known ? ", as in the journal" : "");
    }
    printf("\n");
    return Q_OK;
}

q_status train_verify(void *opaque, const char *const *arguments, size_t count)
{
    const struct train_verify_options *options = opaque;
    for (size_t i = 0; i < count; i++)
        Q_TRY(options->against ? verify_against(arguments[i], options->against) : verify_checkpoint(arguments[i]));
    return Q_OK;
}
