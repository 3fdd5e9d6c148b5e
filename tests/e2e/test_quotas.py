# SPDX-License-Identifier: Apache-2.0
"""Quotas of images that are over them already, and in which order one request's changes are refused.

An operator lowers a quota, and images are over it. What each change then gets is Glance 33's (quota/__init__.py): some of
its rules look at what the request leaves, some at each change, some at what was there before."""
import threading

import pytest

from glint import Server, eventually, pattern, read_answer
from test_locations import LOCATED

PROPERTIES = TAGS = MEMBERS = LOCATIONS = 3


@pytest.fixture(scope='module')
def strict(tmp_path_factory):
    limits = {'image_property_quota': PROPERTIES, 'image_tag_quota': TAGS, 'image_member_quota': MEMBERS, 'image_location_quota': LOCATIONS}
    s = Server(tmp_path_factory.mktemp('strict'), trusted=True, config={**LOCATED, 'DEFAULT': {**LOCATED['DEFAULT'], **limits}})
    yield s
    problem = s.finish()
    assert not problem, problem


def add(name, value='v'):
    return {'op': 'add', 'path': '/' + name, 'value': value}


def replace(name, value='w'):
    return {'op': 'replace', 'path': '/' + name, 'value': value}


def remove(name):
    return {'op': 'remove', 'path': '/' + name}


def over(server, count=5, **fields):
    """An image of the member's with `count` properties p0…, tags t0… and members m0…, as from before the quotas."""
    image_id = server.client().create(visibility='shared', **fields)['id']
    for n in range(count):
        stamp = '2026-01-01 00:00:00.000000'
        server.sql('insert into image_properties (image_id, name, value, created_at, updated_at, deleted) values (?, ?, ?, ?, ?, 0)',
                   image_id, 'p%d' % n, 'v', stamp, stamp)
        server.sql('insert into image_tags (image_id, value, created_at, updated_at, deleted) values (?, ?, ?, ?, 0)',
                   image_id, 't%d' % n, stamp, stamp)
        server.sql('insert into image_members (image_id, member, can_share, status, created_at, updated_at, deleted) '
                   'values (?, ?, 0, ?, ?, ?, 0)', image_id, 'm%d' % n, 'pending', stamp, stamp)
    return image_id


# ---------------------------------------------------------------- properties: a new name, whatever goes with it

@pytest.mark.parametrize('changes,status', [
    ([add('new')], 413),
    ([remove('p0'), add('new')], 413),
    ([add('new'), remove('p0')], 413),
    ([remove('p0'), remove('p1'), add('new')], 413),                    # 4 of 3
    ([remove('p0'), remove('p1'), remove('p2'), add('new')], 200),      # 3 of 3
    ([add('new'), remove('new')], 200),
    ([remove('p0'), add('p0')], 200),
    ([remove('p0')], 200),
    ([replace('p0')], 200),
    ([add('p0', 'other')], 200),
    ([replace('name', 'n')], 200),
    ([replace('tags', ['one'])], 200),
], ids=lambda v: '+'.join('%s:%s' % (c['op'], c['path'][1:]) for c in v) if isinstance(v, list) else str(v))
def test_properties_over_the_quota(strict, changes, status):
    member, image_id = strict.client(), over(strict)
    before = member.show(image_id)
    answer = member.patch(image_id, changes)
    assert answer.status == status, answer
    if status == 413:
        assert 'allowed image properties' in answer.text and 'Maximum: 3' in answer.text
        assert member.show(image_id) == before


# ---------------------------------------------------------------- tags: each list that is set, each tag that is put

@pytest.mark.parametrize('changes,status', [
    ([replace('tags', ['t0', 't1', 't2', 't3'])], 413),         # fewer than there are
    ([replace('tags', ['t0', 't1', 't2'])], 200),
    ([replace('tags', ['t0', 't0', 't0', 't0'])], 413),         # counted as they are written
    ([replace('tags', [])], 200),
    ([replace('tags', ['a', 'b', 'c', 'd']), replace('tags', ['a'])], 413),     # at once, and not at the end
    ([replace('name', 'n')], 200),
])
def test_tags_over_the_quota(strict, changes, status):
    member, image_id = strict.client(), over(strict)
    answer = member.patch(image_id, changes)
    assert answer.status == status, answer
    assert status == 200 or 'allowed image tags' in answer.text


def test_a_tag_put_over_the_quota(strict):
    member, image_id = strict.client(), over(strict)
    path = '/v2/images/%s/tags/' % image_id
    answer = member.put(path + 't0')
    assert answer.status == 413 and 'Attempted: 5, Maximum: 3' in answer.text       # even one that it has
    answer = member.put(path + 'new')
    assert answer.status == 413 and 'Attempted: 6, Maximum: 3' in answer.text
    assert [member.delete(path + t).status for t in ('t0', 't1')] == [204, 204]
    assert member.put(path + 't2').status == 204
    assert member.put(path + 'new').status == 413
    assert member.put(path + '%F0%9F%98%80').status == 413      # before its characters are looked at


# ---------------------------------------------------------------- members and locations: one more

def test_members_over_the_quota(strict):
    member, image_id = strict.client(), over(strict)
    path = '/v2/images/%s/members' % image_id
    assert member.post(path, json={'member': 'new'}).status == 413
    assert member.post(path, json={'member': 'm0'}).status == 413       # the quota comes before the conflict
    assert strict.client('admin').put(path + '/m0', json={'status': 'accepted'}).status == 200
    assert [member.delete(path + '/m%d' % n).status for n in range(3)] == [204, 204, 204]
    assert member.post(path, json={'member': 'm3'}).status == 409
    assert member.post(path, json={'member': 'new'}).status == 200
    assert member.post(path, json={'member': 'newer'}).status == 413


def located(server, web, count):
    image_id = server.client().create()['id']
    urls = ['%s/name/%s/10' % (web.url, c) for c in 'ABCDEFG']
    answer = server.client('admin').patch(image_id, [{'op': 'add', 'path': '/locations/-', 'value': {'url': urls[0], 'metadata': {}}}])
    assert answer.status == 200, answer
    for url in urls[1:count]:
        stamp = '2026-01-01 00:00:00.000000'
        server.sql('insert into image_locations (image_id, value, meta_data, status, created_at, updated_at, deleted) '
                   "values (?, ?, '{}', 'active', ?, ?, 0)", image_id, url, stamp, stamp)
    return image_id, urls


def test_locations_over_the_quota(strict, web):
    admin = strict.client('admin')
    image_id, urls = located(strict, web, 5)
    new = {'op': 'add', 'path': '/locations/-', 'value': {'url': urls[5], 'metadata': {}}}
    gone = {'op': 'remove', 'path': '/locations/0'}
    every = [{'url': url, 'metadata': {'k': 'v'}} for url in urls[:5]]
    assert admin.patch(image_id, [new]).status == 413
    assert admin.patch(image_id, [gone, new]).status == 413
    assert admin.patch(image_id, [gone, gone, new]).status == 413
    assert admin.patch(image_id, [replace('locations', every)]).status == 413       # also the same ones again
    assert len(admin.show(image_id)['locations']) == 5
    assert admin.patch(image_id, [gone, gone, gone, new]).status == 200
    assert admin.patch(image_id, [gone]).status == 200


# ---------------------------------------------------------------- which refusal comes first

EMOJI = '\U0001F600'


@pytest.mark.parametrize('changes,status,text', [
    # what the database refuses comes after everything else
    ([replace('name', EMOJI), replace('nope')], 409, 'nope does not exist'),
    ([add('x', EMOJI), remove('nope')], 409, 'nope does not exist'),
    ([replace('name', EMOJI), add('a'), add('b'), add('c'), add('d')], 413, 'properties'),
    ([replace('tags', [EMOJI] * 4)], 413, 'tags'),
    ([replace('min_ram', 2147483648), replace('nope')], 409, 'nope does not exist'),
    ([replace('min_ram', 2147483648), replace('name', EMOJI)], 400, 'Name can'),
    ([replace('min_ram', 2147483648), replace('tags', [EMOJI])], 400, 'min_ram'),
    ([replace('tags', [EMOJI]), add('x', EMOJI)], 400, 'X can'),
    # and of what was set twice only the last counts
    ([replace('name', EMOJI), replace('name', 'n')], 200, ''),
    ([replace('min_disk', 1 << 40), replace('min_disk', 1)], 200, ''),
    ([add('x', EMOJI), remove('x')], 200, ''),
    # what an attribute refuses by itself comes at once
    ([replace('min_ram', -1), replace('nope')], 400, 'negative'),
    ([remove('nope'), replace('min_ram', -1)], 409, 'nope'),
    ([replace('tags', ['a', 'b', 'c', 'd']), replace('nope')], 413, 'tags'),
    # the quota of properties comes at the end
    ([add('a'), add('b'), add('c'), add('d'), replace('nope')], 409, 'nope'),
    ([add('a'), add('b'), add('c'), add('d'), replace('visibility', 'public')], 403, 'publicize_image'),
])
def test_the_order_of_refusals_in_one_patch(strict, changes, status, text):
    member = strict.client()
    image_id = member.create(visibility='shared')['id']
    answer = member.patch(image_id, changes)
    assert answer.status == status and text in answer.text, answer


@pytest.mark.parametrize('fields,status,text', [
    ({'name': EMOJI, 'a': 'v', 'b': 'v', 'c': 'v', 'd': 'v'}, 413, 'properties'),
    ({'x': EMOJI, 'tags': ['a', 'b', 'c', 'd']}, 413, 'tags'),
    ({'x': EMOJI, 'min_ram': -1}, 400, 'negative'),
    ({'min_ram': 2147483648, 'x': EMOJI}, 400, 'X can'),
    ({'min_ram': 2147483648, 'tags': [EMOJI]}, 400, 'min_ram'),
])
def test_the_order_of_refusals_of_a_create(strict, fields, status, text):
    answer = strict.client().post('/v2/images', json=fields)
    assert answer.status == status and text in answer.text, answer


# ---------------------------------------------------------------- user_storage_quota: what is stored, staged and under way

QUOTA = 10000


@pytest.fixture
def bounded(glint_server):
    return glint_server(trusted=True, config={'DEFAULT': {'user_storage_quota': '%dB' % QUOTA}})


def stored_bytes(server):
    return server.sql("select coalesce(sum(size), 0) from images where status = 'active' and not deleted")[0][0]


@pytest.mark.parametrize('announced', [True, False], ids=['announced', 'chunked'])
def test_uploads_at_once_stay_within_the_storage_quota(bounded, announced):
    member, size, answers = bounded.client(), 4000, []
    ids = [member.create()['id'] for _ in range(8)]
    ready = threading.Barrier(len(ids))

    def one(image_id):
        with member.half_upload(image_id, size if announced else None, 1 if announced else size) as s:
            ready.wait()
            try:
                s.sendall(bytes(size - 1) if announced else b'0\r\n\r\n')
            except OSError:
                pass        # an early refusal
            answers.append(read_answer(s).status)

    threads = [threading.Thread(target=one, args=(image_id,)) for image_id in ids]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(answers) == [204] * 2 + [413] * 6
    assert stored_bytes(bounded) == 2 * size and len(bounded.stored()) == 2
    assert sorted(member.show(i)['status'] for i in ids) == ['active'] * 2 + ['queued'] * 6
    assert bounded.sql('select * from glint_leases') == []


def stage(client, image_id, data):
    return client.put('/v2/images/%s/stage' % image_id, body=data, headers={'Content-Type': 'application/octet-stream'})


def test_staged_data_count_until_they_are_stored_and_once(bounded):
    member = bounded.client()
    first, second, third = (member.create()['id'] for _ in range(3))
    assert stage(member, first, pattern(6000)).status == 204
    assert member.upload(second, pattern(4001)).status == 413
    assert stage(member, second, pattern(4001)).status == 413
    assert member.show(second)['status'] == 'queued' and member.show(second)['size'] is None
    assert stage(member, second, pattern(4000)).status == 204
    assert member.upload(third, b'x').status == 413
    for image_id in (first, second):
        assert member.post('/v2/images/%s/import' % image_id, json={'method': {'name': 'glance-direct'}}).status == 202
        assert eventually(lambda: member.show(image_id)['status'] == 'active')
    assert stored_bytes(bounded) == QUOTA
    member.delete('/v2/images/' + first)
    assert member.upload(third, pattern(6000)).status == 204


def test_an_upload_under_way_counts_what_it_announced(bounded):
    member = bounded.client()
    first, second = member.create()['id'], member.create()['id']
    with member.half_upload(first, 6000, 10):
        assert eventually(lambda: member.show(first)['status'] == 'saving')
        assert member.show(first)['size'] is None
        assert member.upload(second, pattern(4001)).status == 413
        assert member.upload(second, pattern(4000)).status == 204
    assert eventually(lambda: member.show(first)['status'] == 'queued')
    assert member.upload(first, pattern(6000)).status == 204


def test_a_location_larger_than_the_cap_is_refused(glint_server, web):
    s = glint_server(trusted=True, config={**LOCATED, 'DEFAULT': {**LOCATED['DEFAULT'], 'image_size_cap': 100}})
    member, image_id = s.client('admin'), s.client('admin').create()['id']

    def located(size):
        return member.patch(image_id, [{'op': 'add', 'path': '/locations/-', 'value': {'url': '%s/name/A/%d' % (web.url, size), 'metadata': {}}}])
    answer = located(101)
    assert answer.status == 413 and 'The provided image is too large.' in answer.text
    assert member.show(image_id)['status'] == 'queued'
    assert located(100).status == 200
    assert member.show(image_id)['size'] == 100


# ---------------------------------------------------------------- formats stay while data come

@pytest.mark.parametrize('status', ['saving', 'uploading', 'importing', 'active'])
def test_formats_are_set_while_the_image_is_queued_alone(strict, status):
    member, image_id = strict.client(), strict.client().create()['id']
    formats = [('disk_format', 'qcow2'), ('container_format', 'ova')]
    assert all(member.patch(image_id, [replace(name, value)]).status == 200 for name, value in formats)
    strict.sql('update images set status = ? where id = ?', status, image_id)
    for name, value in (('disk_format', 'raw'), ('container_format', 'bare')):
        for operation in (add, replace):
            answer = member.patch(image_id, [operation(name, value)])
            assert answer.status == 403 and 'Attribute %s can be only replaced for a queued image.' % name in answer.text
    assert [member.show(image_id)[name] for name, _ in formats] == ['qcow2', 'ova']
    strict.sql("update images set status = 'queued' where id = ?", image_id)
    assert member.delete('/v2/images/' + image_id).status == 204
