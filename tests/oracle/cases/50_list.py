# SPDX-License-Identifier: Apache-2.0
"""GET /v2/images: paging, sorting, filters, visibility."""
import itertools

from make import *


def shelf(who='member', **common):
    """Five images whose fields sort and filter differently; <id1> is the oldest."""
    rows = [
        dict(name='apple', disk_format='raw', container_format='bare', min_ram=1, min_disk=5, tags=['red', 'fruit'], colour='red', taste='sweet'),
        dict(name='Banana', disk_format='qcow2', container_format='bare', min_ram=2, min_disk=4, tags=['yellow', 'fruit'], colour='yellow', taste='sweet'),
        dict(name='cherry', disk_format='raw', container_format='ovf', min_ram=3, min_disk=3, tags=['red'], colour='red', taste='sour'),
        dict(name='apple', disk_format='iso', container_format='bare', min_ram=4, min_disk=2, protected=True, visibility='private', colour='green'),
        dict(min_ram=5, min_disk=1, tags=['odd tag', 'a,b'], note='a:b'),
    ]
    steps = [image('id%d' % n, who, **dict(row, **common)) for n, row in enumerate(rows, 1)]
    steps.append(put(b'0123456789', 'id1', who, quiet=True))
    steps.append(put(b'01234', 'id3', who, quiet=True))
    return steps


def lst(query='', who='member', **more):
    return get('/v2/images' + query, who, **more)


PAGING = ['?limit=0', '?limit=1', '?limit=2', '?limit=5', '?limit=6', '?limit=1000', '?limit=1001', '?limit=-1', '?limit=abc', '?limit=', '?limit=1.5', '?limit=%201', '?limit=1e1', '?limit=0x1', '?limit=01',
          '?limit=+2', '?limit=99999999999999999999', '?limit=2&limit=3', '?marker=<id3>', '?limit=2&marker=<id4>', '?limit=2&marker=<id1>', '?marker=<id9>', '?marker=', '?marker=nope', '?marker=<ID3>', '?marker=<id3>&marker=<id2>',
          '?limit=2&name=apple', '?limit=1&name=apple', '?limit=1&tag=fruit&tag=red', '?limit=1&tag=red&tag=fruit', '?limit=2&sort=name:asc', '?limit=2&sort_key=name&sort_key=size&sort_dir=asc', '?limit=1&created_at=gt:2000-01-01T00:00:00Z', '?limit=1&name=in:%22apple%22,cherry', '?limit=1&taste=sweet&colour=red',
          '?limit=1&x=%20%2F%C5%BC%26=', '?limit=1&x=a+b', '?limit=1&tag=odd%20tag', '?limit=1&a%20b=c', '?limit=2&', '?&limit=2', '?limit=2;name=apple', '?limit', '?', '?=x', '?%00=x', '?x=%ff', '?limit=5&marker=<id1>', '?limit=1&visibility=all&os_hidden=false&member_status=all', '?limit=1&deleted=true', '?limit=1&sort=', '?limit=1&name=', '?limit=1&status=queued']
SORTS = ['?sort_key=%s&sort_dir=%s' % (k, d) for k in ('name', 'status', 'container_format', 'disk_format', 'size', 'id', 'created_at', 'updated_at') for d in ('asc', 'desc')] + [
    '?sort_key=name', '?sort_dir=asc', '?sort_dir=desc', '?sort_dir=up', '?sort_dir=', '?sort_dir=ASC', '?sort_key=nope', '?sort_key=', '?sort_key=owner', '?sort_key=min_ram', '?sort_key=Name', '?sort_key=colour', '?sort_key=checksum',
    '?sort_key=name&sort_key=size', '?sort_key=name&sort_key=size&sort_dir=asc', '?sort_key=name&sort_key=size&sort_dir=asc&sort_dir=desc', '?sort_key=name&sort_dir=asc&sort_dir=desc', '?sort_key=name&sort_key=name&sort_dir=asc',
    '?sort_key=name&sort_key=size&sort_key=id&sort_dir=asc&sort_dir=desc', '?sort=name', '?sort=name:asc', '?sort=name:desc', '?sort=name:asc,size:desc', '?sort=size,name', '?sort=name:up', '?sort=nope', '?sort=nope:asc', '?sort=', '?sort=name:', '?sort=:asc', '?sort=,', '?sort=name,', '?sort=name:asc:desc',
    '?sort=%20name:asc', '?sort=name%20:asc', '?sort=name:%20asc', '?sort=name:asc,%20size', '?sort=name:ASC', '?sort=name&sort=size', '?sort=name&sort_key=size', '?sort=name&sort_dir=asc', '?sort=name,name', '?sort=created_at', '?sort=created_at:asc', '?sort=id:asc', '?sort=status:asc,id:asc', '?sort=updated_at:asc', '?sort=container_format:asc,disk_format:desc', '?sort=size:asc,created_at:asc',
    '?sort=name:asc&marker=<id2>', '?sort=name:asc&marker=<id5>', '?sort=size:asc&marker=<id2>', '?sort=size:asc&marker=<id1>', '?sort=size:desc&marker=<id1>', '?sort=size:desc&marker=<id3>', '?sort=size:desc&marker=<id5>', '?sort=disk_format:desc&marker=<id1>', '?sort=disk_format:asc&marker=<id5>', '?sort=name:asc&limit=2&marker=<id1>',
    '?sort_key=created_at&sort_dir=asc&marker=<id2>', '?sort_key=id&sort_dir=desc&marker=<id3>', '?sort=name:desc,size:asc&marker=<id4>', '?sort=status:desc&marker=<id3>&limit=1']
FILTERS = {
    'name': ['apple', 'Apple', 'APPLE', 'nope', '', 'app', 'app%25', 'eq:apple', 'eq:', 'in:apple', 'in:apple,cherry', 'in:%22apple%22,%22cherry%22', 'in:', 'in:,', 'in:apple,', 'in:%22a', 'in:%22apple%22x', 'in:%22a%5C%22b%22', 'in:apple,%22ch%5C%5Cerry%22', 'neq:apple', 'gt:a', 'a:b', 'like:x', ':apple', 'EQ:apple', 'in:a%22b', 'in:%22%22', '%F0%9F%98%80', '%C5%BC'],
    'id': ['<id1>', 'nope', 'in:<id1>,<id3>', 'eq:<id2>', '<ID1>', 'in:<id9>', 'neq:<id1>', ''],
    'status': ['active', 'queued', 'deleted', 'nope', 'in:active,queued', 'eq:active', 'neq:active', 'in:active,nope', '', 'saving', 'killed', 'pending_delete', 'ACTIVE', 'gt:active'],
    'container_format': ['bare', 'ovf', 'nope', 'in:bare,ovf', 'eq:bare', '', 'None', 'neq:bare'],
    'disk_format': ['raw', 'iso', 'in:raw,iso', 'eq:raw', 'nope', 'in:%22raw%22', 'gte:raw'],
    'created_at': ['gt:2000-01-01T00:00:00Z', 'lt:2000-01-01T00:00:00Z', 'gte:2000-01-01T00:00:00Z', 'lte:2099-01-01T00:00:00Z', 'eq:2000-01-01T00:00:00Z', 'neq:2000-01-01T00:00:00Z', '2000-01-01T00:00:00Z', '2000-01-01', '2000-01-01T00:00:00', '2000-01-01T00:00:00+02:00', '2000-01-01T00:00:00.123456Z', 'gt:2000-01-01', 'gt:20000101T000000Z',
                   'gt:2000-01-01%2000:00:00', 'gt:2000-W01-1', 'gt:2000', 'gt:00:00', 'gt:', 'gt:nope', 'nope', '', 'in:2000-01-01T00:00:00Z', 'like:2000-01-01T00:00:00Z', 'xx:2000-01-01T00:00:00Z', 'gt:2000-13-01T00:00:00Z', 'gt:2000-02-30T00:00:00Z', 'gt:2000-01-01T25:00:00Z', 'gt:2000-01-01T00:00:00-05:30', 'gt:1-1-1', 'gt:0000-01-01T00:00:00Z', 'gt:9999-12-31T23:59:59Z', 'GT:2000-01-01T00:00:00Z', 'lt:2099-01-01T00:00:00%2B02:00'],
    'updated_at': ['gt:2000-01-01T00:00:00Z', 'lt:2000-01-01T00:00:00Z', 'nope', 'eq:2000-01-01T00:00:00Z'],
    'size_min': ['0', '5', '6', '10', '11', '-1', 'abc', '', '1.5', '99999999999999999999', '%205', '+5', '0x5'], 'size_max': ['0', '5', '9', '10', 'abc', '', '-1'],
    'min_ram_min': ['3', 'x'], 'min_ram_max': ['3'], 'min_disk_min': ['3'], 'min_disk_max': ['3', ''], 'virtual_size_min': ['1'], 'hw_min': ['1', 'x'], 'name_min': ['1'], 'created_at_min': ['1'], '_min': ['1'], 'colour_max': ['1'], 'max': ['1'], 'min': ['1'], 'size_mid': ['1'],
    'size': ['10', '5', 'gt:5', 'abc', '', '10.0', 'eq:10', '010'], 'min_ram': ['1', 'x', ''], 'min_disk': ['1'], 'virtual_size': ['10', 'x'],
    'owner': ['<p1>', '<p2>', '', 'eq:<p1>', '<pa>'], 'checksum': ['781e5e245d69b566979b86e28d23f2c7', 'nope', ''], 'os_hash_algo': ['sha512', 'x'], 'os_hash_value': ['x'],
    'visibility': ['public', 'private', 'shared', 'community', 'all', 'nope', '', 'Public', 'in:public,private', 'eq:public'],
    'os_hidden': ['true', 'false', 'True', 'FALSE', '1', '0', 'yes', '', 'nope'], 'protected': ['true', 'false', 'True', '1', '', 'nope', 'TRUE'],
    'tag': ['red', 'fruit', 'RED', 'nope', '', 'odd%20tag', 'odd+tag', 'a,b', 'a%2Cb', 'in:red', 'x' * 300], 'tags': ['red', ''],
    'member_status': ['pending', 'accepted', 'rejected', 'all', 'nope', '', 'ALL'], 'deleted': ['true', 'false', 'nope', '', '1'], 'changes-since': ['2000-01-01T00:00:00Z', 'x', ''], 'is_public': ['true', 'false', 'x'],
    'colour': ['red', 'green', 'RED', 'nope', '', 'eq:red', 'in:red,green', 'gt:a'], 'Colour': ['red'], 'note': ['a:b', 'a%3Ab'], 'taste': ['sweet'], 'properties': ['x', ''], 'locations': ['x'], 'members': ['x'], 'metadata': ['x'], 'deleted_at': ['x', ''], 'is_hidden': ['true'], 'image_id': ['<id1>'],
    'limitx': ['1'], 'sort_dirx': ['asc'], 'self': ['x'], 'file': ['x'], 'schema': ['x'], 'direct_url': ['x'], 'stores': ['x'], 'os_glance_x': ['x'], 'name%00': ['x'], 'property-colour': ['red'], 'filters': ['x'], 'x' * 300: ['y'],
}
COMBOS = ['?name=apple&colour=red', '?name=apple&name=cherry', '?colour=red&colour=green', '?status=active&status=queued', '?tag=red&tag=fruit', '?tag=red&tag=nope', '?tag=red&tag=red', '?colour=red&taste=sweet', '?colour=red&taste=nope', '?name=apple&status=active&disk_format=raw&container_format=bare&min_ram_min=1&tag=red&colour=red',
          '?size_min=5&size_max=9', '?size_min=9&size_max=5', '?created_at=gt:2000-01-01T00:00:00Z&created_at=lt:2099-01-01T00:00:00Z', '?visibility=private&protected=true', '?visibility=all&os_hidden=true', '?member_status=all&visibility=shared', '?owner=<p1>&visibility=private', '?id=<id1>&name=cherry', '?limit=x&sort=nope', '?sort=nope&limit=x', '?visibility=nope&limit=x', '?protected=x&visibility=nope', '?marker=<id9>&sort=nope', '?marker=<id9>&limit=x', '?marker=<id9>&name=neq:x', '?name=neq:x&limit=x', '?size_min=x&name=neq:x', '?visibility=nope&name=neq:x', '?os_hidden=x&visibility=x', '?member_status=x&visibility=x']


def cases():
    # one case has many queries over one shelf, else filling the shelf would take most of the time
    def batches(prefix, queries, size=12, **more):
        for at in range(0, len(queries), size):
            part = queries[at:at + size]
            yield case('%s:%02d' % (prefix, at // size), shelf(), [lst(q) for q in part], **more)
    yield from batches('paging', PAGING, profiles=BOTH)
    yield from batches('sort', SORTS, profiles=BOTH)
    yield from batches('combined', COMBOS, profiles=BOTH)
    for key, values in FILTERS.items():
        more = {'profiles': BOTH} if key in ('name', 'status', 'visibility', 'os_hidden', 'owner', 'protected', 'tag', 'colour', 'created_at', 'size_min') else {}
        name = 'filter:' + (key if len(key) < 40 else '*%d' % len(key))
        queries = ['?%s=%s' % (key, v) for v in values]
        if len(queries) <= 14:
            yield case(name, shelf(), [lst(q) for q in queries], **more)
        else:
            yield from batches(name, queries, **more)
    yield case('empty', lst(), lst(who='admin'), lst(who='reader'), lst(who='norole'), lst(who='service'), lst(who='noproject'), lst(who='none'), profiles=BOTH)
    yield case('one', image('id', name='n', p='v', tags=['t']), lst(), profiles=BOTH)
    yield case('accept-irrelevant', image(), lst(headers={'Accept': 'text/html'}))
    yield case('trailing', lst('?'), lst('?limit=1&'), lst('?&&'))
    # default limit and the pages after it
    yield case('default-limit', [image('id%d' % n, name='n%02d' % n) for n in range(1, 28)], lst(), lst('?marker=<id3>'), lst('?limit=27'), lst('?limit=26'), profiles=BOTH)
    # pages one after the other, each sort order: every image once
    for sort in ('', '&sort=name:asc', '&sort=size:asc', '&sort=size:desc', '&sort=disk_format:asc', '&sort=disk_format:desc', '&sort=status:asc', '&sort_key=name&sort_dir=desc', '&sort=container_format:asc,name:desc'):
        yield case('pages:' + (sort[1:] or 'default'), shelf(), lst('?limit=2' + sort), [lst('?limit=2%s&marker=<id%d>' % (sort, n)) for n in (1, 2, 3, 4, 5)])
    # visibility matrix: owned by p1, seen by all
    everything = flat([image('id1', 'admin', owner='<p1>', visibility='public', name='public'), image('id2', 'admin', owner='<p1>', visibility='community', name='community'),
                  image('id3', 'admin', owner='<p1>', visibility='private', name='private'), image('id4', 'admin', owner='<p1>', visibility='shared', name='shared'),
                  image('id5', 'admin', owner='<p1>', visibility='shared', name='pending'), member(name='id5'),
                  image('id6', 'admin', owner='<p1>', visibility='shared', name='accepted'), member(name='id6', status='accepted'),
                  image('id7', 'admin', owner='<p1>', visibility='shared', name='rejected'), member(name='id7', status='rejected'),
                  image('id8', 'admin', owner='<p1>', visibility='public', name='hidden', os_hidden=True), image('id10', 'admin', owner='<p2>', visibility='community', name='theirs'),
                  image('id11', 'admin', owner='<pa>', visibility='private', name='admins')])
    queries = ['', '?visibility=public', '?visibility=community', '?visibility=private', '?visibility=shared', '?visibility=all', '?member_status=all', '?member_status=pending', '?member_status=rejected', '?visibility=shared&member_status=all', '?visibility=all&member_status=all',
               '?os_hidden=true', '?os_hidden=false', '?owner=<p1>', '?owner=<p2>', '?visibility=shared&owner=<p1>', '?visibility=community&owner=<p1>', '?is_public=true', '?visibility=public&os_hidden=true', '?sort=name:asc', '?limit=2', '?limit=2&visibility=all', '?marker=<id3>', '?marker=<id6>', '?marker=<id11>', '?marker=<id2>']
    for who in ('admin', 'member', 'reader', 'other', 'otherreader', 'third', 'adminonly', 'memberonly', 'service', 'noproject', 'adminnoproject'):
        yield case('sees:' + who, everything, [lst(q, who) for q in queries])
        yield case('sees-unshared:' + who, [s for s in everything if '/members' not in s['path']], [lst(q, who) for q in queries])
    yield case('no-owner-image', create({'id': '<id>', 'owner': None}, 'admin', quiet=True), lst(who='member'), lst(who='admin'), lst(who='noproject'), lst('?owner=', who='admin'))
    yield case('deleted-gone', image('id1'), image('id2'), delete('/v2/images/<id1>', quiet=True), lst(), lst('?deleted=true', who='admin'), lst('?marker=<id1>'), lst('?status=deleted', who='admin'))
    yield case('queued-and-active-columns', active(), image('id2'), lst(), profiles=BOTH)
    yield case('hidden', image('id1', os_hidden=True, name='h'), image('id2', name='v'), lst(), lst('?os_hidden=true'), lst('?os_hidden=true&limit=1'), show('id1'), lst('?marker=<id1>'), profiles=BOTH)
    yield case('next-encoding', [image('id%d' % n, **{'name': 'a b', 'tags': ['ż t'], 'k:k': 'v&v', 'ż': 'ź/?#'}) for n in (1, 2)],
               lst('?limit=1&name=a%20b'), lst('?limit=1&tag=%C5%BC%20t'), lst('?limit=1&k%3Ak=v%26v'), lst('?limit=1&%C5%BC=%C5%BA%2F%3F%23'), lst('?name=a+b&limit=1&sort=name:asc,id:desc'), lst('?limit=1&name=in:%22a%20b%22,x'), lst('?limit=1&created_at=gt:2000-01-01T00:00:00%2B00:00'), lst('?limit=1&x=~-_.!*()\''), profiles=BOTH)
