/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions, and units of work: what is repeated, how often, and how a unit whose commit was not answered
 * finds out whether it went through. */
#include "db/driver.h"

#include <sys/random.h>
#include <time.h>

enum {
    TRIES_MAX = 10,
    PAUSE_FIRST_US = 1000, /* the longest pause before the second try; doubled for each one after it */
    PAUSE_MAX_US = 100000,
};

static struct metric repeats = {
    "glint_db_repeats_total",
    "Units of work that were run again: the database undid them, or did not answer their commit.",
    METRIC_COUNTER,
    { "reason" }
};

/* ---- transactions ---- */

static int begin(struct db_conn *c, bool write, struct error *e)
{
    if (c->in_transaction)
        return error_set(e, ERROR_INTERNAL, "A transaction is open already");
    db_reset_all(c); /* an old snapshot could not become the writer's */
    c->undone = false;
    if (c->db->driver->begin(c, write, e) < 0)
        return -1;
    c->in_transaction = true;
    c->in_write = write;
    return 0;
}

int db_begin_read(struct db_conn *c, struct error *e)
{
    return begin(c, false, e);
}

int db_begin_write(struct db_conn *c, struct error *e)
{
    int64_t start = clock_mono_us();
    int result = begin(c, true, e);

    db_observe(c->db, DB_OPERATION_BEGIN_WRITE, start);
    return result;
}

int db_commit(struct db_conn *c, struct error *e)
{
    bool write = c->in_write;
    int64_t start;
    int result;

    if (!c->in_transaction)
        return error_set(e, ERROR_INTERNAL, "No transaction is open");
    db_reset_all(c);
    if (c->undone) {
        db_rollback(c);
        return db_undone(e);
    }
    start = write ? clock_mono_us() : 0;
    c->in_transaction = c->in_write = false;
    if (write)
        POINT("db.commit");
    result = c->db->driver->commit(c, e);
    if (write)
        POINT("db.committed");
    if (write)
        db_observe(c->db, DB_OPERATION_COMMIT, start);
    return result;
}

void db_rollback(struct db_conn *c)
{
    if (!c->in_transaction)
        return;
    db_reset_all(c);
    c->in_transaction = c->in_write = c->undone = false;
    c->db->driver->rollback(c);
}

bool db_in_transaction(const struct db_conn *c)
{
    return c->in_transaction;
}

int db_undone(struct error *e)
{
    error_set(e, ERROR_AGAIN, "The database is not available");
    return error_detail(e, "the transaction was undone");
}

/* ---- units ---- */

int db_unit_idempotent(struct db_conn *c UNUSED, void *arg UNUSED, bool *ret, struct error *e UNUSED)
{
    *ret = false;
    return 0;
}

/* Of several that were in each other's way none should come back at the same moment. */
static void pause_before(unsigned tries)
{
    uint32_t drawn = 0;
    int64_t longest = PAUSE_FIRST_US, us;
    struct timespec t;

    for (unsigned i = 1; i < tries && longest < PAUSE_MAX_US; i++)
        longest *= 2;
    if (longest > PAUSE_MAX_US)
        longest = PAUSE_MAX_US;
    if (getrandom(&drawn, sizeof drawn, 0) < 0)
        drawn = (uint32_t)clock_mono_us();
    us = drawn % longest;
    t = (struct timespec){ .tv_nsec = us * 1000 };
    nanosleep(&t, NULL);
}

/* One transaction. Where a try before it is in doubt, the question belongs to the transaction that repeats
 * it: what the lost session still holds, this one waits for. */
static int attempt(struct db_conn *c, const struct db_unit *unit, void *arg, bool doubt, struct error *e)
{
    bool done = false;
    int result;

    if ((c->broken && db_revive(c, e) < 0) || db_begin_write(c, e) < 0)
        return -1;
    result = doubt ? unit->went_through(c, arg, &done, e) : 0;
    if (result == 0 && !done)
        result = unit->run(c, arg, e);
    if (c->undone) { /* also where the unit made another error of it, or none */
        db_rollback(c);
        return db_undone(e);
    }
    if (result != 0 || done) {
        db_rollback(c);
        return result < 0 ? -1 : 0;
    }
    return db_commit(c, e);
}

/* Whether another try may help. */
static bool once_more(const struct error *e, bool *doubt, bool *asked)
{
    if (e->kind == ERROR_UNCERTAIN) {
        *doubt = true;
        return true;
    }
    if (e->kind == ERROR_AGAIN)
        return true;
    if (!*doubt || *asked)
        return false;
    *asked = true; /* it may have gone through only now, and failed on its own rows */
    return true;
}

static int given_up(const struct db_unit *unit, unsigned tries, bool doubt, struct error *e)
{
    bool database = e->kind == ERROR_AGAIN || e->kind == ERROR_UNCERTAIN || e->kind == ERROR_UNAVAILABLE;

    if (!database)
        return -1;
    if (doubt)
        e->kind = ERROR_UNCERTAIN;
    else if (e->kind == ERROR_AGAIN)
        e->kind = ERROR_UNAVAILABLE;
    e->status = error_kinds[e->kind].status;
    return error_detail(e, "%s, try %u", unit->name, tries);
}

static int repeat(struct db_conn *c, const struct db_unit *unit, void *arg, struct error *e)
{
    bool doubt = false, asked = false;

    for (unsigned tries = 1;; tries++) {
        if (attempt(c, unit, arg, doubt, e) == 0)
            return 0;
        if (!once_more(e, &doubt, &asked) || tries == TRIES_MAX)
            return given_up(unit, tries, doubt, e);
        if (e->kind == ERROR_UNCERTAIN)
            c->broken = true; /* nothing is known of this session */
        log_debug("%s is run again: %s: %s", unit->name, error_kinds[e->kind].name, e->detail);
        metric_add(metric_series(&repeats, error_kinds[e->kind].name, NULL, NULL), 1);
        pause_before(tries);
    }
}

int db_write_on(struct db_conn *c, const struct db_unit *unit, void *arg, struct error *e)
{
    int result;

    if (c->in_write)
        return unit->run(c, arg, e) < 0 ? -1 : 0;
    c->unit = unit->name;
    result = repeat(c, unit, arg, e);
    c->unit = NULL;
    return result;
}

int db_write(struct db *db, const struct db_unit *unit, void *arg, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    return db_acquire(db, DB_WAIT, &c, e) < 0 ? -1 : db_write_on(c, unit, arg, e);
}

/* ---- locks ---- */

bool db_locks_rows(const struct db_conn *c)
{
    return c->in_write && c->db->driver->row_locks;
}

int db_lock(struct db_conn *c, const char *name, struct error *e)
{
    return c->in_write && c->db->driver->lock ? c->db->driver->lock(c, name, e) : 0;
}
