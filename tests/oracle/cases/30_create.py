# SPDX-License-Identifier: Apache-2.0
"""POST /v2/images."""
from make import *

LONG = 'x' * 255
TOO_LONG = 'x' * 256
# attribute values: (attribute, [values])
VALUES = [
    ('name', ['a', '', None, 1, True, [], {}, LONG, TOO_LONG, 'żółw', '\U0001f600', ' a ', 'a\nb', 'a\u0000b', 'ż' * 255, 'ż' * 256]),
    ('visibility', ['private', 'shared', 'public', 'community', 'Public', '', None, 1]),
    ('protected', [True, False, 'true', 'True', 1, 0, None]),
    ('os_hidden', [True, False, 'true', 1, None]),
    ('min_ram', [0, 1, 2147483647, 2147483648, -1, -2147483649, 1.5, 1.0, '1', None, True, 10 ** 30, 1e3]),
    ('min_disk', [0, 1, 2147483647, 2147483648, -1, 1.5, '1', None, True, []]),
    ('disk_format', ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'iso', 'ploop', 'gpt', 'luks', 'RAW', '', None, 1]),
    ('container_format', ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed', 'Bare', '', None, 1]),
    ('tags', [[], ['a'], ['a', 'b'], ['a', 'a'], ['b', 'a', 'b'], [''], [LONG], [TOO_LONG], [1], [None], 'a', None, {}, ['żółw'],
              ['\U0001f600'], ['a b', 'a/b', '%']]),
    ('owner', ['<p1>', '<p2>', '', None, LONG, TOO_LONG, 1]),
    ('id', ['not-a-uuid', '', None, 1, '<id2>x', '{<id2>}', '<ID2>', '<id2>', 'zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz', '00000000-0000-0000-0000-00000000000\u0660']),
    ('locations', [[], [{'url': 'http://127.0.0.1:1/x', 'metadata': {}}], None, 'x', [{'url': 'x'}], [{}]]),
    ('status', ['queued', 'active', 'nope', None, 1]), ('checksum', ['x' * 32, None, 1, 'x' * 33]), ('size', [0, 1, None, 'a']),
    ('virtual_size', [1, None, 'a']), ('created_at', ['2020-01-01T00:00:00Z', 'x', None, 1]), ('updated_at', ['2020-01-01T00:00:00Z', 1]),
    ('os_hash_algo', ['sha512', None, 1, 'x' * 65]), ('os_hash_value', ['x', None, 1, 'x' * 129]),
    ('direct_url', ['x', None, 1]), ('self', ['x', None, 1]), ('file', ['x', 1]), ('schema', ['x', 1]), ('stores', ['x', 1, None]),
    ('deleted', ['x', True, 1]), ('deleted_at', ['x', None]), ('location', ['x', 1]), ('members', ['x', []]), ('properties', ['x', {}]),
    ('image_id', ['x']), ('extra_properties', ['x', {}]), ('additional', ['x']), ('is_public', ['True']),
    ('os_glance_foo', ['x', 1]), ('os_glance', ['x']), ('os_glancefoo', ['x']), ('OS_GLANCE_x', ['x']), ('os_glance_import_task', ['x']),
    ('os_glance_stage_host', ['x']), ('my_os_glance', ['x']),
    ('prop', ['x', '', ' ', 1, 1.5, True, None, [], {}, ['a'], 'y' * 70000, 'żółw', '\U0001f600', 'a\nb', 'a\u0000b', '"\\/\b\f\t\u007f\u2028']),
    ('', ['x', 1]), (' ', ['x']), (LONG, ['x']), (TOO_LONG, ['x', 1]), ('ż' * 255, ['x']), ('żółw', ['x']), ('\U0001f600', ['x']), ('a b/c', ['x']), ('a.b', ['x']),
    ('a\nb', ['x']), ('Prop', ['x']), ('__class__', ['x']), ('_x', ['x']), ('get', ['x']),
    ('kernel_id', ['<id2>', None, 'x', '', 1]), ('ramdisk_id', ['<id2>', None, 'x', 1]), ('instance_uuid', ['x', None, 1]),
    ('architecture', ['x86_64', None, '']), ('os_distro', ['debian', 1]), ('os_version', ['12', 12]), ('description', ['x', None, 'y' * 70000]),
    ('cinder_encryption_key_id', ['x', None]), ('cinder_encryption_key_deletion_policy', ['on_image_deletion', 'do_not_delete', 'x', None]),
    ('hw_cpu_cores', ['4', 4]), ('signature_verified', ['True', True]),
]
BODIES = ['', '{', '[]', '[1]', '[{"name": "a"}]', '"x"', '1', 'null', 'true', '{}', ' {} ', '{"name": "a"} x', '{"name": "a", "name": "b"}', "{'name': 'a'}",
          '{"min_ram": 01}', '{"min_ram": NaN}', '{"min_ram": Infinity}', '{"min_ram": 1e400}', '{"min_ram": 1E0}', '{"min_ram": -0}', '{"min_ram": 1.0}', '{"name": "a",}', '{name: "a"}', '// c\n{}', '\ufeff{}',
          '{"name": "\\ud83d\\ude00"}', '{"name": "\\ud83d"}', '{"name": "\\u0000"}', '{"name": "\\x41"}', '{"name": "a\tb"}', '{"name": "a\nb"}',
          '{"a": {"b": [1, 2, {"c": null}]}}']
RAW = [('latin1', b'{"name": "\xe9"}'), ('utf16', '{"name": "a"}'.encode('utf-16')), ('overlong', b'{"name": "\xc0\xaf"}'), ('nul', b'{"name": "a\x00"}'), ('binary', b'\x00\x01\x02'),
       ('surrogate', b'{"name": "\xed\xa0\x80"}'), ('deep', b'[' * 2000 + b']' * 2000), ('deep-object', b'{"a":' * 500 + b'1' + b'}' * 500)]


def label(value):
    text = json_text(value)
    return text if len(text) < 40 else text[:10] + '*%d' % len(text)


def json_text(value):
    import json
    return json.dumps(value)


def cases():
    noauth = ('name', 'visibility', 'owner', 'protected', 'tags', 'id', 'prop', 'min_ram')
    for attribute, values in VALUES:
        for value in values:
            fields = {attribute: value}
            if attribute != 'id':
                fields['id'] = '<id>'
            key = attribute if len(attribute) < 30 else '*%d' % len(attribute)
            yield case('%s:%s' % (key, label(value)), create(fields, keep={'gen1': 'id'}), show('id' if attribute != 'id' else 'gen1'),
                       profiles=BOTH if attribute in noauth else TRUSTED)
    for who in ('admin', 'member', 'reader', 'other', 'adminonly', 'memberonly', 'service', 'norole', 'noproject', 'none', 'shouting'):
        for visibility in ('private', 'shared', 'community', 'public'):
            yield case('role:%s:%s' % (who, visibility), create({'id': '<id>', 'visibility': visibility}, who), show('id', who), show('id', 'other'))
        for owner in ('<p1>', '<p2>', '', None):
            yield case('owner-by:%s:%s' % (who, owner), create({'id': '<id>', 'owner': owner}, who), show('id', who), show('id', 'third'))
    yield case('owner-visibility-both', create({'id': '<id>', 'owner': '<p2>', 'visibility': 'public'}))
    for at, text in enumerate(BODIES):
        yield case('body-%02d:%s' % (at, text[:24].strip()), step('POST', '/v2/images', body=text, keep={'gen1': 'id'}),
                   step('POST', '/v2/images', headers={'Content-Type': 'application/json', 'Accept': 'application/json'}, body=text, keep={'gen2': 'id'}), profiles=BOTH)
    for name, data in RAW:
        yield case('raw-body:' + name, step('POST', '/v2/images', body=data, keep={'gen1': 'id'}))
    for kind in ('text/plain', 'application/x-www-form-urlencoded', 'application/octet-stream', 'application/json; charset=latin-1', '', 'nonsense', 'multipart/form-data', 'application/xml'):
        yield case('type:' + kind, step('POST', '/v2/images', headers={'Content-Type': kind}, body='{"id": "<id>", "name": "a"}'))
    yield case('no-type', step('POST', '/v2/images', body='{"id": "<id>", "name": "a"}'))
    yield case('no-body', step('POST', '/v2/images'), step('POST', '/v2/images', headers={'Content-Length': '0'}),
               step('POST', '/v2/images', chunks=[]), step('POST', '/v2/images', 'none'), profiles=BOTH)
    yield case('chunked', step('POST', '/v2/images', chunks=[b'{"name":', b' "a"}'], keep={'gen1': 'id'}),
               step('POST', '/v2/images', chunks=[b'{"name":', b' "a"'], keep={'gen2': 'id'}))
    yield case('empty-object', create({}, keep={'gen1': 'id'}), get('/v2/images/<gen1>'), profiles=BOTH)
    yield case('full', create({'id': '<id>', 'name': 'full', 'visibility': 'private', 'protected': True, 'os_hidden': True, 'min_ram': 7, 'min_disk': 8, 'disk_format': 'qcow2',
                               'container_format': 'bare', 'tags': ['one', 'two'], 'owner': '<p1>', 'z_prop': 'z', 'a_prop': 'a', 'm_prop': ''}), show(), show('id', 'reader'), profiles=BOTH)
    yield case('key-order', step('POST', '/v2/images', body='{"zz": "1", "tags": [], "aa": "2", "id": "<id>", "name": "n", "mm": "3", "disk_format": "raw", "bb": "4"}'), show(), get('/v2/images?name=n'), profiles=BOTH)
    yield case('query-ignored', step('POST', '/v2/images?name=other&x=1', json={'id': '<id>', 'name': 'a'}))
    yield case('twice', create({'id': '<id>'}), create({'id': '<id>'}), create({'id': '<id>'}, 'admin'), create({'id': '<id>'}, 'other'), create({'id': '<id>'}, 'reader'), profiles=BOTH)
    yield case('id-of-deleted', image(), delete('/v2/images/<id>', quiet=True), create({'id': '<id>'}), create({'id': '<id>'}, 'other'), show(), profiles=BOTH)
    yield case('id-other-case', create({'id': '<id>'}), create({'id': '<ID>'}), show('ID'), show('id'), delete('/v2/images/<ID>'), delete('/v2/images/<id>'))
    yield case('name-twice', create({'id': '<id>', 'name': 'same'}), create({'id': '<id2>', 'name': 'same'}), get('/v2/images?name=same'))
    for n in (127, 128, 129):
        yield case('properties:%d' % n, create(dict({'id': '<id>'}, **{'p%03d' % k: 'v' for k in range(n)})))
        yield case('tags:%d' % n, create({'id': '<id>', 'tags': ['t%03d' % k for k in range(n)]}))
    yield case('tags-129-same', create({'id': '<id>', 'tags': ['same'] * 129}))
    # which error wins
    yield case('order:readonly-schema', create({'self': 'x', 'name': 1}), create({'self': 1, 'name': 1}), create({'stores': 'x', 'name': 1}))
    yield case('order:schema-reserved', create({'name': 1, 'os_glance_x': 'y'}), create({'name': TOO_LONG, 'location': 'y'}), create({'location': 'x', TOO_LONG: 'y'}))
    yield case('order:reserved-policy', create({'os_glance_x': 'y', 'owner': '<p2>'}), create({'os_glance_x': 'y'}, 'reader'), create({'name': 1}, 'reader'), create({'deleted': 'x'}, 'reader'))
    yield case('order:policy-readonly', create({'status': 'active'}, 'reader'), create({'size': 1}, 'reader'), create({'status': 'nope'}, 'reader'), create({'checksum': None}, 'reader'))
    yield case('order:policy-numbers', create({'min_ram': -1}, 'reader'), create({'min_ram': -1, 'owner': '<p2>'}), create({'min_ram': -1, 'status': 'active'}), create({'min_ram': -1, 'disk_format': 'x'}),
               create({'min_ram': -1, 'tags': ['t%03d' % k for k in range(129)]}), create({'status': 'active', 'tags': ['t%03d' % k for k in range(129)]}))
    yield case('order:public-owner', create({'visibility': 'public', 'owner': '<p2>'}), create({'visibility': 'public', 'min_ram': -1}), create({'visibility': 'public', 'status': 'active'}), create({'visibility': 'community'}, 'reader'))
    yield case('order:quota-duplicate', image(), create(dict({'id': '<id>'}, **{'p%03d' % k: 'v' for k in range(129)})), create({'id': '<id>', 'min_ram': -1}))
    yield case('order:two-bad', create({'name': 1, 'min_ram': 'x'}), create({'min_ram': 'x', 'name': 1}), create({'p': 1, 'name': 1}), create({'b': 1, 'a': 2}), create({'a': 1, 'b': 'x', 'c': 2}),
               create({'self': 'x', 'direct_url': 'y'}), create({'status': 'queued', 'size': 1, 'checksum': 'x'}), create({'deleted': 'x', 'location': 'y', 'deleted_at': 'z'}))
    yield case('order:auth-json', step('POST', '/v2/images', 'none', body='{'), step('POST', '/v2/images', 'reader', body='{'))
    yield case('unicode-4byte-places', create({'id': '<id>', 'name': '\U0001f600'}), create({'tags': ['\U0001f600']}), create({'\U0001f600': 'x'}), create({'p': '\U0001f600'}), create({'owner': '\U0001f600'}, 'admin'))
    yield case('ascii-escapes', step('POST', '/v2/images', body='{"id": "<id>", "name": "\\u017c\\u00f3\\u0142w", "p": "\\u2028/"}'), show(), profiles=BOTH)
