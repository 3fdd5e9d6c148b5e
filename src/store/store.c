/* SPDX-License-Identifier: Apache-2.0 */
#include "store/driver.h"

#include <stdio.h>
#include <string.h>

/* Every driver under the names that a configuration may use for it. */
static const struct {
    const char *name;
    const struct store_driver *driver; /* NULL: Glance has it, this build serves no location of it */
} drivers[] = {
    { "file", &store_filesystem },
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

static struct metric seconds = { .name = "glint_store_seconds",
                                 .help = "Time of store calls.",
                                 .type = METRIC_HISTOGRAM,
                                 .labels = { "store", "operation" } };
static struct metric bytes_total = { .name = "glint_store_bytes_total",
                                     .help = "Image bytes moved by stores.",
                                     .type = METRIC_COUNTER,
                                     .labels = { "store", "direction" } };

struct stores {
    struct store *items;
    size_t n;
    struct store *standard; /* the default store */
};

static void observe(const struct store *s, const char *operation, int64_t started_us)
{
    metric_observe(metric_series(&seconds, s->id, operation, NULL), clock_mono_us() - started_us);
}

static void count_bytes(const struct store *s, const char *direction, size_t n)
{
    metric_add(metric_series(&bytes_total, s->id, direction, NULL), (int64_t)n);
}

/* ---- all of a configuration's ---- */

static bool driver_find(const char *name, const struct store_driver **ret)
{
    for (size_t i = 0; i < COUNT(drivers); i++)
        if (str_eq(drivers[i].name, name)) {
            *ret = drivers[i].driver;
            return true;
        }
    return false;
}

static bool has_scheme(const struct store *s, const char *scheme, size_t n)
{
    for (const char *const *at = s->driver->schemes; *at; at++)
        if (strlen(*at) == n && strncmp(*at, scheme, n) == 0)
            return true;
    return false;
}

static struct store *store_by_id(const struct stores *s, const char *id)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->items[i].id, id))
            return &s->items[i];
    return NULL;
}

static int store_add(struct stores *all, const struct config *c, const char *name, bool standard,
                     struct error *e)
{
    const struct store_driver *driver;
    struct store *s;

    if (!driver_find(name, &driver))
        return error_set(e, ERROR_INVALID, "Unknown store \"%s\" in [glance_store] stores.", name);
    if (standard && (!driver || !driver->put_begin))
        return error_set(e, ERROR_INVALID, "The default store \"%s\" is of a type that %s.", name,
                         driver ? "cannot be written" : "is not supported");
    if (!driver || store_by_id(all, driver->name))
        return 0;
    s = &all->items[all->n++];
    s->driver = driver;
    s->id = mem_str(driver->name);
    if (s->driver->open(s, c, "glance_store", e) == 0)
        return 0;
    if (standard)
        return -1;
    log_debug("store %s is left out: %s", s->id, e->message);
    mem_free(TAKE(s->id));
    all->n--;
    return 0;
}

static void stores_free(struct stores **s)
{
    stores_close(TAKE(*s));
}

int stores_open(const struct config *c, struct stores **ret, struct error *e)
{
    CLEANUP(stores_free) struct stores *all = mem_new(sizeof *all);
    const char *standard = config_str(c, "glance_store", "default_store");
    const struct store_driver *driver;
    const char *const *names;
    size_t n = config_list(c, "glance_store", "stores", &names);

    if (!standard || !driver_find(standard, &driver))
        return error_set(e, ERROR_INVALID, "Unknown store \"%s\" in [glance_store] default_store.",
                         standard ? standard : "");
    all->items = mem_new((n > 0 ? n : 1) * sizeof *all->items);
    for (size_t i = 0; i < n; i++) {
        const struct store_driver *other = NULL;
        bool is_standard =
            str_eq(names[i], standard) || (driver_find(names[i], &other) && driver && other == driver);

        if (store_add(all, c, names[i], is_standard, e) < 0)
            return -1;
    }
    all->standard = driver ? store_by_id(all, driver->name) : NULL;
    if (!all->standard)
        return error_set(e, ERROR_INVALID, "The default store \"%s\" is not in [glance_store] stores.",
                         standard);
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
    }
    mem_free(s->items);
    mem_free(s);
}

struct store *stores_default(const struct stores *s)
{
    return s->standard;
}

struct store *stores_for_url(const struct stores *s, const char *id, const char *url)
{
    struct store *named = id ? store_by_id(s, id) : NULL;
    const char *colon = url ? strstr(url, "://") : NULL;

    if (named || !colon)
        return named;
    for (size_t i = 0; i < s->n; i++)
        if (has_scheme(&s->items[i], url, (size_t)(colon - url)))
            return &s->items[i];
    return NULL;
}

size_t stores_count(const struct stores *s)
{
    return s->n;
}

struct store *stores_at(const struct stores *s, size_t i)
{
    return &s->items[i];
}

const char *store_id(const struct store *s)
{
    return s->id;
}

const char *store_type(const struct store *s)
{
    return s->driver->name;
}

bool store_writable(const struct store *s)
{
    return !s->disabled && s->driver->put_begin;
}

/* ---- writing ---- */

int store_put_begin(struct store *s, const char *image_id, int64_t size, struct store_put **ret,
                    struct error *e)
{
    int64_t started = clock_mono_us();
    struct store_put *p;

    if (!store_writable(s))
        return error_set(e, ERROR_GONE, "Error in store configuration. Adding images to store is disabled.");
    if (s->driver->put_begin(s, image_id, size, &p, e) < 0)
        return -1;
    p->store = s;
    p->expected = size;
    observe(s, "put_begin", started);
    *ret = p;
    return 0;
}

int store_put_write(struct store_put *p, const void *buf, size_t n, struct error *e)
{
    int64_t started = clock_mono_us();

    if (p->expected >= 0 && p->written + n > (uint64_t)p->expected)
        return error_set(e, ERROR_INVALID, "Size exceeds: expected %lld bytes, got %llu bytes",
                         (long long)p->expected, (unsigned long long)(p->written + n));
    if (p->store->driver->put_write(p, buf, n, e) < 0)
        return -1;
    p->written += n;
    count_bytes(p->store, "in", n);
    observe(p->store, "put_write", started);
    return 0;
}

int store_put_commit(struct store_put *p, struct store_location *ret, struct error *e)
{
    int64_t started = clock_mono_us();

    if (p->expected >= 0 && p->written != (uint64_t)p->expected)
        return error_set(e, ERROR_INVALID, "Size mismatch: expected %lld bytes, got %llu bytes",
                         (long long)p->expected, (unsigned long long)p->written);
    if (p->store->driver->put_commit(p, ret, e) < 0)
        return -1;
    p->committed = true;
    observe(p->store, "put_commit", started);
    return 0;
}

void store_put_abort(struct store_put **p)
{
    struct store_put *own = TAKE(*p);

    if (own)
        own->store->driver->put_abort(own);
}

void store_put_done(struct store_put **p)
{
    struct store_put *own = TAKE(*p);

    if (own)
        own->store->driver->put_done(own);
}

const char *store_put_url(const struct store_put *p)
{
    return p->url;
}

/* ---- reading ---- */

int store_size(struct store *s, const char *url, uint64_t *ret, struct error *e)
{
    CLEANUP(store_get_close) struct store_get *g = NULL;
    int64_t started = clock_mono_us();

    if (!s->driver->size)
        return store_get_open(s, url, &g, ret, e);
    if (s->driver->size(s, url, ret, e) < 0)
        return -1;
    observe(s, "size", started);
    return 0;
}

int store_get_open(struct store *s, const char *url, struct store_get **ret, uint64_t *ret_size,
                   struct error *e)
{
    int64_t started = clock_mono_us();
    struct store_get *g;

    if (!s->driver->get_open)
        return error_set(e, ERROR_INVALID, "The store %s cannot be read.", s->id);
    if (s->driver->get_open(s, url, &g, ret_size, e) < 0)
        return -1;
    g->store = s;
    observe(s, "get_open", started);
    *ret = g;
    return 0;
}

ssize_t store_get_read(struct store_get *g, uint64_t offset, void *buf, size_t n, struct error *e)
{
    int64_t started = clock_mono_us();
    ssize_t got = g->store->driver->get_read(g, offset, buf, n, e);

    if (got > 0)
        count_bytes(g->store, "out", (size_t)got);
    if (got >= 0)
        observe(g->store, "get_read", started);
    return got;
}

int store_get_fd(const struct store_get *g)
{
    return g->store->driver->get_fd ? g->store->driver->get_fd(g) : -1;
}

bool store_get_ranges(const struct store_get *g)
{
    return g->store->driver->get_ranges && g->store->driver->get_ranges(g);
}

void store_get_close(struct store_get **g)
{
    struct store_get *own = TAKE(*g);

    if (own)
        own->store->driver->get_close(own);
}

/* ---- removing ---- */

int store_delete_check(struct store *s, const char *url, struct error *e)
{
    if (!s->driver->delete)
        return error_set(e, ERROR_INVALID, "The store %s cannot delete.", s->id);
    return s->driver->delete_check ? s->driver->delete_check(s, url, e) : 0;
}

int store_delete(struct store *s, const char *url, struct error *e)
{
    int64_t started = clock_mono_us();

    if (!s->driver->delete)
        return error_set(e, ERROR_INVALID, "The store %s cannot delete.", s->id);
    if (s->driver->delete (s, url, e) < 0)
        return -1;
    observe(s, "delete", started);
    return 0;
}

size_t store_sweep(struct store *s)
{
    return s->driver->sweep ? s->driver->sweep(s) : 0;
}
