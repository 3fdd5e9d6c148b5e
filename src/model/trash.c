/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rows.h"

int trash_add(struct db_conn *c, const char *store, const char *url, int64_t *ret_id, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "INSERT INTO glint_trash (store, url, created_at, attempts) VALUES (?1, ?2, ?3, 0)", &s,
                   e) < 0)
        return -1;
    db_bind_text(s, 1, store);
    db_bind_text(s, 2, url);
    db_bind_time(s, 3, clock_now_us());
    return db_insert(s, ret_id, e);
}

int trash_has(struct db_conn *c, int64_t id, const char *url, bool *ret, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "SELECT 1 FROM glint_trash WHERE id = ?1 AND url = ?2", &s, e) < 0)
        return -1;
    db_bind_int(s, 1, id);
    db_bind_text(s, 2, url);
    return stmt_found(s, ret, e);
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

struct change {
    const char *sql;
    int64_t id;
};

static int change(struct db_conn *c, void *arg, struct error *e)
{
    const struct change *ch = arg;
    struct db_stmt *s;

    if (db_prepare(c, ch->sql, &s, e) < 0)
        return -1;
    db_bind_int(s, 1, ch->id);
    return db_run(s, NULL, e);
}

/* A try that is counted twice makes the next pause longer, and harms nothing. */
static const struct db_unit change_unit = { "trash.change", change, db_unit_idempotent };

int trash_drop(struct db_conn *c, int64_t id, struct error *e)
{
    return db_write_on(c, &change_unit, &(struct change){ "DELETE FROM glint_trash WHERE id = ?1", id }, e);
}

int trash_failed(struct db_conn *c, int64_t id, struct error *e)
{
    static const char sql[] = "UPDATE glint_trash SET attempts = attempts + 1 WHERE id = ?1";

    return db_write_on(c, &change_unit, &(struct change){ sql, id }, e);
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

static int url_list(struct db_stmt *s, struct arena *a, const char ***ret, size_t *ret_n, struct error *e)
{
    const char **list = NULL;
    size_t n = 0, cap = 0;
    int row;

    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = arena_str(a, db_text(s, 0));
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}

/* The condition is that of the index glint_image_locations_odd. */
int location_odd_list(struct db_conn *c, struct arena *a, const char ***ret, size_t *ret_n, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "SELECT value FROM image_locations WHERE value LIKE 'file%' AND "
                   "(value NOT LIKE 'file:///%' OR value LIKE '%!%%' ESCAPE '!') AND NOT deleted",
                   &s, e) < 0)
        return -1;
    return url_list(s, a, ret, ret_n, e);
}

/* The expression is that of the index glint_image_locations_name. */
int location_name_list(struct db_conn *c, struct arena *a, const char *name, const char ***ret, size_t *ret_n,
                       struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "SELECT value FROM image_locations WHERE value LIKE 'file%' AND "
                   "replace(value, rtrim(value, replace(value, '/', '')), '') = ?1 AND NOT deleted",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, name);
    return url_list(s, a, ret, ret_n, e);
}
