/* A block list: entries, one a line, of one kind, and the questions that are asked of them. Made once, then only read, by any number of threads.
 *
 *   kind             an entry                                   a document is listed where
 *   domains          example.org                                its URL's host is that or ends in ".example.org"
 *   urls             example.org/a/b                            its URL is that, without scheme, user, fragment and slashes at the end;
 *                    example.org/a*                             or begins with what stands before the '*'
 *   url_words,       word                                       its URL has the word: a run of ASCII letters and digits
 *   url_soft_words
 *   url_substrings   free sub-word                              its URL without all but ASCII letters and digits has it, that being left of it too
 *   words            word, a phrase                             its text has it (word_matcher.h)
 *
 * Case does not count, but in paths of `urls`. Words and substrings of URLs are those of datatrove 0.9's URLFilter, which took them from RefinedWeb
 * (Penedo et al. 2023, G.1); a host's domains are more: it asks for the registered domain and the whole host, here all in between count too.
 *
 * Domains, URLs and words of URLs are known by their XXH3-64: of ten million entries one URL in 10^12 is listed by mistake. Memory: 10 bytes each when
 * all are there (twice that while they are added); a URL with '*' 16 bytes and its own; substrings and words as word_matcher.h has it.
 */
#ifndef QUERN_CORPUS_BLOCK_LIST_H
#define QUERN_CORPUS_BLOCK_LIST_H

#include "base/memory.h"
#include "corpus/rules/rules_settings.h"
#include "corpus/text/url_parts.h"

struct corpus_block_list;

/* What was read, for a person. */
struct corpus_block_list_summary {
    uint64_t entries;         /* different ones that are asked for */
    uint64_t duplicates;      /* that were there already or, with '*', begin with another of these */
    uint64_t useless;         /* that no document can be listed by, and so are left out */
    const char *useless_file; /* the first of these; NULL: none */
    uint64_t useless_line;
};

q_status corpus_block_list_create(enum corpus_list_kind kind, struct corpus_block_list **out) Q_MUST_USE;
/* Adds the lines of a file's text; blank ones and those that begin with '#' are no entries, white space around one is no part of it. `file` must live as
 * long as the list. Q_ERR_INPUT with file and line where the text is not UTF-8. */
q_status corpus_block_list_add(struct corpus_block_list *list, const char *file, q_string text) Q_MUST_USE;
/* When all is added. */
q_status corpus_block_list_finish(struct corpus_block_list *list) Q_MUST_USE;
void corpus_block_list_release(struct corpus_block_list *list); /* NULL is allowed */

struct corpus_block_list_summary corpus_block_list_summary(const struct corpus_block_list *list);

enum { CORPUS_URL_WORDS_MAX = 64 };

/* Of a list of the kind in its name. */
bool corpus_block_list_has_domain(const struct corpus_block_list *list, const struct corpus_url *url);
bool corpus_block_list_has_url(const struct corpus_block_list *list, const struct corpus_url *url);
/* How many different listed words the URL has; of more than CORPUS_URL_WORDS_MAX that number. */
unsigned corpus_block_list_url_words(const struct corpus_block_list *list, const struct corpus_url *url);
/* How many listed substrings, one behind the other. */
uint64_t corpus_block_list_url_substrings(const struct corpus_block_list *list, const struct corpus_url *url);
uint64_t corpus_block_list_words(const struct corpus_block_list *list, q_string text);

#endif
