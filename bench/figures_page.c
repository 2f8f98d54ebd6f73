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

static q_status cell(struct q_buffer *out, q_string text)
{
    /* A bar would end the cell. */
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '|')
            Q_TRY(q_buffer_append_byte(out, '\\'));
        Q_TRY(q_buffer_append_byte(out, text.data[i]));
    }
    return q_buffer_append(out, " | ", 3);
}

/* "rensa 0.5: 17 MB/s (27 times)", or that it was not measured, or nothing where there is none. */
static q_status peer_cell(const json_t *figure, double per_second, const char *unit, struct q_buffer *out)
{
    const char *peer = json_string_value(json_object_get(figure, "peer"));
    double peer_rate = json_number_value(json_object_get(figure, "peer_per_second"));
    char rate[48];
    if (!peer)
        return q_buffer_printf(out, "- | ");
    if (!(peer_rate > 0))
        return q_buffer_printf(out, "%s: not measured | ", peer);
    rate_text(rate, peer_rate, unit);
    return q_buffer_printf(out, "%s: %s; ratio %.3g | ", peer, rate, per_second / peer_rate);
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
    Q_TRY(cell(out, what));
    Q_TRY(cell(out, q_string_of(rate)));
    Q_TRY(q_buffer_printf(out, "%llu | ", (unsigned long long)threads));
    if (amount && q_string_is(unit, "bytes"))
        Q_TRY(cell(out, q_string_of(q_format_bytes(size, (double)amount))));
    else if (amount)
        Q_TRY(q_buffer_printf(out, "%s %.*s | ", q_format_count(size, (double)amount), Q_STRING_ARGS(unit)));
    else
        Q_TRY(cell(out, Q_STRING("-")));
    Q_TRY(q_buffer_printf(out, "%.3g s | %.3g s | %s | ", seconds, cpu, q_format_bytes(text, (double)peak)));
    Q_TRY(peer_cell(figure, per_second, unit.data, out));
    /* The last cell's bar ends the row. */
    while (out->size && out->data[out->size - 1] == ' ')
        out->size--;
    return q_buffer_append_byte(out, '\n');
}

static q_status put_head(const json_t *subject, const char *name, struct q_buffer *out)
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
    Q_TRY(q_buffer_printf(out, "Measured %.*s with %.*s on %.*s (%.*s), %llu cores, %s of memory. Data: %.*s.\n\n",
                          Q_STRING_ARGS(q_string_slice(date, 0, 10)), Q_STRING_ARGS(version), Q_STRING_ARGS(processor),
                          Q_STRING_ARGS(architecture), (unsigned long long)cores, q_format_bytes(size, (double)memory),
                          Q_STRING_ARGS(data)));
    return q_buffer_printf(out, "Medians of the runs; memory is the largest of them. A peer's figure is from the same "
                                "machine and the same day; the ratio is ours to theirs. Made from the JSON file beside "
                                "this page by `bench/run`.\n\n"
                                "| what | rate | threads | amount | time | processor time | memory | peer |\n"
                                "|---|---|---|---|---|---|---|---|\n");
}

q_status figures_page(const json_t *subject, const char *name, struct q_buffer *out)
{
    json_t *figures;
    Q_TRY(q_json_get_array(subject, name, "figures", &figures));
    Q_TRY(put_head(subject, name, out));
    for (size_t i = 0; i < json_array_size(figures); i++)
        Q_TRY(put_row(json_array_get(figures, i), name, out));
    Q_TRY(q_buffer_printf(out, "\n## Commands\n\n"));
    for (size_t i = 0; i < json_array_size(figures); i++) {
        q_string what, command;
        Q_TRY(q_json_get_string(json_array_get(figures, i), name, "what", &what));
        Q_TRY(q_json_get_string(json_array_get(figures, i), name, "command", &command));
        Q_TRY(q_buffer_printf(out, "- %.*s: `%.*s`\n", Q_STRING_ARGS(what), Q_STRING_ARGS(command)));
    }
    return Q_OK;
}
