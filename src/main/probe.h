/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to a front end, of which every byte is ours: what a helpful client would hide is what is
 * asked about. Everything blocks, within the time given to probe_open(). One thread. */
#ifndef MAIN_PROBE_H
#define MAIN_PROBE_H

#include "base/base.h"
#include "http/http.h"

struct probe; /* one connection */

/* Where, and as whom. */
struct probe_place {
    const char *url;            /* without a '/' at the end */
    const char *host, *prefix;  /* of it: what goes into Host, and the mount, "" or "/image" */
    const char *const *headers; /* "Name: value" of every request; NULL-terminated */
    bool insecure;              /* any certificate will do */
    bool narrow;                /* little is received ahead of the reader */
    int64_t timeout_us;         /* for each wait */
};

struct probe_answer {
    int status; /* 0: none came */
    struct http_headers headers;
    struct str body; /* its first 64 KiB */
    uint64_t length; /* all of it */
    bool whole;      /* its end was the one that its head promised */
    bool closes;
};

/* Splits the URL; false when it is none of http or https. Texts of the arena. */
bool probe_place_read(struct arena *a, const char *url, struct probe_place *ret);

int probe_open(const struct probe_place *place, struct probe **ret, struct error *e) MUST_CHECK;
void probe_close(struct probe **p); /* takes NULL; for CLEANUP */
/* A request's head; path is below the mount, fields are complete lines with CR LF, or "". */
int probe_head(struct probe *p, const char *method, const char *path, const char *fields,
               struct error *e) MUST_CHECK;
/* False when the other side takes no more; an answer may be there all the same. */
bool probe_send(struct probe *p, const void *bytes, size_t n);
/* Whether an answer or the end of the connection is there, or comes within so many us. */
bool probe_stirs(struct probe *p, int64_t wait_us);
/* The next answer with its body; interim ones (1xx) only when wanted, as they come. -1: none came in time, or
 * the connection ended; ret->status says whether a head was there. Its memory is the arena's and ret->body's.
 */
int probe_answer(struct probe *p, struct arena *a, const char *method, bool interim, struct probe_answer *ret,
                 struct error *e) MUST_CHECK;
void probe_answer_done(struct probe_answer *answer); /* for CLEANUP */

#endif
