# SPDX-License-Identifier: Apache-2.0
"""Staging, and what else can be done to an image that has staged data."""
from make import *

HERE = ('imports',)
WHO = ('admin', 'member', 'reader', 'other', 'third', 'adminonly', 'memberonly', 'service', 'norole', 'noproject', 'none')
TEN = b'0123456789'


def cases():
    def one(name, *steps, profiles=HERE):
        return case(name, *steps, profiles=profiles)

    mine = {'owner': '<p1>', 'disk_format': 'raw', 'container_format': 'bare'}
    for who in WHO:
        yield one('by:' + who, image('id', 'admin', **mine), stage(who=who), show('id', 'admin'))
        yield one('by-community:' + who, image('id', 'admin', visibility='community', **mine), stage(who=who), show('id', 'admin'))
    yield one('by-accepted', bare(), member(status='accepted'), stage(who='other'), show(), stage(who='otherreader'))
    yield one('by-member-of-public', image('id', 'admin', visibility='public', **mine), stage(who='other'), stage(), show())

    for n, ctype in enumerate((None, '', 'text/plain', 'application/json', 'application/octet-stream; charset=x', 'APPLICATION/OCTET-STREAM', 'application/*', 'multipart/form-data')):
        yield one('type-%d' % n, bare(), stage(ctype=ctype), show())
    for n, data in enumerate((b'', b'x', b'x' * 70000, bytes(range(256)))):
        yield one('data-%d' % n, bare(), stage(data), show(), load(), bring(), settled(), load(), jobs())
    yield one('chunked', bare(), step('PUT', '/v2/images/<id>/stage', headers=[('Content-Type', OCTETS)], chunks=[b'01234', b'56789']), show(), bring(), settled(), load())
    yield one('chunked-empty', bare(), step('PUT', '/v2/images/<id>/stage', headers=[('Content-Type', OCTETS)], chunks=[]), show())
    yield one('no-body', bare(), step('PUT', '/v2/images/<id>/stage', headers=[('Content-Type', OCTETS)]), show(), delete('/v2/images/<id>'))
    yield one('no-body-no-type', bare(), step('PUT', '/v2/images/<id>/stage'), show())
    yield one('size-header', bare(), stage(headers=[('x-openstack-image-size', '10')]), show(), bare('id2'), stage(name='id2', headers=[('x-openstack-image-size', '9')]), show('id2'),
              bare('id3'), stage(name='id3', headers=[('x-openstack-image-size', 'x')]), show('id3'))
    yield one('store-header', bare(), stage(headers=[('x-image-meta-store', 'nope')]), show())
    yield one('encoding', bare(), stage(headers=[('Content-Encoding', 'gzip')]), show())

    yield one('twice', bare(), stage(), stage(), stage(b'x'), show())
    yield one('no-formats', image(), stage(), show(), bring(), show(), patch([{'op': 'add', 'path': '/disk_format', 'value': 'raw'}]), bring(), patch([{'op': 'add', 'path': '/container_format', 'value': 'bare'}]), bring(), settled(), load())
    yield one('formats-replaced', bare(), stage(), patch([{'op': 'replace', 'path': '/disk_format', 'value': 'iso'}]), show())
    yield one('active', active(), stage(), show())
    yield one('deactivated', active(), act('deactivate', who='admin', quiet=True), stage(), stage(who='admin'))
    yield one('deleted', bare(), delete('/v2/images/<id>', quiet=True), stage())
    yield one('unknown', stage(), stage(name='ID'), step('PUT', '/v2/images/x/stage', headers=[('Content-Type', OCTETS)], body=TEN), step('PUT', '/v2/images/x/stage', headers=[('Content-Type', 'text/plain')], body=TEN))
    yield one('protected', bare(protected=True), stage(), show(), bring(), settled(), patch([{'op': 'replace', 'path': '/protected', 'value': False}], quiet=True))
    yield one('methods', bare(), [step(m, '/v2/images/<id>/stage') for m in ('GET', 'HEAD', 'POST', 'DELETE', 'PATCH', 'OPTIONS')], step('PUT', '/v2/images/<id>/stage/', headers=[('Content-Type', OCTETS)], body=TEN), step('PUT', '/v2/images/<id>/stage/x'), show())
    for version in ('2.0', '2.5', '2.6', '2.18', '2.19'):
        yield one('version:' + version, bare(), step('PUT', '/v%s/images/<id>/stage' % version, headers=[('Content-Type', OCTETS)], body=TEN), show())

    # ---- with staged data
    staged = [bare(), stage(quiet=True)]
    yield one('then-upload', staged, put(b'x'), show(), load())
    yield one('then-load', staged, load(), load('id', 'member', {'Range': 'bytes=0-1'}))
    yield one('then-list', staged, bare('id2'), get('/v2/images?sort=id:asc'), get('/v2/images?status=uploading'), get('/v2/images?size_min=5'))
    yield one('then-patch', staged, patch([{'op': 'replace', 'path': '/name', 'value': 'x'}]), patch([{'op': 'replace', 'path': '/size', 'value': 1}]), patch([{'op': 'replace', 'path': '/status', 'value': 'queued'}]), patch([{'op': 'add', 'path': '/os_glance_stage_host', 'value': 'x'}]), show())
    yield one('then-delete', staged, delete('/v2/images/<id>'), show(), show('id', 'admin'), stage(), bring())
    yield one('then-deactivate', staged, act('deactivate', who='admin'), act('reactivate', who='admin'), show())
    yield one('then-tags', staged, step('PUT', '/v2/images/<id>/tags/a'), step('DELETE', '/v2/images/<id>/tags/a'), member(), show())
    yield one('then-locations', staged, post('/v2/images/<id>/locations', {'url': '<origin>/ok/10'}), patch([{'op': 'add', 'path': '/locations/-', 'value': {'url': '<origin>/ok/10', 'metadata': {}}}]), show())
    yield one('then-protected', staged, patch([{'op': 'replace', 'path': '/protected', 'value': True}]), delete('/v2/images/<id>'), patch([{'op': 'replace', 'path': '/protected', 'value': False}], quiet=True))
    yield one('then-usage', staged, get('/v2/info/usage'), get('/v2/images/<id>/tasks'))

    # ---- elsewhere
    for profile in ('imports-few', 'imports-none', 'trusted', 'noauth', 'imports-stores', 'imports-worker'):
        yield case('in:' + profile, bare(), stage(), show(), stage(ctype='text/plain'), stage(name='id9'), get('/v2/info/import'), profiles=(profile,))
    yield one('worker-property', bare(), stage(), show(), patch([{'op': 'replace', 'path': '/os_glance_stage_host', 'value': 'x'}]), patch([{'op': 'remove', 'path': '/os_glance_stage_host'}], who='admin'), get('/v2/images?os_glance_stage_host=http://worker.test:9292'), bring(), settled(), load(), jobs(), profiles=('imports-worker',))
    yield one('worker-delete', bare(), stage(quiet=True), delete('/v2/images/<id>'), show(), profiles=('imports-worker',))
    for n in (19, 20, 21, 26):
        yield one('cap-%d' % n, bare(), stage(b'x' * n), show(), stage(b'x'), show(), bring(), settled(), jobs(), profiles=('quotas',))
    yield one('cap-chunked', bare(), step('PUT', '/v2/images/<id>/stage', headers=[('Content-Type', OCTETS)], chunks=[b'x' * 15, b'x' * 15]), show(), profiles=('quotas',))
    yield one('quota', bare(), put(b'x' * 15, quiet=True), bare('id2'), stage(b'x' * 15, 'id2'), show('id2'), bring(name='id2'), settled('id2'), jobs('id2'), profiles=('quotas',))
