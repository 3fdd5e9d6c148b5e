/* SPDX-License-Identifier: Apache-2.0 */
/* A location that was added by POST /v2/images/{id}/locations: it is looked at and becomes the image's, and
 * its data are read for their hashes. What the image goes through is Glance 33's
 * (async_/flows/location_import.py):
 *
 * - attach, queued -> active: there is nothing to compare with, so that the hashes come later, or not at all;
 * - attach, queued -> importing: the client told what the hash has to be;
 * - hash, importing -> active, or given up: importing -> queued without the location.
 *
 * The image is locked from the request on until the job ends. */
#include <string.h>

#include "imports/import.h"
#include "transfer/commit.h"
#include "transfer/object.h"
#include "json/json.h"

static const char step_attached[] = "attached";

struct wanted {
    const char *url, *algorithm;
    const char *value; /* what the hash has to be; NULL: whatever it is */
    bool hash;         /* read the data */
    int64_t location_quota, storage_quota;
    uint64_t size_cap; /* bytes; 0: none */
};

static const char *text_of(struct arena *a, const json_t *arguments, const char *name)
{
    return arena_str(a, json_string_value(json_object_get(arguments, name)));
}

static int wanted_read(struct arena *a, const struct job *j, struct wanted *ret, struct error *e)
{
    CLEANUP(json_drop) json_t *arguments = json_parse(j->arguments, strlen(j->arguments));

    *ret = (struct wanted){
        .url = text_of(a, arguments, "url"),
        .algorithm = text_of(a, arguments, "algorithm"),
        .value = text_of(a, arguments, "value"),
        .hash = json_is_true(json_object_get(arguments, "hash")),
        .location_quota = json_integer_value(json_object_get(arguments, "location_quota")),
        .storage_quota = json_integer_value(json_object_get(arguments, "storage_quota")),
    };
    if (ret->url && ret->algorithm)
        return 0;
    return error_set(e, ERROR_INTERNAL, "The job's arguments cannot be read.");
}

/* A client is told that a job was done or not, and the log why. */
static int end(struct job_run *r, struct db_conn *c, bool success, const char *why, struct error *e)
{
    return job_over(r, c, success, success ? "" : JOB_TASK_FAILED, why, e);
}

static int image_now(struct job_run *r, struct db_conn *c, struct image **ret, struct error *e)
{
    if (image_load_any(c, r->arena, r->job->image_id, ret, e) < 0)
        return -1;
    return (*ret)->deleted ? error_set(e, ERROR_CONFLICT, "The image was deleted.") : 0;
}

static struct image_location *location_find(const struct image *im, const char *url)
{
    for (size_t i = 0; i < im->n_locations; i++)
        if (str_eq(im->locations[i].url, url))
            return &im->locations[i];
    return NULL;
}

/* ---- beginning ---- */

static const char *task_input(struct arena *a, const struct image *im, const struct location_request *l)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    str_add(&out, "{\"image_id\": ");
    json_add_text(&out, im->id, true);
    str_add(&out, ", \"loc_url\": ");
    json_add_text(&out, l->url, true);
    str_add(&out, ", \"validation_data\": ");
    if (l->proof)
        json_add_value(&out, l->proof, true);
    else
        str_add(&out, "{}");
    str_addc(&out, '}');
    return arena_str(a, str_text(&out));
}

static int task_write(struct db_conn *c, const char *id, const struct image *im,
                      const struct location_request *l, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    struct task task = {
        .id = id,
        .type = job_location.name,
        .owner = l->owner,
        .image_id = im->id,
        .request_id = l->request_id,
        .user_id = l->user_id,
        .input = task_input(a, im, l),
    };

    return task_add(c, &task, e);
}

int location_job_add(struct db_conn *c, const struct image *im, const struct location_request *l,
                     char id[UUID_TEXT_MAX], struct error *e)
{
    CLEANUP(json_drop)
    json_t *arguments =
        json_pack("{s:s, s:s, s:s*, s:b, s:I, s:I}", "url", l->url, "algorithm", l->algorithm, "value",
                  l->value, "hash", l->hash, "location_quota", (json_int_t)l->location_quota, "storage_quota",
                  (json_int_t)l->storage_quota);
    CLEANUP(str_done) struct str text = STR_INIT;

    uuid_make(id);
    json_add_value(&text, arguments, true);
    if (task_write(c, id, im, l, e) < 0 || image_lock_take(c, im, id, e) < 0)
        return -1;
    return job_add(c,
                   &(struct job){ .id = id,
                                  .kind = job_location.name,
                                  .image_id = im->id,
                                  .arguments = str_text(&text),
                                  .owner = l->owner },
                   e);
}

/* ---- attach ---- */

/* Also under another spelling of the URL. */
static bool has_object(const struct job_run *r, const struct image *im, const char *url)
{
    const struct store *s = stores_for_url(r->o->stores, NULL, url);
    const char *own = store_canonical(s, r->arena, url);

    for (size_t i = 0; i < im->n_locations; i++)
        if (str_eq(own, store_canonical(s, r->arena, im->locations[i].url)))
            return true;
    return false;
}

static int may_attach(struct job_run *r, struct db_conn *c, const struct image *im, const struct wanted *w,
                      uint64_t size, struct error *e)
{
    int64_t left;

    if (im->status != IMAGE_QUEUED)
        return error_set(e, ERROR_CONFLICT, "It's not allowed to add locations if image status is %s.",
                         image_status_name(im->status));
    if (!im->disk_format || !im->container_format)
        return error_set(e, ERROR_INVALID,
                         "disk_format and container_format must be set prior to saving data.");
    if (has_object(r, im, w->url))
        return error_set(e, ERROR_INVALID, "The location %s already exists", w->url);
    if (w->location_quota >= 0 && (int64_t)im->n_locations >= w->location_quota)
        return error_set(e, ERROR_TOO_LARGE,
                         "The limit has been exceeded on the number of allowed image locations.");
    if (w->size_cap > 0 && size > w->size_cap)
        return error_set(e, ERROR_TOO_LARGE, "The provided image is too large.");
    if (storage_left(c, w->storage_quota, im->owner, im->id, &left, e) < 0)
        return -1;
    if (size > (uint64_t)left)
        return error_set(e, ERROR_TOO_LARGE, "The size of the data %llu will exceed the limit.",
                         (unsigned long long)size);
    return 0;
}

/* What a unit of this job is about; of each the part that it needs. */
struct writing {
    struct job_run *run;
    const struct wanted *wanted;
    uint64_t size;
    const struct object_sums *sums;
    const struct error *why;
    bool success;
};

static int attach_rows(struct db_conn *c, void *arg, struct error *e)
{
    const struct writing *v = arg;
    const struct wanted *w = v->wanted;
    struct job_run *r = v->run;
    struct image *im;

    if (image_now(r, c, &im, e) < 0 || may_attach(r, c, im, w, v->size, e) < 0)
        return -1;
    im->size = (int64_t)v->size;
    im->status = w->hash && w->value ? IMAGE_IMPORTING : IMAGE_ACTIVE;
    if (!w->hash && w->value) {
        im->os_hash_algo = w->algorithm;
        im->os_hash_value = w->value;
    }
    *ARENA_PUSH(r->arena, im->locations, im->n_locations, im->cap_locations) =
        (struct image_location){ .url = w->url, .metadata = "{}", .status = "active" };
    if (image_save(c, im, IMAGE_QUEUED, e) < 0)
        return -1;
    if (!w->hash)
        return end(r, c, true, "", e);
    return task_begin(c, r->job->id, e) < 0 ? -1 : job_step(c, r->job->id, r->holder, step_attached, e);
}

static int attached(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct writing *v = arg;
    const struct job_run *r = v->run;

    return v->wanted->hash ? job_at(c, r->job->id, r->holder, step_attached, ret, e)
                           : job_ended(c, r->job->id, ret, e);
}

static int size_ask(struct job_run *r, struct store *s, const char *url, uint64_t *ret, struct error *e)
{
    CLEANUP(job_fetch_over) struct job_run *own UNUSED = r;

    if (store_distant(s))
        job_fetch_begin(r);
    return store_size(s, url, ret, e);
}

static int attach(struct job_run *r, const struct wanted *w, struct error *e)
{
    static const struct db_unit unit = { "location.attach", attach_rows, attached };
    struct store *s = stores_for_url(r->o->stores, NULL, w->url);
    struct writing v = { .run = r, .wanted = w };

    if (!s)
        return error_set(e, ERROR_INVALID, "Invalid location");
    if (size_ask(r, s, w->url, &v.size, e) < 0)
        return -1;
    POINT("location.sized");
    if (v.size == 0)
        return error_set(e, ERROR_INVALID, "Invalid location");
    if (db_write(r->o->db, &unit, &v, e) < 0)
        return -1;
    r->job->step = step_attached; /* also to give_up() */
    return 0;
}

/* ---- hash ---- */

struct reading {
    struct job_run *run;
    uint64_t counted;
};

static int keep_alive(void *arg, uint64_t bytes, struct error *e)
{
    struct reading *r = arg;

    POINT("location.moved");
    job_fetch_moved(r->run, bytes);
    job_moved(r->run, bytes - r->counted);
    r->counted = bytes;
    return job_lease_renew(r->run, e);
}

static int sums_make(struct job_run *r, const struct wanted *w, struct object_sums *ret, struct error *e)
{
    struct store *s = stores_for_url(r->o->stores, NULL, w->url);
    CLEANUP(job_fetch_over) struct job_run *own UNUSED = r;
    struct reading reading = { .run = r };

    if (!s)
        return error_set(e, ERROR_INVALID, "Invalid location");
    if (store_distant(s))
        job_fetch_begin(r);
    return object_sum(s, w->url, w->algorithm, keep_alive, &reading, ret, e);
}

static int sums_check(const struct image *im, const struct wanted *w, const struct object_sums *s,
                      struct error *e)
{
    if (im->status != (w->value ? IMAGE_IMPORTING : IMAGE_ACTIVE) &&
        (w->value || im->status != IMAGE_DEACTIVATED))
        return error_set(e, ERROR_CONFLICT, "The image is %s meanwhile.", image_status_name(im->status));
    if (!location_find(im, w->url))
        return error_set(e, ERROR_CONFLICT, "The image has another location meanwhile.");
    if (im->size != (int64_t)s->bytes)
        return error_set(e, ERROR_UNAVAILABLE, "The data are %llu bytes where their server said %lld.",
                         (unsigned long long)s->bytes, (long long)im->size);
    if (w->value && !str_eq_nocase(w->value, s->hash))
        return error_set(e, ERROR_INVALID, "os_hash_value: (%s) not matched with actual os_hash_value: (%s)",
                         w->value, s->hash);
    return 0;
}

static int hash_rows(struct db_conn *c, void *arg, struct error *e)
{
    const struct writing *v = arg;
    const struct wanted *w = v->wanted;
    const struct object_sums *s = v->sums;
    struct job_run *r = v->run;
    enum image_status from;
    struct image *im;

    if (image_now(r, c, &im, e) < 0 || sums_check(im, w, s, e) < 0)
        return -1;
    from = im->status;
    im->checksum = s->md5;
    im->os_hash_algo = w->algorithm;
    im->os_hash_value = s->hash;
    if (from == IMAGE_IMPORTING)
        im->status = IMAGE_ACTIVE;
    if (image_save(c, im, from, e) < 0)
        return -1;
    return end(r, c, true, "", e);
}

static int hash(struct job_run *r, const struct wanted *w, struct error *e)
{
    static const struct db_unit unit = { "location.hash", hash_rows, job_over_asked };
    struct object_sums s;

    if (sums_make(r, w, &s, e) < 0)
        return -1;
    return db_write(r->o->db, &unit, &(struct writing){ .run = r, .wanted = w, .sums = &s }, e);
}

static int run(struct job_run *r, struct error *e)
{
    struct wanted w;

    if (wanted_read(r->arena, r->job, &w, e) < 0)
        return -1;
    w.size_cap = import_settings_of(r)->size_cap;
    if (!str_eq(r->job->step, step_attached) && attach(r, &w, e) < 0)
        return -1;
    return w.hash ? hash(r, &w, e) : 0;
}

/* ---- giving up ---- */

/* An image that was waiting for its data to prove right has none. One whose rows somebody has purged needs
 * nothing. */
static int detach(struct job_run *r, struct db_conn *c, const char *url, struct error *e)
{
    struct image_location *l;
    struct image *im;

    if (image_load_any(c, r->arena, r->job->image_id, &im, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? 0 : -1;
    if (im->deleted || im->status != IMAGE_IMPORTING)
        return 0;
    l = url ? location_find(im, url) : NULL;
    if (l) {
        memmove(l, l + 1, (size_t)(im->locations + im->n_locations - l - 1) * sizeof *l);
        im->n_locations--;
    }
    im->status = IMAGE_QUEUED;
    im->size = im->virtual_size = -1;
    im->checksum = im->os_hash_algo = im->os_hash_value = NULL;
    return image_save(c, im, IMAGE_IMPORTING, e);
}

static int give_up_rows(struct db_conn *c, void *arg, struct error *e)
{
    const struct writing *v = arg;

    return detach(v->run, c, v->wanted->url, e) < 0 ? -1 : end(v->run, c, v->success, v->why->message, e);
}

/* An image that lacks only hashes that were not asked for has its location. */
static int give_up(struct job_run *r, const struct error *why, struct error *e)
{
    static const struct db_unit unit = { "location.undo", give_up_rows, job_over_asked };
    bool has_location = str_eq(r->job->step, step_attached) && why->kind != ERROR_CONFLICT;
    struct wanted w = { .url = NULL };
    struct writing v = { .run = r, .wanted = &w, .why = why };
    struct error ignored;

    if (wanted_read(r->arena, r->job, &w, &ignored) < 0)
        log_debug("job %s: %s", r->job->id, ignored.message);
    v.success = has_location && !w.value;
    return db_write(r->o->db, &unit, &v, e);
}

/* ---- once more ---- */

/* From which step on; NULL: what was wanted came true, or something else did. */
static const char *step_again(const struct image *im, const struct wanted *w)
{
    if (im->status == IMAGE_QUEUED)
        return "";
    return im->status == IMAGE_ACTIVE && w->hash && !w->value && !im->os_hash_value &&
                   location_find(im, w->url)
               ? step_attached
               : NULL;
}

/* A task like that of the failed job, where it is still known. */
static int task_again(struct db_conn *c, struct arena *a, const char *failed, const char *id, struct error *e)
{
    struct task *t;

    if (task_load(c, a, failed, &t, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? 0 : -1;
    t->id = id;
    t->result = NULL;
    t->message = "";
    return task_add(c, t, e);
}

static int again(struct db_conn *c, struct arena *a, const struct job *failed, const char **ret_id,
                 struct error *e)
{
    char *id = arena_alloc(a, UUID_TEXT_MAX);
    struct job j = *failed;
    struct wanted w;
    struct image *im;

    if (wanted_read(a, failed, &w, e) < 0)
        return -1;
    if (image_load_any(c, a, failed->image_id, &im, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? error_set(e, ERROR_CONFLICT, "The image is gone.") : -1;
    if (im->deleted)
        return error_set(e, ERROR_CONFLICT, "The image was deleted.");
    j.step = step_again(im, &w);
    if (!j.step)
        return error_set(e, ERROR_CONFLICT, "The image is %s, nothing is left to do.",
                         image_status_name(im->status));
    uuid_make(id);
    j.id = id;
    if (task_again(c, a, failed->id, id, e) < 0 || image_lock_take(c, im, id, e) < 0 || job_add(c, &j, e) < 0)
        return -1;
    *ret_id = id;
    return 0;
}

const struct job_kind job_location = { "location_import", run, give_up, again };
