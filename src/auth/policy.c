/* SPDX-License-Identifier: Apache-2.0 */
/* The rules in force, and how a new set takes their place.
 *
 *   policy_open()  reads the files; what is wrong with them refuses.
 *   policy_hold()  gives the set out. One caller a second looks at the files' stat(2) data first; when that
 * has changed it reads them all into a new set and swaps it in. The others go on with the old one.
 *
 * A file that was written a moment ago may not be whole yet: it is read once it has rested. One that is gone
 * leaves its rules behind until a restart or reload, as in Glance: taken for empty it would open what it
 * closed. */
#include "auth/policy_private.h"

#include <string.h>

enum { LOOK_EVERY_US = 1000000, REST_US = 500000 };

struct policy {
    struct policy_options options;
    pthread_mutex_t lock; /* of rules: held for a count up, or a swap */
    struct policy_rules *rules;
    _Atomic int64_t look_us; /* when to look at the files again; INT64_MAX while somebody does */
    /* Only of the one who looks: */
    uint64_t sum;
    bool had_main;
};

void policy_options_read(const struct config *c, const char *const *search, struct policy_options *ret)
{
    *ret = (struct policy_options){
        .search = search,
        .file = config_str(c, "oslo_policy", "policy_file"),
        .default_rule = config_str(c, "oslo_policy", "policy_default_rule"),
        .enforce_new_defaults = config_bool(c, "oslo_policy", "enforce_new_defaults"),
        .remote_json = str_eq(config_str(c, "oslo_policy", "remote_content_type"), "application/json"),
        .remote_timeout_ms = (int64_t)(config_float(c, "oslo_policy", "remote_timeout") * 1000) + 1,
        .remote_verify = config_bool(c, "oslo_policy", "remote_ssl_verify_server_crt"),
        .remote_ca = config_str(c, "oslo_policy", "remote_ssl_ca_crt_file"),
        .remote_cert = config_str(c, "oslo_policy", "remote_ssl_client_crt_file"),
        .remote_key = config_str(c, "oslo_policy", "remote_ssl_client_key_file"),
    };
    ret->n_dirs = config_list(c, "oslo_policy", "policy_dirs", &ret->dirs);
}

static int rules_load(const struct policy_options *o, struct policy_files *ret_files,
                      struct policy_rules **ret, struct error *e)
{
    struct arena *a = arena_make(16 * 1024);
    struct policy_rules *fresh;
    struct raw_rules raw = { 0 };

    policy_files_find(a, o, ret_files);
    for (size_t i = 0; i < ret_files->n; i++) {
        if (policy_file_load(a, ret_files->paths[i], o, &raw, e) < 0) {
            arena_free(a);
            return -1;
        }
    }
    for (size_t i = 0; i < o->n_added; i++) {
        if (policy_added_load(a, &o->added[i], &raw, e) < 0) {
            arena_free(a);
            return -1;
        }
    }
    fresh = policy_rules_make(a, o, &raw);
    if (policy_added_check(fresh, e) < 0) {
        policy_release(fresh);
        return -1;
    }
    *ret = fresh;
    return 0;
}

int policy_open(const struct policy_options *o, struct policy **ret, struct error *e)
{
    struct policy *p = mem_new(sizeof *p);
    struct policy_files files;

    p->options = *o;
    if (rules_load(o, &files, &p->rules, e) < 0) {
        mem_free(p);
        return -1;
    }
    pthread_mutex_init(&p->lock, NULL);
    p->sum = files.sum;
    p->had_main = files.has_main;
    p->look_us = clock_mono_us() + LOOK_EVERY_US;
    *ret = p;
    return 0;
}

void policy_close(struct policy *p)
{
    if (!p)
        return;
    policy_release(p->rules);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

/* ---- new files ---- */

static void say(const struct policy *p, enum log_level level, const char *what, const char *why)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    if (!p->options.say)
        return;
    str_addf(&line, "%s%s", what, why);
    p->options.say(level, str_text(&line));
}

static void swap(struct policy *p, struct policy_rules *fresh)
{
    struct policy_rules *old;

    pthread_mutex_lock(&p->lock);
    old = p->rules;
    p->rules = fresh;
    pthread_mutex_unlock(&p->lock);
    policy_release(old);
}

static void reload(struct policy *p)
{
    struct policy_rules *fresh;
    struct policy_files files;
    struct error e;

    if (rules_load(&p->options, &files, &fresh, &e) < 0) {
        say(p, LOG_ERROR, "the policy stays as it was: ", e.message);
        return;
    }
    swap(p, fresh);
    p->had_main |= files.has_main;
    say(p, LOG_INFO, "the policy files are read again", "");
}

/* Returns the microseconds until somebody should look again. */
static int64_t look(struct policy *p)
{
    struct arena *a = arena_make(2048);
    struct policy_files files;
    int64_t age;

    policy_files_find(a, &p->options, &files);
    age = clock_now_us() - files.newest_us;
    arena_free(a);
    if (files.sum == p->sum)
        return LOOK_EVERY_US;
    if (age >= 0 && age < REST_US)
        return REST_US - age;
    p->sum = files.sum; /* before the reading: what changes while it goes on is a change the next time */
    if (p->had_main && !files.has_main)
        say(p, LOG_ERROR, "the policy stays as it was: the policy file is gone: ", p->options.file);
    else
        reload(p);
    return LOOK_EVERY_US;
}

struct policy_rules *policy_hold(struct policy *p)
{
    int64_t due = atomic_load(&p->look_us), now = clock_mono_us();

    if (now >= due && atomic_compare_exchange_strong(&p->look_us, &due, INT64_MAX)) {
        int64_t wait = look(p);

        atomic_store(&p->look_us, clock_mono_us() + wait);
    }
    WITH_MUTEX(&p->lock);
    atomic_fetch_add(&p->rules->refs, 1);
    return p->rules;
}

void policy_release(struct policy_rules *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) > 1)
        return;
    arena_free(r->arena);
    mem_free(r);
}
