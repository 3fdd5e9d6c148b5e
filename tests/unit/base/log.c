/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/glint-log-XXXXXX";

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    return 0;
}

static char *content(const char *of)
{
    static char text[65536];
    FILE *in = fopen(of, "r");
    size_t n;

    assert_non_null(in);
    n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[n] = '\0';
    return text;
}

static void lines_cannot_be_forged(void **state)
{
    (void)state;
    assert_int_equal(log_open(path, LOG_INFO), 0);
    log_info("name=%s", "a\n2026-01-01 00:00:00 1 ERROR forged\r\x1b[2J\x7f \xC3\xA9");
    log_open(NULL, LOG_INFO);
    assert_non_null(strstr(content(path),
                           " INFO name=a\\n2026-01-01 00:00:00 1 ERROR forged\\x0d\\x1b[2J\\x7f \xC3\xA9\n"));
    assert_int_equal(strcspn(content(path), "\n"), strlen(content(path)) - 1);
    unlink(path);
}

static void levels_choose(void **state)
{
    (void)state;
    assert_int_equal(log_open(path, LOG_WARNING), 0);
    log_debug("one");
    log_info("two");
    log_warning("three");
    log_level_set(LOG_DEBUG);
    log_debug("four");
    assert_true(log_wants(LOG_DEBUG));
    log_open(NULL, LOG_INFO);
    assert_false(log_wants(LOG_DEBUG));
    assert_null(strstr(content(path), "one"));
    assert_null(strstr(content(path), "two"));
    assert_non_null(strstr(content(path), "WARNING three\n"));
    assert_non_null(strstr(content(path), "DEBUG four\n"));
    unlink(path);
}

static void a_moved_file_is_let_go(void **state)
{
    char moved[64];

    (void)state;
    snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(log_open(path, LOG_INFO), 0);
    log_info("before");
    assert_int_equal(rename(path, moved), 0);
    log_info("still before");
    assert_int_equal(log_open(path, LOG_INFO), 0);
    log_info("after");
    log_open(NULL, LOG_INFO);
    assert_non_null(strstr(content(moved), "still before"));
    assert_null(strstr(content(moved), "after"));
    assert_non_null(strstr(content(path), "INFO after\n"));
    unlink(path);
    unlink(moved);
}

static void a_failed_open_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(log_open(path, LOG_INFO), 0);
    assert_int_equal(log_open("/nonexistent/log", LOG_DEBUG), -1);
    assert_int_equal(errno, ENOENT);
    assert_false(log_wants(LOG_DEBUG));
    log_info("here");
    log_open(NULL, LOG_INFO);
    assert_non_null(strstr(content(path), "here"));
    unlink(path);
}

enum { WRITERS = 4, LINES = 50, REOPENED = 20 };

static void *write_lines(void *arg)
{
    char text[PIPE_BUF + 1000];

    memset(text, *(const char *)arg, sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < LINES; i++)
        log_info("%.*s.", i % 10 ? 20 : (int)sizeof text - 1, text);
    return NULL;
}

/* All of one letter, with its end. */
static bool whole(char *line)
{
    const char *text = strstr(line, " INFO ");
    size_t n;

    if (!text)
        return false;
    text += strlen(" INFO ");
    for (n = 0; text[n] == text[0]; n++)
        ;
    return (n == 20 || n == PIPE_BUF + 999) && str_eq(text + n, ".");
}

static void lines_of_threads_are_whole(void **state UNUSED)
{
    static const char letters[WRITERS] = { 'a', 'b', 'c', 'd' };
    pthread_t writers[WRITERS];
    char *line = NULL;
    size_t size = 0;
    int found = 0;
    FILE *in;

    assert_int_equal(log_open(path, LOG_INFO), 0);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_lines, (void *)(uintptr_t)&letters[i]), 0);
    for (int i = 0; i < REOPENED; i++)
        assert_int_equal(log_open(path, LOG_INFO), 0);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    log_open(NULL, LOG_INFO);
    in = fopen(path, "r");
    assert_non_null(in);
    for (; getline(&line, &size, in) > 0; found++) {
        line[strcspn(line, "\n")] = '\0';
        assert_true(whole(line));
    }
    free(line);
    fclose(in);
    assert_int_equal(found, WRITERS * LINES);
    unlink(path);
}

static void catch_line(void *arg, enum log_level level, const char *line)
{
    str_addf(arg, "%d:%s\n", (int)level, line);
}

static void a_sink_gets_the_lines(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    log_sink_set(catch_line, &out);
    log_error("a\nb");
    log_sink_set(NULL, NULL);
    assert_string_equal(str_text(&out), "3:a\\nb\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_cannot_be_forged, make_file, remove_file),
        cmocka_unit_test_setup_teardown(levels_choose, make_file, remove_file),
        cmocka_unit_test_setup_teardown(a_moved_file_is_let_go, make_file, remove_file),
        cmocka_unit_test_setup_teardown(a_failed_open_changes_nothing, make_file, remove_file),
        cmocka_unit_test_setup_teardown(lines_of_threads_are_whole, make_file, remove_file),
        cmocka_unit_test(a_sink_gets_the_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
