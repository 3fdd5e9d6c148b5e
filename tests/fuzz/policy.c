/* SPDX-License-Identifier: Apache-2.0 */
/* Policy files: whatever stands in one, it is refused with a place, or its rules can be asked and end. */
#include "auth/policy_private.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void ask_all(const struct policy_rules *r)
{
    static const struct image image = { .id = "i", .owner = "p1", .visibility = IMAGE_SHARED, .size = 5 };
    static const struct identity who = {
        .user = "u", .project = "p1", .roles = { "member", "reader" }, .n_roles = 2
    };
    struct policy_target target;
    struct policy_rule_info info;

    policy_target_image(&image, &who, &target);
    for (size_t i = 0; i < 400 && policy_rule_at(r, i, &info); i++)
        check(policy_ask(r, &who, info.name, &target) <= VERDICT_BROKEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct policy_options o = { .default_rule = "default" };
    struct arena *a = arena_make(4096);
    struct raw_rules raw = { 0 };
    struct policy_rules *r;
    struct error e;

    if (policy_text_load(a, "fuzz", (const char *)data, len, &o, &raw, &e) < 0) {
        check(e.kind == ERROR_INVALID && str_starts(e.message, "fuzz:"));
        arena_free(a);
        return 0;
    }
    r = policy_rules_make(a, &o, &raw);
    if (!r->remote)
        ask_all(r);
    policy_release(r);
    return 0;
}
