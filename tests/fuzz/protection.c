/* SPDX-License-Identifier: Apache-2.0 */
/* Property protection files: whatever stands in one, it is refused with a place, or each property gets an
 * answer. The first byte chooses the format. */
#include "auth/policy_private.h"
#include "auth/protection_private.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void ask_all(const struct protections *p, const struct policy_rules *rules)
{
    static const char *const names[] = {
        "", "a", "free_a", "os_glance_x", "x\n", "\xFF", "aaaaaaaaaaaaaaaaaaaa!", "ż1[odd]"
    };
    static const struct identity who = { .user = "u",
                                         .project = "p1",
                                         .roles = { "admin" },
                                         .n_roles = 1,
                                         .service_roles = { "special" },
                                         .n_service_roles = 1 };
    struct arena *a = arena_make(1024);
    struct property_rights *rights = property_rights_make(a, p, rules, &who);

    for (size_t i = 0; i < COUNT(names); i++) {
        for (size_t right = 0; right < PROPERTY_RIGHTS; right++) {
            bool may = property_allowed(rights, names[i], (enum property_right)right);

            check(may == property_allowed(rights, names[i], (enum property_right)right));
            check(may || !str_starts(names[i], "os_glance"));
        }
    }
    arena_free(a);
}

/* The policy with what the file adds to it; NULL: something in it is no rule. */
static struct policy_rules *rules_with(const struct policy_added *added, size_t n)
{
    const struct policy_options o = { .default_rule = "default", .enforce_new_defaults = true };
    struct arena *a = arena_make(4096);
    struct raw_rules raw = { 0 };
    struct policy_rules *r;
    struct error e;

    for (size_t i = 0; i < n; i++) {
        if (policy_added_load(a, &added[i], &raw, &e) == 0)
            continue;
        check(str_starts(e.message, "fuzz:"));
        arena_free(a);
        return NULL;
    }
    r = policy_rules_make(a, &o, &raw);
    if (policy_added_check(r, &e) == 0 && !policy_is_remote(r))
        return r;
    policy_release(r);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct protection_options o = { .policies = len > 0 && data[0] == 'P' };
    const struct policy_added *added;
    struct policy_rules *rules = NULL;
    struct protections *p;
    struct error e;
    size_t n;

    if (len == 0)
        return 0;
    if (protections_parse(&o, "fuzz", (const char *)data + 1, len - 1, &p, &e) < 0) {
        check(e.kind == ERROR_INVALID && str_starts(e.message, "fuzz:"));
        return 0;
    }
    n = protections_rules(p, &added);
    if (n > 0)
        rules = rules_with(added, n);
    if (rules || n == 0)
        ask_all(p, rules);
    policy_release(rules);
    protections_close(p);
    return 0;
}
