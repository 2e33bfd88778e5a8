/* plugins.c - the list of schemes. The only file that names them; a new one costs a folder and a line here.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "db/db_int.h"
#include "locking/locking.h"
#include "mvcc/mvcc.h"
#include "occ/occ.h"

static const struct vcc_ops *const schemes[] = {&vmv_ops, &vlk_ops, &vox_ops};
const char *const vdb_scheme_names[] = {"mvcc", "2pl", "occ", NULL};

const struct vcc_ops *vdb_scheme(const char *name) {
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strcmp(schemes[i]->name, name) == 0 && vcc_ops_complete(schemes[i])) return schemes[i];
    return NULL;
}

const struct vcc_ops *vdb_scheme_locking(void) { return &vlk_ops; }
