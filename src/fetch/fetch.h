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

/* ---- addresses (address.c) ---- */

struct sockaddr;
struct sockaddr_storage;

/* IPv4 as IPv4-mapped IPv6, so that both spellings are one. */
struct fetch_address {
    unsigned char bytes[16];
};
struct fetch_network {
    unsigned char bytes[16];
    unsigned bits;
};
/* From the widest to the narrowest. */
enum fetch_reach {
    FETCH_PUBLIC,
    FETCH_PRIVATE, /* RFC 1918, RFC 6598 (shared), RFC 4193 (unique local) */
    FETCH_NOBODY,  /* documentation, benchmarks, reserved ranges */
    FETCH_NEVER    /* this machine, its link, groups */
};
enum { FETCH_INNER_MAX = 2 };

bool fetch_address_bytes(const struct sockaddr *address, struct fetch_address *ret); /* false: not IP */
/* "10.0.0.0/8", "fd00::/8", or one address. */
bool fetch_network_parse(const char *text, struct fetch_network *ret);
bool fetch_network_holds(const struct fetch_network *n, const struct fetch_address *a);
/* Whether every address of the network is of this reach by itself. */
bool fetch_network_within(const struct fetch_network *n, enum fetch_reach reach);
/* The IPv4 addresses that a translator or a tunnel would take from an IPv6 one; returns how many. */
size_t fetch_address_inner(const struct fetch_address *a, struct fetch_address ret[FETCH_INNER_MAX]);
/* The narrowest of the address and of those inside it; *ret_name: "loopback", … */
enum fetch_reach fetch_address_reach(const struct fetch_address *a, const char **ret_name);

/* ---- what is asked of the machine (system.c); tests have their own ---- */

struct fetch_system {
    /* The addresses of a name, as the system's resolver finds them (/etc/hosts, the search list of
     * resolv.conf); 0: none. Waits. */
    size_t (*resolve)(void *arg, struct arena *a, const char *name, struct sockaddr_storage **ret);
    /* The addresses of this machine's interfaces, now. */
    size_t (*own)(void *arg, struct arena *a, struct sockaddr_storage **ret);
    void *arg;
};
extern const struct fetch_system fetch_system;

/* ---- sources that clients name (source.c) ----
 *
 * One rule for every URL that a client has named, or that a redirect of such a one leads to: web-download,
 * glance-download, tasks of type import, locations when they are set and when they are read.
 *
 * 1 A name is resolved once, each of its addresses is judged, and only those that passed are connected to.
 * 2 Never reached are loopback, unspecified, link-local, multicast and broadcast addresses, those of this
 *   machine's interfaces, and those of hosts that the configuration names as the service's own (database,
 *   caches, brokers, Keystone, stores), in no form in which an IPv6 address holds an IPv4 one.
 *   [import_filtering_opts] allowed_hosts opens them by naming the host.
 * 3 Private networks are open unless [glint] import_private is false; import_networks opens others.
 * 4 Schemes, ports and hosts are filtered by [import_filtering_opts], in Glance's order.
 *
 * Immutable but for a cache of what the service's own hosts resolve to; any thread. */

struct fetch_rules;
/* Copies what it needs of the configuration. system NULL: fetch_system. */
struct fetch_rules *fetch_rules_make(const struct config *c, const struct fetch_system *system)
    __attribute__((returns_nonnull));
struct fetch_rules *fetch_rules_ref(struct fetch_rules *r); /* atomic; fetch_rules_free() drops one */
void fetch_rules_free(struct fetch_rules *r);               /* takes NULL */
/* One line for an operator: which networks clients may name beside public ones. */
void fetch_rules_describe(const struct fetch_rules *r, struct str *out);

/* Whether a client may name this URL. ERROR_INVALID; the reason, without user, path and query, is in
 * e->detail. Waits for the resolver. */
int fetch_source_check(struct fetch_rules *r, const char *url, struct error *e) MUST_CHECK;

/* Where one request goes. */
struct fetch_target {
    const char *url;  /* as it is asked for */
    const char *host; /* in it, without brackets */
    unsigned port;
    bool literal;                             /* host is an address */
    const struct sockaddr_storage *addresses; /* no other one is connected to */
    size_t n_addresses;                       /* 0: the proxy resolves the name, this machine cannot */
};

/* One transfer's requests, in order. */
struct fetch_gate {
    struct fetch_rules *rules;
    struct arena *arena; /* of what is admitted */
    bool stored; /* its first URL is an image's location: what clients may name was asked when it was set, so
                  * that only hosts and addresses are judged, and it may have a user */
    bool proxied;
    bool followed,
        tls; /* set here: a request was admitted, and it was encrypted: no later one goes without */
};
/* ERROR_UNAVAILABLE: no address of the host is one that may be asked now, which is also said when it has
 * none; ERROR_INVALID: this URL never is. The message is the same for all, e->detail says why. Waits for the
 * resolver. */
int fetch_admit(struct fetch_gate *g, const char *url, struct fetch_target *ret, struct error *e) MUST_CHECK;

/* ---- an answer's head ---- */

enum { FETCH_LINE_MAX = 1024, FETCH_VALIDATOR_MAX = 256, FETCH_DATE_MAX = 64 };
struct fetch_head {
    char etag[FETCH_VALIDATOR_MAX]; /* as sent; "": none, or longer */
    char last_modified[FETCH_DATE_MAX], date[FETCH_DATE_MAX], retry_after[FETCH_DATE_MAX];
    bool part_seen, part; /* there was a Content-Range; it could be read and names a part */
    uint64_t part_first, part_last;
    bool total_known;
    uint64_t total;   /* of the whole, as Content-Range says */
    bool coded;       /* there was a Transfer-Encoding, or what may be taken for one */
    bool coding_bad;  /* other than "chunked" alone: a coding that was not asked for is not decoded */
    bool length_seen; /* there was a Content-Length */
    bool length_junk; /* it is no length, which libcurl takes for none */
    bool lengths_differ;
    uint64_t length;
    bool framing; /* the last line says where the body ends: none may continue it */
};
/* One line of n bytes; a status line begins a new head. */
void fetch_head_line(struct fetch_head *h, const char *line, size_t n);
/* Why an answer of this status with this head is not taken: where its body ends, what it is a part of or how
 * it is coded is in doubt. part_asked: the request had a Range, so that fetch_part() is to be asked. NULL: it
 * is taken. */
const char *fetch_head_refused(const struct fetch_head *h, unsigned status, bool part_asked);

/* ---- one answer, read as a stream ---- */

struct fetch_options {
    bool verify;            /* the server's certificate */
    const char *ca_file;    /* PEM; NULL or "": the system's */
    const char *proxy_http; /* for http:// URLs; NULL: what the environment says; "": none. Where there is one
                             * it may be asked for names that this machine cannot resolve */
    const char *proxy_https; /* for https:// URLs */
    int64_t timeout_ms;      /* that may pass without a byte */
    int64_t connect_ms;      /* that a connection may take; 0: timeout_ms */
    int64_t total_ms;        /* for everything; 0: no limit */
    uint64_t rate_min;       /* bytes a second, over each timeout_ms of waiting; 0: no limit */
    unsigned requests_max;   /* the first one and those that redirects lead to */

    struct fetch_rules *rules;  /* judge the URL and each that a redirect leads to; held by the fetch */
    bool stored;                /* the URL is an image's location (struct fetch_gate) */
    bool follow_all;            /* redirects are 301, 302, 303, 307, 308; else 301 and 302 */
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
const char *fetch_where(const struct fetch *f); /* "host:port" that answers, for messages; lives as f */
/* Of a 206: where its part begins and how long the whole is; false when it does not say so, and then its
 * bytes are of nothing that is known. */
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
