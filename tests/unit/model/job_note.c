/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "fixture.h"

static void add(struct fixture *f, const char *id)
{
    OK(f, db_begin_write(f->c, &f->e));
    OK(f, job_add(f->c, &(struct job){ .id = id, .kind = "k", .image_id = "i1", .arguments = "{}" }, &f->e));
    OK(f, db_commit(f->c, &f->e));
}

static void set(struct fixture *f, const char *id, const char *name, const char *value)
{
    OK(f, db_begin_write(f->c, &f->e));
    OK(f, job_note_set(f->c, id, name, value, &f->e));
    OK(f, db_commit(f->c, &f->e));
}

static const char *get(struct fixture *f, const char *id, const char *name)
{
    const char *value = "unset";

    OK(f, job_note_get(f->c, f->a, id, name, &value, &f->e));
    return value;
}

static void test_notes_are_kept_by_job_and_name(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    add(&f, "j1");
    add(&f, "j2");
    assert_null(get(&f, "j1", "etag"));
    set(&f, "j1", "etag", "one");
    set(&f, "j2", "etag", "other");
    set(&f, "j1", "etag", "two"); /* in place of the first */
    assert_string_equal(get(&f, "j1", "etag"), "two");
    assert_string_equal(get(&f, "j2", "etag"), "other");
    set(&f, "j1", "etag", "");
    assert_string_equal(get(&f, "j1", "etag"), ""); /* is a value */

    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, job_note_drop(f.c, "j1", "etag", &f.e));
    OK(&f, job_note_drop(f.c, "j1", "etag", &f.e)); /* also when there is none */
    OK(&f, db_commit(f.c, &f.e));
    assert_null(get(&f, "j1", "etag"));
    assert_string_equal(get(&f, "j2", "etag"), "other");
    fixture_close(&f);
}

static void test_a_prefix_chooses(void **state UNUSED)
{
    struct job_note *notes;
    struct fixture f;
    size_t n;

    fixture_open(&f);
    add(&f, "j1");
    set(&f, "j1", "object:fast", "u2");
    set(&f, "j1", "object:cheap", "u1");
    set(&f, "j1", "objects", "no");
    set(&f, "j1", "etag", "e");
    set(&f, "j2", "object:slow", "of another job");
    OK(&f, job_note_list(f.c, f.a, "j1", "object:", &notes, &n, &f.e));
    assert_int_equal(n, 2);
    assert_string_equal(notes[0].name, "object:cheap");
    assert_string_equal(notes[0].value, "u1");
    assert_string_equal(notes[1].name, "object:fast");
    OK(&f, job_note_list(f.c, f.a, "j1", "", &notes, &n, &f.e));
    assert_int_equal(n, 4);
    OK(&f, job_note_list(f.c, f.a, "j3", "", &notes, &n, &f.e));
    assert_int_equal(n, 0);
    fixture_close(&f);
}

/* Some are the job's own columns to who loads it, and the others go with its end. */
static void test_a_job_has_them_while_it_lasts(void **state UNUSED)
{
    struct fixture f;
    struct job *j;

    fixture_open(&f);
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, job_add(f.c,
                   &(struct job){ .id = "j1",
                                  .kind = "k",
                                  .image_id = "i1",
                                  .arguments = "{}",
                                  .place = "http://a:1",
                                  .owner = "p1" },
                   &f.e));
    OK(&f, db_commit(f.c, &f.e));
    add(&f, "j2");
    set(&f, "j1", "etag", "e");
    OK(&f, job_load(f.c, f.a, "j1", &j, &f.e));
    assert_string_equal(j->place, "http://a:1");
    assert_string_equal(j->owner, "p1");
    OK(&f, job_take(f.c, j, "me", 5, &f.e));
    OK(&f, job_put_back(f.c, "j1", "me", 1, 0, "later", &f.e));
    assert_string_equal(get(&f, "j1", "etag"), "e");
    OK(&f, job_load(f.c, f.a, "j1", &j, &f.e));
    OK(&f, job_take(f.c, j, "me", 5, &f.e));
    OK(&f, job_end(f.c, "j1", "me", JOB_DONE, "", &f.e));
    assert_string_equal(ask(&f, "SELECT COUNT(*) FROM glint_job_notes WHERE job_id = 'j1'", NULL), "2");
    OK(&f, job_load(f.c, f.a, "j1", &j, &f.e));
    assert_string_equal(j->owner, "p1"); /* of whom it was is remembered as long as it is */
    OK(&f, job_load(f.c, f.a, "j2", &j, &f.e));
    assert_null(j->place);
    assert_null(j->owner);
    fixture_close(&f);
}

/* The host that had the data of a deleted image need not come back for its jobs to end. */
static void test_what_is_left_to_do_for_an_image_needs_no_place(void **state UNUSED)
{
    static const char *const ids[] = { "j1", "j2", "j3" }, *const images[] = { "i1", "i2", "i1" };
    struct job *j;
    struct fixture f;

    fixture_open(&f);
    OK(&f, db_begin_write(f.c, &f.e));
    for (size_t i = 0; i < COUNT(ids); i++)
        OK(&f, job_add(f.c,
                       &(struct job){ .id = ids[i],
                                      .kind = "k",
                                      .image_id = images[i],
                                      .arguments = "{}",
                                      .place = "http://a:1",
                                      .owner = "p1" },
                       &f.e));
    OK(&f, db_commit(f.c, &f.e));
    OK(&f, job_load(f.c, f.a, "j3", &j, &f.e));
    OK(&f, job_take(f.c, j, "me", 5, &f.e));
    OK(&f, job_end(f.c, "j3", "me", JOB_FAILED, "", &f.e));
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, job_anywhere(f.c, "i1", &f.e));
    OK(&f, db_commit(f.c, &f.e));
    OK(&f, job_load(f.c, f.a, "j1", &j, &f.e));
    assert_null(j->place);
    assert_string_equal(j->owner, "p1");
    OK(&f, job_load(f.c, f.a, "j2", &j, &f.e));
    assert_string_equal(j->place, "http://a:1"); /* of another image */
    OK(&f, job_load(f.c, f.a, "j3", &j, &f.e));
    assert_string_equal(j->place, "http://a:1"); /* over: that is where it was done */
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes_are_kept_by_job_and_name),
        cmocka_unit_test(test_a_prefix_chooses),
        cmocka_unit_test(test_a_job_has_them_while_it_lasts),
        cmocka_unit_test(test_what_is_left_to_do_for_an_image_needs_no_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
