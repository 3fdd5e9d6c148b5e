/* SPDX-License-Identifier: Apache-2.0 */
/* Files change while rules are asked: each set is whole, and the old one lives as long as somebody holds it.
 */
#include "auth/policy_private.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4 };

struct place {
    char dir[64], main[96], extra_dir[96], extra[128];
    const char *search[2];
    const char *dirs[1];
    struct policy_options options;
};

static _Atomic int said_errors, said_reloads;

static void count(enum log_level level, const char *text UNUSED)
{
    atomic_fetch_add(level >= LOG_ERROR ? &said_errors : &said_reloads, 1);
}

static void put(const char *path, const char *text)
{
    char fresh[160];
    FILE *out;

    snprintf(fresh, sizeof fresh, "%s~", path);
    out = fopen(fresh, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(rename(fresh, path), 0);
}

static int make_place(void **state)
{
    struct place *p = mem_new(sizeof *p);

    snprintf(p->dir, sizeof p->dir, "/tmp/glint-policy-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->main, sizeof p->main, "%s/policy.yaml", p->dir);
    snprintf(p->extra_dir, sizeof p->extra_dir, "%s/policy.d", p->dir);
    snprintf(p->extra, sizeof p->extra, "%s/10.yaml", p->extra_dir);
    p->search[0] = p->dir;
    p->dirs[0] = "policy.d";
    p->options = (struct policy_options){ .search = p->search,
                                          .file = "policy.yaml",
                                          .dirs = p->dirs,
                                          .n_dirs = 1,
                                          .default_rule = "default",
                                          .enforce_new_defaults = true,
                                          .say = count };
    atomic_store(&said_errors, 0);
    atomic_store(&said_reloads, 0);
    *state = p;
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;

    unlink(p->main);
    unlink(p->extra);
    rmdir(p->extra_dir);
    rmdir(p->dir);
    mem_free(p);
    return 0;
}

static void put_in_place(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static bool may_extra; /* what the file in policy_dirs says, which wins */

static void nap(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* Whether everybody may list, by the rules of now. */
static bool may(struct policy *p)
{
    struct policy_rules *r = policy_hold(p);
    const struct identity nobody = { 0 };
    struct policy_target t;
    bool lets;

    policy_target_proposed(NULL, "private", &t);
    lets = policy_allows(r, &nobody, "get_images", &t);
    policy_release(r);
    return lets;
}

static bool becomes(struct policy *p, bool lets)
{
    for (int i = 0; i < 60; i++) {
        if (may(p) == lets)
            return true;
        nap(50);
    }
    return false;
}

static void changes_are_followed(void **state)
{
    struct place *place = *state;
    struct policy *p;
    struct error e;

    assert_int_equal(policy_open(&place->options, &p, &e), 0);
    assert_false(may(p));
    put(place->main, "get_images: '@'\n"); /* it was not there before */
    assert_true(becomes(p, true));
    mkdir(place->extra_dir, 0700);
    put(place->extra, "get_images: '!'\n");
    assert_true(becomes(p, false));
    unlink(place->extra);
    assert_true(becomes(p, true));
    assert_int_equal(atomic_load(&said_errors), 0);
    policy_close(p);
}

/* By rename and in place, file and directory: no request that begins afterwards goes by the old rules. */
static void the_next_request_goes_by_new_rules(void **state)
{
    struct place *place = *state;
    struct policy *p;
    struct error e;

    mkdir(place->extra_dir, 0700);
    put(place->main, "get_images: '!'\n");
    assert_int_equal(policy_open(&place->options, &p, &e), 0);
    assert_false(may(p));
    for (int i = 0; i < 200; i++) {
        const char *where = i % 8 < 4 ? place->main : place->extra;
        bool lets = i % 2;

        if (i % 4 < 2)
            put(where, lets ? "get_images: '@'\n" : "get_images: '!'\n");
        else
            put_in_place(where, lets ? "get_images: '@'\n" : "get_images: '!'\n");
        assert_true(may(p) == (where == place->main && i >= 8 ? may_extra : lets));
        if (where == place->extra)
            may_extra = lets;
    }
    assert_int_equal(atomic_load(&said_errors), 0);
    policy_close(p);
}

/* A policy directory that is not there at the start, made in each way: the request after it honours it. */
static void a_new_directory_counts_at_once(void **state)
{
    struct place *place = *state;
    char aside[sizeof place->dir + 8], aside_file[sizeof aside + 32];
    struct policy *p;
    struct error e;

    put(place->main, "get_images: '@'\n");
    snprintf(aside, sizeof aside, "%s/aside", place->dir);
    snprintf(aside_file, sizeof aside_file, "%s%s", aside, strrchr(place->extra, '/'));
    assert_int_equal(policy_open(&place->options, &p, &e), 0);
    for (int i = 0; i < 30; i++) {
        assert_true(may(p));
        mkdir(i % 3 == 0 ? place->extra_dir : aside, 0700);
        put_in_place(i % 3 == 0 ? place->extra : aside_file, "get_images: '!'\n");
        if (i % 3 == 1)
            assert_int_equal(rename(aside, place->extra_dir), 0);
        if (i % 3 == 2)
            assert_int_equal(symlink(aside, place->extra_dir), 0);
        assert_false(may(p));
        put_in_place(place->extra, "get_images: '@'\n");
        assert_true(may(p));
        put(place->extra, "get_images: '!'\n");
        assert_false(may(p));
        unlink(place->extra);
        unlink(place->extra_dir);
        rmdir(place->extra_dir);
        rmdir(aside);
    }
    assert_int_equal(atomic_load(&said_errors), 0);
    policy_close(p);
}

/* Also when what the directory is in is made with it. */
static void a_new_directory_in_a_new_directory_counts_at_once(void **state)
{
    struct place *place = *state;
    char above[sizeof place->dir + 8], dir[sizeof above + 8], file[sizeof dir + 16];
    const char *dirs[] = { dir };
    struct policy *p;
    struct error e;

    snprintf(above, sizeof above, "%s/a", place->dir);
    snprintf(dir, sizeof dir, "%s/b/c", above);
    snprintf(file, sizeof file, "%s/x.yaml", dir);
    place->options.dirs = dirs;
    place->options.n_dirs = 1;
    assert_int_equal(policy_open(&place->options, &p, &e), 0);
    for (int i = 0; i < 2; i++) {
        bool before = may(p);

        assert_int_equal(mkdir(above, 0700), 0);
        *strrchr(dir, '/') = '\0';
        assert_int_equal(mkdir(dir, 0700), 0);
        if (i == 1)
            assert_true(may(p) == before);
        dir[strlen(dir)] = '/';
        assert_int_equal(mkdir(dir, 0700), 0);
        put_in_place(file, "get_images: '@'\n");
        assert_true(may(p));
        unlink(file);
        rmdir(dir);
        *strrchr(dir, '/') = '\0';
        rmdir(dir);
        dir[strlen(dir)] = '/';
        rmdir(above);
        assert_true(may(p) == before);
    }
    policy_close(p);
}

/* A child that is forked has a watch of its own. */
static void a_forked_process_follows_too(void **state)
{
    struct place *place = *state;
    struct policy *p;
    struct error e;
    int status = -1;
    pid_t child;

    put(place->main, "get_images: '!'\n");
    assert_int_equal(policy_open(&place->options, &p, &e), 0);
    assert_false(may(p));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool before = may(p);

        put(place->main, "get_images: '@'\n");
        _exit(!before && may(p) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(may(p));
    policy_close(p);
}

static void what_is_wrong_or_gone_leaves_the_old_rules(void **state)
{
    struct place *place = *state;
    struct policy *p;
    struct error e;

    put(place->main, "get_images: '@'\n");
    assert_int_equal(policy_open(&place->options, &p, &e), 0);
    put(place->main, "get_images: '!'\nx: [\n");
    nap(1800);
    assert_true(may(p));
    nap(1600);
    assert_true(may(p));
    assert_int_equal(atomic_load(&said_errors), 1); /* once for each change */
    unlink(place->main);
    nap(1600);
    assert_true(may(p));
    assert_int_equal(atomic_load(&said_errors), 2);
    put(place->main, "get_images: '!'\n");
    assert_true(becomes(p, false));
    policy_close(p);
}

/* What an added rule refers to may not go away: the default rule would stand in, and let everybody. */
static void added_rules_need_what_they_name(void **state)
{
    static const struct policy_added added = { "x:read", "rule:keepers", "protect.conf", 7 };
    struct place *place = *state;
    struct policy *p;
    struct error e;

    place->options.added = &added;
    place->options.n_added = 1;
    put(place->main, "get_images: '@'\n");
    assert_int_equal(policy_open(&place->options, &p, &e), -1);
    assert_string_equal(e.message, "protect.conf:7: the policy rule 'keepers' is defined nowhere");
    put(place->main, "get_images: '@'\nkeepers: '!'\n");
    assert_int_equal(policy_open(&place->options, &p, &e), 0);
    put(place->main, "get_images: '!'\n");
    nap(1800);
    assert_true(may(p));
    assert_int_equal(atomic_load(&said_errors), 1);
    put(place->main, "get_images: '!'\nkeepers: '@'\n");
    assert_true(becomes(p, false));
    policy_close(p);
}

static void opening_refuses(void **state)
{
    struct place *place = *state;
    struct policy *p;
    struct error e;

    put(place->main, "x: [\n");
    assert_int_equal(policy_open(&place->options, &p, &e), -1);
    assert_true(str_starts(e.message, place->main));
    unlink(place->main);
    mkdir(place->main, 0700);
    assert_int_equal(policy_open(&place->options, &p, &e), -1);
    rmdir(place->main);
    put(place->extra_dir, "no directory");
    assert_int_equal(policy_open(&place->options, &p, &e), -1);
    unlink(place->extra_dir);
}

static void sets_outlive_their_policy(void **state)
{
    struct place *place = *state;
    struct policy_rules *r;
    struct policy_rule_info info;
    struct policy *p;
    struct error e;

    put(place->main, "get_images: '@'\n");
    assert_int_equal(policy_open(&place->options, &p, &e), 0);
    r = policy_hold(p);
    policy_close(p);
    assert_true(policy_rule_at(r, 0, &info));
    policy_release(r);
}

/* ---- under load ---- */

struct load {
    struct policy *policy;
    _Atomic bool stop;
    _Atomic long asked, torn;
};

/* The two rules are always written as each other's opposite. */
static void *ask(void *arg)
{
    struct load *load = arg;
    const struct identity nobody = { 0 };
    struct policy_target t;

    policy_target_proposed(NULL, "private", &t);
    while (!atomic_load(&load->stop)) {
        struct policy_rules *r = policy_hold(load->policy);

        if (policy_allows(r, &nobody, "one", &t) == policy_allows(r, &nobody, "two", &t))
            atomic_fetch_add(&load->torn, 1);
        atomic_fetch_add(&load->asked, 1);
        policy_release(r);
    }
    return NULL;
}

/* In place and slowly, in two halves: what an editor or a copy would do at its worst. */
static void write_slowly(const char *path, bool one)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fprintf(out, "one: '%c'\n", one ? '@' : '!');
    fflush(out);
    nap(20);
    fprintf(out, "two: '%c'\n", one ? '!' : '@');
    fclose(out);
}

static void load_sees_whole_sets(void **state)
{
    struct place *place = *state;
    struct load load = { 0 };
    pthread_t threads[THREADS];
    struct error e;

    write_slowly(place->main, true);
    assert_int_equal(policy_open(&place->options, &load.policy, &e), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], "ask", THREAD_STACK, ask, &load), 0);
    for (int i = 0; i < 9; i++) {
        write_slowly(place->main, i % 2);
        nap(i % 3 ? 30 : 1700);
    }
    atomic_store(&load.stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    policy_close(load.policy);
    print_message("%ld decisions, %d reloads\n", atomic_load(&load.asked), atomic_load(&said_reloads));
    assert_int_equal(atomic_load(&load.torn), 0);
    assert_int_equal(atomic_load(&said_errors), 0);
    assert_true(atomic_load(&said_reloads) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_are_followed, make_place, drop_place),
        cmocka_unit_test_setup_teardown(the_next_request_goes_by_new_rules, make_place, drop_place),
        cmocka_unit_test_setup_teardown(a_new_directory_counts_at_once, make_place, drop_place),
        cmocka_unit_test_setup_teardown(a_new_directory_in_a_new_directory_counts_at_once, make_place,
                                        drop_place),
        cmocka_unit_test_setup_teardown(a_forked_process_follows_too, make_place, drop_place),
        cmocka_unit_test_setup_teardown(what_is_wrong_or_gone_leaves_the_old_rules, make_place, drop_place),
        cmocka_unit_test_setup_teardown(added_rules_need_what_they_name, make_place, drop_place),
        cmocka_unit_test_setup_teardown(opening_refuses, make_place, drop_place),
        cmocka_unit_test_setup_teardown(sets_outlive_their_policy, make_place, drop_place),
        cmocka_unit_test_setup_teardown(load_sees_whole_sets, make_place, drop_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
