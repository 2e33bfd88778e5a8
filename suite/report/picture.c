/* picture.c - the pictures of picture.h: a scene is made, drawn and released; and how text is escaped.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/picture.h"

#include "report/scene.h"

void sp_escape(FILE *out, const char *text, size_t size) {
    for (size_t at = 0; at < size;) {
        unsigned bytes = sc_code_point((const unsigned char *)text + at, size - at);
        switch (bytes == 1 ? text[at] : 0) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&#39;", out); break;
        default:
            if (bytes)
                fwrite(text + at, 1, bytes, out);
            else
                fputs("\uFFFD", out);
        }
        at += bytes ? bytes : 1;
    }
}

static int drawn(FILE *out, struct sc_scene *scene, enum sp_form form, unsigned columns) {
    int status = form == SP_SVG   ? sc_svg(out, scene, true)
                 : form == SP_DOT ? sc_dot(out, scene)
                                  : sc_text(out, scene, columns);
    sc_release(scene);
    return status;
}

int sp_svg(FILE *out, const struct hs_history *history, const struct ck_finding *finding, const char *title) {
    struct sc_scene scene;
    int status = sc_from_history(&scene, history, finding, title);
    return status == VARVE_OK ? drawn(out, &scene, SP_SVG, 0) : status;
}

int sp_dot(FILE *out, const struct hs_history *history, const struct ck_finding *finding, const char *title) {
    struct sc_scene scene;
    int status = sc_from_history(&scene, history, finding, title);
    return status == VARVE_OK ? drawn(out, &scene, SP_DOT, 0) : status;
}

int sp_text(FILE *out, const struct hs_history *history, const struct ck_finding *finding, unsigned columns) {
    struct sc_scene scene;
    int status = sc_from_history(&scene, history, finding, "");
    return status == VARVE_OK ? drawn(out, &scene, SP_TEXT, columns) : status;
}

int sp_run(FILE *out, enum sp_form form, const struct ss_schedule *schedule, const struct ss_run *run,
           const char *title, unsigned columns) {
    struct sc_scene scene;
    int status = sc_from_run(&scene, schedule, run, title);
    return status == VARVE_OK ? drawn(out, &scene, form, columns) : status;
}
