/* SPDX-License-Identifier: Apache-2.0 */
/* Listing against a plain reference: every image in memory, filtered and sorted by the rules of the API. */
#include "db/driver.h"
#include "fixture.h"

enum { IMAGES_MAX = 2500 };

/* What most of the images are: more of them than the listing sorts in memory. */
enum crowd { MIXED, MOSTLY_OWN, MOSTLY_SHARED, MOSTLY_PUBLIC };

struct row {
    struct image im;
    bool killed_or_gone;
    const char *member, *member_status; /* of one live membership; NULL: none */
};

static struct {
    struct fixture f;
    struct row rows[IMAGES_MAX];
    size_t n;
    unsigned seed;
} t;

/* ---- data ---- */

static unsigned dice(unsigned sides)
{
    t.seed = t.seed * 1664525u + 1013904223u;
    return (t.seed >> 8) % sides;
}

static const char *one_of(const char *const *texts, unsigned n)
{
    return texts[dice(n)];
}

static void make_row(struct row *r, enum crowd crowd)
{
    static const char *const names[] = { NULL, "", "a", "b", "B", "ä", "long name", "a" };
    static const char *const formats[] = { NULL, "raw", "qcow2", "" };
    static const char *const owners[] = { NULL, "p1", "p2", "p3" };
    static const char *const members[] = { NULL, "p1", "p2" };
    static const char *const member_statuses[] = { "accepted", "pending", "rejected" };
    char id[UUID_TEXT_MAX];
    struct image *im = &r->im;

    uuid_make(id);
    snprintf(id, 9, "%08x", dice(0xffffff));
    id[8] = '-';
    im->id = arena_str(t.f.a, id);
    im->name = one_of(names, COUNT(names));
    im->disk_format = one_of(formats, COUNT(formats));
    im->container_format = one_of(formats, COUNT(formats));
    im->owner = crowd == MOSTLY_OWN ? "p1" : one_of(owners, COUNT(owners));
    im->status = dice(8) == 0 ? (enum image_status)dice(IMAGE_STATUSES) : IMAGE_ACTIVE;
    im->visibility = crowd == MOSTLY_SHARED   ? IMAGE_SHARED
                     : crowd == MOSTLY_PUBLIC ? IMAGE_PUBLIC
                                              : (enum image_visibility)dice(IMAGE_VISIBILITIES);
    im->size = (int64_t)dice(5) - 1;
    im->virtual_size = -1;
    im->os_hidden = dice(6) == 0;
    im->deleted = im->status == IMAGE_DELETED || dice(12) == 0;
    im->created_us = 1700000000 * CLOCK_SECOND + (int64_t)dice(7) * 1000;
    im->updated_us = dice(5) == 0 ? 0 : im->created_us + dice(5);
    r->killed_or_gone = im->deleted || im->status == IMAGE_KILLED;
    r->member = im->visibility == IMAGE_SHARED || dice(3) == 0 ? one_of(members, COUNT(members)) : NULL;
    r->member_status = one_of(member_statuses, COUNT(member_statuses));
    if (crowd == MOSTLY_SHARED) {
        r->member = "p1";
        r->member_status = "accepted";
    }
}

static void bind_row(struct db_stmt *s, const struct row *r)
{
    const struct image *im = &r->im;

    db_bind_text(s, 1, im->id);
    db_bind_text(s, 2, im->name);
    db_bind_text(s, 3, im->disk_format);
    db_bind_text(s, 4, im->container_format);
    db_bind_text(s, 5, im->owner);
    db_bind_text(s, 6, image_status_name(im->status));
    db_bind_text(s, 7, image_visibility_name(im->visibility));
    if (im->size >= 0)
        db_bind_int(s, 8, im->size);
    db_bind_bool(s, 9, im->os_hidden);
    db_bind_bool(s, 10, im->deleted);
    db_bind_time(s, 11, im->created_us);
    if (im->updated_us)
        db_bind_time(s, 12, im->updated_us);
}

static void add_child(const char *sql, const char *id, const char *text, const char *more)
{
    struct db_stmt *s;

    OK(&t.f, db_prepare(t.f.c, sql, &s, &t.f.e));
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, text);
    if (more)
        db_bind_text(s, 3, more);
    OK(&t.f, db_run(s, NULL, &t.f.e));
}

static void store_row(const struct row *r)
{
    static const char member[] =
        "INSERT INTO image_members (image_id, member, status, can_share, created_at, deleted) "
        "VALUES (?1, ?2, ?3, 0, '2026-01-01 00:00:00.000000', 0)";
    static const char gone_member[] =
        "INSERT INTO image_members (image_id, member, can_share, created_at, deleted, deleted_at) "
        "VALUES (?1, ?2, 0, '2026-01-01 00:00:00.000000', 1, '2026-01-01 00:00:00.000000')";
    static const char property[] =
        "INSERT INTO image_properties (image_id, name, value, created_at, deleted) "
        "VALUES (?1, ?2, ?3, '2026-01-01 00:00:00.000000', 0)";
    static const char tag[] = "INSERT INTO image_tags (image_id, value, created_at, deleted) "
                              "VALUES (?1, ?2, '2026-01-01 00:00:00.000000', 0)";
    struct db_stmt *s;

    OK(&t.f,
       db_prepare(
           t.f.c,
           "INSERT INTO images (id, name, disk_format, container_format, owner, status, visibility, size, "
           "os_hidden, deleted, created_at, updated_at, min_disk, min_ram, protected) "
           "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, 0, 0)",
           &s, &t.f.e));
    bind_row(s, r);
    OK(&t.f, db_run(s, NULL, &t.f.e));
    if (r->member) {
        add_child(member, r->im.id, r->member, r->member_status);
        add_child(member, r->im.id, r->member, r->member_status); /* nothing in the schema forbids it */
    } else {
        add_child(gone_member, r->im.id, "p1", NULL);
    }
    add_child(property, r->im.id, "key", r->im.id);
    add_child(property, r->im.id, "kind", r->im.size > 1 ? "large" : "small");
    add_child(tag, r->im.id, r->im.name ? r->im.name : "unnamed", NULL);
}

static void fill(size_t n, enum crowd crowd)
{
    memset(&t, 0, sizeof t);
    fixture_open(&t.f);
    t.seed = 7 + (unsigned)crowd;
    OK(&t.f, db_begin_write(t.f.c, &t.f.e));
    for (t.n = 0; t.n < n; t.n++) {
        make_row(&t.rows[t.n], t.n % 10 ? crowd : MIXED);
        store_row(&t.rows[t.n]);
    }
    OK(&t.f, db_commit(t.f.c, &t.f.e));
}

/* ---- reference ---- */

static bool sees(const struct row *r, const struct image_query *q)
{
    const struct image *im = &r->im;
    bool own = q->viewer.project && im->owner && strcmp(im->owner, q->viewer.project) == 0;
    bool member = q->viewer.project && r->member && strcmp(r->member, q->viewer.project) == 0 &&
                  im->visibility == IMAGE_SHARED &&
                  (strcmp(q->member_status, "all") == 0 || strcmp(q->member_status, r->member_status) == 0);

    if (r->killed_or_gone || im->os_hidden != q->os_hidden)
        return false;
    if (q->visibility >= 0 && im->visibility != (enum image_visibility)q->visibility)
        return false;
    if (q->visibility == -1 && im->visibility == IMAGE_COMMUNITY && !own)
        return false;
    return q->viewer.is_admin || own || member || im->visibility == IMAGE_PUBLIC ||
           im->visibility == IMAGE_COMMUNITY;
}

static int compare_text(const char *a, const char *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

static int compare_number(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_by(const struct image *a, const struct image *b, const char *column)
{
    if (strcmp(column, "name") == 0)
        return compare_text(a->name, b->name);
    if (strcmp(column, "status") == 0)
        return compare_text(image_status_name(a->status), image_status_name(b->status));
    if (strcmp(column, "container_format") == 0)
        return compare_text(a->container_format, b->container_format);
    if (strcmp(column, "disk_format") == 0)
        return compare_text(a->disk_format, b->disk_format);
    if (strcmp(column, "size") == 0)
        return compare_number(a->size, b->size);
    if (strcmp(column, "created_at") == 0)
        return compare_number(a->created_us, b->created_us);
    if (strcmp(column, "updated_at") == 0)
        return compare_number(a->updated_us, b->updated_us);
    return compare_text(a->id, b->id);
}

static const struct image_query *sorting; /* qsort() has no room for it */

static int compare_rows(const void *a, const void *b)
{
    const struct row *const *x = a, *const *y = b;

    for (size_t i = 0; i < sorting->n_sorts; i++) {
        int order = compare_by(&(*x)->im, &(*y)->im, sorting->sorts[i].column);

        if (order)
            return sorting->sorts[i].ascending ? order : -order;
    }
    return 0;
}

static size_t expect(const struct image_query *q, bool (*extra)(const struct row *), const struct row **out)
{
    size_t n = 0;

    for (size_t i = 0; i < t.n; i++)
        if (sees(&t.rows[i], q) && (!extra || extra(&t.rows[i])))
            out[n++] = &t.rows[i];
    sorting = q;
    qsort(out, n, sizeof *out, compare_rows);
    return n;
}

/* ---- checking ---- */

static const char *describe(const struct image_query *q, int64_t limit)
{
    CLEANUP(str_done) struct str s = STR_INIT;

    str_addf(&s, "%s of %s, visibility %d, member %s, hidden %d, limit %d:",
             q->viewer.is_admin ? "admin" : "member", q->viewer.project ? q->viewer.project : "no project",
             q->visibility, q->member_status, q->os_hidden, (int)limit);
    for (size_t i = 0; i < q->n_sorts; i++)
        str_addf(&s, " %s:%s", q->sorts[i].column, q->sorts[i].ascending ? "asc" : "desc");
    return arena_str(t.f.a, str_text(&s));
}

static void check_pages(struct image_query *q, bool (*extra)(const struct row *), int64_t limit)
{
    static const struct row *wanted[IMAGES_MAX];
    size_t n = expect(q, extra, wanted), at = 0;
    struct arena *a = arena_make(1 << 16);
    const struct image *marker = NULL;

    q->limit = limit;
    for (;;) {
        struct image *page;
        size_t got;

        q->marker = marker;
        OK(&t.f, image_list(t.f.c, a, q, &page, &got, NULL, &t.f.e));
        if (got > (size_t)limit || at + got > n)
            fail_msg("%s: too many: %zu after %zu of %zu", describe(q, limit), got, at, n);
        for (size_t i = 0; i < got; i++, at++)
            if (strcmp(page[i].id, wanted[at]->im.id) != 0)
                fail_msg("%s: image %zu of %zu is %s, not %s", describe(q, limit), at, n, page[i].id,
                         wanted[at]->im.id);
        if (got < (size_t)limit)
            break;
        marker = &page[got - 1];
    }
    if (at != n)
        fail_msg("%s: %zu of %zu", describe(q, limit), at, n);
    arena_free(a);
}

static void set_sorts(struct image_query *q, const char *key, bool ascending, bool tie_ascending)
{
    q->n_sorts = 0;
    q->sorts[q->n_sorts++] = (struct sort){ key, ascending };
    if (strcmp(key, "created_at") != 0)
        q->sorts[q->n_sorts++] = (struct sort){ "created_at", tie_ascending };
    if (strcmp(key, "id") != 0)
        q->sorts[q->n_sorts++] = (struct sort){ "id", tie_ascending };
}

static const char *const keys[] = { "name", "status", "container_format", "disk_format",
                                    "size", "id",     "created_at",       "updated_at" };

static const struct viewer viewers[] = {
    { true, "p1" }, { true, NULL }, { false, "p1" }, { false, "p3" }, { false, "nobody" }, { false, NULL },
};

/* ---- tests ---- */

static void check_every_order(const struct viewer *viewer, int64_t limit)
{
    for (size_t k = 0; k < COUNT(keys); k++) {
        for (int way = 0; way < 4; way++) {
            struct image_query q = { .viewer = *viewer, .visibility = -1, .member_status = "accepted" };

            set_sorts(&q, keys[k], way & 1, way & 2);
            check_pages(&q, NULL, limit);
        }
    }
}

static void test_every_order(void **state)
{
    static const struct {
        size_t images;
        int64_t limit;
    } sizes[] = { { 40, 1 }, { 60, 2 }, { 120, 7 }, { 120, 1000 } };

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        fill(sizes[i].images, MIXED);
        for (size_t v = 0; v < COUNT(viewers); v++)
            check_every_order(&viewers[v], sizes[i].limit);
        fixture_close(&t.f);
    }
}

static void test_many(void **state)
{
    static const enum crowd crowds[] = { MOSTLY_OWN, MOSTLY_SHARED, MOSTLY_PUBLIC };

    (void)state;
    for (size_t i = 0; i < COUNT(crowds); i++) {
        fill(IMAGES_MAX, crowds[i]);
        check_every_order(&viewers[2], 600);
        fixture_close(&t.f);
    }
}

static void check_every_visibility(void)
{
    static const char *const member_statuses[] = { "accepted", "pending", "rejected", "all" };

    for (size_t v = 0; v < COUNT(viewers); v++) {
        for (int visibility = -2; visibility < IMAGE_VISIBILITIES; visibility++) {
            for (size_t m = 0; m < COUNT(member_statuses); m++) {
                for (int hidden = 0; hidden < 2; hidden++) {
                    struct image_query q = { .viewer = viewers[v],
                                             .visibility = visibility,
                                             .member_status = member_statuses[m],
                                             .os_hidden = hidden };

                    set_sorts(&q, "created_at", false, false);
                    check_pages(&q, NULL, 7);
                    set_sorts(&q, "name", true, true);
                    check_pages(&q, NULL, 7);
                }
            }
        }
    }
}

static void test_every_visibility(void **state)
{
    (void)state;
    fill(100, MIXED);
    check_every_visibility();
    fixture_close(&t.f);
}

/* The twin does not say how it sorts: it is asked where two were created at once. */
static void test_an_unknown_collation(void **state)
{
    char url[160];

    (void)state;
    fill(100, MIXED);
    db_release(&t.f.c);
    db_close(t.f.db);
    snprintf(url, sizeof url, "fault+%s", t.f.url);
    OK(&t.f, db_open(url, false, 4, &t.f.db, &t.f.e));
    OK(&t.f, db_acquire(t.f.db, DB_WAIT, &t.f.c, &t.f.e));
    assert_false(db_sorts_bytewise(t.f.c));
    check_every_visibility();
    fixture_close(&t.f);
}

static void test_keys_in_several_directions(void **state)
{
    (void)state;
    fill(80, MIXED);
    for (size_t i = 0; i < COUNT(keys); i++) {
        for (size_t j = 0; j < COUNT(keys); j++) {
            for (int way = 0; way < 8; way++) {
                struct image_query q = { .viewer = viewers[2],
                                         .visibility = -2,
                                         .member_status = "all",
                                         .n_sorts = 4,
                                         .sorts = { { keys[i], way & 1 },
                                                    { keys[j], way & 2 },
                                                    { "created_at", way & 4 },
                                                    { "id", way & 4 } } };

                check_pages(&q, NULL, 11);
            }
        }
    }
    fixture_close(&t.f);
}

static bool named_a_or_b(const struct row *r)
{
    return r->im.name && (strcmp(r->im.name, "a") == 0 || strcmp(r->im.name, "b") == 0);
}
static bool named_a(const struct row *r)
{
    return r->im.name && strcmp(r->im.name, "a") == 0;
}
static bool at_least_one(const struct row *r)
{
    return r->im.size >= 1;
}
static bool large(const struct row *r)
{
    return r->im.size > 1;
}
static bool later(const struct row *r)
{
    return r->im.created_us > 1700000000 * CLOCK_SECOND + 3000;
}
static bool other_times(const struct row *r)
{
    return r->im.created_us != 1700000000 * CLOCK_SECOND + 3000;
}
static bool first_id(const struct row *r)
{
    return r == &t.rows[0];
}
static bool unnamed(const struct row *r)
{
    return !r->im.name;
}
static bool never(const struct row *r)
{
    (void)r;
    return false;
}

static void test_filters(void **state)
{
    static const char *const a_b[] = { "a", "b" }, *const is_large[] = { "large" },
                             *const is_unnamed[] = { "unnamed" };
    static const char *const is_killed[] = { "deleted", "killed" };
    const char *id[1];
    struct {
        struct image_filter filter;
        bool (*extra)(const struct row *);
    } cases[] = {
        { { .kind = FILTER_TEXT, .column = "name", .values = a_b, .n_values = 2 }, named_a_or_b },
        { { .kind = FILTER_TEXT, .column = "name", .values = a_b, .n_values = 1 }, named_a },
        { { .kind = FILTER_TEXT, .column = "name", .values = a_b, .n_values = 0 }, never },
        { { .kind = FILTER_TEXT, .column = "status", .values = is_killed, .n_values = 2 }, never },
        { { .kind = FILTER_TEXT, .column = "id", .values = id, .n_values = 1 }, first_id },
        { { .kind = FILTER_INT_MIN, .column = "size", .number = 1 }, at_least_one },
        { { .kind = FILTER_INT_MAX, .column = "size", .number = -5 }, never },
        { { .kind = FILTER_TIME,
            .column = "created_at",
            .op = OP_GT,
            .number = 1700000000 * CLOCK_SECOND + 3000 },
          later },
        { { .kind = FILTER_TIME,
            .column = "created_at",
            .op = OP_NEQ,
            .number = 1700000000 * CLOCK_SECOND + 3000 },
          other_times },
        { { .kind = FILTER_BOOL, .column = "protected", .number = 1 }, never },
        { { .kind = FILTER_BOOL, .column = "protected", .number = 0 }, NULL },
        { { .kind = FILTER_PROPERTY, .column = "kind", .values = is_large, .n_values = 1 }, large },
        { { .kind = FILTER_PROPERTY, .column = "other", .values = is_large, .n_values = 1 }, never },
        { { .kind = FILTER_TAG, .values = is_unnamed, .n_values = 1 }, unnamed },
        { { .kind = FILTER_TAG, .values = is_large, .n_values = 1 }, never },
        { { .kind = FILTER_NOTHING }, never },
    };

    (void)state;
    fill(100, MIXED);
    id[0] = t.rows[0].im.id;
    for (size_t v = 0; v < COUNT(viewers); v++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct image_query q = { .viewer = viewers[v],
                                     .visibility = -1,
                                     .member_status = "accepted",
                                     .filters = &cases[i].filter,
                                     .n_filters = 1 };

            set_sorts(&q, "created_at", false, false);
            check_pages(&q, cases[i].extra, 7);
            set_sorts(&q, "name", true, true);
            check_pages(&q, cases[i].extra, 7);
        }
    }
    fixture_close(&t.f);
}

static void test_children(void **state)
{
    struct image_query q = {
        .viewer = { true, NULL }, .visibility = -2, .member_status = "accepted", .limit = 40
    };
    struct image *page;
    size_t n;

    (void)state;
    fill(80, MIXED);
    run_sql(&t.f,
            "INSERT INTO image_locations (image_id, value, created_at, deleted) SELECT id, 'file:///' || id, "
            "created_at, 0 "
            "FROM images; UPDATE image_properties SET deleted = 1 WHERE name = 'kind' AND value = 'large'");
    set_sorts(&q, "name", true, true);
    OK(&t.f, image_list(t.f.c, t.f.a, &q, &page, &n, NULL, &t.f.e));
    assert_int_equal(n, 40);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(page[i].n_properties, page[i].size > 1 ? 1 : 2);
        assert_string_equal(image_property_get(&page[i], "key"), page[i].id);
        assert_int_equal(page[i].n_tags, 1);
        assert_string_equal(page[i].tags[0], page[i].name ? page[i].name : "unnamed");
        assert_int_equal(page[i].n_locations, 1);
        assert_string_equal(page[i].locations[0].url + strlen("file:///"), page[i].id);
        assert_string_equal(page[i].locations[0].metadata, "{}");
        assert_string_equal(page[i].locations[0].status, "active");
    }
    q.without_locations = true;
    OK(&t.f, image_list(t.f.c, t.f.a, &q, &page, &n, NULL, &t.f.e));
    assert_int_equal(n, 40);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(page[i].n_locations, 0);
        assert_int_equal(page[i].n_tags, 1);
    }
    fixture_close(&t.f);
}

static void test_refused(void **state)
{
    struct image_query q = {
        .viewer = { true, NULL }, .visibility = -1, .member_status = "accepted", .limit = 5
    };
    struct image_filter bad = { .kind = FILTER_INT, .column = "size; DROP TABLE images" };
    struct image *page;
    size_t n;

    (void)state;
    fill(3, MIXED);
    set_sorts(&q, "owner", true, true);
    assert_int_equal(image_list(t.f.c, t.f.a, &q, &page, &n, NULL, &t.f.e), -1);
    assert_int_equal(t.f.e.kind, ERROR_INTERNAL);
    set_sorts(&q, "name", true, true);
    q.n_sorts = 1;
    assert_int_equal(image_list(t.f.c, t.f.a, &q, &page, &n, NULL, &t.f.e), -1);
    set_sorts(&q, "name", true, true);
    q.filters = &bad;
    q.n_filters = 1;
    assert_int_equal(image_list(t.f.c, t.f.a, &q, &page, &n, NULL, &t.f.e), -1);
    assert_null(attribute_find(&image_resource, "members"));
    assert_true(attribute_has_column(attribute_find(&image_resource, "min_ram")));
    q.n_filters = 0;
    q.limit = 0;
    OK(&t.f, image_list(t.f.c, t.f.a, &q, &page, &n, NULL, &t.f.e));
    assert_int_equal(n, 0);
    fixture_close(&t.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_every_visibility),
        cmocka_unit_test(test_an_unknown_collation),
        cmocka_unit_test(test_keys_in_several_directions),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
