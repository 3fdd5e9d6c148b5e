/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for jobs and taking them; what a job's row says and who may change it is in model.h.
 *
 * One thread looks and gives each job to a thread of its own. A job whose holder is dead, or whose lease is
 * over, is taken as a waiting one is. Killed anywhere: the row says `running` under a dead holder, and the
 * next look, of whichever worker, goes on from its step.
 *
 * Whoever accepts work only writes a row: all of them, servers, modules of web servers and other hosts, are
 * heard in the same way, by asking every few milliseconds whether anybody wrote into the database. */
#include "jobs/kind.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    PICKS = 64,               /* jobs that are taken in one go */
    LOOK_SECONDS = 1,         /* at most, between two looks: what becomes due by itself */
    LOOK_SHARE = 20,          /* of the time one part at most goes into looks that find nothing */
    POISON_SECONDS = 300,     /* between two tries of what kills also those that would undo it */
    KEPT_SECONDS = 48 * 3600, /* what ended is remembered for so long */
    PRUNE_SECONDS = 600,
    TALLY_SECONDS = 5,
    FORGET_SECONDS = 1, /* between two tries to empty the database's log */
    PACE_SECONDS = 1,   /* over which it is judged how fast a job fetches */
};

struct slot {
    struct job_run run;
    pthread_t thread;
    bool used;
    bool paced; /* it ran when paces were judged last */
    bool slow;  /* it waits for another server, and is not one of at_once */
    uint64_t fetched;
    int wake;
    _Atomic bool over;
};

struct jobs {
    struct jobs_options o;
    _Atomic bool stop;
    struct slot *slots;
    size_t n_slots; /* the slow ones' too */
    size_t at_once;
    int wake; /* eventfd: a job ended */
    struct db_conn *conn;
    bool changed; /* jobs_wait() saw that others wrote */
    struct lease_watch leases;
    bool forget; /* a token was deleted, here or by who died, and may still be in the database's log */
    int64_t look_us, forget_us, rest_us, tally_us, prune_us, paced_us; /* when it is time again, monotonic */
};

const struct job_kind *job_kind_find(const struct job_kinds *kinds, const char *name)
{
    for (size_t i = 0; i < kinds->n; i++)
        if (str_eq(kinds->items[i]->name, name))
            return kinds->items[i];
    return NULL;
}

int job_again(const struct job_kinds *kinds, struct db_conn *c, struct arena *a, const char *id,
              const char **ret_id, struct error *e)
{
    const struct job_kind *kind;
    struct job *j;

    if (job_load(c, a, id, &j, e) < 0)
        return -1;
    if (j->state != JOB_FAILED)
        return error_set(e, ERROR_CONFLICT, "Job %s is %s, not failed", id, job_state_name(j->state));
    kind = job_kind_find(kinds, j->kind);
    if (!kind || !kind->again)
        return error_set(e, ERROR_CONFLICT, "Jobs of kind %s are not done again", j->kind);
    return kind->again(c, a, j, ret_id, e);
}

/* ---- slots ---- */

static void *job_thread(void *arg)
{
    struct slot *s = arg;
    uint64_t one = 1;

    job_run_all(&s->run);
    atomic_store(&s->over, true);
    while (write(s->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

static void slot_drop(struct slot *s)
{
    arena_free(s->run.arena);
    s->used = false;
    s->slow = false;
}

static const char *owner_of(const struct job *j)
{
    return j->owner ? j->owner : "";
}

static void slot_end(struct slot *s)
{
    pthread_join(s->thread, NULL);
    slot_drop(s);
}

static struct slot *slot_free(struct jobs *all)
{
    for (size_t i = 0; i < all->n_slots; i++)
        if (!all->slots[i].used)
            return &all->slots[i];
    return NULL;
}

static struct slot *slot_of(struct jobs *all, const struct job *j)
{
    for (size_t i = 0; i < all->n_slots; i++)
        if (all->slots[i].used && str_eq(all->slots[i].run.holder, j->holder))
            return &all->slots[i];
    return NULL;
}

/* Its notes had the caller's token. */
static bool had_token(const struct job *j)
{
    return str_eq(j->method, "glance-download");
}

static bool end_those_over(struct jobs *all)
{
    bool any = false;

    for (size_t i = 0; i < all->n_slots; i++)
        if (all->slots[i].used && atomic_load(&all->slots[i].over)) {
            all->forget = all->forget || had_token(all->slots[i].run.job);
            slot_end(&all->slots[i]);
            any = true;
        }
    return any;
}

/* ---- who is slow ---- */

static void slot_judge(struct slot *s, int64_t us)
{
    uint64_t now = atomic_load(&s->run.fetched);
    uint64_t came = now > s->fetched ? now - s->fetched : 0;

    s->slow = atomic_load(&s->run.fetching) && came < (uint64_t)us * JOB_SLOW_RATE / CLOCK_SECOND;
    s->fetched = now;
}

static bool judge_pace(struct jobs *all)
{
    int64_t now = clock_mono_us(), us = now - all->paced_us;
    bool any = false;

    if (us < PACE_SECONDS * CLOCK_SECOND)
        return false;
    all->paced_us = now;
    for (size_t i = 0; i < all->n_slots; i++) {
        struct slot *s = &all->slots[i];
        bool was = s->slow;

        if (!s->used)
            continue;
        if (s->paced)
            slot_judge(s, us);
        s->paced = true;
        any |= s->slow && !was;
    }
    return any;
}

/* How many of all slots, or of those at full pace, are taken; of one project's jobs, or of all. */
static unsigned slots_taken(const struct jobs *all, bool slow_too, const char *owner)
{
    unsigned n = 0;

    for (size_t i = 0; i < all->n_slots; i++) {
        const struct slot *s = &all->slots[i];

        n += s->used && (slow_too || !s->slow) && (!owner || str_eq(owner_of(s->run.job), owner));
    }
    return n;
}

/* ---- what may be taken ---- */

static const char *place(const struct jobs *all)
{
    return all->o.place ? all->o.place : "";
}

/* Whether a comma-joined list has this item of n bytes. */
static bool list_has(const char *list, const char *item, size_t n)
{
    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && strncmp(p, item, n) == 0)
            return true;
    return false;
}

/* One round: what is seen of what may be taken. */
struct look {
    struct jobs *all;
    struct arena *arena;
    struct job picks[PICKS];
    size_t n, room;
};

static int64_t writers_of(const struct look *k, const char *store, size_t n)
{
    const struct jobs *all = k->all;
    int64_t count = 0;

    for (size_t i = 0; i < all->n_slots; i++)
        count +=
            all->slots[i].used && !all->slots[i].slow && list_has(all->slots[i].run.job->stores, store, n);
    for (size_t i = 0; i < k->n; i++)
        count += list_has(k->picks[i].stores, store, n);
    return count;
}

static bool stores_free(const struct look *k, const struct job *j)
{
    if (k->all->o.per_store <= 0)
        return true;
    for (const char *p = j->stores; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (writers_of(k, p, strcspn(p, ",")) >= k->all->o.per_store)
            return false;
    return true;
}

/* Whether the job's project may have one more slot, among those at full pace and among all. */
static bool owner_fits(const struct look *k, const struct job *j)
{
    const struct jobs *all = k->all;
    const char *owner = owner_of(j);
    unsigned percent = all->o.share > 0 ? (unsigned)all->o.share : 100, picked = 0;

    for (size_t i = 0; i < k->n; i++)
        picked += str_eq(owner_of(&k->picks[i]), owner);
    return share_allows(slots_taken(all, false, owner) + picked,
                        slots_taken(all, false, NULL) + (unsigned)k->n, (unsigned)all->at_once, percent) &&
           share_allows(slots_taken(all, true, owner) + picked, slots_taken(all, true, NULL) + (unsigned)k->n,
                        (unsigned)all->n_slots, all->n_slots > all->at_once ? percent / 2 + 1 : percent);
}

/* A job that no process runs any more. One that also kills the processes that undo it is left alone for a
 * while. */
static bool orphaned(struct jobs *all, const struct job *j)
{
    int64_t age = clock_now_us() - j->updated_us;

    if (!lease_over(&all->leases, j->id, j->holder, j->expires_us))
        return false;
    if (j->place && !str_eq(j->place, place(all)))
        return false;
    return j->takeovers <= TAKEOVERS_MAX || age < 0 || age > POISON_SECONDS * CLOCK_SECOND;
}

static int look_at_running(struct look *k, struct error *e)
{
    struct job *list;
    size_t n;

    if (job_running(k->all->conn, k->arena, &list, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct slot *ours = slot_of(k->all, &list[i]);

        if (ours && (list[i].giving_up || list[i].image_gone))
            atomic_store(&ours->run.condemned, true);
        if (ours) /* also one that is stuck: it would only get stuck once more */
            continue;
        if (job_kind_find(&k->all->o.kinds, list[i].kind) && orphaned(k->all, &list[i]) && k->n < k->room &&
            owner_fits(k, &list[i]))
            k->picks[k->n++] = list[i];
    }
    lease_watch_tidy(&k->all->leases);
    return 0;
}

static bool pick(void *arg, const struct job *j)
{
    struct look *k = arg;

    if (stores_free(k, j) && owner_fits(k, j))
        k->picks[k->n++] = *j;
    return k->n < k->room;
}

static size_t room(const struct jobs *all)
{
    size_t paced = slots_taken(all, false, NULL), used = slots_taken(all, true, NULL);
    size_t n = paced < all->at_once ? all->at_once - paced : 0;

    if (n > all->n_slots - used)
        n = all->n_slots - used;
    return n < PICKS ? n : PICKS;
}

static int look(struct look *k, struct error *e)
{
    const struct job_kinds *kinds = &k->all->o.kinds;
    struct job_wanted wanted = { .place = place(k->all) };

    for (size_t i = 0; i < kinds->n; i++)
        wanted.kinds[i] = kinds->items[i]->name;
    k->room = room(k->all);
    if (look_at_running(k, e) < 0)
        return -1;
    return k->n < k->room ? job_waiting(k->all->conn, k->arena, &wanted, pick, k, e) : 0;
}

/* ---- taking ---- */

static int take(struct jobs *all, struct slot *s, const struct job *seen, struct error *e)
{
    struct job_run *r = &s->run;

    memset(s, 0, sizeof *s);
    holder_make(r->holder);
    if (job_take(all->conn, seen, r->holder, lease_expiry(), e) < 0)
        return -1;
    r->o = &all->o;
    r->stop = &all->stop;
    r->arena = arena_make(16 * 1024);
    r->renewed_us = clock_mono_us();
    r->doubted = seen->state == JOB_RUNNING && !holder_dead(seen->holder);
    s->wake = all->wake;
    s->used = true;
    return job_load(all->conn, r->arena, seen->id, &r->job, e);
}

struct taking {
    const struct look *look;
    struct slot *taken[PICKS];
    size_t n;
};

static void taken_drop(struct taking *t)
{
    while (t->n > 0)
        slot_drop(t->taken[--t->n]);
}

static int take_all(struct db_conn *c UNUSED, void *arg, struct error *e)
{
    struct taking *t = arg;
    const struct look *k = t->look;

    taken_drop(t);
    for (size_t i = 0; i < k->n; i++) {
        struct slot *s = slot_free(k->all);
        int result = take(k->all, s, &k->picks[i], e);

        if (s->used)
            t->taken[t->n++] = s;
        if (result == 0)
            continue;
        if (e->kind != ERROR_GONE)
            return -1;
        k->all->look_us = 0; /* another was faster: what is left? */
    }
    return 0;
}

/* All or none of them: each holder is one of our own. */
static int took_all(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct taking *t = arg;

    *ret = true;
    return t->n > 0 ? job_held(c, t->taken[0]->run.job->id, t->taken[0]->run.holder, ret, e) : 0;
}

static int start(struct jobs *all, struct slot *s, struct error *e)
{
    const struct job *j = s->run.job;
    struct error ignored;
    int failed;

    if (j->takeovers > 0)
        job_tally(j, "taken_over");
    failed = thread_start(&s->thread, "job", JOB_STACK, job_thread, s);
    if (!failed)
        return 0;
    error_errno(e, ERROR_UNAVAILABLE, failed, "A job's thread cannot be started.");
    if (job_put_back(all->conn, j->id, s->run.holder, j->attempt, clock_now_us() + CLOCK_SECOND, j->message,
                     &ignored) < 0)
        error_detail(e, "%s", ignored.message);
    slot_drop(s);
    return -1;
}

static int take_picks(struct look *k, struct error *e)
{
    static const struct db_unit unit = { "jobs.take", take_all, took_all };
    struct taking t = { .look = k };
    int result = 0;

    if (db_write_on(k->all->conn, &unit, &t, e) < 0) {
        taken_drop(&t);
        return -1;
    }
    for (size_t i = 0; i < t.n; i++)
        if (start(k->all, t.taken[i], e) < 0)
            result = -1;
    return result;
}

/* Bounds the time spent polling jobs that cannot start. */
static int take_due(struct jobs *all, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    struct look k = { .all = all, .arena = a };
    int64_t began = clock_mono_us();

    if (look(&k, e) < 0)
        return -1;
    if (k.n > 0)
        return take_picks(&k, e);
    all->rest_us = clock_mono_us() + LOOK_SHARE * (clock_mono_us() - began);
    return 0;
}

/* ---- all of them ---- */

struct jobs *jobs_start(const struct jobs_options *o)
{
    struct jobs *all = mem_new(sizeof *all);

    assert(o->kinds.n <= JOB_KINDS_MAX); /* the statement that looks for them has room for so many */
    all->o = *o;
    all->at_once = (size_t)(o->at_once > 0 ? o->at_once : JOBS_AT_ONCE);
    all->n_slots = all->at_once + (size_t)(o->slow_max > 0 ? o->slow_max : 0);
    all->slots = mem_new(all->n_slots * sizeof *all->slots);
    all->leases.patience_us = o->patience_us > 0 ? o->patience_us : LEASE_SECONDS * CLOCK_SECOND;
    all->forget = true;
    all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return all;
}

void jobs_wait(struct jobs *all, struct pollfd *fds, size_t n)
{
    struct pollfd own[JOBS_FDS_MAX + 1];
    bool changed = false;
    struct error e;

    assert(n <= JOBS_FDS_MAX);
    for (size_t i = 0; i < n; i++)
        own[i] = fds[i];
    own[n] = (struct pollfd){ .fd = all->wake, .events = POLLIN };
    if (!all->conn)
        poll(own, n + 1, JOBS_POLL_MS);
    else if (db_wait(all->conn, own, n + 1, JOBS_POLL_MS, &changed, &e) < 0)
        db_release(&all->conn); /* the next look tells why it cannot have another */
    all->changed |= changed;
    for (size_t i = 0; i < n; i++)
        fds[i].revents = own[i].revents;
}

static bool due(int64_t *at_us, int64_t seconds)
{
    if (clock_mono_us() < *at_us)
        return false;
    *at_us = clock_mono_us() + seconds * CLOCK_SECOND;
    return true;
}

static int look_when_needed(struct jobs *all, bool ended, struct error *e)
{
    bool changed;

    if (!all->conn && db_acquire(all->o.db, DB_WAIT, &all->conn, e) < 0)
        return -1;
    if (all->forget && due(&all->forget_us, FORGET_SECONDS))
        all->forget = db_forget(all->conn, e) < 0;
    if (db_wait(all->conn, NULL, 0, 0, &changed, e) < 0)
        return -1;
    if (changed || all->changed)
        all->look_us = 0;
    all->changed = false;
    if (!ended && clock_mono_us() < (all->look_us > all->rest_us ? all->look_us : all->rest_us))
        return 0;
    all->look_us = clock_mono_us() + LOOK_SECONDS * CLOCK_SECOND;
    if (take_due(all, e) < 0 || (due(&all->tally_us, TALLY_SECONDS) && job_tallies_save(all->conn, e) < 0))
        return -1;
    if (!due(&all->prune_us, PRUNE_SECONDS))
        return 0;
    return job_prune(all->conn, clock_now_us() - KEPT_SECONDS * CLOCK_SECOND, e);
}

int jobs_poll(struct jobs *all, struct error *e)
{
    uint64_t count;
    bool ended;

    while (read(all->wake, &count, sizeof count) < 0 && errno == EINTR)
        ;
    ended = end_those_over(all);
    ended |= judge_pace(all);
    if (look_when_needed(all, ended, e) == 0)
        return 0;
    all->look_us = 0;
    db_release(&all->conn); /* a broken one is not kept */
    return -1;
}

void jobs_stop(struct jobs *all)
{
    struct error e;

    if (!all)
        return;
    atomic_store(&all->stop, true);
    for (size_t i = 0; i < all->n_slots; i++)
        if (all->slots[i].used)
            slot_end(&all->slots[i]);
    if (all->conn && job_tallies_save(all->conn, &e) < 0)
        log_warning("what jobs were counted is lost: %s (%s)", e.message, e.detail);
    db_release(&all->conn);
    lease_watch_done(&all->leases);
    fd_close(&all->wake);
    mem_free(all->slots);
    mem_free(all);
}
