/* quern-tokenizer export: a vocabulary in the formats of other tools. */
#include "base/check.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/publish.h"
#include "tokenizer/cmd_tokenizer.h"
#include "tokenizer/vocabulary/vocabulary_tiktoken.h"

#define AT(member) offsetof(struct export_options, member)

const struct q_option export_table[] = {
    {"tokenizer", 't', Q_OPTION_TEXT, AT(tokenizer), "PATH",
     "a tokenizer.json, a folder that holds one, or a .tiktoken"},
    {"format", 0, Q_OPTION_TEXT, AT(format), "FORMAT", "huggingface (standard), gpt2 or tiktoken"},
    {"pattern", 0, Q_OPTION_TEXT, AT(pattern), "PATTERN",
     "for -t FILE.tiktoken: a built-in pretokenizer's name, or a regular expression"},
    {0},
};

static q_status publish(const char *path, const struct q_buffer *bytes)
{
    return q_publish_bytes(path, bytes->data, bytes->size, NULL);
}

/* One file of a folder: what `write` appends. */
static q_status publish_part(const struct vocabulary *vocabulary, const char *folder, const char *file,
                             q_status (*write)(const struct vocabulary *, struct q_buffer *))
{
    struct q_buffer bytes = {0};
    struct q_arena arena = {0};
    const char *path;
    q_status status = write(vocabulary, &bytes);
    if (!status)
        status = q_fs_join(&arena, folder, file, &path);
    if (!status)
        status = publish(path, &bytes);
    q_buffer_release(&bytes);
    q_arena_release(&arena);
    return status;
}

static q_status export_huggingface(const struct vocabulary *vocabulary, const char *folder)
{
    Q_TRY(q_fs_make_directories(folder));
    Q_TRY(publish_part(vocabulary, folder, "tokenizer_config.json", vocabulary_write_config));
    Q_TRY(publish_part(vocabulary, folder, "special_tokens_map.json", vocabulary_write_special_map));
    return publish_part(vocabulary, folder, "tokenizer.json", vocabulary_write);
}

static q_status export_gpt2(const struct vocabulary *vocabulary, const char *name, const char *folder)
{
    Q_TRY(vocabulary_check_gpt2(vocabulary, name));
    Q_TRY(export_huggingface(vocabulary, folder));
    Q_TRY(publish_part(vocabulary, folder, "merges.txt", vocabulary_write_merges));
    return publish_part(vocabulary, folder, "vocab.json", vocabulary_write_vocab);
}

static q_status export_tiktoken(const struct vocabulary *vocabulary, const char *name, const char *path)
{
    struct q_buffer ranks = {0}, companion = {0};
    struct q_arena arena = {0};
    const char *beside;
    size_t left_out;
    q_status status = vocabulary_write_tiktoken(vocabulary, name, &ranks, &companion, &left_out);
    if (!status && left_out)
        q_log_info("%zu tokens that no text gives have no rank", left_out);
    if (!status)
        status = q_arena_printf(&arena, &beside, "%s.json", path);
    if (!status)
        status = publish(beside, &companion);
    if (!status)
        status = publish(path, &ranks);
    q_arena_release(&arena);
    q_buffer_release(&ranks);
    q_buffer_release(&companion);
    return status;
}

static q_status export_as(const struct vocabulary *vocabulary, const struct export_options *options, const char *format)
{
    if (!strcmp(format, "huggingface"))
        return export_huggingface(vocabulary, options->common.out);
    if (!strcmp(format, "gpt2"))
        return export_gpt2(vocabulary, options->tokenizer, options->common.out);
    return export_tiktoken(vocabulary, options->tokenizer, options->common.out);
}

q_status cmd_export(void *given, const char *const *arguments, size_t count)
{
    const struct export_options *options = given;
    const char *format = options->format ? options->format : "huggingface";
    struct vocabulary vocabulary = {0};
    (void)arguments;
    (void)count;
    if (strcmp(format, "huggingface") != 0 && strcmp(format, "gpt2") != 0 && strcmp(format, "tiktoken") != 0)
        return q_fail(Q_ERR_USAGE, "'--format' is '%s'; it must be huggingface, gpt2 or tiktoken", format);
    if (!options->tokenizer || !options->common.out)
        return q_fail(Q_ERR_USAGE, "give -t TOKENIZER and -o PATH");
    bool tiktoken = vocabulary_is_tiktoken(options->tokenizer);
    if (options->pattern && !tiktoken)
        return q_fail(Q_ERR_USAGE, "'--pattern' is for -t FILE.tiktoken; '%s' says its pattern itself",
                      options->tokenizer);
    if (!strcmp(format, "tiktoken") && !vocabulary_is_tiktoken(options->common.out))
        return q_fail(Q_ERR_USAGE, "'%s' must end in .tiktoken", options->common.out);
    q_status status = tiktoken ? vocabulary_read_tiktoken(options->tokenizer, options->pattern, &vocabulary)
                               : vocabulary_read(options->tokenizer, &vocabulary);
    status = q_context(status, "tokenizer");
    if (!status)
        status = export_as(&vocabulary, options, format);
    vocabulary_release(&vocabulary);
    return status;
}
