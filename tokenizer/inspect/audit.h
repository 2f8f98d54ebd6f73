/* What a vocabulary's tokens are, and which of them no text can give.
 *
 * Reach. A token is reached when some text of valid UTF-8 encodes to ids that hold it. Merging goes by ranks alone, so where a token ends up in a piece,
 * merging its own bytes by themselves gives it too (no merge crosses its borders, and those within it come in the same order): a token that merging does
 * not give for its own bytes is unreachable for certain. What is left is to find a text, and a text that is found is the proof:
 *
 *     the token alone;
 *     the token between characters of every kind that pretokenizers tell apart;
 *     between the characters that its cut ones can belong to, and between other tokens that merging leaves beside it: whether two tokens may stand side by
 *     side depends on these two alone, so left and right are searched apart, over the whole vocabulary, and what is found is combined.
 *
 * Where nothing is found, either no text tried keeps the token in one piece (the pretokenizer is the reason), or some do and merges cross its borders in
 * all of them. Unlike "merging its bytes gives others" these two are no proofs: they say that a wide search, which is complete for one neighbour on each
 * side, found no text.
 *
 * Characters. A token may begin or end within a character. `broken` ones have bytes that no valid text can hold.
 */
#ifndef QUERN_TOKENIZER_AUDIT_H
#define QUERN_TOKENIZER_AUDIT_H

#include "base/report.h"
#include "base/threads.h"
#include "tokenizer/inspect/text_measure.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode/unicode_scripts.h"

enum token_reach {
    TOKEN_REACHED,
    TOKEN_ADDED,      /* outside BPE, found by its text: special tokens, placeholders */
    TOKEN_MISSING,    /* an id that is given to nothing */
    TOKEN_BROKEN,     /* only bytes that are not UTF-8 give it */
    TOKEN_NOT_MERGED, /* merging its own bytes gives other tokens */
    TOKEN_NOT_NORMAL, /* the normaliser changes its characters wherever they are */
    TOKEN_CUT,        /* the pretokenizer cuts it in every context */
    TOKEN_CROSSED,    /* merges cross its borders in every context that keeps it in one piece */
    TOKEN_REACH_COUNT,
};
/* For people: "reached", "no merges lead to it", ...; and for JSON: "reached", "not_merged", ... */
extern const char *const token_reach_texts[TOKEN_REACH_COUNT], *const token_reach_keys[TOKEN_REACH_COUNT];

struct audit_ids {
    uint32_t *ids;
    size_t count, capacity;
};

struct audit_range {
    uint32_t first, last;
    const char *kind; /* "added", "placeholder", "byte", "token", "none" */
};

struct audit_kind {
    const char *name; /* token_kind, or "special" */
    uint32_t tokens;
};

/* Characters of a script, by how many tokens one of them alone is. */
struct audit_coverage {
    uint32_t characters, one, two, more;
};

enum { AUDIT_LONGEST = 50 };

struct audit {
    const struct tokenizer *tokenizer;
    uint32_t tokens; /* that are neither added nor missing */

    uint8_t *reach; /* [size] enum token_reach */
    uint32_t reach_counts[TOKEN_REACH_COUNT];
    struct audit_ids unreachable; /* by rising id */

    struct audit_range *ranges;
    size_t range_count, range_capacity;

    struct audit_kind *kinds; /* by falling tokens */
    size_t kind_count, kind_capacity;

    struct audit_ids partial; /* begin or end within a character, more than one byte long */
    uint32_t head, tail, both,
        single_byte; /* of them: begin within one only, end only, both; and the tokens of one byte >= 0x80 */

    struct audit_coverage coverage[UNICODE_SCRIPTS];

    uint32_t longest[AUDIT_LONGEST]; /* ids, by falling bytes */
    size_t longest_count;

    struct audit_ids line_breaks; /* punctuation or symbols that end with line breaks */

    uint32_t digits[4];    /* strings of 1, 2, 3 ASCII digits that are one token; [0]: of 4 and more */
    bool has_digits[1110]; /* [0..9] of one digit, [10..109] of two, [110..1109] of three */

    uint32_t space_twins;  /* tokens that are another one but for a leading space */
    uint32_t case_twins;   /* ... but for the case of letters */
    uint32_t either_twins; /* ... but for either */

    /* With texts only (`measured`): */
    bool measured;
    struct text_measure measure;
    struct audit_ids
        unused; /* reached, but no text measured has them: candidates for tokens that training will not teach */
    struct audit_ids rare; /* used once or twice */
};

/* Looks at all tokens, with all threads. source may be NULL: no texts. Release also after a failure. */
q_status audit_run(struct audit *audit, const struct tokenizer *tokenizer, struct text_source *source,
                   struct q_pool *pool) Q_MUST_USE;
void audit_release(struct audit *audit);

/* The part of it that decides reach: fills reach[size]. For audit.c and tests. */
q_status audit_reach(const struct tokenizer *tokenizer, struct q_pool *pool, uint8_t *reach) Q_MUST_USE;
/* Tokens that are others but for a leading space, case, or either. */
q_status audit_twins(struct audit *audit) Q_MUST_USE;
/* coverage[] of all scripts. */
q_status audit_cover(struct audit *audit) Q_MUST_USE;

/* Appends tables for a terminal; one JSON object; a line per token of a list: "unreachable", "partial", "line-breaks", "longest", "unused", "rare",
 * "added" or "all" (Q_ERR_USAGE for others, and for those that need texts without them). */
q_status audit_print(const struct audit *audit, struct q_buffer *out) Q_MUST_USE;
q_status audit_json(const struct audit *audit, struct q_buffer *out) Q_MUST_USE;
q_status audit_list_check(const char *which, bool texts) Q_MUST_USE; /* before any work; NULL is allowed */
q_status audit_list(const struct audit *audit, const char *which, struct q_buffer *out) Q_MUST_USE;
/* Adds sections to a report. */
q_status audit_report(const struct audit *audit, struct q_report *report) Q_MUST_USE;

#endif
