/* SPDX-License-Identifier: Apache-2.0 */
/* image_decompression: data that look compressed become what they hold, unless the image says that they are
 * meant to be compressed. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "imports/import.h"
#include "unpack/unpack.h"
#include "json/json.h"

#define GROWTH_FREE (256ull << 20) /* bytes; the ratio is not looked at below */

struct decompression {
    struct import *im;
    const char *format;
    struct unpack *unpack;
    uint64_t most, given;
};

static bool is_wanted(const struct import *im, const char *format)
{
    const struct plugin_settings *o = &im->settings->plugin;

    for (size_t i = 0; i < o->n_unpack; i++)
        if (str_eq(o->unpack[i], format))
            return true;
    return false;
}

/* *ret NULL: the data are what they are. */
static int format_of(const struct import *im, int fd, const char **ret, struct error *e)
{
    uint8_t head[UNPACK_HEAD];
    ssize_t n = pread(fd, head, sizeof head, 0);

    if (n < 0)
        return error_errno(e, ERROR_UNAVAILABLE, errno, "The staged data cannot be read.");
    *ret = unpack_format(head, (size_t)n);
    if (!*ret && unpack_is_foreign(head, (size_t)n))
        return error_set(e, ERROR_MEDIA, "lha data cannot be decompressed.");
    if (*ret && !is_wanted(im, *ret))
        *ret = NULL;
    return 0;
}

/* ---- the bytes ---- */

static ssize_t plain_read(void *arg, void *buf, size_t n, struct error *e)
{
    struct decompression *d = arg;
    ssize_t got = unpack_read(d->unpack, buf, n, e);

    if (got > 0)
        d->given += (uint64_t)got;
    if (got > 0 && d->given > d->most)
        return error_set(e, ERROR_TOO_LARGE,
                         "The %s data grow to more than %" PRIu64 " bytes, which [glint] decompress_ratio "
                         "forbids.",
                         d->format, d->most);
    return got;
}

static int decompress_progress(void *arg, uint64_t bytes, struct error *e)
{
    struct decompression *d = arg;
    char message[64];

    snprintf(message, sizeof message, "Decompressed %" PRIu64 " MiB", bytes >> 20);
    return import_progress(d->im, message, e);
}

static int decompress(struct decompression *d, struct error *e)
{
    CLEANUP(staging_abort) struct staging_file *file = NULL;
    const struct stream_source source = { plain_read, d };
    struct stream_sink sinks[STAGING_SINKS];
    uint64_t at, bytes;
    size_t n;

    if (staging_begin(&d->im->staging, ".new", false, &file, &at, e) < 0)
        return -1;
    n = staging_sinks(file, sinks);
    if (stream_pump(&source, sinks, n, decompress_progress, d, &bytes, e) < 0)
        return -1;
    log_debug("image %s: %s data became %" PRIu64 " bytes", d->im->image_id, d->format, bytes);
    POINT("unpack.made");
    return staging_commit(&file, e);
}

static uint64_t most_bytes(const struct import *im, uint64_t size)
{
    uint64_t ratio = im->settings->plugin.unpack_ratio;

    if (ratio == 0 || size > UINT64_MAX / ratio)
        return UINT64_MAX;
    return size * ratio > GROWTH_FREE ? size * ratio : GROWTH_FREE;
}

/* ---- the step ---- */

static int run(struct import *im, struct error *e)
{
    CLEANUP(unpack_close) struct unpack *unpack = NULL;
    CLEANUP(fd_close) int fd = -1;
    struct decompression d = { .im = im };
    struct staged *staged;

    if (str_eq(im->image->container_format, "compressed"))
        return 0;
    if (staging_open(&im->staging, &fd, &staged, e) < 0 || format_of(im, fd, &d.format, e) < 0)
        return -1;
    if (!d.format)
        return 0;
    if (unpack_open(d.format, fd, im->settings->plugin.unpack_memory, &unpack, e) < 0)
        return -1;
    d.unpack = unpack;
    d.most = most_bytes(im, (uint64_t)staged->size);
    return decompress(&d, e);
}

const struct import_plugin plugin_decompress = { .name = "image_decompression", .run = run };
