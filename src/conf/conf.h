/* SPDX-License-Identifier: Apache-2.0 */
/* The product's configuration: the table of options, where files are looked for, and the paste pipeline. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/base.h"

/* The one list, for code, sample file and manual page; ends with a NULL name. */
extern const struct option conf_options[];

struct conf_request {
    const char *const *files;     /* --config-file, in order; NULL-terminated or NULL */
    const char *const *dirs;      /* --config-dir */
    const char *const *overrides; /* "group.name=value" of the command line; NULL-terminated or NULL */
    char **environment;
    const char *tool; /* NULL for the service; "manage" for the database tool (glance-manage.conf) */
    const char *const *defaults; /* "group.name=value" below every file: what the hosting program prefers */
    bool standalone;             /* take the standalone profile where nothing is named and nothing is found */
};

/* Finds files as Glance does (operations.md section 2): OS_GLANCE_CONFIG_DIR or /etc/glance,
 * glance-image-import.conf, glance-api.conf, then glance.conf.d/ and glance-api.conf.d/ of ~/.glance, ~,
 * /etc/glance, /etc. What was named (files, dirs, OS_GLANCE_CONFIG_DIR) and has no file is an error, as is no
 * file at all, unless the request allows the standalone profile: SQLite and a file store below
 * conf_data_dir(), loopback only, no authentication, and one user who may do everything. It also gives way
 * where /etc/glance exists, unless GLINT_DATA_DIR asks for it. */
int conf_load(const struct conf_request *rq, struct config **ret, struct error *e) MUST_CHECK;
bool conf_is_standalone(const struct config *c);
/* The standalone profile is for this machine's users: an address of [DEFAULT] bind_host or [glint] bind_uwsgi
 * that others reach is an error there. Nothing to say about other configurations. */
int conf_check_standalone(const struct config *c, struct error *e) MUST_CHECK;
/* Files that were read, for messages; NULL-terminated. */
const char *const *conf_files(const struct config *c);
/* Where files are looked for that options name without a directory, as oslo.config's find_file() does: beside
 * the files that were read, the last one first, then ~/.glance, ~, /etc/glance, /etc. Ends with NULL. */
const char *const *conf_search_dirs(const struct config *c, struct arena *a);
/* GLINT_DATA_DIR, else /var/lib/glint for root, else $XDG_DATA_HOME/glint or ~/.local/share/glint. */
const char *conf_data_dir(void);

/* Settings that this version cannot honour: those that protect something or change what happens to data
 * refuse (-1, named with their origin), the others are told to loud() one by one. */
int conf_check(const struct config *c, void (*loud)(void *arg, const char *text), void *arg,
               struct error *e) MUST_CHECK;

/* ---- paste: which filters stand before the application ---- */

enum filter_kind {
    FILTER_CORS,
    FILTER_PROXY_HEADERS,
    FILTER_VERSION_NEGOTIATION,
    FILTER_OSPROFILER,
    FILTER_UNAUTHENTICATED,
    FILTER_AUTHTOKEN,
    FILTER_CONTEXT,
    FILTER_CACHE,
    FILTER_CACHE_MANAGE,
    FILTER_GZIP,
    FILTER_HEALTHCHECK,
    FILTER_NO_EFFECT, /* the service does it anyway, or it has no visible effect */
    FILTER_KINDS
};

struct filter {
    enum filter_kind kind;
    const char *name;           /* its section, for messages */
    const char *const *options; /* "key=value", NULL-terminated */
};

/* The healthcheck application at its path, or the filter of older releases, which answers one path itself. */
struct healthcheck_mount {
    const char *path; /* "/healthcheck" */
    bool is_filter;
    const struct filter *filter; /* its options (backends, disable_by_file_path, …) */
};

struct pipeline {
    const char *name;             /* as in the file: "glance-api-keystone", … */
    const char *flavor;           /* "" when unset */
    const char *source;           /* the file, or "built-in" */
    const struct filter *filters; /* in order, outermost first */
    size_t n_filters;
    const struct healthcheck_mount *healthchecks;
    size_t n_healthchecks;
};

/* Reads [paste_deploy] config_file (or glance-api-paste.ini beside the last file read, or Glance 33's shipped
 * content, which is built in) and selects the composite or pipeline of the flavor. An unknown filter factory,
 * a missing section or flavor: -1, named with file and line. */
int pipeline_load(const struct config *c, struct pipeline **ret, struct error *e) MUST_CHECK;
void pipeline_free(struct pipeline *p); /* takes NULL */
bool pipeline_has(const struct pipeline *p, enum filter_kind kind);
const struct filter *pipeline_filter(const struct pipeline *p,
                                     enum filter_kind kind);        /* the first, or NULL */
const char *filter_option(const struct filter *f, const char *key); /* NULL when absent */

/* The options of one group as a filter sees them: its section of the paste file wins over the configuration.
 */
struct filter_view {
    const struct config *config; /* borrowed */
    struct config *section;      /* what the paste section sets, and nothing else */
    const char *group;
};
/* -1: the section has a value that the option cannot have; named in *e. */
int filter_view_open(const struct filter *f, const struct config *c, const char *group,
                     struct filter_view *ret, struct error *e) MUST_CHECK;
void filter_view_done(struct filter_view *v); /* for CLEANUP */
/* Where to ask for this option of the group. */
const struct config *filter_view(const struct filter_view *v, const char *name);

#endif
