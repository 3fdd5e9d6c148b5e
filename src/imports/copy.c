/* SPDX-License-Identifier: Apache-2.0 */
/* copy-image: the data come from a store that has them, the default one first (Glance 33's
 * async_/flows/_internal_plugins/copy_image.py). What was copied is what the image says it is, or nothing. */
#include "imports/import.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transfer/object.h"

static int copy_progress(void *arg, uint64_t bytes, struct error *e)
{
    struct import *im = arg;

    job_fetch_moved(im->run, bytes);
    return import_progress(arg, NULL, e);
}

static int data_check(const struct import *im, const struct staged *s, struct error *e)
{
    const struct image *is = im->image;

    if (s->size != is->size)
        return error_set(e, ERROR_INTERNAL, "The stored data are %lld bytes where the image has %lld.",
                         (long long)s->size, (long long)is->size);
    if (is->os_hash_value && str_eq(is->os_hash_algo, s->os_hash_algo) &&
        !str_eq_nocase(is->os_hash_value, s->os_hash_value))
        return error_set(e, ERROR_INTERNAL, "The stored data are not those of the image.");
    return 0;
}

static int copy_from(struct import *im, struct store *s, const char *url, struct error *e)
{
    CLEANUP(staging_abort) struct staging_file *f = NULL;
    CLEANUP(object_close) struct object object = { .get = NULL };
    CLEANUP(job_fetch_over) struct job_run *r UNUSED = im->run;
    const struct stream_source source = object_source(&object);
    struct stream_sink sinks[STAGING_SINKS];
    uint64_t bytes, at;

    if (store_distant(s))
        job_fetch_begin(im->run);
    if (object_open(s, url, &object, e) < 0 || staging_begin(&im->staging, ".part", false, &f, &at, e) < 0)
        return -1;
    if (stream_pump(&source, sinks, staging_sinks(f, sinks), copy_progress, im, &bytes, e) < 0)
        return -1;
    return staging_commit(&f, e);
}

/* The order in which locations are tried: 0 the default store's, then as they are. */
static struct store *source_at(const struct import *im, size_t i, const char **ret_url)
{
    const struct stores *all = im->run->o->stores;
    const struct image *is = im->image;
    size_t first = 0;

    while (first < is->n_locations &&
           stores_for_url(all, NULL, is->locations[first].url) != stores_default(all))
        first++;
    if (first == is->n_locations)
        first = 0;
    i = i == 0 ? first : i <= first ? i - 1 : i;
    *ret_url = is->locations[i].url;
    return stores_for_url(all, NULL, *ret_url);
}

/* A whole file of an earlier try is good. */
static int already(struct import *im, bool *ret, struct error *e)
{
    struct staged *s;
    int fd = -1;

    *ret = staging_open(&im->staging, &fd, &s, e) == 0;
    if (*ret)
        close(fd);
    else if (e->kind != ERROR_NOT_FOUND)
        return -1;
    return *ret ? data_check(im, s, e) : 0;
}

int import_copy_fetch(struct import *im, struct error *e)
{
    struct staged *s;
    bool there;
    int fd;

    if (already(im, &there, e) < 0)
        return -1;
    if (there)
        return 0;
    error_set(e, ERROR_NOT_FOUND, "The image has no data to copy.");
    for (size_t i = 0; i < im->image->n_locations; i++) {
        const char *url;
        struct store *from = source_at(im, i, &url);

        if (from && copy_from(im, from, url, e) == 0) {
            if (staging_open(&im->staging, &fd, &s, e) < 0)
                return -1;
            close(fd);
            return data_check(im, s, e);
        }
        if (from && (e->kind == ERROR_GONE || e->kind == ERROR_ABORTED || e->kind == ERROR_TOO_LARGE))
            return -1;
        if (from)
            log_warning("image %s: copying from %s: %s (%s)", im->image_id, store_id(from), e->message,
                        e->detail);
    }
    return -1;
}
