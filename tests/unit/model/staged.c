/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "fixture.h"

static void set(struct fixture *f, const char *image_id, const char *mark, int64_t size)
{
    const struct staged s = { .image_id = image_id,
                              .host = "http://a:1",
                              .mark = mark,
                              .size = size,
                              .checksum = "md5",
                              .os_hash_algo = "sha512",
                              .os_hash_value = "hash",
                              .verdict = "{\"format\": \"raw\"}" };

    OK(f, db_begin_write(f->c, &f->e));
    OK(f, staged_set(f->c, &s, &f->e));
    OK(f, db_commit(f->c, &f->e));
}

static struct staged *get(struct fixture *f, const char *image_id)
{
    struct staged *s;

    OK(f, staged_get(f->c, f->a, image_id, &s, &f->e));
    return s;
}

static void test_what_is_known_is_replaced_as_a_whole(void **state UNUSED)
{
    struct fixture f;
    struct staged *s;

    fixture_open(&f);
    assert_null(get(&f, "i1"));
    set(&f, "i1", "first", 10);
    set(&f, "i2", "other", 20);
    set(&f, "i1", "second", (int64_t)1 << 40);
    s = get(&f, "i1");
    assert_string_equal(s->image_id, "i1");
    assert_string_equal(s->host, "http://a:1");
    assert_string_equal(s->mark, "second");
    assert_true(s->size == (int64_t)1 << 40);
    assert_string_equal(s->checksum, "md5");
    assert_string_equal(s->os_hash_algo, "sha512");
    assert_string_equal(s->os_hash_value, "hash");
    assert_string_equal(s->verdict, "{\"format\": \"raw\"}");

    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, staged_drop(f.c, "i1", &f.e));
    OK(&f, staged_drop(f.c, "i1", &f.e));
    OK(&f, db_commit(f.c, &f.e));
    assert_null(get(&f, "i1"));
    assert_string_equal(get(&f, "i2")->mark, "other");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known_is_replaced_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
