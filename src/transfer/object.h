/* SPDX-License-Identifier: Apache-2.0 */
/* A store's object, read from its beginning to its end. */
#ifndef TRANSFER_OBJECT_H
#define TRANSFER_OBJECT_H

#include "model/model.h"
#include "store/store.h"
#include "stream/stream.h"

/* Whether a live location names the object at url, however either is spelled. */
int object_in_use(struct db_conn *c, const struct store *s, const char *url, bool *ret,
                  struct error *e) MUST_CHECK;

/* Whether an upload or an import is writing that object, or has written it and not its row. s NULL: the URL
 * is as it is. */
int object_awaited(struct db_conn *c, const struct store *s, const char *url, bool *ret,
                   struct error *e) MUST_CHECK;

/* Within a unit, until it ends: whoever announces that an object will be there, and whoever removes one. An
 * object that comes again has the name that it had. */
int object_names_lock(struct db_conn *c, struct error *e) MUST_CHECK;
/* Within a unit that has that lock: removes the object, unless a live location names it. One that is gone
 * already, of no store of ours (s NULL), or of one that cannot delete is done with. The unit may be repeated,
 * with the same ret, which is closed after it. */
struct object_gone {
    bool removed; /* by this unit */
    int fd;       /* see store_delete_quickly() */
};
#define OBJECT_GONE_INIT                                                                                     \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }
int object_discard(struct db_conn *c, struct store *s, const char *url, struct object_gone *ret,
                   struct error *e) MUST_CHECK;
void object_gone_close(struct object_gone *g); /* for CLEANUP */

struct object {
    struct store_get *get;
    uint64_t at;
};

int object_open(struct store *s, const char *url, struct object *ret, struct error *e) MUST_CHECK;
struct stream_source object_source(struct object *o); /* borrows it */
void object_close(struct object *o);                  /* for CLEANUP; takes one that is all zero */

struct object_sums {
    char md5[33], hash[STREAM_HASH_HEX_MAX]; /* lower-case hex */
    uint64_t bytes;
};
/* progress as in stream_pump(). */
int object_sum(struct store *s, const char *url, const char *algorithm,
               int (*progress)(void *arg, uint64_t bytes, struct error *e), void *progress_arg,
               struct object_sums *ret, struct error *e) MUST_CHECK;

#endif
