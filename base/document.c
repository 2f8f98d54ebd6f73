/* A document and its line. */
#include "base/document.h"

#include "base/check.h"
#include "base/json.h"
#include "base/json_private.h"
#include "base/random.h"

enum { SCORE_DIGITS = 4 };

q_hash q_document_key(q_string id)
{
    return q_hash_string(id);
}

bool q_document_held_out(q_string id, uint64_t seed, double held_out)
{
    q_hash key = q_document_key(id);
    return q_random_unit(q_random_key_of(seed, "held-out", key.high, key.low), 0) < held_out;
}

static bool is_score(double value)
{
    return value >= 0 && value <= 1;
}

static q_status check_meta(q_string meta)
{
    if (meta.size == 0)
        return Q_OK;
    if (meta.data[0] != '{' || memchr(meta.data, '\n', meta.size) || !q_json_valid(meta))
        return q_fail(Q_ERR_INPUT, "'meta' is not a JSON object on one line");
    return Q_OK;
}

static q_status check_document(const struct q_document *document)
{
    if (document->id.size == 0)
        return q_fail(Q_ERR_INPUT, "a document has no id");
    if (document->text.size > Q_DOCUMENT_BYTES_MAX)
        return q_fail(Q_ERR_INPUT, "a document's text is longer than 512 MiB");
    if (document->lang.size > 0 && !is_score(document->lang_score))
        return q_fail(Q_ERR_INPUT, "'lang_score' is not 0 to 1");
    if (document->quality > 1) /* not a number compares as neither: it is absent, as what is below 0 */
        return q_fail(Q_ERR_INPUT, "'quality' is not 0 to 1");
    if (document->cluster_size > INT64_MAX)
        return q_fail(Q_ERR_INPUT, "'cluster_size' is too large");
    return check_meta(document->meta);
}

static void put_text(struct q_json *json, const char *key, q_string value)
{
    if (value.size > 0)
        q_json_put_string(json, key, value);
}

static q_status write_line(const struct q_document *document, struct q_buffer *out)
{
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    q_json_put_string(&json, "id", document->id);
    q_json_put_string(&json, "text", document->text);
    put_text(&json, "source", document->source);
    put_text(&json, "lang", document->lang);
    if (document->lang.size > 0)
        q_json_put_fixed(&json, "lang_score", document->lang_score, SCORE_DIGITS);
    put_text(&json, "url", document->url);
    put_text(&json, "title", document->title);
    put_text(&json, "date", document->date);
    if (document->quality >= 0)
        q_json_put_fixed(&json, "quality", document->quality, SCORE_DIGITS);
    put_text(&json, "license", document->license);
    put_text(&json, "cluster", document->cluster);
    if (document->cluster_size > 0)
        q_json_put_u64(&json, "cluster_size", document->cluster_size);
    if (document->meta.size > 0)
        q_json_put_raw(&json, "meta", document->meta);
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

q_status q_document_write(const struct q_document *document, struct q_buffer *out)
{
    size_t before = out->size;
    Q_TRY(check_document(document));
    q_status status = write_line(document, out);
    if (!status && out->size - before > Q_DOCUMENT_LINE_BYTES_MAX)
        status = q_fail(Q_ERR_INPUT, "a document's line is longer than 1 GiB");
    if (status)
        out->size = before;
    return status;
}

#define AT(member) offsetof(struct q_document, member)

static const struct text_member {
    const char *key;
    size_t offset;
} text_members[] = {
    {"id", AT(id)},       {"text", AT(text)}, {"source", AT(source)},   {"lang", AT(lang)},       {"url", AT(url)},
    {"title", AT(title)}, {"date", AT(date)}, {"license", AT(license)}, {"cluster", AT(cluster)},
};

static q_status wrong(const struct q_jsonl_member *member, const char *what)
{
    char shown[64];
    return q_fail(Q_ERR_INPUT, "'%s' is not %s", q_show(shown, sizeof(shown), member->key), what);
}

static q_status parse_score(const struct q_jsonl_member *member, double *out)
{
    if (member->type != Q_JSONL_NUMBER || !is_score(member->number))
        return wrong(member, "a number from 0 to 1");
    *out = member->number;
    return Q_OK;
}

static q_status parse_other(const struct q_jsonl_member *member, struct q_document *out)
{
    char shown[64];
    if (q_string_is(member->key, "lang_score"))
        return parse_score(member, &out->lang_score);
    if (q_string_is(member->key, "quality"))
        return parse_score(member, &out->quality);
    if (q_string_is(member->key, "cluster_size")) {
        if (member->type != Q_JSONL_NUMBER || q_parse_u64(member->text, &out->cluster_size) ||
            out->cluster_size > INT64_MAX)
            return wrong(member, "a whole number");
        return Q_OK;
    }
    if (q_string_is(member->key, "meta")) {
        if (member->type != Q_JSONL_TREE || member->text.data[0] != '{')
            return wrong(member, "an object");
        out->meta = member->text;
        return Q_OK;
    }
    return q_fail(Q_ERR_INPUT, "a document has no member '%s'", q_show(shown, sizeof(shown), member->key));
}

static q_status parse_member(const struct q_jsonl_member *member, struct q_document *out)
{
    for (size_t i = 0; i < Q_COUNT_OF(text_members); i++)
        if (q_string_is(member->key, text_members[i].key)) {
            if (member->type != Q_JSONL_TEXT)
                return wrong(member, "a text");
            memcpy((char *)out + text_members[i].offset, &member->text, sizeof(member->text));
            return Q_OK;
        }
    return parse_other(member, out);
}

q_status q_document_parse(struct q_jsonl_parser *parser, q_string line, struct q_document *out)
{
    const struct q_jsonl_member *members;
    size_t count;
    *out = (struct q_document){.quality = -1};
    Q_TRY(q_jsonl_parse(parser, line, &members, &count));
    for (size_t i = 0; i < count; i++)
        Q_TRY(parse_member(&members[i], out));
    if (out->id.size == 0)
        return q_fail(Q_ERR_INPUT, "a document has no id");
    if (!out->text.data)
        return q_fail(Q_ERR_INPUT, "a document has no text");
    return Q_OK;
}
