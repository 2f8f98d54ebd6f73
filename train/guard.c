#include "train/guard.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

static const struct guard_fault *fault_in_use;

const struct guard_fault *guard_fault(void)
{
    return fault_in_use;
}

void guard_fault_replace(const struct guard_fault *fault)
{
    fault_in_use = fault;
}

/* Whether `value` lies more than `deviations` sample standard deviations above the mean of count >= 2 values. Summed from the oldest on, so that a window
 * read back from a checkpoint gives the same bits. */
static bool is_spike(const double *values, size_t count, double deviations, double value)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    const double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return value - mean > deviations * sqrt(squares / (double)(count - 1));
}

enum guard_verdict guard_check(const struct guard_settings *settings, const struct guard_window *window, double loss,
                               double norm)
{
    if (!isfinite(loss) || !isfinite(norm))
        return GUARD_NOT_FINITE;
    if (settings->norm_max > 0 && norm > settings->norm_max)
        return GUARD_NORM_BOUND;
    const size_t count = Q_MIN(window->count, (size_t)settings->window), first = window->count - count;
    if (!(settings->deviations > 0) || count < 2 || count < settings->window / 2)
        return GUARD_FINE;
    if (is_spike(window->losses + first, count, settings->deviations, loss))
        return GUARD_LOSS_SPIKE;
    return is_spike(window->norms + first, count, settings->deviations, norm) ? GUARD_NORM_SPIKE : GUARD_FINE;
}

const char *guard_verdict_text(enum guard_verdict verdict)
{
    static const char *const texts[] = {"nothing is wrong", "the loss or the gradient's norm is no number any more",
                                        "the gradient's norm is over 'train.guard.norm_max'", "the loss is a spike",
                                        "the gradient's norm is a spike"};
    return texts[verdict];
}

void guard_accept(const struct guard_settings *settings, struct guard_window *window, double loss, double norm)
{
    const size_t most = (size_t)settings->window;
    q_check(most > 0 && most <= GUARD_WINDOW_MAX);
    if (window->count >= most) {
        const size_t stay = most - 1, first = window->count - stay;
        memmove(window->losses, window->losses + first, stay * sizeof *window->losses);
        memmove(window->norms, window->norms + first, stay * sizeof *window->norms);
        window->count = stay;
    }
    window->losses[window->count] = loss;
    window->norms[window->count] = norm;
    window->count++;
}

static q_status put_values(json_t *object, const char *key, const double *values, size_t count)
{
    json_t *list = json_array();
    Q_TRY(q_json_set(object, key, list));
    for (size_t i = 0; i < count; i++)
        Q_TRY(q_json_push(list, json_real(values[i])));
    return Q_OK;
}

q_status guard_window_json(const struct guard_window *window, json_t **out)
{
    json_t *json = json_object();
    if (!json)
        return q_fail(Q_ERR_MEMORY, "no memory for the guard's window");
    q_status status = put_values(json, "losses", window->losses, window->count);
    if (!status)
        status = put_values(json, "norms", window->norms, window->count);
    if (status)
        json_decref(json);
    else
        *out = json;
    return status;
}

static q_status read_values(const json_t *json, const char *name, const char *key, double *values, size_t *count)
{
    json_t *list, *value;
    size_t i;
    Q_TRY(q_json_get_array(json, name, key, &list));
    if (json_array_size(list) > GUARD_WINDOW_MAX)
        return q_fail(Q_ERR_INPUT, "%s: '%s' of the guard's window has more than %d values", name, key,
                      GUARD_WINDOW_MAX);
    json_array_foreach(list, i, value)
    {
        if (!json_is_number(value))
            return q_fail(Q_ERR_INPUT, "%s: '%s' of the guard's window holds something that is no number", name, key);
        values[i] = json_number_value(value);
    }
    *count = json_array_size(list);
    return Q_OK;
}

q_status guard_window_read(const json_t *json, const char *name, struct guard_window *out)
{
    size_t norms;
    out->count = 0;
    if (!json)
        return Q_OK;
    Q_TRY(read_values(json, name, "losses", out->losses, &out->count));
    Q_TRY(read_values(json, name, "norms", out->norms, &norms));
    if (norms != out->count)
        return q_fail(Q_ERR_INPUT, "%s: the guard's window has %zu losses and %zu norms", name, out->count, norms);
    return Q_OK;
}
