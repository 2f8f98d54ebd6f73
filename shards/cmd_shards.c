/* quern-shards: stage 4. The verbs are in cmd_shards_*.c. */
#include "shards/cmd_shards.h"

#include "base/fs.h"
#include "shards/shards_read.h"
#include "shards/shards_settings.h"

#define SHOW(member) offsetof(struct shards_show_options, member)
#define TOKENIZER(struct_name)                                                                                         \
    {                                                                                                                  \
        "tokenizer", 't', Q_OPTION_TEXT, offsetof(struct struct_name, tokenizer), "TOKENIZER",                         \
            "a tokenizer.json, or the folder that it is in"                                                            \
    }
#define SPLIT                                                                                                          \
    {                                                                                                                  \
        "split", 0, Q_OPTION_TEXT, SHOW(split), "SPLIT", "train (standard) or heldout"                                 \
    }
#define COUNT                                                                                                          \
    {                                                                                                                  \
        "count", 0, Q_OPTION_COUNT, SHOW(count), "N", "how many (standard: 1)"                                         \
    }

static const struct q_option build_table[] = {TOKENIZER(shards_build_options), {0}};

static const struct q_option cat_table[] = {
    {"sequence", 0, Q_OPTION_TEXT, SHOW(sequence), "I", "the first sequence to print (standard: 0, and all)"},
    COUNT,
    SPLIT,
    {"text", 0, Q_OPTION_FLAG, SHOW(text), NULL, "decode, with the tokenizer of -t"},
    TOKENIZER(shards_show_options),
    {0}};

static const struct q_option order_table[] = {
    {"from", 0, Q_OPTION_COUNT, SHOW(position), "I", "the first position (standard: 0)"}, COUNT, {0}};

static const struct q_option trace_table[] = {
    {"position", 0, Q_OPTION_COUNT, SHOW(position), "I", "the first position of the run to look at (standard: 0)"},
    {"sequence", 0, Q_OPTION_TEXT, SHOW(sequence), "I", "a sequence of the folder instead, by its number"},
    COUNT,
    SPLIT,
    {0}};

static const struct q_option export_table[] = {
    {"format", 0, Q_OPTION_TEXT, SHOW(format), "FORMAT", "megatron: NAME.bin and NAME.idx for each split"}, {0}};

static const struct q_option report_table[] = {
    TOKENIZER(shards_show_options),
    {"fragment", 0, Q_OPTION_FLAG, SHOW(fragment), NULL, "print what goes into a run's page instead of a page"},
    {0}};

static const struct q_verb verbs[] = {
    {.name = "build",
     .synopsis = "DIR... -t TOKENIZER -o DIR",
     .summary = "encode documents into token shards",
     .details = "DIR is a finished result of corpus or dedup. Each part of it becomes up to two files: the documents "
                "to train on, and those held out. What "
                "is there already is not built again; a killed build goes on where it stood.\n\n"
                "  quern-shards build run/dedup/KEY -t run/tokenizer/KEY --recipe recipes/demo.yaml -o shards\n"
                "  quern-shards build docs -t tokenizer.json -o shards --set shards.sequence_tokens=1024\n"
                "  quern-shards build docs -t tokenizer.json -o shards --task 3/64      (then once without --task, for "
                "the manifest)",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_FORCE | Q_TAKES_RECIPE | Q_TAKES_TASK,
     .options = build_table,
     .options_size = sizeof(struct shards_build_options),
     .arguments_min = 1,
     .arguments_max = SHARDS_INPUTS_MAX,
     .run = cmd_shards_build},
    {.name = "plan",
     .synopsis = "[DIR... -t TOKENIZER] --recipe FILE --json",
     .summary = "what a build would be: its key and its parts",
     .details = "Without DIR it checks the section 'shards' of the recipe.\n\n"
                "  quern-shards plan run/dedup/KEY -t run/tokenizer/KEY --recipe recipes/demo.yaml --json",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options = build_table,
     .options_size = sizeof(struct shards_build_options),
     .arguments_max = SHARDS_INPUTS_MAX,
     .run = cmd_shards_plan},
    {.name = "info",
     .synopsis = "PATH",
     .summary = "what a folder of shards, or one file, says of itself",
     .details = "  quern-shards info shards\n  quern-shards info shards/part-00000.train.zst --json",
     .takes = Q_TAKES_JSON,
     .options_size = sizeof(struct q_common),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_shards_info},
    {.name = "stats",
     .synopsis = "PATH",
     .summary = "documents, tokens and bytes by split, source and language",
     .details = "Tokens count every id, begin and end of documents included. The columns: split, source, language, "
                "documents, tokens, bytes of text, bytes per "
                "token.\n\n  quern-shards stats shards",
     .takes = Q_TAKES_JSON,
     .options_size = sizeof(struct q_common),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_shards_stats},
    {.name = "cat",
     .synopsis = "PATH [--sequence I] [--count N] [--text -t TOKENIZER]",
     .summary = "training sequences as ids or as text",
     .details = "A line is a sequence: T + 1 ids, the last one being the first of the next line. (zstdcat FILE gives a "
                "file's ids as they are stored, each "
                "once.)\n\n  quern-shards cat shards --sequence 17\n  quern-shards cat shards --sequence 17 --text -t "
                "tokenizer.json",
     .takes = Q_TAKES_JSON,
     .options = cat_table,
     .options_size = sizeof(struct shards_show_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_shards_cat},
    {.name = "verify",
     .synopsis = "PATH",
     .summary = "read every byte, and compare all that is said twice",
     .details = "  quern-shards verify shards\n  quern-shards verify shards/part-00000.train.zst",
     .options_size = sizeof(struct q_common),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_shards_verify},
    {.name = "order",
     .synopsis = "DIR [--from I] [--count N]",
     .summary = "which sequence training sees at a position",
     .details = "The columns: position, sequence, source, epoch of the source. Seed and weights are the recipe's "
                "(without one: seed 0, every weight 1).\n\n"
                "  quern-shards order shards --recipe recipes/demo.yaml --from 1000 --count 32",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options = order_table,
     .options_size = sizeof(struct shards_show_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_shards_order},
    {.name = "trace",
     .synopsis = "DIR [--position I | --sequence I] [--count N]",
     .summary = "which documents a position of the run, or a sequence, is made of",
     .details = "The columns: position (- for --sequence), sequence, place of the document's first token in the "
                "sequence, its tokens there, language, id. A "
                "step of training consumes the positions from its 'samples' on.\n\n"
                "  quern-shards trace shards --recipe recipes/demo.yaml --position 5120 --count 8",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options = trace_table,
     .options_size = sizeof(struct shards_show_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_shards_trace},
    {.name = "export",
     .synopsis = "DIR --format megatron -o DIR",
     .summary = "the same ids in another program's format",
     .details = "  quern-shards export shards --format megatron -o megatron      (train.bin, train.idx, heldout.bin, "
                "heldout.idx)",
     .takes = Q_TAKES_OUT,
     .options = export_table,
     .options_size = sizeof(struct shards_show_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_shards_export},
    {.name = "report",
     .synopsis = "DIR [-o FILE]",
     .summary = "languages, lengths, bytes per token and samples as one HTML page",
     .details = "With -t it shows decoded samples and the most frequent tokens as text.\n\n  quern-shards report "
                "shards -t tokenizer.json -o shards.html",
     .takes = Q_TAKES_OUT,
     .options = report_table,
     .options_size = sizeof(struct shards_show_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_shards_report},
    {0}};

static const struct q_program program = {.name = "quern-shards",
                                         .summary = "token shards: what training reads",
                                         .verbs = verbs,
                                         .section = "shards",
                                         .settings = &shards_settings_table};

q_status cmd_shards_split(const char *name, enum shards_split *out)
{
    for (int split = 0; split < 2; split++) {
        if (strcmp(name ? name : shards_split_names[SHARDS_TRAIN], shards_split_names[split]) == 0) {
            *out = (enum shards_split)split;
            return Q_OK;
        }
    }
    return q_fail(Q_ERR_USAGE, "there is no split '%s'; use train or heldout", name);
}

q_status cmd_shards_tokenizer(const char *path, q_hash wanted, struct tokenizer **out)
{
    struct q_arena arena = {0};
    const char *file = path;
    uint64_t bytes;
    q_hash hash;
    q_status status = q_fs_is_directory(path) ? q_fs_join(&arena, path, "tokenizer.json", &file) : Q_OK;
    if (!status)
        status = q_fs_hash_file(file, &bytes, &hash);
    if (!status && !q_hash_equal(hash, wanted))
        status = q_fail(Q_ERR_INPUT, "'%s' is not the tokenizer that made the shards", file);
    if (!status)
        status = tokenizer_load(file, out);
    q_arena_release(&arena);
    return status;
}

int main(int argc, char **argv)
{
    return q_program_main(&program, argc, argv);
}
