/* SPDX-License-Identifier: Apache-2.0 */
/* http: and https: checks: the decision is another server's. It is asked as oslo.policy asks (_external.py):
 * a POST of rule, target and credentials, as a form of three JSON texts or as one JSON document; it lets by
 * the answer True, whatever the status. No answer denies. */
#include "auth/policy_private.h"

#include <jansson.h>
#include <string.h>

#include "fetch/fetch.h"

enum { ANSWER_MAX = 64 };

/* ---- what is sent ---- */

static json_t *text_or_null(const char *text)
{
    json_t *j = text ? json_string(text) : NULL;

    return j ? j : json_null();
}

static json_t *texts(const char *const *items, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, text_or_null(items[i]));
    return list;
}

static json_t *value_json(const struct policy_value *v)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    switch (v->type) {
    case POLICY_TEXT:
        return text_or_null(v->text);
    case POLICY_INT:
        return json_integer(v->number);
    case POLICY_BOOL:
        return json_boolean(v->number);
    case POLICY_SET:
        return texts(v->items, v->n_items);
    case POLICY_TIME:
        value_write(v, &text);
        text.data[strcspn(text.data, " ")] = 'T';
        if (v->number % CLOCK_SECOND == 0)
            str_add(&text, ".000000");
        return json_string(str_text(&text));
    case POLICY_NONE:
        break;
    }
    return json_null();
}

static json_t *target_json(const struct policy_target *t)
{
    json_t *object = json_object();
    struct policy_pair pair;

    for (size_t i = 0; t->at(t, i, &pair); i++)
        json_object_set_new(object, pair.name, value_json(&pair.value));
    return object;
}

/* In the order in which oslo.context has them. */
static json_t *credentials_json(const struct identity *id)
{
    json_t *object = json_object();

    json_object_set_new(object, "user_id", text_or_null(id->user));
    json_object_set_new(object, "user_domain_id", text_or_null(id->user_domain));
    json_object_set_new(object, "system_scope", text_or_null(id->system_scope));
    json_object_set_new(object, "domain_id", text_or_null(id->domain));
    json_object_set_new(object, "project_id", text_or_null(id->project));
    json_object_set_new(object, "project_domain_id", text_or_null(id->project_domain));
    json_object_set_new(object, "roles", texts(id->roles, id->n_roles));
    json_object_set_new(object, "is_admin_project", json_boolean(!id->other_project));
    json_object_set_new(object, "service_user_id", text_or_null(id->service_user));
    json_object_set_new(object, "service_user_domain_id", text_or_null(id->service_user_domain));
    json_object_set_new(object, "service_project_id", text_or_null(id->service_project));
    json_object_set_new(object, "service_project_domain_id", text_or_null(id->service_project_domain));
    json_object_set_new(object, "service_roles", texts(id->service_roles, id->n_service_roles));
    if (id->system_scope && *id->system_scope)
        json_object_set_new(object, "system", json_string(id->system_scope));
    return object;
}

/* Takes the value. */
static void form_add(struct str *out, const char *name, json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

    str_addf(out, "%s%s=", out->len ? "&" : "", name);
    if (text)
        http_quote_plus(out, text);
    free(text);
    json_decref(value);
}

static void body_make(const struct evaluation *ev, struct str *out)
{
    json_t *rule = text_or_null(ev->asked), *target = target_json(ev->target),
           *credentials = credentials_json(ev->identity), *all;
    char *text;

    if (!ev->rules->options.remote_json) {
        form_add(out, "rule", rule);
        form_add(out, "target", target);
        form_add(out, "credentials", credentials);
        return;
    }
    all = json_pack("{s:o, s:o, s:o}", "rule", rule, "target", target, "credentials", credentials);
    text = json_dumps(all, JSON_ENSURE_ASCII);
    str_add(out, text ? text : "{}");
    free(text);
    json_decref(all);
}

/* ---- asking ---- */

struct asking {
    struct fetch_head head;
    struct str answer;
    const char *refused; /* why the answer's head is not taken; NULL: it is */
};

/* Each line by itself, and at the end of the head the verdict on all, before libcurl decodes any body. */
static size_t take_head(char *bytes, size_t size, size_t n, void *arg)
{
    struct asking *k = arg;

    fetch_head_line(&k->head, bytes, size * n);
    if (size * n <= 2)
        k->refused = fetch_head_refused(&k->head, 0, false);
    return k->refused ? 0 : size * n;
}

/* Keeps as much as could be an answer; more is none. */
static size_t take_answer(char *bytes, size_t size, size_t n, void *arg)
{
    struct asking *k = arg;

    if (k->answer.len <= ANSWER_MAX)
        str_addn(&k->answer, bytes, size * n);
    return size * n;
}

static void set_tls(const struct fetch_lib *lib, CURL *curl, const struct policy_options *o)
{
    lib->easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, o->remote_verify ? 1L : 0L);
    lib->easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, o->remote_verify ? 2L : 0L);
    if (o->remote_verify && o->remote_ca && *o->remote_ca)
        lib->easy_setopt(curl, CURLOPT_CAINFO, o->remote_ca);
    if (o->remote_cert && *o->remote_cert)
        lib->easy_setopt(curl, CURLOPT_SSLCERT, o->remote_cert);
    if (o->remote_key && *o->remote_key)
        lib->easy_setopt(curl, CURLOPT_SSLKEY, o->remote_key);
}

static CURLcode post(const struct fetch_lib *lib, const struct policy_options *o, const char *url,
                     const struct str *body, struct asking *k)
{
    const char *type =
        o->remote_json ? "Content-Type: application/json" : "Content-Type: application/x-www-form-urlencoded";
    struct curl_slist *headers = lib->slist_append(NULL, type);
    CURL *curl = lib->easy_init();
    CURLcode result = CURLE_OUT_OF_MEMORY;

    if (curl && headers) {
        lib->easy_setopt(curl, CURLOPT_URL, url);
        lib->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        lib->easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        lib->easy_setopt(curl, CURLOPT_MAXREDIRS, 30L);
        lib->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        lib->easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)o->remote_timeout_ms);
        lib->easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        lib->easy_setopt(curl, CURLOPT_POSTFIELDS, str_text(body));
        lib->easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body->len);
        lib->easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_head);
        lib->easy_setopt(curl, CURLOPT_HEADERDATA, k);
        lib->easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
        lib->easy_setopt(curl, CURLOPT_WRITEDATA, k);
        set_tls(lib, curl, o);
        result = lib->easy_perform(curl);
    }
    lib->easy_cleanup(curl);
    lib->slist_free_all(headers);
    return result;
}

static void say_failed(const struct evaluation *ev, const char *url, const char *why)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    str_addf(&line, "policy rule %s: %s does not answer, so it is denied: %s", ev->asked, url, why);
    if (ev->rules->options.say)
        ev->rules->options.say(LOG_ERROR, str_text(&line));
}

/* True, with any number of quotes around it. */
static bool is_true(const char *answer)
{
    answer += strspn(answer, "\"");
    return str_starts(answer, "True") && !answer[4 + strspn(answer + 4, "\"")];
}

/* Whether the answer allows it. */
static enum verdict ask(const struct evaluation *ev, const struct fetch_lib *lib, const char *url,
                        const struct str *body, struct asking *k)
{
    CURLcode result = post(lib, &ev->rules->options, url, body, k);

    if (result != CURLE_OK) {
        say_failed(ev, url, k->refused ? k->refused : lib->easy_strerror(result));
        return VERDICT_BROKEN;
    }
    return k->answer.len <= ANSWER_MAX && is_true(str_text(&k->answer)) ? VERDICT_YES : VERDICT_NO;
}

enum verdict policy_remote(const struct evaluation *ev, const struct check *c)
{
    CLEANUP(str_done) struct str url = STR_INIT, body = STR_INIT;
    const struct fetch_lib *lib;
    struct asking k = { .answer = STR_INIT };
    enum verdict verdict;

    str_addf(&url, "%s:", c->name);
    if (match_format(&c->match, ev->target, &url) != VERDICT_YES)
        return VERDICT_BROKEN;
    body_make(ev, &body);
    lib = fetch_lib();
    if (!lib) {
        say_failed(ev, str_text(&url), "libcurl.so.4 is not installed");
        return VERDICT_BROKEN;
    }
    verdict = ask(ev, lib, str_text(&url), &body, &k);
    str_done(&k.answer);
    return verdict;
}
