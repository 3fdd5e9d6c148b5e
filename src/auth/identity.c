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

void identity_unauthenticated(bool enforce_new_defaults, struct identity *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->is_admin = true;
    ret->unrestricted = !enforce_new_defaults;
}

/* Comma-separated, blanks stripped, lower-cased; empty names and what exceeds the table are dropped. */
static void roles_parse(struct arena *a, const char *header, struct identity *id)
{
    char *text = arena_str(a, header), *next;

    for (; text && id->n_roles < IDENTITY_ROLES_MAX; text = next) {
        size_t n;

        next = strchr(text, ',');
        if (next)
            *next++ = '\0';
        text += strspn(text, " \t");
        n = strlen(text);
        while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
            text[--n] = '\0';
        str_lower(text);
        if (*text)
            id->roles[id->n_roles++] = text;
    }
}

/* The newest name first; the others are what older auth_token filters set (oslo.context). */
static const char *const user_headers[] = { "X-User-Id", "X-User", NULL };
static const char *const project_headers[] = { "X-Project-Id", "X-Tenant-Id", "X-Tenant", NULL };

static const char *first_header(struct http_request *rq, const char *const *names)
{
    for (; *names; names++) {
        const char *value = http_header(rq, *names);

        if (value)
            return value;
    }
    return NULL;
}

static bool has_text(const char *value)
{
    return value && *value;
}

int identity_from_headers(struct http_request *rq, bool allow_anonymous, struct identity *ret,
                          struct error *e)
{
    const char *status = http_header(rq, "X-Identity-Status");
    const char *roles = http_header(rq, "X-Roles");

    memset(ret, 0, sizeof *ret);
    if (!str_eq(status, "Confirmed")) {
        if (!allow_anonymous)
            return error_set(e, ERROR_UNAUTHENTICATED, "%s", "");
        ret->read_only = true;
        return 0;
    }
    ret->user = first_header(rq, user_headers);
    ret->project = first_header(rq, project_headers);
    ret->other_scope =
        has_text(http_header(rq, "OpenStack-System-Scope")) || has_text(http_header(rq, "X-Domain-Id"));
    if (roles)
        roles_parse(rq->arena, roles, ret);
    ret->is_admin = identity_has_role(ret, "admin");
    return 0;
}
