/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rows.h"

int staged_set(struct db_conn *c, const struct staged *f, struct error *e)
{
    struct db_stmt *s;

    if (staged_drop(c, f->image_id, e) < 0 ||
        db_prepare(c,
                   "INSERT INTO glint_staged (image_id, host, mark, size, checksum, os_hash_algo, "
                   "os_hash_value, verdict) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, f->image_id);
    db_bind_text(s, 2, f->host);
    db_bind_text(s, 3, f->mark);
    db_bind_int(s, 4, f->size);
    db_bind_text(s, 5, f->checksum);
    db_bind_text(s, 6, f->os_hash_algo);
    db_bind_text(s, 7, f->os_hash_value);
    db_bind_text(s, 8, f->verdict);
    return db_run(s, NULL, e);
}

int staged_get(struct db_conn *c, struct arena *a, const char *image_id, struct staged **ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c,
                   "SELECT image_id, host, mark, size, checksum, os_hash_algo, os_hash_value, verdict "
                   "FROM glint_staged WHERE image_id = ?1",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    *ret = NULL;
    if (row == 0)
        return 0;
    *ret = arena_new(a, struct staged);
    **ret = (struct staged){
        .image_id = arena_str(a, db_text(s, 0)),
        .host = arena_str(a, db_text(s, 1)),
        .mark = arena_str(a, db_text(s, 2)),
        .size = db_int(s, 3),
        .checksum = arena_str(a, db_text(s, 4)),
        .os_hash_algo = arena_str(a, db_text(s, 5)),
        .os_hash_value = arena_str(a, db_text(s, 6)),
        .verdict = arena_str(a, db_text(s, 7)),
    };
    return 0;
}

int staged_drop(struct db_conn *c, const char *image_id, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "DELETE FROM glint_staged WHERE image_id = ?1", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    return db_run(s, NULL, e);
}
