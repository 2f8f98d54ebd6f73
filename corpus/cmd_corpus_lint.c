/* quern-corpus lint. */
#include "base/json.h"
#include "corpus/cmd_corpus.h"
#include "corpus/corpus_lint.h"

static q_status put(const struct corpus_findings *findings, bool as_json, struct q_buffer *out)
{
    if (!as_json) {
        for (size_t i = 0; i < findings->count; i++)
            Q_TRY(q_buffer_printf(out, "%s: %s: %s\n", findings->items[i].kind, findings->items[i].setting,
                                  findings->items[i].text));
        return Q_OK;
    }
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    q_json_open(&json, "findings", '[');
    for (size_t i = 0; i < findings->count; i++) {
        q_json_open(&json, NULL, '{');
        q_json_put_string(&json, "kind", q_string_of(findings->items[i].kind));
        q_json_put_string(&json, "setting", q_string_of(findings->items[i].setting));
        q_json_put_string(&json, "text", q_string_of(findings->items[i].text));
        q_json_close(&json, '}');
    }
    q_json_close(&json, ']');
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

static q_status lint(struct corpus_plan *plan, const struct q_common *common, const char *recipe,
                     struct corpus_findings *findings, struct q_buffer *out)
{
    Q_TRY(corpus_plan_begin(recipe, &common->set, plan));
    Q_TRY(corpus_lint(plan, findings));
    Q_TRY(put(findings, common->json, out));
    Q_TRY(corpus_print(q_buffer_string(out)));
    if (findings->count)
        return q_fail(Q_ERR_USAGE, "%zu finding%s", findings->count, findings->count == 1 ? "" : "s");
    return Q_OK;
}

q_status corpus_lint_verb(void *options, const char *const *arguments, size_t count)
{
    const struct q_common *common = options;
    struct corpus_plan plan = {0};
    struct corpus_findings findings = {0};
    struct q_buffer out = {0};
    (void)count;
    q_status status = lint(&plan, common, arguments[0], &findings, &out);
    q_buffer_release(&out);
    corpus_findings_release(&findings);
    corpus_plan_release(&plan);
    return status;
}
