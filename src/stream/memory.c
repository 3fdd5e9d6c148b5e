/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stream.h"

#include <string.h>

static ssize_t memory_read(void *arg, void *buf, size_t n, struct error *e UNUSED)
{
    struct stream_memory *m = arg;

    if (n > m->len - m->at)
        n = m->len - m->at;
    if (m->piece > 0 && n > m->piece)
        n = m->piece;
    if (n == 0)
        return 0;
    memcpy(buf, (const unsigned char *)m->data + m->at, n);
    m->at += n;
    return (ssize_t)n;
}

struct stream_source stream_memory_source(struct stream_memory *m)
{
    return (struct stream_source){ .read = memory_read, .arg = m };
}
