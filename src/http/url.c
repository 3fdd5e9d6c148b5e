/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <ctype.h>
#include <string.h>

/* '+' is a space and a bad escape stays as it is (Python's unquote_plus). NULL: not UTF-8. */
static const char *decode_form(struct arena *a, const char *raw, size_t n)
{
    char *out = arena_alloc(a, n + 1);
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (raw[i] == '+') {
            out[len++] = ' ';
        } else if (raw[i] == '%' && i + 2 < n && http_hex(raw[i + 1]) >= 0 && http_hex(raw[i + 2]) >= 0) {
            out[len++] = (char)(http_hex(raw[i + 1]) << 4 | http_hex(raw[i + 2]));
            i += 2;
        } else {
            out[len++] = raw[i];
        }
    }
    if (str_utf8_len(out, len) < 0)
        return NULL;
    if (memchr(out, '\0', len)) /* a C string cannot hold it; no stored text has one either */
        return arena_str(a, "\xEF\xBF\xBD");
    return out;
}

ssize_t http_query_parse(struct arena *a, const char *query, struct http_param **ret)
{
    struct http_param *params = NULL;
    size_t n = 0, cap = 0;

    *ret = NULL;
    while (query && *query) {
        size_t len = strcspn(query, "&;");
        const char *eq = memchr(query, '=', len);
        size_t name_len = eq ? (size_t)(eq - query) : len;

        if (len > 0) {
            struct http_param *p;

            if (n == HTTP_PARAMS_MAX)
                return HTTP_QUERY_TOO_MANY;
            p = ARENA_PUSH(a, params, n, cap);
            p->name = decode_form(a, query, name_len);
            p->value = eq ? decode_form(a, eq + 1, len - name_len - 1) : "";
            if (!p->name || !p->value)
                return HTTP_QUERY_UNDECODABLE;
        }
        query += len;
        if (*query)
            query++;
    }
    *ret = params;
    return (ssize_t)n;
}

bool http_path_decode(struct arena *a, const char *raw, size_t n, char **ret)
{
    char *out = arena_alloc(a, n + 1);
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (raw[i] != '%') {
            out[len++] = raw[i];
            continue;
        }
        if (i + 2 >= n || http_hex(raw[i + 1]) < 0 || http_hex(raw[i + 2]) < 0)
            return false;
        out[len] = (char)(http_hex(raw[i + 1]) << 4 | http_hex(raw[i + 2]));
        if (out[len++] == '\0')
            return false;
        i += 2;
    }
    *ret = out;
    return true;
}

static void quote(struct str *out, const char *text, const char *safe, bool plus)
{
    static const char digit[] = "0123456789ABCDEF";

    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                     strchr(safe, *p);

        if (plain) {
            str_addc(out, (char)*p);
        } else if (plus && *p == ' ') {
            str_addc(out, '+');
        } else {
            str_addc(out, '%');
            str_addc(out, digit[*p >> 4]);
            str_addc(out, digit[*p & 15]);
        }
    }
}

void http_quote_plus(struct str *out, const char *text)
{
    quote(out, text, "_.-~", true);
}

void http_quote_path(struct str *out, const char *text)
{
    quote(out, text, "_.-~/", false);
}

/* ---- absolute URLs ---- */

/* Without what urlsplit takes away: blanks and controls in front, tabs and line ends anywhere. */
static char *url_trim(struct arena *a, const char *url)
{
    char *text, *to;

    while (*url && (unsigned char)*url <= ' ')
        url++;
    text = to = arena_str(a, url);
    for (const char *from = text; *from; from++)
        if (!strchr("\t\r\n", *from))
            *to++ = *from;
    *to = '\0';
    return text;
}

static size_t scheme_length(const char *url)
{
    size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    bool letter = (*url >= 'a' && *url <= 'z') || (*url >= 'A' && *url <= 'Z');

    return letter && url[n] == ':' ? n : 0;
}

static bool port_read(const char *text, unsigned *ret)
{
    uint64_t port = 0;

    if (*text && !str_to_u64(text, 65535, &port))
        return false;
    *ret = (unsigned)port;
    return true;
}

bool http_url_split(struct arena *a, const char *url, struct http_url *ret)
{
    char *text = url_trim(a, url), *host, *at, *end;
    size_t n = scheme_length(text);

    *ret = (struct http_url){ .scheme = arena_strn(a, text, n), .host = "", .user = "" };
    str_lower((char *)(uintptr_t)ret->scheme);
    text += n ? n + 1 : 0;
    ret->rest = text;
    if (!str_starts(text, "//"))
        return true;
    n = strcspn(text + 2, "/?#");
    host = arena_strn(a, text + 2, n);
    ret->rest = text + 2 + n;
    at = strrchr(host, '@');
    if (at) {
        ret->user = arena_strn(a, host, (size_t)(at - host));
        ret->user_told = true;
        host = at + 1;
    }
    end = *host == '[' ? strchr(host, ']') : NULL;
    if (!end != (*host != '['))
        return false;
    if (end) {
        host++;
        *end++ = '\0';
        if (!strchr(host, ':') || (*end && *end != ':'))
            return false;
    } else {
        end = host + strcspn(host, ":");
    }
    if (*end == ':') {
        *end++ = '\0';
        if (!port_read(end, &ret->port))
            return false;
        ret->port_told = *end != '\0';
    }
    str_lower(host);
    ret->host = host;
    return true;
}

/* ---- the one spelling of a URL ---- */

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

static bool is_unreserved(int c)
{
    return (c < 0x80 && isalnum(c)) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Escapes of unreserved characters are undone, the others written in upper case. A "%" that begins none is
 * escaped, so that it makes no new one with what was undone behind it. */
static void add_escapes_equal(struct str *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = text[i] == '%' && i + 2 < n ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;

        if (low < 0) {
            str_add(out, text[i] == '%' ? "%25" : (char[]){ text[i], '\0' });
            continue;
        }
        if (is_unreserved(high * 16 + low))
            str_addc(out, (char)(high * 16 + low));
        else
            str_addf(out, "%%%02X", (unsigned)(high * 16 + low));
        i += 2;
    }
}

/* RFC 3986, 5.2.4, of a path that begins with a slash. */
static void add_without_dots(struct str *out, const char *path)
{
    size_t from = out->len;

    while (*path == '/') {
        size_t n = strcspn(path + 1, "/");
        bool here = n == 1 && path[1] == '.', up = n == 2 && path[1] == '.' && path[2] == '.';

        while (up && out->len > from)
            if (out->data[--out->len] == '/')
                break;
        if (!here && !up)
            str_addn(out, path, n + 1);
        else if (!path[n + 1])
            str_addc(out, '/');
        path += n + 1;
    }
    if (out->len == from)
        str_addc(out, '/');
}

const char *http_url_canonical(struct arena *a, const char *url)
{
    CLEANUP(str_done) struct str out = STR_INIT, path = STR_INIT;
    struct http_url u;
    size_t n;
    bool tls;

    if (!http_url_split(a, url, &u) || !*u.host || !(str_eq(u.scheme, "http") || str_eq(u.scheme, "https")))
        return NULL;
    tls = u.scheme[4] == 's';
    n = strcspn(u.rest, "?#");
    str_addf(&out, "%s://%s%s", u.scheme, u.user, u.user_told ? "@" : "");
    str_addf(&out, strchr(u.host, ':') ? "[%s]" : "%s", u.host);
    if (u.port_told && u.port != (tls ? 443 : 80))
        str_addf(&out, ":%u", u.port);
    add_escapes_equal(&path, u.rest, n);
    add_without_dots(&out, str_text(&path));
    if (u.rest[n] == '?')
        add_escapes_equal(&out, u.rest + n, strcspn(u.rest + n, "#"));
    return arena_str(a, str_text(&out));
}
