/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP without sockets: one request as every front end hands it over, and the small grammars of
 * RFC 9110 that handlers need (header lists, ranges, conditions, media types, URLs). */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"
#include "http/limits.h"

/* ---- header lists (of an answer; a request's are asked for by name) ---- */

struct http_header {
    const char *name, *value; /* without CR, LF or NUL: header_add() drops what has them */
};

struct http_headers {
    struct http_header *items;
    size_t n, cap;
};

void headers_add(struct arena *a, struct http_headers *h, const char *name, const char *value);
void headers_addf(struct arena *a, struct http_headers *h, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void headers_drop(struct http_headers *h, const char *name);
const char *headers_get(const struct http_headers *h, const char *name); /* the first, or NULL */

/* ---- one request, one answer ---- */

/* How long the body is, known from the head: a byte count, or one of these. */
enum { HTTP_BODY_NONE = -1, HTTP_BODY_UNKNOWN = -2 };

struct gateway;

/* What a front end does for a request. All calls come from the thread that serves the request and
 * block it, but never past the front end's own time limits. */
struct gateway_ops {
    const char *name;

    /* Decoded body bytes into buf: > 0 so many, 0 the body is complete with all its framing seen,
     * -1 the client aborted, was too slow or broke the framing. The first call sends 100 Continue where
     * that is our duty, so that a refusal before it spares the client the body. */
    ssize_t (*read)(struct gateway *, void *buf, size_t n);

    /* The answer's head, once. length >= 0 is its Content-Length and binds write/sendfile;
     * length < 0 means unknown (chunked, up to the close, or collected first where the protocol must have it:
     * at most 1 MiB then). The front end adds Date, Content-Length and connection headers. A HEAD request's
     * body calls are accepted and dropped. -1: client gone. */
    int (*head)(struct gateway *, int status, const struct http_headers *, int64_t length);

    /* Body bytes after head(). -1: client gone. */
    int (*write)(struct gateway *, const void *buf, size_t n);

    /* len > 0 bytes of fd from offset; the file position is not used and fd stays the caller's.
     * -1: client gone, or the file is shorter (the connection is then broken off, so that
     * the client sees a broken transfer and never a short one). Where they are the last bytes of the answer
     * the front end may return before they are sent, and set the request's `deferred`. */
    int (*sendfile)(struct gateway *, int fd, uint64_t offset, uint64_t len);

    /* A request header by name (any case), or NULL. Repeated fields are joined by ", ". The memory
     * lives as long as the request. */
    const char *(*header)(struct gateway *, const char *name);

    /* Best knowledge whether the client is still there; may be asked often. */
    bool (*aborted)(struct gateway *);
};

struct http_request {
    const struct gateway_ops *ops;
    struct gateway *gateway;
    struct arena *arena;    /* ends with the request */
    const char *method;     /* as sent: methods are case-sensitive */
    const char *path;       /* raw (percent-encoded), begins with '/', without the mount prefix */
    const char *prefix;     /* the mount prefix, raw; "" at the root */
    const char *query;      /* raw, without '?'; NULL when there was none */
    const char *scheme;     /* "http" or "https" as the front end knows it */
    const char *host;       /* authority of the request (Host), or the listener's own */
    const char *peer;       /* the client's address */
    unsigned port;          /* that it came in by; 0: not known */
    int64_t content_length; /* or HTTP_BODY_NONE, HTTP_BODY_UNKNOWN */
    int64_t started_us;     /* monotonic: when the head was complete */
    bool inline_only;       /* on an event loop: must not wait for anything */
    uint64_t body_max;      /* the service refuses a longer body; 0: it has not said so */
    bool body_over;         /* a read failed as the sizes of the chunks add up to more than body_max */

    /* The front end goes on sending a file after serve() has returned: no thread waits for a slow reader.
     * A service that wants to know how that ended sets `ended`, which is called once, on any thread, and must
     * not wait; bytes_out is right by then. The arena lives until it has returned. */
    bool deferred;
    void (*ended)(struct http_request *, void *arg, bool whole);
    void *ended_arg;

    /* Filled while answering; the front end reads them for its log and metrics. */
    int status;                   /* 0 until head() */
    uint64_t bytes_in, bytes_out; /* of bodies */
};

/* Wrappers; they also keep status and bytes. */
ssize_t http_read(struct http_request *rq, void *buf, size_t n);
int http_head(struct http_request *rq, int status, const struct http_headers *h, int64_t length);
int http_write(struct http_request *rq, const void *buf, size_t n);
int http_sendfile(struct http_request *rq, int fd, uint64_t offset, uint64_t len);
const char *http_header(struct http_request *rq, const char *name);
/* A number for some bytes; never 0. */
uint64_t http_hash(const void *bytes, size_t n);
bool http_aborted(struct http_request *rq);

/* The service that a front end feeds. */
struct http_service {
    void *arg;
    /* Whether this request may run on an event loop: no body is read and nothing can wait.
     * Decided by method and path alone. */
    bool (*may_inline)(void *arg, const struct http_request *);
    /* Whether it moves bulk data (its own pool and cap). */
    bool (*is_transfer)(void *arg, const struct http_request *);
    /* Answers the request. Returns 0, or -1 when rq->inline_only was set and it would have had to
     * wait: nothing was sent then, and the front end runs it again on a worker. */
    int (*serve)(void *arg, struct http_request *);
    /* Whether its body is a document of at most HTTP_JSON_BODY_MAX bytes, to be received as a whole before a
     * thread is taken for the request. NULL: none is. */
    bool (*is_document)(void *arg, const struct http_request *);
    /* Whose request it is, for the shares of pools: a hash of the project, or of the client's address where a
     * trusted proxy tells it; 0: not known, so that the peer's address counts. May be NULL. */
    uint64_t (*holder)(void *arg, struct http_request *);
};

const char *
http_phrase(int status); /* as Python's http.client/WebOb spell them, e.g. 413 Request Entity Too Large */

/* ---- the bytes that heads are made of ---- */

enum {
    HTTP_TOKEN = 1,  /* tchar, RFC 9110 5.6.2 */
    HTTP_TEXT = 2,   /* field value: visible, blank, tab or obs-text */
    HTTP_TARGET = 4, /* not a blank, not a control, not '#' */
    HTTP_HOST = 8,   /* uri-host and port, RFC 3986 3.2.2 */
};
/* How many bytes from p on are of that class. */
size_t http_span(const char *p, const char *end, unsigned wanted);
/* The value of a hexadecimal digit, or -1. */
int http_hex(char c);
/* uri-host [ ":" port ]; also true of "", as Host may be empty. */
bool http_host_valid(const char *host, size_t n);

/* ---- the chunked transfer coding (RFC 9112 section 7.1) ---- */

/* Decoding as a state machine over whatever bytes arrive. */
struct http_chunked {
    int state;
    uint64_t left;      /* of the current chunk */
    uint64_t announced; /* sizes of all chunks so far; UINT64_MAX: that or more */
    size_t line;        /* bytes of the current line or trailer section */
};
void http_chunked_init(struct http_chunked *c);
/* Consumes from in[0..*in_len), writes decoded bytes to out[0..*out_len) (may be the same memory); both
 * lengths are updated to what was used and produced. It stops when the room in out is used up. 1: the body is
 * complete (trailers included), 0: more input is needed, -1: malformed. */
int http_chunked_decode(struct http_chunked *c, const char *in, size_t *in_len, char *out, size_t *out_len);
/* Whether the sizes of the chunks seen so far add up to more than the service takes; notes it in *rq. */
bool http_chunked_over(const struct http_chunked *c, struct http_request *rq);

/* ---- requests that come as CGI variables (RFC 3875, PEP 3333, the uwsgi protocol) ---- */

/* Fills *rq from variables: method, path, prefix, query, scheme, host, peer, content_length. rq->arena must
 * be set; rq->host and rq->peer, where set, stand in for what the variables do not tell. `get` gives a
 * variable's text or NULL; the texts must live as long as the request.
 *
 * The path is REQUEST_URI, raw, less GLINT_MOUNT or else SCRIPT_NAME; the decoded PATH_INFO only where there
 * is no REQUEST_URI, or the server has rewritten it so that it does not begin with SCRIPT_NAME. The body, in
 * this order: BODY_FRAMING=chunked (HTTP_BODY_UNKNOWN: to be dechunked), CONTENT_LENGTH unless empty,
 * Transfer-Encoding: chunked (HTTP_BODY_UNKNOWN), else none. Errors: INVALID (400, or 414 for a target that
 * is too long), UNIMPLEMENTED (another transfer coding). */
int http_cgi_request(struct http_request *rq, const char *(*get)(void *arg, const char *name), void *arg,
                     struct error *e) MUST_CHECK;
/* A request header by its HTTP name (any case), or NULL. */
const char *http_cgi_header(const char *(*get)(void *arg, const char *name), void *arg, struct arena *a,
                            const char *name);

/* ---- ranges (RFC 9110 section 14) ---- */

enum http_range_kind {
    RANGE_NONE,          /* no header: the whole */
    RANGE_ONE,           /* exactly one, satisfiable or not; see offset and len */
    RANGE_UNSATISFIABLE, /* starts at or beyond the end */
    RANGE_MALFORMED,     /* not the grammar, or reversed, or another unit */
    RANGE_SEVERAL
};
struct http_range {
    uint64_t offset, len;
};
/* size is the representation's; the end is clipped to it, a suffix longer than it gives the whole. */
enum http_range_kind http_range_parse(const char *header, uint64_t size, struct http_range *ret);
/* Glance also takes a request's Content-Range: bytes a-b/size or a-b/"*". */
enum http_range_kind http_content_range_parse(const char *header, uint64_t size, struct http_range *ret);

/* ---- conditional requests (RFC 9110 section 13) ---- */

/* Any of the three forms of an HTTP date; two digits of a year are understood as seen from now_us. */
bool http_date_parse(const char *text, int64_t now_us, int64_t *ret_us);

/* What is known of the representation that a request is about. */
struct http_validators {
    bool exists;          /* there is one now; what follows counts only then */
    bool modified_strong; /* it never changed twice within the second of modified_us */
    const char *etag;     /* strong, with its quotes; NULL: none */
    int64_t modified_us;  /* its last change; 0: not known, or not to be compared with */
};

struct http_conditions { /* as sent; NULL: not */
    const char *if_match, *if_none_match, *if_modified_since, *if_unmodified_since;
};

enum http_verdict {
    HTTP_HOLDS,     /* go on */
    HTTP_UNCHANGED, /* 304 */
    HTTP_NO_MATCH,  /* 412, for If-Match; */
    HTTP_MODIFIED,  /* for If-Unmodified-Since; */
    HTTP_MATCHED    /* for If-None-Match where something would be changed */
};

void http_conditions_read(struct http_request *rq, struct http_conditions *ret);
bool http_conditions_given(const struct http_conditions *c);
/* In the order of precedence. reads: the method is GET or HEAD. What cannot be read matches nothing, and a
 * date that cannot be read was not sent. */
enum http_verdict http_conditions_judge(const struct http_conditions *c, bool reads,
                                        const struct http_validators *v);
/* Whether a Range counts; without the header it does. */
bool http_if_range_holds(const char *header, const struct http_validators *v);

/* ---- Accept (RFC 9110 section 12.5.1) ---- */

/* The offer with the highest quality, ties to the earlier offer; -1 when none matches or there is no header.
 */
int http_accept_best(const char *header, const char *const *offers, size_t n);
/* type/subtype of a Content-Type, lower-cased without parameters, into out; false when it does not fit. */
bool http_media_type(const char *header, char *out, size_t size);

/* ---- URLs ---- */

struct http_param {
    const char *name, *value; /* decoded: '+' is a space, %XX a byte; valid UTF-8 */
};
enum { HTTP_QUERY_TOO_MANY = -1, HTTP_QUERY_UNDECODABLE = -2 };
/* Splits a query at '&' and ';', keeping blank values. Returns the number of parameters, HTTP_QUERY_TOO_MANY
 * above HTTP_PARAMS_MAX, or HTTP_QUERY_UNDECODABLE when a name or value is not UTF-8. Memory from the arena.
 */
ssize_t http_query_parse(struct arena *a, const char *query, struct http_param **ret);
/* What Python's urlsplit makes of an absolute URL; false where it, or its port, raises ValueError. */
struct http_url {
    const char *scheme, *host; /* in lower case, the host without brackets; "" when there is none */
    unsigned port;             /* 0: none */
    bool port_told;            /* also when it is 0 */
    bool user_told;            /* something stands before the host */
    const char *user;          /* that, without the "@"; "" */
    const char *rest;          /* what follows the host: path, query, fragment */
};
bool http_url_split(struct arena *a, const char *url, struct http_url *ret);
/* The one spelling of an http or https URL (RFC 3986, 6.2.2 and 6.2.3): scheme, host, default port, escapes,
 * dot segments, and no fragment. For comparing: what is asked for is the URL as written. NULL: it is none. */
const char *http_url_canonical(struct arena *a, const char *url);
/* %XX decoding of a path segment; false on a bad escape and on %00. */
bool http_path_decode(struct arena *a, const char *raw, size_t n, char **ret);
/* Python's urllib.parse.quote_plus (safe=""), for query strings. */
void http_quote_plus(struct str *out, const char *text);
/* Percent-encodes a path, leaving "/" and unreserved characters alone (Python's quote). */
void http_quote_path(struct str *out, const char *text);

#endif
