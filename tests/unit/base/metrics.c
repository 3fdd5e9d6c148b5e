/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

static bool has(const struct str *text, const char *line)
{
    return strstr(str_text(text), line) != NULL;
}

static void metrics_are_written(void **state)
{
    static struct metric count = { "t_count", "Things.", METRIC_COUNTER, { "kind", "how" }, NULL, NULL };
    static struct metric level = { "t_level", "A level.", METRIC_GAUGE, { NULL }, NULL, NULL };
    static struct metric early = { "a_first", "Sorted.", METRIC_GAUGE, { NULL }, NULL, NULL };
    CLEANUP(str_done) struct str out = STR_INIT;
    struct metric_series *s = metric_series(&count, "a\"b\\c\nd", "x", NULL);

    (void)state;
    metric_add(s, 2);
    metric_add(s, 3);
    assert_ptr_equal(metric_series(&count, "a\"b\\c\nd", "x", NULL), s);
    assert_ptr_not_equal(metric_series(&count, "other", "x", NULL), s);
    assert_int_equal(metric_value(s), 5);
    metric_set(metric_series(&level, NULL, NULL, NULL), -7);
    metric_set(metric_series(&early, NULL, NULL, NULL), 1);
    metrics_write(&out);
    assert_true(has(&out, "# HELP t_count Things.\n# TYPE t_count counter\n"));
    assert_true(has(&out, "t_count{kind=\"a\\\"b\\\\c\\nd\",how=\"x\"} 5\n"));
    assert_true(has(&out, "# TYPE t_level gauge\nt_level -7\n"));
    assert_true(strstr(str_text(&out), "a_first") < strstr(str_text(&out), "t_count"));
}

static void histograms_add_up(void **state)
{
    static struct metric seconds = { "t_seconds", "Time.", METRIC_HISTOGRAM, { "op" }, NULL, NULL };
    CLEANUP(str_done) struct str out = STR_INIT;
    struct metric_series *s = metric_series(&seconds, "get", NULL, NULL);

    (void)state;
    metric_observe(s, 100);
    metric_observe(s, 101);
    metric_observe(s, 20 * CLOCK_SECOND);
    metrics_write(&out);
    assert_true(has(&out, "t_seconds_bucket{op=\"get\",le=\"0.000100\"} 1\n"));
    assert_true(has(&out, "t_seconds_bucket{op=\"get\",le=\"0.000250\"} 2\n"));
    assert_true(has(&out, "t_seconds_bucket{op=\"get\",le=\"10.000000\"} 2\n"));
    assert_true(has(&out, "t_seconds_bucket{op=\"get\",le=\"+Inf\"} 3\n"));
    assert_true(has(&out, "t_seconds_sum{op=\"get\"} 20.000201\nt_seconds_count{op=\"get\"} 3\n"));
}

static void series_are_bounded(void **state)
{
    static struct metric many = { "t_many", "Many.", METRIC_COUNTER, { "id" }, NULL, NULL };
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    for (int i = 0; i < 2500; i++) {
        char id[16];

        snprintf(id, sizeof id, "%d", i);
        metric_add(metric_series(&many, id, NULL, NULL), 1);
    }
    metrics_write(&out);
    assert_true(has(&out, "t_many{id=\"1999\"} 1\n"));
    assert_false(has(&out, "t_many{id=\"2001\"}"));
    assert_true(has(&out, "t_many{id=\"other\"} 500\n"));
}

static struct metric shared = { "t_shared", "Shared.", METRIC_COUNTER, { "n" }, NULL, NULL };

static void *count_up(void *arg)
{
    for (int i = 0; i < 10000; i++)
        metric_add(metric_series(&shared, i % 2 ? "odd" : "even", NULL, NULL), 1);
    return arg;
}

static void threads_count_together(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(thread_start(&threads[i], "count", THREAD_STACK, count_up, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_value(metric_series(&shared, "odd", NULL, NULL)), 20000);
    assert_int_equal(metric_value(metric_series(&shared, "even", NULL, NULL)), 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_written),
        cmocka_unit_test(histograms_add_up),
        cmocka_unit_test(series_are_bounded),
        cmocka_unit_test(threads_count_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
