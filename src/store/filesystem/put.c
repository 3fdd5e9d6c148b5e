/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an object: a file without a name, bytes, then a link that never replaces. Where the file system has
 * no files without names (O_TMPFILE), or no /proc to link them by, it is a temporary file in FS_WORK and a
 * rename.
 *
 *   begun --put_write--> begun --put_commit--> linked --put_done--> (stays)
 *     +------put_abort----> (gone) <----put_abort--+
 *
 * A put that takes over a file holds that file, or a clone that shares its blocks; there is nothing to write
 * then.
 *
 * Invariants:
 *  1 A temporary file is locked from before its first byte until its descriptor is closed; a file that is
 *    taken over, from before it is examined.
 *  2 The object's name appears only when all bytes are on the medium, and never replaces another object.
 *  3 Naming an object and removing a named one hold the lock of the datadir, so that another process cannot
 *    commit the same name between an abort's fstat and its unlink.
 *  4 No two objects share an inode: only a file with exactly one name gets a second one, under its lock. */
#include "store/filesystem/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define MIB ((uint64_t)1024 * 1024)

enum {
    TRIES = 100,
    SUFFIX = 17, /* '.' and 16 hex digits */
};

/* Space is claimed as bytes come: a claimed size alone takes none. */
static const uint64_t allocate_step = 256 * MIB;
/* Written pages are sent to the medium early, so that the last fsync is short; the lag bounds them. */
static const uint64_t flush_step = 8 * MIB;
static const uint64_t flush_lag = 64 * MIB;

struct fs_put {
    struct store_put put;
    const struct fs *fs;
    int dir, work, fd;
    char name[FS_NAME_MAX + 1];
    char temporary[FS_NAME_MAX + SUFFIX + 1]; /* in FS_WORK; "": the file has no name */
    uint64_t at;                              /* bytes written or left out */
    uint64_t size;                            /* bytes to come; 0: unknown */
    uint64_t allocated;                       /* up to here */
    uint64_t flushed;                         /* sent to the medium up to here */
    uint64_t waited;                          /* on the medium up to here */
    bool preallocate;
    bool direct; /* past the page cache */
    bool linked;
    mode_t mode;      /* for the object; 0: as it is */
    const char *path; /* of the file to take over; NULL once begun, and of others */
    int source;       /* that file, until it is taken over */
    bool shared;      /* it is what gets the object's name */
    mode_t old_mode;  /* what it had before */
};

bool fs_name_temporary(const char *name)
{
    size_t n = strlen(name);

    return n > SUFFIX && name[n - SUFFIX] == '.' &&
           strspn(name + n - SUFFIX + 1, "0123456789abcdef") == SUFFIX - 1;
}

/* The directory of temporary files goes with the last of them. */
static void work_leave(struct fs_put *p)
{
    if (p->work >= 0)
        unlinkat(p->dir, FS_WORK, AT_REMOVEDIR);
    fd_close(&p->work);
}

static void temporary_remove(struct fs_put *p)
{
    if (p->temporary[0])
        unlinkat(p->work, p->temporary, 0);
}

static void put_free(struct fs_put *p)
{
    fd_close(&p->source);
    fd_close(&p->fd);
    work_leave(p);
    fd_close(&p->dir);
    mem_free(p);
}

/* ---- begin ---- */

static int temporary_name(struct fs_put *p)
{
    unsigned char random[(SUFFIX - 1) / 2];
    char hex[SUFFIX];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    str_hex(random, sizeof random, hex);
    snprintf(p->temporary, sizeof p->temporary, "%s.%s", p->name, hex);
    return 0;
}

/* A new, locked temporary file. A sweeper may be quicker than our lock: then the file is its, and we try
 * again. File systems without locks are left alone by sweepers too. */
static int temporary_open(struct fs_put *p)
{
    for (int i = 0; i < TRIES; i++) {
        struct stat st;

        if (temporary_name(p) < 0)
            return -1;
        p->fd = openat(p->work, p->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (p->fd < 0 && errno == ENOENT) { /* another put left, and took the directory with it */
            fd_close(&p->work);
            p->work = fs_work_open(p->dir);
            if (p->work < 0)
                return -1;
            continue;
        }
        if (p->fd < 0 && errno == EEXIST)
            continue;
        if (p->fd < 0)
            return -1;
        if (flock(p->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            if (fstat(p->fd, &st) == 0 && st.st_nlink > 0)
                return 0;
        fd_close(&p->fd);
    }
    errno = EAGAIN;
    return -1;
}

/* The path by which a file without a name is linked. */
static void proc_path(int fd, char ret[32])
{
    snprintf(ret, 32, "/proc/self/fd/%d", fd);
}

bool fs_unnamed = true;

static int unnamed_open(struct fs_put *p)
{
    char path[32];

    p->fd = openat(p->dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    if (p->fd < 0)
        return -1;
    proc_path(p->fd, path);
    if (access(path, F_OK) == 0)
        return 0;
    fd_close(&p->fd);
    errno = EOPNOTSUPP;
    return -1;
}

static int file_open(struct fs_put *p)
{
    p->temporary[0] = '\0';
    if (fs_unnamed && unnamed_open(p) == 0)
        return 0;
    if (fs_unnamed && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT &&
        errno != ENOSYS)
        return -1;
    p->work = fs_work_open(p->dir);
    return p->work < 0 ? -1 : temporary_open(p);
}

static int put_open(struct fs_put *p, const struct fs_dir *d, struct error *e)
{
    p->dir = fs_dir_open(d->path);
    if (p->dir < 0)
        return fs_write_failed(e, errno, d->path);
    if (fs_verify(p->put.store, d, p->dir, e) < 0)
        return -1;
    if (faccessat(p->dir, p->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return error_set(e, ERROR_CONFLICT, "Image %s/%s already exists", d->path, p->name);
    if (file_open(p) < 0)
        return fs_write_failed(e, errno, d->path);
    p->direct = (p->size == 0 || p->size >= STREAM_BUFFER) && stream_direct_on(p->fd);
    snprintf(p->put.url, sizeof p->put.url, "file://%s/%s", d->path, p->name);
    return 0;
}

/* Free bytes; INT64_MAX where the file system does not say. */
static int64_t dir_free(const char *path, int *err)
{
    struct statvfs v;

    *err = 0;
    if (statvfs(path, &v) < 0) {
        *err = errno;
        return -1;
    }
    if (v.f_blocks == 0)
        return INT64_MAX;
    return (int64_t)((uint64_t)v.f_bavail * v.f_frsize);
}

/* Of the untried directories the next: highest priority first, within one priority the emptiest. */
static size_t next_dir(const struct fs *fs, const bool *tried, const int64_t *free_bytes)
{
    size_t best = fs->n_dirs;

    for (size_t i = 0; i < fs->n_dirs; i++) {
        const struct fs_dir *dirs = fs->dirs;

        if (tried[i])
            continue;
        if (best == fs->n_dirs ||
            (dirs[i].priority == dirs[best].priority && free_bytes[i] > free_bytes[best]))
            best = i;
    }
    return best;
}

/* ---- taking over a file ---- */

enum { ATTRIBUTE_MAX = 512 };

/* Its length, 0 for none, -1 when it cannot be read. */
static ssize_t attribute(int fd, const char *name, char ret[ATTRIBUTE_MAX])
{
    ssize_t n = fgetxattr(fd, name, ret, ATTRIBUTE_MAX);

    return n < 0 && (errno == ENODATA || errno == EOPNOTSUPP) ? 0 : n;
}

static bool attribute_same(int a, int b, const char *name)
{
    char of_a[ATTRIBUTE_MAX], of_b[ATTRIBUTE_MAX];
    ssize_t n = attribute(a, name, of_a);

    return n >= 0 && attribute(b, name, of_b) == n && memcmp(of_a, of_b, (size_t)n) == 0;
}

/* Whether the source can be an object as it is: nobody else's, and like the new file but for its mode. Its
 * lock is ours then. */
static bool source_alike(const struct fs_put *p, const struct stat *made, struct stat *st)
{
    if (flock(p->source, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return false;
    return fstat(p->source, st) == 0 && st->st_nlink == 1 && st->st_dev == made->st_dev &&
           st->st_uid == made->st_uid && st->st_gid == made->st_gid &&
           attribute_same(p->source, p->fd, "system.posix_acl_access") &&
           attribute_same(p->source, p->fd, "security.selinux");
}

/* The source gets the object's name at the commit, as its second one. */
static bool put_share(struct fs_put *p)
{
    struct stat made, st, named;
    char path[32];

    proc_path(p->source, path);
    if (fstat(p->fd, &made) < 0 || !source_alike(p, &made, &st) || access(path, F_OK) < 0 ||
        lstat(p->path, &named) < 0 || named.st_ino != st.st_ino || named.st_dev != st.st_dev)
        return false;
    temporary_remove(p);
    p->temporary[0] = '\0';
    fd_close(&p->fd);
    p->fd = p->source;
    p->source = -1;
    p->shared = true;
    p->old_mode = st.st_mode & 07777;
    p->mode = p->mode ? p->mode : made.st_mode & 07777;
    return true;
}

/* In a directory that the put is for. Where that cannot be, writing the bytes may, unless there is no room.
 */
static int put_take(struct fs_put *p, const struct fs_dir *d, uint64_t free_bytes, struct error *e)
{
    if (put_share(p) || ioctl(p->fd, FICLONE, p->source) == 0) {
        p->at = p->size;
        return 0;
    }
    temporary_remove(p);
    fd_close(&p->fd);
    if (p->size > free_bytes)
        return fs_write_failed(e, ENOSPC, d->path);
    return error_set(e, ERROR_INVALID, "%s cannot be moved to %s.", p->path, d->path);
}

/* ---- where ---- */

static int put_begin_in(struct fs_put *p, const struct fs_dir *d, int64_t free_bytes, struct error *e)
{
    if (!p->path && (free_bytes == 0 || (!p->fs->thin && p->size > (uint64_t)free_bytes)))
        return fs_write_failed(e, ENOSPC, d->path);
    if (put_open(p, d, e) < 0)
        return -1;
    return p->path ? put_take(p, d, (uint64_t)free_bytes, e) : 0;
}

/* The first directory that takes the put; else the last one's reason. */
static int put_choose(struct fs_put *p, struct error *e)
{
    const struct fs *fs = p->fs;
    int64_t free_bytes[FS_DIRS_MAX];
    bool tried[FS_DIRS_MAX] = { false };
    int err[FS_DIRS_MAX];
    size_t at;

    for (size_t i = 0; i < fs->n_dirs; i++)
        free_bytes[i] = dir_free(fs->dirs[i].path, &err[i]);
    while ((at = next_dir(fs, tried, free_bytes)) < fs->n_dirs) {
        tried[at] = true;
        if (err[at] != 0)
            fs_write_failed(e, err[at], fs->dirs[at].path);
        else if (put_begin_in(p, &fs->dirs[at], free_bytes[at], e) == 0)
            return 0;
        else if (e->kind == ERROR_CONFLICT || e->kind == ERROR_INVALID)
            return -1;
        work_leave(p);
        fd_close(&p->dir);
    }
    return -1;
}

static struct fs_put *put_new(struct store *s, const char *image_id, struct error *e)
{
    struct fs_put *p;

    if (!fs_name_valid(image_id)) {
        error_set(e, ERROR_INVALID, "\"%s\" cannot be the name of an image file.", image_id);
        return NULL;
    }
    p = mem_new(sizeof *p);
    p->put.store = s;
    p->fs = s->data;
    p->dir = p->work = p->fd = p->source = -1;
    p->mode = p->fs->perm;
    str_copy(p->name, sizeof p->name, image_id);
    return p;
}

static int put_start(struct fs_put *p, struct store_put **ret, struct error *e)
{
    if (put_choose(p, e) < 0) {
        put_free(p);
        return -1;
    }
    *ret = &p->put;
    return 0;
}

int fs_put_begin(struct store *s, const char *image_id, int64_t size, struct store_put **ret, struct error *e)
{
    struct fs_put *p = put_new(s, image_id, e);

    if (!p)
        return -1;
    p->size = size > 0 ? (uint64_t)size : 0;
    p->preallocate = !p->fs->thin && p->size > STREAM_BUFFER;
    return put_start(p, ret, e);
}

/* The file to take over. One without holes is not thin. */
static int source_open(struct fs_put *p, const char *path, struct error *e)
{
    struct stat st;

    p->source = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (p->source < 0 || fstat(p->source, &st) < 0)
        return error_errno(e, ERROR_INVALID, errno, "%s cannot be opened.", path);
    if (!S_ISREG(st.st_mode) ||
        (p->fs->thin && st.st_size > 0 && lseek(p->source, 0, SEEK_HOLE) >= st.st_size))
        return error_set(e, ERROR_INVALID, "%s is not as this store keeps images.", path);
    p->size = (uint64_t)st.st_size;
    return 0;
}

int fs_put_link(struct store *s, const char *image_id, const char *path, uint64_t *ret_size,
                struct store_put **ret, struct error *e)
{
    struct fs_put *p = put_new(s, image_id, e);

    if (!p)
        return -1;
    if (source_open(p, path, e) < 0) {
        put_free(p);
        return -1;
    }
    p->path = path;
    if (put_start(p, ret, e) < 0)
        return -1;
    p->path = NULL;
    fd_close(&p->source);
    *ret_size = p->size;
    return 0;
}

/* ---- write ---- */

/* In one piece as far as the file system can. Only a full medium is a failure. */
static int put_allocate(struct fs_put *p, uint64_t upto, struct error *e)
{
    while (p->preallocate && p->allocated < upto && p->allocated < p->size) {
        uint64_t n = p->size - p->allocated < allocate_step ? p->size - p->allocated : allocate_step;

        if (fallocate(p->fd, FALLOC_FL_KEEP_SIZE, (off_t)p->allocated, (off_t)n) == 0)
            p->allocated += n;
        else if (errno == ENOSPC || errno == EDQUOT)
            return fs_write_failed(e, errno, "fallocate");
        else if (errno != EINTR)
            p->preallocate = false;
    }
    return 0;
}

static int write_run(struct fs_put *p, const unsigned char *buf, size_t n, struct error *e)
{
    while (n > 0) {
        bool was = p->direct;
        ssize_t done = stream_direct_write(p->fd, &p->direct, buf, n, p->at);

        if (done < 0)
            return fs_write_failed(e, errno, "write");
        if (was && !p->direct)
            p->flushed = p->waited = p->at;
        buf += done;
        n -= (size_t)done;
        p->at += (uint64_t)done;
    }
    return 0;
}

static bool all_zero(const unsigned char *buf, size_t n)
{
    return buf[0] == 0 && memcmp(buf, buf + 1, n - 1) == 0;
}

/* Runs of chunks that hold anything are written; the others stay holes. */
static int write_thin(struct fs_put *p, const unsigned char *buf, size_t n, struct error *e)
{
    size_t run = 0;

    for (size_t at = 0; at < n;) {
        size_t chunk = n - at < p->fs->chunk ? n - at : p->fs->chunk;

        if (all_zero(buf + at, chunk)) {
            if (write_run(p, buf + run, at - run, e) < 0)
                return -1;
            p->at += chunk;
            run = at + chunk;
        }
        at += chunk;
    }
    return write_run(p, buf + run, n - run, e);
}

static void put_flush(struct fs_put *p)
{
    if (p->direct || p->at - p->flushed < flush_step)
        return;
    sync_file_range(p->fd, (off_t)p->flushed, (off_t)(p->at - p->flushed), SYNC_FILE_RANGE_WRITE);
    p->flushed = p->at;
    if (p->at <= p->waited + flush_lag)
        return;
    sync_file_range(p->fd, (off_t)p->waited, (off_t)(p->at - flush_lag - p->waited),
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    p->waited = p->at - flush_lag;
}

int fs_put_write(struct store_put *put, const void *buf, size_t n, struct error *e)
{
    struct fs_put *p = (struct fs_put *)put;

    if (n == 0)
        return 0;
    if (put_allocate(p, p->at + n, e) < 0)
        return -1;
    if (p->fs->thin ? write_thin(p, buf, n, e) < 0 : write_run(p, buf, n, e) < 0)
        return -1;
    put_flush(p);
    return 0;
}

/* ---- commit and abort ---- */

/* The object's name for the file, unless it is taken. */
static int put_publish(struct fs_put *p)
{
    char path[32];

    if (!p->temporary[0]) {
        proc_path(p->fd, path);
        return linkat(AT_FDCWD, path, p->dir, p->name, AT_SYMLINK_FOLLOW);
    }
    if (renameat2(p->work, p->temporary, p->dir, p->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return -1;
    if (linkat(p->work, p->temporary, p->dir, p->name, 0) < 0)
        return -1;
    unlinkat(p->work, p->temporary, 0); /* a second name is a sweeper's business when this fails */
    return 0;
}

int fs_put_commit(struct store_put *put, struct store_location *ret, struct error *e)
{
    struct fs_put *p = (struct fs_put *)put;
    int err = 0;

    if (p->fs->thin && !p->shared && ftruncate(p->fd, (off_t)p->at) < 0)
        return fs_write_failed(e, errno, "ftruncate");
    if (p->mode != 0 && fchmod(p->fd, p->mode) < 0)
        return fs_write_failed(e, errno, "fchmod");
    if (fsync(p->fd) < 0)
        return fs_write_failed(e, errno, "fsync");

    POINT("store.synced");
    flock(p->dir, LOCK_EX);
    if (put_publish(p) == 0)
        p->linked = true;
    else
        err = errno;
    flock(p->dir, LOCK_UN);
    if (err == EEXIST)
        return error_set(e, ERROR_CONFLICT, "Image %s already exists", p->put.url + strlen("file://"));
    if (err != 0)
        return fs_write_failed(e, err, "rename");
    POINT("store.linked");
    if (fsync(p->dir) < 0)
        return fs_write_failed(e, errno, "fsync of the directory");
    str_copy(ret->url, sizeof ret->url, p->put.url);
    ret->size = p->at;
    return 0;
}

/* We own the inode that we hold open; the name may belong to another writer by now. */
static bool still_ours(const struct fs_put *p)
{
    struct stat own, named;

    return fstat(p->fd, &own) == 0 && fstatat(p->dir, p->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

void fs_put_abort(struct store_put *put)
{
    struct fs_put *p = (struct fs_put *)put;

    if (p->linked) {
        flock(p->dir, LOCK_EX);
        if (still_ours(p) && unlinkat(p->dir, p->name, 0) == 0)
            fsync(p->dir);
        flock(p->dir, LOCK_UN);
    } else {
        temporary_remove(p);
    }
    if (p->shared && p->mode != p->old_mode)
        fchmod(p->fd, p->old_mode);
    put_free(p);
}

void fs_put_done(struct store_put *put)
{
    put_free((struct fs_put *)put);
}
