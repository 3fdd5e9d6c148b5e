# SPDX-License-Identifier: Apache-2.0
"""64 clients on one image, for each pair of kinds of requests: nobody half wins, and nothing is left over.

A race that is left to luck is rarely run. The second round of each pair is therefore forced: the test holds the database's
write lock until every request has been sent, so that all of them have looked at the image as it was before any of them
may change it. What then keeps them apart is only what the code looks at again under the lock."""
import collections
import contextlib
import hashlib
import itertools
import json
import sqlite3
import threading
import time

import pytest

from glint import PATCH_21, SLOW, Server, eventually, pattern, read_answer

CLIENTS = 64
KINDS = ('upload', 'upload-chunked', 'delete', 'patch', 'deactivate', 'member')
PAIRS = list(itertools.combinations_with_replacement(KINDS, 2))
LOCKED_SECONDS = 0.3 * SLOW     # for all requests to arrive at the lock
FIRST_BYTES = b'what the image holds before the race'


@pytest.fixture(scope='module')
def arena(tmp_path_factory):
    """A server of this file that cleans up often."""
    s = Server(tmp_path_factory.mktemp('races'), trusted=True, config={'glint': {'reap_interval': 1}})
    yield s
    problem = s.finish()
    assert not problem, problem


# ---------------------------------------------------------------- the requests

class Request:
    """One client: its request as bytes, and what came back."""

    def __init__(self, kind, n, image_id, client):
        self.kind, self.n, self.status, self.answer, self.problem = kind, n, None, None, None
        path = '/v2/images/' + image_id
        headers, body = {}, b''
        if kind in ('upload', 'upload-chunked'):
            self.data = body = pattern(1000 + 3001 * n, seed=n + 1)
            headers['Content-Type'] = 'application/octet-stream'
            method, path = 'PUT', path + '/file'
        elif kind == 'delete':
            method = 'DELETE'
        elif kind == 'patch':
            method = 'PATCH'
            headers['Content-Type'] = PATCH_21
            body = json.dumps([{'op': 'replace', 'path': '/name', 'value': 'name %d' % n},
                               {'op': 'add', 'path': '/property_%d' % n, 'value': str(n)}]).encode()
        elif kind == 'deactivate':
            method, path = 'POST', path + '/actions/deactivate'
        else:
            self.project = 'project-%d' % (100 + n // 2)        # two clients want each
            method, path = 'POST', path + '/members'
            headers['Content-Type'] = 'application/json'
            body = json.dumps({'member': self.project}).encode()
        if kind == 'upload-chunked':
            headers['Transfer-Encoding'] = 'chunked'
            half = len(body) // 2
            body = b''.join(b'%x\r\n%s\r\n' % (len(piece), piece) for piece in (body[:half], body[half:], b''))
        else:
            headers['Content-Length'] = str(len(body))
        self.bytes = client.head(method, path, headers) + body
        self.socket = client.connect()

    def go(self, barrier):
        try:
            barrier.wait()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.socket.sendall(self.bytes)     # an early refusal; its answer is still to be read
            self.answer = read_answer(self.socket)
            self.status = self.answer.status
        except Exception as problem:    # whatever it is, it is told with the others
            self.problem = repr(problem)
        finally:
            self.socket.close()


def start(requests):
    barrier = threading.Barrier(len(requests))
    threads = [threading.Thread(target=r.go, args=(barrier,)) for r in requests]
    for t in threads:
        t.start()
    return threads


@contextlib.contextmanager
def locked(database):
    """Nobody can write meanwhile; everybody has time to arrive at the lock."""
    holder = sqlite3.connect(database, timeout=60, isolation_level=None)
    try:
        holder.execute('begin immediate')
        yield
        time.sleep(LOCKED_SECONDS)
        holder.execute('commit')
    finally:
        holder.close()


def run(requests, database):
    """All at once; with a database file: while its write lock is held."""
    with locked(database) if database else contextlib.nullcontext():
        threads = start(requests)
    for t in threads:
        t.join()


def run_in_order(first, then, database):
    """As run(), and the first ones are there first."""
    with locked(database):
        threads = start(first)
        time.sleep(LOCKED_SECONDS)
        threads += start(then)
    for t in threads:
        t.join()


# ---------------------------------------------------------------- what may have happened

def allowed(kind, kinds):
    """The statuses that one kind of request may see beside the others."""
    uploads, deleted = kinds & {'upload', 'upload-chunked'}, 'delete' in kinds
    gone = {404} if deleted else set()
    if kind in ('upload', 'upload-chunked'):
        return {204, 409} | ({404, 410} if deleted else set())
    if kind == 'delete':
        return {204, 404}
    if kind == 'patch':
        return {200} | gone
    if kind == 'deactivate':
        return {204} | gone | ({403} if uploads else set())
    return {200, 409} | gone


def count(requests, kinds, status):
    return sum(r.kind in kinds and r.status == status for r in requests)


def check_winners(requests, kinds):
    """Exactly one winner where there has to be one."""
    uploads = kinds & {'upload', 'upload-chunked'}
    if uploads:
        won = count(requests, uploads, 204)
        assert won <= 1 if 'delete' in kinds else won == 1
    if 'delete' in kinds:
        assert count(requests, {'delete'}, 204) == 1
    if 'deactivate' in kinds and 'delete' not in kinds and not uploads:
        assert count(requests, {'deactivate'}, 204) == sum(r.kind == 'deactivate' for r in requests)
    for project, two in itertools.groupby((r for r in requests if r.kind == 'member'), key=lambda r: r.project):
        statuses = sorted(r.status for r in two)
        assert statuses == [200, 409] or ('delete' in kinds and statuses in ([200, 404], [404, 404], [404, 409])), (project, statuses)


def check_image(server, image_id, requests, kinds):
    """What the database says of the image; the paths of the objects that the store has to hold for it."""
    columns = 'status', 'deleted', 'size', 'checksum', 'os_hash_algo', 'os_hash_value', 'name'
    row = dict(zip(columns, server.sql('select %s from images where id = ?' % ', '.join(columns), image_id)[0]))
    live = {table: server.sql('select count(*) from %s where image_id = ? and not deleted' % table, image_id)[0][0]
            for table in ('image_properties', 'image_tags', 'image_members', 'image_locations')}
    if 'delete' in kinds:
        assert (row['status'], row['deleted']) == ('deleted', 1), row
        assert set(live.values()) == {0}, live
        assert server.client().get('/v2/images/' + image_id).status == 404
        return []
    uploaded = [r for r in requests if r.kind.startswith('upload') and r.status == 204]
    deactivated = count(requests, {'deactivate'}, 204) > 0
    assert (row['status'], row['deleted']) == ('deactivated' if deactivated else 'active', 0), row
    assert live['image_locations'] == 1
    assert live['image_members'] == count(requests, {'member'}, 200)
    check_bytes(server, image_id, uploaded[0].data if uploaded else FIRST_BYTES, row)
    check_patched(server, image_id, requests)
    return [server.object_of(image_id)]


def check_bytes(server, image_id, data, row):
    served = server.client('admin').download(image_id)
    assert served.status == 200, served
    assert served.body == data, 'not the bytes of the upload that was told it succeeded'
    assert row['size'] == len(data)
    assert row['checksum'] == served.header('Content-MD5') == hashlib.md5(data).hexdigest()
    assert (row['os_hash_algo'], row['os_hash_value']) == ('sha512', hashlib.sha512(data).hexdigest())


def check_patched(server, image_id, requests):
    """Every change of every client is there: none restored what another one changed."""
    patched = [r for r in requests if r.kind == 'patch']
    image = server.client().show(image_id)
    assert image['tags'] == ['kept']
    assert {k: v for k, v in image.items() if k.startswith('property_')} == {'property_%d' % r.n: str(r.n) for r in patched}
    if patched:
        assert image['name'] in ['name %d' % r.n for r in patched]


def leftovers(server, objects):
    """What lies around that no image needs; it may take the cleaner a moment."""
    return {'leases': server.sql('select * from glint_leases'), 'trash': server.sql('select * from glint_trash'),
            'files': sorted(set(server.stored()) ^ {path[len(server.images) + 1:] for path in objects})}


def check_all(server, image_id, requests, kinds):
    told = '%s: %s' % ('+'.join(sorted(kinds)), collections.Counter((r.kind, r.status) for r in requests))
    for r in requests:
        assert r.problem is None, (r.kind, r.problem, told)
        assert r.status in allowed(r.kind, kinds), (r.kind, r.answer, told)
    check_winners(requests, kinds)
    objects = check_image(server, image_id, requests, kinds)
    empty = {'leases': [], 'trash': [], 'files': []}
    eventually(lambda: leftovers(server, objects) == empty)
    assert leftovers(server, objects) == empty, told


@pytest.mark.parametrize('forced', [False, True], ids=['free', 'forced'])
@pytest.mark.parametrize('pair', PAIRS, ids='+'.join)
def test_64_clients_on_one_image(arena, pair, forced):
    kinds, member = set(pair), arena.client()
    fields = {'tags': ['kept'], 'visibility': 'shared'}
    if kinds & {'upload', 'upload-chunked'}:
        image_id = member.create(**fields)['id']
    else:
        image_id = member.active(FIRST_BYTES, **fields)
    requests = [Request(pair[n % 2], n // 2 if pair[0] != pair[1] else n, image_id, member) for n in range(CLIENTS)]
    try:
        run(requests, arena.database if forced else None)
        check_all(arena, image_id, requests, kinds)
    finally:
        member.delete('/v2/images/' + image_id)


@pytest.mark.parametrize('forced', [False, True], ids=['free', 'forced'])
@pytest.mark.parametrize('kind', [k for k in KINDS if k != 'upload-chunked'])
def test_63_clients_at_the_end_of_an_upload(arena, kind, forced):
    """The last bytes of an upload come at the same time as 63 other requests. Forced, they come first: the upload looks
    whether it may go on, the others have their turn, and only then it wants to make the image active."""
    member = arena.client()
    image_id = member.create(tags=['kept'])['id']
    upload = Request('upload', CLIENTS, image_id, member)
    others = [Request(kind, n, image_id, member) for n in range(CLIENTS - 1)]
    if kind == 'member':
        others[-1:] = []    # they come in twos
    try:
        upload.socket.sendall(upload.bytes[:-10])
        upload.bytes = upload.bytes[-10:]
        assert eventually(lambda: member.show(image_id)['status'] == 'saving')
        if forced:
            run_in_order([upload], others, arena.database)
        else:
            run([upload, *others], None)
        check_all(arena, image_id, [upload, *others], {'upload', kind})
    finally:
        member.delete('/v2/images/' + image_id)
