/* SPDX-License-Identifier: Apache-2.0 */
/* mod_glint_body: bodies of unknown length on their way to a back end.
 *
 * Over HTTP/2 mod_http2 ends the body of a stream that its client has reset as if it were whole, and a back
 * end would take a part of an upload for all of it. Where `GlintBody On` stands such a body ends in an error,
 * whoever reads it (reset.h).
 *
 * mod_proxy_uwsgi refuses chunked uploads with 411 because CGI's variables have no word for a body of unknown
 * length. Where `GlintBody On` stands and the back end is uwsgi://, a chunked body is announced by the
 * variable BODY_FRAMING=chunked and sent as chunks. The variable cannot be forged: what clients send begins
 * with HTTP_. The chunks are made anew, so that the back end tells a body that was broken off (no last chunk)
 * from a complete one; nothing is kept but the piece at hand. Other bodies, other back ends and other places
 * are left as they are. That is hooked in where mod_proxy calls the handler of a scheme: only there it is
 * certain which back end will be asked, also of balancer:// and of SetHandler "proxy:uwsgi://...". */
#include "embed/httpd/reset.h"

#include "base/base.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <apr_strings.h>
#include <httpd.h>

#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <mod_proxy.h>
#include <util_filter.h>

extern module __attribute__((visibility("default"))) glint_body_module;
APLOG_USE_MODULE(glint_body);

/* Chunk size, line ends and the last chunk: what framing may add to one piece. */
enum { OVERHEAD = 32 };

struct place {
    enum { PLACE_UNSET, PLACE_OFF, PLACE_ON } state;
};

struct framing {
    const char *coding;     /* the request's Transfer-Encoding */
    apr_bucket_brigade *in; /* read and not yet framed */
    apr_off_t left;         /* that LimitRequestBody allows; < 0: any */
    bool begun, ended;
};

static ap_filter_rec_t *frame_handle, *reset_handle;

/* ---- the filter for streams that are reset ---- */

static bool has_end(apr_bucket_brigade *bb)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b))
        if (APR_BUCKET_IS_EOS(b))
            return true;
    return false;
}

/* The end of the body goes no further before it is known to be one. */
static apr_status_t check_reset(ap_filter_t *f, apr_bucket_brigade *out, ap_input_mode_t mode,
                                apr_read_type_e block, apr_off_t n)
{
    apr_status_t rv = ap_get_brigade(f->next, out, mode, block, n);

    if (rv != APR_SUCCESS || !has_end(out))
        return rv;
    if (stream_was_reset(f->c)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, f->r, "the client has reset the stream within the body");
        apr_brigade_cleanup(out);
        return APR_ECONNABORTED;
    }
    ap_remove_input_filter(f); /* it is asked once */
    return rv;
}

static void insert_filter(request_rec *r)
{
    const struct place *place = ap_get_module_config(r->per_dir_config, &glint_body_module);

    if (place && place->state == PLACE_ON && r->connection->master &&
        apr_table_get(r->headers_in, "Transfer-Encoding")) /* mod_http2's word for a body without a length */
        ap_add_input_filter_handle(reset_handle, NULL, r, r->connection);
}

/* ---- the filter for back ends by uwsgi ---- */

/* HTTP_IN decides by the headers how to read, when it is first asked: for that moment they are as they came.
 */
static apr_status_t read_first(ap_filter_t *f, struct framing *b, apr_read_type_e block, apr_off_t n)
{
    const char *length = apr_table_get(f->r->headers_in, "Content-Length");
    apr_status_t rv;

    b->begun = true;
    apr_table_unset(f->r->headers_in, "Content-Length");
    apr_table_setn(f->r->headers_in, "Transfer-Encoding", b->coding);
    rv = ap_get_brigade(f->next, b->in, AP_MODE_READBYTES, block, n);
    apr_table_unset(f->r->headers_in, "Transfer-Encoding");
    apr_table_setn(f->r->headers_in, "Content-Length", length);
    return rv;
}

/* Moves up to n bytes of b->in to `out`; returns how many. */
static apr_off_t move(struct framing *b, apr_bucket_brigade *out, apr_off_t n)
{
    apr_bucket *end;
    apr_off_t moved = 0;

    (void)apr_brigade_partition(b->in, n, &end); /* fewer there are: all of them */
    while (!b->ended && !APR_BRIGADE_EMPTY(b->in) && APR_BRIGADE_FIRST(b->in) != end) {
        apr_bucket *first = APR_BRIGADE_FIRST(b->in);

        b->ended = APR_BUCKET_IS_EOS(first);
        APR_BUCKET_REMOVE(first);
        if (APR_BUCKET_IS_METADATA(first)) {
            apr_bucket_destroy(first);
        } else {
            moved += (apr_off_t)first->length;
            APR_BRIGADE_INSERT_TAIL(out, first);
        }
    }
    return moved;
}

static void put_text(ap_filter_t *f, apr_bucket_brigade *out, bool before, const char *text)
{
    apr_bucket *bucket = apr_bucket_heap_create(text, strlen(text), NULL, f->c->bucket_alloc);

    if (before)
        APR_BRIGADE_INSERT_HEAD(out, bucket);
    else
        APR_BRIGADE_INSERT_TAIL(out, bucket);
}

static void put_frame(ap_filter_t *f, const struct framing *b, apr_bucket_brigade *out, apr_off_t n)
{
    char size[OVERHEAD];

    if (n > 0) {
        apr_snprintf(size, sizeof size, "%" APR_UINT64_T_HEX_FMT "\r\n", (apr_uint64_t)n);
        put_text(f, out, true, size);
        put_text(f, out, false, "\r\n");
    }
    if (b->ended) {
        put_text(f, out, false, "0\r\n\r\n");
        APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(f->c->bucket_alloc));
    }
}

/* HTTP_IN does not look at the limit of a request that is proxied. It answers such things from here, too. */
static apr_status_t refuse(ap_filter_t *f, apr_bucket_brigade *out)
{
    apr_brigade_cleanup(out);
    APR_BRIGADE_INSERT_TAIL(
        out, ap_bucket_error_create(HTTP_REQUEST_ENTITY_TOO_LARGE, NULL, f->r->pool, f->c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(f->c->bucket_alloc));
    f->c->keepalive = AP_CONN_CLOSE;
    return ap_pass_brigade(f->r->output_filters, out);
}

/* Repeats a wait that a signal has interrupted (SIGUSR1 in the prefork MPM): mod_proxy_uwsgi would take it
 * for the end of the body. */
static apr_status_t read_more(ap_filter_t *f, struct framing *b, apr_read_type_e block, apr_off_t n)
{
    apr_status_t rv;

    do
        rv = b->begun ? ap_get_brigade(f->next, b->in, AP_MODE_READBYTES, block, n)
                      : read_first(f, b, block, n);
    while (APR_STATUS_IS_EINTR(rv));
    return rv;
}

/* Never gives more than it was asked for (mod_proxy_uwsgi would lose the rest), and never nothing when it may
 * wait. */
static apr_status_t frame(ap_filter_t *f, apr_bucket_brigade *out, ap_input_mode_t mode,
                          apr_read_type_e block, apr_off_t n)
{
    struct framing *b = f->ctx;
    apr_off_t moved = 0;

    if (mode != AP_MODE_READBYTES)
        return ap_get_brigade(f->next, out, mode, block, n);
    if (b->ended) {
        APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(f->c->bucket_alloc));
        return APR_SUCCESS;
    }
    if (n <= OVERHEAD)
        return APR_EINVAL;
    while (moved == 0 && !b->ended) {
        if (APR_BRIGADE_EMPTY(b->in)) {
            apr_status_t rv = read_more(f, b, block, n - OVERHEAD);

            if (rv != APR_SUCCESS)
                return rv;
            if (APR_BRIGADE_EMPTY(b->in) && block == APR_NONBLOCK_READ)
                return APR_EAGAIN;
        }
        moved = move(b, out, n - OVERHEAD);
    }
    if (b->left >= 0 && (b->left -= moved) < 0)
        return refuse(f, out);
    put_frame(f, b, out, moved);
    return APR_SUCCESS;
}

/* ---- where it begins ---- */

/* mod_proxy_uwsgi reads to the end of the body as long as some length is announced that the limit allows. */
static const char *any_length(request_rec *r, apr_off_t limit)
{
    return apr_off_t_toa(r->pool, limit > 0 ? limit : INT64_MAX);
}

static int before_scheme(request_rec *r, proxy_worker *worker UNUSED, proxy_server_conf *conf UNUSED,
                         char *url, const char *host UNUSED, apr_port_t port UNUSED)
{
    const struct place *place = ap_get_module_config(r->per_dir_config, &glint_body_module);
    struct framing *b = ap_get_module_config(r->request_config, &glint_body_module);
    const char *coding = apr_table_get(r->headers_in, "Transfer-Encoding");
    apr_off_t limit = ap_get_limit_req_body(r);

    if (!place || place->state != PLACE_ON || ap_cstr_casecmpn(url, "uwsgi:", 6) != 0)
        return DECLINED;
    if (b && b->begun) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "another back end cannot have a body that the first has begun");
        return HTTP_BAD_GATEWAY;
    }
    if (b)
        return DECLINED;
    apr_table_unset(r->subprocess_env, "BODY_FRAMING");
    if (!coding || ap_cstr_casecmp(coding, "chunked") != 0)
        return DECLINED;
    b = apr_pcalloc(r->pool, sizeof *b);
    b->coding = coding;
    b->left = limit > 0 ? limit : -1;
    b->in = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    ap_set_module_config(r->request_config, &glint_body_module, b);
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    apr_table_setn(r->headers_in, "Content-Length", any_length(r, limit));
    apr_table_setn(r->subprocess_env, "BODY_FRAMING", "chunked");
    ap_add_input_filter_handle(frame_handle, b, r, r->connection);
    return DECLINED;
}

/* ---- the module ---- */

static void *place_make(apr_pool_t *p, char *dir UNUSED)
{
    return apr_pcalloc(p, sizeof(struct place));
}

static void *place_merge(apr_pool_t *p UNUSED, void *outer, void *inner)
{
    return ((const struct place *)inner)->state == PLACE_UNSET ? outer : inner;
}

static const char *set_on(cmd_parms *cmd UNUSED, void *conf, int on)
{
    ((struct place *)conf)->state = on ? PLACE_ON : PLACE_OFF;
    return NULL;
}

static const command_rec directives[] = {
    AP_INIT_FLAG(
        "GlintBody", set_on, NULL, RSRC_CONF | ACCESS_CONF,
        "On: chunked bodies go through mod_proxy_uwsgi to a back end that knows BODY_FRAMING, and bodies "
        "that HTTP/2 resets are broken off"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL },
};

static void hooks(apr_pool_t *p UNUSED)
{
    frame_handle = ap_register_input_filter("GLINT_BODY", frame, NULL, AP_FTYPE_RESOURCE);
    reset_handle = ap_register_input_filter("GLINT_RESET", check_reset, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_insert_filter(insert_filter, NULL, NULL, APR_HOOK_MIDDLE);
    proxy_hook_scheme_handler(before_scheme, NULL, NULL,
                              APR_HOOK_REALLY_FIRST); /* its own are at APR_HOOK_FIRST */
}

module glint_body_module = {
    STANDARD20_MODULE_STUFF, place_make, place_merge, NULL, NULL, directives, hooks, 0,
};
