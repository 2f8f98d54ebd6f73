/* quern-tokenizer train, plan, count and merge-counts. */
#include "tokenizer/cmd_tokenizer.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/progress.h"
#include "base/recipe.h"
#include "base/threads.h"
#include "tokenizer/tokenizer_stage.h"
#include "tokenizer/train_counts.h"

#include <stdio.h>

#define AT(member) offsetof(struct train_options, member)

const struct q_option train_table[] = {
    {"vocab-size", 0, Q_OPTION_COUNT, AT(vocab_size), "N",
     "the setting tokenizer.vocab_size: special tokens, bytes and merges"},
    {"min-frequency", 0, Q_OPTION_COUNT, AT(min_frequency), "N", "the setting tokenizer.min_frequency"},
    {"max-token-length", 0, Q_OPTION_U64, AT(max_token_length), "BYTES", "the setting tokenizer.max_token_length"},
    {"layout", 0, Q_OPTION_TEXT, AT(layout), "NAME", "the setting tokenizer.layout: plain or deepseek-v3"},
    {"counts", 0, Q_OPTION_TEXTS, AT(counts), "FILE", "counts made by `count`, besides or instead of texts"},
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
    return options->layout ? layout_named(options->layout, &settings->layout) : Q_OK;
}

static q_status gather_counts(const struct train_options *options, const struct tokenizer_settings *settings,
                              const struct q_recipe *recipe, const char *const *arguments, size_t count,
                              struct train_counts *counts)
{
    struct count_weights weights = {0};
    struct train_counts_options given = {.files = options->counts.items,
                                         .file_count = options->counts.count,
                                         .counting = {.pretokenizer = pretokenizers[settings->pretokenizer],
                                                      .weights = &weights,
                                                      .sample = settings->sample,
                                                      .sample_seed = recipe->seed,
                                                      .memory = settings->memory},
                                         .beside = options->common.out,
                                         .threads = (unsigned)options->common.threads};
    q_status status = count_weights_add(&weights, &settings->weights);
    if (!status && count)
        status = open_texts(arguments, count, NULL, &given.texts);
    if (!status)
        status = train_counts_open(counts, &given);
    text_source_close(given.texts);
    count_weights_release(&weights);
    return status;
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

/* One file out: no steps, nothing kept in between. */
static q_status train_file(const struct train_options *options, const char *const *arguments, size_t count)
{
    struct q_recipe recipe = {0};
    struct tokenizer_settings settings;
    struct train_counts counts = {0};
    struct vocabulary vocabulary = {0};
    double start = q_seconds();
    q_status status;
    Q_TRY_GOTO(done, q_publish_check(options->common.out));
    Q_TRY_GOTO(done, file_settings(options, &recipe, &settings));
    struct bpe_train_options train;
    Q_TRY_GOTO(done, tokenizer_train_options(&settings, &recipe.arena, &train));
    train.threads = (unsigned)options->common.threads;
    Q_TRY_GOTO(done, bpe_train_check(&train));
    Q_TRY_GOTO(done, gather_counts(options, &settings, &recipe, arguments, count, &counts));
    Q_TRY_GOTO(done, bpe_train_source(&counts.source, pretokenizers[settings.pretokenizer], counts.info.scale, &train,
                                      &vocabulary));
    Q_TRY_GOTO(done, vocabulary_layout_apply((enum vocabulary_layout)settings.layout, &vocabulary));
    Q_TRY_GOTO(done, publish_file(&vocabulary, options->common.out));
    if (count)
        q_accounting_print(&counts.accounting, "tokenizer", q_seconds() - start);
    fprintf(stderr, "tokenizer: %u tokens, %zu merges, from %llu distinct pieces; %.1f s\n", vocabulary.size,
            vocabulary.merge_count, (unsigned long long)counts.from_stream.pieces, q_seconds() - start);
done:
    vocabulary_release(&vocabulary);
    train_counts_close(&counts);
    q_recipe_release(&recipe);
    return status;
}

/* The stage takes its settings from the recipe and --set alone, so that the plan and the build agree. */
static q_status check_stage(const struct train_options *options, size_t count)
{
    if (count != 1)
        return q_fail(Q_ERR_USAGE, "the stage takes one folder of documents, not %zu; -o FILE.json takes any texts",
                      count);
    if (options->counts.count || options->vocab_size || options->min_frequency || options->max_token_length ||
        options->layout)
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
