/* chart.c - charts as SVG: bars with ranges, and lines over linear, logarithmic and quantile axes.
 *
 * A chart is 420 units wide, so that its text can be read where it is scaled to a narrow screen; colours are variables of
 * the page, so that light and dark are one picture. Every mark has a title with its number.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <math.h>
#include <string.h>

#include "bench/report/page_int.h"

enum { WIDE = 420, LEFT = 62, RIGHT = 30, TOP = 26, HIGH = 262, BOTTOM = 44, BAR_ROW = 40 };

struct axis {
    enum bp_scale scale;
    double low, high;   /* values at the ends */
    double from, to;    /* places of the ends */
};

static double bent(enum bp_scale scale, double value) {
    if (scale == BP_LOG) return log10(value > 1e-12 ? value : 1e-12);
    if (scale == BP_NINES) return -log10(value < 0.9999999 ? 1 - value : 1e-7);
    return value;
}

static double place(const struct axis *axis, double value) {
    double low = bent(axis->scale, axis->low), high = bent(axis->scale, axis->high);
    if (high <= low) return axis->from;
    return axis->from + (bent(axis->scale, value) - low) / (high - low) * (axis->to - axis->from);
}

/* A round number at least as large as a fifth of the span: 1, 2 or 5 times a power of ten. */
static double step_of(double span) {
    double raw = span / 4, ten = pow(10, floor(log10(raw > 0 ? raw : 1)));
    if (raw <= ten) return ten;
    if (raw <= 2 * ten) return 2 * ten;
    return raw <= 5 * ten ? 5 * ten : 10 * ten;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void find_range(const struct bp_lines *chart, bool of_x, struct axis *axis) {
    double low = INFINITY, high = -INFINITY;
    for (unsigned s = 0; s < chart->count; s++)
        for (unsigned i = 0; i < chart->series[s].count; i++) {
            double value = of_x ? chart->series[s].x[i] : chart->series[s].y[i];
            if (value < low) low = value;
            if (value > high) high = value;
        }
    axis->scale = of_x ? chart->x_scale : chart->y_scale;
    if (axis->scale == BP_LOG) {
        low = pow(10, floor(log10(low > 1e-9 ? low : 1e-9) + 1e-9));
        high = pow(10, ceil(log10(high > 1e-9 ? high : 1e-9) - 1e-9));
        if (high <= low) high = 10 * low;
    } else if (axis->scale == BP_LINEAR) {
        if (!of_x) low = 0;
        if (high <= low) high = low + (of_x || low != 0 ? 1 : 1e-9);
        double step = step_of(high - low);
        if (!of_x) high = ceil(high / step - 1e-9) * step;
    }
    axis->low = low;
    axis->high = high;
}

static void x_tick(FILE *out, const struct bp_lines *chart, const struct axis *x, double value, double *last) {
    char text[32];
    double at = place(x, value);
    if (at - *last < (x->scale == BP_NINES ? 52 : 34)) return;
    *last = at;
    chart->x_text(text, value);
    fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", at, at, TOP, HIGH - BOTTOM);
    fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s</text>\n", at, HIGH - BOTTOM + 16,
            at > WIDE - 28 ? "end" : "middle", text);
}

static void x_ticks(FILE *out, const struct bp_lines *chart, const struct axis *x) {
    static const double nines[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999};
    double last = -100;
    if (x->scale == BP_NINES) {
        for (unsigned i = 0; i < 6; i++)
            if (nines[i] >= x->low && nines[i] <= x->high) x_tick(out, chart, x, nines[i], &last);
        return;
    }
    if (chart->dots) { /* a list was measured: its values are the ticks */
        for (double next = -INFINITY;;) {
            double best = INFINITY;
            for (unsigned s = 0; s < chart->count; s++)
                for (unsigned i = 0; i < chart->series[s].count; i++)
                    if (chart->series[s].x[i] > next && chart->series[s].x[i] < best) best = chart->series[s].x[i];
            if (isinf(best)) return;
            x_tick(out, chart, x, best, &last);
            next = best;
        }
    }
    double step = step_of(x->high - x->low);
    for (double v = ceil(x->low / step) * step; v <= x->high + step * 1e-6; v += step) x_tick(out, chart, x, v, &last);
}

static void y_tick(FILE *out, const struct bp_lines *chart, const struct axis *y, double value) {
    char text[32];
    double at = place(y, value);
    chart->y_text(text, value);
    fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDE - RIGHT, at, at);
    fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 6, at + 4, text);
}

static void y_ticks(FILE *out, const struct bp_lines *chart, const struct axis *y) {
    if (y->scale == BP_LOG) {
        double decades = log10(y->high / y->low), stride = decades > 6 ? 100 : 10;
        for (double v = y->low; v <= y->high * 1.0001; v *= stride) y_tick(out, chart, y, v);
        return;
    }
    double step = step_of(y->high - y->low);
    for (double v = y->low; v <= y->high + step * 1e-6; v += step) y_tick(out, chart, y, v);
}

static void draw_series(FILE *out, const struct bp_lines *chart, const struct bp_series *s, const struct axis *x,
                        const struct axis *y) {
    char across[32], up[32];
    fprintf(out, "<g class=\"c%u\"><polyline class=\"line d%u\" points=\"", s->colour, s->dash);
    for (unsigned i = 0; i < s->count; i++)
        fprintf(out, "%s%.1f,%.1f", i != 0 ? " " : "", place(x, s->x[i]), place(y, s->y[i]));
    fputs("\"/>\n", out);
    for (unsigned i = 0; i < s->count; i++) {
        chart->x_text(across, s->x[i]);
        chart->y_text(up, s->y[i]);
        fprintf(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>", chart->dots ? "dot" : "spot",
                place(x, s->x[i]), place(y, s->y[i]), chart->dots ? "3.5" : "5");
        bp_text(out, s->name);
        fprintf(out, ", %s: %s</title></circle>", across, up);
    }
    fputs("</g>\n", out);
}

static void draw_legend(FILE *out, const struct bp_lines *chart) {
    fputs("<ul class=\"key\">\n", out);
    for (unsigned s = 0; s < chart->count; s++) {
        const struct bp_series *series = &chart->series[s];
        fprintf(out, "<li><svg class=\"c%u\" viewBox=\"0 0 24 8\" width=\"24\" height=\"8\" aria-hidden=\"true\">"
                "<line class=\"line d%u\" x1=\"0\" x2=\"24\" y1=\"4\" y2=\"4\"/></svg>", series->colour, series->dash);
        bp_text(out, series->name);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

void bp_draw_lines(FILE *out, const struct bp_lines *chart) {
    struct axis x = {.from = LEFT, .to = WIDE - RIGHT}, y = {.from = HIGH - BOTTOM, .to = TOP};
    unsigned points = 0;
    for (unsigned s = 0; s < chart->count; s++) points += chart->series[s].count;
    if (points == 0) return;
    find_range(chart, true, &x);
    find_range(chart, false, &y);
    fputs("<figure>\n<figcaption>", out);
    bp_text(out, chart->title);
    fprintf(out, "</figcaption>\n<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "xmlns=\"http://www.w3.org/2000/svg\"><title>", WIDE, HIGH);
    bp_text(out, chart->title);
    fputs("</title>\n", out);
    y_ticks(out, chart, &y);
    x_ticks(out, chart, &x);
    fprintf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", LEFT, WIDE - RIGHT, HIGH - BOTTOM,
            HIGH - BOTTOM);
    fprintf(out, "<text class=\"name\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (LEFT + WIDE - RIGHT) / 2,
            HIGH - 8, chart->x_name);
    fprintf(out, "<text class=\"name\" x=\"4\" y=\"12\">%s</text>\n", chart->y_name);
    for (unsigned s = 0; s < chart->count; s++) draw_series(out, chart, &chart->series[s], &x, &y);
    fputs("</svg>\n", out);
    draw_legend(out, chart);
    fputs("</figure>\n", out);
}

/* --- bars --------------------------------------------------------------------------------------------------------- */

static void draw_bar(FILE *out, const struct bp_bar *bar, double most, unsigned row) {
    double top = row * BAR_ROW + 4, scale = (WIDE - 8) / (most > 0 ? most : 1);
    char value[32], least[32], high[32];
    bp_count(value, bar->value);
    bp_count(least, bar->least);
    bp_count(high, bar->most);
    fprintf(out, "<g class=\"c%u\"><text x=\"4\" y=\"%.1f\">", bar->colour, top + 11);
    bp_text(out, bar->name);
    if (bar->note[0] != 0) {
        fputs("<tspan class=\"note\">  ", out);
        bp_text(out, bar->note);
        fputs("</tspan>", out);
    }
    fputs("</text>", out);
    if (bar->value > 0) {
        fprintf(out, "<text class=\"value\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>", WIDE - 4, top + 11, value);
        fprintf(out, "<rect class=\"bar\" x=\"4\" y=\"%.1f\" width=\"%.1f\" height=\"13\" rx=\"3\"><title>", top + 17,
                bar->value * scale > 1 ? bar->value * scale : 1);
        bp_text(out, bar->name);
        fprintf(out, ": %s a second, from %s to %s</title></rect>", value, least, high);
    }
    if (bar->most > bar->least)
        fprintf(out, "<path class=\"range\" d=\"M%.1f %.1fv9m0-4.5H%.1fm0-4.5v9\"/>", 4 + bar->least * scale, top + 19,
                4 + bar->most * scale);
    fputs("</g>\n", out);
}

void bp_draw_bars(FILE *out, const char *title, const struct bp_bar *bars, unsigned count) {
    double most = 0;
    if (count == 0) return;
    for (unsigned i = 0; i < count; i++) {
        if (bars[i].most > most) most = bars[i].most;
        if (bars[i].value > most) most = bars[i].value;
    }
    fputs("<figure>\n<figcaption>", out);
    bp_text(out, title);
    fprintf(out, "</figcaption>\n<svg class=\"chart\" viewBox=\"0 0 %d %u\" role=\"img\" "
            "xmlns=\"http://www.w3.org/2000/svg\"><title>", WIDE, count * BAR_ROW + 4);
    bp_text(out, title);
    fputs("</title>\n", out);
    for (unsigned i = 0; i < count; i++) draw_bar(out, &bars[i], most, i);
    fputs("</svg>\n</figure>\n", out);
}
