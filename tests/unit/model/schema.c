/* SPDX-License-Identifier: Apache-2.0 */
/* Our schema beside the one that Glance itself made (recorded in tests/oracle), and what happens to other
 * databases. */
#include <fcntl.h>
#include <sys/wait.h>

#include "fixture.h"

static void read_recorded(struct str *out)
{
    int fd = open(RECORDED_SCHEMA, O_RDONLY);
    char buf[4096];
    ssize_t n;

    if (fd < 0)
        fail_msg("%s is missing", RECORDED_SCHEMA);
    while ((n = read(fd, buf, sizeof buf)) > 0)
        str_addn(out, buf, (size_t)n);
    close(fd);
}

/* Every row of the statement, columns separated by '|', rows by line. */
static void dump(struct fixture *f, const char *sql, int columns, struct str *out)
{
    struct db_stmt *s;
    int row;

    OK(f, db_prepare_text(f->c, sql, &s, &f->e));
    while ((row = db_step(s, &f->e)) > 0)
        for (int i = 0; i < columns; i++)
            str_addf(out, "%s%s", db_text(s, i) ? db_text(s, i) : "NULL", i + 1 < columns ? "|" : "\n");
    OK(f, row);
}

/* Columns, defaults, keys, indexes with their columns, foreign keys and checks of Glance's tables. */
static void describe(struct fixture *f, struct str *out)
{
    dump(
        f,
        "SELECT m.name, c.cid, c.name, upper(c.type), c.\"notnull\", c.dflt_value, c.pk FROM sqlite_master m "
        "JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'glint_%' AND m.name "
        "NOT LIKE 'sqlite_%' "
        "ORDER BY m.name, c.cid",
        7, out);
    dump(f,
         "SELECT m.name, i.name, i.\"unique\", i.origin, i.partial, c.seqno, c.name FROM sqlite_master m "
         "JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c WHERE m.type = 'table' "
         "AND m.name NOT LIKE 'glint_%' AND m.name NOT LIKE 'sqlite_%' AND i.name NOT LIKE 'glint_%' "
         "ORDER BY m.name, i.name, c.seqno",
         7, out);
    dump(f,
         "SELECT m.name, k.\"from\", k.\"table\", k.\"to\", k.on_update, k.on_delete FROM sqlite_master m "
         "JOIN pragma_foreign_key_list(m.name) k WHERE m.type = 'table' ORDER BY m.name, k.\"from\"",
         6, out);
    /* Names of constraints and checks stand in the text alone. */
    dump(f,
         "SELECT name, replace(replace(replace(replace(replace(replace(sql, char(9), ''), char(10), ''), ' "
         "', ''), "
         "'IFNOTEXISTS', ''), '\"', ''), 'CREATETABLE', '') FROM sqlite_master WHERE type = 'table' "
         "AND name NOT LIKE 'glint_%' AND name NOT LIKE 'sqlite_%' ORDER BY name",
         2, out);
    dump(f, "SELECT version_num FROM alembic_version", 1, out);
}

static void compare_lines(const char *ours, const char *theirs)
{
    while (*ours || *theirs) {
        size_t a = strcspn(ours, "\n"), b = strcspn(theirs, "\n");

        if (a != b || strncmp(ours, theirs, a) != 0)
            fail_msg("ours:\n%.*s\nGlance's:\n%.*s", (int)a, ours, (int)b, theirs);
        ours += a + (ours[a] != '\0');
        theirs += b + (theirs[b] != '\0');
    }
}

static void open_only(struct fixture *f)
{
    fixture_paths(f);
    OK(f, db_open(f->url, true, 4, &f->db, &f->e));
    OK(f, db_acquire(f->db, DB_WAIT, &f->c, &f->e));
}

static void open_recorded(struct fixture *f)
{
    CLEANUP(str_done) struct str sql = STR_INIT;

    read_recorded(&sql);
    open_only(f);
    OK(f, db_script(f->c, str_text(&sql), &f->e));
}

static void test_same_as_glance(void **state)
{
    CLEANUP(str_done) struct str ours = STR_INIT;
    CLEANUP(str_done) struct str theirs = STR_INIT;
    struct fixture f, g;

    (void)state;
    fixture_open(&f);
    open_recorded(&g);
    describe(&f, &ours);
    describe(&g, &theirs);
    assert_true(theirs.len > 5000);
    compare_lines(str_text(&ours), str_text(&theirs));
    assert_string_equal(
        ask(&f,
            "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'glint_%' "
            "AND name NOT LIKE 'sqlite_%'",
            NULL),
        "16");
    fixture_close(&f);
    fixture_close(&g);
}

static struct schema_info check(struct fixture *f)
{
    struct schema_info info;

    OK(f, schema_check(f->c, &info, &f->e));
    return info;
}

static void test_empty_database(void **state)
{
    struct fixture f;
    struct schema_info info;

    (void)state;
    open_only(&f);
    info = check(&f);
    assert_int_equal(info.state, SCHEMA_ABSENT);
    assert_false(info.own_tables);
    for (int i = 0; i < 2; i++) {
        OK(&f, schema_sync(f.c, &f.e));
        info = check(&f);
        assert_int_equal(info.state, SCHEMA_CURRENT);
        assert_true(info.own_tables);
        assert_string_equal(info.versions, "2024_1_contract01");
    }
    assert_string_equal(ask(&f, "PRAGMA integrity_check", NULL), "ok");
    fixture_close(&f);
}

static void test_beside_glance(void **state)
{
    struct fixture f;
    struct schema_info info;

    (void)state;
    open_recorded(&f);
    run_sql(&f, "INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram) "
                "VALUES ('i1', 'active', '2026-01-01 00:00:00.000000', 0, 0, 0)");
    info = check(&f);
    assert_int_equal(info.state, SCHEMA_CURRENT);
    assert_false(info.own_tables);
    OK(&f, schema_sync(f.c, &f.e));
    assert_true(check(&f).own_tables);
    assert_string_equal(load_image(&f, "i1")->id, "i1");
    run_sql(&f, "DROP TABLE glint_schema; DROP INDEX glint_images_name"); /* half gone: made again */
    assert_false(check(&f).own_tables);
    OK(&f, schema_sync(f.c, &f.e));
    assert_true(check(&f).own_tables);
    assert_string_equal(ask(&f, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'glint_images_name'", NULL),
                        "1");
    fixture_close(&f);
}

static const struct {
    const char *name, *versions;
    enum schema_state state;
} revisions[] = {
    { "head", "('2024_1_contract01')", SCHEMA_CURRENT },
    { "one release back", "('2023_1_contract01')", SCHEMA_OLDER },
    { "expanded, not contracted", "('2023_1_contract01'), ('2024_1_expand01')", SCHEMA_OLDER },
    { "the oldest", "('liberty')", SCHEMA_OLDER },
    { "before the two branches", "('pike01')", SCHEMA_OLDER },
    { "from the future", "('2031_1_contract01')", SCHEMA_NEWER_OR_UNKNOWN },
    { "being expanded to the future", "('2024_1_contract01'), ('2031_1_expand01')", SCHEMA_NEWER_OR_UNKNOWN },
    { "no row", NULL, SCHEMA_NEWER_OR_UNKNOWN },
};

static void test_revisions(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < COUNT(revisions); i++) {
        char sql[200];

        run_sql(&f, "DELETE FROM alembic_version");
        if (revisions[i].versions) {
            snprintf(sql, sizeof sql, "INSERT INTO alembic_version VALUES %s", revisions[i].versions);
            run_sql(&f, sql);
        }
        CHECK_CASE(revisions[i].name, check(&f).state == revisions[i].state);
        if (revisions[i].state == SCHEMA_CURRENT)
            continue;
        CHECK_CASE(revisions[i].name, schema_sync(f.c, &f.e) == -1 && f.e.kind == ERROR_CONFLICT);
        CHECK_CASE(revisions[i].name, !db_in_transaction(f.c));
        CHECK_CASE(revisions[i].name,
                   revisions[i].state != SCHEMA_OLDER || strstr(f.e.message, "glance-manage"));
    }
    run_sql(&f, "DROP TABLE alembic_version");
    assert_int_equal(check(&f).state, SCHEMA_NEWER_OR_UNKNOWN);
    fixture_close(&f);
}

static void sync_from_here(const char *url)
{
    struct db *db;
    struct db_conn *c;
    struct error e;
    int failed =
        db_open(url, true, 1, &db, &e) < 0 || db_acquire(db, DB_WAIT, &c, &e) < 0 || schema_sync(c, &e) < 0;

    if (failed)
        fprintf(stderr, "%s (%s)\n", e.message, e.detail);
    _exit(failed);
}

static void test_several_at_once(void **state)
{
    struct fixture f;
    pid_t children[4];

    (void)state;
    fixture_paths(&f);
    for (size_t i = 0; i < COUNT(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            sync_from_here(f.url);
    }
    for (size_t i = 0; i < COUNT(children); i++) {
        int status = -1;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    OK(&f, db_open(f.url, false, 4, &f.db, &f.e));
    OK(&f, db_acquire(f.db, DB_WAIT, &f.c, &f.e));
    assert_int_equal(check(&f).state, SCHEMA_CURRENT);
    assert_string_equal(ask(&f, "SELECT COUNT(*) FROM alembic_version", NULL), "1");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_glance),  cmocka_unit_test(test_empty_database),
        cmocka_unit_test(test_beside_glance),   cmocka_unit_test(test_revisions),
        cmocka_unit_test(test_several_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
