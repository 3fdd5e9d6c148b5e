# SPDX-License-Identifier: Apache-2.0
"""Cross-origin requests under each configuration of profiles/cors*."""
from make import *

SOME, ANY, DEFAULTS, PASTE, NONE = ('cors',), ('cors-any',), ('cors-defaults',), ('cors-paste',), ('cors-none',)
HOME = {'cors': 'http://one.example', 'cors-any': 'http://one.example', 'cors-defaults': 'https://horizon.example.com',
        'cors-paste': 'http://from-paste.example', 'cors-none': 'http://one.example'}
ORIGINS = ['http://one.example', 'https://two.example:8443', 'HTTPS://Upper.example', 'https://upper.example', 'HTTP://one.example',
           'http://ONE.example', 'http://one.example:80', 'http://one.example/', 'https://one.example', 'https://two.example',
           'https://two.example:443', 'http://more.example', 'null', 'NULL', '*', '', ' http://one.example ', 'http://one.example, http://more.example',
           'http://evil.example', 'http://one.example.evil.example', 'http://from-conf.example', 'https://horizon.example.com']
HEADERS = {         # what a preflight asks for
    'cors': ['X-Auth-Token', 'x-auth-token', 'X-AUTH-TOKEN', 'X-Lower', 'x-openstack-request-id', 'X-Auth-Token,x-lower', ' X-Auth-Token , ,x-lower ',
             'X-Nope', 'X-Auth-Token,X-Nope', 'Accept', 'Accept-Language', 'Content-Type', 'Cache-Control', 'content-language', 'Expires',
             'Last-Modified', 'Pragma', 'Content-Length', 'Authorization', 'X-Roles', ',', '', 'X-Auth-Token X-Lower', 'Origin', '*'],
    'cors-any': ['X-Auth-Token', 'Accept', '*'],
    'cors-defaults': ['Content-MD5', 'X-Image-Meta-Checksum', 'X-Storage-Token', 'Accept-Encoding', 'X-Auth-Token', 'X-Identity-Status', 'X-Roles',
                      'X-Service-Catalog', 'X-User-Id', 'X-Tenant-Id', 'X-OpenStack-Request-ID', 'X-Project-Id', 'X-Service-Token', 'If-Match'],
    'cors-paste': ['X-Paste', 'X-Auth-Token', 'Pragma'],
    'cors-none': ['X-Auth-Token'],
}
METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'get', 'patch', 'BREW', '', 'GET, PUT']


def preflight(origin, method='GET', headers=None, path='/v2/images', who='none'):
    sent = [('Origin', origin)] if origin is not None else []
    sent += [('Access-Control-Request-Method', method)] if method is not None else []
    sent += [('Access-Control-Request-Headers', headers)] if headers is not None else []
    return step('OPTIONS', path, who, sent)


def simple(origin, path='/v2/images?limit=0', who='member', method='GET', headers=(), **more):
    return step(method, path, who, [('Origin', origin)] + list(headers), **more)


def common(profile):
    """What every configuration is asked."""
    own, one = (profile,), HOME[profile]
    for origin in ORIGINS:
        yield case('origin:%s:%s' % (profile, origin), simple(origin), preflight(origin), profiles=own)
    for method in METHODS:
        yield case('method:%s:%s' % (profile, method), preflight(one, method), profiles=own)
    for headers in HEADERS[profile]:
        yield case('headers:%s:%s' % (profile, headers), preflight(one, 'GET', headers), preflight('http://evil.example', 'GET', headers), profiles=own)
    yield case('no-origin:' + profile, get('/v2/images?limit=0'), preflight(None), step('OPTIONS', '/v2/images', 'none'), profiles=own)
    yield case('no-method:' + profile, preflight(one, None), preflight(one, None, 'X-Auth-Token'), profiles=own)
    yield case('nobody:' + profile, simple(one, who='none'), simple('http://evil.example', who='none'), profiles=own)
    yield case('healthcheck:' + profile, simple(one, '/healthcheck', 'none'), preflight(one, path='/healthcheck'), profiles=own)
    yield case('versions:' + profile, simple(one, '/versions', 'none'), preflight(one, path='/versions'), preflight(one, path='//versions/x'),
               preflight(one, 'BREW', path='/versions'), simple(one, '/', 'none'), preflight(one, path='/'), preflight(one, path='/versionsx'),
               step('OPTIONS', '/versionsx', 'none'), step('OPTIONS', '//versions', 'none'), profiles=own)


def cases():
    for profile in HOME:
        yield from common(profile)
    one = HOME['cors']
    for path in ('/v2', '/v2/', '/v2/nope', '/v3/x', '/v2.6/images', '/v2/images/<id>', '/v2/images/<id>/file', '/v2/schemas/image', '/foo', '/%2f'):
        for who in ('none', 'member'):
            yield case('preflight:%s:%s' % (path, who), preflight(one, 'PUT', 'X-Auth-Token', path, who), profiles=SOME)
    for path in ('/v2', '/v2/', '/v2/nope', '/v2/images/<id>', '/v2/images/<id>/file', '/v2/schemas/member', '/v2/images?limit=x'):
        for method in ('GET', 'HEAD', 'PUT', 'BREW'):
            yield case('error:%s:%s' % (method, path), simple(one, path, method=method),
                       simple(one, path, method=method, headers=[('Accept', 'application/json')]), profiles=SOME)
    yield case('life', simple(one, '/v2/images', method='POST', json={'id': '<id>', 'disk_format': 'raw', 'container_format': 'bare'}),
               simple(one, '/v2/images/<id>'), simple(one, '/v2/images/<id>/file'),
               simple(one, '/v2/images/<id>/file', method='PUT', headers=[('Content-Type', OCTETS)], body=b'0123456789'),
               simple(one, '/v2/images/<id>/file'), simple(one, '/v2/images/<id>/file', headers=[('Range', 'bytes=2-3')]),
               simple(one, '/v2/images/<id>/file', headers=[('Range', 'bytes=20-')]),
               simple(one, '/v2/images/<id>', method='PATCH', headers=[('Content-Type', V21)], json=[{'op': 'add', 'path': '/a', 'value': 'b'}]),
               simple(one, '/v2/images/<id>', method='PATCH', json=[]), simple(one, '/v2/images/<id>/tags/t', method='PUT'),
               simple(one, '/v2/images/<id>/members', method='POST', json={'member': '<p2>'}), simple(one, '/v2/images/<id>/actions/deactivate', method='POST'),
               simple(one, '/v2/images', method='POST', json={'id': '<id>'}), simple(one, '/v2/images', method='POST', body='junk'),
               simple(one, '/v2/images/<id>', method='DELETE'), simple(one, '/v2/images/<id>', method='DELETE'), profiles=SOME)
    yield case('request-id-too-long', simple(one, headers=[('X-Openstack-Request-Id', 'r' * 65)]), profiles=SOME)
    yield case('redirect', simple('http://evil.example', '/v2'), simple(one, '/v2', 'none'), profiles=SOME)
    yield case('accept-vendor', simple(one, '/images?limit=0', headers=[('Accept', 'application/vnd.openstack.images-v2')]),
               step('OPTIONS', '/images', 'none', [('Origin', one), ('Access-Control-Request-Method', 'GET'),
                                                   ('Accept', 'application/vnd.openstack.images-v2')]), profiles=SOME)
    yield case('any-other', simple('http://two.example', who='none'), preflight('http://two.example', 'GET', 'Accept'),
               preflight('http://two.example', 'POST'), profiles=ANY)
    yield case('no-filter', step('OPTIONS', '/v2/images', 'none'), step('OPTIONS', '/v2/images'), step('OPTIONS', '/v2/nope'),
               step('OPTIONS', '/', 'none'), step('OPTIONS', '/v2'), profiles=NONE)
