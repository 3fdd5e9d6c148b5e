/* SPDX-License-Identifier: Apache-2.0 */
/* Removing image data: rows first, with a note of what is left to remove, then the data. A crash in between
 * leaves the note, which upkeep_round() follows. */
#include "transfer/remove.h"

#include "transfer/lease.h"
#include "transfer/object.h"

struct leftover {
    int64_t trash_id;
    struct store *store;
    const char *url;
};

/* ---- data that lose their row ---- */

int leftovers_check(struct stores *stores, const struct image_location *l, struct error *e)
{
    struct store *s = stores_for_url(stores, NULL, l->url);

    if (!s || store_delete_check(s, l->url, e) == 0 || e->kind == ERROR_NOT_FOUND || e->kind == ERROR_INVALID)
        return 0;
    return -1;
}

/* Locations of stores that we do not serve only lose their row. */
int leftovers_note(struct leftovers *all, struct db_conn *c, struct arena *a, const struct image_location *l,
                   struct error *e)
{
    struct store *s = stores_for_url(all->stores, NULL, l->url);
    int64_t trash_id;

    if (!s)
        return 0;
    if (trash_add(c, store_id(s), l->url, &trash_id, e) < 0)
        return -1;
    *ARENA_PUSH(a, all->items, all->n, all->cap) = (struct leftover){ trash_id, s, l->url };
    return 0;
}

int leftovers_confirm(struct leftovers *all, struct db_conn *c, struct error *e)
{
    bool there;

    if (all->n == 0)
        return 0;
    if (trash_has(c, all->items[0].trash_id, all->items[0].url, &there, e) < 0)
        return -1;
    if (!there)
        all->n = 0;
    return 0;
}

struct emptying {
    struct store *store;
    const struct trash *trash;
    struct object_gone gone;
    bool awaited;
};

/* All in one transaction: otherwise a process that stands still between its question and its removal would
 * remove what an import has put under the same name meanwhile. */
static int empty_run(struct db_conn *c, void *arg, struct error *e)
{
    struct emptying *m = arg;
    bool there;

    m->awaited = false;
    if (object_names_lock(c, e) < 0 || trash_has(c, m->trash->id, m->trash->url, &there, e) < 0)
        return -1;
    if (!there)
        return 0;
    if (object_awaited(c, m->store, m->trash->url, &m->awaited, e) < 0)
        return -1;
    if (m->awaited)
        return 0;
    if (object_discard(c, m->store, m->trash->url, &m->gone, e) < 0)
        return -1;
    POINT("trash.removed");
    return trash_drop(c, m->trash->id, e);
}

/* Where its row is still there, the object is tried once more. */
static int emptied(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct emptying *m = arg;
    bool there;

    if (trash_has(c, m->trash->id, m->trash->url, &there, e) < 0)
        return -1;
    *ret = !there;
    return 0;
}

int trash_empty(struct db_conn *c, struct store *s, const struct trash *t, enum trash_end *ret,
                struct error *e)
{
    static const struct db_unit unit = { "trash.empty", empty_run, emptied };
    struct emptying m = { s, t, OBJECT_GONE_INIT, false };
    int r = db_write_on(c, &unit, &m, e);

    object_gone_close(&m.gone);
    *ret = m.awaited ? TRASH_AWAITED : m.gone.removed ? TRASH_REMOVED : TRASH_NOTHING;
    return r;
}

static int remove_one(struct db_conn *c, const struct leftover *l, struct error *e)
{
    const struct trash t = { .id = l->trash_id, .url = l->url };
    enum trash_end end;

    if (trash_empty(c, l->store, &t, &end, e) < 0)
        return -1;
    return end == TRASH_AWAITED
               ? error_set(e, ERROR_CONFLICT, "An upload or an import is about to have this object.")
               : 0;
}

void leftovers_remove(const struct leftovers *all, struct db_conn *c)
{
    for (size_t i = 0; i < all->n; i++) {
        struct error e;

        if (remove_one(c, &all->items[i], &e) < 0)
            log_warning("%s is deleted later: %s (%s)", all->items[i].url, e.message, e.detail);
    }
}

/* ---- a whole image ---- */

static int stores_check(struct stores *stores, const struct image *im, struct error *e)
{
    for (size_t i = 0; i < im->n_locations; i++)
        if (leftovers_check(stores, &im->locations[i], e) < 0)
            return -1;
    return 0;
}

/* Data that were staged, and that no import has taken. */
static int note_staged(struct db_conn *c, struct arena *a, const struct image *im, struct leftovers *ret,
                       struct error *e)
{
    const char *dir = stores_staging_dir(ret->stores);

    if (im->status != IMAGE_UPLOADING || !dir)
        return 0;
    if (staged_drop(c, im->id, e) < 0)
        return -1;
    return leftovers_note(ret, c, a,
                          &(struct image_location){ .url = arena_printf(a, "file://%s/%s", dir, im->id) }, e);
}

static int note(struct db_conn *c, struct arena *a, const struct image *im, struct leftovers *ret,
                struct error *e)
{
    for (size_t i = 0; i < im->n_locations; i++)
        if (leftovers_note(ret, c, a, &im->locations[i], e) < 0)
            return -1;
    return note_staged(c, a, im, ret, e);
}

struct removal {
    struct arena *arena;
    const struct image *seen;
    image_check *check;
    void *check_arg;
    struct leftovers left;
};

/* The image as it is now: it may have become active, or protected, since the caller read it. */
static int delete_rows(struct db_conn *c, void *arg, struct error *e)
{
    struct removal *r = arg;
    struct image *im;

    r->left.n = 0;
    if (image_load_any(c, r->arena, r->seen->id, &im, e) < 0)
        return -1;
    if (im->deleted)
        return error_set(e, ERROR_NOT_FOUND, "No image found with ID %s", im->id);
    if (im->protected && !r->seen->protected)
        return error_set(e, ERROR_FORBIDDEN, "Image %s is protected and cannot be deleted.", im->id);
    if (r->check && r->check(r->check_arg, im, e) < 0)
        return -1;
    if (note(c, r->arena, im, &r->left, e) < 0 || job_anywhere(c, im->id, e) < 0)
        return -1;
    return image_delete(c, im->id, im->status, e);
}

/* The image was there when the unit ran, and is not any more: as asked, by whomever. */
static int deleted(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    struct removal *r = arg;
    struct image *im;

    if (image_load_any(c, r->arena, r->seen->id, &im, e) < 0)
        return -1;
    *ret = im->deleted;
    return im->deleted ? leftovers_confirm(&r->left, c, e) : 0;
}

int image_remove(struct db *db, struct stores *stores, const struct image *im, image_check *check, void *arg,
                 struct error *e)
{
    static const struct db_unit unit = { "image.delete", delete_rows, deleted };
    CLEANUP(arena_end) struct arena *a = arena_make(16 * 1024);
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct removal r = { a, im, check, arg, { .stores = stores } };

    if (stores_check(stores, im, e) < 0 || db_acquire(db, DB_WAIT, &c, e) < 0 ||
        db_write_on(c, &unit, &r, e) < 0)
        return -1;
    POINT("remove.noted");
    leftovers_remove(&r.left, c);
    return 0;
}
