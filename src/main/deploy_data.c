/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: uploads in each framing, downloads, and refusals while a body is on its way. */
#include "main/deploy.h"

#include <inttypes.h>
#include <string.h>

enum { CHUNK = 48 * 1024, EARLY_SIZE = 24 * 1024 * 1024 };
#define LARGE_BODY "5368709120" /* 5 GiB */

static const char advice_large_chunk[] =
    "uWSGI with Python: chunked-input-limit = 67108864 (1 MB by default), or the glint plugin, which has no "
    "such limit. "
    "Elsewhere: whatever limits one chunk; Cinder sends chunks of 4 MiB.";

/* A head that announces a body, and the next answer. *ret_p: the connection; the caller closes it and drops
 * the image. */
static bool announce(struct deploy *d, const char *image, const char *fields, int64_t wait_us,
                     struct probe **ret_p, struct probe_answer *ret)
{
    int64_t usual = d->place.timeout_us;
    bool came;
    struct error e;

    *ret = (struct probe_answer){ .body = STR_INIT };
    d->place.timeout_us = wait_us;
    came = probe_open(&d->place, ret_p, &e) == 0 &&
           probe_head(*ret_p, "PUT", deploy_path(d, image, "/file"), fields, &e) == 0 &&
           probe_answer(*ret_p, d->arena, "PUT", true, ret, &e) == 0;
    d->place.timeout_us = usual;
    return came || deploy_seen(d, "%s", e.message);
}

bool deploy_continue(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(probe_close) struct probe *p = NULL;
    const char *image = deploy_image_make(d);
    bool came;

    if (!image)
        return false;
    came = announce(d, image, DEPLOY_STREAM "Content-Length: 1000\r\nExpect: 100-continue\r\n",
                    5 * CLOCK_SECOND, &p, &answer);
    probe_close(&p);
    deploy_image_drop(d, image);
    if (!came && !(d->have & HAVE_STREAM))
        return deploy_same(d, "uploads stream");
    if (!came)
        return deploy_seen(d, "a client that waits for 100 Continue waits in vain: %s",
                           arena_str(d->arena, str_text(&d->why)));
    return answer.status == 100 || deploy_seen(d, "a client that waits for 100 Continue gets %d%s",
                                               answer.status, deploy_by(&answer));
}

/* A refusal comes in place of 100 Continue, or at the first bytes where a server before the service has said
 * 100 by itself. */
static bool takes_large(struct deploy *d, const char *image)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(probe_answer_done) struct probe_answer later = { .body = STR_INIT };
    CLEANUP(probe_close) struct probe *p = NULL;
    bool expect = d->have & HAVE_CONTINUE, came;
    const char *fields = expect ? DEPLOY_STREAM "Content-Length: " LARGE_BODY "\r\nExpect: 100-continue\r\n"
                                : DEPLOY_STREAM "Content-Length: " LARGE_BODY "\r\n";
    struct error e;

    came = announce(d, image, fields, expect ? d->place.timeout_us : 2 * CLOCK_SECOND, &p, &answer);
    if (!came && (expect || !p))
        return deploy_seen(d, "an image of 5 GiB is announced: %s", arena_str(d->arena, str_text(&d->why)));
    if (came && answer.status != 100)
        return deploy_seen(d, "an image of 5 GiB is refused with %d%s before any byte of it was sent",
                           answer.status, deploy_by(&answer));
    (void)probe_send(p, d->data, CHUNK);
    if (!probe_stirs(p, CLOCK_SECOND / 2))
        return true;
    if (probe_answer(p, d->arena, "PUT", false, &later, &e) < 0)
        return deploy_seen(d, "an image of 5 GiB is announced, and at its first bytes %s", e.message);
    return deploy_seen(d, "an image of 5 GiB is refused with %d%s at its first bytes", later.status,
                       deploy_by(&later));
}

bool deploy_large_body(struct deploy *d)
{
    const char *image = deploy_image_make(d);
    bool good = image && takes_large(d, image);

    deploy_image_drop(d, image);
    return good;
}

/* One upload of n bytes; chunk 0: with a length. *ret_status 0: no answer, and deploy_seen() says why. */
static bool upload(struct deploy *d, const char *image, size_t n, size_t chunk, struct probe_answer *ret)
{
    CLEANUP(probe_close) struct probe *p = NULL;
    const char *framing =
        chunk ? "Transfer-Encoding: chunked\r\n" : arena_printf(d->arena, "Content-Length: %zu\r\n", n);
    struct error e;

    *ret = (struct probe_answer){ .body = STR_INIT };
    if (probe_open(&d->place, &p, &e) < 0 ||
        probe_head(p, "PUT", deploy_path(d, image, "/file"),
                   arena_printf(d->arena, DEPLOY_STREAM "%s", framing), &e) < 0)
        return deploy_seen(d, "%s", e.message);
    if (chunk)
        (void)deploy_send_chunks(p, d->data, n, chunk);
    else
        (void)probe_send(p, d->data, n);
    return probe_answer(p, d->arena, "PUT", false, ret, &e) == 0 || deploy_seen(d, "%s", e.message);
}

/* Uploads, and looks at what has arrived. what: for messages. */
static bool arrives(struct deploy *d, const char *image, size_t n, size_t chunk, const char *what)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *size;

    if (!upload(d, image, n, chunk, &answer))
        return deploy_seen(d, "%s: %s", what, arena_str(d->arena, str_text(&d->why)));
    if (answer.status != 204)
        return deploy_seen(d, "%s is answered %d%s", what, answer.status, deploy_by(&answer));
    size = deploy_image_get(d, image, "size");
    if (!size || !str_eq(size, arena_printf(d->arena, "%zu", n)))
        return deploy_seen(d, "%s: %zu bytes were sent and the image has %s", what, n,
                           size ? size : "no size");
    return true;
}

bool deploy_upload(struct deploy *d)
{
    return arrives(d, d->image, DEPLOY_DATA, 0, "an upload of 3 MiB with its length");
}

bool deploy_chunked(struct deploy *d)
{
    const char *small = deploy_image_make(d), *large;
    bool good = small && arrives(d, small, DEPLOY_DATA, CHUNK, "an upload in chunks");

    deploy_image_drop(d, small);
    if (!good)
        return small && !(d->have & HAVE_STREAM) ? deploy_same(d, "uploads stream") : false;
    large = deploy_image_make(d);
    good = large && arrives(d, large, DEPLOY_CHUNK_LARGE, DEPLOY_CHUNK_LARGE,
                            "an upload in one chunk of 4 MiB, as Cinder sends them,");
    if (large && !good)
        d->advice = advice_large_chunk;
    deploy_image_drop(d, large);
    return good;
}

bool deploy_range(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (!deploy_ask(d, "GET", deploy_path(d, d->image, "/file"), "Range: bytes=1000-1099\r\n", NULL, &answer))
        return false;
    if (answer.status != 206 || answer.length != 100 || answer.body.len != 100 ||
        memcmp(answer.body.data, d->data + 1000, 100) != 0)
        return deploy_seen(d, "a range of 100 bytes is answered %d with %" PRIu64 " bytes", answer.status,
                           answer.length);
    return true;
}

bool deploy_download(struct deploy *d)
{
    static const char *const accept[] = { "", "Accept-Encoding: gzip, deflate\r\n" };

    for (size_t i = 0; i < COUNT(accept); i++) {
        CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
        const char *coding;

        if (!deploy_ask(d, "GET", deploy_path(d, d->image, "/file"), accept[i], NULL, &answer))
            return false;
        coding = headers_get(&answer.headers, "Content-Encoding");
        if (coding)
            return deploy_seen(d,
                               "a download by a client that accepts gzip, as Python's do, is "
                               "compressed (%.40s)",
                               coding);
        if (answer.status != 200 || answer.length != DEPLOY_DATA)
            return deploy_seen(d, "a download of %d bytes is answered %d with %" PRIu64, DEPLOY_DATA,
                               answer.status, answer.length);
        if (!headers_get(&answer.headers, "Content-Length"))
            return deploy_seen(d, "a download has lost its Content-Length: clients cannot tell a broken one "
                                  "from a whole one");
    }
    return true;
}

/* The image has its data, so that the service refuses before it has read the body. */
bool deploy_early_refusal(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(probe_close) struct probe *p = NULL;
    struct error e;

    if (probe_open(&d->place, &p, &e) < 0 ||
        probe_head(p, "PUT", deploy_path(d, d->image, "/file"),
                   arena_printf(d->arena, DEPLOY_STREAM "Content-Length: %d\r\n", EARLY_SIZE), &e) < 0)
        return deploy_seen(d, "%s", e.message);
    for (size_t sent = 0; sent < EARLY_SIZE && probe_send(p, d->data, 1024 * 1024); sent += 1024 * 1024)
        ;
    if (probe_answer(p, d->arena, "PUT", false, &answer, &e) < 0)
        return deploy_seen(d, "a refusal while a body is on its way does not arrive: %s", e.message);
    return answer.status == 409 ||
           deploy_seen(d, "a refusal while a body is on its way should be 409 and is %d%s", answer.status,
                       deploy_is_ours(&answer) ? "" : ", the server's own");
}
