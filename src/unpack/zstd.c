/* SPDX-License-Identifier: Apache-2.0 */
/* Zstandard (RFC 8878) by libzstd: frames may follow each other. */
#include "unpack/unpack.h"

#include <pthread.h>
#include <zstd.h>

static struct {
    __typeof__(ZSTD_createDCtx) *create;
    __typeof__(ZSTD_freeDCtx) *free;
    __typeof__(ZSTD_DCtx_setParameter) *set;
    __typeof__(ZSTD_decompressStream) *decompress;
    __typeof__(ZSTD_isError) *is_error;
    __typeof__(ZSTD_getErrorName) *error_name;
    __typeof__(ZSTD_dParam_getBounds) *bounds;
} lib;
static bool ready;

struct zstd {
    ZSTD_DCtx *z;
    ZSTD_inBuffer in;
    size_t wants; /* 0: between two frames */
};

static void load(void)
{
    const struct unpack_call calls[] = {
        { "ZSTD_createDCtx", (void **)&lib.create },
        { "ZSTD_freeDCtx", (void **)&lib.free },
        { "ZSTD_DCtx_setParameter", (void **)&lib.set },
        { "ZSTD_decompressStream", (void **)&lib.decompress },
        { "ZSTD_isError", (void **)&lib.is_error },
        { "ZSTD_getErrorName", (void **)&lib.error_name },
        { "ZSTD_dParam_getBounds", (void **)&lib.bounds },
        { NULL, NULL },
    };

    ready = unpack_load("libzstd.so.1", calls);
}

/* The largest window whose memory, which is little more than the window, is allowed. */
static int window_log(uint64_t memory)
{
    const ZSTD_bounds most = lib.bounds(ZSTD_d_windowLogMax);
    int log = most.lowerBound;

    while (log < most.upperBound && 1ull << (log + 1) <= memory)
        log++;
    return log;
}

static int zstd_open(void *state, struct unpack_input *in UNUSED, uint64_t memory, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct zstd *s = state;

    pthread_once(&once, load);
    if (!ready)
        return unpack_no_library(&unpack_zstd, e);
    s->z = lib.create();
    if (!s->z || lib.is_error(lib.set(s->z, ZSTD_d_windowLogMax, window_log(memory))))
        return error_set(e, ERROR_INTERNAL, "libzstd cannot be used.");
    return 0;
}

static int failed(size_t code, struct error *e)
{
    enum { TOO_LARGE = 16 /* ZSTD_error_frameParameter_windowTooLarge, zstd_errors.h */ };

    if ((size_t)0 - code == TOO_LARGE)
        return error_set(e, ERROR_TOO_LARGE,
                         "The zstd data need more memory to decompress than [glint] decompress_memory.");
    return unpack_broken(e, &unpack_zstd, lib.error_name(code));
}

static ssize_t zstd_read(void *state, struct unpack_input *in, void *buf, size_t n, struct error *e)
{
    struct zstd *s = state;
    ZSTD_outBuffer out = { .dst = buf, .size = n };

    while (out.pos == 0) {
        bool end;

        if (s->in.pos == s->in.size) {
            if (unpack_fill(in, e) < 0)
                return -1;
            s->in = (ZSTD_inBuffer){ .src = in->piece, .size = in->n };
        }
        end = s->in.size == 0;
        if (end && s->wants == 0)
            return 0;
        s->wants = lib.decompress(s->z, &out, &s->in);
        if (lib.is_error(s->wants))
            return failed(s->wants, e);
        if (end && out.pos == 0 && s->wants > 0)
            return unpack_broken(e, &unpack_zstd, "they end too early");
    }
    return (ssize_t)out.pos;
}

static void zstd_done(void *state)
{
    struct zstd *s = state;

    if (s->z)
        lib.free(s->z);
}

const struct unpack_driver unpack_zstd = {
    .name = "zstd",
    .library = "libzstd",
    .state_size = sizeof(struct zstd),
    .open = zstd_open,
    .read = zstd_read,
    .done = zstd_done,
};
