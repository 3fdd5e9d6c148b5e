/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an image back: its row by compare-and-set, then the rows that hang on it.
 *
 * A child row is never removed. Gone means deleted = TRUE; a property that comes back gets its old row again,
 * because (image_id, name) is unique whether deleted or not, while a tag that comes back gets a new one: as
 * Glance does it. */
#include "model/rows.h"

#include <stdlib.h>
#include <string.h>

struct child {
    int64_t id;
    const char *key; /* name, or the tag */
    const char *value;
    bool deleted, kept;
};

struct children {
    struct child *rows;
    size_t n, cap;
};

static int by_key(const void *a, const void *b)
{
    const struct child *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static struct child *find_child(const struct children *all, const char *key)
{
    struct child wanted = { .key = key };

    return all->n ? bsearch(&wanted, all->rows, all->n, sizeof wanted, by_key) : NULL;
}

/* sql selects id, key, value, deleted. */
static int children_load(struct db_conn *c, struct arena *a, const char *sql, const char *image_id,
                         struct children *ret, struct error *e)
{
    struct db_stmt *s;
    int row;

    if (db_prepare(c, sql, &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    while ((row = db_step(s, e)) > 0) {
        struct child *r = ARENA_PUSH(a, ret->rows, ret->n, ret->cap);

        *r = (struct child){ .id = db_int(s, 0),
                             .key = arena_str(a, db_text(s, 1)),
                             .value = arena_str(a, db_text(s, 2)),
                             .deleted = db_bool(s, 3) };
    }
    if (row == 0 && ret->n > 1)
        qsort(ret->rows, ret->n, sizeof *ret->rows, by_key);
    return row;
}

/* sql marks a row deleted: the time twice, the row. */
static int child_delete(struct db_conn *c, const char *sql, int64_t id, int64_t now, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, sql, &s, e) < 0)
        return -1;
    db_bind_time(s, 1, now);
    db_bind_time(s, 2, now);
    db_bind_int(s, 3, id);
    return db_run(s, NULL, e);
}

static int save_row(struct db_conn *c, const struct image *im, enum image_status from, struct error *e)
{
    struct db_stmt *s;
    int64_t changed;
    int at;

    if (db_prepare(c, image_sql()->update, &s, e) < 0)
        return -1;
    at = resource_bind_update(&image_resource, s, im);
    db_bind_text(s, at, im->id);
    db_bind_text(s, at + 1, image_status_name(from));
    if (db_run(s, &changed, e) < 0)
        return -1;
    return changed ? 0 : image_explain_unchanged(c, im->id, from, ERROR_CONFLICT, e);
}

static int property_update(struct db_conn *c, int64_t id, const char *value, int64_t now, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE image_properties SET value = ?1, updated_at = ?2, deleted = FALSE WHERE id = ?3",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, value);
    db_bind_time(s, 2, now);
    db_bind_int(s, 3, id);
    return db_run(s, NULL, e);
}

/* Each of items is there afterwards with its value; its row in old is marked as kept. */
static int keep_properties(struct db_conn *c, const char *image_id, const struct children *old,
                           const struct image_property *items, size_t n, int64_t now, struct error *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct image_property *p = &items[i];
        struct child *row = find_child(old, p->name);

        if (strcmp(p->name, IMAGE_LOCK) == 0)
            continue;
        if (!row) {
            if (image_property_insert(c, image_id, p, now, e) < 0)
                return -1;
            continue;
        }
        row->kept = true;
        if ((row->deleted || !str_eq(row->value, p->value)) &&
            property_update(c, row->id, p->value, now, e) < 0)
            return -1;
    }
    return 0;
}

static int save_properties(struct db_conn *c, struct arena *a, const struct image *im, int64_t now,
                           struct error *e)
{
    struct children old = { 0 };

    if (children_load(c, a, "SELECT id, name, value, deleted FROM image_properties WHERE image_id = ?1",
                      im->id, &old, e) < 0 ||
        keep_properties(c, im->id, &old, im->properties, im->n_properties, now, e) < 0 ||
        keep_properties(c, im->id, &old, im->hidden, im->n_hidden, now, e) < 0)
        return -1;
    for (size_t i = 0; i < old.n; i++) {
        const struct child *row = &old.rows[i];

        if (!row->kept && !row->deleted && strcmp(row->key, IMAGE_LOCK) != 0 &&
            child_delete(
                c,
                "UPDATE image_properties SET deleted = TRUE, deleted_at = ?1, updated_at = ?2 WHERE id = ?3",
                row->id, now, e) < 0)
            return -1;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct child *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* Leaves im->tags as the next reader will find them: those that stayed, then the new ones. */
static int save_tags(struct db_conn *c, struct arena *a, struct image *im, int64_t now, struct error *e)
{
    const char **fresh = arena_array(a, const char *, im->n_tags);
    struct names *seen = names_make(a);
    struct children old = { 0 };
    size_t n_fresh = 0, n = 0;

    if (children_load(c, a,
                      "SELECT id, value, NULL, deleted FROM image_tags WHERE image_id = ?1 AND NOT deleted",
                      im->id, &old, e) < 0)
        return -1;
    for (size_t i = 0; i < im->n_tags; i++) {
        struct child *row = find_child(&old, im->tags[i]);

        if (row) {
            row->kept = true;
            row->value = im->tags[i];
        } else if (names_put(seen, im->tags[i], n_fresh)) {
            fresh[n_fresh++] = im->tags[i];
            if (image_tag_insert(c, im->id, im->tags[i], now, e) < 0)
                return -1;
        }
    }
    if (old.n > 1)
        qsort(old.rows, old.n, sizeof *old.rows, by_id);
    for (size_t i = 0; i < old.n; i++) {
        if (old.rows[i].kept)
            im->tags[n++] = old.rows[i].value;
        else if (child_delete(
                     c,
                     "UPDATE image_tags SET deleted = TRUE, deleted_at = ?1, updated_at = ?2 WHERE id = ?3",
                     old.rows[i].id, now, e) < 0)
            return -1;
    }
    for (size_t i = 0; i < n_fresh; i++)
        im->tags[n++] = fresh[i];
    im->n_tags = n;
    return 0;
}

static int location_insert(struct db_conn *c, const char *image_id, struct image_location *l, int64_t now,
                           struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "INSERT INTO image_locations (image_id, value, meta_data, status, created_at, updated_at, "
                   "deleted) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, FALSE)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, l->url);
    db_bind_text(s, 3, l->metadata ? l->metadata : "{}");
    db_bind_text(s, 4, l->status ? l->status : "active");
    db_bind_time(s, 5, now);
    db_bind_time(s, 6, now);
    return db_insert(s, &l->id, e);
}

static int location_update(struct db_conn *c, const char *image_id, const struct image_location *l,
                           int64_t now, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE image_locations SET value = ?1, meta_data = ?2, status = ?3, updated_at = ?4 "
                   "WHERE id = ?5 AND image_id = ?6",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, l->url);
    db_bind_text(s, 2, l->metadata ? l->metadata : "{}");
    db_bind_text(s, 3, l->status ? l->status : "active");
    db_bind_time(s, 4, now);
    db_bind_int(s, 5, l->id);
    db_bind_text(s, 6, image_id);
    return db_run(s, NULL, e);
}

static bool location_same(const struct image_location *a, const struct image_location *b)
{
    return str_eq(a->url, b->url) && str_eq(a->metadata, b->metadata ? b->metadata : "{}") &&
           str_eq(a->status, b->status ? b->status : "active");
}

static const struct image_location *find_location(const struct image *im, int64_t id)
{
    for (size_t i = 0; i < im->n_locations; i++)
        if (im->locations[i].id == id)
            return &im->locations[i];
    return NULL;
}

static int save_locations(struct db_conn *c, struct arena *a, struct image *im, int64_t now, struct error *e)
{
    struct image stored = { 0 };
    struct db_stmt *s;
    int row;

    if (db_prepare(c,
                   "SELECT " LOCATION_COLUMNS " FROM image_locations WHERE image_id = ?1 AND NOT "
                   "deleted ORDER BY id",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, im->id);
    while ((row = db_step(s, e)) > 0)
        image_row_location(s, 0, a, &stored);
    if (row < 0)
        return -1;
    for (size_t i = 0; i < stored.n_locations; i++) {
        const struct image_location *was = &stored.locations[i], *now_is = find_location(im, was->id);

        if (!now_is) {
            if (child_delete(
                    c,
                    "UPDATE image_locations SET status = 'deleted', deleted = TRUE, deleted_at = ?1, "
                    "updated_at = ?2 WHERE id = ?3",
                    was->id, now, e) < 0)
                return -1;
        } else if (!location_same(was, now_is) && location_update(c, im->id, now_is, now, e) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < im->n_locations; i++)
        if (im->locations[i].id == 0 && location_insert(c, im->id, &im->locations[i], now, e) < 0)
            return -1;
    return 0;
}

int image_save(struct db_conn *c, struct image *im, enum image_status from, struct error *e)
{
    CLEANUP(arena_drop) struct arena *a = arena_make(4096);
    int64_t now = clock_now_us();

    im->updated_us = now;
    image_properties_sort(im);
    if (save_row(c, im, from, e) < 0 || save_properties(c, a, im, now, e) < 0 ||
        save_tags(c, a, im, now, e) < 0 || save_locations(c, a, im, now, e) < 0)
        return -1;
    return 0;
}
