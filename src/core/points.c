/* points.c - the names of the places in points.h. Defines nothing outside test builds.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/points.h"

#ifdef VARVE_TEST_POINTS

#define VK_POINT_NAME(point, name, when) name,
const char *const vk_point_names[VK_POINT_COUNT] = {VK_POINTS(VK_POINT_NAME)};
const char *const vk_fault_names[VK_FAULT_COUNT] = {VK_FAULTS(VK_POINT_NAME)};

#endif
