/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a datadir is the directory that it was.
 *
 * An unmounted file system leaves an empty mount point, a renamed directory may be replaced by a new one.
 * So an object that is not found is believed missing, and a put is begun, only in a directory that was
 * proved. The proof itself needs the database and is asked of the store's proof (store.h); here its answer
 * is remembered for as long as the directory is the same inode of the same mount. */
#include "store/filesystem/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "http/http.h"

enum { REFUSED_US = 1000000 }; /* a refused directory is judged again after that */

/* What changes when another directory appears under the same path. */
struct seen {
    uint64_t device, inode, mount;
    int64_t born_ns;
};

struct fs_proof {
    pthread_mutex_t lock;
    bool known;
    struct seen proved;
    struct seen refused; /* valid until refused_until_us */
    int64_t refused_until_us;
};

struct fs_proof *fs_proof_new(void)
{
    struct fs_proof *p = mem_new(sizeof *p);

    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void fs_proof_free(struct fs_proof *p)
{
    if (p)
        pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

int fs_away(struct error *e, const char *path, int err)
{
    error_errno(e, ERROR_UNAVAILABLE, err, "The image store is not available now.");
    return error_detail(e, "the directory %s", path);
}

static int seen_read(int fd, const char *path, struct seen *ret)
{
    struct statx x;

    if (statx(fd, path, AT_EMPTY_PATH, STATX_INO | STATX_BTIME | STATX_MNT_ID, &x) < 0)
        return -1;
    *ret = (struct seen){
        .device = (uint64_t)x.stx_dev_major << 32 | x.stx_dev_minor,
        .inode = x.stx_ino,
        .mount = x.stx_mask & STATX_MNT_ID ? x.stx_mnt_id : 0,
        .born_ns = x.stx_mask & STATX_BTIME ? x.stx_btime.tv_sec * 1000000000 + x.stx_btime.tv_nsec : 0,
    };
    return 0;
}

static bool seen_same(const struct seen *a, const struct seen *b)
{
    return a->device == b->device && a->inode == b->inode && a->mount == b->mount && a->born_ns == b->born_ns;
}

/* The directory on which the file system that holds path is mounted. Kernels before 5.8 do not number mounts:
 * there the device tells, which a bind mount of the same file system does not change. */
static void mount_point(const char *path, char ret[FS_PATH_MAX + 1])
{
    char *real = realpath(path, NULL);
    struct seen here, above;

    str_copy(ret, FS_PATH_MAX + 1, real && strlen(real) <= FS_PATH_MAX ? real : path);
    free(real);
    if (seen_read(AT_FDCWD, ret, &here) < 0)
        return;
    while (ret[1]) {
        char up[FS_PATH_MAX + 1];

        str_copy(up, sizeof up, ret);
        *(strrchr(up, '/') == up ? up + 1 : strrchr(up, '/')) = '\0';
        if (seen_read(AT_FDCWD, up, &above) < 0 || above.mount != here.mount || above.device != here.device)
            return;
        str_copy(ret, FS_PATH_MAX + 1, up);
    }
}

/* The file system by its own id where it has one: device numbers change at each mount of NFS, and with the
 * order in which disks are found. */
static void place_fill(struct store_place *ret, int fd, const char *path, const struct seen *now)
{
    struct statfs f;
    uint64_t id = 0;

    if (fstatfs(fd, &f) == 0)
        memcpy(&id, &f.f_fsid, sizeof id);
    *ret = (struct store_place){ .dir = path, .fd = fd };
    snprintf(ret->mark, sizeof ret->mark, "%016llx:%llu:%lld", (unsigned long long)(id ? id : now->device),
             (unsigned long long)now->inode, (long long)now->born_ns);
    mount_point(path, ret->mount);
}

static int fs_place(const struct fs_dir *d, int fd, struct store_place *ret, struct error *e)
{
    struct seen now;

    if (seen_read(fd, "", &now) < 0)
        return fs_away(e, d->path, errno);
    place_fill(ret, fd, d->path, &now);
    return 0;
}

static bool remembered(struct fs_proof *p, const struct seen *now, bool *ret_refused)
{
    WITH_MUTEX(&p->lock);

    *ret_refused =
        p->refused_until_us > 0 && clock_mono_us() < p->refused_until_us && seen_same(&p->refused, now);
    return p->known && seen_same(&p->proved, now);
}

static void remember(struct fs_proof *p, const struct seen *now, bool proved)
{
    WITH_MUTEX(&p->lock);

    if (proved) {
        p->known = true;
        p->proved = *now;
        p->refused_until_us = 0;
        return;
    }
    if (p->known && seen_same(&p->proved, now))
        p->known = false;
    p->refused = *now;
    p->refused_until_us = clock_mono_us() + REFUSED_US;
}

int fs_verify(const struct store *s, const struct fs_dir *d, int fd, struct error *e)
{
    struct store_place place;
    struct seen now;
    bool refused;
    int r;

    if (!s->proof.prove)
        return 0;
    if (seen_read(fd, "", &now) < 0)
        return fs_away(e, d->path, errno);
    if (remembered(d->proof, &now, &refused))
        return 0;
    if (refused) {
        error_set(e, ERROR_UNAVAILABLE, "The image store is not available now.");
        return error_detail(e, "the directory %s is not the one that held the images", d->path);
    }
    place_fill(&place, fd, d->path, &now);
    r = s->proof.prove(s->proof.arg, s, &place, e);
    remember(d->proof, &now, r == 0);
    return r;
}

int fs_check(struct store *s, struct error *e)
{
    const struct fs *fs = s->data;

    for (size_t i = 0; i < fs->n_dirs; i++) {
        CLEANUP(fd_close) int fd = fs_dir_open(fs->dirs[i].path);

        if (fd < 0)
            return fs_away(e, fs->dirs[i].path, errno);
        if (fs_verify(s, &fs->dirs[i], fd, e) < 0)
            return -1;
    }
    return 0;
}

int fs_places(struct store *s, int (*tell)(void *arg, const struct store_place *, struct error *), void *arg,
              struct error *e)
{
    const struct fs *fs = s->data;

    for (size_t i = 0; i < fs->n_dirs; i++) {
        CLEANUP(fd_close) int fd = fs_dir_open(fs->dirs[i].path);
        struct store_place place;

        if (fd < 0)
            return fs_away(e, fs->dirs[i].path, errno);
        if (fs_place(&fs->dirs[i], fd, &place, e) < 0 || tell(arg, &place, e) < 0)
            return -1;
    }
    return 0;
}

bool store_place_has(const struct store_place *p, const char *name, int64_t size)
{
    struct stat st;

    return fs_name_valid(name) && fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && (size < 0 || st.st_size == size);
}

/* ---- one directory under several paths ---- */

/* path is changed. */
static bool path_leads_to(char *path, const struct stat *dir, const char *name)
{
    char *slash = strrchr(path, '/');
    struct stat st;

    if (!slash || !str_eq(slash + 1, name))
        return false;
    slash[slash == path ? 1 : 0] = '\0';
    return stat(path, &st) == 0 && st.st_dev == dir->st_dev && st.st_ino == dir->st_ino;
}

bool fs_same(const struct store *s, const char *url, const char *other)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    const char *path = strstr(other, "://");
    char name[FS_NAME_MAX + 1], *decoded;
    const struct fs_dir *d;
    struct stat dir;
    struct error e;

    if (!path || fs_locate(s->data, url, &d, name, &e) < 0 || stat(d->path, &dir) < 0)
        return false;
    path += strlen("://");
    return path_leads_to(arena_str(a, path), &dir, name) ||
           (http_path_decode(a, path, strlen(path), &decoded) && path_leads_to(decoded, &dir, name));
}
