/* SPDX-License-Identifier: Apache-2.0 */
/* Two requests at once, statement by statement: whose statement is next is enumerated and drawn. Whatever the
 * order, rows, objects and answers are those of one request after the other.
 *
 * One thread runs at a time: each is held before every begin, statement, commit and rollback. Who would wait
 * for the other's write transaction is not let go, as SQLite has one writer. */
#include "unit/api/service.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/driver.h"
#include "upkeep/upkeep.h"

enum { DRAWS = 25, STATE_MAX = 4096 };

#define JSON  "application/json"
#define BYTES "application/octet-stream"
#define PATCH "application/openstack-images-v2.1-json-patch"

/* ---- the scheduler ---- */

static _Thread_local int me = -1; /* 0 or 1: held; -1: not one of the two */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int turn;
    bool waiting[2], done[2], wants_write[2], ending[2];
    int writer; /* who has a write transaction; -1: nobody */
    int first, steps[2];
    int preempt; /* after so many steps the first waits for the other; -1: it is drawn each time */
    unsigned seed;
} now = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static bool may_run(int who)
{
    return now.waiting[who] && !(now.wants_write[who] && now.writer == 1 - who);
}

/* Whose step is next, once both stand still. */
static void choose(void)
{
    int other = 1 - now.first;

    for (int i = 0; i < 2; i++)
        if (!now.waiting[i] && !now.done[i])
            return;
    if (!may_run(0) || !may_run(1))
        now.turn = may_run(0) ? 0 : 1;
    else if (now.preempt < 0)
        now.turn = rand_r(&now.seed) & 1;
    else
        now.turn = now.steps[now.first] < now.preempt ? now.first : other;
    pthread_cond_broadcast(&now.changed);
}

static void hold(const char *call, bool write)
{
    if (me < 0)
        return;
    pthread_mutex_lock(&now.lock);
    if (now.ending[me])
        now.writer = -1;
    now.ending[me] = false;
    now.waiting[me] = true;
    now.wants_write[me] = write;
    now.turn = -1;
    choose();
    while (now.turn != me)
        pthread_cond_wait(&now.changed, &now.lock);
    now.waiting[me] = false;
    now.steps[me]++;
    if (write)
        now.writer = me;
    now.ending[me] = now.writer == me && (str_eq(call, "commit") || str_eq(call, "rollback"));
    pthread_mutex_unlock(&now.lock);
}

static void finish(void)
{
    pthread_mutex_lock(&now.lock);
    if (now.writer == me)
        now.writer = -1;
    now.done[me] = true;
    choose();
    pthread_mutex_unlock(&now.lock);
}

/* ---- requests ---- */

static char ids[2][UUID_TEXT_MAX];
static char project[32]; /* of this run alone: quotas count what others left */

static bool ask(const char *method, const char *target, const char *type, const char *body)
{
    struct call c = {
        .method = method, .target = target, .roles = "admin", .project = project, .type = type, .body = body
    };
    int status = service_status(&service, &c);

    if (status >= 500)
        fail_msg("%s %s: %d", method, target, status);
    return status >= 200 && status < 300;
}

static const char *image_url(char *room, size_t size, int n, const char *rest)
{
    snprintf(room, size, "/v2/images/%s%s", ids[n], rest);
    return room;
}

static bool to_image(const char *method, int n, const char *rest, const char *type, const char *body)
{
    char url[128];

    return ask(method, image_url(url, sizeof url, n, rest), type, body);
}

static bool patch_a(void)
{
    return to_image("PATCH", 0, "", PATCH,
                    "[{\"op\": \"replace\", \"path\": \"/name\", \"value\": \"a\"}, "
                    "{\"op\": \"add\", \"path\": \"/of_a\", \"value\": \"1\"}]");
}

static bool patch_b(void)
{
    return to_image("PATCH", 0, "", PATCH,
                    "[{\"op\": \"replace\", \"path\": \"/name\", \"value\": \"b\"}, "
                    "{\"op\": \"add\", \"path\": \"/of_b\", \"value\": \"1\"}]");
}

static bool upload_a(void)
{
    return to_image("PUT", 0, "/file", BYTES, "aaa");
}

static bool upload_b(void)
{
    return to_image("PUT", 0, "/file", BYTES, "bb");
}

static bool delete_image(void)
{
    return to_image("DELETE", 0, "", NULL, NULL);
}

/* Of the ten bytes that the project may have. */
static bool six_bytes(void)
{
    return to_image("PUT", 0, "/file", BYTES, "666666");
}

static bool six_more(void)
{
    return to_image("PUT", 1, "/file", BYTES, "666666");
}

static bool member_add_m(void)
{
    return to_image("POST", 0, "/members", JSON, "{\"member\": \"m\"}");
}

static bool member_remove_m(void)
{
    return to_image("DELETE", 0, "/members/m", NULL, NULL);
}

static bool import(void)
{
    return to_image("POST", 0, "/import", JSON, "{\"method\": {\"name\": \"glance-direct\"}}");
}

static bool reap(void)
{
    struct upkeep_counts n;
    struct error e;

    return upkeep_round(service_db(), service_stores(), &n, &e) == 0;
}

static void add_member(void)
{
    assert_true(member_add_m());
}

static void stage(void)
{
    assert_true(to_image("PUT", 0, "/stage", BYTES, "data"));
}

static const struct pair {
    const char *name;
    bool (*run[2])(void);
    void (*before)(void);
} pairs[] = {
    { "two patches", { patch_a, patch_b }, NULL },
    { "upload and delete", { upload_a, delete_image }, NULL },
    { "two uploads", { upload_a, upload_b }, NULL },
    { "two uploads under a quota for one", { six_bytes, six_more }, NULL },
    { "a member comes and goes", { member_add_m, member_remove_m }, add_member },
    { "two imports", { import, import }, stage },
    { "reaper and upload", { reap, upload_a }, NULL },
};

/* ---- what is left ---- */

struct outcome {
    bool went[2];
    char state[STATE_MAX];
};

/* Everything of the two images but times and ids of its own. */
static const char state_sql[] =
    "SELECT 'image', status || deleted, COALESCE(size, -1), COALESCE(checksum, ''), COALESCE(name, '') "
    "FROM images WHERE id = ?1 UNION ALL "
    "SELECT 'property', name, deleted, CASE name WHEN 'os_glance_import_task' THEN '' ELSE value END, '' "
    "FROM image_properties WHERE image_id = ?2 UNION ALL "
    "SELECT 'member', member, deleted, status, '' FROM image_members WHERE image_id = ?3 UNION ALL "
    "SELECT 'location', status, deleted, meta_data, '' FROM image_locations WHERE image_id = ?4 UNION ALL "
    "SELECT 'lease', store, 0, '', '' FROM glint_leases WHERE image_id = ?5 UNION ALL "
    "SELECT 'job', kind, attempt, state, step FROM glint_jobs WHERE image_id = ?6 UNION ALL "
    "SELECT 'task', type, deleted, status, '' FROM tasks WHERE image_id = ?7 UNION ALL "
    "SELECT 'staged', checksum, size, '', '' FROM glint_staged WHERE image_id = ?8 ORDER BY 1, 2, 3, 4, 5";

static void state_read(char *out)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    CLEANUP(str_done) struct str text = STR_INIT;
    struct db_stmt *s;
    struct error e;

    assert_int_equal(db_acquire(service_db(), DB_WAIT, &c, &e), 0);
    for (int n = 0; n < 2; n++) {
        char path[160];

        assert_int_equal(db_prepare(c, state_sql, &s, &e), 0);
        for (int i = 1; i <= 8; i++)
            db_bind_text(s, i, ids[n]);
        while (db_step(s, &e) > 0)
            for (int i = 0; i < 5; i++)
                str_addf(&text, "%s%s", db_text(s, i), i < 4 ? " " : "\n");
        snprintf(path, sizeof path, "%s/images/%s", service.dir, ids[n]);
        str_addf(&text, "object %d\n", access(path, F_OK) == 0);
    }
    str_copy(out, STATE_MAX, str_text(&text));
}

static const struct pair *pair;
static struct outcome last;

static void *request(void *arg)
{
    int who = *(int *)arg;

    me = who;
    hold("start", false);
    last.went[who] = pair->run[who]();
    finish();
    return NULL;
}

static void images_make(void)
{
    static int run;

    snprintf(project, sizeof project, "p%d", ++run);
    for (int n = 0; n < 2; n++) {
        char body[160];

        uuid_make(ids[n]);
        snprintf(body, sizeof body,
                 "{\"id\": \"%s\", \"disk_format\": \"raw\", \"container_format\": \"bare\"}", ids[n]);
        assert_true(ask("POST", "/v2/images", JSON, body));
    }
    if (pair->before)
        pair->before();
}

static struct outcome run(int first, int preempt, unsigned seed)
{
    pthread_t threads[2];
    int who[2] = { 0, 1 };

    images_make();
    memset(now.waiting, 0, sizeof now.waiting);
    memset(now.done, 0, sizeof now.done);
    memset(now.steps, 0, sizeof now.steps);
    memset(now.ending, 0, sizeof now.ending);
    now.turn = now.writer = -1;
    now.first = first;
    now.preempt = preempt;
    now.seed = seed;
    memset(&last, 0, sizeof last);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, request, &who[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    state_read(last.state);
    return last;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->went[0] == b->went[0] && a->went[1] == b->went[1] && strcmp(a->state, b->state) == 0;
}

static void check(const struct outcome *got, const struct outcome serial[2], const char *how, int first,
                  int at)
{
    if (same(got, &serial[0]) || same(got, &serial[1]))
        return;
    print_message("%s, %s, %d first, %d: %d %d\n%s\nnot %d %d\n%s\nnor %d %d\n%s", pair->name, how, first, at,
                  got->went[0], got->went[1], got->state, serial[0].went[0], serial[0].went[1],
                  serial[0].state, serial[1].went[0], serial[1].went[1], serial[1].state);
    fail();
}

static void interleave(void **state)
{
    struct outcome serial[2];
    int steps[2];

    pair = *state;
    for (int first = 0; first < 2; first++) {
        serial[first] = run(first, 1 << 30, 0);
        steps[first] = now.steps[first];
        assert_true(steps[first] > 2);
    }
    for (int first = 0; first < 2; first++)
        for (int at = 1; at < steps[first]; at++) {
            struct outcome got = run(first, at, 0);

            check(&got, serial, "held at a step", first, at);
        }
    for (int n = 1; n <= DRAWS; n++) {
        struct outcome got = run(0, -1, (unsigned)n);

        check(&got, serial, "drawn", 0, n);
    }
}

int main(void)
{
    bool fast = access("/dev/shm", W_OK) == 0; /* where fsync(2) costs nothing */
    char staging[64], uri[96], command[96];
    const char *overrides[] = { "DEFAULT.user_storage_quota=10", uri, NULL };
    struct CMUnitTest tests[COUNT(pairs)];
    int failed;

    for (size_t i = 0; i < COUNT(pairs); i++)
        tests[i] = (struct CMUnitTest){ pairs[i].name, interleave, NULL, NULL, (void *)(uintptr_t)&pairs[i] };
    service_scheme = "fault+sqlite";
    service_top = fast ? "/dev/shm" : "/tmp";
    snprintf(staging, sizeof staging, "%s/glint-staging-XXXXXX", service_top);
    if (!mkdtemp(staging))
        return 1;
    snprintf(uri, sizeof uri, "DEFAULT.node_staging_uri=file://%s", staging);
    db_fault_watch(hold);
    service_configure(true, overrides);
    failed = cmocka_run_group_tests(tests, service_set_up, service_tear_down);
    snprintf(command, sizeof command, "rm -rf '%s'", staging);
    return system(command) == 0 ? failed : 1;
}
