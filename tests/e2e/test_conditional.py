# SPDX-License-Identifier: Apache-2.0
"""Versions of documents and data: ETag, Last-Modified, conditional requests, ranges with If-Range, HEAD of data."""
import contextlib
import email.utils
import hashlib
import json
import random
import shutil
import subprocess
import threading
import time

import pytest

from glint import MIB, PATCH_21, SANITIZED, SLOW, digests, eventually, free_port, pattern

HEX = set('0123456789abcdef')


def file_of(image_id):
    return '/v2/images/%s/file' % image_id


def doc_of(image_id):
    return '/v2/images/' + image_id


def replace(name, value):
    return [{'op': 'replace', 'path': '/' + name, 'value': value}]


def edit(client, image_id, operations, **conditions):
    """PATCH with headers given as If_Match=…"""
    headers = {name.replace('_', '-'): value for name, value in conditions.items()}
    return client.request('PATCH', doc_of(image_id), body=json.dumps(operations).encode(),
                          headers={'Content-Type': PATCH_21, **headers})


def tag_of(client, path):
    answer = client.get(path)
    assert answer.status == 200, answer
    return answer.header('ETag')


def http_date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


def obsolete_dates(seconds):
    t = time.gmtime(seconds)
    return [time.strftime('%A, %d-%b-%y %H:%M:%S GMT', t), time.asctime(t)]


def seconds_of(date):
    return email.utils.parsedate_to_datetime(date).timestamp()


def set_back(trusted, image_id, seconds):
    """The data has been there for so long."""
    stamp = time.strftime('%Y-%m-%d %H:%M:%S.654321', time.gmtime(time.time() - seconds))
    trusted.sql('update image_locations set created_at = ?, updated_at = ? where image_id = ?', stamp, stamp, image_id)


# ---------------------------------------------------------------- data

DATA = pattern(1000)
TAG = '"%s"' % digests(DATA)[1]
BESIDES = {'date', 'x-openstack-request-id'}


@pytest.fixture(scope='module')
def loaded(trusted):
    """An image whose data is an hour old."""
    image_id = trusted.client('member').active(DATA)
    set_back(trusted, image_id, 3600)
    return image_id


def test_data_tells_its_version(member, loaded):
    answer = member.download(loaded)
    assert (answer.status, answer.body) == (200, DATA)
    assert answer.header('ETag') == TAG == '"%s"' % member.show(loaded)['os_hash_value']
    assert answer.header('Accept-Ranges') == 'bytes'
    assert answer.header('Cache-Control') == 'no-cache'
    assert 3590 < seconds_of(answer.header('Date')) - seconds_of(answer.header('Last-Modified')) < 3700
    part = member.download(loaded, headers={'Range': 'bytes=10-19'})
    assert (part.status, part.body) == (206, DATA[10:20])
    for name in ('ETag', 'Last-Modified', 'Accept-Ranges', 'Cache-Control', 'Content-MD5'):
        assert part.header(name) == answer.header(name)


def test_head_of_data_is_get_without_the_body(member, loaded):
    got = member.download(loaded)
    for headers in ({}, {'Range': 'bytes=10-19'}, {'Range': 'bytes=5000-'}, {'Content-Range': 'bytes 1-2/*'}, {'If-Match': TAG}):
        head = member.request('HEAD', '/v2/images/' + loaded + '/file', headers=headers)
        assert (head.status, head.body) == (200, b'')
        assert head.header('Content-Length') == str(len(DATA))
        assert [line for line in head.headers if line[0].lower() not in BESIDES] == \
               [line for line in got.headers if line[0].lower() not in BESIDES]
    assert member.request('HEAD', file_of(loaded), headers={'If-None-Match': TAG}).status == 304
    assert member.request('HEAD', file_of(loaded), headers={'If-Match': '"x"'}).status == 412


def test_head_of_data_is_allowed_as_get(trusted, member, other, admin, loaded):
    assert other.request('HEAD', file_of(loaded)).status == other.download(loaded).status == 404
    assert trusted.client('nobody').request('HEAD', file_of(loaded)).status == 401
    assert member.request('HEAD', file_of('none')).status == 404
    empty = member.create()['id']
    answer = member.request('HEAD', file_of(empty))
    assert (answer.status, answer.header('ETag'), answer.header('Content-Length')) == (204, None, None)
    image_id = member.active()
    assert admin.post(doc_of(image_id) + '/actions/deactivate').status == 204
    assert member.request('HEAD', file_of(image_id)).status == member.download(image_id).status == 403
    assert admin.request('HEAD', file_of(image_id)).status == 200


def test_head_of_data_can_be_turned_off(glint_server):
    client = glint_server(config={'glint': {'head_image_data': 'false'}}).client()
    image_id = client.active()
    answer = client.request('HEAD', file_of(image_id))
    assert (answer.status, answer.header('Allow'), answer.body) == (405, 'GET, PUT', b'')
    assert client.request('POST', file_of(image_id)).header('Allow') == 'GET, PUT'
    assert client.download(image_id).header('Accept-Ranges') == 'bytes'


AGO, THEN = 'AGO', 'THEN'   # an hour before the data, and its time

CONDITIONS = [
    ({'If-None-Match': TAG}, 304),
    ({'If-None-Match': 'W/' + TAG}, 304),
    ({'If-None-Match': '"x", ' + TAG}, 304),
    ({'If-None-Match': '*'}, 304),
    ({'If-None-Match': '"x"'}, 200),
    ({'If-None-Match': TAG[1:-1]}, 200),
    ({'If-None-Match': '"x"', 'If-Modified-Since': THEN}, 200),
    ({'If-None-Match': TAG, 'If-Modified-Since': AGO}, 304),
    ({'If-Modified-Since': THEN}, 304),
    ({'If-Modified-Since': AGO}, 200),
    ({'If-Modified-Since': 'nonsense'}, 200),
    ({'If-Match': TAG}, 200),
    ({'If-Match': '*'}, 200),
    ({'If-Match': 'W/' + TAG}, 412),
    ({'If-Match': '"x"'}, 412),
    ({'If-Match': '"x"', 'If-None-Match': TAG}, 412),
    ({'If-Match': TAG, 'If-None-Match': TAG}, 304),
    ({'If-Match': TAG, 'If-Unmodified-Since': AGO}, 200),
    ({'If-Unmodified-Since': THEN}, 200),
    ({'If-Unmodified-Since': AGO}, 412),
    ({'If-Unmodified-Since': 'nonsense'}, 200),
    ({'If-Match': TAG, 'Range': 'bytes=0-9'}, 206),
    ({'If-None-Match': TAG, 'Range': 'bytes=0-9'}, 304),
    ({'If-None-Match': TAG, 'Range': 'bytes=5000-'}, 304),
    ({'If-Match': '"x"', 'Range': 'bytes=5000-'}, 412),
    ({'If-Match': TAG, 'Range': 'bytes=5000-'}, 416),
    ({'If-Range': TAG}, 200),
    ({'If-Range': TAG, 'Range': 'bytes=0-9'}, 206),
    ({'If-Range': THEN, 'Range': 'bytes=0-9'}, 206),
    ({'If-Range': 'W/' + TAG, 'Range': 'bytes=0-9'}, 200),
    ({'If-Range': '"x"', 'Range': 'bytes=0-9'}, 200),
    ({'If-Range': AGO, 'Range': 'bytes=0-9'}, 200),
    ({'If-Range': 'nonsense', 'Range': 'bytes=0-9'}, 200),
    ({'If-Range': '"x"', 'Range': 'bytes=5000-'}, 200),
    ({'If-Range': '"x"', 'Range': 'bytes=0-1,3-4'}, 200),
    ({'If-Range': TAG, 'Range': 'bytes=0-1,3-4'}, 400),
    ({'If-Range': TAG, 'Range': 'bytes=5000-'}, 416),
]


@pytest.mark.parametrize('headers,status', CONDITIONS)
def test_conditions_on_data(member, loaded, headers, status):
    then = seconds_of(member.download(loaded).header('Last-Modified'))
    dates = {THEN: [http_date(then)] + obsolete_dates(then), AGO: [http_date(then - 3600)] + obsolete_dates(then - 3600)}
    for at in range(3):
        sent = {name: dates[value][at] if value in dates else value for name, value in headers.items()}
        answer = member.download(loaded, headers=sent)
        assert answer.status == status, (sent, answer)
        if status in (200, 206):
            assert answer.body == (DATA if status == 200 else DATA[:10])
        if status == 304:
            assert answer.body == b''
            assert sorted(name for name, _ in answer.headers if name.lower() not in BESIDES) == ['Cache-Control', 'ETag']
            assert answer.header('ETag') == TAG
        if status == 412:
            assert 'If-' in answer.text and answer.header('ETag') is None


def test_a_refused_range_tells_the_size(member, loaded):
    for value in ('bytes=1000-', 'bytes=9-1', 'bytes=', 'apples=1-2'):
        answer = member.download(loaded, headers={'Range': value})
        assert (answer.status, answer.header('Content-Range')) == (416, 'bytes */1000')
    answer = member.download(loaded, headers={'Range': 'bytes=0-1,5-6'})
    assert (answer.status, answer.header('Content-Range')) == (400, None)


def test_conditions_where_there_is_no_data(trusted, member):
    empty, lost = member.create()['id'], member.active()
    trusted.sql('update image_locations set value = ? where image_id = ?', 'file:///nowhere/else', lost)
    for image_id in (empty, lost):
        for headers, status in (({}, 204), ({'If-None-Match': '*'}, 204), ({'If-None-Match': TAG}, 204),
                                ({'If-Modified-Since': http_date(time.time())}, 204), ({'If-Match': '*'}, 412),
                                ({'If-Match': TAG}, 412), ({'If-Unmodified-Since': http_date(0)}, 204)):
            assert member.download(image_id, headers=headers).status == status, headers


def test_the_tag_falls_back_to_the_checksum_and_to_none(trusted, member):
    image_id = member.active(b'abc')
    trusted.sql('update images set os_hash_value = null where id = ?', image_id)
    checksum = '"%s"' % hashlib.md5(b'abc').hexdigest()
    assert tag_of(member, file_of(image_id)) == checksum
    assert member.download(image_id, headers={'If-None-Match': checksum}).status == 304
    trusted.sql('update images set checksum = null where id = ?', image_id)
    answer = member.download(image_id)
    assert (answer.header('ETag'), answer.header('Accept-Ranges')) == (None, 'bytes')
    again = member.download(image_id, headers={'If-Modified-Since': answer.header('Last-Modified')})
    assert (again.status, again.header('Last-Modified')) == (304, answer.header('Last-Modified'))
    assert member.download(image_id, headers={'If-None-Match': checksum}).status == 200
    assert member.download(image_id, headers={'If-Match': checksum}).status == 412
    assert member.download(image_id, headers={'If-Match': '*'}).status == 200
    trusted.sql('update images set os_hash_value = ? where id = ?', 'no "tag"', image_id)
    assert member.download(image_id).header('ETag') is None


def test_last_modified_is_the_data_s(trusted, member, loaded):
    before = member.download(loaded).header('Last-Modified')
    assert member.patch(loaded, replace('name', 'other name')).status == 200
    assert member.put('/v2/images/%s/tags/late' % loaded).status == 204
    assert member.download(loaded).header('Last-Modified') == before
    fresh = member.active()
    stamp = time.strftime('%Y-%m-%d %H:%M:%S.000000', time.gmtime(time.time() + 86400))
    trusted.sql('update image_locations set updated_at = ? where image_id = ?', stamp, fresh)
    answer = member.download(fresh)
    assert answer.header('Last-Modified') == answer.header('Date'), 'never later than the answer'


def test_where_locations_can_change_a_date_is_not_strong(glint_server):
    client = glint_server(config={'DEFAULT': {'show_multiple_locations': 'true'}}).client()
    image_id = client.active(DATA)
    date = client.download(image_id).header('Last-Modified')
    assert client.download(image_id, headers={'Range': 'bytes=0-9', 'If-Range': date}).status == 200
    assert client.download(image_id, headers={'Range': 'bytes=0-9', 'If-Range': TAG}).status == 206


def test_upload_under_conditions(member):
    image_id = member.create()['id']
    for headers in ({'If-Match': '*'}, {'If-Match': '"x"'}):
        answer = member.upload(image_id, b'abc', headers=headers)
        assert answer.status == 412
        assert member.show(image_id)['status'] == 'queued'
    assert member.upload(image_id, b'abc', headers={'If-None-Match': '*'}).status == 204
    assert member.upload(image_id, b'abd', headers={'If-None-Match': '*'}).status == 409


# ---------------------------------------------------------------- documents

def test_documents_tell_their_version(member):
    made = member.post('/v2/images', json={'name': 'a', 'disk_format': 'raw', 'container_format': 'bare', 'z': '1', 'a': '2'})
    path = doc_of(made.json['id'])
    shown = member.get(path)
    assert made.body == shown.body and made.header('ETag') == shown.header('ETag')
    assert set(shown.header('ETag')[1:-1]) <= HEX and len(shown.header('ETag')) == 34
    assert (shown.header('Cache-Control'), shown.header('Last-Modified')) == ('no-cache', None)
    check_versions(member, path, '/v2/images', '/v2/images?limit=1&name=a', '/v2/images?name=nobody')
    assert member.request('HEAD', '/v2/images').status == 405


def check_versions(member, *paths):
    for path in paths:
        tag = tag_of(member, path)
        for value in (tag, 'W/' + tag, '"x",' + tag, '*'):
            answer = member.get(path, headers={'If-None-Match': value})
            assert (answer.status, answer.body, answer.header('ETag')) == (304, b'', tag)
            assert (answer.header('Cache-Control'), answer.header('Content-Type')) == ('no-cache', None)
            assert answer.header('x-openstack-request-id').startswith('req-')
        assert member.get(path, headers={'If-None-Match': '"x"'}).status == 200
        assert member.get(path, headers={'If-Match': '"x"'}).status == 412
        assert member.get(path, headers={'If-Match': 'W/' + tag}).status == 412
        assert member.get(path, headers={'If-Match': tag}).status == 200
        # a document has no date to compare with
        assert member.get(path, headers={'If-Modified-Since': http_date(time.time() + 9)}).status == 200
        assert member.get(path, headers={'If-Unmodified-Since': http_date(0)}).status == 200


def test_locations_tell_their_version(admin, member, loaded):
    check_versions(admin, doc_of(loaded) + '/locations', doc_of(member.create()['id']) + '/locations')


def test_conditions_come_last(member, other, reader):
    """What would be refused without them is refused in the same way with them."""
    image_id = member.create(protected=True)['id']
    stale = {'If-Match': '"x"', 'If-None-Match': '*'}
    assert other.get(doc_of(image_id), headers=stale).status == 404
    assert other.get(file_of(image_id), headers=stale).status == 404
    assert other.delete(doc_of(image_id), headers=stale).status == 404
    assert member.get('/v2/images?limit=x', headers=stale).status == 400
    assert member.get('/v2/nothing', headers=stale).status == 404
    assert member.delete(doc_of(image_id), headers=stale).status == 403
    assert edit(reader, image_id, replace('name', 'x'), If_Match='"x"').status == 403
    assert edit(member, image_id, [{'op': 'nonsense'}], If_Match='"x"').status == 400
    assert edit(member, image_id, replace('owner', 'x'), If_Match='"x"').status == 403


def test_edit_under_conditions(member):
    image_id = member.create(name='a', left='1', right='2')['id']
    first = tag_of(member, doc_of(image_id))
    answer = edit(member, image_id, replace('name', 'b'), If_Match=first)
    assert answer.status == 200
    second = answer.header('ETag')
    assert second != first and second == tag_of(member, doc_of(image_id))
    answer = edit(member, image_id, replace('name', 'c'), If_Match=first)
    assert answer.status == 412 and 'If-Match does not name the version' in answer.text
    assert member.show(image_id)['name'] == 'b'
    for refused in ({'If_Match': 'W/' + second}, {'If_Match': '"x"'}, {'If_Match': second[1:-1]}, {'If_None_Match': second},
                    {'If_None_Match': '*'}, {'If_Match': second, 'If_None_Match': 'W/' + second},
                    {'If_Unmodified_Since': http_date(time.time() - 60)}):
        assert edit(member, image_id, replace('name', 'c'), **refused).status == 412, refused
        assert edit(member, image_id, [], **refused).status == 412, refused
    assert member.show(image_id)['name'] == 'b'
    assert edit(member, image_id, [], If_Match=second).header('ETag') == second
    now, later = '"x", %s', http_date(time.time() + 60)
    for number, allowed in enumerate(({'If_Match': '*'}, {'If_Match': now}, {'If_None_Match': '"x"'},
                                      {'If_Unmodified_Since': later}, {'If_Modified_Since': later})):
        allowed = {name: value % second if value == now else value for name, value in allowed.items()}
        name = 'd%d' % number
        answer = edit(member, image_id, replace('name', name), **allowed)
        assert (answer.status, answer.json['name']) == (200, name), allowed
        second = answer.header('ETag')
        assert second == tag_of(member, doc_of(image_id))


def test_a_stale_edit_is_told_so_before_what_it_would_have_broken(member):
    image_id = member.create(left='1')['id']
    tag = tag_of(member, doc_of(image_id))
    assert member.patch(image_id, [{'op': 'remove', 'path': '/left'}]).status == 200
    again = [{'op': 'remove', 'path': '/left'}]
    assert edit(member, image_id, again).status == 409
    assert edit(member, image_id, again, If_Match=tag).status == 412
    assert edit(member, image_id, again, If_Match=tag_of(member, doc_of(image_id))).status == 409


@pytest.mark.parametrize('operations', [
    [{'op': 'remove', 'path': '/b'}, {'op': 'add', 'path': '/b', 'value': 'again'}],
    [{'op': 'replace', 'path': '/tags', 'value': ['z', 'a', 'new', 'm']}],
    [{'op': 'add', 'path': '/aa', 'value': 'x'}, {'op': 'replace', 'path': '/b', 'value': 'y'}],
    [{'op': 'replace', 'path': '/visibility', 'value': 'community'}],
    [{'op': 'add', 'path': '/name', 'value': 'żółw \U00010348'[:4]}],
    [],
])
def test_the_tag_after_an_edit_is_the_next_read_s(member, operations):
    image_id = member.create(a='1', b='2', c='3', tags=['m', 'a'])['id']
    answer = member.patch(image_id, operations)
    assert answer.status == 200
    assert answer.header('ETag') == tag_of(member, doc_of(image_id))
    assert edit(member, image_id, replace('min_ram', 5), If_Match=answer.header('ETag')).status == 200


def test_delete_under_conditions(member):
    image_id = member.active()
    tag = tag_of(member, doc_of(image_id))
    assert member.patch(image_id, replace('name', 'changed')).status == 200
    for headers in ({'If-Match': tag}, {'If-Match': '"x"'}, {'If-None-Match': '*'},
                    {'If-Unmodified-Since': http_date(time.time() - 60)}):
        answer = member.delete(doc_of(image_id), headers=headers)
        assert answer.status == 412
    assert member.download(image_id).status == 200
    assert member.delete(doc_of(image_id), headers={'If-Match': tag_of(member, doc_of(image_id))}).status == 204
    assert member.delete(doc_of(image_id), headers={'If-Match': '*'}).status == 404


def test_members_under_conditions(member, other):
    image_id = member.create()['id']
    members = doc_of(image_id) + '/members'
    before = tag_of(member, members)
    made = member.post(members, json={'member': 'project-2'})
    assert (made.status, made.header('ETag')) == (200, None)
    assert tag_of(member, members) != before
    one = members + '/project-2'
    first = tag_of(other, one)
    assert first == tag_of(member, one)
    assert other.get(one, headers={'If-None-Match': first}).status == 304
    assert member.get(members, headers={'If-None-Match': tag_of(member, members)}).status == 304
    answer = other.put(one, json={'status': 'accepted'}, headers={'If-Match': first})
    assert (answer.status, answer.header('ETag')) == (200, tag_of(other, one))
    assert other.put(one, json={'status': 'rejected'}, headers={'If-Match': first}).status == 412
    assert other.get(one).json['status'] == 'accepted'
    assert member.delete(one, headers={'If-Match': first}).status == 412
    assert member.delete(one, headers={'If-Match': answer.header('ETag')}).status == 204


def test_what_has_no_version_cannot_be_matched(member):
    """Tags and actions cannot be read, so nothing can be the version that If-Match names."""
    image_id = member.active()
    tag = tag_of(member, doc_of(image_id))
    for value in ('*', tag):
        assert member.put('/v2/images/%s/tags/t' % image_id, headers={'If-Match': value}).status == 412
        assert member.delete('/v2/images/%s/tags/t' % image_id, headers={'If-Match': value}).status == 412
        assert member.post('/v2/images/%s/actions/reactivate' % image_id, headers={'If-Match': value}).status == 412
    assert member.show(image_id)['tags'] == []
    assert member.put('/v2/images/%s/tags/t' % image_id, headers={'If-None-Match': '*'}).status == 204


# ---------------------------------------------------------------- races

def at_once(jobs):
    """Runs them all from one starting line; their results."""
    line, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def run(at):
        line.wait()
        results[at] = jobs[at]()
    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(jobs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


@pytest.mark.parametrize('editors,rounds', [(2, 25), (32, 5)])
def test_of_editors_with_one_tag_one_wins(trusted, member, editors, rounds):
    image_id = member.create(count='start')['id']
    for turn in range(rounds):
        tag = tag_of(member, doc_of(image_id))
        clients = [trusted.client('member') for _ in range(editors)]
        answers = at_once([lambda n=n: edit(clients[n], image_id, replace('count', '%d by %d' % (turn, n)), If_Match=tag)
                           for n in range(editors)])
        won = [n for n, answer in enumerate(answers) if answer.status == 200]
        assert len(won) == 1, [answer.status for answer in answers]
        assert sorted(answer.status for answer in answers) == [200] + [412] * (editors - 1)
        assert member.show(image_id)['count'] == '%d by %d' % (turn, won[0])
        assert answers[won[0]].header('ETag') == tag_of(member, doc_of(image_id))


def test_read_change_write_loops_lose_nothing(trusted, member):
    """Eight editors count in one property, each ten times, and begin anew whenever they are told 412."""
    image_id = member.create(count='0')['id']

    def count():
        client, refused = trusted.client('member'), 0
        for _ in range(10):
            while True:
                answer = client.get(doc_of(image_id))
                up = replace('count', str(int(answer.json['count']) + 1))
                status = edit(client, image_id, up, If_Match=answer.header('ETag')).status
                if status == 200:
                    break
                assert status == 412
                refused += 1
        return refused
    refused = sum(at_once([count] * 8))
    assert member.show(image_id)['count'] == '80'
    assert refused > 0, 'they never met'


def test_an_edit_and_a_delete_with_one_tag(trusted, member):
    for turn in range(20):
        image_id = member.create(name='a')['id']
        tag = tag_of(member, doc_of(image_id))
        editor, remover = trusted.client('member'), trusted.client('member')
        edited, removed = at_once([lambda: edit(editor, image_id, replace('name', 'b'), If_Match=tag),
                                   lambda: remover.delete(doc_of(image_id), headers={'If-Match': tag})])
        assert (edited.status, removed.status) in ((200, 412), (404, 204)), turn
        assert member.get(doc_of(image_id)).status == (200 if edited.status == 200 else 404)


# ---------------------------------------------------------------- a tag differs if and only if the bytes differ

class Watcher:
    """Reads everything after each change, as everybody, and holds the tags against the bytes."""
    LISTS = ('/v2/images', '/v2/images?limit=2', '/v2/images?limit=2&sort=name:asc', '/v2/images?visibility=public',
             '/v2/images?member_status=all&visibility=shared', '/v2/images?os_hidden=true', '/v2/images?tag=t1', '/v2/images?p1=x')

    def __init__(self, clients):
        self.clients, self.seen, self.unchanged, self.checked = clients, {}, 0, 0

    def look(self, ids):
        paths = list(self.LISTS) + [path for i in ids for path in (doc_of(i), doc_of(i) + '/members')]
        for who, client in self.clients.items():
            for path in paths:
                answer = client.get(path)
                if answer.status != 200:
                    assert answer.header('ETag') is None
                    continue
                history = self.seen.setdefault((who, path), [])
                self.compare(answer, history)
                self.ask(client, path, answer, history)
                history.append((answer.header('ETag'), answer.body))

    def compare(self, answer, history):
        for tag, body in history:
            assert (tag == answer.header('ETag')) == (body == answer.body), (tag, body, answer)

    def ask(self, client, path, answer, history):
        for tag, body in history[-3:]:
            again = client.get(path, headers={'If-None-Match': tag})
            assert again.status == (304 if body == answer.body else 200)
            self.unchanged += again.status == 304
            self.checked += 1


def random_change(rng, clients, ids):
    member, admin, other = clients['member'], clients['admin'], clients['other']
    if len(ids) < 2 or (len(ids) < 5 and rng.random() < 0.1):
        ids.append(member.create(name='n%d' % rng.randrange(9), visibility='shared')['id'])
        return
    image_id = rng.choice(ids)
    path = doc_of(image_id)
    change = rng.randrange(11)
    if change == 0:
        member.patch(image_id, [{'op': 'add', 'path': '/p%d' % rng.randrange(3), 'value': rng.choice('xyz')}])
    elif change == 1:
        member.patch(image_id, [{'op': 'remove', 'path': '/p%d' % rng.randrange(3)}])
    elif change == 2:
        member.patch(image_id, replace('name', 'n%d' % rng.randrange(9)))
    elif change == 3:
        admin.patch(image_id, replace('visibility', rng.choice(['public', 'private', 'shared', 'community'])))
    elif change == 4:
        member.request(rng.choice(['PUT', 'DELETE']), path + '/tags/t%d' % rng.randrange(3))
    elif change == 5:
        member.post(path + '/members', json={'member': 'project-2'})
    elif change == 6:
        other.put(path + '/members/project-2', json={'status': rng.choice(['accepted', 'rejected', 'pending'])})
    elif change == 7:
        member.upload(image_id, b'data %d' % rng.randrange(3))
    elif change == 8:
        admin.post(path + '/actions/' + rng.choice(['deactivate', 'reactivate']))
    elif change == 9:
        member.patch(image_id, replace('os_hidden', rng.random() < 0.3))
    elif rng.random() < 0.3 and member.delete(path).status == 204:
        ids.remove(image_id)


@pytest.mark.parametrize('seed,config', [(1, {}), (2, {'show_multiple_locations': 'true', 'show_image_direct_url': 'true'})])
def test_a_tag_differs_if_and_only_if_the_bytes_differ(glint_server, seed, config):
    server = glint_server(trusted=True, config={'DEFAULT': config})
    clients = {who: server.client(who) for who in ('member', 'admin', 'other')}
    rng, ids, watcher = random.Random(seed), [], Watcher(clients)
    for _ in range(15 if SANITIZED else 60):
        random_change(rng, clients, ids)
        watcher.look(ids)
    assert watcher.checked / 20 < watcher.unchanged < watcher.checked


def test_somebody_else_s_tag_is_not_one_s_own(glint_server):
    """Two callers who are shown different bytes have different tags for one address."""
    server = glint_server(trusted=True, config={'DEFAULT': {'show_multiple_locations': 'true'}})
    member, admin = server.client('member'), server.client('admin')
    image_id = member.active()
    assert tag_of(member, doc_of(image_id)) == tag_of(admin, doc_of(image_id))
    assert admin.post(doc_of(image_id) + '/actions/deactivate').status == 204     # hides the locations from the member
    theirs = tag_of(admin, doc_of(image_id))
    assert tag_of(member, doc_of(image_id)) != theirs
    assert member.get(doc_of(image_id), headers={'If-None-Match': theirs}).status == 200
    assert edit(member, image_id, replace('name', 'x'), If_Match=theirs).status == 412


def test_hidden_properties_are_no_part_of_a_version(glint_server, tmp_path):
    """Who may not read a property sees no version change when it changes, and his own changes leave it alone."""
    rules = tmp_path / 'protections.conf'
    rules.write_text(''.join('[%s]\ncreate = %s\nread = %s\nupdate = %s\ndelete = %s\n' % (name, *[roles] * 4)
                             for name, roles in (('^secret$', 'admin'), ('.*', 'admin,member'))))
    server = glint_server(trusted=True, config={'DEFAULT': {'property_protection_file': rules,
                                                            'property_protection_rule_format': 'roles'}})
    member, admin = server.client('member'), server.client('admin')
    image_id = member.create(open='1')['id']
    assert admin.patch(image_id, [{'op': 'add', 'path': '/secret', 'value': 'a'}]).status == 200
    time.sleep(1 - time.time() % 1)         # updated_at is part of a document: both changes in one second
    assert admin.patch(image_id, replace('secret', 'b')).status == 200
    theirs, tag = tag_of(admin, doc_of(image_id)), tag_of(member, doc_of(image_id))
    assert tag != theirs
    assert admin.patch(image_id, replace('secret', 'c')).status == 200
    assert tag_of(admin, doc_of(image_id)) != theirs and tag_of(member, doc_of(image_id)) == tag
    answer = edit(member, image_id, replace('open', '2'), If_Match=tag)
    assert (answer.status, answer.header('ETag')) == (200, tag_of(member, doc_of(image_id)))
    assert admin.show(image_id)['secret'] == 'c'
    assert member.delete(doc_of(image_id), headers={'If-Match': tag_of(admin, doc_of(image_id))}).status == 412
    assert member.delete(doc_of(image_id), headers={'If-Match': answer.header('ETag')}).status == 204


# ---------------------------------------------------------------- clients and proxies

def run(*command, **kw):
    return subprocess.run(command, capture_output=True, timeout=120 * SLOW, stdin=subprocess.DEVNULL, **kw)


@pytest.fixture(scope='module')
def public(server):
    """Three MiB behind a server that asks nobody who they are."""
    data = pattern(3 * MIB + 5, 7)
    return server, server.client().active(data), data


@pytest.mark.skipif(not shutil.which('curl'), reason='no curl')
def test_curl(public, tmp_path):
    server, image_id, data = public
    url, target, tag = server.url + file_of(image_id), tmp_path / 'image', tmp_path / 'tag'
    assert run('curl', '-sf', '--etag-save', tag, '-o', target, url).returncode == 0
    assert target.read_bytes() == data
    again = run('curl', '-s', '--etag-compare', tag, '-o', tmp_path / 'again', '-w', '%{http_code} %{size_download}', url)
    assert again.stdout == b'304 0'
    target.write_bytes(data[:MIB + 1])
    assert run('curl', '-sf', '-C', '-', '-o', target, url).returncode == 0
    assert target.read_bytes() == data
    assert run('curl', '-s', '-C', '-', '-o', target, url).returncode == 0, 'nothing was missing'
    assert target.read_bytes() == data
    newer = run('curl', '-s', '-z', target, '-o', tmp_path / 'again', '-w', '%{http_code} %{size_download}', url)
    assert newer.stdout == b'304 0'
    older = run('curl', '-s', '-z', 'Sun, 06 Nov 1994 08:49:37 GMT', '-o', tmp_path / 'again', '-w', '%{http_code}', url)
    assert older.stdout == b'200'
    head = run('curl', '-sfI', url).stdout.decode().lower()
    assert 'content-length: %d' % len(data) in head and 'accept-ranges: bytes' in head


@pytest.mark.skipif(not shutil.which('wget'), reason='no wget')
def test_wget(public, tmp_path):
    server, image_id, data = public
    url, target = server.url + file_of(image_id), tmp_path / 'image'
    target.write_bytes(data[:MIB])
    assert run('wget', '-qc', '-O', target, url).returncode == 0
    assert target.read_bytes() == data
    assert run('wget', '-c', '-O', target, url).returncode == 0
    assert target.read_bytes() == data
    (tmp_path / 'mirror').mkdir()
    for turn in range(2):       # by HEAD: length and date
        done = run('wget', '-N', url, cwd=tmp_path / 'mirror')
        assert done.returncode == 0 and (tmp_path / 'mirror' / 'file').read_bytes() == data
        assert (b' 304 Not Modified' in done.stderr) == (turn == 1)


@pytest.mark.skipif(not shutil.which('openstack'), reason='no openstack client')
def test_openstack_image_save(public, tmp_path):
    server, image_id, data = public
    done = run('/usr/bin/openstack', '--os-auth-type', 'none', '--os-endpoint', server.url, 'image', 'save', '--file',
               str(tmp_path / 'image'), image_id, env={'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path), 'LC_ALL': 'C.UTF-8'})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'image').read_bytes() == data


NGINX = '''daemon off; master_process off; pid %(dir)s/pid; error_log %(dir)s/error.log;
events { }
http {
    access_log off;
    client_body_temp_path %(dir)s/b; proxy_temp_path %(dir)s/p; fastcgi_temp_path %(dir)s/f; uwsgi_temp_path %(dir)s/u;
    scgi_temp_path %(dir)s/s; proxy_cache_path %(dir)s/cache keys_zone=z:1m;
    server {
        listen 127.0.0.1:%(port)d;
        location / { proxy_pass http://%(host)s:%(upstream)d; %(does)s }
    }
}
'''
COMPRESSES = 'gzip on; gzip_types application/json; gzip_min_length 1; gzip_proxied any;'
CACHES = 'proxy_cache z; proxy_cache_valid 200 1h; proxy_cache_revalidate on;'


@pytest.fixture
def behind_nginx(trusted, tmp_path):
    """behind_nginx(does) -> clients that talk through a proxy."""
    if not shutil.which('nginx'):
        pytest.skip('no nginx')
    with contextlib.ExitStack() as running:
        def make(does, *who):
            port, conf = free_port(), tmp_path / 'nginx.conf'
            conf.write_text(NGINX % {'dir': tmp_path, 'port': port, 'host': trusted.host, 'upstream': trusted.port, 'does': does})
            process = subprocess.Popen(['nginx', '-c', str(conf), '-p', str(tmp_path), '-e', str(tmp_path / 'error.log')],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            running.callback(process.wait)
            running.callback(process.terminate)
            clients = [trusted.client(name) for name in who]
            for client in clients:
                client.port = port

            def up():
                with contextlib.suppress(OSError):
                    return clients[0].get('/v2/images').status == 200
            assert eventually(up)
            return clients
        yield make


def test_behind_a_proxy_that_compresses(behind_nginx):
    member, = behind_nginx(COMPRESSES, 'member')
    image_id = member.create(name='a')['id']
    plain = tag_of(member, doc_of(image_id))
    answer = member.get(doc_of(image_id), headers={'Accept-Encoding': 'gzip'})
    assert (answer.header('Content-Encoding'), answer.header('ETag')) == ('gzip', 'W/' + plain)
    weak = answer.header('ETag')
    assert member.get(doc_of(image_id), headers={'Accept-Encoding': 'gzip', 'If-None-Match': weak}).status == 304
    assert edit(member, image_id, replace('name', 'b'), If_Match=weak).status == 412
    assert edit(member, image_id, replace('name', 'b'), If_Match=plain).status == 200


def test_behind_a_proxy_that_caches(behind_nginx):
    member, other = behind_nginx(CACHES, 'member', 'other')
    image_id = member.active(DATA, name='a')
    tag = tag_of(member, doc_of(image_id))
    assert edit(member, image_id, replace('name', 'b'), If_Match=tag).status == 200
    assert edit(member, image_id, replace('name', 'c'), If_Match=tag).status == 412
    assert member.show(image_id)['name'] == 'b', 'it asked again'
    assert member.download(image_id).body == DATA
    assert other.get(doc_of(image_id)).status == other.download(image_id).status == 404, 'it asked who that is'
