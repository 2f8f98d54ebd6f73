#include "corpus/html/html_head.h"

#include "base/check.h"
#include "corpus/html/html_collapse.h"
#include "corpus/html/html_entities.h"

/* Where a date of publication stands, the surest first. */
enum { DATE_META = 1, DATE_JSON, DATE_ITEMPROP, DATE_PLAIN_META, DATE_TIME };
enum { DATE_BYTES_MAX = 64 };

static q_status set_once(struct q_buffer *field, q_string value)
{
    if (field->size || !value.size)
        return Q_OK;
    return html_decode(q_string_trim(value), field);
}

static bool is_date(q_string value)
{
    if (value.size > DATE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] >= '0' && value.data[i] <= '9')
            return true;
    return false;
}

/* The first date of the surest rank stays. */
static q_status set_date(struct html_head *head, q_string value, unsigned rank)
{
    value = q_string_trim(value);
    if (!is_date(value) || (head->date_rank && head->date_rank <= rank))
        return Q_OK;
    head->date_rank = rank;
    q_buffer_clear(&head->date);
    return html_decode(value, &head->date);
}

/* Programs that write manuals, as they name themselves in <meta name=generator>. */
static bool is_manual(q_string generator)
{
    static const char *const programs[] = {"DocBook",    "publican", "Sphinx",      "Doxygen", "Docutils", "makeinfo",
                                           "Texinfo",    "texi2any", "Asciidoctor", "MkDocs",  "mdBook",   "javadoc",
                                           "gtk-doc",    "rustdoc",  "Docusaurus",  "GitBook", "Antora",   "texi2html",
                                           "LaTeX2HTML", "HeVeA",    "groff"};
    for (size_t i = 0; i < Q_COUNT_OF(programs); i++)
        if (q_string_find(generator, q_string_of(programs[i]), 0) != SIZE_MAX)
            return true;
    return false;
}

/* In any case, as names of HTML are. */
static bool is_one_of(q_string name, const char *const *names)
{
    for (; *names; names++)
        if (q_string_is_any_case(name, *names))
            return true;
    return false;
}

static q_status read_meta(struct html_head *head, const struct html_token *token)
{
    static const char *const published[] = {"article:published_time", "og:article:published_time", "datePublished",
                                            NULL};
    static const char *const dates[] = {"date",    "dc.date",      "dcterms.date", "dc.date.issued",
                                        "pubdate", "publish-date", "publish_date", NULL};
    q_string content = html_value(token, HTML_ATTRIBUTE_content), name = html_value(token, HTML_ATTRIBUTE_property);
    name = name.size ? name : html_value(token, HTML_ATTRIBUTE_name);
    name = name.size ? name : html_value(token, HTML_ATTRIBUTE_itemprop);
    if (q_string_is_any_case(name, "generator"))
        head->manual |= is_manual(content);
    if (q_string_is_any_case(name, "og:title"))
        return set_once(&head->og_title, content);
    if (q_string_is_any_case(name, "og:url"))
        return set_once(&head->url, content);
    if (is_one_of(name, published))
        return set_date(head, content, DATE_META);
    return is_one_of(name, dates) ? set_date(head, content, DATE_PLAIN_META) : Q_OK;
}

/* Themes of Sphinx that do not name it have its style sheet of code. */
static q_status read_link(struct html_head *head, q_string rel, q_string href)
{
    head->manual |=
        q_string_is_any_case(rel, "stylesheet") && q_string_find(href, Q_STRING("_static/pygments.css"), 0) != SIZE_MAX;
    return q_string_is_any_case(rel, "canonical") ? set_once(&head->url, href) : Q_OK;
}

q_status html_head_tag(struct html_head *head, const struct html_token *token)
{
    switch (token->tag) {
    case HTML_TAG_html:
        Q_TRY(set_once(&head->lang, html_value(token, HTML_ATTRIBUTE_lang)));
        return set_once(&head->lang, html_value(token, HTML_ATTRIBUTE_xml_lang));
    case HTML_TAG_meta:
        return read_meta(head, token);
    case HTML_TAG_link:
        return read_link(head, html_value(token, HTML_ATTRIBUTE_rel), html_value(token, HTML_ATTRIBUTE_href));
    case HTML_TAG_time: {
        bool published = q_string_is(html_value(token, HTML_ATTRIBUTE_itemprop), "datePublished");
        return set_date(head, html_value(token, HTML_ATTRIBUTE_datetime), published ? DATE_ITEMPROP : DATE_TIME);
    }
    default:
        return Q_OK;
    }
}

q_status html_head_title(struct html_head *head, q_string text)
{
    if (head->title.size)
        return Q_OK;
    Q_TRY(html_collapse(&head->title, 0, text));
    while (head->title.size && head->title.data[head->title.size - 1] == ' ')
        head->title.size--;
    return Q_OK;
}

q_status html_head_json(struct html_head *head, q_string text)
{
    const q_string key = Q_STRING("\"datePublished\"");
    size_t at = q_string_find(text, key, 0);
    if (at == SIZE_MAX)
        return Q_OK;
    text = q_string_trim(q_string_slice(text, at + key.size, text.size));
    if (!q_string_starts(text, ":"))
        return Q_OK;
    text = q_string_trim(q_string_slice(text, 1, text.size));
    size_t close = q_string_starts(text, "\"") ? q_string_find(text, Q_STRING("\""), 1) : SIZE_MAX;
    return close == SIZE_MAX ? Q_OK : set_date(head, q_string_slice(text, 1, close), DATE_JSON);
}

void html_head_clear(struct html_head *head)
{
    struct q_buffer *fields[] = {&head->title, &head->og_title, &head->lang, &head->url, &head->date};
    for (size_t i = 0; i < Q_COUNT_OF(fields); i++)
        q_buffer_clear(fields[i]);
    head->date_rank = 0;
    head->manual = false;
}

void html_head_release(struct html_head *head)
{
    struct q_buffer *fields[] = {&head->title, &head->og_title, &head->lang, &head->url, &head->date};
    for (size_t i = 0; i < Q_COUNT_OF(fields); i++)
        q_buffer_release(fields[i]);
    *head = (struct html_head){0};
}
