/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of glint_jobs to structs: one, or those that match a query. */
#include "model/rows.h"

#include <stdlib.h>
#include <string.h>

#define NOTE(called) "(SELECT value FROM glint_job_notes WHERE job_id = id AND name = '" called "')"
#define JOB_NOTES    NOTE("place") ", " NOTE("owner") ", " NOTE("stores") ", " NOTE("method")
#define JOB_SELECT                                                                                           \
    "SELECT id, kind, image_id, state, step, attempt, holder, expires_at, next_run_at, arguments, message, " \
    "created_at, updated_at, " JOB_NOTES ", " NOTE("giving_up") ", " NOTE(                                   \
        "takeovers") ", "                                                                                    \
                     "(SELECT deleted FROM images WHERE images.id = image_id) FROM glint_jobs "

/* The longest pause between two tries is shorter. */
#define LONGEST_WAIT (3600 * CLOCK_SECOND)

static const char *const state_names[JOB_STATES] = {
    [JOB_WAITING] = "waiting",
    [JOB_RUNNING] = "running",
    [JOB_DONE] = "done",
    [JOB_FAILED] = "failed",
};

const char *job_state_name(enum job_state s)
{
    return state_names[s];
}

static enum job_state state_of(const char *name)
{
    for (int i = 0; i < JOB_STATES; i++)
        if (str_eq(state_names[i], name))
            return (enum job_state)i;
    return JOB_FAILED; /* of a release that knows more: not ours to run */
}

/* "kind message", as job_condemn() writes it. */
static void giving_up_read(struct arena *a, const char *text, struct job *ret)
{
    size_t n = text ? strcspn(text, " ") : 0;

    if (!text)
        return;
    ret->giving_up_kind = ERROR_CONFLICT;
    for (int i = 0; i < ERROR_KINDS; i++)
        if (strlen(error_kinds[i].name) == n && strncmp(error_kinds[i].name, text, n) == 0)
            ret->giving_up_kind = (enum error_kind)i;
    ret->giving_up = arena_str(a, text[n] ? text + n + 1 : text);
}

static void row_read(struct db_stmt *s, struct arena *a, struct job *ret)
{
    const char *takeovers = db_text(s, 18);

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
        .created_us = db_time(s, 11),
        .updated_us = db_time(s, 12),
        .place = arena_str(a, db_text(s, 13)),
        .owner = arena_str(a, db_text(s, 14)),
        .stores = arena_str(a, db_text(s, 15)),
        .method = arena_str(a, db_text(s, 16)),
        .takeovers = takeovers ? strtoll(takeovers, NULL, 10) : 0,
        .image_gone = db_is_null(s, 19) || db_bool(s, 19),
    };
    giving_up_read(a, db_text(s, 17), ret);
}

static int rows_read(struct db_stmt *s, struct arena *a, struct job **ret, size_t *ret_n, struct error *e)
{
    struct job *list = NULL;
    size_t n = 0, cap = 0;
    int row;

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

    if (db_prepare(c, JOB_SELECT "WHERE id = ?1", &s, e) < 0)
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

/* What never failed is due whatever the clocks of those say who wrote and who read it. */
#define DUE "w.state = 'waiting' AND (w.attempt = 0 OR w.next_run_at <= ?1 OR w.next_run_at > ?2) "

static void bind_due(struct db_stmt *s)
{
    int64_t now = clock_now_us();

    db_bind_int(s, 1, now);
    db_bind_int(s, 2, now + LONGEST_WAIT);
}

/* line: the job's place among its project's. */
static const char waiting_sql[] =
    JOB_SELECT "JOIN (SELECT w.id AS queued, COALESCE(o.value, '') AS whose, "
               "ROW_NUMBER() OVER (PARTITION BY COALESCE(o.value, '') ORDER BY w.next_run_at, w.id) AS line "
               "FROM glint_jobs w "
               "LEFT JOIN glint_job_notes o ON o.job_id = w.id AND o.name = 'owner' "
               "LEFT JOIN glint_job_notes p ON p.job_id = w.id AND p.name = 'place' "
               "WHERE " DUE "AND (p.value IS NULL OR p.value = ?3) "
               "AND w.kind IN (?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)) q ON queued = id "
               "LEFT JOIN (SELECT COALESCE(o.value, '') AS theirs, COUNT(*) AS n FROM glint_jobs r "
               "LEFT JOIN glint_job_notes o ON o.job_id = r.id AND o.name = 'owner' "
               "WHERE r.state = 'running' GROUP BY 1) b ON theirs = whose "
               "LEFT JOIN glint_job_turns t ON t.owner = whose "
               "ORDER BY line + COALESCE(n, 0), COALESCE(turn, 0), next_run_at, id";

int job_waiting(struct db_conn *c, struct arena *a, const struct job_wanted *wanted, job_visit *visit,
                void *arg, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    struct job j;
    int row;

    if (db_prepare(c, waiting_sql, &s, e) < 0)
        return -1;
    bind_due(s);
    db_bind_text(s, 3, wanted->place);
    for (int i = 0; i < JOB_KINDS_MAX; i++)
        db_bind_text(s, 4 + i, wanted->kinds[i]);
    while ((row = db_step(s, e)) > 0) {
        row_read(s, a, &j);
        if (!visit(arg, &j))
            return 0;
    }
    return row;
}

int job_running(struct db_conn *c, struct arena *a, struct job **ret, size_t *ret_n, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, JOB_SELECT "WHERE state = 'running' ORDER BY next_run_at, id", &s, e) < 0)
        return -1;
    return rows_read(s, a, ret, ret_n, e);
}

int job_list(struct db_conn *c, struct arena *a, bool ended, struct job **ret, size_t *ret_n, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, JOB_SELECT "WHERE state <> 'done' OR ?1 ORDER BY created_at, id", &s, e) < 0)
        return -1;
    db_bind_bool(s, 1, ended);
    return rows_read(s, a, ret, ret_n, e);
}

/* ---- how many ---- */

static int oldest(struct db_conn *c, int64_t *ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, "SELECT MIN(w.created_at) FROM glint_jobs w WHERE " DUE, &s, e) < 0)
        return -1;
    bind_due(s);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    *ret = row ? db_time(s, 0) : 0;
    return 0;
}

int job_count(struct db_conn *c, struct arena *a, struct job_count **ret, size_t *ret_n,
              int64_t *ret_oldest_us, struct error *e)
{
    struct job_count *list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (oldest(c, ret_oldest_us, e) < 0 ||
        db_prepare(c,
                   "SELECT j.kind, COALESCE(m.value, ''), j.state, COUNT(*) FROM glint_jobs j "
                   "LEFT JOIN glint_job_notes m ON m.job_id = j.id AND m.name = 'method' GROUP BY 1, 2, 3",
                   &s, e) < 0)
        return -1;
    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = (struct job_count){
            .kind = arena_str(a, db_text(s, 0)),
            .method = arena_str(a, db_text(s, 1)),
            .state = state_of(db_text(s, 2)),
            .n = db_int(s, 3),
        };
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}
