/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

enum { SIZE = 13 * STREAM_BUFFER / 2 }; /* the ring goes round */

static unsigned char *data;

static int setup(void **state UNUSED)
{
    data = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    return 0;
}

static int teardown(void **state UNUSED)
{
    free(data);
    return 0;
}

/* A sink that compares what comes with data[], may refuse from a byte on, and keeps the last buffer as a lazy
 * sink does until it is settled. */
struct probe {
    uint64_t seen, refuse_from;
    bool wrong, lazy, late;
    size_t writes, odd_writes;
    const void *held[16];
    size_t n_held, settled;
};

static int probe_write(void *arg, const void *buf, size_t n, struct error *e)
{
    struct probe *p = arg;

    if (p->seen + n > p->refuse_from)
        return error_set(e, ERROR_MEDIA, "refused");
    p->wrong |= p->seen + n > SIZE || memcmp(buf, data + p->seen, n) != 0;
    p->writes++;
    p->odd_writes += n != STREAM_BUFFER;
    p->seen += n;
    for (size_t i = 0; i < p->n_held; i++)
        p->late |= p->held[i] == buf;
    if (p->lazy)
        p->held[p->n_held++] = buf;
    return 0;
}

static void probe_settle(void *arg, const void *buf)
{
    struct probe *p = arg;

    for (size_t i = 0; i < p->n_held; i++)
        if (p->held[i] == buf) {
            p->held[i] = p->held[--p->n_held];
            p->settled++;
            return;
        }
}

static int count_progress(void *arg, uint64_t bytes, struct error *e)
{
    uint64_t *last = arg;

    if (bytes <= *last)
        return error_set(e, ERROR_INTERNAL, "progress went back");
    *last = bytes;
    return 0;
}

static const struct {
    const char *name;
    size_t len, piece, writes, odd;
} shapes[] = {
    { "nothing", 0, 0, 0, 0 },
    { "one byte", 1, 0, 1, 1 },
    { "exactly one buffer", STREAM_BUFFER, 0, 1, 0 },
    { "one buffer in odd pieces", STREAM_BUFFER, 777, 1, 0 },
    { "six buffers and a half", SIZE, 0, 7, 1 },
    { "six buffers and a half in odd pieces", SIZE, 65537, 7, 1 },
};

static void pump_fills_whole_buffers(void **state UNUSED)
{
    for (size_t i = 0; i < 2 * COUNT(shapes); i++) {
        const size_t row = i / 2;
        struct stream_memory m = { .data = data, .len = shapes[row].len, .piece = shapes[row].piece };
        struct stream_source src = stream_memory_source(&m);
        struct probe p = { .refuse_from = UINT64_MAX, .lazy = i % 2 };
        struct stream_sink sink = { probe_write, &p, p.lazy ? probe_settle : NULL };
        uint64_t bytes = 1, last = 0;
        struct error e;

        CHECK_CASE(shapes[row].name, stream_pump(&src, &sink, 1, count_progress, &last, &bytes, &e) == 0);
        CHECK_CASE(shapes[row].name, bytes == shapes[row].len && p.seen == bytes && last == bytes);
        CHECK_CASE(shapes[row].name, p.writes == shapes[row].writes && p.odd_writes == shapes[row].odd);
        CHECK_CASE(shapes[row].name, !p.wrong && !p.late && p.n_held == 0);
        CHECK_CASE(shapes[row].name, p.settled == (p.lazy ? p.writes : 0));
    }
}

static void pump_stops_where_a_sink_refuses(void **state UNUSED)
{
    struct stream_memory m = { .data = data, .len = SIZE };
    struct stream_source src = stream_memory_source(&m);
    struct probe before = { .refuse_from = UINT64_MAX, .lazy = true },
                 refuser = { .refuse_from = STREAM_BUFFER }, after = { .refuse_from = UINT64_MAX };
    struct stream_sink sinks[] = { { probe_write, &before, probe_settle },
                                   { probe_write, &refuser },
                                   { probe_write, &after } };
    uint64_t bytes = 7;
    struct error e;

    assert_int_equal(stream_pump(&src, sinks, COUNT(sinks), NULL, NULL, &bytes, &e), -1);
    assert_int_equal(e.kind, ERROR_MEDIA);
    assert_int_equal(bytes, 7);
    assert_int_equal(before.seen, 2 * STREAM_BUFFER);
    assert_int_equal(before.n_held, 0);
    assert_int_equal(after.seen, STREAM_BUFFER);
}

static void pump_reports_the_sources_failure(void **state UNUSED)
{
    struct stream_memory m = { .data = data, .len = SIZE };
    struct stream_fail_at f = { .source = stream_memory_source(&m),
                                .at = STREAM_BUFFER + 5,
                                .kind = ERROR_ABORTED };
    struct stream_source src = stream_fail_at_source(&f);
    struct probe p = { .refuse_from = UINT64_MAX, .lazy = true };
    struct stream_sink sink = { probe_write, &p, probe_settle };
    uint64_t bytes;
    struct error e;

    assert_int_equal(stream_pump(&src, &sink, 1, NULL, NULL, &bytes, &e), -1);
    assert_int_equal(e.kind, ERROR_ABORTED);
    assert_int_equal(p.seen, STREAM_BUFFER);
    assert_int_equal(p.n_held, 0);
}

static int stop_progress(void *arg UNUSED, uint64_t bytes, struct error *e)
{
    return bytes < 100 ? 0 : error_set(e, ERROR_GONE, "stop");
}

static void pump_stops_when_progress_says_so(void **state UNUSED)
{
    struct stream_memory m = { .data = data, .len = SIZE, .piece = 60 };
    struct stream_source src = stream_memory_source(&m);
    uint64_t bytes;
    struct error e;

    assert_int_equal(stream_pump(&src, NULL, 0, stop_progress, NULL, &bytes, &e), -1);
    assert_int_equal(e.kind, ERROR_GONE);
    assert_int_equal(m.at, 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pump_fills_whole_buffers),
        cmocka_unit_test(pump_stops_where_a_sink_refuses),
        cmocka_unit_test(pump_reports_the_sources_failure),
        cmocka_unit_test(pump_stops_when_progress_says_so),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
