/* quern-tokenizer train, plan, count and merge-counts. */
#include "tokenizer/cmd_tokenizer.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/progress.h"
#include "base/recipe.h"
#include "base/threads.h"
#include "tokenizer/tokenizer_stage.h"
#include "tokenizer/train/train_counts.h"

#include <stdio.h>

enum { SPECIAL_FILE_BYTES_MAX = 1 << 26 };

#define AT(member) offsetof(struct train_options, member)

const struct q_option train_table[] = {
    {"vocab-size", 0, Q_OPTION_COUNT, AT(vocab_size), "N",
     "the setting tokenizer.vocab_size: special tokens, bytes and merges"},
    {"min-frequency", 0, Q_OPTION_COUNT, AT(min_frequency), "N", "the setting tokenizer.min_frequency"},
    {"max-token-length", 0, Q_OPTION_U64, AT(max_token_length), "BYTES", "the setting tokenizer.max_token_length"},
    {"layout", 0, Q_OPTION_TEXT, AT(layout), "NAME", "the setting tokenizer.layout: plain or deepseek-v3"},
    {"counts", 0, Q_OPTION_TEXTS, AT(counts), "FILE", "counts made by `count`, besides or instead of texts"},
    {"special", 0, Q_OPTION_TEXTS, AT(special), "TEXT",
     "a special token instead of the layout's, or @FILE with one a line; in the order of their ids"},
    {"extend", 0, Q_OPTION_TEXT, AT(extend), "TOKENIZER",
     "begin with this vocabulary: its ids and merges are kept, new ones follow"},
    {"memory", 0, Q_OPTION_BYTES, AT(memory), "BYTES", "the setting tokenizer.memory: what the process takes at most"},
    {"resume", 0, Q_OPTION_FLAG, AT(resume), NULL, "go on from the merges that a stopped or killed run left"},
    {"work", 0, Q_OPTION_TEXT, AT(work), "DIR", "folder of the step before the last; OUT/work where not given"},
    {0},
};

static q_status layout_named(const char *name, int *out)
{
    for (*out = 0; vocabulary_layout_names[*out]; (*out)++)
        if (!strcmp(name, vocabulary_layout_names[*out]))
            return Q_OK;
    return q_fail(Q_ERR_USAGE, "'--layout' is '%s'; it must be plain or deepseek-v3", name);
}

/* The recipe's settings, and over them what the command line says. */
static q_status file_settings(const struct train_options *options, struct q_recipe *recipe,
                              struct tokenizer_settings *settings)
{
    Q_TRY(q_recipe_load(options->common.recipe, &options->common.set, recipe));
    Q_TRY(q_settings_load(&tokenizer_settings_table, q_recipe_section(recipe, "tokenizer"), &recipe->arena, settings));
    if (options->vocab_size)
        settings->vocab_size = options->vocab_size;
    if (options->min_frequency)
        settings->min_frequency = options->min_frequency;
    if (options->max_token_length)
        settings->max_token_length = options->max_token_length;
    if (options->memory)
        settings->memory = options->memory;
    return options->layout ? layout_named(options->layout, &settings->layout) : Q_OK;
}

static q_status publish_file(const struct vocabulary *vocabulary, const char *path)
{
    struct q_buffer text = {0};
    q_status status = vocabulary_write(vocabulary, &text);
    if (!status)
        status = q_publish_bytes(path, text.data, text.size, NULL);
    q_buffer_release(&text);
    return status;
}

/* One file out: no steps, nothing kept in between but the checkpoint. */
struct file_training {
    const struct train_options *options;
    struct q_recipe recipe; /* its arena owns what the options point to */
    struct tokenizer_settings settings;
    struct bpe_train_options train;
    struct vocabulary base;
    const struct pretokenizer *pretokenizer;
    struct train_counts counts;
    struct vocabulary vocabulary;
};

/* A special token as it stands, or @FILE: its lines. */
static q_status add_special(struct q_arena *arena, const char *given, const char ***texts, size_t *count,
                            size_t *capacity)
{
    struct q_buffer file = {0};
    q_string rest = q_string_of(given);
    q_status status = Q_OK;
    if (given[0] == '@') {
        status = q_fs_read_file(given + 1, SPECIAL_FILE_BYTES_MAX, &file);
        rest = q_buffer_string(&file);
    }
    while (!status && rest.size) {
        size_t end = given[0] == '@' ? q_string_find(rest, Q_STRING("\n"), 0) : rest.size;
        end = Q_MIN(end, rest.size);
        q_string line = q_string_slice(rest, 0, end);
        if (line.size && line.data[line.size - 1] == '\r' && given[0] == '@')
            line.size--;
        rest = q_string_slice(rest, Q_MIN(end + 1, rest.size), rest.size);
        if (line.size == 0)
            continue;
        status = q_grow(texts, capacity, *count + 1, sizeof(**texts));
        for (size_t i = 0; i < *count && !status; i++)
            if (q_string_is(line, (*texts)[i]))
                status = q_fail(Q_ERR_USAGE, "the special token '%s' is given twice", (*texts)[i]);
        if (!status)
            status = q_arena_cstring(arena, line, &(*texts)[*count]);
        *count += !status;
    }
    q_buffer_release(&file);
    return status;
}

static q_status choose_special(struct file_training *training)
{
    const struct q_texts *given = &training->options->special;
    const char **texts = NULL, **kept;
    size_t count = 0, capacity = 0;
    q_status status = Q_OK;
    if (given->count == 0) {
        if (training->options->extend)
            training->train.special_count = 0; /* those of the old vocabulary are there */
        return Q_OK;
    }
    if (training->settings.layout != VOCABULARY_PLAIN)
        return q_fail(Q_ERR_USAGE, "--special is for the layout plain; '%s' has its own special tokens",
                      vocabulary_layout_names[training->settings.layout]);
    for (size_t i = 0; i < given->count && !status; i++)
        status = add_special(&training->recipe.arena, given->items[i], &texts, &count, &capacity);
    if (!status)
        status = q_arena_alloc(&training->recipe.arena, count, sizeof(*kept), &kept);
    if (!status) {
        if (count)
            memcpy(kept, texts, count * sizeof(*kept));
        training->train.special = kept;
        training->train.special_count = count;
    }
    q_release(texts);
    return status;
}

static q_status open_base(struct file_training *training)
{
    if (!training->options->extend)
        return Q_OK;
    if (training->settings.layout != VOCABULARY_PLAIN)
        return q_fail(Q_ERR_USAGE, "--extend keeps the ids of the old vocabulary; --layout is for new ones");
    Q_TRY(vocabulary_read(training->options->extend, &training->base));
    training->train.base = &training->base;
    training->pretokenizer = training->base.pretokenizer;
    return Q_OK;
}

static q_status prepare_file(struct file_training *training)
{
    const struct train_options *options = training->options;
    struct tokenizer_settings *settings = &training->settings;
    struct bpe_train_options *train = &training->train;
    Q_TRY(q_publish_check(options->common.out));
    Q_TRY(file_settings(options, &training->recipe, settings));
    if (settings->memory == 0)
        settings->memory = count_memory_standard();
    Q_TRY(tokenizer_train_options(settings, &training->recipe.arena, train));
    train->threads = (unsigned)options->common.threads;
    train->memory = settings->memory;
    train->resume = options->resume ? BPE_RESUME : BPE_RESUME_NO;
    train->checkpoint_s = settings->checkpoint_s;
    Q_TRY(q_arena_printf(&training->recipe.arena, &train->checkpoint, "%s.merges", options->common.out));
    training->pretokenizer = pretokenizers[settings->pretokenizer];
    Q_TRY(open_base(training));
    Q_TRY(choose_special(training));
    return bpe_train_check(train);
}

static q_status gather_counts(struct file_training *training, const char *const *arguments, size_t count)
{
    const struct train_options *options = training->options;
    const struct tokenizer_settings *settings = &training->settings;
    struct count_weights weights = {0};
    struct train_counts_options given = {.files = options->counts.items,
                                         .file_count = options->counts.count,
                                         .counting = {.pretokenizer = training->pretokenizer,
                                                      .weights = &weights,
                                                      .sample = settings->sample,
                                                      .sample_seed = training->recipe.seed,
                                                      .memory = settings->memory},
                                         .beside = options->common.out,
                                         .threads = (unsigned)options->common.threads};
    q_status status = count_weights_add(&weights, &settings->weights);
    if (!status && count)
        status = open_texts(arguments, count, NULL, &given.texts);
    if (!status)
        status = train_counts_open(&training->counts, &given);
    text_source_close(given.texts);
    count_weights_release(&weights);
    return status;
}

static q_status run_file(struct file_training *training, const char *const *arguments, size_t count)
{
    const char *out = training->options->common.out;
    struct train_counts *counts = &training->counts;
    struct vocabulary *vocabulary = &training->vocabulary;
    const double start = q_seconds();
    Q_TRY(prepare_file(training));
    Q_TRY(gather_counts(training, arguments, count));
    Q_TRY(bpe_train_source(&counts->source, training->pretokenizer, counts->info.scale, &training->train, vocabulary));
    if (!training->train.base)
        Q_TRY(vocabulary_layout_apply((enum vocabulary_layout)training->settings.layout, vocabulary));
    Q_TRY(publish_file(vocabulary, out));
    Q_TRY(q_fs_unlink(training->train.checkpoint));
    if (count)
        q_accounting_print(&counts->accounting, "tokenizer", q_seconds() - start);
    fprintf(stderr, "tokenizer: %u tokens, %zu merges, from %llu distinct pieces; %.1f s\n", vocabulary->size,
            vocabulary->merge_count, (unsigned long long)counts->from_stream.pieces, q_seconds() - start);
    return Q_OK;
}

static q_status train_file(const struct train_options *options, const char *const *arguments, size_t count)
{
    struct file_training training = {.options = options};
    q_status status = run_file(&training, arguments, count);
    vocabulary_release(&training.vocabulary);
    vocabulary_release(&training.base);
    train_counts_close(&training.counts);
    q_recipe_release(&training.recipe);
    return status;
}

/* The stage takes its settings from the recipe and --set alone, so that the plan and the build agree. */
static q_status check_stage(const struct train_options *options, size_t count)
{
    if (count != 1)
        return q_fail(Q_ERR_USAGE, "the stage takes one folder of documents, not %zu; -o FILE.json takes any texts",
                      count);
    if (options->counts.count || options->vocab_size || options->min_frequency || options->max_token_length ||
        options->layout || options->special.count || options->extend || options->memory || options->resume)
        return q_fail(
            Q_ERR_USAGE,
            "--counts, --vocab-size and the like are for -o FILE.json; for the stage's folder give --recipe or "
            "--set tokenizer.vocab_size=N");
    return Q_OK;
}

static void print_build(const struct tokenizer_stage *stage)
{
    const struct tokenizer_build *build = &stage->build;
    if (build->already)
        fprintf(stderr, "tokenizer: already built: %s\n", stage->common->out);
    if (build->counted)
        q_accounting_print(&build->accounting, "tokenizer count", build->count_seconds);
    if (build->trained)
        fprintf(stderr,
                "tokenizer train: %u tokens, %zu merges, from %llu distinct pieces of %llu bytes of text; %.1f s\n",
                build->tokens, build->merges, (unsigned long long)build->distinct_pieces,
                (unsigned long long)build->text_bytes, build->train_seconds);
}

q_status cmd_train(void *given, const char *const *arguments, size_t count)
{
    const struct train_options *options = given;
    struct tokenizer_stage stage = {0};
    if (!options->common.out)
        return q_fail(Q_ERR_USAGE, "where to? give -o FILE.json or -o DIR");
    if (q_string_ends(q_string_of(options->common.out), ".json")) {
        if (count == 0 && options->counts.count == 0)
            return q_fail(Q_ERR_USAGE, "train on what? give texts or --counts FILE");
        return train_file(options, arguments, count);
    }
    Q_TRY(check_stage(options, count));
    q_status status = tokenizer_stage_open(&stage, &options->common, arguments[0]);
    if (!status)
        status = tokenizer_stage_build(&stage, options->work);
    if (!status)
        print_build(&stage);
    tokenizer_stage_release(&stage);
    return status;
}

q_status cmd_plan(void *given, const char *const *arguments, size_t count)
{
    const struct train_options *options = given;
    struct tokenizer_stage stage = {0};
    q_status status = tokenizer_stage_open(&stage, &options->common, count ? arguments[0] : NULL);
    if (!status)
        status = tokenizer_stage_plan(&stage);
    tokenizer_stage_release(&stage);
    return status;
}
