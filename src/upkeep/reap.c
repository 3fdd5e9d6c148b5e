/* SPDX-License-Identifier: Apache-2.0 */
/* Cleaning up after uploaders that died, and after data that could not be removed when its image was.
 *
 * An abandoned upload is first taken over: its lease becomes ours in one transaction that looks again whether
 * it is abandoned. So of several reapers one goes on, and an uploader that was only slow finds its lease gone
 * before it can publish. Whether it is abandoned no clock of another host decides: see lease_over(). Trash
 * names objects of deleted images, whose ids never come back: it may be removed by several at once. */
#include "upkeep/upkeep.h"

#include <pthread.h>
#include <string.h>

#include "transfer/lease.h"
#include "transfer/object.h"
#include "transfer/remove.h"
#include "upkeep/store_proof.h"

enum {
    TRASH_ROUND = 1000,      /* rows a round looks at */
    TRASH_WAIT_SECONDS = 30, /* after the first failure; doubles */
    TRASH_DOUBLINGS = 10
};

struct reaper {
    struct db_conn *c;
    struct stores *stores;
    struct arena *arena;
    struct upkeep_counts *counts;
};

/* ---- abandoned uploads ---- */

/* What this process has seen of leases, in all rounds; under the lock. */
static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lease_watch watch = { .patience_us = LEASE_SECONDS * CLOCK_SECOND };

static bool abandoned(const struct lease *l)
{
    WITH_MUTEX(&watch_lock);

    return lease_over(&watch, l->image_id, l->holder, l->expires_us);
}

static void watch_tidy(void)
{
    WITH_MUTEX(&watch_lock);

    lease_watch_tidy(&watch);
}

static const struct lease *find(const struct lease *all, size_t n, const struct lease *wanted)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(all[i].image_id, wanted->image_id) && str_eq(all[i].holder, wanted->holder))
            return &all[i];
    return NULL;
}

struct taking {
    struct reaper *reaper;
    const struct lease *old;
    char holder[HOLDER_TEXT_MAX]; /* of the lease that is ours now */
    bool ours;
    struct object_gone gone;
};

static int take_over_run(struct db_conn *c, void *arg, struct error *e)
{
    struct taking *t = arg;
    struct lease *all, ours = *t->old;
    const struct lease *now;
    size_t n;

    t->ours = false;
    if (lease_list(c, t->reaper->arena, &all, &n, e) < 0)
        return -1;
    now = find(all, n, t->old);
    if (!now || !abandoned(now))
        return 0;
    ours.holder = t->holder;
    ours.expires_us = lease_expiry();
    if (lease_drop(c, t->old->image_id, t->old->holder, e) < 0)
        return e->kind == ERROR_CONFLICT ? 1 : -1; /* another was faster */
    if (lease_take(c, &ours, e) < 0)
        return -1;
    t->ours = true;
    return 0;
}

static int took_over(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    struct taking *t = arg;

    if (lease_held(c, t->old->image_id, t->holder, ret, e) < 0)
        return -1;
    t->ours = *ret;
    return 0;
}

/* Whether the object's store is away, so that nothing can be decided about it. */
static bool store_away(struct reaper *r, const char *store, const char *url)
{
    struct store *s = stores_for_url(r->stores, store, url);
    struct error e;

    return s && store_check(s, &e) < 0;
}

/* The object goes in the transaction that ends the lease: until then nobody puts another one there. */
static int end_run(struct db_conn *c, void *arg, struct error *e)
{
    struct taking *t = arg;
    const struct lease *l = t->old;
    enum image_status from = str_eq(l->store, STORE_STAGING) ? IMAGE_UPLOADING : IMAGE_SAVING;

    if (object_names_lock(c, e) < 0 || lease_give_back(c, l->image_id, t->holder, from, e) < 0 ||
        object_discard(c, stores_for_url(t->reaper->stores, l->store, l->url), l->url, &t->gone, e) < 0)
        return -1;
    POINT("reap.removed");
    return 0;
}

static int ended(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct taking *t = arg;

    return lease_given_back(c, t->old->image_id, t->holder, ret, e);
}

static int reap_upload(struct reaper *r, const struct lease *l, struct error *e)
{
    static const struct db_unit take = { "reap.take_over", take_over_run, took_over };
    static const struct db_unit end = { "reap.end", end_run, ended };
    struct taking t = { .reaper = r, .old = l, .gone = OBJECT_GONE_INIT };
    int failed;

    if (store_away(r, l->store, l->url))
        return 0;
    holder_make(t.holder);
    if (db_write_on(r->c, &take, &t, e) < 0)
        return -1;
    if (!t.ours)
        return 0;
    POINT("reap.taken");
    failed = db_write_on(r->c, &end, &t, e);
    object_gone_close(&t.gone);
    if (failed)
        return -1;
    r->counts->uploads++;
    r->counts->objects += t.gone.removed;
    log_info("image %s: an upload that was abandoned is undone", l->image_id);
    return 0;
}

/* ---- trash ---- */

/* Each failure doubles the wait, measured from when the row was made. */
static bool due(const struct trash *t)
{
    int64_t n = t->attempts < TRASH_DOUBLINGS ? t->attempts : TRASH_DOUBLINGS;
    int64_t wait = TRASH_WAIT_SECONDS * (((int64_t)1 << n) - 1 + (t->attempts - n) * ((int64_t)1 << n));

    return clock_now_us() >= t->created_us + wait * CLOCK_SECOND;
}

static int reap_trash(struct reaper *r, const struct trash *t, struct error *e)
{
    struct store *s = stores_for_url(r->stores, t->store, t->url);
    enum trash_end end;
    struct error ignored;

    if (!due(t) || store_away(r, t->store, t->url))
        return 0;
    if (trash_empty(r->c, s, t, &end, e) < 0) {
        if (trash_failed(r->c, t->id, &ignored) < 0)
            error_detail(e, "%s", ignored.message);
        return -1;
    }
    r->counts->objects += end == TRASH_REMOVED;
    return 0;
}

/* ---- one round ---- */

/* One thing that cannot be cleaned up does not keep the others; the first failure is told. */
static void note_failure(struct reaper *r, const char *what, const struct error *e, bool *failed,
                         struct error *first)
{
    db_rollback(r->c);
    log_warning("%s is cleaned up later: %s (%s)", what, e->message, e->detail);
    if (!*failed)
        *first = *e;
    *failed = true;
}

static void reap_staged(struct reaper *r, struct db *db, bool *failed, struct error *first)
{
    struct staging_look look = { .db = db,
                                 .dir = stores_staging_dir(r->stores),
                                 .age_us = STAGING_AGE_SECONDS * CLOCK_SECOND };
    struct error one;
    size_t n;

    r->counts->files += store_sweep(stores_staging(r->stores));
    if (staging_clean(&look, &n, &one) < 0)
        note_failure(r, look.dir, &one, failed, first);
    r->counts->files += n;
}

int upkeep_round(struct db *db, struct stores *stores, struct upkeep_counts *ret, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(16 * 1024);
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct reaper r = { .stores = stores, .arena = a, .counts = ret };
    struct lease *leases;
    struct trash *trash;
    size_t n_leases, n_trash;
    int64_t n_tasks = 0;
    bool failed = false;
    struct error one;

    *ret = (struct upkeep_counts){ 0 };
    if (db_acquire(db, DB_WAIT, &c, e) < 0 || lease_list(c, a, &leases, &n_leases, e) < 0)
        return -1;
    r.c = c;
    for (size_t i = 0; i < n_leases; i++)
        if (abandoned(&leases[i]) && reap_upload(&r, &leases[i], &one) < 0)
            note_failure(&r, leases[i].image_id, &one, &failed, e);
    watch_tidy();
    if (trash_list(c, a, TRASH_ROUND, &trash, &n_trash, e) < 0)
        return -1;
    for (size_t i = 0; i < n_trash; i++)
        if (reap_trash(&r, &trash[i], &one) < 0)
            note_failure(&r, trash[i].url, &one, &failed, e);
    if (task_expire(c, &n_tasks, &one) < 0)
        note_failure(&r, "expired tasks", &one, &failed, e);
    ret->tasks = (size_t)n_tasks;
    if (store_proofs_save(db, stores, false, &one) < 0)
        note_failure(&r, "a store that is away", &one, &failed, e);
    for (size_t i = 0; i < stores_count(stores); i++)
        ret->files += store_sweep(stores_at(stores, i));
    if (stores_staging(stores))
        reap_staged(&r, db, &failed, e);
    return failed ? -1 : 0;
}
