/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and latency histograms, written out as Prometheus text (exposition format 0.0.4).
 *
 * A family is a static struct of the room that counts; its series are found by label values and live
 * until the process ends. Adding is one atomic operation once the series is at hand: hot paths keep
 * the pointer that metric_series() returned. Thread-safe. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

#include "base/str.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum { METRIC_LABELS_MAX = 3, METRIC_BUCKETS = 14 };

struct metric_series;

struct metric {
    const char *name; /* glint_http_requests_total */
    const char *help;
    enum metric_type type;
    const char *labels[METRIC_LABELS_MAX];
    struct metric_series *series; /* private to metrics.c, as is next */
    struct metric *next;
};

/* Upper bounds of the histogram's buckets in microseconds; the last bucket is +Inf. */
extern const int64_t metric_bounds_us[METRIC_BUCKETS];

/* The series with these label values (as many as the family has labels; the rest is ignored).
 * A family is registered by its first series; more than 2,000 series of one family share one
 * labelled "other". */
struct metric_series *metric_series(struct metric *m, const char *v1, const char *v2, const char *v3);

void metric_add(struct metric_series *s, int64_t n);      /* counter, gauge */
void metric_set(struct metric_series *s, int64_t value);  /* gauge */
void metric_observe(struct metric_series *s, int64_t us); /* histogram */
void metric_clear(struct metric *m);                      /* sets every series of a gauge to 0 */
int64_t metric_value(const struct metric_series *s);      /* counter, gauge; a histogram's count */

void metrics_write(struct str *out); /* every registered family, sorted by name */

#endif
