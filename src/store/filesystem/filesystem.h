/* SPDX-License-Identifier: Apache-2.0 */
/* What the filesystem driver's files share.
 *
 * An object is <datadir>/<image id>. A put writes a file without a name, or where there is no such thing
 * <datadir>/.glint/<image id>.<random>, and holds flock(2) on
 * it, so that a sweeper of any process can tell a dead writer's file (lock free) from a live one's.
 * Directories are opened for each operation: a held descriptor would keep a vanished mount alive. */
#ifndef STORE_FILESYSTEM_FILESYSTEM_H
#define STORE_FILESYSTEM_FILESYSTEM_H

#include <unistd.h>

#include "store/driver.h"
#include "stream/stream.h"

enum {
    FS_DIRS_MAX = 64,
    FS_NAME_MAX = 200, /* of an object; leaves room for the suffix of its temporary file */
    FS_PATH_MAX = 800  /* of a datadir; with a name and the scheme it fits a location's URL */
};

/* Directory of temporary files and of the quarantine within a datadir; it is there only while it holds any.
 */
#define FS_WORK ".glint"

struct fs_dir {
    char *path; /* without a slash at its end */
    int64_t priority;
    struct fs_proof *proof;
};

struct fs {
    struct fs_dir dirs[FS_DIRS_MAX]; /* highest priority first */
    size_t n_dirs;
    unsigned perm;      /* of objects; 0: by umask */
    bool thin;          /* all-zero chunks become holes */
    size_t chunk;       /* bytes; what thin looks at */
    int64_t told_chunk; /* as configured */
};

/* Whether this can be an object's name: one path component, not hidden, no control characters, no '%'. */
bool fs_name_valid(const char *name);
bool fs_name_temporary(const char *name);
int fs_dir_open(const char *path); /* a descriptor, or -1 with errno */
int fs_work_open(int dir);         /* its FS_WORK, made when missing; -1 with errno */
/* The datadir and the name of a location's object; ERROR_NOT_FOUND where it can be none of ours. */
int fs_locate(const struct fs *fs, const char *url, const struct fs_dir **ret, char name[FS_NAME_MAX + 1],
              struct error *e);
/* ---- place.c ---- */

/* What is remembered of a datadir's proof. */
struct fs_proof *fs_proof_new(void);
void fs_proof_free(struct fs_proof *p); /* takes NULL */
/* ERROR_UNAVAILABLE unless the open directory fd is, as far as is known, the datadir that it was. */
int fs_verify(const struct store *s, const struct fs_dir *d, int fd, struct error *e);
int fs_away(struct error *e, const char *path, int err); /* the directory cannot be looked at */
bool fs_same(const struct store *s, const char *url, const char *other);
int fs_check(struct store *s, struct error *e);
int fs_places(struct store *s, int (*tell)(void *arg, const struct store_place *, struct error *), void *arg,
              struct error *e);

/* What a failed write means to the caller of the store. */
int fs_write_failed(struct error *e, int err, const char *what);

/* A store of this one directory, without options; for files of the service itself. */
int fs_open_dir(struct store *s, const char *path, struct error *e);
const char *fs_first_dir(const struct store *s);

/* False: puts never use files without names, for tests of file systems that have none. */
extern bool fs_unnamed;
int fs_put_begin(struct store *s, const char *image_id, int64_t size, struct store_put **ret,
                 struct error *e);
int fs_put_link(struct store *s, const char *image_id, const char *path, uint64_t *ret_size,
                struct store_put **ret, struct error *e);
int fs_put_write(struct store_put *p, const void *buf, size_t n, struct error *e);
int fs_put_commit(struct store_put *p, struct store_location *ret, struct error *e);
void fs_put_abort(struct store_put *p);
void fs_put_done(struct store_put *p);

int fs_list(struct store *s, store_tell *tell, void *arg, struct error *e);
int fs_quarantine(struct store *s, const struct store_object *seen, struct str *ret_where, struct error *e);

#endif
