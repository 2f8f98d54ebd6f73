/* tokenizer.json and tokenizer_config.json out, in the layout of Hugging Face's own writer: a line per token and per merge, so that they compare well. */
#include "tokenizer/vocabulary.h"

#include "base/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer.h"

static q_status put_quoted(struct q_buffer *out, q_string text)
{
    struct q_json json = q_json_begin(out);
    q_json_put_string(&json, NULL, text);
    return q_json_end(&json);
}

static q_status put_added(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "  \"added_tokens\": ["));
    for (size_t i = 0; i < vocabulary->added_count; i++) {
        const struct vocabulary_added *added = &vocabulary->added[i];
        Q_TRY(q_buffer_printf(out, "%s\n    {\"id\": %u, \"content\": ", i ? "," : "", added->id));
        Q_TRY(put_quoted(out, added->text));
        Q_TRY(q_buffer_printf(
            out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": %s, \"special\": %s}",
            added->normalized ? "true" : "false", added->special ? "true" : "false"));
    }
    return q_buffer_printf(out, "\n  ],\n  \"normalizer\": null,\n");
}

static q_status put_pretokenizer(const struct pretokenizer *pretokenizer, struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "  \"pre_tokenizer\": {\n    \"type\": \"Sequence\",\n    \"pretokenizers\": [\n"));
    for (size_t i = 0; i < pretokenizer->rule_count; i++) {
        Q_TRY(q_buffer_printf(out, "      {\"type\": \"Split\", \"pattern\": {\"Regex\": "));
        Q_TRY(put_quoted(out, pretokenizer->rules[i].pattern));
        Q_TRY(q_buffer_printf(out, "}, \"behavior\": \"Isolated\", \"invert\": false},\n"));
    }
    return q_buffer_printf(
        out,
        "      {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}\n"
        "    ]\n  },\n  \"post_processor\": null,\n"
        "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, "
        "\"use_regex\": true},\n");
}

/* A token as the vocabulary's key: an added token's text as it is, any other in ByteLevel's characters. */
static q_status put_token(const struct vocabulary *vocabulary, uint32_t id, struct q_buffer *scratch,
                          struct q_buffer *out)
{
    q_string token = vocabulary->tokens[id];
    if (!(vocabulary->kinds[id] & VOCABULARY_ADDED)) {
        q_buffer_clear(scratch);
        Q_TRY(byte_alphabet_write(token, scratch));
        token = q_buffer_string(scratch);
    }
    return put_quoted(out, token);
}

static q_status put_model(const struct vocabulary *vocabulary, struct q_buffer *scratch, struct q_buffer *out)
{
    bool comma = false;
    Q_TRY(q_buffer_printf(
        out,
        "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n"
        "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n"
        "    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": false,\n    \"vocab\": {"));
    for (uint32_t id = 0; id < vocabulary->size; id++) {
        if (!(vocabulary->kinds[id] & VOCABULARY_MODEL))
            continue;
        Q_TRY(q_buffer_printf(out, "%s\n      ", comma ? "," : ""));
        Q_TRY(put_token(vocabulary, id, scratch, out));
        Q_TRY(q_buffer_printf(out, ": %u", id));
        comma = true;
    }
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
        status = put_pretokenizer(vocabulary->pretokenizer, out);
    if (!status)
        status = put_model(vocabulary, &scratch, out);
    q_buffer_release(&scratch);
    return status;
}

q_status vocabulary_write_config(const struct vocabulary *vocabulary, struct q_buffer *out)
{
    static const struct {
        const char *key;
        enum tokenizer_special special;
    } named[] = {{"bos_token", TOKENIZER_BEGIN}, {"eos_token", TOKENIZER_END}, {"pad_token", TOKENIZER_PADDING}};
    Q_TRY(q_buffer_printf(out, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"));
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        q_string text = q_string_of(tokenizer_special_texts[named[i].special]);
        for (size_t k = 0; k < vocabulary->added_count; k++) {
            if (!q_string_equal(vocabulary->added[k].text, text))
                continue;
            Q_TRY(q_buffer_printf(out, "  \"%s\": ", named[i].key));
            Q_TRY(put_quoted(out, text));
            Q_TRY(q_buffer_printf(out, ",\n"));
        }
    }
    return q_buffer_printf(out, "  \"add_bos_token\": false,\n  \"add_eos_token\": false,\n"
                                "  \"clean_up_tokenization_spaces\": false\n}\n");
}
