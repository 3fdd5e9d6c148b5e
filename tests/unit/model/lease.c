/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>

#include "db/driver.h"
#include "fixture.h"

static struct lease make_lease(const char *id, const char *holder, int64_t expires_us)
{
    return (struct lease){
        .image_id = id, .holder = holder, .store = "file", .url = "file:///x", .expires_us = expires_us
    };
}

static void test_take_renew_drop(void **state)
{
    struct fixture f;
    struct lease *all, mine, theirs = make_lease("i1", "them", 6);
    size_t n;

    (void)state;
    fixture_open(&f);
    mine = make_lease("i1", lease_holder(), 5);
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, lease_take(f.c, &mine, &f.e));
    assert_int_equal(lease_take(f.c, &theirs, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    theirs.image_id = "i2";
    OK(&f, lease_take(f.c, &theirs, &f.e));
    OK(&f, db_commit(f.c, &f.e));

    OK(&f, lease_renew(f.c, "i1", lease_holder(), 77, &f.e));
    assert_int_equal(lease_renew(f.c, "i2", lease_holder(), 77, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    assert_false(db_in_transaction(f.c));
    OK(&f, lease_list(f.c, f.a, &all, &n, &f.e));
    assert_int_equal(n, 2);
    assert_string_equal(all[0].image_id, "i2"); /* what expires first comes first */
    assert_int_equal(all[1].expires_us, 77);
    assert_string_equal(all[1].holder, lease_holder());
    assert_string_equal(all[1].store, "file");
    assert_string_equal(all[1].url, "file:///x");

    OK(&f, db_begin_write(f.c, &f.e));
    assert_int_equal(lease_drop(f.c, "i2", lease_holder(), &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    OK(&f, lease_drop(f.c, "i1", lease_holder(), &f.e));
    assert_int_equal(lease_drop(f.c, "i1", lease_holder(), &f.e), -1);
    OK(&f, db_commit(f.c, &f.e));
    assert_int_equal(lease_renew(f.c, "i1", lease_holder(), 78, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    OK(&f, lease_list(f.c, f.a, &all, &n, &f.e));
    assert_int_equal(n, 1);
    fixture_close(&f);
}

/* A child tells its name through the pipe and then stays until its end is asked for. */
static pid_t start_child(char *ret_holder, size_t size, int *ret_stop)
{
    int name[2], stop[2];
    pid_t pid;
    ssize_t n;

    assert_int_equal(pipe(name), 0);
    assert_int_equal(pipe(stop), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char c;

        close(stop[1]);
        if (write(name[1], lease_holder(), strlen(lease_holder())) < 0 || read(stop[0], &c, 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(stop[0]);
    n = read(name[0], ret_holder, size - 1);
    assert_true(n > 0);
    ret_holder[n] = '\0';
    close(name[0]);
    close(name[1]);
    *ret_stop = stop[1];
    return pid;
}

static void test_a_dead_process_is_known(void **state)
{
    char holder[300];
    int stop, status;
    pid_t pid = start_child(holder, sizeof holder, &stop);
    siginfo_t info;

    (void)state;
    assert_string_not_equal(holder, lease_holder());
    assert_false(lease_holder_dead(holder));
    assert_false(lease_holder_dead(lease_holder()));
    close(stop);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_true(lease_holder_dead(holder)); /* nobody took its status yet, but it runs no more */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(lease_holder_dead(holder));
}

/* Our own name with one part of it exchanged; parts are counted from 0. */
static const char *with_part(int part, const char *value, char out[400])
{
    const char *p = lease_holder();
    size_t n = 0;

    for (int i = 0; *p; i++) {
        size_t len = strcspn(p, ":");

        n += (size_t)snprintf(out + n, 400 - n, "%s%.*s", i ? ":" : "",
                              i == part ? (int)strlen(value) : (int)len, i == part ? value : p);
        p += len + (p[len] == ':');
    }
    return out;
}

static const struct {
    const char *name;
    int part;
    const char *value;
    bool dead;
} others[] = {
    { "another host is not known", 0, "elsewhere/0123", false },
    { "an older boot of this host", 1, "00000000-0000-0000-0000-000000000000", true },
    { "another container is not known", 2, "pid-[1]", false },
    { "a pid that nobody has", 3, "2147483646", true },
    { "a pid that somebody else has now", 4, "1", true },
    { "no pid", 3, "0", false },
    { "the same", 9, "", false },
};

static void test_other_holders(void **state)
{
    char out[400];

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++)
        CHECK_CASE(others[i].name,
                   lease_holder_dead(with_part(others[i].part, others[i].value, out)) == others[i].dead);
    assert_false(lease_holder_dead(""));
    assert_false(lease_holder_dead("a:b"));
    assert_true(strlen(lease_holder()) < 255); /* the column's width */
    assert_ptr_equal(lease_holder(), lease_holder());
}

static void test_boot_is_the_holder_without_its_process(void **state)
{
    struct fixture f;
    char id[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    const char *boot;

    (void)state;
    assert_non_null(file);
    assert_non_null(fgets(id, sizeof id, file));
    fclose(file);
    id[strcspn(id, "\n")] = '\0';
    fixture_open(&f);
    boot = lease_boot(f.a);
    assert_true(str_starts(lease_holder(), boot));
    assert_int_equal(lease_holder()[strlen(boot)], ':');
    assert_true(str_ends(boot, id)); /* nothing of the namespace or the process is in it */
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_renew_drop),
        cmocka_unit_test(test_a_dead_process_is_known),
        cmocka_unit_test(test_other_holders),
        cmocka_unit_test(test_boot_is_the_holder_without_its_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
