/* tokenizer.json and tokenizer_config.json out, in the layout of Hugging Face's own writer: a line per token and per merge, so that they compare well. */
#include "tokenizer/vocabulary/vocabulary.h"

#include "base/check.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary/byte_alphabet.h"
#include "tokenizer/vocabulary/vocabulary_pipeline.h"

static const char *said(bool value)
{
    return value ? "true" : "false";
}

static q_status put_added(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "  \"added_tokens\": ["));
    for (size_t i = 0; i < vocabulary->added_count; i++) {
        const struct vocabulary_added *added = &vocabulary->added[i];
        Q_TRY(q_buffer_printf(out, "%s\n    {\"id\": %u, \"content\": ", i ? "," : "", added->id));
        Q_TRY(vocabulary_put_quoted(out, added->text));
        Q_TRY(q_buffer_printf(
            out, ", \"single_word\": %s, \"lstrip\": %s, \"rstrip\": %s, \"normalized\": %s, \"special\": %s}",
            said(added->single_word), said(added->lstrip), said(added->rstrip), said(added->normalized),
            said(added->special)));
    }
    return q_buffer_printf(out, "\n  ],\n");
}

/* A token as the vocabulary's key: in ByteLevel's characters where it is of bytes, else an added token's text as it is. */
static q_status put_token(const struct vocabulary *vocabulary, uint32_t id, struct q_buffer *scratch,
                          struct q_buffer *out)
{
    q_string token = vocabulary->tokens[id];
    if (vocabulary->kinds[id] & VOCABULARY_BYTES) {
        q_buffer_clear(scratch);
        Q_TRY(byte_alphabet_write(token, scratch));
        token = q_buffer_string(scratch);
    }
    return vocabulary_put_quoted(out, token);
}

/* Hugging Face's reader gives ids of its own to added tokens that the vocab does not have: the next ones. Where these would be others, the vocab
 * is written with all of them. */
static bool added_ids_follow(const struct vocabulary *vocabulary)
{
    uint32_t next = 0;
    for (uint32_t id = 0; id < vocabulary->size; id++)
        next += (vocabulary->kinds[id] & VOCABULARY_MODEL) != 0;
    for (size_t i = 0; i < vocabulary->added_count; i++) {
        uint32_t id = vocabulary->added[i].id;
        if (!(vocabulary->kinds[id] & VOCABULARY_MODEL) && id != next)
            return false;
        next = Q_MAX(next, id + 1);
    }
    return true;
}

/* The members of a vocab, one on a line: the tokens that are one of these kinds. */
static q_status put_vocab(const struct vocabulary *vocabulary, unsigned kinds, const char *indent, struct q_buffer *out)
{
    struct q_buffer scratch = {0};
    q_status status = Q_OK;
    bool comma = false;
    for (uint32_t id = 0; id < vocabulary->size && !status; id++) {
        if (!(vocabulary->kinds[id] & kinds))
            continue;
        status = q_buffer_printf(out, "%s\n%s", comma ? "," : "", indent);
        if (!status)
            status = put_token(vocabulary, id, &scratch, out);
        if (!status)
            status = q_buffer_printf(out, ": %u", id);
        comma = true;
    }
    q_buffer_release(&scratch);
    return status;
}

static q_status put_model(const struct vocabulary *vocabulary, struct q_buffer *scratch, struct q_buffer *out)
{
    unsigned kinds = VOCABULARY_MODEL | (added_ids_follow(vocabulary) ? 0 : VOCABULARY_ADDED);
    Q_TRY(q_buffer_printf(
        out,
        "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n"
        "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n"
        "    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": %s,\n    \"vocab\": {",
        said(vocabulary->ignore_merges)));
    Q_TRY(put_vocab(vocabulary, kinds, "      ", out));
    Q_TRY(q_buffer_printf(out, "\n    },\n    \"merges\": ["));
    for (size_t i = 0; i < vocabulary->merge_count; i++) {
        Q_TRY(q_buffer_printf(out, "%s\n      [", i ? "," : ""));
        Q_TRY(put_token(vocabulary, vocabulary->merges[i].left, scratch, out));
        Q_TRY(q_buffer_printf(out, ", "));
        Q_TRY(put_token(vocabulary, vocabulary->merges[i].right, scratch, out));
        Q_TRY(q_buffer_append_byte(out, ']'));
    }
    return q_buffer_printf(out, "\n    ]\n  }\n}\n");
}

q_status vocabulary_write(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    struct q_buffer scratch = {0};
    q_status status =
        q_buffer_printf(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n");
    if (!status)
        status = put_added(vocabulary, out);
    if (!status)
        status = vocabulary_write_pipeline(vocabulary, out);
    if (!status)
        status = put_model(vocabulary, &scratch, out);
    q_buffer_release(&scratch);
    return status;
}

q_status vocabulary_write_vocab(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    Q_TRY(q_buffer_append_byte(out, '{'));
    Q_TRY(put_vocab(vocabulary, VOCABULARY_MODEL | VOCABULARY_ADDED, "  ", out));
    return q_buffer_printf(out, "\n}\n");
}

q_status vocabulary_write_merges(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "#version: 0.2\n"));
    for (size_t i = 0; i < vocabulary->merge_count; i++) {
        Q_TRY(byte_alphabet_write(vocabulary->tokens[vocabulary->merges[i].left], out));
        Q_TRY(q_buffer_append_byte(out, ' '));
        Q_TRY(byte_alphabet_write(vocabulary->tokens[vocabulary->merges[i].right], out));
        Q_TRY(q_buffer_append_byte(out, '\n'));
    }
    return Q_OK;
}

q_status vocabulary_check_gpt2(const struct vocabulary *vocabulary, const char *name)
{
    if (strcmp(vocabulary->pretokenizer->name, "gpt2") != 0)
        return q_fail(Q_ERR_INPUT, "'%s' cuts by the pretokenizer '%s', and who reads vocab.json cuts by 'gpt2'", name,
                      vocabulary->pretokenizer->name);
    if (vocabulary->normalization != NORMALIZATION_NONE || vocabulary->prefix_space || vocabulary->ignore_merges)
        return q_fail(Q_ERR_INPUT,
                      "'%s' has a normalizer, a prefix space or ignore_merges, which vocab.json and merges.txt cannot "
                      "say",
                      name);
    return Q_OK;
}

/* "bos_token": "...", and so on, for the special tokens that the vocabulary has. */
static q_status put_named(const struct vocabulary *vocabulary, const char *after, struct q_buffer *out)
{
    static const struct {
        const char *key;
        enum tokenizer_special special;
    } named[] = {{"bos_token", TOKENIZER_BEGIN}, {"eos_token", TOKENIZER_END}, {"pad_token", TOKENIZER_PADDING}};
    bool comma = false;
    for (size_t i = 0; i < Q_COUNT_OF(named); i++) {
        q_string text = q_string_of(tokenizer_special_texts[named[i].special]);
        for (size_t k = 0; k < vocabulary->added_count; k++) {
            if (!q_string_equal(vocabulary->added[k].text, text))
                continue;
            Q_TRY(q_buffer_printf(out, "%s  \"%s\": ", comma ? ",\n" : "", named[i].key));
            Q_TRY(vocabulary_put_quoted(out, text));
            comma = true;
        }
    }
    return comma ? q_buffer_printf(out, "%s", after) : Q_OK;
}

q_status vocabulary_write_special_map(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "{\n"));
    Q_TRY(put_named(vocabulary, "\n", out));
    return q_buffer_printf(out, "}\n");
}

q_status vocabulary_write_config(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"));
    Q_TRY(put_named(vocabulary, ",\n", out));
    return q_buffer_printf(out, "  \"add_bos_token\": false,\n  \"add_eos_token\": false,\n"
                                "  \"clean_up_tokenization_spaces\": false\n}\n");
}
