/* SPDX-License-Identifier: Apache-2.0 */
/* gzip (RFC 1952) by zlib, and the deflate data of zip. Members may follow each other, with zeros after the
 * last; anything else after a member is an error, as for Python's gzip. */
#include "unpack/deflate.h"

#include <pthread.h>
#include <string.h>

static struct zlib lib;
static bool ready;

static void load(void)
{
    const struct unpack_call calls[] = {
        { "inflateInit2_", (void **)&lib.init2 }, { "inflate", (void **)&lib.inflate },
        { "inflateReset", (void **)&lib.reset },  { "inflateEnd", (void **)&lib.end },
        { "crc32_z", (void **)&lib.crc32 },       { NULL, NULL },
    };

    ready = unpack_load("libz.so.1", calls);
}

const struct zlib *unpack_zlib(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return ready ? &lib : NULL;
}

struct gzip {
    z_stream z;
    bool begun;  /* z has to be ended */
    bool inside; /* a member has begun */
};

enum { GZIP_WINDOW = 15 + 16 /* zlib: the largest window, and gzip's header and trailer */ };

static int gzip_open(void *state, struct unpack_input *in UNUSED, uint64_t memory UNUSED, struct error *e)
{
    struct gzip *g = state;

    if (!unpack_zlib())
        return unpack_no_library(&unpack_gzip, e);
    if (lib.init2(&g->z, GZIP_WINDOW, ZLIB_VERSION, (int)sizeof g->z) != Z_OK)
        return error_set(e, ERROR_INTERNAL, "zlib cannot be used.");
    g->begun = true;
    return 0;
}

static int more(struct gzip *g, struct unpack_input *in, struct error *e)
{
    if (g->z.avail_in > 0)
        return 0;
    if (unpack_fill(in, e) < 0)
        return -1;
    g->z.next_in = in->piece;
    g->z.avail_in = (uInt)in->n;
    return 0;
}

/* Passes the zeros between members; *ret_begins: another one begins. */
static int next_member(struct gzip *g, struct unpack_input *in, bool *ret_begins, struct error *e)
{
    bool first = in->taken == 0;

    for (;;) {
        if (more(g, in, e) < 0)
            return -1;
        *ret_begins = g->z.avail_in > 0 && (*g->z.next_in != 0 || first);
        if (g->z.avail_in == 0 || *ret_begins)
            return 0;
        g->z.next_in++;
        g->z.avail_in--;
    }
}

static int inflate_some(struct gzip *g, struct unpack_input *in, struct error *e)
{
    if (more(g, in, e) < 0)
        return -1;
    if (g->z.avail_in == 0)
        return unpack_broken(e, &unpack_gzip, "they end too early");
    switch (lib.inflate(&g->z, Z_NO_FLUSH)) {
    case Z_OK:
    case Z_BUF_ERROR: /* it takes more input to go on */
        return 0;
    case Z_STREAM_END:
        g->inside = false;
        return lib.reset(&g->z) == Z_OK ? 0 : unpack_broken(e, &unpack_gzip, "zlib gives up");
    default:
        return unpack_broken(e, &unpack_gzip, g->z.msg ? g->z.msg : "zlib gives up");
    }
}

static ssize_t gzip_read(void *state, struct unpack_input *in, void *buf, size_t n, struct error *e)
{
    struct gzip *g = state;

    n = n < UNPACK_ONCE ? n : UNPACK_ONCE;
    g->z.next_out = buf;
    g->z.avail_out = (uInt)n;
    while (g->z.avail_out == n) {
        if (!g->inside && next_member(g, in, &g->inside, e) < 0)
            return -1;
        if (!g->inside)
            return 0;
        if (inflate_some(g, in, e) < 0)
            return -1;
    }
    return (ssize_t)(n - g->z.avail_out);
}

static void gzip_done(void *state)
{
    struct gzip *g = state;

    if (g->begun)
        lib.end(&g->z);
}

const struct unpack_driver unpack_gzip = {
    .name = "gzip",
    .library = "zlib",
    .state_size = sizeof(struct gzip),
    .open = gzip_open,
    .read = gzip_read,
    .done = gzip_done,
};
