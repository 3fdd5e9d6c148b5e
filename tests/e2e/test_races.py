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
import os
import threading
import time

import pytest

import origin
from glint import PATCH_21, SLOW, Client, Server, eventually, pattern, read_answer

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
    with database.locked():
        yield
        time.sleep(LOCKED_SECONDS)


def run(requests, database):
    """All at once; with a database: while its write lock is held."""
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
        run(requests, arena.db if forced else None)
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
            run_in_order([upload], others, arena.db)
        else:
            run([upload, *others], None)
        check_all(arena, image_id, [upload, *others], {'upload', kind})
    finally:
        member.delete('/v2/images/' + image_id)


# ---------------------------------------------------------------- requests on data in several places

PLACE_CLIENTS = 16
ROOM = {'stage': 'queued', 'import': 'uploading', 'copy': 'active', 'drop': 'copied', 'link': 'queued', 'locate': 'queued'}
AGAINST = 'delete', 'upload', 'stage', 'import', 'patch'
PLACE_PAIRS = [(a, b) for a in ROOM for b in AGAINST]
MAY = {     # without a DELETE of the image; that adds 404, and 410 for data that were on their way
    'delete': {204, 404}, 'patch': {200}, 'upload': {204, 409}, 'stage': {204, 409}, 'import': {202, 409},
    'copy': {202, 400, 409},    # 400: the store has its copy already
    'drop': {204, 403, 404, 409},   # 403: the only copy; 404: no copy there (any more)
    'link': {200, 400, 409},
    'locate': {202, 409},
}


@pytest.fixture(scope='module')
def depot(tmp_path_factory):
    """A server with two stores for files and one for web servers, which cleans up often."""
    directory = str(tmp_path_factory.mktemp('depot'))
    s = Server(directory, trusted=True, config={
        'DEFAULT': {'enabled_backends': 'one:file,two:file,web:http', 'show_multiple_locations': 'true',
                    'image_location_quota': -1},
        'glance_store': {'default_backend': 'one', 'stores': None, 'default_store': None, 'filesystem_store_datadir': None},
        'os_glance_staging_store': {'filesystem_store_datadir': directory + '/staging'},
        'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]', 'disallowed_ports': '[22]'},
        'one': {'filesystem_store_datadir': directory + '/images/one'},
        'two': {'filesystem_store_datadir': directory + '/images/two'},
        'web': {},
        'glint': {'reap_interval': 1}})
    yield s
    problem = s.finish()
    assert not problem, problem


def place_request(server, web, kind, n, image_id):
    """The request of one client as Request has it."""
    client = server.client('admin' if kind in ('copy', 'drop') else 'member')
    if kind in KINDS:
        return Request(kind, n, image_id, client)
    image, copies = '/v2/images/' + image_id, {'method': {'name': 'copy-image'}, 'stores': ['two']}
    octets, data = 'application/octet-stream', pattern(1000 + 3001 * n, seed=n + 1)
    url = {'url': web.url + '/name/%s%d/1000' % (image_id, n), 'metadata': {'store': 'web'}}
    method, path, media, body = {
        'stage': ('PUT', image + '/stage', octets, data),
        'import': ('POST', image + '/import', 'application/json', {'method': {'name': 'glance-direct'}}),
        'copy': ('POST', image + '/import', 'application/json', copies),
        'drop': ('DELETE', '/v2/stores/two/' + image_id, None, b''),
        'link': ('PATCH', image, PATCH_21, [{'op': 'add', 'path': '/locations/-', 'value': url}]),
        'locate': ('POST', image + '/locations', 'application/json', {'url': url['url']}),
    }[kind]
    request = Request('delete', n, image_id, client)
    request.kind, request.data = kind, data
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {'Content-Length': str(len(body)), **({'Content-Type': media} if media else {})}
    request.bytes = client.head(method, path, headers) + body
    return request


def call_import(client, image_id, **body):
    answer = client.post('/v2/images/%s/import' % image_id, json=body)
    assert answer.status == 202, answer


def idle(server, image_id):
    """Whether no job of the image is left to be done."""
    return server.sql("select 1 from glint_jobs where image_id = ? and state in ('waiting', 'running')", image_id) == []


def place_image(server, room):
    """An image in the state that the race begins with."""
    member = server.client()
    image_id = member.create(tags=['kept'])['id']
    if room == 'uploading':
        answer = member.put('/v2/images/%s/stage' % image_id, FIRST_BYTES,
                            headers={'Content-Type': 'application/octet-stream'})
        assert answer.status == 204, answer
    elif room != 'queued':
        assert member.upload(image_id, FIRST_BYTES).status == 204
    if room == 'copied':
        call_import(server.client('admin'), image_id, method={'name': 'copy-image'}, stores=['two'])
        assert eventually(lambda: idle(server, image_id))
    return image_id


def place_leftovers(server, image_id, row, urls):
    """What lies around that the image does not need."""
    objects = {url[len('file://'):] for url in urls if url.startswith('file://')}
    uploading = row['status'] == 'uploading'
    return {'leases': server.sql('select * from glint_leases'), 'trash': server.sql('select * from glint_trash'),
            'staged': server.sql('select image_id from glint_staged') != ([(image_id,)] if uploading else []),
            'staging': sorted(set(os.listdir(server.staging)) ^ ({image_id} if uploading else set())),
            'files': sorted({os.path.join(server.images, f) for f in server.stored()} ^ objects)}


def place_row(server, image_id):
    columns = 'status', 'deleted', 'size', 'checksum', 'os_hash_algo', 'os_hash_value', 'name'
    row = dict(zip(columns, server.sql('select %s from images where id = ?' % ', '.join(columns), image_id)[0]))
    urls = [url for url, in server.sql('select value from image_locations where image_id = ? and not deleted', image_id)]
    return row, urls


def check_place_winners(requests, kinds):
    """What only one of them may be told."""
    for kind, status in ('upload', 204), ('stage', 204), ('import', 202), ('copy', 202), ('locate', 202), ('delete', 204):
        assert count(requests, {kind}, status) <= 1, kind
    first = count(requests, {'upload', 'stage'}, 204)
    assert first <= 1, 'a queued image got its first data more than once'
    if 'delete' in kinds:
        assert count(requests, {'delete'}, 204) == 1
    elif kinds & {'copy', 'drop'}:
        assert count(requests, {'copy'}, 202) + count(requests, {'drop'}, 204) == 1


def check_place_image(server, image_id, requests, kinds, room):
    row, urls = place_row(server, image_id)
    if 'delete' in kinds:
        assert (row['status'], row['deleted'], urls) == ('deleted', 1, []), (row, urls)
        assert server.client().get('/v2/images/' + image_id).status == 404
        return
    check_patched(server, image_id, requests)
    assert 'os_glance_import_task' not in server.client().show(image_id)
    linked = [r for r in requests if r.kind == 'link' and r.status == 200]
    given = [r.data for r in requests if r.kind in ('upload', 'stage') and r.status == 204]
    if linked or (count(requests, {'locate'}, 202) and not given):  # its job comes later than data that were put
        assert row['status'] == 'active', row
        assert len(urls) == max(1, len(linked) + len(given)), urls      # more of them may follow an upload
        return
    brought = room in ('active', 'copied') or count(requests, {'upload'}, 204) or count(requests, {'import'}, 202)
    assert row['status'] == ('active' if brought else 'uploading'), row
    if brought:
        assert len(urls) == (2 if count(requests, {'copy'}, 202) else 1), urls
        check_bytes(server, image_id, given[0] if given else FIRST_BYTES, row)


@pytest.mark.parametrize('forced', [False, True], ids=['free', 'forced'])
@pytest.mark.parametrize('pair', PLACE_PAIRS, ids='+'.join)
def test_stages_imports_copies_and_locations(depot, web, pair, forced):
    kinds, room, member = set(pair), ROOM[pair[0]], depot.client()
    image_id = place_image(depot, room)
    requests = [place_request(depot, web, pair[n % 2], n, image_id) for n in range(PLACE_CLIENTS)]
    try:
        run(requests, depot.db if forced else None)
        told = '%s: %s' % ('+'.join(pair), collections.Counter((r.kind, r.status) for r in requests))
        for r in requests:
            assert r.problem is None, (r.kind, r.problem, told)
            gone = {404} | ({410} if r.kind in ('upload', 'stage') else set()) if 'delete' in kinds else set()
            assert r.status in MAY[r.kind] | gone, (r.kind, r.answer, told)
        check_place_winners(requests, kinds)
        assert eventually(lambda: idle(depot, image_id)), told
        check_place_image(depot, image_id, requests, kinds, room)
        clean = {'leases': [], 'trash': [], 'staged': False, 'staging': [], 'files': []}
        eventually(lambda: place_leftovers(depot, image_id, *place_row(depot, image_id)) == clean)
        assert place_leftovers(depot, image_id, *place_row(depot, image_id)) == clean, told
    finally:
        member.delete('/v2/images/' + image_id)
        assert eventually(lambda: os.listdir(depot.staging) == [] and depot.stored() == [])


def beside_delete(server, rounds, begin, statuses):
    """begin(client, image, n) -> a call to be made while the image is deleted; its answers are among statuses."""
    seen, wrong = collections.Counter(), []

    def one(k):
        member = server.client()
        for n in range(rounds):
            call = begin(member, k * rounds + n)
            deleter = threading.Thread(target=lambda: (time.sleep((n % 5) * 0.001), member.delete('/v2/images/' + call.image)))
            deleter.start()
            answer = call()
            deleter.join()
            seen[answer.status] += 1
            if answer.status not in statuses:
                wrong.append(answer)
    threads = [threading.Thread(target=one, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, (seen, wrong[0])
    assert eventually(lambda: os.listdir(server.staging) == [] and server.stored() == [])


def calling(image_id, call):
    def it():
        return call()
    it.image = image_id
    return it


def test_stage_beside_delete(depot):
    def begin(member, n):
        image_id = member.create()['id']
        data = bytes((10, 200_000, 1_500_000)[n % 3])
        return calling(image_id, lambda: member.put('/v2/images/%s/stage' % image_id, data,
                                                    headers={'Content-Type': 'application/octet-stream'}))
    beside_delete(depot, 12, begin, {204, 404, 409, 410})


def test_download_beside_delete(depot):
    def begin(member, n):
        image_id = member.active(FIRST_BYTES)
        return calling(image_id, lambda: member.download(image_id))
    beside_delete(depot, 20, begin, {200, 404})


@pytest.mark.parametrize('how, status', [('delete', 404), ('deactivate', 403), ('move', 200), ('nothing', 204)])
def test_data_that_vanish_while_they_are_opened(depot, web, how, status):
    """The download has read the image when its data go; it answers for the image as it is then."""
    admin, member, name = depot.client('admin'), depot.client(), 'vanishing-' + how
    image_id = member.create()['id']
    first, second = ([{'op': 'add', 'path': '/locations/-', 'value': {'url': web.url + path, 'metadata': {'store': 'web'}}}]
                     for path in ('/vanish/%s/0/1000' % name, '/ok/1000'))
    answers = []
    assert member.patch(image_id, first).status == 200
    download = threading.Thread(target=lambda: answers.append(member.download(image_id)))
    download.start()
    assert eventually(lambda: int(origin.Handler.counts[name]) > 0)
    if how == 'delete':
        assert member.delete('/v2/images/' + image_id).status == 204
    elif how == 'deactivate':
        assert admin.post('/v2/images/%s/actions/deactivate' % image_id).status == 204
    elif how == 'move':
        assert admin.patch(image_id, [*second, {'op': 'remove', 'path': '/locations/0'}]).status == 200
    Client(web.server_address[0], web.server_port).get('/open/' + name)
    download.join()
    assert answers[0].status == status, answers
    assert answers[0].body == (origin.content(1000) if status == 200 else answers[0].body)
    member.delete('/v2/images/' + image_id)
