# SPDX-License-Identifier: Apache-2.0
"""Locations: by PATCH, by the request made for them, and what a download does with them. <origin> is tests/origin.py."""
import hashlib

from make import *

WHO = ('admin', 'member', 'reader', 'other', 'third', 'adminonly', 'memberonly', 'service', 'norole', 'noproject', 'none')


def content(n):
    return bytes(ord('a') + at % 26 for at in range(n))


def digest(algo, n=10):
    return hashlib.new(algo, content(n)).hexdigest()


MD5, SHA512, SHA256 = digest('md5'), digest('sha512'), digest('sha256')
VALID = {'checksum': MD5, 'os_hash_algo': 'sha512', 'os_hash_value': SHA512}


def at(path='ok/10', metadata=None, **more):
    return dict({'url': '<origin>/' + path, 'metadata': {} if metadata is None else metadata}, **more)


def add(value, where='-'):
    return {'op': 'add', 'path': '/locations/' + where, 'value': value}


def replace(value):
    return {'op': 'replace', 'path': '/locations', 'value': value}


def remove(where):
    return {'op': 'remove', 'path': '/locations/' + where}


def ask(body, who='member', name='id', **more):
    return post('/v2/images/<%s>/locations' % name, body, who, **more)


def seen(name='id', who='admin', **more):
    return show(name, who, settle=True, **more)


def linked(n=1, name='id', who='member', **fields):
    """An active image with n http locations."""
    return [bare(name, who, **fields), patch([add(at('name/%s/10' % letter)) for letter in 'ABCDE'[:n]], name, 'admin', quiet=True)]


URLS = ['<origin>/ok/10', '<origin>/ok/1000000', '<origin>/ok/10?query=1', '<origin>/ok/10#fragment', '<origin>/empty', '<origin>/status/404', '<origin>/status/403', '<origin>/status/401', '<origin>/status/500', '<origin>/status/503', '<origin>/status/204',
        '<origin>/nolength/10', '<origin>/nohead/10', '<origin>/lies/10', '<origin>/drop', '<origin>/redirect/302/1/ok/10', '<origin>/redirect/301/4/ok/10', '<origin>/redirect/302/5/ok/10', '<origin>/redirect/303/1/ok/10', '<origin>/redirect/307/1/ok/10',
        '<origin>/redirect/308/1/ok/10', '<origin>/loop', '<origin>/nowhere', '<origin>/to?file:///etc/passwd', '<origin>/to?ftp://127.0.0.1/x', '<origin>/status/304', '<origin>/status/300',
        'http://127.0.0.1:1/x', 'http://127.0.0.1:22/x', 'https://127.0.0.1:1/x', 'http://169.254.169.254/latest', 'http://localhost:1/x', 'http://2130706433/x', 'http://127.1/x', 'http://0x7f000001/x', 'http://[::1]/x', 'http://[::ffff:127.0.0.1]/x', 'http://no.such.host.invalid/x',
        'file:///etc/passwd', 'file:///etc/', 'filesystem:///etc/passwd', 'swift+config://x/y', 'swift://x/y/z', 'cinder://x', 'rbd://x', 's3://x/y', 'ftp://127.0.0.1/x', 'FILE:///etc/passwd', 'x', '', ' ', '/etc/passwd', 'http:', 'http://', 'http:///x', 'http:/127.0.0.1/x', 'HTTP://127.0.0.1:1/x', ' <origin>/ok/10',
        'http://user:pass@127.0.0.1:1/x', 'http://user@127.0.0.1:1/x', 'http://127.0.0.1:port/x', 'http://127.0.0.1:99999/x', 'http://127.0.0.1:/x', 'vsphere://x/y', 'memory://x', 'gopher://127.0.0.1/x', 'data:,x', 'http://żółw.invalid/x']
METADATA = [{}, {'a': 'b'}, {'a': ['b', {'c': 'd'}]}, {'a': 1}, {'a': None}, {'a': True}, {'a': {'b': 1.5}}, {'a': [1]}, {'store': 'file'}, {'store': 'nope'}, {'ż': 'ó'}, {'': ''}]
ITEMS = [{}, None, 'x', 1, [], {'url': '<origin>/ok/10'}, {'metadata': {}}, {'url': 1, 'metadata': {}}, {'url': None, 'metadata': {}}, {'url': '<origin>/ok/10', 'metadata': None}, {'url': '<origin>/ok/10', 'metadata': []}, {'url': '<origin>/ok/10', 'metadata': 'x'},
         {'url': 'http://127.0.0.1/' + 'x' * 240, 'metadata': {}}, {'metadata': {}, 'url': '<origin>/ok/10'}, {'url': '<origin>/ok/10', 'metadata': {}, 'extra': [1, {'a': None}]}, {'url': '<origin>/ok/10', 'metadata': {}, 'status': 'deleted'}, {'url': '<origin>/ok/10', 'metadata': {}, 'id': 1}]
PROOFS = [VALID, {'os_hash_algo': 'sha512', 'os_hash_value': SHA512}, {'os_hash_algo': 'sha256', 'os_hash_value': SHA256}, {'os_hash_algo': 'nope', 'os_hash_value': 'ab'}, {'os_hash_algo': 'sha512'}, {'os_hash_value': SHA512}, {'checksum': MD5}, {}, None, 'x', 1, [],
          {'os_hash_algo': 'sha512', 'os_hash_value': 'xyz'}, {'os_hash_algo': 'sha512', 'os_hash_value': 'abcd'}, {'os_hash_algo': 'sha512', 'os_hash_value': ''}, {'os_hash_algo': 'sha512', 'os_hash_value': SHA512.upper()}, {'os_hash_algo': 'sha512', 'os_hash_value': SHA512[:64] + ' ' + SHA512[65:]},
          {'os_hash_algo': 'sha512', 'os_hash_value': SHA512 + 'ab'}, {'os_hash_algo': 'sha512', 'os_hash_value': 'f' * 128}, dict(VALID, checksum='x' * 32), dict(VALID, checksum='ab'), dict(VALID, checksum=MD5 + 'a'), dict(VALID, checksum=MD5.upper()), dict(VALID, extra='x'), dict(VALID, checksum=1), dict(VALID, os_hash_algo='x' * 65),
          {'os_hash_algo': '', 'os_hash_value': SHA512}, {'os_hash_algo': 'md5', 'os_hash_value': MD5}, dict(VALID, checksum='ab ' * 10 + 'ab')]
BODIES = ['', '{', '[]', 'null', '"x"', '1', '{}', '{"url": 1}', '{"url": null}', '{"url": ""}', '{"URL": "x"}', '{"url": "<origin>/ok/10", "extra": 1}', '{"url": "<origin>/ok/10", "metadata": {}}', '{"url": "<origin>/ok/10", "validation_data": null}', '{"url": "<origin>/ok/10", "validation_data": {}}',
          '{"url": "<origin>/ok/10", "do_secure_hash": false}']


def cases():
    def one(name, *steps):
        return case(name, *steps, profiles=LOCATIONS)

    # ---- PATCH: what may be added
    for n, url in enumerate(URLS):
        value = {'url': url, 'metadata': {}}
        yield one('add-url-%02d:%s' % (n, url), bare(), patch([add(value)], who='admin'), show('id', 'admin'), load('id'), linked(1, 'id2'), patch([add(value)], 'id2', 'admin'), patch([replace([value])], 'id2', 'admin'))
    for n, metadata in enumerate(METADATA):
        yield one('add-metadata-%02d' % n, bare(), patch([add(at(metadata=metadata))]), show(), patch([replace([at(metadata={'new': 'x'})])]), show())
    for n, item in enumerate(ITEMS):
        yield one('add-item-%02d' % n, bare(), patch([add(item)]), show(), patch([replace([item])]), show())
    for n, proof in enumerate(PROOFS):
        yield one('proof-%02d' % n, bare(), patch([add(at(validation_data=proof))]), show(), linked(1, 'id2'), patch([add(at('ok/10', validation_data=proof))], 'id2'), patch([replace([at('name/A/10', validation_data=proof)])], 'id2'), show('id2'))
    yield one('proof-known', bare(), put(content(10), quiet=True), patch([add(at(validation_data=VALID))]), patch([add(at('name/A/10', validation_data=dict(VALID, checksum='0' * 32)))]), patch([add(at('name/A/10', validation_data=dict(VALID, os_hash_algo='sha256')))]), patch([add(at('name/A/10', validation_data=dict(VALID, os_hash_value='0' * 128)))]), show())
    yield one('proof-conflict', bare(), patch([replace([at('name/A/10', validation_data=VALID), at('name/B/10', validation_data=dict(VALID, checksum='0' * 32))])]), patch([replace([at('name/A/10', validation_data=VALID), at('name/B/10', validation_data=VALID)])]), show(), load())
    yield one('proof-one-of-two', bare(), patch([replace([at('name/A/10', validation_data={'os_hash_algo': 'sha512', 'os_hash_value': SHA512}), at('name/B/10', validation_data=VALID)])]), show())

    # ---- PATCH: positions
    for where in ('-', '0', '1', '2', '3', '99', '-1', 'x', '01', '1.0', '', ' 1', '٣', '18446744073709551616', '0x1', '+1'):
        yield one('add-at:' + where, linked(2), patch([add(at('ok/10'), where)]), show(), show())
        yield one('add-first-at:' + where, bare(), patch([add(at('ok/10'), where)]), show())
        yield one('remove-at:' + where, linked(3), patch([remove(where)], who='admin'), show(), load())
    yield one('remove-last', linked(1), patch([remove('0')], who='admin'), patch([remove('-')], who='admin'), patch([remove('9')], who='admin'), patch([remove('x')], who='admin'), show())
    yield one('remove-queued', bare(), patch([remove('0')], who='admin'), patch([remove('0')]))
    yield one('remove-all', linked(3), patch([remove('0'), remove('0')], who='admin'), show(), patch([remove('0')], who='admin'), load())
    yield one('remove-stored', bare(), put(content(10), quiet=True), patch([add(at())], quiet=True), patch([remove('0')], who='admin'), show(), load(), load('id', 'member', {'Range': 'bytes=2-4'}))
    yield one('remove-added', bare(), put(content(10), quiet=True), patch([add(at())], quiet=True), patch([remove('1')], who='admin'), show(), load())
    yield one('path:depth', linked(1), patch([{'op': 'add', 'path': '/locations', 'value': at()}]), patch([{'op': 'remove', 'path': '/locations'}]), patch([{'op': 'replace', 'path': '/locations/0', 'value': at()}]), patch([{'op': 'add', 'path': '/locations/0/url', 'value': 'x'}]))
    yield one('v20', bare(), patch([{'add': '/locations/-', 'value': at()}], ctype=V20), patch([{'remove': '/locations/0'}], ctype=V20, who='admin'), patch([{'replace': '/locations', 'value': [at(metadata={'a': 'b'})]}], ctype=V20), show())

    # ---- PATCH: replace
    yield one('replace-empty', bare(), patch([replace([])]), linked(1, 'id2'), patch([replace([])], 'id2'), patch([replace([])], 'id2', 'admin'), patch([replace([])], 'id2', 'reader'), show('id2'))
    yield one('replace-first', bare(), patch([replace([at('name/A/10'), at('name/B/10', {'k': 'v'})])]), show(), load())
    yield one('replace-order', linked(3), patch([replace([at('name/C/10'), at('name/A/10', {'k': 'v'}), at('name/B/10')])]), show(), load())
    yield one('replace-metadata', linked(1), patch([replace([at('name/A/10', {'k': 'v'})])]), show(), patch([replace([at('name/A/10', {'k': 1})])]), show())
    yield one('replace-other', linked(2), patch([replace([at('name/A/10'), at('ok/10')])]), patch([replace([at('name/A/10')])]), patch([replace([at('name/A/10'), at('name/B/10'), at('ok/10')])]), show())
    yield one('replace-same-twice', bare(), patch([replace([at(), at()])]), patch([replace([at(), at(metadata={'a': 'b'})])]), show(), patch([replace([at(), at()])]), show())
    yield one('replace-with-bad', bare(), patch([replace([at(), {'url': 'file:///etc/passwd', 'metadata': {}}])]), patch([replace([at(), at('status/404')])]), show(), load())
    yield one('replace-stored', bare(), put(content(10), quiet=True), patch([replace([at()])]), show())
    yield one('add-then-replace', bare(), patch([add(at('name/A/10')), replace([at('name/A/10', {'k': 'v'})])]), show())

    # ---- PATCH: duplicates, quota, sequences
    yield one('duplicate', linked(1), patch([add(at('name/A/10'))]), patch([add(at('name/A/10', {'k': 'v'}))]), patch([add(at('name/A/10', {'k': 'v'}))]), show())
    yield one('quota', linked(3), patch([add(at())]), patch([add({'url': 'file:///x', 'metadata': {}})]), patch([remove('0'), add(at())], who='admin'), show())
    yield one('quota-replace', bare(), patch([replace([at('name/%s/10' % c) for c in 'ABCD'])]), patch([replace([at('name/%s/10' % c) for c in 'ABC'])]), show(), patch([replace([at('name/%s/10' % c) for c in 'ABCD'])]))
    yield one('sequence-refused', linked(1), patch([add(at()), add(at('status/404'))]), show(), patch([{'op': 'replace', 'path': '/name', 'value': 'x'}, add(at()), {'op': 'replace', 'path': '/nope', 'value': 'x'}]), show())
    yield one('sequence-removed-and-refused', linked(2), patch([remove('0'), {'op': 'replace', 'path': '/nope', 'value': 'x'}], who='admin'), show(), load())
    yield one('sequence-formats', image(), patch([{'op': 'add', 'path': '/disk_format', 'value': 'raw'}, {'op': 'add', 'path': '/container_format', 'value': 'bare'}, add(at())]), show())
    yield one('size-differs', linked(1), patch([add(at('ok/20'))]), show(), load())
    yield one('size-first-of-two', bare(), patch([replace([at('ok/30'), at('ok/20')])]), show())

    # ---- PATCH: states
    yield one('formats-none', image(), patch([add(at())]), patch([replace([at()])]), show())
    yield one('formats-disk', image('id', disk_format='raw'), patch([add(at())]), show())
    yield one('formats-container', image('id', container_format='bare'), patch([add(at())]), show())
    yield one('deactivated', linked(2), act('deactivate', who='admin', quiet=True), patch([add(at())]), patch([remove('0')], who='admin'), patch([replace([at('name/A/10')])]), patch([add(at())], who='admin'), show(), show('id', 'admin'), load(), load('id', 'admin'), act('reactivate', who='admin'), show())
    yield one('upload-to-linked', linked(1), put(b'x' * 10), show())
    yield one('linked-is-patched', linked(1), patch([{'op': 'replace', 'path': '/name', 'value': 'x'}]), patch([{'op': 'replace', 'path': '/disk_format', 'value': 'iso'}]), show())
    yield one('stored-and-linked', bare(), put(content(10), quiet=True), patch([add(at('name/A/10'))]), show(), load(), get('/v2/images'), delete('/v2/images/<id>'), show())

    # ---- PATCH: who may
    for who in WHO:
        yield one('by:' + who, image('id', 'admin', owner='<p1>', disk_format='raw', container_format='bare'), patch([add(at('name/A/10'))], who=who), patch([replace([at('name/A/10')])], who=who), linked(2, 'id2', 'admin', owner='<p1>', visibility='community'), patch([add(at('ok/10'))], 'id2', who), patch([remove('0')], 'id2', who),
                  patch([replace([at('name/B/10', {'a': 'b'})])], 'id2', who), show('id2', 'admin'))
        yield one('delete-by:' + who, linked(1, 'id', 'admin', owner='<p1>', visibility='community'), delete('/v2/images/<id>', who), show('id', 'admin'))
    yield one('shared-member', linked(2), member(status='accepted'), patch([add(at())], who='other'), patch([remove('0')], who='other'), show('id', 'other'), load('id', 'other'))

    # ---- documents
    yield one('create', create({'name': 'x', 'locations': [at()], 'disk_format': 'raw', 'container_format': 'bare'}), create({'name': 'x', 'locations': []}), create({'name': 'x', 'locations': [{}]}))
    yield one('documents', linked(2), bare('id2'), show(), show('id2'), get('/v2/images'), get('/v2/images?name=none'), patch([{'op': 'add', 'path': '/q', 'value': 'v'}]), bare('id3'), put(b'x', 'id3', quiet=True), patch([{'op': 'remove', 'path': '/direct_url'}], 'id3'))
    yield one('schema', get('/v2/schemas/image'))

    # ---- downloads
    for n, path in enumerate(['ok/10', 'norange/10', 'lies/10', 'short/10', 'redirect/302/3/ok/10', 'until/U%d/0/10', 'nohead/10', 'name/Z/10?a=b']):
        path = path.replace('%d', '-<id>')
        yield one('load-%d:%s' % (n, path.split('/')[0]), bare(), patch([add(at(path))], who='admin'), load())
        yield one('load-range-%d:%s' % (n, path.split('/')[0]), bare(), patch([add(at(path))], who='admin'), load('id', 'member', {'Range': 'bytes=2-4'}), load('id', 'member', {'Range': 'bytes=-3'}), load('id', 'member', {'Range': 'bytes=8-'}), load('id', 'member', {'Range': 'bytes=20-'}))
    yield one('load-second', bare(), patch([add(at('until/V-<id>/1/10')), add(at('name/A/10'))]), load(), load(), show())
    yield one('load-none', bare(), patch([add(at('until/W-<id>/1/10'))]), load(), load())
    yield one('load-stored-first', bare(), put(content(10), quiet=True), patch([add(at('until/X-<id>/1/10'))]), load(), load('id', 'member', {'Range': 'bytes=2-4'}))

    # ---- POST and GET /locations
    for n, body in enumerate(BODIES):
        yield one('ask-body-%02d' % n, bare(), step('POST', '/v2/images/<id>/locations', headers={'Content-Type': 'application/json'}, body=body), seen())
    yield one('ask-no-body', bare(), step('POST', '/v2/images/<id>/locations'), step('POST', '/v2/images/<id9>/locations'), step('POST', '/v2/images/<id9>/locations', json={}), step('POST', '/v2/images/<id9>/locations', json={'url': 'x'}))
    for n, url in enumerate(URLS):
        if 'nohead' not in url:
            yield one('ask-url-%02d:%s' % (n, url), bare(), ask({'url': url}), seen(), bare('id2', visibility='community'), ask({'url': url}, 'service', 'id2'), seen('id2'))
    for n, proof in enumerate(PROOFS):
        yield one('ask-proof-%02d' % n, bare(), ask({'url': '<origin>/ok/10', 'validation_data': proof}), seen())
    for algo in ('md5', 'sha1', 'sha256', 'sha512'):
        yield one('ask-algo:' + algo, bare(), ask({'url': '<origin>/ok/10', 'validation_data': {'os_hash_algo': algo, 'os_hash_value': digest(algo)}}), seen(), load(), get('/v2/images/<id>/locations', 'admin'))
        yield one('ask-wrong:' + algo, bare(), ask({'url': '<origin>/ok/10', 'validation_data': {'os_hash_algo': algo, 'os_hash_value': digest(algo, 11)}}), seen(), ask({'url': '<origin>/ok/10', 'validation_data': {'os_hash_algo': algo, 'os_hash_value': digest(algo)}}), seen())
    for who in WHO:
        yield one('ask-by:' + who, image('id', 'admin', owner='<p1>', disk_format='raw', container_format='bare'), ask({'url': '<origin>/ok/10'}, who), seen(), get('/v2/images/<id>/locations', who),
                  image('id2', 'admin', owner='<p1>', disk_format='raw', container_format='bare', visibility='community'), ask({'url': '<origin>/ok/10'}, who, 'id2'), seen('id2'), get('/v2/images/<id2>/locations', who), ask({'url': 'file:///etc/passwd'}, who, 'id2'))
    yield one('ask-shared', bare(), member(status='accepted'), ask({'url': '<origin>/ok/10'}, 'other'), ask({'url': '<origin>/ok/10'}, 'third'), seen())
    yield one('ask-active', linked(1), ask({'url': '<origin>/ok/10'}), ask({'url': '<origin>/ok/10'}, 'reader'), ask({'url': 1}), get('/v2/images/<id>/locations', 'service'), show())
    yield one('ask-deactivated', linked(1), act('deactivate', who='admin', quiet=True), ask({'url': '<origin>/ok/10'}), get('/v2/images/<id>/locations', 'service'), get('/v2/images/<id>/locations', 'admin'))
    yield one('ask-formats', image(), ask({'url': '<origin>/ok/10'}), seen(), image('id2', disk_format='raw'), ask({'url': '<origin>/ok/10', 'validation_data': {'os_hash_algo': 'md5', 'os_hash_value': MD5}}, name='id2'), seen('id2'))
    yield one('ask-twice', bare(), ask({'url': '<origin>/ok/10'}), seen(quiet=True), ask({'url': '<origin>/ok/10'}), show())
    yield one('ask-patch-after', bare(), ask({'url': '<origin>/ok/10'}), seen(quiet=True), patch([add(at('name/A/10'))]), show(), load(), delete('/v2/images/<id>'), show())
    yield one('ask-methods', linked(1), [step(m, '/v2/images/<id>/locations') for m in ('PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS')])
    yield one('fetch', linked(2, visibility='community'), patch([replace([at('name/B/10', {'k': ['v', {'n': 'ż'}]}), at('name/A/10')])], quiet=True), get('/v2/images/<id>/locations', 'service'), get('/v2/images/<id9>/locations', 'service'), bare('id2', visibility='community'), get('/v2/images/<id2>/locations', 'service'),
              step('GET', '/v2/images/<id>/locations', 'service', json={}))
