# SPDX-License-Identifier: Apache-2.0
"""What options change: quotas and caps, proxies, declared properties, formats, anonymous readers. Each group has its profile."""
from make import *

TEN = b'0123456789'


def proxied(**headers):
    sent = [(name.replace('_', '-'), value) for name, value in headers.items()]
    return [get('/versions', 'none', sent), step('POST', '/v2/images', 'member', sent, json={'name': 'x'}, keep={'gen1': 'id'}), get('/v2', 'member', sent)]


FORWARDED = [
    {}, {'X_Forwarded_Proto': 'https'}, {'X_Forwarded_Host': 'front.example'}, {'X_Forwarded_Host': 'front.example:8080'}, {'X_Forwarded_Prefix': '/image'},
    {'X_Forwarded_Prefix': '/image/'}, {'X_Forwarded_Prefix': '/'}, {'X_Forwarded_Prefix': ''}, {'X_Forwarded_Proto': 'https', 'X_Forwarded_Host': 'front.example:443'}, {'X_Forwarded_Proto': 'https', 'X_Forwarded_Host': 'front.example:80'},
    {'X_Forwarded_Host': 'front.example:80'}, {'X_Forwarded_Host': ''}, {'X_Forwarded_For': '10.0.0.1'}, {'X_Forwarded_For': '10.0.0.1, 10.0.0.2'},
    {'Forwarded': 'proto=https;host=f.example'}, {'Forwarded': 'for=192.0.2.60;proto=https;by=203.0.113.43;host=f.example, for=1.2.3.4;proto=http;host=g.example'},
    {'Forwarded': 'Proto=https;HOST=f.example'}, {'Forwarded': ' proto = https ; host = f.example '}, {'Forwarded': 'host=f.example', 'X_Forwarded_Proto': 'https', 'X_Forwarded_Prefix': '/p'},
    {'Forwarded': 'junk', 'X_Forwarded_Proto': 'https'}, {'Forwarded': '', 'X_Forwarded_Proto': 'https'}, {'Forwarded': 'proto=', 'X_Forwarded_Host': 'x.example'}, {'Forwarded': 'host=f.example;host=g.example'},
]


def props(n):
    return {'p%d' % k: 'v' for k in range(n)}


def tags(n):
    return ['t%d' % k for k in range(n)]


def quota_cases(own, most):
    """most: the property, tag and member quota of the profile, or None for none."""
    around = range(0, 6) if most is None else range(max(0, most - 1), most + 3)
    for n in around:
        yield case('%s:properties:%d' % (own[0], n), create(dict({'id': '<id>'}, **props(n))), show(), profiles=own)
        yield case('%s:tags:%d' % (own[0], n), create({'id': '<id>', 'tags': tags(n)}), show(), profiles=own)
        yield case('%s:tags-same:%d' % (own[0], n), create({'id': '<id>', 'tags': ['same'] * n}), show(), profiles=own)
        yield case('%s:patch-properties:%d' % (own[0], n), image(), patch([{'op': 'add', 'path': '/p%d' % k, 'value': 'v'} for k in range(n)]), show(), profiles=own)
        yield case('%s:patch-tags:%d' % (own[0], n), image(), patch([{'op': 'replace', 'path': '/tags', 'value': tags(n)}]), show(), profiles=own)
        yield case('%s:put-tags:%d' % (own[0], n), image(), [step('PUT', '/v2/images/<id>/tags/t%d' % k) for k in range(n)], step('PUT', '/v2/images/<id>/tags/t0'), show(), profiles=own)
        yield case('%s:members:%d' % (own[0], n), image(), [post('/v2/images/<id>/members', {'member': 'm%d' % k}) for k in range(n)], post('/v2/images/<id>/members', {'member': 'm0'}),
                   step('DELETE', '/v2/images/<id>/members/m0'), post('/v2/images/<id>/members', {'member': 'again'}), get('/v2/images/<id>/members'), profiles=own)
    yield case(own[0] + ':mixed', create({'id': '<id>', 'tags': tags(9), **props(9)}), create({'id': '<id>', 'tags': tags(9), 'status': 'active'}), create({'id': '<id>', 'name': 1, **props(9)}), profiles=own)
    yield case(own[0] + ':swap', image('id', **props(most or 0)), patch([{'op': 'add', 'path': '/new', 'value': 'v'}, {'op': 'remove', 'path': '/new'}]),
               patch([{'op': 'remove', 'path': '/p0'}, {'op': 'add', 'path': '/other', 'value': 'v'}]), patch([{'op': 'replace', 'path': '/p1', 'value': 'w'}]),
               patch([{'op': 'add', 'path': '/p1', 'value': 'u'}]), patch([{'op': 'replace', 'path': '/name', 'value': 'n'}]), show(), profiles=own)
    yield case(own[0] + ':declared', create({'id': '<id>', 'kernel_id': None, 'architecture': 'x', 'os_distro': 'y', 'os_version': 'z'}), show(), profiles=own)
    yield case(own[0] + ':admin', create(dict({'id': '<id>', 'tags': tags(3)}), 'admin'), create(dict({'id': '<id>'}, **props(3)), 'admin'), profiles=own)


def size_cases():
    own = ('quotas',)
    for n in (0, 1, 19, 20, 21, 25, 26, 100):
        yield case('cap:%d' % n, bare(), put(b'x' * n), show(), load(), profiles=own)
        yield case('cap-chunked:%d' % n, bare(), put_chunked([b'x'] * n), show(), load(), profiles=own)
    yield case('cap-declared', bare(), put(b'x', headers=[('x-openstack-image-size', '21')]), put(b'x', headers=[('x-openstack-image-size', '2000')]), show(), profiles=own)
    yield case('cap-then-again', bare(), put(b'x' * 21), put(b'x' * 20), show(), load(), profiles=own)
    for second in (4, 5, 6, 20, 21):
        yield case('storage:%d' % second, bare('id1'), put(b'x' * 20, 'id1'), bare('id2'), put(b'y' * second, 'id2'), show('id2'), put(b'y', 'id2'), profiles=own)
        yield case('storage-chunked:%d' % second, bare('id1'), put(b'x' * 20, 'id1'), bare('id2'), put_chunked([b'y'] * second, 'id2'), show('id2'), profiles=own)
    yield case('storage-of-others', bare('id1'), put(b'x' * 20, 'id1'), bare('id2', 'other'), put(b'y' * 20, 'id2', 'other'), bare('id3', 'admin', owner='<p1>'), put(b'z' * 20, 'id3', 'admin'), show('id3', 'admin'), profiles=own)
    yield case('storage-after-delete', bare('id1'), put(b'x' * 20, 'id1'), delete('/v2/images/<id1>'), bare('id2'), put(b'y' * 20, 'id2'), profiles=own)
    yield case('storage-full-empty', bare('id1'), put(b'x' * 20, 'id1'), bare('id2'), put(b'y' * 5, 'id2'), bare('id3'), put(b'', 'id3'), bare('id4'), put(b'z', 'id4'), put_chunked([b'z'], 'id4'), profiles=own)
    for query in ('', '?limit=1', '?limit=2', '?limit=3', '?limit=4', '?limit=0'):
        yield case('page:' + query, [image('id%d' % n) for n in range(1, 6)], get('/v2/images' + query), profiles=('quotas', 'quotas-zero'))
    for length in (9, 10, 11, 6, 7):
        yield case('request-id:%d' % length, get('/v2/images?limit=0', headers={'X-Openstack-Request-Id': 'r' * length}), profiles=own)
    yield case('request-id-prefixed', get('/v2/images?limit=0', headers={'X-Openstack-Request-Id': 'req-567890'}), get('/v2/images?limit=0', headers={'X-Openstack-Request-Id': 'req-5678901'}), profiles=own)
    yield case('request-id-any', get('/v2/images?limit=0', headers={'X-Openstack-Request-Id': 'r' * 5000}), profiles=('quotas-zero',))
    yield case('cap-one', bare(), put(b'xy'), put(b'x'), show(), profiles=('quotas-zero',))
    yield case('storage-kilobyte', bare('id1'), put(b'x' * 1025, 'id1'), put(b'x' * 1024, 'id1'), bare('id2'), put(b'', 'id2'), bare('id3'), put(b'x', 'id3'), profiles=('quotas-off',))


def schema_cases():
    values = {'colour': ['red', 'pink', None, 1, '', 'RED'], 'maybe': ['abc', 'ABC', None, 1, ''], 'short': ['abc', 'abcd', '', 1], 'count': [1, 9, 10, 0, '1', 1.5, None], 'flag': [True, False, 'true', None],
              'list': [[], ['a'], [1], 'a'], 'free': ['x', 1, None], 'os_distro': ['x', 1], 'os_version': ['x', 1], 'must': ['x', 1, None], 'name': ['x', None]}
    for profile, base in (('schema-flat', {}), ('schema-extended', {'must': 'm', 'name': 'n'})):
        own = (profile,)
        yield case(profile + ':document', get('/v2/schemas/image'), get('/v2/schemas/images'), profiles=own)
        for name, some in values.items():
            for value in some:
                if name in ('count', 'flag', 'list', 'free', 'short') and (profile == 'schema-extended' or name != 'short' and not isinstance(value, str)):
                    continue                        # values that are no strings cannot be stored: see property-types in differences.md
                yield case('%s:create:%s:%r' % (profile, name, value), create({**base, 'id': '<id>', name: value}), show(), profiles=own)
                yield case('%s:patch:%s:%r' % (profile, name, value), image('id', **base), patch([{'op': 'add', 'path': '/' + name, 'value': value}]), show(), profiles=own)
        yield case(profile + ':without', create({'id': '<id>'}), create({'id': '<id>', 'name': 'n'}), create({'id': '<id>', 'must': 'm'}), create({'id': '<id>', 'must': 'm', 'name': 'n'}), show(), profiles=own)
        yield case(profile + ':patch-several', image('id', **base), patch([{'op': 'add', 'path': '/colour', 'value': 'red'}, {'op': 'replace', 'path': '/name', 'value': 'x'}]), patch([{'op': 'remove', 'path': '/must'}]),
                   patch([{'op': 'replace', 'path': '/tags', 'value': ['t']}]), patch([]), show(), profiles=own)
        yield case(profile + ':upload', bare('id', **base), put(TEN), show(), get('/v2/images'), profiles=own)


def format_cases():
    own = ('formats',)
    yield case('formats:schema', get('/v2/schemas/image'), profiles=own)
    for disk in ('raw', 'qcow2', 'iso', 'gpt', 'luks', 'Odd One', 'odd one', '', None):
        yield case('formats:disk:%s' % disk, create({'id': '<id>', 'disk_format': disk, 'container_format': 'box'}), put(TEN), show(), load(), profiles=own)
    for container in ('bare', 'box', 'ovf', None):
        yield case('formats:container:%s' % container, create({'id': '<id>', 'disk_format': 'qcow2', 'container_format': container}), put(TEN), show(), profiles=own)
    yield case('formats:hash', active(), show(), get('/v2/images?os_hash_algo=sha256'), get('/v2/images?os_hash_value=84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882'),
               get('/v2/images?os_hash_value=84D89877F0D4041EFB6BF91A16F0248F2FD573E6AF05C19F96BEDB9F882F7882'), get('/v2/images?checksum=781e5e245d69b566979b86e28d23f2c7'), profiles=own)


def anonymous_cases():
    own = ('anonymous',)
    one = '/v2/images/<id>'
    writes = [('POST', '/v2/images', {'json': {}}), ('DELETE', one, {}), ('PUT', one + '/tags/t', {}), ('DELETE', one + '/tags/t', {}), ('POST', one + '/members', {'json': {'member': 'x'}}),
              ('PUT', one + '/members/x', {'json': {'status': 'accepted'}}), ('DELETE', one + '/members/x', {}), ('POST', one + '/actions/deactivate', {}), ('POST', one + '/actions/reactivate', {}),
              ('PATCH', one, {'json': [], 'headers': [('Content-Type', V21)]}), ('PATCH', one, {'json': []}), ('PUT', one + '/file', {'body': TEN, 'headers': [('Content-Type', OCTETS)]})]
    for visibility in ('private', 'shared', 'community', 'public'):
        yield case('anonymous:reads:' + visibility, active('id', 'admin', TEN, owner='<p1>', visibility=visibility), get('/v2/images', 'none'), show('id', 'none'), load('id', 'none'), get(one + '/members', 'none'), profiles=own)
        for method, path, more in writes:
            yield case('anonymous:%s:%s:%s%s' % (visibility, method, path, ':json' if more.get('json') == [] and 'headers' not in more else ''), active('id', 'admin', TEN, owner='<p1>', visibility=visibility), step(method, path, 'none', **more), profiles=own)
    yield case('anonymous:schemas', get('/v2/schemas/member', 'none'), get('/v2/nope', 'none'), get('/v2', 'none'), step('PUT', '/v2/images', 'none'), profiles=own)
    yield case('anonymous:status', get('/v2/images', 'none', {'X-Identity-Status': 'Invalid', 'X-Roles': 'admin', 'X-Project-Id': 'p'}), profiles=own)


def cases():
    for at, headers in enumerate(FORWARDED):
        yield case('proxy:%02d' % at, proxied(**headers), profiles=('proxy',))
        yield case('public:%02d' % at, proxied(**headers), profiles=('public',))
    yield from quota_cases(('quotas',), 2)
    yield from quota_cases(('quotas-zero',), 0)
    yield from quota_cases(('quotas-off',), None)
    yield from size_cases()
    yield from schema_cases()
    yield from format_cases()
    yield from anonymous_cases()
    yield case('shown', active(), show(), image('id2'), show('id2'), get('/v2/images?sort=name'), act('deactivate', quiet=True), show(), show('id', 'admin'), act('reactivate'), create({'id': '<id3>'}),
               patch([{'op': 'add', 'path': '/direct_url', 'value': 'x'}]), patch([{'op': 'add', 'path': '/locations/-', 'value': {'url': 'http://x/', 'metadata': {}}}]), profiles=('shown',))
