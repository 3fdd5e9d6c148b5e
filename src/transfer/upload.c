/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one upload; states and invariants are in upload.h.
 *
 * What may fail where, and who cleans up:
 *   begin   Temporary object, then one transaction (saving + lease). Failed: nothing was ever visible.
 *   pump    Bytes into the temporary object; the lease is renewed on the way.
 *   commit  A fresh lease, the object becomes visible, then one transaction (active + location + lease gone).
 *           As long as the object may be visible and no row names it, the lease does.
 *   abort   Object gone, then one transaction (queued + lease gone). Where either cannot be done, or where it
 *           cannot be known how the last transaction ended, row and lease stay for upkeep_round(). */
#include "transfer/upload.h"

#include <stdio.h>
#include <string.h>

#include "peers/hosts.h"
#include "transfer/commit.h"
#include "transfer/lease.h"
#include "transfer/object.h"
#include "transfer/staged.h"

enum { RETRY_SECONDS = 2 }; /* between attempts to renew while the database is away */

struct upload {
    struct upload_options o;
    const char *id, *disk_format, *container_format; /* formats as the caller saw them */
    char holder[HOLDER_TEXT_MAX];

    struct store_put *put;
    struct stream_digest *digest;
    struct inspect *inspect;
    struct stream_limit cap, quota;
    char quota_message[192];
    uint64_t bytes;

    int64_t renewed_us, renew_next_us; /* monotonic */
    bool stored;                       /* the object may be visible under its name */
    bool unsure;                       /* whether the last transaction of commit went through */
    bool counted;                      /* in the gauge below */
};

static struct metric uploads = {
    .name = "glint_uploads",
    .help = "Uploads under way.",
    .type = METRIC_GAUGE,
};

static void count(struct upload *up, bool running)
{
    if (up->counted != running)
        metric_add(metric_series(&uploads, NULL, NULL, NULL), running ? 1 : -1);
    up->counted = running;
}

static int gone(const struct upload *up, struct error *e)
{
    return error_set(e, ERROR_GONE,
                     "Image %s could not be found after upload. The image may have been deleted during the "
                     "upload, cleaning up the chunks uploaded.",
                     up->id);
}

static void upload_free(struct upload *up)
{
    count(up, false);
    stream_digest_free(&up->digest);
    inspect_free(&up->inspect);
    store_put_abort(&up->put);
}

/* What the image is while its bytes come. */
static enum image_status status_of(const struct upload *up)
{
    return up->o.stage ? IMAGE_UPLOADING : IMAGE_SAVING;
}

/* ---- the lease ---- */

static void renewed(struct upload *up)
{
    up->renewed_us = clock_mono_us();
    up->renew_next_us = up->renewed_us + LEASE_RENEW_SECONDS * CLOCK_SECOND;
}

/* Also looks whether the image is still there: a deleted one need not be uploaded to the end. */
static int renew(struct upload *up, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    struct image *im;

    if (db_acquire(up->o.db, DB_WAIT, &c, e) < 0)
        return -1;
    if (lease_renew(c, up->id, up->holder, lease_expiry(), e) < 0)
        return e->kind == ERROR_CONFLICT ? gone(up, e) : -1;
    renewed(up);
    if (image_load_any(c, a, up->id, &im, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? gone(up, e) : -1;
    return im->deleted || im->status != status_of(up) ? gone(up, e) : 0;
}

/* A database that is away for a while does not end the upload as long as the lease lasts. */
static int keep_lease(void *arg, uint64_t bytes UNUSED, struct error *e)
{
    struct upload *up = arg;
    int64_t now = clock_mono_us();

    POINT("upload.moved");
    if (now < up->renew_next_us || renew(up, e) == 0)
        return 0;
    if (e->kind != ERROR_UNAVAILABLE ||
        now - up->renewed_us > (LEASE_SECONDS - LEASE_RENEW_SECONDS) * CLOCK_SECOND)
        return -1;
    up->renew_next_us = now + RETRY_SECONDS * CLOCK_SECOND;
    return 0;
}

/* Back to queued, in one transaction with the end of the lease. Whoever lost the lease changes nothing. */
static int give_back_run(struct db_conn *c, void *arg, struct error *e)
{
    const struct upload *up = arg;

    return lease_give_back(c, up->id, up->holder, status_of(up), e);
}

static int given_back(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct upload *up = arg;

    return lease_given_back(c, up->id, up->holder, ret, e);
}

static int give_back(struct upload *up, struct error *e)
{
    static const struct db_unit unit = { "upload.abort", give_back_run, given_back };

    return db_write(up->o.db, &unit, up, e);
}

/* ---- the quota ---- */

static void quota_message(char *ret, size_t size, const struct upload_options *o, int64_t left)
{
    char declared[32] = "sent";

    if (o->declared_size > 0)
        snprintf(declared, sizeof declared, "%lld", (long long)o->declared_size);
    snprintf(ret, size,
             "Image exceeds the storage quota: The size of the data %s will exceed the limit. "
             "%lld bytes remaining.",
             declared, (long long)left);
}

static int quota_look(struct db_conn *c, const struct upload_options *o, const char *image_id,
                      int64_t *ret_left, struct error *e)
{
    char message[192];

    if (storage_left(c, o->storage_quota, o->project, image_id, ret_left, e) < 0)
        return -1;
    if (o->declared_size <= *ret_left && *ret_left > 0) /* not even an empty one where nothing is left */
        return 0;
    if (o->stage && o->declared_size > 0 && (uint64_t)o->declared_size > o->size_cap)
        return 0; /* Glance's refusal of staged data, which comes first */
    quota_message(message, sizeof message, o, *ret_left);
    return error_set(e, ERROR_TOO_LARGE, "%s", message);
}

int upload_quota_check(struct db_conn *c, const struct upload_options *o, const char *image_id,
                       struct error *e)
{
    int64_t left;

    return quota_look(c, o, image_id, &left, e);
}

/* Others of the project may have stored something since the upload began. */
static int quota_again(struct upload *up, struct db_conn *c, struct error *e)
{
    int64_t left;

    if (storage_left(c, up->o.storage_quota, up->o.project, up->id, &left, e) < 0)
        return -1;
    if (up->bytes <= (uint64_t)left)
        return 0;
    quota_message(up->quota_message, sizeof up->quota_message, &up->o, left);
    return error_set(e, ERROR_TOO_LARGE, "%s", up->quota_message);
}

/* What is left when it begins bounds an upload that announces no size; an announced one is the image's. */
static int quota_take(struct upload *up, struct db_conn *c, struct error *e)
{
    int64_t left;

    if (up->o.storage_quota <= 0)
        return 0;
    if (quota_look(c, &up->o, up->id, &left, e) < 0)
        return -1;
    quota_message(up->quota_message, sizeof up->quota_message, &up->o, left);
    up->quota = (struct stream_limit){ (uint64_t)left, 0, up->quota_message };
    return up->o.declared_size > 0 ? image_size_set(c, up->id, up->o.declared_size, e) : 0;
}

/* ---- begin ---- */

/* queued -> saving with the lease. */
static int take_run(struct db_conn *c, void *arg, struct error *e)
{
    struct upload *up = arg;
    const struct lease l = { .image_id = up->id,
                             .holder = up->holder,
                             .store = store_id(up->o.store),
                             .url = store_put_url(up->put),
                             .expires_us = lease_expiry() };

    if (object_names_lock(c, e) < 0 || image_status_set(c, up->id, IMAGE_QUEUED, status_of(up), e) < 0 ||
        quota_take(up, c, e) < 0)
        return -1;
    return lease_take(c, &l, e);
}

static int took(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct upload *up = arg;

    return lease_held(c, up->id, up->holder, ret, e);
}

static int take(struct upload *up, struct error *e)
{
    static const struct db_unit unit = { "upload.begin", take_run, took };
    struct error ignored;

    if (db_write(up->o.db, &unit, up, e) == 0) {
        renewed(up);
        return 0;
    }
    /* It may have gone through. If so, and this fails too, the lease runs out. */
    if ((e->kind == ERROR_UNCERTAIN || e->kind == ERROR_UNAVAILABLE) && give_back(up, &ignored) < 0 &&
        ignored.kind != ERROR_CONFLICT)
        error_detail(e, "%s", ignored.message);
    return -1;
}

/* The store has such an object. For the loser of a race that is the winner's; else it is nobody's, or its
 * upload has just failed. */
static int taken(struct upload *up, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    struct error found = *e;
    struct image *im;

    if (db_acquire(up->o.db, DB_WAIT, &c, e) < 0 || image_load_any(c, a, up->id, &im, e) < 0)
        return -1;
    if (im->deleted)
        return gone(up, e);
    if (im->status != IMAGE_QUEUED)
        return image_status_refuse(im->status, status_of(up), e);
    db_release(&c);
    if (store_put_begin(up->o.store, up->id, up->o.declared_size, &up->put, e) == 0)
        return 0;
    if (e->kind != ERROR_CONFLICT)
        return -1;
    error_set(e, ERROR_INTERNAL, "%s", found.message);
    return error_detail(e, "the store has an object of this name that belongs to no image");
}

/* An earlier import or staging of this image may have left its file, when its process died. A queued image
 * needs none, and gets none while the unit has the image's row. Removing it twice does no harm. */
static int leftover_run(struct db_conn *c, void *arg, struct error *e)
{
    struct upload *up = arg;
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    CLEANUP(str_done) struct str url = STR_INIT;
    struct image *im;

    str_addf(&url, "file://%s/%s", up->o.stage_dir, up->id);
    if (image_load_any(c, a, up->id, &im, e) < 0)
        return -1;
    if (im->deleted)
        return gone(up, e);
    if (im->status != IMAGE_QUEUED)
        return image_status_refuse(im->status, IMAGE_UPLOADING, e);
    if (staged_drop(c, up->id, e) < 0 ||
        (store_delete(up->o.store, str_text(&url), e) < 0 && e->kind != ERROR_NOT_FOUND))
        return -1;
    return 0;
}

static int leftover_remove(struct upload *up, struct error *e)
{
    static const struct db_unit unit = { "upload.leftover", leftover_run, db_unit_idempotent };

    return db_write(up->o.db, &unit, up, e);
}

static int put_begin(struct upload *up, struct error *e)
{
    if (store_put_begin(up->o.store, up->id, up->o.declared_size, &up->put, e) == 0)
        return 0;
    if (e->kind != ERROR_CONFLICT)
        return -1;
    if (!up->o.stage)
        return taken(up, e);
    if (leftover_remove(up, e) < 0)
        return -1;
    return store_put_begin(up->o.store, up->id, up->o.declared_size, &up->put, e);
}

int upload_begin(struct arena *a, const struct image *im, const struct upload_options *o, struct upload **ret,
                 struct error *e)
{
    struct upload *up = arena_new(a, struct upload);

    up->o = *o;
    if (up->o.declared_size == 0) /* Glance takes it for unknown */
        up->o.declared_size = -1;
    up->o.metadata = arena_str(a, o->metadata);
    up->id = arena_str(a, im->id);
    up->disk_format = arena_str(a, im->disk_format);
    up->container_format = arena_str(a, im->container_format);
    up->cap = (struct stream_limit){ o->size_cap, 0,
                                     "The incoming image is too large: The provided image is too large." };
    holder_make(up->holder);
    if (stream_digest_begin(o->hashing_algorithm, &up->digest, e) < 0)
        return -1;
    if (put_begin(up, e) < 0 || take(up, e) < 0) {
        upload_free(up);
        return -1;
    }
    POINT("upload.begun");
    if (o->inspect || o->stage)
        up->inspect = inspect_begin();
    count(up, true);
    *ret = up;
    return 0;
}

/* ---- pump ---- */

static int inspect_write(void *arg, const void *buf, size_t n, struct error *e UNUSED)
{
    inspect_feed(arg, buf, n);
    return 0;
}

static int store_write(void *arg, const void *buf, size_t n, struct error *e)
{
    return store_put_write(arg, buf, n, e);
}

uint64_t upload_room(const struct upload *up, const char **ret_message)
{
    bool by_quota = up->o.storage_quota > 0 && up->quota.max < up->cap.max;
    const struct stream_limit *l = by_quota ? &up->quota : &up->cap;

    *ret_message = l->message;
    return l->max;
}

int upload_pump(struct upload *up, const struct stream_source *body, struct error *e)
{
    struct stream_sink sinks[5];
    size_t n = 0;

    sinks[n++] = stream_limit_sink(&up->cap);
    if (up->o.storage_quota > 0)
        sinks[n++] = stream_limit_sink(&up->quota);
    sinks[n++] = stream_digest_sink(up->digest);
    if (up->inspect)
        sinks[n++] = (struct stream_sink){ .write = inspect_write, .arg = up->inspect };
    sinks[n++] = (struct stream_sink){ .write = store_write, .arg = up->put };
    return stream_pump(body, sinks, n, keep_lease, up, &up->bytes, e);
}

/* ---- commit ---- */

/* What the image will say about its data; virtual_size -1: nothing. */
struct facts {
    char md5[33], hash[STREAM_HASH_HEX_MAX];
    int64_t virtual_size;
    struct store_location location;
    struct inspect_verdict verdict; /* of staged data: import judges */
};

static int decide(struct upload *up, struct facts *ret, struct error *e)
{
    if (up->o.declared_size >= 0 && up->bytes != (uint64_t)up->o.declared_size)
        return error_set(e, ERROR_INVALID, "Size mismatch: expected %lld bytes, got %llu bytes",
                         (long long)up->o.declared_size, (unsigned long long)up->bytes);
    if (stream_digest_end(up->digest, ret->md5, ret->hash, e) < 0)
        return -1;
    ret->virtual_size = -1;
    if (!up->inspect)
        return 0;
    inspect_end(up->inspect, &ret->verdict);
    if (up->o.stage)
        return 0;
    return inspect_decide(&ret->verdict, up->disk_format, &up->o.inspect_policy, &ret->virtual_size, e);
}

static int store_commit(struct upload *up, struct facts *ret, struct error *e)
{
    up->stored = true;
    if (store_put_commit(up->put, &ret->location, e) == 0) {
        POINT("upload.stored");
        return 0;
    }
    if (e->kind == ERROR_CONFLICT) { /* another's object, which stays */
        up->stored = false;
        e->kind = ERROR_INTERNAL;
        e->status = error_kinds[ERROR_INTERNAL].status;
    }
    return -1;
}

static int staged_rows(struct upload *up, struct db_conn *c, struct arena *a, struct image *im,
                       const struct facts *f, struct error *e)
{
    char mark[STAGED_MARK_MAX];
    const struct staged row = {
        .image_id = up->id,
        .host = up->o.stage_host,
        .mark = mark,
        .size = (int64_t)up->bytes,
        .checksum = f->md5,
        .os_hash_algo = up->o.hashing_algorithm,
        .os_hash_value = f->hash,
        .verdict = staged_verdict_text(a, &f->verdict),
    };

    im->size = (int64_t)up->bytes;
    if (*up->o.stage_host)
        image_property_set(a, im, IMAGE_STAGE_HOST, up->o.stage_host);
    if (staged_mark_at(f->location.url, mark, e) < 0)
        return -1;
    return staged_set(c, &row, e);
}

static int stage_save(struct upload *up, struct db_conn *c, struct arena *a, struct image *im,
                      const struct facts *f, struct error *e)
{
    if (staged_rows(up, c, a, im, f, e) < 0)
        return -1;
    if (image_save(c, im, IMAGE_UPLOADING, e) < 0 || lease_drop(c, up->id, up->holder, e) < 0)
        return e->kind == ERROR_CONFLICT || e->kind == ERROR_NOT_FOUND ? gone(up, e) : -1;
    return 0;
}

/* The verdict was about the formats that the caller of upload_begin() saw. They may have been changed between
 * that and the moment from which on they stay as they are, and a Glance beside us has rules of its own. */
static int formats_again(struct upload *up, const struct image *im, struct facts *f, struct error *e)
{
    bool bare = str_eq(im->container_format, "bare");

    if (image_formats_check(im, e) < 0)
        return -1;
    if (str_eq(im->container_format, up->container_format) && str_eq(im->disk_format, up->disk_format))
        return 0;
    if (bare && !up->inspect)
        return error_set(e, ERROR_CONFLICT, "The formats of image %s were changed when its upload began",
                         up->id);
    f->virtual_size = -1;
    return !bare ? 0
                 : inspect_decide(&f->verdict, im->disk_format, &up->o.inspect_policy, &f->virtual_size, e);
}

/* Into the image as it is now: it may have been changed while its bytes came. */
static int save(struct upload *up, struct db_conn *c, struct facts *f, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(16 * 1024);
    struct image_location *l;
    struct image *im;

    if (image_load_any(c, a, up->id, &im, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? gone(up, e) : -1;
    if (im->deleted || im->status != status_of(up)) /* its deletion took the staged file too */
        return gone(up, e);
    if (quota_again(up, c, e) < 0)
        return -1;
    if (up->o.stage)
        return stage_save(up, c, a, im, f, e);
    if (formats_again(up, im, f, e) < 0)
        return -1;
    im->size = (int64_t)up->bytes;
    im->virtual_size = f->virtual_size;
    im->checksum = f->md5;
    im->os_hash_algo = up->o.hashing_algorithm;
    im->os_hash_value = f->hash;
    im->status = IMAGE_ACTIVE;
    l = ARENA_PUSH(a, im->locations, im->n_locations, im->cap_locations);
    *l = (struct image_location){ .url = f->location.url, .metadata = up->o.metadata, .status = "active" };
    if (image_save(c, im, IMAGE_SAVING, e) < 0 || lease_drop(c, up->id, up->holder, e) < 0)
        return e->kind == ERROR_CONFLICT || e->kind == ERROR_NOT_FOUND ? gone(up, e) : -1;
    return 0;
}

/* Our lease ended with the transaction, or is still there. One that is neither was taken over. */
static int staged_by(struct upload *up, struct db_conn *c, bool *ret, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    struct lease *all;
    size_t n;

    if (lease_list(c, a, &all, &n, e) < 0)
        return -1;
    *ret = true;
    for (size_t i = 0; i < n; i++)
        if (str_eq(all[i].image_id, up->id))
            *ret = false;
    return 0;
}

/* Did the image become active with our object? */
static int published(struct upload *up, struct db_conn *c, bool *ret, struct error *e)
{
    return up->o.stage ? staged_by(up, c, ret, e) : location_in_use(c, store_put_url(up->put), ret, e);
}

struct publication {
    struct upload *upload;
    struct facts *facts;
};

static int publish_run(struct db_conn *c, void *arg, struct error *e)
{
    const struct publication *p = arg;

    if (save(p->upload, c, p->facts, e) < 0)
        return -1;
    p->upload->unsure = true; /* the commit may fail after it went through */
    return 0;
}

static int publish_asked(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct publication *p = arg;

    return published(p->upload, c, ret, e);
}

static int publish(struct upload *up, struct facts *f, struct error *e)
{
    static const struct db_unit unit = { "upload.commit", publish_run, publish_asked };

    if (db_write(up->o.db, &unit, &(struct publication){ up, f }, e) < 0)
        return -1;
    POINT("upload.published");
    return 0;
}

int upload_commit(struct upload **up, struct error *e)
{
    struct facts f;

    if (decide(*up, &f, e) < 0 || renew(*up, e) < 0 || store_commit(*up, &f, e) < 0 ||
        publish(*up, &f, e) < 0)
        return -1;
    store_put_done(&(*up)->put);
    upload_free(*up);
    *up = NULL;
    return 0;
}

/* ---- abort ---- */

/* After a commit whose answer was lost. */
static int published_now(struct upload *up, bool *ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    return db_acquire(up->o.db, DB_WAIT, &c, e) < 0 ? -1 : published(up, c, ret, e);
}

/* Whether the object is surely gone after it had been visible. */
static bool removed(struct upload *up, const char *url)
{
    CLEANUP(store_get_close) struct store_get *g = NULL;
    uint64_t size;
    struct error e;

    return store_get_open(up->o.store, url, &g, &size, &e) < 0 && e.kind == ERROR_NOT_FOUND;
}

void upload_abort(struct upload **upp)
{
    struct upload *up = TAKE(*upp);
    char url[1024];
    bool stays = false;
    struct error e;

    if (!up)
        return;
    error_clear(&e);
    if (up->unsure && (published_now(up, &stays, &e) < 0 || stays)) {
        store_put_done(&up->put);
        upload_free(up);
        return;
    }
    str_copy(url, sizeof url, store_put_url(up->put));
    upload_free(up);
    POINT("upload.dropped");
    if (up->stored && !removed(up, url))
        log_warning("image %s: the data of its failed upload could not be removed yet", up->id);
    else if (give_back(up, &e) < 0 && e.kind != ERROR_CONFLICT)
        log_warning("image %s: its failed upload is cleaned up later: %s (%s)", up->id, e.message, e.detail);
}
