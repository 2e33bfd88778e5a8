/* locking.h - the face of the locking scheme: strict two-phase locking with locks in the records.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_LOCKING_LOCKING_H
#define VARVE_LOCKING_LOCKING_H

#include "cc/cc.h"

extern const struct vcc_ops vlk_ops; /* "2pl"; what an escalated transaction runs under in every scheme */

#endif
