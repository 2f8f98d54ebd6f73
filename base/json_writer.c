#include "base/json.h"

#include "base/check.h"
#include "base/json_private.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

size_t q_json_unlocalise(char *text)
{
    size_t length = 0;
    bool point = false;
    for (const char *from = text; *from; from++) {
        bool ours = (*from >= '0' && *from <= '9') || *from == '-' || *from == '+' || *from == 'e';
        if (!ours && point)
            continue; /* a further byte of a decimal point that has several */
        point = !ours;
        text[length++] = ours ? *from : '.';
    }
    text[length] = '\0';
    return length;
}

size_t q_json_double_text(char out[Q_JSON_NUMBER_MAX], double value)
{
    /* 15 digits always read back where the number was written with 15 or fewer, 17 always do. Subnormals have fewer than 15 of their own. */
    int digits = fabs(value) < DBL_MIN ? 1 : 15;
    do
        snprintf(out, Q_JSON_NUMBER_MAX, "%.*g", digits, value);
    while (strtod(out, NULL) != value && ++digits <= 17);
    size_t length = q_json_unlocalise(out);
    if (!memchr(out, '.', length) && !memchr(out, 'e', length)) {
        memcpy(out + length, ".0", 3);
        length += 2;
    }
    return length;
}

struct q_json q_json_begin(struct q_buffer *out)
{
    return (struct q_json){.out = out};
}

static void stick(struct q_json *json, q_status status)
{
    if (!json->status)
        json->status = status;
}

static void append(struct q_json *json, const char *bytes, size_t count)
{
    if (!json->status)
        json->status = q_buffer_append(json->out, bytes, count);
}

/* The comma and the key before a value. */
static void begin_value(struct q_json *json, const char *key)
{
    if (json->comma)
        append(json, ",", 1);
    json->comma = true;
    if (!key || json->status)
        return;
    stick(json, q_json_append_string(json->out, q_string_of(key)));
    append(json, ":", 1);
}

void q_json_open(struct q_json *json, const char *key, char bracket)
{
    q_check(bracket == '{' || bracket == '[');
    begin_value(json, key);
    append(json, &bracket, 1);
    json->comma = false;
}

void q_json_close(struct q_json *json, char bracket)
{
    q_check(bracket == '}' || bracket == ']');
    append(json, &bracket, 1);
    json->comma = true;
}

void q_json_put_string(struct q_json *json, const char *key, q_string value)
{
    begin_value(json, key);
    if (!json->status)
        json->status = q_json_append_string(json->out, value);
}

void q_json_put_u64(struct q_json *json, const char *key, uint64_t value)
{
    char text[24];
    begin_value(json, key);
    append(json, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

void q_json_put_i64(struct q_json *json, const char *key, int64_t value)
{
    char text[24];
    begin_value(json, key);
    append(json, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void q_json_put_double(struct q_json *json, const char *key, double value)
{
    char text[Q_JSON_NUMBER_MAX];
    if (!isfinite(value)) {
        q_json_put_raw(json, key, Q_STRING("null"));
        return;
    }
    begin_value(json, key);
    append(json, text, q_json_double_text(text, value));
}

void q_json_put_fixed(struct q_json *json, const char *key, double value, int digits)
{
    char text[48];
    q_check(digits >= 0 && digits <= 17);
    if (!isfinite(value) || fabs(value) >= 1e17) {
        q_json_put_double(json, key, value);
        return;
    }
    begin_value(json, key);
    snprintf(text, sizeof(text), "%.*f", digits, value);
    size_t length = q_json_unlocalise(text);
    if (memchr(text, '.', length)) {
        while (text[length - 1] == '0')
            length--;
        length -= text[length - 1] == '.';
    }
    bool minus_zero = length == 2 && text[0] == '-' && text[1] == '0';
    append(json, text + minus_zero, length - minus_zero);
}

void q_json_put_bool(struct q_json *json, const char *key, bool value)
{
    q_json_put_raw(json, key, value ? Q_STRING("true") : Q_STRING("false"));
}

void q_json_put_raw(struct q_json *json, const char *key, q_string value)
{
    begin_value(json, key);
    append(json, value.data, value.size);
}

void q_json_newline(struct q_json *json)
{
    append(json, "\n", 1);
    json->comma = false;
}

q_status q_json_end(struct q_json *json)
{
    return json->status;
}
