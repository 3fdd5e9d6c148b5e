/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/db.h"
#include "front/loopback/loopback.h"
#include "host/host.h"
#include "model/model.h"
#include "store/store.h"

static char dir[64], conf[96], connection[128], datadir[128];
static const char *files[] = { conf, NULL };
static const char *overrides[8];

/* A request whose configuration is one empty file and these settings. */
static struct conf_request source(const char *more)
{
    overrides[0] = connection;
    overrides[1] = datadir;
    overrides[2] = more;
    overrides[3] = NULL;
    return (struct conf_request){ .files = files, .overrides = overrides };
}

static void load(struct host **ret, const char *more)
{
    struct conf_request rq = source(more);
    struct error e;

    if (host_load(&rq, ret, &e) < 0)
        fail_msg("%s", e.message);
}

static void sync_database(const struct host *h)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct db *db = NULL;
    struct error e;

    if (host_open_db(host_config(h), true, &db, &e) < 0 || db_acquire(db, DB_WAIT, &c, &e) < 0 ||
        schema_sync(c, &e) < 0)
        fail_msg("%s", e.message);
    db_release(&c);
    db_close(db);
}

static int status_of(const struct host *h, const char *method, const char *target)
{
    struct http_service service = host_service(h);
    struct loopback_request rq = { .method = method, .target = target };
    CLEANUP(loopback_done) struct loopback_answer answer = { 0 };

    loopback_run(&service, &rq, &answer);
    return answer.status;
}

static void test_wrong_configurations_are_refused_before_anything_is_opened(void **state UNUSED)
{
    static const char *const wrong[] = { "DEFAULT.bind_port=many", "paste_deploy.flavor=nowhere",
                                         "paste_deploy.config_file=/nonexistent/paste.ini" };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct conf_request rq = source(wrong[i]);
        struct host *h = NULL;
        struct error e;

        CHECK_CASE(wrong[i], host_load(&rq, &h, &e) < 0);
        CHECK_CASE(wrong[i], h == NULL && *e.message);
    }
}

static void test_a_database_without_tables_names_the_command(void **state UNUSED)
{
    struct host *h;
    struct error e;
    FILE *empty;

    load(&h, NULL);
    assert_string_equal(host_database(h), "");
    assert_true(host_open(h, &e) < 0);
    assert_non_null(strstr(e.detail, "glint db sync --config-file "));
    host_free(h);
    empty = fopen(strstr(connection, "///") + 3, "we");
    assert_non_null(empty);
    fclose(empty);
    load(&h, NULL);
    assert_true(host_open(h, &e) < 0);
    assert_non_null(strstr(e.message, "glint db sync --config-file "));
    host_free(h);
}

static void test_what_could_not_be_opened_can_be_opened_later(void **state UNUSED)
{
    struct host *h;
    struct error e;

    load(&h, NULL);
    assert_true(host_open(h, &e) < 0);
    assert_true(host_open(h, &e) < 0);
    sync_database(h);
    if (host_open(h, &e) < 0)
        fail_msg("%s", e.message);
    assert_int_equal(status_of(h, "GET", "/v2/images"), 200);
    host_free(h);
}

static void test_it_serves_and_takes_over_another_configuration(void **state UNUSED)
{
    struct host *h, *next;
    struct error e;

    load(&h, NULL);
    sync_database(h);
    if (host_open(h, &e) < 0)
        fail_msg("%s", e.message);
    assert_int_equal(status_of(h, "GET", "/v2/images"), 200);
    assert_int_equal(config_int(host_config(h), "DEFAULT", "limit_param_default"), 25);
    load(&next, "DEFAULT.limit_param_default=7");
    host_adopt(h, next);
    assert_int_equal(config_int(host_config(h), "DEFAULT", "limit_param_default"), 7);
    assert_int_equal(config_int(host_first_config(h), "DEFAULT", "limit_param_default"), 25);
    assert_int_equal(status_of(h, "GET", "/v2/images"), 200);
    host_free(h);
}

static void test_a_workers_host_opens_the_same_without_an_api(void **state UNUSED)
{
    static const char limit[] = "DEFAULT.limit_param_default=7";
    struct conf_request rq = source("paste_deploy.flavor=nowhere"); /* nobody asks it anything */
    struct host *h, *next;
    struct error e;

    if (host_load_worker(&rq, &h, &e) < 0)
        fail_msg("%s", e.message);
    assert_true(host_open_database(h, &e) < 0);
    assert_non_null(strstr(e.detail, "glint db sync --config-file "));
    sync_database(h);
    if (host_open_database(h, &e) < 0)
        fail_msg("%s", e.message);
    assert_non_null(host_db(h));
    assert_null(host_stores(h));
    if (host_open(h, &e) < 0)
        fail_msg("%s", e.message);
    assert_true(stores_count(host_stores(h)) > 0);
    rq = source(limit);
    if (host_load_worker(&rq, &next, &e) < 0)
        fail_msg("%s", e.message);
    host_adopt(h, next);
    assert_int_equal(config_int(host_config(h), "DEFAULT", "limit_param_default"), 7);
    assert_int_equal(config_int(host_first_config(h), "DEFAULT", "limit_param_default"), 25);
    host_free(h);
}

static void test_two_hosts_live_side_by_side(void **state UNUSED)
{
    struct host *a, *b;
    struct error e;

    load(&a, NULL);
    load(&b, "DEFAULT.limit_param_default=7");
    sync_database(a);
    if (host_open(a, &e) < 0 || host_open(b, &e) < 0)
        fail_msg("%s", e.message);
    host_free(a);
    assert_int_equal(status_of(b, "GET", "/v2/images"), 200);
    host_free(b);
}

static int set_up(void **state UNUSED)
{
    FILE *f;

    log_level_set(LOG_OFF);
    strcpy(dir, "/tmp/glint-host-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(conf, sizeof conf, "%s/glint.conf", dir);
    snprintf(connection, sizeof connection, "database.connection=sqlite:///%s/db.sqlite", dir);
    snprintf(datadir, sizeof datadir, "glance_store.filesystem_store_datadir=%s/images", dir);
    f = fopen(conf, "we");
    assert_non_null(f);
    fputs("[oslo_policy]\nenforce_new_defaults = false\n", f);
    fclose(f);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wrong_configurations_are_refused_before_anything_is_opened,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_database_without_tables_names_the_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_could_not_be_opened_can_be_opened_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_serves_and_takes_over_another_configuration, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_workers_host_opens_the_same_without_an_api, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_hosts_live_side_by_side, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
