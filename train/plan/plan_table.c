#include "train/plan/plan_table.h"

#include <inttypes.h>

static q_status put_head(const char *name, const struct memory_request *request, struct q_buffer *out)
{
    char all[32], active[32];
    const struct train_settings *settings = request->settings;
    return q_buffer_printf(
        out,
        "%s: %s parameters, %s of them active\nmicro-batches of %zu x %" PRIu64 " tokens, %s on %s, recompute %s\n",
        name, q_format_count(all, (double)model_config_parameters(request->config)),
        q_format_count(active, (double)model_config_active_parameters(request->config)), train_micro_batch(settings),
        request->sequence_tokens, op_precision_names[settings->precision], op_device_names[settings->backend],
        model_recompute_names[settings->recompute]);
}

/* What is there, and what of it is left or missing. */
static q_status put_room(const char *whose, uint64_t total, uint64_t room, struct q_buffer *out)
{
    char has[32], rest[32];
    if (!room)
        return Q_OK;
    return q_buffer_printf(out, "  %-32s %10s\n  %-32s %10s\n", whose, q_format_bytes(has, (double)room),
                           total <= room ? "free" : "missing",
                           q_format_bytes(rest, (double)(total <= room ? room - total : total - room)));
}

/* Where the copy for checkpoints alone is too much, a run that may go without it does. */
static q_status put_host(const struct memory_request *request, const uint64_t bytes[MEMORY_KINDS], uint64_t room,
                         struct q_buffer *out)
{
    char text[32];
    uint64_t total = memory_plan_total(bytes, true);
    Q_TRY(memory_plan_table(bytes, out));
    if (room && total > room && request->settings->checkpoint.background == CHECKPOINT_AUTO) {
        total = memory_plan_total(bytes, false);
        Q_TRY(q_buffer_printf(out, "  %-32s %10s\n", "without the copy", q_format_bytes(text, (double)total)));
    }
    return put_room("available", total, room, out);
}

static q_status put_savings(const struct preflight *plan, struct q_buffer *out)
{
    char text[32];
    struct memory_saving savings[MEMORY_SAVINGS_MAX];
    size_t count;
    Q_TRY(memory_plan_savings(&plan->request, &plan->memory, savings, &count));
    if (count)
        Q_TRY(q_buffer_printf(out, "\nless with, each alone\n"));
    for (size_t i = 0; i < count; i++)
        Q_TRY(
            q_buffer_printf(out, "  %-32s %10s\n", savings[i].setting, q_format_bytes(text, (double)savings[i].bytes)));
    return Q_OK;
}

static q_status put_disk(const struct preflight *plan, struct q_buffer *out)
{
    char one[32], all[32];
    return q_buffer_printf(out, "\ndisk\n  %-32s %10s\n  %-32s %10s\n", "a checkpoint",
                           q_format_bytes(one, (double)plan->checkpoint), "total of a whole run",
                           q_format_bytes(all, (double)preflight_disk(plan, 0)));
}

q_status plan_table(const char *name, const struct preflight *plan, const struct plan_room *room, struct q_buffer *out)
{
    const struct memory_plan *memory = &plan->memory;
    Q_TRY(put_head(name, &plan->request, out));
    if (memory->on_device) {
        Q_TRY(q_buffer_printf(out, "\nmemory of the GPU\n"));
        Q_TRY(memory_plan_table(memory->device, out));
        Q_TRY(put_room("the GPU has", memory_plan_total(memory->device, false), room->device, out));
        Q_TRY(put_savings(plan, out));
    }
    Q_TRY(q_buffer_printf(out, "\nmemory of the machine\n"));
    Q_TRY(put_host(&plan->request, memory->host, room->host, out));
    if (!memory->on_device)
        Q_TRY(put_savings(plan, out));
    return put_disk(plan, out);
}
