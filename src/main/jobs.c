/* SPDX-License-Identifier: Apache-2.0 */
/* glint jobs list, show, retry and cancel: glint_jobs for people, while workers work on it. */
#include "jobs/jobs.h"
#include "host/host.h"
#include "imports/imports.h"
#include "main/main.h"
#include "model/model.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CANCEL_WAIT_SECONDS = 5 };

struct tool {
    const struct command_line *cl;
    struct config *config;
    struct db *db;
    struct db_conn *conn;
};

static void tool_close(struct tool *t)
{
    db_release(&t->conn);
    db_close(t->db);
    config_free(t->config);
}

static int tool_open(struct tool *t, struct error *e)
{
    struct schema_info info;

    if (start_config_of_database(t->cl, false, &t->config, e) < 0 ||
        host_open_db(t->config, false, &t->db, e) < 0 || db_acquire(t->db, DB_WAIT, &t->conn, e) < 0 ||
        schema_check(t->conn, &info, e) < 0)
        return -1;
    return info.own_tables
               ? 0
               : error_set(e, ERROR_INVALID, "%s has no jobs yet: run glint db sync", db_describe(t->db));
}

static void complain(const struct error *e)
{
    fprintf(stderr, "glint: %s%s%s%s\n", e->message, e->detail[0] ? " (" : "", e->detail,
            e->detail[0] ? ")" : "");
}

/* ---- as a table ---- */

static const char *const headings[] = { "ID",       "KIND", "METHOD", "STATE",   "STEP",
                                        "FAILURES", "AGE",  "IMAGE",  "PROJECT", "MESSAGE" };
enum { COLUMNS = COUNT(headings) };

static const char *age(struct arena *a, int64_t since_us)
{
    long long s = (clock_now_us() - since_us) / CLOCK_SECOND;

    if (s < 120)
        return arena_printf(a, "%llds", s > 0 ? s : 0);
    if (s < 120 * 60)
        return arena_printf(a, "%lldm", s / 60);
    return s < 48 * 3600 ? arena_printf(a, "%lldh", s / 3600) : arena_printf(a, "%lldd", s / 86400);
}

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

static void cells_of(struct arena *a, const struct job *j, const char *ret[COLUMNS])
{
    bool undone = j->giving_up && (j->state == JOB_WAITING || j->state == JOB_RUNNING);
    const char *const cells[COLUMNS] = {
        j->id,
        j->kind,
        or_dash(j->method),
        undone ? "undoing" : job_state_name(j->state),
        or_dash(j->step),
        arena_printf(a, "%lld", (long long)j->attempt),
        age(a, j->created_us),
        j->image_id,
        or_dash(j->owner),
        undone ? j->giving_up : j->message,
    };

    memcpy(ret, cells, sizeof cells);
}

static void print_row(const char *const cells[COLUMNS], const size_t widths[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (i + 1 < COLUMNS)
            printf("%-*s  ", (int)widths[i], cells[i]);
        else
            printf("%s\n", cells[i]);
}

static void print_table(struct arena *a, const struct job *list, size_t n)
{
    const char *cells[COLUMNS];
    size_t widths[COLUMNS];

    for (size_t i = 0; i < COLUMNS; i++)
        widths[i] = strlen(headings[i]);
    for (size_t k = 0; k < n; k++) {
        cells_of(a, &list[k], cells);
        for (size_t i = 0; i < COLUMNS; i++)
            widths[i] = strlen(cells[i]) > widths[i] ? strlen(cells[i]) : widths[i];
    }
    print_row(headings, widths);
    for (size_t k = 0; k < n; k++) {
        cells_of(a, &list[k], cells);
        print_row(cells, widths);
    }
}

/* ---- as JSON ---- */

static json_t *time_json(int64_t us)
{
    char text[CLOCK_TEXT_MAX];

    return us ? json_string(clock_iso(us, text)) : json_null();
}

static json_t *job_json(const struct job *j)
{
    return json_pack(
        "{s:s, s:s, s:s?, s:s, s:s, s:s, s:I, s:I, s:s, s:s?, s:s?, s:s?, s:s?, s:s, s:o, s:o, s:o, s:o}",
        "id", j->id, "kind", j->kind, "method", j->method, "state", job_state_name(j->state), "image_id",
        j->image_id, "step", j->step, "failures", (json_int_t)j->attempt, "takeovers",
        (json_int_t)j->takeovers, "holder", j->holder, "project", j->owner, "place", j->place, "stores",
        j->stores, "giving_up", j->giving_up, "message", j->message, "created_at", time_json(j->created_us),
        "updated_at", time_json(j->updated_us), "due_at", time_json(j->state == JOB_WAITING ? j->next_us : 0),
        "lease_until", time_json(j->state == JOB_RUNNING ? j->expires_us : 0));
}

static void print_json(const json_t *value)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    json_add_value(&out, value, false);
    puts(str_text(&out));
}

/* ---- list, show ---- */

static int list_run(struct tool *t, struct error *e)
{
    CLEANUP(json_drop) json_t *array = NULL;
    struct job *list;
    size_t n;

    if (job_list(t->conn, t->cl->arena, t->cl->all, &list, &n, e) < 0)
        return -1;
    start_note_worker(t->conn);
    if (!t->cl->json) {
        print_table(t->cl->arena, list, n);
        return EXIT_OK;
    }
    array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, job_json(&list[i]));
    print_json(array);
    return EXIT_OK;
}

static void print_fields(const json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        if (json_is_integer(value))
            printf("%-12s %lld\n", name, (long long)json_integer_value(value));
        else
            printf("%-12s %s\n", name, or_dash(json_string_value(value)));
    }
}

static int show_run(struct tool *t, struct error *e)
{
    CLEANUP(json_drop) json_t *object = NULL;
    struct job *j;

    if (job_load(t->conn, t->cl->arena, t->cl->words[2], &j, e) < 0)
        return -1;
    object = job_json(j);
    if (t->cl->json)
        print_json(object);
    else
        print_fields(object);
    return EXIT_OK;
}

/* ---- retry, cancel ---- */

struct retrying {
    struct tool *tool;
    const char *id, *new_id;
};

static int again_run(struct db_conn *c, void *arg, struct error *e)
{
    struct retrying *r = arg;

    return job_again(&import_job_kinds, c, r->tool->cl->arena, r->id, &r->new_id, e);
}

static int retried(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct retrying *r = arg;

    return job_exists(c, r->new_id, ret, e);
}

static int retry_one(struct tool *t, const char *id, struct error *e)
{
    static const struct db_unit unit = { "jobs.retry", again_run, retried };
    struct retrying r = { t, id, NULL };

    if (db_write_on(t->conn, &unit, &r, e) < 0)
        return -1;
    printf("%s is done again as %s\n", id, r.new_id);
    return 0;
}

static int wait_for_end(struct tool *t, const char *id, struct job **ret, struct error *e)
{
    int64_t until = clock_mono_us() + CANCEL_WAIT_SECONDS * CLOCK_SECOND;
    const struct timespec nap = { 0, 50 * 1000 * 1000 };

    for (;;) {
        if (job_load(t->conn, t->cl->arena, id, ret, e) < 0)
            return -1;
        if (((*ret)->state != JOB_WAITING && (*ret)->state != JOB_RUNNING) || clock_mono_us() > until)
            return 0;
        nanosleep(&nap, NULL);
    }
}

static int cancel_one(struct tool *t, const char *id, struct error *e)
{
    struct error why;
    struct job *j;

    error_set(&why, ERROR_CONFLICT, "Cancelled by the operator.");
    if (job_load(t->conn, t->cl->arena, id, &j, e) < 0 ||
        job_condemn(t->conn, id, &why, t->cl->force, e) < 0 || wait_for_end(t, id, &j, e) < 0)
        return -1;
    if (j->state == JOB_FAILED)
        printf("%s is cancelled\n", id);
    else if (j->state == JOB_DONE)
        printf("%s was done before it could be cancelled\n", id);
    else if (j->state == JOB_RUNNING)
        printf("%s will be undone by the worker that has it\n", id);
    else
        printf("%s will be undone when a worker%s%s takes it\n", id, j->place && *j->place ? " of " : "",
               j->place ? j->place : "");
    return 0;
}

/* Each for itself: one that fails does not keep the others. */
static int each(struct tool *t, int (*fn)(struct tool *, const char *, struct error *))
{
    int status = EXIT_OK;
    struct error e;

    for (size_t i = 2; i < t->cl->n_words; i++)
        if (fn(t, t->cl->words[i], &e) < 0) {
            complain(&e);
            status = EXIT_FAILED;
        }
    return status;
}

static int retry_run(struct tool *t, struct error *e UNUSED)
{
    return each(t, retry_one);
}

static int cancel_run(struct tool *t, struct error *e UNUSED)
{
    return each(t, cancel_one);
}

static const struct {
    const char *name;
    size_t least, most; /* words that follow */
    int (*run)(struct tool *, struct error *);
} actions[] = {
    { "list", 0, 0, list_run },
    { "show", 1, 1, show_run },
    { "retry", 1, WORDS_MAX, retry_run },
    { "cancel", 1, WORDS_MAX, cancel_run },
};

static int act(const struct command_line *cl, int (*run)(struct tool *, struct error *))
{
    struct tool t = { .cl = cl };
    int status = -1;
    struct error e;

    if (tool_open(&t, &e) == 0)
        status = run(&t, &e);
    if (status < 0) {
        complain(&e);
        status = EXIT_FAILED;
    }
    tool_close(&t);
    return status;
}

int jobs_main(const struct command_line *cl)
{
    const char *name = cl->n_words > 1 ? cl->words[1] : "";
    size_t words = cl->n_words > 2 ? cl->n_words - 2 : 0;

    start_process();
    for (size_t i = 0; i < COUNT(actions); i++) {
        if (!str_eq(actions[i].name, name))
            continue;
        if (words >= actions[i].least && words <= actions[i].most)
            return act(cl, actions[i].run);
        fprintf(stderr, "glint: jobs %s takes %s; try glint jobs --help\n", name,
                actions[i].most ? "the id of a job" : "no job");
        return EXIT_USAGE;
    }
    fprintf(stderr, "glint: jobs needs an action: list, show, retry or cancel\n");
    return EXIT_USAGE;
}
