/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP as a client, by libcurl.
 *
 * libcurl and the thirty libraries behind it are 5 MB in each process, for what few configurations use: it is
 * loaded when it is first needed. It starts no thread; a struct fetch belongs to one thread at a time.
 * Error kinds: ERROR_UNAVAILABLE (no libcurl, no connection, silence, an answer that ended early),
 * ERROR_INVALID (a URL that is none, too many redirects, or one that must not be followed). */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include <curl/curl.h>
#include <sys/types.h>

#include "base/base.h"

/* The functions of libcurl that this program calls. */
struct fetch_lib {
    CURLcode (*global_init)(long);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    CURLcode (*easy_perform)(CURL *);
    CURLcode (*easy_pause)(CURL *, int);
    CURLcode (*easy_recv)(CURL *, void *, size_t, size_t *);
    CURLcode (*easy_send)(CURL *, const void *, size_t, size_t *);
    void (*easy_cleanup)(CURL *);
    const char *(*easy_strerror)(CURLcode);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_add_handle)(CURLM *, CURL *);
    CURLMcode (*multi_remove_handle)(CURLM *, CURL *);
    CURLMcode (*multi_perform)(CURLM *, int *);
    CURLMcode (*multi_poll)(CURLM *, struct curl_waitfd *, unsigned, int, int *);
    CURLMsg *(*multi_info_read)(CURLM *, int *);
    CURLMcode (*multi_cleanup)(CURLM *);
    struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
    void (*slist_free_all)(struct curl_slist *);
};
/* NULL when libcurl.so.4 is not installed, or too old. From any thread. */
const struct fetch_lib *fetch_lib(void);

/* ---- addresses ---- */

struct sockaddr;
struct sockaddr_storage;

/* IPv4 as IPv4-mapped IPv6. */
struct fetch_network {
    unsigned char bytes[16];
    unsigned bits;
};
/* "10.0.0.0/8", "fd00::/8", or one address. */
bool fetch_network_parse(const char *text, struct fetch_network *ret);
bool fetch_network_holds(const struct fetch_network *n, const struct sockaddr *address);
/* Whether it is an address of this machine (loopback, unspecified) or of its link; also when written as an
 * IPv4 address inside IPv6. */
bool fetch_address_near(const struct sockaddr *address);
/* Whether it is an address that everybody may have: none of this machine, its link, a site, a group, or of
 * those that nobody has, in whatever form an IPv6 address holds it. */
bool fetch_address_public(const struct sockaddr *address);

/* ---- an answer's head ---- */

enum { FETCH_LINE_MAX = 1024, FETCH_VALIDATOR_MAX = 256, FETCH_DATE_MAX = 64 };
struct fetch_head {
    char etag[FETCH_VALIDATOR_MAX]; /* as sent; "": none, or longer */
    char last_modified[FETCH_DATE_MAX], date[FETCH_DATE_MAX], retry_after[FETCH_DATE_MAX];
    bool part_seen, part; /* there was a Content-Range; it could be read and names a part */
    uint64_t part_first, part_last;
    bool total_known;
    uint64_t total;   /* of the whole, as Content-Range says */
    bool length_junk; /* a Content-Length that is no length, which libcurl takes for none */
    bool coded;       /* there was a Transfer-Encoding, or what may be taken for one */
};
/* One line of n bytes; a status line begins a new head. */
void fetch_head_line(struct fetch_head *h, const char *line, size_t n);

/* ---- one answer, read as a stream ---- */

/* Where one request goes. */
struct fetch_target {
    const char *url;  /* as it is asked for */
    const char *host; /* in it, without brackets */
    unsigned port;
    bool literal;                             /* host is an address */
    const struct sockaddr_storage *addresses; /* no other one is connected to */
    size_t n_addresses;
};

struct fetch_options {
    bool verify;             /* the server's certificate */
    const char *ca_file;     /* PEM; NULL or "": the system's */
    const char *proxy_http;  /* for http:// URLs; NULL: what the environment says; "": none */
    const char *proxy_https; /* for https:// URLs */
    int64_t timeout_ms;      /* that may pass without a byte */
    int64_t connect_ms;      /* that a connection may take; 0: timeout_ms */
    int64_t total_ms;        /* for everything; 0: no limit */
    uint64_t rate_min;       /* bytes a second, over each timeout_ms of waiting; 0: no limit */
    unsigned requests_max;   /* the first one and those that redirects lead to */

    /* NULL: redirects are 301 and 302, and never lead from elsewhere to an address of this machine or its
     * link. Else it looks at the first URL and at each that a redirect (301, 302, 303, 307, 308) leads to,
     * and says where that is; what it says is valid until it is called again. */
    int (*admit)(void *arg, const char *url, struct fetch_target *ret, struct error *e);
    void *admit_arg;
    bool proxied;               /* with admit: the proxy resolves names, so that nothing is pinned */
    const char *if_range;       /* validator that goes with an offset; NULL: none */
    const char *const *headers; /* "Name: value", for the first request alone; ends with NULL; NULL: none */
    int (*alive)(void *arg, struct error *e); /* asked about once a second while waiting; -1 ends it */
    void *alive_arg;
};

struct fetch;

/* Asks for the URL, from `offset` on where that is not 0, or by HEAD, and returns when the final answer's
 * head is there, whatever its status. Only http and https. Nothing in URL, redirects or options makes libcurl
 * send credentials but `headers`. */
int fetch_open(const struct fetch_options *o, const char *url, bool head, uint64_t offset, struct fetch **ret,
               struct error *e) MUST_CHECK;
unsigned fetch_status(const struct fetch *f);
int64_t fetch_length(const struct fetch *f); /* bytes of this answer's body; -1: not told */
const struct fetch_head *fetch_head(const struct fetch *f);
/* Of a 206: where its part begins and how long the whole is; false when it does not say so. */
bool fetch_part(const struct fetch *f, uint64_t *ret_first, uint64_t *ret_total);
/* > 0 bytes; 0 when the body was complete; -1. */
ssize_t fetch_read(struct fetch *f, void *buf, size_t n, struct error *e);
void fetch_close(struct fetch **f); /* takes NULL; for CLEANUP */

/* ---- one question with a short answer, both whole in memory (ask.c) ---- */

enum { FETCH_BODY_MAX = 64 * 1024 }; /* of the answer: what is more is dropped */

struct fetch_question {
    const char *method, *url;
    const char *const *headers;     /* "Name: value", ends with NULL; beside the client's own */
    const char *body;               /* NULL: none */
    size_t size;                    /* bytes of it */
    const char *ca_file;            /* PEM; NULL or "": the system's */
    int64_t connect_ms, timeout_ms; /* to be connected; for all of it */
};
struct fetch_answer {
    unsigned status;    /* at least 200 */
    const char *reason; /* as the server worded it; "" */
    const char *body;   /* zero-terminated */
    size_t size;
    const struct fetch_header {
        const char *name, *value;
    } * headers;
    size_t n_headers;
};
/* Asks that very server: by no proxy, and redirects are answers. Texts are the arena's. ERROR_INVALID for
 * what must not be sent, and for an answer that is none; ERROR_UNAVAILABLE when no answer came. */
int fetch_ask(struct arena *a, const struct fetch_question *q, struct fetch_answer *ret,
              struct error *e) MUST_CHECK;
const char *fetch_answer_header(const struct fetch_answer *answer, const char *name); /* the last; or NULL */

#endif
