/* SPDX-License-Identifier: Apache-2.0 */
/* Who a caller is, and what it may do. */
#include "main/deploy.h"

#include <jansson.h>
#include <string.h>

/* As Keystone's filter would set them; the other spelling becomes the same CGI variables. */
static const char *const spellings[] = {
    "X-Identity-Status: Confirmed\r\nX-User-Id: check-deploy\r\nX-Project-Id: check-deploy-nobody\r\n"
    "X-Roles: admin,member,reader\r\nX-Is-Admin-Project: true\r\n",
    "X_Identity_Status: Confirmed\r\nX_User_Id: check-deploy\r\nX_Project_Id: check-deploy-nobody\r\n"
    "X_Roles: admin,member,reader\r\nX_Is_Admin_Project: true\r\n",
};

/* Whether a new image belongs to the project that these headers name; it is deleted again. */
static bool owns(struct deploy *d, const char *fields)
{
    static const char body[] = "{\"name\": \"glint check-deploy\"}";
    CLEANUP(probe_answer_done) struct probe_answer made = { .body = STR_INIT };
    CLEANUP(probe_answer_done) struct probe_answer gone = { .body = STR_INIT };
    const char *owner, *id;
    bool ours;
    json_t *j;

    if (!deploy_ask(d, "POST", "/v2/images",
                    arena_printf(d->arena, "%sContent-Type: application/json\r\n", fields), body, &made))
        return false;
    j = json_loads(str_text(&made.body), 0, NULL);
    owner = json_string_value(json_object_get(j, "owner"));
    id = json_string_value(json_object_get(j, "id"));
    ours = str_eq(owner, "check-deploy-nobody");
    if (id)
        (void)deploy_ask(d, "DELETE", deploy_path(d, id, ""), fields, NULL, &gone);
    json_decref(j);
    return ours;
}

/* Whether these headers make a difference when a client without a token sends them. */
static bool believed(struct deploy *d, const char *fields)
{
    CLEANUP(probe_answer_done) struct probe_answer nobody = { .body = STR_INIT };
    CLEANUP(probe_answer_done) struct probe_answer somebody = { .body = STR_INIT };

    if (!deploy_ask(d, "GET", "/v2/images?limit=1", "", NULL, &nobody) ||
        !deploy_ask(d, "GET", "/v2/images?limit=1", fields, NULL, &somebody))
        return false;
    if (nobody.status == 401)
        return somebody.status == 200;
    return owns(d, fields);
}

bool deploy_identity(struct deploy *d)
{
    const char *const *headers = d->place.headers;
    size_t taken = 0;

    d->place.headers = NULL;
    while (taken < COUNT(spellings) && !believed(d, spellings[taken]))
        taken++;
    d->place.headers = headers;
    d->advice = NULL;
    str_clear(&d->why);
    if (taken == COUNT(spellings))
        return true;
    if (d->identity)
        return deploy_note(d, "X-Identity-Status, X-Roles and the like are believed here, as --header takes "
                              "for granted: only a server that takes them off requests may reach this "
                              "address, and no client");
    return deploy_seen(d,
                       "DANGER: whoever sends %s, %s and %s without any token is believed: "
                       "every client is administrator",
                       taken ? "X_Identity_Status" : "X-Identity-Status", taken ? "X_Roles" : "X-Roles",
                       taken ? "X_Project_Id" : "X-Project-Id");
}

bool deploy_create(struct deploy *d)
{
    d->image = deploy_image_make(d);
    return d->image != NULL;
}

bool deploy_methods(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer patch = { .body = STR_INIT };
    CLEANUP(probe_answer_done) struct probe_answer head = { .body = STR_INIT };
    CLEANUP(probe_answer_done) struct probe_answer gone = { .body = STR_INIT };
    const char *id;

    if (!deploy_ask(d, "PATCH", deploy_path(d, d->image, ""),
                    "Content-Type: application/openstack-images-v2.1-json-patch\r\n",
                    "[{\"op\": \"replace\", \"path\": \"/name\", \"value\": \"glint check-deploy\"}]",
                    &patch))
        return false;
    if (patch.status != 200)
        return deploy_seen(d, "PATCH is answered %d%s", patch.status, deploy_by(&patch));
    if (!deploy_ask(d, "HEAD", deploy_path(d, d->image, ""), "", NULL, &head))
        return false;
    if (!deploy_is_ours(&head))
        return deploy_seen(d, "HEAD is answered %d by the server before the service", head.status);
    id = deploy_image_make(d);
    if (!id || !deploy_ask(d, "DELETE", deploy_path(d, id, ""), "", NULL, &gone))
        return false;
    return gone.status == 204 || deploy_seen(d, "DELETE is answered %d%s", gone.status, deploy_by(&gone));
}
