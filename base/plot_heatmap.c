#include "base/check.h"
#include "base/plot_axis.h"

#include <math.h>
#include <stdio.h>

enum {
    LABEL_MAX = 180,
    KEY_HEIGHT = 40,
    CELL_HEIGHT_MAX = 28,
    CELL_HEIGHT_MIN = 4,
    HEADER_MAX = 96,
    CELLS_MAX = 100000,
    TITLED_MAX = 2000, /* cells that each have a hover title */
    LEVELS = 16,       /* shades of a larger grid */
};

struct grid {
    const struct q_heatmap *map;
    bool beyond;      /* some value lies above the scale's end */
    double low, high; /* of the values that are numbers; low > high where there are none */
    double left, top, cell_width, cell_height;
    bool with_text, slanted;
};

/* How strong a cell is shaded, 0.04 .. 1: even the least is told from an empty one, which is only outlined. */
static double shade(const struct grid *grid, double value)
{
    if (!(grid->high > grid->low))
        return 0.5;
    return 0.04 + 0.96 * fmin(fmax((value - grid->low) / (grid->high - grid->low), 0), 1);
}

static double widest(const char *const *labels, size_t count)
{
    double width = 0;
    for (size_t i = 0; labels && i < count; i++)
        width = fmax(width, q_plot_text_width(q_string_of(labels[i]), Q_PLOT_FONT));
    return width;
}

/* Cell sizes from what is to be shown: text in the cells where the widest fits, column labels level where they fit,
 * slanted where not. */
static struct grid lay_out(const struct q_heatmap *map)
{
    struct grid grid = {.map = map, .low = INFINITY, .high = -INFINITY};
    double text_width = 0;
    for (size_t i = 0; i < map->rows * map->columns; i++)
        if (isfinite(map->values[i])) {
            char text[Q_PLOT_TEXT];
            grid.low = fmin(grid.low, map->values[i]);
            grid.high = fmax(grid.high, map->values[i]);
            text_width = fmax(
                text_width, q_plot_text_width(q_string_of(q_plot_short(text, map->values[i], map->unit)), Q_PLOT_FONT));
        }
    if (map->high > map->low && grid.low <= grid.high) {
        grid.beyond = grid.high > map->high;
        grid.low = map->low;
        grid.high = map->high;
    }
    grid.left = fmin(widest(map->row_labels, map->rows), LABEL_MAX) + 10;
    double header = widest(map->column_labels, map->columns), room = Q_PLOT_WIDTH - 8 - grid.left;
    grid.slanted = header + 6 > fmin(room / (double)map->columns, 96);
    if (grid.slanted) /* the last label leans out over the grid */
        room -= fmin(header, HEADER_MAX) * 0.72 - 8;
    grid.cell_width = fmin(room / (double)map->columns, 96);
    grid.cell_height = fmin(fmax(480.0 / (double)map->rows, CELL_HEIGHT_MIN), CELL_HEIGHT_MAX);
    grid.with_text = text_width + 6 <= grid.cell_width && grid.cell_height >= 18;
    grid.top = !map->column_labels ? 4 : grid.slanted ? fmin(header, HEADER_MAX) * 0.75 + 18 : 22;
    return grid;
}

/* The colour of a figure on its cell: whichever of ink and paper stands out more. Where that changes differs between
 * light and dark, so the cells between have a class of their own. */
static const char *ink_on(const struct grid *grid, double value)
{
    double strength = isfinite(value) ? shade(grid, value) : 0;
    return strength > 0.78 ? " class=\"inv\"" : strength > 0.64 ? " class=\"mid\"" : "";
}

static void put_cell(struct q_report *report, const struct grid *grid, size_t row, size_t column)
{
    const struct q_heatmap *map = grid->map;
    double value = map->values[row * map->columns + column];
    double x = grid->left + (double)column * grid->cell_width, y = grid->top + (double)row * grid->cell_height;
    double gap = grid->cell_width > 6 && grid->cell_height > 6 ? 1 : 0;
    char exact[Q_PLOT_TEXT], brief[Q_PLOT_TEXT];
    q_report_put(report, "<g class=\"q\"><title>");
    q_report_put_text(report, q_string_of(map->row_labels[row]));
    if (map->column_labels) {
        q_report_put(report, ", ");
        q_report_put_text(report, q_string_of(map->column_labels[column]));
    } else {
        q_report_put(report, ", column %zu", column + 1);
    }
    q_report_put(report, ": %s</title><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"",
                 q_plot_number(exact, value), isfinite(value) ? "m" : "x", x, y, fmax(grid->cell_width - gap, 0.5),
                 grid->cell_height - gap);
    if (isfinite(value))
        q_report_put(report, " fill-opacity=\"%.2f\"", shade(grid, value));
    q_report_put(report, "/>");
    if (grid->with_text)
        q_report_put(report, "<text%s x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>", ink_on(grid, value),
                     x + (grid->cell_width - gap) / 2, y + grid->cell_height / 2 + 4.5,
                     isfinite(value) ? q_plot_short(brief, value, map->unit) : "\xe2\x80\x93");
    q_report_put(report, "</g>\n");
}

/* A large grid without hover titles, small enough for a page: cells in a row that look alike are one rectangle, and
 * those of a shade one path. */
static void put_large(struct q_report *report, const struct grid *grid)
{
    const struct q_heatmap *map = grid->map;
    for (int level = 0; level < LEVELS; level++) {
        q_report_put(report, "<path class=\"m\" fill-opacity=\"%.2f\" d=\"", 0.04 + 0.96 * level / (LEVELS - 1));
        for (size_t row = 0; row < map->rows; row++) {
            size_t from = 0;
            for (size_t column = 0; column <= map->columns; column++) {
                double value = column < map->columns ? map->values[row * map->columns + column] : NAN;
                if (isfinite(value) && (int)lround((shade(grid, value) - 0.04) / 0.96 * (LEVELS - 1)) == level)
                    continue;
                if (column > from)
                    q_report_put(report, "M%.2f %.1fh%.2fv%.1fh-%.2fz", grid->left + (double)from * grid->cell_width,
                                 grid->top + (double)row * grid->cell_height,
                                 (double)(column - from) * grid->cell_width, grid->cell_height,
                                 (double)(column - from) * grid->cell_width);
                from = column + 1;
            }
        }
        q_report_put(report, "\"/>\n");
    }
}

static void put_cells(struct q_report *report, const struct grid *grid)
{
    if (grid->map->rows * grid->map->columns > TITLED_MAX) {
        put_large(report, grid);
        return;
    }
    for (size_t row = 0; row < grid->map->rows; row++)
        for (size_t column = 0; column < grid->map->columns; column++)
            put_cell(report, grid, row, column);
}

/* Labels of rows and columns; where rows are lower than a line of text, every n-th. */
static void put_labels(struct q_report *report, const struct grid *grid)
{
    const struct q_heatmap *map = grid->map;
    size_t row_stride = (size_t)ceil(14 / grid->cell_height), column_stride = (size_t)ceil(15 / grid->cell_width);
    for (size_t row = 0; row < map->rows; row += row_stride) {
        q_report_put(report, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", grid->left - 6,
                     grid->top + ((double)row + 0.5) * grid->cell_height + 4.5);
        q_plot_put_label(report, q_string_of(map->row_labels[row]), LABEL_MAX, Q_PLOT_FONT);
        q_report_put(report, "</text>\n");
    }
    for (size_t column = 0; map->column_labels && column < map->columns; column += grid->slanted ? column_stride : 1) {
        double x = grid->left + ((double)column + 0.5) * grid->cell_width, y = grid->top - 7;
        if (grid->slanted)
            q_report_put(report, "<text class=\"s\" transform=\"translate(%.1f %.1f) rotate(-45)\">", x, y);
        else
            q_report_put(report, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", x, y);
        q_plot_put_label(report, q_string_of(map->column_labels[column]), HEADER_MAX, Q_PLOT_FONT);
        q_report_put(report, "</text>\n");
    }
}

/* The key below the grid: five shades with the ends' values. */
static void put_key(struct q_report *report, const struct grid *grid, double y)
{
    char least[Q_PLOT_TEXT], most[Q_PLOT_TEXT];
    q_plot_short(least, grid->low, grid->map->unit);
    q_plot_short(most, grid->high, grid->map->unit);
    double x = grid->left + q_plot_text_width(q_string_of(least), Q_PLOT_FONT) + 10;
    q_report_put(report, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\">%s</text>", grid->left, y + 11, least);
    for (int i = 0; i < 5; i++)
        q_report_put(report,
                     "<rect class=\"m\" x=\"%.1f\" y=\"%.1f\" width=\"28\" height=\"13\" fill-opacity=\"%.2f\"/>",
                     x + i * 28, y, 0.04 + 0.24 * i);
    q_report_put(report, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\">%s%s</text>\n", x + 148, y + 11, most,
                 grid->beyond ? " and more" : "");
}

void q_report_heatmap(struct q_report *report, const struct q_heatmap *map)
{
    size_t cells = 0;
    bool fits = q_mul_size(map->rows, map->columns, &cells) && cells <= CELLS_MAX;
    struct grid grid = fits && cells ? lay_out(map) : (struct grid){.low = 1};
    if (grid.low > grid.high) {
        q_plot_nothing(report, map->title);
        if (!fits)
            q_report_warning(report, "The grid of %zu by %zu cells is too large to be drawn.", map->rows, map->columns);
        return;
    }
    char description[200], least[Q_PLOT_TEXT], most[Q_PLOT_TEXT];
    snprintf(description, sizeof description, "%zu rows by %zu columns; values between %s and %s", map->rows,
             map->columns, q_plot_short(least, grid.low, map->unit), q_plot_short(most, grid.high, map->unit));
    double bottom = grid.top + (double)map->rows * grid.cell_height;
    q_plot_begin(report, map->title, map->unit, bottom + KEY_HEIGHT, description);
    put_labels(report, &grid);
    put_cells(report, &grid);
    put_key(report, &grid, bottom + 14);
    q_plot_end(report);
}
