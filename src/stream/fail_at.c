/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stream.h"

static ssize_t fail_at_read(void *arg, void *buf, size_t n, struct error *e)
{
    struct stream_fail_at *f = arg;
    ssize_t got;

    if (f->seen >= f->at)
        return error_set(e, f->kind, "The source failed after %llu bytes.", (unsigned long long)f->seen);
    if (n > f->at - f->seen)
        n = (size_t)(f->at - f->seen);
    got = f->source.read(f->source.arg, buf, n, e);
    if (got > 0)
        f->seen += (uint64_t)got;
    return got;
}

struct stream_source stream_fail_at_source(struct stream_fail_at *f)
{
    return (struct stream_source){ .read = fail_at_read, .arg = f };
}
