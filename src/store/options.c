/* SPDX-License-Identifier: Apache-2.0 */
/* Options of one store: from its own section, else from [backend_defaults]. */
#include "store/driver.h"

static const char *group_of(const struct config *c, const char *group, const char *name)
{
    return !config_is_set(c, group, name) && config_is_set(c, "backend_defaults", name) ? "backend_defaults"
                                                                                        : group;
}

const char *store_option_str(const struct config *c, const char *group, const char *name)
{
    return config_str(c, group_of(c, group, name), name);
}

bool store_option_bool(const struct config *c, const char *group, const char *name)
{
    return config_bool(c, group_of(c, group, name), name);
}

int64_t store_option_int(const struct config *c, const char *group, const char *name)
{
    return config_int(c, group_of(c, group, name), name);
}

size_t store_option_list(const struct config *c, const char *group, const char *name, const char *const **ret)
{
    return config_list(c, group_of(c, group, name), name, ret);
}
