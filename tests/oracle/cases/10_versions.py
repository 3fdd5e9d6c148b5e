# SPDX-License-Identifier: Apache-2.0
"""Version documents, health check, redirects, unknown routes, methods."""
from make import *

NONE_FIRST = ['/', '/versions', '/versions/', '/versions/x', '/v1', '/v1/images', '/v3', '/v3/x', '/v2.18', '/v2.18/images',
              '/v2.8/images', '/v2.10/images', '/v2.14/images', '/v2.16/images', '/v2.19/images', '/v20/images', '/v2.0.1/images',
              '/v02/images', '/V2/images', '/images', '/foo', '/foo?x=1', '//', '//v2/images', '/v2.x/images', '/%2f', '/favicon.ico']
ALIASES = ['v2.0', 'v2.1', 'v2.2', 'v2.3', 'v2.4', 'v2.5', 'v2.6', 'v2.7', 'v2.9', 'v2.15', 'v2.17']
VENDOR = ['v2', 'v2.0', 'v2.6', 'v2.17', 'v2.8', 'v2.18', 'v1', 'v3', '', 'junk', 'v2+json', 'v2, application/json']
ROUTES = [          # path, methods that exist
    ('/v2/images', 'GET POST'), ('/v2/images/<id>', 'GET PATCH DELETE'), ('/v2/images/<id>/file', 'GET PUT'),
    ('/v2/images/<id>/stage', 'PUT'), ('/v2/images/<id>/import', 'POST'), ('/v2/images/<id>/actions/deactivate', 'POST'),
    ('/v2/images/<id>/actions/reactivate', 'POST'), ('/v2/images/<id>/locations', 'GET POST'),
    ('/v2/images/<id>/members', 'GET POST'), ('/v2/images/<id>/members/m', 'GET PUT DELETE'),
    ('/v2/images/<id>/tags/t', 'PUT DELETE'), ('/v2/stores/s/<id>', 'DELETE'), ('/v2/tasks', 'GET POST'),
    ('/v2/tasks/<id>', 'GET DELETE'), ('/v2/info/import', 'GET'), ('/v2/info/stores', 'GET'), ('/v2/info/stores/detail', 'GET'),
    ('/v2/info/usage', 'GET'), ('/v2/images/<id>/tasks', 'GET'), ('/v2/schemas/image', 'GET'), ('/v2/schemas/images', 'GET'),
    ('/v2/schemas/member', 'GET'), ('/v2/cache', 'GET DELETE'), ('/v2/cache/<id>', 'PUT DELETE'), ('/v2/cache/clean', 'POST'),
    ('/v2/cache/prune', 'POST'), ('/v2/cache/nodes/<id>', 'GET'), ('/v2/metadefs/namespaces', 'GET POST'),
    ('/v2/metadefs/namespaces/n', 'GET PUT DELETE'), ('/v2/metadefs/namespaces/n/objects', 'GET POST DELETE'),
    ('/v2/metadefs/namespaces/n/objects/o', 'GET PUT DELETE'), ('/v2/metadefs/namespaces/n/properties', 'GET POST DELETE'),
    ('/v2/metadefs/namespaces/n/tags/t', 'GET POST PUT DELETE'), ('/v2/metadefs/namespaces/n/resource_types', 'GET POST'),
    ('/v2/metadefs/resource_types', 'GET'),
]
UNKNOWN = ['/v2/nope', '/v2/images/', '/v2/images/<id>/', '/v2/images/<id>/nope', '/v2/images/<id>/file/', '/v2/images/<id>/file/x',
           '/v2//images', '/v2/image', '/v2/schemas', '/v2/schemas/', '/v2/schemas/nope', '/v2/schemas/image/', '/v2/info',
           '/v2/images/<id>/actions', '/v2/images/<id>/actions/reboot', '/v2/Images', '/v2/images%2F', '/v2/images;x=1', '/v2/cached_images',
           '/v2/images/<id>/tags', '/v2/images/<id>/tags/', '/v2/images/<id>/tags/a%2Fb', '/v2/stores/s', '/v2/discovery', '/v2/v2/images']


def cases():
    for path in NONE_FIRST:
        yield case('get:' + path, get(path, 'none'), profiles=BOTH)
    for method in ('POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'BREW'):
        yield case('root:' + method, step(method, '/', 'none'), profiles=BOTH)
        yield case('versions:' + method, step(method, '/versions', 'none'))
    yield case('root-with-body', step('POST', '/', 'none', json={'a': 1}))
    yield case('root-accept-html', get('/', 'none', {'Accept': 'text/html'}))
    yield case('root-request-id', get('/', 'none', {'X-Openstack-Request-Id': 'req-abc'}))
    yield case('versions-as-member', get('/versions', 'member'))
    yield case('host-port', get('/versions', 'none', {'Host': 'other.example:8080'}, nohost=True))
    yield case('host-plain', get('/versions', 'none', {'Host': 'other.example'}, nohost=True))
    yield case('host-80', get('/versions', 'none', {'Host': 'other.example:80'}, nohost=True))
    yield case('host-forwarded-ignored', get('/versions', 'none', {'X-Forwarded-Host': 'front.example', 'X-Forwarded-For': '10.0.0.1', 'Forwarded': 'proto=https;host=f.example', 'X-Forwarded-Prefix': '/p'}))
    yield case('forwarded-proto', get('/versions', 'none', {'X-Forwarded-Proto': 'https'}), step('POST', '/v2/images', headers={'X-Forwarded-Proto': 'https'}, json={'id': '<id>'}))
    yield case('v2-bare', get('/v2'), get('/v2', 'none'), get('/v2/'), get('/v2/', 'none'), get('/v2?x=1'), profiles=BOTH)
    yield case('v2-bare-post', step('POST', '/v2'), step('HEAD', '/v2'), step('HEAD', '/v2/'))
    for alias in ALIASES:
        yield case('alias:' + alias, get('/%s/images?limit=0' % alias), get('/%s/nope' % alias), get('/' + alias), profiles=BOTH)
    yield case('alias-list-links', image(), get('/v2.6/images?limit=1&name=zz'), create({'id': '<id2>'}), get('/v2.0/images?limit=1'))
    yield case('alias-create-location', step('POST', '/v2.7/images', json={'id': '<id>', 'name': 'a'}))
    for kind in VENDOR:
        yield case('vendor:' + kind, get('/images?limit=0', 'member', {'Accept': 'application/vnd.openstack.images-' + kind}),
                   get('/v2/images?limit=0', 'member', {'Accept': 'application/vnd.openstack.images-' + kind}))
    yield case('vendor-none', get('/images', 'none', {'Accept': 'application/vnd.openstack.images-v2'}))
    yield case('vendor-second', get('/images', 'member', {'Accept': 'text/html, application/vnd.openstack.images-v2'}))
    yield case('vendor-case', get('/images?limit=0', 'member', {'Accept': 'Application/vnd.openstack.images-v2'}))
    yield case('vendor-404', get('/nope', 'member', {'Accept': 'application/vnd.openstack.images-v2'}))
    for accept in (None, '*/*', 'text/html', 'text/plain', 'application/json', 'text/html;q=0.1, application/json', 'image/png'):
        headers = {'Accept': accept} if accept else {}
        for method in ('GET', 'HEAD'):
            yield case('health:%s:%s' % (method, accept or 'none'), step(method, '/healthcheck', 'none', headers),
                       profiles=BOTH if accept is None else TRUSTED)
    for method in ('POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'BREW'):
        yield case('health:' + method, step(method, '/healthcheck', 'none'))
    for path in ('/healthcheck/', '/healthcheck/x', '/healthcheck?detailed=1', '/healthchecks', '/v2/healthcheck', '/healthcheck/v2/images'):
        yield case('health-path:' + path, get(path, 'none'), get(path, 'member'))
    yield case('health-identity', get('/healthcheck', 'member', {'X-Openstack-Request-Id': 'req-abc'}))
    for path in UNKNOWN:
        yield case('unknown:' + path, get(path), get(path, 'none'), step('POST', path, json={}), profiles=BOTH, group='main')
    for method in ('HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'BREW', 'get', 'LINK', 'CONNECT'):
        yield case('unknown-method:' + method, step(method, '/v2/nope'), step(method, '/v2/nope', 'none'))
    for path, methods in ROUTES:
        wrong = [m for m in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'BREW') if m not in methods.split()]
        yield case('method:' + path, [step(m, path) for m in wrong], step(wrong[1], path, 'none'),
                   [step(m, path, 'member', {'Accept': 'application/json'}) for m in wrong[:1]], profiles=BOTH)
    yield case('method-lower', step('get', '/v2/images'), step('post', '/v2/images', json={}))
    yield case('options-anything', step('OPTIONS', '/', 'none'), step('OPTIONS', '/v2', 'none'), step('OPTIONS', '/v3/x', 'none'),
               step('OPTIONS', '/v2/images', 'member', {'Origin': 'http://a.example', 'Access-Control-Request-Method': 'GET'}), profiles=BOTH)
