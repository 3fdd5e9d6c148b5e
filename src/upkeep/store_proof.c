/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a store's directory is the one that holds its objects.
 *
 * The answer comes from what the database knows, so that nothing of ours has to lie in the directory:
 *  1 The directory is the one that this host saw last (file system, inode, birth): yes.
 *  2 Objects that active images have are in it: yes; it was moved, or restored from a copy. Where it lay on a
 *    mounted file system and does not any more, nearly all of those looked at have to be there: an old copy
 *    below a mount point is not the store.
 *  3 There should be objects and none is: no.
 *  4 No object should be there: yes, unless its file system is not mounted any more.
 * Staging only has what is under way, so for it 2 and 3 are left out, and a service that starts takes it as
 * it is. What the proof found is written down by store_proofs_save(), not here: a proof may be asked for
 * inside of a transaction. */
#include "upkeep/store_proof.h"

#include <string.h>
#include <unistd.h>

#include "transfer/lease.h"

enum { OBJECTS_LOOKED_AT = 64, NEARLY_ALL_PERCENT = 90 };

static void host_name(char ret[256])
{
    memset(ret, 0, 256);
    gethostname(ret, 255);
}

static int refuse(const struct store_place *now, const char *why, struct error *e)
{
    error_set(e, ERROR_UNAVAILABLE, "The image store is not available now.");
    return error_detail(e, "the directory %s is not the one that held the images: %s", now->dir, why);
}

static bool unmounted(const struct datadir *before, const struct store_place *now)
{
    return before && strlen(before->mount) > strlen(now->mount);
}

static int judge(struct db_conn *c, struct arena *a, const struct datadir *before, bool staging,
                 const struct store_place *now, struct error *e)
{
    struct datadir_object *objects = NULL;
    size_t n = 0, there = 0;

    if (!staging && datadir_objects(c, a, now->dir, OBJECTS_LOOKED_AT, &objects, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        there += store_place_has(now, objects[i].name, objects[i].size);
    if (unmounted(before, now))
        return n > 0 && there * 100 >= n * NEARLY_ALL_PERCENT
                   ? 0
                   : refuse(now, "its file system is not mounted", e);
    return n == 0 || there > 0 ? 0 : refuse(now, "none of their data is in it", e);
}

static int prove(void *arg, const struct store *s, const struct store_place *now, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(16 * 1024);
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct datadir *before;
    char host[256];

    host_name(host);
    if (db_acquire(arg, DB_WAIT, &c, e) < 0 || datadir_get(c, a, host, now->dir, &before, e) < 0)
        return -1;
    if (before && str_eq(before->mark, now->mark))
        return 0;
    return judge(c, a, before, str_eq(store_id(s), STORE_STAGING), now, e);
}

/* Where the database cannot be asked, nothing is made either. */
static bool expected(void *arg, const char *dir)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct datadir_object *objects;
    struct datadir *before;
    char host[256];
    struct error e;
    size_t n;

    host_name(host);
    return db_acquire(arg, DB_WAIT, &c, &e) < 0 || datadir_get(c, a, host, dir, &before, &e) < 0 || before ||
           datadir_objects(c, a, dir, 1, &objects, &n, &e) < 0 || n > 0;
}

struct store_proof store_proof_by(struct db *db)
{
    return (struct store_proof){ prove, expected, db };
}

/* ---- writing it down ---- */

struct saving {
    struct db *db;
    const struct store *store;
    bool force;
};

static int save(struct db_conn *c, void *arg, struct error *e)
{
    return datadir_set(c, arg, e);
}

static const struct db_unit save_unit = { "store.proof", save, db_unit_idempotent };

static int save_place(void *arg, const struct store_place *now, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    CLEANUP(db_release) struct db_conn *c = NULL;
    const struct saving *v = arg;
    struct datadir *before;
    char host[256];

    host_name(host);
    if (!v->force && prove(v->db, v->store, now, e) < 0)
        return -1;
    if (db_acquire(v->db, DB_WAIT, &c, e) < 0 || datadir_get(c, a, host, now->dir, &before, e) < 0)
        return -1;
    if (before && str_eq(before->mark, now->mark) && str_eq(before->mount, now->mount))
        return 0;
    if (before)
        log_info("store %s: the directory %s is another one, and is taken for the store", store_id(v->store),
                 now->dir);
    return db_write_on(c, &save_unit, &(struct datadir){ host, now->dir, now->mark, now->mount }, e);
}

int store_proof_save(struct db *db, struct store *s, bool force, struct error *e)
{
    struct saving v = { db, s, force };

    return store_places(s, save_place, &v, e);
}

int store_proofs_save(struct db *db, struct stores *stores, bool begin, struct error *e)
{
    size_t n = stores_count(stores);
    bool failed = false;

    for (size_t i = 0; i <= n; i++) {
        struct store *s = i < n ? stores_at(stores, i) : stores_staging(stores);
        struct error one;

        if (!s || store_proof_save(db, s, begin && i == n, &one) == 0)
            continue;
        error_detail(&one, "store %s", store_id(s));
        if (!failed)
            *e = one;
        failed = true;
    }
    return failed ? -1 : 0;
}
