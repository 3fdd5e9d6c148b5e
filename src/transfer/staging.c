/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the staging store; staging.h says which there are.
 *
 * A file becomes the whole one like this: it is on the medium; then one transaction writes its facts under
 * its mark and ends the step; then it is renamed, which changes no mark. Killed before the rename, the next
 * look finds the mark at the old name, and renames. */
#include "transfer/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transfer/commit.h"

static const uint64_t flush_step = 8 * 1024 * 1024;

static const char over_quota[] =
    "Image exceeds the storage quota: The size of the data will exceed the limit.";

static const char *const suffixes[] = { ".part", ".new" };

struct staging_file {
    struct staging *s;
    struct stream_digest *digest;
    struct stream_digest *asked; /* with the algorithm of a hash that is expected; NULL: digest has it */
    struct inspect *inspect;
    struct stream_limit cap;
    uint64_t bytes;   /* hashed so far */
    uint64_t flushed; /* sent to the medium so far */
    int fd;
    bool direct; /* past the page cache */
    bool counts; /* against user_storage_quota */
    char path[PATH_MAX];
};

static int write_failed(struct error *e, int err, const char *path)
{
    if (err == ENOSPC || err == EDQUOT || err == EFBIG)
        error_errno(
            e, ERROR_TOO_LARGE, err,
            "Image storage media is full: There is not enough disk space on the image storage media.");
    else
        error_errno(e, ERROR_INTERNAL, err, "The data could not be written to the staging directory.");
    return error_detail(e, "%s", path);
}

static int path_make(const struct staging *s, const char *suffix, char *ret, size_t size, struct error *e)
{
    int n;

    if (!s->dir)
        return error_set(e, ERROR_INTERNAL, "There is no staging directory.");
    n = snprintf(ret, size, "%s/%s%s", s->dir, s->image_id, suffix);
    if (n > 0 && (size_t)n < size && !strchr(s->image_id, '/') && s->image_id[0] != '.')
        return 0;
    return error_set(e, ERROR_INTERNAL, "\"%s\" cannot be the name of a staged file.", s->image_id);
}

int staging_path(const struct staging *s, char *ret, size_t size, struct error *e)
{
    return path_make(s, "", ret, size, e);
}

/* ---- writing ---- */

static void file_free(struct staging_file **fp)
{
    struct staging_file *f = TAKE(*fp);

    if (!f)
        return;
    stream_digest_free(&f->digest);
    stream_digest_free(&f->asked);
    inspect_free(&f->inspect);
    fd_close(&f->fd);
    mem_free(f);
}

static int inspect_write(void *arg, const void *buf, size_t n, struct error *e UNUSED)
{
    inspect_feed(arg, buf, n);
    return 0;
}

static ssize_t file_read(void *arg, void *buf, size_t n, struct error *e)
{
    ssize_t got;

    do
        got = read(*(int *)arg, buf, n);
    while (got < 0 && errno == EINTR);
    return got < 0 ? error_errno(e, ERROR_INTERNAL, errno, "The staged data cannot be read.") : got;
}

static int reread_progress(void *arg, uint64_t bytes UNUSED, struct error *e)
{
    const struct staging *s = arg;

    return s->ops->alive(s->arg, e);
}

/* Bytes that are there already, for the hashes. */
static int reread(struct staging_file *f, struct error *e)
{
    const struct stream_source source = { file_read, &f->fd };
    struct stream_sink sinks[3] = { stream_digest_sink(f->digest),
                                    { .write = inspect_write, .arg = f->inspect } };
    size_t n = 2;

    if (f->asked)
        sinks[n++] = stream_digest_sink(f->asked);
    stream_direct_off(f->fd, &f->direct);
    if (lseek(f->fd, 0, SEEK_SET) < 0)
        return error_errno(e, ERROR_INTERNAL, errno, "The staged data cannot be read.");
    posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return stream_pump(&source, sinks, n, reread_progress, f->s, &f->bytes, e);
}

/* Whether the digest that every file has tells of this one. */
static bool digested(const struct staging *s, const struct staging_hash *h)
{
    return str_eq(h->algorithm, "md5") || str_eq(h->algorithm, s->hashing_algorithm);
}

static int asked_begin(struct staging_file *f, const char *suffix, struct error *e)
{
    for (size_t i = 0; str_eq(suffix, ".part") && i < f->s->n_expected; i++)
        if (!digested(f->s, &f->s->expected[i]))
            return stream_digest_begin(f->s->expected[i].algorithm, &f->asked, e);
    return 0;
}

static int file_open(struct staging *s, const char *suffix, int flags, struct staging_file **ret,
                     struct error *e)
{
    CLEANUP(file_free) struct staging_file *f = mem_new(sizeof *f);
    struct stat st;

    f->s = s;
    f->fd = -1;
    f->cap = (struct stream_limit){ s->size_cap, 0,
                                    "The incoming image is too large: The provided image is too large." };
    if (path_make(s, suffix, f->path, sizeof f->path, e) < 0 ||
        stream_digest_begin(s->hashing_algorithm, &f->digest, e) < 0 || asked_begin(f, suffix, e) < 0)
        return -1;
    f->inspect = inspect_begin();
    if (flags & O_EXCL)
        unlink(f->path); /* never the file of a worker that has lost the job without knowing it */
    /* O_NONBLOCK: a FIFO of this name would wait for its other end for ever. */
    f->fd = open(f->path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (f->fd < 0 && errno == ENOENT && !(flags & O_CREAT))
        return error_set(e, ERROR_NOT_FOUND, "There is no staged data of image %s.", s->image_id);
    if (f->fd < 0)
        return write_failed(e, errno, f->path);
    if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return write_failed(e, EINVAL, f->path);
    *ret = TAKE(f);
    return 0;
}

/* Whether the file that we write still has its name. */
static bool still_named(const struct staging_file *f)
{
    struct stat own, named;

    return fstat(f->fd, &own) == 0 && lstat(f->path, &named) == 0 && own.st_dev == named.st_dev &&
           own.st_ino == named.st_ino;
}

/* The existing file if no other process may be writing to it, else a new one. */
static int part_open(struct staging *s, const char *suffix, bool keep, struct staging_file **ret,
                     struct error *e)
{
    CLEANUP(file_free) struct staging_file *f = NULL;

    if (keep && file_open(s, suffix, O_RDWR | O_CREAT, &f, e) < 0)
        return -1;
    if (f && flock(f->fd, LOCK_EX | LOCK_NB) == 0) {
        if (reread(f, e) < 0 || s->ops->reached(s->arg, f->bytes, e) < 0)
            return -1;
    } else {
        file_free(&f);
        if (file_open(s, suffix, O_RDWR | O_CREAT | O_EXCL, &f, e) < 0)
            return -1;
        flock(f->fd, LOCK_EX | LOCK_NB);
    }
    *ret = TAKE(f);
    return 0;
}

/* What a plugin makes counts against the quota, as what was staged does: asked when it begins and when it is
 * whole. What is fetched is asked when it is stored. */
static int quota_look(struct staging_file *f, struct db_conn *c, struct error *e)
{
    const struct staging *s = f->s;
    int64_t left;

    if (storage_left(c, s->quota, s->project, s->image_id, &left, e) < 0)
        return -1;
    if ((uint64_t)left < f->cap.max)
        f->cap = (struct stream_limit){ (uint64_t)left, 0, over_quota };
    return 0;
}

static int quota_bound(struct staging_file *f, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    f->counts = f->s->quota > 0 && str_ends(f->path, ".new");
    if (!f->counts)
        return 0;
    if (db_acquire(f->s->db, DB_WAIT, &c, e) < 0)
        return -1;
    return quota_look(f, c, e);
}

int staging_begin(struct staging *s, const char *suffix, bool keep, struct staging_file **ret,
                  uint64_t *ret_at, struct error *e)
{
    CLEANUP(staging_abort) struct staging_file *f = NULL;

    if (part_open(s, suffix, keep && !s->doubted, &f, e) < 0 || quota_bound(f, e) < 0)
        return -1;
    POINT("staging.begun");
    f->cap.seen = f->flushed = *ret_at = f->bytes;
    f->direct = stream_direct_on(f->fd);
    *ret = TAKE(f);
    return 0;
}

static int file_write(void *arg, const void *buf, size_t n, struct error *e)
{
    struct staging_file *f = arg;

    POINT("staging.write");
    inspect_feed(f->inspect, buf, n);
    for (size_t done = 0; done < n;) {
        ssize_t got = stream_direct_write(f->fd, &f->direct, (const char *)buf + done, n - done, f->bytes);

        if (got < 0)
            return write_failed(e, errno, f->path);
        done += (size_t)got;
        f->bytes += (uint64_t)got;
        f->s->ops->moved(f->s->arg, (uint64_t)got);
    }
    if (!f->direct && f->bytes - f->flushed >= flush_step) { /* so that the fsync at the end is short */
        sync_file_range(f->fd, (off_t)f->flushed, (off_t)(f->bytes - f->flushed), SYNC_FILE_RANGE_WRITE);
        f->flushed = f->bytes;
    }
    return 0;
}

size_t staging_sinks(struct staging_file *f, struct stream_sink ret[STAGING_SINKS])
{
    ret[0] = stream_limit_sink(&f->cap);
    ret[1] = stream_digest_sink(f->digest);
    ret[2] = (struct stream_sink){ .write = file_write, .arg = f };
    if (!f->asked)
        return STAGING_SINKS - 1;
    ret[3] = stream_digest_sink(f->asked);
    return STAGING_SINKS;
}

const char *staging_file_path(const struct staging_file *f)
{
    return f->path;
}

int staging_fits(const struct staging_file *f, uint64_t bytes, struct error *e)
{
    return bytes <= f->cap.max ? 0 : error_set(e, ERROR_TOO_LARGE, "%s", f->cap.message);
}

uint64_t staging_most(const struct staging_file *f, const char **ret_larger)
{
    *ret_larger = f->cap.message;
    return f->cap.max;
}

/* ---- what is known of a file ---- */

struct facts {
    char mark[STAGED_MARK_MAX], md5[33], hash[STREAM_HASH_HEX_MAX];
    struct staged row;
};

/* The data as they were staged or fetched, before a plugin makes other bytes of them, must be those that the
 * image says it has. */
static int row_check(const struct staging_file *f, const char *md5, const char *hash, struct error *e)
{
    const struct image *im = f->s->image;

    if (im->size > 0 && (uint64_t)im->size != f->bytes)
        return error_set(e, ERROR_INVALID, "Size mismatch: expected %lld bytes, got %llu bytes",
                         (long long)im->size, (unsigned long long)f->bytes);
    if (im->checksum && !str_eq_nocase(im->checksum, md5))
        return error_set(e, ERROR_INVALID, "The data have the checksum %s, and the image has %s.", md5,
                         im->checksum);
    if (im->os_hash_value && str_eq(im->os_hash_algo, f->s->hashing_algorithm) &&
        !str_eq_nocase(im->os_hash_value, hash))
        return error_set(e, ERROR_INVALID, "The data have the os_hash_value %s, and the image has %s.", hash,
                         im->os_hash_value);
    return 0;
}

/* Only what was fetched is asked for its hashes: a plugin makes other bytes. */
static int expected_check(struct staging_file *f, const struct facts *facts, struct error *e)
{
    char md5[33], asked[STREAM_HASH_HEX_MAX] = "";

    if (!str_ends(f->path, ".part"))
        return 0;
    if (f->asked && stream_digest_end(f->asked, md5, asked, e) < 0)
        return -1;
    for (size_t i = 0; i < f->s->n_expected; i++) {
        const struct staging_hash *h = &f->s->expected[i];
        const char *got = str_eq(h->algorithm, "md5") ? facts->md5 : digested(f->s, h) ? facts->hash : asked;

        if (!str_eq_nocase(h->value, got))
            return error_set(e, ERROR_PRECONDITION, "The data have the %s %s, and not %s.", h->algorithm, got,
                             h->value);
    }
    return row_check(f, facts->md5, facts->hash, e);
}

static int facts_make(struct staging_file *f, struct facts *ret, struct error *e)
{
    struct inspect_verdict verdict;

    if (staged_mark(f->fd, ret->mark, e) < 0 || stream_digest_end(f->digest, ret->md5, ret->hash, e) < 0 ||
        expected_check(f, ret, e) < 0)
        return -1;
    inspect_end(f->inspect, &verdict);
    ret->row = (struct staged){
        .image_id = f->s->image_id,
        .host = f->s->place,
        .mark = ret->mark,
        .size = (int64_t)f->bytes,
        .checksum = ret->md5,
        .os_hash_algo = f->s->hashing_algorithm,
        .os_hash_value = ret->hash,
        .verdict = staged_verdict_text(f->s->arena, &verdict),
    };
    return 0;
}

struct writing {
    struct staging *s;
    struct staging_file *made; /* NULL where the file was there */
    const struct facts *facts;
};

static int facts_run(struct db_conn *c, void *arg, struct error *e)
{
    const struct writing *w = arg;
    struct staging_file *made = w->made;

    if (w->s->ops->written(w->s->arg, c, made != NULL, e) < 0)
        return -1;
    if (made && made->counts && (quota_look(made, c, e) < 0 || staging_fits(made, made->bytes, e) < 0))
        return -1;
    return staged_set(c, &w->facts->row, e);
}

/* In one transaction with the end of the step, or with another sign of life where none ends. */
static int facts_write(struct staging *s, struct staging_file *made, const struct facts *f, struct error *e)
{
    static const struct db_unit unit = { "import.staged", facts_run, db_unit_idempotent };

    if (db_write(s->db, &unit, &(struct writing){ s, made, f }, e) < 0)
        return -1;
    if (made)
        s->ops->committed(s->arg);
    return 0;
}

static int put_in_place(struct staging *s, const char *from, struct error *e)
{
    CLEANUP(fd_close) int dir = -1;
    char whole[PATH_MAX];

    if (staging_path(s, whole, sizeof whole, e) < 0)
        return -1;
    if (rename(from, whole) < 0)
        return write_failed(e, errno, from);
    POINT("staging.placed");
    dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 || fsync(dir) < 0 ? write_failed(e, errno, s->dir) : 0;
}

int staging_commit(struct staging_file **fp, struct error *e)
{
    struct staging_file *f = *fp;
    struct facts facts;

    if (f->bytes == 0 && reread(f, e) < 0)
        return -1;
    if (staging_fits(f, f->bytes, e) < 0)
        return -1;
    if (fsync(f->fd) < 0)
        return write_failed(e, errno, f->path);
    POINT("staging.synced");
    if (facts_make(f, &facts, e) < 0 || facts_write(f->s, f, &facts, e) < 0)
        return -1;
    POINT("staging.known");
    if (!still_named(f))
        return error_set(e, ERROR_GONE, "Another worker does this job.");
    if (put_in_place(f->s, f->path, e) < 0)
        return -1;
    file_free(fp);
    return 0;
}

void staging_abort(struct staging_file **fp)
{
    if (*fp && still_named(*fp))
        unlink((*fp)->path);
    file_free(fp);
}

void staging_leave(struct staging_file **fp)
{
    file_free(fp);
}

/* ---- the whole file ---- */

/* A mark can be given to any file by who owns it. */
static bool is_ours(const struct staging *s, int fd)
{
    struct stat st, dir;

    return fstat(fd, &st) == 0 &&
           (st.st_uid == geteuid() || (stat(s->dir, &dir) == 0 && st.st_uid == dir.st_uid));
}

/* Opens the file of this name if it is the one that is known; -1, without an error when it is not. */
static int open_known(const struct staging *s, const char *path, const struct staged *known, struct error *e)
{
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char mark[STAGED_MARK_MAX];
    struct error ignored;

    if (fd < 0 && error_is_exhausted(errno))
        return error_errno(e, ERROR_UNAVAILABLE, errno, "The staged file cannot be opened now.");
    if (fd < 0 || !is_ours(s, fd) || staged_mark(fd, mark, &ignored) < 0 || !str_eq(mark, known->mark) ||
        !str_eq(known->os_hash_algo, s->hashing_algorithm))
        return -1;
    return fd_take(&fd);
}

/* Also the one that was not renamed any more. */
static int find_known(struct staging *s, const struct staged *known, struct error *e)
{
    char path[PATH_MAX];
    int fd;

    if (staging_path(s, path, sizeof path, e) < 0)
        return -1;
    fd = open_known(s, path, known, e);
    for (size_t i = 0; fd < 0 && i < COUNT(suffixes); i++) {
        if (path_make(s, suffixes[i], path, sizeof path, e) < 0)
            return -1;
        fd = open_known(s, path, known, e);
        if (fd >= 0 && put_in_place(s, path, e) < 0)
            fd_close(&fd);
    }
    return fd;
}

static int known_load(struct staging *s, struct staged **ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(s->db, DB_WAIT, &c, e) < 0)
        return -1;
    return staged_get(c, s->arena, s->image_id, ret, e);
}

int staging_here(struct staging *s, bool *ret, struct error *e)
{
    struct staged *known;
    int fd;

    if (known_load(s, &known, e) < 0)
        return -1;
    error_clear(e);
    fd = known ? find_known(s, known, e) : -1;
    *ret = fd >= 0;
    fd_close(&fd);
    return e->kind ? -1 : 0;
}

/* What was staged is what is imported, whoever wrote into the directory since. */
static int same_data(const struct staged *known, const struct facts *now, struct error *e)
{
    bool same = known->size == now->row.size && str_eq(known->checksum, now->md5);

    if (same && str_eq(known->os_hash_algo, now->row.os_hash_algo))
        same = str_eq(known->os_hash_value, now->hash);
    return same ? 0
                : error_set(e, ERROR_PRECONDITION,
                            "The staged data of image %s are not those that were staged.", known->image_id);
}

/* known NULL: there is no record of this file, Glance staged it. Otherwise it was changed. */
static int find_out(struct staging *s, const struct staged *known, int *ret_fd, struct staged **ret,
                    struct error *e)
{
    CLEANUP(file_free) struct staging_file *f = NULL;
    struct facts facts;

    if (file_open(s, "", O_RDONLY, &f, e) < 0 || reread(f, e) < 0 || facts_make(f, &facts, e) < 0 ||
        (known ? same_data(known, &facts, e) : row_check(f, facts.md5, facts.hash, e)) < 0 ||
        facts_write(s, NULL, &facts, e) < 0 || known_load(s, ret, e) < 0)
        return -1;
    *ret_fd = fd_take(&f->fd);
    return *ret ? 0 : error_set(e, ERROR_NOT_FOUND, "There is no staged data of image %s.", s->image_id);
}

int staging_open(struct staging *s, int *ret_fd, struct staged **ret, struct error *e)
{
    if (known_load(s, ret, e) < 0)
        return -1;
    error_clear(e);
    *ret_fd = *ret ? find_known(s, *ret, e) : -1;
    if (*ret_fd >= 0)
        return 0;
    return e->kind ? -1 : find_out(s, *ret, ret_fd, ret, e);
}

void staging_unlink(const struct staging *s)
{
    const char *const all[] = { "", suffixes[0], suffixes[1] };
    char path[PATH_MAX];
    struct error e;

    for (size_t i = 0; i < COUNT(all); i++)
        if (path_make(s, all[i], path, sizeof path, &e) == 0)
            unlink(path);
    POINT("staging.unlinked");
}

static int drop_run(struct db_conn *c, void *arg, struct error *e)
{
    const struct staging *s = arg;

    return staged_drop(c, s->image_id, e);
}

int staging_remove(struct staging *s, struct error *e)
{
    static const struct db_unit unit = { "import.unstage", drop_run, db_unit_idempotent };

    staging_unlink(s);
    return db_write(s->db, &unit, s, e);
}
