/* The parts of a URL that block lists ask about. */
#ifndef QUERN_CORPUS_URL_PARTS_H
#define QUERN_CORPUS_URL_PARTS_H

#include "base/string.h"

enum {
    CORPUS_URL_BYTES_MAX =
        8192, /* a longer URL is cut there: beyond it servers and crawlers do not go (RFC 9110, 4.1, asks for 8,000) */
    CORPUS_HOST_BYTES_MAX = 253, /* of a longer host the end */
};

/* Of "https://user@WWW.Example.org:8080/a/?b=C#d": */
struct corpus_url {
    q_string host;  /* "www.example.org": ASCII in lower case, without a full stop at its end */
    q_string whole; /* "www.example.org:8080/a/?b=C" */
    q_string name;  /* whole without slashes at its end */
    char bytes[CORPUS_URL_BYTES_MAX];
};

/* Any text is cut, whatever it is; without a host, host is empty. The strings borrow from out->bytes. */
void corpus_url_cut(q_string url, struct corpus_url *out);

/* The ASCII letters and digits of a text, in lower case, the others left out; out: CORPUS_URL_BYTES_MAX bytes, what is more is cut. */
q_string corpus_url_letters(q_string text, char *out);

/* The next run of ASCII letters and digits, in lower case, off *rest; out: as above. False: there is none. */
bool corpus_url_next_word(q_string *rest, char *out, q_string *word);

#endif
