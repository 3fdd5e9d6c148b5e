/* SPDX-License-Identifier: Apache-2.0 */
/* Error bodies as WebOb negotiates them for Glance: html, JSON or plain text, one template for each
 * (seen on the wire of Glance 33; WebOb 1.8 exc.py describes the parts). */
#include "api/core/respond.h"

#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *text;
} stock[] = {
    { 400,
      "The server could not comply with the request since it is either malformed or otherwise incorrect." },
    { 401, "This server could not verify that you are authorized to access the document you requested. "
           "Either you supplied "
           "the wrong credentials (e.g., bad password), or your browser does not understand how to supply "
           "the credentials "
           "required." },
    { 403, "Access was denied to this resource." },
    { 404, "The resource could not be found." },
    { 409, "There was a conflict when trying to complete your request." },
    { 410, "This resource is no longer available.  No forwarding address is given." },
    { 412, "Request precondition failed." },
    { 413, "The body of your request was too large for this server." },
    { 416, "The Range requested is not available." },
    { 431, "The server is unwilling to process the request because its header fields are too large." },
    { 500, "The server has either erred or is incapable of performing the requested operation." },
    { 503, "The server is currently unavailable. Please try again at a later time." },
};

int error_in_detail(struct error *e, enum error_kind kind, const char *message, ...)
{
    va_list ap;

    error_set(e, kind, "%s", "");
    e->in_detail = true;
    va_start(ap, message);
    vsnprintf(e->message, sizeof e->message, message, ap);
    va_end(ap);
    return -1;
}

static const char *stock_text(int status)
{
    for (size_t i = 0; i < COUNT(stock); i++)
        if (stock[i].status == status)
            return stock[i].text;
    return http_phrase(status);
}

static void add_escaped(struct str *out, const char *text, bool html)
{
    if (!html) {
        str_add(out, text);
        return;
    }
    for (; *text; text++) {
        switch (*text) {
        case '&':
            str_add(out, "&amp;");
            break;
        case '<':
            str_add(out, "&lt;");
            break;
        case '>':
            str_add(out, "&gt;");
            break;
        case '"':
            str_add(out, "&quot;");
            break;
        case '\'':
            str_add(out, "&#x27;");
            break;
        default:
            str_addc(out, *text);
        }
    }
}

/* The template of the status, filled in; html: the parts that came from outside are escaped. */
static void add_message(struct str *out, struct request *rq, const struct error *e, bool html)
{
    const char *explanation = e->in_detail || !e->message[0] ? stock_text(e->status) : e->message;
    const char *detail = e->in_detail ? e->message : "";
    const char *type;

    switch (e->status) {
    case 405:
        if (e->message[0]) {
            add_escaped(out, e->message, html);
            break;
        }
        str_add(out, "The method ");
        add_escaped(out, rq->http->method, html);
        str_add(out, " is not allowed for this resource. <br /><br />\n");
        add_escaped(out, detail, html);
        break;
    case 415:
        type = http_header(rq->http, "Content-Type");
        str_add(out, "The request media type ");
        add_escaped(out, type ? type : "", html);
        str_add(out, " is not supported by this server.\n<br /><br />\n");
        add_escaped(out, detail, html);
        break;
    case 501:
        str_add(out, "\nThe request method ");
        add_escaped(out, rq->http->method, html);
        str_add(out, " is not implemented for this server. <br /><br />\n");
        add_escaped(out, detail, html);
        break;
    default:
        add_escaped(out, explanation, html);
        str_add(out, "<br /><br />\n");
        add_escaped(out, detail, html);
        str_add(out, "\n\n");
    }
}

/* Line breaks become blanks, <br> a line break, and every other tag goes, as WebOb's strip_tags does. */
static void add_stripped(struct str *out, const char *text)
{
    while (*text) {
        const char *end = *text == '<' ? strchr(text, '>') : NULL;

        if (end) {
            if ((text[1] | 32) == 'b' && (text[2] | 32) == 'r')
                str_addc(out, '\n');
            text = end + 1;
            continue;
        }
        if (*text != '\r')
            str_addc(out, *text == '\n' ? ' ' : *text);
        text++;
    }
}

static void add_html(struct str *out, const char *status_line, const char *message)
{
    str_addf(out, "<html>\n <head>\n  <title>%s</title>\n </head>\n <body>\n  <h1>%s</h1>\n  ", status_line,
             status_line);
    str_add(out, message);
    str_add(out, "\n </body>\n</html>");
}

static void add_json(struct str *out, const char *status_line, const char *title, const char *message)
{
    str_add(out, "{\"message\": ");
    json_add_text(out, message, true);
    str_addf(out, ", \"code\": \"%s\", \"title\": \"%s\"}", status_line, title);
}

void respond_error(struct request *rq, const struct error *e)
{
    static const char *const offers[] = { "text/html", "application/json" };
    CLEANUP(str_done) struct str raw = STR_INIT, message = STR_INIT, body = STR_INIT;
    const char *title = http_phrase(e->status);
    const char *status_line = arena_printf(rq->arena, "%u %s", e->status, title);
    int form = http_accept_best(http_header(rq->http, "Accept"), offers, COUNT(offers));
    const char *type = form == 0 || str_eq(rq->http->method, "HEAD") ? "text/html; charset=UTF-8"
                       : form == 1                                   ? "application/json"
                                                                     : "text/plain; charset=UTF-8";

    if (str_eq(rq->http->method, "HEAD")) { /* no body is made, and so none is announced */
        respond_empty(rq, e->status, type);
        return;
    }
    add_message(&raw, rq, e, form == 0);
    str_add_utf8(&message, str_text(&raw)); /* methods, types and paths are the client's bytes */
    if (form == 0) {
        add_html(&body, status_line, str_text(&message));
    } else if (form == 1) {
        add_json(&body, status_line, title, str_text(&message));
    } else {
        str_addf(&body, "%s\n\n", status_line);
        add_stripped(&body, str_text(&message));
    }
    respond_text(rq, e->status, type, str_text(&body), body.len);
}
