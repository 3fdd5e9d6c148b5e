/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/format.h"

#include <string.h>

void window_open(struct window *w, uint64_t at, size_t want)
{
    w->at = at;
    w->want = want;
    w->have = 0;
    /* A stretch that would end beyond the largest offset can never be seen. */
    w->missed = at > UINT64_MAX - want;
    w->bytes = mem_new(want);
}

void window_feed(struct window *w, uint64_t at, const uint8_t *bytes, size_t n)
{
    uint64_t next = w->at + w->have;
    size_t take;

    if (!w->bytes || w->missed || w->have == w->want || at + n <= next)
        return;
    if (at > next) {
        w->missed = true;
        return;
    }
    bytes += next - at;
    n -= (size_t)(next - at);
    take = w->want - w->have < n ? w->want - w->have : n;
    memcpy(w->bytes + w->have, bytes, take);
    w->have += take;
}

bool window_full(const struct window *w)
{
    return w->bytes && w->have == w->want;
}

uint64_t window_wants(const struct window *w)
{
    return w->missed || w->have == w->want ? ENOUGH : w->at + w->have;
}

void window_close(struct window *w)
{
    mem_free(w->bytes);
    *w = (struct window){ 0 };
}
