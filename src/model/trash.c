/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rows.h"

int trash_add(struct db_conn *c, const char *store, const char *url, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "INSERT INTO glint_trash (store, url, created_at, attempts) VALUES (?1, ?2, ?3, 0)", &s,
                   e) < 0)
        return -1;
    db_bind_text(s, 1, store);
    db_bind_text(s, 2, url);
    db_bind_time(s, 3, clock_now_us());
    return db_run(s, NULL, e);
}

/* What failed least often comes first, so that an object which cannot be removed does not hold up the others.
 */
int trash_list(struct db_conn *c, struct arena *a, int64_t limit, struct trash **ret, size_t *ret_n,
               struct error *e)
{
    struct trash *list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(
            c, "SELECT id, store, url, created_at, attempts FROM glint_trash ORDER BY attempts, id LIMIT ?1",
            &s, e) < 0)
        return -1;
    db_bind_int(s, 1, limit);
    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = (struct trash){
            .id = db_int(s, 0),
            .store = arena_str(a, db_text(s, 1)),
            .url = arena_str(a, db_text(s, 2)),
            .created_us = db_time(s, 3),
            .attempts = db_int(s, 4),
        };
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}

static int change(struct db_conn *c, const char *sql, int64_t id, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, sql, &s, e) < 0)
        return -1;
    db_bind_int(s, 1, id);
    return db_run(s, NULL, e);
}

static int change_one(struct db_conn *c, const char *sql, int64_t id, struct error *e)
{
    if (db_in_transaction(c))
        return change(c, sql, id, e);
    if (db_begin_write(c, e) < 0)
        return -1;
    if (change(c, sql, id, e) < 0) {
        db_rollback(c);
        return -1;
    }
    return db_commit(c, e);
}

int trash_drop(struct db_conn *c, int64_t id, struct error *e)
{
    return change_one(c, "DELETE FROM glint_trash WHERE id = ?1", id, e);
}

int trash_failed(struct db_conn *c, int64_t id, struct error *e)
{
    return change_one(c, "UPDATE glint_trash SET attempts = attempts + 1 WHERE id = ?1", id, e);
}

int location_in_use(struct db_conn *c, const char *url, bool *ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, "SELECT 1 FROM image_locations WHERE value = ?1 AND NOT deleted", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, url);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    *ret = row > 0;
    return 0;
}

/* The condition is that of the index glint_image_locations_odd. */
int location_odd_list(struct db_conn *c, struct arena *a, const char ***ret, size_t *ret_n, struct error *e)
{
    const char **list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(c,
                   "SELECT value FROM image_locations WHERE value LIKE 'file%' AND "
                   "(value NOT LIKE 'file:///%' OR value LIKE '%!%%' ESCAPE '!') AND NOT deleted",
                   &s, e) < 0)
        return -1;
    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = arena_str(a, db_text(s, 0));
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}
