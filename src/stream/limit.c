/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stream.h"

static int limit_write(void *arg, const void *buf UNUSED, size_t n, struct error *e)
{
    struct stream_limit *l = arg;

    if (n > l->max - l->seen)
        return error_set(e, ERROR_TOO_LARGE, "%s", l->message);
    l->seen += n;
    return 0;
}

struct stream_sink stream_limit_sink(struct stream_limit *l)
{
    return (struct stream_sink){ .write = limit_write, .arg = l };
}
