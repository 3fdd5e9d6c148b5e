/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/auth.h"

#include <string.h>

bool identity_has_role(const struct identity *id, const char *role)
{
    for (size_t i = 0; i < id->n_roles; i++)
        if (str_eq(id->roles[i], role))
            return true;
    return false;
}

struct viewer identity_viewer(const struct identity *id)
{
    return (struct viewer){ .is_admin = id->is_admin, .project = id->project };
}

void identity_unauthenticated(struct identity *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->is_admin = true;
}

void identity_sole_user(struct identity *ret)
{
    identity_unauthenticated(ret);
    ret->roles[ret->n_roles++] = "admin";
    ret->roles[ret->n_roles++] = "member";
    ret->roles[ret->n_roles++] = "reader";
}

/* Comma-separated, blanks stripped; empty names and what exceeds the table are dropped. */
static size_t roles_parse(struct arena *a, const char *header, bool lower, const char **ret, size_t max)
{
    char *text = arena_str(a, header), *next;
    size_t n_roles = 0;

    for (; text && n_roles < max; text = next) {
        size_t n;

        next = strchr(text, ',');
        if (next)
            *next++ = '\0';
        text += strspn(text, " \t");
        n = strlen(text);
        while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
            text[--n] = '\0';
        if (lower)
            str_lower(text);
        if (*text)
            ret[n_roles++] = text;
    }
    return n_roles;
}

/* The newest name first; the others are what older auth_token filters set (oslo.context). */
static const char *const user_headers[] = { "X-User-Id", "X-User", NULL };
static const char *const project_headers[] = { "X-Project-Id", "X-Tenant-Id", "X-Tenant", NULL };

static const char *const other_headers[] = {
    "X-Identity-Status",
    "X-User-Domain-Id",
    "X-Project-Domain-Id",
    "X-Domain-Id",
    "OpenStack-System-Scope",
    "X-Roles",
    "X-Role",
    "X-Is-Admin-Project",
    "X-Service-User-Id",
    "X-Service-Roles",
    "X-Service-User-Domain-Id",
    "X-Service-Project-Id",
    "X-Service-Project-Domain-Id",
    NULL,
};
static const char *const token_headers[] = { "X-Auth-Token", "X-Service-Token", NULL };

static const char *first_header(struct http_request *rq, const char *const *names)
{
    for (; *names; names++) {
        const char *value = http_header(rq, *names);

        if (value)
            return value;
    }
    return NULL;
}

static void identity_read(struct http_request *rq, struct identity *ret)
{
    const char *roles = http_header(rq, "X-Roles"), *admin_project = http_header(rq, "X-Is-Admin-Project");

    ret->user = first_header(rq, user_headers);
    ret->project = first_header(rq, project_headers);
    ret->user_domain = http_header(rq, "X-User-Domain-Id");
    ret->project_domain = http_header(rq, "X-Project-Domain-Id");
    ret->domain = http_header(rq, "X-Domain-Id");
    ret->system_scope = http_header(rq, "OpenStack-System-Scope");
    ret->service_user = http_header(rq, "X-Service-User-Id");
    ret->service_user_domain = http_header(rq, "X-Service-User-Domain-Id");
    ret->service_project = http_header(rq, "X-Service-Project-Id");
    ret->service_project_domain = http_header(rq, "X-Service-Project-Domain-Id");
    ret->other_project = admin_project && !str_eq_nocase(admin_project, "true");
    ret->n_roles = roles_parse(rq->arena, roles ? roles : http_header(rq, "X-Role"), true, ret->roles,
                               IDENTITY_ROLES_MAX);
    ret->n_service_roles = roles_parse(rq->arena, http_header(rq, "X-Service-Roles"), false,
                                       ret->service_roles, IDENTITY_SERVICE_ROLES_MAX);
}

const char *const *identity_headers(struct http_request *rq, bool believed)
{
    const char *const *const lists[] = { token_headers, user_headers, project_headers, other_headers };
    const char **all = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < (believed ? COUNT(lists) : 1); i++)
        for (const char *const *name = lists[i]; *name; name++) {
            const char *value = http_header(rq, *name);

            if (value)
                *ARENA_PUSH(rq->arena, all, n, cap) = arena_printf(rq->arena, "%s: %s", *name, value);
        }
    *ARENA_PUSH(rq->arena, all, n, cap) = NULL;
    return all;
}

int identity_from_headers(struct http_request *rq, bool allow_anonymous, struct identity *ret,
                          struct error *e)
{
    memset(ret, 0, sizeof *ret);
    if (str_eq(http_header(rq, "X-Identity-Status"), "Confirmed")) {
        identity_read(rq, ret);
        return 0;
    }
    if (!allow_anonymous)
        return error_set(e, ERROR_UNAUTHENTICATED, "%s", "");
    ret->read_only = true;
    return 0;
}
