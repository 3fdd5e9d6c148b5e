/* SPDX-License-Identifier: Apache-2.0 */
/* Protected properties within a request. What its caller may not read is set apart as soon as an image is
 * loaded, so that nothing behind it (documents, rules, patches) can show it; saving writes both parts. */
#include "api/core/access.h"

bool request_may(struct request *rq, const char *property, enum property_right right)
{
    if (!rq->settings->protections)
        return true;
    if (!rq->rights)
        rq->rights = property_rights_make(rq->arena, rq->settings->protections, rq->rules, &rq->identity);
    return property_allowed(rq->rights, property, right);
}

int request_may_change(struct request *rq, const char *property, enum property_right right, struct error *e)
{
    if (request_may(rq, property, right))
        return 0;
    return error_set(e, ERROR_FORBIDDEN, "Attribute '%s' is reserved.", property);
}

void request_hide(struct request *rq, struct image *im)
{
    size_t kept = 0;

    if (!rq->settings->protections)
        return;
    for (size_t i = 0; i < im->n_properties; i++) {
        if (request_may(rq, im->properties[i].name, PROPERTY_READ))
            im->properties[kept++] = im->properties[i];
        else
            *ARENA_PUSH(rq->arena, im->hidden, im->n_hidden, im->cap_hidden) = im->properties[i];
    }
    im->n_properties = kept;
    image_properties_index(rq->arena, im);
}
