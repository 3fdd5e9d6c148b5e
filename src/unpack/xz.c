/* SPDX-License-Identifier: Apache-2.0 */
/* The .xz format by liblzma: streams may follow each other, with padding between and after them. */
#include "unpack/unpack.h"

#include <lzma.h>
#include <pthread.h>

static struct {
    __typeof__(lzma_stream_decoder) *decoder;
    __typeof__(lzma_code) *code;
    __typeof__(lzma_end) *end;
} lib;
static bool ready;

static void load(void)
{
    const struct unpack_call calls[] = {
        { "lzma_stream_decoder", (void **)&lib.decoder },
        { "lzma_code", (void **)&lib.code },
        { "lzma_end", (void **)&lib.end },
        { NULL, NULL },
    };

    ready = unpack_load("liblzma.so.5", calls);
}

static int xz_open(void *state, struct unpack_input *in UNUSED, uint64_t memory, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    if (!ready)
        return unpack_no_library(&unpack_xz, e);
    if (lib.decoder(state, memory, LZMA_CONCATENATED) != LZMA_OK)
        return error_set(e, ERROR_INTERNAL, "liblzma cannot be used.");
    return 0;
}

static int failed(lzma_ret r, struct error *e)
{
    switch (r) {
    case LZMA_MEMLIMIT_ERROR:
    case LZMA_MEM_ERROR:
        return error_set(e, ERROR_TOO_LARGE,
                         "The xz data need more memory to decompress than [glint] decompress_memory.");
    case LZMA_OPTIONS_ERROR:
        return unpack_broken(e, &unpack_xz, "they use what liblzma does not know");
    case LZMA_BUF_ERROR:
        return unpack_broken(e, &unpack_xz, "they end too early");
    default:
        return unpack_broken(e, &unpack_xz, "liblzma gives up");
    }
}

static ssize_t xz_read(void *state, struct unpack_input *in, void *buf, size_t n, struct error *e)
{
    lzma_stream *z = state;
    lzma_ret r = LZMA_OK;

    z->next_out = buf;
    z->avail_out = n;
    while (z->avail_out == n && r == LZMA_OK) {
        if (z->avail_in == 0) {
            if (unpack_fill(in, e) < 0)
                return -1;
            z->next_in = in->piece;
            z->avail_in = in->n;
        }
        r = lib.code(z, in->n == 0 ? LZMA_FINISH : LZMA_RUN);
    }
    if (r != LZMA_OK && r != LZMA_STREAM_END)
        return failed(r, e);
    return (ssize_t)(n - z->avail_out);
}

static void xz_done(void *state)
{
    if (ready)
        lib.end(state);
}

const struct unpack_driver unpack_xz = {
    .name = "xz",
    .library = "liblzma",
    .state_size = sizeof(lzma_stream),
    .open = xz_open,
    .read = xz_read,
    .done = xz_done,
};
