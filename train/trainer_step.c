/* A step of the training: an attempt at it, over all micro-batches and ranks, and what the guards make of one that is not to be believed. */
#include "train/trainer_private.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Sums the losses of a micro-batch, sequence by sequence in order and in double: the same for any number of threads. */
static double sum_losses(struct trainer *trainer, size_t sequences)
{
    size_t length = trainer->shards->sequence_tokens;
    double total = 0;
    for (size_t i = 0; i < sequences; i++) {
        double sum = 0;
        for (size_t t = 0; t < length; t++)
            sum += (double)trainer->losses[i * length + t];
        struct metrics_source *source = &trainer->source_sums[trainer->sources[i]];
        source->loss += sum;
        source->targets += length;
        total += sum;
    }
    return total;
}

/* The MTP modules' losses in a micro-batch: summed over its sequences, divided by a sequence's targets, the mean over the modules; 0 where they rest. */
static double sum_mtp_losses(struct trainer *trainer)
{
    size_t length = trainer->shards->sequence_tokens;
    size_t modules = (size_t)trainer->setup.config->num_nextn_predict_layers;
    double total = 0;
    for (size_t d = 1; d <= modules; d++) {
        size_t count = model_mtp_losses(trainer->model, d, trainer->losses);
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += (double)trainer->losses[i];
        total += sum / (double)(length - d);
    }
    return modules ? total / (double)modules : 0;
}

/* Goes by so many samples that other ranks take. */
static void pass_samples(const struct trainer *trainer, uint64_t count, uint64_t *position)
{
    for (uint64_t i = 0; i < count; i++)
        *position = skips_next(&trainer->skips, *position) + 1;
}

/* Of this rank's share of a step. Ranks that share experts meet in every one: all take as many as the one with the most sequences, and some are empty. */
static uint64_t micro_batches(const struct trainer *trainer, const struct schedule_point *point, uint64_t share)
{
    const uint64_t most = q_ceil_div(point->sequences, trainer->ranks);
    return q_ceil_div(trainer->groups.experts ? most : share, train_micro_batch(trainer->setup.settings));
}

/* The next `count` samples. Where others would wait for this rank in the model, its failure is theirs at once. */
static q_status read_batch(struct trainer *trainer, size_t count, uint64_t *position)
{
    q_status status = Q_OK;
    if (count)
        status = feed_read(&trainer->feed, &trainer->skips, position, count, trainer->ids, trainer->targets,
                           trainer->sources);
    return trainer->groups.experts ? trainer_agree(trainer, status) : status;
}

/* Forward and backward of the next `count` samples. */
static q_status take_micro_batch(struct trainer *trainer, const struct model_scale *scale, size_t count,
                                 struct step_result *result)
{
    const size_t length = trainer->shards->sequence_tokens;
    Q_TRY(read_batch(trainer, count, &result->samples));
    const struct model_batch batch = {
        .batch = count, .sequence = length, .ids = trainer->ids, .targets = trainer->targets};
    double balance = 0;
    Q_TRY(model_forward_backward(trainer->model, &batch, scale, trainer->losses, &balance));
    if (count)
        watch_micro_batch(trainer->watch, trainer->sources, count);
    result->loss += sum_losses(trainer, count);
    result->mtp_loss += sum_mtp_losses(trainer);
    if (scale->z_loss > 0)
        result->z_loss += scale->z_loss * model_squared_log_z(trainer->model);
    result->balance_loss += balance;
    if (trainer->leads)
        q_progress_add(count * length);
    return Q_OK;
}

/* Forward and backward of this rank's share of a step's batch, micro-batch by micro-batch. */
static q_status accumulate(struct trainer *trainer, const struct schedule_point *point, struct step_result *result)
{
    const size_t length = trainer->shards->sequence_tokens, micro = train_micro_batch(trainer->setup.settings);
    const struct model_scale scale = {.loss = 1.0 / ((double)point->sequences * (double)length),
                                      .balance_alpha = point->alpha,
                                      .balance = 1.0 / (double)point->sequences,
                                      .balance_over_batch =
                                          trainer->setup.settings->balance.loss_over == BALANCE_OVER_MICRO_BATCH,
                                      .mtp = point->lambda,
                                      .z_loss = trainer->setup.settings->z_loss};
    const struct comm_slice share = comm_share((size_t)point->sequences, trainer->ranks, trainer->rank);
    const uint64_t end = share.first + share.count, passes = micro_batches(trainer, point, share.count);
    pass_samples(trainer, share.first, &result->samples);
    for (uint64_t pass = 0, done = share.first; pass < passes; pass++) {
        const size_t count = (size_t)Q_MIN((uint64_t)micro, end - done);
        Q_TRY(take_micro_batch(trainer, &scale, count, result));
        done += count;
        result->stopped = pass + 1 < passes && !trainer->setup.comm && q_stop_requested();
        if (result->stopped)
            return Q_OK;
    }
    pass_samples(trainer, point->sequences - end, &result->samples);
    if (trainer->leads)
        q_progress_add((point->sequences - end) * length); /* the other ranks' */
    result->loss /= (double)point->sequences * (double)length;
    result->z_loss /= (double)point->sequences * (double)length;
    result->balance_loss /= (double)point->sequences;
    const bool modules = trainer->setup.config->num_nextn_predict_layers > 0 && point->lambda != 0.0;
    result->mtp_loss = modules ? result->mtp_loss / (double)point->sequences : (double)NAN;
    return Q_OK;
}

/* What all ranks saw of the step, on each of them; gradients are summed by optimizer_norm. */
static q_status sum_ranks(struct trainer *trainer, struct step_result *result)
{
    struct comm *comm = trainer->setup.comm;
    const size_t sources = trainer->shards->source_count;
    double *const losses[] = {&result->loss, &result->mtp_loss, &result->z_loss, &result->balance_loss};
    double *sums = trainer->rank_sums, *by_source = sums + Q_COUNT_OF(losses);
    if (!comm)
        return Q_OK;
    for (size_t i = 0; i < Q_COUNT_OF(losses); i++)
        sums[i] = *losses[i];
    for (size_t i = 0; i < sources; i++) {
        by_source[2 * i] = trainer->source_sums[i].loss;
        by_source[2 * i + 1] = (double)trainer->source_sums[i].targets; /* of a step: far below 2^53 */
    }
    Q_TRY(comm_sum(comm, sums, Q_COUNT_OF(losses) + 2 * sources, COMM_F64));
    for (size_t i = 0; i < Q_COUNT_OF(losses); i++)
        *losses[i] = sums[i];
    for (size_t i = 0; i < sources; i++) {
        trainer->source_sums[i].loss = by_source[2 * i];
        trainer->source_sums[i].targets = (uint64_t)by_source[2 * i + 1];
    }
    model_get_counts(trainer->model, trainer->counts);
    Q_TRY(comm_sum(comm, trainer->counts, model_counts_size(trainer->model), COMM_I64));
    model_put_counts(trainer->model, trainer->counts);
    return Q_OK;
}

/* Forgets the attempt. */
static void drop_attempt(struct trainer *trainer)
{
    model_clear_gradients(trainer->model);
    model_update_bias(trainer->model, 0);
}

q_status trainer_attempt_step(struct trainer *trainer, const struct schedule_point *point, unsigned attempt,
                              struct step_result *result)
{
    const struct guard_fault *fault = guard_fault();
    for (size_t i = 0; i < trainer->shards->source_count; i++)
        trainer->source_sums[i].loss = 0, trainer->source_sums[i].targets = 0;
    *result = (struct step_result){.samples = skips_next(&trainer->skips, trainer->position.samples)};
    const uint64_t first = result->samples;
    watch_begin_step(trainer->watch, trainer->position.step + 1);
    Q_TRY(trainer_agree(trainer, accumulate(trainer, point, result)));
    if (result->stopped) {
        drop_attempt(trainer);
        return Q_OK;
    }
    Q_TRY(sum_ranks(trainer, result));
    if (fault)
        fault->behind_backward(fault->context, trainer->model, trainer->position.step, first, attempt, &result->loss);
    return optimizer_norm(trainer->optimizer, &result->norm);
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* A number that need not be finite, for the journal. */
static json_t *any_number(double value)
{
    return isfinite(value) ? json_real(value) : json_string(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

/* The journal's line of a step that was run twice. */
static q_status note_rerun(struct trainer *trainer, const char *reason, const struct step_result *first,
                           const struct step_result *again, bool believed)
{
    json_t *fields;
    const bool same = same_bits(first->loss, again->loss) && same_bits(first->norm, again->norm);
    Q_TRY(trainer_place_json(&trainer->position, &fields));
    q_status status = q_json_set(fields, "reason", json_string(reason));
    if (!status)
        status = q_json_set(fields, "loss", any_number(first->loss));
    if (!status)
        status = q_json_set(fields, "norm", any_number(first->norm));
    if (!status)
        status = q_json_set(fields, "loss_again", any_number(again->loss));
    if (!status)
        status = q_json_set(fields, "norm_again", any_number(again->norm));
    if (!status)
        status = q_json_set(fields, "same", json_boolean(same));
    if (!status)
        status = q_json_set(fields, "believed", json_boolean(believed));
    if (!status)
        return trainer_journal_line(trainer, "rerun", fields);
    json_decref(fields);
    return status;
}

/* The journal's line of samples from .. to - 1 that are left out, and the decision itself. The line comes first: a kill in between, and the next start does
 * what was decided. The place is where the run goes on. */
static q_status skip(struct trainer *trainer, const char *rule, const char *reason, uint64_t to)
{
    json_t *fields;
    char hex[Q_HASH_HEX];
    const uint64_t from = skips_next(&trainer->skips, trainer->position.samples);
    Q_TRY(trainer_place_json(&trainer->position, &fields));
    q_status status = q_json_set(fields, "run", json_string(q_hash_hex(trainer->setup.run, hex)));
    if (!status)
        status = q_json_set(fields, "rule", json_string(rule));
    if (!status)
        status = q_json_set(fields, "reason", json_string(reason));
    if (!status)
        status = q_json_set(fields, "from", json_integer((json_int_t)from));
    if (!status)
        status = q_json_set(fields, "to", json_integer((json_int_t)to));
    if (status) {
        json_decref(fields);
        return status;
    }
    Q_TRY(trainer_journal_line(trainer, "skipped", fields));
    Q_TRY(skips_add(&trainer->skips, from, to));
    const uint64_t left = trainer_sequences_left(trainer),
                   wanted = (trainer->tokens_total - trainer->position.tokens) / trainer->shards->sequence_tokens;
    if (trainer->leads && left < wanted)
        q_log_warning("the data end %" PRIu64 " sequences before 'train.tokens' now; the run will stop there, saved",
                      wanted - left);
    return Q_OK;
}

/* The step came out wrong twice: what the recipe says. Behind Q_OK the run stands at a place to go on from. */
static q_status follow_rule(struct trainer *trainer, const char *reason, const struct step_result *result)
{
    static const char *const rules[] = {"stop", "skip", "back"};
    const struct guard_settings *guard = &trainer->setup.settings->guard;
    const uint64_t step = trainer->position.step + 1;
    if (guard->rule == GUARD_STOP)
        return q_fail(Q_ERR_INPUT,
                      "%s at step %" PRIu64 ", twice (loss %g, norm %g); lower 'train.rate.peak' or choose a "
                      "'train.guard.rule', and run again: it goes on from the last checkpoint",
                      reason, step, result->loss, result->norm);
    if (trainer->skips.decisions >= guard->skips_max)
        return q_fail(Q_ERR_INPUT,
                      "%s at step %" PRIu64 ", twice (loss %g, norm %g), and samples were skipped %" PRIu64
                      " times already; look at the run, then raise 'train.guard.skips_max' to go on",
                      reason, step, result->loss, result->norm, trainer->skips.decisions);
    uint64_t to = result->samples;
    if (guard->rule == GUARD_BACK)
        Q_TRY(trainer_go_back(trainer, &to));
    q_log_warning("%s at step %" PRIu64 ", twice: samples %" PRIu64 " to %" PRIu64
                  " are skipped, the run goes on at step %" PRIu64,
                  reason, step, trainer->position.samples, to, trainer->position.step + 1);
    return skip(trainer, rules[guard->rule], reason, to);
}

q_status trainer_leave_refused(struct trainer *trainer, q_status status)
{
    const struct guard_settings *guard = &trainer->setup.settings->guard;
    uint64_t to = trainer->refused_at;
    if (!status || to == UINT64_MAX || guard->rule != GUARD_BACK || trainer->skips.decisions >= guard->skips_max)
        return status;
    q_log_warning("%s", q_error_text());
    Q_TRY(trainer_go_back(trainer, &to));
    q_log_warning("the state was not finite: samples %" PRIu64 " to %" PRIu64
                  " are skipped, the run goes on at step %" PRIu64,
                  trainer->position.samples, to, trainer->position.step + 1);
    return skip(trainer, "back", "the state was not finite at a checkpoint", to);
}

q_status trainer_look_at(struct trainer *trainer, const struct schedule_point *point, struct step_result *result,
                         bool *taken)
{
    const struct guard_settings *guard = &trainer->setup.settings->guard;
    const struct step_result first = *result;
    *taken = true;
    const enum guard_verdict verdict = guard_check(guard, &trainer->window, first.loss, first.norm);
    if (verdict == GUARD_FINE)
        return Q_OK;
    drop_attempt(trainer);
    Q_TRY(trainer_attempt_step(trainer, point, 1, result));
    if (result->stopped) {
        *taken = false;
        return Q_OK;
    }
    *taken = guard_check(guard, &trainer->window, result->loss, result->norm) == GUARD_FINE;
    Q_TRY(note_rerun(trainer, guard_verdict_text(verdict), &first, result, *taken));
    if (*taken) {
        q_log_warning("%s at step %" PRIu64 " (loss %g, norm %g), and was not when it was run again: %s",
                      guard_verdict_text(verdict), trainer->position.step + 1, first.loss, first.norm,
                      trainer->ops->nondeterministic ? "the machine erred, or sums were rounded in another order"
                                                     : "the machine erred");
        return Q_OK;
    }
    drop_attempt(trainer);
    return follow_rule(trainer, guard_verdict_text(verdict), result);
}
