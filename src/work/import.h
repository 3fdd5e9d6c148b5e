/* SPDX-License-Identifier: Apache-2.0 */
/* Private to work/: what the steps of an import see. import.c has the tables of steps, and says what an image
 * goes through. */
#ifndef WORK_IMPORT_H
#define WORK_IMPORT_H

#include "work/jobs.h"
#include "work/staging.h"

/* An import on its way, as its job's arguments say. Texts are the run's arena's. */
struct import {
    struct job_run *run;
    const struct import_settings *settings;
    const char *image_id;
    const char *method;
    const json_t *request; /* the client's body; borrowed */
    const char *const *stores;
    size_t n_stores;
    bool must_succeed; /* every store has to get its copy */
    const char *owner; /* project of who asked; NULL: none */
    const char *const *roles;
    size_t n_roles;
    const struct image *image; /* as it was when this run began; steps that change it load it again */
    json_t *arguments;
};

/* One step. run() may be run again: the process may die anywhere in it, and after it before that is
 * written down. undo() takes back what run() did, done or half done; it may find nothing. When a step fails
 * its own undo() and those of the steps before it run, last first. What run() fails with: see struct
 * job_kind. */
struct import_step {
    const char *name;
    bool (*wanted)(const struct import *im); /* NULL: always */
    int (*run)(struct import *im, struct error *e);
    int (*undo)(struct import *im, struct error *e); /* NULL: nothing to undo */
};

/* Changes the image as it is now, in one transaction with the step's end (step NULL: the step goes on).
 * ERROR_CONFLICT: it was deleted meanwhile. */
typedef int import_change(struct import *im, struct db_conn *c, struct image *now, void *arg,
                          struct error *e);
int import_change_image(struct import *im, const char *step, import_change *change, void *arg,
                        struct error *e) MUST_CHECK;
/* What the task says of itself, at most once a minute; keeps the job's lease, and fails when the import is to
 * stop. To be called while bytes move. */
int import_alive(struct import *im, const char *message, struct error *e) MUST_CHECK;

/* ---- bringing data into staging; each ends with a whole file there ---- */

int import_download(struct import *im, struct error *e) MUST_CHECK; /* import_download.c: web-download */
int import_remote_describe(struct import *im, struct error *e) MUST_CHECK; /* import_remote.c */
int import_remote_fetch(struct import *im, struct error *e) MUST_CHECK;
int import_copy_fetch(struct import *im, struct error *e) MUST_CHECK; /* import_copy.c: from a store */

/* ---- plugins: change the staged file, or the image (plugin.c); configured by name, in order ---- */

struct import_plugin {
    const char *name;                               /* in [image_import_opts] image_import_plugins */
    int (*run)(struct import *im, struct error *e); /* as a step's */
    /* Within the transaction that gives the import up, after which the image is saved; whether it ran or not.
     * stays: the staged file is kept for another import. NULL: nothing to undo. */
    int (*undo)(struct import *im, struct db_conn *c, struct image *now, bool stays, struct error *e);
};
/* plugins, n_plugins and plugin of the settings; ERROR_INVALID: the configuration cannot be meant. */
int import_plugins_read(const struct config *c, struct arena *a, struct import_settings *ret,
                        struct error *e) MUST_CHECK;
extern const struct import_plugin plugin_no_op, plugin_inject, plugin_decompress, plugin_convert;

#endif
