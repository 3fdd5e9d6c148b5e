/* SPDX-License-Identifier: Apache-2.0 */
/* oslo.middleware's healthcheck application with its disable_by_file backend, as seen on the wire. */
#include "api/request.h"

#include <string.h>
#include <unistd.h>

static void add_html(struct str *out, const char *reason)
{
    str_addf(
        out,
        "<HTML>\n<HEAD><TITLE>Healthcheck Status</TITLE></HEAD>\n<BODY>\n\n<H2>Result of 1 checks:</H2>\n"
        "<TABLE bgcolor=\"#ffffff\" border=\"1\">\n<TBODY>\n<TR>\n\n<TH>\nReason\n</TH>\n</TR>\n<TR>\n\n    "
        "<TD>%s</TD>\n\n"
        "</TR>\n</TBODY>\n</TABLE>\n<HR></HR>\n\n</BODY>\n</HTML>",
        reason);
}

static const char *add_body(struct request *rq, struct str *body, const char *reason)
{
    static const char *const offers[] = { "text/plain", "text/html", "application/json" };

    switch (http_accept_best(http_header(rq->http, "Accept"), offers, COUNT(offers))) {
    case 1:
        add_html(body, reason);
        return "text/html; charset=UTF-8";
    case 2:
        str_addf(body, "{\n    \"detailed\": false,\n    \"reasons\": [\n        \"%s\"\n    ]\n}", reason);
        return "application/json";
    default:
        str_add(body, reason);
        return "text/plain; charset=UTF-8";
    }
}

bool healthcheck_answer(struct request *rq)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    const struct settings *s = rq->settings;
    const char *type, *path = rq->http->path;
    size_t n;
    bool disabled, head = str_eq(rq->http->method, "HEAD");

    if (!s->healthcheck_path)
        return false;
    n = strlen(s->healthcheck_path);
    if (strncmp(path, s->healthcheck_path, n) != 0 || (path[n] && path[n] != '/'))
        return false;
    disabled = s->healthcheck_disable_file && access(s->healthcheck_disable_file, F_OK) == 0;
    type = add_body(rq, &body, disabled ? "DISABLED BY FILE" : "OK");
    if (head)
        respond_empty(rq, disabled ? 503 : 204, NULL);
    else
        respond_text(rq, disabled ? 503 : 200, type, str_text(&body), body.len);
    return true;
}
