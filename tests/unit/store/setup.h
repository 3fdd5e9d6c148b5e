/* SPDX-License-Identifier: Apache-2.0 */
/* Stores for tests: a directory of one's own, a configuration from pairs, whole objects in and out. */
#ifndef TESTS_UNIT_STORE_SETUP_H
#define TESTS_UNIT_STORE_SETUP_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#include "store/driver.h"

#define ID_A "11111111-1111-4111-8111-111111111111"
#define ID_B "22222222-2222-4222-8222-222222222222"

static const struct option store_test_options[] = {
    { "DEFAULT", "enabled_backends", OPTION_DICT },
    { "DEFAULT", "enabled_import_methods", OPTION_LIST, "" },
    { "DEFAULT", "node_staging_uri", OPTION_STRING },
    { "glance_store", "default_backend", OPTION_STRING },
    { "glance_store", "stores", OPTION_LIST, "file,http", .flags = OPTION_ANY_GROUP },
    { "glance_store", "default_store", OPTION_STRING, "file" },
    { "*", "store_description", OPTION_STRING, .flags = OPTION_ANY_GROUP },
    { "*", "weight", OPTION_INT, "0", .flags = OPTION_ANY_GROUP },
    { "*", "filesystem_store_datadir", OPTION_STRING, "/var/lib/glance/images", .flags = OPTION_ANY_GROUP },
    { "*", "filesystem_store_datadirs", OPTION_MULTI, .flags = OPTION_ANY_GROUP },
    { "*", "filesystem_store_file_perm", OPTION_OCTAL, "0", .flags = OPTION_ANY_GROUP },
    { "*", "filesystem_store_chunk_size", OPTION_INT, "65536", .flags = OPTION_ANY_GROUP },
    { "*", "filesystem_thin_provisioning", OPTION_BOOL, "false", .flags = OPTION_ANY_GROUP },
    { "*", "https_ca_certificates_file", OPTION_STRING, .flags = OPTION_ANY_GROUP },
    { "*", "https_insecure", OPTION_BOOL, "true", .flags = OPTION_ANY_GROUP },
    { "*", "http_proxy_information", OPTION_DICT, "", .flags = OPTION_ANY_GROUP },
    { "glint", "fetch_timeout", OPTION_FLOAT, "60" },
    { "glint", "import_timeout", OPTION_INT, "86400" },
    { "glint", "import_rate_min", OPTION_INT, "1024" },
    { "glint", "import_networks", OPTION_LIST, "" },
    { "glint", "import_private", OPTION_BOOL, "true" },
    { "import_filtering_opts", "allowed_schemes", OPTION_BOUNDED_LIST, "[http,https]" },
    { "import_filtering_opts", "disallowed_schemes", OPTION_BOUNDED_LIST, "[]" },
    { "import_filtering_opts", "allowed_hosts", OPTION_BOUNDED_LIST, "[]" },
    { "import_filtering_opts", "disallowed_hosts", OPTION_BOUNDED_LIST, "[]" },
    { "import_filtering_opts", "allowed_ports", OPTION_BOUNDED_LIST, "[80,443]" },
    { "import_filtering_opts", "disallowed_ports", OPTION_BOUNDED_LIST, "[]" },
    { NULL },
};

/* What objects' modes are, under umask 027. */
static const struct {
    const char *name, *option;
    mode_t mode;
} perms[] UNUSED = {
    { "by umask", NULL, 0640 },
    { "as configured", "glance_store.filesystem_store_file_perm=0604", 0604 },
    { "as configured, wider than the umask", "glance_store.filesystem_store_file_perm=666", 0666 },
};

/* pairs: "group.name=value", ends with NULL. */
static inline int test_stores_open(const char *const *pairs, struct stores **ret, struct error *e)
{
    const struct config_input in = { .options = store_test_options, .overrides = pairs };
    struct config *c;
    int r;

    if (config_read(&in, &c, e) < 0)
        return -1;
    r = stores_open(c, NULL, ret, e);
    config_free(c);
    return r;
}

static inline struct stores *test_file_stores(const char *dir, const char *more)
{
    char pair[1200];
    const char *const pairs[] = { pair, more, NULL };
    struct stores *s;
    struct error e;

    snprintf(pair, sizeof pair, "glance_store.filesystem_store_datadir=%s", dir);
    if (test_stores_open(pairs, &s, &e) < 0)
        fail_msg("stores_open: %s", e.message);
    return s;
}

static inline struct stores *test_memory_stores(void)
{
    static const char *const pairs[] = { "glance_store.stores=memory", "glance_store.default_store=memory",
                                         NULL };
    struct stores *s;
    struct error e;

    if (test_stores_open(pairs, &s, &e) < 0)
        fail_msg("stores_open: %s", e.message);
    return s;
}

static inline void test_dir_make(char out[64])
{
    str_copy(out, 64, "/tmp/glint-store-XXXXXX");
    if (!mkdtemp(out))
        fail_msg("mkdtemp");
}

static inline int test_remove_one(const char *path, const struct stat *st UNUSED, int kind UNUSED,
                                  struct FTW *at UNUSED)
{
    return remove(path);
}

static inline void test_dir_remove(const char *dir)
{
    nftw(dir, test_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Entries of dir/sub without . and .., hidden ones only when asked for. */
static inline size_t test_dir_count(const char *dir, const char *sub, bool hidden)
{
    char path[1200];
    struct dirent *entry;
    size_t n = 0;
    DIR *d;

    snprintf(path, sizeof path, "%s/%s", dir, sub);
    d = opendir(path);
    while (d && (entry = readdir(d)))
        n += (hidden || entry->d_name[0] != '.') && !str_eq(entry->d_name, ".") &&
             !str_eq(entry->d_name, "..");
    if (d)
        closedir(d);
    return n;
}

/* dir/name, until the next call. */
static inline const char *test_path(const char *dir, const char *name)
{
    static char path[1200];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* A file of these bytes with holes where whole blocks are zero; replaces what was there. */
static inline void test_file_sparse(const char *path, const unsigned char *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || ftruncate(fd, (off_t)n) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    for (size_t at = 0; at < n; at += 4096) {
        size_t len = n - at < 4096 ? n - at : 4096;
        static const unsigned char zero[4096];

        if (memcmp(data + at, zero, len) != 0 && pwrite(fd, data + at, len, (off_t)at) != (ssize_t)len)
            fail_msg("%s: %s", path, strerror(errno));
    }
    close(fd);
}

static inline bool test_file_holds(const char *path, const unsigned char *data, size_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char *got = malloc(n + 1);
    bool same = fd >= 0 && read(fd, got, n + 1) == (ssize_t)n && memcmp(got, data, n) == 0;

    free(got);
    if (fd >= 0)
        close(fd);
    return same;
}

/* A whole put; -1 with *e. */
static inline int test_put(struct store *s, const char *id, int64_t size, const void *data, size_t n,
                           struct store_location *ret, struct error *e)
{
    CLEANUP(store_put_abort) struct store_put *p = NULL;

    if (store_put_begin(s, id, size, &p, e) < 0 || store_put_write(p, data, n, e) < 0 ||
        store_put_commit(p, ret, e) < 0)
        return -1;
    store_put_done(&p);
    return 0;
}

/* Whether the object at url holds exactly these bytes. */
static inline bool test_holds(struct store *s, const char *url, const void *data, size_t n)
{
    CLEANUP(store_get_close) struct store_get *g = NULL;
    unsigned char *got;
    uint64_t size;
    struct error e;
    size_t at = 0;
    ssize_t r;
    bool same;

    if (store_get_open(s, url, &g, &size, &e) < 0 || size != n)
        return false;
    got = malloc(n + 1);
    while ((r = store_get_read(g, at, got + at, n + 1 - at, &e)) > 0)
        at += (size_t)r;
    same = r == 0 && at == n && memcmp(got, data, n) == 0;
    free(got);
    return same;
}

#endif
