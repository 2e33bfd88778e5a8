/* sm_contract.h - the contract of the levels as data: every phenomenon of the catalogue, and what each level promises
 * about it in each scheme.
 *
 * The promise is per level as it is served; where a scheme serves a stronger level than the one asked for, its promise
 * is that level's. A scheme may exceed the contract and never fall short of it; where it says SM_MUST_SHOW some
 * schedule of the corpus must show the phenomenon there, or the test is too weak or the level mislabelled.
 *
 * Thread rule: constant data.
 * Sources: Adya, Weak Consistency, MIT 1999 (G0 to G2, PL-1 to PL-3); Berenson et al., A Critique of ANSI SQL Isolation
 * Levels, SIGMOD 1995 (P0 to P4, A5); Bailis et al., Highly Available Transactions, VLDB 2014 (OTV, MAV, IMP, PMP);
 * Cerone, Bernardi, Gotsman, A Framework for Transactional Consistency Models with Atomic Visibility, CONCUR 2015;
 * Fekete, O'Neil, O'Neil, A Read-Only Transaction Anomaly under Snapshot Isolation, SIGMOD Record 2004.
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_SUITE_SM_CONTRACT_H
#define VARVE_SUITE_SM_CONTRACT_H

#include "schedule/schedule.h"

enum { SM_PHENOMENA = 42, SM_SERVED_LEVELS = 4 };

enum sm_promise {
    SM_NOT_APPLICABLE, /* the level is not served by the scheme, or does not know the notion */
    SM_MUST_NOT,
    SM_MUST_SHOW,
    SM_UNSPECIFIED,
};
const char *sm_promise_name(enum sm_promise promise); /* "never", "shown", "unspecified", "n/a" */

struct sm_phenomenon {
    const char *id;    /* "D2" */
    const char *group; /* "skew" */
    const char *name;  /* "predicate skew" */
    const char *known; /* its names in the field: "G2"; "" = none */
    const char *about; /* one line */
    const char *note;  /* what differs between schemes, and why; "" = nothing */
    const char
        *cells[SM_SERVED_LEVELS]; /* rc rr si ser, each for mvcc 2pl occ: N never, S shown, U unspecified, - n/a */
};
extern const struct sm_phenomenon sm_phenomena[SM_PHENOMENA];   /* in the order of the catalogue */
const struct sm_phenomenon *sm_phenomenon_find(const char *id); /* NULL: none of that id */

/* What is served for a level asked of a scheme (index into ss_schemes): mvcc serves ru as rc; 2pl and occ serve ru as
 * rc and si as ser. */
varve_isolation sm_served(varve_isolation asked, unsigned scheme);
/* The promise for what is served. */
enum sm_promise sm_promised(const struct sm_phenomenon *phenomenon, varve_isolation asked, unsigned scheme);

#endif
