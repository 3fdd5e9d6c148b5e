/* SPDX-License-Identifier: Apache-2.0 */
/* A database with the schema in a temporary directory, one connection, an arena; and what the tests of this
 * room ask of it. */
#ifndef TESTS_UNIT_MODEL_FIXTURE_H
#define TESTS_UNIT_MODEL_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/driver.h"
#include "model/model.h"
#include "test.h"

struct fixture {
    char dir[64], path[96], url[128];
    struct db *db;
    struct db_conn *c;
    struct arena *a;
    struct error e;
};

#define OK(f, call)                                                                                          \
    do {                                                                                                     \
        if ((call) < 0)                                                                                      \
            fail_msg("%s:%d: %s: %s (%s)", __FILE__, __LINE__, #call, (f)->e.message, (f)->e.detail);        \
    } while (0)

static inline void fixture_paths(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/glint-model-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/glance.sqlite", f->dir);
    snprintf(f->url, sizeof f->url, "sqlite:///%s", f->path);
    f->a = arena_make(4096);
}

static inline void fixture_open(struct fixture *f)
{
    fixture_paths(f);
    OK(f, db_open(f->url, true, 4, &f->db, &f->e));
    OK(f, db_acquire(f->db, DB_WAIT, &f->c, &f->e));
    OK(f, schema_sync(f->c, &f->e));
}

static inline void fixture_close(struct fixture *f)
{
    char command_free[128];

    db_release(&f->c);
    db_close(f->db);
    arena_free(f->a);
    for (int i = 0; i < 3; i++) {
        static const char *const ends[] = { "", "-wal", "-shm" };

        snprintf(command_free, sizeof command_free, "%s%s", f->path, ends[i]);
        unlink(command_free);
    }
    rmdir(f->dir);
}

/* The first column of the first row, as text: "NULL" for NULL, "none" without a row. */
static inline const char *ask(struct fixture *f, const char *sql, const char *arg)
{
    const char *text = "none";
    struct db_stmt *s;
    int row;

    OK(f, db_prepare_text(f->c, sql, &s, &f->e));
    if (arg)
        db_bind_text(s, 1, arg);
    OK(f, row = db_step(s, &f->e));
    if (row > 0)
        text = db_is_null(s, 0) ? "NULL" : arena_str(f->a, db_text(s, 0));
    db_reset(s);
    return text;
}

static inline void run_sql(struct fixture *f, const char *sql)
{
    OK(f, db_script(f->c, sql, &f->e));
}

/* A queued image as the tests need it, not stored yet. */
static inline struct image *make_image(struct fixture *f, const char *id, const char *owner)
{
    struct image *im = arena_new(f->a, struct image);

    *im = (struct image){ .id = arena_str(f->a, id),
                          .name = "name",
                          .owner = arena_str(f->a, owner),
                          .disk_format = "raw",
                          .container_format = "bare",
                          .visibility = IMAGE_SHARED,
                          .size = -1,
                          .virtual_size = -1 };
    return im;
}

static inline void store_image(struct fixture *f, struct image *im)
{
    OK(f, db_begin_write(f->c, &f->e));
    OK(f, image_insert(f->c, im, &f->e));
    OK(f, db_commit(f->c, &f->e));
}

static inline int save_image(struct fixture *f, struct image *im, enum image_status from)
{
    int result;

    OK(f, db_begin_write(f->c, &f->e));
    result = image_save(f->c, im, from, &f->e);
    if (result < 0)
        db_rollback(f->c);
    else
        OK(f, db_commit(f->c, &f->e));
    return result;
}

static inline struct image *load_image(struct fixture *f, const char *id)
{
    struct image *im;

    OK(f, image_load_any(f->c, f->a, id, &im, &f->e));
    return im;
}

#endif
