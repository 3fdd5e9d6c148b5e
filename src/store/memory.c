/* SPDX-License-Identifier: Apache-2.0 */
/* The twin of the real drivers: objects on the heap, the same contract, nothing durable. */
#include "store/driver.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 300, URL_MAX_BYTES = 320 };

static const char aside[] = "quarantine/"; /* begins the names of what is in it */

struct object {
    struct object *next;
    char name[NAME_MAX_BYTES];
    int64_t changed_us;
    unsigned holders; /* the list, a put, each get */
    struct str bytes;
};

struct memory {
    pthread_mutex_t lock;
    struct object *objects;
};

struct memory_put {
    struct store_put put;
    struct object *object;
};

struct memory_get {
    struct store_get get;
    struct object *object;
};

static int memory_open(struct store *s, const struct config *c UNUSED, const char *group UNUSED,
                       struct error *e UNUSED)
{
    struct memory *m = mem_new(sizeof *m);

    pthread_mutex_init(&m->lock, NULL);
    s->data = m;
    return 0;
}

static void object_drop(struct object *o)
{
    if (--o->holders > 0)
        return;
    str_done(&o->bytes);
    mem_free(o);
}

static void memory_close(struct store *s)
{
    struct memory *m = TAKE(s->data);

    if (!m)
        return;
    while (m->objects) {
        struct object *o = m->objects;

        m->objects = o->next;
        object_drop(o);
    }
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

/* Where the list names it, or the list's end. */
static struct object **find(struct memory *m, const char *name)
{
    struct object **at = &m->objects;

    while (*at && !str_eq((*at)->name, name))
        at = &(*at)->next;
    return at;
}

static const char *url_name(const char *url)
{
    return str_starts(url, "memory://") ? url + strlen("memory://") : "";
}

static void unlink_object(struct object **at)
{
    struct object *o = *at;

    *at = o->next;
    object_drop(o);
}

/* ---- put ---- */

static int exists(struct error *e, const char *name)
{
    return error_set(e, ERROR_CONFLICT, "Image %s already exists", name);
}

static int memory_put_begin(struct store *s, const char *image_id, int64_t size UNUSED,
                            struct store_put **ret, struct error *e)
{
    struct memory *m = s->data;
    struct memory_put *p;
    WITH_MUTEX(&m->lock);

    if (*find(m, image_id))
        return exists(e, image_id);
    p = mem_new(sizeof *p);
    p->object = mem_new(sizeof *p->object);
    p->object->holders = 1;
    str_copy(p->object->name, sizeof p->object->name, image_id);
    snprintf(p->put.url, sizeof p->put.url, "memory://%s", image_id);
    *ret = &p->put;
    return 0;
}

static int memory_put_write(struct store_put *put, const void *buf, size_t n, struct error *e UNUSED)
{
    str_addn(&((struct memory_put *)put)->object->bytes, buf, n);
    return 0;
}

static int memory_put_commit(struct store_put *put, struct store_location *ret, struct error *e)
{
    struct memory_put *p = (struct memory_put *)put;
    struct memory *m = put->store->data;
    WITH_MUTEX(&m->lock);

    if (*find(m, p->object->name))
        return exists(e, p->object->name);
    p->object->changed_us = clock_now_us();
    p->object->next = m->objects;
    p->object->holders++;
    m->objects = p->object;
    str_copy(ret->url, sizeof ret->url, put->url);
    ret->size = p->object->bytes.len;
    return 0;
}

static void memory_put_done(struct store_put *put)
{
    struct memory_put *p = (struct memory_put *)put;
    struct memory *m = put->store->data;
    WITH_MUTEX(&m->lock);

    object_drop(p->object);
    mem_free(p);
}

static void memory_put_abort(struct store_put *put)
{
    struct memory_put *p = (struct memory_put *)put;
    struct memory *m = put->store->data;

    pthread_mutex_lock(&m->lock);
    struct object **at = find(m, p->object->name);
    if (*at == p->object)
        unlink_object(at);
    pthread_mutex_unlock(&m->lock);
    memory_put_done(put);
}

/* ---- get ---- */

static int not_found(struct error *e, const char *url)
{
    return error_set(e, ERROR_NOT_FOUND, "Image %s not found", url);
}

static int memory_get_open(struct store *s, const char *url, struct store_get **ret, uint64_t *ret_size,
                           struct error *e)
{
    struct memory *m = s->data;
    struct memory_get *g;
    struct object *o;
    WITH_MUTEX(&m->lock);

    o = *find(m, url_name(url));
    if (!o)
        return not_found(e, url);
    g = mem_new(sizeof *g);
    g->object = o;
    o->holders++;
    *ret = &g->get;
    *ret_size = o->bytes.len;
    return 0;
}

static ssize_t memory_get_read(struct store_get *get, uint64_t offset, void *buf, size_t n,
                               struct error *e UNUSED)
{
    const struct str *bytes = &((struct memory_get *)get)->object->bytes;

    if (offset >= bytes->len)
        return 0;
    if (n > bytes->len - offset)
        n = bytes->len - (size_t)offset;
    memcpy(buf, bytes->data + offset, n);
    return (ssize_t)n;
}

static void memory_get_close(struct store_get *get)
{
    struct memory_get *g = (struct memory_get *)get;
    struct memory *m = get->store->data;
    WITH_MUTEX(&m->lock);

    object_drop(g->object);
    mem_free(g);
}

static int memory_delete(struct store *s, const char *url, int *ret_fd UNUSED, struct error *e)
{
    struct memory *m = s->data;
    struct object **at;
    WITH_MUTEX(&m->lock);

    at = find(m, url_name(url));
    if (!*at)
        return not_found(e, url);
    unlink_object(at);
    return 0;
}

/* ---- looking after it ---- */

/* The n-th that is not set aside, told of without the lock: what is told may be removed. */
static bool object_at(struct memory *m, size_t n, struct store_object *ret, char name[NAME_MAX_BYTES],
                      char url[URL_MAX_BYTES])
{
    WITH_MUTEX(&m->lock);

    for (struct object *o = m->objects; o; o = o->next) {
        if (str_starts(o->name, aside) || n-- > 0)
            continue;
        str_copy(name, NAME_MAX_BYTES, o->name);
        snprintf(url, URL_MAX_BYTES, "memory://%s", o->name);
        *ret = (struct store_object){
            .name = name, .url = url, .size = o->bytes.len, .changed_us = o->changed_us
        };
        return true;
    }
    return false;
}

static size_t count(struct memory *m)
{
    size_t n = 0;
    WITH_MUTEX(&m->lock);

    for (const struct object *o = m->objects; o; o = o->next)
        n += !str_starts(o->name, aside);
    return n;
}

/* From the end, so that those told of may go. */
static int memory_list(struct store *s, store_tell *tell, void *arg, struct error *e)
{
    struct memory *m = s->data;
    char name[NAME_MAX_BYTES], url[URL_MAX_BYTES];
    struct store_object o;

    for (size_t n = count(m); n-- > 0;)
        if (object_at(m, n, &o, name, url) && tell(arg, &o, e) < 0)
            return -1;
    return 0;
}

static int memory_quarantine(struct store *s, const struct store_object *seen, struct str *ret_where,
                             struct error *e)
{
    struct memory *m = s->data;
    struct object *o;
    WITH_MUTEX(&m->lock);

    o = *find(m, url_name(seen->url));
    if (!o || o->bytes.len != seen->size || o->changed_us != seen->changed_us)
        return error_set(e, ERROR_CONFLICT, "%s is not what it was any more.", seen->url);
    snprintf(o->name, sizeof o->name, "%s%s", aside, seen->name);
    str_addf(ret_where, "memory://%s", o->name);
    return 0;
}

static const char *const schemes[] = { "memory", NULL };

const struct store_driver store_memory = {
    .name = "memory",
    .schemes = schemes,
    .open = memory_open,
    .close = memory_close,
    .put_begin = memory_put_begin,
    .put_write = memory_put_write,
    .put_commit = memory_put_commit,
    .put_abort = memory_put_abort,
    .put_done = memory_put_done,
    .get_open = memory_get_open,
    .get_read = memory_get_read,
    .get_close = memory_get_close,
    .delete = memory_delete,
    .list = memory_list,
    .quarantine = memory_quarantine,
};
