/* certify_int.h - private to src/certify.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_CERTIFY_CERTIFY_INT_H
#define VARVE_CERTIFY_CERTIFY_INT_H

/* In vcc_read_entry.seen: VST_BUSY's place, which VST_TID_MASK leaves free. */
#define VCT_EXISTENCE ((uint64_t)1)

#endif
