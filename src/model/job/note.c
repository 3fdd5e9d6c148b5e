/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rows.h"

int job_note_set(struct db_conn *c, const char *id, const char *name, const char *value, struct error *e)
{
    struct db_stmt *s;

    if (job_note_drop(c, id, name, e) < 0 ||
        db_prepare(c, "INSERT INTO glint_job_notes (job_id, name, value) VALUES (?1, ?2, ?3)", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, name);
    db_bind_text(s, 3, value);
    return db_run(s, NULL, e);
}

int job_note_drop(struct db_conn *c, const char *id, const char *name, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "DELETE FROM glint_job_notes WHERE job_id = ?1 AND name = ?2", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, name);
    return db_run(s, NULL, e);
}

int job_note_get(struct db_conn *c, struct arena *a, const char *id, const char *name, const char **ret,
                 struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, "SELECT value FROM glint_job_notes WHERE job_id = ?1 AND name = ?2", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, name);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    *ret = row ? arena_str(a, db_text(s, 0)) : NULL;
    return 0;
}

int job_note_list(struct db_conn *c, struct arena *a, const char *id, const char *prefix,
                  struct job_note **ret, size_t *ret_n, struct error *e)
{
    struct job_note *list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(c, "SELECT name, value FROM glint_job_notes WHERE job_id = ?1 ORDER BY name", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    while ((row = db_step(s, e)) > 0)
        if (str_starts(db_text(s, 0), prefix))
            *ARENA_PUSH(a, list, n, cap) =
                (struct job_note){ arena_str(a, db_text(s, 0)), arena_str(a, db_text(s, 1)) };
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}
