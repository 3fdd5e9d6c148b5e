/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of stores as they were seen last, and objects that should be in them. */
#include "model/rows.h"

#include <string.h>

int datadir_get(struct db_conn *c, struct arena *a, const char *host, const char *dir, struct datadir **ret,
                struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, "SELECT mark, mount FROM glint_datadirs WHERE host = ?1 AND dir = ?2", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, host);
    db_bind_text(s, 2, dir);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    *ret = NULL;
    if (row == 0)
        return 0;
    *ret = arena_new(a, struct datadir);
    **ret = (struct datadir){ host, dir, arena_str(a, db_text(s, 0)), arena_str(a, db_text(s, 1)) };
    return 0;
}

int datadir_set(struct db_conn *c, const struct datadir *p, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "DELETE FROM glint_datadirs WHERE host = ?1 AND dir = ?2", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, p->host);
    db_bind_text(s, 2, p->dir);
    if (db_run(s, NULL, e) < 0 ||
        db_prepare(c,
                   "INSERT INTO glint_datadirs (host, dir, mark, mount, seen_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, p->host);
    db_bind_text(s, 2, p->dir);
    db_bind_text(s, 3, p->mark);
    db_bind_text(s, 4, p->mount);
    db_bind_time(s, 5, clock_now_us());
    return db_run(s, NULL, e);
}

int datadir_objects(struct db_conn *c, struct arena *a, const char *dir, int64_t limit,
                    struct datadir_object **ret, size_t *ret_n, struct error *e)
{
    struct datadir_object *list = NULL;
    size_t n = 0, cap = 0, below = strlen("file://") + strlen(dir) + 1;
    struct db_stmt *s;
    int row;

    /* '0' is the character after '/': a range of the index instead of a pattern. */
    if (db_prepare(c,
                   "SELECT l.value, i.size FROM image_locations l JOIN images i ON i.id = l.image_id "
                   "WHERE l.value >= ?1 AND l.value < ?2 AND NOT l.deleted AND NOT i.deleted "
                   "AND i.status IN ('active', 'deactivated') ORDER BY l.value LIMIT ?3",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, arena_printf(a, "file://%s/", dir));
    db_bind_text(s, 2, arena_printf(a, "file://%s0", dir));
    db_bind_int(s, 3, limit);
    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = (struct datadir_object){ arena_str(a, db_text(s, 0)) + below,
                                                                db_is_null(s, 1) ? -1 : db_int(s, 1) };
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}
