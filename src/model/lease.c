/* SPDX-License-Identifier: Apache-2.0 */
/* Leases on uploads, and who holds them.
 *
 * A holder is "host:boot:namespace:pid:start": the host's name and machine id, the boot id, the PID namespace
 * (a container's pids mean nothing outside it) and the process with the clock tick of its start. A process is
 * known to be dead when its host has booted since, or when it is gone from the same namespace of the same
 * boot. */
#include "model/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"

enum { HOLDER_MAX = 256, PART_MAX = 64 };

/* The first line of a small file of /proc or /etc; "" when it cannot be read. */
static void read_line(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

    fd_close(&fd);
    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
}

static void read_namespace(char *ret, size_t size)
{
    ssize_t n = readlink("/proc/self/ns/pid", ret, size - 1);

    ret[n > 0 ? n : 0] = '\0';
    for (char *p = ret; *p; p++) /* "pid:[4026531836]" */
        if (*p == ':')
            *p = '-';
}

static void read_host(char *ret, size_t size)
{
    char host[PART_MAX] = "", machine[PART_MAX];

    gethostname(host, sizeof host - 1);
    read_line("/etc/machine-id", machine, sizeof machine);
    snprintf(ret, size, "%s/%s", host, machine);
    for (char *p = ret; *p; p++)
        if (*p == ':')
            *p = '-';
}

/* Field 22 of /proc/PID/stat, in clock ticks since boot; '?' as state when there is none to read. */
static void read_start(long pid, char *ret_state, unsigned long long *ret_start)
{
    char path[PART_MAX], stat[1024];
    const char *after;

    *ret_state = '?';
    *ret_start = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_line(path, stat, sizeof stat);
    after = strrchr(stat, ')'); /* the name in parentheses may hold anything */
    if (after &&
        sscanf(after, ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
               ret_state, ret_start) != 2)
        *ret_state = '?';
}

const char *lease_holder(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char holder[HOLDER_MAX];
    static pid_t made_by; /* a forked child is another holder */
    char host[2 * PART_MAX + 1], boot[PART_MAX], namespace[PART_MAX], state;
    unsigned long long start;
    WITH_MUTEX(&lock);

    if (made_by == process_id())
        return holder;
    made_by = process_id();
    read_host(host, sizeof host);
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    read_namespace(namespace, sizeof namespace);
    read_start(made_by, &state, &start);
    snprintf(holder, sizeof holder, "%.120s:%.40s:%.32s:%ld:%llu", host, boot, namespace, (long)made_by,
             start);
    return holder;
}

struct holder {
    char host[HOLDER_MAX], boot[HOLDER_MAX], namespace[HOLDER_MAX];
    long pid;
    unsigned long long start;
};

static bool parse(const char *text, struct holder *ret)
{
    char end;

    return strlen(text) < HOLDER_MAX && sscanf(text, "%255[^:]:%255[^:]:%255[^:]:%ld:%llu%c", ret->host,
                                               ret->boot, ret->namespace, &ret->pid, &ret->start, &end) == 5;
}

const char *lease_boot(struct arena *a)
{
    struct holder ours;

    if (!parse(lease_holder(), &ours))
        return arena_str(a, lease_holder());
    return arena_printf(a, "%s:%s", ours.host, ours.boot);
}

bool lease_holder_dead(const char *text)
{
    struct holder theirs, ours;
    char state;
    unsigned long long start;

    if (!parse(text, &theirs) || !parse(lease_holder(), &ours) || strcmp(theirs.host, ours.host) != 0)
        return false;
    if (strcmp(theirs.boot, ours.boot) != 0)
        return true;
    if (strcmp(theirs.namespace, ours.namespace) != 0 || theirs.pid <= 0)
        return false;
    if (kill((pid_t)theirs.pid, 0) < 0 && errno == ESRCH)
        return true;
    read_start(theirs.pid, &state, &start);
    if (state == '?') /* hidden from us, or gone just now: the next look tells */
        return false;
    return start != theirs.start || state == 'Z' || state == 'X';
}

bool lease_holder_here(const char *text)
{
    struct holder theirs, ours;

    return parse(text, &theirs) && parse(lease_holder(), &ours) && strcmp(theirs.host, ours.host) == 0 &&
           strcmp(theirs.boot, ours.boot) == 0;
}

pid_t lease_holder_process(const char *text)
{
    struct holder theirs, ours;

    if (!lease_holder_here(text) || lease_holder_dead(text) || !parse(text, &theirs) ||
        !parse(lease_holder(), &ours) || strcmp(theirs.namespace, ours.namespace) != 0)
        return 0;
    return (pid_t)theirs.pid;
}

int lease_take(struct db_conn *c, const struct lease *l, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(
            c,
            "INSERT INTO glint_leases (image_id, holder, store, url, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            &s, e) < 0)
        return -1;
    db_bind_text(s, 1, l->image_id);
    db_bind_text(s, 2, l->holder);
    db_bind_text(s, 3, l->store);
    db_bind_text(s, 4, l->url);
    db_bind_int(s, 5, l->expires_us);
    if (db_run(s, NULL, e) == 0)
        return 0;
    if (e->kind == ERROR_CONFLICT)
        error_set(e, ERROR_CONFLICT, "Image %s is being uploaded already", l->image_id);
    return -1;
}

static int lost(const char *image_id, struct error *e)
{
    return error_set(e, ERROR_CONFLICT, "The upload of image %s was given up meanwhile", image_id);
}

struct renewal {
    const char *image_id, *holder;
    int64_t expires_us;
};

static int renew(struct db_conn *c, void *arg, struct error *e)
{
    const struct renewal *r = arg;
    struct db_stmt *s;
    int64_t changed;

    if (db_prepare(c, "UPDATE glint_leases SET expires_at = ?1 WHERE image_id = ?2 AND holder = ?3", &s, e) <
        0)
        return -1;
    db_bind_int(s, 1, r->expires_us);
    db_bind_text(s, 2, r->image_id);
    db_bind_text(s, 3, r->holder);
    if (db_run(s, &changed, e) < 0)
        return -1;
    return changed ? 0 : lost(r->image_id, e);
}

int lease_renew(struct db_conn *c, const char *image_id, const char *holder, int64_t expires_us,
                struct error *e)
{
    static const struct db_unit unit = { "lease.renew", renew, db_unit_idempotent };

    return db_write_on(c, &unit, &(struct renewal){ image_id, holder, expires_us }, e);
}

int lease_held(struct db_conn *c, const char *image_id, const char *holder, bool *ret, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "SELECT 1 FROM glint_leases WHERE image_id = ?1 AND holder = ?2", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, holder);
    return stmt_found(s, ret, e);
}

int lease_drop(struct db_conn *c, const char *image_id, const char *holder, struct error *e)
{
    struct db_stmt *s;
    int64_t changed;

    if (db_prepare(c, "DELETE FROM glint_leases WHERE image_id = ?1 AND holder = ?2", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_text(s, 2, holder);
    if (db_run(s, &changed, e) < 0)
        return -1;
    return changed ? 0 : lost(image_id, e);
}

int lease_list(struct db_conn *c, struct arena *a, struct lease **ret, size_t *ret_n, struct error *e)
{
    struct lease *list = NULL;
    size_t n = 0, cap = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(
            c,
            "SELECT image_id, holder, store, url, expires_at FROM glint_leases ORDER BY expires_at, image_id",
            &s, e) < 0)
        return -1;
    while ((row = db_step(s, e)) > 0)
        *ARENA_PUSH(a, list, n, cap) = (struct lease){
            .image_id = arena_str(a, db_text(s, 0)),
            .holder = arena_str(a, db_text(s, 1)),
            .store = arena_str(a, db_text(s, 2)),
            .url = arena_str(a, db_text(s, 3)),
            .expires_us = db_int(s, 4),
        };
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}
