/* SPDX-License-Identifier: Apache-2.0 */
/* What fills images by jobs: imports, added locations and tasks of type import. */
#ifndef IMPORTS_IMPORTS_H
#define IMPORTS_IMPORTS_H

#include "base/base.h"
#include "db/db.h"
#include "inspect/inspect.h"
#include "jobs/jobs.h"
#include "model/model.h"
#include "peers/hosts.h"
#include "json/json.h"

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
/* Without staging_dir, which the stores know, and what import_plugins_read() adds. */
void import_settings_read(const struct config *c, struct arena *a, struct import_settings *ret);
/* plugins, n_plugins and plugin; ERROR_INVALID: the configuration cannot be meant. */
int import_plugins_read(const struct config *c, struct arena *a, struct import_settings *ret,
                        struct error *e) MUST_CHECK;
/* The kinds of jobs here; jobs_options.settings is a struct import_settings for them. */
extern const struct job_kinds import_job_kinds;

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

#endif
