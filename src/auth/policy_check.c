/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a tree lets: oslo.policy's semantics (_checks.py), without an allocation for the checks that the
 * defaults are made of. What raises an exception there is BROKEN here and ends the whole evaluation. */
#include "auth/policy_private.h"

#include <string.h>

/* The match as text: borrowed where it is one plain value, else written to *scratch. NO: a key is missing. */
static enum verdict match_text(const struct evaluation *ev, const struct match *m, struct str *scratch,
                               const char **ret)
{
    const struct piece *p = m->pieces;
    struct policy_value value;
    enum verdict v;

    if (m->n == 1 && !m->broken && p->text) {
        *ret = p->text;
        return VERDICT_YES;
    }
    if (m->n == 1 && !m->broken && p->conversion == 's' && p->width == 0 && p->precision < 0) {
        if (!ev->target->get(ev->target, &p->key, &value))
            return VERDICT_NO;
        if (value.type == POLICY_TEXT) {
            *ret = value.text;
            return VERDICT_YES;
        }
        if (value.type == POLICY_NONE || value.type == POLICY_BOOL) {
            *ret = value.type == POLICY_NONE ? "None" : value.number ? "True" : "False";
            return VERDICT_YES;
        }
    }
    v = match_format(m, ev->target, scratch);
    *ret = str_text(scratch);
    return v;
}

static enum verdict verdict_of(bool yes)
{
    return yes ? VERDICT_YES : VERDICT_NO;
}

static const char *credential_text(const struct identity *id, enum credential which)
{
    switch (which) {
    case CREDENTIAL_USER:
        return id->user;
    case CREDENTIAL_USER_DOMAIN:
        return id->user_domain;
    case CREDENTIAL_SYSTEM_SCOPE:
    case CREDENTIAL_SYSTEM:
        return id->system_scope;
    case CREDENTIAL_DOMAIN:
        return id->domain;
    case CREDENTIAL_PROJECT:
        return id->project;
    case CREDENTIAL_PROJECT_DOMAIN:
        return id->project_domain;
    case CREDENTIAL_IS_ADMIN_PROJECT:
        return id->other_project ? "False" : "True";
    case CREDENTIAL_SERVICE_USER:
        return id->service_user;
    case CREDENTIAL_SERVICE_USER_DOMAIN:
        return id->service_user_domain;
    case CREDENTIAL_SERVICE_PROJECT:
        return id->service_project;
    case CREDENTIAL_SERVICE_PROJECT_DOMAIN:
        return id->service_project_domain;
    default:
        return NULL;
    }
}

static enum verdict find_in(const char *const *items, size_t n, bool deeper, const char *text)
{
    if (deeper && n > 0)
        return VERDICT_BROKEN;
    for (size_t i = 0; i < n; i++)
        if (str_eq(items[i], text))
            return VERDICT_YES;
    return VERDICT_NO;
}

static enum verdict check_credential(const struct evaluation *ev, const struct check *c, const char *text)
{
    const struct identity *id = ev->identity;
    const char *value;

    switch (c->credential) {
    case CREDENTIAL_UNKNOWN:
        return VERDICT_NO;
    case CREDENTIAL_ROLES:
        return find_in(id->roles, id->n_roles, c->deeper, text);
    case CREDENTIAL_SERVICE_ROLES:
        return find_in(id->service_roles, id->n_service_roles, c->deeper, text);
    case CREDENTIAL_SYSTEM:
        if (!id->system_scope || !*id->system_scope)
            return VERDICT_NO;
        break;
    default:
        break;
    }
    if (c->deeper)
        return VERDICT_BROKEN;
    value = credential_text(id, c->credential);
    return verdict_of(str_eq(value ? value : "None", text));
}

static enum verdict check_match(const struct evaluation *ev, const struct check *c)
{
    CLEANUP(str_done) struct str scratch = STR_INIT;
    const char *text;
    enum verdict v = match_text(ev, &c->match, &scratch, &text);

    if (v != VERDICT_YES)
        return v;
    switch (c->kind) {
    case CHECK_ROLE:
        for (size_t i = 0; i < ev->identity->n_roles; i++)
            if (str_eq_nocase(ev->identity->roles[i], text))
                return VERDICT_YES;
        return VERDICT_NO;
    case CHECK_LITERAL:
        return verdict_of(str_eq(c->name, text));
    case CHECK_CREDENTIAL:
        return check_credential(ev, c, text);
    default:
        return VERDICT_BROKEN;
    }
}

/* AND stops at the first that does not let, OR at the first that does; both at what is broken. */
static enum verdict check_parts(struct evaluation *ev, const struct check *c)
{
    enum verdict end = c->kind == CHECK_AND ? VERDICT_NO : VERDICT_YES;

    for (size_t i = 0; i < c->n_parts; i++) {
        enum verdict v = policy_evaluate(ev, c->parts[i]);

        if (v == end || v == VERDICT_BROKEN)
            return v;
    }
    return end == VERDICT_NO ? VERDICT_YES : VERDICT_NO;
}

static enum verdict check_any(struct evaluation *ev, const struct check *c)
{
    enum verdict v;

    switch (c->kind) {
    case CHECK_NEVER:
        return VERDICT_NO;
    case CHECK_ALWAYS:
        return VERDICT_YES;
    case CHECK_AND:
    case CHECK_OR:
        return check_parts(ev, c);
    case CHECK_NOT:
        v = policy_evaluate(ev, c->parts[0]);
        return v == VERDICT_BROKEN ? v : verdict_of(v == VERDICT_NO);
    case CHECK_RULE:
        return c->rule ? policy_evaluate(ev, c->rule->check) : VERDICT_NO;
    case CHECK_REMOTE:
        return policy_remote(ev, c);
    case CHECK_BROKEN:
    case CHECK_ROLE:
    case CHECK_CREDENTIAL:
    case CHECK_LITERAL:
        break;
    }
    return check_match(ev, c);
}

/* Rules may go in circles, or double with every reference; both end at a bound. */
enum verdict policy_evaluate(struct evaluation *ev, const struct check *c)
{
    enum verdict v;

    if (ev->depth >= EVALUATION_DEPTH_MAX || ev->steps++ >= EVALUATION_STEPS_MAX)
        return VERDICT_BROKEN;
    ev->depth++;
    v = check_any(ev, c);
    ev->depth--;
    return v;
}
