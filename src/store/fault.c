/* SPDX-License-Identifier: Apache-2.0 */
/* The misbehaving twin. It stands in front of a store's own driver; what it hides is behind the table that
 * the store points to. */
#include "store/driver.h"

#include <stdatomic.h>

struct fault {
    struct store_driver driver; /* what the store sees; first member */
    const struct store_driver *real;
};

static _Atomic long left; /* calls until the failing one; 0: never */
static _Atomic bool fired;
static _Atomic bool half;
static _Atomic int fault_kind;

void store_fault_arm(long n, enum error_kind kind, bool partial)
{
    atomic_store(&fault_kind, (int)kind);
    atomic_store(&half, partial);
    atomic_store(&fired, false);
    atomic_store(&left, n);
}

bool store_fault_fired(void)
{
    return atomic_load(&fired);
}

static bool strikes(void)
{
    long now = atomic_load(&left);

    while (now > 0)
        if (atomic_compare_exchange_weak(&left, &now, now - 1)) {
            if (now == 1)
                atomic_store(&fired, true);
            return now == 1;
        }
    return false;
}

static int fail(const char *call, struct error *e)
{
    error_set(e, (enum error_kind)atomic_load(&fault_kind), "The store failed on purpose.");
    return error_detail(e, "%s", call);
}

static const struct store_driver *real(const struct store *s)
{
    return ((const struct fault *)s->driver)->real;
}

static int fault_put_begin(struct store *s, const char *image_id, int64_t size, struct store_put **ret,
                           struct error *e)
{
    return strikes() ? fail("put_begin", e) : real(s)->put_begin(s, image_id, size, ret, e);
}

static int fault_put_link(struct store *s, const char *image_id, const char *path, uint64_t *ret_size,
                          struct store_put **ret, struct error *e)
{
    return strikes() ? fail("put_link", e) : real(s)->put_link(s, image_id, path, ret_size, ret, e);
}

static int fault_put_write(struct store_put *p, const void *buf, size_t n, struct error *e)
{
    if (!strikes())
        return real(p->store)->put_write(p, buf, n, e);
    if (atomic_load(&half) && real(p->store)->put_write(p, buf, n / 2, e) < 0)
        return -1;
    return fail("put_write", e);
}

/* Half of a commit or a delete: it happened, and its answer was lost. */
static int fault_put_commit(struct store_put *p, struct store_location *ret, struct error *e)
{
    if (!strikes())
        return real(p->store)->put_commit(p, ret, e);
    if (atomic_load(&half) && real(p->store)->put_commit(p, ret, e) < 0)
        return -1;
    return fail("put_commit", e);
}

static int fault_size(struct store *s, const char *url, uint64_t *ret, struct error *e)
{
    return strikes() ? fail("size", e) : real(s)->size(s, url, ret, e);
}

static int fault_get_open(struct store *s, const char *url, struct store_get **ret, uint64_t *ret_size,
                          struct error *e)
{
    return strikes() ? fail("get_open", e) : real(s)->get_open(s, url, ret, ret_size, e);
}

static ssize_t fault_get_read(struct store_get *g, uint64_t offset, void *buf, size_t n, struct error *e)
{
    return strikes() ? fail("get_read", e) : real(g->store)->get_read(g, offset, buf, n, e);
}

static int fault_delete_check(struct store *s, const char *url, struct error *e)
{
    if (strikes())
        return fail("delete_check", e);
    return real(s)->delete_check ? real(s)->delete_check(s, url, e) : 0;
}

static int fault_delete(struct store *s, const char *url, int *ret_fd, struct error *e)
{
    if (!strikes())
        return real(s)->delete (s, url, ret_fd, e);
    if (atomic_load(&half) && real(s)->delete (s, url, ret_fd, e) < 0)
        return -1;
    fd_close(ret_fd);
    return fail("delete", e);
}

static int fault_list(struct store *s, store_tell *tell, void *arg, struct error *e)
{
    return strikes() ? fail("list", e) : real(s)->list(s, tell, arg, e);
}

static int fault_quarantine(struct store *s, const struct store_object *seen, struct str *ret_where,
                            struct error *e)
{
    if (!strikes())
        return real(s)->quarantine(s, seen, ret_where, e);
    if (atomic_load(&half) && real(s)->quarantine(s, seen, ret_where, e) < 0)
        return -1;
    return fail("quarantine", e);
}

static void fault_close(struct store *s)
{
    struct fault *f = (struct fault *)s->driver;

    s->driver = f->real;
    mem_free(f);
    s->driver->close(s);
}

void store_fault_wrap(struct store *s)
{
    struct fault *f = mem_new(sizeof *f);

    f->real = s->driver;
    f->driver = *s->driver;
    f->driver.close = fault_close;
    f->driver.delete_check = fault_delete_check;
    if (f->real->put_begin) {
        f->driver.put_begin = fault_put_begin;
        f->driver.put_write = fault_put_write;
        f->driver.put_commit = fault_put_commit;
    }
    if (f->real->put_link)
        f->driver.put_link = fault_put_link;
    if (f->real->size)
        f->driver.size = fault_size;
    if (f->real->get_open) {
        f->driver.get_open = fault_get_open;
        f->driver.get_read = fault_get_read;
    }
    if (f->real->delete)
        f->driver.delete = fault_delete;
    if (f->real->list)
        f->driver.list = fault_list;
    if (f->real->quarantine)
        f->driver.quarantine = fault_quarantine;
    s->driver = &f->driver;
}
