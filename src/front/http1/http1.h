/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of sockets: listeners, event loops, worker pools. It speaks HTTP/1.1 (RFC 9112 and 9110,
 * strictly) and, on listeners of their own, the uwsgi protocol of web servers in front.
 *
 * N event loops own idle connections, half-read heads and their timers. A loop parses the head and
 * answers by itself what cannot wait; everything else goes, with the whole connection, to a pool of
 * threads that block. Bulk transfers have a pool of their own, so that they cannot take all workers. */
#ifndef FRONT_HTTP1_H
#define FRONT_HTTP1_H

#include "base/base.h"
#include "http/http.h"

struct http1;

struct http1_options {
    const char *name; /* for logs and metrics: "api", "metrics" */
    struct http_service service;
    unsigned loops;              /* event loops; 0: one per core */
    unsigned workers_max;        /* threads for requests that wait */
    unsigned transfers_max;      /* threads for bulk data, counted apart */
    unsigned connections_max;    /* open at once; beyond it accepting waits */
    int64_t head_timeout_us;     /* first byte to end of head */
    int64_t idle_timeout_us;     /* between requests of a kept connection */
    int64_t body_timeout_us;     /* a body or an answer that does not move at all */
    int64_t transfer_timeout_us; /* an upload or a download as a whole; 0: no limit */
    int64_t queue_timeout_us;    /* for a thread; 0: as long as the client does */
    unsigned body_min_rate; /* bytes a second over a minute of waiting, of a body or an answer; 0: none */
    unsigned workers_share, transfers_share; /* percent of the threads that one holder may have; 0: 100 */
    unsigned connections_share; /* percent of the connections that one address may have; 0: 100 */
    int64_t linger_us;          /* how long an early refusal waits for the rest of a body */
    int64_t drain_us;           /* the same where the answer is heard only after the body: uwsgi */
    const char *tls_cert_file, *tls_key_file,
        *tls_ca_file; /* NULL cert: no TLS; ca: clients must have a certificate */
    bool access_log;  /* a line at LOG_INFO for each request refused here; the service logs its own */
};

enum http1_protocol { HTTP1_HTTP, HTTP1_UWSGI, HTTP1_PROTOCOLS };

int http1_start(const struct http1_options *o, struct http1 **ret, struct error *e) MUST_CHECK;

/* Listening sockets: bound here, or inherited (systemd). The fd becomes http1's. Host: name or address, "*"
 * or "::"; for a Unix socket a path (an old socket file nobody listens on is replaced), its mode octal. TLS
 * is for HTTP over TCP only. All before or after start, from one thread. */
int http1_listen_tcp(struct http1 *h, enum http1_protocol p, const char *host, uint16_t port, int backlog,
                     struct error *e) MUST_CHECK;
int http1_listen_unix(struct http1 *h, enum http1_protocol p, const char *path, unsigned mode, int backlog,
                      struct error *e) MUST_CHECK;
int http1_listen_fd(struct http1 *h, enum http1_protocol p, int fd, struct error *e) MUST_CHECK;
/* The port of the first TCP listener (asked-for port 0: the one the kernel chose); 0: there is none. */
uint16_t http1_port(const struct http1 *h, enum http1_protocol p);

/* Reload: new certificate files and time limits for new connections. */
int http1_reload(struct http1 *h, const struct http1_options *o, struct error *e) MUST_CHECK;

/* Stops accepting, lets requests finish for at most grace_us, then breaks the rest off; frees everything.
 * Returns how many requests were broken off. */
unsigned http1_stop(struct http1 *h, int64_t grace_us);

/* ---- the parsers, apart from any socket (for tests and fuzzing) ---- */

enum { HTTP1_VARS = 16 }; /* of a uwsgi packet, beside the header fields */

struct http1_field {
    const char *name, *value; /* inside the caller's buffer, zero-terminated by the parser */
    size_t name_len, value_len;
};

struct http1_head {
    const char *method, *target; /* the target without its query and, of an absolute form, its authority */
    unsigned minor;              /* HTTP/1.minor */
    const char *host;            /* NULL only for HTTP/1.0 */
    const char *path, *query;    /* of an origin-form or absolute-form target; query may be NULL */
    int64_t content_length;      /* or HTTP_BODY_NONE, HTTP_BODY_UNKNOWN (chunked) */
    bool keep_alive, expect_continue;
    const char *problem;        /* of a refused head only: what is wrong with it, a short English text */
    size_t n_fields, n_headers; /* n_headers: of a packet only, those that are HTTP_* */
    struct http1_field fields[HTTP_HEADERS_MAX + HTTP1_VARS];
};

/* Parses a complete or partial head in buf[0..len) in place. > 0: its length with the empty line; 0: more
 * bytes are needed; < 0: the negative of the status to refuse with (400, 413, 414, 417, 431, 501, 505). The
 * buffer is changed only when a whole head is there. scanned: bytes of buf already known to hold no end of
 * the head (0 at first); updated. path is "*" for OPTIONS *, else it begins with '/'. */
int http1_head_parse(char *buf, size_t len, size_t *scanned, struct http1_head *ret);

/* The same for a packet of the uwsgi protocol, of which there may be 4 bytes and 64 KiB. Only fields and
 * n_fields are filled, with the variables that http_cgi_request() asks for and those that are headers
 * (HTTP_*). */
enum { UWSGI_PACKET_MAX = 4 + 65535 };
int uwsgi_packet_parse(char *buf, size_t len, struct http1_head *ret);

#endif
