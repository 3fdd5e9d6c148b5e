/* SPDX-License-Identifier: Apache-2.0 */
/* What gateways inside other programs share: a host that is opened by whichever process serves, when it first
 * does, and answers to requests that the service shall not see.
 *
 * Thread-safe once loaded. */
#ifndef EMBED_EMBED_H
#define EMBED_EMBED_H

#include "base/base.h"
#include "conf/conf.h"
#include "http/http.h"

struct embedded;

/* Reads and checks the configuration; opens nothing, so that it may happen before a fork. The texts of rq are
 * copied, but for the environment. A wrong configuration is an error that names file and line. */
int embedded_load(const struct conf_request *rq, struct embedded **ret, struct error *e) MUST_CHECK;
/* Reads it again, in a process that has not opened it. On an error what was loaded stays. */
int embedded_reload(struct embedded *m, struct error *e) MUST_CHECK;
/* The service, opened when this process has not opened it yet: a process that was forked after the opening
 * opens its own. After a failure, which is logged, the next attempt is made a second later; until then the
 * error is told again. */
int embedded_open(struct embedded *m, struct http_service *ret, struct error *e) MUST_CHECK;
/* An option of seconds in [glint], as microseconds. */
int64_t embedded_seconds_us(struct embedded *m, const char *name);
/* No request may be running. What another process opened is left alone. Takes NULL. */
void embedded_free(struct embedded *m);

/* ---- one answer ---- */

/* What was promised of an answer, and what of it is still to come. */
struct embedded_answer {
    bool headed, bodyless; /* bodyless: HEAD, 204 and the like; what is written is dropped */
    bool sized, dated;     /* add() was given Content-Length, Date */
    int64_t left;          /* < 0: unknown */
};
/* Begins it and passes on each header that may go out, Content-Length among them; the connection, its coding
 * and Date are the server's to declare. -1 when it had begun before. */
int embedded_answer_begin(struct embedded_answer *a, const struct http_request *rq, int status,
                          const struct http_headers *h, int64_t length,
                          void (*add)(void *arg, const char *name, const char *value), void *arg);
/* How many of n bytes are to be sent now. */
uint64_t embedded_answer_take(struct embedded_answer *a, uint64_t n);
/* Whether less was written than promised, so that the client must not take it for the whole. */
bool embedded_answer_is_short(const struct embedded_answer *a);

/* Reads at most n bytes at the offset, again after a signal. 0: the file ends there; -1 with errno set. */
ssize_t embedded_read_file(int fd, void *buf, size_t n, uint64_t offset);

/* Answers in plain text, and logs it, before the service or in its place. */
void embedded_refuse(struct http_request *rq, int status, const char *text);

/* A message with what is only for the log, into out. */
const char *embedded_error_text(const struct error *e, struct str *out);

#endif
