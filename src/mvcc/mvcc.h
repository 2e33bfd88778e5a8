/* mvcc.h - the multiversion scheme: reads at a snapshot, validated at commit where the level asks for it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_MVCC_MVCC_H
#define VARVE_MVCC_MVCC_H

#include "cc/cc.h"

extern const struct vcc_ops vmv_ops;

#endif
