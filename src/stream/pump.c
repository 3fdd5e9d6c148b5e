/* SPDX-License-Identifier: Apache-2.0 */
/* The only copy loop of image bytes. With a sink that goes on reading after write() the buffers form a ring,
 * so that the next one fills meanwhile; otherwise one buffer is enough. */
#include "stream/stream.h"

#include <errno.h>
#include <sys/mman.h>

enum { RING = 3 };

struct pump {
    const struct stream_source *source;
    const struct stream_sink *sinks;
    size_t n_sinks;
    int (*progress)(void *arg, uint64_t bytes, struct error *e);
    void *progress_arg;
    void *ring[RING];
    uint64_t read;
};

static void settle(const struct pump *p, const void *buf)
{
    for (size_t i = 0; i < p->n_sinks; i++)
        if (p->sinks[i].settle)
            p->sinks[i].settle(p->sinks[i].arg, buf);
}

static void pump_done(struct pump *p)
{
    for (size_t i = 0; i < RING; i++) {
        if (!p->ring[i])
            continue;
        settle(p, p->ring[i]);
        munmap(p->ring[i], STREAM_BUFFER);
    }
}

static size_t ring_size(const struct pump *p)
{
    for (size_t i = 0; i < p->n_sinks; i++)
        if (p->sinks[i].settle)
            return RING;
    return 1;
}

/* The buffer to fill next: made at first use (mapped, so that an idle process gives the memory back). */
static unsigned char *ring_next(struct pump *p, size_t at, struct error *e)
{
    if (p->ring[at]) {
        settle(p, p->ring[at]);
    } else {
        void *buf = mmap(NULL, STREAM_BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (buf == MAP_FAILED) {
            error_errno(e, ERROR_UNAVAILABLE, errno, "The service has no memory for this transfer.");
            return NULL;
        }
        p->ring[at] = buf;
    }
    return p->ring[at];
}

/* Less than a whole buffer means that the source ended. */
static ssize_t fill(struct pump *p, unsigned char *buf, struct error *e)
{
    size_t n = 0;

    while (n < STREAM_BUFFER) {
        ssize_t got = p->source->read(p->source->arg, buf + n, STREAM_BUFFER - n, e);

        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
        p->read += (uint64_t)got;
        if (p->progress && p->progress(p->progress_arg, p->read, e) < 0)
            return -1;
    }
    return (ssize_t)n;
}

int stream_pump(const struct stream_source *source, const struct stream_sink *sinks, size_t n_sinks,
                int (*progress)(void *arg, uint64_t bytes, struct error *e), void *progress_arg,
                uint64_t *ret_bytes, struct error *e)
{
    CLEANUP(pump_done)
    struct pump p = { .source = source,
                      .sinks = sinks,
                      .n_sinks = n_sinks,
                      .progress = progress,
                      .progress_arg = progress_arg };
    size_t ring = ring_size(&p);
    ssize_t n = STREAM_BUFFER;

    for (size_t at = 0; n == STREAM_BUFFER; at = (at + 1) % ring) {
        unsigned char *buf = ring_next(&p, at, e);

        if (!buf)
            return -1;
        n = fill(&p, buf, e);
        if (n < 0)
            return -1;
        for (size_t i = 0; n > 0 && i < n_sinks; i++)
            if (sinks[i].write(sinks[i].arg, buf, (size_t)n, e) < 0)
                return -1;
    }
    *ret_bytes = p.read;
    return 0;
}
