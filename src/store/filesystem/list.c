/* SPDX-License-Identifier: Apache-2.0 */
/* Lists the objects of the datadirs, and moves out those that nothing refers to.
 *
 * An object that is set aside moves to <datadir>/.glint/quarantine/<name>.<time>: the same file system, no
 * location's path leads there (objects lie directly in a datadir), and sweepers look at files only. */
#include "store/filesystem/filesystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define QUARANTINE "quarantine"

enum { SAME_NAME_MAX = 100 };

/* ---- listing ---- */

static int64_t changed_us(const struct stat *st)
{
    return st->st_mtim.tv_sec * CLOCK_SECOND + st->st_mtim.tv_nsec / 1000;
}

/* 1: it is an object. Other files are the operator's and are left alone. */
static bool object_look(int dir, const char *name, struct stat *ret)
{
    return fs_name_valid(name) && fstatat(dir, name, ret, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(ret->st_mode);
}

static int object_tell(const struct fs_dir *d, const char *name, const struct stat *st, store_tell *tell,
                       void *arg, struct error *e)
{
    char url[sizeof("filesystem://") + FS_PATH_MAX + FS_NAME_MAX + 1], alias[sizeof url];

    snprintf(url, sizeof url, "file://%s/%s", d->path, name);
    snprintf(alias, sizeof alias, "filesystem://%s/%s", d->path, name);
    return tell(arg,
                &(struct store_object){ .name = name,
                                        .url = url,
                                        .alias = alias,
                                        .size = (uint64_t)st->st_size,
                                        .changed_us = changed_us(st) },
                e);
}

static void dir_close(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int list_dir(const struct store *s, const struct fs_dir *d, store_tell *tell, void *arg,
                    struct error *e)
{
    CLEANUP(dir_close) DIR *list = opendir(d->path);
    struct dirent *entry;
    struct stat st;

    if (list && fs_verify(s, d, dirfd(list), e) < 0)
        return -1;
    while (list && (errno = 0, entry = readdir(list)))
        if (object_look(dirfd(list), entry->d_name, &st) &&
            object_tell(d, entry->d_name, &st, tell, arg, e) < 0)
            return -1;
    return list && errno == 0 ? 0
                              : error_errno(e, ERROR_UNAVAILABLE, errno,
                                            "The store's directory %s cannot be listed.", d->path);
}

int fs_list(struct store *s, store_tell *tell, void *arg, struct error *e)
{
    const struct fs *fs = s->data;

    for (size_t i = 0; i < fs->n_dirs; i++)
        if (list_dir(s, &fs->dirs[i], tell, arg, e) < 0)
            return -1;
    return 0;
}

/* ---- quarantine ---- */

/* *work is opened anew where it was removed meanwhile. */
static int quarantine_open(int dir, int *work)
{
    while (mkdirat(*work, QUARANTINE, 0700) < 0) {
        if (errno == EEXIST)
            break;
        if (errno != ENOENT)
            return -1;
        fd_close(work);
        *work = fs_work_open(dir);
        if (*work < 0)
            return -1;
    }
    return openat(*work, QUARANTINE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* "20261122T082100Z" */
static void when(char out[CLOCK_TEXT_MAX])
{
    char iso[CLOCK_TEXT_MAX], *to = out;

    clock_iso(clock_now_us(), iso);
    for (const char *at = iso; *at; at++)
        if (*at != '-' && *at != ':')
            *to++ = *at;
    *to = '\0';
}

/* Under the lock of the datadir, in which names come and go. */
static int move(int dir, int aside, const char *name, const struct store_object *seen, char *ret, size_t size)
{
    char at[CLOCK_TEXT_MAX];
    struct stat st;

    if (!object_look(dir, name, &st) || (uint64_t)st.st_size != seen->size ||
        changed_us(&st) != seen->changed_us) {
        errno = ESTALE;
        return -1;
    }
    when(at);
    snprintf(ret, size, "%s.%s", name, at);
    for (int i = 2; renameat2(dir, name, aside, ret, RENAME_NOREPLACE) < 0; i++) {
        if (errno != EEXIST || i > SAME_NAME_MAX)
            return -1;
        snprintf(ret, size, "%s.%s.%d", name, at, i);
    }
    return 0;
}

static int quarantine_failed(struct error *e, int err, const char *url)
{
    if (err == ESTALE)
        return error_set(e, ERROR_CONFLICT, "%s is not what it was any more.", url);
    return error_errno(e, err == EACCES || err == EPERM || err == EROFS ? ERROR_FORBIDDEN : ERROR_UNAVAILABLE,
                       err, "%s cannot be moved into the quarantine.", url);
}

int fs_quarantine(struct store *s, const struct store_object *seen, struct str *ret_where, struct error *e)
{
    char name[FS_NAME_MAX + 1], moved[FS_NAME_MAX + CLOCK_TEXT_MAX + 8];
    const struct fs_dir *d;
    CLEANUP(fd_close) int dir = -1;
    CLEANUP(fd_close) int work = -1;
    CLEANUP(fd_close) int aside = -1;
    int err = 0;

    if (fs_locate(s->data, seen->url, &d, name, e) < 0)
        return -1;
    dir = fs_dir_open(d->path);
    work = dir < 0 ? -1 : fs_work_open(dir);
    aside = work < 0 ? -1 : quarantine_open(dir, &work);
    if (aside < 0)
        return quarantine_failed(e, errno, seen->url);
    flock(dir, LOCK_EX);
    if (move(dir, aside, name, seen, moved, sizeof moved) < 0 || fsync(aside) < 0 || fsync(dir) < 0)
        err = errno;
    flock(dir, LOCK_UN);
    if (err)
        return quarantine_failed(e, err, seen->url);
    str_addf(ret_where, "%s/" FS_WORK "/" QUARANTINE "/%s", d->path, moved);
    return 0;
}
