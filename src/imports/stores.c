/* SPDX-License-Identifier: Apache-2.0 */
/* The staged file's way into the stores.
 *
 * Stores are written in groups of max_parallel_stores: the file is read once for a group. A store that is on
 * the staging directory's file system may take the file itself over instead.
 *
 *   note "object:<store>" (URL)   from before the object can be seen until the row's transaction
 *   note "stored:<store>" (URL)   from the row's transaction on: a copy that this job added
 *
 * A process that dies in between leaves an object with a note and without a row; the next try removes it and
 * writes it again. */
#include "imports/import.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transfer/commit.h"
#include "transfer/object.h"
#include "json/json.h"

enum { IMPORT_STORES_MAX = 64 }; /* of one request */

static const char note_object[] = "object:", note_stored[] = "stored:";

struct target {
    const struct job_run *run;
    struct store *store;
    struct store_put *put;
    struct store_location location;
    bool linked; /* no bytes to write */
    bool failed, away;
    struct error error;
};

struct storing {
    struct import *im;
    int fd;
    struct staged *staged;
    char path[PATH_MAX];
    int64_t virtual_size;
    bool moved;    /* a store has taken the file over */
    uint64_t read; /* bytes of the group under way */
};

static const char *note_name(struct import *im, const char *prefix, const struct store *s)
{
    return arena_printf(im->run->arena, "%s%s", prefix, store_id(s));
}

/* ---- what earlier tries left ---- */

static int notes_of(struct import *im, const char *prefix, struct job_note **ret, size_t *ret_n,
                    struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(im->run->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return job_note_list(c, im->run->arena, im->run->job->id, prefix, ret, ret_n, e);
}

struct noting {
    const struct job_run *run;
    const char *name, *value;
};

static int note_run(struct db_conn *c, void *arg, struct error *e)
{
    const struct noting *n = arg;
    const char *id = n->run->job->id;

    if ((str_starts(n->name, note_object) && object_names_lock(c, e) < 0) ||
        job_renew(c, id, n->run->holder, lease_expiry(), e) < 0)
        return -1;
    return n->value ? job_note_set(c, id, n->name, n->value, e) : job_note_drop(c, id, n->name, e);
}

int import_note_set(struct import *im, const char *name, const char *value, struct error *e)
{
    static const struct db_unit unit = { "import.note", note_run, db_unit_idempotent };

    return db_write(im->run->o->db, &unit, &(struct noting){ im->run, name, value }, e);
}

struct unstoring {
    struct import *im;
    const struct job_note *note;
    struct object_gone gone;
};

static int unstore_run(struct db_conn *c, void *arg, struct error *e)
{
    struct unstoring *u = arg;
    const struct job_run *r = u->im->run;
    const struct job_note *n = u->note;
    struct store *s = stores_by_id(r->o->stores, n->name + strlen(note_object));

    if (object_names_lock(c, e) < 0 || job_renew(c, r->job->id, r->holder, lease_expiry(), e) < 0 ||
        object_discard(c, s, n->value, &u->gone, e) < 0)
        return -1;
    POINT("import.unstored");
    return job_note_drop(c, r->job->id, n->name, e);
}

static int unstore_object(struct import *im, const struct job_note *note, struct error *e)
{
    static const struct db_unit unit = { "import.unstore", unstore_run, db_unit_idempotent };

    struct unstoring u = { im, note, OBJECT_GONE_INIT };
    int r = db_write(im->run->o->db, &unit, &u, e);

    object_gone_close(&u.gone);
    return r;
}

int import_unstore_objects(struct import *im, struct error *e)
{
    struct job_note *notes;
    size_t n;

    if (notes_of(im, note_object, &notes, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (unstore_object(im, &notes[i], e) < 0)
            return -1;
    return 0;
}

int import_stored_count(struct import *im, struct db_conn *c, size_t *ret, struct error *e)
{
    struct job_note *notes;

    return job_note_list(c, im->run->arena, im->run->job->id, note_stored, &notes, ret, e);
}

static ssize_t location_of(const struct image *now, const char *url)
{
    for (size_t i = 0; i < now->n_locations; i++)
        if (str_eq(now->locations[i].url, url))
            return (ssize_t)i;
    return -1;
}

int import_unstore_rows(struct import *im, struct db_conn *c, struct image *now, struct leftovers *left,
                        struct error *e)
{
    struct job_note *notes;
    size_t n;

    if (job_note_list(c, im->run->arena, im->run->job->id, note_stored, &notes, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        ssize_t at = location_of(now, notes[i].value);

        if (at < 0)
            continue;
        if (leftovers_note(left, c, im->run->arena, &now->locations[at], e) < 0)
            return -1;
        now->n_locations--;
        memmove(now->locations + at, now->locations + at + 1,
                (now->n_locations - (size_t)at) * sizeof *now->locations);
    }
    return 0;
}

/* ---- writing a group ---- */

/* A store's failure must not decide whether the job is retried. */
static void target_failed(struct target *t, const struct error *why)
{
    t->failed = true;
    t->away = import_store_away(t->store);
    t->error = *why;
    if (t->error.kind != ERROR_TOO_LARGE)
        t->error.kind = ERROR_INTERNAL;
    store_put_abort(&t->put);
}

static void target_begin(struct storing *s, struct target *t)
{
    const char *id = s->im->image_id;
    struct error e;

    t->run = s->im->run;
    if (!s->moved && store_put_link(t->store, id, s->path, &t->put, &e) == 0)
        s->moved = t->linked = true;
    else if (store_put_begin(t->store, id, s->staged->size > 0 ? s->staged->size : -1, &t->put, &e) < 0)
        target_failed(t, &e);
}

static int target_write(void *arg, const void *buf, size_t n, struct error *e UNUSED)
{
    struct target *t = arg;
    struct error one;

    if (!t->failed && store_put_write(t->put, buf, n, &one) < 0)
        target_failed(t, &one);
    else if (!t->failed)
        job_moved(t->run, n);
    return 0;
}

static ssize_t staged_read(void *arg, void *buf, size_t n, struct error *e)
{
    struct storing *s = arg;
    ssize_t got = pread(s->fd, buf, n, (off_t)s->read);

    if (got < 0)
        return error_set(e, ERROR_INTERNAL, "The staged data cannot be read.");
    s->read += (uint64_t)got;
    return got;
}

static int storing_progress(void *arg, uint64_t bytes, struct error *e)
{
    char text[64];

    POINT("import.moved");
    snprintf(text, sizeof text, "Copied %llu MiB", (unsigned long long)(bytes >> 20));
    return import_progress(arg, text, e);
}

static int group_pump(struct storing *s, struct target *targets, size_t n, struct error *e)
{
    struct stream_sink sinks[IMPORT_STORES_MAX];
    const struct stream_source source = { staged_read, s };
    size_t n_sinks = 0;
    uint64_t bytes;

    for (size_t i = 0; i < n; i++)
        if (!targets[i].failed && !targets[i].linked)
            sinks[n_sinks++] = (struct stream_sink){ .write = target_write, .arg = &targets[i] };
    if (n_sinks == 0)
        return 0;
    s->read = 0;
    if (stream_pump(&source, sinks, n_sinks, storing_progress, s->im, &bytes, e) < 0)
        return -1;
    if (bytes == (uint64_t)s->staged->size)
        return 0;
    return error_set(e, ERROR_INTERNAL, "The staged data are %llu bytes where %lld were written.",
                     (unsigned long long)bytes, (long long)s->staged->size);
}

/* ---- a copy becomes the image's ---- */

struct added {
    struct storing *storing;
    struct target *target;
    bool last;
};

static int quota_check(struct import *im, struct db_conn *c, const struct image *now, int64_t size,
                       struct error *e)
{
    int64_t left;

    if (storage_left(c, im->storage_quota, im->owner, now->id, &left, e) < 0)
        return -1;
    if (size <= left / (int64_t)(now->n_locations + 1))
        return 0;
    return error_set(e, ERROR_TOO_LARGE, "The size of the data %lld will exceed the limit.", (long long)size);
}

static const char *metadata_of(struct import *im, const struct store *s)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    if (!im->several)
        return "{}";
    str_add(&out, "{\"store\": ");
    json_add_text(&out, store_id(s), true);
    str_addc(&out, '}');
    return arena_str(im->run->arena, str_text(&out));
}

static void describe_data(struct image *now, const struct storing *s)
{
    now->size = s->staged->size;
    now->virtual_size = s->virtual_size;
    now->checksum = s->staged->checksum;
    now->os_hash_algo = s->staged->os_hash_algo;
    now->os_hash_value = s->staged->os_hash_value;
}

/* Whether the image may have the staged data: asked before they are stored, which may take long, and again of
 * the image as it is when it gets them. */
static int data_check(struct storing *s, const struct image *im, struct error *e)
{
    struct inspect_verdict v;

    s->virtual_size = im->virtual_size;
    if (image_formats_check(im, e) < 0)
        return -1;
    if (im->n_locations > 0 && im->checksum && !str_eq(im->checksum, s->staged->checksum))
        return error_set(e, ERROR_INTERNAL, "The data are not those that the image has already.");
    if (!str_eq(im->container_format, "bare") || (im->n_locations > 0 && im->virtual_size >= 0))
        return 0;
    if (staged_verdict(s->im->run->arena, s->staged, &v, e) < 0)
        return -1;
    if (inspect_decide(&v, im->disk_format, &s->im->settings->inspect, &s->virtual_size, e) == 0)
        return 0;
    return im->n_locations > 0 ? 0 : -1; /* nothing but another copy of what is there */
}

static int add_rows(struct import *im, struct db_conn *c, struct image *now, void *arg, struct error *e)
{
    struct added *a = arg;
    const struct target *t = a->target;
    const char *job = im->run->job->id;

    if (data_check(a->storing, now, e) < 0 || quota_check(im, c, now, a->storing->staged->size, e) < 0)
        return -1;
    if (now->n_locations == 0)
        describe_data(now, a->storing);
    else if (now->virtual_size < 0) /* the data were at a web server and had not been inspected */
        now->virtual_size = a->storing->virtual_size;
    *ARENA_PUSH(im->run->arena, now->locations, now->n_locations, now->cap_locations) =
        (struct image_location){ .url = t->location.url,
                                 .metadata = metadata_of(im, t->store),
                                 .status = "active" };
    import_tell_store(im, now, store_id(t->store), false, false);
    if (now->status == IMAGE_IMPORTING && (a->last || !im->must_succeed))
        now->status = IMAGE_ACTIVE;
    if (job_note_drop(c, job, note_name(im, note_object, t->store), e) < 0)
        return -1;
    return job_note_set(c, job, note_name(im, note_stored, t->store), t->location.url, e);
}

static int fail_rows(struct import *im, struct db_conn *c UNUSED, struct image *now, void *arg,
                     struct error *e UNUSED)
{
    const struct target *t = arg;

    import_tell_store(im, now, store_id(t->store), false, true);
    return 0;
}

/* Its object can be seen from here on; the note is there before. */
static int target_commit(struct storing *s, struct target *t, bool last, struct error *e)
{
    struct added added = { s, t, last };
    struct error why;

    if (import_note_set(s->im, note_name(s->im, note_object, t->store), store_put_url(t->put), e) < 0)
        return -1;
    POINT("import.noted");
    if (store_put_commit(t->put, &t->location, &why) < 0) {
        target_failed(t, &why);
        return import_note_set(s->im, note_name(s->im, note_object, t->store), NULL, e);
    }
    POINT("import.stored");
    if (import_change_image(s->im, last ? s->im->step : NULL, add_rows, &added, e) < 0)
        return -1;
    POINT("import.owned");
    store_put_done(&t->put);
    return 0;
}

/* A store that failed ends the import, or is told as failed. */
static int target_judge(struct import *im, struct target *t, struct error *e)
{
    if (!t->failed)
        return 0;
    log_warning("image %s: store %s: %s (%s)", im->image_id, store_id(t->store), t->error.message,
                t->error.detail);
    if (t->away && im->must_succeed)
        return import_await_store(im, t->store, e);
    if (import_change_image(im, NULL, fail_rows, t, e) < 0)
        return -1;
    if (!im->must_succeed)
        return 0;
    *e = t->error;
    return -1;
}

static int group_store(struct storing *s, struct target *targets, size_t n, bool last, struct error *e)
{
    size_t left = n;

    for (size_t i = 0; i < n; i++)
        target_begin(s, &targets[i]);
    if (group_pump(s, targets, n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++, left--)
        if ((!targets[i].failed && target_commit(s, &targets[i], last && left == 1, e) < 0) ||
            target_judge(s->im, &targets[i], e) < 0)
            return -1;
    return 0;
}

/* ---- all of them ---- */

/* Those that have no copy of this job's yet. */
static int targets_find(struct import *im, struct target *ret, size_t *ret_n, struct error *e)
{
    struct job_note *stored;
    size_t n, at;

    *ret_n = 0;
    if (notes_of(im, note_stored, &stored, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < im->n_stores; i++) {
        for (at = 0; at < n && !str_eq(stored[at].name + strlen(note_stored), im->stores[i]); at++)
            ;
        if (at < n)
            continue;
        if (*ret_n == IMPORT_STORES_MAX)
            return error_set(e, ERROR_INVALID, "More than %d stores.", IMPORT_STORES_MAX);
        ret[*ret_n] = (struct target){ .store = stores_by_id(im->run->o->stores, im->stores[i]) };
        if (!ret[*ret_n].store)
            return error_set(e, ERROR_INVALID, "Store for identifier %s not found", im->stores[i]);
        (*ret_n)++;
    }
    return 0;
}

/* Before bytes move. Where some stores may fail, the import waits only while none is there. */
static int targets_await(struct import *im, const struct target *targets, size_t n, struct error *e)
{
    const struct target *first = NULL;
    size_t n_away = 0;

    for (size_t i = 0; i < n; i++) {
        if (!import_store_away(targets[i].store))
            continue;
        first = first ? first : &targets[i];
        n_away++;
    }
    return n_away == 0 || (!im->must_succeed && n_away < n) ? 0 : import_await_store(im, first->store, e);
}

static int targets_store(struct storing *s, struct target *targets, size_t n, struct error *e)
{
    size_t at_once = (size_t)s->im->settings->max_parallel_stores;

    for (size_t i = 0; i < n; i += at_once) {
        size_t count = n - i < at_once ? n - i : at_once;

        if (group_store(s, targets + i, count, i + count == n, e) < 0)
            return -1;
    }
    return 0;
}

int import_store_all(struct import *im, struct error *e)
{
    struct target *targets = arena_array(im->run->arena, struct target, IMPORT_STORES_MAX);
    struct storing s = { .im = im, .fd = -1 };
    int result = -1;
    size_t n;

    if (targets_find(im, targets, &n, e) < 0 || targets_await(im, targets, n, e) < 0 ||
        import_unstore_objects(im, e) < 0)
        return -1;
    if (n == 0)
        return 0;
    if (staging_path(&im->staging, s.path, sizeof s.path, e) < 0 ||
        staging_open(&im->staging, &s.fd, &s.staged, e) < 0)
        return -1;
    if (data_check(&s, im->image, e) == 0)
        result = targets_store(&s, targets, n, e);
    for (size_t i = 0; i < n; i++)
        store_put_abort(&targets[i].put);
    close(s.fd);
    return result;
}
