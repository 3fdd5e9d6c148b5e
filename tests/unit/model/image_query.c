/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of a page, in steps of SQLite's virtual machine and so the same on every machine: it may not grow
 * with the number of images. */
#include <sqlite3.h>

#include "fixture.h"

enum { FEW = 100, MANY = 10000, PAGE = 25 };

static int64_t steps; /* of all statements that ended */

static int on_statement_end(unsigned event, void *arg, void *statement, void *ns)
{
    (void)event;
    (void)arg;
    (void)ns;
    steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
}

/* SQLite calls it for each new connection. */
static int on_connection(sqlite3 *handle, char **message, const void *api)
{
    (void)message;
    (void)api;
    return sqlite3_trace_v2(handle, SQLITE_TRACE_PROFILE, on_statement_end, NULL);
}

/* Every image's project has 20 others; some are public, community, shared with p1; a third has no name. */
static void fill(struct fixture *f, int n)
{
    char sql[1600];

    fixture_open(f);
    snprintf(
        sql, sizeof sql,
        "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d) "
        "INSERT INTO images (id, name, size, status, created_at, updated_at, deleted, disk_format, "
        "container_format, owner, "
        "min_disk, min_ram, visibility) SELECT printf('%%08x-%%d', (i * 7919) %% 100003, i), CASE WHEN i %% "
        "3 THEN 'n' || (i %% 50) END, "
        "i, CASE WHEN i %% 9 THEN 'active' ELSE 'queued' END, printf('2026-01-01 00:00:00.%%06d', i / 2), "
        "printf('2026-01-02 00:00:00.%%06d', i), 0, CASE WHEN i %% 4 THEN 'raw' END, 'bare', 'p' || (i %% "
        "20), 0, 0, "
        "CASE WHEN i %% 7 = 0 THEN 'public' WHEN i %% 11 = 0 THEN 'community' WHEN i %% 2 THEN 'shared' ELSE "
        "'private' END FROM k",
        n);
    run_sql(f, sql);
    run_sql(f, "INSERT INTO image_properties (image_id, name, value, created_at, deleted) SELECT id, 'a', "
               "'b', created_at, 0 FROM images;"
               "INSERT INTO image_tags (image_id, value, created_at, deleted) SELECT id, 'often', "
               "created_at, 0 FROM images;"
               "INSERT INTO image_tags (image_id, value, created_at, deleted) SELECT id, 'rare', created_at, "
               "0 FROM images WHERE size = 1;"
               "INSERT INTO image_members (image_id, member, status, can_share, created_at, deleted) "
               "SELECT id, 'p1', 'accepted', 0, created_at, 0 FROM images WHERE visibility = 'shared' AND "
               "owner = 'p3' AND size < 200");
}

static void set_sorts(struct image_query *q, const char *key, bool ascending)
{
    q->n_sorts = 0;
    q->sorts[q->n_sorts++] = (struct sort){ key, ascending };
    if (strcmp(key, "created_at") != 0)
        q->sorts[q->n_sorts++] = (struct sort){ "created_at", ascending };
    q->sorts[q->n_sorts++] = (struct sort){ "id", ascending };
}

/* Steps of the page number `page`, from 0; fewer images than a page are not compared. */
static int64_t cost(struct fixture *f, struct image_query *q, int page, size_t *ret_n)
{
    struct image *images;

    q->marker = NULL;
    q->limit = PAGE;
    for (;; page--) {
        steps = 0;
        OK(f, image_list(f->c, f->a, q, &images, ret_n, NULL, &f->e));
        if (page == 0 || *ret_n < PAGE)
            return steps;
        q->marker = &images[*ret_n - 1];
    }
}

static struct fixture few, many;

static void compare(const char *name, struct image_query *q, int factor)
{
    for (int page = 0; page < 3; page++) {
        size_t n_few, n_many;
        int64_t a = cost(&few, q, page, &n_few), b = cost(&many, q, page, &n_many);

        if (n_many && b > factor * a * (int64_t)n_many / (int64_t)(n_few ? n_few : 1))
            fail_msg("%s, page %d by %s: %d steps for %zu images, %d steps for %zu among many", name, page,
                     q->sorts[0].column, (int)a, n_few, (int)b, n_many);
    }
}

static int open_both(void **state)
{
    (void)state;
    sqlite3_auto_extension((void (*)(void))on_connection);
    fill(&few, FEW);
    fill(&many, MANY);
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    fixture_close(&few);
    fixture_close(&many);
    sqlite3_reset_auto_extension();
    return 0;
}

static const struct viewer admin = { true, "p1" }, member = { false, "p1" };

static void test_administrator_by_every_key(void **state)
{
    static const char *const keys[] = { "created_at",       "updated_at",  "name", "status",
                                        "container_format", "disk_format", "size", "id" };

    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        for (int ascending = 0; ascending < 2; ascending++) {
            struct image_query q = { .viewer = admin, .visibility = -1, .member_status = "accepted" };

            set_sorts(&q, keys[i], ascending);
            compare("administrator", &q, 2);
        }
    }
}

static void test_member_in_the_default_order(void **state)
{
    (void)state;
    for (int visibility = -2; visibility < IMAGE_VISIBILITIES; visibility++) {
        for (int ascending = 0; ascending < 2; ascending++) {
            struct image_query q = { .viewer = member,
                                     .visibility = visibility,
                                     .member_status = "accepted" };

            set_sorts(&q, "created_at", ascending);
            compare("member", &q, 2);
            q.viewer = admin;
            compare("administrator of one visibility", &q, 2);
        }
    }
}

/* Other orders have no index of their own for each viewer: he pays for what he sees, up to a bound. */
static void test_member_by_another_key(void **state)
{
    struct image_query q = { .viewer = member, .visibility = -1, .member_status = "accepted" };
    size_t n;

    (void)state;
    set_sorts(&q, "name", true);
    assert_true(cost(&many, &q, 0, &n) < 150000);
    assert_int_equal(n, PAGE);
}

static void test_filters_with_an_index(void **state)
{
    static const char *const name[] = { "n7" }, *const rare[] = { "rare" }, *const often[] = { "often" },
                             *const id[] = { "x" };
    static const char *const owner[] = { "p4" }, *const status[] = { "queued" };
    static const struct {
        const char *name;
        struct image_filter filter;
        const char *key;
        int limit;
    } cases[] = {
        { "name",
          { .kind = FILTER_TEXT, .column = "name", .values = name, .n_values = 1 },
          "created_at",
          5000 },
        { "name in another order",
          { .kind = FILTER_TEXT, .column = "name", .values = name, .n_values = 1 },
          "size",
          40000 },
        { "id", { .kind = FILTER_TEXT, .column = "id", .values = id, .n_values = 1 }, "created_at", 1000 },
        { "rare tag", { .kind = FILTER_TAG, .values = rare, .n_values = 1 }, "created_at", 1000 },
        { "frequent tag", { .kind = FILTER_TAG, .values = often, .n_values = 1 }, "created_at", 30000 },
        { "owner",
          { .kind = FILTER_TEXT, .column = "owner", .values = owner, .n_values = 1 },
          "created_at",
          5000 },
        { "owner in another order",
          { .kind = FILTER_TEXT, .column = "owner", .values = owner, .n_values = 1 },
          "name",
          60000 },
        { "status",
          { .kind = FILTER_TEXT, .column = "status", .values = status, .n_values = 1 },
          "created_at",
          5000 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct image_filter filter = cases[i].filter;
        struct image_query q = {
            .viewer = admin, .visibility = -1, .member_status = "accepted", .filters = &filter, .n_filters = 1
        };
        int64_t paid;
        size_t n;

        set_sorts(&q, cases[i].key, false);
        paid = cost(&many, &q, 0, &n);
        if (paid > cases[i].limit)
            fail_msg("%s: %d steps for %zu images", cases[i].name, (int)paid, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_administrator_by_every_key),
        cmocka_unit_test(test_member_in_the_default_order),
        cmocka_unit_test(test_member_by_another_key),
        cmocka_unit_test(test_filters_with_an_index),
    };

    return cmocka_run_group_tests(tests, open_both, close_both);
}
