# SPDX-License-Identifier: Apache-2.0
"""Property protections: profiles/protect-*/protections.conf say who may do what."""
from make import *

PROTECTED = ('protect-roles', 'protect-policies')
WHO = ['admin', 'member', 'special', 'served']
MADE = ['free_a', 'admin_a', 'ro_a', 'rw_a', 'wo_a', 'wd_a', 'nodelete_a', 'special_a', 'first_second_a', 'a_secret_b']
CREATED = MADE + ['nobody_a', 'empty_a', 'unmatched', 'a_os_glance_b', 'Free_a', 'inter_a', 'proj_a', '[odd]', 'py_case1', 'py_CASE1x', 'os_distro']
NAMES = ['loudlyserved', 'adminserved', 'reader', 'other', 'adminonly', 'norole']


def op(kind, name, *value):
    return dict({'op': kind, 'path': '/' + name}, **({'value': value[0]} if value else {}))


def kept(**properties):
    """An image of project p1 with properties that somebody set who may."""
    return image('id', 'keeper', **dict({'name': 'n'}, **properties))


def by_table():
    for name in CREATED:
        for who in WHO:
            yield 'create:%s:%s' % (name, who), [create({'id': '<id>', name: 'v'}, who), show('id', 'keeper')]
            yield 'add:%s:%s' % (name, who), [kept(), patch([op('add', name, 'v')], who=who), show('id', 'keeper')]
    for name in MADE:
        for who in WHO:
            made = kept(**{name: 'v'})
            yield 'read:%s:%s' % (name, who), [made, show('id', who), get('/v2/images?%s=v' % name, who)]
            yield 'over:%s:%s' % (name, who), [made, patch([op('add', name, 'w')], who=who), show('id', who), show('id', 'keeper')]
            yield 'replace:%s:%s' % (name, who), [made, patch([op('replace', name, 'w')], who=who), show('id', 'keeper')]
            yield 'remove:%s:%s' % (name, who), [made, patch([op('remove', name)], who=who), show('id', 'keeper')]


ALL = {'free_a': '1', 'admin_a': '2', 'ro_a': '3', 'wo_a': '4', 'special_a': '5', 'kernel_id': None}
PATCHES = [
    ('several', [op('add', 'free_a', 'x'), op('add', 'free_b', 'y')]),
    ('half-refused', [op('add', 'free_b', 'x'), op('add', 'admin_b', 'y')]),
    ('refused-first', [op('add', 'admin_b', 'x'), op('replace', 'nothing', 'y')]),
    ('missing-first', [op('replace', 'nothing', 'y'), op('add', 'admin_b', 'x')]),
    ('add-replace-hidden', [op('add', 'wo_b', 'x'), op('replace', 'wo_b', 'y')]),
    ('add-add-hidden', [op('add', 'wo_b', 'x'), op('add', 'wo_b', 'y')]),
    ('add-remove-hidden', [op('add', 'wo_b', 'x'), op('remove', 'wo_b')]),
    ('add-remove-hidden-may', [op('add', 'wd_b', 'x'), op('remove', 'wd_b')]),
    ('over-remove-hidden', [op('add', 'wo_a', 'x'), op('remove', 'wo_a')]),
    ('null-replace', [op('replace', 'kernel_id', '<id2>')]),
    ('null-add', [op('add', 'kernel_id', '<id2>')]),
    ('null-remove', [op('remove', 'kernel_id')]),
    ('name', [op('replace', 'name', 'new')]),
    ('tags', [op('replace', 'tags', ['t'])]),
    ('nothing', []),
    ('attribute-and-refused', [op('replace', 'name', 'new'), op('add', 'admin_b', 'y')]),
    ('empty-name', [op('add', '', 'x')]),
    ('escaped', [op('add', 'free_~1~0', 'x'), op('add', 'x~1free', 'x')]),
    ('not-ascii', [op('add', 'free_ż', 'x'), op('add', 'ż', 'x')]),
    ('reserved', [op('add', 'os_glance_x', 'x')]),
    ('reserved-section', [op('add', 'os_glance', 'x')]),
    ('long', [op('add', 'free_' + 'x' * 250, 'y')]),
    ('line-end', [op('add', 'py_case1\n', 'y')]),
]
CREATES = [
    ('several', {'free_a': 'x', 'admin_a': 'y', 'unmatched': 'z'}),
    ('order', {'unmatched': 'z', 'admin_a': 'y', 'free_a': 'x'}),
    ('before-tags', {'admin_a': 'x', 'tags': ['t%03d' % n for n in range(129)]}),
    ('tags-then', {'free_a': 'x', 'tags': ['t%03d' % n for n in range(129)]}),
    ('before-read-only', {'status': 'active', 'admin_a': 'x'}),
    ('after-reserved', {'admin_a': 'x', 'os_glance_x': 'y'}),
    ('after-schema', {'admin_a': 1}),
    ('after-policy', {'admin_a': 'x', 'visibility': 'public'}),
    ('before-emoji', {'admin_\U0001f600': 'x'}),
    ('value-emoji', {'admin_a': '\U0001f600'}),
    ('owner', {'admin_a': 'x', 'owner': '<p3>'}),
    ('null', {'kernel_id': None, 'os_distro': None}),
    ('locations', {'locations': []}),
    ('locations-then', {'locations': [], 'admin_a': 'x'}),
    ('hash', {'os_hash_algo': 'x', 'os_hash_value': 'y'}),
    ('direct-url', {'direct_url': 'x', 'admin_a': 'y'}),
    ('hidden', {'wo_a': 'x', 'free_a': 'y'}),
    ('empty-value', {'admin_a': '', 'free_a': ''}),
    ('empty-name', {'': 'x'}),
]


def by_hand():
    for name, ops in PATCHES:
        for who in ('member', 'keeper'):
            yield 'patch:%s:%s' % (name, who), [kept(**ALL), patch(ops, who=who), show('id', 'keeper')]
    for name, fields in CREATES:
        for who in ('member', 'admin'):
            yield 'post:%s:%s' % (name, who), [create(dict({'id': '<id>'}, **fields), who), show('id', 'keeper')]
    for kind in ('add', 'replace', 'remove'):
        for name in ('free_a', 'admin_a', 'ro_a', 'wo_a'):
            yield 'old:%s:%s' % (kind, name), [kept(**ALL), patch([dict({kind: '/' + name}, **({} if kind == 'remove' else {'value': 'w'}))], ctype=V20), show('id', 'keeper')]
    for who in NAMES:
        yield 'who:%s' % who, [
            kept(visibility='community', **ALL), show('id', who), get('/v2/images?visibility=community', who), create({'id': '<id2>', 'special_a': 'x', 'admin_a': 'y'}, who),
            patch([op('replace', 'special_a', 'x')], who=who), patch([op('remove', 'special_a')], who=who), patch([op('add', 'proj_a', 'x')], who=who), show('id', 'keeper')]
    yield 'list', [kept(**ALL), image('id2', 'keeper', free_a='1'), image('id3', 'keeper', admin_a='2'), get('/v2/images?sort=id:asc'), get('/v2/images?sort=id:asc', 'admin'), get('/v2/images?sort=id:asc&free_a=1'),
                   get('/v2/images?sort=id:asc&free_a=1&limit=1'), get('/v2/images?sort=id:asc&ro_a=3'), get('/v2/images?sort=id:asc&unmatched=1'), get('/v2/images?admin_a=nope')]
    yield 'list:hidden', [kept(**ALL), image('id3', 'keeper', admin_a='2'), get('/v2/images?sort=id:asc&admin_a=2'), get('/v2/images?sort=id:asc&admin_a=2&free_a=1')]
    yield 'schema', [get('/v2/schemas/image'), get('/v2/schemas/images')]
    yield 'keeps:tag', [kept(**ALL), step('PUT', '/v2/images/<id>/tags/t'), show('id', 'keeper')]
    yield 'keeps:untag', [kept(tags=['t'], **ALL), delete('/v2/images/<id>/tags/t'), show('id', 'keeper')]
    yield 'keeps:upload', [kept(disk_format='raw', container_format='bare', **ALL), put(b'0123'), show('id', 'keeper'), load()]
    yield 'keeps:action', [kept(disk_format='raw', container_format='bare', **ALL), put(b'0123', quiet=True), act('deactivate'), act('reactivate'), show('id', 'keeper')]
    yield 'keeps:visibility', [kept(**ALL), patch([op('replace', 'visibility', 'shared')]), show('id', 'keeper')]
    yield 'keeps:member', [kept(visibility='shared', **ALL), member(), show('id', 'other'), show('id', 'keeper')]
    yield 'keeps:refused', [kept(**ALL), patch([op('add', 'admin_b', 'x')]), patch([op('replace', 'status', 'x')]), show('id', 'keeper')]
    yield 'delete', [kept(**ALL), delete('/v2/images/<id>'), show('id', 'keeper')]
    yield 'rights-of-services', [kept(free_a='1'), patch([op('replace', 'visibility', 'public')], who='adminserved'), create({'id': '<id2>', 'free_a': '1', 'visibility': 'public'}, 'adminserved')]
    yield 'quota', [
        kept(**dict(ALL, **{'free_%03d' % n: 'x' for n in range(120)})), patch([op('add', 'free_b', 'x')]), patch([op('add', 'free_c', 'x'), op('add', 'free_d', 'x'), op('add', 'free_e', 'x'), op('add', 'free_f', 'x'), op('add', 'free_g', 'x'), op('add', 'free_h', 'x')]),
        create(dict({'id': '<id2>'}, **{'free_%03d' % n: 'x' for n in range(129)})), create(dict({'id': '<id3>', 'admin_a': 'x'}, **{'free_%03d' % n: 'x' for n in range(129)}))]
    yield 'section', [create({'id': '<id>', 'inter_a': '1', 'proj_a': '2', '[odd]': '3', 'py_case1': '4'}, 'keeper'), patch([op('replace', 'inter_a', 'x')], who='special'), patch([op('remove', 'inter_a')], who='keeper'), patch([op('replace', 'proj_a', 'x')]),
                      patch([op('remove', 'proj_a')]), patch([op('replace', '[odd]', 'x')]), patch([op('remove', '[odd]')]), patch([op('replace', 'py_case1', 'x')]), show('id', 'keeper')]


def cases():
    for name, steps in by_table():
        yield case(name, *steps, profiles=PROTECTED)
    for name, steps in by_hand():
        yield case(name, *steps, profiles=PROTECTED)
