/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the staging directory that are not needed any more.
 *
 * The directory may be one of several hosts and another Glance may stage beside us, so nothing is decided by
 * who wrote a file: the database says whether its image is being uploaded or imported, by a lease, a job, or
 * a lock whose task is at work. Ours are written down before the first byte is. What Glance does without
 * writing it down it does soon: therefore the age. The second look and the removal are in one transaction, in
 * which nobody can begin anything. */
#include "upkeep/upkeep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transfer/lease.h"

enum { UUID_LEN = UUID_TEXT_MAX - 1, SUFFIX_MAX = 32, ROWS_PAGE = 500 };

struct staged_name {
    char id[UUID_TEXT_MAX];
    const char *suffix; /* with its dot; "": the whole file */
};

/* <image id> or <image id>.suffix; anything else is none of ours. */
static bool name_parse(const char *name, struct staged_name *ret)
{
    size_t n = strlen(name);

    if (n < UUID_LEN || n > UUID_LEN + SUFFIX_MAX)
        return false;
    str_copy(ret->id, sizeof ret->id, name);
    ret->suffix = name + UUID_LEN;
    if (!uuid_valid(ret->id))
        return false;
    if (!*ret->suffix)
        return true;
    return ret->suffix[0] == '.' && ret->suffix[1] &&
           ret->suffix[1 + strspn(ret->suffix + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                   "0123456789_-")] == '\0';
}

/* Names under which a whole file may be (transfer/staging.h): an import that was killed leaves it under the
 * last two. */
static bool may_be_whole(const char *suffix)
{
    return !*suffix || str_eq(suffix, ".part") || str_eq(suffix, ".new");
}

/* Why a file of that name is not needed; NULL: it may be. */
static const char *unneeded(const struct image_claims *c, const char *suffix)
{
    if (c->job || c->lease || c->locked)
        return NULL;
    if (!c->known)
        return "there is no such image";
    if (c->deleted)
        return "its image was deleted";
    if (c->status == IMAGE_IMPORTING) /* lost by another Glance: for glint doctor to put right */
        return NULL;
    if (c->status == IMAGE_UPLOADING)
        return may_be_whole(suffix) ? NULL : "no import works on its image";
    return "its image does not wait for an import";
}

static bool regular(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static bool old_file(int dir, const char *name, int64_t age_us)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           st.st_mtim.tv_sec * CLOCK_SECOND + st.st_mtim.tv_nsec / 1000 <= clock_now_us() - age_us;
}

/* What belongs to no image needs no age: whoever stages, Glance too, has the image's row first. */
static int judge(struct db_conn *c, struct arena *a, const struct staged_name *n, bool old,
                 const char **ret_why, struct error *e)
{
    struct image_claims claims;

    if (image_claims_load(c, a, n->id, &claims, e) < 0)
        return -1;
    *ret_why = old || !claims.known ? unneeded(&claims, n->suffix) : NULL;
    return 0;
}

/* ---- looking ---- */

static void dir_close(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int look(const struct staging_look *l, struct arena *a, const char *name, bool old, staging_tell *tell,
                void *arg, struct error *e)
{
    struct staged_name n;
    const char *why;

    if (!name_parse(name, &n))
        return 0;
    {
        CLEANUP(db_release) struct db_conn *c = NULL;

        if (db_acquire(l->db, DB_WAIT, &c, e) < 0 || judge(c, a, &n, old, &why, e) < 0)
            return -1;
    }
    return why ? tell(arg, name, why, e) : 0;
}

int staging_leftovers(const struct staging_look *l, staging_tell *tell, void *arg, struct error *e)
{
    CLEANUP(dir_close) DIR *list = opendir(l->dir);
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    struct dirent *entry;

    if (!list && errno == ENOENT)
        return 0;
    while (list && (errno = 0, entry = readdir(list))) {
        if (!regular(dirfd(list), entry->d_name))
            continue;
        if (look(l, a, entry->d_name, old_file(dirfd(list), entry->d_name, l->age_us), tell, arg, e) < 0)
            return -1;
        arena_reset(a);
    }
    if (list && errno == 0)
        return 0;
    return error_errno(e, ERROR_UNAVAILABLE, errno, "The staging directory %s cannot be listed.", l->dir);
}

/* ---- removing ---- */

struct discarding {
    const struct staging_look *look;
    struct arena *arena;
    int dir;
    const char *name;
    bool removed;
};

/* The file goes while the unit has the image's row, so that nobody begins to need it. Where the unit is
 * repeated it is gone already, and what is left to do is its row. */
static int remove_in(struct db_conn *c, void *arg, struct error *e)
{
    struct discarding *d = arg;
    struct staged_name n;
    const char *why;

    if (!name_parse(d->name, &n) || (!d->removed && !regular(d->dir, d->name)))
        return 0;
    if (judge(c, d->arena, &n, d->removed || old_file(d->dir, d->name, d->look->age_us), &why, e) < 0)
        return -1;
    if (!why)
        return 0;
    if (!d->removed && unlinkat(d->dir, d->name, 0) < 0)
        return errno == ENOENT ? 0
                               : error_errno(e, ERROR_UNAVAILABLE, errno, "%s cannot be removed.", d->name);
    d->removed = true;
    return may_be_whole(n.suffix) ? staged_drop(c, n.id, e) : 0;
}

int staging_discard(const struct staging_look *l, const char *name, bool *ret, struct error *e)
{
    static const struct db_unit unit = { "staging.discard", remove_in, db_unit_idempotent };
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    struct discarding d = { .look = l, .arena = a, .name = name };
    int result;

    *ret = false;
    d.dir = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d.dir < 0)
        return error_errno(e, ERROR_UNAVAILABLE, errno, "The staging directory %s cannot be opened.", l->dir);
    result = db_write(l->db, &unit, &d, e);
    close(d.dir);
    *ret = d.removed;
    return result;
}

/* ---- rows ---- */

struct dropping {
    struct arena *arena;
    const char *id;
    bool unneeded;
};

static int row_judge(struct db_conn *c, struct dropping *d, struct error *e)
{
    struct image_claims claims;

    if (image_claims_load(c, d->arena, d->id, &claims, e) < 0)
        return -1;
    d->unneeded = unneeded(&claims, "") != NULL;
    return 0;
}

static int row_drop_run(struct db_conn *c, void *arg, struct error *e)
{
    struct dropping *d = arg;

    if (row_judge(c, d, e) < 0)
        return -1;
    return d->unneeded ? staged_drop(c, d->id, e) : 0;
}

/* Most rows are needed, and cost no transaction. */
static int row_drop(struct db_conn *c, struct arena *a, const char *id, bool *ret, struct error *e)
{
    static const struct db_unit unit = { "staging.row", row_drop_run, db_unit_idempotent };
    struct dropping d = { a, id, false };

    if (row_judge(c, &d, e) < 0 || (d.unneeded && db_write_on(c, &unit, &d, e) < 0))
        return -1;
    *ret = d.unneeded;
    return 0;
}

int staging_rows_tidy(struct db *db, size_t *ret, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(16 * 1024);
    CLEANUP(db_release) struct db_conn *c = NULL;
    char after[UUID_TEXT_MAX] = "";
    const char **ids;
    size_t n;

    *ret = 0;
    if (db_acquire(db, DB_WAIT, &c, e) < 0)
        return -1;
    do {
        arena_reset(a);
        if (survey_ids(c, a, SURVEY_STAGED, after, ROWS_PAGE, &ids, &n, e) < 0)
            return -1;
        for (size_t i = 0; i < n; i++) {
            bool dropped;

            if (row_drop(c, a, ids[i], &dropped, e) < 0)
                return -1;
            *ret += dropped;
            str_copy(after, sizeof after, ids[i]);
        }
    } while (n == ROWS_PAGE);
    return 0;
}

/* ---- one round ---- */

struct round {
    const struct staging_look *look;
    size_t removed;
    bool failed;
    struct error first;
};

/* One file that cannot be removed does not keep the others. */
static int discard_told(void *arg, const char *name, const char *why, struct error *e UNUSED)
{
    struct round *r = arg;
    struct error one;
    bool gone;

    if (staging_discard(r->look, name, &gone, &one) < 0) {
        log_warning("staged file %s is removed later: %s (%s)", name, one.message, one.detail);
        if (!r->failed)
            r->first = one;
        r->failed = true;
    } else if (gone) {
        log_info("staged file %s is removed: %s", name, why);
        r->removed++;
    }
    return 0;
}

int staging_clean(const struct staging_look *l, size_t *ret, struct error *e)
{
    struct round r = { .look = l };
    size_t rows;
    int listed = staging_leftovers(l, discard_told, &r, e);

    *ret = r.removed;
    if (listed < 0 || staging_rows_tidy(l->db, &rows, e) < 0)
        return -1;
    if (r.failed)
        *e = r.first;
    return r.failed ? -1 : 0;
}
