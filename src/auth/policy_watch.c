/* SPDX-License-Identifier: Apache-2.0 */
/* Whether policy files have changed, asked by every request: a right that was taken away is gone for the next
 * one. inotify(7) tells of a rename or a close before the system call that made it returns, and asking
 * whether there is anything costs a third of a microsecond. It tells nothing of network file systems, and
 * there are only so many instances of it a user: there the known files are looked at instead.
 *
 * A watch belongs to one process: events that a child reads are gone for its parent. */
#include "auth/policy_private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/process.h"

enum { EVENTS_SIZE = 4096 };

#define FILE_EVENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
/* Of a directory in which a name may appear. Often others write there, a log or a database, and each
 * event costs its writer and us; a file that exists has a watch of its own. */
#define PARENT_EVENTS (IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)
#define DIR_EVENTS                                                                                           \
    (IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF |     \
     IN_MOVE_SELF)

/* ---- what is watched ---- */

static bool is_remote(const char *path)
{
    static const unsigned long kinds[] = { NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
                                           SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC, V9FS_MAGIC,
                                           AFS_SUPER_MAGIC,  FUSE_SUPER_MAGIC };
    struct statfs fs;

    if (statfs(path, &fs) < 0)
        return false;
    for (size_t i = 0; i < COUNT(kinds); i++)
        if ((unsigned long)fs.f_type == kinds[i])
            return true;
    return false;
}

static int add(struct policy_watch *w, const char *path, uint32_t events)
{
    int wd = inotify_add_watch(w->fd, path, events | IN_MASK_ADD);

    if (wd < 0 && errno != ENOENT && errno != ENOTDIR)
        w->blind = true;
    w->blind = w->blind || is_remote(path);
    return wd;
}

/* The directory that path is in, or the nearest one above it that exists. */
static void add_parent(struct policy_watch *w, const char *path)
{
    char parent[PATH_MAX];
    int wd = -1;

    if (strlen(path) >= sizeof parent)
        return;
    str_copy(parent, sizeof parent, path);
    while (wd < 0 && parent[0] == '/' && parent[1]) {
        char *slash = strrchr(parent, '/');

        slash[slash == parent ? 1 : 0] = '\0';
        wd = add(w, parent, PARENT_EVENTS);
    }
}

/* The name in each place where it is looked for, and what it may appear in. */
static void add_name(struct policy_watch *w, const struct policy_options *o, const char *name, bool dir)
{
    char path[PATH_MAX];

    if (!name || !*name)
        return;
    for (const char *const *at = o->search; *at; at++) {
        int wd;

        if (snprintf(path, sizeof path, "%s%s%s", *name == '/' ? "" : *at, *name == '/' ? "" : "/", name) >=
            (int)sizeof path)
            continue;
        add_parent(w, path);
        wd = add(w, path, dir ? DIR_EVENTS : FILE_EVENTS);
        if (dir && wd >= 0 && w->n_dirs < COUNT(w->dirs))
            w->dirs[w->n_dirs++] = wd;
        if (*name == '/')
            break;
    }
}

static void arm(struct policy_watch *w, const struct policy_options *o, const struct policy_files *f)
{
    w->blind = w->fd < 0;
    w->n_dirs = 0;
    if (w->blind)
        return;
    add_name(w, o, o->file, false);
    for (size_t i = 0; i < o->n_dirs; i++)
        add_name(w, o, o->dirs[i], true);
    for (size_t i = 0; f && i < f->n; i++) /* also where a link leads to */
        add(w, f->paths[i], FILE_EVENTS);
}

void policy_watch_start(struct policy_watch *w, const struct policy_options *o)
{
    if (w->pid != 0)
        policy_watch_stop(w);
    w->pid = process_id();
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    arm(w, o, NULL);
}

void policy_watch_files(struct policy_watch *w, const struct policy_options *o, const struct policy_files *f)
{
    if (w->pid == 0)
        return;
    arm(w, o, f);
    arena_free(w->arena);
    w->arena = arena_make(512);
    w->known = arena_array(w->arena, const char *, f->n + 1);
    w->n_known = f->n;
    for (size_t i = 0; i < f->n; i++)
        w->known[i] = arena_str(w->arena, f->paths[i]);
    w->known_sum = w->blind ? policy_watch_sum(w) : 0;
}

void policy_watch_stop(struct policy_watch *w)
{
    if (w->pid != 0 && w->fd >= 0)
        close(w->fd);
    arena_free(w->arena);
    *w = (struct policy_watch){ 0 };
}

/* ---- what has happened ---- */

int policy_watch_fd(const struct policy_watch *w)
{
    return w->blind ? -1 : w->fd;
}

bool policy_watch_quiet(int fd)
{
    int waiting;

    return ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 0;
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x100000001b3;
}

uint64_t policy_watch_sum(const struct policy_watch *w)
{
    uint64_t sum = 0xcbf29ce484222325;

    for (size_t i = 0; i < w->n_known; i++) {
        struct stat st;

        if (stat(w->known[i], &st) < 0)
            st = (struct stat){ 0 };
        sum = mix(mix(mix(sum, st.st_ino), (uint64_t)st.st_size), (uint64_t)st.st_ctim.tv_sec);
        sum = mix(sum, (uint64_t)st.st_ctim.tv_nsec);
    }
    return sum;
}

static bool is_base(const char *path, const char *name)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return path && str_eq(slash ? slash + 1 : path, name);
}

static bool is_policy_dir(const struct policy_options *o, const char *name)
{
    for (size_t i = 0; i < o->n_dirs; i++)
        if (is_base(o->dirs[i], name))
            return true;
    return false;
}

/* A directory or a link to one, which is made whole; it may be one of policy_dirs, or above one. */
static bool is_new_dir(const struct policy_options *o, const struct inotify_event *ev)
{
    return ev->len > 0 && ev->mask & (IN_CREATE | IN_MOVED_TO) &&
           (ev->mask & IN_ISDIR || is_policy_dir(o, ev->name));
}

/* In the directories where names are looked for others write files too. "..data" is what a volume of
 * Kubernetes replaces. */
static bool concerns(const struct policy_watch *w, const struct policy_options *o,
                     const struct inotify_event *ev)
{
    const char *name = ev->name;

    if (ev->len == 0 || ev->mask & IN_Q_OVERFLOW || str_starts(name, "..") || is_base(o->file, name))
        return true;
    for (size_t i = 0; i < w->n_dirs; i++)
        if (w->dirs[i] == ev->wd)
            return *name != '.';
    return is_policy_dir(o, name) || is_new_dir(o, ev);
}

/* Notes which files are being written: a modification begins it, everything else ends it. */
static void note(struct policy_watch *w, const struct inotify_event *ev)
{
    uint64_t id = mix(0xcbf29ce484222325, (uint64_t)ev->wd);
    size_t at = 0;

    for (const char *c = ev->len > 0 ? ev->name : ""; *c; c++)
        id = mix(id, (unsigned char)*c);
    while (at < w->n_written && w->written[at] != id)
        at++;
    if (!(ev->mask & IN_MODIFY)) {
        if (at < w->n_written)
            w->written[at] = w->written[--w->n_written];
    } else if (at == w->n_written && at < COUNT(w->written)) {
        w->written[w->n_written++] = id;
    }
}

enum policy_news policy_watch_ask(struct policy_watch *w, const struct policy_options *o)
{
    char events[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false, made = false; /* what was only made may be about to be written */
    bool dirs = false;
    ssize_t n;

    while (w->fd >= 0 && (n = read(w->fd, events, sizeof events)) > 0) {
        const struct inotify_event *ev;

        for (const char *at = events; at < events + n; at += sizeof *ev + ev->len) {
            ev = (const struct inotify_event *)(const void *)at;
            if (!concerns(w, o, ev))
                continue;
            note(w, ev);
            any = any || !(ev->mask & IN_IGNORED);
            made = ev->mask & IN_CREATE && !is_new_dir(o, ev);
            dirs = dirs || is_new_dir(o, ev);
        }
    }
    if (dirs) /* before anybody looks what is in them */
        arm(w, o, NULL);
    if (any)
        return w->n_written > 0 || made ? POLICY_UNFINISHED : POLICY_CHANGED;
    return w->blind && policy_watch_sum(w) != w->known_sum ? POLICY_UNFINISHED : POLICY_SAME;
}
