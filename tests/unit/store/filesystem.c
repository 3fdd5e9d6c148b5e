/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include "store/filesystem/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

struct fixture {
    struct stores *stores;
    struct store *store;
    char dir[64];
};

static struct fixture f;

static int setup(void **state UNUSED)
{
    test_dir_make(f.dir);
    f.stores = test_file_stores(f.dir, NULL);
    f.store = stores_default(f.stores);
    return 0;
}

static int teardown(void **state UNUSED)
{
    stores_close(f.stores);
    test_dir_remove(f.dir);
    return 0;
}

static const char *in_dir(const char *format_name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", f.dir, format_name);
    return path;
}

static void file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* ---- locations ---- */

/* %s is the datadir. */
static const struct {
    const char *name, *url;
    bool found;
} locations[] = {
    { "as written", "file://%s/" ID_A, true },
    { "Glance's second scheme", "filesystem://%s/" ID_A, true },
    { "percent-encoded",
      "file://%s/%%31"
      "1111111-1111-4111-8111-111111111111",
      true },
    { "no such object", "file://%s/" ID_B, false },
    { "the directory itself", "file://%s/", false },
    { "the directory without a slash", "file://%s", false },
    { "a subdirectory", "file://%s/sub/" ID_A, false },
    { "a directory as an object", "file://%s/sub", false },
    { "temporary files", "file://%s/.glint/" ID_A, false },
    { "hidden", "file://%s/.hidden", false },
    { "upwards", "file://%s/../etc/passwd", false },
    { "upwards and back", "file://%s/sub/../" ID_A, false },
    { "upwards, encoded", "file://%s/%%2e%%2e/etc/passwd", false },
    { "a double slash", "file://%s//" ID_A, true },
    { "a dot segment", "file://%s/./" ID_A, true },
    { "a dot segment, encoded", "file://%s/%%2e/" ID_A, true },
    { "a slash at the end", "file://%s/" ID_A "/", false },
    { "a symbolic link", "file://%s/link", false },
    { "a pipe", "file://%s/pipe", false },
    { "outside", "file:///etc/passwd", false },
    { "a directory with the same beginning", "file://%sx/" ID_A, false },
    { "another scheme", "http://%s/" ID_A, false },
    { "no scheme", "%s/" ID_A, false },
    { "a cut escape", "file://%s/%%3", false },
    { "a NUL", "file://%s/" ID_A "%%00", false },
    { "nothing", "", false },
};

static void only_objects_of_the_datadir_are_found(void **state UNUSED)
{
    struct store_location loc;
    struct error e;

    assert_int_equal(test_put(f.store, ID_A, 3, "abc", 3, &loc, &e), 0);
    file_write(in_dir(".hidden"), "abc");
    assert_int_equal(mkdir(in_dir("sub"), 0755), 0);
    file_write(in_dir("sub/" ID_A), "abc");
    assert_int_equal(symlink(ID_A, in_dir("link")), 0);
    assert_int_equal(mkfifo(in_dir("pipe"), 0644), 0);
    for (size_t i = 0; i < COUNT(locations); i++) {
        char url[512];
        bool found;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(url, sizeof url, locations[i].url, f.dir);
#pragma GCC diagnostic pop
        found = test_holds(f.store, url, "abc", 3);
        CHECK_CASE(locations[i].name, found == locations[i].found);
        if (!found)
            CHECK_CASE(locations[i].name, store_delete(f.store, url, &e) < 0 && e.kind == ERROR_NOT_FOUND);
        CHECK_CASE(locations[i].name, store_delete_check(f.store, url, &e) == 0);
    }
    assert_int_equal(test_dir_count(f.dir, "", false), 4);
}

static const char *const bad_names[] = {
    "", ".", "..", ".glint", "a/b", "/etc/passwd", "a\nb", "\x7f", "%61"
};

static void odd_names_are_refused(void **state UNUSED)
{
    char long_name[300];
    struct store_put *p = NULL;
    struct error e;

    for (size_t i = 0; i < COUNT(bad_names); i++)
        CHECK_CASE(bad_names[i],
                   store_put_begin(f.store, bad_names[i], -1, &p, &e) < 0 && e.kind == ERROR_INVALID);
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(store_put_begin(f.store, long_name, -1, &p, &e), -1);
}

/* ---- options ---- */

static void objects_have_the_configured_mode(void **state UNUSED)
{
    mode_t old = umask(027);

    for (size_t i = 0; i < COUNT(perms); i++) {
        struct stores *s = test_file_stores(f.dir, perms[i].option);
        struct store_location loc;
        struct stat st;
        struct error e;

        CHECK_CASE(perms[i].name, test_put(stores_default(s), ID_A, 3, "abc", 3, &loc, &e) == 0);
        CHECK_CASE(perms[i].name, stat(loc.url + strlen("file://"), &st) == 0);
        CHECK_CASE(perms[i].name, (st.st_mode & 07777) == perms[i].mode);
        CHECK_CASE(perms[i].name, store_delete(stores_default(s), loc.url, &e) == 0);
        stores_close(s);
    }
    umask(old);
}

static void thin_files_have_holes(void **state UNUSED)
{
    static const char *const thin = "glance_store.filesystem_thin_provisioning=true";
    const size_t n = 8 * 1024 * 1024;
    unsigned char *data = calloc(1, n);
    struct stores *s = test_file_stores(f.dir, thin);
    struct store_location loc;
    struct stat st;
    struct error e;

    memset(data + 3 * 1024 * 1024, 'x', 100); /* the end is a hole too */
    assert_int_equal(test_put(stores_default(s), ID_A, (int64_t)n, data, n, &loc, &e), 0);
    assert_true(test_holds(stores_default(s), loc.url, data, n));
    assert_int_equal(stat(loc.url + strlen("file://"), &st), 0);
    assert_int_equal(st.st_size, n);
    assert_true(st.st_blocks * 512 < 1024 * 1024);
    stores_close(s);
    free(data);
}

static const struct {
    const char *name, *option;
    size_t pieces[5]; /* KiB, but odd ones bytes; from an aligned buffer */
} aligned[] = {
    { "whole buffers", NULL, { 1024, 1024, 1024 } },
    { "whole buffers and an end", NULL, { 1024, 1024, 777 } },
    { "an odd piece in between", NULL, { 1024, 777, 1024, 4, 1024 } },
    { "small first", NULL, { 1, 1024, 1024 } },
    { "thin, whole buffers", "glance_store.filesystem_thin_provisioning=true", { 1024, 1024, 1024 } },
    { "thin, odd", "glance_store.filesystem_thin_provisioning=true", { 1024, 777, 1024 } },
};

static void aligned_writes_of_any_shape_arrive(void **state UNUSED)
{
    unsigned char *buf = aligned_alloc(4096, 1 << 20), *all = malloc(6 << 20);

    for (size_t i = 0; i < COUNT(aligned); i++) {
        struct stores *s = test_file_stores(f.dir, aligned[i].option);
        struct store_put *p = NULL;
        struct store_location loc;
        struct error e;
        size_t len = 0;

        CHECK_CASE(aligned[i].name, store_put_begin(stores_default(s), ID_A, -1, &p, &e) == 0);
        for (size_t k = 0; k < COUNT(aligned[i].pieces); k++) {
            size_t n = aligned[i].pieces[k] * (aligned[i].pieces[k] % 2 ? 1 : 1024);

            memset(buf, (int)(k + 1), n);
            memset(buf, 0, n / 2);
            memcpy(all + len, buf, n);
            len += n;
            CHECK_CASE(aligned[i].name, store_put_write(p, buf, n, &e) == 0);
        }
        CHECK_CASE(aligned[i].name, store_put_commit(p, &loc, &e) == 0 && loc.size == len);
        store_put_done(&p);
        CHECK_CASE(aligned[i].name, test_holds(stores_default(s), loc.url, all, len));
        CHECK_CASE(aligned[i].name, store_delete(stores_default(s), loc.url, &e) == 0);
        stores_close(s);
    }
    free(buf);
    free(all);
}

static const struct {
    const char *name;
    const char *pairs[3];
} misconfigured[] = {
    { "below a file", { "glance_store.filesystem_store_datadir=/etc/passwd/images" } },
    { "a file", { "glance_store.filesystem_store_datadir=/etc/passwd" } },
    { "where nothing can be made", { "glance_store.filesystem_store_datadir=/proc/images" } },
    { "relative", { "glance_store.filesystem_store_datadir=images" } },
    { "the root", { "glance_store.filesystem_store_datadir=/" } },
    { "empty", { "glance_store.filesystem_store_datadir=" } },
    { "both kinds",
      { "glance_store.filesystem_store_datadir=/tmp", "glance_store.filesystem_store_datadirs=/tmp:1" } },
    { "priority is no number", { "glance_store.filesystem_store_datadirs=/tmp:high" } },
    { "twice the same",
      { "glance_store.filesystem_store_datadirs=/tmp:1", "glance_store.filesystem_store_datadirs=/tmp/:2" } },
    { "unreadable objects", { "glance_store.filesystem_store_file_perm=0044" } },
};

static void misconfiguration_is_an_error(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(misconfigured); i++) {
        struct stores *s = NULL;
        struct error e;

        CHECK_CASE(misconfigured[i].name, test_stores_open(misconfigured[i].pairs, &s, &e) < 0);
        CHECK_CASE(misconfigured[i].name, e.kind == ERROR_INVALID);
    }
}

static void a_missing_datadir_is_made(void **state UNUSED)
{
    char path[256];
    struct stores *s;
    struct stat st;

    snprintf(path, sizeof path, "%s/deep/er/images/", f.dir);
    s = test_file_stores(path, NULL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0027, 0);
    assert_true(store_writable(stores_default(s)));
    stores_close(s);
}

/* ---- several directories, full and missing media ---- */

static bool can_mount;

/* A file system of this size at dir, or false: only root may. */
static bool mount_small(const char *dir, const char *size)
{
    if (mount("tmpfs", dir, "tmpfs", 0, size) == 0)
        return true;
    print_message("SKIPPED: no right to mount a small file system (%s)\n", strerror(errno));
    return false;
}

static void several_directories_by_priority_then_space(void **state UNUSED)
{
    char low[512], high[512], roomy[512], pairs[3][700], data[300 * 1024] = "x";
    const char *const all[] = { pairs[0], pairs[1], pairs[2], NULL };
    struct store_location loc;
    struct stores *s;
    struct error e;

    if (!can_mount)
        skip();
    str_copy(low, sizeof low, in_dir("low"));
    str_copy(high, sizeof high, in_dir("high"));
    str_copy(roomy, sizeof roomy, in_dir("roomy"));
    assert_true(mkdir(low, 0755) == 0 && mkdir(high, 0755) == 0 && mkdir(roomy, 0755) == 0);
    assert_true(mount_small(low, "size=8m") && mount_small(high, "size=1m") && mount_small(roomy, "size=2m"));
    snprintf(pairs[0], sizeof pairs[0], "glance_store.filesystem_store_datadirs=%s", low);
    snprintf(pairs[1], sizeof pairs[1], "glance_store.filesystem_store_datadirs=%s:200", high);
    snprintf(pairs[2], sizeof pairs[2], "glance_store.filesystem_store_datadirs=%s:200", roomy);
    assert_int_equal(test_stores_open(all, &s, &e), 0);

    assert_int_equal(test_put(stores_default(s), ID_A, sizeof data, data, sizeof data, &loc, &e), 0);
    assert_true(str_starts(loc.url + 7, roomy)); /* the same priority: most room */
    assert_true(test_holds(stores_default(s), loc.url, data, sizeof data));
    for (int i = 0; i < 12; i++) { /* more than the two of high priority hold together */
        char id[40];

        snprintf(id, sizeof id, "image-%d", i);
        assert_int_equal(test_put(stores_default(s), id, sizeof data, data, sizeof data, &loc, &e), 0);
    }
    assert_true(str_starts(loc.url + 7, low));
    assert_true(test_dir_count(high, "", false) > 0 && test_dir_count(roomy, "", false) > 1);
    assert_int_equal(test_put(stores_default(s), ID_B, 9 << 20, data, 1, &loc, &e), -1);
    assert_int_equal(e.kind, ERROR_TOO_LARGE);
    stores_close(s);
    umount(low);
    umount(high);
    umount(roomy);
}

static const struct {
    const char *name, *option;
    int64_t announced;
} full[] = {
    { "announced: refused before the first byte", NULL, 6 << 20 },
    { "unknown size: refused when it is full", NULL, -1 },
    { "thin, announced", "glance_store.filesystem_thin_provisioning=true", 6 << 20 },
};

static void a_full_medium_is_told_and_nothing_stays(void **state UNUSED)
{
    unsigned char *data = malloc(1 << 20);
    char dir[512];

    if (!can_mount) {
        free(data);
        skip();
    }
    memset(data, 'x', 1 << 20);
    str_copy(dir, sizeof dir, in_dir("full"));
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_true(mount_small(dir, "size=4m"));
    for (size_t i = 0; i < COUNT(full); i++) {
        struct stores *s = test_file_stores(dir, full[i].option);
        struct store_put *p = NULL;
        struct store_location loc;
        struct error e;
        int r = store_put_begin(stores_default(s), ID_A, full[i].announced, &p, &e);

        for (int k = 0; r == 0 && k < 6; k++)
            r = store_put_write(p, data, 1 << 20, &e);
        CHECK_CASE(full[i].name, r < 0 && e.kind == ERROR_TOO_LARGE);
        CHECK_CASE(full[i].name,
                   str_eq(e.message, "Image storage media is full: There is not enough disk space on the "
                                     "image storage media."));
        store_put_abort(&p);
        CHECK_CASE(full[i].name,
                   test_dir_count(dir, "", false) == 0 && test_dir_count(dir, ".glint", true) == 0);
        CHECK_CASE(full[i].name, test_put(stores_default(s), ID_A, 3 << 20, data, 1 << 20, &loc, &e) < 0);
        CHECK_CASE(full[i].name, test_put(stores_default(s), ID_A, 1 << 20, data, 1 << 20, &loc, &e) == 0);
        CHECK_CASE(full[i].name, store_delete(stores_default(s), loc.url, &e) == 0);
        stores_close(s);
    }
    umount(dir);
    free(data);
}

static void a_medium_turned_read_only_is_unavailable(void **state UNUSED)
{
    char dir[512];
    struct store_put *p = NULL;
    struct store_location loc;
    struct stores *s;
    struct error e;

    if (!can_mount)
        skip();
    str_copy(dir, sizeof dir, in_dir("ro"));
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_true(mount_small(dir, "size=4m"));
    s = test_file_stores(dir, NULL);
    assert_int_equal(test_put(stores_default(s), ID_A, 3, "abc", 3, &loc, &e), 0);
    assert_int_equal(mount("tmpfs", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=4m"), 0);
    assert_int_equal(store_put_begin(stores_default(s), ID_B, -1, &p, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_string_equal(e.message,
                        "Insufficient permissions on image storage media: Permission to write image storage "
                        "media denied.");
    assert_true(test_holds(stores_default(s), loc.url, "abc", 3));
    assert_int_equal(store_delete_check(stores_default(s), loc.url, &e), -1);
    assert_int_equal(e.kind, ERROR_FORBIDDEN);
    assert_int_equal(store_delete(stores_default(s), loc.url, &e), -1);
    assert_int_equal(e.kind, ERROR_FORBIDDEN);
    stores_close(s);

    s = test_file_stores(dir, NULL); /* read-only from the start: reads go on, adding is disabled */
    assert_false(store_writable(stores_default(s)));
    assert_true(test_holds(stores_default(s), loc.url, "abc", 3));
    assert_int_equal(store_put_begin(stores_default(s), ID_B, -1, &p, &e), -1);
    assert_int_equal(e.kind, ERROR_GONE);
    stores_close(s);
    umount(dir);
}

static void a_vanished_directory_is_not_believed_empty(void **state UNUSED)
{
    struct store_put *p = NULL;
    struct store_location loc;
    char url[1024];
    struct error e;

    assert_int_equal(store_put_begin(f.store, ID_A, -1, &p, &e), 0);
    assert_int_equal(store_put_write(p, "abc", 3, &e), 0);
    str_copy(url, sizeof url, store_put_url(p));
    test_dir_remove(f.dir);
    assert_int_equal(store_put_commit(p, &loc, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    store_put_abort(&p);
    assert_int_equal(store_put_begin(f.store, ID_A, -1, &p, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_string_equal(e.message, "The image store is not available now.");
    assert_false(test_holds(f.store, url, "abc", 3));
    assert_int_equal(store_delete_check(f.store, url, &e), 0);
    assert_int_equal(store_delete(f.store, url, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_int_equal(store_sweep(f.store), 0);
}

/* ---- sweeping ---- */

static void sweep_spares_live_writers(void **state UNUSED)
{
    struct store_put *p = NULL;
    struct store_location loc;
    struct error e;

    assert_int_equal(store_put_begin(f.store, ID_A, -1, &p, &e), 0);
    assert_int_equal(store_put_write(p, "abc", 3, &e), 0);
    if (mkdir(in_dir(".glint"), 0700) < 0)
        assert_int_equal(errno, EEXIST);
    file_write(in_dir(".glint/" ID_B ".0123456789abcdef"), "left by a dead writer");
    assert_int_equal(store_sweep(f.store), 1);
    assert_int_equal(mkdir(in_dir(".glint"), 0700), 0);
    file_write(in_dir(".glint/README"), "not ours");
    assert_int_equal(store_sweep(f.store), 0);
    assert_true(test_file_holds(in_dir(".glint/README"), (const unsigned char *)"not ours", 8));
    assert_int_equal(store_put_commit(p, &loc, &e), 0);
    store_put_done(&p);
    assert_true(test_holds(f.store, loc.url, "abc", 3));
}

/* Of every way in which a put may write, finished or given up: nothing of ours stays, and an empty store can
 * be removed. */
static void an_empty_store_is_an_empty_directory(void **state UNUSED)
{
    for (int named = 0; named < 2; named++) {
        struct store_put *p = NULL;
        struct store_location loc;
        struct error e;

        fs_unnamed = named == 0;
        assert_int_equal(test_dir_count(f.dir, "", true), 0);
        assert_int_equal(store_put_begin(f.store, ID_B, -1, &p, &e), 0);
        assert_int_equal(test_dir_count(f.dir, "", true), (size_t)named);
        assert_int_equal(test_put(f.store, ID_A, 3, "abc", 3, &loc, &e), 0);
        assert_int_equal(store_put_write(p, "def", 3, &e), 0);
        store_put_abort(&p);
        assert_int_equal(test_dir_count(f.dir, "", true), 1);
        assert_true(test_holds(f.store, loc.url, "abc", 3));
        assert_int_equal(test_put(f.store, ID_A, 3, "xyz", 3, &loc, &e), -1);
        assert_int_equal(e.kind, ERROR_CONFLICT);
        assert_int_equal(store_delete(f.store, loc.url, &e), 0);
    }
    fs_unnamed = true;
    assert_int_equal(mkdir(in_dir(".glint"), 0700), 0); /* of a former release */
    assert_int_equal(store_sweep(f.store), 0);
    assert_int_equal(rmdir(f.dir), 0);
}

static void *sweep_always(void *stop)
{
    while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED))
        store_sweep(f.store);
    return NULL;
}

static void puts_beside_each_other_without_unnamed_files(void **state UNUSED)
{
    bool stop = false;
    pthread_t sweeper;

    fs_unnamed = false;
    assert_int_equal(pthread_create(&sweeper, NULL, sweep_always, &stop), 0);
    for (int i = 0; i < 300; i++) {
        struct store_location loc;
        struct error e;

        if (test_put(f.store, ID_A, 3, "abc", 3, &loc, &e) < 0)
            fail_msg("put %d: %s (%s)", i, e.message, e.detail);
        assert_int_equal(store_delete(f.store, loc.url, &e), 0);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(sweeper, NULL);
    fs_unnamed = true;
    assert_int_equal(test_dir_count(f.dir, "", true), 0);
}

static void sweep_beside_puts_hurts_none(void **state UNUSED)
{
    bool stop = false;
    pthread_t sweeper;

    assert_int_equal(pthread_create(&sweeper, NULL, sweep_always, &stop), 0);
    for (int i = 0; i < 300; i++) {
        struct store_location loc;
        struct error e;

        if (test_put(f.store, ID_A, 3, "abc", 3, &loc, &e) < 0)
            fail_msg("put %d: %s (%s)", i, e.message, e.detail);
        assert_int_equal(store_delete(f.store, loc.url, &e), 0);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(sweeper, NULL);
}

/* A child puts for ever; returns only by being killed. */
static void put_for_ever(unsigned seed)
{
    unsigned char *data = calloc(1, 1 << 20);

    for (unsigned i = 0;; i++) {
        struct store_put *p = NULL;
        struct store_location loc;
        struct error e;
        char id[40];

        snprintf(id, sizeof id, "image-%u-%u", seed, i);
        if (store_put_begin(f.store, id, 4 << 20, &p, &e) < 0)
            _exit(1);
        for (int k = 0; k < 4; k++)
            if (store_put_write(p, data, 1 << 20, &e) < 0)
                _exit(2);
        if (i % 3 == 0) {
            store_put_abort(&p);
            continue;
        }
        if (store_put_commit(p, &loc, &e) < 0)
            _exit(3);
        store_put_done(&p);
        if (store_delete(f.store, loc.url, &e) < 0)
            _exit(4);
    }
}

static void killed_writers_leave_nothing_after_a_sweep(void **state UNUSED)
{
    for (unsigned i = 0; i < 40; i++) {
        pid_t child = fork();
        struct dirent *entry;
        int status;
        DIR *d;

        assert_true(child >= 0);
        if (child == 0)
            put_for_ever(i);
        usleep(1000 + i * 1733 % 20000);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        store_sweep(f.store);
        assert_int_equal(test_dir_count(f.dir, ".glint", true), 0);
        d = opendir(f.dir);
        assert_non_null(d);
        while ((entry = readdir(d))) { /* whole objects or none */
            struct stat st;

            if (entry->d_name[0] == '.')
                continue;
            assert_int_equal(stat(in_dir(entry->d_name), &st), 0);
            assert_int_equal(st.st_size, 4 << 20);
            assert_int_equal(unlink(in_dir(entry->d_name)), 0);
        }
        closedir(d);
    }
}

/* ---- looking after it ---- */

static int name_add(void *arg, const struct store_object *o, struct error *e UNUSED)
{
    str_addf(arg, "%s|", o->name);
    return 0;
}

static void only_objects_are_listed(void **state UNUSED)
{
    CLEANUP(str_done) struct str names = STR_INIT;
    struct error e;

    file_write(in_dir(".hidden"), "x");
    file_write(in_dir("with%percent"), "x");
    assert_int_equal(mkdir(in_dir("lost+found"), 0700), 0);
    assert_int_equal(symlink("/etc/passwd", in_dir(ID_B)), 0);
    file_write(in_dir(ID_A), "x");
    assert_int_equal(store_list(f.store, name_add, &names, &e), 0);
    assert_string_equal(str_text(&names), ID_A "|");
}

static void a_directory_that_is_gone_is_no_empty_store(void **state UNUSED)
{
    CLEANUP(str_done) struct str names = STR_INIT;
    char moved[80];
    struct error e;

    snprintf(moved, sizeof moved, "%s.away", f.dir);
    assert_int_equal(rename(f.dir, moved), 0);
    assert_int_equal(store_list(f.store, name_add, &names, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_int_equal(rename(moved, f.dir), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(only_objects_of_the_datadir_are_found),
        T(odd_names_are_refused),
        T(objects_have_the_configured_mode),
        T(only_objects_are_listed),
        T(a_directory_that_is_gone_is_no_empty_store),
        T(thin_files_have_holes),
        T(aligned_writes_of_any_shape_arrive),
        T(misconfiguration_is_an_error),
        T(a_missing_datadir_is_made),
        T(several_directories_by_priority_then_space),
        T(a_full_medium_is_told_and_nothing_stays),
        T(a_medium_turned_read_only_is_unavailable),
        T(a_vanished_directory_is_not_believed_empty),
        T(an_empty_store_is_an_empty_directory),
        T(puts_beside_each_other_without_unnamed_files),
        T(sweep_spares_live_writers),
        T(sweep_beside_puts_hurts_none),
        T(killed_writers_leave_nothing_after_a_sweep),
    };
    char probe[64];

    test_dir_make(probe);
    can_mount = mount_small(probe, "size=1m");
    if (can_mount)
        umount(probe);
    test_dir_remove(probe);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
