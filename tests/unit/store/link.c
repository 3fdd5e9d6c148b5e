/* SPDX-License-Identifier: Apache-2.0 */
/* Files that become objects of the filesystem driver, or cannot. The contract's part is in contract.c. */
#include "setup.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>

struct fixture {
    struct stores *stores;
    struct store *store;
    char dir[64], outside[64];
};

static struct fixture f;
static const unsigned char bytes[] = "the bytes of a staged image";

static int setup(void **state UNUSED)
{
    test_dir_make(f.dir);
    test_dir_make(f.outside);
    f.stores = test_file_stores(f.dir, NULL);
    f.store = stores_default(f.stores);
    return 0;
}

static int teardown(void **state UNUSED)
{
    stores_close(f.stores);
    test_dir_remove(f.dir);
    test_dir_remove(f.outside);
    return 0;
}

static const char *staged(void)
{
    const char *path = test_path(f.outside, "staged");

    test_file_sparse(path, bytes, sizeof bytes);
    return path;
}

static int take(struct store *s, const char *id, const char *path, struct store_location *ret,
                struct error *e)
{
    CLEANUP(store_put_abort) struct store_put *p = NULL;

    if (store_put_link(s, id, path, &p, e) < 0 || store_put_commit(p, ret, e) < 0)
        return -1;
    store_put_done(&p);
    return 0;
}

static ino_t inode(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static void expect_invalid(struct store *s, const char *what, const char *path)
{
    struct store_put *p = NULL;
    struct error e;

    CHECK_CASE(what, store_put_link(s, ID_A, path, &p, &e) < 0 && e.kind == ERROR_INVALID && !p);
}

static void the_file_itself_becomes_the_object(void **state UNUSED)
{
    const char *path = staged();
    struct store_location loc;
    struct error e;
    ino_t was = inode(path);

    assert_int_equal(take(f.store, ID_A, path, &loc, &e), 0);
    assert_int_equal(inode(loc.url + strlen("file://")), was);
}

static void only_plain_files_are_taken(void **state UNUSED)
{
    char target[600];

    str_copy(target, sizeof target, staged());
    assert_int_equal(symlink(target, test_path(f.outside, "link")), 0);
    assert_int_equal(mkfifo(test_path(f.outside, "pipe"), 0600), 0);
    expect_invalid(f.store, "a symbolic link", test_path(f.outside, "link"));
    expect_invalid(f.store, "a pipe", test_path(f.outside, "pipe"));
    expect_invalid(f.store, "a directory", f.outside);
    expect_invalid(f.store, "nothing", test_path(f.outside, "none"));
    expect_invalid(f.store, "another file system", "/proc/self/oom_score_adj");
    assert_int_equal(test_dir_count(f.dir, ".glint", true), 0);
}

/* The store's file would be another's to change. */
static void what_is_not_only_ours_is_not_shared(void **state UNUSED)
{
    const char *path = staged();
    char other[600];
    struct store_location loc;
    struct error e;
    int fd;

    snprintf(other, sizeof other, "%s/other", f.outside);
    assert_int_equal(link(path, other), 0);
    if (take(f.store, ID_A, path, &loc, &e) == 0) {
        assert_int_not_equal(inode(path), inode(loc.url + strlen("file://"))); /* a clone */
        assert_int_equal(store_delete(f.store, loc.url, &e), 0);
    } else {
        assert_int_equal(e.kind, ERROR_INVALID);
    }
    assert_int_equal(unlink(other), 0);

    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0); /* another put has it */
    if (take(f.store, ID_A, path, &loc, &e) == 0)
        assert_int_not_equal(inode(path), inode(loc.url + strlen("file://")));
    else
        assert_int_equal(e.kind, ERROR_INVALID);
    close(fd);

    if (geteuid() != 0)
        return;
    assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
    if (take(f.store, ID_B, path, &loc, &e) == 0)
        assert_int_not_equal(inode(path), inode(loc.url + strlen("file://")));
    else
        assert_int_equal(e.kind, ERROR_INVALID);
}

static void copies_in_two_stores_are_two_files(void **state UNUSED)
{
    char dir[64];
    struct stores *other;
    struct store_location first, second;
    const char *path = staged();
    struct error e;

    test_dir_make(dir);
    other = test_file_stores(dir, NULL);
    assert_int_equal(take(f.store, ID_A, path, &first, &e), 0);
    if (take(stores_default(other), ID_A, path, &second, &e) == 0)
        assert_int_not_equal(inode(first.url + 7), inode(second.url + 7));
    else
        assert_int_equal(e.kind, ERROR_INVALID);
    assert_int_equal(test_dir_count(dir, ".glint", true), 0);
    stores_close(other);
    test_dir_remove(dir);
}

static void a_taken_file_gets_the_mode_of_objects(void **state UNUSED)
{
    mode_t old = umask(027);

    for (size_t i = 0; i < COUNT(perms); i++) {
        struct stores *s = test_file_stores(f.dir, perms[i].option);
        const char *path = staged();
        struct store_location loc;
        struct stat st;
        struct error e;

        CHECK_CASE(perms[i].name, chmod(path, 0600) == 0);
        CHECK_CASE(perms[i].name, take(stores_default(s), ID_A, path, &loc, &e) == 0);
        CHECK_CASE(perms[i].name, stat(loc.url + strlen("file://"), &st) == 0);
        CHECK_CASE(perms[i].name, (st.st_mode & 07777) == perms[i].mode);
        CHECK_CASE(perms[i].name, store_delete(stores_default(s), loc.url, &e) == 0);
        CHECK_CASE(perms[i].name, unlink(path) == 0);
        stores_close(s);
    }
    umask(old);
}

static void thin_stores_take_files_with_holes(void **state UNUSED)
{
    struct stores *s = test_file_stores(f.dir, "glance_store.filesystem_thin_provisioning=true");
    unsigned char *data = calloc(1, 1 << 20);
    const char *path = test_path(f.outside, "staged");
    struct store_location loc;
    struct stat st;
    struct error e;

    memset(data, 'x', 4096);
    test_file_sparse(path, data, 1 << 20);
    assert_int_equal(take(stores_default(s), ID_A, path, &loc, &e), 0);
    assert_int_equal(loc.size, 1 << 20);
    assert_int_equal(stat(loc.url + strlen("file://"), &st), 0);
    assert_true(st.st_blocks * 512 < 1 << 19);
    assert_int_equal(store_delete(stores_default(s), loc.url, &e), 0);
    expect_invalid(stores_default(s), "no holes", staged());
    stores_close(s);
    free(data);
}

/* ---- several directories ---- */

static bool can_mount;

static struct stores *two_dirs(const char *first, const char *second)
{
    char pairs[2][700];
    const char *const all[] = { pairs[0], pairs[1], NULL };
    struct stores *s;
    struct error e;

    snprintf(pairs[0], sizeof pairs[0], "glance_store.filesystem_store_datadirs=%s:200", first);
    snprintf(pairs[1], sizeof pairs[1], "glance_store.filesystem_store_datadirs=%s:100", second);
    assert_int_equal(test_stores_open(all, &s, &e), 0);
    return s;
}

static void priority_wins_over_nearness(void **state UNUSED)
{
    char near[512], far[512];
    const char *path;
    struct store_location loc;
    struct stores *s;
    struct error e;
    int fd;

    if (!can_mount)
        skip();
    str_copy(near, sizeof near, test_path(f.dir, "near"));
    str_copy(far, sizeof far, test_path(f.dir, "far"));
    assert_true(mkdir(near, 0755) == 0 && mkdir(far, 0755) == 0);
    assert_int_equal(mount("tmpfs", far, "tmpfs", 0, "size=1m"), 0);
    path = staged();

    s = two_dirs(near, far);
    assert_int_equal(take(stores_default(s), ID_A, path, &loc, &e), 0);
    assert_true(str_starts(loc.url + strlen("file://"), near));
    assert_int_equal(store_delete(stores_default(s), loc.url, &e), 0);
    stores_close(s);

    s = two_dirs(far, near);
    expect_invalid(stores_default(s), "the first is on another file system", path);
    assert_int_equal(test_dir_count(far, ".glint", true), 0);
    fd = open(test_path(far, "filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_not_equal(posix_fallocate(fd, 0, 2 << 20), 0);
    while (write(fd, near, sizeof near) > 0)
        continue;
    close(fd);
    path = test_path(f.outside, "staged");
    assert_int_equal(take(stores_default(s), ID_A, path, &loc, &e), 0); /* the first is full */
    assert_true(str_starts(loc.url + strlen("file://"), near));
    stores_close(s);
    umount(far);
}

/* A file system that can clone, from xfsprogs. */
static bool mount_cloning(const char *image, const char *dir)
{
    char command[4000];
    bool done;

    snprintf(command, sizeof command,
             "truncate -s 320M %s && mkfs.xfs -q %s && mkdir %s && mount -o loop %s %s", image, image, dir,
             image, dir);
    done = system(command) == 0;
    if (!done)
        print_message("SKIPPED: no file system that clones can be made\n");
    return done;
}

static void further_copies_are_clones(void **state UNUSED)
{
    const size_t n = 3 << 20;
    unsigned char *data = malloc(n);
    char image[600], dir[600], one[700], two[700], path[700];
    struct store_location first, second;
    struct stores *s[2];
    struct stat st;
    struct error e;

    str_copy(image, sizeof image, test_path(f.outside, "image"));
    str_copy(dir, sizeof dir, test_path(f.outside, "xfs"));
    if (!can_mount || !mount_cloning(image, dir)) {
        free(data);
        skip();
    }
    memset(data, 'x', n);
    snprintf(one, sizeof one, "%s/one", dir);
    snprintf(two, sizeof two, "%s/two", dir);
    snprintf(path, sizeof path, "%s/staged", dir);
    test_file_sparse(path, data, n);
    s[0] = test_file_stores(one, NULL);
    s[1] = test_file_stores(two, "glance_store.filesystem_store_file_perm=0604");
    assert_int_equal(take(stores_default(s[0]), ID_A, path, &first, &e), 0);
    assert_int_equal(take(stores_default(s[1]), ID_A, path, &second, &e), 0);
    assert_int_equal(inode(first.url + 7), inode(path));
    assert_int_not_equal(inode(second.url + 7), inode(path));
    assert_int_equal(stat(second.url + 7, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0604);
    assert_int_equal(store_delete(stores_default(s[0]), first.url, &e), 0);
    assert_int_equal(unlink(path), 0);
    assert_true(test_holds(stores_default(s[1]), second.url, data, n));
    stores_close(s[0]);
    stores_close(s[1]);
    umount(dir);
    free(data);
}

/* ---- sweeping ---- */

static void sweep_spares_what_is_being_taken(void **state UNUSED)
{
    const char *path = staged();
    char left[600];
    struct store_put *p = NULL;
    struct store_location loc;
    struct error e;

    assert_int_equal(store_put_link(f.store, ID_A, path, &p, &e), 0);
    assert_int_equal(store_sweep(f.store), 0);
    assert_int_equal(store_put_commit(p, &loc, &e), 0);
    store_put_done(&p);
    assert_true(test_holds(f.store, loc.url, bytes, sizeof bytes));
    assert_int_equal(store_delete(f.store, loc.url, &e), 0);

    snprintf(left, sizeof left, "%s/.glint", f.dir);
    if (mkdir(left, 0700) < 0)
        assert_int_equal(errno, EEXIST);
    snprintf(left, sizeof left, "%s/.glint/%s.0123456789abcdef", f.dir, ID_A); /* a dead writer's */
    assert_int_equal(link(path, left), 0);
    assert_int_equal(store_sweep(f.store), 1);
    assert_true(test_file_holds(path, bytes, sizeof bytes));
}

/* A child takes files over for ever; returns only by being killed. */
static void take_for_ever(void)
{
    struct stores *s = test_file_stores(f.dir, "glance_store.filesystem_store_file_perm=0604");

    for (unsigned i = 0;; i++) {
        struct store_put *p = NULL;
        struct store_location loc;
        struct error e;

        if (store_put_link(stores_default(s), ID_A, test_path(f.outside, "staged"), &p, &e) < 0)
            _exit(1);
        if (i % 3 > 0 && store_put_commit(p, &loc, &e) < 0)
            _exit(2);
        if (i % 3 < 2) {
            store_put_abort(&p);
            continue;
        }
        store_put_done(&p);
        if (store_delete(stores_default(s), loc.url, &e) < 0)
            _exit(3);
    }
}

static void killed_takers_harm_nothing(void **state UNUSED)
{
    for (unsigned i = 0; i < 40; i++) {
        const char *path = staged();
        struct error e;
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0)
            take_for_ever();
        usleep(1000 + i * 1733 % 20000);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        store_sweep(f.store);
        assert_int_equal(test_dir_count(f.dir, ".glint", true), 0);
        assert_true(test_file_holds(path, bytes, sizeof bytes));
        if (test_dir_count(f.dir, "", false) > 0) {
            char url[600];

            snprintf(url, sizeof url, "file://%s/%s", f.dir, ID_A);
            assert_true(test_holds(f.store, url, bytes, sizeof bytes));
            assert_int_equal(store_delete(f.store, url, &e), 0);
        }
        assert_int_equal(unlink(path), 0);
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_file_itself_becomes_the_object),    T(only_plain_files_are_taken),
        T(what_is_not_only_ours_is_not_shared),   T(copies_in_two_stores_are_two_files),
        T(a_taken_file_gets_the_mode_of_objects), T(thin_stores_take_files_with_holes),
        T(priority_wins_over_nearness),           T(further_copies_are_clones),
        T(sweep_spares_what_is_being_taken),      T(killed_takers_harm_nothing),
    };
    char probe[64];

    test_dir_make(probe);
    can_mount = mount("tmpfs", probe, "tmpfs", 0, "size=1m") == 0;
    if (can_mount)
        umount(probe);
    else
        print_message("SKIPPED: no right to mount a small file system (%s)\n", strerror(errno));
    test_dir_remove(probe);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
