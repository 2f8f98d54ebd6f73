#include "corpus/text/url_parts.h"

#include "base/check.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_letter_or_digit(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* "https://", or "//": up to ten letters, digits, '+', '-' and '.' before it. */
static size_t scheme_size(q_string url)
{
    enum { SCHEME_MAX = 10 };
    size_t i = 0;
    while (i < url.size && i < SCHEME_MAX && (is_letter_or_digit(url.data[i]) || memchr("+-.", url.data[i], 3)))
        i++;
    q_string rest = q_string_slice(url, i, url.size);
    if (i && q_string_starts(rest, "://"))
        return i + 3;
    return q_string_starts(url, "//") ? 2 : 0;
}

static size_t span_until(q_string text, const char *any)
{
    size_t i = 0;
    while (i < text.size && (!text.data[i] || !strchr(any, text.data[i])))
        i++;
    return i;
}

/* The size of the host at the beginning of an authority: without a port, which is digits behind the last colon. */
static size_t host_size(q_string authority)
{
    size_t size = authority.size;
    while (size && authority.data[size - 1] >= '0' && authority.data[size - 1] <= '9')
        size--;
    return size && authority.data[size - 1] == ':' ? size - 1 : authority.size;
}

void corpus_url_cut(q_string url, struct corpus_url *out)
{
    url = q_string_slice(q_string_trim(url), 0, CORPUS_URL_BYTES_MAX);
    url = q_string_slice(url, scheme_size(url), url.size);
    url = q_string_slice(url, 0, span_until(url, "#"));
    size_t authority = span_until(url, "/?"), user = authority, used = 0;
    while (user && url.data[user - 1] != '@')
        user--;
    const size_t host = user + host_size(q_string_slice(url, user, authority));
    for (size_t i = user; i < host; i++)
        out->bytes[used++] = lower(url.data[i]);
    while (used && out->bytes[used - 1] == '.')
        used--;
    out->host = (q_string){out->bytes, used};
    if (used > CORPUS_HOST_BYTES_MAX)
        out->host = q_string_slice(out->host, used - CORPUS_HOST_BYTES_MAX, used);
    memcpy(out->bytes + used, url.size ? url.data + host : "", url.size - host);
    out->whole = out->name = (q_string){out->bytes, used + url.size - host};
    while (out->name.size && out->name.data[out->name.size - 1] == '/')
        out->name.size--;
}

q_string corpus_url_letters(q_string text, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < text.size && used < CORPUS_URL_BYTES_MAX; i++)
        if (is_letter_or_digit(text.data[i]))
            out[used++] = lower(text.data[i]);
    return (q_string){out, used};
}

bool corpus_url_next_word(q_string *rest, char *out, q_string *word)
{
    size_t from = 0, to;
    while (from < rest->size && !is_letter_or_digit(rest->data[from]))
        from++;
    for (to = from; to < rest->size && is_letter_or_digit(rest->data[to]);)
        to++;
    *word = corpus_url_letters(q_string_slice(*rest, from, to), out);
    *rest = q_string_slice(*rest, to, rest->size);
    return word->size > 0;
}
