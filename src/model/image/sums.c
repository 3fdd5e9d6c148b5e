/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rows.h"

/* Sizes are whatever clients claim of their locations: the whole sum may not fit, that of halves does. */
static int64_t halves_sum(int64_t high, int64_t low)
{
    high += low >> 32;
    return high > INT32_MAX ? INT64_MAX : (high << 32) | (low & UINT32_MAX);
}

/* sql: the high and the low halves, of the project ?1 without the image ?2. */
static int halves_add(struct db_conn *c, const char *sql, const char *owner, const char *except_id,
                      int64_t *high, int64_t *low, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, sql, &s, e) < 0)
        return -1;
    db_bind_text(s, 1, owner);
    db_bind_text(s, 2, except_id ? except_id : "");
    row = db_step(s, e);
    if (row > 0) {
        *high += db_int(s, 0);
        *low += db_int(s, 1);
    }
    return row < 0 ? -1 : 0;
}

int image_storage_used(struct db_conn *c, const char *owner, const char *except_id, int64_t *ret,
                       struct error *e)
{
    static const char stored[] =
        "SELECT SUM(i.size >> 32), SUM(i.size & 4294967295) FROM images i JOIN image_locations l "
        "ON l.image_id = i.id "
        "WHERE i.owner = ?1 AND i.id <> ?2 AND i.size > 0 AND l.status <> 'deleted' "
        "AND i.status NOT IN ('killed', 'deleted', 'pending_delete')";
    static const char coming[] =
        "SELECT SUM(COALESCE(s.size, i.size) >> 32), SUM(COALESCE(s.size, i.size) & 4294967295) "
        "FROM images i LEFT JOIN glint_staged s ON s.image_id = i.id "
        "WHERE i.owner = ?1 AND i.id <> ?2 AND i.status IN ('saving', 'uploading', 'importing') "
        "AND COALESCE(s.size, i.size) > 0 AND NOT EXISTS "
        "(SELECT 1 FROM image_locations l WHERE l.image_id = i.id AND l.status <> 'deleted')";
    int64_t high = 0, low = 0;

    if (halves_add(c, stored, owner, except_id, &high, &low, e) < 0 ||
        halves_add(c, coming, owner, except_id, &high, &low, e) < 0)
        return -1;
    *ret = halves_sum(high, low);
    return 0;
}

/* Grouped by os_hidden, too, because the index has it in front: then nothing has to be sorted. */
int image_count_by_status(struct db_conn *c, int64_t ret[IMAGE_STATUSES], struct error *e)
{
    struct db_stmt *s;
    int row;

    if (db_prepare(c, "SELECT status, COUNT(*) FROM images WHERE deleted = FALSE GROUP BY os_hidden, status",
                   &s, e) < 0)
        return -1;
    for (int i = 0; i < IMAGE_STATUSES; i++)
        ret[i] = 0;
    while ((row = db_step(s, e)) > 0) {
        const char *name = db_text(s, 0);
        enum image_status status;

        if (name && image_status_parse(name, &status))
            ret[status] += db_int(s, 1);
    }
    return row;
}
