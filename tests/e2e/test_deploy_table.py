# SPDX-License-Identifier: Apache-2.0
"""glint check-deploy against the shipped files with one thing made wrong: each is found, its directive is named, and nothing else
is blamed; against the files as they are it has nothing to say.

A part of the table runs each time, all of it with GLINT_LONG=1. The cases of a run are tried a few at a time."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import tempfile

import pytest

import deployed
from glint import GLINT, SLOW

LONG = bool(os.environ.get('GLINT_LONG'))
PAUSE = '4'
NO_WORKER, OTHER_STAGING = {'worker': False}, {'worker': None}
NOTE = 'note: '


def gone(pattern):
    return (pattern, '')


def case(kind, name, changes, title, directive, quick=False, also=(), **more):
    return pytest.param(kind, name, changes, title, directive, also, more, quick, id='%s: %s' % (kind, name))


DENY = '<Location "/image">\n<LimitExcept GET PUT POST DELETE>\nRequire all denied\n</LimitExcept>\n</Location>\n</VirtualHost>'
IDENTITY = r'(?i)^ *(RequestHeader unset|proxy_set_header|uwsgi_param|route-run =) +(addvar:)?(HTTP_)?(X[-_](Identity|Role|User|Project|Is|Domain|Tenant|Service)|OpenStack).*$'
WHO, CREATED = 'clients cannot choose who they are', 'an image can be created'
CASES = [
    case('nginx-http', 'bodies of 1 MiB', [gone('client_max_body_size 0;')], 'large images', 'client_max_body_size 0', quick=True),
    case('nginx-http', 'small headers', [gone('large_client_header_buffers 8 64k;')], 'large headers', 'large_client_header_buffers 8 64k', quick=True),
    case('nginx-http', 'spooled uploads', [('proxy_request_buffering off', 'proxy_request_buffering on')], 'uploads stream', 'proxy_request_buffering off', quick=True),
    case('nginx-http', 'HTTP/1.0 to the service', [gone('proxy_http_version 1.1;')], NOTE + 'uploads stream', 'proxy_http_version'),
    case('nginx-http', 'impatient', [('client_body_timeout 300s', 'client_body_timeout 1s')], 'slow uploads', 'client_body_timeout', quick=True),
    case('nginx-http', 'impatient with readers', [('^    send_timeout 300s', 'send_timeout 1s')], 'slow downloads', 'send_timeout', quick=True),
    case('nginx-http', 'gzip', [('client_max_body_size 0;', 'client_max_body_size 0; gzip on; gzip_types *; gzip_proxied any;')],
         'downloads with their length', 'gzip off', quick=True),
    case('nginx-http', 'no PATCH', [('proxy_next_upstream off;', 'proxy_next_upstream off; limit_except GET PUT POST DELETE { deny all; }')],
         'every method passes', 'limit_except', quick=True),
    case('nginx-http', 'no prefix', [gone('proxy_set_header X-Forwarded-Prefix /image;')], 'links lead back here', 'X-Forwarded-Prefix',
         also=['clients cannot choose the links']),
    case('nginx-http', 'an inner address', [('proxy_set_header Host  .*;', 'proxy_set_header Host inner;'), ('X-Forwarded-Host   .http_host;', 'X-Forwarded-Host "";')],
         'links of answers lead back here', 'proxy_set_header Host', config={'DEFAULT': {'public_endpoint': 'this'}}, quick=True),
    case('nginx-http', 'forwarding headers', [gone('proxy_set_header X-Forwarded-Host .*;')], 'clients cannot choose the links', 'proxy_set_header'),
    case('nginx-http', 'identity headers', [gone(IDENTITY)], WHO, 'X-Roles', also=[CREATED], trusted=True, quick=True),
    case('nginx-http', 'no Range', [('proxy_next_upstream off;', 'proxy_next_upstream off; proxy_set_header Range "";')], 'ranges', 'proxy_set_header Range'),
    case('nginx-http', 'no keep-alive', [('client_max_body_size 0;', 'client_max_body_size 0; keepalive_timeout 0;')], 'connections are kept', 'keepalive_timeout'),
    case('nginx-http', 'nobody behind', [('server 127.0.0.1:9292;', 'server 127.0.0.1:1;')], 'the service answers', 'back end', quick=True),
    case('nginx-http', 'no worker', [], 'imports', 'supervise_worker', **NO_WORKER),
    case('nginx-http', 'no staging', [], 'imports', 'node_staging_uri', config={'DEFAULT': {'node_staging_uri': 'file:///proc/1/staging'}}, quick=True),
    case('nginx-uwsgi', 'another mount', [('SCRIPT_NAME    /image', 'SCRIPT_NAME    /elsewhere')], 'the service answers', 'SCRIPT_NAME'),
    case('nginx-uwsgi', 'no CONTENT_LENGTH', [gone('uwsgi_param CONTENT_LENGTH .*;')], CREATED, 'CONTENT_LENGTH'),
    case('nginx-uwsgi', 'bodies of 1 MiB', [gone('client_max_body_size 0;')], 'large images', 'client_max_body_size 0'),
    case('nginx-uwsgi', 'spooled uploads', [('uwsgi_request_buffering off', 'uwsgi_request_buffering on')], 'uploads stream', 'uwsgi_request_buffering off'),
    case('nginx-uwsgi', 'impatient', [('client_body_timeout 300s', 'client_body_timeout 1s')], 'slow uploads', 'client_body_timeout'),
    case('nginx-uwsgi', 'impatient with readers', [('^    send_timeout 300s', 'send_timeout 1s')], 'slow downloads', 'send_timeout'),
    case('nginx-uwsgi', 'identity headers', [gone(IDENTITY)], WHO, 'HTTP_X_ROLES', also=[CREATED], trusted=True),
    case('nginx-uwsgi', 'chunked uploads', [], NOTE + 'uploads stream', 'uwsgi_pass'),
    case('apache-http', 'small headers', [gone('LimitRequestFieldSize 65536')], 'large headers', 'LimitRequestFieldSize 65536', quick=True),
    case('apache-http', 'no encoded slashes', [gone('AllowEncodedSlashes NoDecode')], 'encoded paths', 'AllowEncodedSlashes NoDecode', quick=True),
    case('apache-http', 'canonical paths', [('" nocanon retry', '" retry')], 'encoded paths', 'nocanon'),
    case('apache-http', 'impatient', [('Timeout 600', 'Timeout 2'), (' timeout=600 ttl', ' ttl')], 'slow uploads', 'Timeout 300', quick=True),
    case('apache-http', 'short request time', [('^ *RequestReadTimeout .*$', 'RequestReadTimeout body=2')], 'slow uploads', 'RequestReadTimeout body=40'),
    case('apache-http', 'deflate', [('Timeout 600', 'Timeout 600\nSetOutputFilter DEFLATE')], 'downloads with their length', 'no-gzip'),
    case('apache-http', 'no PATCH', [('</VirtualHost>', DENY)], 'every method passes', 'LimitExcept'),
    case('apache-http', 'no prefix', [gone('RequestHeader set X-Forwarded-Prefix /image')], 'links lead back here', 'X-Forwarded-Prefix',
         also=['clients cannot choose the links']),
    case('apache-http', 'spooled chunks', [('ProxyPreserveHost On', 'ProxyPreserveHost On\nSetEnv proxy-sendcl 1')], NOTE + 'uploads stream', 'proxy-sendcl'),
    case('apache-http', 'no keep-alive', [('Timeout 600', 'Timeout 600\nKeepAlive Off')], 'connections are kept', 'KeepAlive On'),
    case('apache-http', 'no Range', [('ProxyPreserveHost On', 'ProxyPreserveHost On\nRequestHeader unset Range')], 'ranges', 'RequestHeader unset Range'),
    case('apache-http', 'identity headers', [gone(IDENTITY)], WHO, 'RequestHeader unset X-Roles', also=[CREATED], trusted=True),
    case('apache-http', 'HTTP/2 without mod_glint_body', [(None, 'Protocols h2c http/1.1')], 'HTTP/2', 'GlintBody On', quick=True),
    case('apache-http2', 'resets that pass for an end', [('GlintBody On', 'GlintBody Off')], 'HTTP/2', 'GlintBody On', quick=True),
    case('apache-uwsgi', 'no mount', [gone('SetEnv GLINT_MOUNT /image')], 'the service answers', 'GLINT_MOUNT', quick=True),
    case('apache-uwsgi', 'chunks to mod_proxy_uwsgi', [gone('SetEnvIf Transfer-Encoding . proxy-sendcl=1')], 'uploads in chunks', 'proxy-sendcl', quick=True),
    case('apache-uwsgi', 'bodies of 1 GiB', [gone('LimitRequestBody 0')], 'large images', 'LimitRequestBody 0'),
    case('apache-uwsgi', 'impatient', [('Timeout 600', 'Timeout 2')], 'slow uploads', 'Timeout 300'),
    case('apache-body', 'no module for chunks', [('GlintBody On', 'GlintBody Off')], 'uploads in chunks', 'GlintBody On'),
    case('apache-body', 'bodies of 1 GiB', [gone('LimitRequestBody 0')], 'large images', 'LimitRequestBody 0'),
    case('mod-glint', 'small headers', [gone('^ *LimitRequestFieldSize 32768')], 'large headers', 'LimitRequestFieldSize', quick=True),
    case('mod-glint', 'impatient', [(None, 'Timeout 2')], 'slow uploads', 'Timeout 300'),
    case('mod-glint', 'short request time', [(None, 'RequestReadTimeout body=2')], 'slow uploads', 'glint-timeouts.conf', quick=True),
    case('mod-glint', 'no worker', [('GlintWorker On', 'GlintWorker Off')], 'imports', 'GlintWorker On', quick=True, **NO_WORKER),
    case('mod-glint', 'small bodies', [('# LimitRequestBody 0', 'LimitRequestBody 1000000')], 'large images', 'LimitRequestBody 0'),
    case('mod-glint', 'deflate', [('Require all granted', 'Require all granted\nSetOutputFilter DEFLATE')], 'downloads with their length', 'no-gzip'),
    case('mod-glint', 'no staging', [], 'imports', 'node_staging_uri', config={'DEFAULT': {'node_staging_uri': 'file:///proc/1/staging'}}),
    case('mod-wsgi', 'no chunks', [('WSGIChunkedRequest On', 'WSGIChunkedRequest Off')], 'uploads in chunks', 'WSGIChunkedRequest On', quick=True),
    case('mod-wsgi', 'bodies of 1 GiB', [gone('LimitRequestBody 0')], 'large images', 'LimitRequestBody 0'),
    case('mod-wsgi', 'a single thread', [('processes=2 threads=32', 'processes=1 threads=1')], 'clients are served at the same time', 'threads=32', quick=True),
    case('mod-wsgi', 'impatient with readers', [(' socket-timeout=300', ' socket-timeout=300 response-socket-timeout=1')], 'slow downloads', 'response-socket-timeout'),
    case('mod-wsgi', 'no worker', [], 'imports', 'glint-worker.service', **NO_WORKER),
    case('mod-wsgi', 'private staging', [], 'imports', 'PrivateTmp', **OTHER_STAGING),
    case('mod-wsgi', 'small headers', [gone('LimitRequestFieldSize 32768')], 'large headers', 'LimitRequestFieldSize'),
    case('mod-wsgi', 'no encoded slashes', [gone('AllowEncodedSlashes NoDecode')], 'encoded paths', 'AllowEncodedSlashes NoDecode'),
    case('mod-wsgi', 'HTTP/2', [('Timeout 300', 'Timeout 300\nProtocols h2c http/1.1')], 'HTTP/2', 'Protocols http/1.1', quick=True),
    case('uwsgi-http', 'chunks kept by the router', [gone('^http-chunked-input = true')], 'uploads in chunks', 'http-chunked-input = true'),
    case('uwsgi-http', 'no 100', [gone('^http-manage-expect = 1')], '100 Continue', 'http-manage-expect = 1', quick=True),
    case('uwsgi-http', 'small heads', [('^buffer-size = 65535', 'buffer-size = 4096')], 'large headers', 'buffer-size = 65535'),
    case('uwsgi-http', 'impatient', [('^http-timeout = 300', 'http-timeout = 2')], 'slow uploads', 'http-timeout = 300', quick=True),
    case('uwsgi-http', 'a single thread', [('^processes = 4', 'processes = 1'), ('^threads = 16', 'threads = 1')], 'clients are served at the same time', 'threads = 16'),
    case('uwsgi-http', 'no worker', [gone('^attach-daemon2 = .*$')], 'imports', 'attach-daemon2 = cmd=glint worker', **NO_WORKER),
    case('uwsgi-http', 'small bodies', [(None, 'limit-post = 1000000')], 'large images', 'limit-post', quick=True),
    case('uwsgi-http', 'no length', [(None, 'rem-header = Content-Length')], 'downloads with their length', 'rem-header = Content-Length', quick=True),
    case('uwsgi-socket', 'spooled uploads', [(None, 'post-buffering = 8192')], 'uploads stream', 'post-buffering', quick=True),
    case('uwsgi-socket', 'small bodies', [(None, 'limit-post = 1000000')], 'large images', 'limit-post'),
    case('uwsgi-socket', 'a single thread', [('^processes = 4', 'processes = 1'), ('^threads = 16', 'threads = 1')], 'clients are served at the same time', 'threads = 16'),
    case('uwsgi-socket', 'identity headers', [gone(IDENTITY)], WHO, 'addvar:HTTP_X_ROLES', also=[CREATED], trusted=True),
    case('uwsgi-python', 'chunks of 1 MB', [gone('^chunked-input-limit = .*$')], 'uploads in chunks', 'chunked-input-limit', quick=True),
    case('uwsgi-python', 'impatient', [('^socket-timeout = 300', 'socket-timeout = 1')], 'slow uploads', 'socket-timeout = 300'),
    case('uwsgi-python', 'harakiri', [(None, 'harakiri = 1')], 'slow uploads', 'harakiri'),
    case('uwsgi-nginx', 'spooled uploads', [gone('#       uwsgi_request_buffering off;')], 'uploads stream', 'uwsgi_request_buffering off'),
    case('uwsgi-nginx', 'bodies of 1 MiB', [gone('#   client_max_body_size 0;')], 'large images', 'client_max_body_size 0'),
    case('uwsgi-apache', 'no mount', [gone('#   SetEnv GLINT_MOUNT /image')], 'the service answers', 'GLINT_MOUNT'),
    case('gunicorn', 'one request at a time', [("^worker_class = 'gthread'", "worker_class = 'sync'"), ('^workers = 4', 'workers = 1'), ('^threads = 16', 'threads = 1')],
         'clients are served at the same time', 'gthread', quick=True, also=['connections are kept']),
    case('gunicorn', 'small headers', [('^limit_request_field_size = .*$', 'limit_request_field_size = 8190')], 'large headers', 'limit_request_field_size = 32768'),
    case('gunicorn', 'no worker', [], 'imports', 'glint-worker.service', **NO_WORKER),
    case('gunicorn', 'private staging', [], 'imports', 'node_staging_uri', quick=True, **OTHER_STAGING),
    case('gunicorn', 'identity headers', [('^def pre_request', 'def not_used')], WHO, 'pre_request', also=[CREATED], trusted=True),
]


def asked(kind, changes, more):
    """What check-deploy says of it."""
    cls = deployed.KINDS[kind]
    if cls.missing():
        return cls.missing()
    directory = tempfile.mkdtemp(prefix='glint-deploy-')
    here = None
    try:
        here = cls(directory, changes, **more)
        here.start()
        return subprocess.run([GLINT, 'check-deploy', '--pause', PAUSE, here.url], capture_output=True, text=True, timeout=200 * SLOW,
                              env={k: v for k, v in os.environ.items() if k != 'OS_TOKEN'})
    finally:
        if here:
            here.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope='module')
def results(request):
    """Futures by id, of all cases that this run has chosen."""
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        futures = {}
        for item in request.session.items:
            if item.module is request.module and not list(item.iter_markers('skip')) and 'kind' in item.callspec.params:
                p = item.callspec.params
                if LONG or p.get('quick', True):
                    futures[item.callspec.id] = pool.submit(asked, p['kind'], p.get('changes', ()), p.get('more', {}))
        yield futures


def found(done):
    return (dict(re.findall(r'^(?:WRONG  |better )  ([^:\n]+): (.*)', done.stdout, re.M)),
            re.findall(r'^note     ([^:\n]+):', done.stdout, re.M))


@pytest.mark.parametrize('kind, name, changes, title, directive, also, more, quick', CASES)
def test_one_thing_is_wrong(results, request, kind, name, changes, title, directive, also, more, quick):
    if request.node.callspec.id not in results:
        pytest.skip('with GLINT_LONG=1')
    done = results[request.node.callspec.id].result()
    if isinstance(done, str):
        pytest.skip(done)
    wrong, notes = found(done)
    said = re.sub(r'\s+', ' ', done.stdout)
    if title.startswith(NOTE):
        assert title[len(NOTE):] in notes and not wrong, done.stdout
    else:
        assert title in wrong and set(wrong) - {title} <= set(also), done.stdout
    assert directive in said, done.stdout


@pytest.mark.parametrize('kind', deployed.KINDS)
def test_nothing_is_wrong_with_the_shipped_files(results, request, kind):
    done = results[request.node.callspec.id].result()
    if isinstance(done, str):
        pytest.skip(done)
    assert done.returncode == 0 and '0 wrong, 0 could be better\n' in done.stdout, done.stdout
