/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker counts of its jobs. It has no listener of its own, and there may be several: the numbers
 * are added up in the database, a few seconds late, and shown by every server. */
#include "jobs/kind.h"

struct tally {
    struct counter c;
    struct tally *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tally *tallies; /* one for each that was ever counted; never freed */

static const char *or_none(const char *text)
{
    return text ? text : "";
}

static void add(const char *name, const char *l1, const char *l2, const char *l3, int64_t n)
{
    struct tally *t;
    WITH_MUTEX(&lock);

    for (t = tallies; t; t = t->next)
        if (str_eq(t->c.name, name) && str_eq(t->c.labels[0], l1) && str_eq(t->c.labels[1], l2) &&
            str_eq(t->c.labels[2], l3))
            break;
    if (!t) {
        t = mem_new(sizeof *t);
        *t = (struct tally){ { name, { mem_str(l1), mem_str(l2), mem_str(l3) }, 0 }, tallies };
        tallies = t;
    }
    t->c.value += n;
}

void job_tally(const struct job *j, const char *result)
{
    add("glint_jobs_total", j->kind, or_none(j->method), result, 1);
}

void job_moved(const struct job_run *r, uint64_t bytes)
{
    add("glint_job_bytes_total", r->job->kind, or_none(r->job->method), "", (int64_t)bytes);
}

/* A copy of the counts, so that no job waits for the database. */
static struct counter *taken(struct arena *a, size_t *ret_n)
{
    struct counter *list = NULL;
    size_t n = 0, cap = 0;
    WITH_MUTEX(&lock);

    for (struct tally *t = tallies; t; t = t->next)
        if (t->c.value)
            *ARENA_PUSH(a, list, n, cap) = t->c;
    *ret_n = n;
    return list;
}

struct saving {
    const struct counter *list;
    size_t n;
    int64_t first; /* the first one's value then */
};

static int save(struct db_conn *c, void *arg, struct error *e)
{
    struct saving *s = arg;

    for (size_t i = 0; i < s->n; i++)
        if (counter_add(c, &s->list[i], e) < 0)
            return -1;
    return counter_get(c, &s->list[0], &s->first, e);
}

/* Counters only grow. Where others have added as much meanwhile this count is lost; none is told twice. */
static int saved(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct saving *s = arg;
    int64_t now;

    if (counter_get(c, &s->list[0], &now, e) < 0)
        return -1;
    *ret = now >= s->first;
    return 0;
}

int job_tallies_save(struct db_conn *c, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(2048);
    static const struct db_unit unit = { "jobs.tally", save, saved };
    struct counter *list;
    size_t n;

    list = taken(a, &n);
    if (n == 0)
        return 0;
    if (db_write_on(c, &unit, &(struct saving){ list, n, 0 }, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        add(list[i].name, list[i].labels[0], list[i].labels[1], list[i].labels[2], -list[i].value);
    return 0;
}
