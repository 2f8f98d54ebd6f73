#include "train/watch/train_view.h"

#include "base/check.h"

#include <inttypes.h>
#include <math.h>

/* The mean of stretch i. */
static double mean_of(const struct train_view *view, size_t i)
{
    return view->losses[i] / (double)(i + 1 == view->count ? view->part : view->stride);
}

void train_view_add_loss(struct train_view *view, double loss)
{
    if (!isfinite(loss))
        return;
    if (view->stride == 0)
        view->stride = 1;
    if (view->count == 0 || view->part == view->stride) {
        if (view->count == Q_COUNT_OF(view->losses)) { /* pairs become one */
            view->count /= 2;
            view->stride *= 2;
            for (size_t i = 0; i < view->count; i++)
                view->losses[i] = view->losses[2 * i] + view->losses[2 * i + 1];
        }
        view->losses[view->count++] = 0;
        view->part = 0;
    }
    view->losses[view->count - 1] += loss;
    view->part++;
}

/* Cells of the curve, on a logarithmic scale, or all that would be seen is the fall of the first steps. Where there are more stretches than cells
 * each is the mean of two. */
static size_t cells_of(const struct train_view *view, double cells[TRAIN_VIEW_CELLS])
{
    size_t per = view->count > TRAIN_VIEW_CELLS ? 2 : 1, count = 0;
    for (size_t i = 0; i < view->count; i += per) {
        double sum = mean_of(view, i);
        bool two = per == 2 && i + 1 < view->count;
        cells[count++] = log(fmax(two ? (sum + mean_of(view, i + 1)) / 2 : sum, 1e-9));
    }
    return count;
}

q_status train_view_put_curve(const struct train_view *view, bool utf8, struct q_buffer *out)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {"_", ".", ",", "-", "~", "+", "=", "#"};
    double cells[TRAIN_VIEW_CELLS], low = INFINITY, high = -INFINITY;
    size_t count = cells_of(view, cells);
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, cells[i]);
        high = fmax(high, cells[i]);
    }
    for (size_t i = 0; count > 1 && i < count; i++) {
        size_t level = high > low ? (size_t)fmin(7, (cells[i] - low) / (high - low) * 8) : 0;
        Q_TRY(q_buffer_append_string(out, q_string_of(utf8 ? blocks[level] : letters[level])));
    }
    return Q_OK;
}

static q_status put_losses(const struct train_view *view, const struct metrics_step *step, bool utf8,
                           struct q_buffer *out)
{
    Q_TRY(q_buffer_printf(out, "step %" PRIu64 " of %" PRIu64 "   loss %.3f", step->position.step, view->steps_total,
                          step->loss));
    if (!isnan(step->mtp_loss))
        Q_TRY(q_buffer_printf(out, ", MTP %.3f", step->mtp_loss));
    if (view->count > 1)
        Q_TRY(q_buffer_append_string(out, Q_STRING("  ")));
    return train_view_put_curve(view, utf8, out);
}

static q_status put_violation(const char *before, const struct metrics_violation *violation, struct q_buffer *out)
{
    return q_buffer_printf(out, "%s%.2f (layer %d: %.2f)", before, violation->mean, violation->worst_layer,
                           violation->worst);
}

q_status train_view_put(const struct train_view *view, const struct metrics_step *step, bool utf8, struct q_buffer *out)
{
    char text[32];
    Q_TRY(put_losses(view, step, utf8, out));
    Q_TRY(q_buffer_printf(out, "\nrate %.3g   batch %" PRIu64 "   gradient norm %.3f", step->point.rate,
                          step->point.sequences, step->gradient_norm));
    if (step->routers > 0)
        Q_TRY(q_buffer_printf(out, "   balance loss %.2g", step->balance_loss));
    if (!isnan(step->tokens_per_s)) {
        Q_TRY(q_buffer_printf(out, "\n%s tokens/s", q_format_count(text, step->tokens_per_s)));
        Q_TRY(q_buffer_printf(out, "   %.1f GFLOP/s, %.0f%% of the measured peak", step->flop_per_s * 1e-9,
                              step->flop_share * 100));
    }
    if (step->routers == 0)
        return Q_OK;
    Q_TRY(put_violation("\nload violation ", &step->violation, out));
    Q_TRY(q_buffer_printf(out, ", over %s tokens", q_format_count(text, (double)step->window_tokens)));
    return put_violation(" ", &step->window_violation, out);
}
