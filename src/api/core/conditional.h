/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of requests (RFC 9110 section 13), and the versions that answers tell. */
#ifndef API_CORE_CONDITIONAL_H
#define API_CORE_CONDITIONAL_H

#include "api/core/request.h"

/* Conditions of the request (RFC 9110 section 13), to be asked when nothing else speaks against it; where
 * something is changed, inside its transaction. -1: ERROR_PRECONDITION (conditional.c). */
bool request_is_conditional(struct request *rq);
int request_conditions(struct request *rq, const struct http_validators *v, bool *ret_unchanged,
                       struct error *e) MUST_CHECK;
/* Of a change to the resource with this document; to what has no version that could be read. */
int request_document_conditions(struct request *rq, const struct str *body, int64_t modified_us,
                                struct error *e) MUST_CHECK;
int request_conditions_on_nothing(struct request *rq, struct error *e) MUST_CHECK;
/* Of a change to the resource with this ETag, which was changed last then. */
int request_version_conditions(struct request *rq, const char *etag, int64_t modified_us,
                               struct error *e) MUST_CHECK;
/* The ETag of a document; NULL: none could be made. */
const char *document_etag(struct request *rq, const struct str *body);
/* For the answer to a read, and for the answer to a change: which version there is now. */
void request_validators_add(struct request *rq, const struct http_validators *v);
void request_version_add(struct request *rq, const char *etag);
int respond_unchanged(struct request *rq, const struct http_validators *v); /* 304 */
/* What a read asks for, with its ETag; 304 or 412 where the request has conditions. */
int respond_document(struct request *rq, const struct str *body, struct error *e) MUST_CHECK;

#endif
