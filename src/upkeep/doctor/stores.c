/* SPDX-License-Identifier: Apache-2.0 */
/* Images without data, data without image, and data that are not what the image says. */
#include "upkeep/doctor/doctor_private.h"

#include <string.h>
#include <time.h>

#include "transfer/object.h"
#include "json/json.h"

static int nothing_to_do(struct doctor *d UNUSED, struct db_conn *c UNUSED, struct finding *f,
                         bool apply UNUSED, bool *ret_still, struct error *e UNUSED)
{
    *ret_still = true;
    f->repaired = false;
    return 0;
}

/* ---- images without a location ---- */

static int bare_again(struct doctor *d, struct db_conn *c, struct finding *f, bool apply UNUSED,
                      bool *ret_still, struct error *e)
{
    struct image *im;

    f->repaired = *ret_still = false;
    if (image_load_any(c, d->arena, f->image_id, &im, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? 0 : -1;
    *ret_still = !im->deleted && im->n_locations == 0 &&
                 (im->status == IMAGE_ACTIVE || im->status == IMAGE_DEACTIVATED);
    return 0;
}

static int bare_look(struct doctor *d, const char *id, struct error *e)
{
    struct finding f = { .kind = FINDING_BARE,
                         .image_id = id,
                         .text = "the image is active and has no data" };

    return doctor_found(d, &f, bare_again, e);
}

int doctor_bare(struct doctor *d, struct error *e)
{
    return doctor_ids(d, SURVEY_BARE, bare_look, e);
}

/* ---- locations without data ---- */

static struct store *store_of(struct doctor *d, const struct image_copy *copy)
{
    CLEANUP(json_drop) json_t *metadata = json_parse(copy->metadata, strlen(copy->metadata));

    return stores_for_url(d->o->stores, json_string_value(json_object_get(metadata, "store")), copy->url);
}

struct paced {
    int64_t rate, started_us;
};

static int pace(void *arg, uint64_t bytes, struct error *e UNUSED)
{
    const struct paced *p = arg;
    int64_t early;
    struct timespec t;

    if (p->rate <= 0)
        return 0;
    early =
        p->started_us + (int64_t)((double)bytes / (double)p->rate * (double)CLOCK_SECOND) - clock_mono_us();
    if (early <= 0)
        return 0;
    t = (struct timespec){ (time_t)(early / CLOCK_SECOND), (long)(early % CLOCK_SECOND) * 1000 };
    nanosleep(&t, NULL);
    return 0;
}

/* *ret: the data are those of the image's hash, or there is none to compare with. */
static int hash_same(struct doctor *d, struct store *s, const struct image_copy *copy, bool *ret,
                     struct error *e)
{
    const char *algorithm = copy->os_hash_value && copy->os_hash_algo ? copy->os_hash_algo : "sha512";
    struct paced paced = { d->o->rate, clock_mono_us() };
    struct object_sums sums;

    *ret = true;
    if (!copy->os_hash_value && !copy->checksum)
        return 0;
    if (object_sum(s, copy->url, algorithm, pace, &paced, &sums, e) < 0)
        return -1;
    *ret = copy->os_hash_value ? str_eq_nocase(sums.hash, copy->os_hash_value)
                               : str_eq_nocase(sums.md5, copy->checksum);
    return 0;
}

/* Fills f->kind and f->text. false: there is nothing wrong with it. */
static bool copy_bad(struct doctor *d, struct store *s, const struct image_copy *copy, struct finding *f)
{
    uint64_t size;
    struct error e;
    bool same;

    if (store_size(s, copy->url, &size, &e) < 0) {
        f->kind = e.kind == ERROR_NOT_FOUND ? FINDING_MISSING : FINDING_UNREADABLE;
        f->text = e.kind == ERROR_NOT_FOUND
                      ? "the store has no such object"
                      : arena_printf(d->arena, "it cannot be read: %s (%s)", e.message, e.detail);
        return true;
    }
    if (copy->size >= 0 && size != (uint64_t)copy->size && !(size == 0 && store_distant(s))) {
        f->kind = FINDING_SIZE;
        f->text = arena_printf(d->arena, "the object has %llu bytes, the image says %lld",
                               (unsigned long long)size, (long long)copy->size);
        return true;
    }
    if (!d->o->hash)
        return false;
    if (hash_same(d, s, copy, &same, &e) < 0) {
        f->kind = FINDING_UNREADABLE;
        f->text = arena_printf(d->arena, "it cannot be read: %s (%s)", e.message, e.detail);
        return true;
    }
    f->kind = FINDING_HASH;
    f->text = "the data are not those of the image's hash";
    return !same;
}

/* Whether the row is as it was. */
static int copy_same(struct doctor *d, const struct image_copy *seen, bool *ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct image_copy *now;

    *ret = false;
    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    if (image_copy_load(c, d->arena, seen->location, &now, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? 0 : -1;
    *ret = now->status == seen->status && now->size == seen->size && str_eq(now->url, seen->url) &&
           str_eq(now->os_hash_value, seen->os_hash_value);
    return 0;
}

static bool asked_for(const struct doctor *d, const struct store *s)
{
    if (!d->o->store)
        return !s || !store_distant(s);
    return s && str_eq(store_id(s), d->o->store);
}

/* Nothing can be said of its data then; that is told once. */
static bool store_away(struct doctor *d, struct store *s)
{
    struct error e;

    if (store_check(s, &e) == 0)
        return false;
    if (d->away != s) {
        d->away = s;
        d->counts->troubles++;
        d->o->trouble(d->o->arg, "data", &e);
    }
    return true;
}

static int copy_look(struct doctor *d, const struct image_copy *copy, struct error *e)
{
    struct finding f = { .image_id = copy->image_id, .what = copy->url };
    struct store *s;
    bool same;

    if (copy->status != IMAGE_ACTIVE && copy->status != IMAGE_DEACTIVATED)
        return 0;
    s = store_of(d, copy);
    if (!asked_for(d, s) || (s && store_away(d, s)))
        return 0;
    d->counts->copies++;
    f.store = s ? store_id(s) : NULL;
    f.kind = FINDING_NO_STORE;
    f.text = "no store of this configuration serves it";
    if (s && !copy_bad(d, s, copy, &f))
        return 0;
    if (copy_same(d, copy, &same, e) < 0)
        return -1;
    return same ? doctor_found(d, &f, nothing_to_do, e) : 0;
}

static int copies_page(struct doctor *d, int64_t after, struct image_copy **ret, size_t *ret_n,
                       struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    arena_reset(d->arena);
    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return survey_copies(c, d->arena, after, DOCTOR_PAGE, ret, ret_n, e);
}

int doctor_copies(struct doctor *d, struct error *e)
{
    struct image_copy *page;
    int64_t after = 0;
    size_t n;

    do {
        if (copies_page(d, after, &page, &n, e) < 0)
            return -1;
        for (size_t i = 0; i < n; i++) {
            after = page[i].location;
            if (copy_look(d, &page[i], e) < 0)
                return -1;
        }
    } while (n == DOCTOR_PAGE);
    return 0;
}

/* ---- data without image ---- */

/* Whether a row names the object, however it spells it. */
static int named_by_row(struct doctor *d, struct db_conn *c, const struct store_object *o, bool *ret,
                        struct error *e)
{
    if (object_named(c, o->url, o->alias, clock_now_us() - d->o->age_us, ret, e) < 0)
        return -1;
    return *ret ? 0 : object_in_use(c, d->store, o->url, ret, e);
}

static int named_now(struct doctor *d, const struct store_object *o, bool *ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return named_by_row(d, c, o, ret, e);
}

/* Whether no row, upload, job or trash entry refers to the object. */
static int unowned(struct doctor *d, struct db_conn *c, const struct store_object *o, bool *ret,
                   struct error *e)
{
    struct image_claims claims;
    struct image *im;
    bool named, in_work;

    *ret = false;
    if (named_by_row(d, c, o, &named, e) < 0 || object_in_work(c, o->url, o->alias, &in_work, e) < 0 ||
        image_claims_load(c, d->arena, o->name, &claims, e) < 0)
        return -1;
    if (named || in_work || claims.job || claims.lease || claims.locked)
        return 0;
    *ret = !claims.known || (claims.deleted && doctor_old(d, claims.changed_us));
    if (!claims.known || claims.deleted)
        return 0;
    if (claims.status == IMAGE_SAVING || claims.status == IMAGE_IMPORTING ||
        claims.status == IMAGE_PENDING_DELETE)
        return 0; /* Glance writes under the name that it will have */
    if (image_load_any(c, d->arena, o->name, &im, e) < 0)
        return -1;
    for (size_t i = 0; i < im->n_locations; i++)
        if (stores_for_url(d->o->stores, NULL, im->locations[i].url) == d->store)
            return 0; /* perhaps the same, spelled otherwise */
    *ret = true;
    return 0;
}

static int set_aside(struct doctor *d, struct db_conn *c, struct finding *f, bool apply, bool *ret_still,
                     struct error *e)
{
    CLEANUP(str_done) struct str where = STR_INIT;

    if (unowned(d, c, d->object, ret_still, e) < 0)
        return -1;
    if (!*ret_still || !apply)
        return 0;
    if (store_quarantine(d->store, d->object, &where, e) < 0) {
        *ret_still = e->kind != ERROR_CONFLICT; /* it went by itself */
        return *ret_still ? -1 : 0;
    }
    f->repair = arena_printf(d->arena, "moved to %s", str_text(&where));
    return 0;
}

/* Files whose names are no image ids were put there by the operator. */
static int object_look(void *arg, const struct store_object *o, struct error *e)
{
    struct doctor *d = arg;
    struct finding f = { .kind = FINDING_ORPHAN,
                         .image_id = o->name,
                         .store = store_id(d->store),
                         .what = o->url,
                         .text = "an object that no image has" };
    bool named;

    d->counts->objects++;
    if (!uuid_valid(o->name) || !doctor_old(d, o->changed_us))
        return 0;
    arena_reset(d->arena);
    if (named_now(d, o, &named, e) < 0)
        return -1;
    d->object = o;
    return named ? 0 : doctor_found(d, &f, set_aside, e);
}

int doctor_orphans(struct doctor *d, struct error *e)
{
    struct error first = { 0 };
    bool failed = false;

    for (size_t i = 0; i < stores_count(d->o->stores); i++) {
        d->store = stores_at(d->o->stores, i);
        if (d->o->store && !str_eq(store_id(d->store), d->o->store))
            continue;
        if (store_list(d->store, object_look, d, e) == 0 || e->kind == ERROR_INVALID)
            continue; /* ERROR_INVALID: it cannot tell */
        if (!failed)
            first = *e;
        failed = true;
    }
    *e = first;
    return failed ? -1 : 0;
}
