# SPDX-License-Identifier: Apache-2.0
"""Several stores (profile stores), and what the same requests are without them."""
from make import *

STORES = ('stores',)
WHO = ['none', 'reader', 'member', 'admin', 'service', 'other', 'norole']
NEW = {'disk_format': 'raw', 'container_format': 'bare'}


def to(store):
    return [('x-image-meta-store', store)]


def drop(store, name='id', who='admin', **more):
    return delete('/v2/stores/%s/<%s>' % (store, name), who, **more)


def discovery(profiles, name):
    for path in ('info/stores', 'info/stores/detail', 'info/import', 'info/usage'):
        for who in WHO:
            yield case('info:%s:%s:%s' % (name, path, who), get('/v2/' + path, who), profiles=profiles)
        yield case('info:%s:%s:wrong' % (name, path), step('POST', '/v2/' + path, json={}), step('HEAD', '/v2/' + path), step('PUT', '/v2/' + path),
                   get('/v2/%s/' % path), get('/v2/%s/x' % path), step('GET', '/v2/' + path, body='x'), get('/v2/%s?a=b' % path), profiles=profiles)
    yield case('info:%s:none' % name, get('/v2/info'), get('/v2/info/'), get('/v2/stores'), get('/v2/stores/fast'), profiles=profiles)


def cases():
    yield from discovery(STORES, 'several')
    yield from discovery(BOTH, 'one')

    # ---- into which store
    for store in ('fast', 'slow', 'web', 'nope', 'FAST', '', ' slow ', 'fast,slow', 'file', 'os_glance_staging_store', 'żółw'):
        yield case('upload:' + store, bare(), put(b'0123456789', headers=to(store)), show(), load(), show(who='admin'), profiles=STORES)
    yield case('upload:default', bare(), put(b'0123456789'), show(), load(), profiles=STORES)
    yield case('upload:twice', bare(), put(b'0123456789', headers=to('slow') + to('fast')), show(), profiles=STORES)
    yield case('upload:refused', bare(disk_format='qcow2'), put(b'0123456789', headers=to('slow')), show(), put(b'0123456789', headers=to('nope')), profiles=STORES)
    yield case('upload:other', bare(), put(b'0123456789', who='other', headers=to('nope')), put(b'0123456789', who='reader', headers=to('nope')), profiles=STORES)
    yield case('upload:active', active(), put(b'x', headers=to('nope')), put(b'x', headers=to('slow')), profiles=STORES)
    yield case('upload:type', bare(), put(b'x', ctype='text/plain', headers=to('nope')), profiles=STORES)
    yield case('upload:one-store', bare(), put(b'0123456789', headers=to('nope')), show(), profiles=BOTH)

    # ---- where it is
    slow = [bare(), put(b'0123456789', headers=to('slow'), quiet=True)]
    yield case('create:headers', create(NEW), create({'name': 'x'}, 'admin'), profiles=STORES)
    yield case('create:stores', create(dict(NEW, stores='slow')), create(dict(NEW, os_glance_stores='slow')), profiles=STORES)
    yield case('patch:stores', slow, patch([{'op': 'replace', 'path': '/stores', 'value': 'fast'}]), patch([{'op': 'add', 'path': '/stores', 'value': 'fast'}]),
               patch([{'op': 'remove', 'path': '/stores'}]), show(), profiles=STORES)
    yield case('list:stores', slow, active('id2'), bare('id3'), get('/v2/images?sort=id:asc'), get('/v2/images?stores=slow'), get('/v2/images?limit=1&sort=id'),
               profiles=STORES)
    yield case('schema', get('/v2/schemas/image'), get('/v2/schemas/images'), profiles=STORES)
    for version in ('2.7', '2.8', '2.9', '2.10', '2.11', '2.12', '2.13', '2.14', '2.15', '2.16', '2.17', '2.18'):
        yield case('version:' + version, get('/v%s/images?limit=0' % version), get('/v%s/info/stores' % version), profiles=STORES)
    yield case('versions', get('/versions', 'none'), get('/', 'none'), profiles=STORES)

    # ---- preferred stores
    for prefer in ('slow', 'fast', 'web', 'nope', '', 'slow,fast', 'slow,nope', 'slow,%20fast', 'slow,,fast', 'slow&prefer=nope', 'SLOW'):
        for who in ('member', 'admin', 'service'):
            yield case('prefer:%s:%s' % (prefer, who), slow, load(who=who), get('/v2/images/<id>/file?prefer=' + prefer, who), profiles=STORES)
    yield case('prefer:one-store', active(), get('/v2/images/<id>/file?prefer=file', 'admin'), get('/v2/images/<id>/file?prefer=', 'admin'),
               get('/v2/images/<id>/file?prefer=x', 'member'), profiles=BOTH)
    yield case('prefer:no-data', bare(), get('/v2/images/<id>/file?prefer=nope', 'admin'), get('/v2/images/<id>/file?prefer=slow', 'admin'), profiles=STORES)

    # ---- out of one store
    for who in WHO:
        yield case('drop:last:' + who, slow, drop('slow', who=who), show(), profiles=STORES)
        yield case('drop:elsewhere:' + who, slow, drop('fast', who=who), profiles=STORES)
        yield case('drop:unknown-store:' + who, slow, drop('nope', who=who), profiles=STORES)
        yield case('drop:no-image:' + who, drop('slow', who=who), profiles=STORES)
    yield case('drop:queued', bare(), drop('slow'), drop('nope'), profiles=STORES)
    yield case('drop:deactivated', slow, act('deactivate', who='admin', quiet=True), drop('slow'), drop('fast'), profiles=STORES)
    yield case('drop:deleted', slow, delete('/v2/images/<id>', quiet=True), drop('slow'), profiles=STORES)
    yield case('drop:protected', bare(protected=True), put(b'0', headers=to('slow'), quiet=True), drop('slow'), patch([{'op': 'replace', 'path': '/protected', 'value': False}], quiet=True),
               profiles=STORES)
    yield case('drop:web', slow, drop('web'), profiles=STORES)
    yield case('drop:reserved', slow, drop('os_glance_staging_store'), profiles=STORES)
    yield case('drop:body', slow, delete('/v2/stores/slow/<id>', 'admin', json={}), delete('/v2/stores/slow/<id>/x', 'admin'), get('/v2/stores/slow/<id>', 'admin'), profiles=STORES)
    yield case('drop:odd-id', drop('slow', name='ID'), delete('/v2/stores/slow/x', 'admin'), profiles=STORES)
    yield case('drop:one-store', active(), drop('file'), drop('nope'), drop('file', who='other'), profiles=BOTH)
