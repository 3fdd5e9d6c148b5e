/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"
#include "imports/import.h"

static void rules_free(void *rules)
{
    fetch_rules_free(rules);
}

void inspect_policy_read(const struct config *c, struct inspect_policy *ret)
{
    ret->require_match = config_bool(c, "image_format", "require_image_format_match");
    ret->n_gpt_nonfatal = config_list(c, "image_format", "gpt_safety_checks_nonfatal", &ret->gpt_nonfatal);
    ret->n_vmdk_types = config_list(c, "image_format", "vmdk_allowed_types", &ret->vmdk_types);
}

void import_settings_read(const struct config *c, struct arena *a, struct import_settings *ret)
{
    *ret = (struct import_settings){
        .hashing_algorithm = config_str(c, "DEFAULT", "hashing_algorithm"),
        .size_cap = (uint64_t)config_int(c, "DEFAULT", "image_size_cap"),
        .max_parallel_stores = config_int(c, "image_import_opts", "max_parallel_stores"),
        .task_hours = config_int(c, "task", "task_time_to_live"),
        .config = c,
    };
    inspect_policy_read(c, &ret->inspect);
    ret->sources = fetch_rules_make(c, NULL);
    arena_at_end(a, rules_free, ret->sources);
    hosts_read(c, &ret->hosts);
}
