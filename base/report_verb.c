#include "base/report_verb.h"

#include "base/fs.h"

#include <stdio.h>

const struct q_option q_report_option_table[] = {{"fragment", 0, Q_OPTION_FLAG,
                                                  offsetof(struct q_report_options, fragment), NULL,
                                                  "print what goes into the page of a run"},
                                                 {0}};

static q_status print_fragment(struct q_report *report)
{
    struct q_buffer text = {0};
    q_status status = q_report_fragment(report, &text);
    if (!status)
        (void)fwrite(text.data, 1, text.size, stdout); /* flushed and checked by q_program_main */
    q_buffer_release(&text);
    return status;
}

static q_status publish_page(struct q_report *report, struct q_arena *arena, const char *folder, const char *out)
{
    if (!out)
        Q_TRY(q_fs_join(arena, folder, "report.html", &out));
    Q_TRY(q_report_publish(report, out));
    (void)printf("%s\n", out);
    return Q_OK;
}

q_status q_report_deliver(struct q_report *report, const char *folder, const char *out, bool fragment)
{
    if (fragment)
        return print_fragment(report);
    struct q_arena arena = {0};
    q_status status = publish_page(report, &arena, folder, out);
    q_arena_release(&arena);
    return status;
}
