/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of glint_jobs. Each change is a compare-and-set on the holder: whoever lost a job changes nothing. */
#include "model/rows.h"

#include <stdio.h>
#include <string.h>

static int notes_add(struct db_conn *c, const struct job *j, struct error *e)
{
    const struct job_note notes[] = {
        { "place", j->place }, { "owner", j->owner }, { "stores", j->stores }, { "method", j->method }
    };

    for (size_t i = 0; i < COUNT(notes); i++)
        if (notes[i].value && job_note_set(c, j->id, notes[i].name, notes[i].value, e) < 0)
            return -1;
    return 0;
}

int job_add(struct db_conn *c, const struct job *j, struct error *e)
{
    int64_t now = clock_now_us();
    struct db_stmt *s;

    if (db_prepare(c,
                   "INSERT INTO glint_jobs (id, kind, image_id, state, step, attempt, holder, expires_at, "
                   "next_run_at, arguments, message, created_at, updated_at) "
                   "VALUES (?1, ?2, ?3, 'waiting', ?4, 0, '', 0, ?5, ?6, '', ?7, ?8)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, j->id);
    db_bind_text(s, 2, j->kind);
    db_bind_text(s, 3, j->image_id);
    db_bind_text(s, 4, j->step ? j->step : "");
    db_bind_int(s, 5, now);
    db_bind_text(s, 6, j->arguments ? j->arguments : "{}");
    db_bind_time(s, 7, now);
    db_bind_time(s, 8, now);
    return db_run(s, NULL, e) < 0 ? -1 : notes_add(c, j, e);
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

/* What a call below writes. */
struct change {
    const char *id, *holder, *text;
    const struct job *seen;
    enum job_state state;
    int64_t attempt, time_us;
    bool anywhere;
};

/* Whether a statement with up to three texts finds a row; those that are NULL are not bound. */
static int found(struct db_conn *c, const char *sql, const char *const texts[3], bool *ret, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, sql, &s, e) < 0)
        return -1;
    for (int i = 0; i < 3 && texts[i]; i++)
        db_bind_text(s, i + 1, texts[i]);
    return stmt_found(s, ret, e);
}

/* The project has had its turn. */
static int turn(struct db_conn *c, const char *owner, struct error *e)
{
    struct db_stmt *s;

    if (db_lock(c, "job turns", e) < 0 ||
        db_prepare(c, "DELETE FROM glint_job_turns WHERE owner = ?1", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, owner);
    if (db_run(s, NULL, e) < 0 ||
        db_prepare(c,
                   "INSERT INTO glint_job_turns (owner, turn) SELECT ?1, COALESCE(MAX(turn), 0) + 1 FROM "
                   "glint_job_turns",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, owner);
    return db_run(s, NULL, e);
}

int job_held(struct db_conn *c, const char *id, const char *holder, bool *ret, struct error *e)
{
    static const char sql[] = "SELECT 1 FROM glint_jobs WHERE id = ?1 AND holder = ?2 AND state = 'running'";

    return found(c, sql, (const char *[]){ id, holder, NULL }, ret, e);
}

int job_at(struct db_conn *c, const char *id, const char *holder, const char *step, bool *ret,
           struct error *e)
{
    static const char sql[] =
        "SELECT 1 FROM glint_jobs WHERE id = ?1 AND holder = ?2 AND step = ?3 AND state = 'running'";

    return found(c, sql, (const char *[]){ id, holder, step }, ret, e);
}

int job_ended(struct db_conn *c, const char *id, bool *ret, struct error *e)
{
    static const char sql[] = "SELECT 1 FROM glint_jobs WHERE id = ?1 AND state IN ('done', 'failed')";

    return found(c, sql, (const char *[]){ id, NULL, NULL }, ret, e);
}

int job_exists(struct db_conn *c, const char *id, bool *ret, struct error *e)
{
    return found(c, "SELECT 1 FROM glint_jobs WHERE id = ?1", (const char *[]){ id, NULL, NULL }, ret, e);
}

static int take(struct db_conn *c, void *arg, struct error *e)
{
    const struct change *ch = arg;
    char takeovers[24];
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE glint_jobs SET state = 'running', holder = ?1, expires_at = ?2, updated_at = ?3 "
                   "WHERE id = ?4 AND state = ?5 AND holder = ?6 AND expires_at = ?7",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, ch->holder);
    db_bind_int(s, 2, ch->time_us);
    db_bind_time(s, 3, clock_now_us());
    db_bind_text(s, 4, ch->seen->id);
    db_bind_text(s, 5, job_state_name(ch->seen->state));
    db_bind_text(s, 6, ch->seen->holder);
    db_bind_int(s, 7, ch->seen->expires_us);
    if (run_one(s, ch->seen->id, e) < 0)
        return -1;
    if (ch->seen->state != JOB_RUNNING)
        return turn(c, ch->seen->owner ? ch->seen->owner : "", e);
    snprintf(takeovers, sizeof takeovers, "%lld", (long long)ch->seen->takeovers + 1);
    return job_note_set(c, ch->seen->id, "takeovers", takeovers, e);
}

static int took(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct change *ch = arg;

    return job_held(c, ch->seen->id, ch->holder, ret, e);
}

static const struct db_unit take_unit = { "job.take", take, took };

int job_take(struct db_conn *c, const struct job *seen, const char *holder, int64_t expires_us,
             struct error *e)
{
    return db_write_on(c, &take_unit,
                       &(struct change){ .seen = seen, .holder = holder, .time_us = expires_us }, e);
}

static int renew(struct db_conn *c, void *arg, struct error *e)
{
    const struct change *ch = arg;
    struct db_stmt *s;

    if (db_prepare(
            c, "UPDATE glint_jobs SET expires_at = ?1 WHERE id = ?2 AND state = 'running' AND holder = ?3",
            &s, e) < 0)
        return -1;
    db_bind_int(s, 1, ch->time_us);
    db_bind_text(s, 2, ch->id);
    db_bind_text(s, 3, ch->holder);
    return run_one(s, ch->id, e);
}

static const struct db_unit renew_unit = { "job.renew", renew, db_unit_idempotent };

int job_renew(struct db_conn *c, const char *id, const char *holder, int64_t expires_us, struct error *e)
{
    return db_write_on(c, &renew_unit, &(struct change){ .id = id, .holder = holder, .time_us = expires_us },
                       e);
}

/* text NULL: the step goes on. */
static int step(struct db_conn *c, void *arg, struct error *e)
{
    const struct change *ch = arg;
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE glint_jobs SET step = COALESCE(?1, step), updated_at = ?2 "
                   "WHERE id = ?3 AND state = 'running' AND holder = ?4",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, ch->text);
    db_bind_time(s, 2, clock_now_us());
    db_bind_text(s, 3, ch->id);
    db_bind_text(s, 4, ch->holder);
    if (run_one(s, ch->id, e) < 0)
        return -1;
    return job_note_drop(c, ch->id, "takeovers", e);
}

static const struct db_unit step_unit = { "job.step", step, db_unit_idempotent };

int job_step(struct db_conn *c, const char *id, const char *holder, const char *name, struct error *e)
{
    return db_write_on(c, &step_unit, &(struct change){ .id = id, .holder = holder, .text = name }, e);
}

int job_progress(struct db_conn *c, const char *id, const char *holder, struct error *e)
{
    return db_write_on(c, &step_unit, &(struct change){ .id = id, .holder = holder }, e);
}

static int put_back(struct db_conn *c, void *arg, struct error *e)
{
    const struct change *ch = arg;
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE glint_jobs SET state = 'waiting', holder = '', expires_at = 0, attempt = ?1, "
                   "next_run_at = ?2, message = ?3, updated_at = ?4 "
                   "WHERE id = ?5 AND state = 'running' AND holder = ?6",
                   &s, e) < 0)
        return -1;
    db_bind_int(s, 1, ch->attempt);
    db_bind_int(s, 2, ch->time_us);
    db_bind_text(s, 3, ch->text);
    db_bind_time(s, 4, clock_now_us());
    db_bind_text(s, 5, ch->id);
    db_bind_text(s, 6, ch->holder);
    return run_one(s, ch->id, e);
}

/* Whoever took it from there has begun another try. */
static int was_put_back(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct change *ch = arg;
    bool held;

    if (job_held(c, ch->id, ch->holder, &held, e) < 0)
        return -1;
    *ret = !held;
    return 0;
}

static const struct db_unit put_back_unit = { "job.put_back", put_back, was_put_back };

int job_put_back(struct db_conn *c, const char *id, const char *holder, int64_t attempt, int64_t next_us,
                 const char *message, struct error *e)
{
    struct change ch = {
        .id = id, .holder = holder, .attempt = attempt, .time_us = next_us, .text = message
    };

    return db_write_on(c, &put_back_unit, &ch, e);
}

static int condemn(struct db_conn *c, void *arg, struct error *e)
{
    const struct change *ch = arg;
    struct db_stmt *s;
    int64_t changed;

    if (db_prepare(
            c,
            "UPDATE glint_jobs SET next_run_at = CASE state WHEN 'waiting' THEN ?1 ELSE next_run_at END, "
            "updated_at = ?2 WHERE id = ?3 AND state IN ('waiting', 'running')",
            &s, e) < 0)
        return -1;
    db_bind_int(s, 1, clock_now_us());
    db_bind_time(s, 2, clock_now_us());
    db_bind_text(s, 3, ch->id);
    if (db_run(s, &changed, e) < 0)
        return -1;
    if (!changed)
        return error_set(e, ERROR_CONFLICT, "Job %s has ended", ch->id);
    if (ch->anywhere && job_note_drop(c, ch->id, "place", e) < 0)
        return -1;
    return job_note_set(c, ch->id, "giving_up", ch->text, e);
}

static const struct db_unit condemn_unit = { "job.condemn", condemn, db_unit_idempotent };

int job_condemn(struct db_conn *c, const char *id, const struct error *why, bool anywhere, struct error *e)
{
    char text[ERROR_MESSAGE_MAX + 64];

    snprintf(text, sizeof text, "%s %s", error_kinds[why->kind].name, why->message);
    return db_write_on(c, &condemn_unit, &(struct change){ .id = id, .text = text, .anywhere = anywhere }, e);
}

static int end(struct db_conn *c, void *arg, struct error *e)
{
    const struct change *ch = arg;
    struct db_stmt *s;

    if (db_prepare(
            c,
            "UPDATE glint_jobs SET state = ?1, holder = '', expires_at = 0, message = ?2, updated_at = ?3 "
            "WHERE id = ?4 AND state = 'running' AND holder = ?5",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, job_state_name(ch->state));
    db_bind_text(s, 2, ch->text);
    db_bind_time(s, 3, clock_now_us());
    db_bind_text(s, 4, ch->id);
    db_bind_text(s, 5, ch->holder);
    if (run_one(s, ch->id, e) < 0 ||
        db_prepare(
            c,
            "DELETE FROM glint_job_notes WHERE job_id = ?1 AND name NOT IN ('place', 'owner', 'stores', "
            "'method')",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, ch->id);
    return db_run(s, NULL, e);
}

static int ended(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct change *ch = arg;

    return job_ended(c, ch->id, ret, e);
}

static const struct db_unit end_unit = { "job.end", end, ended };

int job_end(struct db_conn *c, const char *id, const char *holder, enum job_state state, const char *message,
            struct error *e)
{
    struct change ch = { .id = id, .holder = holder, .state = state, .text = message };

    return db_write_on(c, &end_unit, &ch, e);
}

int job_anywhere(struct db_conn *c, const char *image_id, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(
            c,
            "DELETE FROM glint_job_notes WHERE name = 'place' AND job_id IN (SELECT id FROM glint_jobs "
            "WHERE image_id = ?1 AND state IN ('waiting', 'running'))",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    return db_run(s, NULL, e);
}

static int prune(struct db_conn *c, void *arg, struct error *e)
{
    static const char *const with_them[] = {
        "DELETE FROM glint_job_notes WHERE job_id NOT IN (SELECT id FROM glint_jobs)",
        "DELETE FROM glint_job_turns WHERE owner NOT IN (SELECT value FROM glint_job_notes WHERE name = "
        "'owner')",
    };
    const struct change *ch = arg;
    struct db_stmt *s;

    if (db_prepare(c, "DELETE FROM glint_jobs WHERE state IN ('done', 'failed') AND updated_at < ?1", &s, e) <
        0)
        return -1;
    db_bind_time(s, 1, ch->time_us);
    for (size_t i = 0; i < COUNT(with_them); i++)
        if (db_run(s, NULL, e) < 0 || db_prepare(c, with_them[i], &s, e) < 0)
            return -1;
    return db_run(s, NULL, e);
}

static const struct db_unit prune_unit = { "job.prune", prune, db_unit_idempotent };

int job_prune(struct db_conn *c, int64_t before_us, struct error *e)
{
    return db_write_on(c, &prune_unit, &(struct change){ .time_us = before_us }, e);
}

/* What is told of a task whose lock was taken from it stands for so long. */
#define EXPIRED_US (48 * 3600 * CLOCK_SECOND)

/* ---- the image's lock: the property that says which task works on it ---- */

int image_lock(struct db_conn *c, const char *image_id, const char *task, struct error *e)
{
    const struct image_property p = { IMAGE_LOCK, task };
    int64_t changed, now = clock_now_us();
    struct db_stmt *s;

    if (db_prepare(
            c,
            "UPDATE image_properties SET value = ?1, deleted = FALSE, deleted_at = NULL, updated_at = ?2 "
            "WHERE image_id = ?3 AND name = ?4 AND deleted",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, task);
    db_bind_time(s, 2, now);
    db_bind_text(s, 3, image_id);
    db_bind_text(s, 4, IMAGE_LOCK);
    if (db_run(s, &changed, e) < 0)
        return -1;
    return changed ? 0 : image_property_insert(c, image_id, &p, now, e);
}

int image_unlock(struct db_conn *c, const char *image_id, const char *task, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE image_properties SET deleted = TRUE, deleted_at = ?1, updated_at = ?2 "
                   "WHERE image_id = ?3 AND name = ?4 AND value = ?5 AND NOT deleted",
                   &s, e) < 0)
        return -1;
    db_bind_time(s, 1, clock_now_us());
    db_bind_time(s, 2, clock_now_us());
    db_bind_text(s, 3, image_id);
    db_bind_text(s, 4, IMAGE_LOCK);
    db_bind_text(s, 5, task);
    return db_run(s, NULL, e);
}

/* A task of Glance's own holds for an hour after its last sign of life, two while it waits. */
int image_lock_holds(struct db_conn *c, const char *task, bool *ret, struct error *e)
{
    struct db_stmt *s;
    int64_t hour = 3600 * CLOCK_SECOND, now = clock_now_us();

    if (db_prepare(c,
                   "SELECT 1 FROM glint_jobs WHERE id = ?1 AND state IN ('waiting', 'running') UNION ALL "
                   "SELECT 1 FROM tasks WHERE id = ?2 AND NOT deleted AND "
                   "updated_at > CASE status WHEN 'pending' THEN ?3 ELSE ?4 END",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, task);
    db_bind_text(s, 2, task);
    db_bind_time(s, 3, now - 2 * hour);
    db_bind_time(s, 4, now - hour);
    return stmt_found(s, ret, e);
}

int image_lock_take(struct db_conn *c, const struct image *im, const char *task, struct error *e)
{
    const char *other = image_property_get(im, IMAGE_LOCK);
    bool holds;

    if (other) {
        if (image_lock_holds(c, other, &holds, e) < 0)
            return -1;
        if (holds)
            return error_set(e, ERROR_CONFLICT, "Image has active task");
        if (image_unlock(c, im->id, other, e) < 0 ||
            task_end(c, other, false, NULL, "Expired lock preempted", clock_now_us() + EXPIRED_US, e) < 0)
            return -1;
    }
    return image_lock(c, im->id, task, e);
}
