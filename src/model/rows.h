/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of images to structs and back; shared by the files of this room.
 *
 * Spelling of booleans in SQL: `deleted = FALSE` where an index should find the row, `NOT deleted` where it
 * must not: every database understands both. */
#ifndef MODEL_ROWS_H
#define MODEL_ROWS_H

#include "model/model.h"

/* Statements made of image_resource. `columns` begin every select whose rows image_row_read() reads. */
struct image_sql {
    const char *columns, *load, *load_locked, *insert, *update;
};
const struct image_sql *image_sql(void);
static inline int image_row_read(struct db_stmt *s, struct arena *a, struct image *ret, struct error *e)
{
    return resource_read(&image_resource, s, 0, a, ret, e);
}

/* One child row, its columns from col on. */
#define LOCATION_COLUMNS "id, value, meta_data, status, COALESCE(updated_at, created_at)"
void image_row_location(struct db_stmt *s, int col, struct arena *a, struct image *im);

/* Reads the child rows of im->id into it. One statement a kind: the database is in this process, and a
 * statement for many images would say with each row whose it is. */
int image_rows_load(struct db_conn *c, struct arena *a, struct image *im, bool locations,
                    struct error *e) MUST_CHECK;

/* Says why a compare-and-set changed no row: ERROR_CONFLICT, or `missing` when there is no such live image.
 * Returns -1. */
int image_explain_unchanged(struct db_conn *c, const char *id, enum image_status from,
                            enum error_kind missing, struct error *e);

/* Adds one row. */
int image_property_insert(struct db_conn *c, const char *image_id, const struct image_property *p,
                          int64_t now, struct error *e) MUST_CHECK;
int image_tag_insert(struct db_conn *c, const char *image_id, const char *tag, int64_t now,
                     struct error *e) MUST_CHECK;

/* For CLEANUP on a statement that is stepped until a row is found. */
static inline void stmt_reset(struct db_stmt **s)
{
    if (*s)
        db_reset(*s);
}

/* Whether the statement gives a row. */
static inline int stmt_found(struct db_stmt *s, bool *ret, struct error *e)
{
    int row = db_step(s, e);

    if (row > 0)
        db_reset(s);
    *ret = row > 0;
    return row < 0 ? -1 : 0;
}

static inline void arena_drop(struct arena **a)
{
    arena_free(*a);
}

#endif
