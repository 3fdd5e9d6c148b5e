/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds an upload's lease: lease_holder() names the process; a mark of one's own behind it tells two
 * uploads of one process apart, so that a slow one never takes a later one's lease for its own. */
#ifndef TRANSFER_LEASE_H
#define TRANSFER_LEASE_H

#include "model/model.h"

enum {
    HOLDER_TEXT_MAX = 300,
    LEASE_SECONDS = 180, /* how long an uploader is believed without a sign of life; well above the longest
                            body_timeout, after which a silent client is given up */
    LEASE_RENEW_SECONDS = 10,
};

/* Names this process and this piece of work. */
void holder_make(char out[HOLDER_TEXT_MAX]);
/* Whether its process is known to be dead. */
bool holder_dead(const char *holder);

/* When a lease that is taken or renewed now runs out. */
int64_t lease_expiry(void);

/* Within the unit that gives an upload up: its image is queued again, and the lease ends. ERROR_CONFLICT: the
 * lease is another's. */
int lease_give_back(struct db_conn *c, const char *image_id, const char *holder, enum image_status from,
                    struct error *e) MUST_CHECK;
/* went_through() of such a unit. */
int lease_given_back(struct db_conn *c, const char *image_id, const char *holder, bool *ret,
                     struct error *e) MUST_CHECK;

/* Leases of others, as one watcher sees them. Clocks of different hosts may be hours apart, and one may jump:
 * so nobody's date counts, but that a lease was not renewed for as long as it lasts, by the watcher's own
 * monotonic clock. One thread at a time. */
struct lease_watch {
    struct lease_seen *items;
    size_t n, cap;
    int64_t patience_us; /* how long a lease lasts */
};
/* Whether the lease of that id is over: its holder is dead, or it stood unchanged for patience_us. One that
 * expires at 0 was ended by hand. */
bool lease_over(struct lease_watch *w, const char *id, const char *holder, int64_t expires_us);
/* Forgets what lease_over() was not asked about since the last call. */
void lease_watch_tidy(struct lease_watch *w);
void lease_watch_done(struct lease_watch *w);

#endif
