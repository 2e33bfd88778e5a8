/* occ.h - the optimistic scheme: newest reads, kept consistent at every moment, validated at commit.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_OCC_OCC_H
#define VARVE_OCC_OCC_H

#include "cc/cc.h"

extern const struct vcc_ops vox_ops;

#endif
