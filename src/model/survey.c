/* SPDX-License-Identifier: Apache-2.0 */
/* What looking after stores, staging and database asks: who needs something, and pages of what may be left.
 */
#include "model/rows.h"

/* A job that is not over; `image` or `id` are the outer statement's. */
#define LIVE_JOB(which)                                                                                      \
    "EXISTS (SELECT 1 FROM glint_jobs j WHERE " which " AND j.state IN ('waiting', 'running'))"

/* Those that say what a job was outlive its end, not its row. */
#define LOST_NOTE(job)                                                                                       \
    "NOT " LIVE_JOB("j.id = " job) " AND (name NOT IN ('place', 'owner', 'stores', 'method') OR "            \
                                   "NOT EXISTS (SELECT 1 FROM glint_jobs j WHERE j.id = " job "))"

/* ---- who needs an image's data ---- */

static int claims_row(struct db_conn *c, struct arena *a, const char *id, struct image_claims *ret,
                      struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c,
                   "SELECT status, deleted, size, COALESCE(deleted_at, updated_at, created_at), "
                   "(SELECT value FROM image_properties WHERE image_id = ?1 AND name = '" IMAGE_LOCK
                   "' AND NOT deleted) FROM images WHERE id = ?2",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, id);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    ret->known = row > 0;
    if (row == 0)
        return 0;
    if (!image_status_parse(db_text(s, 0), &ret->status))
        return error_set(e, ERROR_INTERNAL, "Image %s has an unknown status.", id);
    ret->deleted = db_bool(s, 1);
    ret->size = db_is_null(s, 2) ? -1 : db_int(s, 2);
    ret->changed_us = db_time(s, 3);
    ret->lock = arena_str(a, db_text(s, 4));
    return 0;
}

/* Also of an image that there is no row of. */
static int claims_work(struct db_conn *c, const char *id, struct image_claims *ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;

    if (db_prepare(
            c,
            "SELECT " LIVE_JOB("j.image_id = ?1") ", "
                                                  "EXISTS (SELECT 1 FROM glint_leases WHERE image_id = ?2)",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, id);
    if (db_step(s, e) <= 0)
        return -1;
    ret->job = db_int(s, 0) != 0;
    ret->lease = db_int(s, 1) != 0;
    return 0;
}

int image_claims_load(struct db_conn *c, struct arena *a, const char *image_id, struct image_claims *ret,
                      struct error *e)
{
    *ret = (struct image_claims){ .size = -1 };
    if (claims_row(c, a, image_id, ret, e) < 0 || claims_work(c, image_id, ret, e) < 0)
        return -1;
    return ret->lock ? image_lock_holds(c, ret->lock, &ret->locked, e) : 0;
}

/* ---- who needs an object ---- */

static int bind_both(struct db_stmt *s, int at, const char *url, const char *alias)
{
    db_bind_text(s, at++, url);
    db_bind_text(s, at++, alias ? alias : url);
    return at;
}

int object_named(struct db_conn *c, const char *url, const char *alias, int64_t since_us, bool *ret,
                 struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "SELECT 1 FROM image_locations WHERE value IN (?1, ?2) AND "
                   "(NOT deleted OR status = 'pending_delete' OR deleted_at > ?3)",
                   &s, e) < 0)
        return -1;
    db_bind_time(s, bind_both(s, 1, url, alias), since_us);
    return stmt_found(s, ret, e);
}

int object_in_work(struct db_conn *c, const char *url, const char *alias, bool *ret, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "SELECT 1 FROM glint_leases WHERE url IN (?1, ?2) UNION ALL "
                   "SELECT 1 FROM glint_trash WHERE url IN (?3, ?4) UNION ALL "
                   "SELECT 1 FROM glint_job_notes WHERE value IN (?5, ?6)",
                   &s, e) < 0)
        return -1;
    bind_both(s, bind_both(s, bind_both(s, 1, url, alias), url, alias), url, alias);
    return stmt_found(s, ret, e);
}

int object_under_way(struct db_conn *c, const char *url, bool *ret, struct error *e)
{
    const char *name = strrchr(url, '/');
    struct db_stmt *s;

    if (db_prepare(c,
                   "SELECT 1 FROM glint_leases WHERE url = ?1 UNION ALL "
                   "SELECT 1 FROM glint_jobs j JOIN glint_job_notes n ON n.job_id = j.id "
                   "WHERE j.image_id = ?2 AND +j.state IN ('waiting', 'running') AND n.name LIKE 'object:%' "
                   "AND n.value = ?3",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, url);
    db_bind_text(s, 2, name ? name + 1 : url);
    db_bind_text(s, 3, url);
    return stmt_found(s, ret, e);
}

/* ---- pages ---- */

/* One statement with the id after which the page begins, and the limit. */
static int page_begin(struct db_conn *c, const char *sql, const char *after, int64_t limit,
                      struct db_stmt **ret, struct error *e)
{
    if (db_prepare(c, sql, ret, e) < 0)
        return -1;
    db_bind_text(*ret, 1, after);
    db_bind_int(*ret, 2, limit);
    return 0;
}

static int ids_read(struct db_stmt *s, struct arena *a, const char ***ret, size_t *ret_n, struct error *e)
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

/* A page begins where the last one ended only if the walk is along the key: NOT deleted, so that no other
 * index is taken (rows.h). */
static const char *const id_pages[SURVEY_KINDS] = {
    [SURVEY_MOVING] = "SELECT id FROM images WHERE id > ?1 AND NOT deleted AND "
                      "status IN ('saving', 'uploading', 'importing') ORDER BY id LIMIT ?2",
    [SURVEY_LOCKED] = "SELECT p.image_id FROM image_properties p JOIN images i ON i.id = p.image_id "
                      "WHERE p.image_id > ?1 AND p.name = '" IMAGE_LOCK
                      "' AND NOT p.deleted AND NOT i.deleted ORDER BY p.image_id LIMIT ?2",
    [SURVEY_BARE] = "SELECT id FROM images WHERE id > ?1 AND NOT deleted AND "
                    "status IN ('active', 'deactivated') AND NOT EXISTS (SELECT 1 FROM image_locations l "
                    "WHERE l.image_id = images.id AND NOT l.deleted) ORDER BY id LIMIT ?2",
    [SURVEY_TASKS] =
        "SELECT id FROM tasks WHERE id > ?1 AND NOT deleted AND "
        "status IN ('pending', 'processing') AND NOT " LIVE_JOB("j.id = tasks.id") " ORDER BY id LIMIT ?2",
    [SURVEY_NOTES] = "SELECT DISTINCT job_id FROM glint_job_notes WHERE job_id > ?1 AND " LOST_NOTE(
        "job_id") " ORDER BY job_id LIMIT ?2",
    [SURVEY_JOBS] = "SELECT id FROM glint_jobs WHERE id > ?1 AND state IN ('waiting', 'running') "
                    "ORDER BY id LIMIT ?2",
    [SURVEY_STAGED] = "SELECT image_id FROM glint_staged WHERE image_id > ?1 ORDER BY image_id LIMIT ?2",
};

int survey_ids(struct db_conn *c, struct arena *a, enum survey_kind kind, const char *after, int64_t limit,
               const char ***ret, size_t *ret_n, struct error *e)
{
    struct db_stmt *s;

    if (page_begin(c, id_pages[kind], after, limit, &s, e) < 0)
        return -1;
    return ids_read(s, a, ret, ret_n, e);
}

#define COPY_SELECT                                                                                          \
    "SELECT l.id, l.image_id, l.value, l.meta_data, i.status, i.size, i.checksum, i.os_hash_algo, "          \
    "i.os_hash_value FROM image_locations l JOIN images i ON i.id = l.image_id WHERE "

static int copies_read(struct db_stmt *s, struct arena *a, struct image_copy **ret, size_t *ret_n,
                       struct error *e)
{
    struct image_copy *list = NULL;
    size_t n = 0, cap = 0;
    int row;

    while ((row = db_step(s, e)) > 0) {
        struct image_copy *one = ARENA_PUSH(a, list, n, cap);

        *one = (struct image_copy){
            .location = db_int(s, 0),
            .image_id = arena_str(a, db_text(s, 1)),
            .url = arena_str(a, db_text(s, 2)),
            .metadata = arena_str(a, db_is_null(s, 3) ? "{}" : db_text(s, 3)),
            .size = db_is_null(s, 5) ? -1 : db_int(s, 5),
            .checksum = arena_str(a, db_text(s, 6)),
            .os_hash_algo = arena_str(a, db_text(s, 7)),
            .os_hash_value = arena_str(a, db_text(s, 8)),
        };
        if (!image_status_parse(db_text(s, 4), &one->status))
            one->status = IMAGE_QUEUED;
    }
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}

int survey_copies(struct db_conn *c, struct arena *a, int64_t after, int64_t limit, struct image_copy **ret,
                  size_t *ret_n, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, COPY_SELECT "l.id > ?1 AND NOT l.deleted AND NOT i.deleted ORDER BY l.id LIMIT ?2", &s,
                   e) < 0)
        return -1;
    db_bind_int(s, 1, after);
    db_bind_int(s, 2, limit);
    return copies_read(s, a, ret, ret_n, e);
}

int image_copy_load(struct db_conn *c, struct arena *a, int64_t location, struct image_copy **ret,
                    struct error *e)
{
    struct db_stmt *s;
    size_t n;

    if (db_prepare(c, COPY_SELECT "l.id = ?1 AND NOT l.deleted AND NOT i.deleted", &s, e) < 0)
        return -1;
    db_bind_int(s, 1, location);
    if (copies_read(s, a, ret, &n, e) < 0)
        return -1;
    return n > 0 ? 0 : error_set(e, ERROR_NOT_FOUND, "No location %lld", (long long)location);
}

int job_notes_forget(struct db_conn *c, const char *job_id, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "DELETE FROM glint_job_notes WHERE job_id = ?1 AND " LOST_NOTE("job_id"), &s, e) < 0)
        return -1;
    db_bind_text(s, 1, job_id);
    return db_run(s, NULL, e);
}
