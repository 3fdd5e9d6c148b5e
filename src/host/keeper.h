/* SPDX-License-Identifier: Apache-2.0 */
/* Private to host/: sees to it that a worker runs on this machine, or says that none does.
 *
 * A host looks into glint_workers after a request, at most every WORKER_BEAT_SECONDS. Where no worker of this
 * machine is at work it starts `glint worker --detached PID`, which ends with the server whose process PID
 * is. Several processes may start one at the same time: all but the first to write its row end at once. */
#ifndef HOST_KEEPER_H
#define HOST_KEEPER_H

#include "conf/conf.h"
#include "db/db.h"

struct keeper;

/* start: whether it may start a worker; without, it only warns. The request must outlive the keeper. */
struct keeper *keeper_make(const struct conf_request *source, const struct config *c, bool start)
    __attribute__((returns_nonnull));
/* Before the first look; the database must outlive the keeper. */
void keeper_attach(struct keeper *k, struct db *db);
/* Thread-safe. Costs a clock read, but for one call in WORKER_BEAT_SECONDS. arg is the keeper. */
void keeper_look(void *arg);
void keeper_free(struct keeper *k); /* takes NULL; no look may be under way */

#endif
