/* SPDX-License-Identifier: Apache-2.0 */
/* The schema documents that no configuration changes, as Glance 33 serves them. */
#include "json/json.h"

extern const char json_schema_member[];
extern const char json_schema_members[];
extern const char json_schema_task[];
extern const char json_schema_tasks[];
extern const char json_schema_metadefs_namespace[];
extern const char json_schema_metadefs_namespaces[];
extern const char json_schema_metadefs_object[];
extern const char json_schema_metadefs_objects[];
extern const char json_schema_metadefs_properties[];
extern const char json_schema_metadefs_property[];
extern const char json_schema_metadefs_resource_type[];
extern const char json_schema_metadefs_resource_types[];
extern const char json_schema_metadefs_tag[];
extern const char json_schema_metadefs_tags[];

static const struct {
    const char *name, *text;
} documents[] = {
    { "member", json_schema_member },
    { "members", json_schema_members },
    { "task", json_schema_task },
    { "tasks", json_schema_tasks },
    { "metadefs/namespace", json_schema_metadefs_namespace },
    { "metadefs/namespaces", json_schema_metadefs_namespaces },
    { "metadefs/object", json_schema_metadefs_object },
    { "metadefs/objects", json_schema_metadefs_objects },
    { "metadefs/properties", json_schema_metadefs_properties },
    { "metadefs/property", json_schema_metadefs_property },
    { "metadefs/resource_type", json_schema_metadefs_resource_type },
    { "metadefs/resource_types", json_schema_metadefs_resource_types },
    { "metadefs/tag", json_schema_metadefs_tag },
    { "metadefs/tags", json_schema_metadefs_tags },
};

const char *schema_document(const char *name)
{
    for (size_t i = 0; i < COUNT(documents); i++)
        if (str_eq(documents[i].name, name))
            return documents[i].text;
    return NULL;
}
