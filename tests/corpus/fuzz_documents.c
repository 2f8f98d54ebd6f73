/* From bytes to documents with every rule, repair and replacement on: JSON lines, plain text in whatever charset, manual pages, source code. A file of lines gives in two
 * pieces what it gives in one; what is kept can be written and read back; a worker that has read anything reads on as a fresh one; measures are as their twins say.
 */
#include "base/check.h"
#include "corpus/corpus_cut.h"
#include "corpus/corpus_document.h"
#include "corpus/corpus_plan.h"
#include "tests/base/fuzz.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ITEM_BYTES_MAX = 1 << 16, SECONDS_MAX = 10 };

static const char *const sets[] = {
    "corpus.repetition.enabled=true", "corpus.gopher.enabled=true",
    "corpus.gopher.words_min=1",      "corpus.c4.enabled=true",
    "corpus.c4.sentences_min=0",      "corpus.fineweb.enabled=true",
    "corpus.dclm.enabled=true",       "corpus.code.enabled=true",
    "corpus.markdown=true",           "corpus.pii={email: true, ip: true, phone: true, iban: true, card: true}"};
static struct corpus_plan plan;
static struct corpus_worker *used;
static struct q_jsonl_parser *parser;

static void start(void)
{
    const struct q_texts texts = {.items = (const char **)(uintptr_t)sets, .count = Q_COUNT_OF(sets)};
    if (used)
        return;
    fuzz_must(corpus_plan_begin(NULL, &texts, &plan) == Q_OK, "settings");
    fuzz_must(corpus_worker_create(&plan.settings, &plan.models, &used) == Q_OK, "worker");
    fuzz_must(q_jsonl_create(&parser) == Q_OK, "parser");
}

static void check_verdict(void *context, const struct corpus_rule *rule, const struct corpus_verdict *verdict)
{
    (void)context;
    if (!isnan(verdict->measure))
        fuzz_must(verdict->measure >= rule->least && verdict->measure <= rule->most, rule->name);
}

/* What became of it, as a line. */
static void work(struct corpus_worker *worker, const struct corpus_item *item, struct q_buffer *lines)
{
    static const struct q_input input = {.name = "in", .text_field = "text"};
    const struct corpus_origin origin = {&input, item->format == CORPUS_TEXT ? "a.c" : "a"};
    const struct corpus_verdict_visitor visitor = {check_verdict, NULL};
    struct corpus_outcome outcome;
    fuzz_must(corpus_work(worker, &origin, item, &visitor, &outcome) == Q_OK, "work");
    fuzz_must(q_buffer_printf(lines, "%s\n", outcome.reason ? outcome.reason : "-") == Q_OK, "memory");
    if (!outcome.readable)
        return;
    const size_t from = lines->size;
    struct q_document back;
    fuzz_must(q_utf8_valid(outcome.document.text), "a text that is not UTF-8");
    fuzz_must(q_document_write(&outcome.document, lines) == Q_OK, "write");
    q_string line = q_string_slice(q_buffer_string(lines), from, lines->size - 1);
    fuzz_must(q_document_parse(parser, line, &back) == Q_OK, "a document that cannot be read back");
    fuzz_must(q_string_equal(back.text, outcome.document.text), "another text is read back");
}

static void work_alone(q_string bytes, enum corpus_format format)
{
    struct corpus_item item = {.format = format, .bytes = bytes, .in_bytes = bytes.size};
    struct q_buffer as_used = {0}, as_fresh = {0};
    struct corpus_worker *fresh;
    fuzz_must(corpus_worker_create(&plan.settings, &plan.models, &fresh) == Q_OK, "worker");
    work(used, &item, &as_used);
    work(fresh, &item, &as_fresh);
    fuzz_must(q_string_equal(q_buffer_string(&as_used), q_buffer_string(&as_fresh)), "a used worker works otherwise");
    corpus_worker_release(fresh);
    q_buffer_release(&as_used);
    q_buffer_release(&as_fresh);
}

/* --- lines ------------------------------------------------------------------------------------------------------------------------- */

static struct corpus_reader_options reading(struct corpus_piece piece)
{
    return (struct corpus_reader_options){.item_bytes_max = ITEM_BYTES_MAX,
                                          .unpack_ratio_max = 300,
                                          .depth_max = 1,
                                          .format = Q_FORMAT_JSONL,
                                          .piece = piece};
}

static void read_lines(const char *path, struct corpus_piece piece, struct q_buffer *lines)
{
    const struct corpus_reader_options options = reading(piece);
    struct corpus_reader *reader;
    struct corpus_item item;
    bool more = true;
    fuzz_must(corpus_reader_open(path, &options, &reader) == Q_OK, "open");
    while (true) {
        fuzz_must(corpus_reader_next(reader, &item, &more) == Q_OK, "next");
        if (!more)
            break;
        work(used, &item, lines);
    }
    corpus_reader_close(reader);
}

static void fuzz_lines(q_string bytes)
{
    const struct corpus_reader_options options = reading((struct corpus_piece){0});
    struct q_buffer whole = {0}, cut = {0};
    struct q_arena arena = {0};
    struct corpus_pieces pieces;
    char path[64];
    int file = memfd_create("lines", 0);
    fuzz_must(file >= 0 && write(file, bytes.data, bytes.size) == (ssize_t)bytes.size, "file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    fuzz_must(corpus_cut_file(path, bytes.size, &options, bytes.size / 2 + 1, &arena, &pieces) == Q_OK, "cut");
    fuzz_must(pieces.count == 1, "cut into more than fits");
    read_lines(path, (struct corpus_piece){0}, &whole);
    fuzz_must(corpus_cut_file(path, bytes.size, &options, bytes.size / 3 + 1, &arena, &pieces) == Q_OK, "cut");
    for (size_t i = 0; i < pieces.count && pieces.count > 1; i++) {
        const uint64_t to = i + 1 < pieces.count ? pieces.cuts[i + 1] : bytes.size;
        read_lines(path, (struct corpus_piece){.kind = pieces.kind, .from = pieces.cuts[i], .to = to}, &cut);
    }
    fuzz_must(pieces.count == 1 || q_string_equal(q_buffer_string(&whole), q_buffer_string(&cut)),
              "pieces give other documents");
    q_buffer_release(&whole);
    q_buffer_release(&cut);
    q_arena_release(&arena);
    close(file);
}

/* --- measures ---------------------------------------------------------------------------------------------------------------------- */

static void fuzz_measures(q_string text)
{
    static struct corpus_words words;
    static struct corpus_repetition_scratch scratch;
    struct corpus_repetition fast, plain, in_turns;
    fuzz_must(corpus_words_cut(text, &words) == Q_OK, "words");
    fuzz_must(words.count <= text.size, "more words than bytes");
    scratch.turn_grams = 0;
    fuzz_must(corpus_repetition_measure(text, &words, &scratch, &fast) == Q_OK, "measure");
    scratch.turn_grams = 20;
    fuzz_must(corpus_repetition_measure(text, &words, &scratch, &in_turns) == Q_OK, "measure in turns");
    fuzz_must(memcmp(&fast, &in_turns, sizeof fast) == 0, "repetition is another in turns");
    fuzz_must(corpus_repetition_plain(text, &words, &scratch, &plain) == Q_OK, "measure plainly");
    fuzz_must(memcmp(&fast, &plain, sizeof fast) == 0, "repetition is not as its twin says");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct q_buffer text = {0};
    uint64_t replaced;
    const double begin = fuzz_seconds();
    q_string given = {(const char *)bytes, size < ITEM_BYTES_MAX ? size : ITEM_BYTES_MAX};
    start();
    fuzz_lines(given);
    work_alone(given, CORPUS_TEXT);
    work_alone(given, CORPUS_MAN);
    work_alone(given, CORPUS_UNKNOWN);
    fuzz_must(q_utf8_repair(given, &text, &replaced) == Q_OK, "memory");
    fuzz_measures(q_buffer_string(&text));
    fuzz_must(fuzz_seconds() - begin < SECONDS_MAX, "slow");
    q_buffer_release(&text);
    return 0;
}

#ifndef FUZZ_LIBRARY
int main(int argc, char **argv)
{
    static const char *const parts[] = {"{\"text\":\"",
                                        "\"}\n",
                                        "\",\"lang\":\"de\",\"url\":\"http://a/b\",\"meta\":{\"id\":1},\"x\":[",
                                        "]",
                                        "{",
                                        "}",
                                        "\"langs\":1,",
                                        "\\u0000",
                                        "\\ud83d\\ude00",
                                        "\\ud83d",
                                        "\\n\\n",
                                        "\n",
                                        "\n\n\n",
                                        "   \n",
                                        "\r\n",
                                        "1e999",
                                        "the be to of and that have with ",
                                        "the mill grinds the mill grinds the mill grinds the mill grinds ",
                                        "lorem ipsum",
                                        "javascript",
                                        "terms of use",
                                        "#include <a.h>\n",
                                        "// Copyright\n",
                                        ".TH A 1\n",
                                        ".SH NAME\n",
                                        "\\fBb\\fR",
                                        ".TS\nl l.\na\tb\n.TE\n",
                                        "\n.de xx\n..\n.xx\n",
                                        "\\*(lq",
                                        "...",
                                        "\u2026",
                                        "- ",
                                        "\u3042\u6c34",
                                        "\u0e44\u0e17\u0e22",
                                        "\xE4\xF6\xFC",
                                        "\xFF\xFE",
                                        "\xFE\xFF",
                                        "a@b.de 8.8.8.88 +49 30 901820",
                                        "can't",
                                        "U.S.-",
                                        "\x82\xA0\x82\xA2",
                                        NULL};
    return fuzz_main(argc, argv, parts);
}
#endif
