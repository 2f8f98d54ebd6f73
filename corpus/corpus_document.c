#include "corpus/corpus_document.h"

#include "base/check.h"
#include "base/json.h"
#include "base/random.h"
#include "corpus/html/html_extract.h"
#include "corpus/text/charset.h"
#include "corpus/text/man_text.h"
#include "corpus/text/mojibake.h"
#include "corpus/text/pii.h"

#include <ctype.h>

struct corpus_worker {
    const struct corpus_settings *settings;
    struct corpus_decoder *decoder;
    struct mojibake *mojibake;
    unsigned pii; /* enum pii_kind */
    struct q_jsonl_parser *parser;
    struct http_decoder http;
    struct html_extractor extractor;
    struct q_buffer id, raw, mended, text, scratch, title, meta;
    bool langs_taken; /* meta has a member "langs" of the user's */
    struct corpus_classifier classifier;
    struct corpus_langs shares;
    struct corpus_lang lang;
    struct corpus_judge *judge;
    const struct corpus_models *models;
    bool large; /* the last item was: what it took is not kept */
};

static unsigned pii_kinds(const struct corpus_pii_settings *pii)
{
    return (pii->email ? PII_EMAIL : 0u) | (pii->ip ? PII_IP : 0u) | (pii->phone ? PII_PHONE : 0u) |
           (pii->iban ? PII_IBAN : 0u) | (pii->card ? PII_CARD : 0u);
}

/* A zeroed worker with its settings and models; what was made must be released after a failure too. */
static q_status make_parts(struct corpus_worker *w)
{
    Q_TRY(corpus_decoder_create(&w->decoder));
    if (w->settings->mojibake)
        Q_TRY(mojibake_create(&w->mojibake));
    Q_TRY(q_jsonl_create(&w->parser));
    Q_TRY(corpus_judge_create(&w->judge));
    return corpus_classifier_init(&w->classifier, w->models);
}

static void release_parts(struct corpus_worker *w)
{
    struct q_buffer *buffers[] = {&w->id, &w->raw, &w->mended, &w->text, &w->scratch, &w->title, &w->meta};
    for (size_t i = 0; i < Q_COUNT_OF(buffers); i++)
        q_buffer_release(buffers[i]);
    http_decoder_release(&w->http);
    html_extractor_release(&w->extractor);
    corpus_classifier_release(&w->classifier);
    q_jsonl_release(w->parser);
    mojibake_release(w->mojibake);
    corpus_decoder_release(w->decoder);
    corpus_judge_release(w->judge);
    *w = (struct corpus_worker){.settings = w->settings, .models = w->models, .pii = w->pii};
}

q_status corpus_worker_create(const struct corpus_settings *settings, const struct corpus_models *models,
                              struct corpus_worker **out)
{
    struct corpus_worker *worker;
    Q_TRY(q_alloc_zero(1, sizeof *worker, &worker));
    q_check(!settings->lang_model == !models->lang && !settings->quality_model == !models->quality);
    worker->settings = settings;
    worker->models = models;
    worker->pii = pii_kinds(&settings->pii);
    q_status status = make_parts(worker);
    if (status != Q_OK) {
        corpus_worker_release(worker);
        return status;
    }
    *out = worker;
    return Q_OK;
}

void corpus_worker_release(struct corpus_worker *worker)
{
    if (!worker)
        return;
    release_parts(worker);
    q_release(worker);
}

/* A thread that met one very large item would hold for ever what it took: it begins anew. */
static q_status forget_large(struct corpus_worker *w)
{
    if (!w->large)
        return Q_OK;
    release_parts(w);
    return make_parts(w);
}

q_status corpus_document_id(const struct corpus_origin *origin, const struct corpus_item *item, struct q_buffer *out)
{
    return q_buffer_printf(out, "%s/%s%s%.*s#%llu", origin->input->name, origin->file, item->name.size ? "/" : "",
                           Q_STRING_ARGS(item->name), (unsigned long long)item->index);
}

static q_status refuse(struct corpus_outcome *out, const char *reason, bool failed)
{
    out->reason = reason;
    out->failed = failed;
    return Q_OK;
}

/* --- extraction -------------------------------------------------------------------------------------------------------------------- */

static q_status extract_page(struct corpus_worker *w, q_string utf8, struct corpus_outcome *out, q_string *text)
{
    const struct html_options options = {
        .scope = (enum html_scope)w->settings->html, .markdown = w->settings->markdown, .heading = true};
    struct html_page page;
    Q_TRY(html_extract(&w->extractor, &options, utf8, &page));
    *text = page.text;
    out->document.title = page.title;
    out->document.url = page.url;
    out->document.date = page.date;
    return Q_OK;
}

static q_status extract_manual(struct corpus_worker *w, q_string utf8, struct corpus_outcome *out, q_string *text)
{
    q_buffer_clear(&w->raw);
    q_buffer_clear(&w->title);
    Q_TRY(man_text(utf8, &w->raw, &w->title));
    *text = q_buffer_string(&w->raw);
    out->document.title = q_buffer_string(&w->title);
    return Q_OK;
}

/* Only what can be a tag of BCP-47 is taken for a stated language; the statistics shorten it further. */
static bool is_language_tag(q_string text)
{
    enum { TAG_BYTES_MAX = 35 };
    for (size_t i = 0; i < text.size; i++)
        if (!isalnum((unsigned char)text.data[i]) && text.data[i] != '-')
            return false;
    return text.size >= 2 && text.size <= TAG_BYTES_MAX;
}

/* A member of the user's line that is a field of ours by name and type; false: it goes to meta. */
static bool take_field(const struct q_jsonl_member *member, struct q_document *document)
{
    const struct {
        const char *name;
        q_string *field;
    } fields[] = {{"lang", &document->lang},
                  {"url", &document->url},
                  {"title", &document->title},
                  {"date", &document->date},
                  {"license", &document->license}};
    if (q_string_is(member->key, "lang") && !is_language_tag(member->text))
        return false;
    for (size_t i = 0; i < Q_COUNT_OF(fields); i++)
        if (member->type == Q_JSONL_TEXT && q_string_is(member->key, fields[i].name)) {
            *fields[i].field = member->text;
            return true;
        }
    return false;
}

/* Everything else of the line, as an object: the user's own id and source too, and what was meta already. */
static q_status write_meta(struct corpus_worker *w, const struct q_jsonl_member *members, size_t count,
                           const char *text_field, struct q_document *document)
{
    q_buffer_clear(&w->meta);
    struct q_json json = q_json_begin(&w->meta);
    bool any = false;
    q_json_open(&json, NULL, '{');
    for (size_t i = 0; i < count; i++) {
        char key[128];
        if (q_string_is(members[i].key, text_field) || take_field(&members[i], document))
            continue;
        if (members[i].key.size >= sizeof key || memchr(members[i].key.data, 0, members[i].key.size))
            continue; /* no name that one would ask for again */
        memcpy(key, members[i].key.data, members[i].key.size);
        key[members[i].key.size] = 0;
        w->langs_taken |= strcmp(key, "langs") == 0;
        if (members[i].type == Q_JSONL_TEXT)
            q_json_put_string(&json, key, members[i].text);
        else
            q_json_put_raw(&json, key, q_string_trim(members[i].text));
        any = true;
    }
    q_json_close(&json, '}');
    Q_TRY(q_json_end(&json));
    document->meta = any ? q_buffer_string(&w->meta) : (q_string){0};
    return Q_OK;
}

/* A line of JSON with the text in one of its members. */
static q_status extract_line(struct corpus_worker *w, const struct corpus_origin *origin, q_string line,
                             struct corpus_outcome *out, q_string *text)
{
    const struct q_jsonl_member *members;
    size_t count, at = 0;
    const char *field = origin->input->text_field ? origin->input->text_field : "text";
    q_status status = q_jsonl_parse(w->parser, line, &members, &count);
    if (status == Q_ERR_INPUT)
        return refuse(out, q_utf8_valid(line) ? "json" : "utf-8", true);
    Q_TRY(status);
    while (at < count && !(members[at].type == Q_JSONL_TEXT && q_string_is(members[at].key, field)))
        at++;
    if (at == count)
        return refuse(out, "no-text", true);
    *text = members[at].text;
    return write_meta(w, members, count, field, &out->document);
}

/* Of a record: where and when it was fetched. What the page says of its date is there already. */
static q_status take_record(struct corpus_worker *w, const struct corpus_item *item, struct q_document *document)
{
    if (item->url.size)
        document->url = item->url;
    if (!document->date.size)
        document->date = item->date;
    if (!item->date.size && !item->record.size)
        return Q_OK;
    q_buffer_clear(&w->meta);
    struct q_json json = q_json_begin(&w->meta);
    q_json_open(&json, NULL, '{');
    if (item->date.size)
        q_json_put_string(&json, "warc-date", item->date);
    if (item->record.size)
        q_json_put_string(&json, "warc-record-id", item->record);
    q_json_close(&json, '}');
    document->meta = q_buffer_string(&w->meta);
    return q_json_end(&json);
}

/* What only the decoded bytes show: types that nobody stated, and those that are not as stated. */
static const char *look_at(const struct corpus_origin *origin, q_string body, enum corpus_format *format)
{
    enum corpus_format seen = corpus_format_of((q_string){0}, q_string_slice(body, 0, CORPUS_SNIFF_BYTES));
    if (seen == CORPUS_EMPTY)
        return "empty";
    if (seen == CORPUS_BINARY || seen == CORPUS_ARCHIVE)
        return "not-text";
    if (*format == CORPUS_UNKNOWN)
        *format = seen == CORPUS_JSONL ? CORPUS_NOT_PROSE : seen;
    return corpus_format_wanted((enum q_input_format)origin->input->format, *format) ? NULL : "format";
}

static q_status extract_record(struct corpus_worker *w, const struct corpus_origin *origin,
                               const struct corpus_item *item, struct corpus_outcome *out, q_string *body)
{
    const char *reason;
    Q_TRY(http_decode(&w->http, &item->http, item->bytes, w->settings->item_bytes_max, w->settings->unpack_ratio_max,
                      body, &reason));
    w->large |= body->size > CORPUS_LARGE_BYTES;
    if (reason)
        return refuse(out, reason, true);
    reason = look_at(origin, *body, &out->format);
    return reason ? refuse(out, reason, false) : Q_OK;
}

static q_status extract(struct corpus_worker *w, const struct corpus_origin *origin, const struct corpus_item *item,
                        struct corpus_outcome *out, q_string *text)
{
    q_string bytes = item->bytes;
    bool known;
    if (item->format == CORPUS_JSONL)
        return extract_line(w, origin, item->bytes, out, text);
    if (item->http.record)
        Q_TRY(extract_record(w, origin, item, out, &bytes));
    if (out->reason)
        return Q_OK;
    bool html = out->format == CORPUS_HTML;
    Q_TRY(corpus_decode(w->decoder, bytes, html, item->http.charset, text, &known, &out->changes));
    if (!known)
        return refuse(out, "charset", true);
    if (html)
        Q_TRY(extract_page(w, *text, out, text));
    else if (out->format == CORPUS_MAN)
        Q_TRY(extract_manual(w, *text, out, text));
    return take_record(w, item, &out->document);
}

static q_status normalise(struct corpus_worker *w, q_string text, struct corpus_changes *changes)
{
    bool found = false;
    if (w->mojibake)
        Q_TRY(mojibake_repair(w->mojibake, text, &w->mended, &w->scratch, &found, changes));
    return corpus_normalise(found ? q_buffer_string(&w->mended) : text, &w->text, &w->scratch, changes);
}

/* --- judgement --------------------------------------------------------------------------------------------------------------------- */

/* meta.langs of a mixed document: {"de":0.61,"en":0.35}. A member of that name that the line brings stands instead. */
static q_status write_langs(struct corpus_worker *w, struct q_document *document)
{
    if (w->langs_taken)
        return Q_OK;
    if (!document->meta.size)
        q_buffer_clear(&w->meta);
    else
        w->meta.size--; /* its bracket */
    Q_TRY(q_buffer_append_string(&w->meta, document->meta.size ? Q_STRING(",\"langs\":") : Q_STRING("{\"langs\":")));
    struct q_json json = q_json_begin(&w->meta);
    q_json_open(&json, NULL, '{');
    for (unsigned i = 0; i < w->shares.count; i++)
        q_json_put_fixed(&json, w->shares.langs[i].code, w->shares.langs[i].score, 2);
    q_json_close(&json, '}');
    Q_TRY(q_json_end(&json));
    Q_TRY(q_buffer_append_byte(&w->meta, '}'));
    document->meta = q_buffer_string(&w->meta);
    return Q_OK;
}

/* The language that the recipe or the line states stands. */
static q_status identify(struct corpus_worker *w, const struct corpus_origin *origin, struct corpus_outcome *out)
{
    struct q_document *document = &out->document;
    corpus_lang_identify(document->text.data, document->text.size, &w->shares);
    if (origin->input->lang)
        document->lang = q_string_of(origin->input->lang);
    Q_TRY(corpus_classify_lang(&w->classifier, document->text, &w->shares, document->lang, &w->lang));
    document->lang_score = w->lang.score;
    if (!document->lang.size)
        document->lang = q_string_of(w->lang.code);
    out->mixed = w->shares.count > 1 && w->shares.langs[1].score >= w->settings->lang_mixed_min;
    return out->mixed ? write_langs(w, document) : Q_OK;
}

static bool language_wanted(const struct q_texts *languages, q_string lang)
{
    for (size_t i = 0; i < languages->count; i++)
        if (q_string_is(lang, languages->items[i]))
            return true;
    return languages->count == 0;
}

/* Asked last, of what everything else would keep, for a model costs the most. */
static q_status judge_quality(struct corpus_worker *w, struct corpus_outcome *out)
{
    struct q_document *document = &out->document;
    const struct corpus_settings *settings = w->settings;
    Q_TRY(corpus_classify_quality(&w->classifier, document->text, &document->quality));
    if (document->quality < 0)
        return Q_OK;
    if (document->quality < settings->quality_min)
        return refuse(out, "quality", false);
    const q_hash key = q_document_key(document->id);
    const q_random_key draw = q_random_key_of(settings->quality_seed, "quality", key.high, key.low);
    const bool kept = q_random_unit(draw, 0) < corpus_quality_share(document->quality, settings->quality_alpha);
    return kept ? Q_OK : refuse(out, "sampling", false);
}

/* Whether the recipe or the name says that this is source code. */
static bool is_code(const struct corpus_settings *settings, const struct corpus_origin *origin,
                    const struct corpus_item *item)
{
    const struct q_texts *sources = &settings->rules.code.sources;
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->items[i], origin->input->name) == 0)
            return true;
    return corpus_is_code_name(item->name.size ? item->name : q_string_of(origin->file));
}

static q_status judge(struct corpus_worker *w, const struct corpus_origin *origin, const struct corpus_item *item,
                      const struct corpus_verdict_visitor *visitor, struct corpus_outcome *out)
{
    struct q_document *document = &out->document;
    out->readable = true;
    if (!document->text.size)
        return out->readable = false, refuse(out, "empty", false);
    Q_TRY(identify(w, origin, out));
    if (!language_wanted(&w->settings->languages, document->lang))
        return refuse(out, "language", false);
    if (document->lang_score < w->settings->lang_score_min)
        return refuse(out, "lang-score", false);
    struct corpus_subject subject = {.text = document->text,
                                     .lang = document->lang,
                                     .lang_score = document->lang_score,
                                     .url = document->url,
                                     .code = is_code(w->settings, origin, item),
                                     .rules = corpus_rules_for(w->settings, document->lang)};
    const struct corpus_rule *rule;
    Q_TRY(corpus_judge_text(w->judge, &subject, out->lines, visitor, &rule));
    if (rule)
        return refuse(out, rule->name, false);
    document->text = subject.text;
    return document->text.size ? judge_quality(w, out) : refuse(out, "empty", false);
}

/* In what is dropped too, where samples are taken from it, but that is not counted. */
static q_status replace_personal(struct corpus_worker *w, struct corpus_outcome *out)
{
    struct corpus_changes uncounted = {0};
    bool found;
    q_buffer_clear(&w->scratch);
    Q_TRY(pii_replace(out->document.text, w->pii, &w->scratch, &found, out->reason ? &uncounted : &out->changes));
    if (found)
        out->document.text = q_buffer_string(&w->scratch);
    return Q_OK;
}

q_status corpus_work(struct corpus_worker *w, const struct corpus_origin *origin, const struct corpus_item *item,
                     const struct corpus_verdict_visitor *visitor, struct corpus_outcome *out)
{
    q_string text = {0};
    *out = (struct corpus_outcome){.format = item->format, .reason = item->reason, .failed = item->failed};
    Q_TRY(forget_large(w));
    w->langs_taken = false;
    if (item->reason)
        return Q_OK;
    w->large = item->bytes.size > CORPUS_LARGE_BYTES;
    q_buffer_clear(&w->id);
    Q_TRY(corpus_document_id(origin, item, &w->id));
    Q_TRY(extract(w, origin, item, out, &text));
    if (out->reason)
        return Q_OK;
    Q_TRY(normalise(w, text, &out->changes));
    out->document.id = q_buffer_string(&w->id);
    out->document.text = q_buffer_string(&w->text);
    out->document.source = q_string_of(origin->input->name);
    out->document.quality = -1;
    Q_TRY(judge(w, origin, item, visitor, out));
    return w->pii && out->readable ? replace_personal(w, out) : Q_OK;
}
