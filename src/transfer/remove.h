/* SPDX-License-Identifier: Apache-2.0 */
/* Removes images and their data. */
#ifndef TRANSFER_REMOVE_H
#define TRANSFER_REMOVE_H

#include "base/base.h"
#include "db/db.h"
#include "model/model.h"
#include "store/store.h"

/* Data that lose their row: noted in the trash in the transaction that takes the row away, removed after it.
 * What fails then, and what a crash leaves, is upkeep_round()'s; data that another image's row names stay. */
struct leftovers {
    struct stores *stores;
    struct leftover *items; /* memory of the arena given with the first */
    size_t n, cap;
};
/* Would the store refuse? ERROR_FORBIDDEN, ERROR_CONFLICT. */
int leftovers_check(struct stores *stores, const struct image_location *l, struct error *e) MUST_CHECK;
int leftovers_note(struct leftovers *all, struct db_conn *c, struct arena *a, const struct image_location *l,
                   struct error *e) MUST_CHECK;
/* For a unit that has to know whether it went through: where its rows of the trash are not there, another has
 * removed the same, or will, and nothing is left to do here. */
int leftovers_confirm(struct leftovers *all, struct db_conn *c, struct error *e) MUST_CHECK;
void leftovers_remove(const struct leftovers *all, struct db_conn *c);

/* Removes the object of one row of the trash, of the store s (NULL: none of ours), with the row; the row
 * stays where an upload or an import is about to have an object of that name. Own unit, in which a slow
 * store would hold up other writers: of stores that are directories. */
enum trash_end { TRASH_NOTHING, TRASH_REMOVED, TRASH_AWAITED };
int trash_empty(struct db_conn *c, struct store *s, const struct trash *t, enum trash_end *ret,
                struct error *e) MUST_CHECK;

/* Deletes the image: first the rows and, in the same transaction, what has to be removed goes to the trash;
 * then the data. Store refusals that are known beforehand (no permission, in use) leave everything as it was,
 * and so does check() (NULL: none), which sees the image as it is inside the transaction. Own transaction. */
typedef int image_check(void *arg, const struct image *now, struct error *e);
int image_remove(struct db *db, struct stores *stores, const struct image *im, image_check *check, void *arg,
                 struct error *e) MUST_CHECK;

#endif
