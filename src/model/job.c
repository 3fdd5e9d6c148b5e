/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of glint_jobs. Each change is a compare-and-set on the holder: whoever lost a job changes nothing. */
#include "model/rows.h"

#include <string.h>

#define JOB_COLUMNS                                                                                          \
    "id, kind, image_id, state, step, attempt, holder, expires_at, next_run_at, arguments, message"

#define NOTE(called) "(SELECT value FROM glint_job_notes WHERE job_id = id AND name = '" called "')"
#define JOB_SELECT   "SELECT " JOB_COLUMNS ", " NOTE("place") ", " NOTE("owner") " FROM glint_jobs"

static const char *const state_names[JOB_STATES] = {
    [JOB_WAITING] = "waiting",
    [JOB_RUNNING] = "running",
    [JOB_DONE] = "done",
    [JOB_FAILED] = "failed",
};

static enum job_state state_of(const char *name)
{
    for (int i = 0; i < JOB_STATES; i++)
        if (str_eq(state_names[i], name))
            return (enum job_state)i;
    return JOB_FAILED; /* of a release that knows more: not ours to run */
}

static void row_read(struct db_stmt *s, struct arena *a, struct job *ret)
{
    *ret = (struct job){
        .id = arena_str(a, db_text(s, 0)),
        .kind = arena_str(a, db_text(s, 1)),
        .image_id = arena_str(a, db_text(s, 2)),
        .state = state_of(db_text(s, 3)),
        .step = arena_str(a, db_text(s, 4)),
        .attempt = db_int(s, 5),
        .holder = arena_str(a, db_text(s, 6)),
        .expires_us = db_int(s, 7),
        .next_us = db_int(s, 8),
        .arguments = arena_str(a, db_text(s, 9)),
        .message = arena_str(a, db_text(s, 10)),
        .place = arena_str(a, db_text(s, 11)),
        .owner = arena_str(a, db_text(s, 12)),
    };
}

int job_add(struct db_conn *c, const struct job *j, struct error *e)
{
    int64_t now = clock_now_us();
    struct db_stmt *s;

    if (db_prepare(c,
                   "INSERT INTO glint_jobs (" JOB_COLUMNS ", created_at, updated_at) "
                   "VALUES (?1, ?2, ?3, 'waiting', ?4, 0, '', 0, ?5, ?6, '', ?7, ?7)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, j->id);
    db_bind_text(s, 2, j->kind);
    db_bind_text(s, 3, j->image_id);
    db_bind_text(s, 4, j->step ? j->step : "");
    db_bind_int(s, 5, now);
    db_bind_text(s, 6, j->arguments ? j->arguments : "{}");
    db_bind_time(s, 7, now);
    if (db_run(s, NULL, e) < 0 || (j->place && job_note_set(c, j->id, "place", j->place, e) < 0))
        return -1;
    return j->owner ? job_note_set(c, j->id, "owner", j->owner, e) : 0;
}

int job_candidates(struct db_conn *c, struct arena *a, int64_t limit, struct job **ret, size_t *ret_n,
                   struct error *e)
{
    struct job *list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(c,
                   JOB_SELECT " WHERE state = 'running' OR "
                              "(state = 'waiting' AND next_run_at <= ?1) ORDER BY next_run_at, id LIMIT ?2",
                   &s, e) < 0)
        return -1;
    db_bind_int(s, 1, clock_now_us());
    db_bind_int(s, 2, limit);
    while ((row = db_step(s, e)) > 0)
        row_read(s, a, ARENA_PUSH(a, list, n, cap));
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}

int job_load(struct db_conn *c, struct arena *a, const char *id, struct job **ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, JOB_SELECT " WHERE id = ?1", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    if (row == 0)
        return error_set(e, ERROR_NOT_FOUND, "No job %s", id);
    *ret = arena_new(a, struct job);
    row_read(s, a, *ret);
    return 0;
}

/* ---- changes ---- */

static int lost(const char *id, struct error *e)
{
    return error_set(e, ERROR_GONE, "Job %s is somebody else's", id);
}

static int run_one(struct db_stmt *s, const char *id, struct error *e)
{
    int64_t changed;

    if (db_run(s, &changed, e) < 0)
        return -1;
    return changed ? 0 : lost(id, e);
}

/* Brings a transaction where none is open. */
static int change(struct db_conn *c, struct db_stmt *s, const char *id, struct error *e)
{
    if (db_in_transaction(c))
        return run_one(s, id, e);
    if (db_begin_write(c, e) < 0)
        return -1;
    if (run_one(s, id, e) < 0) {
        db_rollback(c);
        return -1;
    }
    return db_commit(c, e);
}

int job_take(struct db_conn *c, const struct job *seen, const char *holder, int64_t expires_us,
             struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE glint_jobs SET state = 'running', holder = ?2, expires_at = ?3, updated_at = ?6 "
                   "WHERE id = ?1 AND state = ?4 AND holder = ?5",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, seen->id);
    db_bind_text(s, 2, holder);
    db_bind_int(s, 3, expires_us);
    db_bind_text(s, 4, state_names[seen->state]);
    db_bind_text(s, 5, seen->holder);
    db_bind_time(s, 6, clock_now_us());
    return change(c, s, seen->id, e);
}

int job_renew(struct db_conn *c, const char *id, const char *holder, int64_t expires_us, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(
            c, "UPDATE glint_jobs SET expires_at = ?3 WHERE id = ?1 AND state = 'running' AND holder = ?2",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, holder);
    db_bind_int(s, 3, expires_us);
    return change(c, s, id, e);
}

int job_step(struct db_conn *c, const char *id, const char *holder, const char *step, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE glint_jobs SET step = ?3, updated_at = ?4 "
                   "WHERE id = ?1 AND state = 'running' AND holder = ?2",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, holder);
    db_bind_text(s, 3, step);
    db_bind_time(s, 4, clock_now_us());
    return change(c, s, id, e);
}

int job_put_back(struct db_conn *c, const char *id, const char *holder, int64_t attempt, int64_t next_us,
                 const char *message, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE glint_jobs SET state = 'waiting', holder = '', expires_at = 0, attempt = ?3, "
                   "next_run_at = ?4, message = ?5, updated_at = ?6 "
                   "WHERE id = ?1 AND state = 'running' AND holder = ?2",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, holder);
    db_bind_int(s, 3, attempt);
    db_bind_int(s, 4, next_us);
    db_bind_text(s, 5, message);
    db_bind_time(s, 6, clock_now_us());
    return change(c, s, id, e);
}

static int end(struct db_conn *c, const char *id, const char *holder, enum job_state state,
               const char *message, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(
            c,
            "UPDATE glint_jobs SET state = ?3, holder = '', expires_at = 0, message = ?4, updated_at = ?5 "
            "WHERE id = ?1 AND state = 'running' AND holder = ?2",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, holder);
    db_bind_text(s, 3, state_names[state]);
    db_bind_text(s, 4, message);
    db_bind_time(s, 5, clock_now_us());
    if (run_one(s, id, e) < 0 || db_prepare(c, "DELETE FROM glint_job_notes WHERE job_id = ?1", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    return db_run(s, NULL, e);
}

int job_end(struct db_conn *c, const char *id, const char *holder, enum job_state state, const char *message,
            struct error *e)
{
    if (db_in_transaction(c))
        return end(c, id, holder, state, message, e);
    if (db_begin_write(c, e) < 0)
        return -1;
    if (end(c, id, holder, state, message, e) < 0) {
        db_rollback(c);
        return -1;
    }
    return db_commit(c, e);
}

int job_prune(struct db_conn *c, int64_t before_us, struct error *e)
{
    struct db_stmt *s;

    if (db_begin_write(c, e) < 0)
        return -1;
    if (db_prepare(c, "DELETE FROM glint_jobs WHERE state IN ('done', 'failed') AND updated_at < ?1", &s,
                   e) == 0) {
        db_bind_time(s, 1, before_us);
        if (db_run(s, NULL, e) == 0)
            return db_commit(c, e);
    }
    db_rollback(c);
    return -1;
}

/* ---- the image's lock: the property that says which task works on it ---- */

int image_lock(struct db_conn *c, const char *image_id, const char *task, struct error *e)
{
    const struct image_property p = { IMAGE_LOCK, task };
    int64_t changed, now = clock_now_us();
    struct db_stmt *s;

    if (db_prepare(
            c,
            "UPDATE image_properties SET value = ?3, deleted = FALSE, deleted_at = NULL, updated_at = ?4 "
            "WHERE image_id = ?1 AND name = ?2 AND deleted",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, IMAGE_LOCK);
    db_bind_text(s, 3, task);
    db_bind_time(s, 4, now);
    if (db_run(s, &changed, e) < 0)
        return -1;
    return changed ? 0 : image_property_insert(c, image_id, &p, now, e);
}

int image_unlock(struct db_conn *c, const char *image_id, const char *task, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE image_properties SET deleted = TRUE, deleted_at = ?4, updated_at = ?4 "
                   "WHERE image_id = ?1 AND name = ?2 AND value = ?3 AND NOT deleted",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, IMAGE_LOCK);
    db_bind_text(s, 3, task);
    db_bind_time(s, 4, clock_now_us());
    return db_run(s, NULL, e);
}

/* A task of Glance's own holds for an hour after its last sign of life, two while it waits. */
int image_lock_holds(struct db_conn *c, const char *task, bool *ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int64_t hour = 3600 * CLOCK_SECOND, now = clock_now_us();
    int row;

    if (db_prepare(c,
                   "SELECT 1 FROM glint_jobs WHERE id = ?1 AND state IN ('waiting', 'running') UNION ALL "
                   "SELECT 1 FROM tasks WHERE id = ?1 AND NOT deleted AND "
                   "updated_at > CASE status WHEN 'pending' THEN ?3 ELSE ?2 END",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, task);
    db_bind_time(s, 2, now - hour);
    db_bind_time(s, 3, now - 2 * hour);
    row = db_step(s, e);
    *ret = row > 0;
    return row < 0 ? -1 : 0;
}
