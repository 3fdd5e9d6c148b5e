/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/unpack.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* By their first bytes: APPNOTE.TXT 4.3.7; RFC 1952, with deflate; the .xz file format 2.1.1.1; RFC 8878. */
static const struct {
    const struct unpack_driver *driver;
    const char *magic;
    size_t n;
} formats[] = {
    { &unpack_zip, "PK\3\4", 4 },
    { &unpack_gzip, "\x1f\x8b\x08", 3 },
    { &unpack_xz,
      "\xfd"
      "7zXZ\0",
      6 },
    { &unpack_zstd, "\x28\xb5\x2f\xfd", 4 },
};

struct unpack {
    const struct unpack_driver *driver;
    struct unpack_input in;
    bool over;
    void *state;
};

const char *unpack_format(const void *head, size_t n)
{
    for (size_t i = 0; i < COUNT(formats); i++)
        if (n >= formats[i].n && memcmp(head, formats[i].magic, formats[i].n) == 0)
            return formats[i].driver->name;
    return NULL;
}

/* LHA: "-lh" after two bytes of its header. */
bool unpack_is_foreign(const void *head, size_t n)
{
    return n >= 5 && memcmp((const uint8_t *)head + 2, "-lh", 3) == 0;
}

static const struct unpack_driver *driver_find(const char *name)
{
    for (size_t i = 0; i < COUNT(formats); i++)
        if (str_eq(formats[i].driver->name, name))
            return formats[i].driver;
    return NULL;
}

int unpack_open(const char *format, int fd, uint64_t memory, struct unpack **ret, struct error *e)
{
    CLEANUP(unpack_close) struct unpack *u = NULL;
    const struct unpack_driver *d = driver_find(format);
    struct stat st;

    if (!d)
        return error_set(e, ERROR_INTERNAL, "%s data cannot be decompressed.", format);
    if (fstat(fd, &st) < 0)
        return error_errno(e, ERROR_UNAVAILABLE, errno, "The data cannot be read.");
    u = mem_new(sizeof *u);
    u->driver = d;
    u->in.fd = fd;
    u->in.end = (uint64_t)st.st_size;
    u->state = mem_new(d->state_size);
    if (d->open(u->state, &u->in, memory, e) < 0)
        return -1;
    *ret = TAKE(u);
    return 0;
}

ssize_t unpack_read(struct unpack *u, void *buf, size_t n, struct error *e)
{
    ssize_t got;

    if (u->over)
        return 0;
    got = u->driver->read(u->state, &u->in, buf, n, e);
    u->over = got <= 0;
    return got;
}

uint64_t unpack_taken(const struct unpack *u)
{
    return u->in.taken;
}

void unpack_close(struct unpack **u)
{
    if (!*u)
        return;
    (*u)->driver->done((*u)->state);
    mem_free((*u)->state);
    mem_free(*u);
    *u = NULL;
}

/* ---- for the formats ---- */

static ssize_t read_some(const struct unpack_input *in, uint64_t at, void *buf, size_t n, struct error *e)
{
    ssize_t got;

    do
        got = pread(in->fd, buf, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got < 0 ? error_errno(e, ERROR_UNAVAILABLE, errno, "The data cannot be read.") : got;
}

int unpack_fill(struct unpack_input *in, struct error *e)
{
    uint64_t left = in->end > in->at ? in->end - in->at : 0;
    size_t want = left < sizeof in->piece ? (size_t)left : sizeof in->piece;
    ssize_t got = want > 0 ? read_some(in, in->at, in->piece, want, e) : 0;

    if (got < 0)
        return -1;
    in->n = (size_t)got;
    in->at += in->n;
    in->taken += in->n;
    return 0;
}

int unpack_read_at(struct unpack_input *in, uint64_t at, void *buf, size_t n, struct error *e)
{
    uint8_t *to = buf;

    for (size_t have = 0; have < n;) {
        ssize_t got = read_some(in, at + have, to + have, n - have, e);

        if (got < 0)
            return -1;
        if (got == 0)
            return error_set(e, ERROR_MEDIA, "The compressed data end too early.");
        have += (size_t)got;
    }
    return 0;
}

bool unpack_load(const char *library, const struct unpack_call *calls)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    for (; handle && calls->name; calls++) {
        *calls->at = dlsym(handle, calls->name);
        if (!*calls->at)
            return false;
    }
    return handle != NULL;
}

int unpack_no_library(const struct unpack_driver *d, struct error *e)
{
    return error_set(e, ERROR_INTERNAL, "%s data cannot be decompressed: %s is not installed.", d->name,
                     d->library);
}

int unpack_broken(struct error *e, const struct unpack_driver *d, const char *why)
{
    return error_set(e, ERROR_MEDIA, "The %s data are broken: %s.", d->name, why);
}
