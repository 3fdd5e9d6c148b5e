/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rows.h"

static const char *const status_names[] = { "pending", "accepted", "rejected" };

bool member_status_valid(const char *status)
{
    for (size_t i = 0; i < COUNT(status_names); i++)
        if (str_eq(status_names[i], status))
            return true;
    return false;
}

int member_list(struct db_conn *c, struct arena *a, const char *image_id, const char *only,
                struct member **ret, size_t *ret_n, struct error *e)
{
    struct member *list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(c,
                   "SELECT member, status, created_at, updated_at FROM image_members WHERE image_id = ?1 "
                   "AND NOT deleted AND (?2 IS NULL OR member = ?3) ORDER BY id",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, only);
    db_bind_text(s, 3, only);
    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = (struct member){
            .project = arena_str(a, db_text(s, 0)),
            .status = arena_str(a, db_text(s, 1)),
            .created_us = db_time(s, 2),
            .updated_us = db_time(s, 3),
        };
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}

int member_load(struct db_conn *c, struct arena *a, const char *image_id, const char *project,
                struct member **ret, struct error *e)
{
    size_t n;

    if (member_list(c, a, image_id, project, ret, &n, e) < 0)
        return -1;
    if (n == 0)
        return error_set(e, ERROR_NOT_FOUND, "%s not found in the member list of the image %s.", project,
                         image_id);
    return 0;
}

int member_count(struct db_conn *c, const char *image_id, int64_t *ret, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "SELECT COUNT(*) FROM image_members WHERE image_id = ?1 AND NOT deleted", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    if (db_step(s, e) < 0)
        return -1;
    *ret = db_int(s, 0);
    db_reset(s);
    return 0;
}

/* The row of an earlier membership comes back to life with the time it was first made. */
static int revive(struct db_conn *c, const char *image_id, const char *project, int64_t *ret, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE image_members SET deleted = FALSE, status = 'pending', updated_at = ?1 WHERE id = "
                   "(SELECT MAX(id) FROM image_members WHERE image_id = ?2 AND member = ?3 AND deleted)",
                   &s, e) < 0)
        return -1;
    db_bind_time(s, 1, clock_now_us());
    db_bind_text(s, 2, image_id);
    db_bind_text(s, 3, project);
    return db_run(s, ret, e);
}

static int insert(struct db_conn *c, const char *image_id, const char *project, struct error *e)
{
    int64_t now = clock_now_us();
    struct db_stmt *s;

    if (db_prepare(c,
                   "INSERT INTO image_members (image_id, member, can_share, status, created_at, updated_at, "
                   "deleted) VALUES (?1, ?2, FALSE, 'pending', ?3, ?4, FALSE)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, project);
    db_bind_time(s, 3, now);
    db_bind_time(s, 4, now);
    return db_run(s, NULL, e);
}

int member_add(struct db_conn *c, struct arena *a, const char *image_id, const char *project, struct error *e)
{
    struct member *live;
    int64_t revived;
    size_t n;

    if (member_list(c, a, image_id, project, &live, &n, e) < 0)
        return -1;
    if (n > 0)
        return error_set(e, ERROR_CONFLICT, "Member %s is duplicated for image %s", project, image_id);
    if (revive(c, image_id, project, &revived, e) < 0)
        return -1;
    return revived > 0 ? 0 : insert(c, image_id, project, e);
}

static int change(struct db_stmt *s, const char *image_id, const char *project, struct error *e)
{
    int64_t changed;

    if (db_run(s, &changed, e) < 0)
        return -1;
    if (changed == 0)
        return error_set(e, ERROR_NOT_FOUND, "%s not found in the member list of the image %s.", project,
                         image_id);
    return 0;
}

int member_status_set(struct db_conn *c, const char *image_id, const char *project, const char *status,
                      struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(
            c,
            "UPDATE image_members SET status = ?1, updated_at = ?2 WHERE image_id = ?3 AND member = ?4 "
            "AND NOT deleted",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, status);
    db_bind_time(s, 2, clock_now_us());
    db_bind_text(s, 3, image_id);
    db_bind_text(s, 4, project);
    return change(s, image_id, project, e);
}

int member_remove(struct db_conn *c, const char *image_id, const char *project, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(
            c,
            "UPDATE image_members SET deleted = TRUE, deleted_at = ?1 WHERE image_id = ?2 AND member = "
            "?3 AND NOT deleted",
            &s, e) < 0)
        return -1;
    db_bind_time(s, 1, clock_now_us());
    db_bind_text(s, 2, image_id);
    db_bind_text(s, 3, project);
    return change(s, image_id, project, e);
}
