/* SPDX-License-Identifier: Apache-2.0 */
/* The service's nouns as rows: the only SQL of the product. Tables and their conventions are Glance's
 * (schema of release 2024_1), so that the real Glance opens the same database; what Glint keeps beside them
 * has its own tables, named glint_*.
 *
 * Every function takes a connection; those that write must be inside a unit (db/db.h), unless their comment
 * says that they bring their own. Images that are loaded inside a unit stay as they are until it ends.
 * Memory of what is loaded is the given arena's. Error kinds: as db.h, and ERROR_NOT_FOUND, ERROR_CONFLICT
 * where named. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/base.h"
#include "db/db.h"
#include "model/attribute.h"

/* ---- status (Glance domain: Image.valid_state_targets) ---- */

enum image_status {
    IMAGE_QUEUED,
    IMAGE_SAVING,
    IMAGE_ACTIVE,
    IMAGE_KILLED,
    IMAGE_DELETED,
    IMAGE_UPLOADING,
    IMAGE_IMPORTING,
    IMAGE_PENDING_DELETE,
    IMAGE_DEACTIVATED,
    IMAGE_STATUSES
};
const char *image_status_name(enum image_status s);
bool image_status_parse(const char *name, enum image_status *ret);
bool image_status_may(enum image_status from, enum image_status to);
/* ERROR_CONFLICT, in Glance's words, unless the image may go from one status to the other. */
int image_status_check(enum image_status from, enum image_status to, struct error *e) MUST_CHECK;
/* That error, for transitions that more than the table forbids. Returns -1. */
int image_status_refuse(enum image_status from, enum image_status to, struct error *e);

enum image_visibility { IMAGE_PRIVATE, IMAGE_PUBLIC, IMAGE_SHARED, IMAGE_COMMUNITY, IMAGE_VISIBILITIES };
const char *image_visibility_name(enum image_visibility v);
bool image_visibility_parse(const char *name, enum image_visibility *ret);

/* ---- image ---- */

struct image_property {
    const char *name, *value; /* value NULL where the row has NULL */
    size_t arrival;           /* image_properties_sort() restores this order */
};

struct image_location {
    int64_t id; /* row; 0 for one that is not stored yet */
    const char *url;
    const char *metadata; /* JSON object text; "{}" when the row has NULL */
    const char *status;   /* "active" … */
    const char *shown;    /* JSON object as a client wrote it, for the answer to that alone; NULL: none */
    int64_t changed_us;   /* last change of the row; 0 for one that is not stored yet */
    const char *store;    /* id, for who knows several stores; no column: who knows them sets it */
    const char *key; /* what tells it from others, for who compares many; no column; NULL: not made yet */
};

struct image {
    const char *id, *name, *disk_format, *container_format, *owner; /* NULL: null */
    const char *checksum, *os_hash_algo, *os_hash_value;
    enum image_status status;
    enum image_visibility visibility;
    int64_t size, virtual_size; /* bytes; -1: null */
    int64_t min_disk, min_ram;  /* GiB, MiB */
    bool protected, os_hidden, deleted;
    int64_t created_us, updated_us, deleted_us; /* 0: null */
#ifdef IMAGE_TEST_ATTRIBUTE /* a test adds it here and in the table, and expects it everywhere */
    const char *test_note;
#endif

    struct image_property *properties;
    size_t n_properties, cap_properties; /* row order */
    struct image_property *hidden;       /* set apart by who loaded the image; saved with the others */
    size_t n_hidden, cap_hidden;
    size_t arrivals;                        /* of properties that were added, hidden ones too */
    struct names *by_name, *hidden_by_name; /* NULL while there are few; image_properties_index() */
    const char **tags;
    size_t n_tags, cap_tags; /* row order */
    struct image_location *locations;
    size_t n_locations, cap_locations; /* row order */
};

extern const struct resource image_resource;

const char *image_property_get(const struct image *im,
                               const char *name); /* NULL when absent; "" for a NULL value */
/* A hidden one of that name is hidden no more. */
void image_property_set(struct arena *a, struct image *im, const char *name, const char *value);
/* Sets it apart. */
void image_property_hide(struct arena *a, struct image *im, const char *name);
/* For who changed the lists by other means than these functions. */
void image_properties_index(struct arena *a, struct image *im);
/* Puts them in the order in which they were added, which dropping one of many disturbs. */
void image_properties_sort(struct image *im);
/* Of equal tags the first stays. Those of a loaded image are unique, and must be when it is saved. */
void image_tags_unique(struct arena *a, struct image *im);
bool image_property_hidden(const struct image *im, const char *name);
bool image_property_drop(struct image *im, const char *name);

/* Who looks: what SQL may show. An administrator sees every project. */
struct viewer {
    bool is_admin;
    const char *project; /* NULL: none */
};

/* The live (not deleted) image with this id that the viewer may see, else ERROR_NOT_FOUND ("No image found
 * with ID …"). Visible: admin, owner NULL, public, community, own, or shared with a live membership of any
 * status. */
int image_load(struct db_conn *c, struct arena *a, const char *id, const struct viewer *v, struct image **ret,
               struct error *e) MUST_CHECK;
/* Also deleted ones and without a viewer, for the service itself. */
int image_load_any(struct db_conn *c, struct arena *a, const char *id, struct image **ret,
                   struct error *e) MUST_CHECK;

/* Inserts the image with properties and tags; status queued, created = updated = now are set in *im.
 * ERROR_CONFLICT when the id was ever used. */
int image_insert(struct db_conn *c, struct image *im, struct error *e) MUST_CHECK;

/* Writes every column, property, tag and location of *im, updated_us = now. Only while the row's status is
 * still `from` and it is not deleted, else ERROR_CONFLICT and nothing changed. Properties, locations that are
 * gone are soft-deleted, revived or inserted as database.md section 4 says; rows whose value did not change
 * are left alone. IMAGE_LOCK is never touched. */
int image_save(struct db_conn *c, struct image *im, enum image_status from, struct error *e) MUST_CHECK;

/* One compare-and-set of the status alone (updated_us = now); ERROR_CONFLICT when it is not `from` any more,
 * ERROR_NOT_FOUND when the image is deleted. Moving to queued clears size and virtual_size. */
int image_status_set(struct db_conn *c, const char *id, enum image_status from, enum image_status to,
                     struct error *e) MUST_CHECK;

/* The size alone, of a live image, which is not changed otherwise. */
int image_size_set(struct db_conn *c, const char *id, int64_t size, struct error *e) MUST_CHECK;

/* Soft-deletes the image, its properties, tags, members and locations (status deleted), as Glance does.
 * ERROR_NOT_FOUND when it is deleted already; ERROR_CONFLICT when its status is not `from`. */
int image_delete(struct db_conn *c, const char *id, enum image_status from, struct error *e) MUST_CHECK;

/* ---- listing ---- */

enum image_filter_kind {
    FILTER_TEXT, /* column = any of values[] */
    FILTER_INT,  /* column = number */
    FILTER_INT_MIN,
    FILTER_INT_MAX,  /* column >= / <= number */
    FILTER_TIME,     /* column op number (µs) */
    FILTER_BOOL,     /* column = number != 0 */
    FILTER_PROPERTY, /* live property `column` has value values[0] */
    FILTER_TAG,      /* live tag values[0] */
    FILTER_NOTHING   /* matches no image */
};
enum image_filter_op { OP_EQ, OP_NEQ, OP_GT, OP_GTE, OP_LT, OP_LTE };

struct image_filter {
    enum image_filter_kind kind;
    const char *column; /* of image_resource (any text for FILTER_PROPERTY) */
    const char *const *values;
    size_t n_values;
    int64_t number;
    enum image_filter_op op;
};

struct image_query {
    struct viewer viewer;
    struct image_filter *filters;
    size_t n_filters, cap_filters;
    int visibility;               /* enum image_visibility, -1: not asked for, -2: "all" */
    const char *member_status;    /* "accepted" "pending" "rejected" "all" */
    bool os_hidden;               /* false: only visible ones; true: only hidden ones */
    struct sort sorts[SORTS_MAX]; /* with the tie-breakers already appended */
    size_t n_sorts;
    const struct image *marker; /* the page starts after it */
    int64_t limit;
    bool without_locations; /* the caller does not read them */
};

/* One page, each image with its properties, tags and, unless left out, locations. The cost grows with the
 * page, not with the table, for the default order and every single-key order. The page ends before its limit
 * with the image that brings its texts to IMAGE_PAGE_BYTES; *ret_cut (NULL: not asked for) says so. */
enum { IMAGE_PAGE_BYTES = 4 << 20 };
int image_list(struct db_conn *c, struct arena *a, const struct image_query *q, struct image **ret,
               size_t *ret_n, bool *ret_cut, struct error *e) MUST_CHECK;

/* ---- sums ---- */

/* Bytes of the project for user_storage_quota, leaving one image out (NULL: none): Σ size × live locations,
 * as Glance counts, and of images without a location the data that are staged, or announced by an upload
 * that is under way. INT64_MAX where it is more. */
int image_storage_used(struct db_conn *c, const char *owner, const char *except_id, int64_t *ret,
                       struct error *e) MUST_CHECK;
/* How many live images have each status. */
int image_count_by_status(struct db_conn *c, int64_t ret[IMAGE_STATUSES], struct error *e) MUST_CHECK;

/* ---- members: projects with which an image is shared (image_members) ---- */

struct member {
    const char *project, *status; /* status: "pending" "accepted" "rejected" */
    int64_t created_us, updated_us;
};
bool member_status_valid(const char *status);
/* Live members in the order in which they were first added; only: just that project (NULL: all). */
int member_list(struct db_conn *c, struct arena *a, const char *image_id, const char *only,
                struct member **ret, size_t *ret_n, struct error *e) MUST_CHECK;
/* ERROR_NOT_FOUND in Glance's words when the project is no live member. */
int member_load(struct db_conn *c, struct arena *a, const char *image_id, const char *project,
                struct member **ret, struct error *e) MUST_CHECK;
int member_count(struct db_conn *c, const char *image_id, int64_t *ret, struct error *e) MUST_CHECK;
/* As pending; an earlier membership is revived with its created_at. ERROR_CONFLICT when it is one already. */
int member_add(struct db_conn *c, struct arena *a, const char *image_id, const char *project,
               struct error *e) MUST_CHECK;
int member_status_set(struct db_conn *c, const char *image_id, const char *project, const char *status,
                      struct error *e) MUST_CHECK;
int member_remove(struct db_conn *c, const char *image_id, const char *project, struct error *e) MUST_CHECK;

/* ---- upload leases (glint_leases) ----
 *
 * While an upload runs the image is `saving` and one row here says who moves its bytes, until when that is
 * believed, and which object the bytes will become. Whoever finds a row whose process is dead, or that was
 * not renewed for as long as a lease lasts by the finder's own clock, may undo it. */

struct lease {
    const char *image_id, *holder, *store, *url;
    int64_t expires_us;
};
/* This process: boot id, pid and its start time, so that a reused pid is not taken for it; thread-safe,
 * static. */
const char *lease_holder(void);
/* "host:boot" of this process: this machine since its last boot. Where /proc does not tell the boot, it is
 * the whole holder, which no other process shares. */
const char *lease_boot(struct arena *a);
/* Whether the process named by a holder is known to be dead (same boot or an older boot of this host); false
 * when it cannot be known (another host). */
bool lease_holder_dead(const char *holder);

/* Whether it is a process of this machine, in whichever PID namespace, since the machine's last boot. */
bool lease_holder_here(const char *holder);
/* The process of a holder on this machine, in the same PID namespace, that is not known to be dead; 0: none.
 */
pid_t lease_holder_process(const char *holder);

int lease_take(struct db_conn *c, const struct lease *l,
               struct error *e) MUST_CHECK; /* ERROR_CONFLICT: held */
/* Brings its own transaction. ERROR_CONFLICT: it is not ours any more. */
int lease_renew(struct db_conn *c, const char *image_id, const char *holder, int64_t expires_us,
                struct error *e) MUST_CHECK;
int lease_held(struct db_conn *c, const char *image_id, const char *holder, bool *ret,
               struct error *e) MUST_CHECK;
/* Within the unit that ends the upload. ERROR_CONFLICT: it is not ours any more. */
int lease_drop(struct db_conn *c, const char *image_id, const char *holder, struct error *e) MUST_CHECK;
int lease_list(struct db_conn *c, struct arena *a, struct lease **ret, size_t *ret_n,
               struct error *e) MUST_CHECK;

/* ---- trash (glint_trash): objects that no image owns any more and that still have to be removed from their
 * store ---- */

struct trash {
    int64_t id;
    const char *store, *url;
    int64_t created_us;
    int64_t attempts;
};
/* ret_id: of the row; may be NULL. */
int trash_add(struct db_conn *c, const char *store, const char *url, int64_t *ret_id,
              struct error *e) MUST_CHECK;
int trash_has(struct db_conn *c, int64_t id, const char *url, bool *ret, struct error *e) MUST_CHECK;
int trash_list(struct db_conn *c, struct arena *a, int64_t limit, struct trash **ret, size_t *ret_n,
               struct error *e) MUST_CHECK;
int trash_drop(struct db_conn *c, int64_t id,
               struct error *e) MUST_CHECK; /* own transaction when none is open */
int trash_failed(struct db_conn *c, int64_t id,
                 struct error *e) MUST_CHECK; /* attempts + 1; own transaction when none is open */
/* Whether any live location row still names this URL. */
int location_in_use(struct db_conn *c, const char *url, bool *ret, struct error *e) MUST_CHECK;
/* The URLs of live rows that may be another spelling of a plain file:///path: they are few. */
int location_odd_list(struct db_conn *c, struct arena *a, const char ***ret, size_t *ret_n,
                      struct error *e) MUST_CHECK;
/* The URLs of live rows of files that are called so, in whatever directory. */
int location_name_list(struct db_conn *c, struct arena *a, const char *name, const char ***ret, size_t *ret_n,
                       struct error *e) MUST_CHECK;

/* ---- jobs (glint_jobs): work that outlives its request ----
 *
 *     waiting --job_take--> running --job_end--> done, failed
 *        ^                     |
 *        +----job_put_back-----+
 *
 * A job runs under a lease: its holder renews it, and who finds its holder dead, or the lease not renewed for
 * as long as leases last, takes it over and goes on from its step. What loses its job meanwhile is told
 * ERROR_GONE by every call below and has changed nothing. Those calls bring a transaction where none is open;
 * a step's effect and job_step() or job_end() belong into one.
 *
 * Of several workers that want one job job_take() lets one have it, by compare-and-set, in every database. A
 * database that locks rows can spare the others the race: there job_waiting() and job_running(), within the
 * transaction that takes, end in FOR UPDATE SKIP LOCKED (PostgreSQL; MariaDB 10.6), so that each worker is
 * shown what nobody else is about to take. */

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_STATES };
const char *job_state_name(enum job_state s);

struct job {
    const char *id, *kind, *image_id; /* id: a UUID */
    const char *step;                 /* the last one that was finished; "" at first */
    const char *arguments;            /* JSON object */
    const char *message;              /* of the last failure */
    const char *holder;               /* "": none */
    enum job_state state;
    int64_t attempt; /* failures so far */
    int64_t expires_us, next_us, created_us, updated_us;
    /* Notes of these names, NULL where there is none; the first four outlive the job's end. */
    const char *place;     /* URL of the one host that can do it; NULL: any can */
    const char *owner;     /* the project for which it is done */
    const char *stores;    /* ids of those it writes into, comma-joined */
    const char *method;    /* what its kind tells apart, for people and metrics */
    const char *giving_up; /* why what it did is being undone, or will be by who has it next */
    enum error_kind giving_up_kind;
    int64_t takeovers; /* how often it was taken from the dead since its last progress */
    bool image_gone;   /* deleted, or purged */
};
/* Within the transaction that makes the work necessary. Needs id, kind, image_id and arguments. */
int job_add(struct db_conn *c, const struct job *j, struct error *e) MUST_CHECK;
/* Shows waiting ones of these kinds that are due and have no place but this one, until visit() has enough and
 * says false; what it is shown is the arena's. Projects take turns: first comes each one's next job, and of
 * these those of projects for which least runs, then of who was not served for longest. A wait that nobody
 * would have set came from a clock that was wrong, and is over. */
enum { JOB_KINDS_MAX = 8 };
struct job_wanted {
    const char *place;
    const char *kinds[JOB_KINDS_MAX]; /* NULL: no more */
};
typedef bool job_visit(void *arg, const struct job *j);
int job_waiting(struct db_conn *c, struct arena *a, const struct job_wanted *wanted, job_visit *visit,
                void *arg, struct error *e) MUST_CHECK;
/* All that run, also elsewhere: whose holders live is for the caller to find out. */
int job_running(struct db_conn *c, struct arena *a, struct job **ret, size_t *ret_n,
                struct error *e) MUST_CHECK;
/* By age. ended: also those that are done. */
int job_list(struct db_conn *c, struct arena *a, bool ended, struct job **ret, size_t *ret_n,
             struct error *e) MUST_CHECK;
int job_load(struct db_conn *c, struct arena *a, const char *id, struct job **ret,
             struct error *e) MUST_CHECK;
/* What a unit asks that has to know whether it went through (db/db.h): does the job run under this holder;
 * and has it reached this step; has it ended; is there such a job. */
int job_held(struct db_conn *c, const char *id, const char *holder, bool *ret, struct error *e) MUST_CHECK;
int job_at(struct db_conn *c, const char *id, const char *holder, const char *step, bool *ret,
           struct error *e) MUST_CHECK;
int job_ended(struct db_conn *c, const char *id, bool *ret, struct error *e) MUST_CHECK;
int job_exists(struct db_conn *c, const char *id, bool *ret, struct error *e) MUST_CHECK;
/* A running one is taken over, which is counted; not if its lease was renewed since it was seen. */
int job_take(struct db_conn *c, const struct job *seen, const char *holder, int64_t expires_us,
             struct error *e) MUST_CHECK;
int job_renew(struct db_conn *c, const char *id, const char *holder, int64_t expires_us,
              struct error *e) MUST_CHECK;
int job_step(struct db_conn *c, const char *id, const char *holder, const char *step,
             struct error *e) MUST_CHECK;
/* What was done since the last step is kept when the process dies: takeovers are counted from here. */
int job_progress(struct db_conn *c, const char *id, const char *holder, struct error *e) MUST_CHECK;
int job_put_back(struct db_conn *c, const char *id, const char *holder, int64_t attempt, int64_t next_us,
                 const char *message, struct error *e) MUST_CHECK;
/* Whoever has it, or takes it next, undoes it. anywhere: also on another host than its place. ERROR_CONFLICT:
 * it has ended. */
int job_condemn(struct db_conn *c, const char *id, const struct error *why, bool anywhere,
                struct error *e) MUST_CHECK;
int job_end(struct db_conn *c, const char *id, const char *holder, enum job_state state, const char *message,
            struct error *e) MUST_CHECK;
/* Forgets what ended before that time; own transaction. */
int job_prune(struct db_conn *c, int64_t before_us, struct error *e) MUST_CHECK;

struct job_count {
    const char *kind, *method; /* method "": none */
    enum job_state state;
    int64_t n;
};
/* What there is of each; *ret_oldest_us: since when the one that is due for longest waits, 0: none is. */
int job_count(struct db_conn *c, struct arena *a, struct job_count **ret, size_t *ret_n,
              int64_t *ret_oldest_us, struct error *e) MUST_CHECK;

/* What is left to do for the image, which goes away with what its host has, any host can do. */
int job_anywhere(struct db_conn *c, const char *image_id, struct error *e) MUST_CHECK;

/* What a job has to remember beside its row. All but place, owner, stores and method are forgotten in the
 * transaction that ends the job. */
struct job_note {
    const char *name, *value;
};
int job_note_set(struct db_conn *c, const char *id, const char *name, const char *value,
                 struct error *e) MUST_CHECK;
int job_note_drop(struct db_conn *c, const char *id, const char *name,
                  struct error *e) MUST_CHECK; /* also when there is none */
/* *ret NULL: there is no such note. */
int job_note_get(struct db_conn *c, struct arena *a, const char *id, const char *name, const char **ret,
                 struct error *e) MUST_CHECK;
/* Those whose names begin with `prefix`, by name. */
int job_note_list(struct db_conn *c, struct arena *a, const char *id, const char *prefix,
                  struct job_note **ret, size_t *ret_n, struct error *e) MUST_CHECK;

/* The image's property of this name says which task works on it; no client and no image_save() changes it.
 * ERROR_CONFLICT: it is locked. */
#define IMAGE_LOCK "os_glance_import_task"
int image_lock(struct db_conn *c, const char *image_id, const char *task, struct error *e) MUST_CHECK;
/* Nothing when another task has it. */
int image_unlock(struct db_conn *c, const char *image_id, const char *task, struct error *e) MUST_CHECK;
/* As image_lock(), of the image as the caller's transaction has it; the lock of a task that is not at work
 * any more is broken, and the task ended. ERROR_CONFLICT: "Image has active task". */
int image_lock_take(struct db_conn *c, const struct image *im, const char *task, struct error *e) MUST_CHECK;
/* Whether that task is still at work, as a job of ours or a task of Glance's. */
int image_lock_holds(struct db_conn *c, const char *task, bool *ret, struct error *e) MUST_CHECK;

/* ---- staged data (glint_staged): what is known of an image's file in the staging store ---- */

struct staged {
    const char *image_id;
    const char *host; /* URL of the host that has it; "": all have */
    const char *mark; /* tells whether the file is still the one that was looked at */
    int64_t size;     /* bytes */
    const char *checksum, *os_hash_algo, *os_hash_value;
    const char *verdict; /* of the inspection, a JSON object */
};
/* In place of what was known of this image's. */
int staged_set(struct db_conn *c, const struct staged *s, struct error *e) MUST_CHECK;
/* *ret NULL: nothing is known. */
int staged_get(struct db_conn *c, struct arena *a, const char *image_id, struct staged **ret,
               struct error *e) MUST_CHECK;
int staged_drop(struct db_conn *c, const char *image_id, struct error *e) MUST_CHECK; /* also when absent */

/* ---- directories of stores as each host saw them last (glint_datadirs) ---- */

struct datadir {
    const char *host, *dir, *mark, *mount; /* the last two: struct store_place */
};
int datadir_get(struct db_conn *c, struct arena *a, const char *host, const char *dir, struct datadir **ret,
                struct error *e) MUST_CHECK; /* *ret NULL: it was never seen */
int datadir_set(struct db_conn *c, const struct datadir *p, struct error *e) MUST_CHECK;
/* Objects that active images have below dir, as their URLs name them; size -1: not known. */
struct datadir_object {
    const char *name;
    int64_t size;
};
int datadir_objects(struct db_conn *c, struct arena *a, const char *dir, int64_t limit,
                    struct datadir_object **ret, size_t *ret_n, struct error *e) MUST_CHECK;

/* ---- tasks (Glance's tables tasks and task_info): what clients see of jobs ----
 *
 *     pending -> processing -> success, failure        pending -> failure */

struct task {
    const char *id, *type, *status;    /* id of the job that does it */
    const char *owner;                 /* never NULL */
    const char *image_id, *request_id; /* NULL: none */
    const char *user_id;
    const char *input, *result;                             /* JSON; NULL: none */
    const char *message;                                    /* NULL: none */
    int64_t expires_us, created_us, updated_us, deleted_us; /* 0: null */
    bool deleted;
};
/* As pending, with its row of task_info; sets created_us and updated_us. */
int task_add(struct db_conn *c, struct task *t, struct error *e) MUST_CHECK;
/* For the service itself: live ones only; ERROR_NOT_FOUND ("Could not find task X"). */
int task_load(struct db_conn *c, struct arena *a, const char *id, struct task **ret,
              struct error *e) MUST_CHECK;
/* As the viewer may see it: his project's live ones; an administrator everybody's, also deleted ones. */
int task_load_seen(struct db_conn *c, struct arena *a, const char *id, const struct viewer *v,
                   struct task **ret, struct error *e) MUST_CHECK;
/* pending -> processing; nothing when it is not pending any more. */
int task_begin(struct db_conn *c, const char *id, struct error *e) MUST_CHECK;
/* What is told of a task under way. */
int task_progress(struct db_conn *c, const char *id, const char *message, struct error *e) MUST_CHECK;
/* -> success or failure, unless it has ended; it expires after that time. result: JSON or NULL. */
int task_end(struct db_conn *c, const char *id, bool success, const char *result, const char *message,
             int64_t expires_us, struct error *e) MUST_CHECK;

/* A listing shows live tasks that have not expired, without what is in task_info. */
struct task_filter {
    const char *column; /* one for which task_column_known() is true */
    const char *value;  /* times: as Glance stores them */
};
struct task_query {
    struct viewer viewer;
    const struct task_filter *filters; /* all of them hold */
    size_t n_filters;
    const char *sort; /* a column */
    bool ascending;
    const struct task *marker; /* the page starts after it; NULL: at the first */
    int64_t limit;
};
bool task_column_known(const char *name);
int task_list(struct db_conn *c, struct arena *a, const struct task_query *q, struct task **ret,
              size_t *ret_n, struct error *e) MUST_CHECK;
/* Whole ones, the oldest first; an administrator sees also deleted ones that have not expired. */
int task_list_of_image(struct db_conn *c, struct arena *a, const char *image_id, const struct viewer *v,
                       struct task **ret, size_t *ret_n, struct error *e) MUST_CHECK;
/* Soft-deletes what expired by now; own transaction, and none when there is nothing. */
int task_expire(struct db_conn *c, int64_t *ret_n, struct error *e) MUST_CHECK;

/* ---- counters (glint_counters): what all workers together counted, for who shows metrics ---- */

struct counter {
    const char *name, *labels[3]; /* "": no such label */
    int64_t value;
};
int counter_add(struct db_conn *c, const struct counter *more, struct error *e) MUST_CHECK;
/* Its value; 0 where there is none. */
int counter_get(struct db_conn *c, const struct counter *which, int64_t *ret, struct error *e) MUST_CHECK;
int counter_list(struct db_conn *c, struct arena *a, struct counter **ret, size_t *ret_n,
                 struct error *e) MUST_CHECK;

/* ---- looking after what is left: by who cleans up, and glint doctor ---- */

/* Who may need what is kept of an image. Decided by the database alone, so that every host comes to the same.
 */
struct image_claims {
    bool known, deleted; /* there is a row, maybe a deleted one */
    enum image_status status;
    int64_t size;       /* bytes; -1: null */
    int64_t changed_us; /* when the row was written last */
    bool job;           /* one of this image waits or runs */
    bool lease;         /* of an upload, also one that ran out: its bytes are first the reaper's */
    const char *lock;   /* IMAGE_LOCK; NULL: none */
    bool locked;        /* whose task is still at work */
};
int image_claims_load(struct db_conn *c, struct arena *a, const char *image_id, struct image_claims *ret,
                      struct error *e) MUST_CHECK;
/* Whether a row names the object, or did after that time, or is what a scrubber of Glance's still goes by.
 * alias: another spelling of the URL; NULL: none. */
int object_named(struct db_conn *c, const char *url, const char *alias, int64_t since_us, bool *ret,
                 struct error *e) MUST_CHECK;
/* Whether an upload or an import is writing it, so that a row may name it soon. */
int object_under_way(struct db_conn *c, const char *url, bool *ret, struct error *e) MUST_CHECK;
/* Whether an upload, a job or the trash names it. */
int object_in_work(struct db_conn *c, const char *url, const char *alias, bool *ret,
                   struct error *e) MUST_CHECK;

/* A page of ids in their order, beginning after one ("": from the first). */
enum survey_kind {
    SURVEY_MOVING, /* images that are saving, uploading or importing */
    SURVEY_LOCKED, /* images with an IMAGE_LOCK */
    SURVEY_BARE,   /* images with status active or deactivated that have no location */
    SURVEY_TASKS,  /* tasks pending or processing that no job does */
    SURVEY_NOTES,  /* jobs that are over, or unknown, with notes that should be gone */
    SURVEY_JOBS,   /* jobs waiting or running */
    SURVEY_STAGED, /* images of glint_staged */
    SURVEY_KINDS
};
int survey_ids(struct db_conn *c, struct arena *a, enum survey_kind kind, const char *after, int64_t limit,
               const char ***ret, size_t *ret_n, struct error *e) MUST_CHECK;

/* One location of an image that is not deleted. */
struct image_copy {
    int64_t location; /* row */
    const char *image_id, *url, *metadata;
    enum image_status status; /* of the image, as what follows */
    int64_t size;             /* -1: null */
    const char *checksum, *os_hash_algo, *os_hash_value;
};
int survey_copies(struct db_conn *c, struct arena *a, int64_t after, int64_t limit, struct image_copy **ret,
                  size_t *ret_n, struct error *e) MUST_CHECK;
/* ERROR_NOT_FOUND: it is not there any more. */
int image_copy_load(struct db_conn *c, struct arena *a, int64_t location, struct image_copy **ret,
                    struct error *e) MUST_CHECK;
/* Those of a job that is not over stay. */
int job_notes_forget(struct db_conn *c, const char *job_id, struct error *e) MUST_CHECK;

/* ---- workers (glint_workers): which ones are at work ---- */

enum {
    WORKER_BEAT_SECONDS = 10,   /* how often a worker renews its row */
    WORKER_SILENT_SECONDS = 60, /* a row not renewed for so long is no worker's any more */
};

struct worker_row {
    const char *holder;   /* lease_holder() of the process */
    bool detached;        /* an embedded service started it */
    const char *settings; /* tells two configurations apart */
    int64_t started_us, seen_us;
};
/* Writes or renews the row, within the caller's transaction. */
int worker_beat(struct db_conn *c, const struct worker_row *w, struct error *e) MUST_CHECK;
/* Removes the row, and those of workers that are known to be dead or were silent for a day. Brings its own
 * transaction. */
int worker_leave(struct db_conn *c, struct arena *a, const char *holder, struct error *e) MUST_CHECK;
/* Those that are at work: renewed within WORKER_SILENT_SECONDS and not known to be dead. A host whose clock
 * is wrong by a minute does not see the workers of others. */
int worker_list(struct db_conn *c, struct arena *a, struct worker_row **ret, size_t *ret_n,
                struct error *e) MUST_CHECK;

/* ---- schema ---- */

#define MODEL_ALEMBIC_HEAD "2024_1_contract01"

enum schema_state { SCHEMA_ABSENT, SCHEMA_CURRENT, SCHEMA_OLDER, SCHEMA_NEWER_OR_UNKNOWN };
struct schema_info {
    enum schema_state state;
    char versions[256]; /* the rows of alembic_version, comma-joined */
    bool own_tables;    /* glint_* are all there */
};
int schema_check(struct db_conn *c, struct schema_info *ret, struct error *e) MUST_CHECK;
/* Makes everything that is missing: Glance's schema in an empty database (at MODEL_ALEMBIC_HEAD), and Glint's
 * own tables and indexes beside an existing one. An older Glance schema is ERROR_CONFLICT ("upgrade it with
 * the old release's glance-manage first"). Idempotent, one transaction, safe against a second caller. */
int schema_sync(struct db_conn *c, struct error *e) MUST_CHECK;

#endif
