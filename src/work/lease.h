/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds an upload's lease: lease_holder() names the process; a mark of one's own behind it tells two
 * uploads of one process apart, so that a slow one never takes a later one's lease for its own. */
#ifndef WORK_LEASE_H
#define WORK_LEASE_H

#include "model/model.h"

enum { HOLDER_TEXT_MAX = 300 };

/* Names this process and this piece of work. */
void holder_make(char out[HOLDER_TEXT_MAX]);
/* Whether its process is known to be dead. */
bool holder_dead(const char *holder);

/* When a lease that is taken or renewed now runs out. */
int64_t lease_expiry(void);

static inline void arena_end(struct arena **a) /* for CLEANUP */
{
    arena_free(*a);
}

#endif
