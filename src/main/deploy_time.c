/* SPDX-License-Identifier: Apache-2.0 */
/* What shows only with time: uploads that are held, that pause, and imports. */
#include "main/deploy.h"

#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { PIECE = 64 * 1024, HALF = 4 * 1024 * 1024, SLOW_SIZE = 4 * HALF, LISTINGS = 10 };
#define LOOKS_MAX  (3 * CLOCK_SECOND)
#define IMPORT_MAX (20 * CLOCK_SECOND)

static const char advice_staging[] = "The directory of [DEFAULT] node_staging_uri has to exist, to be "
                                     "writable by the service's user, and to be the same one for "
                                     "the service and glint worker: not below /tmp or /var/tmp, which "
                                     "PrivateTmp= of apache2.service and of glint-worker.service "
                                     "makes another one for each. /var/lib/glance/staging is made for it.";
static const char advice_worker[] = "Nobody works on imports. glint serve keeps a worker itself ([glint] "
                                    "supervise_worker); mod_glint: GlintWorker On; uWSGI: "
                                    "attach-daemon2 = cmd=glint worker; else enable glint-worker.service. "
                                    "`glint jobs list` shows what waits.";

/* ---- an upload that is not finished ---- */

struct held {
    struct probe *p;
    const char *image;
};

static void held_drop(struct deploy *d, struct held *h)
{
    probe_close(&h->p);
    deploy_image_drop(d, h->image);
}

/* framing: a line with CR LF; sends so many bytes after the head, in one chunk when framing is none of
 * length. */
static bool held_begin(struct deploy *d, const char *framing, size_t sent, struct held *ret)
{
    bool chunked = str_starts(framing, "Transfer-Encoding");
    struct error e;

    *ret = (struct held){ .image = deploy_image_make(d) };
    if (!ret->image)
        return false;
    if (probe_open(&d->place, &ret->p, &e) < 0 ||
        probe_head(ret->p, "PUT", deploy_path(d, ret->image, "/file"),
                   arena_printf(d->arena, DEPLOY_STREAM "%s", framing), &e) < 0)
        return deploy_seen(d, "%s", e.message);
    if (chunked) {
        const char *line = arena_printf(d->arena, "%zx\r\n", sent);

        return (probe_send(ret->p, line, strlen(line)) && probe_send(ret->p, d->data, sent) &&
                probe_send(ret->p, "\r\n", 2)) ||
               deploy_seen(d, "the connection is closed while a chunk is sent");
    }
    return probe_send(ret->p, d->data, sent) ||
           deploy_seen(d, "the connection is closed while data are sent");
}

/* Asked more than once: a server may hand the first listing on before the upload that came earlier. */
static bool lists_meanwhile(struct deploy *d)
{
    const struct timespec pause = { .tv_nsec = 50 * 1000000 };

    for (int i = 0; i < LISTINGS; i++) {
        CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

        if (!deploy_ask(d, "GET", "/v2/images?limit=1", "", NULL, &answer))
            return deploy_seen(d,
                               "while one client uploads, another one's listing is not answered within %d s",
                               (int)(LOOKS_MAX / CLOCK_SECOND));
        nanosleep(&pause, NULL);
    }
    return true;
}

bool deploy_parallel(struct deploy *d)
{
    struct held h;
    int64_t usual = d->place.timeout_us;
    bool good = held_begin(d, arena_printf(d->arena, "Content-Length: %d\r\n", 2 * PIECE), PIECE, &h);

    if (good) {
        d->place.timeout_us = LOOKS_MAX;
        good = lists_meanwhile(d);
        d->place.timeout_us = usual;
    }
    held_drop(d, &h);
    return good;
}

/* Half of an upload is sent: an image that is still queued tells that the service has seen none of it. One
 * that is refused is not spooled; what refuses it is found by other checks. */
static bool reaches(struct deploy *d, const char *framing)
{
    int64_t end = clock_mono_us() + LOOKS_MAX;
    struct held h;
    bool arrived = !held_begin(d, framing, HALF, &h);

    while (!arrived && clock_mono_us() < end) {
        const char *status = deploy_image_get(d, h.image, "status");

        arrived = !str_eq(status, "queued") || probe_stirs(h.p, CLOCK_SECOND / 10);
    }
    held_drop(d, &h);
    return arrived;
}

bool deploy_streams(struct deploy *d)
{
    if (!reaches(d, arena_printf(d->arena, "Content-Length: %d\r\n", 2 * HALF)))
        return deploy_seen(d, "half of an upload of 8 MiB is sent and the service has seen nothing of it: a "
                              "server before it spools whole uploads to its disk");
    return reaches(d, "Transfer-Encoding: chunked\r\n") ||
           deploy_note(d, "uploads in chunks are spooled by a server before the service (nginx's "
                          "uwsgi_pass always, else proxy_http_version 1.0, proxy-sendcl or "
                          "post-buffering): it needs room for whole images");
}

/* ---- pauses ---- */

/* Waits until the time is over or an answer or an end is there, of either; us after the begin, -1: none. */
static void pause_both(struct deploy *d, struct held h[2], int64_t ended[2])
{
    int64_t begin = clock_mono_us(), left;

    ended[0] = ended[1] = -1;
    while ((left = begin + (int64_t)d->pause_s * CLOCK_SECOND - clock_mono_us()) > 0) {
        bool waits = false;

        for (size_t i = 0; i < 2; i++) {
            if (ended[i] < 0 && probe_stirs(h[i].p, left < 100000 ? left : 100000))
                ended[i] = clock_mono_us() - begin;
            waits |= ended[i] < 0;
        }
        if (!waits)
            return;
    }
}

static bool finish(struct deploy *d, struct held *h, size_t left, int64_t ended, const char *what)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    bool sent = ended < 0 && probe_send(h->p, d->data, left);
    int got;
    struct error e;

    got = probe_answer(h->p, d->arena, "PUT", false, &answer, &e);
    if (sent && got == 0 && answer.status == 204)
        return true;
    if (ended < 0)
        return deploy_seen(d, "an upload that %s for %u s and then goes on fails: %s", what, d->pause_s,
                           got < 0 ? e.message : arena_printf(d->arena, "%d", answer.status));
    return deploy_seen(d, "an upload that %s is ended after %.1f s: %s", what, (double)ended / CLOCK_SECOND,
                       got < 0 ? e.message
                               : arena_printf(d->arena, "%d%s", answer.status, deploy_by(&answer)));
}

bool deploy_slow(struct deploy *d)
{
    const char *length = arena_printf(d->arena, "Content-Length: %d\r\n", 2 * PIECE);
    struct held h[2] = { 0 };
    int64_t ended[2];
    bool good;

    if (d->pause_s == 0)
        return deploy_note(d, "not tried, as --pause is 0");
    good = held_begin(d, length, PIECE, &h[0]) && held_begin(d, length, 0, &h[1]);
    if (good) {
        pause_both(d, h, ended);
        good = finish(d, &h[0], PIECE, ended[0], "pauses midway") &&
               finish(d, &h[1], 2 * PIECE, ended[1], "pauses before its first byte");
    }
    held_drop(d, &h[0]);
    held_drop(d, &h[1]);
    return good;
}

/* An image that no server and no socket holds as a whole, so that a pause of its reader is felt. */
static bool fill(struct deploy *d, const char *image)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(probe_close) struct probe *p = NULL;
    struct error e;

    if (probe_open(&d->place, &p, &e) < 0 ||
        probe_head(p, "PUT", deploy_path(d, image, "/file"),
                   arena_printf(d->arena, DEPLOY_STREAM "Content-Length: %d\r\n", SLOW_SIZE), &e) < 0)
        return deploy_seen(d, "%s", e.message);
    for (size_t left = SLOW_SIZE; left > 0; left -= HALF)
        if (!probe_send(p, d->data, HALF))
            break;
    if (probe_answer(p, d->arena, "PUT", false, &answer, &e) < 0)
        return deploy_seen(d, "an upload of %d bytes: %s", SLOW_SIZE, e.message);
    return answer.status == 204 || deploy_seen(d, "an upload of %d bytes is answered %d%s", SLOW_SIZE,
                                               answer.status, deploy_by(&answer));
}

static bool pauses(struct deploy *d, const char *image)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(probe_close) struct probe *p = NULL;
    struct probe_place place = d->place;
    struct error e = { .message = "" };

    place.narrow = true;
    if (probe_open(&place, &p, &e) < 0 || probe_head(p, "GET", deploy_path(d, image, "/file"), "", &e) < 0)
        return deploy_seen(d, "%s", e.message);
    (void)poll(NULL, 0, (int)d->pause_s * 1000);
    if (probe_answer(p, d->arena, "GET", false, &answer, &e) == 0 && answer.length == SLOW_SIZE)
        return true;
    return deploy_seen(
        d,
        "a download whose client takes nothing for %u s and then goes on has %llu of %d bytes: "
        "%s",
        d->pause_s, (unsigned long long)answer.length, SLOW_SIZE,
        answer.length < SLOW_SIZE && *e.message ? e.message : "it is cut off");
}

bool deploy_slow_reader(struct deploy *d)
{
    const char *image;
    bool good;

    if (d->pause_s == 0)
        return deploy_note(d, "not tried, as --pause is 0");
    image = deploy_image_make(d);
    good = image && fill(d, image) && pauses(d, image);
    deploy_image_drop(d, image);
    return good;
}

/* ---- imports ---- */

static bool offered(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    return deploy_ask(d, "GET", "/v2/info/import", "", NULL, &answer) && answer.status == 200 &&
           strstr(str_text(&answer.body), "glance-direct");
}

/* What the image's last task says, "" when nothing; a failed one is told by *ret_failed. */
static const char *task_says(struct deploy *d, const char *image, bool *ret_failed)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *text = "";
    json_t *j, *task;

    *ret_failed = false;
    if (!deploy_ask(d, "GET", deploy_path(d, image, "/tasks"), "", NULL, &answer))
        return text;
    j = json_loads(str_text(&answer.body), 0, NULL);
    task = json_array_get(json_object_get(j, "tasks"), 0);
    *ret_failed = str_eq(json_string_value(json_object_get(task, "status")), "failure");
    if (json_string_value(json_object_get(task, "message")))
        text = arena_str(d->arena, json_string_value(json_object_get(task, "message")));
    json_decref(j);
    return text;
}

static bool wait_for_import(struct deploy *d, const char *image)
{
    int64_t end = clock_mono_us() + IMPORT_MAX;
    const char *status = NULL, *said = "";
    bool failed = false;

    while (clock_mono_us() < end && !failed) {
        status = deploy_image_get(d, image, "status");
        if (str_eq(status, "active"))
            return true;
        said = task_says(d, image, &failed);
        (void)poll(NULL, 0, 100); /* no event tells of a job */
    }
    if (failed)
        return deploy_blame(d, strstr(said, "taged") ? advice_staging : NULL,
                            "the import is accepted and fails: %.200s", *said ? said : "it does not say why");
    return deploy_blame(d, advice_worker,
                        "the import is accepted and after %d s the image is %s: no worker takes it",
                        (int)(IMPORT_MAX / CLOCK_SECOND), status ? status : "not to be seen");
}

static bool import(struct deploy *d, const char *image)
{
    CLEANUP(probe_answer_done) struct probe_answer staged = { .body = STR_INIT };
    CLEANUP(probe_answer_done) struct probe_answer asked = { .body = STR_INIT };

    if (!deploy_ask(d, "PUT", deploy_path(d, image, "/stage"), DEPLOY_STREAM, "glint check-deploy", &staged))
        return false;
    if (staged.status != 204)
        return deploy_blame(d, deploy_is_ours(&staged) ? advice_staging : NULL,
                            "data to be imported are not taken: %d%s, %s", staged.status, deploy_by(&staged),
                            deploy_one_line(d->arena, str_text(&staged.body)));
    if (!deploy_ask(d, "POST", deploy_path(d, image, "/import"), "Content-Type: application/json\r\n",
                    "{\"method\": {\"name\": \"glance-direct\"}}", &asked))
        return false;
    if (asked.status != 202)
        return deploy_seen(d, "POST import is answered %d%s, %s", asked.status, deploy_by(&asked),
                           deploy_one_line(d->arena, str_text(&asked.body)));
    return wait_for_import(d, image);
}

bool deploy_import(struct deploy *d)
{
    const char *image;
    bool good;

    if (!offered(d))
        return deploy_note(d, "not tried: glance-direct is not offered ([DEFAULT] enabled_import_methods)");
    image = deploy_image_make(d);
    good = image && import(d, image);
    deploy_image_drop(d, image);
    return good;
}
