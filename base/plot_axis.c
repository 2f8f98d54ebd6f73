#include "base/plot_axis.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>

/* The round step (1, 2 or 5 times a power of ten) that cuts `span` into about `wanted` pieces: Heckbert, "Nice numbers
 * for graph labels", Graphics Gems, 1990. */
static double round_step(double span, unsigned wanted)
{
    double raw = span / wanted, power = pow(10, floor(log10(raw))), rest = raw / power;
    return power * (rest < 1.5 ? 1 : rest < 3 ? 2 : rest < 7 ? 5 : 10);
}

static void fit_linear(struct q_axis *axis, bool round, unsigned wanted)
{
    double first, last;
    do { /* a step that leaves one tick or none between the ends is made finer */
        axis->step = round_step(axis->max - axis->min, wanted++);
        first = ceil(axis->min / axis->step - 1e-9);
        last = floor(axis->max / axis->step + 1e-9);
    } while (last - first < 1 && !round);
    if (round) {
        first = floor(axis->min / axis->step + 1e-9);
        last = ceil(axis->max / axis->step - 1e-9);
        axis->min = first * axis->step;
        axis->max = last * axis->step;
    }
    for (double i = first; i <= last && axis->tick_count < Q_PLOT_TICKS_MAX; i++)
        axis->ticks[axis->tick_count++] = i * axis->step;
}

/* Ticks at powers of ten, thinned where there are many; with fewer than two, at 2 and 5 times them as well. */
static void fit_log(struct q_axis *axis, bool round, unsigned wanted)
{
    double low = floor(log10(axis->min) + 1e-9), high = ceil(log10(axis->max) - 1e-9);
    if (round) {
        axis->min = pow(10, low);
        axis->max = pow(10, high);
    }
    if (axis->max < axis->min * 8) { /* less than a decade: round values between its ends, as on a linear axis */
        fit_linear(axis, false, wanted);
        return;
    }
    double decades = log10(axis->max) - log10(axis->min), stride = ceil((high - low + 1) / (wanted + 1));
    static const double all[] = {1, 2, 5};
    size_t marks = decades < 2.5 ? Q_COUNT_OF(all) : 1;
    for (double d = low; d <= high && axis->tick_count + marks <= Q_PLOT_TICKS_MAX; d += stride)
        for (size_t i = 0; i < marks; i++) {
            double tick = all[i] * pow(10, d);
            if (tick >= axis->min * (1 - 1e-9) && tick <= axis->max * (1 + 1e-9))
                axis->ticks[axis->tick_count++] = tick;
        }
}

void q_axis_fit(struct q_axis *axis, double low, double high, bool log, bool round, unsigned wanted)
{
    axis->tick_count = 0;
    axis->step = 0;
    axis->log = log;
    bool fit = isfinite(low) && isfinite(high) && low <= high && (!log || low > 0);
    if (!fit) {
        low = log ? 1 : 0;
        high = log ? 10 : 1;
    }
    /* One value alone, or a span lost in rounding: some room around it. */
    if (!(high - low > fmax(fabs(high) * 1e-12, 1e-290))) {
        double room = low == 0 ? 1 : fabs(low) * 0.5;
        high += room;
        low = log ? low / 2 : low > 0 && low - room < 0 ? 0 : low - room;
    }
    /* Ends so far apart that their difference is no number are drawn cut. */
    axis->min = fmax(low, log ? 1e-300 : -1e300);
    axis->max = fmin(high, 1e300);
    if (log)
        fit_log(axis, round, wanted);
    else
        fit_linear(axis, round, wanted);
}

double q_axis_place(const struct q_axis *axis, double value)
{
    if (isnan(value))
        value = axis->min;
    value = fmin(fmax(value, axis->min), axis->max);
    double share = axis->log ? (log(value) - log(axis->min)) / (log(axis->max) - log(axis->min))
                             : (value - axis->min) / (axis->max - axis->min);
    return axis->low_at + share * (axis->high_at - axis->low_at);
}

/* Puts commas between thousands into "[-]DIGITS[.DIGITS]". */
static void group_thousands(const char *plain, char out[Q_PLOT_TEXT])
{
    size_t digits = 0, used = 0;
    if (*plain == '-')
        out[used++] = *plain++;
    while (plain[digits] >= '0' && plain[digits] <= '9')
        digits++;
    for (size_t i = 0; i < digits; i++) {
        if (i && (digits - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = plain[i];
    }
    for (plain += digits; *plain && used < Q_PLOT_TEXT - 1; plain++)
        out[used++] = *plain;
    out[used] = 0;
}

/* "2.2e-04" as "2.2e-4". */
static void shorten_exponent(char *text)
{
    char *e = strchr(text, 'e');
    if (!e)
        return;
    char *to = e + 1, *from = e + 1;
    if (*from == '-')
        *to++ = *from++;
    else if (*from == '+')
        from++;
    while (*from == '0' && from[1])
        from++;
    memmove(to, from, strlen(from) + 1);
}

/* The value with `digits` digits behind the point. */
static void fixed(char out[Q_PLOT_TEXT], double value, int digits)
{
    char plain[Q_PLOT_TEXT];
    snprintf(plain, sizeof plain, "%.*f", digits, value);
    if (plain[0] == '-' && strspn(plain, "-0.") == strlen(plain)) /* no "-0.00" */
        memmove(plain, plain + 1, strlen(plain));
    group_thousands(plain, out);
}

/* Takes the zeros off the end of a fraction: "2.500" is "2.5". */
static void strip_zeros(char *text)
{
    if (!strchr(text, '.'))
        return;
    size_t size = strlen(text);
    while (text[size - 1] == '0')
        size--;
    text[text[size - 1] == '.' ? size - 1 : size] = 0;
}

char *q_plot_number(char out[Q_PLOT_TEXT], double value)
{
    double size = fabs(value);
    if (!isfinite(value))
        snprintf(out, Q_PLOT_TEXT, "%s", isnan(value) ? "no value" : value > 0 ? "infinite" : "-infinite");
    else if (size < 1e15 && value == floor(value))
        fixed(out, value, 0);
    else if (size >= 1e15 || size < 1e-3) {
        snprintf(out, Q_PLOT_TEXT, "%.3g", value);
        shorten_exponent(out);
    } else {
        fixed(out, value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.1 ? 3 : 5);
        strip_zeros(out);
    }
    return out;
}

struct scale {
    double size;
    const char *suffix;
};

/* The largest scale not above `size`; NULL below the smallest. */
static const struct scale *scale_of(double size, const struct scale *scales, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (size >= scales[i].size)
            return &scales[i];
    return NULL;
}

static const struct scale counts[] = {{1e12, " T"}, {1e9, " B"}, {1e6, " M"}};
static const struct scale bytes[] = {{1e12, " TB"}, {1e9, " GB"}, {1e6, " MB"}, {1e3, " kB"}, {0, " B"}};

char *q_plot_short(char out[Q_PLOT_TEXT], double value, const char *unit)
{
    bool in_bytes = unit && !strcmp(unit, "bytes");
    double size = fabs(value);
    if (!isfinite(value) || size >= 1e15)
        return q_plot_number(out, value);
    const struct scale *scale =
        in_bytes ? scale_of(size, bytes, Q_COUNT_OF(bytes)) : scale_of(size, counts, Q_COUNT_OF(counts));
    if (!scale)
        return q_plot_number(out, value);
    if (scale->size == 0) {
        fixed(out, value, 0);
    } else {
        double scaled = value / scale->size;
        fixed(out, scaled, fabs(scaled) >= 100 ? 0 : fabs(scaled) >= 10 ? 1 : 2);
    }
    size_t used = strlen(out);
    snprintf(out + used, Q_PLOT_TEXT - used, "%s", scale->suffix);
    return out;
}

void q_axis_tick_text(const struct q_axis *axis, double tick, char out[Q_PLOT_TEXT])
{
    bool powers = axis->step == 0; /* each tick has a size of its own */
    double reach = powers ? fabs(tick) : fmax(fabs(axis->min), fabs(axis->max));
    double step = powers ? fabs(tick) : axis->step;
    const struct scale *scale = reach < 1e15 && tick != 0 ? scale_of(reach, counts, Q_COUNT_OF(counts)) : NULL;
    double unit = scale ? scale->size : 1;
    if (reach >= 1e15 || step / unit < (powers ? 0.999e-2 : 0.999e-4)) {
        if (powers)
            snprintf(out, Q_PLOT_TEXT, "%.0e", tick);
        else
            snprintf(out, Q_PLOT_TEXT, "%.3g", tick);
        shorten_exponent(out);
        return;
    }
    int digits = (int)fmax(0, -floor(log10(step / unit) + 1e-9));
    fixed(out, tick / unit, tick == 0 ? 0 : digits);
    size_t used = strlen(out);
    snprintf(out + used, Q_PLOT_TEXT - used, "%s", scale ? scale->suffix : "");
}
