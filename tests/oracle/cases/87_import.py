# SPDX-License-Identifier: Apache-2.0
"""Starting an import: what is asked for, by whom, of which image, in one store. <origin> is tests/origin.py."""
import json

from make import *

HERE = ('imports',)
WHO = ('admin', 'member', 'reader', 'other', 'third', 'adminonly', 'memberonly', 'service', 'norole', 'noproject', 'none')
METHODS = ('glance-direct', 'web-download', 'copy-image', 'glance-download')
REMOTE = '11111111-2222-4333-8444-555555555555'
BODIES = ['', '{', '[]', 'null', '"x"', '1', '"method"', '["method"]', '{}', '{"method": null}', '{"method": {}}', '{"method": []}', '{"method": "name"}', '{"method": "web-download"}', '{"method": {"name": null}}', '{"method": {"name": 1}}', '{"method": {"name": []}}',
          '{"method": {"name": "nope"}}', '{"method": {"name": "WEB-DOWNLOAD"}}', '{"method": {"name": "żółw"}}', '{"method": {"name": ""}}', '{"Method": {"name": "glance-direct"}}', '{"method": {"name": "glance-direct"}, "extra": 1}', '{"method": {"name": "glance-direct", "uri": "x", "extra": []}}',
          '{"method": {"name": "glance-direct"}, "method": {"name": "nope"}}', '{"method": {"name": "glance-direct"}}x']
FLAGS = ['null', '1', '0', '"true"', '"x"', '[]', '{}', 'true', 'false']
URLS = ['<origin>/ok/10', '<origin>/ok/1000000', '<origin>/ok/10?query=1', '<origin>/ok/10#fragment', '<origin>/empty', '<origin>/status/404', '<origin>/status/403', '<origin>/status/401', '<origin>/status/500', '<origin>/status/503', '<origin>/status/204', '<origin>/status/206', '<origin>/status/304',
        '<origin>/nolength/10', '<origin>/nohead/10', '<origin>/lies/10', '<origin>/short/10', '<origin>/drop', '<origin>/norange/10', '<origin>/redirect/302/1/ok/10', '<origin>/redirect/301/4/ok/10', '<origin>/redirect/302/5/ok/10', '<origin>/redirect/302/11/ok/10', '<origin>/redirect/303/1/ok/10',
        '<origin>/redirect/307/1/ok/10', '<origin>/redirect/308/1/ok/10', '<origin>/loop', '<origin>/nowhere', '<origin>/to?file:///etc/passwd', '<origin>/to?ftp://127.0.0.1/x', '<origin>/to?http://localhost:1/x', '<origin>/to?http://127.0.0.1:22/x', '<origin>/to?/ok/10',
        'http://127.0.0.1:1/x', 'http://127.0.0.1:22/x', 'https://127.0.0.1:1/x', 'http://169.254.169.254/latest', 'http://localhost:1/x', 'http://2130706433/x', 'http://127.1/x', 'http://0x7f000001/x', 'http://0177.0.0.1/x', 'http://127.0.0.1./x', 'http://[::1]/x', 'http://[::ffff:127.0.0.1]/x', 'http://no.such.host.invalid/x',
        'file:///etc/passwd', 'filesystem:///etc/passwd', 'swift://x/y/z', 'ftp://127.0.0.1/x', 'x', '', ' ', '/etc/passwd', 'http:', 'http://', 'http:///x', 'http:/127.0.0.1/x', 'HTTP://127.0.0.1:1/x', ' <origin>/ok/10', 'http://user:pass@127.0.0.1:1/x', 'http://a@b@127.0.0.1:1/x', 'http://127.0.0.1:port/x',
        'http://127.0.0.1:99999/x', 'http://127.0.0.1:0/x', 'http://127.0.0.1:-1/x', 'http://127.0.0.1\\@x/', 'http://[127.0.0.1]/x', 'http://żółw.invalid/x', 'gopher://127.0.0.1/x', 'data:,x']
STRICT = ['<origin>/ok/10', 'http://127.0.0.1/x', 'https://127.0.0.1/x', 'http://localhost/x', 'http://2130706433/x', 'http://127.1/x', 'http://0x7f000001/x', 'http://0177.0.0.1/x', 'http://[::1]/x', 'http://[::ffff:127.0.0.1]/x', 'http://[::ffff:7f00:1]/x', 'http://169.254.169.254/x', 'http://[fe80::1]/x', 'http://no.such.host.invalid/x',
          'http://127.0.0.1:443/x', 'http://127.0.0.1:8080/x', 'file:///etc/passwd', 'http://１２７.0.0.1/x', 'http://127.0.0.1%2f@x/', 'HTTPS://127.0.0.1/x', 'http://user@127.0.0.1/x']
GLANCE = [{}, {'glance_region': 'one'}, {'glance_image_id': REMOTE}, {'glance_region': 'one', 'glance_image_id': 'x'}, {'glance_region': 'one', 'glance_image_id': ''}, {'glance_region': 'one', 'glance_image_id': None}, {'glance_region': 'one', 'glance_image_id': 1}, {'glance_region': None, 'glance_image_id': REMOTE},
          {'glance_region': 1, 'glance_image_id': REMOTE}, {'glance_region': '', 'glance_image_id': REMOTE}, {'glance_region': 'two', 'glance_image_id': REMOTE}, {'glance_region': 'ONE', 'glance_image_id': REMOTE}, {'glance_region': 'one', 'glance_image_id': REMOTE.replace('-', '')},
          {'glance_region': 'one', 'glance_image_id': '{' + REMOTE + '}'}, {'glance_region': 'one', 'glance_image_id': 'urn:uuid:' + REMOTE}, {'glance_region': 'one', 'glance_image_id': REMOTE, 'glance_service_interface': 'internal'}, {'glance_region': 'one', 'glance_image_id': REMOTE, 'glance_service_interface': 'nope'},
          {'glance_region': 'one', 'glance_image_id': REMOTE, 'glance_service_interface': None}, {'glance_region': 'one', 'glance_image_id': REMOTE, 'glance_service_interface': ''}, {'glance_region': 'one', 'glance_image_id': REMOTE, 'extra': 1}]
REMOTES = ['active/10/10', 'active/11/10', 'active/9/10', 'active/0/0', 'active/none/10', 'active/junk/10', 'queued/10/10', 'deactivated/10/10', '404/10/10', '403/10/10', '500/10/10', 'active/100000/100000']


def catalog(path='active/10/10', kind='image'):
    return [('X-Auth-Token', 'token'), ('X-Service-Catalog', json.dumps([{'type': 'identity', 'endpoints': [{'region': 'One', 'publicURL': 'http://127.0.0.1:1'}]}, {'type': kind, 'endpoints': [
        {'region': 'Zero', 'publicURL': 'http://127.0.0.1:1'}, {'region': 'One', 'publicURL': '<origin>/remote/' + path, 'internalURL': '<origin>/remote/active/5/5'}]}]))]


def remote(path='active/10/10', who='member', name='id', of=None, headers=None, **more):
    return bring('glance-download', name, who, catalog(path) if headers is None else headers, of={'glance_region': 'one', 'glance_image_id': REMOTE} if of is None else of, **more)


def cases():
    def one(name, *steps, profiles=HERE):
        return case(name, *steps, profiles=profiles)

    staged = [bare(), stage(quiet=True)]
    methods = {'glance-direct': lambda **more: bring(**more), 'web-download': lambda **more: web(**more), 'copy-image': lambda **more: bring('copy-image', **more), 'glance-download': lambda **more: remote(**more)}
    after = [settled('id', 'admin'), jobs('id', 'admin')]

    # ---- the body
    for n, body in enumerate(BODIES):
        yield one('body-%02d' % n, staged, step('POST', '/v2/images/<id>/import', headers={'Content-Type': 'application/json'}, body=body), after)
    for flag in ('all_stores', 'all_stores_must_succeed'):
        for value in FLAGS:
            yield one('flag:%s:%s' % (flag, value), staged, step('POST', '/v2/images/<id>/import', headers={'Content-Type': 'application/json'}, body='{"method": {"name": "glance-direct"}, "%s": %s}' % (flag, value)), after)
    for n, ctype in enumerate((None, '', 'text/plain', 'application/octet-stream', 'application/json; charset=utf-8', 'application/openstack-images-v2.1-json-patch')):
        yield one('type-%d' % n, staged, step('POST', '/v2/images/<id>/import', headers={'Content-Type': ctype} if ctype is not None else {}, body='{"method": {"name": "glance-direct"}}'), after)
    yield one('no-body', bare(), step('POST', '/v2/images/<id>/import'), step('POST', '/v2/images/<id9>/import'), step('POST', '/v2/images/<id9>/import', json={}))
    yield one('routes', bare(), [step(m, '/v2/images/<id>/import') for m in ('GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS')], step('POST', '/v2/images/<id>/import/', json={}), step('POST', '/v2/images/<id>/import/x', json={}), step('POST', '/v2/images/x/import', json={'method': {'name': 'web-download'}}))
    for stores in (None, [], 'fast', ['file'], ['nope'], [1]):
        yield one('stores:' + json.dumps(stores), staged, bring(stores=stores), after)
    yield one('stores-header', staged, bring(headers=[('x-image-meta-store', 'nope')]), after)
    for version in ('2.0', '2.5', '2.6', '2.18', '2.19'):
        yield one('version:' + version, staged, step('POST', '/v%s/images/<id>/import' % version, json={'method': {'name': 'glance-direct'}}), after)

    # ---- the image
    states = {'none': [], 'formless': [image()], 'diskless': [image('id', container_format='bare')], 'queued': [bare()], 'staged': staged, 'staged-formless': [image(), stage(quiet=True)], 'active': active(),
              'deactivated': [active(), act('deactivate', who='admin', quiet=True)], 'deleted': [bare(), delete('/v2/images/<id>', quiet=True)], 'foreign': [bare('id', 'other')], 'community': [bare('id', 'other', visibility='community')]}
    for state, before in states.items():
        for method, ask in methods.items():
            yield one('state:%s:%s' % (state, method), before, ask(), after)
            yield one('state:%s:%s:wrong' % (state, method), before, ask(stores=['nope'], all_stores_must_succeed=False, who='admin'), ask(stores=['nope'], all_stores=True), ask(all_stores=1))

    # ---- who may
    for who in WHO:
        mine = {'owner': '<p1>', 'disk_format': 'raw', 'container_format': 'bare', 'visibility': 'community'}
        yield one('by:glance-direct:' + who, image('id', 'admin', **mine), stage(who='admin', quiet=True), bring(who=who), after, get('/v2/images/<id>/tasks', who, settle=True))
        yield one('by:web-download:' + who, image('id', 'admin', **mine), web(who=who), after, get('/v2/images/<id>/tasks', who, settle=True))
        yield one('by:glance-download:' + who, image('id', 'admin', **mine), remote(who=who), after, get('/v2/images/<id>/tasks', who, settle=True))
        yield one('by:copy-image:' + who, image('id', 'admin', **mine), put(b'0123456789', who='admin', quiet=True), bring('copy-image', who=who), after, get('/v2/images/<id>/tasks', who, settle=True))
        yield one('by:private:' + who, image('id', 'admin', **dict(mine, visibility='private')), web(who=who), after, get('/v2/images/<id>/tasks', who))
    yield one('by-accepted', bare(), member(status='accepted'), web(who='other'), bring('copy-image', who='other'), web(), settled('id', 'other'), get('/v2/images/<id>/tasks', 'other'), get('/v2/images/<id>/tasks', 'third'))
    yield one('by-user-of-project', bare(), web(quiet=True), settled(), get('/v2/images/<id>/tasks', 'special'), get('/v2/images/<id>/tasks', 'reader'))

    # ---- the address
    for n, url in enumerate(URLS):
        yield one('uri-%02d:%s' % (n, url), bare(), web(url) if ':' in url else bring('web-download', of={'uri': url}), settled(), jobs(), load())
    for n, url in enumerate((None, 1, [], {}, True)):
        yield one('uri-odd-%d' % n, bare(), bring('web-download', of={'uri': url}), settled(), jobs())
    yield one('uri-none', bare(), bring('web-download'), settled(), bring('web-download', who='other'))
    for n, url in enumerate(STRICT):
        yield one('uri-strict-%02d:%s' % (n, url), bare(), bring('web-download', of={'uri': url}), settled(), jobs(), profiles=('trusted',))

    # ---- another Glance
    for n, of in enumerate(GLANCE):
        yield one('remote-request-%02d' % n, bare(), remote(of=of), settled(), jobs(), load())
    for path in REMOTES:
        yield one('remote:' + path, bare(hw_disk_bus='ide', hw_machine_type='pc'), remote(path), settled(), jobs())
    yield one('remote-no-token', bare(), remote(headers=catalog()[1:]), settled(), jobs())
    yield one('remote-no-catalog', bare(), remote(headers=catalog()[:1]), settled(), jobs())
    yield one('remote-catalog-junk', bare(), remote(headers=[('X-Auth-Token', 't'), ('X-Service-Catalog', '{')]), remote(headers=[('X-Auth-Token', 't'), ('X-Service-Catalog', '[]')]), settled(), jobs())
    yield one('remote-catalog-kind', bare(), remote(headers=catalog(kind='compute')), settled(), jobs())
    yield one('remote-replaces', image('id', disk_format='qcow2', container_format='ovf', name='local', os_version='1'), remote(), settled(), load())

    # ---- elsewhere
    for profile in ('imports-few', 'imports-none', 'trusted', 'noauth', 'imports-worker'):
        yield case('in:' + profile, bare(), [bring(method) for method in METHODS], get('/v2/info/import'), profiles=(profile,))
