/* What the verbs of quern-tokenizer share. */
#ifndef QUERN_TOKENIZER_CMD_TOKENIZER_H
#define QUERN_TOKENIZER_CMD_TOKENIZER_H

#include "base/options.h"
#include "base/report_verb.h"
#include "tokenizer/count/text_source.h"
#include "tokenizer/tokenizer.h"

struct train_options {
    struct q_common common;
    uint64_t vocab_size;
    uint64_t min_frequency;
    uint64_t max_token_length;
    const char *layout;
    struct q_texts counts;
    const char *work;
    uint64_t memory;
    struct q_texts special;
    const char *extend;
    bool resume;
};

struct count_options {
    struct q_common common;
    const char *format;
    const char *pretokenizer;
    uint64_t memory;
    struct q_texts weights;
    double sample; /* 0: not given */
    uint64_t seed;
    bool from_pairs, fractions;
};

struct encode_options {
    struct q_common common;
    const char *tokenizer;
    const char *format;
    const char *special;
    bool binary;
    bool offsets;
    struct tokenizer_noise noise; /* document: each its own */
};

struct compare_options {
    struct q_common common;
    struct q_texts tokenizers;
    const char *format;
    const char *figure;
    bool held_out;
};

/* The options of all reports come first. */
struct tokenizer_report_options {
    struct q_report_options report;
    struct q_texts others;
};

struct audit_options {
    struct q_common common;
    const char *tokenizer;
    const char *format;
    const char *list;
};

struct export_options {
    struct q_common common;
    const char *tokenizer;
    const char *format;
    const char *pattern;
};

extern const struct q_option compare_table[], audit_table[], report_table[], export_table[];
extern const struct q_option train_table[], count_table[], merge_counts_table[], encode_table[], decode_table[],
    bench_table[];

q_status cmd_train(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_plan(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_count(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_merge_counts(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_counts(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_encode(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_decode(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_bench(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_compare(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_audit(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_export(void *options, const char *const *arguments, size_t count) Q_MUST_USE;
q_status cmd_report(void *options, const char *const *arguments, size_t count) Q_MUST_USE;

/* --format, --special and -t, checked. NULL is the default; -t must be given. */
q_status parse_format(const char *value, enum text_format *out) Q_MUST_USE;
q_status parse_special(const char *value, enum tokenizer_special_mode *out) Q_MUST_USE;
q_status load_tokenizer(const char *path, struct tokenizer **out) Q_MUST_USE;
/* The noise for one document: its key is that of its id or, where it has none, of its text. */
struct tokenizer_noise document_noise(const struct tokenizer_noise *noise, const struct text_document *document);
/* The arguments, or standard input where there are none. */
q_status open_texts(const char *const *arguments, size_t count, const char *format,
                    struct text_source **out) Q_MUST_USE;

#endif
