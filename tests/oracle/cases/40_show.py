# SPDX-License-Identifier: Apache-2.0
"""GET and DELETE /v2/images/{id}; schemas."""
from make import *

EVERYBODY = ('admin', 'member', 'reader', 'other', 'otherreader', 'third', 'adminonly', 'memberonly', 'service', 'norole', 'noproject', 'none', 'shouting')
BAD_IDS = ['nope', '1', '<id9>', '<id>x', '<ID>', '%20', '<id>%20', '%00', 'x' * 36, 'x' * 37, 'x' * 300, 'a.b', 'żółw', "'", '"', '<id>.json', '*', 'null', 'z%2Fz', '<id>?x=1', '%3Cid%3E']
SCHEMAS = ['image', 'images', 'member', 'members', 'task', 'tasks'] + ['metadefs/' + n for n in (
    'namespace', 'namespaces', 'resource_type', 'resource_types', 'property', 'properties', 'object', 'objects', 'tag', 'tags')]


def cases():
    for visibility in ('private', 'shared', 'community', 'public'):
        yield case('who:' + visibility, image('id', 'admin', owner='<p1>', visibility=visibility, tags=['t'], prop='v'), [show('id', who) for who in EVERYBODY])
        yield case('delete-by:' + visibility, [[image('id%d' % n, 'admin', owner='<p1>', visibility=visibility),
                   delete('/v2/images/<id%d>' % n, who), show('id%d' % n, 'admin')] for n, who in enumerate(EVERYBODY, 1)])
    for status in ('pending', 'accepted', 'rejected'):
        yield case('shared-member:' + status, image(), member(status=status), [show('id', who) for who in ('other', 'otherreader', 'third', 'reader')], delete('/v2/images/<id>', 'other'),
                   delete('/v2/images/<id>', 'third'))
    yield case('shared-then-private', image(), member(status='accepted'), patch([{'op': 'replace', 'path': '/visibility', 'value': 'private'}], quiet=True), show('id', 'other'),
               patch([{'op': 'replace', 'path': '/visibility', 'value': 'shared'}], quiet=True), show('id', 'other'))
    yield case('no-owner', create({'id': '<id>', 'owner': None}, 'admin'), [show('id', who) for who in EVERYBODY], patch([{'op': 'replace', 'path': '/name', 'value': 'x'}], who='other'), delete('/v2/images/<id>', 'other'))
    for text in BAD_IDS:
        yield case('id:%s' % (text if len(text) < 50 else '*%d' % len(text)), image(), get('/v2/images/' + text), get('/v2/images/' + text, 'admin'), delete('/v2/images/' + text),
                   get('/v2/images/' + text, headers={'Accept': 'application/json'}), profiles=BOTH)
    yield case('deleted', image(), delete('/v2/images/<id>'), show(), show('id', 'admin'), delete('/v2/images/<id>'), delete('/v2/images/<id>', 'admin'), get('/v2/images?id=<id>'),
               patch([{'op': 'replace', 'path': '/name', 'value': 'x'}]), put(b'x'), load(), profiles=BOTH)
    yield case('protected', image(protected=True), delete('/v2/images/<id>'), delete('/v2/images/<id>', 'admin'), delete('/v2/images/<id>', 'other'), delete('/v2/images/<id>', 'reader'),
               delete('/v2/images/<id>', headers={'Accept': 'application/json'}), show(), patch([{'op': 'replace', 'path': '/protected', 'value': False}]), delete('/v2/images/<id>'), show(), profiles=BOTH)
    yield case('delete-active', active(), delete('/v2/images/<id>'), load(), show(), profiles=BOTH)
    yield case('delete-deactivated', active(), act('deactivate', quiet=True), delete('/v2/images/<id>'), show())
    yield case('delete-with-members', image(), member(), delete('/v2/images/<id>'), show('id', 'other'))
    yield case('delete-missing', delete('/v2/images/<id>'), delete('/v2/images/<id>', headers={'Accept': 'application/json'}), delete('/v2/images/<id>', 'admin'), delete('/v2/images/<id>', 'reader'), delete('/v2/images/<id>', 'none'), profiles=BOTH)
    yield case('show-active', active('id', disk_format='raw', name='n'), show(), show('id', 'admin'), profiles=BOTH)
    yield case('show-active-ovf', active('id', container_format='ovf', disk_format='vmdk'), show(), profiles=BOTH)
    yield case('show-deactivated', active(), act('deactivate', quiet=True), show(), show('id', 'admin'), show('id', 'reader'))
    yield case('show-query', image(), get('/v2/images/<id>?fields=name&x=1'))
    yield case('show-accept', image(), [get('/v2/images/<id>', headers={'Accept': a}) for a in ('text/html', 'application/xml', 'application/json', '*/*')])
    yield case('show-many-properties', image('id', **{'k%02d' % (37 * n % 40): 'v%d' % n for n in range(40)}), show(), profiles=BOTH)
    yield case('show-null-kernel', image('id', kernel_id=None), show(), get('/v2/images?kernel_id='))
    yield case('show-conditional', image(), get('/v2/images/<id>', headers={'If-None-Match': '*', 'If-Modified-Since': 'Sun, 22 Nov 2099 00:00:00 GMT', 'Range': 'bytes=0-1'}))
    for name in SCHEMAS:
        yield case('schema:' + name, get('/v2/schemas/' + name), get('/v2/schemas/' + name, 'norole'), get('/v2/schemas/' + name, 'none'),
                   get('/v2/schemas/' + name, headers={'Accept': 'text/html'}), get('/v2/schemas/' + name + '?x=1'), profiles=BOTH)
