/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdatomic.h>
#include <string.h>

enum { SERIES_MAX = 2000 };

struct metric_series {
    struct metric_series *next;
    char *values[METRIC_LABELS_MAX];
    _Atomic int64_t value; /* of a histogram: the number of observations */
    _Atomic int64_t sum_us;
    _Atomic int64_t buckets[METRIC_BUCKETS];
};

const int64_t metric_bounds_us[METRIC_BUCKETS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 1000000, 10000000, INT64_MAX
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *families; /* sorted by name */

static void register_family(struct metric *m)
{
    struct metric **at = &families;

    while (*at && strcmp((*at)->name, m->name) < 0)
        at = &(*at)->next;
    m->next = *at;
    *at = m;
}

static bool same(const struct metric *m, const struct metric_series *s, const char *const *values)
{
    for (int i = 0; i < METRIC_LABELS_MAX && m->labels[i]; i++)
        if (strcmp(s->values[i], values[i]) != 0)
            return false;
    return true;
}

struct metric_series *metric_series(struct metric *m, const char *v1, const char *v2, const char *v3)
{
    static const char *const other[METRIC_LABELS_MAX] = { "other", "other", "other" };
    const char *given[METRIC_LABELS_MAX] = { v1 ? v1 : "", v2 ? v2 : "", v3 ? v3 : "" };
    const char *const *values = given;
    struct metric_series *s, *last = NULL;
    int count = 0;
    WITH_MUTEX(&lock);

    for (s = m->series; s; last = s, s = s->next, count++)
        if (same(m, s, values))
            return s;
    if (count >= SERIES_MAX) {
        values = other;
        for (s = m->series; s; s = s->next)
            if (same(m, s, values))
                return s;
    }
    if (!m->series)
        register_family(m);
    s = mem_new(sizeof *s);
    for (int i = 0; i < METRIC_LABELS_MAX; i++)
        s->values[i] = mem_str(values[i]);
    if (last)
        last->next = s;
    else
        m->series = s;
    return s;
}

void metric_add(struct metric_series *s, int64_t n)
{
    atomic_fetch_add_explicit(&s->value, n, memory_order_relaxed);
}

void metric_set(struct metric_series *s, int64_t value)
{
    atomic_store_explicit(&s->value, value, memory_order_relaxed);
}

void metric_clear(struct metric *m)
{
    WITH_MUTEX(&lock);

    for (struct metric_series *s = m->series; s; s = s->next)
        metric_set(s, 0);
}

void metric_observe(struct metric_series *s, int64_t us)
{
    int i = 0;

    while (us > metric_bounds_us[i])
        i++;
    atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->sum_us, us, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->value, 1, memory_order_relaxed);
}

int64_t metric_value(const struct metric_series *s)
{
    return atomic_load_explicit(&s->value, memory_order_relaxed);
}

static void write_value(struct str *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            str_addc(out, '\\');
        if (*value == '\n')
            str_add(out, "\\n");
        else
            str_addc(out, *value);
    }
}

static void write_labels(struct str *out, const struct metric *m, const struct metric_series *s,
                         const char *le)
{
    const char *between = "{";

    for (int i = 0; i < METRIC_LABELS_MAX && m->labels[i]; i++, between = ",") {
        str_addf(out, "%s%s=\"", between, m->labels[i]);
        write_value(out, s->values[i]);
        str_addc(out, '"');
    }
    if (le) {
        str_addf(out, "%sle=\"%s\"", between, le);
        between = ",";
    }
    if (*between == ',')
        str_addc(out, '}');
}

static void write_seconds(struct str *out, int64_t us)
{
    str_addf(out, "%lld.%06lld", (long long)(us / CLOCK_SECOND), (long long)(us % CLOCK_SECOND));
}

static void write_histogram(struct str *out, const struct metric *m, const struct metric_series *s)
{
    int64_t total = 0;

    for (int i = 0; i < METRIC_BUCKETS; i++) {
        CLEANUP(str_done) struct str le = STR_INIT;

        if (i + 1 < METRIC_BUCKETS)
            write_seconds(&le, metric_bounds_us[i]);
        else
            str_add(&le, "+Inf");
        total += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        str_addf(out, "%s_bucket", m->name);
        write_labels(out, m, s, str_text(&le));
        str_addf(out, " %lld\n", (long long)total);
    }
    str_addf(out, "%s_sum", m->name);
    write_labels(out, m, s, NULL);
    str_addc(out, ' ');
    write_seconds(out, atomic_load_explicit(&s->sum_us, memory_order_relaxed));
    str_addf(out, "\n%s_count", m->name);
    write_labels(out, m, s, NULL);
    str_addf(out, " %lld\n", (long long)total);
}

void metrics_write(struct str *out)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    WITH_MUTEX(&lock);

    for (const struct metric *m = families; m; m = m->next) {
        str_addf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, types[m->type]);
        for (const struct metric_series *s = m->series; s; s = s->next) {
            if (m->type == METRIC_HISTOGRAM) {
                write_histogram(out, m, s);
                continue;
            }
            str_add(out, m->name);
            write_labels(out, m, s, NULL);
            str_addf(out, " %lld\n", (long long)metric_value(s));
        }
    }
}
