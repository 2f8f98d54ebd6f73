/* What pages say about the code they show: its language, and the line numbers beside it. */
#ifndef QUERN_CORPUS_HTML_CODE_H
#define QUERN_CORPUS_HTML_CODE_H

#include "base/string.h"

enum { HTML_LANGUAGE_BYTES_MAX = 20 };

/* The language that a class names: "language-c", "lang-c" (HTML Standard, 4.5.15, and most highlighters), "highlight-c" (Sphinx), "highlight-source-c"
 * (GitHub), "brush: c" (SyntaxHighlighter); of a pre also "sourceCode c" (Pandoc). Empty where it names none, or one that says nothing ("text", "default"). */
q_string html_code_language(q_string names, bool of_pre);

/* Whether a text is whole numbers with white space between, each one more than that before, at least `least`. */
bool html_is_number_column(q_string text, unsigned least);

#endif
