/* SPDX-License-Identifier: Apache-2.0 */
/* glint doctor: what upkeep/doctor/doctor.c finds, as lines or as one JSON document, while the service goes
 * on. */
#include <stdio.h>
#include <string.h>

#include "host/host.h"
#include "main/main.h"
#include "model/model.h"
#include "upkeep/doctor/doctor.h"
#include "upkeep/store_proof.h"
#include "json/json.h"

enum { AGE_SECONDS = 86400, AGE_MAX = 10 * 365 * 86400, RATE_MAX_MIB = 1 << 20 };

struct tool {
    const struct command_line *cl;
    struct config *config;
    struct db *db;
    struct stores *stores;
    struct doctor_options options;
    json_t *troubles;
    size_t told;
};

static void tool_close(struct tool *t)
{
    stores_close(t->stores);
    db_close(t->db);
    config_free(t->config);
    json_decref(t->troubles);
}

static int number_read(const struct command_line *cl, const char *name, int64_t most, int64_t *ret,
                       struct error *e)
{
    const char *text = command_line_asked(cl, name);

    if (!text || str_to_i64(text, 0, most, ret))
        return 0;
    return error_set(e, ERROR_INVALID, "--%s takes a number from 0 to %lld", name, (long long)most);
}

/* ---- as lines ---- */

static void line_print(const struct finding *f)
{
    printf("%s:", finding_name(f->kind));
    if (f->image_id)
        printf(" image %s", f->image_id);
    if (f->store)
        printf(" store %s", f->store);
    if (f->what)
        printf(" %s", f->what);
    printf(": %s", f->text);
    if (f->repair)
        printf(" (%s%s)", f->repaired ? "" : "not repaired: ", f->repair);
    putchar('\n');
}

/* ---- as JSON ---- */

static void json_print(const json_t *value)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    json_add_value(&out, value, false);
    fputs(str_text(&out), stdout);
}

static void finding_print(struct tool *t, const struct finding *f)
{
    json_t *object = json_pack("{s:s, s:s?, s:s?, s:s?, s:s, s:b, s:s?}", "kind", finding_name(f->kind),
                               "image", f->image_id, "store", f->store, "what", f->what, "text", f->text,
                               "repaired", f->repaired, "repair", f->repair);

    fputs(t->told > 0 ? ",\n  " : "\n  ", stdout);
    json_print(object);
    json_decref(object);
}

/* ---- */

static void tell(void *arg, const struct finding *f)
{
    struct tool *t = arg;

    if (t->cl->json)
        finding_print(t, f);
    else
        line_print(f);
    t->told++;
}

static void trouble(void *arg, const char *check, const struct error *e)
{
    struct tool *t = arg;

    json_array_append_new(t->troubles, json_pack("{s:s, s:s, s:s}", "check", check, "message", e->message,
                                                 "detail", e->detail));
    fprintf(stderr, "glint: %s: %s%s%s%s\n", check, e->message, e->detail[0] ? " (" : "", e->detail,
            e->detail[0] ? ")" : "");
}

static void summary(const struct tool *t, const struct doctor_counts *n)
{
    if (t->cl->json) {
        printf("%s],\n \"troubles\": ", n->findings > 0 ? "\n " : "");
        json_print(t->troubles);
        printf(",\n \"findings_total\": %zu, \"repaired_total\": %zu, \"locations_checked\": %lld, "
               "\"objects_checked\": %lld}\n",
               n->findings, n->repaired, (long long)n->copies, (long long)n->objects);
        return;
    }
    printf("%zu findings, %zu repaired; %lld locations and %lld objects were looked at\n", n->findings,
           n->repaired, (long long)n->copies, (long long)n->objects);
}

static int options_read(struct tool *t, struct error *e)
{
    struct doctor_options *o = &t->options;
    int64_t age = AGE_SECONDS, rate = 0;

    if (t->cl->n_words > 1)
        return error_set(e, ERROR_INVALID, "doctor takes no %s", t->cl->words[1]);
    if (number_read(t->cl, "age", AGE_MAX, &age, e) < 0 ||
        number_read(t->cl, "rate", RATE_MAX_MIB, &rate, e) < 0)
        return -1;
    o->store = command_line_asked(t->cl, "store");
    o->repair = t->cl->repair;
    o->hash = t->cl->hash;
    o->age_us = age * CLOCK_SECOND;
    o->rate = rate << 20;
    o->tell = tell;
    o->trouble = trouble;
    o->arg = t;
    return 0;
}

static int schema_look(struct db *db, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct schema_info info;

    if (db_acquire(db, DB_WAIT, &c, e) < 0 || schema_check(c, &info, e) < 0)
        return -1;
    if (!info.own_tables)
        return error_set(e, ERROR_INVALID, "run glint db sync first: %s is not up to date", db_describe(db));
    start_note_worker(c);
    return 0;
}

static int tool_open(struct tool *t, struct error *e)
{
    struct doctor_options *o = &t->options;
    struct store_proof proof;

    if (options_read(t, e) < 0 || start_config_of_database(t->cl, false, &t->config, e) < 0 ||
        host_open_db(t->config, false, &t->db, e) < 0 || schema_look(t->db, e) < 0)
        return -1;
    proof = store_proof_by(t->db);
    if (stores_open(t->config, &proof, &t->stores, e) < 0)
        return -1;
    o->db = t->db;
    o->stores = t->stores;
    hosts_read(t->config, &o->hosts);
    if (o->store && !stores_by_id(t->stores, o->store))
        return error_set(e, ERROR_INVALID, "there is no store %s", o->store);
    return 0;
}

/* --accept-store: the operator says that what lies there is the store, whatever is missing. */
static int accept_store(struct tool *t, struct error *e)
{
    const char *id = command_line_asked(t->cl, "accept-store");
    struct store *s = id ? stores_by_id(t->stores, id) : NULL;

    if (!id)
        return 0;
    if (!s)
        return error_set(e, ERROR_INVALID, "there is no store %s", id);
    return store_proof_save(t->db, s, true, e);
}

int doctor_main(const struct command_line *cl)
{
    struct tool t = { .cl = cl, .troubles = json_array() };
    struct doctor_counts n = { 0 };
    struct error e;

    start_process();
    log_open(NULL, LOG_WARNING);
    if (tool_open(&t, &e) < 0 || accept_store(&t, &e) < 0) {
        fprintf(stderr, "glint: %s%s%s%s\n", e.message, e.detail[0] ? " (" : "", e.detail,
                e.detail[0] ? ")" : "");
        tool_close(&t);
        return EXIT_USAGE;
    }
    if (cl->json)
        fputs("{\"findings\": [", stdout);
    doctor_run(&t.options, &n);
    summary(&t, &n);
    tool_close(&t);
    if (fflush(stdout) != 0)
        return EXIT_USAGE;
    return n.troubles > 0 ? EXIT_USAGE : n.findings > 0 ? EXIT_FAILED : EXIT_OK;
}
