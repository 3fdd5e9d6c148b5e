# SPDX-License-Identifier: Apache-2.0
"""Many clients, slow clients, and clients that say nothing: the others must not notice."""
import contextlib
import resource
import socket
import threading
import time

from glint import CI, MIB, SANITIZED, SLOW, eventually, pattern, read_all, read_answer

# Seconds in which even a busy machine answers; who waits for those that never go on waits for longer.
ANSWERED = 20 * SLOW


def crowd(member, wanted):
    """So many open connections, as the limits of this process allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    sockets = []
    for _ in range(min(wanted, soft - 500)):
        sockets.append(member.connect())
    return sockets


def ask_all(member, n=30):
    """Seconds of the slowest of n plain requests."""
    worst = 0
    for _ in range(n):
        start = time.monotonic()
        assert member.get('/v2/images').status == 200
        worst = max(worst, time.monotonic() - start)
    return worst


def test_idle_connections(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    member.create()
    ask_all(member)
    before = s.proc().rss()
    sockets = crowd(member, 1000 if CI or SANITIZED else 5000)
    try:
        assert ask_all(member) < ANSWERED
        if not SANITIZED:
            assert s.proc().rss() - before < 32 * MIB
        for i in (0, len(sockets) // 2, len(sockets) - 1):
            sockets[i].sendall(member.head('GET', '/v2/images'))
            assert read_answer(sockets[i]).status == 200
    finally:
        for each in sockets:
            each.close()
    assert eventually(lambda: s.proc().files() < 200)


def test_half_requests_and_slow_readers(glint_server):
    """100 half-sent heads, 100 half-sent uploads and 100 readers that do not read, and show still answers."""
    s = glint_server(trusted=True, config={'glint': {'transfers_max': 300}})
    member = s.client()
    image_id = member.active(pattern(64 * MIB))
    count = 20 if SANITIZED else 100
    sockets = []
    try:
        for _ in range(count):
            half = member.connect()
            half.sendall(member.head('GET', '/v2/images')[:-20])
            sockets.append(half)
        for _ in range(count):
            slow = member.connect()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(member.head('GET', '/v2/images/%s/file' % image_id))
            sockets.append(slow)
        for _ in range(count):
            sockets.append(member.half_upload(member.create()['id'], 10 * MIB, 1000))
        assert ask_all(member) < ANSWERED
        assert member.download(image_id, {'Range': 'bytes=0-99'}).status == 206
    finally:
        for each in sockets:
            each.close()
    assert eventually(lambda: not [i for i in s.stored() if i != image_id], 20), s.stored()


def test_metadata_is_served_while_transfers_are_at_their_cap(glint_server):
    s = glint_server(trusted=True, config={'glint': {'transfers_max': 2}})
    member = s.client()
    images = [member.create()['id'] for _ in range(4)]
    sockets = [member.half_upload(i, 2 * MIB, MIB) for i in images]
    try:
        assert ask_all(member) < ANSWERED
        for each in sockets:
            each.sendall(bytes(MIB))
        assert [read_answer(each).status for each in sockets] == [204] * 4
    finally:
        for each in sockets:
            each.close()


def test_slow_head_is_cut_off(glint_server):
    s = glint_server(trusted=True, config={'glint': {'head_timeout': 1}})
    member = s.client()
    slow = member.connect()
    start = time.monotonic()
    data = b''
    with contextlib.suppress(OSError):
        for byte in member.head('GET', '/v2/images') * 10:
            slow.sendall(bytes([byte]))
            time.sleep(0.1)
            if time.monotonic() - start > ANSWERED:
                break
    data = read_all(slow)
    assert time.monotonic() - start < ANSWERED
    assert data == b'' or data.startswith(b'HTTP/1.1 408')


def test_idle_connection_is_closed(glint_server):
    s = glint_server(trusted=True, config={'glint': {'idle_timeout': 1}})
    member = s.client()
    idle = member.connect()
    idle.sendall(member.head('GET', '/v2/images'))
    assert read_answer(idle).status == 200
    start = time.monotonic()
    assert idle.recv(100) == b''
    assert 0.5 < time.monotonic() - start < ANSWERED


def test_stalled_upload_is_cut_off(glint_server):
    s = glint_server(trusted=True, config={'glint': {'body_timeout': 1}})
    member = s.client()
    image_id = member.create()['id']
    stalled = member.half_upload(image_id, 2 * MIB, MIB)
    assert eventually(lambda: member.show(image_id)['status'] == 'queued' and s.stored() == [])
    read_all(stalled)
    assert member.upload(image_id, b'second try').status == 204


def test_stalled_reader_is_cut_off(glint_server):
    s = glint_server(trusted=True, config={'glint': {'body_timeout': 1}})
    member = s.client()
    image_id = member.active(pattern(64 * MIB))
    files = s.proc().files()
    stalled = member.connect()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.sendall(member.head('GET', '/v2/images/%s/file' % image_id))
    stalled.recv(100)
    assert eventually(lambda: s.proc().files() <= files)
    stalled.close()


def test_burst_of_connections(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create()['id']
    statuses = []

    def go():
        for _ in range(20):
            statuses.append(s.client().get('/v2/images/' + image_id).status)
    threads = [threading.Thread(target=go) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert statuses == [200] * 400


def test_writes_at_once_never_meet_a_locked_database(glint_server):
    """One file, many writers: nobody ever hears of the lock."""
    s = glint_server(trusted=True)
    wrong = []

    def go(n):
        member = s.client()
        for turn in range(10):
            answer = member.post('/v2/images', json={'name': '%d %d' % (n, turn), 'tags': ['a', 'b'], 'k': 'v'})
            if answer.status != 201:
                wrong.append(answer)
                continue
            image_id = answer.json['id']
            for status, got in ((200, member.patch(image_id, [{'op': 'add', 'path': '/x', 'value': 'y'}])),
                                (204, member.delete('/v2/images/' + image_id))):
                if got.status != status:
                    wrong.append(got)
    threads = [threading.Thread(target=go, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
