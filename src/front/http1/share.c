/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a pool each holder has: a table of the holders that have or wait for a place. */
#include "front/http1/http1_private.h"

static struct share **bucket(struct shares *s, uint64_t key)
{
    return &s->buckets[(key ^ key >> 32) % SHARES_BUCKETS];
}

struct share *share_of(struct shares *s, uint64_t key)
{
    struct share **at = bucket(s, key), *found = *at;

    while (found && found->key != key)
        found = found->same;
    if (found)
        return found;
    found = mem_new(sizeof *found);
    *found = (struct share){ .key = key, .same = *at };
    *at = found;
    return found;
}

bool share_take(struct shares *s, struct share *who, unsigned n, unsigned max)
{
    if (n == 0)
        return true;
    if (who->held + n <= who->held || s->taken + n <= s->taken ||
        !share_allows(who->held + n - 1, s->taken + n - 1, max, s->percent))
        return false;
    who->held += n;
    s->taken += n;
    return true;
}

void share_leave(struct shares *s, struct share *who, unsigned n)
{
    who->held -= n;
    s->taken -= n;
    share_tidy(s, who);
}

void share_tidy(struct shares *s, struct share *who)
{
    struct share **at = bucket(s, who->key);

    if (who->held > 0 || who->first)
        return;
    while (*at != who)
        at = &(*at)->same;
    *at = who->same;
    mem_free(who);
}
