/* JSON lines on the hot path: simdjson behind a C face (jsonl.cc). One parser per thread. */
#ifndef QUERN_BASE_JSONL_H
#define QUERN_BASE_JSONL_H

#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

enum q_jsonl_type { Q_JSONL_NULL, Q_JSONL_BOOL, Q_JSONL_NUMBER, Q_JSONL_TEXT, Q_JSONL_TREE };

/* A member of the line's object. */
struct q_jsonl_member {
    q_string key;
    enum q_jsonl_type type;
    q_string text;   /* Q_JSONL_TEXT: unescaped UTF-8; otherwise the member's raw JSON */
    double number;   /* Q_JSONL_NUMBER, and 0 or 1 for Q_JSONL_BOOL */
};

struct q_jsonl_parser;

q_status q_jsonl_create(struct q_jsonl_parser **out) Q_MUST_USE;
void q_jsonl_release(struct q_jsonl_parser *parser);

/* The members of one JSON object in their order; they and their texts are valid until the next call (the line itself need not be). Q_ERR_INPUT
 * for what is not one object of valid UTF-8 JSON, has a key twice (in the object itself), a number beyond a double, half a surrogate pair, or is
 * nested deeper than 200; the text says what is wrong ("is JSON cut short") and the caller puts before it where. */
q_status q_jsonl_parse(struct q_jsonl_parser *parser, q_string line, const struct q_jsonl_member **out_members,
                       size_t *out_count) Q_MUST_USE;

#endif
