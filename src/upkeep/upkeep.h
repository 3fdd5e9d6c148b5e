/* SPDX-License-Identifier: Apache-2.0 */
/* Cleans up after processes that died, and after data that could not be removed when its image was. */
#ifndef UPKEEP_UPKEEP_H
#define UPKEEP_UPKEEP_H

#include "base/base.h"
#include "db/db.h"
#include "store/store.h"

struct upkeep_counts {
    size_t uploads, objects, files, tasks;
};
/* One round of cleaning up: leases whose holder is dead or that ran out (image back to queued, its object
 * removed), trash, stale temporary files, staged files that nobody needs, tasks whose time is over. Safe to
 * run in several processes at once. */
int upkeep_round(struct db *db, struct stores *stores, struct upkeep_counts *ret, struct error *e) MUST_CHECK;

/* ---- what is left in the staging directory (staging.c) ----
 *
 * Files <image id> and <image id>.suffix whose image needs them no more; no others are looked at. Safe beside
 * hosts that share the directory. */

enum { STAGING_AGE_SECONDS = 3600 };
struct staging_look {
    struct db *db;
    const char *dir;
    int64_t age_us; /* what was written since then is left alone: a Glance beside us may be at it */
};
/* Returns -1 to end. */
typedef int staging_tell(void *arg, const char *name, const char *why, struct error *e);
/* Tells of each; it may be removed while it is told of. */
int staging_leftovers(const struct staging_look *l, staging_tell *tell, void *arg,
                      struct error *e) MUST_CHECK;
/* *ret: it was still so, and the file is gone. */
int staging_discard(const struct staging_look *l, const char *name, bool *ret, struct error *e) MUST_CHECK;
/* Drops the records of staged data that are not needed any more; *ret: of how many images. */
int staging_rows_tidy(struct db *db, size_t *ret, struct error *e) MUST_CHECK;
/* One round: all of that is removed; *ret: files. Those that could not be do not keep the others. */
int staging_clean(const struct staging_look *l, size_t *ret, struct error *e) MUST_CHECK;

#endif
