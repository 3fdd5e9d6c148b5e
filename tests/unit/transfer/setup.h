/* SPDX-License-Identifier: Apache-2.0 */
/* A small world for uploads: an SQLite file, a store below the same directory, images, and what must hold of
 * them. */
#ifndef SETUP_H
#define SETUP_H

#include "unit/store/setup.h"

#include "db/driver.h"
#include "jobs/jobs.h"
#include "transfer/remove.h"
#include "transfer/upload.h"
#include "upkeep/store_proof.h"
#include "upkeep/upkeep.h"

struct world {
    char dir[64], images[128];
    struct db *db;
    struct stores *stores;
    struct arena *arena;
};

static const char *const world_vmdk_types[] = { "monolithicSparse", "streamOptimized" };

#define MUST(call)                                                                                           \
    do {                                                                                                     \
        if ((call) < 0)                                                                                      \
            fail_msg("%s: %s (%s)", #call, e.message, e.detail);                                             \
    } while (0)

/* Opens what is in w->dir; scheme "sqlite" or "fault+sqlite". */
static inline void world_attach(struct world *w, const char *scheme)
{
    char url[200];
    struct error e;

    snprintf(w->images, sizeof w->images, "%s/images", w->dir);
    snprintf(url, sizeof url, "%s:///%s/glint.sqlite", scheme, w->dir);
    MUST(db_open(url, true, 8, &w->db, &e));
    w->stores = test_file_stores(w->images, NULL);
    w->arena = arena_make(16 * 1024);
}

static inline void world_detach(struct world *w)
{
    arena_free(w->arena);
    stores_close(w->stores);
    db_close(w->db);
}

static inline void world_open(struct world *w, const char *scheme)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct error e;

    test_dir_make(w->dir);
    world_attach(w, scheme);
    MUST(db_acquire(w->db, DB_WAIT, &c, &e));
    MUST(schema_sync(c, &e));
}

static inline void world_close(struct world *w)
{
    world_detach(w);
    test_dir_remove(w->dir);
}

static inline struct store *world_store(struct world *w)
{
    return stores_default(w->stores);
}

/* A new image, queued. */
static inline const char *world_image(struct world *w, const char *disk_format)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct image im = { .name = "test",
                        .disk_format = disk_format,
                        .container_format = "bare",
                        .owner = "project",
                        .size = -1,
                        .virtual_size = -1,
                        .visibility = IMAGE_SHARED };
    char *id = arena_alloc(w->arena, UUID_TEXT_MAX);
    struct error e;

    uuid_make(id);
    im.id = id;
    MUST(db_acquire(w->db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(image_insert(c, &im, &e));
    MUST(db_commit(c, &e));
    return id;
}

static inline struct image *world_load(struct world *w, struct arena *a, const char *id)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct image *im;
    struct error e;

    MUST(db_acquire(w->db, DB_WAIT, &c, &e));
    MUST(image_load_any(c, a, id, &im, &e));
    return im;
}

static inline enum image_status world_status(struct world *w, const char *id)
{
    struct arena *a = arena_make(4096);
    enum image_status s = world_load(w, a, id)->status;

    arena_free(a);
    return s;
}

static inline void world_sql(struct world *w, const char *sql)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct error e;

    MUST(db_acquire(w->db, DB_WAIT, &c, &e));
    MUST(db_script(c, sql, &e));
}

static inline size_t world_leases(struct world *w)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct arena *a = arena_make(4096);
    struct lease *l;
    size_t n;
    struct error e;

    MUST(db_acquire(w->db, DB_WAIT, &c, &e));
    MUST(lease_list(c, a, &l, &n, &e));
    arena_free(a);
    return n;
}

static inline size_t world_trash(struct world *w)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct arena *a = arena_make(4096);
    struct trash *t;
    size_t n;
    struct error e;

    MUST(db_acquire(w->db, DB_WAIT, &c, &e));
    MUST(trash_list(c, a, 1000, &t, &n, &e));
    arena_free(a);
    return n;
}

/* Objects with a name, temporary files. */
static inline size_t world_objects(struct world *w)
{
    return test_dir_count(w->images, "", false);
}

static inline size_t world_temporaries(struct world *w)
{
    return test_dir_count(w->images, ".glint", true);
}

static inline struct upkeep_counts world_reap(struct world *w)
{
    struct upkeep_counts n;
    struct error e;

    MUST(upkeep_round(w->db, w->stores, &n, &e));
    return n;
}

static inline struct upload_options world_options(struct world *w)
{
    return (struct upload_options){
        .db = w->db,
        .store = world_store(w),
        .metadata = "{}",
        .hashing_algorithm = "sha512",
        .size_cap = 1ull << 40,
        .declared_size = -1,
        .inspect = true,
        .inspect_policy = { .require_match = true,
                            .vmdk_types = world_vmdk_types,
                            .n_vmdk_types = COUNT(world_vmdk_types) },
    };
}

/* A whole upload as a handler does it. */
static inline int world_upload(struct world *w, const char *id, const struct upload_options *o,
                               const struct stream_source *body, struct error *e)
{
    CLEANUP(upload_abort) struct upload *up = NULL;
    struct arena *a = arena_make(4096);
    struct image *im;
    int r = -1;

    im = world_load(w, a, id);
    if (upload_begin(a, im, o, &up, e) == 0 && upload_pump(up, body, e) == 0 && upload_commit(&up, e) == 0)
        r = 0;
    upload_abort(&up);
    arena_free(a);
    return r;
}

/* What the digests of the bytes are, in one go. */
static inline void world_digest(const void *data, size_t n, char md5[33], char hash[STREAM_HASH_HEX_MAX])
{
    CLEANUP(stream_digest_free) struct stream_digest *d = NULL;
    struct stream_sink s;
    struct error e;

    MUST(stream_digest_begin("sha512", &d, &e));
    s = stream_digest_sink(d);
    MUST(s.write(s.arg, data, n, &e));
    s.settle(s.arg, data);
    MUST(stream_digest_end(d, md5, hash, &e));
}

static inline unsigned char *world_data(size_t n, unsigned seed)
{
    unsigned char *data = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)((i + seed) * 2654435761u >> 15);
    return data;
}

/* Whether the image is active, says the right things about these bytes, and the store has them. */
static inline bool world_active(struct world *w, const char *id, const void *data, size_t n)
{
    struct arena *a = arena_make(4096);
    struct image *im = world_load(w, a, id);
    char md5[33], hash[STREAM_HASH_HEX_MAX];
    bool good;

    world_digest(data, n, md5, hash);
    good =
        im->status == IMAGE_ACTIVE && !im->deleted && im->size == (int64_t)n && str_eq(im->checksum, md5) &&
        str_eq(im->os_hash_algo, "sha512") && str_eq(im->os_hash_value, hash) && im->n_locations == 1 &&
        str_eq(im->locations[0].metadata, "{}") && test_holds(world_store(w), im->locations[0].url, data, n);
    arena_free(a);
    return good;
}

/* Whether the image waits for its data as if none had ever come. */
static inline bool world_queued(struct world *w, const char *id)
{
    struct arena *a = arena_make(4096);
    struct image *im = world_load(w, a, id);
    bool good = im->status == IMAGE_QUEUED && !im->deleted && im->size == -1 && im->virtual_size == -1 &&
                !im->checksum && !im->os_hash_value && im->n_locations == 0;

    arena_free(a);
    return good;
}

#endif
