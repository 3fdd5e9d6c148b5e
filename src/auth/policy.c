/* SPDX-License-Identifier: Apache-2.0 */
/* The rules in force, and how a new set takes their place.
 *
 *   policy_open()  reads the files; what is wrong with them refuses.
 *   policy_hold()  gives the set out. Every caller asks first whether files have changed; then it reads them
 * all into a new set and swaps it in. Other callers wait for that: the files changed before they asked.
 *
 * Once a second all files are looked at, for changes that no watch reports. Such a file may still be
 * written: it is read once it has not changed for a moment. A file that is gone leaves its rules in force
 * until a restart or reload, as in Glance: without them it would open what it closed. */
#include "auth/policy_private.h"

#include <string.h>
#include <unistd.h>

#include "base/process.h"

enum { LOOK_EVERY_US = 1000000, REST_US = 500000, TRIES = 8 };

struct policy {
    struct policy_options options;
    _Atomic uint64_t watched; /* process << 32 | policy_watch_fd() of it; 0: ask under the lock */
    _Atomic int64_t look_us;  /* when to look at the places again, monotonic */
    pthread_mutex_t lock;     /* of all below */
    struct policy_rules *rules;
    struct policy_watch watch;
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
    if (ret_files->unseen) {
        arena_free(a);
        return error_set(e, ERROR_UNAVAILABLE, "the policy's directories cannot be read now");
    }
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
    policy_watch_start(&p->watch, &p->options); /* before the reading: what changes then is a change */
    if (rules_load(o, &files, &p->rules, e) < 0) {
        policy_watch_stop(&p->watch);
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
    policy_watch_stop(&p->watch);
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

/* Returns the news when files changed during the reading; *p is unchanged then. */
static enum policy_news reload(struct policy *p)
{
    struct policy_rules *fresh = NULL;
    struct policy_files files;
    enum policy_news news;
    struct error e;
    int failed = rules_load(&p->options, &files, &fresh, &e);

    news = policy_watch_ask(&p->watch, &p->options);
    if (news != POLICY_SAME) {
        policy_release(fresh);
        return news;
    }
    if (failed) {
        say(p, LOG_ERROR, "the policy stays as it was: ", e.message);
        return news;
    }
    policy_release(p->rules);
    p->rules = fresh;
    p->had_main |= files.has_main;
    say(p, LOG_INFO, "the policy files are read again", "");
    return POLICY_SAME;
}

/* *news: what made us look, and then what happened meanwhile. Returns the microseconds until the next look.
 */
static int64_t look(struct policy *p, enum policy_news *news)
{
    bool closed = *news == POLICY_CHANGED;

    struct arena *a = arena_make(2048);
    struct policy_files files;
    int64_t age;

    *news = POLICY_SAME;
    policy_files_find(a, &p->options, &files);
    policy_watch_files(&p->watch, &p->options, &files);
    age = clock_now_us() - files.newest_us;
    arena_free(a);
    if (files.sum == p->sum || files.unseen)
        return LOOK_EVERY_US;
    if (!closed && age >= 0 && age < REST_US)
        return REST_US - age;
    p->sum = files.sum; /* before the reading: what changes while it goes on is a change the next time */
    if (p->had_main && !files.has_main)
        say(p, LOG_ERROR, "the policy stays as it was: the policy file is gone: ", p->options.file);
    else
        *news = reload(p);
    if (*news != POLICY_SAME)
        p->sum = ~files.sum;
    return LOOK_EVERY_US;
}

static void refresh(struct policy *p)
{
    enum policy_news news;

    p->watched = 0;
    if (p->watch.pid != process_id()) {
        policy_watch_start(&p->watch, &p->options);
        p->look_us = 0;
    }
    news = policy_watch_ask(&p->watch, &p->options);
    for (int i = 0; i < TRIES && (news != POLICY_SAME || clock_mono_us() >= p->look_us); i++)
        p->look_us = clock_mono_us() + look(p, &news);
    if (policy_watch_fd(&p->watch) >= 0)
        p->watched = (uint64_t)p->watch.pid << 32 | (uint64_t)policy_watch_fd(&p->watch);
}

/* Asks the kernel outside the lock, where every request would wait for every other. A thread that has found
 * a change keeps the lock until its rules are in force. */
static bool is_quiet(const struct policy *p)
{
    uint64_t watched = p->watched;

    return (pid_t)(watched >> 32) == process_id() && clock_mono_us() < p->look_us &&
           policy_watch_quiet((int)(watched & 0xFFFFFFFF));
}

struct policy_rules *policy_hold(struct policy *p)
{
    bool quiet = is_quiet(p);
    WITH_MUTEX(&p->lock);

    if (!quiet)
        refresh(p);
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
