/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rows.h"

/* Which one: name and labels, from parameter `at` on. */
static void bind_key(struct db_stmt *s, int at, const struct counter *which)
{
    db_bind_text(s, at++, which->name);
    for (size_t i = 0; i < COUNT(which->labels); i++)
        db_bind_text(s, at++, which->labels[i]);
}

int counter_add(struct db_conn *c, const struct counter *more, struct error *e)
{
    struct db_stmt *s;
    int64_t changed;

    if (db_prepare(
            c,
            "UPDATE glint_counters SET value = value + ?1 WHERE name = ?2 AND label1 = ?3 AND label2 = "
            "?4 AND label3 = ?5",
            &s, e) < 0)
        return -1;
    db_bind_int(s, 1, more->value);
    bind_key(s, 2, more);
    if (db_run(s, &changed, e) < 0)
        return -1;
    if (changed)
        return 0;
    if (db_prepare(
            c, "INSERT INTO glint_counters (name, label1, label2, label3, value) VALUES (?1, ?2, ?3, ?4, ?5)",
            &s, e) < 0)
        return -1;
    bind_key(s, 1, more);
    db_bind_int(s, 5, more->value);
    return db_run(s, NULL, e);
}

int counter_get(struct db_conn *c, const struct counter *which, int64_t *ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c,
                   "SELECT value FROM glint_counters WHERE name = ?1 AND label1 = ?2 AND label2 = ?3 AND "
                   "label3 = ?4",
                   &s, e) < 0)
        return -1;
    bind_key(s, 1, which);
    row = db_step(s, e);
    *ret = row > 0 ? db_int(s, 0) : 0;
    return row < 0 ? -1 : 0;
}

int counter_list(struct db_conn *c, struct arena *a, struct counter **ret, size_t *ret_n, struct error *e)
{
    struct counter *list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(
            c,
            "SELECT name, label1, label2, label3, value FROM glint_counters ORDER BY name, label1, label2, "
            "label3",
            &s, e) < 0)
        return -1;
    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = (struct counter){
            .name = arena_str(a, db_text(s, 0)),
            .labels = { arena_str(a, db_text(s, 1)), arena_str(a, db_text(s, 2)),
                        arena_str(a, db_text(s, 3)) },
            .value = db_int(s, 4),
        };
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}
