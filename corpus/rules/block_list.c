#include "corpus/rules/block_list.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/json.h"
#include "corpus/text/word_matcher.h"

/* Hashes in open addressing: at most 8 of 10 slots are in use. */
struct key_set {
    uint64_t *slots; /* 0: free */
    size_t capacity, count;
};

struct corpus_block_list {
    enum corpus_list_kind kind;
    struct key_set keys;
    struct q_buffer prefix_bytes;
    struct prefix *prefixes; /* sorted, and none begins with another */
    size_t prefix_count, prefix_capacity;
    struct corpus_matcher *matcher;
    struct corpus_block_list_summary summary;
    uint64_t added;        /* entries, duplicates too */
    struct corpus_url url; /* scratch of adding */
};

/* --- keys -------------------------------------------------------------------------------------------------------------------------- */

static uint64_t key_of(q_string text)
{
    const uint64_t hash = q_hash64(text.data, text.size, 0);
    return hash ? hash : 1;
}

/* The key's slot, or the free one where it belongs; the table has one. */
static uint64_t *key_slot(const struct key_set *set, uint64_t key)
{
    size_t at = (size_t)((unsigned __int128)key * set->capacity >> 64);
    while (set->slots[at] && set->slots[at] != key)
        at = at + 1 < set->capacity ? at + 1 : 0;
    return &set->slots[at];
}

static bool key_is_there(const struct key_set *set, q_string text)
{
    return set->count && *key_slot(set, key_of(text));
}

static q_status key_resize(struct key_set *set, size_t capacity)
{
    struct key_set larger = {.capacity = capacity, .count = set->count};
    Q_TRY(q_alloc_zero(capacity, sizeof *larger.slots, &larger.slots));
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i])
            *key_slot(&larger, set->slots[i]) = set->slots[i];
    q_release(set->slots);
    *set = larger;
    return Q_OK;
}

static q_status key_add(struct key_set *set, q_string text)
{
    if (set->count >= set->capacity / 10 * 8)
        Q_TRY(key_resize(set, set->capacity ? set->capacity * 2 : 640));
    uint64_t *slot = key_slot(set, key_of(text));
    set->count += !*slot;
    *slot = key_of(text);
    return Q_OK;
}

/* As large as it must be. */
static q_status key_trim(struct key_set *set)
{
    return set->count ? key_resize(set, set->count + set->count / 4 + 10) : Q_OK;
}

/* --- prefixes ---------------------------------------------------------------------------------------------------------------------- */

/* While they are added `from` is an offset in prefix_bytes, then an address. */
struct prefix {
    union {
        size_t from;
        const char *data;
    };
    size_t size;
};

static q_status prefix_add(struct corpus_block_list *list, q_string text)
{
    Q_TRY(q_grow(&list->prefixes, &list->prefix_capacity, list->prefix_count + 1, sizeof *list->prefixes));
    list->prefixes[list->prefix_count++] = (struct prefix){.from = list->prefix_bytes.size, .size = text.size};
    return q_buffer_append_string(&list->prefix_bytes, text);
}

static q_string prefix_text(const struct prefix *prefix)
{
    return (q_string){prefix->data, prefix->size};
}

static int compare_prefixes(const void *a, const void *b)
{
    return q_string_compare(prefix_text(a), prefix_text(b));
}

static bool begins_with(q_string text, const struct prefix *prefix)
{
    return text.size >= prefix->size && memcmp(text.data, prefix->data, prefix->size) == 0;
}

/* Sorts them and leaves out those that begin with another: what is before them in the order and nearest, once these are gone. */
static void prefixes_settle(struct corpus_block_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->prefix_count; i++)
        list->prefixes[i].data = list->prefix_bytes.data + list->prefixes[i].from;
    if (list->prefix_count)
        qsort(list->prefixes, list->prefix_count, sizeof *list->prefixes, compare_prefixes);
    for (size_t i = 0; i < list->prefix_count; i++)
        if (!kept || !begins_with(prefix_text(&list->prefixes[i]), &list->prefixes[kept - 1]))
            list->prefixes[kept++] = list->prefixes[i];
    list->prefix_count = kept;
}

/* Only the last one that is not behind the text can begin it. */
static bool has_prefix(const struct corpus_block_list *list, q_string text)
{
    size_t low = 0, high = list->prefix_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (q_string_compare(prefix_text(&list->prefixes[middle]), text) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low && begins_with(text, &list->prefixes[low - 1]);
}

/* --- adding ------------------------------------------------------------------------------------------------------------------------ */

q_status corpus_block_list_create(enum corpus_list_kind kind, struct corpus_block_list **out)
{
    struct corpus_block_list *list;
    Q_TRY(q_alloc_zero(1, sizeof *list, &list));
    list->kind = kind;
    q_status status = Q_OK;
    if (kind == CORPUS_LIST_WORDS || kind == CORPUS_LIST_URL_SUBSTRINGS)
        status = corpus_matcher_create(kind == CORPUS_LIST_URL_SUBSTRINGS, &list->matcher);
    if (status == Q_OK)
        *out = list;
    else
        corpus_block_list_release(list);
    return status;
}

void corpus_block_list_release(struct corpus_block_list *list)
{
    if (!list)
        return;
    corpus_matcher_release(list->matcher);
    q_release(list->keys.slots);
    q_release(list->prefixes);
    q_buffer_release(&list->prefix_bytes);
    q_release(list);
}

/* Whether the text can be a host as URLs have them. */
static bool is_domain(q_string entry)
{
    if (!entry.size || entry.size > CORPUS_HOST_BYTES_MAX || entry.data[0] == '.')
        return false;
    for (size_t i = 0; i < entry.size; i++)
        if (strchr(" \t*/?#@:", entry.data[i]) || (entry.data[i] == '.' && i && entry.data[i - 1] == '.'))
            return false; /* NUL is found, too */
    return true;
}

static q_status add_domain(struct corpus_block_list *list, q_string entry, bool *taken)
{
    *taken = is_domain(entry);
    if (!*taken)
        return Q_OK;
    corpus_url_cut(entry, &list->url);
    return key_add(&list->keys, list->url.host);
}

static q_status add_url(struct corpus_block_list *list, q_string entry, bool *taken)
{
    corpus_url_cut(entry, &list->url);
    const bool prefix = q_string_ends(list->url.whole, "*");
    const q_string text = prefix ? q_string_slice(list->url.whole, 0, list->url.whole.size - 1) : list->url.name;
    *taken = text.size && entry.size <= CORPUS_URL_BYTES_MAX;
    if (!*taken)
        return Q_OK;
    return prefix ? prefix_add(list, text) : key_add(&list->keys, text);
}

static q_status add_entry(struct corpus_block_list *list, q_string entry, bool *taken)
{
    if (list->kind == CORPUS_LIST_DOMAINS)
        return add_domain(list, entry, taken);
    if (list->kind == CORPUS_LIST_URLS)
        return add_url(list, entry, taken);
    if (list->kind == CORPUS_LIST_WORDS)
        return corpus_matcher_add(list->matcher, entry, taken);
    const q_string letters = corpus_url_letters(entry, list->url.bytes);
    *taken = letters.size > 0;
    if (!*taken)
        return Q_OK;
    return list->matcher ? corpus_matcher_add(list->matcher, letters, taken) : key_add(&list->keys, letters);
}

q_status corpus_block_list_add(struct corpus_block_list *list, const char *file, q_string text)
{
    struct corpus_block_list_summary *summary = &list->summary;
    q_string line;
    if (q_string_starts(text, "\xEF\xBB\xBF"))
        text = q_string_slice(text, 3, text.size);
    for (uint64_t number = 1; q_string_next_line(&text, &line); number++) {
        bool taken;
        if (!q_utf8_valid(line))
            return q_fail(Q_ERR_INPUT, "'%s':%llu: the line is not UTF-8", file, (unsigned long long)number);
        line = q_string_trim(line);
        if (!line.size || line.data[0] == '#')
            continue;
        Q_TRY(q_context(add_entry(list, line, &taken), "'%s':%llu", file, (unsigned long long)number));
        list->added += taken;
        summary->useless += !taken;
        if (taken || summary->useless_file)
            continue;
        summary->useless_file = file;
        summary->useless_line = number;
    }
    return Q_OK;
}

q_status corpus_block_list_finish(struct corpus_block_list *list)
{
    prefixes_settle(list);
    Q_TRY(key_trim(&list->keys));
    list->summary.entries = list->keys.count + list->prefix_count;
    if (list->matcher) {
        Q_TRY(corpus_matcher_finish(list->matcher));
        list->summary.entries = corpus_matcher_entries(list->matcher);
    }
    list->summary.duplicates = list->added - list->summary.entries;
    return Q_OK;
}

struct corpus_block_list_summary corpus_block_list_summary(const struct corpus_block_list *list)
{
    return list->summary;
}

/* --- asking ------------------------------------------------------------------------------------------------------------------------ */

bool corpus_block_list_has_domain(const struct corpus_block_list *list, const struct corpus_url *url)
{
    const q_string host = url->host;
    for (size_t i = 0; i < host.size; i++)
        if ((i == 0 || host.data[i - 1] == '.') && key_is_there(&list->keys, q_string_slice(host, i, host.size)))
            return true;
    return false;
}

bool corpus_block_list_has_url(const struct corpus_block_list *list, const struct corpus_url *url)
{
    return key_is_there(&list->keys, url->name) || has_prefix(list, url->whole);
}

unsigned corpus_block_list_url_words(const struct corpus_block_list *list, const struct corpus_url *url)
{
    uint64_t found[CORPUS_URL_WORDS_MAX];
    unsigned count = 0;
    char bytes[CORPUS_URL_BYTES_MAX];
    q_string rest = url->whole, word;
    while (count < CORPUS_URL_WORDS_MAX && corpus_url_next_word(&rest, bytes, &word)) {
        const uint64_t key = key_of(word);
        unsigned i = 0;
        if (!list->keys.count || !*key_slot(&list->keys, key))
            continue;
        while (i < count && found[i] != key)
            i++;
        if (i == count)
            found[count++] = key;
    }
    return count;
}

uint64_t corpus_block_list_url_substrings(const struct corpus_block_list *list, const struct corpus_url *url)
{
    char bytes[CORPUS_URL_BYTES_MAX];
    return corpus_matcher_count(list->matcher, corpus_url_letters(url->whole, bytes));
}

uint64_t corpus_block_list_words(const struct corpus_block_list *list, q_string text)
{
    return corpus_matcher_count(list->matcher, text);
}
