/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "embed/embed.h"
#include "front/loopback/loopback.h"
#include "host/host.h"
#include "model/model.h"

/* A configuration in a directory of our own, and a database that another process made. */
static char dir[64];

static void make_database(const char *conf)
{
    const char *files[] = { conf, NULL };
    struct conf_request rq = { .files = files };
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct config *config = NULL;
    struct db *db = NULL;
    struct error e;

    if (conf_load(&rq, &config, &e) < 0 || host_open_db(config, true, &db, &e) < 0 ||
        db_acquire(db, DB_WAIT, &c, &e) < 0 || schema_sync(c, &e) < 0)
        fail_msg("%s", e.message);
    db_release(&c);
    db_close(db);
    config_free(config);
}

static int set_up(void **state UNUSED)
{
    char conf[96];
    FILE *out;

    strcpy(dir, "/tmp/glint-embed-XXXXXX");
    assert_non_null(mkdtemp(dir));
    setenv("OS_GLANCE_CONFIG_DIR", dir, 1);
    snprintf(conf, sizeof conf, "%s/glance-api.conf", dir);
    out = fopen(conf, "w");
    assert_non_null(out);
    fprintf(out,
            "[DEFAULT]\nnode_staging_uri = file://%s/staging\n[database]\nconnection = sqlite:///%s/db\n"
            "[glance_store]\nfilesystem_store_datadir = %s/images\n[oslo_policy]\n"
            "enforce_new_defaults = false\npolicy_file = %s/policy.yaml\n",
            dir, dir, dir, dir);
    fclose(out);
    snprintf(conf, sizeof conf, "%s/policy.yaml", dir);
    out = fopen(conf, "w");
    assert_non_null(out);
    fputs("get_images: \"\"\n", out);
    fclose(out);
    snprintf(conf, sizeof conf, "%s/glance-api.conf", dir);
    make_database(conf);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : -1;
}

static struct embedded *load(const char *option)
{
    const char *overrides[] = { "DEFAULT.debug=false", option, NULL };
    struct conf_request rq = { .overrides = overrides };
    struct embedded *m = NULL;
    struct error e;

    if (embedded_load(&rq, &m, &e) < 0)
        fail_msg("%s", e.message);
    return m;
}

static int ask(struct embedded *m)
{
    struct loopback_request rq = { .method = "GET", .target = "/v2/images" };
    CLEANUP(loopback_done) struct loopback_answer answer = { 0 };
    struct http_service service;
    struct error e;

    if (embedded_open(m, &service, &e) < 0)
        return -1;
    loopback_run(&service, &rq, &answer);
    return answer.status;
}

static void test_a_wrong_configuration_is_refused_at_once(void **state UNUSED)
{
    const char *overrides[] = { "DEFAULT.bind_port=many", NULL };
    struct conf_request rq = { .overrides = overrides };
    struct embedded *m = NULL;
    struct error e;

    assert_true(embedded_load(&rq, &m, &e) < 0);
    assert_null(m);
    assert_non_null(strstr(e.message, "bind_port"));
}

static void test_a_forked_process_opens_its_own(void **state UNUSED)
{
    struct embedded *m = load(NULL);
    int status = -1;
    pid_t child;

    assert_int_equal(ask(m), 200);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(ask(m) == 200 && ask(m) == 200 ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(ask(m), 200);
    embedded_free(m);
}

static void test_it_may_be_read_again_before_it_is_opened(void **state UNUSED)
{
    struct embedded *m = load("glint.linger_timeout=7");
    struct error e;

    assert_int_equal(embedded_seconds_us(m, "linger_timeout"), 7 * CLOCK_SECOND);
    if (embedded_reload(m, &e) < 0)
        fail_msg("%s", e.message);
    assert_int_equal(ask(m), 200);
    embedded_free(m);
}

static void test_a_failure_is_told_again_without_another_attempt(void **state UNUSED)
{
    struct embedded *m = load("database.connection=sqlite:////nonexistent/glance.sqlite");
    struct http_service service;
    struct error first, second;

    assert_true(embedded_open(m, &service, &first) < 0);
    assert_true(embedded_open(m, &service, &second) < 0);
    assert_string_equal(first.message, second.message);
    assert_int_equal(first.kind, second.kind);
    embedded_free(m);
}

/* In a web server nobody is there to see whom it serves. */
static void test_no_configuration_is_refused(void **state UNUSED)
{
    struct conf_request rq = { 0 };
    struct embedded *m = NULL;
    struct error e;

    setenv("OS_GLANCE_CONFIG_DIR", "/nonexistent", 1);
    assert_true(embedded_load(&rq, &m, &e) < 0);
    assert_non_null(strstr(e.message, "the directory /nonexistent (OS_GLANCE_CONFIG_DIR) is not there"));
    unsetenv("OS_GLANCE_CONFIG_DIR");
    assert_true(embedded_load(&rq, &m, &e) < 0);
    assert_non_null(strstr(e.message, "no configuration was found"));
    setenv("OS_GLANCE_CONFIG_DIR", dir, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_configuration_is_refused),
        cmocka_unit_test(test_a_wrong_configuration_is_refused_at_once),
        cmocka_unit_test(test_a_forked_process_opens_its_own),
        cmocka_unit_test(test_it_may_be_read_again_before_it_is_opened),
        cmocka_unit_test(test_a_failure_is_told_again_without_another_attempt),
    };

    return cmocka_run_group_tests_name("embed", tests, set_up, tear_down);
}
