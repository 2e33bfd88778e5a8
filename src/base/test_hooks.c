/* test_hooks.c - the process-wide variables of test builds and experiments. Defines nothing in any other build.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/test_hooks.h"

#include "base/experiment.h"
#include "base/planted.h"

#ifdef VARVE_TEST_POINTS
struct vb_test_hooks vb_test_hooks;
#endif
#ifdef VARVE_PLANTED
unsigned vb_planted;
#endif
#ifdef VARVE_EXPERIMENTS
struct vb_experiment vb_experiment = VB_EXPERIMENT_NONE;
#endif
