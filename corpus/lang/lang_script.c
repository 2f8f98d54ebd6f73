#include "corpus/lang/lang_script.h"

#include "base/string.h"

#include <stdio.h>

/* Of characters, and of what the one language has and the other has not or rarely. */
struct counts {
    size_t letters; /* of any script; signs beyond ASCII count too */
    size_t ethiopic, amharic, tigrinya;
    size_t tibetan, tibetan_own, dzongkha;
};

/* Counts the character at the beginning of `rest`: U+1200..13BF begin with E1 88..8E, U+0F00..0FFF with E0 BC..BF. */
static void count_character(q_string rest, struct counts *c)
{
    const unsigned char *byte = (const unsigned char *)rest.data;
    bool ascii_letter = (byte[0] | 0x20) >= 'a' && (byte[0] | 0x20) <= 'z';
    c->letters += byte[0] >= 0xC0 || ascii_letter;
    if (byte[0] == 0xE1 && byte[1] >= 0x88 && byte[1] <= 0x8E) {
        c->ethiopic++;
        c->amharic += q_string_starts(rest, "\u12E8");  /* the prefix "ye" is everywhere */
        c->tigrinya += q_string_starts(rest, "\u12A3"); /* where Amharic writes U+12A0 */
    } else if (byte[0] == 0xE0 && byte[1] >= 0xBC && byte[1] <= 0xBF) {
        c->tibetan++;
        c->tibetan_own += q_string_starts(rest, "\u0F61\u0F72\u0F53");    /* yin, is */
        c->dzongkha += q_string_starts(rest, "\u0F68\u0F72\u0F53");       /* 'in, is */
        c->dzongkha += q_string_starts(rest, "\u0F60\u0F56\u0F51");       /* 'bad, behind verbs */
        c->dzongkha += q_string_starts(rest, "\u0F0B\u0F63\u0F74\u0F0B"); /* lu, to */
        c->dzongkha += q_string_starts(rest, "\u0F5A\u0F74\u0F0B");       /* tshu, of plurals */
    }
}

bool corpus_lang_by_script(const char *text, size_t size, struct corpus_lang *out)
{
    const q_string all = q_string_slice((q_string){text, size}, 0, 3 * (size_t)CORPUS_LANG_WINDOW_BYTES);
    struct counts c = {0};
    for (size_t at = 0; at + 3 <= all.size; at++)
        count_character(q_string_slice(all, at, all.size), &c);
    bool ethiopic = c.ethiopic > c.tibetan;
    size_t found = ethiopic ? c.ethiopic : c.tibetan;
    if (!found || 2 * found < c.letters)
        return false;
    const char *code = ethiopic ? (c.tigrinya > c.amharic ? "ti" : "am") : c.dzongkha > c.tibetan_own ? "dz" : "bo";
    (void)snprintf(out->code, sizeof out->code, "%s", code);
    out->score = (double)found / (double)c.letters;
    return true;
}
