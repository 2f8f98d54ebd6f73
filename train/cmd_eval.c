/* quern-eval: stage 6. The stage's own verbs are in cmd_eval_run.c. */
#include "train/cmd_eval.h"

#include "base/check.h"
#include "train/eval/eval_generate.h"
#include "train/eval/eval_settings.h"
#include "train/model/model_config.h"

#include <stdio.h>
#include <string.h>

/* What the model computes with grows with it, and public models have positions for whole books. */
enum { WINDOW_USUAL = 4096 };

static const struct q_option generate_table[] = {
    {"model", 0, Q_OPTION_TEXT, offsetof(struct eval_options, model), "DIR", "folder of a trained model"},
    {"tokenizer", 't', Q_OPTION_TEXT, offsetof(struct eval_options, tokenizer), "DIR",
     "its tokenizer; the model's folder where not given"},
    {"prompt", 0, Q_OPTION_TEXT, offsetof(struct eval_options, prompt), "TEXT", "the text to go on from"},
    {"tokens", 0, Q_OPTION_COUNT, offsetof(struct eval_options, tokens), "N", "length of the continuation (64)"},
    {"window", 0, Q_OPTION_COUNT, offsetof(struct eval_options, window), "N",
     "tokens that the model sees at once, its positions at most (4096 of them)"},
    {"temperature", 0, Q_OPTION_DOUBLE, offsetof(struct eval_options, temperature), "X",
     "0 (the likeliest token always), or more"},
    {"top-p", 0, Q_OPTION_DOUBLE, offsetof(struct eval_options, top_p), "P",
     "draw from the likeliest tokens of this probability (1)"},
    {"seed", 0, Q_OPTION_U64, offsetof(struct eval_options, seed), "N", "of the draws (0)"},
    {0}};

q_status eval_window(const struct eval_options *options, uint64_t enough, size_t *out)
{
    struct model_config config;
    *out = (size_t)options->window;
    if (options->window)
        return Q_OK;
    Q_TRY(model_config_read(options->model, &config));
    *out = (size_t)Q_MIN(Q_MIN(config.max_position_embeddings, (uint64_t)WINDOW_USUAL), enough);
    return Q_OK;
}

static uint64_t continuation(const struct eval_options *options)
{
    return options->tokens ? options->tokens : 64;
}

static q_status generate_with(struct opened_model *model, const struct eval_options *options)
{
    struct eval_sampling sampling = {.tokens = continuation(options),
                                     .temperature = options->temperature,
                                     .top_p = options->top_p > 0 ? options->top_p : 1,
                                     .seed = options->seed};
    struct tokenizer *tokenizer;
    struct q_buffer text = {0};
    Q_TRY(tokenizer_load(options->tokenizer ? options->tokenizer : options->model, &tokenizer));
    q_status status = eval_generate(model, tokenizer, q_string_of(options->prompt), &sampling, &text);
    if (!status)
        printf("%s%.*s\n", options->prompt, Q_STRING_ARGS(q_buffer_string(&text)));
    q_buffer_release(&text);
    tokenizer_release(tokenizer);
    return status;
}

static q_status eval_generate_verb(void *given, const char *const *arguments, size_t count)
{
    (void)arguments, (void)count;
    const struct eval_options *options = given;
    struct opened_model model;
    struct model_shape one = {.batch = 1};
    if (!options->model || !options->prompt)
        return q_fail(Q_ERR_USAGE, "give a model (--model DIR) and a prompt (--prompt TEXT)");
    if (options->temperature < 0 || options->top_p < 0 || options->top_p > 1)
        return q_fail(Q_ERR_USAGE, "--temperature must be at least 0, --top-p 0 to 1");
    /* A token has one byte at least, of which NFC makes three at most; one more begins the text. */
    Q_TRY(eval_window(options, 3 * strlen(options->prompt) + 2 + Q_MIN(continuation(options), (uint64_t)WINDOW_USUAL),
                      &one.sequence));
    Q_TRY(opened_model_open(options->model, &one, (unsigned)options->common.threads, &model));
    q_status status = generate_with(&model, options);
    opened_model_close(&model);
    return status;
}

static const struct q_verb verbs[] = {
    {.name = "run",
     .synopsis = "--model DIR --shards DIR -t DIR --recipe FILE -o DIR",
     .summary = "bits per byte on the held-out documents, and continuations",
     .details = "Measures the trained model, the same model before its training, and a model that knows only how often "
                "each token comes, on the "
                "held-out sequences of the shards.",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_RECIPE | Q_TAKES_FORCE | Q_TAKES_TASK,
     .options = eval_run_table,
     .options_size = sizeof(struct eval_options),
     .run = eval_run},
    {.name = "plan",
     .synopsis = "--recipe FILE [--model DIR --shards DIR -t DIR] --json",
     .summary = "the key of an evaluation",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options = eval_run_table,
     .options_size = sizeof(struct eval_options),
     .run = eval_plan},
    {.name = "generate",
     .synopsis = "--model DIR --prompt TEXT",
     .summary = "go on from a prompt",
     .details = "  quern-eval generate --model demo/run/train/KEY --prompt 'The file is' --tokens 40\n"
                "  quern-eval generate --model M --prompt 'Die Datei' --temperature 0.8 --top-p 0.95 --seed 7",
     .takes = Q_TAKES_THREADS,
     .options = generate_table,
     .options_size = sizeof(struct eval_options),
     .run = eval_generate_verb},
    {.name = "bpb",
     .synopsis = "--model DIR FILE...",
     .summary = "bits per byte on files: JSON lines of documents, or plain text",
     .details = "  quern-eval bpb --model demo/run/train/KEY README.md",
     .takes = Q_TAKES_THREADS | Q_TAKES_JSON,
     .options = generate_table,
     .options_size = sizeof(struct eval_options),
     .arguments_min = 1,
     .arguments_max = SIZE_MAX,
     .run = eval_bpb},
    {.name = "report",
     .synopsis = "DIR [-o FILE]",
     .summary = "the results as one HTML page",
     .takes = Q_TAKES_OUT,
     .options = eval_run_table,
     .options_size = sizeof(struct eval_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = eval_report},
    {0}};

static const struct q_program program = {.name = "quern-eval",
                                         .summary = "measure a trained model",
                                         .verbs = verbs,
                                         .section = "eval",
                                         .settings = &eval_settings_table};

int main(int argc, char **argv)
{
    return q_program_main(&program, argc, argv);
}
