/* SPDX-License-Identifier: Apache-2.0 */
/* Compares stores, staging directory and database, tells what does not fit together, and puts right what can
 * be without losing anything.
 *
 * Safe on a live service, also with age_us 0, whatever servers and workers of ours are doing: their leases,
 * jobs and locks are written before they begin. A real Glance beside us writes nothing down for some of its
 * work; what was changed within age_us is left to it.
 *
 * Every finding is looked at a second time before it is told; a repair does that within the transaction that
 * repairs, in which nobody can begin anything. No data is ever deleted: what nobody owns is set aside. */
#ifndef UPKEEP_DOCTOR_DOCTOR_H
#define UPKEEP_DOCTOR_DOCTOR_H

#include "db/db.h"
#include "peers/hosts.h"
#include "store/store.h"

enum finding_kind {
    FINDING_LEASE,
    FINDING_TRASH,
    FINDING_JOB,
    FINDING_LOCK,
    FINDING_TASK,
    FINDING_NOTE,
    FINDING_SAVING,
    FINDING_UPLOADING,
    FINDING_IMPORTING,
    FINDING_STAGED,
    FINDING_BARE,
    FINDING_NO_STORE,
    FINDING_MISSING,
    FINDING_UNREADABLE,
    FINDING_SIZE,
    FINDING_HASH,
    FINDING_ORPHAN,
    FINDING_KINDS
};
const char *finding_name(enum finding_kind k); /* "stale-lock" …: for scripts, stays as it is */

/* Texts are valid while it is told. */
struct finding {
    enum finding_kind kind;
    const char *image_id, *store, *what; /* NULL: none; what: a URL, a file, the id of a task or job */
    const char *text;                    /* for people */
    bool repaired;
    const char *repair; /* what was done, or why it could not be; NULL: nothing was to be done here */
};

struct doctor_options {
    struct db *db;
    struct stores *stores;
    struct hosts hosts;
    const char *store; /* only what this store has; NULL: everything but what is at other people's servers */
    bool repair, hash; /* hash: read all data */
    int64_t age_us;
    int64_t rate; /* bytes a second to read for hashes; 0: as fast as it goes */
    void (*tell)(void *arg, const struct finding *f);
    /* One check could not be done; the others go on. */
    void (*trouble)(void *arg, const char *check, const struct error *e);
    void *arg;
};
struct doctor_counts {
    size_t findings, repaired, troubles;
    int64_t copies, objects; /* looked at */
};
void doctor_run(const struct doctor_options *o, struct doctor_counts *ret);

#endif
