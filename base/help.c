/* --help of a program and of a verb, from the same tables as the parser. Lines are at most 92 columns. */
#include "base/options.h"
#include "base/options_private.h"
#include "base/settings.h"

#include <stdio.h>

enum { WIDTH = 92, OPTION_COLUMN = 26 };

/* Words of `text` filled into lines; the cursor stands at `column`, further lines begin at `indent`. Ends with a line end. */
static q_status fill(struct q_buffer *out, const char *text, size_t column, size_t indent)
{
    size_t start = column;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > start && column + 1 + word > WIDTH) {
            Q_TRY(q_buffer_printf(out, "\n%*s", (int)indent, ""));
            column = start = indent;
        } else if (column > start) {
            Q_TRY(q_buffer_append_byte(out, ' '));
            column++;
        }
        Q_TRY(q_buffer_append(out, text, word));
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    return q_buffer_append_byte(out, '\n');
}

/* The paragraph gathered so far, filled into lines. */
static q_status end_paragraph(struct q_buffer *out, struct q_buffer *paragraph)
{
    if (paragraph->size == 0)
        return Q_OK;
    Q_TRY(q_buffer_terminate(paragraph));
    q_buffer_clear(paragraph);
    return fill(out, paragraph->data, 0, 0);
}

/* A verb's details: neighbouring lines are a paragraph; lines that begin with a space (examples) and empty ones stay. */
static q_status details(struct q_buffer *out, const char *text)
{
    q_string rest = q_string_of(text), line;
    struct q_buffer paragraph = {0};
    q_status status = q_buffer_append_byte(out, '\n');
    while (!status && q_string_next_line(&rest, &line)) {
        if (line.size > 0 && line.data[0] != ' ') {
            if (paragraph.size > 0)
                Q_TRY_GOTO(done, q_buffer_append_byte(&paragraph, ' '));
            Q_TRY_GOTO(done, q_buffer_append_string(&paragraph, line));
            continue;
        }
        Q_TRY_GOTO(done, end_paragraph(out, &paragraph));
        Q_TRY_GOTO(done, q_buffer_append_string(out, line));
        Q_TRY_GOTO(done, q_buffer_append_byte(out, '\n'));
    }
    if (!status)
        status = end_paragraph(out, &paragraph);
done:
    q_buffer_release(&paragraph);
    return status;
}

static q_status option_line(struct q_buffer *out, const struct q_option *option)
{
    size_t before = out->size;
    if (option->letter)
        Q_TRY(q_buffer_printf(out, "  -%c, --%s", option->letter, option->name));
    else
        Q_TRY(q_buffer_printf(out, "      --%s", option->name));
    if (option->metavar && option->type != Q_OPTION_FLAG)
        Q_TRY(q_buffer_printf(out, " %s", option->metavar));
    size_t column = out->size - before;
    if (column + 2 > OPTION_COLUMN) {
        Q_TRY(q_buffer_append_byte(out, '\n'));
        column = 0;
    }
    Q_TRY(q_buffer_printf(out, "%*s", (int)(OPTION_COLUMN - column), ""));
    return fill(out, option->help ? option->help : "", OPTION_COLUMN, OPTION_COLUMN);
}

static const struct q_option help_option = {"help", 0, Q_OPTION_FLAG, 0, NULL, "this text"};

static q_status verb_help(const struct q_program *program, const struct q_verb *verb, struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "%s %s: ", program->name, verb->name));
    Q_TRY(fill(out, verb->summary, strlen(program->name) + strlen(verb->name) + 3, 4));
    Q_TRY(q_buffer_printf(out, "\nUsage: %s %s", program->name, verb->name));
    Q_TRY(q_buffer_printf(out, "%s%s\n", verb->synopsis && verb->synopsis[0] ? " " : "",
                          verb->synopsis ? verb->synopsis : ""));
    if (verb->details)
        Q_TRY(details(out, verb->details));
    Q_TRY(q_buffer_append_string(out, Q_STRING("\nOptions:\n")));
    for (const struct q_option *own = verb->options; own && own->type; own++)
        Q_TRY(option_line(out, own));
    for (const struct q_common_option *common = q_common_options(); common->option.type; common++)
        if (q_verb_takes(verb, common))
            Q_TRY(option_line(out, &common->option));
    return option_line(out, &help_option);
}

q_status q_program_help(const struct q_program *program, const struct q_verb *verb, struct q_buffer *out)
{
    static const struct q_option version = {"version", 0, Q_OPTION_FLAG, 0, NULL, "the version"};
    static const struct q_option settings = {
        "settings", 0, Q_OPTION_FLAG, 0, NULL, "the settings of the recipe's section, as a Markdown page"};
    size_t longest = 0;
    if (verb)
        return verb_help(program, verb, out);
    for (const struct q_verb *each = program->verbs; each->name; each++)
        longest = longest > strlen(each->name) ? longest : strlen(each->name);
    Q_TRY(q_buffer_printf(out, "%s: ", program->name));
    Q_TRY(fill(out, program->summary, strlen(program->name) + 2, 4));
    Q_TRY(q_buffer_append_string(out, Q_STRING("\nUsage:\n")));
    for (const struct q_verb *each = program->verbs; each->name; each++)
        Q_TRY(q_buffer_printf(out, "  %s %s %s\n", program->name, each->name, each->synopsis ? each->synopsis : ""));
    Q_TRY(q_buffer_append_string(out, Q_STRING("\nVerbs:\n")));
    for (const struct q_verb *each = program->verbs; each->name; each++) {
        Q_TRY(q_buffer_printf(out, "  %-*s  ", (int)longest, each->name));
        Q_TRY(fill(out, each->summary, longest + 4, longest + 4));
    }
    if (program->details)
        Q_TRY(details(out, program->details));
    Q_TRY(q_buffer_append_string(out, Q_STRING("\nOptions:\n")));
    Q_TRY(option_line(out,
                      &(struct q_option){"help", 0, Q_OPTION_FLAG, 0, NULL, "this text; behind a verb, the verb's"}));
    Q_TRY(option_line(out, &version));
    return program->settings ? option_line(out, &settings) : Q_OK;
}

q_status q_program_settings(const struct q_program *program, struct q_buffer *out)
{
    if (!program->settings)
        return q_fail(Q_ERR_USAGE, "the program has no section in a recipe");
    Q_TRY(q_buffer_printf(out, "# Settings: `%s`\n\n", program->section));
    Q_TRY(q_buffer_printf(out,
                          "Made from the program's own table by `%s --settings`; do not edit it here. An *identity* "
                          "setting makes another "
                          "result\nwhen it changes, a *schedule* setting may change after the present position of a "
                          "run, an *operational* one "
                          "is free.\n\n",
                          program->name));
    return q_settings_markdown(program->settings, out);
}
