/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/transfer/setup.h"

#include "transfer/download.h"

enum { SIZE = 300 * 1024 }; /* more than a buffer */

struct kept {
    unsigned char data[SIZE];
    size_t n;
};

static int keep(void *arg, const void *buf, size_t n, struct error *e UNUSED)
{
    struct kept *k = arg;

    memcpy(k->data + k->n, buf, n);
    k->n += n;
    return 0;
}

static int refuse(void *arg UNUSED, const void *buf UNUSED, size_t n UNUSED, struct error *e)
{
    return error_set(e, ERROR_ABORTED, "enough");
}

static void put(struct stores *s, const char *id, const void *data, size_t n, struct image_location *ret)
{
    struct store_location where;
    struct error e;

    MUST(test_put(stores_default(s), id, (int64_t)n, data, n, &where, &e));
    *ret = (struct image_location){ .url = strdup(where.url) };
    assert_non_null(ret->url);
}

/* What is read of the range, wherever the store has it. */
static void check_range(struct stores *s, const struct image *im, const unsigned char *data, uint64_t at,
                        uint64_t n)
{
    CLEANUP(download_close) struct download d = { .get = NULL };
    struct kept *k = calloc(1, sizeof *k);
    const struct stream_sink to = { .write = keep, .arg = k };
    struct error e;

    MUST(download_open(s, im, at, n, "test", &d, &e));
    if (download_fd(&d) >= 0) {
        k->n = n;
        assert_int_equal(pread(download_fd(&d), k->data, n, (off_t)at), n);
    } else {
        MUST(download_copy(&d, at, n, &to, &e));
    }
    assert_int_equal(k->n, n);
    assert_memory_equal(k->data, data + at, n);
    free(k);
}

static void test_ranges_come_from_a_file_and_through_a_buffer(void **state UNUSED)
{
    static const struct {
        uint64_t at, n;
    } ranges[] = { { 0, SIZE }, { 0, 1 }, { SIZE - 1, 1 }, { 70000, 200000 }, { 5, 0 } };
    unsigned char *data = world_data(SIZE, 1);
    struct stores *memory = test_memory_stores();
    struct image_location in_file, in_memory;
    struct world w;

    world_open(&w, "sqlite");
    put(w.stores, ID_A, data, SIZE, &in_file);
    put(memory, ID_A, data, SIZE, &in_memory);
    for (size_t i = 0; i < COUNT(ranges); i++) {
        check_range(w.stores,
                    &(struct image){ .id = ID_A, .size = SIZE, .n_locations = 1, .locations = &in_file },
                    data, ranges[i].at, ranges[i].n);
        check_range(memory,
                    &(struct image){ .id = ID_A, .size = SIZE, .n_locations = 1, .locations = &in_memory },
                    data, ranges[i].at, ranges[i].n);
    }
    free((char *)in_file.url);
    free((char *)in_memory.url);
    stores_close(memory);
    world_close(&w);
    free(data);
}

static void test_the_first_location_that_is_the_whole_image_is_taken(void **state UNUSED)
{
    unsigned char *data = world_data(SIZE, 2);
    struct image_location whole, shorter, all[4];
    struct world w;

    world_open(&w, "sqlite");
    put(w.stores, ID_A, data, SIZE, &whole);
    put(w.stores, ID_B, data, SIZE - 1, &shorter);
    all[0] = (struct image_location){ .url = "nowhere://a/b" };
    all[1] = (struct image_location){ .url = "file:///nonexistent/file" };
    all[2] = shorter;
    all[3] = whole;
    check_range(w.stores, &(struct image){ .id = ID_A, .size = SIZE, .n_locations = 4, .locations = all },
                data, 0, SIZE);
    free((char *)whole.url);
    free((char *)shorter.url);
    world_close(&w);
    free(data);
}

/* Data that cannot be read now are not "no data". */
static void test_what_is_wrong_is_told_before_what_is_missing(void **state UNUSED)
{
    struct image_location lost, all[2];
    struct download d = { .get = NULL };
    struct image im = { .id = ID_A, .size = 3, .n_locations = 1, .locations = &lost };
    struct world w;
    struct error e;

    world_open(&w, "sqlite");
    put(w.stores, ID_A, "abc", 3, &lost);
    MUST(store_delete(world_store(&w), lost.url, &e));
    assert_true(download_open(w.stores, &im, 0, 3, "test", &d, &e) < 0);
    assert_int_equal(e.kind, ERROR_NOT_FOUND);
    assert_null(d.get);
    im.n_locations = 0;
    assert_true(download_open(w.stores, &im, 0, 3, "test", &d, &e) < 0);
    assert_int_equal(e.kind, ERROR_NOT_FOUND);
    for (size_t i = 0; i < 2; i++) {
        all[i] = lost;
        all[1 - i] = (struct image_location){ .url = "nowhere://a/b" };
        im.locations = all;
        im.n_locations = 2;
        assert_true(download_open(w.stores, &im, 0, 3, "test", &d, &e) < 0);
        assert_int_equal(e.kind, ERROR_INTERNAL);
    }
    free((char *)lost.url);
    world_close(&w);
}

static void test_copying_ends_where_nobody_takes_it(void **state UNUSED)
{
    CLEANUP(download_close) struct download d = { .get = NULL };
    const struct stream_sink to = { .write = refuse };
    struct stores *s = test_memory_stores();
    struct image_location l;
    struct image im = { .id = ID_A, .size = 3, .n_locations = 1, .locations = &l };
    struct error e;

    put(s, ID_A, "abc", 3, &l);
    MUST(download_open(s, &im, 0, 3, "test", &d, &e));
    assert_true(download_copy(&d, 0, 3, &to, &e) < 0);
    assert_string_equal(e.message, "enough");
    assert_false(download_distant(s, &im));
    download_close(&d);
    free((char *)l.url);
    stores_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_come_from_a_file_and_through_a_buffer),
        cmocka_unit_test(test_the_first_location_that_is_the_whole_image_is_taken),
        cmocka_unit_test(test_what_is_wrong_is_told_before_what_is_missing),
        cmocka_unit_test(test_copying_ends_where_nobody_takes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
