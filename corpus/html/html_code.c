#include "corpus/html/html_code.h"

#include "base/check.h"

enum { NAMES_BYTES_MAX = 512 }; /* looked at of a class: a long one may stand around many pieces of code */

static bool next_word(q_string *rest, q_string *word)
{
    while (rest->size &&
           (rest->data[0] == ' ' || rest->data[0] == '\n' || rest->data[0] == '\t' || rest->data[0] == ';'))
        *rest = q_string_slice(*rest, 1, rest->size);
    size_t size = 0;
    while (size < rest->size && rest->data[size] != ' ' && rest->data[size] != '\n' && rest->data[size] != '\t' &&
           rest->data[size] != ';')
        size++;
    *word = q_string_slice(*rest, 0, size);
    *rest = q_string_slice(*rest, size, rest->size);
    return size > 0;
}

static bool is_name(q_string word)
{
    if (!word.size || word.size > HTML_LANGUAGE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < word.size; i++) {
        char c = word.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '+' && c != '#' && c != '-' && c != '_')
            return false;
    }
    return true;
}

static bool says_nothing(q_string language)
{
    static const char *const empty[] = {"none",      "default",     "text",        "plain",
                                        "plaintext", "notranslate", "nohighlight", NULL};
    for (size_t i = 0; empty[i]; i++)
        if (q_string_is(language, empty[i]))
            return true;
    return false;
}

q_string html_code_language(q_string names, bool of_pre)
{
    static const char *const prefixes[] = {"language-", "lang-", "highlight-source-", "highlight-", NULL};
    q_string word, before = {0};
    names = q_string_slice(names, 0, NAMES_BYTES_MAX);
    for (q_string rest = names; next_word(&rest, &word); before = word) {
        q_string language = {0};
        for (size_t i = 0; prefixes[i] && !language.size; i++)
            if (q_string_starts(word, prefixes[i]))
                language = q_string_slice(word, strlen(prefixes[i]), word.size);
        if (q_string_is(before, "brush:") || (of_pre && q_string_is(before, "sourceCode")))
            language = word;
        if (is_name(language) && !says_nothing(language))
            return language;
    }
    return (q_string){0};
}

bool html_is_number_column(q_string text, unsigned least)
{
    uint64_t before = 0, number = 0;
    unsigned count = 0;
    bool digits = false;
    for (size_t i = 0; i <= text.size; i++) {
        char c = i < text.size ? text.data[i] : '\n';
        if (c >= '0' && c <= '9') {
            number = number * 10 + (uint64_t)(c - '0');
            if (number > UINT32_MAX)
                return false;
            digits = true;
        } else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
            if (digits && count++ && number != before + 1)
                return false;
            before = digits ? number : before;
            number = 0;
            digits = false;
        } else {
            return false;
        }
    }
    return count >= least;
}
