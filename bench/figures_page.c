/* The Markdown page of a subject, from its JSON alone: a person and the planner read the same numbers. */
#include "bench/figures.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

/* "123 MB/s", "4,512 tokens/s": three digits that count. */
static void rate_text(char out[48], double per_second, const char *unit)
{
    char number[32];
    if (strcmp(unit, "bytes") == 0)
        (void)snprintf(out, 48, "%s/s", q_format_bytes(number, per_second));
    else
        (void)snprintf(out, 48, "%s %s/s", q_format_count(number, per_second), unit);
}

q_status figures_put_cell(q_string text, struct q_buffer *out)
{
    /* A bar would end the cell, a line's end the row. */
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '|')
            Q_TRY(q_buffer_append_byte(out, '\\'));
        Q_TRY(q_buffer_append_byte(out, text.data[i] == '\n' ? ' ' : text.data[i]));
    }
    return q_buffer_append(out, " | ", 3);
}

/* Our share of what the peer has at its most; 0 where that is not known. */
static double memory_ratio(const json_t *figure)
{
    double peer = json_number_value(json_object_get(figure, "peer_peak_bytes"));
    return peer > 0 ? json_number_value(json_object_get(figure, "peak_bytes")) / peer : 0;
}

/* Our rate to the peer's; 0 where that was not measured. */
static double rate_ratio(const json_t *figure)
{
    double ratio = json_number_value(json_object_get(figure, "ratio")), ours, peer;
    if (ratio > 0)
        return ratio;
    ours = json_number_value(json_object_get(figure, "per_second")); /* a figure of before there was that member */
    peer = json_number_value(json_object_get(figure, "peer_per_second"));
    return peer > 0 ? ours / peer : 0;
}

/* "rensa 0.5: 17 MB/s; ratio 7.5, wanted 5", with the peer's memory where a part of it is wanted; or that it was not measured, or
 * nothing where there is none. */
static q_status peer_cell(const json_t *figure, const char *unit, struct q_buffer *out)
{
    const char *peer = json_string_value(json_object_get(figure, "peer"));
    double wanted = json_number_value(json_object_get(figure, "wanted_ratio"));
    double wanted_memory = json_number_value(json_object_get(figure, "wanted_memory"));
    char rate[48], size[32];
    if (!peer)
        return q_buffer_printf(out, "- | ");
    if (!(rate_ratio(figure) > 0))
        return q_buffer_printf(out, "%s: not measured | ", peer);
    rate_text(rate, json_number_value(json_object_get(figure, "peer_per_second")), unit);
    Q_TRY(q_buffer_printf(out, "%s: %s; ratio %.3g", peer, rate, rate_ratio(figure)));
    if (json_object_get(figure, "ratio_lowest"))
        Q_TRY(q_buffer_printf(out, " (%.3g to %.3g)", json_number_value(json_object_get(figure, "ratio_lowest")),
                              json_number_value(json_object_get(figure, "ratio_highest"))));
    if (wanted > 0)
        Q_TRY(q_buffer_printf(out, ", wanted %.3g", wanted));
    if (memory_ratio(figure) > 0) {
        (void)q_format_bytes(size, json_number_value(json_object_get(figure, "peer_peak_bytes")));
        Q_TRY(q_buffer_printf(out, "; memory %s, ours to it %.3g", size, memory_ratio(figure)));
        if (wanted_memory > 0)
            Q_TRY(q_buffer_printf(out, ", wanted %.3g", wanted_memory));
    }
    return q_buffer_printf(out, " | ");
}

/* One ratio that was wanted: a line where it was not reached. `is` is 0 where it was not measured. */
static q_status put_one_wanted(const json_t *figure, const char *kind, double is, double wanted, bool reached,
                               size_t counts[2], struct q_buffer *out)
{
    const char *what = json_string_value(json_object_get(figure, "what"));
    if (!(wanted > 0))
        return Q_OK;
    counts[0]++;
    if (is > 0 && reached)
        return Q_OK;
    Q_TRY(q_buffer_printf(out, "%s- %s: ", counts[1]++ ? "" : "\nWanted and not reached:\n\n", what));
    return is > 0 ? q_buffer_printf(out, "%s %.3g, wanted %.3g\n", kind, is, wanted)
                  : q_buffer_printf(out, "%s not measured\n", kind);
}

/* Which of the ratios that were wanted were not reached; nothing where none is wanted. */
static q_status put_wanted(const json_t *figures, struct q_buffer *out)
{
    size_t counts[2] = {0}; /* wanted, missed */
    for (size_t i = 0; i < json_array_size(figures); i++) {
        const json_t *figure = json_array_get(figures, i);
        double rate = rate_ratio(figure), memory = memory_ratio(figure);
        double wanted_rate = json_number_value(json_object_get(figure, "wanted_ratio"));
        double wanted_memory = json_number_value(json_object_get(figure, "wanted_memory"));
        Q_TRY(put_one_wanted(figure, "ratio", rate, wanted_rate, rate >= wanted_rate, counts, out));
        Q_TRY(put_one_wanted(figure, "memory to the peer's", memory, wanted_memory, memory <= wanted_memory, counts,
                             out));
    }
    if (counts[0] && !counts[1])
        return q_buffer_printf(out, "\nAll %zu ratios that were wanted were reached.\n", counts[0]);
    return Q_OK;
}

static q_status put_row(const json_t *figure, const char *name, struct q_buffer *out)
{
    q_string what, unit;
    uint64_t threads, peak, amount;
    double per_second, seconds, cpu;
    char rate[48], text[32], size[32];
    Q_TRY(q_json_get_string(figure, name, "what", &what));
    Q_TRY(q_json_get_string(figure, name, "unit", &unit));
    Q_TRY(q_json_get_u64(figure, name, "threads", &threads));
    Q_TRY(q_json_get_u64(figure, name, "amount", &amount));
    Q_TRY(q_json_get_u64(figure, name, "peak_bytes", &peak));
    Q_TRY(q_json_get_double(figure, name, "per_second", &per_second));
    Q_TRY(q_json_get_double(figure, name, "seconds", &seconds));
    Q_TRY(q_json_get_double(figure, name, "cpu_seconds", &cpu));
    rate_text(rate, per_second, unit.data);
    Q_TRY(q_buffer_append(out, "| ", 2));
    Q_TRY(figures_put_cell(what, out));
    Q_TRY(figures_put_cell(q_string_of(rate), out));
    Q_TRY(q_buffer_printf(out, "%llu | ", (unsigned long long)threads));
    if (amount && q_string_is(unit, "bytes"))
        Q_TRY(figures_put_cell(q_string_of(q_format_bytes(size, (double)amount)), out));
    else if (amount)
        Q_TRY(q_buffer_printf(out, "%s %.*s | ", q_format_count(size, (double)amount), Q_STRING_ARGS(unit)));
    else
        Q_TRY(figures_put_cell(Q_STRING("-"), out));
    Q_TRY(q_buffer_printf(out, "%.3g s | %.3g s | %s | ", seconds, cpu, q_format_bytes(text, (double)peak)));
    Q_TRY(peer_cell(figure, unit.data, out));
    /* The last cell's bar ends the row. */
    while (out->size && out->data[out->size - 1] == ' ')
        out->size--;
    return q_buffer_append_byte(out, '\n');
}

q_status figures_put_head(const json_t *subject, const char *name, struct q_buffer *out)
{
    q_string title, date, version, data, processor, architecture;
    uint64_t cores, memory;
    json_t *machine;
    char size[32];
    Q_TRY(q_json_get_string(subject, name, "title", &title));
    Q_TRY(q_json_get_string(subject, name, "date", &date));
    Q_TRY(q_json_get_string(subject, name, "version", &version));
    Q_TRY(q_json_get_string(subject, name, "data", &data));
    Q_TRY(q_json_get_object(subject, name, "machine", &machine));
    Q_TRY(q_json_get_string(machine, name, "processor", &processor));
    Q_TRY(q_json_get_string(machine, name, "architecture", &architecture));
    Q_TRY(q_json_get_u64(machine, name, "cores", &cores));
    Q_TRY(q_json_get_u64(machine, name, "memory_bytes", &memory));
    Q_TRY(q_buffer_printf(out, "# %.*s\n\n", Q_STRING_ARGS(title)));
    return q_buffer_printf(out, "Measured %.*s with %.*s on %.*s (%.*s), %llu cores, %s of memory. Data: %.*s.\n\n",
                           Q_STRING_ARGS(q_string_slice(date, 0, 10)), Q_STRING_ARGS(version), Q_STRING_ARGS(processor),
                           Q_STRING_ARGS(architecture), (unsigned long long)cores, q_format_bytes(size, (double)memory),
                           Q_STRING_ARGS(data));
}

static q_status put_table_head(struct q_buffer *out)
{
    return q_buffer_printf(out,
                           "Medians of the runs; memory is the largest of them. A peer's figure is from the same "
                           "machine and the same run; the ratio is ours to theirs: where a range stands behind it, "
                           "the median of runs made in turn. Made from the JSON file beside this page by "
                           "`quern-bench`.\n\n"
                           "| what | rate | threads | amount | time | processor time | memory | peer |\n"
                           "|---|---|---|---|---|---|---|---|\n");
}

q_status figures_page(const json_t *subject, const char *name, q_string notes, struct q_buffer *out)
{
    json_t *figures;
    Q_TRY(q_json_get_array(subject, name, "figures", &figures));
    Q_TRY(figures_put_head(subject, name, out));
    Q_TRY(put_table_head(out));
    for (size_t i = 0; i < json_array_size(figures); i++)
        Q_TRY(put_row(json_array_get(figures, i), name, out));
    Q_TRY(put_wanted(figures, out));
    if (notes.size)
        Q_TRY(q_buffer_printf(out, "\n%.*s\n", Q_STRING_ARGS(q_string_trim(notes))));
    Q_TRY(q_buffer_printf(out, "\n## Commands\n\n"));
    for (size_t i = 0; i < json_array_size(figures); i++) {
        q_string what, command;
        Q_TRY(q_json_get_string(json_array_get(figures, i), name, "what", &what));
        Q_TRY(q_json_get_string(json_array_get(figures, i), name, "command", &command));
        const char *peer = json_string_value(json_object_get(json_array_get(figures, i), "peer_command"));
        Q_TRY(q_buffer_printf(out, "- %.*s: `%.*s`", Q_STRING_ARGS(what), Q_STRING_ARGS(command)));
        Q_TRY(peer ? q_buffer_printf(out, "; the peer: `%s`\n", peer) : q_buffer_append_byte(out, '\n'));
    }
    return Q_OK;
}
