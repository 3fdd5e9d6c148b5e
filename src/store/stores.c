/* SPDX-License-Identifier: Apache-2.0 */
/* Which stores a configuration has, and which of them a location belongs to. */
#include "store/filesystem/filesystem.h"

#include <string.h>

/* Every driver under the names that a configuration may use for it. */
static const struct {
    const char *name;
    const struct store_driver *driver; /* NULL: Glance has it, this build serves no location of it */
} drivers[] = {
    { "file", &store_filesystem },
    { "glance.store.filesystem.Store", &store_filesystem },
    { "glance.store.http.Store", &store_http },
    { "glance.store.rbd.Store", NULL },
    { "glance.store.swift.Store", NULL },
    { "glance.store.s3.Store", NULL },
    { "glance.store.cinder.Store", NULL },
    { "glance.store.vmware_datastore.Store", NULL },
    { "glance.store.sheepdog.Store", NULL },
    { "sheepdog", NULL },
    { "filesystem", &store_filesystem },
    { "memory", &store_memory },
    { "http", &store_http },
    { "https", &store_http },
    { "rbd", NULL },
    { "swift", NULL },
    { "s3", NULL },
    { "cinder", NULL },
    { "vmware", NULL },
};

struct stores {
    struct store *items;
    size_t n;
    struct store *standard; /* the default store */
    bool several;           /* enabled_backends, so that ids mean something to clients */
    struct store *staging;  /* NULL: none */
    struct store_proof proof;
};

static bool driver_find(const char *name, size_t n, const struct store_driver **ret)
{
    for (size_t i = 0; i < COUNT(drivers); i++)
        if (strlen(drivers[i].name) == n && strncmp(drivers[i].name, name, n) == 0) {
            *ret = drivers[i].driver;
            return true;
        }
    return false;
}

struct store *stores_by_id(const struct stores *s, const char *id)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->items[i].id, id))
            return &s->items[i];
    return NULL;
}

/* Room is there. On an error nothing was added. */
static int store_add(struct stores *all, const struct config *c, const char *id,
                     const struct store_driver *driver, const char *group, struct error *e)
{
    struct store *s = &all->items[all->n];

    *s = (struct store){ .driver = driver, .id = mem_str(id), .proof = all->proof };
    if (driver->open(s, c, group, e) < 0) {
        mem_free(TAKE(s->id));
        return -1;
    }
    all->n++;
    return 0;
}

/* ---- one store: [glance_store] stores and default_store ---- */

static int single_add(struct stores *all, const struct config *c, const char *name, bool standard,
                      struct error *e)
{
    const struct store_driver *driver;

    if (!driver_find(name, strlen(name), &driver))
        return error_set(e, ERROR_INVALID, "Unknown store \"%s\" in [glance_store] stores.", name);
    if (standard && (!driver || !driver->put_begin))
        return error_set(e, ERROR_INVALID, "The default store \"%s\" is of a type that %s.", name,
                         driver ? "cannot be written" : "is not supported");
    if (!driver || stores_by_id(all, driver->name))
        return 0;
    if (store_add(all, c, driver->name, driver, "glance_store", e) == 0)
        return 0;
    if (standard)
        return -1;
    log_debug("store %s is left out: %s", driver->name, e->message);
    return 0;
}

static int open_single(struct stores *all, const struct config *c, struct error *e)
{
    const char *standard = config_str(c, "glance_store", "default_store");
    const struct store_driver *driver;
    const char *const *names;
    size_t n = config_list(c, "glance_store", "stores", &names);

    if (!standard || !driver_find(standard, strlen(standard), &driver))
        return error_set(e, ERROR_INVALID, "Unknown store \"%s\" in [glance_store] default_store.",
                         standard ? standard : "");
    all->items = mem_new((n > 0 ? n : 1) * sizeof *all->items);
    for (size_t i = 0; i < n; i++) {
        const struct store_driver *other = NULL;
        bool is_standard = str_eq(names[i], standard) ||
                           (driver_find(names[i], strlen(names[i]), &other) && driver && other == driver);

        if (single_add(all, c, names[i], is_standard, e) < 0)
            return -1;
    }
    all->standard = driver ? stores_by_id(all, driver->name) : NULL;
    if (!all->standard)
        return error_set(e, ERROR_INVALID, "The default store \"%s\" is not in [glance_store] stores.",
                         standard);
    return 0;
}

/* ---- several: [DEFAULT] enabled_backends, a section each, and [glance_store] default_backend ---- */

/* An item of enabled_backends is "id:type". */
static int backend_add(struct stores *all, const struct config *c, const char *item, struct error *e)
{
    const char *colon = strchr(item, ':'), *type = colon + 1;
    const struct store_driver *driver;
    const char *description;
    char id[STORE_ID_MAX + 1];
    struct store *s;

    if (colon == item || (size_t)(colon - item) > STORE_ID_MAX)
        return error_set(e, ERROR_INVALID,
                         "[DEFAULT] enabled_backends: \"%s\" has no id of 1 to %d characters.", item,
                         STORE_ID_MAX);
    str_copy(id, (size_t)(colon - item) + 1, item);
    if (str_starts(id, "os_glance_"))
        return error_set(e, ERROR_INVALID, "[DEFAULT] enabled_backends: the id \"%s\" is reserved.", id);
    if (stores_by_id(all, id))
        return error_set(e, ERROR_INVALID, "[DEFAULT] enabled_backends: the id \"%s\" is there twice.", id);
    if (!driver_find(type, strlen(type), &driver))
        return error_set(e, ERROR_INVALID, "[DEFAULT] enabled_backends: the type of \"%s\" is unknown.",
                         item);
    if (!driver)
        return error_set(e, ERROR_INVALID, "[DEFAULT] enabled_backends: the type of \"%s\" is not supported.",
                         item);
    if (store_add(all, c, id, driver, id, e) < 0) {
        error_detail(e, "store %s", id);
        return -1;
    }
    s = &all->items[all->n - 1];
    description = config_str(c, id, "store_description");
    s->description = description && *description ? mem_str(description) : NULL;
    s->weight = store_option_int(c, id, "weight");
    return 0;
}

static int open_several(struct stores *all, const struct config *c, const char *const *items, size_t n,
                        struct error *e)
{
    const char *standard = config_str(c, "glance_store", "default_backend");

    all->several = true;
    all->items = mem_new(n * sizeof *all->items);
    for (size_t i = 0; i < n; i++)
        if (backend_add(all, c, items[i], e) < 0)
            return -1;
    if (!standard || !*standard)
        return error_set(e, ERROR_INVALID,
                         "[glance_store] default_backend is not set: it names one of enabled_backends.");
    all->standard = stores_by_id(all, standard);
    if (!all->standard)
        return error_set(e, ERROR_INVALID,
                         "[glance_store] default_backend \"%s\" is not one of enabled_backends.", standard);
    return 0;
}

/* ---- staging ---- */

static const char *staging_path(const struct stores *all, const struct config *c)
{
    const char *uri = config_str(c, "DEFAULT", "node_staging_uri");

    if (all->several && config_is_set(c, STORE_STAGING, "filesystem_store_datadir"))
        return config_str(c, STORE_STAGING, "filesystem_store_datadir");
    if (all->several && !config_is_set(c, "DEFAULT", "node_staging_uri"))
        return "/var/lib/glance/" STORE_STAGING;
    return uri && str_starts(uri, "file://") ? uri + strlen("file://") : uri;
}

/* Images are named alike in both: a directory cannot be one and the other. */
static int staging_apart(const struct stores *all, const char *path, struct error *e)
{
    CLEANUP(str_done) struct str url = STR_INIT;
    const struct store *s;

    str_addf(&url, "file://%s%sx", path, str_ends(path, "/") ? "" : "/");
    for (size_t i = 0; i < all->n; i++) {
        s = &all->items[i];
        if (s->driver == &store_filesystem && s->driver->owns(s, str_text(&url)))
            return error_set(e, ERROR_INVALID,
                             "The staging directory %s is also that of the store \"%s\": they must differ.",
                             path, s->id);
    }
    return 0;
}

/* A directory that cannot be used stops what needs it, not the service. */
static int open_staging(struct stores *all, const struct config *c, struct error *e)
{
    const char *path = staging_path(all, c);
    const char *const *methods;
    struct store *staging;
    struct error why;

    if (!path || config_list(c, "DEFAULT", "enabled_import_methods", &methods) == 0)
        return 0;
    if (staging_apart(all, path, e) < 0)
        return -1;
    staging = mem_new(sizeof *staging);
    *staging = (struct store){
        .driver = &store_filesystem,
        .id = mem_str(STORE_STAGING),
        .proof = all->proof,
    };
    if (fs_open_dir(staging, path, &why) == 0) {
        all->staging = staging;
        return dir_check_own(path, "staging directory", e);
    }
    log_warning("nothing can be imported: the staging directory: %s (%s)", why.message, why.detail);
    mem_free(staging->id);
    mem_free(staging);
    return 0;
}

struct store *stores_staging(const struct stores *s)
{
    return s->staging;
}

const char *stores_staging_dir(const struct stores *s)
{
    return s->staging ? fs_first_dir(s->staging) : NULL;
}

/* ---- all of a configuration's ---- */

static void stores_free(struct stores **s)
{
    stores_close(TAKE(*s));
}

int stores_open(const struct config *c, const struct store_proof *proof, struct stores **ret, struct error *e)
{
    CLEANUP(stores_free) struct stores *all = mem_new(sizeof *all);
    const char *const *items;
    size_t n = config_list(c, "DEFAULT", "enabled_backends", &items);

    if (proof)
        all->proof = *proof;
    if ((n > 0 ? open_several(all, c, items, n, e) : open_single(all, c, e)) < 0 ||
        open_staging(all, c, e) < 0)
        return -1;
    *ret = TAKE(all);
    return 0;
}

void stores_close(struct stores *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        s->items[i].driver->close(&s->items[i]);
        mem_free(s->items[i].id);
        mem_free(s->items[i].description);
    }
    if (s->staging) {
        s->staging->driver->close(s->staging);
        mem_free(s->staging->id);
        mem_free(s->staging);
    }
    mem_free(s->items);
    mem_free(s);
}

void stores_reread(struct stores *s, const struct config *c)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].driver->reread)
            s->items[i].driver->reread(&s->items[i], c);
}

struct store *stores_default(const struct stores *s)
{
    return s->standard;
}

bool stores_several(const struct stores *s)
{
    return s->several;
}

static bool has_scheme(const struct store *s, const char *scheme, size_t n)
{
    for (const char *const *at = s->driver->schemes; *at; at++)
        if (strlen(*at) == n && strncmp(*at, scheme, n) == 0)
            return true;
    return false;
}

/* Whether the URL could be this store's, by its scheme alone or by all of it. */
static bool serves(const struct store *s, const char *url, size_t scheme, bool *ret_owns)
{
    if (!has_scheme(s, url, scheme))
        return false;
    *ret_owns = !s->driver->owns || s->driver->owns(s, url);
    return true;
}

struct store *stores_for_url(const struct stores *s, const char *id, const char *url)
{
    struct store *named = id ? stores_by_id(s, id) : NULL, *first = NULL;
    const char *colon = url ? strstr(url, "://") : NULL;
    bool owns;

    if (colon && s->staging && s->staging->driver->owns(s->staging, url))
        return s->staging;
    if (!colon || (named && serves(named, url, (size_t)(colon - url), &owns) && owns))
        return named;
    for (size_t i = 0; i < s->n; i++) {
        if (!serves(&s->items[i], url, (size_t)(colon - url), &owns))
            continue;
        if (owns)
            return &s->items[i];
        if (!first)
            first = &s->items[i]; /* whose refusal says why */
    }
    return named ? named : first;
}

size_t stores_count(const struct stores *s)
{
    return s->n;
}

struct store *stores_at(const struct stores *s, size_t i)
{
    return &s->items[i];
}
