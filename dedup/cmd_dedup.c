/* quern-dedup: stage 2. The verbs are in cmd_dedup_*.c. */
#include "dedup/cmd_dedup.h"

#include "base/report_verb.h"

#include "base/manifest.h"
#include "base/recipe.h"

static const struct q_option build_table[] = {{"work", 0, Q_OPTION_TEXT, offsetof(struct dedup_build_options, work),
                                               "DIR", "folder of the earlier steps (standard: 'work' in the result's)"},
                                              {0}};

static const struct q_verb verbs[] = {
    {.name = "build",
     .synopsis = "DIR... -o DIR",
     .summary = "drop documents that others say already",
     .details = "DIR is a finished result of corpus (or of dedup). Three steps: sign (a map over the parts), group, "
                "and filter (a map). A document is dropped "
                "only where it was compared with the one that stays in its place; the file "
                "part-NNNNN.evidence.jsonl.zst beside each part says which one that "
                "is and how alike the two are. What is there already is not built again; a killed build goes on where "
                "it stood.\n\n"
                "  quern-dedup build corpus -o dedup\n"
                "  quern-dedup build corpus -o dedup --set dedup.jaccard=0.8 --set dedup.survivor=newest\n"
                "  quern-dedup build corpus -o dedup --step sign --task 3/64      (then once without --task, for the "
                "manifest)",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_FORCE | Q_TAKES_RECIPE | Q_TAKES_TASK,
     .options = build_table,
     .options_size = sizeof(struct dedup_build_options),
     .arguments_min = 1,
     .arguments_max = Q_PARTS_MAX,
     .run = cmd_dedup_build},
    {.name = "plan",
     .synopsis = "[DIR...] --recipe FILE --json",
     .summary = "what a build would be: its steps, their keys and parts",
     .details = "Without DIR it checks the section 'dedup' of the recipe.\n\n"
                "  quern-dedup plan run/corpus/KEY --recipe recipes/demo.yaml --json",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options_size = sizeof(struct dedup_build_options),
     .arguments_max = Q_PARTS_MAX,
     .run = cmd_dedup_plan},
    {.name = "pairs",
     .synopsis = "FILE...",
     .summary = "all pairs of documents that are near duplicates, verified",
     .details = "Prints for each pair the two ids and the Jaccard index of their shingles, with tabs between, in the "
                "order of the documents. FILE is JSON "
                "lines (members text and id), plain or zstd, or a text that is one document; '-' is standard input. "
                "The settings of the section 'dedup' "
                "hold: words, bands, rows, jaccard.\n\n"
                "  quern-dedup pairs articles.jsonl\n"
                "  quern-dedup pairs *.txt --set dedup.jaccard=0.5 --set dedup.bands=20 --set dedup.rows=5",
     .takes = Q_TAKES_THREADS | Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options_size = sizeof(struct q_common),
     .arguments_min = 1,
     .arguments_max = Q_PARTS_MAX,
     .run = cmd_dedup_pairs},
    {.name = "report",
     .synopsis = "DIR [-o FILE]",
     .summary = "what was dropped, cluster sizes and samples as one HTML page",
     .details = "  quern-dedup report dedup -o dedup.html",
     .takes = Q_TAKES_OUT,
     .options = q_report_option_table,
     .options_size = sizeof(struct q_report_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = cmd_dedup_report},
    {0}};

static const struct q_program program = {.name = "quern-dedup",
                                         .summary = "exact and near duplicates: each document once",
                                         .verbs = verbs,
                                         .section = "dedup",
                                         .settings = &dedup_settings_table};

q_status dedup_settings_read(const struct q_common *common, struct q_arena *arena, struct dedup_settings *settings)
{
    struct q_recipe recipe;
    q_status status = q_recipe_load(common->recipe, &common->set, &recipe);
    if (status == Q_OK)
        status = q_settings_load(&dedup_settings_table, q_recipe_section(&recipe, "dedup"), arena, settings);
    q_recipe_release(&recipe);
    return status;
}

int main(int argc, char **argv)
{
    return q_program_main(&program, argc, argv);
}
