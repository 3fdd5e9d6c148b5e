/* SPDX-License-Identifier: Apache-2.0 */
/* Private to imports/: an object of another server that becomes the staged file. */
#ifndef IMPORTS_FETCH_H
#define IMPORTS_FETCH_H

#include "fetch/fetch.h"
#include "imports/import.h"

/* All that a task says of whatever goes wrong with another server; as Glance 33. */
#define IMPORT_FAILED    "Task failed due to Internal Error"
#define IMPORT_TOO_LARGE "The incoming image is too large: The provided image is too large."

struct import_source {
    const char *url;
    const char *header; /* "Name: value" sent to this server, and not along redirects; NULL: none */
    int64_t size;       /* bytes that it has to have; -1: unknown */
};
/* Ends with a whole file in staging, and the step. Goes on where an earlier try of the job ended.
 * ERROR_UNAVAILABLE: it may be there later; ERROR_INVALID: it cannot be had; ERROR_TOO_LARGE;
 * ERROR_PRECONDITION: it does not have the hashes of im->staging.expected. */
int import_fetch(struct import *im, const struct import_source *source, struct error *e) MUST_CHECK;
/* URL of the source whose bytes an earlier try left; NULL: none. */
int import_fetch_begun(struct import *im, const char **ret, struct error *e) MUST_CHECK;

/* For shorter questions to the same servers: the same filter and limits. */
void import_fetch_options(struct import *im, struct fetch_options *ret);
/* 2xx, or an error; remembers how long the server wants to be left alone. */
int import_status_check(struct import *im, const struct fetch *f, struct error *e) MUST_CHECK;
/* Of a server that was asked: what the client may know of this failure; the rest becomes detail. */
int import_unreached(struct error *e);
/* Microseconds that a Retry-After asks for, an hour at most; 0: none. */
int64_t import_retry_after(const char *text, int64_t now_us);

#endif
