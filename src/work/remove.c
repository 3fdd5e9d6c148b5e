/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting an image: rows first, with a note of what is left to remove, then the data. A crash in between
 * leaves the note, which work_reap() follows. */
#include "work/work.h"

#include "work/lease.h"

struct leftover {
    int64_t trash_id;
    struct store *store;
    const char *url;
};

struct leftovers {
    struct leftover *items;
    size_t n, cap;
};

static int check(struct stores *stores, const struct image *im, struct error *e)
{
    for (size_t i = 0; i < im->n_locations; i++) {
        struct store *s = stores_for_url(stores, NULL, im->locations[i].url);

        if (s && store_delete_check(s, im->locations[i].url, e) < 0 && e->kind != ERROR_NOT_FOUND &&
            e->kind != ERROR_INVALID)
            return -1;
    }
    return 0;
}

/* Locations of stores that we do not serve only lose their row. */
static int note(struct db_conn *c, struct arena *a, struct stores *stores, const struct image *im,
                struct leftovers *ret, struct error *e)
{
    for (size_t i = 0; i < im->n_locations; i++) {
        const char *url = im->locations[i].url;
        struct store *s = stores_for_url(stores, NULL, url);

        if (!s)
            continue;
        if (trash_add(c, store_id(s), url, e) < 0)
            return -1;
        *ARENA_PUSH(a, ret->items, ret->n, ret->cap) = (struct leftover){ db_last_id(c), s, url };
    }
    return 0;
}

/* The image as it is now: it may have become active, or protected, since the caller read it. */
static int delete_rows(struct db_conn *c, struct arena *a, struct stores *stores, const struct image *seen,
                       struct leftovers *ret, struct error *e)
{
    struct image *im;

    if (db_begin_write(c, e) < 0 || image_load_any(c, a, seen->id, &im, e) < 0)
        return -1;
    if (im->deleted)
        return error_set(e, ERROR_NOT_FOUND, "No image found with ID %s", im->id);
    if (im->protected && !seen->protected)
        return error_set(e, ERROR_FORBIDDEN, "Image %s is protected and cannot be deleted.", im->id);
    if (note(c, a, stores, im, ret, e) < 0 || image_delete(c, im->id, im->status, e) < 0)
        return -1;
    return db_commit(c, e);
}

/* What fails here is the reaper's. A store that cannot delete at all (ERROR_INVALID) keeps its data. */
static void remove_data(struct db_conn *c, const struct leftovers *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct leftover *l = &all->items[i];
        struct error e;

        if (store_delete(l->store, l->url, &e) < 0 && e.kind != ERROR_NOT_FOUND && e.kind != ERROR_INVALID)
            log_warning("%s is deleted later: %s (%s)", l->url, e.message, e.detail);
        else if (trash_drop(c, l->trash_id, &e) < 0)
            log_debug("trash %lld: %s", (long long)l->trash_id, e.message);
    }
}

int image_remove(struct db *db, struct stores *stores, const struct image *im, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(16 * 1024);
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct leftovers left = { 0 };

    if (check(stores, im, e) < 0 || db_acquire(db, DB_WAIT, &c, e) < 0 ||
        delete_rows(c, a, stores, im, &left, e) < 0)
        return -1;
    remove_data(c, &left);
    return 0;
}
