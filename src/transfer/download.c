/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/download.h"

void download_close(struct download *d)
{
    store_get_close(&d->get);
    mem_free(TAKE(d->buffer));
}

static int fill(struct download *d, uint64_t offset, uint64_t len, struct error *e)
{
    ssize_t got =
        store_get_read(d->get, offset, d->buffer, len < STREAM_BUFFER ? (size_t)len : STREAM_BUFFER, e);

    if (got <= 0)
        return got < 0 ? -1 : error_set(e, ERROR_INTERNAL, "The stored data ended early.");
    d->filled = (size_t)got;
    return 0;
}

static int open_at(struct store *s, const struct image *im, const char *url, uint64_t offset, uint64_t len,
                   struct download *ret, struct error *e)
{
    uint64_t size;

    if (store_get_open(s, url, &ret->get, &size, e) < 0)
        return -1;
    if (size != STORE_SIZE_UNKNOWN && size != (uint64_t)im->size) {
        error_set(e, ERROR_INTERNAL, "%s", "");
        return error_detail(e, "its data is %llu bytes where the database says %lld",
                            (unsigned long long)size, (long long)im->size);
    }
    if (store_get_fd(ret->get) >= 0 || len == 0)
        return 0;
    ret->buffer = mem_new(STREAM_BUFFER);
    return fill(ret, offset, len, e);
}

int download_open(const struct stores *stores, const struct image *im, uint64_t offset, uint64_t len,
                  const char *who, struct download *ret, struct error *e)
{
    error_set(e, ERROR_NOT_FOUND, "No location of image %s can be read.", im->id);
    for (size_t i = 0; i < im->n_locations; i++) {
        const char *url = im->locations[i].url;
        struct store *store = stores_for_url(stores, im->locations[i].store, url);
        struct error one;

        if (!store)
            error_set(&one, ERROR_INTERNAL, "no store is configured for it");
        else if (open_at(store, im, url, offset, len, ret, &one) == 0)
            return 0;
        download_close(ret);
        log_warning("%s: image %s: location %zu cannot be read: %s (%s)", who, im->id, i, one.message,
                    one.detail);
        if (one.kind != ERROR_NOT_FOUND || e->kind == ERROR_NOT_FOUND)
            *e = one;
    }
    return -1;
}

int download_fd(const struct download *d)
{
    return store_get_fd(d->get);
}

int download_copy(struct download *d, uint64_t offset, uint64_t len, const struct stream_sink *to,
                  struct error *e)
{
    while (len > 0) {
        if (d->filled == 0 && fill(d, offset, len, e) < 0)
            return -1;
        if (to->write(to->arg, d->buffer, d->filled, e) < 0)
            return -1;
        offset += d->filled;
        len -= d->filled;
        d->filled = 0;
    }
    return 0;
}

bool download_distant(const struct stores *stores, const struct image *im)
{
    const struct image_location *first = &im->locations[0];
    const struct store *s = stores_for_url(stores, first->store, first->url);

    return s && store_distant(s);
}
