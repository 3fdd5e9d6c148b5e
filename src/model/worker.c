/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rows.h"

#define DAY_US (24 * 3600 * CLOCK_SECOND)

int worker_beat(struct db_conn *c, const struct worker_row *w, struct error *e)
{
    struct db_stmt *s;
    int64_t changed;

    if (db_prepare(c, "UPDATE glint_workers SET seen_at = ?1 WHERE holder = ?2", &s, e) < 0)
        return -1;
    db_bind_int(s, 1, w->seen_us);
    db_bind_text(s, 2, w->holder);
    if (db_run(s, &changed, e) < 0)
        return -1;
    if (changed)
        return 0;
    if (db_prepare(c,
                   "INSERT INTO glint_workers (holder, detached, settings, started_at, seen_at) "
                   "VALUES (?1, ?2, ?3, ?4, ?5)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, w->holder);
    db_bind_int(s, 2, w->detached);
    db_bind_text(s, 3, w->settings);
    db_bind_int(s, 4, w->started_us);
    db_bind_int(s, 5, w->seen_us);
    return db_run(s, NULL, e);
}

static int list_all(struct db_conn *c, struct arena *a, struct worker_row **ret, size_t *ret_n,
                    struct error *e)
{
    struct worker_row *list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(c,
                   "SELECT holder, detached, settings, started_at, seen_at FROM glint_workers "
                   "ORDER BY started_at, holder",
                   &s, e) < 0)
        return -1;
    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = (struct worker_row){
            .holder = arena_str(a, db_text(s, 0)),
            .detached = db_int(s, 1) != 0,
            .settings = arena_str(a, db_text(s, 2)),
            .started_us = db_int(s, 3),
            .seen_us = db_int(s, 4),
        };
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}

/* Also one that is stopped or stuck is not at work, although its process lives. */
static bool is_at_work(const struct worker_row *w)
{
    int64_t silent = clock_now_us() - w->seen_us, most = WORKER_SILENT_SECONDS * CLOCK_SECOND;

    return silent < most && silent > -most && !lease_holder_dead(w->holder);
}

int worker_list(struct db_conn *c, struct arena *a, struct worker_row **ret, size_t *ret_n, struct error *e)
{
    size_t kept = 0;

    if (list_all(c, a, ret, ret_n, e) < 0)
        return -1;
    for (size_t i = 0; i < *ret_n; i++)
        if (is_at_work(&(*ret)[i]))
            (*ret)[kept++] = (*ret)[i];
    *ret_n = kept;
    return 0;
}

static int drop(struct db_conn *c, const char *holder, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "DELETE FROM glint_workers WHERE holder = ?1", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, holder);
    return db_run(s, NULL, e);
}

struct leaving {
    struct arena *arena;
    const char *holder;
};

static int leave(struct db_conn *c, void *arg, struct error *e)
{
    const struct leaving *l = arg;
    struct worker_row *list;
    size_t n;

    if (drop(c, l->holder, e) < 0 || list_all(c, l->arena, &list, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if ((lease_holder_dead(list[i].holder) || clock_now_us() - list[i].seen_us > DAY_US) &&
            drop(c, list[i].holder, e) < 0)
            return -1;
    return 0;
}

int worker_leave(struct db_conn *c, struct arena *a, const char *holder, struct error *e)
{
    static const struct db_unit unit = { "worker.leave", leave, db_unit_idempotent };

    return db_write_on(c, &unit, &(struct leaving){ a, holder }, e);
}
