/* SPDX-License-Identifier: Apache-2.0 */
/* The whole service below a front end without sockets: SQLite and files in a temporary directory. */
#ifndef TESTS_API_SERVICE_H
#define TESTS_API_SERVICE_H

#include "api/api.h"
#include "front/loopback/loopback.h"
#include "test.h"

struct service {
    char dir[64];
    struct api *api;
    struct http_service http;
};

/* What the next service's database is opened by: "sqlite" or "fault+sqlite". */
extern const char *service_scheme;
/* Below which directory it lies; "/tmp". */
extern const char *service_top;
struct db *service_db(void);
struct stores *service_stores(void);

/* trusted: the identity comes from headers; else the caller may do everything. overrides: "group.name=value",
 * NULL-terminated, or NULL. */
void service_start(struct service *s, bool trusted, const char *const *overrides);
void service_stop(struct service *s);

/* What the tests of a file run on that need no more than one. */
extern struct service service;
/* Runs them; cmocka's status. */
#define SERVICE_RUN(tests, trusted, overrides)                                                               \
    (service_configure((trusted), (overrides)),                                                              \
     cmocka_run_group_tests((tests), service_set_up, service_tear_down))
void service_configure(bool trusted, const char *const *overrides);
int service_set_up(void **state);
int service_tear_down(void **state);

/* One request; roles NULL: no identity headers. */
struct call {
    const char *method, *target, *roles, *project, *accept, *type, *range, *body;
    const char *if_match, *if_none_match;
    size_t body_len; /* 0: strlen(body) */
    bool chunked;
};
void service_call(struct service *s, const struct call *c, struct loopback_answer *ret);
/* Only the status. */
int service_status(struct service *s, const struct call *c);
/* Creates an image of these attributes (a JSON object's inside) with this id; asserts 201. */
void service_create(struct service *s, const char *id, const char *attributes);

#endif
