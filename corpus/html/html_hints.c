#include "corpus/html/html_hints.h"

#include "base/check.h"

#include <pthread.h>

enum { VALUE_BYTES_MAX = 512, LETTERS = 26, NODES_MAX = 2048 };

/* Known words, sorted. A trailing '.' ends the word there ("ad." is the word ad, "advert" any word beginning so). Chosen by
 * reading pages; the sense of the lists is that of the readability family of extractors. */
static const struct hint_word {
    const char *word;
    uint8_t hint;
} words[] = {
    {"ad.", HTML_HINT_BAD},
    {"adbox", HTML_HINT_BAD},
    {"adcontainer", HTML_HINT_BAD},
    {"ads.", HTML_HINT_BAD},
    {"adsense", HTML_HINT_BAD},
    {"adslot", HTML_HINT_BAD},
    {"adunit", HTML_HINT_BAD},
    {"advert", HTML_HINT_BAD},
    {"adwrap", HTML_HINT_BAD},
    {"alsoread", HTML_HINT_BAD},
    {"anchorlink", HTML_HINT_BAD | HTML_HINT_NONE},
    {"article", HTML_HINT_GOOD},
    {"articlebody", HTML_HINT_BODY},
    {"articlecontent", HTML_HINT_BODY},
    {"articlecopy", HTML_HINT_BODY},
    {"articletext", HTML_HINT_BODY},
    {"author", HTML_HINT_WEAK},
    {"backtotop", HTML_HINT_BAD | HTML_HINT_NONE},
    {"banner", HTML_HINT_BAD},
    {"bio.", HTML_HINT_WEAK},
    {"blog", HTML_HINT_GOOD},
    {"body", HTML_HINT_GOOD},
    {"bodycontent", HTML_HINT_BODY},
    {"bodycopy", HTML_HINT_BODY},
    {"bodytext", HTML_HINT_BODY},
    {"breadcrumb", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"byline", HTML_HINT_BAD},
    {"caption", HTML_HINT_BAD},
    {"category", HTML_HINT_WEAK},
    {"clickadvice", HTML_HINT_BAD | HTML_HINT_NONE},
    {"comment", HTML_HINT_BAD},
    {"consent", HTML_HINT_BAD},
    {"contact", HTML_HINT_WEAK},
    {"content", HTML_HINT_GOOD},
    {"contentbody", HTML_HINT_BODY},
    {"cookie", HTML_HINT_BAD},
    {"copybtn", HTML_HINT_BAD | HTML_HINT_NONE},
    {"copybutton", HTML_HINT_BAD | HTML_HINT_NONE},
    {"copyright", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"credit", HTML_HINT_WEAK},
    {"cta.", HTML_HINT_BAD},
    {"disclaimer", HTML_HINT_WEAK},
    {"disqus", HTML_HINT_BAD},
    {"docnav", HTML_HINT_BAD},
    {"donate", HTML_HINT_WEAK},
    {"donation", HTML_HINT_WEAK},
    {"dropdown", HTML_HINT_BAD},
    {"editlink", HTML_HINT_BAD},
    {"editongithub", HTML_HINT_BAD},
    {"editpage", HTML_HINT_BAD},
    {"editsection", HTML_HINT_BAD | HTML_HINT_NONE},
    {"editthispage", HTML_HINT_BAD},
    {"entry", HTML_HINT_GOOD},
    {"entrycontent", HTML_HINT_BODY},
    {"entrymeta", HTML_HINT_BAD},
    {"facebook", HTML_HINT_BAD},
    {"feedback", HTML_HINT_BAD},
    {"follow", HTML_HINT_BAD},
    {"foot.", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"footer", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"gallery", HTML_HINT_WEAK},
    {"gdpr", HTML_HINT_BAD},
    {"globalnav", HTML_HINT_BAD},
    {"hashlink", HTML_HINT_BAD | HTML_HINT_NONE},
    {"headeranchor", HTML_HINT_BAD | HTML_HINT_NONE},
    {"headerlink", HTML_HINT_BAD | HTML_HINT_NONE},
    {"headinganchor", HTML_HINT_BAD | HTML_HINT_NONE},
    {"hentry", HTML_HINT_GOOD},
    {"hideme.", HTML_HINT_BAD | HTML_HINT_NONE},
    {"instagram", HTML_HINT_WEAK},
    {"jump", HTML_HINT_BAD},
    {"langselect", HTML_HINT_BAD},
    {"langswitch", HTML_HINT_BAD},
    {"languageselect", HTML_HINT_BAD},
    {"languageswitch", HTML_HINT_BAD},
    {"leftnav", HTML_HINT_BAD},
    {"lineno", HTML_HINT_BAD | HTML_HINT_NONE},
    {"linenos", HTML_HINT_BAD | HTML_HINT_NONE},
    {"linenumber.", HTML_HINT_BAD | HTML_HINT_NONE},
    {"login", HTML_HINT_BAD},
    {"main", HTML_HINT_GOOD},
    {"mainnav", HTML_HINT_BAD},
    {"masthead", HTML_HINT_BAD},
    {"materialicons", HTML_HINT_BAD | HTML_HINT_NONE},
    {"materialsymbols", HTML_HINT_BAD | HTML_HINT_NONE},
    {"menu", HTML_HINT_BAD},
    {"meta", HTML_HINT_WEAK},
    {"modal", HTML_HINT_BAD},
    {"morefrom", HTML_HINT_BAD},
    {"moreon", HTML_HINT_BAD},
    {"mostpopular", HTML_HINT_BAD},
    {"mostread", HTML_HINT_BAD},
    {"mostviewed", HTML_HINT_BAD},
    {"mweditsection", HTML_HINT_BAD | HTML_HINT_NONE},
    {"nav.", HTML_HINT_BAD},
    {"navbar", HTML_HINT_BAD},
    {"navfooter", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"navheader", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"navigation", HTML_HINT_BAD},
    {"newsletter", HTML_HINT_BAD},
    {"nextprev", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"nocontent", HTML_HINT_BAD},
    {"noprint", HTML_HINT_WEAK},
    {"outbrain", HTML_HINT_BAD},
    {"outofband", HTML_HINT_BAD | HTML_HINT_NONE},
    {"overlay", HTML_HINT_BAD},
    {"page", HTML_HINT_GOOD},
    {"pagenav", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"pager", HTML_HINT_BAD},
    {"pagination", HTML_HINT_BAD},
    {"paywall", HTML_HINT_WEAK},
    {"popular", HTML_HINT_BAD},
    {"popup", HTML_HINT_BAD},
    {"post", HTML_HINT_GOOD},
    {"postbody", HTML_HINT_BODY},
    {"postcontent", HTML_HINT_BODY},
    {"postmeta", HTML_HINT_BAD},
    {"prevnext", HTML_HINT_BAD | HTML_HINT_FOOT},
    {"promo", HTML_HINT_BAD},
    {"rail.", HTML_HINT_BAD},
    {"readmore", HTML_HINT_BAD},
    {"readnext", HTML_HINT_BAD},
    {"recirc", HTML_HINT_BAD},
    {"recommend", HTML_HINT_BAD},
    {"register", HTML_HINT_WEAK},
    {"related", HTML_HINT_BAD},
    {"replies", HTML_HINT_BAD},
    {"respond.", HTML_HINT_BAD},
    {"rightnav", HTML_HINT_BAD},
    {"rss", HTML_HINT_BAD},
    {"rstversions", HTML_HINT_BAD},
    {"screenreader", HTML_HINT_BAD | HTML_HINT_NONE},
    {"search", HTML_HINT_WEAK},
    {"seealso", HTML_HINT_BAD},
    {"share", HTML_HINT_BAD},
    {"sharing", HTML_HINT_BAD},
    {"sidebar", HTML_HINT_BAD},
    {"sidenav", HTML_HINT_BAD},
    {"signup", HTML_HINT_BAD},
    {"skip", HTML_HINT_BAD},
    {"skyscraper", HTML_HINT_BAD},
    {"social", HTML_HINT_BAD},
    {"sponsor", HTML_HINT_BAD},
    {"srclink.", HTML_HINT_BAD | HTML_HINT_NONE},
    {"sronly", HTML_HINT_BAD | HTML_HINT_NONE},
    {"story", HTML_HINT_GOOD},
    {"storybody", HTML_HINT_BODY},
    {"storycontent", HTML_HINT_BODY},
    {"storytext", HTML_HINT_BODY},
    {"subnav", HTML_HINT_BAD},
    {"subscri", HTML_HINT_BAD},
    {"tableofcontents", HTML_HINT_BAD},
    {"taboola", HTML_HINT_BAD},
    {"tag.", HTML_HINT_WEAK},
    {"taglist", HTML_HINT_BAD},
    {"tags", HTML_HINT_BAD},
    {"teaser", HTML_HINT_WEAK},
    {"testarrow", HTML_HINT_BAD | HTML_HINT_NONE},
    {"text", HTML_HINT_GOOD},
    {"timestamp", HTML_HINT_WEAK},
    {"toc.", HTML_HINT_BAD},
    {"toolbar", HTML_HINT_BAD},
    {"topics", HTML_HINT_BAD},
    {"toplang", HTML_HINT_BAD},
    {"topnav", HTML_HINT_BAD},
    {"trending", HTML_HINT_BAD},
    {"ttc.", HTML_HINT_BAD | HTML_HINT_NONE},
    {"tweet", HTML_HINT_WEAK},
    {"twitter", HTML_HINT_WEAK},
    {"upnext", HTML_HINT_BAD},
    {"versionpicker", HTML_HINT_BAD},
    {"versionselect", HTML_HINT_BAD},
    {"versionswitch", HTML_HINT_BAD},
    {"viewcode", HTML_HINT_BAD | HTML_HINT_NONE},
    {"visuallyhidden", HTML_HINT_BAD | HTML_HINT_NONE},
    {"widget", HTML_HINT_WEAK},
};

/* The known words as a tree of letters; node 0 is the root. */
static struct hint_node {
    uint16_t next[LETTERS]; /* 0: no known word goes on with it */
    uint8_t hint;           /* of the word that ends here, whatever follows; 0: none */
    uint8_t exact;          /* of the word that must end here */
} nodes[NODES_MAX];
static pthread_once_t nodes_once = PTHREAD_ONCE_INIT;

static void fill_nodes(void)
{
    uint16_t count = 1;
    for (const struct hint_word *known = words; known < words + Q_COUNT_OF(words); known++) {
        unsigned at = 0;
        const char *letter = known->word;
        for (; *letter && *letter != '.'; letter++) {
            uint16_t *next = &nodes[at].next[*letter - 'a'];
            if (!*next)
                *next = count++;
            q_check(count < NODES_MAX);
            at = *next;
        }
        if (*letter == '.')
            nodes[at].exact = known->hint;
        else
            nodes[at].hint = known->hint;
    }
}

static bool is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < LETTERS;
}

static bool is_small(char c)
{
    return (unsigned char)(c - 'a') < LETTERS;
}

static unsigned longest_hint(q_string value, size_t at)
{
    unsigned hint = 0, node = 0;
    for (; at < value.size; at++) {
        char c = value.data[at];
        if (c == '-' || c == '_')
            continue;
        if (!is_letter(c) || !(node = nodes[node].next[(c | 0x20) - 'a']))
            break;
        if (nodes[node].hint)
            hint = nodes[node].hint;
        if (nodes[node].exact && (at + 1 == value.size || !is_small(value.data[at + 1])))
            hint = nodes[node].exact;
    }
    return hint;
}

unsigned html_hints(q_string value)
{
    unsigned hints = 0;
    if (!value.size)
        return 0;
    pthread_once(&nodes_once, fill_nodes);
    value = q_string_slice(value, 0, VALUE_BYTES_MAX);
    char before = ' ';
    for (size_t i = 0; i < value.size; before = value.data[i++])
        if (is_letter(value.data[i]) && (!is_letter(before) || (is_small(before) && !is_small(value.data[i]))))
            hints |= longest_hint(value, i);
    return hints;
}
