/* SPDX-License-Identifier: Apache-2.0 */
/* The answer as buckets. What is small is handed to httpd in one brigade with the end of the response, so
 * that one writev(2) sends it; a file goes as a file bucket, which the event MPM may send after the handler
 * has returned. */
#include "embed/httpd/mod_glint.h"

#include <apr_portable.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <util_filter.h>

enum {
    COLLECT_MAX = 64 * 1024,
    SMALL_FILE = 16 * 1024, /* cheaper to read than to open again for httpd */
};

/* ---- the head ---- */

static void add_header(void *arg, const char *name, const char *value)
{
    request_rec *r = arg;
    int64_t length;

    if (str_eq_nocase(name, "Content-Type"))
        ap_set_content_type(r, apr_pstrdup(r->pool, value));
    else if (str_eq_nocase(name, "Content-Length") && str_to_i64(value, 0, INT64_MAX, &length))
        ap_set_content_length(r, length);
    else if (!str_eq_nocase(name, "Date")) /* which httpd adds */
        apr_table_add(r->headers_out, name, value);
    if (str_eq_nocase(name, "x-openstack-request-id")) /* %{glint-request-id}n of a LogFormat */
        apr_table_set(r->notes, "glint-request-id", value);
}

int answer_head(struct gateway *g, int status, const struct http_headers *h, int64_t length)
{
    const char *phrase = http_phrase(status), *connection = h ? headers_get(h, "Connection") : NULL;
    request_rec *r = g->r;

    if (g->refusal || g->gone ||
        embedded_answer_begin(&g->answer, &g->rq, status, h, length, add_header, r) < 0)
        return -1;
    r->status = status;
    if (phrase)
        r->status_line = apr_psprintf(r->pool, "%d %s", status, phrase);
    if (connection && str_eq_nocase(connection, "close"))
        r->connection->keepalive = AP_CONN_CLOSE;
    /* Ranges are the service's: httpd would cut a part out of any 200. */
    ap_remove_output_filter_byhandle(r->output_filters, "byterange");
    return 0;
}

/* ---- handing over ---- */

/* Before the head leaves: whether the connection can stay depends on what is left of the request's body. A
 * service that streams may still read it, hardly so after a refusal. */
static void settle(struct gateway *g, bool last)
{
    if (g->complete || g->r->connection->master || (!last && g->rq.status < 300))
        return;
    gateway_drain(g);
    if (!g->complete)
        g->r->connection->keepalive = AP_CONN_CLOSE; /* and httpd lingers, so that the answer is not lost */
}

static int pass(struct gateway *g, bool last)
{
    apr_status_t rv;

    if (!g->passed || last)
        settle(g, last);
    g->passed = true;
    g->collected = 0;
    rv = ap_pass_brigade(g->r->output_filters, g->out);
    apr_brigade_cleanup(g->out);
    if (rv != APR_SUCCESS || g->r->connection->aborted)
        g->gone = true;
    return g->gone ? -1 : 0;
}

int answer_write(struct gateway *g, const void *buf, size_t n)
{
    uint64_t taken;

    if (g->gone || !g->answer.headed)
        return -1;
    taken = embedded_answer_take(&g->answer, n);
    if (taken == 0)
        return 0;
    if (g->collected + taken <= COLLECT_MAX) {
        apr_brigade_write(g->out, NULL, NULL, buf, (apr_size_t)taken);
        g->collected += (size_t)taken;
        return 0;
    }
    APR_BRIGADE_INSERT_TAIL(g->out,
                            apr_bucket_transient_create(buf, (apr_size_t)taken, g->out->bucket_alloc));
    return pass(g, false);
}

/* ---- files ---- */

static int copy_file(struct gateway *g, int fd, uint64_t offset, size_t len)
{
    char buf[SMALL_FILE];

    if (embedded_read_file(fd, buf, len, offset) != (ssize_t)len)
        return -1;
    apr_brigade_write(g->out, NULL, NULL, buf, len);
    g->collected += len;
    return 0;
}

/* The service closes its descriptor before httpd may have sent all, so the request's pool gets a duplicate.
 * The duplicate has to come from apr_file_dup(): a file made by apr_os_file_put() has APR_FOPEN_NOCLEANUP
 * set, and when an output filter sets such a bucket aside, apr_file_setaside() takes the descriptor to
 * another apr_file_t that nothing closes. */
static int add_file(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    const core_dir_config *core = ap_get_core_module_config(g->r->per_dir_config);
    apr_pool_t *pool = g->r->pool;
    apr_int32_t flags = APR_FOPEN_READ;
    apr_file_t *service = NULL, *file = NULL;

#if APR_HAS_SENDFILE
    if (core->enable_sendfile == ENABLE_SENDFILE_ON)
        flags |= APR_FOPEN_SENDFILE_ENABLED;
#endif
    if (apr_os_file_put(&service, &fd, flags, pool) != APR_SUCCESS ||
        apr_file_dup(&file, service, pool) != APR_SUCCESS)
        return -1;
    apr_brigade_insert_file(g->out, file, (apr_off_t)offset, (apr_off_t)len, pool);
#if APR_HAS_MMAP
    if (core->enable_mmap == ENABLE_MMAP_OFF)
        for (apr_bucket *b = APR_BRIGADE_FIRST(g->out); b != APR_BRIGADE_SENTINEL(g->out);
             b = APR_BUCKET_NEXT(b))
            if (APR_BUCKET_IS_FILE(b))
                apr_bucket_file_enable_mmap(b, 0);
#endif
    return 0;
}

int answer_sendfile(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    struct stat st;
    uint64_t taken;

    if (g->gone || !g->answer.headed)
        return -1;
    taken = embedded_answer_take(&g->answer, len);
    if (taken == 0)
        return 0;
    if (taken <= SMALL_FILE && g->collected + taken <= COLLECT_MAX) {
        g->gone = copy_file(g, fd, offset, (size_t)taken) < 0;
    } else {
        g->gone =
            fstat(fd, &st) < 0 || (uint64_t)st.st_size < offset + taken || add_file(g, fd, offset, taken) < 0;
    }
    return g->gone ? -1 : 0;
}

/* ---- the end ---- */

/* What is short must not look whole: httpd would end it in good order. */
static int break_off(struct gateway *g)
{
    conn_rec *c = g->r->connection;
    bool by_client = c->aborted;
    struct linger reset = { .l_onoff = 1 };
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_os_sock_t fd;

    c->keepalive = AP_CONN_CLOSE;
    if (!by_client) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, g->r,
                      "%s: the answer is broken off, %" PRId64 " bytes are missing",
                      apr_table_get(g->r->notes, "glint-request-id"), g->answer.left);
        APR_BRIGADE_INSERT_TAIL(g->out, apr_bucket_flush_create(g->out->bucket_alloc));
        APR_BRIGADE_INSERT_TAIL(g->out,
                                ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, g->r->pool,
                                                       g->out->bucket_alloc)); /* no last chunk, RST_STREAM */
        g->gone = false;
        (void)pass(g, false);
        /* Where the end of the body is the end of the connection, only a reset tells. */
        if (socket && !g->r->clength && !g->r->chunked && apr_os_sock_get(&fd, socket) == APR_SUCCESS)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    c->aborted = 1;
    return AP_FILTER_ERROR;
}

/* Nothing has left yet: httpd may still answer something else. */
static int take_back(struct gateway *g, int status)
{
    apr_brigade_cleanup(g->out);
    apr_table_clear(g->r->headers_out);
    g->r->status = HTTP_OK;
    g->r->status_line = NULL;
    g->r->clength = 0;
    ap_set_content_type(g->r, NULL);
    return status;
}

int answer_finish(struct gateway *g)
{
    if (g->refusal)
        return g->refusal == AP_FILTER_ERROR ? AP_FILTER_ERROR : take_back(g, g->refusal);
    if (!g->answer.headed)
        return g->cut ? HTTP_BAD_REQUEST : HTTP_INTERNAL_SERVER_ERROR;
    if (embedded_answer_is_short(&g->answer) || (g->gone && !g->answer.bodyless))
        return g->passed ? break_off(g) : take_back(g, HTTP_INTERNAL_SERVER_ERROR);
    if (!g->complete && g->r->connection->master) {
        APR_BRIGADE_INSERT_TAIL(g->out, apr_bucket_flush_create(g->out->bucket_alloc));
        if (pass(g, false) == 0)
            gateway_linger(g);
    }
    APR_BRIGADE_INSERT_TAIL(g->out, apr_bucket_eos_create(g->out->bucket_alloc));
    (void)pass(g, true);
    return OK;
}
