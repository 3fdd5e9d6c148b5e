/* SPDX-License-Identifier: Apache-2.0 */
/* Private to imports/: what the steps of an import see. import.c has the tables of steps, and says what an
 * image goes through. */
#ifndef IMPORTS_IMPORT_H
#define IMPORTS_IMPORT_H

#include <jansson.h>

#include "imports/imports.h"
#include "jobs/kind.h"
#include "transfer/remove.h"
#include "transfer/staging.h"

/* An import on its way, as its job's arguments say. Texts are the run's arena's. */
struct import {
    struct job_run *run;
    const struct import_settings *settings;
    const char *image_id;
    const char *method;
    const json_t *request; /* the client's body; borrowed */
    const char *const *stores;
    size_t n_stores;
    bool several;          /* clients know stores by id */
    bool must_succeed;     /* every store has to get its copy */
    int64_t storage_quota; /* bytes of the project; 0: none */
    const char *owner;     /* the project that asked; NULL: none */
    const char *const *roles;
    size_t n_roles;
    const struct image *image; /* as it was when this run began; steps that change it load it again */
    const char *step;          /* the one that runs */
    bool step_ended;           /* and whose end one of its own transactions has written */
    struct staging staging;    /* its staged files */
    json_t *arguments;
    int64_t told_us; /* monotonic; import_progress() told the task last */
};

/* What the kinds of jobs of this room are started with. */
static inline const struct import_settings *import_settings_of(const struct job_run *r)
{
    return r->o->settings;
}

/* What the image tells of its import. */
#define IMPORTING_TO_STORES "os_glance_importing_to_stores"
#define FAILED_IMPORT       "os_glance_failed_import"

/* One step. run() may be run again: the process may die anywhere in it, and after it before that is
 * written down. What it fails with: see struct job_kind. Giving up undoes all of them at once
 * (undo.c). */
struct import_step {
    const char *name; /* unique in its plan; what the job's row says when it is done */
    int (*run)(struct import *im, struct error *e);
    bool stages; /* needs the staging directory: without it the step is not begun */
};

/* The import that a job's row tells of; its texts are the run's. */
int import_open(struct job_run *r, struct import *ret, struct error *e) MUST_CHECK;
void import_close(struct import *im); /* for CLEANUP */
/* How its staged files tell the job of themselves; their arg is the struct import. */
extern const struct staging_ops import_staging_ops;
/* The image as it is now, into im->image. ERROR_CONFLICT: it was deleted or purged meanwhile. */
int import_image_now(struct import *im, struct error *e) MUST_CHECK;
static inline bool import_copies(const struct import *im)
{
    return str_eq(im->method, "copy-image");
}
/* Of struct job_kind (undo.c, accept.c). */
int import_give_up(struct job_run *r, const struct error *why, struct error *e) MUST_CHECK;
int import_again(struct db_conn *c, struct arena *a, const struct job *failed, const char **ret_id,
                 struct error *e) MUST_CHECK;
/* From steps[first] on; the last one ends the job by itself. */
int import_steps_run(struct import *im, const struct import_step *steps, size_t n, size_t first,
                     struct error *e) MUST_CHECK;

/* Changes the image as it is now, in one transaction with the step's end (step NULL: the step goes on).
 * ERROR_CONFLICT: it was deleted meanwhile. */
typedef int import_change(struct import *im, struct db_conn *c, struct image *now, void *arg,
                          struct error *e);
int import_change_image(struct import *im, const char *step, import_change *change, void *arg,
                        struct error *e) MUST_CHECK;
/* Within a unit of the running step: its end, where step is its name, or a sign of life. Whoever calls it
 * with a name sets step_ended when the unit is committed. */
int import_step_write(struct import *im, struct db_conn *c, const char *step, struct error *e) MUST_CHECK;
/* A note of the job, while it is ours; value NULL: there is none any more. Own transaction. */
int import_note_set(struct import *im, const char *name, const char *value, struct error *e) MUST_CHECK;
/* What the task says of itself, at most once a minute; keeps the job's lease, and fails when the import is to
 * stop. To be called while bytes move. */
int import_progress(struct import *im, const char *message, struct error *e) MUST_CHECK;

/* What IMPORTING_TO_STORES and FAILED_IMPORT say of the store from now on. */
void import_tell_store(struct import *im, struct image *now, const char *store, bool importing, bool failed);
/* Whether IMPORTING_TO_STORES names the store; always when clients do not know stores by id. */
bool import_told_of(const struct import *im, const struct image *now, const char *store);

/* ---- waiting for what is away (away.c) ---- */

bool import_store_away(struct store *s);
/* ERROR_UNAVAILABLE, or why the job must not wait; the task says what it waits for. */
int import_await_store(struct import *im, const struct store *s, struct error *e) MUST_CHECK;
/* 0: the staging directory is there, or is none of a store. */
int import_staging_check(struct import *im, struct error *e) MUST_CHECK;

/* ---- the staged file's way into the stores (stores.c) ---- */

int import_store_all(struct import *im, struct error *e) MUST_CHECK;
/* How many copies this job has added to the image, inside a transaction. */
int import_stored_count(struct import *im, struct db_conn *c, size_t *ret, struct error *e) MUST_CHECK;
/* Undoing: objects that no row names; and what this job added to the image, inside a transaction. */
int import_unstore_objects(struct import *im, struct error *e) MUST_CHECK;
int import_unstore_rows(struct import *im, struct db_conn *c, struct image *now, struct leftovers *left,
                        struct error *e) MUST_CHECK;

/* What the last unit of giving up sees; run is first, as job_over_asked() expects it. */
struct import_undoing {
    struct job_run *run;
    struct import *im;
    const struct error *why;
    struct leftovers left; /* what the unit noted: removed when it is committed */
};
int import_undo_write(struct import *im, const struct db_unit *unit, const struct error *why,
                      struct error *e) MUST_CHECK;

/* ---- bringing data into staging; each ends with a whole file there ---- */

int import_download(struct import *im, struct error *e) MUST_CHECK;        /* download.c: web-download */
int import_remote_describe(struct import *im, struct error *e) MUST_CHECK; /* remote.c */
int import_remote_fetch(struct import *im, struct error *e) MUST_CHECK;
/* Formats and properties as they were before import_remote_describe(); within a transaction. */
int import_remote_undo(struct import *im, struct db_conn *c, struct image *now, struct error *e) MUST_CHECK;
int import_copy_fetch(struct import *im, struct error *e) MUST_CHECK; /* copy.c: from a store */

/* ---- plugins: change the staged file, or the image (plugins/); configured by name, in order ---- */

struct import_plugin {
    const char *name;                               /* in [image_import_opts] image_import_plugins */
    int (*run)(struct import *im, struct error *e); /* as a step's */
    /* Within the transaction that gives the import up, after which the image is saved; whether it ran or not.
     * stays: the staged file is kept for another import. NULL: nothing to undo. */
    int (*undo)(struct import *im, struct db_conn *c, struct image *now, bool stays, struct error *e);
};
extern const struct job_kind job_location, job_import, job_task;
extern const struct import_plugin plugin_no_op, plugin_inject, plugin_decompress, plugin_convert;

#endif
