# SPDX-License-Identifier: Apache-2.0
"""Locations: images whose data is at a web server, what clients may say about it, and what is read when it misbehaves.
What Glance itself answers to each request is in tests/oracle; here is what one answer cannot show."""
import hashlib
import os
import threading

import pytest

import origin
from glint import MIB, SANITIZED, eventually

LOCATED = {
    'DEFAULT': {'show_multiple_locations': 'true', 'show_image_direct_url': 'true', 'image_location_quota': 3},
    'glance_store': {'stores': 'file,http'},
    'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]', 'disallowed_ports': '[22]'},
}


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
    huge = [{'op': 'replace', 'path': '/locations', 'value': [
        {'url': '%s/lies/%d?%d' % (web.url, 2**63 - 1, n), 'metadata': {}} for n in range(2)]}]
    answer = member.patch(member.create()['id'], huge)
    assert answer.status == 413, answer     # whatever a server says of its size


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


@pytest.mark.parametrize('first, then, status', [
    ('%s/status/500', '%s/status/404', 503), ('%s/status/404', '%s/status/404', 204), ('rbd://a/b/c/d#%s', '%s/status/404', 500)])
def test_what_cannot_be_read_now_is_not_nothing(located, web, first, then, status):
    member = located.client()
    image_id = linked(member, web.url + '/name/a/100', web.url + '/name/b/100')
    for name, now in (('a', first), ('b', then)):
        located.sql("UPDATE image_locations SET value = '%s?%s' WHERE value = '%s'" % (now % web.url, name, web.url + '/name/%s/100' % name))
    assert member.download(image_id).status == status


def test_a_silent_location_is_left(glint_server, web):
    config = {**LOCATED, 'glint': {'fetch_timeout': 1}}
    member = glint_server(trusted=True, config=config).client()
    image_id = linked(member, web.url + '/stall/1', web.url + '/name/good/1')
    assert member.download(image_id).body == origin.content(1)


def test_what_one_has_is_not_asked_for_again(located, web):
    client = located.client()
    image_id = client.create()['id']
    assert ask(client, image_id, web.url + '/name/kept/100').status == 202
    settled(client, image_id)
    tag = client.download(image_id).header('ETag')
    before = asked(web, 'kept')
    assert client.download(image_id, headers={'If-None-Match': tag}).status == 304
    assert client.download(image_id, headers={'If-None-Match': tag, 'Range': 'bytes=1-2'}).status == 304
    assert client.download(image_id, headers={'If-Match': '"x"'}).status == 412
    assert asked(web, 'kept') == before
    assert client.download(image_id, headers={'If-None-Match': '"x"', 'Range': 'bytes=1-2'}).body == b'bc'
    assert asked(web, 'kept') > before


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


@pytest.mark.skipif(SANITIZED, reason='the memory of a sanitizer is not the program\'s')
def test_big_objects_pass_through(located, web):
    """Nothing is kept: the server's memory stays small while much passes."""
    member = located.client()
    image_id = linked(member, web.url + '/ok/%d' % (64 * MIB))
    member.download(image_id)
    before = located.proc().rss()
    assert hashlib.sha256(member.download(image_id).body).hexdigest() == hashlib.sha256(origin.content(64 * MIB)).hexdigest()
    assert located.proc().rss() < before + 16 * MIB


# ---------------------------------------------------------------- POST and GET /locations

def ask(client, image_id, url, **proof):
    body = {'url': url, **({'validation_data': proof} if proof else {})}
    return client.post('/v2/images/%s/locations' % image_id, json=body)


def settled(client, image_id, seconds=20):
    """The image once nothing works on it any more."""
    image = eventually(lambda: (lambda i: None if 'os_glance_import_task' in i else i)(client.show(image_id)), seconds)
    assert image, 'the job does not end: %r' % client.show(image_id)
    return image


def jobs(server):
    return server.sql('SELECT state, step, attempt FROM glint_jobs')


def test_a_location_is_added_and_hashed(located, web):
    member = located.client()
    image_id = member.create()['id']
    data = origin.content(3000000)
    assert ask(member, image_id, web.url + '/ok/3000000').status == 202
    image = settled(member, image_id)
    assert image['status'] == 'active' and image['size'] == 3000000
    assert image['checksum'] == hashlib.md5(data).hexdigest()
    assert (image['os_hash_algo'], image['os_hash_value']) == ('sha512', hashlib.sha512(data).hexdigest())
    assert member.download(image_id).header('Content-MD5') == image['checksum']
    assert located.client('admin').get('/v2/images/%s/locations' % image_id).json == [
        {'url': web.url + '/ok/3000000', 'metadata': {}}]
    assert [row[0] for row in jobs(located)] == ['done']


def test_a_wrong_hash_leaves_the_image_as_it_was(located, web):
    member = located.client()
    image_id = member.create()['id']
    right = hashlib.sha256(origin.content(100)).hexdigest()
    assert ask(member, image_id, web.url + '/ok/100', os_hash_algo='sha256', os_hash_value='0' * 64).status == 202
    image = settled(member, image_id)
    assert (image['status'], image['locations'], image['size'], image['os_hash_value']) == ('queued', [], None, None)
    assert ask(member, image_id, web.url + '/ok/100', os_hash_algo='sha256', os_hash_value=right).status == 202
    image = settled(member, image_id)
    assert (image['status'], image['os_hash_algo'], image['os_hash_value']) == ('active', 'sha256', right)


def test_while_it_is_checked_nothing_else_happens(located, web):
    member = located.client()
    image_id = member.create()['id']
    right = hashlib.md5(origin.content(100)).hexdigest()
    assert ask(member, image_id, web.url + '/slow/busy/100', os_hash_algo='md5', os_hash_value=right).status == 202
    assert eventually(lambda: member.show(image_id)['status'] == 'importing')
    assert ask(member, image_id, web.url + '/ok/100').status == 409
    assert member.upload(image_id, b'x').status == 409
    assert member.patch(image_id, [add(web.url + '/ok/100')]).status == 409
    assert member.patch(image_id, [{'op': 'add', 'path': '/note', 'value': 'x'}]).status == 200
    image = settled(member, image_id)
    assert image['status'] == 'active' and image['note'] == 'x'


def test_an_image_has_one_task(located, web):
    member = located.client()
    image_id = member.create()['id']
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(ask(member, image_id, web.url + '/ok/100').status))
               for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(statuses) == [202] + [409] * 7
    assert len(settled(member, image_id)['locations']) == 1
    assert len(jobs(located)) == 1


def test_no_hash_is_read_without_do_secure_hash(glint_server, web):
    config = {**LOCATED, 'DEFAULT': {**LOCATED['DEFAULT'], 'do_secure_hash': 'false'}}
    s = glint_server(trusted=True, config=config)
    member = s.client()
    one, two = member.create()['id'], member.create()['id']
    assert ask(member, one, web.url + '/name/unread/100').status == 202
    assert ask(member, two, web.url + '/name/unread/100', os_hash_algo='md5', os_hash_value='ab' * 16).status == 202
    image = settled(member, one)
    assert (image['status'], image['os_hash_algo'], image['checksum']) == ('active', None, None)
    image = settled(member, two)
    assert (image['status'], image['os_hash_algo'], image['os_hash_value']) == ('active', 'md5', 'ab' * 16)
    assert asked(web, 'unread') == 0


def test_reading_is_tried_again(located, web):
    member = located.client()
    image_id = member.create()['id']
    assert ask(member, image_id, web.url + '/flaky/retry/2/1000').status == 202
    image = settled(member, image_id)
    assert image['checksum'] == hashlib.md5(origin.content(1000)).hexdigest()
    assert asked(web, 'retry') == 3


def test_reading_is_given_up(located, web):
    member = located.client()
    right = hashlib.md5(origin.content(1000)).hexdigest()
    checked, free = member.create()['id'], member.create()['id']
    assert ask(member, checked, web.url + '/flaky/c/99/1000', os_hash_algo='md5', os_hash_value=right).status == 202
    assert ask(member, free, web.url + '/flaky/f/99/1000').status == 202
    image = settled(member, checked)
    assert (image['status'], image['locations']) == ('queued', [])
    image = settled(member, free)
    assert (image['status'], image['checksum'], len(image['locations'])) == ('active', None, 1)
    assert asked(web, 'c') == asked(web, 'f') == 3
    assert [row[0] for row in jobs(located)] == ['failed'] * 2


@pytest.mark.parametrize('proof', [{}, {'os_hash_algo': 'md5', 'os_hash_value': hashlib.md5(origin.content(100)).hexdigest()}])
def test_killed_work_goes_on(located, web, proof):
    member = located.client()
    name = 'kill%d' % len(proof)
    image_id = member.create()['id']
    assert ask(member, image_id, '%s/slow/%s/100' % (web.url, name), **proof).status == 202
    assert eventually(lambda: asked(web, name) == 1)
    located.kill()
    assert [row[:2] for row in jobs(located)] == [('running', 'attached')]
    located.start()
    image = settled(member, image_id)
    assert (image['status'], image['checksum']) == ('active', hashlib.md5(origin.content(100)).hexdigest())
    assert asked(web, name) == 2
    assert jobs(located) == [('done', 'attached', 0)]


def test_killed_before_it_began(located, web):
    member = located.client()
    image_id = member.create()['id']
    assert ask(member, image_id, web.url + '/ok/100').status == 202
    located.kill()
    located.start()
    assert settled(member, image_id)['status'] == 'active'
    assert len(member.show(image_id)['locations']) == 1


def test_a_stop_does_not_wait_for_work(located, web):
    member = located.client()
    image_id = member.create()['id']
    assert ask(member, image_id, web.url + '/slow/stop/100').status == 202
    assert eventually(lambda: asked(web, 'stop') == 1)
    assert located.stop() == 0
    located.start()
    assert settled(member, image_id)['checksum'] == hashlib.md5(origin.content(100)).hexdigest()


def test_a_deleted_image_stays_deleted(located, web):
    member = located.client()
    image_id = member.create()['id']
    assert ask(member, image_id, web.url + '/slow/deleted/100').status == 202
    assert eventually(lambda: asked(web, 'deleted') == 1)
    assert member.delete('/v2/images/' + image_id).status == 204
    assert eventually(lambda: [row[0] for row in jobs(located)] == ['failed'])
    assert member.get('/v2/images/' + image_id).status == 404
    assert located.sql('SELECT status, checksum FROM images WHERE id = ?', image_id) == [('deleted', None)]


def test_a_lock_left_behind_is_taken(located, web):
    member = located.client()
    image_id = member.create()['id']
    located.sql("INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted) "
                "VALUES (?, 'os_glance_import_task', 'gone', '2026-01-01', '2026-01-01', 0)", image_id)
    assert ask(member, image_id, web.url + '/ok/100').status == 202
    assert settled(member, image_id)['status'] == 'active'


# ---------------------------------------------------------------- one object, several names

SAME = {
    'fragment': lambda url: url + '/name/a/10#part',
    'escape': lambda url: url + '/name/%61/10',
    'dots': lambda url: url + '/x/../name/./a/10',
}


@pytest.mark.parametrize('spelling', SAME)
def test_a_location_spelled_otherwise_is_there_already(located, web, spelling):
    member = located.client()
    image_id = linked(member, web.url + '/name/a/10')
    other = SAME[spelling](web.url)
    answer = member.patch(image_id, [add(other)])
    assert answer.status == 400 and 'The location %s already exists' % other in str(answer.body), answer
    assert urls(member, image_id) == [web.url + '/name/a/10']
    assert member.patch(image_id, [add(web.url + '/name/b/10')]).status == 200
