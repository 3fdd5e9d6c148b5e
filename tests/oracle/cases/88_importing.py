# SPDX-License-Identifier: Apache-2.0
"""Imports under way and their ends: what a client polls, the lock, several stores, copies, plugins, failures."""
import gzip
import io
import json
import struct
import zipfile

from make import *

ONE, STORES = ('imports',), ('imports-stores',)
TEN = b'0123456789'
MIB = b'0123456789abcdef' * 65536
QCOW2 = struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', 2, 0, 0, 16, 1 << 20, 0, 1, 0x30000, 0x10000, 1, 0, 0)
SELECTIONS = {'none': {}, 'fast': {'stores': ['fast']}, 'slow': {'stores': ['slow']}, 'two': {'stores': ['slow', 'third']}, 'order': {'stores': ['third', 'fast', 'slow']}, 'twice': {'stores': ['slow', 'slow']}, 'empty': {'stores': []}, 'null': {'stores': None}, 'word': {'stores': 'slow'},
              'number': {'stores': [1]}, 'nested': {'stores': [['slow']]}, 'unknown': {'stores': ['nope']}, 'half-unknown': {'stores': ['slow', 'nope']}, 'case': {'stores': ['SLOW']}, 'reserved': {'stores': ['os_glance_staging_store']}, 'web': {'stores': ['web']}, 'web-last': {'stores': ['slow', 'web']},
              'web-first': {'stores': ['web', 'slow']}, 'web-middle': {'stores': ['slow', 'web', 'third']}, 'web-may-fail': {'stores': ['slow', 'web', 'third'], 'all_stores_must_succeed': False}, 'only-web-may-fail': {'stores': ['web'], 'all_stores_must_succeed': False}, 'may-fail': {'stores': ['slow', 'third'], 'all_stores_must_succeed': False},
              'all': {'all_stores': True}, 'all-may-fail': {'all_stores': True, 'all_stores_must_succeed': False}, 'all-and-some': {'all_stores': True, 'stores': ['slow']}, 'all-and-none': {'all_stores': True, 'stores': []}, 'not-all': {'all_stores': False, 'stores': ['slow']}}
HEADERS = {'slow': 'slow', 'unknown': 'nope', 'empty': '', 'two': 'slow,third', 'web': 'web', 'blank': ' slow '}


def zipped(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), TEN * 100)
    return out.getvalue()



def drop(store, name='id', who='admin', **more):
    return delete('/v2/stores/%s/<%s>' % (store, name), who, **more)


def copy(*stores, name='id', who='admin', headers=(), quiet=False, **more):
    return bring('copy-image', name, who, headers, quiet, **dict({'stores': list(stores)} if stores else {}, **more))


def cases():
    def one(name, *steps, profiles=ONE):
        return case(name, *steps, profiles=profiles)

    staged = [bare(), stage(quiet=True)]
    running = [bare(), web('gate/<id>/10', quiet=True), show('id', 'admin', until='"status": "importing"', quiet=True)]
    end = [opened(), settled(), jobs()]

    # ---- while it is under way
    for profile in ('imports', 'imports-stores'):
        yield case('polled:' + profile, bare(), web('gate/<id>/10', **({'stores': ['fast', 'slow']} if profile == 'imports-stores' else {})), show('id', 'member', until='"status": "importing"'), get('/v2/images/<id>/tasks', 'member', until='processing'),
                   get('/v2/images?status=importing'), load(), end, load(), profiles=(profile,))
    yield one('lock:import', running, web(), bring(), bring('copy-image', who='admin'), web(who='other'), web(who='admin'), end)
    yield one('lock:data', running, stage(), put(b'x'), load(), load('id', 'admin'), act('deactivate', who='admin'), act('reactivate', who='admin'), end)
    yield one('lock:patch', running, patch([{'op': 'replace', 'path': '/name', 'value': 'x'}]), patch([{'op': 'replace', 'path': '/disk_format', 'value': 'iso'}]), patch([{'op': 'add', 'path': '/color', 'value': 'red'}]), show(), end)
    yield one('lock:properties', running, [patch([{'op': op, 'path': '/' + name, 'value': 'x'}], who=who) for who in ('member', 'admin') for op in ('add', 'replace', 'remove') for name in ('os_glance_import_task', 'os_glance_importing_to_stores', 'os_glance_failed_import')], show(), end)
    yield one('lock:properties-v20', running, patch([{'remove': '/os_glance_import_task'}], ctype=V20), patch([{'replace': '/os_glance_import_task', 'value': 'x'}], ctype=V20), end)
    yield one('lock:locations', running, post('/v2/images/<id>/locations', {'url': '<origin>/ok/10'}), get('/v2/images/<id>/locations', 'service'), end)
    yield one('lock:rest', running, step('PUT', '/v2/images/<id>/tags/a'), member(), get('/v2/images/<id>/members'), delete('/v2/stores/file/<id>', 'admin'), get('/v2/images?os_glance_importing_to_stores='), end)
    yield one('lock:tasks', running, get('/v2/tasks?image_id=<id>', 'admin', until='processing'), end, get('/v2/tasks?image_id=<id>', 'admin'), get('/v2/tasks?image_id=<id>&status=success', 'admin'), get('/v2/tasks?image_id=<id>&status=failure', 'admin'), get('/v2/tasks?image_id=<id>&type=api_image_import', 'admin'), get('/v2/tasks?image_id=<id>', 'member'))
    yield one('lock:protect', running, patch([{'op': 'replace', 'path': '/protected', 'value': True}]), delete('/v2/images/<id>'), end, patch([{'op': 'replace', 'path': '/protected', 'value': False}], quiet=True))
    for who in ('member', 'admin', 'other', 'reader'):
        yield one('delete-during:' + who, running, delete('/v2/images/<id>', who), show(), opened(), get('/v2/tasks?image_id=<id>', 'admin', settle=True), show('id', 'admin'), get('/v2/images/<id>/tasks', 'admin'))
    yield one('properties-on-create', [create({'name': 'x', name: 'y'}, who) for who in ('member', 'admin') for name in ('os_glance_import_task', 'os_glance_importing_to_stores', 'os_glance_failed_import', 'os_glance_stage_host', 'os_glance_x')])
    yield one('properties-on-patch', active(), [patch([{'op': 'add', 'path': '/' + name, 'value': 'y'}], who=who) for who in ('member', 'admin') for name in ('os_glance_import_task', 'os_glance_importing_to_stores', 'os_glance_failed_import', 'os_glance_x')], show())

    # ---- an active image with a task: it is being hashed, or copied from the web server
    linked = [bare(), post('/v2/images/<id>/locations', {'url': '<origin>/gate/<id>/10'}, quiet=True), show('id', 'admin', until='"os_hash_algo": "sha512"', quiet=True)]
    lent = [bare(), post('/v2/images/<id>/locations', {'url': '<origin>/gate/<id>/1/10'}, quiet=True), settled(quiet=True)]
    copying = [lent, copy('fast', 'slow', quiet=True), show('id', 'admin', until='"os_glance_importing_to_stores": "fast,slow"', quiet=True)]
    end_by_admin = [opened(), settled(), jobs('id', 'admin')]
    for name, before in (('hashed', linked), ('copied', copying)):
        yield one('busy:%s:import' % name, before, copy('slow'), copy('nope'), copy('web'), copy(all_stores=True), copy('slow', who='member'), copy('slow', who='other'), web(), bring(), end_by_admin, copy('third'), settled(), load(), profiles=STORES)
        yield one('busy:%s:show' % name, before, show(), get('/v2/images'), get('/v2/images/<id>/tasks', 'admin', until='processing'), load(), end_by_admin, profiles=STORES)
        yield one('busy:%s:drop' % name, before, [drop(store) for store in ('web', 'fast', 'slow', 'nope')], end_by_admin, profiles=STORES)
        yield one('busy:%s:change' % name, before, patch([{'op': 'replace', 'path': '/name', 'value': 'x'}]), step('PUT', '/v2/images/<id>/tags/a'), put(b'x'), stage(), act('deactivate', who='admin'), act('reactivate', who='admin'), end_by_admin, profiles=STORES)
        yield one('busy:%s:locations' % name, before, post('/v2/images/<id>/locations', {'url': '<origin>/ok/10'}), end_by_admin, profiles=STORES)
    yield one('busy:copied:delete', copying, delete('/v2/images/<id>'), show(), opened(), get('/v2/tasks?image_id=<id>', 'admin', settle=True), show('id', 'admin'), profiles=STORES)
    yield one('copy-from-web', bare(), post('/v2/images/<id>/locations', {'url': '<origin>/ok/10'}, quiet=True), settled(), copy('slow'), settled(), copy('web'), load(), drop('web'), settled(), load(), profiles=STORES)
    yield one('copy-from-web-all', bare(), post('/v2/images/<id>/locations', {'url': '<origin>/ok/10'}, quiet=True), settled(quiet=True), copy(all_stores=True), settled(), jobs('id', 'admin'), profiles=STORES)
    yield one('copy-from-web-gone', bare(), post('/v2/images/<id>/locations', {'url': '<origin>/until/<id>/1/10'}, quiet=True), settled(quiet=True), copy('slow'), settled(), jobs('id', 'admin'), copy('slow', all_stores_must_succeed=False), settled(), jobs('id', 'admin'), show(), profiles=STORES)

    # ---- its end
    yield one('direct', staged, bring(), settled(), jobs(), load(), delete('/v2/images/<id>'), show(), get('/v2/images/<id>/tasks'), get('/v2/tasks?image_id=<id>', 'admin'))
    yield one('direct-again', staged, bring(quiet=True), settled(quiet=True), bring(), stage(), web(), settled(), jobs())
    yield one('direct-patched', staged, patch([{'op': 'add', 'path': '/color', 'value': 'red'}], quiet=True), step('PUT', '/v2/images/<id>/tags/a', quiet=True), bring(), settled())
    yield one('direct-large', bare(), stage(MIB * 3, quiet=True), bring(), settled(), load())
    yield one('web-large', bare(), web('ok/3000000'), settled(), jobs(), load())
    yield one('web-again', bare(), web('status/404'), settled(), web('ok/10'), settled(), jobs(), load())
    yield one('web-fails-then-stage', bare(), web('status/404', quiet=True), settled(), stage(), show(), bring(), settled(), jobs(), load())
    yield one('web-fails-then-upload', bare(), web('short/10', quiet=True), settled(), put(TEN), show(), load())
    yield one('web-fails-then-patch', bare(), web('status/404', quiet=True), settled(), patch([{'op': 'remove', 'path': '/os_glance_failed_import'}]), patch([{'op': 'replace', 'path': '/os_glance_importing_to_stores', 'value': 'x'}]), patch([{'op': 'replace', 'path': '/name', 'value': 'x'}]), show())
    yield one('web-fails-then-delete', bare(), web('status/404', quiet=True), settled(quiet=True), delete('/v2/images/<id>'), show(), get('/v2/tasks?image_id=<id>', 'admin'))
    yield one('web-then-deactivate', bare(), web(quiet=True), settled(quiet=True), act('deactivate', who='admin'), show(), load(), web(), bring('copy-image', who='admin'))
    yield one('web-then-range', bare(), web('ok/1000', quiet=True), settled(quiet=True), load('id', 'member', {'Range': 'bytes=2-4'}), load('id', 'member', {'Range': 'bytes=-3'}))
    for path in ('slow/<id>/10', 'flaky/<id>/1/10', 'until/<id>/1/10', 'name/<id>/10'):
        yield one('web-way:' + path.split('/')[0], bare(), web(path), settled(), jobs(), load(), get('/asked/<id>', 'none', origin=True))
    for disk, data in (('qcow2', TEN), ('qcow2', QCOW2), ('raw', QCOW2), ('raw', QCOW2 + b'\0' * 1024), ('iso', TEN), ('vmdk', TEN * 100), ('vhd', TEN * 100), ('qcow2', QCOW2 + b'\0' * 1024), ('ami', TEN)):
        for container in ('bare', 'ovf'):
            name = '%s:%s:%d' % (container, disk, len(data))
            yield one('format:' + name, bare('id', 'member', disk_format=disk, container_format=container), stage(data, quiet=True), bring(), settled(), jobs(), load(), bring(), stage(), delete('/v2/images/<id>'))
    yield one('format-web', bare(disk_format='qcow2'), web('ok/2000'), settled(), jobs(), web('ok/2000'), settled(), patch([{'op': 'replace', 'path': '/disk_format', 'value': 'raw'}]), web('ok/2000'), settled(), jobs())

    # ---- several stores
    methods = {'direct': ([bare(), stage(quiet=True)], lambda **more: bring(**more)), 'web': ([bare()], lambda **more: web(**more)), 'copy': (active(), lambda **more: bring('copy-image', who='admin', **more))}
    for method, (before, ask) in methods.items():
        for name, body in SELECTIONS.items():
            yield one('to:%s:%s' % (method, name), before, ask(**body), settled(), jobs('id', 'admin'), load(), profiles=STORES)
        for name, value in HEADERS.items():
            yield one('to-header:%s:%s' % (method, name), before, ask(headers=[('x-image-meta-store', value)]), settled(), jobs('id', 'admin'), profiles=STORES)
        yield one('to-header:%s:and-stores' % method, before, ask(headers=[('x-image-meta-store', 'slow')], stores=['slow']), ask(headers=[('x-image-meta-store', 'slow')], all_stores=True), ask(headers=[('x-image-meta-store', 'nope')], stores=['nope'], who='other') if method == 'direct' else ask(headers=[('x-image-meta-store', 'nope')], stores=[]), settled(), profiles=STORES)
        for name in ('two', 'order', 'web-last', 'web-first', 'web-may-fail', 'only-web-may-fail', 'all', 'all-may-fail', 'twice'):
            yield one('parallel:%s:%s' % (method, name), before, ask(**SELECTIONS[name]), settled(), jobs('id', 'admin'), load(), profiles=('imports-parallel',))
    yield one('web-404-two', bare(), web('status/404', stores=['slow', 'third']), settled(), web('ok/10', stores=['slow']), settled(), web('ok/10', stores=['third']), settled(), jobs(), profiles=STORES)
    yield one('direct-web-then', bare(), stage(quiet=True), bring(stores=['web']), settled(), bring(stores=['slow']), stage(), web(), delete('/v2/images/<id>'), show(), profiles=STORES)
    yield one('upload-then-copy-web', active(), copy('web'), settled(), copy('slow'), settled(), jobs('id', 'admin'), profiles=STORES)

    # ---- copies
    both = [active(), copy('slow', quiet=True), settled(quiet=True)]
    yield one('copy', active(), copy('slow'), settled(), jobs(), jobs('id', 'admin'), load(), get('/v2/images/<id>/file?prefer=slow', 'admin'), get('/v2/images/<id>/file?prefer=fast', 'admin'), profiles=STORES)
    yield one('copy-again', both, copy('slow'), copy('fast'), copy('slow', 'third'), copy(), copy(all_stores=True), settled(), copy(all_stores=True), settled(), jobs('id', 'admin'), profiles=STORES)
    yield one('copy-one-by-one', active(), copy('slow'), settled(), copy('third'), settled(), get('/v2/images?sort=id:asc'), profiles=STORES)
    yield one('copy-list', both, active('id2'), get('/v2/images?sort=id:asc'), get('/v2/images?stores=slow'), get('/v2/images?stores=fast,slow'), profiles=STORES)
    for who in ('admin', 'member', 'reader', 'other', 'service', 'adminonly', 'none'):
        yield one('copy-by:' + who, image('id', 'admin', owner='<p1>', disk_format='raw', container_format='bare', visibility='community'), put(TEN, who='admin', quiet=True), copy('slow', who=who), settled('id', 'admin'), jobs('id', 'admin'), get('/v2/images/<id>/tasks', who), profiles=STORES)
        yield one('drop-by:' + who, both, drop('slow', who=who), show(), profiles=STORES)
        yield one('prefer-by:' + who, [bare('id', 'admin', owner='<p1>', visibility='community'), put(TEN, who='admin', quiet=True), copy('slow', quiet=True), settled('id', 'admin', quiet=True)], get('/v2/images/<id>/file?prefer=fast,slow', who), get('/v2/images/<id>/file?prefer=slow', who), profiles=STORES)
    for prefer in ('slow', 'fast', 'third', 'web', 'nope', 'slow,fast', 'nope,slow', 'third,slow', '', ' slow ', 'SLOW'):
        yield one('prefer:' + prefer, both, get('/v2/images/<id>/file?prefer=' + prefer.replace(' ', '%20'), 'service'), get('/v2/images/<id>/file?prefer=' + prefer.replace(' ', '%20'), 'member'), profiles=STORES)
    yield one('drop', both, drop('slow'), show(), load(), drop('slow'), drop('fast'), drop('third'), profiles=STORES)
    yield one('drop-first', both, drop('fast'), show(), load(), drop('slow'), copy('fast'), settled(), drop('slow'), settled(), load(), profiles=STORES)
    yield one('drop-three', active(), copy('slow', 'third', quiet=True), settled(quiet=True), drop('slow'), show(), drop('fast'), show(), drop('third'), show(), load(), profiles=STORES)
    yield one('drop-and-copy', both, drop('slow', quiet=True), copy('slow'), settled(), load(), jobs('id', 'admin'), profiles=STORES)
    yield one('drop-protected', both, patch([{'op': 'replace', 'path': '/protected', 'value': True}], quiet=True), drop('slow'), show(), patch([{'op': 'replace', 'path': '/protected', 'value': False}], quiet=True), profiles=STORES)
    yield one('drop-deactivated', both, act('deactivate', who='admin', quiet=True), drop('slow'), copy('third'), show(), profiles=STORES)
    yield one('drop-after-delete', both, delete('/v2/images/<id>'), drop('slow'), copy('third'), profiles=STORES)
    yield one('drop-while-importing', [bare(), web('gate/<id>/10', quiet=True, stores=['fast', 'slow']), show('id', 'admin', until='"status": "importing"', quiet=True)], drop('slow'), drop('fast'), drop('nope'), opened(), settled(), drop('slow'), show(), profiles=STORES)
    yield one('copy-delete', both, delete('/v2/images/<id>'), show(), get('/v2/tasks?image_id=<id>', 'admin'), profiles=STORES)

    # ---- plugins
    for who in ('member', 'admin', 'special', 'keeper'):
        yield one('inject:' + who, bare('id', who, hw_disk_bus='ide'), web(who=who), settled('id', who), jobs('id', who), profiles=('imports-plugins',))
    texts = {'gzip': gzip.compress(TEN * 100, mtime=0), 'gzip-cut': gzip.compress(TEN * 100, mtime=0)[:-9], 'gzip-two': gzip.compress(TEN, mtime=0) * 2, 'gzip-empty': gzip.compress(b'', mtime=0), 'gzip-tail': gzip.compress(TEN, mtime=0) + b'x', 'gzip-head': b'\x1f\x8b\x08', 'zip': zipped('a'),
             'zip-two': zipped('a', 'b'), 'zip-none': zipped(), 'zip-head': b'PK\x03\x04', 'zip-path': zipped('../a'), 'plain': TEN}
    for name, data in texts.items():
        yield one('decompress:' + name, bare(), stage(data, quiet=True), bring(), settled(), jobs(), load(), profiles=('imports-plugins',))
        yield one('compressed:' + name, bare(container_format='compressed'), stage(data, quiet=True), bring(), settled(), jobs(), profiles=('imports-plugins',))
    yield one('decompress-copy', bare(), put(texts['gzip'], quiet=True), bring('copy-image', who='admin'), settled(), jobs('id', 'admin'), profiles=('imports-plugins',))
    qcow = bytearray(QCOW2 + b'\0' * (0x40000 - len(QCOW2)))
    qcow[0x10000:0x10008] = struct.pack('>Q', 0x20000)                 # the table of reference blocks: four clusters are in use
    qcow[0x20000:0x20008] = struct.pack('>4H', 1, 1, 1, 1)
    backed = bytearray(qcow)
    backed[8:20] = struct.pack('>QI', 0x100, 11)
    backed[0x100:0x10b] = b'/etc/passwd'
    for name, disk, data in (('qcow2', 'qcow2', bytes(qcow)), ('raw', 'raw', TEN * 100), ('raw-as-qcow2', 'qcow2', TEN * 100), ('qcow2-as-raw', 'raw', bytes(qcow)), ('backing-file', 'qcow2', bytes(backed)), ('header-only', 'qcow2', QCOW2 + b'\0' * 1024), ('iso', 'iso', TEN * 100), ('gzip-qcow2', 'qcow2', gzip.compress(bytes(qcow), mtime=0)), ('ami', 'ami', TEN * 100)):
        yield one('convert:' + name, bare(disk_format=disk), stage(data, quiet=True), bring(), settled(), jobs(), bring(), delete('/v2/images/<id>'), profiles=('imports-convert',))
