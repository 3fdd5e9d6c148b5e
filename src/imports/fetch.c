/* SPDX-License-Identifier: Apache-2.0 */
/* One object of another server into staging, in as many requests as that takes.
 *
 *  1 What is appended to bytes that are there belongs to them: the server was asked for the rest of the very
 *    object whose validator it told when they were fetched (RFC 9110, 13.1.5 and 14.4), and says so.
 *  2 The validator is written down before the first byte. Bytes that were fetched before the machine was
 *    started again may not have reached the medium: they do not count.
 *  3 A transfer that breaks is taken up again at once as long as it gains; else it is the job that is tried
 *    again.
 *  4 Whoever asked for the import learns nothing of how a server could not be reached: one text for all. */
#include "imports/fetch.h"

#include <stdio.h>
#include <string.h>

#include "http/http.h"
#include "json/json.h"

enum {
    REQUESTS_MAX = 11, /* the first one and ten redirects, as urllib does */
    CONNECT_MS_MAX = 30 * 1000,
    RESTARTS_MAX = 3,
    GAIN_MIN = 1024 * 1024, /* bytes */
    RETRY_AFTER_MAX = 3600, /* seconds */
    DATE_SETTLED = 60,      /* seconds after which a modification time tells versions apart */
};

static const char note_name[] = "fetch";

/* What the bytes of the partial file are bytes of. */
struct mark {
    const char *url, *validator, *boot;
    int64_t length;
};

struct transfer {
    struct import *im;
    const struct import_source *source;
    struct fetch_options options;
    const char *headers[2];
    struct fetch *fetch;
    struct staging_file *file;
    struct mark mark;
    uint64_t begun, at; /* bytes in the file, when this request began and now */
    bool taken_up;
    bool broke; /* why_broke says how */
    struct error why_broke;
};

static void transfer_end(struct transfer *t)
{
    fetch_close(&t->fetch);
    staging_leave(&t->file);
}

int import_unreached(struct error *e)
{
    char why[ERROR_DETAIL_MAX];
    enum error_kind kind = e->kind;

    if (kind != ERROR_UNAVAILABLE && kind != ERROR_INVALID)
        return -1;
    snprintf(why, sizeof why, "%.180s%s%.200s", e->message, *e->detail ? "; " : "", e->detail);
    error_set(e, kind, IMPORT_FAILED);
    return error_detail(e, "%s", why);
}

/* ---- marks ---- */

static int mark_read(struct import *im, struct mark *ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    CLEANUP(json_drop) json_t *j = NULL;
    struct job_run *r = im->run;
    const char *text;

    memset(ret, 0, sizeof *ret);
    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0 ||
        job_note_get(c, r->arena, r->job->id, note_name, &text, e) < 0)
        return -1;
    j = text ? json_parse(text, strlen(text)) : NULL;
    ret->url = arena_str(r->arena, json_string_value(json_object_get(j, "url")));
    ret->validator = arena_str(r->arena, json_string_value(json_object_get(j, "validator")));
    ret->boot = arena_str(r->arena, json_string_value(json_object_get(j, "boot")));
    ret->length = j ? json_integer_value(json_object_get(j, "length")) : -1;
    return 0;
}

int import_fetch_begun(struct import *im, const char **ret, struct error *e)
{
    struct mark m;

    if (mark_read(im, &m, e) < 0)
        return -1;
    *ret = m.url;
    return 0;
}

static int mark_write(struct transfer *t, struct error *e)
{
    CLEANUP(json_drop)
    json_t *j = json_pack("{s:s, s:s?, s:s, s:I}", "url", t->mark.url, "validator", t->mark.validator, "boot",
                          t->mark.boot, "length", (json_int_t)t->mark.length);
    CLEANUP(str_done) struct str text = STR_INIT;

    json_add_value(&text, j, true);
    return import_note_set(t->im, note_name, str_text(&text), e);
}

/* A validator that tells any two versions apart: a strong ETag, or a modification time that was over when
 * it was told. NULL: there is none. */
static const char *validator_of(struct arena *a, const struct fetch_head *h)
{
    int64_t modified, date, now = clock_now_us();

    if (h->etag[0] == '"')
        return arena_str(a, h->etag);
    if (http_date_parse(h->last_modified, now, &modified) && http_date_parse(h->date, now, &date) &&
        date - modified >= DATE_SETTLED * CLOCK_SECOND)
        return arena_str(a, h->last_modified);
    return NULL;
}

/* ---- what the server answers ---- */

static bool is_temporary(unsigned status)
{
    return status >= 500 || status == 408 || status == 425 || status == 429;
}

int64_t import_retry_after(const char *text, int64_t now_us)
{
    uint64_t seconds;
    int64_t at;

    if (str_to_u64(text, INT64_MAX, &seconds))
        return (int64_t)(seconds < RETRY_AFTER_MAX ? seconds : RETRY_AFTER_MAX) * CLOCK_SECOND;
    if (!http_date_parse(text, now_us, &at) || at <= now_us)
        return 0;
    return at - now_us < RETRY_AFTER_MAX * CLOCK_SECOND ? at - now_us : RETRY_AFTER_MAX * CLOCK_SECOND;
}

int import_status_check(struct import *im, const struct fetch *f, struct error *e)
{
    unsigned status = fetch_status(f);

    if (status >= 200 && status < 300)
        return 0;
    if (is_temporary(status))
        im->run->retry_us = import_retry_after(fetch_head(f)->retry_after, clock_now_us());
    error_set(e, is_temporary(status) ? ERROR_UNAVAILABLE : ERROR_INVALID, "source %.150s: it answers %u",
              fetch_where(f), status);
    return import_unreached(e);
}

static int refuse(struct error *e, enum error_kind kind, const char *why)
{
    error_set(e, kind, "%s", why);
    return import_unreached(e);
}

/* Bytes that follow those that are there, of the same object? */
static bool continues(const struct transfer *t)
{
    const struct fetch_head *h = fetch_head(t->fetch);
    const char *mine = t->mark.validator, *theirs = *mine == '"' ? h->etag : h->last_modified;
    uint64_t first, total;

    return fetch_part(t->fetch, &first, &total) && first == t->at &&
           (t->mark.length < 0 || total == (uint64_t)t->mark.length) && total <= INT64_MAX &&
           (!*theirs || str_eq(mine, theirs));
}

/* ---- one request ---- */

static int begin(struct transfer *t, bool keep, struct error *e)
{
    staging_leave(&t->file);
    t->at = 0;
    return staging_begin(&t->im->staging, ".part", keep, &t->file, &t->at, e);
}

static void let_go(struct transfer *t)
{
    staging_leave(&t->file);
    t->at = 0;
}

/* What is there already, if it can be gone on with. Else it stays until another object has begun. */
static int take_up(struct transfer *t, struct error *e)
{
    struct job_run *r = t->im->run;

    t->taken_up = true;
    if (mark_read(t->im, &t->mark, e) < 0)
        return -1;
    if (!t->mark.validator || !str_eq(t->mark.url, t->source->url) ||
        !str_eq(t->mark.boot, lease_boot(r->arena)))
        return 0;
    if (begin(t, true, e) < 0)
        return -1;
    if (t->mark.length >= 0 && t->at > (uint64_t)t->mark.length)
        let_go(t);
    return 0;
}

/* A new object, from its first byte on. */
static int start_over(struct transfer *t, struct error *e)
{
    if (begin(t, false, e) < 0)
        return -1;
    t->begun = 0;
    t->mark = (struct mark){ .url = t->source->url,
                             .validator = validator_of(t->im->run->arena, fetch_head(t->fetch)),
                             .boot = lease_boot(t->im->run->arena),
                             .length = fetch_length(t->fetch) };
    POINT("fetch.answered");
    return mark_write(t, e);
}

static int length_check(const struct transfer *t, struct error *e)
{
    if (t->mark.length >= 0 && (uint64_t)t->mark.length > t->im->settings->size_cap)
        return error_set(e, ERROR_TOO_LARGE, IMPORT_TOO_LARGE);
    if (t->mark.length >= 0 && t->source->size >= 0 && t->mark.length != t->source->size)
        return refuse(e, ERROR_INVALID, "The data are not as long as they should be.");
    return 0;
}

/* 1: the server has another object now, or will not say what comes after what is there. */
static int ask(struct transfer *t, struct error *e)
{
    unsigned status;

    t->options.if_range = t->at > 0 ? t->mark.validator : NULL;
    fetch_close(&t->fetch);
    if (fetch_open(&t->options, t->source->url, false, t->at, &t->fetch, e) < 0)
        return import_unreached(e);
    status = fetch_status(t->fetch);
    if (t->at > 0 && (status == 412 || status == 416 || (status == 206 && !continues(t)))) {
        let_go(t);
        return 1;
    }
    if (import_status_check(t->im, t->fetch, e) < 0 ||
        ((t->at == 0 || status != 206) && start_over(t, e) < 0))
        return -1;
    return length_check(t, e);
}

/* A broken transfer ends the pump as a whole one does, so that what came is kept. */
static ssize_t receive(void *arg, void *buf, size_t n, struct error *e)
{
    struct transfer *t = arg;
    ssize_t got = fetch_read(t->fetch, buf, n, e);

    if (got >= 0 || (e->kind != ERROR_UNAVAILABLE && e->kind != ERROR_INVALID))
        return got;
    t->broke = true;
    t->why_broke = *e;
    return 0;
}

static int moved(void *arg, uint64_t bytes, struct error *e)
{
    struct transfer *t = arg;
    char text[64];

    job_fetch_moved(t->im->run, t->begun + bytes);
    snprintf(text, sizeof text, "Downloaded %llu MiB", (unsigned long long)((t->begun + bytes) >> 20));
    return import_progress(t->im, text, e);
}

static int waits(void *arg, struct error *e)
{
    return import_progress(arg, NULL, e);
}

static int pull(struct transfer *t, struct error *e)
{
    const struct stream_source source = { receive, t };
    struct stream_sink sinks[STAGING_SINKS];
    uint64_t bytes;

    if (stream_pump(&source, sinks, staging_sinks(t->file, sinks), moved, t, &bytes, e) < 0)
        return -1;
    t->at += bytes;
    if (t->broke) {
        *e = t->why_broke;
        return import_unreached(e);
    }
    if (t->mark.length >= 0 && t->at != (uint64_t)t->mark.length)
        return refuse(e, ERROR_INVALID, "The server gave more or less than it said.");
    if (t->source->size >= 0 && t->at != (uint64_t)t->source->size)
        return refuse(e, ERROR_INVALID, "The data are not as long as they should be.");
    return 0;
}

/* 1: to be asked again, at once. */
static int once(struct transfer *t, struct error *e)
{
    int asked;

    t->broke = false;
    if (!t->taken_up && take_up(t, e) < 0)
        return -1;
    t->begun = t->at;
    asked = t->at > 0 && t->mark.length == (int64_t)t->at ? 0 : ask(t, e);
    if (asked != 0)
        return asked;
    if ((!t->fetch || pull(t, e) == 0) && staging_commit(&t->file, e) == 0)
        return 0;
    return t->broke && t->mark.validator && t->at - t->begun >= GAIN_MIN ? 1 : -1;
}

/* ---- all of them ---- */

void import_fetch_options(struct import *im, struct fetch_options *ret)
{
    const struct config *c = im->settings->config;
    const char *proxy = config_str(c, "glint", "import_proxy");
    int64_t silence_ms = (int64_t)(config_float(c, "glint", "fetch_timeout") * 1000);

    *ret = (struct fetch_options){
        .verify = true,
        .ca_file = config_str(c, "glint", "import_ca_file"),
        .proxy_http = proxy ? proxy : "",
        .proxy_https = proxy ? proxy : "",
        .timeout_ms = silence_ms,
        .connect_ms = silence_ms < CONNECT_MS_MAX ? silence_ms : CONNECT_MS_MAX,
        .total_ms = config_int(c, "glint", "import_timeout") * 1000,
        .rate_min = (uint64_t)config_int(c, "glint", "import_rate_min"),
        .requests_max = REQUESTS_MAX,
        .rules = im->settings->sources,
        .follow_all = true,
        .alive = waits,
        .alive_arg = im,
    };
}

/* What never becomes whole is not kept; nor what was begun anew by who had lost the job and did not know it
 * yet. */
static void settle(struct transfer *t, const struct error *e)
{
    if (e->kind == ERROR_INVALID || e->kind == ERROR_TOO_LARGE || e->kind == ERROR_PRECONDITION ||
        e->kind == ERROR_GONE)
        staging_abort(&t->file);
}

int import_fetch(struct import *im, const struct import_source *source, struct error *e)
{
    CLEANUP(transfer_end) struct transfer t = { .im = im, .source = source };
    CLEANUP(job_fetch_over) struct job_run *r UNUSED = im->run;
    int restarts = 0, result;

    job_fetch_begin(im->run);
    import_fetch_options(im, &t.options);
    t.headers[0] = source->header;
    t.options.headers = t.headers;
    while ((result = once(&t, e)) > 0 && (t.broke || restarts++ < RESTARTS_MAX))
        fetch_close(&t.fetch);
    if (result == 0)
        return 0;
    if (result > 0)
        return refuse(e, ERROR_UNAVAILABLE, "The server's object changes all the time.");
    settle(&t, e);
    return -1;
}
