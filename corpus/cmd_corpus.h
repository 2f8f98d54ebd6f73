/* The verbs of quern-corpus: one file each. */
#ifndef QUERN_CORPUS_CMD_CORPUS_H
#define QUERN_CORPUS_CMD_CORPUS_H

#include "base/json.h"
#include "base/options.h"
#include "corpus/text/charset.h"

struct corpus_extract_options {
    struct q_common common;
    bool all;
    bool markdown;
};

struct corpus_bench_options {
    struct q_common common;
    bool all;
    bool markdown;
    uint64_t runs;
};
extern const struct q_option corpus_bench_table[];

q_status corpus_build_verb(void *options, const char *const *arguments, size_t count);
q_status corpus_plan_verb(void *options, const char *const *arguments, size_t count);
q_status corpus_cat_verb(void *options, const char *const *arguments, size_t count);
q_status corpus_extract_verb(void *options, const char *const *arguments, size_t count);
q_status corpus_check_verb(void *options, const char *const *arguments, size_t count);
q_status corpus_lint_verb(void *options, const char *const *arguments, size_t count);
q_status corpus_bench_verb(void *options, const char *const *arguments, size_t count);
q_status corpus_phases_verb(void *options, const char *const *arguments, size_t count);
q_status corpus_report_verb(void *options, const char *const *arguments, size_t count);

/* Bytes to standard output through the file layer; a full disk is Q_ERR_SYSTEM. */
q_status corpus_print(q_string bytes) Q_MUST_USE;
/* Ends the line of JSON that is written into `text`, prints and releases it. */
q_status corpus_print_json(struct q_json *json, struct q_buffer *text) Q_MUST_USE;
/* A page's file ("-": standard input) through `file` to UTF-8. Q_ERR_INPUT where its charset cannot be told. */
q_status corpus_read_page(const char *path, struct corpus_decoder *decoder, struct q_buffer *file, q_string *utf8,
                          struct corpus_changes *changes) Q_MUST_USE;

#endif
