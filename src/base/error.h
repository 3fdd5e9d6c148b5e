/* SPDX-License-Identifier: Apache-2.0 */
/* One failure, told once: drivers and rooms say what failed, api/ alone says which HTTP status.
 *
 * A fallible function returns 0 and touches no error, or fills *e and returns -1. The struct is the
 * caller's, usually on its stack; code branches on `kind`, never on text. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

enum error_kind {
    ERROR_NONE = 0,
    ERROR_INVALID,         /* the request itself is wrong: 400 */
    ERROR_UNAUTHENTICATED, /* the caller has no valid identity: 401 */
    ERROR_FORBIDDEN,       /* known caller, not allowed: 403 */
    ERROR_NOT_FOUND,       /* absent, or hidden from this caller: 404 */
    ERROR_METHOD,          /* the resource has no such method: 405 */
    ERROR_CONFLICT,        /* the state does not allow it now: 409 */
    ERROR_GONE,            /* it went away while we worked: 410 */
    ERROR_PRECONDITION,    /* not the version that the request is meant for: 412 */
    ERROR_TOO_LARGE,       /* cap, quota or full medium: 413 */
    ERROR_MEDIA,           /* media type or image format: 415 */
    ERROR_RANGE,           /* no such bytes: 416 */
    ERROR_HEADER_SIZE,     /* one header field is over its limit: 431 */
    ERROR_INTERNAL,        /* our fault: 500 */
    ERROR_UNIMPLEMENTED,   /* a method HTTP has and this service has not: 501 */
    ERROR_UNAVAILABLE,     /* a medium or the database refuses now: 503 */
    ERROR_ABORTED,         /* the client went away and reads no answer */
    ERROR_WOULD_BLOCK,     /* only under DB_NOWAIT: run the request again on a worker */
    ERROR_AGAIN,           /* the database undid the transaction, which may succeed now: 503 (db/db.h) */
    ERROR_UNCERTAIN,       /* no answer to a commit, so it may have gone through or not: 503 (db/db.h) */
    ERROR_KINDS
};

/* Sized for the longest text a client gets to see; longer ones are cut at a UTF-8 boundary. */
#define ERROR_MESSAGE_MAX 1200
#define ERROR_DETAIL_MAX  400

struct error {
    enum error_kind kind;
    uint16_t status;                 /* HTTP; from error_kinds[], api/ may override it */
    bool in_detail;                  /* api/: `message` is the detail part of the body */
    char message[ERROR_MESSAGE_MAX]; /* for the client */
    char detail[ERROR_DETAIL_MAX];   /* for the log only: errno, SQL state, driver text */
};

struct error_kind_info {
    const char *name;
    uint16_t status;
    int level; /* a log level: how loud the access log is about it */
};
extern const struct error_kind_info error_kinds[ERROR_KINDS];

/* Makes *e empty; needed only where *e is read without a failure having filled it. */
void error_clear(struct error *e);

/* Fills *e (message from the format, detail empty) and returns -1. */
int error_set(struct error *e, enum error_kind kind, const char *message, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether a call failed for want of something that may be there again in a moment: descriptors, memory,
 * threads. It says nothing of what was asked for. */
bool error_is_exhausted(int err);

/* As error_set, with errno's text and number in the detail. What failed by exhaustion is ERROR_UNAVAILABLE,
 * whatever the kind. */
int error_errno(struct error *e, enum error_kind kind, int err, const char *message, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends to the detail ("; " between), for a cause or for a failure while cleaning up: the first
 * failure keeps its kind and message. Returns -1. */
int error_detail(struct error *e, const char *text, ...) __attribute__((format(printf, 2, 3)));

/* Same failure, other answer: only api/ calls it. Returns -1. */
int error_as(struct error *e, uint16_t status, const char *message, ...)
    __attribute__((format(printf, 3, 4)));

#endif
