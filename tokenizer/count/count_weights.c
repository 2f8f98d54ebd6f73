#include "tokenizer/count/count_weights.h"

#include "base/check.h"
#include "tokenizer/count/counts_file.h"

static const char *const kinds[COUNT_WEIGHT_KINDS] = {"lang:", "source:"};

static const double weight_max = 1024, weight_min = 1.0 / COUNT_SCALE;

void count_weights_release(struct count_weights *weights)
{
    q_release(weights->rules);
    *weights = (struct count_weights){0};
}

static q_status parse(q_string text, struct count_weight *out)
{
    size_t kind = 0, equals = text.size;
    while (equals > 0 && text.data[equals - 1] != '=') /* the last one: names may hold others */
        equals--;
    while (kind < COUNT_WEIGHT_KINDS && !q_string_starts(text, kinds[kind]))
        kind++;
    const size_t begin = kind < COUNT_WEIGHT_KINDS ? strlen(kinds[kind]) : 0;
    if (begin == 0 || equals < begin + 2)
        return q_fail(Q_ERR_USAGE, "the weight '%.*s' must be written as lang:en=0.5 or source:wiki=3",
                      Q_STRING_ARGS(text));
    out->kind = (enum count_weight_kind)kind;
    out->name = q_string_slice(text, begin, equals - 1);
    q_status status = q_parse_double(q_string_slice(text, equals, text.size), &out->weight);
    if (status || (out->weight != 0 && !(out->weight >= weight_min && out->weight <= weight_max)))
        return q_fail(Q_ERR_USAGE, "the weight '%.*s' must be 0 or a number from 1/1024 to 1024", Q_STRING_ARGS(text));
    return Q_OK;
}

static const struct count_weight *find(const struct count_weights *weights, enum count_weight_kind kind, q_string name)
{
    for (size_t i = 0; i < weights->count; i++)
        if (weights->rules[i].kind == kind && q_string_equal(weights->rules[i].name, name))
            return &weights->rules[i];
    return NULL;
}

q_status count_weights_add(struct count_weights *weights, const struct q_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct count_weight rule;
        Q_TRY(parse(q_string_of(texts->items[i]), &rule));
        if (find(weights, rule.kind, rule.name))
            return q_fail(Q_ERR_USAGE, "'%s%.*s' has two weights", kinds[rule.kind], Q_STRING_ARGS(rule.name));
        Q_TRY(q_grow(&weights->rules, &weights->capacity, weights->count + 1, sizeof(rule)));
        weights->rules[weights->count++] = rule;
    }
    return Q_OK;
}

uint32_t count_weights_scale(const struct count_weights *weights)
{
    return weights->count ? COUNT_SCALE : 1;
}

static double weight_of(const struct count_weights *weights, enum count_weight_kind kind, q_string name)
{
    const struct count_weight *rule = find(weights, kind, name);
    if (!rule)
        rule = find(weights, kind, Q_STRING("*"));
    return rule ? rule->weight : 1;
}

uint64_t count_weights_units(const struct count_weights *weights, q_string lang, q_string source)
{
    if (!weights->count)
        return 1;
    const double weight = weight_of(weights, COUNT_WEIGHT_LANG, lang) * weight_of(weights, COUNT_WEIGHT_SOURCE, source);
    if (weight == 0)
        return 0;
    return Q_MAX((uint64_t)(weight * COUNT_SCALE + 0.5), (uint64_t)1); /* at most 2^30: exact */
}
