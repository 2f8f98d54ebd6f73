/* quern-tokenizer: stage 3, and the tokenizer's tools. */
#include "tokenizer/cmd_tokenizer.h"

#include "base/check.h"
#include "tokenizer/tokenizer_settings.h"

q_status parse_format(const char *value, enum text_format *out)
{
    *out = TEXT_FORMAT_AUTO;
    if (!value || !strcmp(value, "auto"))
        return Q_OK;
    if (strcmp(value, "text") != 0 && strcmp(value, "jsonl") != 0)
        return q_fail(Q_ERR_USAGE, "'--format' is '%s'; it must be auto, text or jsonl", value);
    *out = value[0] == 't' ? TEXT_FORMAT_PLAIN : TEXT_FORMAT_JSONL;
    return Q_OK;
}

q_status parse_special(const char *value, enum tokenizer_special_mode *out)
{
    *out = TOKENIZER_SPECIAL_AS_TEXT;
    if (!value || !strcmp(value, "text"))
        return Q_OK;
    if (strcmp(value, "parse") != 0)
        return q_fail(Q_ERR_USAGE, "'--special' is '%s'; it must be text or parse", value);
    *out = TOKENIZER_SPECIAL_PARSE;
    return Q_OK;
}

q_status load_tokenizer(const char *path, struct tokenizer **out)
{
    if (!path)
        return q_fail(Q_ERR_USAGE, "which tokenizer? give -t FILE (a tokenizer.json) or -t FOLDER");
    return tokenizer_load(path, out);
}

q_status open_texts(const char *const *arguments, size_t count, const char *format, struct text_source **out)
{
    static const char *const standard_input[] = {"-"};
    enum text_format parsed;
    Q_TRY(parse_format(format, &parsed));
    return count ? text_source_open(arguments, count, parsed, out) : text_source_open(standard_input, 1, parsed, out);
}

static const struct q_verb verbs[] = {
    {.name = "train",
     .synopsis = "INPUT... -o FILE.json | DOCUMENTS --recipe R -o DIR",
     .summary = "train a vocabulary",
     .details = "INPUT is a folder of documents, JSON lines or plain text; a name that ends in .json makes one file, "
                "any other is the "
                "stage's folder, with steps count and train. The merges are those of Hugging Face's BpeTrainer.\n\n"
                "  quern-tokenizer train corpus/ -o tokenizer.json --vocab-size 32000\n"
                "  quern-tokenizer train --counts a.counts --counts b.counts -o tokenizer.json --vocab-size 128K\n"
                "  quern-tokenizer train DEDUP --recipe demo.yaml -o RUN/tokenizer/KEY --work RUN/tokenizer\n",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_FORCE | Q_TAKES_RECIPE | Q_TAKES_TASK,
     .options = train_table,
     .options_size = sizeof(struct train_options),
     .arguments_min = 0,
     .arguments_max = 100000,
     .run = cmd_train},
    {.name = "plan",
     .synopsis = "[DOCUMENTS] --recipe R --json",
     .summary = "the stage's steps and their keys, without work",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options_size = sizeof(struct train_options),
     .arguments_min = 0,
     .arguments_max = 1,
     .run = cmd_plan},
    {.name = "count",
     .synopsis = "INPUT... -o FILE",
     .summary = "count the pieces of texts, for train --counts",
     .details =
         "What does not fit into --memory waits in FILE.work, which is gone at the end. With --from-pairs the "
         "input is JSON lines {\"piece\": \"the\", \"count\": 3}, as the verb counts prints them, which are taken "
         "as they are.\n\n"
         "  quern-tokenizer count en/*.jsonl.zst -o en.counts --memory 2G\n"
         "  quern-tokenizer count corpus/ -o all.counts --weight lang:en=0.5 --weight source:wiki=3\n",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS,
     .options = count_table,
     .options_size = sizeof(struct count_options),
     .arguments_min = 1,
     .arguments_max = 100000,
     .run = cmd_count},
    {.name = "merge-counts",
     .synopsis = "FILE... -o FILE",
     .summary = "add files of counts up",
     .details = "  quern-tokenizer merge-counts en.counts de.counts -o all.counts\n",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS,
     .options = merge_counts_table,
     .options_size = sizeof(struct count_options),
     .arguments_min = 1,
     .arguments_max = 100000,
     .run = cmd_merge_counts},
    {.name = "counts",
     .synopsis = "FILE...",
     .summary = "print files of counts, added up, as JSON lines",
     .details =
         "A line for each piece: {\"piece\": \"the\", \"count\": 3}, or \"hex\" for bytes that are not UTF-8, in "
         "the order of the pieces' bytes.\n\n"
         "  quern-tokenizer counts en.counts | head\n",
     .takes = 0,
     .options_size = sizeof(struct count_options),
     .arguments_min = 1,
     .arguments_max = 100000,
     .run = cmd_counts},
    {.name = "encode",
     .synopsis = "-t TOKENIZER [FILE...]",
     .summary = "text to ids, a line per document",
     .details = "A text file is one document, a line of JSON lines is one. Special tokens in the text are text unless "
                "--special parse. --dropout and --boundary-split are for training data: the ids depend on the seed and "
                "the document's id (its text, where it has none) and decode to the same text.\n\n"
                "  echo -n 'Hello, world!' | quern-tokenizer encode -t tokenizer.json\n"
                "  quern-tokenizer encode -t run/tokenizer/KEY documents.jsonl.zst --binary > ids.u32\n"
                "  quern-tokenizer encode -t tokenizer.json documents.jsonl.zst --dropout 0.1 --seed 7\n",
     .takes = Q_TAKES_THREADS,
     .options = encode_table,
     .options_size = sizeof(struct encode_options),
     .arguments_min = 0,
     .arguments_max = 100000,
     .run = cmd_encode},
    {.name = "decode",
     .synopsis = "-t TOKENIZER [FILE...]",
     .summary = "ids to text",
     .details = "Reads what encode wrote. --format jsonl writes {\"text\": ...} per line of ids; text writes the bytes "
                "as they are.\n\n"
                "  quern-tokenizer encode -t T page.txt | quern-tokenizer decode -t T | cmp - page.txt\n",
     .takes = 0,
     .options = decode_table,
     .options_size = sizeof(struct encode_options),
     .arguments_min = 0,
     .arguments_max = 100000,
     .run = cmd_decode},
    {.name = "bench",
     .synopsis = "-t TOKENIZER FILE...",
     .summary = "encoding speed on a first and a second pass, as JSON",
     .details = "The texts are read before the clock starts. MB are 10^6 bytes of text.\n\n"
                "  quern-tokenizer bench -t tokenizer.json -j 1 en.jsonl.zst\n",
     .takes = Q_TAKES_THREADS | Q_TAKES_JSON,
     .options = bench_table,
     .options_size = sizeof(struct encode_options),
     .arguments_min = 1,
     .arguments_max = 100000,
     .run = cmd_bench},
    {.name = "compare",
     .synopsis = "-t [NAME=]A -t [NAME=]B ... FILE...",
     .summary = "bytes per token by language, for several vocabularies",
     .details = "Documents count for their member `lang`. Besides the table of languages: what each vocabulary comes "
                "to in all, how much of it is used, whether every text comes back, and how many tokens they share. "
                "--json has all figures; -o FILE.html also writes a page.\n\n"
                "  quern-tokenizer compare -t ours=run/tokenizer/KEY -t other.json text/*.jsonl.zst\n",
     .takes = Q_TAKES_THREADS | Q_TAKES_JSON | Q_TAKES_OUT,
     .options = compare_table,
     .options_size = sizeof(struct compare_options),
     .arguments_min = 1,
     .arguments_max = 100000,
     .run = cmd_compare},
    {.name = "audit",
     .synopsis = "-t TOKENIZER [FILE...]",
     .summary = "what a vocabulary's tokens are, and which of them no text gives",
     .details = "Layout of ids, scripts and how far their characters are tokens, parts of characters, digits, "
                "punctuation that takes line breaks along, tokens that differ by case or a leading space, and for each "
                "token whether a text exists that encodes to it. With texts also the tokens that these never use.\n\n"
                "  quern-tokenizer audit -t tokenizer.json\n"
                "  quern-tokenizer audit -t tokenizer.json --list unreachable\n"
                "  quern-tokenizer audit -t tokenizer.json corpus/*.jsonl.zst --list unused\n",
     .takes = Q_TAKES_THREADS | Q_TAKES_JSON | Q_TAKES_OUT,
     .options = audit_table,
     .options_size = sizeof(struct audit_options),
     .arguments_min = 0,
     .arguments_max = 100000,
     .run = cmd_audit},
    {.name = "export",
     .synopsis = "-t TOKENIZER -o DIR|FILE.tiktoken",
     .summary = "a vocabulary in the formats of other tools",
     .details = "huggingface: a folder with tokenizer.json, tokenizer_config.json and special_tokens_map.json. gpt2: "
                "these and vocab.json and merges.txt, for older tools. tiktoken: the ranks, and FILE.tiktoken.json "
                "with the pattern and the special tokens.\n\n"
                "  quern-tokenizer export -t run/tokenizer/KEY --format tiktoken -o ours.tiktoken\n"
                "  quern-tokenizer export -t theirs.tiktoken --pattern cl100k -o theirs/\n",
     .takes = Q_TAKES_OUT,
     .options = export_table,
     .options_size = sizeof(struct export_options),
     .arguments_min = 0,
     .arguments_max = 0,
     .run = cmd_export},
    {.name = "report",
     .synopsis = "DIR [-o FILE] [-t [NAME=]OTHER...]",
     .summary = "what a trained vocabulary is like, as one HTML page",
     .details =
         "Bytes per token by language, beside other vocabularies where -t or the recipe's tokenizer.compare name "
         "some; what its size is worth; the audit.\n\n"
         "  quern-tokenizer report run/tokenizer/KEY -o page.html -t deepseek-v3.json\n",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_RECIPE,
     .options = report_table,
     .options_size = sizeof(struct tokenizer_report_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_report},
    {0},
};

static const struct q_program program = {
    .name = "quern-tokenizer",
    .summary = "stage 3: byte-level BPE vocabularies, trained and used",
    .verbs = verbs,
    .section = "tokenizer",
    .settings = &tokenizer_settings_table,
};

int main(int argc, char **argv)
{
    return q_program_main(&program, argc, argv);
}
