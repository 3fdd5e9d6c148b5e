/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/lease.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Unique within the process, which lease_holder() tells from every other. */
void holder_make(char out[HOLDER_TEXT_MAX])
{
    static _Atomic unsigned long count;

    snprintf(out, HOLDER_TEXT_MAX, "%s#%lx", lease_holder(), atomic_fetch_add(&count, 1));
}

bool holder_dead(const char *holder)
{
    char process[HOLDER_TEXT_MAX];

    str_copy(process, sizeof process, holder);
    process[strcspn(process, "#")] = '\0';
    return lease_holder_dead(process);
}

int64_t lease_expiry(void)
{
    return clock_now_us() + LEASE_SECONDS * CLOCK_SECOND;
}

int lease_give_back(struct db_conn *c, const char *image_id, const char *holder, enum image_status from,
                    struct error *e)
{
    if (lease_drop(c, image_id, holder, e) < 0)
        return -1;
    if (image_status_set(c, image_id, from, IMAGE_QUEUED, e) < 0 && e->kind != ERROR_CONFLICT &&
        e->kind != ERROR_NOT_FOUND)
        return -1;
    return 0;
}

int lease_given_back(struct db_conn *c, const char *image_id, const char *holder, bool *ret, struct error *e)
{
    bool held;

    if (lease_held(c, image_id, holder, &held, e) < 0)
        return -1;
    *ret = !held;
    return 0;
}

/* ---- watching ---- */

struct lease_seen {
    char *id, *holder;
    int64_t expires_us, since_us; /* since: monotonic */
    bool asked;
};

static struct lease_seen *seen_find(struct lease_watch *w, const char *id)
{
    for (size_t i = 0; i < w->n; i++)
        if (str_eq(w->items[i].id, id))
            return &w->items[i];
    return NULL;
}

static struct lease_seen *seen_add(struct lease_watch *w, const char *id)
{
    if (w->n == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 16;
        w->items = mem_resize(w->items, w->cap * sizeof *w->items);
    }
    w->items[w->n] = (struct lease_seen){ .id = mem_str(id) };
    return &w->items[w->n++];
}

bool lease_over(struct lease_watch *w, const char *id, const char *holder, int64_t expires_us)
{
    struct lease_seen *s = seen_find(w, id);

    if (!s)
        s = seen_add(w, id);
    s->asked = true;
    if (!str_eq(s->holder, holder) || s->expires_us != expires_us) {
        mem_free(s->holder);
        s->holder = mem_str(holder);
        s->expires_us = expires_us;
        s->since_us = clock_mono_us();
    }
    return expires_us == 0 || clock_mono_us() - s->since_us >= w->patience_us || holder_dead(holder);
}

static void seen_done(struct lease_seen *s)
{
    mem_free(s->id);
    mem_free(s->holder);
}

void lease_watch_tidy(struct lease_watch *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->n; i++) {
        if (w->items[i].asked)
            w->items[kept++] = w->items[i];
        else
            seen_done(&w->items[i]);
    }
    w->n = kept;
    for (size_t i = 0; i < w->n; i++)
        w->items[i].asked = false;
}

void lease_watch_done(struct lease_watch *w)
{
    for (size_t i = 0; i < w->n; i++)
        seen_done(&w->items[i]);
    mem_free(w->items);
    *w = (struct lease_watch){ 0 };
}
