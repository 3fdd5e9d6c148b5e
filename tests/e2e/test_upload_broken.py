# SPDX-License-Identifier: Apache-2.0
"""Uploads that do not end well: given up, overtaken, deleted under way, too slow."""
import threading
import time

import pytest

from glint import MIB, digests, eventually, pattern, read_answer


def status_of(member, image_id):
    answer = member.get('/v2/images/' + image_id)
    return answer.json['status'] if answer.status == 200 else answer.status


def finish_upload(member, image_id, data):
    """An interrupted upload's image takes new data as if nothing had been."""
    assert member.upload(image_id, data).status == 204
    image = member.show(image_id)
    assert (image['status'], image['checksum'], image['os_hash_value']) == ('active', *digests(data))
    assert member.download(image_id).body == data


@pytest.mark.parametrize('sent', [0, 1, 70000, 3 * MIB + 11])
@pytest.mark.parametrize('chunked', [False, True])
def test_interrupted_upload(glint_server, sent, chunked):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create()['id']
    socket = member.half_upload(image_id, None if chunked else 10 * MIB, sent)
    assert eventually(lambda: status_of(member, image_id) == 'saving')
    socket.close()
    assert eventually(lambda: status_of(member, image_id) == 'queued' and s.stored() == [])
    image = member.show(image_id)
    assert (image['size'], image['checksum'], image['os_hash_value']) == (None, None, None)
    finish_upload(member, image_id, pattern(100000))
    assert len(s.stored()) == 1


def test_bad_chunk_in_the_middle(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create()['id']
    socket = member.half_upload(image_id, None, 1000)
    socket.sendall(b'zz\r\n')
    answer = read_answer(socket)
    assert answer.status == 400
    assert eventually(lambda: status_of(member, image_id) == 'queued' and s.stored() == [])
    finish_upload(member, image_id, b'fine')


def test_two_uploads_at_once(glint_server):
    """The second one loses at once and harms nothing."""
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create()['id']
    data = bytes(5 * MIB)
    socket = member.half_upload(image_id, len(data), MIB)
    assert eventually(lambda: status_of(member, image_id) == 'saving')
    assert member.upload(image_id, b'second').status == 409
    assert member.upload(image_id, chunks=[b'third']).status == 409
    socket.sendall(data[MIB:])
    assert read_answer(socket).status == 204
    assert member.show(image_id)['checksum'] == digests(data)[0]
    assert len(s.stored()) == 1


def test_a_race_has_one_winner(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    for turn in range(5):
        image_id = member.create()['id']
        bodies = [pattern(300000 + n, n) for n in range(6)]
        statuses = [None] * len(bodies)

        def go(n):
            statuses[n] = s.client().upload(image_id, bodies[n]).status
        threads = [threading.Thread(target=go, args=(n,)) for n in range(len(bodies))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(statuses) == [204] + [409] * 5, statuses
        assert member.download(image_id).body == bodies[statuses.index(204)]
    assert len(s.stored()) == 5


@pytest.mark.parametrize('chunked', [False, True])
def test_delete_during_upload(glint_server, chunked):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create()['id']
    socket = member.half_upload(image_id, None if chunked else 2 * MIB, MIB)
    assert eventually(lambda: status_of(member, image_id) == 'saving')
    assert member.delete('/v2/images/' + image_id).status == 204
    rest = bytes(MIB)
    socket.sendall(b'%x\r\n%s\r\n0\r\n\r\n' % (len(rest), rest) if chunked else rest)
    answer = read_answer(socket)
    assert answer.status == 410, answer
    assert eventually(lambda: s.stored() == [])
    assert member.get('/v2/images/' + image_id).status == 404


def test_patch_during_upload(glint_server):
    """A change of the document under way is not lost by the upload's end, nor the other way round."""
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create(name='before')['id']
    data = bytes(2 * MIB)
    socket = member.half_upload(image_id, len(data), MIB)
    assert eventually(lambda: status_of(member, image_id) == 'saving')
    assert member.patch(image_id, [{'op': 'replace', 'path': '/name', 'value': 'after'}]).status == 200
    socket.sendall(data[MIB:])
    assert read_answer(socket).status == 204
    image = member.show(image_id)
    assert (image['name'], image['status'], image['checksum']) == ('after', 'active', digests(data)[0])


def test_download_that_is_given_up(glint_server):
    """Hundred clients that leave in the middle cost nothing that stays."""
    s = glint_server(trusted=True)
    member = s.client()
    data = pattern(8 * MIB)
    image_id = member.active(data)
    assert member.download(image_id).body == data
    files = s.proc().files()
    for _ in range(100):
        socket = member.connect()
        socket.sendall(member.head('GET', '/v2/images/%s/file' % image_id))
        socket.recv(1000)
        socket.close()
    assert eventually(lambda: s.proc().files() <= files + 2)
    assert member.download(image_id).body == data


def test_delete_during_download(glint_server):
    """Who has begun to read gets the whole image."""
    s = glint_server(trusted=True)
    member = s.client()
    data = pattern(32 * MIB)
    image_id = member.active(data)
    socket = member.connect()
    socket.sendall(member.head('GET', '/v2/images/%s/file' % image_id))
    time.sleep(0.3)
    assert member.delete('/v2/images/' + image_id).status == 204
    assert read_answer(socket).body == data


def test_orderly_stop_lets_an_upload_finish(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create()['id']
    data = bytes(2 * MIB)
    socket = member.half_upload(image_id, len(data), MIB)
    assert eventually(lambda: status_of(member, image_id) == 'saving')
    ended = []
    stopping = threading.Thread(target=lambda: ended.append(s.stop()))
    stopping.start()
    time.sleep(0.5)
    with pytest.raises(OSError):
        member.get('/versions')
    socket.sendall(data[MIB:])
    assert read_answer(socket).status == 204
    stopping.join()
    assert ended == [0]
    s.start()
    assert member.show(image_id)['checksum'] == digests(data)[0]


def test_restart_keeps_everything(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    data = pattern(123456)
    image_id = member.active(data, name='kept', tags=['a'], os_distro='debian')
    before = member.show(image_id)
    assert s.stop() == 0
    s.start()
    assert member.show(image_id) == before
    assert member.download(image_id).body == data
