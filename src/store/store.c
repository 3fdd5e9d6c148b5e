/* SPDX-License-Identifier: Apache-2.0 */
#include "store/driver.h"

static struct metric seconds = { .name = "glint_store_seconds",
                                 .help = "Time of store calls.",
                                 .type = METRIC_HISTOGRAM,
                                 .labels = { "store", "operation" } };
static struct metric bytes_total = { .name = "glint_store_bytes_total",
                                     .help = "Image bytes moved by stores.",
                                     .type = METRIC_COUNTER,
                                     .labels = { "store", "direction" } };

static void observe(const struct store *s, const char *operation, int64_t started_us)
{
    metric_observe(metric_series(&seconds, s->id, operation, NULL), clock_mono_us() - started_us);
}

static void count_bytes(const struct store *s, const char *direction, size_t n)
{
    metric_add(metric_series(&bytes_total, s->id, direction, NULL), (int64_t)n);
}

/* ---- what it is ---- */

const char *store_id(const struct store *s)
{
    return s->id;
}

const char *store_type(const struct store *s)
{
    return s->driver->name;
}

const char *store_description(const struct store *s)
{
    return s->description;
}

int64_t store_weight(const struct store *s)
{
    return s->weight;
}

bool store_distant(const struct store *s)
{
    return s->driver->distant;
}

bool store_read_only(const struct store *s)
{
    return !s->driver->put_begin;
}

void store_describe(const struct store *s, void (*say)(void *arg, const struct store_fact *), void *arg)
{
    if (s->driver->describe)
        s->driver->describe(s, say, arg);
}

bool store_writable(const struct store *s)
{
    return !s->disabled && s->driver->put_begin;
}

/* ---- writing ---- */

static int put_refused(struct error *e)
{
    return error_set(e, ERROR_GONE, "Error in store configuration. Adding images to store is disabled.");
}

int store_put_begin(struct store *s, const char *image_id, int64_t size, struct store_put **ret,
                    struct error *e)
{
    int64_t started = clock_mono_us();
    struct store_put *p;

    if (!store_writable(s))
        return put_refused(e);
    if (s->driver->put_begin(s, image_id, size, &p, e) < 0)
        return -1;
    p->store = s;
    p->expected = size;
    observe(s, "put_begin", started);
    *ret = p;
    return 0;
}

int store_put_link(struct store *s, const char *image_id, const char *path, struct store_put **ret,
                   struct error *e)
{
    int64_t started = clock_mono_us();
    struct store_put *p;
    uint64_t size;

    if (!store_writable(s))
        return put_refused(e);
    if (!s->driver->put_link)
        return error_set(e, ERROR_INVALID, "The store %s cannot take over files.", s->id);
    if (s->driver->put_link(s, image_id, path, &size, &p, e) < 0)
        return -1;
    p->store = s;
    p->expected = (int64_t)size;
    p->written = size;
    observe(s, "put_link", started);
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

const char *store_canonical(const struct store *s, struct arena *a, const char *url)
{
    const char *own = s && s->driver->canonical ? s->driver->canonical(s, a, url) : NULL;

    return own ? own : arena_str(a, url);
}

bool store_same(const struct store *s, const char *url, const char *other)
{
    return s && s->driver->same && s->driver->same(s, url, other);
}

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

int store_delete_quickly(struct store *s, const char *url, int *ret_fd, struct error *e)
{
    int64_t started = clock_mono_us();

    *ret_fd = -1;
    if (!s->driver->delete)
        return error_set(e, ERROR_INVALID, "The store %s cannot delete.", s->id);
    if (s->driver->delete (s, url, ret_fd, e) < 0)
        return -1;
    observe(s, "delete", started);
    return 0;
}

int store_delete(struct store *s, const char *url, struct error *e)
{
    CLEANUP(fd_close) int fd = -1;

    return store_delete_quickly(s, url, &fd, e);
}

size_t store_sweep(struct store *s)
{
    return s->driver->sweep ? s->driver->sweep(s) : 0;
}

/* ---- whether it is itself ---- */

int store_check(struct store *s, struct error *e)
{
    return s->driver->check ? s->driver->check(s, e) : 0;
}

int store_places(struct store *s, int (*tell)(void *arg, const struct store_place *, struct error *),
                 void *arg, struct error *e)
{
    return s->driver->places ? s->driver->places(s, tell, arg, e) : 0;
}

/* ---- looking after it ---- */

int store_list(struct store *s, store_tell *tell, void *arg, struct error *e)
{
    if (!s->driver->list)
        return error_set(e, ERROR_INVALID, "The store %s cannot list its objects.", s->id);
    return s->driver->list(s, tell, arg, e);
}

int store_quarantine(struct store *s, const struct store_object *seen, struct str *ret_where, struct error *e)
{
    int64_t started = clock_mono_us();

    if (!s->driver->quarantine)
        return error_set(e, ERROR_INVALID, "The store %s has no quarantine.", s->id);
    if (s->driver->quarantine(s, seen, ret_where, e) < 0)
        return -1;
    observe(s, "quarantine", started);
    return 0;
}
