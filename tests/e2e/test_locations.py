# SPDX-License-Identifier: Apache-2.0
"""Locations: images whose data is at a web server, what clients may say about it, and what is read when it misbehaves.
What Glance itself answers to each request is in tests/oracle; here is what one answer cannot show."""
import hashlib
import os
import sys
import threading

import pytest

from glint import MIB, TOP, eventually

sys.path.insert(0, os.path.join(TOP, 'tests'))
import origin  # noqa: E402

LOCATED = {
    'DEFAULT': {'show_multiple_locations': 'true', 'show_image_direct_url': 'true', 'image_location_quota': 3},
    'glance_store': {'stores': 'file,http'},
    'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]', 'disallowed_ports': '[22]'},
}


@pytest.fixture(scope='module')
def web():
    server = origin.start()
    yield server
    server.shutdown()


@pytest.fixture
def located(glint_server):
    """A server that shows locations and takes those of this machine."""
    return glint_server(trusted=True, config=LOCATED)


def add(url, where='-', **more):
    return {'op': 'add', 'path': '/locations/' + where, 'value': dict({'url': url, 'metadata': {}}, **more)}


def linked(client, *urls):
    """An active image with these locations; its id."""
    image = client.create()
    answer = client.patch(image['id'], [add(url) for url in urls])
    assert answer.status == 200 and answer.json['status'] == 'active', answer
    return image['id']


def urls(client, image_id):
    return [location['url'] for location in client.show(image_id)['locations']]


def asked(web, name):
    return int(origin.Handler.counts[name])


# ---------------------------------------------------------------- PATCH

def test_linked_image_is_downloaded(located, web):
    member = located.client()
    image_id = linked(member, web.url + '/ok/3000000')
    assert member.show(image_id)['size'] == 3000000
    answer = member.download(image_id)
    assert (answer.status, answer.body) == (200, origin.content(3000000))
    answer = member.download(image_id, {'Range': 'bytes=1000-1999'})
    assert (answer.status, answer.body) == (206, origin.content(3000000, 1000, 2000))
    assert member.delete('/v2/images/' + image_id).status == 204
    assert located.sql('SELECT COUNT(*) FROM glint_trash') == [(0,)]


def test_a_position_is_kept(located, web):
    member = located.client()
    a, b, c = (web.url + '/name/%s/10' % x for x in 'abc')
    image_id = linked(member, a, b)
    assert member.patch(image_id, [add(c, '0')]).status == 200
    assert urls(member, image_id) == [c, a, b]
    assert member.show(image_id)['direct_url'] == c


def test_removing_a_location_removes_its_file(located, web):
    member, admin = located.client(), located.client('admin')
    image_id = member.active(origin.content(10))
    path = os.path.join(located.images, image_id)
    assert os.path.exists(path)
    assert member.patch(image_id, [add(web.url + '/ok/10')]).status == 200
    answer = admin.patch(image_id, [{'op': 'remove', 'path': '/locations/0'}, {'op': 'replace', 'path': '/nope', 'value': 'x'}])
    assert answer.status == 409 and os.path.exists(path)
    assert admin.patch(image_id, [{'op': 'remove', 'path': '/locations/0'}]).status == 200
    assert not os.path.exists(path)
    assert located.sql('SELECT COUNT(*) FROM glint_trash') == [(0,)]
    assert member.download(image_id).body == origin.content(10)


def test_a_file_that_two_images_name_stays(located, web):
    member, admin = located.client(), located.client('admin')
    one = member.active(origin.content(10))
    two = linked(member, web.url + '/ok/10')
    located.sql("INSERT INTO image_locations (image_id, value, meta_data, status, created_at, updated_at, deleted) "
                "VALUES ('%s', 'file://%s/%s', '{}', 'active', '2026-01-01', '2026-01-01', 0)" % (two, located.images, one))
    assert admin.patch(two, [{'op': 'remove', 'path': '/locations/1'}]).status == 200
    assert member.download(one).body == origin.content(10)
    assert member.delete('/v2/images/' + two).status == 204
    assert member.download(one).body == origin.content(10)


def test_forbidden_files_are_not_read(located):
    admin = located.client('admin')
    for url in ('file:///etc/passwd', 'filesystem:///etc/passwd', 'file://%s/../glance.sqlite' % located.images,
                'http://169.254.169.254/latest', 'http://[::1]:9292/', 'http://0.0.0.0:9292/', 'http://127.0.0.1:22/'):
        image = admin.create()
        assert admin.patch(image['id'], [add(url)]).status == 400
        assert admin.show(image['id'])['status'] == 'queued'


def test_ports_and_hosts_are_limited_by_default(glint_server, web):
    s = glint_server(trusted=True, config={'DEFAULT': {'show_multiple_locations': 'true'}, 'glance_store': {'stores': 'file,http'}})
    member = s.client()
    before = asked(web, 'limited')
    assert member.patch(member.create()['id'], [add(web.url + '/name/limited/10')]).status == 400
    assert asked(web, 'limited') == before


def test_changes_meet(located, web):
    """Of many who add the first location at once each is in the image in the end, and it is active once."""
    member = located.client()
    image = member.create()
    answers = []

    def change(n):
        answers.append(member.patch(image['id'], [add(web.url + '/name/meet%d/10' % n)]).status)
    threads = [threading.Thread(target=change, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(answers) == [200] * 3 + [413] * 3
    assert len(urls(member, image['id'])) == 3


def test_the_storage_quota_counts_locations(glint_server, web):
    config = {**LOCATED, 'DEFAULT': {**LOCATED['DEFAULT'], 'user_storage_quota': '2500'}}
    s = glint_server(trusted=True, config=config)
    member = s.client()
    image_id = linked(member, web.url + '/name/a/1000', web.url + '/name/b/1000')
    answer = member.patch(image_id, [add(web.url + '/name/c/1000')])
    assert answer.status == 413 and '500 bytes remaining' in answer.text, answer
    answer = member.patch(member.create()['id'], [add(web.url + '/name/d/1000')])
    assert answer.status == 413, answer


# ---------------------------------------------------------------- downloads

@pytest.mark.parametrize('bad', ['/until/fb1/0/100', '/lies/100', '/status/500', '/drop', '/loop', '/short/0'])
def test_the_next_location_helps(located, web, bad):
    member = located.client()
    image_id = linked(member, web.url + '/ok/100')
    located.sql("UPDATE image_locations SET value = '%s' WHERE image_id = '%s'" % (web.url + bad, image_id))
    assert member.patch(image_id, [add(web.url + '/name/good/100')]).status == 200
    assert member.download(image_id).body == origin.content(100)
    answer = member.download(image_id, {'Range': 'bytes=60-69'})
    assert (answer.status, answer.body) == (206, origin.content(100, 60, 70))


def test_a_silent_location_is_left(glint_server, web):
    config = {**LOCATED, 'glint': {'fetch_timeout': 1}}
    member = glint_server(trusted=True, config=config).client()
    image_id = linked(member, web.url + '/stall/1', web.url + '/name/good/1')
    assert member.download(image_id).body == origin.content(1)


def test_a_short_body_is_never_a_whole_download(located, web):
    member = located.client()
    image_id = linked(member, web.url + '/short/%d' % (4 * MIB))
    with pytest.raises(Exception) as problem:
        member.download(image_id)
    assert 'IncompleteRead' in repr(problem.value)
    assert member.get('/v2/images').status == 200


@pytest.mark.parametrize('what, status', [('/until/gone/0/10', 204), ('/status/503', 503), ('/status/403', 500), ('/loop', 500)])
def test_no_location_helps(located, web, what, status):
    member = located.client()
    image_id = linked(member, web.url + '/ok/10')
    located.sql("UPDATE image_locations SET value = '%s' WHERE image_id = '%s'" % (web.url + what, image_id))
    assert member.download(image_id).status == status


def test_a_dead_origin_is_503(located):
    member = located.client()
    gone = origin.start()
    image_id = linked(member, gone.url + '/ok/10')
    gone.shutdown()
    gone.server_close()
    assert member.download(image_id).status == 503


def test_big_objects_pass_through(located, web):
    """Nothing is kept: the server's memory stays small while much passes."""
    member = located.client()
    image_id = linked(member, web.url + '/ok/%d' % (64 * MIB))
    member.download(image_id)
    before = located.proc().rss()
    assert hashlib.sha256(member.download(image_id).body).hexdigest() == hashlib.sha256(origin.content(64 * MIB)).hexdigest()
    assert located.proc().rss() < before + 16 * MIB
