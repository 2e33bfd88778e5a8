/* experiment.h - constants of the engine that an experiment may replace, to find out by measurement which is right.
 *
 * With VARVE_EXPERIMENTS, which only the program bench/experiments.c and its test are built with, VB_SETTING asks a
 * variable of the process first. Without it, as in every library a user gets, VB_SETTING is the constant: there is no
 * option, no branch and no variable. vb_experiment is set while no call of the library runs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BASE_EXPERIMENT_H
#define VARVE_BASE_EXPERIMENT_H

#ifdef VARVE_EXPERIMENTS

#include <stddef.h>
#include <stdint.h>

/* Negative, or NULL: as the engine has it. */
struct vb_experiment {
    int recheck_factor; /* what snapshot extension may spend, in reads checked again for each read; 0: none is made */
    int escalate_after; /* aborts in a row before an attempt under locks */
    /* The longest pause after so many aborts in a row, the last with this status; 0: none. mean_ns: of an attempt. */
    uint64_t (*pause_limit_ns)(int status, unsigned aborts, uint64_t mean_ns);
};
extern struct vb_experiment vb_experiment;
#define VB_EXPERIMENT_NONE {-1, -1, NULL}
#define VB_SETTING(name, constant) (vb_experiment.name >= 0 ? (unsigned)vb_experiment.name : (unsigned)(constant))

#else
#define VB_SETTING(name, constant) ((unsigned)(constant))
#endif

#endif
