/* SPDX-License-Identifier: Apache-2.0 */
/* What glint check-deploy asks, in this order, and which directive of which server is to be looked at. */
#include "main/deploy.h"

#define SENT HAVE_IMAGE | HAVE_SIZE

const struct deploy_check deploy_checks[] = {
    { "the service answers", deploy_answers, true, 0, 0,
      "Is the address the one under which /v2/images lives? httpd: ProxyPass or SetHandler of this location; "
      "nginx: the location block; the uwsgi protocol: SetEnv GLINT_MOUNT (httpd) or uwsgi_param SCRIPT_NAME "
      "(nginx) is the mount, "
      "/ or \"\" at the root; and does the back end run? Of 502 and 503 the server's error log has the "
      "reason." },
    { "links lead back here", deploy_links, true, 0, HAVE_LINKS,
      "Set public_endpoint in [DEFAULT] to this address; or let the proxy say where it stands: httpd: "
      "ProxyPreserveHost On and RequestHeader set X-Forwarded-Proto; nginx: proxy_set_header Host $http_host "
      "and X-Forwarded-Proto $scheme, X-Forwarded-Prefix for a mount; with [oslo_middleware] "
      "enable_proxy_headers_parsing = true. By the uwsgi protocol: GLINT_MOUNT or SCRIPT_NAME for a mount. "
      "The modules need none of "
      "it." },
    { "clients cannot choose the links", deploy_spoofing, true, 0, 0,
      "Forwarding headers of clients must be replaced, not passed on. httpd: RequestHeader unset "
      "X-Forwarded-Host (and -Prefix, Forwarded); nginx: proxy_set_header for each of them; or leave "
      "enable_proxy_headers_parsing off." },
    { "clients cannot choose who they are", deploy_identity, true, 0, 0,
      "Take the identity headers off what clients send: httpd: RequestHeader unset X-Roles and the others; "
      "nginx: proxy_set_header "
      "X-Roles \"\" (uwsgi_param HTTP_X_ROLES \"\" if_not_empty) and underscores_in_headers off; uWSGI: "
      "route-run = "
      "addvar:HTTP_X_ROLES=; gunicorn: pre_request. The shipped sites have all of the names. And let nobody "
      "but that server reach "
      "the service: bind_host = 127.0.0.1, or a Unix socket. A paste flavor without tokens is for a front "
      "end that sets them." },
    { "an image can be created", deploy_create, true, 0, HAVE_IMAGE,
      "Name a token or identity that may: OS_TOKEN in the environment, or --header 'X-Auth-Token: …'. "
      "Without authentication ([paste_deploy] flavor is not set) nobody has a role, as in Glance: "
      "[oslo_policy] "
      "enforce_new_defaults = false lets everybody do everything." },
    { "links of answers lead back here", deploy_real_links, true, HAVE_IMAGE | HAVE_LINKS, 0,
      "public_endpoint is for the versions alone: the proxy has to hand on what the client asked for. httpd: "
      "ProxyPreserveHost On, "
      "RequestHeader set X-Forwarded-Proto and X-Forwarded-Prefix; nginx: proxy_set_header Host $http_host, "
      "X-Forwarded-Proto "
      "$scheme, X-Forwarded-Prefix; with [oslo_middleware] enable_proxy_headers_parsing = true." },
    { "every method passes", deploy_methods, true, HAVE_IMAGE, 0,
      "httpd: LimitExcept, Limit, AllowMethods and mod_security's rules have to let PATCH, PUT, DELETE and "
      "HEAD through; nginx: "
      "limit_except." },
    { "clients are served at the same time", deploy_parallel, true, HAVE_IMAGE, HAVE_PARALLEL,
      "Each transfer takes a thread: mod_wsgi: WSGIDaemonProcess processes=2 threads=32; uWSGI: processes = "
      "4, threads = 16; "
      "gunicorn: worker_class = 'gthread', threads = 16; httpd: MaxRequestWorkers." },
    { "uploads stream", deploy_streams, false, HAVE_IMAGE | HAVE_PARALLEL, HAVE_STREAM,
      "nginx: proxy_request_buffering off and proxy_http_version 1.1, or uwsgi_request_buffering off. httpd: "
      "no SetEnv proxy-sendcl for "
      "uploads with a length. uWSGI: no post-buffering. waitress spools always. Uploads take twice the time, "
      "tokens expire "
      "meanwhile, and disks fill." },
    { "100 Continue", deploy_continue, true, HAVE_IMAGE, HAVE_CONTINUE,
      "uWSGI's http router: http-manage-expect = 1 (the word true counts as 0). A back end that never sends "
      "100 needs a front end that does." },
    { "large images", deploy_large_body, true, HAVE_IMAGE, HAVE_SIZE,
      "httpd: LimitRequestBody 0 (the default is 1 GiB since 2.4.53). nginx: client_max_body_size 0. uWSGI: "
      "no limit-post. Or "
      "image_size_cap of [DEFAULT] is meant to be so small." },
    { "uploads with a length", deploy_upload, true, SENT, HAVE_DATA,
      "nginx by uwsgi: uwsgi_param CONTENT_LENGTH $content_length. Else the server's error log has the "
      "reason, or the service's: a "
      "store that is full or not writable." },
    { "uploads in chunks", deploy_chunked, true, SENT, 0,
      "httpd with mod_wsgi: WSGIChunkedRequest On. httpd with mod_proxy_uwsgi: load mod_glint_body and say "
      "GlintBody On, or go through a mod_proxy_http hop with SetEnv proxy-sendcl 1. nginx: "
      "proxy_http_version 1.1 and "
      "proxy_request_buffering off. uWSGI: http-chunked-input = true and no post-buffering, or the glint "
      "plugin." },
    { "downloads with their length", deploy_download, true, HAVE_DATA, 0,
      "A filter between changes bodies: switch it off for this location. nginx: gzip off, no sub_filter; "
      "httpd: SetEnv no-gzip 1 "
      "where mod_deflate or mod_brotli is on, no mod_substitute; uWSGI: no rem-header = Content-Length." },
    { "ranges", deploy_range, true, HAVE_DATA, 0,
      "A filter or a cache between drops Range: switch it off for this location; httpd: no RequestHeader "
      "unset Range; nginx: no "
      "proxy_set_header Range, no slice, no proxy_force_ranges." },
    { "refusals reach a client that is still sending", deploy_early_refusal, true, HAVE_DATA | HAVE_SIZE, 0,
      "httpd: mod_proxy_http or mod_glint; for mod_proxy_uwsgi the back end has to be glint serve, which "
      "reads the rest. nginx: lingering_close on. uWSGI: the glint plugin." },
    { "large headers", deploy_large_header, true, 0, 0,
      "httpd: LimitRequestFieldSize 65536, before or in the first virtual host of the address. nginx: "
      "large_client_header_buffers 8 "
      "64k (and uwsgi_buffer_size for answers). uWSGI: buffer-size = 65535, http-buffer-size not above "
      "49152. gunicorn: "
      "limit_request_field_size = 32768." },
    { "encoded paths", deploy_encoded_path, true, HAVE_IMAGE, 0,
      "httpd: AllowEncodedSlashes NoDecode in the virtual host, and nocanon on ProxyPass; mod_proxy_uwsgi: "
      "ProxyPassMatch with an "
      "empty group, as in the shipped site. nginx: no URI part after the address in proxy_pass." },
    { "connections are kept", deploy_keep_alive, false, 0, 0,
      "httpd: KeepAlive On. nginx: keepalive_timeout. uWSGI: http-keepalive = 1 with the http router, or "
      "http11-socket." },
    { "HTTP/2", deploy_http2, true, SENT, 0,
      "Protocols http/1.1 (httpd), or no http2 (nginx), for this site." },
    { "imports", deploy_import, true, HAVE_IMAGE, 0,
      "The log of the service and of glint worker have the reason; `glint jobs list` shows each job's." },
    { "slow uploads", deploy_slow, true, SENT | HAVE_DATA | HAVE_PARALLEL, HAVE_PATIENCE,
      "httpd: Timeout 300, and RequestReadTimeout body=40,MinRate=500 (Debian's mods-enabled/reqtimeout.conf "
      "says body=10 and is read "
      "after glint.conf; glint-timeouts.conf by a2enconf, or a virtual host's own line, wins). nginx: "
      "client_body_timeout 300s, "
      "proxy_send_timeout and "
      "uwsgi_send_timeout 300s. uWSGI: http-timeout = 300, socket-timeout = 300, no harakiri for WSGI. "
      "mod_wsgi: request-timeout "
      "and socket-timeout of WSGIDaemonProcess. gunicorn: worker_class = 'gthread'. The service: [glint] "
      "body_timeout." },
    { "slow downloads", deploy_slow_reader, true, SENT | HAVE_DATA | HAVE_PATIENCE, 0,
      "nginx: send_timeout 300s, and proxy_buffering off, or a proxy_temp_path that it may write. httpd: "
      "Timeout 300. uWSGI: socket-timeout = 300, http-timeout = 300, no "
      "harakiri for WSGI. mod_wsgi: response-socket-timeout of WSGIDaemonProcess. gunicorn: worker_class = "
      "'gthread'. "
      "The service: [glint] body_timeout." },
    { 0 },
};
