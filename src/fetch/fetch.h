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

/* ---- one answer, read as a stream ---- */

struct fetch_options {
    bool verify;             /* the server's certificate */
    const char *ca_file;     /* PEM; NULL or "": the system's */
    const char *proxy_http;  /* for http:// URLs; NULL: what the environment says */
    const char *proxy_https; /* for https:// URLs */
    int64_t timeout_ms;      /* that may pass without a byte */
    unsigned requests_max;   /* the first one and those that redirects lead to */
};

struct fetch;

/* Asks for the URL, from `offset` on where that is not 0, or by HEAD, and returns when the final answer's
 * head is there, whatever its status. Followed are 301 and 302, to http and https alone, and never from
 * elsewhere to an address of this machine or its link (RFC 3927, RFC 4291). */
int fetch_open(const struct fetch_options *o, const char *url, bool head, uint64_t offset, struct fetch **ret,
               struct error *e) MUST_CHECK;
unsigned fetch_status(const struct fetch *f);
int64_t fetch_length(const struct fetch *f); /* bytes of this answer's body; -1: not told */
/* Of a 206: where its part begins and how long the whole is; false when it does not say so. */
bool fetch_part(const struct fetch *f, uint64_t *ret_first, uint64_t *ret_total);
/* > 0 bytes; 0 when the body was complete; -1. */
ssize_t fetch_read(struct fetch *f, void *buf, size_t n, struct error *e);
void fetch_close(struct fetch **f); /* takes NULL; for CLEANUP */

/* Whether it is an address of this machine (loopback, unspecified) or of its link; also when written as an
 * IPv4 address inside IPv6. */
struct sockaddr;
bool fetch_address_near(const struct sockaddr *address);

#endif
