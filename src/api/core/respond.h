/* SPDX-License-Identifier: Apache-2.0 */
/* How handlers answer. */
#ifndef API_CORE_RESPOND_H
#define API_CORE_RESPOND_H

#include "api/core/request.h"

/* Answers. Each sends head and body and returns 0; a client that went away is not the handler's problem. */
int respond_json(struct request *rq, int status, const struct str *body);
int respond_text(struct request *rq, int status, const char *type, const char *body, size_t n);
int respond_empty(struct request *rq, int status, const char *type);
/* Adds the request id and sends the head; for handlers that send the body themselves. */
int respond_head(struct request *rq, int status, int64_t length);
/* As error_set, for the messages that Glance raises without naming them the explanation: the status's stock
 * text comes first. */
int error_in_detail(struct error *e, enum error_kind kind, const char *message, ...) PRINTF(3, 4);
/* The failure, in the form the client accepts. */
void respond_error(struct request *rq, const struct error *e);

#endif
