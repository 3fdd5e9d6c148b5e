# SPDX-License-Identifier: Apache-2.0
"""PATCH /v2/images/{id}."""
from make import *

TYPES = [V21, V20, 'application/openstack-images-v2.1-json-patch; charset=utf-8', V21 + ' ', V21.upper(), 'application/openstack-images-v2.2-json-patch', 'application/openstack-images-v2-json-patch',
         'application/json-patch+json', 'application/json', 'text/plain', '', 'nonsense', 'application/octet-stream', V20 + '; x=y']
BODIES = ['', '{', '{}', '[]', '[1]', '[null]', '["x"]', '[[]]', '[{}]', '"x"', 'null', '1', '[{"op": "add"}]', '[{"op": "add", "path": "/p"}]', '[{"op": "remove"}]', '[{"path": "/p", "value": "v"}]', '{"op": "add", "path": "/p", "value": "v"}',
          '[{"op": "add", "path": "/p", "value": "v", "extra": 1}]', '[{"op": "add", "op": "remove", "path": "/p", "value": "v"}]', '[{"op": "test", "path": "/name", "value": "n"}]', '[{"op": "move", "from": "/p", "path": "/q"}]', '[{"op": "copy", "from": "/p", "path": "/q"}]',
          '[{"op": "ADD", "path": "/p", "value": "v"}]', '[{"op": "", "path": "/p", "value": "v"}]', '[{"op": null, "path": "/p", "value": "v"}]', '[{"op": 1, "path": "/p", "value": "v"}]', '[{"op": "add", "path": 1, "value": "v"}]', '[{"op": "add", "path": null, "value": "v"}]', '[{"op": "add", "path": ["p"], "value": "v"}]',
          '[{"op": "replace", "path": "/name"}]', '[{"op": "remove", "path": "/prop", "value": "v"}]', '[{"add": "/p", "value": "v"}]', '[{"op": "add", "path": "/p", "value": "v"}, 1]', '[{"op": "add", "path": "/p", "value": "v"}] x', '[{"op": "add", "path": "/p", "value": "v"},]']
BODIES20 = ['[]', '{}', '[{}]', '[{"add": "/p", "value": "v"}]', '[{"add": "/prop", "value": "v"}]', '[{"add": "/name", "value": "v"}]', '[{"add": "/tags", "value": ["z"]}]', '[{"replace": "/name", "value": "v"}]', '[{"replace": "/prop", "value": "v"}]', '[{"replace": "/p", "value": "v"}]',
            '[{"remove": "/prop"}]', '[{"remove": "/p"}]', '[{"remove": "/name"}]', '[{"add": "/p"}]', '[{"replace": "/p"}]', '[{"add": "/p", "replace": "/q", "value": "v"}]', '[{"add": "/p", "remove": "/q", "value": "v"}]', '[{"op": "add", "path": "/p", "value": "v"}]', '[{"move": "/p", "value": "v"}]', '[{"value": "v"}]',
            '[{"add": 1, "value": "v"}]', '[{"add": null, "value": "v"}]', '[{"add": "p", "value": "v"}]', '[{"add": "/p", "value": "v", "x": 1}]', '[{"add": "/p", "value": "v"}, {"add": "/p", "value": "w"}]', '[{"add": "/p", "value": "v"}, {"replace": "/p", "value": "w"}, {"remove": "/p"}]', '[1]', 'null', '[{"add": "/a/b", "value": "v"}]', '[{"replace": "/status", "value": "v"}]']
POINTERS = ['', '/', '//', 'p', 'p/', '/p/', '/p/q', '//p', '/ p', '/p ', '/ p /', ' /p', '/~0', '/~1', '/a~1b', '/a~0b', '/a~2b', '/a~', '/~', '/~01', '/a~1~0', '/tags/-', '/tags/0', '/tags/', '/name/0', '/locations', '/locations/-', '/locations/0', '/locations/x', '/locations/', '/locations/0/url',
            '/p%2Fq', '/ż', '/\U0001f600', '/' + 'x' * 255, '/' + 'x' * 256, '/p\n', '/p?x', '/p#x', '/-', '/0', '/os_glance', '/os_glance_x', '/os_glancex', '/OS_GLANCE_x', '/Name', '/ name', '/self/x', '/id/x', '/name/', '/p/q/r']
FIELDS = [      # every attribute, values tried with replace; add and remove are tried with the first
    ('name', ['new', '', None, 1, 'x' * 255, 'x' * 256, '\U0001f600', 'żółw', [], {}]), ('visibility', ['private', 'shared', 'community', 'public', 'nope', None, 1]), ('protected', [True, False, 'true', 1, None]), ('os_hidden', [True, False, 'x', None]),
    ('min_ram', [5, 0, -1, 2147483647, 2147483648, '5', 1.5, None, True, 2.0]), ('min_disk', [5, -1, 2147483648, None]), ('disk_format', ['qcow2', 'nope', None, 1, '']), ('container_format', ['ovf', 'nope', None, 1]),
    ('tags', [['x'], [], ['x', 'x'], ['x' * 255], ['x' * 256], [1], 'x', None, ['\U0001f600'], ['t%03d' % n for n in range(128)], ['t%03d' % n for n in range(129)]]), ('owner', ['<p2>', '<p1>', None, '', 1, 'x' * 255, 'x' * 256]),
    ('locations', [[], [{'url': 'http://127.0.0.1:1/x', 'metadata': {}}], None, 'x']),
    ('id', ['<id2>', 'x', 1]), ('status', ['active', 'x', 1]), ('checksum', ['x', None, 1]), ('size', [1, 'x', None]), ('virtual_size', [1, 'x']), ('created_at', ['2020-01-01T00:00:00Z', 1]), ('updated_at', ['2020-01-01T00:00:00Z']), ('os_hash_algo', ['x', 1]), ('os_hash_value', ['x']),
    ('direct_url', ['x', 1]), ('self', ['x', 1]), ('file', ['x', 1]), ('schema', ['x', 1]), ('stores', ['x', 1]), ('deleted', ['x', True]), ('deleted_at', ['x', None]), ('location', ['x', 1]), ('members', ['x', []]), ('properties', ['x', {}]), ('os_glance_import_task', ['x', 1]), ('is_public', ['x']),
    ('image_id', ['x']), ('extra_properties', ['x']), ('base', ['x']), ('member', ['x']), ('delete', ['x']), ('__class__', ['x']), ('metadata', ['x']), ('name_', ['x']), ('get_data', ['x']), ('_status', ['x']), ('valid_state_targets', ['x']),
    ('prop', ['new', '', 1, None, [], True, '\U0001f600', 'y' * 70000, 'a\u0000b']), ('newprop', ['new', 1, None, '']), ('kernel_id', ['<id2>', None, 'x']), ('os_distro', ['x', None]), ('cinder_encryption_key_deletion_policy', ['do_not_delete', 'x']),
]


def op(kind, path, *value):
    return dict({'op': kind, 'path': path}, **({'value': value[0]} if value else {}))


def label(value):
    import json
    text = json.dumps(value)
    return text if len(text) < 30 else text[:10] + '*%d' % len(text)


def base(**fields):
    return image('id', **dict({'name': 'n', 'prop': 'v', 'tags': ['a', 'b']}, **fields))


def cases():
    for kind in TYPES:
        yield case('type:' + kind, base(), patch([op('replace', '/name', 'new')], ctype=kind), show(), profiles=BOTH)
    yield case('no-type', base(), step('PATCH', '/v2/images/<id>', body='[]'), step('PATCH', '/v2/images/<id>'), step('PATCH', '/v2/images/<id>', headers={'Accept': 'application/json', 'Content-Type': 'x/y'}, body='[]'),
               step('PATCH', '/v2/images/<id>', headers={'Accept': 'text/plain', 'Content-Type': 'x/y'}, body='[]'))
    for at, text in enumerate(BODIES):
        yield case('body-%02d:%s' % (at, text[:30]), base(), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21}, body=text), show(), profiles=BOTH)
    for at, text in enumerate(BODIES20):
        yield case('body20-%02d:%s' % (at, text[:34]), base(), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V20}, body=text), show())
    yield case('no-body', base(), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21}), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21}, chunks=[]), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21}, chunks=[b'[{"op": "add", ', b'"path": "/c", "value": "v"}]']))
    yield case('bad-encoding', base(), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21}, body=b'[{"op": "add", "path": "/c", "value": "\xe9"}]'), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21}, body=b'\x00\xff'))
    for pointer in POINTERS:
        name = pointer if len(pointer) < 40 else '*%d' % len(pointer)
        yield case('pointer:%s' % name, base(), patch([op('add', pointer, 'w')]), show(), patch([op('replace', pointer, 'z')]), patch([op('remove', pointer)]), show(), profiles=BOTH)
    for field, values in FIELDS:
        for value in values:
            yield case('replace:%s:%s' % (field, label(value)), base(), patch([op('replace', '/' + field, value)]), show())
        yield case('add:%s' % field, base(), [patch([op('add', '/' + field, v)]) for v in values[:3]], show(), profiles=BOTH)
        yield case('remove:%s' % field, base(), patch([op('remove', '/' + field)]), show(), patch([{'remove': '/' + field}], ctype=V20), profiles=BOTH)
        yield case('admin:%s' % field, base(), patch([op('replace', '/' + field, values[0])], who='admin'), patch([op('add', '/' + field, values[-1])], who='admin'), patch([op('remove', '/' + field)], who='admin'), show('id', 'admin'))
    for who in ('admin', 'member', 'reader', 'other', 'otherreader', 'third', 'adminonly', 'memberonly', 'service', 'norole', 'noproject', 'none', 'shouting'):
        for visibility in ('private', 'shared', 'community', 'public'):
            yield case('by:%s:%s' % (who, visibility), image('id', 'admin', owner='<p1>', visibility=visibility, name='n', prop='v'), patch([op('replace', '/name', 'new')], who=who), patch([op('add', '/q', 'w'), op('remove', '/prop')], who=who), patch([], who=who), show('id', 'admin'))
        for target in ('private', 'shared', 'community', 'public'):
            yield case('to:%s:%s' % (who, target), base(), patch([op('replace', '/visibility', target)], who=who), show('id', 'other'))
    yield case('shared-member', base(), member(status='accepted'), patch([op('replace', '/name', 'x')], who='other'), patch([op('add', '/q', 'x')], who='other'), patch([op('replace', '/owner', '<p2>')], who='other'))
    yield case('missing', patch([op('replace', '/name', 'x')]), patch([op('replace', '/name', 1)]), patch([op('replace', '/status', 'x')]), patch([]), patch([], who='reader'), patch([], who='none'), patch([op('replace', '/name', 'x')], ctype='x/y'), patch([op('replace', '/name', 'x')], ctype='x/y', who='reader'), profiles=BOTH)
    yield case('protected', base(protected=True), patch([op('replace', '/name', 'x')]), patch([op('replace', '/protected', False)]), show(), profiles=BOTH)
    # sequences are all or nothing
    for at, ops in enumerate([
            [op('add', '/q', '1'), op('replace', '/q', '2')], [op('add', '/q', '1'), op('remove', '/q')], [op('remove', '/prop'), op('add', '/prop', 'again')], [op('remove', '/prop'), op('replace', '/prop', 'x')], [op('remove', '/prop'), op('remove', '/prop')],
            [op('replace', '/name', 'x'), op('replace', '/nope', 'y')], [op('replace', '/name', 'x'), op('remove', '/name')], [op('replace', '/name', 'x'), op('replace', '/status', 'y')], [op('replace', '/name', 'x'), op('replace', '/min_ram', -1)], [op('replace', '/name', 'x'), op('replace', '/visibility', 'public')],
            [op('replace', '/name', 'a'), op('replace', '/name', 'b')], [op('add', '/z', '1'), op('add', '/a', '2'), op('add', '/m', '3')], [op('replace', '/tags', ['x']), op('replace', '/tags', ['y'])], [op('replace', '/nope', 1), op('replace', '/status', 'x')], [op('add', '/q', '1'), op('add', '/q', '2')],
            [op('replace', '/disk_format', 'raw'), op('replace', '/container_format', 'bare')], [op('replace', '/protected', True), op('replace', '/protected', False)], [op('replace', '/owner', '<p2>'), op('replace', '/name', 'x')], [op('replace', '/name', 'x'), op('add', '/os_glance_q', 'y')], [op('replace', '/visibility', 'private'), op('replace', '/visibility', 'shared')]]):
        yield case('sequence-%02d' % at, base(), patch(ops), show(), patch(ops, who='admin'), profiles=BOTH)
    yield case('empty-list', base(), patch([]), show(), patch([], ctype=V20), profiles=BOTH)
    yield case('accept', base(), patch([op('replace', '/nope', 'x')]), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21, 'Accept': 'application/json'}, json=[op('replace', '/nope', 'x')]),
               step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21, 'Accept': 'application/json'}, json=[op('remove', '/name')]), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21, 'Accept': 'application/json'}, json=[op('replace', '/status', 'x')]),
               step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21, 'Accept': 'application/json'}, json=[op('replace', '/min_ram', 'x')]), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21, 'Accept': 'application/json'}, json=[op('replace', '/owner', '<p2>')]), step('PATCH', '/v2/images/<id>', headers={'Content-Type': V21, 'Accept': 'application/json'}, json=[op('add', '/owner', '<p2>')]))
    # formats once there is data
    for kind in ('disk_format', 'container_format'):
        for value in ('iso', 'raw', 'bare', 'ovf', None, 'nope'):
            yield case('active:%s:%s' % (kind, value), active(), patch([op('replace', '/' + kind, value)]), patch([op('add', '/' + kind, value)]), patch([op('replace', '/' + kind, value)], who='admin'), show())
    yield case('active-rest', active(), [patch([op('replace', '/' + f, v)]) for f, v in (('name', 'x'), ('min_ram', 1), ('visibility', 'private'), ('protected', True), ('protected', False), ('tags', ['q']), ('locations', []), ('os_hidden', True), ('size', 1))], [patch([op('add', '/locations/-', {'url': 'http://x/', 'metadata': {}})])], [patch([op('remove', '/locations/0')])], show(), profiles=BOTH)
    yield case('deactivated', active(), act('deactivate', quiet=True), patch([op('replace', '/name', 'x')]), patch([op('replace', '/disk_format', 'iso')]), show())
    # the quota counts new names only
    full = dict({'id': '<id>'}, **{'p%03d' % n: 'v' for n in range(128)})
    yield case('quota', create(full, quiet=True), patch([op('add', '/one_more', 'x')]), patch([op('replace', '/p000', 'x')]), patch([op('remove', '/p000'), op('add', '/one_more', 'x')]), patch([op('add', '/b', 'x'), op('remove', '/p001')]), patch([op('add', '/a', 'x'), op('add', '/b', 'x')]), show())
    yield case('quota-127', create({k: v for k, v in full.items() if k != 'p000'}, quiet=True), patch([op('add', '/a', 'x')]), patch([op('add', '/b', 'x')]))
    yield case('order-of-checks', base(), patch([op('replace', '/name', 1)], who='reader'), patch([op('replace', '/status', 'x')], who='reader'), patch([op('replace', '/nope', 'x')], who='reader'), patch([op('replace', '/visibility', 'public')], who='reader'), patch([op('replace', '/name', 1)], who='third'), patch([op('replace', '/disk_format', 'nope'), op('replace', '/status', 'x')]),
               patch([op('replace', '/status', 'x'), op('replace', '/disk_format', 'nope')]), patch([op('bad', '/x', 1)], who='third'))
    yield case('twice-same', base(), patch([op('add', '/prop', 'v')]), patch([op('add', '/prop', 'w')]), patch([op('replace', '/name', 'n')]), show())
    yield case('order-of-properties', base(), patch([op('add', '/zz', '1'), op('add', '/aa', '2')]), patch([op('replace', '/prop', 'x')]), patch([op('remove', '/zz')]), patch([op('add', '/zz', '3')]), show(), get('/v2/images'), profiles=BOTH)
    yield case('tags-keep', base(), patch([op('replace', '/tags', ['b', 'c'])]), patch([op('replace', '/tags', [])]), patch([op('replace', '/tags', ['b'])]), show(), profiles=BOTH)
    yield case('null-property-shown', base(), patch([op('add', '/kernel_id', None)]), show(), patch([op('replace', '/kernel_id', '<id2>')]), patch([op('remove', '/kernel_id')]))
