/* SPDX-License-Identifier: Apache-2.0 */
/* One image: read, insert, delete. What save does to an image's rows is in save.c. */
#include "model/rows.h"

#include <stdlib.h>
#include <string.h>

/* ---- properties in memory ---- */

/* by_name may be NULL, where there are few. */
static struct image_property *find_in(struct image_property *items, size_t n, const struct names *by_name,
                                      const char *name)
{
    size_t at;

    if (by_name)
        return names_find(by_name, name, &at) ? &items[at] : NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

static struct image_property *find_property(const struct image *im, const char *name)
{
    return find_in(im->properties, im->n_properties, im->by_name, name);
}

static struct image_property *find_hidden(const struct image *im, const char *name)
{
    return find_in(im->hidden, im->n_hidden, im->hidden_by_name, name);
}

/* Of many the last takes the place until image_properties_sort(), so that a patch that removes them all does
 * not move them all each time. */
static void drop_from(struct image_property *items, size_t *n, struct names *by_name,
                      struct image_property *gone)
{
    size_t at = (size_t)(gone - items), last = *n - 1;

    (*n)--;
    if (!by_name) {
        memmove(gone, gone + 1, (last - at) * sizeof *gone);
        return;
    }
    names_remove(by_name, gone->name);
    if (at == last)
        return;
    *gone = items[last];
    names_put(by_name, gone->name, at);
}

static struct names *index_made(struct arena *a, const struct image_property *items, size_t n)
{
    struct names *by_name;

    if (n < NAMES_WORTH)
        return NULL;
    by_name = names_make(a);
    for (size_t i = 0; i < n; i++)
        names_put(by_name, items[i].name, i);
    return by_name;
}

static void push(struct arena *a, struct image *im, struct image_property **items, size_t *n, size_t *cap,
                 struct names **by_name, struct image_property p)
{
    struct image_property *list = *items;

    p.arrival = ++im->arrivals;
    *ARENA_PUSH(a, list, *n, *cap) = p;
    *items = list;
    if (*by_name)
        names_put(*by_name, p.name, *n - 1);
    else
        *by_name = index_made(a, list, *n);
}

static int by_arrival(const void *a, const void *b)
{
    size_t x = ((const struct image_property *)a)->arrival, y = ((const struct image_property *)b)->arrival;

    return (x > y) - (x < y);
}

void image_properties_sort(struct image *im)
{
    if (!im->by_name)
        return;
    qsort(im->properties, im->n_properties, sizeof *im->properties, by_arrival);
    for (size_t i = 0; i < im->n_properties; i++)
        names_put(im->by_name, im->properties[i].name, i);
}

void image_properties_index(struct arena *a, struct image *im)
{
    for (size_t i = 0; i < im->n_properties; i++)
        im->properties[i].arrival = ++im->arrivals;
    for (size_t i = 0; i < im->n_hidden; i++)
        im->hidden[i].arrival = ++im->arrivals;
    im->by_name = index_made(a, im->properties, im->n_properties);
    im->hidden_by_name = index_made(a, im->hidden, im->n_hidden);
}

const char *image_property_get(const struct image *im, const char *name)
{
    const struct image_property *p = find_property(im, name);

    if (!p)
        return NULL;
    return p->value ? p->value : "";
}

void image_property_set(struct arena *a, struct image *im, const char *name, const char *value)
{
    struct image_property *p = find_property(im, name), *hidden = find_hidden(im, name);

    if (hidden)
        drop_from(im->hidden, &im->n_hidden, im->hidden_by_name, hidden);
    if (p)
        p->value = arena_str(a, value);
    else
        push(a, im, &im->properties, &im->n_properties, &im->cap_properties, &im->by_name,
             (struct image_property){ .name = arena_str(a, name), .value = arena_str(a, value) });
}

bool image_property_drop(struct image *im, const char *name)
{
    struct image_property *p = find_property(im, name);

    if (p)
        drop_from(im->properties, &im->n_properties, im->by_name, p);
    return p != NULL;
}

void image_property_hide(struct arena *a, struct image *im, const char *name)
{
    struct image_property *p = find_property(im, name), copy;

    if (!p)
        return;
    copy = *p;
    drop_from(im->properties, &im->n_properties, im->by_name, p);
    push(a, im, &im->hidden, &im->n_hidden, &im->cap_hidden, &im->hidden_by_name, copy);
}

bool image_property_hidden(const struct image *im, const char *name)
{
    return find_hidden(im, name) != NULL;
}

static bool has_tag(const char *const *tags, size_t n, const char *tag)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(tags[i], tag) == 0)
            return true;
    return false;
}

void image_tags_unique(struct arena *a, struct image *im)
{
    struct names *seen = im->n_tags < NAMES_WORTH ? NULL : names_make(a);
    size_t n = 0;

    for (size_t i = 0; i < im->n_tags; i++)
        if (seen ? names_put(seen, im->tags[i], i) : !has_tag(im->tags, n, im->tags[i]))
            im->tags[n++] = im->tags[i];
    im->n_tags = n;
}

/* ---- rows to structs ---- */

/* name, value */
static void row_property(struct db_stmt *s, int col, struct arena *a, struct image *im)
{
    struct image_property *p = ARENA_PUSH(a, im->properties, im->n_properties, im->cap_properties);

    p->name = arena_str(a, db_text(s, col));
    p->value = arena_str(a, db_text(s, col + 1));
}

/* value */
static void row_tag(struct db_stmt *s, int col, struct arena *a, struct image *im)
{
    *ARENA_PUSH(a, im->tags, im->n_tags, im->cap_tags) = arena_str(a, db_text(s, col));
}

void image_row_location(struct db_stmt *s, int col, struct arena *a, struct image *im)
{
    struct image_location *l = ARENA_PUSH(a, im->locations, im->n_locations, im->cap_locations);
    const char *metadata = db_text(s, col + 2);

    l->id = db_int(s, col);
    l->url = arena_str(a, db_text(s, col + 1));
    l->metadata = metadata ? arena_str(a, metadata) : "{}";
    l->status = arena_str(a, db_text(s, col + 3));
    l->changed_us = db_time(s, col + 4);
}

/* ---- load ---- */

int image_rows_load(struct db_conn *c, struct arena *a, struct image *im, bool locations, struct error *e)
{
    static const char *const sql[] = {
        "SELECT name, value FROM image_properties WHERE image_id = ?1 AND NOT deleted ORDER BY id",
        "SELECT value FROM image_tags WHERE image_id = ?1 AND NOT deleted ORDER BY id",
        ("SELECT " LOCATION_COLUMNS " FROM image_locations "
         "WHERE image_id = ?1 AND NOT deleted ORDER BY id"),
    };
    static void (*const add[])(struct db_stmt *, int, struct arena *, struct image *) = {
        row_property,
        row_tag,
        image_row_location,
    };

    for (size_t i = 0; i < COUNT(sql) - !locations; i++) {
        struct db_stmt *s;
        int row;

        if (db_prepare(c, sql[i], &s, e) < 0)
            return -1;
        db_bind_text(s, 1, im->id);
        while ((row = db_step(s, e)) > 0)
            add[i](s, 0, a, im);
        if (row < 0)
            return -1;
    }
    if (im->n_tags > 1)
        image_tags_unique(a, im);
    image_properties_index(a, im);
    return 0;
}

static int not_found(const char *id, struct error *e)
{
    return error_set(e, ERROR_NOT_FOUND, "No image found with ID %s", id);
}

static int load_row(struct db_conn *c, struct arena *a, const char *id, struct image **ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, db_locks_rows(c) ? image_sql()->load_locked : image_sql()->load, &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    row = db_step(s, e);
    if (row == 0)
        return not_found(id, e);
    if (row < 0)
        return -1;
    *ret = arena_new(a, struct image);
    return image_row_read(s, a, *ret, e);
}

static int check_member(struct db_conn *c, const struct image *im, const char *project, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (!project)
        return not_found(im->id, e);
    if (db_prepare(c, "SELECT 1 FROM image_members WHERE image_id = ?1 AND member = ?2 AND NOT deleted", &s,
                   e) < 0)
        return -1;
    db_bind_text(s, 1, im->id);
    db_bind_text(s, 2, project);
    row = db_step(s, e);
    return row == 0 ? not_found(im->id, e) : row < 0 ? -1 : 0;
}

static int check_visible(struct db_conn *c, const struct image *im, const struct viewer *v, struct error *e)
{
    if (im->deleted)
        return not_found(im->id, e);
    if (v->is_admin || !im->owner || im->visibility == IMAGE_PUBLIC || im->visibility == IMAGE_COMMUNITY ||
        (v->project && strcmp(im->owner, v->project) == 0))
        return 0;
    if (im->visibility == IMAGE_SHARED)
        return check_member(c, im, v->project, e);
    return not_found(im->id, e);
}

static int load(struct db_conn *c, struct arena *a, const char *id, const struct viewer *v,
                struct image **ret, struct error *e)
{
    struct image *im = NULL;

    if (load_row(c, a, id, &im, e) < 0)
        return -1;
    if (v && check_visible(c, im, v, e) < 0)
        return -1;
    if (image_rows_load(c, a, im, true, e) < 0)
        return -1;
    *ret = im;
    return 0;
}

/* One snapshot for all rows of the image; it also takes and drops SQLite's read lock once and not for each
 * statement. */
static int load_snapshot(struct db_conn *c, struct arena *a, const char *id, const struct viewer *v,
                         struct image **ret, struct error *e)
{
    if (db_in_transaction(c))
        return load(c, a, id, v, ret, e);
    if (db_begin_read(c, e) < 0)
        return -1;
    if (load(c, a, id, v, ret, e) < 0) {
        db_rollback(c);
        return -1;
    }
    return db_commit(c, e);
}

int image_load(struct db_conn *c, struct arena *a, const char *id, const struct viewer *v, struct image **ret,
               struct error *e)
{
    return load_snapshot(c, a, id, v, ret, e);
}

int image_load_any(struct db_conn *c, struct arena *a, const char *id, struct image **ret, struct error *e)
{
    return load_snapshot(c, a, id, NULL, ret, e);
}

/* ---- insert ---- */

int image_property_insert(struct db_conn *c, const char *image_id, const struct image_property *p,
                          int64_t now, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, FALSE)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, p->name);
    db_bind_text(s, 3, p->value);
    db_bind_time(s, 4, now);
    db_bind_time(s, 5, now);
    return db_run(s, NULL, e);
}

int image_tag_insert(struct db_conn *c, const char *image_id, const char *tag, int64_t now, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "INSERT INTO image_tags (image_id, value, created_at, updated_at, deleted) "
                   "VALUES (?1, ?2, ?3, ?4, FALSE)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, tag);
    db_bind_time(s, 3, now);
    db_bind_time(s, 4, now);
    return db_run(s, NULL, e);
}

static int insert_row(struct db_conn *c, const struct image *im, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, image_sql()->insert, &s, e) < 0)
        return -1;
    resource_bind_insert(&image_resource, s, im);
    if (db_run(s, NULL, e) == 0)
        return 0;
    if (e->kind == ERROR_CONFLICT)
        error_set(e, ERROR_CONFLICT, "Image ID %s already exists!", im->id);
    return -1;
}

int image_insert(struct db_conn *c, struct image *im, struct error *e)
{
    if (im->owner && *im->owner == '\0')
        im->owner = NULL;
    im->status = IMAGE_QUEUED;
    im->deleted = false;
    im->deleted_us = 0;
    im->created_us = im->updated_us = clock_now_us();
    if (insert_row(c, im, e) < 0)
        return -1;
    for (size_t i = 0; i < im->n_properties; i++)
        if (image_property_insert(c, im->id, &im->properties[i], im->created_us, e) < 0)
            return -1;
    for (size_t i = 0; i < im->n_tags; i++)
        if (image_tag_insert(c, im->id, im->tags[i], im->created_us, e) < 0)
            return -1;
    return 0;
}

/* ---- delete ---- */

int image_explain_unchanged(struct db_conn *c, const char *id, enum image_status from,
                            enum error_kind missing, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, "SELECT status, deleted FROM images WHERE id = ?1", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    if (row == 0 || db_bool(s, 1))
        return error_set(e, missing, "No image found with ID %s", id);
    error_set(e, ERROR_CONFLICT, "The status of image %s changed meanwhile", id);
    return error_detail(e, "status is %s, not %s", db_text(s, 0), image_status_name(from));
}

/* The size of an upload that is under way was only announced. */
static int delete_row(struct db_conn *c, const char *id, enum image_status from, int64_t now, struct error *e)
{
    static const char whole[] =
        "UPDATE images SET status = 'deleted', deleted = TRUE, deleted_at = ?1, updated_at = ?2 "
        "WHERE id = ?3 AND status = ?4 AND NOT deleted";
    static const char announced[] =
        "UPDATE images SET status = 'deleted', deleted = TRUE, deleted_at = ?1, updated_at = ?2, size = NULL "
        "WHERE id = ?3 AND status = ?4 AND NOT deleted";
    struct db_stmt *s;
    int64_t changed;

    if (db_prepare(c, from == IMAGE_SAVING ? announced : whole, &s, e) < 0)
        return -1;
    db_bind_time(s, 1, now);
    db_bind_time(s, 2, now);
    db_bind_text(s, 3, id);
    db_bind_text(s, 4, image_status_name(from));
    if (db_run(s, &changed, e) < 0)
        return -1;
    return changed ? 0 : image_explain_unchanged(c, id, from, ERROR_NOT_FOUND, e);
}

int image_delete(struct db_conn *c, const char *id, enum image_status from, struct error *e)
{
    static const char *const children[] = {
        "UPDATE image_properties SET deleted = TRUE, deleted_at = ?1, updated_at = ?2 WHERE image_id = ?3 "
        "AND NOT deleted",
        "UPDATE image_tags SET deleted = TRUE, deleted_at = ?1, updated_at = ?2 WHERE image_id = ?3 AND NOT "
        "deleted",
        "UPDATE image_members SET deleted = TRUE, deleted_at = ?1, updated_at = ?2 WHERE image_id = ?3 AND "
        "NOT deleted",
        ("UPDATE image_locations SET status = 'deleted', deleted = TRUE, deleted_at = ?1, updated_at = ?2 "
         "WHERE image_id = ?3 AND NOT deleted"),
    };
    int64_t now = clock_now_us();

    if (delete_row(c, id, from, now, e) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(children); i++) {
        struct db_stmt *s;

        if (db_prepare(c, children[i], &s, e) < 0)
            return -1;
        db_bind_time(s, 1, now);
        db_bind_time(s, 2, now);
        db_bind_text(s, 3, id);
        if (db_run(s, NULL, e) < 0)
            return -1;
    }
    return 0;
}

int image_status_set(struct db_conn *c, const char *id, enum image_status from, enum image_status to,
                     struct error *e)
{
    static const char plain[] =
        "UPDATE images SET status = ?1, updated_at = ?2 WHERE id = ?3 AND status = ?4 AND NOT deleted";
    static const char queued[] =
        "UPDATE images SET status = ?1, updated_at = ?2, size = NULL, virtual_size = NULL "
        "WHERE id = ?3 AND status = ?4 AND NOT deleted";
    struct db_stmt *s;
    int64_t changed;

    if (image_status_check(from, to, e) < 0 || db_prepare(c, to == IMAGE_QUEUED ? queued : plain, &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_status_name(to));
    db_bind_time(s, 2, clock_now_us());
    db_bind_text(s, 3, id);
    db_bind_text(s, 4, image_status_name(from));
    if (db_run(s, &changed, e) < 0)
        return -1;
    return changed ? 0 : image_explain_unchanged(c, id, from, ERROR_NOT_FOUND, e);
}

int image_size_set(struct db_conn *c, const char *id, int64_t size, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "UPDATE images SET size = ?1 WHERE id = ?2 AND NOT deleted", &s, e) < 0)
        return -1;
    db_bind_int(s, 1, size);
    db_bind_text(s, 2, id);
    return db_run(s, NULL, e);
}
