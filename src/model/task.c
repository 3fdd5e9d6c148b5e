/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tasks and task_info as Glance 33 writes them (database.md: input, result and message are JSON and
 * text; a task that ended expires). */
#include "model/rows.h"

#include <string.h>

static int info_add(struct db_conn *c, const struct task *t, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "INSERT INTO task_info (task_id, input, result, message) VALUES (?1, ?2, ?3, ?4)", &s,
                   e) < 0)
        return -1;
    db_bind_text(s, 1, t->id);
    db_bind_text(s, 2, t->input);
    db_bind_text(s, 3, t->result);
    db_bind_text(s, 4, t->message ? t->message : "");
    return db_run(s, NULL, e);
}

int task_add(struct db_conn *c, struct task *t, struct error *e)
{
    struct db_stmt *s;

    t->status = "pending";
    t->created_us = t->updated_us = clock_now_us();
    if (db_prepare(c,
                   "INSERT INTO tasks (id, type, status, owner, created_at, updated_at, deleted, image_id, "
                   "request_id, user_id) VALUES (?1, ?2, ?3, ?4, ?5, ?5, FALSE, ?6, ?7, ?8)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, t->id);
    db_bind_text(s, 2, t->type);
    db_bind_text(s, 3, t->status);
    db_bind_text(s, 4, t->owner);
    db_bind_time(s, 5, t->created_us);
    db_bind_text(s, 6, t->image_id);
    db_bind_text(s, 7, t->request_id);
    db_bind_text(s, 8, t->user_id);
    return db_run(s, NULL, e) < 0 ? -1 : info_add(c, t, e);
}

int task_load(struct db_conn *c, struct arena *a, const char *id, struct task **ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c,
                   "SELECT t.id, t.type, t.status, t.owner, t.image_id, t.request_id, t.user_id, i.input, "
                   "i.result, i.message, t.expires_at, t.created_at, t.updated_at, t.deleted_at, t.deleted "
                   "FROM tasks t LEFT JOIN task_info i ON i.task_id = t.id WHERE t.id = ?1 AND NOT t.deleted",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    if (row == 0)
        return error_set(e, ERROR_NOT_FOUND, "Could not find task %s", id);
    *ret = arena_new(a, struct task);
    **ret = (struct task){
        .id = arena_str(a, db_text(s, 0)),
        .type = arena_str(a, db_text(s, 1)),
        .status = arena_str(a, db_text(s, 2)),
        .owner = arena_str(a, db_text(s, 3)),
        .image_id = arena_str(a, db_text(s, 4)),
        .request_id = arena_str(a, db_text(s, 5)),
        .user_id = arena_str(a, db_text(s, 6)),
        .input = arena_str(a, db_text(s, 7)),
        .result = arena_str(a, db_text(s, 8)),
        .message = arena_str(a, db_text(s, 9)),
        .expires_us = db_time(s, 10),
        .created_us = db_time(s, 11),
        .updated_us = db_time(s, 12),
        .deleted_us = db_time(s, 13),
        .deleted = db_int(s, 14) != 0,
    };
    return 0;
}

int task_begin(struct db_conn *c, const char *id, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE tasks SET status = 'processing', updated_at = ?2 WHERE id = ?1 AND status = "
                   "'pending' AND NOT deleted",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_time(s, 2, clock_now_us());
    return db_run(s, NULL, e);
}

static int info_set(struct db_conn *c, const char *id, const char *result, const char *message,
                    struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE task_info SET message = ?2, result = COALESCE(?3, result) WHERE task_id = ?1 AND "
                   "EXISTS (SELECT 1 FROM tasks WHERE id = ?1 AND status IN ('pending', 'processing'))",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, message ? message : "");
    db_bind_text(s, 3, result);
    return db_run(s, NULL, e);
}

int task_progress(struct db_conn *c, const char *id, const char *message, struct error *e)
{
    struct db_stmt *s;

    if (info_set(c, id, NULL, message, e) < 0 ||
        db_prepare(c,
                   "UPDATE tasks SET updated_at = ?2 WHERE id = ?1 AND status IN ('pending', 'processing')",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_time(s, 2, clock_now_us());
    return db_run(s, NULL, e);
}

int task_end(struct db_conn *c, const char *id, bool success, const char *result, const char *message,
             int64_t expires_us, struct error *e)
{
    struct db_stmt *s;

    if (info_set(c, id, result, message, e) < 0 ||
        db_prepare(c,
                   "UPDATE tasks SET status = ?2, updated_at = ?3, expires_at = ?4 WHERE id = ?1 AND status "
                   "IN ('pending', 'processing')",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, success ? "success" : "failure");
    db_bind_time(s, 3, clock_now_us());
    db_bind_time(s, 4, expires_us);
    return db_run(s, NULL, e);
}
