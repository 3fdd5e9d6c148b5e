/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "files.h"

/* The layout that Glance 33 ships, shortened to what the cases need. */
#define TOP(name)                                                                                            \
    "[composite:" name                                                                                       \
    "]\npaste.composite_factory = glance.api:root_app_factory\n/: api\n/healthcheck: healthcheck\n"
#define FLAVORS                                                                                              \
    "[composite:api]\npaste.composite_factory = glance.api:pipeline_factory\n"                               \
    "default = cors http_proxy_to_wsgi versionnegotiation osprofiler unauthenticated-context rootapp\n"      \
    "trusted = cors http_proxy_to_wsgi versionnegotiation osprofiler context rootapp\n"                      \
    "keystone = cors http_proxy_to_wsgi versionnegotiation osprofiler authtoken context rootapp\n"
#define APPS                                                                                                 \
    "[composite:rootapp]\npaste.composite_factory = glance.api:root_app_factory\n/: apiversions\n/v2: "      \
    "apiv2app\n"                                                                                             \
    "[app:apiversions]\npaste.app_factory = glance.api.versions:create_resource\n"                           \
    "[app:apiv2app]\npaste.app_factory = glance.api.v2.router:API.factory\n"                                 \
    "[app:healthcheck]\npaste.app_factory = oslo_middleware:Healthcheck.app_factory\nbackends = "            \
    "disable_by_file\n"                                                                                      \
    "disable_by_file_path = %(here)s/off\n"
#define FILTERS                                                                                              \
    "[filter:versionnegotiation]\n"                                                                          \
    "paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory\n"    \
    "[filter:cache]\npaste.filter_factory = glance.api.middleware.cache:CacheFilter.factory\n"               \
    "[filter:context]\npaste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory\n"     \
    "[filter:unauthenticated-context]\n"                                                                     \
    "paste.filter_factory = glance.api.middleware.context:UnauthenticatedContextMiddleware.factory\n"        \
    "[filter:authtoken]\npaste.filter_factory = keystonemiddleware.auth_token:filter_factory\n"              \
    "delay_auth_decision = true\n"                                                                           \
    "[filter:osprofiler]\npaste.filter_factory = osprofiler.web:WsgiMiddleware.factory\n"                    \
    "[filter:cors]\npaste.filter_factory =  oslo_middleware.cors:filter_factory\noslo_config_project = "     \
    "glance\n"                                                                                               \
    "[filter:http_proxy_to_wsgi]\npaste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory\n"

static const char *const kind_names[FILTER_KINDS] = {
    [FILTER_CORS] = "cors",
    [FILTER_PROXY_HEADERS] = "proxy",
    [FILTER_VERSION_NEGOTIATION] = "versions",
    [FILTER_OSPROFILER] = "profiler",
    [FILTER_UNAUTHENTICATED] = "nobody",
    [FILTER_AUTHTOKEN] = "token",
    [FILTER_CONTEXT] = "context",
    [FILTER_CACHE] = "cache",
    [FILTER_CACHE_MANAGE] = "manage",
    [FILTER_GZIP] = "gzip",
    [FILTER_HEALTHCHECK] = "health",
    [FILTER_NO_EFFECT] = "none",
};

static void describe(const struct pipeline *p, struct str *out)
{
    for (size_t i = 0; i < p->n_filters; i++)
        str_addf(out, "%s%s", i ? " " : "", kind_names[p->filters[i].kind]);
    for (size_t i = 0; i < p->n_healthchecks; i++)
        str_addf(out, " | %s", p->healthchecks[i].path);
}

static const struct {
    const char *name, *conf, *paste, *expected;
} served[] = {
    { "built in, no flavor", "", NULL, "cors proxy versions profiler nobody | /healthcheck" },
    { "an empty flavor", "[paste_deploy]\nflavor =\n", NULL,
      "cors proxy versions profiler nobody | /healthcheck" },
    { "the shipped layout", "", TOP("glance-api") FLAVORS APPS FILTERS,
      "cors proxy versions profiler nobody | /healthcheck" },
    { "a flavor of one's own", "[paste_deploy]\nflavor = trusted\n",
      TOP("glance-api-trusted") FLAVORS APPS FILTERS, "cors proxy versions profiler context | /healthcheck" },
    { "a pipeline section", "",
      "[pipeline:glance-api]\npipeline = cors\n  unauthenticated-context rootapp\n" APPS FILTERS,
      "cors nobody" },
    { "urlmap by egg", "",
      "[composite:glance-api]\nuse = egg:Paste#urlmap\n/ = api\n/health = healthcheck\n" FLAVORS APPS FILTERS,
      "cors proxy versions profiler nobody | /health" },
    { "a section that uses another", "[paste_deploy]\nflavor = x\n",
      "[composite:glance-api-x]\nuse = glance-api\n" TOP(
          "glance-api") "[pipeline:api]\npipeline = context rootapp\n" APPS FILTERS,
      "context | /healthcheck" },
    { "an application that uses a pipeline", "",
      "[app:glance-api]\nuse = api\n[pipeline:api]\npipeline = context rootapp\n" APPS FILTERS, "context" },
    { "filters by egg", "",
      "[pipeline:glance-api]\npipeline = c p h context rootapp\n[filter:c]\n"
      "use = egg:oslo.middleware#cors\n[filter:p]\nuse = egg:oslo.middleware#http_proxy_to_wsgi\n[filter:h]\n"
      "use = egg:oslo.middleware#healthcheck\npath = /alive\n" APPS FILTERS,
      "cors proxy health context | /alive" },
    { "the first version of the API", "",
      "[composite:glance-api]\npaste.composite_factory = glance.api:root_app_factory\n/: apiversions\n"
      "/v1: apiv1app\n/v2: apiv2app\nfilter-with = context\n"
      "[app:apiv1app]\npaste.app_factory = glance.api.v1.router:API.factory\n" APPS FILTERS,
      "context" },
    { "blanks around colons", "",
      "[pipeline:glance-api]\npipeline = p context rootapp\n[filter:p]\n"
      "paste.filter_factory = oslo_middleware : HTTPProxyToWSGI.factory\n" APPS FILTERS,
      "proxy context" },
    { "blanks in an egg's name", "",
      "[pipeline:glance-api]\npipeline = p context rootapp\n[filter:p]\n"
      "use = egg: oslo.middleware # http_proxy_to_wsgi\n" APPS FILTERS,
      "proxy context" },
    { "filters that change nothing here", "",
      "[pipeline:glance-api]\npipeline = r d context rootapp\n[filter:r]\n"
      "paste.filter_factory = oslo_middleware.request_id:RequestId.factory\n[filter:d]\n"
      "use = egg:oslo.middleware#catch_errors\n" APPS FILTERS,
      "none none context" },
    { "a filter that uses a filter", "",
      "[pipeline:glance-api]\npipeline = mine context rootapp\n[filter:mine]\nuse = cors\n" APPS FILTERS,
      "cors context" },
    { "filter-with", "",
      "[pipeline:glance-api]\npipeline = context rootapp\n[composite:rootapp]\nfilter-with = cors\n" APPS
          FILTERS,
      "context cors" },
    { "filter-app", "",
      "[filter-app:glance-api]\npaste.filter_factory = oslo_middleware.cors:filter_factory\nnext = inner\n"
      "[pipeline:inner]\npipeline = context rootapp\n" APPS FILTERS,
      "cors context" },
    { "gzip", "",
      "[pipeline:glance-api]\npipeline = context gzip rootapp\n[filter:gzip]\n"
      "paste.filter_factory = glance.api.middleware.gzip:GzipMiddleware.factory\n" APPS FILTERS,
      "context gzip" },
    { "names from DEFAULT", "",
      "[DEFAULT]\nfront = cors context\n[pipeline:glance-api]\npipeline = %(front)s rootapp\n" APPS FILTERS,
      "cors context" },
};

static void pipeline_finds_the_filters(void **state)
{
    struct place *place = *state;
    struct error e;

    for (size_t i = 0; i < COUNT(served); i++) {
        CLEANUP(str_done) struct str text = STR_INIT;
        struct config *c = load_text(place, served[i].conf);
        struct pipeline *p = NULL;

        unlink(place->paste);
        if (served[i].paste)
            put_file(place->paste, served[i].paste);
        if (pipeline_load(c, &p, &e) < 0)
            fail_msg("%s: %s", served[i].name, e.message);
        describe(p, &text);
        if (!str_eq(str_text(&text), served[i].expected))
            fail_msg("%s: '%s'", served[i].name, str_text(&text));
        CHECK_CASE(served[i].name, str_eq(p->source, served[i].paste ? place->paste : "built-in"));
        pipeline_free(p);
        config_free(c);
    }
}

#define LONE(filter, section)                                                                                \
    "[pipeline:glance-api]\npipeline = " filter " context rootapp\n" section APPS FILTERS

static const struct {
    const char *name, *conf, *paste, *message;
} refused[] = {
    { "keystone", "[paste_deploy]\nflavor = keystone\n", NULL,
      ": the pipeline contains the filter 'authtoken', and Keystone authentication is not supported yet" },
    { "keystone+caching", "[paste_deploy]\nflavor = keystone+caching\n", NULL,
      ": the pipeline contains the filter 'authtoken', and Keystone authentication is not supported yet" },
    { "caching", "[paste_deploy]\nflavor = caching\n", NULL,
      ": the pipeline contains the filter 'cache', and the image cache is not supported yet" },
    { "cachemanagement", "[paste_deploy]\nflavor = cachemanagement\n", NULL,
      ": the pipeline contains the filter 'cache', and the image cache is not supported yet" },
    { "keystone+cachemanagement", "[paste_deploy]\nflavor = keystone+cachemanagement\n", NULL,
      ": the pipeline contains the filter 'authtoken', and Keystone authentication is not supported yet" },
    { "audit", "",
      LONE("audit", "[filter:audit]\npaste.filter_factory = keystonemiddleware.audit:filter_factory\n"),
      ":4: the pipeline contains the filter 'audit', and audit notifications are not supported yet" },
    { "no such flavor", "[paste_deploy]\nflavor = mine\n", TOP("glance-api") FLAVORS APPS FILTERS,
      ": no section [composite:glance-api-mine] or [pipeline:glance-api-mine] for [paste_deploy] flavor "
      "'mine'; there is: "
      "glance-api" },
    { "a flavor without pipeline", "[paste_deploy]\nflavor = mine\n",
      TOP("glance-api-mine") FLAVORS APPS FILTERS,
      ":6: [composite:api] has no pipeline 'mine' ([paste_deploy] flavor)" },
    { "an unknown filter", "", LONE("limit", "[filter:limit]\npaste.filter_factory = our.limit:factory\n"),
      ":4: the filter 'limit' is made by our.limit:factory, which is not known here" },
    { "an unknown call", "", LONE("limit", "[filter:limit]\nuse = call:our.limit:factory\n"),
      ":4: the filter 'limit' is made by our.limit:factory, which is not known here" },
    { "an unknown egg", "", LONE("limit", "[filter:limit]\nuse = egg:our#limit\n"),
      ":4: the filter 'limit' is made by our#limit, which is not known here" },
    { "a filter that is not there", "", LONE("limit", ""),
      ":2: [pipeline:glance-api] names the filter 'limit', and there is no section [filter:limit]" },
    { "a filter without a factory", "", LONE("limit", "[filter:limit]\nrate = 5\n"),
      ":4: [filter:limit]: neither 'use' nor a factory" },
    { "filters in a circle", "", LONE("a", "[filter:a]\nuse = b\n[filter:b]\nuse = a\n"),
      "[filter:a]: 'use' leads in a circle" },
    { "another file", "", LONE("a", "[filter:a]\nuse = config:other.ini\n"),
      ":4: [filter:a]: sections of other files are not supported" },
    { "an unknown application", "", "[app:glance-api]\npaste.app_factory = our:app\n",
      ":2: the application 'glance-api' is made by our:app, which is not known here" },
    { "an application that is not there", "", "[pipeline:glance-api]\npipeline = nowhere\n",
      ":2: [pipeline:glance-api] names 'nowhere', and there is no section [app:nowhere], [composite:nowhere] "
      "or "
      "[pipeline:nowhere]" },
    { "pipelines in a circle", "", "[pipeline:glance-api]\npipeline = glance-api\n",
      ":2: [pipeline:glance-api]: leads in a circle" },
    { "an empty pipeline", "", "[pipeline:glance-api]\npipeline =\n",
      ":2: [pipeline:glance-api]: an empty pipeline" },
    { "no context", "", "[pipeline:glance-api]\npipeline = cors rootapp\n" APPS FILTERS,
      ": the pipeline of 'glance-api' has no context filter: nobody says who asks" },
    { "no API", "", "[app:glance-api]\npaste.app_factory = oslo_middleware:Healthcheck.app_factory\n",
      ": 'glance-api' does not lead to the Images API" },
    { "the API elsewhere", "", "[composite:glance-api]\nuse = egg:Paste#urlmap\n/image = rootapp\n" APPS,
      "[app:apiversions] stands at /image: it is served at / only" },
    { "a filter before a part", "",
      "[composite:glance-api]\nuse = egg:Paste#urlmap\n/ = apiversions\n/v2 = part\n"
      "[pipeline:part]\npipeline = context apiv2app\n" APPS FILTERS,
      ": the filter 'context' stands before /v2 alone: filters are supported before the whole service" },
    { "an undefined name", "", "[pipeline:glance-api]\npipeline = %(front)s rootapp\n",
      ":2: pipeline: %(front)s is not defined" },
    { "names in a circle", "", "[pipeline:glance-api]\npipeline = %(a)s\na = %(pipeline)s\n",
      ":2: pipeline: %(a)s leads back to itself" },
    { "a lone per cent", "", "[pipeline:glance-api]\npipeline = 5% rootapp\n",
      ":2: pipeline: '%' must be followed by '%' or '(name)s'" },
    { "a malformed line", "", "[pipeline:glance-api]\nnonsense\n", ":2: no '=' or ':' after the name" },
    { "a file that is not there", "[paste_deploy]\nconfig_file = /nonexistent.ini\n", NULL,
      "/nonexistent.ini: cannot be read: No such file or directory" },
};

static void pipeline_refuses_by_name(void **state)
{
    struct place *place = *state;
    struct error e;

    for (size_t i = 0; i < COUNT(refused); i++) {
        struct config *c = load_text(place, refused[i].conf);
        struct pipeline *p = NULL;

        unlink(place->paste);
        if (refused[i].paste)
            put_file(place->paste, refused[i].paste);
        CHECK_CASE(refused[i].name, pipeline_load(c, &p, &e) == -1);
        if (!str_ends(e.message, refused[i].message))
            fail_msg("%s: '%s'", refused[i].name, e.message);
        config_free(c);
    }
}

static void pipeline_keeps_options(void **state)
{
    struct place *place = *state;
    struct config *c = load_text(place, "");
    struct pipeline *p = NULL;
    struct error e;
    char off[96];

    put_file(place->paste,
             "[DEFAULT]\nlog = /x\n[pipeline:glance-api]\npipeline = mine context rootapp\n"
             "[filter:mine]\nuse = cors\nallowed_origin = http://a\nget where = log\n" APPS FILTERS);
    assert_int_equal(pipeline_load(c, &p, &e), 0);
    assert_string_equal(filter_option(&p->filters[0], "allowed_origin"), "http://a");
    assert_string_equal(filter_option(&p->filters[0], "oslo_config_project"), "glance");
    assert_string_equal(filter_option(&p->filters[0], "where"), "/x");
    assert_null(filter_option(&p->filters[0], "log"));
    assert_null(filter_option(&p->filters[0], "paste.filter_factory"));
    assert_string_equal(p->filters[0].name, "mine");
    assert_true(pipeline_has(p, FILTER_CONTEXT) && !pipeline_has(p, FILTER_GZIP));
    pipeline_free(p);
    put_file(place->paste, TOP("glance-api") FLAVORS APPS FILTERS);
    assert_int_equal(pipeline_load(c, &p, &e), 0);
    snprintf(off, sizeof off, "%s/off", place->dir);
    assert_string_equal(filter_option(p->healthchecks[0].filter, "disable_by_file_path"), off);
    pipeline_free(p);
    pipeline_free(NULL);
    config_free(c);
}

static void a_view_prefers_the_section(void **state)
{
    struct place *place = *state;
    struct config *c = load_text(place, "[cors]\nmax_age = 5\nallowed_origin = http://conf\n");
    struct filter_view v = { 0 };
    struct pipeline *p = NULL;
    const char *const *items;
    struct error e;

    put_file(place->paste,
             "[pipeline:glance-api]\npipeline = mine bad context rootapp\n[filter:mine]\nuse = cors\n"
             "allowed_origin = http://a, http://b\n[filter:bad]\nuse = cors\nmax_age = x\n" APPS FILTERS);
    assert_int_equal(pipeline_load(c, &p, &e), 0);
    assert_int_equal(filter_view_open(&p->filters[0], c, "cors", &v, &e), 0);
    assert_int_equal(config_list(filter_view(&v, "allowed_origin"), "cors", "allowed_origin", &items), 2);
    assert_string_equal(items[1], "http://b");
    assert_int_equal(config_int(filter_view(&v, "max_age"), "cors", "max_age"), 5);
    assert_true(config_bool(filter_view(&v, "allow_credentials"), "cors", "allow_credentials"));
    filter_view_done(&v);
    assert_int_equal(filter_view_open(&p->filters[1], c, "cors", &v, &e), -1);
    assert_true(str_starts(e.message, "paste section 'bad'"));
    pipeline_free(p);
    config_free(c);
}

static void every_healthcheck_has_its_mount(void **state)
{
    struct place *place = *state;
    struct config *c = load_text(place, "");
    struct pipeline *p = NULL;
    struct error e;

    put_file(
        place->paste,
        "[composite:glance-api]\nuse = egg:Paste#urlmap\n/ = api\n/h = h\n/h/more = more\n[pipeline:api]\n"
        "pipeline = old context rootapp\n" APPS FILTERS "[app:h]\nuse = egg:oslo.middleware#healthcheck\n"
        "[app:more]\nuse = h\ndetailed = true\n"
        "[filter:old]\nuse = egg:oslo.middleware#healthcheck\npath = /old\n");
    assert_int_equal(pipeline_load(c, &p, &e), 0);
    assert_int_equal(p->n_healthchecks, 3);
    assert_string_equal(p->healthchecks[0].path, "/h");
    assert_false(p->healthchecks[0].is_filter);
    assert_string_equal(p->healthchecks[1].path, "/h/more");
    assert_string_equal(filter_option(p->healthchecks[1].filter, "detailed"), "true");
    assert_string_equal(p->healthchecks[2].path, "/old");
    assert_true(p->healthchecks[2].is_filter);
    pipeline_free(p);
    config_free(c);
}

static void pipeline_finds_its_file(void **state)
{
    struct place *place = *state;
    char other[96];
    struct config *c = load_text(place, "[paste_deploy]\nconfig_file = mine.ini\n");
    struct pipeline *p = NULL;
    struct error e;

    snprintf(other, sizeof other, "%s/mine.ini", place->dir);
    put_file(other, "[pipeline:glance-api]\npipeline = context rootapp\n" APPS FILTERS);
    assert_int_equal(pipeline_load(c, &p, &e), 0);
    assert_string_equal(p->source, other);
    pipeline_free(p);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pipeline_finds_the_filters, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(pipeline_refuses_by_name, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(pipeline_keeps_options, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_view_prefers_the_section, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(every_healthcheck_has_its_mount, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(pipeline_finds_its_file, place_setup, place_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
