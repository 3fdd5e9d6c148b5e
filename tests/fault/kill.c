/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 while images are uploaded and deleted. After each kill another process cleans up: every image is
 * then queued without data or active with data that match its checksum, and nothing else is left anywhere. */
#include "unit/transfer/setup.h"

#include <signal.h>
#include <sys/wait.h>

enum { KILLS = 150, SIZE_MAX_SENT = 3 * STREAM_BUFFER };

static struct world w;

struct slow {
    struct stream_memory m;
    unsigned pause_us;
};

static ssize_t slow_read(void *arg, void *buf, size_t n, struct error *e)
{
    struct slow *s = arg;
    struct stream_source src = stream_memory_source(&s->m);

    if (s->pause_us)
        usleep(s->pause_us);
    return src.read(src.arg, buf, n, e);
}

/* Uploads and deletes until it is killed; says so on the pipe when it begins. */
static void work_for_ever(unsigned seed, int ready)
{
    unsigned char *data = world_data(SIZE_MAX_SENT, seed);

    world_attach(&w, "sqlite");
    if (write(ready, "", 1) != 1)
        _exit(3);
    for (unsigned i = seed;; i += 7919) {
        const char *id = world_image(&w, "raw");
        struct slow s = { .m = { .data = data, .len = i % SIZE_MAX_SENT, .piece = 50000 },
                          .pause_us = i % 3 ? 0 : i % 500 };
        struct stream_source src = { slow_read, &s };
        struct upload_options o = world_options(&w);
        struct error e;

        o.declared_size = i % 2 ? (int64_t)s.m.len : -1;
        if (world_upload(&w, id, &o, &src, &e) < 0)
            _exit(1);
        if (i % 5 < 2 && image_remove(w.db, w.stores, world_load(&w, w.arena, id), NULL, NULL, &e) < 0)
            _exit(2);
    }
}

static void check_image(const struct image *im, size_t *active)
{
    struct store_get *g = NULL;
    char md5[33], hash[STREAM_HASH_HEX_MAX];
    unsigned char *bytes;
    uint64_t size;
    struct error e;

    if (im->status == IMAGE_QUEUED) {
        assert_true(im->n_locations == 0 && im->size == -1 && !im->checksum);
        return;
    }
    assert_int_equal(im->status, IMAGE_ACTIVE);
    assert_int_equal(im->n_locations, 1);
    MUST(store_get_open(world_store(&w), im->locations[0].url, &g, &size, &e));
    assert_int_equal(size, im->size);
    bytes = malloc(size + 1);
    for (size_t at = 0; at < size;) {
        ssize_t n = store_get_read(g, at, bytes + at, size - at, &e);

        assert_true(n > 0);
        at += (size_t)n;
    }
    world_digest(bytes, size, md5, hash);
    assert_string_equal(im->checksum, md5);
    assert_string_equal(im->os_hash_value, hash);
    free(bytes);
    store_get_close(&g);
    ++*active;
}

/* Checks every live image and deletes it, so that the world stays small. Returns how many were active. */
static size_t check_images(void)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    const char *ids[1000];
    size_t n = 0, active = 0;
    struct db_stmt *s;
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_prepare(c, "SELECT id FROM images WHERE NOT deleted", &s, &e));
    while (db_step(s, &e) > 0 && n < COUNT(ids))
        ids[n++] = arena_str(w.arena, db_text(s, 0));
    db_reset(s);
    for (size_t i = 0; i < n; i++)
        check_image(world_load(&w, w.arena, ids[i]), &active);
    assert_int_equal(world_objects(&w), active);
    for (size_t i = 0; i < n; i++)
        MUST(image_remove(w.db, w.stores, world_load(&w, w.arena, ids[i]), NULL, NULL, &e));
    return active;
}

static void a_killed_service_loses_nothing(void **state UNUSED)
{
    size_t active = 0, uploads = 0, objects = 0, files = 0;

    for (unsigned i = 0; i < KILLS; i++) {
        struct upkeep_counts n;
        int status, ready[2];
        pid_t child;
        char byte;

        assert_int_equal(pipe(ready), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            work_for_ever(i * 104729 + 1, ready[1]);
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        usleep(i * 7013 % 90000);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status))
            fail_msg("round %u: the child ended by itself: %x", i, (unsigned)status);

        world_attach(&w, "sqlite");
        n = world_reap(&w);
        assert_int_equal(world_leases(&w) + world_trash(&w) + world_temporaries(&w), 0);
        active += check_images();
        uploads += n.uploads;
        objects += n.objects;
        files += n.files;
        world_detach(&w);
    }
    print_message(
        "%d kills: %zu images active, %zu uploads undone, %zu objects and %zu temporary files removed\n",
        KILLS, active, uploads, objects, files);
    /* Temporary files are left only where the file system has no O_TMPFILE (open(2)). */
    assert_true(active > 0 && uploads > 0);
}

static int setup(void **state UNUSED)
{
    log_level_set(LOG_OFF);
    world_open(&w, "sqlite");
    world_detach(&w);
    return 0;
}

static int teardown(void **state UNUSED)
{
    test_dir_remove(w.dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(a_killed_service_loses_nothing, setup,
                                                                        teardown) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
