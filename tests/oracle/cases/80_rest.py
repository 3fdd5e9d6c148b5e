# SPDX-License-Identifier: Apache-2.0
"""Tags, members, actions; info, locations, stage and import, which wait in the group "later"."""
from make import *

EVERYBODY = ('admin', 'member', 'reader', 'other', 'otherreader', 'third', 'adminonly', 'service', 'norole', 'none')


def tag(method, name, who='member', **more):
    return step(method, '/v2/images/<id>/tags/' + name, who, **more)


def members(who='member', **more):
    return get('/v2/images/<id>/members', who, **more)


def one(project, who='member', method='GET', **more):
    return step(method, '/v2/images/<id>/members/' + project, who, **more)


def stage(data, who='member', ctype=OCTETS, headers=(), **more):
    return step('PUT', '/v2/images/<id>/stage', who, ([('Content-Type', ctype)] if ctype else []) + list(headers), body=data, **more)


def do_import(body, who='member', **more):
    return step('POST', '/v2/images/<id>/import', who, json=body, **more)


def cases():
    # tags
    yield case('tag-cycle', image(), tag('PUT', 'a'), tag('PUT', 'a'), show(), tag('DELETE', 'a'), tag('DELETE', 'a'), show(), profiles=BOTH)
    for name in ('x' * 255, 'x' * 256, '%20', 'a%20b', '%C5%BC', 'a%2Fb', 'a/b', '', '.', '..', 'a.b', '%00', '%ff', 'a+b', 'a;b', 'a%3Fb', '%F0%9F%98%80', 'A'):
        yield case('tag:%s' % (name if len(name) < 30 else '*%d' % len(name)), image(), tag('PUT', name), show(), tag('DELETE', name))
    for who in EVERYBODY:
        yield case('tag-by:' + who, image('id', 'admin', owner='<p1>', visibility='public', tags=['old']), tag('PUT', 'new', who), tag('DELETE', 'old', who), tag('DELETE', 'nope', who), show('id', 'admin'))
        yield case('tag-by-private:' + who, image('id', 'member', visibility='private', tags=['old']), tag('PUT', 'new', who), tag('DELETE', 'old', who))
    yield case('tag-body', image(), tag('PUT', 'a', body='{}'), tag('PUT', 'a', chunks=[b'x']), tag('PUT', 'a', headers={'Content-Length': '0'}), tag('DELETE', 'a', body='{}'))
    yield case('tag-quota', image('id', tags=['t%03d' % n for n in range(128)]), tag('PUT', 'new'), tag('PUT', 't000'), tag('DELETE', 't000'), tag('PUT', 'new'))
    yield case('tag-missing', tag('PUT', 'a'), tag('DELETE', 'a'), tag('GET', 'a'))
    yield case('tag-protected-active', active('id', protected=True), tag('PUT', 'a'), tag('DELETE', 'a'))
    yield case('tag-updated-at', image(), tag('PUT', 'a', quiet=True), show())
    # members
    yield case('member-cycle', image(), members(), post('/v2/images/<id>/members', {'member': '<p2>'}), members(), one('<p2>'), one('<p2>', 'other'), members('other'), one('<p2>', 'other', 'PUT', json={'status': 'accepted'}), one('<p2>'), show('id', 'other'),
               post('/v2/images/<id>/members', {'member': '<p2>'}), one('<p2>', method='DELETE'), one('<p2>'), one('<p2>', method='DELETE'), show('id', 'other'), post('/v2/images/<id>/members', {'member': '<p2>'}), profiles=BOTH)
    for at, body in enumerate(({}, {'member': ''}, {'member': None}, {'member': 1}, {'member': ['x']}, {'member': True}, {'member': 'x' * 255}, {'member': 'x' * 256}, {'member': '<p1>'}, {'member': 'a/b'}, {'member': '\U0001f600'}, {'member': 'x', 'status': 'accepted'}, {'members': 'x'}, [], ['member'], {'member': {}}, {'member': 0}, {'member': ' '})):
        yield case('member-add:%02d' % at, image(), post('/v2/images/<id>/members', body), members())
    yield case('member-add-raw', image(), step('POST', '/v2/images/<id>/members'), step('POST', '/v2/images/<id>/members', body='{'), step('POST', '/v2/images/<id>/members', body='"x"'), step('POST', '/v2/images/<id>/members', headers={'Content-Type': 'text/plain'}, body='{"member": "x"}'))
    for status in ('accepted', 'rejected', 'pending', 'nope', '', None, 1, 'ACCEPTED', ['accepted']):
        yield case('member-status:%s' % status, image(), member(), one('<p2>', 'other', 'PUT', json={'status': status}), one('<p2>', 'member', 'PUT', json={'status': status}), one('<p2>', 'admin', 'PUT', json={'status': status}), one('<p2>'))
    yield case('member-status-bodies', image(), member(), [one('<p2>', 'other', 'PUT', json=b) for b in ({}, {'x': 1}, [], [1], {'status': 'accepted', 'x': 1})], one('<p2>', 'other', 'PUT'), one('<p2>', 'other', 'PUT', body='{'), one('<p3>', 'other', 'PUT', json={'status': 'accepted'}), one('<p3>', 'member', 'PUT', json={'status': 'accepted'}), one('<p3>', 'third', 'PUT', json={'status': 'accepted'}))
    for who in EVERYBODY:
        yield case('member-by:' + who, image(), member('<p2>'), member('<p3>'), members(who), one('<p2>', who), one('<p3>', who), one('nope', who), post('/v2/images/<id>/members', {'member': 'new'}, who), one('<p2>', who, 'PUT', json={'status': 'accepted'}), one('<p2>', who, 'DELETE'), members('admin'))
    for visibility in ('private', 'public', 'community'):
        yield case('member-of:' + visibility, image('id', 'admin', owner='<p1>', visibility=visibility), [[members(w), one('<p2>', w), post('/v2/images/<id>/members', {'member': '<p2>'}, w), one('<p2>', w, 'PUT', json={'status': 'accepted'}), one('<p2>', w, 'DELETE')] for w in ('admin', 'member', 'other')])
    yield case('member-missing', members(), one('x'), post('/v2/images/<id>/members', {'member': 'x'}), one('x', method='DELETE'), one('x', method='PUT', json={'status': 'accepted'}), one('x', method='PUT', json={}), post('/v2/images/<id>/members', {}))
    yield case('member-body', image(), member(), step('GET', '/v2/images/<id>/members', body='{}'), one('<p2>', body='{}'), one('<p2>', method='DELETE', body='{}'))
    yield case('member-visibility-change', image(), member(status='accepted'), patch([{'op': 'replace', 'path': '/visibility', 'value': 'public'}], who='admin'), members(), show('id', 'other'), patch([{'op': 'replace', 'path': '/visibility', 'value': 'shared'}], who='admin'), members())
    yield case('member-list-pages', image(), [post('/v2/images/<id>/members', {'member': 'm%d' % n}, quiet=True) for n in range(4)], members(), get('/v2/images/<id>/members?limit=1'), get('/v2/images/<id>/members?status=pending'))
    # actions
    for action in ('deactivate', 'reactivate'):
        yield case('action-queued:' + action, image(), act(action), show())
        yield case('action-twice:' + action, active(), act(action), show(), act(action), act('deactivate'), act('reactivate'), show(), load(), profiles=BOTH)
        for who in EVERYBODY:
            yield case('action-by:%s:%s' % (action, who), active('id', 'admin', b'0123456789', owner='<p1>', visibility='public'), act(action, who=who), act('deactivate', quiet=True), act(action, who=who), show('id', 'admin'))
        yield case('action-body:' + action, active(), act(action, body='{}'), act(action, chunks=[b'x']), act(action, headers={'Content-Length': '0'}), act(action, headers={'Accept': 'application/json'}))
        yield case('action-missing:' + action, act(action), act(action, who='reader'), act(action, who='admin'))
        yield case('action-private:' + action, active('id', visibility='private'), act(action, who='other'), act(action, who='reader'))
    # discovery
    for path in ('import', 'stores', 'stores/detail', 'usage', 'nope', 'import/', 'usage/x'):
        yield case('info:' + path, [get('/v2/info/' + path, who) for who in ('member', 'admin', 'reader', 'service', 'norole', 'none')], step('GET', '/v2/info/' + path, body='{}'), step('POST', '/v2/info/' + path, json={}), get('/v2/info/' + path, headers={'Accept': 'application/json'}), profiles=BOTH)
    # tasks, cache, metadefs: only what they answer at all
    for path in ('/v2/tasks', '/v2/tasks/<id>', '/v2/images/<id>/tasks', '/v2/cache', '/v2/metadefs/namespaces', '/v2/metadefs/resource_types', '/v2/metadefs/namespaces/nope'):
        yield case('peek:' + path, image(), [get(path, who) for who in ('member', 'admin', 'reader', 'other', 'norole', 'none')], get(path, 'admin', {'Accept': 'application/json'}), step('DELETE', path, 'admin'), profiles=BOTH)
    yield case('cache-off', image(), step('PUT', '/v2/cache/<id>', 'admin'), step('PUT', '/v2/cache/<id>'), step('DELETE', '/v2/cache/<id>', 'admin'), step('POST', '/v2/cache/clean', 'admin'), step('POST', '/v2/cache/prune', 'admin'), get('/v2/cache/nodes/<id>', 'admin'), step('DELETE', '/v2/cache', 'admin'))
    yield case('stores-delete', active(), step('DELETE', '/v2/stores/file/<id>', 'admin'), step('DELETE', '/v2/stores/file/<id>'), step('DELETE', '/v2/stores/nope/<id9>', 'admin'))
    # locations API
    for at, body in enumerate(({}, {'url': 'http://127.0.0.1:1/x'}, {'url': ''}, {'url': 1}, {'url': 'file:///etc/passwd'}, {'url': 'x'}, {'url': 'rbd://a/b/c/d'}, {'url': 'http://127.0.0.1:1/x', 'validation_data': {}}, {'url': 'http://127.0.0.1:1/x', 'validation_data': {'os_hash_algo': 'sha512'}},
                               {'url': 'http://127.0.0.1:1/x', 'validation_data': {'os_hash_algo': 'nope', 'os_hash_value': 'a' * 128}}, {'url': 'http://127.0.0.1:1/x', 'validation_data': {'os_hash_algo': 'sha512', 'os_hash_value': 'a'}}, {'url': 'http://127.0.0.1:1/x', 'extra': 1}, [], {'validation_data': {}})):
        yield case('location-add:%02d' % at, image('id', disk_format='raw', container_format='bare'), step('POST', '/v2/images/<id>/locations', json=body), show())
    yield case('location-get', active(), [get('/v2/images/<id>/locations', who) for who in EVERYBODY], get('/v2/images/<id9>/locations'), get('/v2/images/<id9>/locations', 'admin'))
    yield case('location-add-active', active(), step('POST', '/v2/images/<id>/locations', json={'url': 'http://127.0.0.1:1/x'}), step('POST', '/v2/images/<id9>/locations', json={'url': 'http://127.0.0.1:1/x'}), step('POST', '/v2/images/<id>/locations', 'other', json={'url': 'http://127.0.0.1:1/x'}), step('POST', '/v2/images/<id>/locations'))
    # stage
    yield case('stage', image(), stage(b'0123456789'), show(), stage(b'x'), load(), delete('/v2/images/<id>'))
    yield case('stage-active', active(), stage(b'x'))
    yield case('stage-types', image(), stage(b'x', ctype='text/plain'), stage(b'x', ctype=None), stage(b'x', 'reader'), stage(b'x', 'other'), show())
    yield case('stage-empty', image(), stage(b''), show())
    yield case('stage-chunked', image(), step('PUT', '/v2/images/<id>/stage', headers={'Content-Type': OCTETS}, chunks=[b'01234', b'56789']), show())
    yield case('stage-size', image(), stage(b'0123456789', headers=[('x-openstack-image-size', '5')]), show())
    yield case('stage-then-put', bare(), stage(b'0123456789'), put(b'x'), show())
    yield case('stage-missing', stage(b'x'), stage(b'x', 'none'))
    # import: only what is refused before a task starts
    for at, body in enumerate(({}, {'method': {}}, {'method': 'x'}, {'method': {'name': 'nope'}}, {'method': {'name': 'glance-direct'}}, {'method': {'name': 'web-download'}}, {'method': {'name': 'web-download', 'uri': 'http://127.0.0.1:1/x'}}, {'method': {'name': 'web-download', 'uri': 'file:///x'}}, {'method': {'name': 'web-download', 'uri': 1}}, {'method': {'name': 'copy-image'}},
                               {'method': {'name': 'glance-download'}}, {'method': {'name': 'glance-direct'}, 'stores': ['x']}, {'method': {'name': 'glance-direct'}, 'all_stores': True}, {'method': {'name': 'glance-direct'}, 'all_stores': 'x'}, {'method': {'name': 'glance-direct'}, 'all_stores_must_succeed': False}, [], {'method': {'name': 1}})):
        yield case('import-queued:%02d' % at, bare(), do_import(body), show())
        yield case('import-active:%02d' % at, active(), do_import(body))
    yield case('import-no-formats', image(), stage(b'x', quiet=True), do_import({'method': {'name': 'glance-direct'}}), do_import({'method': {'name': 'glance-direct'}}, 'reader'), do_import({'method': {'name': 'glance-direct'}}, 'other'))
    yield case('import-missing', do_import({'method': {'name': 'glance-direct'}}), do_import({}), step('POST', '/v2/images/<id>/import'), step('POST', '/v2/images/<id>/import', body='{'))
