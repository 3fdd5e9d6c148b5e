/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/object.h"

#include <string.h>

#include "transfer/lease.h"

int object_awaited(struct db_conn *c, const struct store *s, const char *url, bool *ret, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);

    return object_under_way(c, store_canonical(s, a, url), ret, e);
}

static bool is_any(const struct store *s, struct arena *a, const char *own, const char **urls, size_t n)
{
    bool found = false;

    for (size_t i = 0; i < n && !found; i++)
        found = str_eq(own, store_canonical(s, a, urls[i])) || store_same(s, own, urls[i]);
    return found;
}

int object_in_use(struct db_conn *c, const struct store *s, const char *url, bool *ret, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    const char *own = store_canonical(s, a, url), *name = strrchr(own, '/'), **urls;
    size_t n;

    if (location_in_use(c, url, ret, e) < 0 ||
        (!*ret && !str_eq(own, url) && location_in_use(c, own, ret, e) < 0))
        return -1;
    if (*ret || store_read_only(s) || !name)
        return 0;
    if (location_name_list(c, a, name + 1, &urls, &n, e) < 0)
        return -1;
    *ret = is_any(s, a, own, urls, n);
    if (*ret)
        return 0;
    if (location_odd_list(c, a, &urls, &n, e) < 0)
        return -1;
    *ret = is_any(s, a, own, urls, n);
    return 0;
}

int object_names_lock(struct db_conn *c, struct error *e)
{
    return db_lock(c, "object names", e);
}

int object_discard(struct db_conn *c, struct store *s, const char *url, struct object_gone *ret,
                   struct error *e)
{
    bool in_use;
    int fd;

    if (!s)
        return 0;
    if (object_in_use(c, s, url, &in_use, e) < 0)
        return -1;
    if (in_use)
        return 0;
    if (store_delete_quickly(s, url, &fd, e) < 0)
        return e->kind == ERROR_NOT_FOUND || e->kind == ERROR_INVALID ? 0 : -1;
    object_gone_close(ret);
    *ret = (struct object_gone){ true, fd };
    return 0;
}

void object_gone_close(struct object_gone *g)
{
    fd_close(&g->fd);
}

int object_open(struct store *s, const char *url, struct object *ret, struct error *e)
{
    uint64_t size;

    ret->at = 0;
    return store_get_open(s, url, &ret->get, &size, e);
}

void object_close(struct object *o)
{
    store_get_close(&o->get);
}

static ssize_t read_on(void *arg, void *buf, size_t n, struct error *e)
{
    struct object *o = arg;
    ssize_t got = store_get_read(o->get, o->at, buf, n, e);

    o->at += got > 0 ? (uint64_t)got : 0;
    return got;
}

struct stream_source object_source(struct object *o)
{
    return (struct stream_source){ read_on, o };
}

int object_sum(struct store *s, const char *url, const char *algorithm,
               int (*progress)(void *arg, uint64_t bytes, struct error *e), void *progress_arg,
               struct object_sums *ret, struct error *e)
{
    CLEANUP(stream_digest_free) struct stream_digest *digest = NULL;
    CLEANUP(object_close) struct object object = { .get = NULL };
    const struct stream_source source = object_source(&object);
    struct stream_sink sink;

    if (object_open(s, url, &object, e) < 0 || stream_digest_begin(algorithm, &digest, e) < 0)
        return -1;
    sink = stream_digest_sink(digest);
    if (stream_pump(&source, &sink, 1, progress, progress_arg, &ret->bytes, e) < 0)
        return -1;
    return stream_digest_end(digest, ret->md5, ret->hash, e);
}
