/* SPDX-License-Identifier: Apache-2.0 */
/* Moves image bytes and cleans up after those who died doing so.
 *
 * Upload, as states of the image row and who moves it:
 *
 *     queued --upload_begin--> saving --upload_commit--> active
 *       ^                        |
 *       +------upload_abort------+   (also work_reap(), when the uploader is dead or its lease ran out)
 *
 * Staging (upload_options.stage) is an upload into the staging store: queued -> uploading by upload_begin(),
 * which it still is after upload_commit(), without the lease; upload_abort() and work_reap() as above.
 *
 * Invariants:
 *  1 A row is `saving` through us, or `uploading` without data, only together with its lease, written in the
 *    same transaction.
 *  2 The object is durable in the store before the row says active (data before row), the row before the
 *    reply.
 *  3 A process that has lost the lease changes neither row nor object.
 *  4 An object without a row is in glint_trash or under a lease, so that cleaning up always finds it. */
#ifndef WORK_WORK_H
#define WORK_WORK_H

#include "base/base.h"
#include "db/db.h"
#include "inspect/inspect.h"
#include "model/model.h"
#include "store/store.h"
#include "stream/stream.h"
#include "json/json.h"

enum {
    LEASE_SECONDS = 180, /* how long an uploader is believed without a sign of life; well above the longest
                            body_timeout, after which a silent client is given up */
    LEASE_RENEW_SECONDS = 10,
};

struct upload;

struct upload_options {
    struct db *db;
    struct store *store;
    const char *metadata; /* of the location that will be: a JSON object */
    const char *hashing_algorithm;
    uint64_t size_cap;     /* bytes; image_size_cap */
    int64_t declared_size; /* bytes, or -1 */
    int64_t storage_quota; /* bytes of all that the project has; 0: none */
    const char *project;   /* that the quota is of; NULL: none, which has stored nothing */
    bool inspect;          /* container_format bare */
    struct inspect_policy inspect_policy;
    bool stage;             /* into the staging store, for an import: see below */
    const char *stage_dir;  /* of the staging store */
    const char *stage_host; /* URL by which others reach this host's staging; "": none, or all have it */
};

/* Whether the project may store what the upload announces, or anything at all: ERROR_TOO_LARGE.
 * upload_begin() asks again in its transaction, and upload_commit() of the bytes that came. */
int upload_quota_check(struct db_conn *c, const struct upload_options *o, const char *image_id,
                       struct error *e) MUST_CHECK;
/* queued -> saving with its lease (own transaction); ERROR_CONFLICT when it is not queued any more. Under a
 * quota the announced size is the image's from then on, so that others count it. */
int upload_begin(struct arena *a, const struct image *im, const struct upload_options *o, struct upload **ret,
                 struct error *e) MUST_CHECK;
/* The most bytes that it can take, and what upload_pump() says of more. */
uint64_t upload_room(const struct upload *up, const char **ret_message);
/* Moves the body: limit, quota, digests, inspection, store. */
int upload_pump(struct upload *up, const struct stream_source *body, struct error *e) MUST_CHECK;
/* Verdict, store commit, then in one transaction location, size, hashes, saving -> active and the lease gone.
 * That transaction looks again at the formats and at the quota: ERROR_INVALID, ERROR_MEDIA, ERROR_TOO_LARGE.
 * The image was deleted meanwhile: ERROR_GONE. On success the upload is freed and *up is NULL. */
int upload_commit(struct upload **up, struct error *e) MUST_CHECK;
/* Data gone, back to queued; never fails. Takes NULL; for CLEANUP. */
void upload_abort(struct upload **up);

/* ---- what a commit asks again, within its transaction (commit.c) ---- */

/* The image has its formats, and may be given data: ERROR_INVALID in Glance's words. */
int image_formats_check(const struct image *im, struct error *e) MUST_CHECK;
/* Bytes that the project may still store, without counting this image; INT64_MAX where quota is 0: none. */
int storage_left(struct db_conn *c, int64_t quota, const char *project, const char *image_id, int64_t *ret,
                 struct error *e) MUST_CHECK;

/* Data that lose their row: noted in the trash in the transaction that takes the row away, removed after it.
 * What fails then, and what a crash leaves, is work_reap()'s; data that another image's row names stay. */
struct leftovers {
    struct stores *stores;
    struct leftover *items; /* memory of the arena given with the first */
    size_t n, cap;
};
/* Would the store refuse? ERROR_FORBIDDEN, ERROR_CONFLICT. */
int leftovers_check(struct stores *stores, const struct image_location *l, struct error *e) MUST_CHECK;
int leftovers_note(struct leftovers *all, struct db_conn *c, struct arena *a, const struct image_location *l,
                   struct error *e) MUST_CHECK;
/* For a unit that has to know whether it went through: where its rows of the trash are not there, another has
 * removed the same, or will, and nothing is left to do here. */
int leftovers_confirm(struct leftovers *all, struct db_conn *c, struct error *e) MUST_CHECK;
void leftovers_remove(const struct leftovers *all, struct db_conn *c);

/* Deletes the image: first the rows and, in the same transaction, what has to be removed goes to the trash;
 * then the data. Store refusals that are known beforehand (no permission, in use) leave everything as it was,
 * and so does check() (NULL: none), which sees the image as it is inside the transaction. Own transaction. */
typedef int image_check(void *arg, const struct image *now, struct error *e);
int image_remove(struct db *db, struct stores *stores, const struct image *im, image_check *check, void *arg,
                 struct error *e) MUST_CHECK;

/* ---- stores that may be away (store_proof.c) ---- */

/* By what the database knows; for stores_open(). */
struct store_proof store_proof_by(struct db *db);
/* Writes down where each store is that is proved, if that has changed; -1: at least one is away. begin: the
 * service starts, and staging is what is there. */
int store_proofs_save(struct db *db, struct stores *stores, bool begin, struct error *e) MUST_CHECK;
/* Of one store. force: whatever is there is the store from now on. */
int store_proof_save(struct db *db, struct store *s, bool force, struct error *e) MUST_CHECK;

/* ---- several hosts, each with a staging store of its own (hosts.c) ---- */

/* The image's property that says by which URL the host is reached that staged it; no client sees or changes
 * it. The other one is Glance's, for a host that reads a new location's data. */
#define IMAGE_STAGE_HOST "os_glance_stage_host"
#define IMAGE_HASH_HOST  "os_glance_hash_op_host"

struct hosts {         /* texts are the config's */
    const char *name;  /* URL of this host alone; "": it has none */
    const char *self;  /* what IMAGE_STAGE_HOST says of images that are staged here; "": it is not written */
    const char *place; /* of jobs that need data which are here alone (struct job); "": every host has them */
    bool shared;       /* one staging store for all */
    const char *const *peers; /* that requests are passed on to; none: whichever an image names */
    size_t n_peers;
    const char *ca_file; /* of peers by https; NULL: the system's */
};
void hosts_read(const struct config *c, struct hosts *ret);
/* The URL of the host that alone can do this to the image, as the image says; NULL: this one can. */
const char *hosts_elsewhere(const struct hosts *h, const struct image *im);
/* Whether both name the same host: the case of scheme and name and a slash at the end do not count. */
bool host_same(const char *a, const char *b);
/* http or https, a host, perhaps a port and a path of plain segments; nothing else that a URL can have.
 * ERROR_INVALID says what it is. */
int host_check(const char *url, struct error *e) MUST_CHECK;
/* The same, and that it is one of the peers. */
int hosts_peer_check(const struct hosts *h, const char *url, struct error *e) MUST_CHECK;

/* ---- jobs: glint_jobs, run by the worker ---- */

/* What imports need to know of the configuration; texts are the config's or the arena's. */
struct import_plugin;
struct plugin_settings {
    const char *const *ignored_roles;
    size_t n_ignored_roles;
    const char *const *inject; /* "name:value" */
    size_t n_inject;
    const char *const *unpack; /* formats: "gzip" … */
    size_t n_unpack;
    uint64_t unpack_memory, unpack_ratio; /* bytes; how many times the size, 0: any */
    const char *output_format;
    const char *qemu_img;                 /* whole path */
    const char *program;                  /* that has the command `helper` */
    uint64_t convert_memory;              /* bytes */
    int64_t convert_cpu, convert_timeout; /* seconds */
};
struct import_settings {
    const char *staging_dir; /* of the staging store, without a slash at its end; NULL: none */
    struct hosts hosts;
    const char *hashing_algorithm;
    uint64_t size_cap; /* bytes */
    struct inspect_policy inspect;
    struct fetch_rules *sources;                /* which URLs clients may name; the arena's */
    const struct import_plugin *const *plugins; /* in the configured order */
    size_t n_plugins;
    struct plugin_settings plugin;
    int64_t max_parallel_stores;
    int64_t task_hours; /* for how long tasks are remembered */
    const struct config *config;
};
void inspect_policy_read(const struct config *c, struct inspect_policy *ret);
int import_settings_read(const struct config *c, struct arena *a, struct import_settings *ret,
                         struct error *e) MUST_CHECK; /* but for staging_dir, which the stores know */

struct jobs;
struct jobs_options {
    struct db *db;
    struct stores *stores;
    int64_t retries; /* how often what a remote server failed at is tried */
    const struct import_settings *imports;
    int64_t at_once;     /* jobs that run at once; 0: JOBS_AT_ONCE */
    int64_t slow_max;    /* more that run beside them while they wait for a slow server; 0: none */
    int64_t share;       /* percent of the slots that one project may hold; 0: all */
    int64_t per_store;   /* of those that run, how many may write into one store; 0: all */
    int64_t patience_us; /* a lease not renewed for so long is over; 0: LEASE_SECONDS */
};
/* A job that gets less than so many bytes a second from another server is slow: it gives its place among
 * at_once to another, and runs on. */
enum { JOB_SLOW_RATE = 1024 * 1024 };
enum { JOB_STACK = 512 * 1024, JOBS_AT_ONCE = 8, JOBS_POLL_MS = 50 };
struct jobs *jobs_start(const struct jobs_options *o) __attribute__((returns_nonnull));
/* Starts what is due, each on a thread of its own, as many as may run at once. To be called every
 * JOBS_POLL_MS, which costs next to nothing while nobody writes into the database, and when jobs_fd() is
 * readable: a job ended. */
int jobs_poll(struct jobs *all, struct error *e) MUST_CHECK;
int jobs_fd(const struct jobs *all);
/* Interrupts what runs, which another worker goes on with, waits for it and frees; takes NULL. */
void jobs_stop(struct jobs *all);

/* Does the work of a failed job once more, within the caller's transaction: the id of the new job, or why
 * that cannot be (ERROR_CONFLICT; ERROR_NOT_FOUND: no such job). */
int job_again(struct db_conn *c, struct arena *a, const char *id, const char **ret_id,
              struct error *e) MUST_CHECK;

/* What a location added by POST asks for. */
struct location_request {
    const char *url;
    const char *algorithm, *value; /* of the hash; value NULL: not known */
    bool hash;                     /* read the data for it */
    int64_t location_quota;        /* negative: none */
    int64_t storage_quota;         /* bytes; 0: none */
    const json_t *proof;           /* what the client said of the hash, as a document; NULL: nothing */
    const char *owner, *user_id, *request_id; /* of the task; owner not NULL */
};
/* Locks the image and writes task and job, whose id it gives, within the caller's unit; ERROR_CONFLICT when a
 * task works on it. */
int location_job_add(struct db_conn *c, const struct image *im, const struct location_request *l,
                     char id[UUID_TEXT_MAX], struct error *e) MUST_CHECK;

/* What "method" of a web-download asks for: ERROR_INVALID in Glance's words, or in ours for what is beyond it
 * (mirrors, checksum, os_hash_algo, os_hash_value). Waits for the resolver. */
struct fetch_rules;
int import_download_check(struct fetch_rules *sources, const json_t *method, struct error *e) MUST_CHECK;
/* URL of the image service that "method" of a glance-download means, in the catalog that came with the
 * request (X-Service-Catalog; NULL: none). *ret NULL: there is no such endpoint. ERROR_INVALID: the catalog
 * is no JSON. */
int import_remote_endpoint(struct arena *a, const char *catalog, const json_t *method, const char **ret,
                           struct error *e) MUST_CHECK;

/* What POST /v2/images/{id}/import asks for, once it is allowed. */
struct import_request {
    const struct image *image; /* as the transaction has it */
    const char *method;
    json_t *body;              /* the client's */
    const char *const *stores; /* by id; without several stores the default one */
    size_t n_stores;
    bool several, must_succeed;
    const char *owner, *user_id, *request_id;
    const char *const *roles;
    size_t n_roles;
    const char *place;     /* URL of the host that has the staged data; NULL: any can do it */
    const char *token;     /* the client's, for glance-download; NULL: none */
    const char *endpoint;  /* of the service that it asks; NULL: none */
    int64_t storage_quota; /* bytes; 0: none */
};
/* Task, lock and job, whose id it gives, within the caller's unit; ERROR_CONFLICT: another task has the
 * lock. */
int import_job_add(struct db_conn *c, struct arena *a, const struct import_request *q, char id[UUID_TEXT_MAX],
                   struct error *e) MUST_CHECK;

/* What a task of type import brings, beside its own row. */
struct task_import {
    const char *url;
    const char *store;     /* id */
    bool several;          /* clients know stores by id */
    int64_t storage_quota; /* bytes; 0: none */
};
/* The image as it will be, locked; the task; and the job, within the caller's transaction. */
int task_import_add(struct db_conn *c, struct image *im, struct task *t, const struct task_import *q,
                    struct error *e) MUST_CHECK;

struct reap_counts {
    size_t uploads, objects, files, tasks;
};
/* One round of cleaning up: leases whose holder is dead or that ran out (image back to queued, its object
 * removed), trash, stale temporary files, staged files that nobody needs, tasks whose time is over. Safe to
 * run in several processes at once. */
int work_reap(struct db *db, struct stores *stores, struct reap_counts *ret, struct error *e) MUST_CHECK;

/* ---- what is left in the staging directory (staging_clean.c) ----
 *
 * Files <image id> and <image id>.suffix whose image needs them no more; no others are looked at. Safe beside
 * hosts that share the directory. */

enum { STAGING_AGE_SECONDS = 3600 };
struct staging_look {
    struct db *db;
    const char *dir;
    int64_t age_us; /* what was written since then is left alone: a Glance beside us may be at it */
};
/* Returns -1 to end. */
typedef int staging_tell(void *arg, const char *name, const char *why, struct error *e);
/* Tells of each; it may be removed while it is told of. */
int staging_leftovers(const struct staging_look *l, staging_tell *tell, void *arg,
                      struct error *e) MUST_CHECK;
/* *ret: it was still so, and the file is gone. */
int staging_discard(const struct staging_look *l, const char *name, bool *ret, struct error *e) MUST_CHECK;
/* Drops the records of staged data that are not needed any more; *ret: of how many images. */
int staging_rows_tidy(struct db *db, size_t *ret, struct error *e) MUST_CHECK;
/* One round: all of that is removed; *ret: files. Those that could not be do not keep the others. */
int staging_clean(const struct staging_look *l, size_t *ret, struct error *e) MUST_CHECK;

#endif
