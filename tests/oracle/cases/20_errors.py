# SPDX-License-Identifier: Apache-2.0
"""Error bodies and their negotiation, request ids, identity headers."""
from make import *

ACCEPTS = [None, '', '*/*', 'text/html', 'text/*', 'application/json', 'application/*', 'text/plain', 'image/png', 'application/xml',
           'text/html, application/json', 'application/json, text/html', 'application/json;q=0.5, text/html;q=0.4',
           'application/json;q=0.4, text/html;q=0.5', 'text/html;q=0.5, */*;q=0.6', 'application/json;q=0, */*', '*/*;q=0',
           'text/html;q=0, application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;q=1.0',
           'application/json;indent=2', 'text/plain, */*;q=0.1', 'text/plain, application/json;q=0.1', 'junk', 'a/b/c', ',', 'text/html;level=1',
           'application/json;q=2', 'application/json;q=abc', 'application/json;q=0.1234', 'application/vnd.openstack.images-v2',
           'application/json,*/*;q=0.8', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8']


def errors(accept):
    """One error of each template."""
    headers = {'Accept': accept} if accept is not None else {}
    return [
        show('id9') | {'headers': tuple(headers.items())},                                   # 404, explanation
        get('/v2/nope', 'member', headers),                                                  # 404, stock
        step('PUT', '/v2/images', 'member', headers),                                        # 405
        step('PATCH', '/v2/images/<id9>', 'member', [('Content-Type', 'text/plain')] + list(headers.items()), json=[]),    # 415
        step('POST', '/v2/images', 'member', headers, json={'os_glance_x': 'y'}),            # 403, detail
        get('/v2/images', 'none', headers),                                                  # 401
        step('BREW', '/v2/nope', 'member', headers),                                         # 501
    ]


def cases():
    for accept in ACCEPTS:
        yield case('accept:%s' % ('absent' if accept is None else accept), errors(accept))
    yield case('html-escaping', create({'visibility': '<b>"a\' & b</b>'}), create({'<i>&x</i>': 1}),
               create({'visibility': '<b>"a\' & b</b>'}, headers={'Accept': 'text/plain'}),
               create({'visibility': '<b>"a\' & b</b>'}, headers={'Accept': 'application/json'}),
               get('/v2/images?limit=<b>&</b>'), get('/v2/images?limit=<b>&</b>', headers={'Accept': 'text/plain'}),
               get('/v2/images?visibility=%3Cb%3E%26%3C/b%3E'), get('/v2/images?visibility=%3Cb%3E%26%3C/b%3E', headers={'Accept': 'text/plain'}),
               get('/v2/images?visibility=%3Cb%3E%26%3C/b%3E', headers={'Accept': 'application/json'}), profiles=BOTH)
    yield case('schema-message', [create(f, headers={'Accept': a}) for a in ('text/html', 'application/json', 'text/plain') for f in ({'name': 1}, {'<p>': 1}, {'visibility': "a'b\nc"}, {'tags': ['x' * 256]})], profiles=BOTH)
    yield case('unicode-in-message', create({'visibility': 'zażółć'}), create({'visibility': 'zażółć'}, headers={'Accept': 'application/json'}),
               create({'visibility': 'zażółć'}, headers={'Accept': 'text/plain'}),
               get('/v2/images/za%C5%BC', headers={'Accept': 'application/json'}), get('/v2/images/za%C5%BC'), get('/v2/images/%ff'))
    for rid in ('req-abc', 'abc', 'req-', '', 'req-' + 'a' * 60, 'a' * 60, 'a' * 61, 'req-' + 'a' * 61, 'a' * 64, 'a' * 65, 'x' * 300, 'REQ-abc', 'a b', 'zażółć'):
        yield case('request-id:%s' % (rid if len(rid) < 20 else rid[:5] + '*%d' % len(rid)),
                   get('/v2/images?limit=0', headers={'X-Openstack-Request-Id': rid}),
                   get('/v2/nope', headers={'X-Openstack-Request-Id': rid}),
                   get('/v2/images', 'none', headers={'X-Openstack-Request-Id': rid}), profiles=BOTH)
    yield case('request-id-too-long', [step(m, path, headers={'X-Openstack-Request-Id': 'a' * 65}, **more) for m, path, more in (
        ('GET', '/v2/images', {}), ('GET', '/v2/images/<id>', {}), ('POST', '/v2/images', {'json': {'id': '<id>'}}), ('PUT', '/v2/images', {}), ('GET', '/v2', {}), ('OPTIONS', '/v2', {}), ('DELETE', '/v2/images/<id>', {}))], profiles=BOTH)
    yield case('request-id-places', get('/v2/images', headers={'X-Openstack-Request-Id': 'req-1'}),
               step('PUT', '/v2/images', headers={'X-Openstack-Request-Id': 'req-1'}),
               step('OPTIONS', '/v2/images', headers={'X-Openstack-Request-Id': 'req-1'}),
               get('/v2', headers={'X-Openstack-Request-Id': 'req-1'}), get('/healthcheck', headers={'X-Openstack-Request-Id': 'req-1'}),
               get('/v1', headers={'X-Openstack-Request-Id': 'req-1'}),
               create({'id': '<id>'}, headers={'X-Openstack-Request-Id': 'mine'}), show('id') | {'headers': (('x-openstack-request-id', 'low'),)},
               get('/v2/images?limit=0', headers={'X-Openstack-Global-Request-Id': 'req-global'}))
    # identity as the trusted pipeline reads it
    who = [('X-User-Id', 'user-1'), ('X-Project-Id', '<p1>'), ('X-Roles', 'member,reader')]
    for status in (None, '', 'Confirmed', 'confirmed', 'CONFIRMED', 'Invalid', 'Confirmed ', 'Indeterminate'):
        headers = who + ([('X-Identity-Status', status)] if status is not None else [])
        yield case('identity-status:%s' % status, get('/v2/images', 'none', headers), get('/v2/nope', 'none', headers),
                   get('/v2', 'none', headers), step('PUT', '/v2/images', 'none', headers), step('POST', '/v2/images', 'none', headers, body='{'))
    yield case('401-bodies', [get('/v2/images', 'none', {'Accept': a}) for a in ('application/json', 'text/plain', 'text/html')],
               step('HEAD', '/v2/images', 'none'), step('DELETE', '/v2/images/<id>', 'none'), step('PATCH', '/v2/images/<id>', 'none', json=[]),
               step('PUT', '/v2/images/<id>/file', 'none', {'Content-Type': OCTETS}, body=b'abc'), get('/v2/images', 'none', {'X-Auth-Token': 'abc'}), profiles=BOTH)
    for roles in ('', 'member', 'reader', 'MEMBER,READER', ' member , reader ', 'member;reader', 'admin', 'Admin', 'administrator', 'service', 'member,admin', 'manager,member,reader'):
        headers = [('X-Identity-Status', 'Confirmed'), ('X-User-Id', 'user-1'), ('X-Project-Id', '<p1>'), ('X-Roles', roles)]
        yield case('roles:' + roles, get('/v2/images', 'none', headers), step('POST', '/v2/images', 'none', headers, json={'id': '<id>'}),
                   get('/v2/images/<id>', 'none', headers), step('DELETE', '/v2/images/<id>', 'none', headers))
    yield case('no-project', get('/v2/images', 'noproject'), create({'id': '<id>'}, 'noproject'), show('id', 'noproject'),
               create({'id': '<id2>', 'owner': '<p1>'}, 'noproject'))
    yield case('admin-no-project', get('/v2/images?name=<id>', 'adminnoproject'), create({'id': '<id>'}, 'adminnoproject'), show('id', 'adminnoproject'), show('id', 'member'), show('id', 'other'))
    yield case('system-scope', get('/v2/images', 'none', [('X-Identity-Status', 'Confirmed'), ('X-User-Id', 'u'), ('OpenStack-System-Scope', 'all'), ('X-Roles', 'admin,member,reader')]),
               step('POST', '/v2/images', 'none', [('X-Identity-Status', 'Confirmed'), ('X-User-Id', 'u'), ('OpenStack-System-Scope', 'all'), ('X-Roles', 'admin')], json={'id': '<id>'}))
    yield case('domain-scope', get('/v2/images', 'none', [('X-Identity-Status', 'Confirmed'), ('X-User-Id', 'u'), ('X-Domain-Id', 'd'), ('X-Roles', 'admin,member,reader')]))
    yield case('tenant-header', get('/v2/images', 'none', [('X-Identity-Status', 'Confirmed'), ('X-User-Id', 'u'), ('X-Tenant-Id', '<p1>'), ('X-Roles', 'member,reader')]),
               step('POST', '/v2/images', 'none', [('X-Identity-Status', 'Confirmed'), ('X-User-Id', 'u'), ('X-Tenant-Id', '<p1>'), ('X-Roles', 'member,reader')], json={'id': '<id>'}))
    yield case('tenant-and-project', step('POST', '/v2/images', 'none', [('X-Identity-Status', 'Confirmed'), ('X-Tenant-Id', 'tenant'), ('X-Project-Id', '<p1>'), ('X-Roles', 'member,reader')], json={'id': '<id>'}))
    yield case('bad-catalog', get('/v2/images', 'member', {'X-Service-Catalog': '{nope'}), get('/v2/images', 'member', {'X-Service-Catalog': '[]'}))
    for path in ('/v2/images', '/v2/images/<id>', '/v2/images/<id>/file', '/v2/schemas/image', '/v2/schemas/images'):
        yield case('get-body:' + path, image(), step('GET', path, body='{}'), step('GET', path, body=''), step('GET', path, body='junk'),
                   step('GET', path, chunks=[]), step('GET', path, 'member', {'Content-Length': '0'}), profiles=BOTH)
    yield case('delete-body', image(), step('DELETE', '/v2/images/<id>', body='{}'), step('DELETE', '/v2/images/<id>', chunks=[b'{}']), show('id'), profiles=BOTH)
