/* SPDX-License-Identifier: Apache-2.0 */
/* Images as plain files, as Glance's own driver lays them out. filesystem.h says how; writing is in
 * put.c. */
#include "store/filesystem/filesystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "http/http.h"

enum { WORK_TRIES = 100 };

bool fs_name_valid(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > FS_NAME_MAX || name[0] == '.')
        return false;
    for (const char *at = name; *at; at++)
        if (*at == '/' || *at == '%' || (unsigned char)*at < 0x20 || *at == 0x7F)
            return false;
    return true;
}

int fs_dir_open(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Its last user removes it, perhaps between these two calls. */
int fs_work_open(int dir)
{
    int work = -1;

    for (int i = 0; work < 0 && i < WORK_TRIES; i++) {
        if (mkdirat(dir, FS_WORK, 0700) < 0 && errno != EEXIST)
            return -1;
        work = openat(dir, FS_WORK, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (work < 0 && errno != ENOENT)
            return -1;
    }
    return work;
}

int fs_write_failed(struct error *e, int err, const char *what)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        error_errno(e, ERROR_TOO_LARGE, err,
                    "Image storage media is full: There is not enough disk space on the "
                    "image storage media.");
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        error_errno(e, ERROR_UNAVAILABLE, err,
                    "Insufficient permissions on image storage media: Permission to "
                    "write image storage media denied.");
        break;
    case ENOENT: /* the directory is away, not the store misconfigured */
    case ENOTDIR:
    case ESTALE:
    case ENOTCONN:
    case EIO:
    case ETIMEDOUT:
        error_errno(e, ERROR_UNAVAILABLE, err, "The image store is not available now.");
        break;
    default:
        error_errno(e, ERROR_INTERNAL, err, "The image data could not be stored.");
    }
    return error_detail(e, "%s", what);
}

/* ---- configuration ---- */

static int dir_add(struct fs *fs, const char *path, size_t len, int64_t priority, struct error *e)
{
    size_t at = fs->n_dirs;

    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len < 2 || path[0] != '/' || len > FS_PATH_MAX)
        return error_set(e, ERROR_INVALID,
                         "The store's directory \"%.*s\" is not an absolute path of at most %d bytes.",
                         (int)len, path, FS_PATH_MAX);
    if (at == FS_DIRS_MAX)
        return error_set(e, ERROR_INVALID, "More than %d store directories.", FS_DIRS_MAX);
    for (size_t i = 0; i < at; i++)
        if (strlen(fs->dirs[i].path) == len && strncmp(fs->dirs[i].path, path, len) == 0)
            return error_set(e, ERROR_INVALID, "The store's directory %s is given twice.", fs->dirs[i].path);
    for (; at > 0 && fs->dirs[at - 1].priority < priority; at--)
        fs->dirs[at] = fs->dirs[at - 1];
    fs->dirs[at].path = mem_new(len + 1);
    memcpy(fs->dirs[at].path, path, len);
    fs->dirs[at].priority = priority;
    fs->dirs[at].proof = fs_proof_new();
    fs->n_dirs++;
    return 0;
}

/* filesystem_store_datadirs: "path" or "path:priority", one a line. */
static int dirs_add(struct fs *fs, const char *const *items, size_t n, struct error *e)
{
    for (size_t i = 0; i < n; i++) {
        const char *colon = strrchr(items[i], ':');
        int64_t priority = 0;
        size_t len = colon ? (size_t)(colon - items[i]) : strlen(items[i]);

        if (colon && !str_to_i64(colon + 1, INT32_MIN, INT32_MAX, &priority))
            return error_set(e, ERROR_INVALID,
                             "filesystem_store_datadirs: the priority in \"%s\" is not a number.", items[i]);
        if (dir_add(fs, items[i], len, priority, e) < 0)
            return -1;
    }
    return 0;
}

static int make_path(char *path, mode_t mode)
{
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST) {
            *at = '/';
            return -1;
        }
        *at = '/';
    }
    return mkdir(path, mode) < 0 && errno != EEXIST ? -1 : 0;
}

/* Makes the directory when it is missing, unless it is one that is away. *ret_writable: whether objects can
 * be added now. */
static int dir_prepare(const struct store *s, const struct fs_dir *d, mode_t mode, bool *ret_writable,
                       struct error *e)
{
    CLEANUP(fd_close) int dir = fs_dir_open(d->path);

    *ret_writable = true;
    if (dir < 0 && (errno == ENOENT || errno == ENOTDIR) && s->proof.expected &&
        s->proof.expected(s->proof.arg, d->path))
        return 0;
    if (dir < 0 && errno == ENOENT && make_path(d->path, mode) == 0)
        dir = fs_dir_open(d->path);
    if (dir < 0)
        return error_errno(e, ERROR_INVALID, errno, "The store's directory %s cannot be opened or made.",
                           d->path);
    *ret_writable = faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0;
    return 0;
}

static int fs_configure(struct store *s, const struct config *c, const char *group, struct error *e)
{
    struct fs *fs = s->data;
    const char *single = store_option_str(c, group, "filesystem_store_datadir");
    const char *const *several;
    size_t n = store_option_list(c, group, "filesystem_store_datadirs", &several), writable = 0;
    int64_t perm = store_option_int(c, group, "filesystem_store_file_perm");
    int64_t chunk = store_option_int(c, group, "filesystem_store_chunk_size");

    if (n > 0 && single && *single && config_is_set(c, group, "filesystem_store_datadir"))
        return error_set(e, ERROR_INVALID,
                         "Set either filesystem_store_datadir or filesystem_store_datadirs in [%s].", group);
    if (n == 0 && (!single || !*single))
        return error_set(e, ERROR_INVALID, "filesystem_store_datadir in [%s] is not set.", group);
    if (perm > 0 && !(perm & S_IRUSR))
        return error_set(e, ERROR_INVALID,
                         "filesystem_store_file_perm in [%s] would keep the service itself from "
                         "reading its images.",
                         group);
    fs->perm = perm > 0 ? (unsigned)perm & 07777 : 0;
    fs->thin = store_option_bool(c, group, "filesystem_thin_provisioning");
    fs->told_chunk = chunk;
    fs->chunk = chunk > 0 && chunk <= STREAM_BUFFER ? (size_t)chunk : STREAM_BUFFER;
    if (n > 0 ? dirs_add(fs, several, n, e) < 0 : dir_add(fs, single, strlen(single), 0, e) < 0)
        return -1;
    for (size_t i = 0; i < fs->n_dirs; i++) {
        bool may = false;

        if (dir_prepare(s, &fs->dirs[i], 0750, &may, e) < 0)
            return -1;
        writable += may;
    }
    s->disabled = writable == 0;
    return 0;
}

static void fs_close(struct store *s)
{
    struct fs *fs = s->data;

    for (size_t i = 0; fs && i < fs->n_dirs; i++) {
        mem_free(fs->dirs[i].path);
        fs_proof_free(fs->dirs[i].proof);
    }
    mem_free(fs);
    s->data = NULL;
}

static int fs_open(struct store *s, const struct config *c, const char *group, struct error *e)
{
    s->data = mem_new(sizeof(struct fs));
    if (fs_configure(s, c, group, e) == 0)
        return 0;
    fs_close(s);
    return -1;
}

int fs_open_dir(struct store *s, const char *path, struct error *e)
{
    struct fs *fs = mem_new(sizeof *fs);
    bool may = false;

    s->data = fs;
    s->proof.expected = NULL; /* files of the service itself may have been in a directory for a day */
    fs->chunk = STREAM_BUFFER;
    if (dir_add(fs, path, strlen(path), 0, e) < 0 || dir_prepare(s, &fs->dirs[0], 0700, &may, e) < 0) {
        fs_close(s);
        return -1;
    }
    s->disabled = !may;
    return 0;
}

const char *fs_first_dir(const struct store *s)
{
    return ((const struct fs *)s->data)->dirs[0].path;
}

/* ---- locations ---- */

static int not_found(struct error *e, const char *url)
{
    return error_set(e, ERROR_NOT_FOUND, "Image %s not found", url);
}

/* The datadir and the name that path means; objects lie directly in a datadir, whatever a location claims. */
static const struct fs_dir *path_split(const struct fs *fs, const char *path, const char **ret_name)
{
    for (size_t i = 0; i < fs->n_dirs; i++) {
        size_t n = strlen(fs->dirs[i].path);

        if (strncmp(path, fs->dirs[i].path, n) != 0 || path[n] != '/')
            continue;
        if (fs_name_valid(path + n + 1)) {
            *ret_name = path + n + 1;
            return &fs->dirs[i];
        }
    }
    return NULL;
}

/* Without empty and "." segments. ".." stays: behind a link it leads elsewhere than the text says. */
static void path_tidy(char *path)
{
    char *to = path;

    for (const char *from = path; *from;) {
        if (from[0] == '/' && (from[1] == '/' || (from[1] == '.' && (from[2] == '/' || !from[2]))))
            from += from[1] == '/' ? 1 : 2;
        else
            *to++ = *from++;
    }
    *to = '\0';
}

static const struct fs_dir *path_find(const struct fs *fs, struct arena *a, const char *path,
                                      const char **ret_name)
{
    const struct fs_dir *dir = path_split(fs, path, ret_name);
    char *tidy;

    if (dir)
        return dir;
    tidy = arena_str(a, path);
    path_tidy(tidy);
    return str_eq(tidy, path) ? NULL : path_split(fs, tidy, ret_name);
}

/* Glance writes paths into its URLs as they are; what is no object so is tried percent-decoded. */
int fs_locate(const struct fs *fs, const char *url, const struct fs_dir **ret, char name[FS_NAME_MAX + 1],
              struct error *e)
{
    const char *path = url && strstr(url, "://") ? strstr(url, "://") + 3 : NULL;
    const struct fs_dir *dir;
    struct arena *a;
    const char *at;
    char *decoded;

    if (!path || (!str_starts(url, "file://") && !str_starts(url, "filesystem://")))
        return not_found(e, url ? url : "");
    a = arena_make(1024);
    dir = path_find(fs, a, path, &at);
    if (!dir && http_path_decode(a, path, strlen(path), &decoded))
        dir = path_find(fs, a, decoded, &at);
    if (dir)
        str_copy(name, FS_NAME_MAX + 1, at);
    arena_free(a);
    if (!dir)
        return not_found(e, url);
    *ret = dir;
    return 0;
}

static bool fs_owns(const struct store *s, const char *url)
{
    char name[FS_NAME_MAX + 1];
    const struct fs_dir *dir;
    struct error e;

    return fs_locate(s->data, url, &dir, name, &e) == 0;
}

static const char *fs_canonical(const struct store *s, struct arena *a, const char *url)
{
    char name[FS_NAME_MAX + 1];
    const struct fs_dir *dir;
    struct error e;

    if (fs_locate(s->data, url, &dir, name, &e) < 0)
        return NULL;
    return arena_printf(a, "file://%s/%s", dir->path, name);
}

static void fs_describe(const struct store *s, void (*say)(void *arg, const struct store_fact *), void *arg)
{
    const struct fs *fs = s->data;
    CLEANUP(str_done) struct str dirs = STR_INIT;

    for (size_t i = 0; i < fs->n_dirs; i++)
        str_addf(&dirs, "%s%s", i ? "," : "", fs->dirs[i].path);
    say(arg, &(struct store_fact){ "data_dir", STORE_FACT_TEXT, str_text(&dirs), 0 });
    say(arg, &(struct store_fact){ "chunk_size", STORE_FACT_NUMBER, NULL, (int64_t)fs->told_chunk });
    say(arg, &(struct store_fact){ "thin_provisioning", STORE_FACT_FLAG, NULL, fs->thin });
}

/* ---- reading ---- */

struct fs_get {
    struct store_get get;
    int fd;
};

/* Why an object cannot be opened. What is not there is missing only in a directory that is the right one. */
static int open_failed(const struct store *s, const struct fs_dir *d, int dir, int err, const char *url,
                       struct error *e)
{
    switch (err) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENXIO:
        if (dir < 0)
            return fs_away(e, d->path, err);
        return fs_verify(s, d, dir, e) < 0 ? -1 : not_found(e, url);
    case EACCES:
    case EPERM:
    case ESTALE:
    case ENOTCONN:
    case EIO:
    case ETIMEDOUT:
        return error_errno(e, ERROR_UNAVAILABLE, err, "The image data cannot be read now.");
    default:
        return error_errno(e, ERROR_INTERNAL, err, "The image data cannot be read.");
    }
}

/* An object as an open file: never through a symbolic link, never anything but a regular file. */
static int object_open(const struct store *s, const char *url, struct stat *st, struct error *e)
{
    const struct fs *fs = s->data;
    char name[FS_NAME_MAX + 1];
    const struct fs_dir *d;
    CLEANUP(fd_close) int dir = -1;
    CLEANUP(fd_close) int fd = -1;
    int opened;

    if (fs_locate(fs, url, &d, name, e) < 0)
        return -1;
    dir = fs_dir_open(d->path);
    if (dir >= 0)
        fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return open_failed(s, d, dir, errno, url, e);
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
        return not_found(e, url);
    opened = fd;
    fd = -1;
    return opened;
}

static int fs_get_open(struct store *s, const char *url, struct store_get **ret, uint64_t *ret_size,
                       struct error *e)
{
    struct fs_get *g;
    struct stat st = { 0 };
    int fd = object_open(s, url, &st, e);

    if (fd < 0)
        return -1;
    g = mem_new(sizeof *g);
    g->fd = fd;
    *ret = &g->get;
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

static ssize_t fs_get_read(struct store_get *get, uint64_t offset, void *buf, size_t n, struct error *e)
{
    struct fs_get *g = (struct fs_get *)get;
    ssize_t got;

    do
        got = pread(g->fd, buf, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_errno(e, ERROR_INTERNAL, errno, "The image data cannot be read.");
    return got;
}

static int fs_get_fd(const struct store_get *get)
{
    return ((const struct fs_get *)get)->fd;
}

static void fs_get_close(struct store_get *get)
{
    struct fs_get *g = (struct fs_get *)get;

    fd_close(&g->fd);
    mem_free(g);
}

/* ---- removing ---- */

static int delete_failed(struct error *e, int err, const char *url)
{
    switch (err) {
    case ENOENT:
        return not_found(e, url);
    case EACCES:
    case EPERM:
    case EROFS:
        return error_errno(e, ERROR_FORBIDDEN, err, "You cannot delete file %s", url);
    case ESTALE:
    case ENOTCONN:
    case EIO:
    case ETIMEDOUT:
        return error_errno(e, ERROR_UNAVAILABLE, err, "The image data cannot be deleted now.");
    default:
        return error_errno(e, ERROR_INTERNAL, err, "The image data cannot be deleted.");
    }
}

/* Also when the object is gone already: there is nothing to be refused then. */
static int fs_delete_check(struct store *s, const char *url, struct error *e)
{
    char name[FS_NAME_MAX + 1];
    const struct fs_dir *d;
    CLEANUP(fd_close) int dir = -1;

    if (fs_locate(s->data, url, &d, name, e) < 0)
        return 0;
    dir = fs_dir_open(d->path);
    if (dir >= 0 && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
        faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return delete_failed(e, errno, url);
    return 0;
}

/* While a descriptor is open, even one that cannot read, unlink(2) does not wait for the blocks to be
 * freed. */
static int fs_delete(struct store *s, const char *url, int *ret_fd, struct error *e)
{
    char name[FS_NAME_MAX + 1];
    const struct fs_dir *d;
    struct stat st;
    CLEANUP(fd_close) int dir = -1, fd = -1;

    if (fs_locate(s->data, url, &d, name, e) < 0)
        return -1;
    dir = fs_dir_open(d->path);
    if (dir < 0 && (errno == ENOENT || errno == ENOTDIR))
        return fs_away(e, d->path, errno);
    if (dir < 0)
        return delete_failed(e, errno, url);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        int err = errno;

        return err == ENOENT && fs_verify(s, d, dir, e) < 0 ? -1 : delete_failed(e, err, url);
    }
    if (!S_ISREG(st.st_mode))
        return not_found(e, url);
    if (fs_verify(s, d, dir, e) < 0) /* what is here may be an old copy below a mount point */
        return -1;
    POINT("store.unlink");
    fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (unlinkat(dir, name, 0) < 0 || fsync(dir) < 0)
        return delete_failed(e, errno, url);
    *ret_fd = fd_take(&fd);
    return 0;
}

/* A temporary file whose lock is free has no writer any more: a writer locks its file as soon as it is made,
 * and starts again with another one when it finds the file locked or removed (put.c). */
static bool sweep_file(int work, const char *name)
{
    CLEANUP(fd_close) int fd = openat(work, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return false;
    return unlinkat(work, name, 0) == 0;
}

static size_t sweep_dir(const struct fs_dir *d)
{
    CLEANUP(fd_close) int dir = fs_dir_open(d->path);
    int work = dir < 0 ? -1 : openat(dir, FS_WORK, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = work < 0 ? NULL : fdopendir(work);
    struct dirent *entry;
    size_t n = 0;

    if (!list) {
        fd_close(&work);
        return 0;
    }
    while ((entry = readdir(list)))
        if (fs_name_temporary(entry->d_name))
            n += sweep_file(work, entry->d_name);
    closedir(list);
    unlinkat(dir, FS_WORK, AT_REMOVEDIR); /* former releases left it in every datadir */
    return n;
}

static size_t fs_sweep(struct store *s)
{
    struct fs *fs = s->data;
    size_t n = 0;

    for (size_t i = 0; fs && i < fs->n_dirs; i++)
        n += sweep_dir(&fs->dirs[i]);
    return n;
}

static const char *const schemes[] = { "file", "filesystem", NULL };

const struct store_driver store_filesystem = {
    .name = "file",
    .schemes = schemes,
    .open = fs_open,
    .close = fs_close,
    .owns = fs_owns,
    .canonical = fs_canonical,
    .same = fs_same,
    .describe = fs_describe,
    .put_begin = fs_put_begin,
    .put_link = fs_put_link,
    .put_write = fs_put_write,
    .put_commit = fs_put_commit,
    .put_abort = fs_put_abort,
    .put_done = fs_put_done,
    .get_open = fs_get_open,
    .get_read = fs_get_read,
    .get_fd = fs_get_fd,
    .get_close = fs_get_close,
    .delete_check = fs_delete_check,
    .delete = fs_delete,
    .sweep = fs_sweep,
    .check = fs_check,
    .places = fs_places,
    .list = fs_list,
    .quarantine = fs_quarantine,
};
