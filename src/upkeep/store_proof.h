/* SPDX-License-Identifier: Apache-2.0 */
/* Stores that may be away: whether a directory is the one that the database knows. */
#ifndef UPKEEP_STORE_PROOF_H
#define UPKEEP_STORE_PROOF_H

#include "base/base.h"
#include "db/db.h"
#include "store/store.h"

/* By what the database knows; for stores_open(). */
struct store_proof store_proof_by(struct db *db);
/* Writes down where each store is that is proved, if that has changed; -1: at least one is away. begin: the
 * service starts, and staging is what is there. */
int store_proofs_save(struct db *db, struct stores *stores, bool begin, struct error *e) MUST_CHECK;
/* Of one store. force: whatever is there is the store from now on. */
int store_proof_save(struct db *db, struct store *s, bool force, struct error *e) MUST_CHECK;

#endif
