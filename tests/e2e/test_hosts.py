# SPDX-License-Identifier: Apache-2.0
"""Two hosts of one service: one database and one store, a staging directory for each."""
import contextlib
import datetime
import hashlib
import os
import time

import pytest

import hosts
import origin
from glint import SANITIZED, SLOW, eventually
from hosts import Host, Network, in_thread, inside

pytestmark = pytest.mark.skipif(not hosts.possible(), reason='network namespaces cannot be made here')
DATA = bytes(range(256)) * 4096
OCTETS = {'Content-Type': 'application/octet-stream'}


class World:
    """Hosts a and b, a web server at the switch, and what they share."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.network = Network()
        self.hosts = []
        with inside(self.network.name):
            self.web = origin.start(host='198.18.0.1')

    def host(self, name, config=None):
        directory = os.path.join(self.directory, name)
        os.makedirs(directory, exist_ok=True)
        host = Host(self.network, name, 11 + len(self.hosts), self.directory, directory, config)
        self.hosts.append(host)
        return host

    def pair(self, config=None):
        return self.host('a', config), self.host('b', config)

    def close(self):
        problems = [problem for problem in (host.finish() for host in self.hosts) if problem]
        self.web.shutdown()
        self.network.close()
        assert not problems, '\n'.join(problems)


@pytest.fixture
def world(tmp_path):
    w = World(tmp_path)
    try:
        yield w
    finally:
        w.close()


def staged(host, data=DATA):
    image_id = host.client().create()['id']
    answer = host.client().put('/v2/images/%s/stage' % image_id, data, headers=OCTETS)
    assert answer.status == 204, answer
    return image_id


def bring(host, image_id, method='glance-direct', **of):
    return host.client().post('/v2/images/%s/import' % image_id, json={'method': {'name': method, **of}})


def status(host, image_id):
    return host.client().show(image_id)['status']


def becomes_active(host, image_id, data=DATA, seconds=30):
    def done():
        image = host.client().show(image_id)
        return image if image['status'] == 'active' and 'os_glance_import_task' not in image else None
    image = eventually(done, seconds)
    assert image, (host.client().show(image_id), host.log()[-3000:])
    assert image['checksum'] == hashlib.md5(data).hexdigest()
    assert host.client().download(image_id).body == data


def at_rest(host):
    """Nothing is under way, and nothing is left of what was."""
    def quiet():
        return [host.sql(text) for text in (
            "SELECT id, state, holder FROM glint_jobs WHERE state IN ('waiting', 'running')", 'SELECT * FROM glint_leases', 'SELECT * FROM glint_trash',
            'SELECT * FROM glint_staged', "SELECT image_id FROM image_properties WHERE name IN ('os_glance_import_task', 'os_glance_stage_host') AND NOT deleted")]
    assert eventually(lambda: not any(quiet()), 20), quiet()


def clears_up(host):
    """It has files that nobody needs any more, and takes them away when they are old."""
    assert host.has() != []
    for name in host.has():
        os.utime(os.path.join(host.staging, name), (0, 0))
    assert eventually(lambda: host.has() == [], 20), host.has()


@contextlib.contextmanager
def writing(host):
    """Nobody else writes to the database."""
    with host.db.locked():
        yield


def holder(host, image_id):
    """The name of the host that works on the image's job; '' when none does."""
    rows = host.sql("SELECT holder FROM glint_jobs WHERE image_id = ? AND state = 'running'", image_id)
    return rows[0][0].split('/')[0] if rows else ''


# ---------------------------------------------------------------- passing on

@pytest.mark.parametrize('there, here', [('a', 'b'), ('b', 'a')])
def test_the_other_host_imports_what_it_has_staged(world, there, here):
    pair = dict(zip('ab', world.pair()))
    there, here = pair[there], pair[here]
    image_id = staged(there)
    assert there.has() == [image_id] and here.has() == []
    answer = bring(here, image_id)
    assert (answer.status, answer.body) == (202, b'')
    assert 'request_id=%s ' % answer.header('x-openstack-request-id') in there.log()
    becomes_active(here, image_id)
    at_rest(here)
    assert there.has() == here.has() == []
    assert here.sql('SELECT owner, user_id, status FROM tasks WHERE image_id = ?', image_id) == [('project-1', 'user-1', 'success')]
    assert here.metrics()['glint_requests_passed_on_total{method="POST",result="done"}'] == 1
    assert status(there, image_id) == 'active' and there.client().download(image_id).body == DATA


def test_the_other_host_decides(world):
    a, b = world.pair()
    image_id = staged(a)
    assert b.client('other').post('/v2/images/%s/import' % image_id, json={'method': {'name': 'glance-direct'}}).status == 404
    assert b.client('reader').post('/v2/images/%s/import' % image_id, json={'method': {'name': 'glance-direct'}}).status == 403
    a.added['DEFAULT'] = {**a.added.get('DEFAULT', {}), 'enabled_import_methods': '[web-download]'}
    a.configure()
    assert a.stop() == 0
    a.start()
    answer = bring(b, image_id)
    assert answer.status == 400 and "Unknown import method name 'glance-direct'." in answer.text
    assert status(b, image_id) == 'uploading' and a.has() == [image_id]


@pytest.mark.parametrize('imported', [False, True])
def test_the_other_host_deletes_what_it_has_staged(world, imported):
    a, b = world.pair()
    image_id = staged(a)
    if imported:
        assert bring(a, image_id).status == 202
        becomes_active(b, image_id)
    answer = b.client().delete('/v2/images/' + image_id)
    assert answer.status == 204
    assert eventually(lambda: a.has() == [])
    at_rest(b)
    passed_on = b.metrics().get('glint_requests_passed_on_total{method="DELETE",result="done"}', 0)
    assert passed_on == (0 if imported else 1)


def test_a_version_goes_along(world):
    a, b = world.pair()
    image_id = staged(a)
    tag = b.client().get('/v2/images/' + image_id).header('ETag')
    assert a.client().patch(image_id, [{'op': 'add', 'path': '/x', 'value': 'y'}]).status == 200
    assert b.client().delete('/v2/images/' + image_id, headers={'If-Match': tag}).status == 412
    tag = b.client().get('/v2/images/' + image_id).header('ETag')
    assert b.client().delete('/v2/images/' + image_id, headers={'If-Match': tag}).status == 204


# ---------------------------------------------------------------- somebody is away

def test_nobody_imports_for_a_host_that_is_down(world):
    a, b = world.pair()
    image_id = staged(a)
    a.kill()
    answer = bring(b, image_id)
    assert answer.status == 504 and 'Stage host is unavailable' in answer.text
    assert status(b, image_id) == 'uploading' and b.sql('SELECT COUNT(*) FROM glint_jobs') == [(0,)]
    a.start()
    assert bring(b, image_id).status == 202
    becomes_active(b, image_id)
    at_rest(b)


def test_a_deletion_does_not_wait_for_a_host_that_is_down(world):
    a, b = world.pair()
    image_id = staged(a)
    a.kill()
    assert b.client().delete('/v2/images/' + image_id).status == 204
    assert b.client().get('/v2/images/' + image_id).status == 404
    at_rest(b)
    a.start()
    clears_up(a)


def test_a_host_that_is_cut_off(world):
    a, b = world.pair()
    image_id = staged(a)
    world.network.pull('a')
    start = time.monotonic()
    answer = bring(b, image_id)
    assert answer.status == 504 and time.monotonic() - start < 30 * SLOW
    assert status(b, image_id) == 'uploading'
    world.network.plug('a')
    assert bring(b, image_id).status == 202
    becomes_active(b, image_id)
    at_rest(b)


def test_a_cut_in_the_middle_of_an_import_that_heals(world):
    a, b = world.pair()
    image_id = staged(a)
    with writing(a):                                # a has the request and cannot answer it yet
        asked = in_thread(lambda: bring(b, image_id))
        time.sleep(1)
        world.network.pull('a')
    becomes_active(a, image_id)                     # what it says of that gets lost
    time.sleep(2)
    world.network.plug('a')
    assert asked.join().status == 202
    assert bring(b, image_id).status == 409
    at_rest(b)


def test_a_host_that_goes_down_in_the_middle_of_an_import(world):
    a, b = world.pair()
    image_id = staged(a)
    with writing(a):
        asked = in_thread(lambda: bring(b, image_id))
        time.sleep(1)
        a.kill()
    assert asked.join().status == 504
    assert status(b, image_id) == 'uploading'
    a.start()
    assert bring(b, image_id).status == 202
    becomes_active(b, image_id)
    at_rest(b)


def test_two_hosts_that_name_each_other(world):
    """By a mistake in their configurations nobody is who the image says."""
    a, b = world.pair()
    image_id = staged(a)
    for host, name in ((a, 'http://198.18.0.12:9292/x'), (b, 'http://198.18.0.11:9292/x')):
        host.added['DEFAULT'] = {'worker_self_reference_url': name}
        host.configure()
        assert host.stop() == 0
        host.start()
    answer = bring(b, image_id)
    assert answer.status == 502 and 'Stage host is unavailable' in answer.text
    assert a.log().count('POST /v2/images/%s/import' % image_id) + a.log().count('path=/v2/images/%s/import' % image_id) <= 2
    assert 'which is another one by its worker_self_reference_url' in a.log()
    assert b.client().delete('/v2/images/' + image_id).status == 204


# ---------------------------------------------------------------- jobs

def test_a_job_waits_for_the_host_that_has_its_data(world):
    a, b = world.host('a', {'glint': {'supervise_worker': 'false'}}), world.host('b')
    image_id = staged(a)
    assert bring(b, image_id).status == 202
    time.sleep(3)
    assert b.sql('SELECT state FROM glint_jobs') == [('waiting',)] and status(b, image_id) == 'uploading'
    a.added['glint'] = {'supervise_worker': 'true'}
    a.configure()
    assert a.stop() == 0
    a.start()
    becomes_active(b, image_id)
    at_rest(b)
    assert a.has() == b.has() == []


def test_the_job_of_a_deleted_image_waits_for_nobody(world):
    a, b = world.host('a', {'glint': {'supervise_worker': 'false'}}), world.host('b')
    image_id = staged(a)
    assert bring(a, image_id).status == 202
    a.kill()
    assert b.client().delete('/v2/images/' + image_id).status == 204
    at_rest(b)
    assert b.sql('SELECT state FROM glint_jobs') == [('failed',)]


def test_a_download_goes_on_elsewhere(world):
    a, b = world.pair()
    image_id = a.client().create()['id']
    data = origin.content(3000000)
    assert bring(a, image_id, 'web-download', uri=world.web.url + '/gate/goes-on/3000000').status == 202
    assert eventually(lambda: holder(a, image_id)) and eventually(lambda: origin.Handler.counts['goes-on'] == 1)
    at_work, other = (a, b) if holder(a, image_id) == 'host-a' else (b, a)
    assert eventually(lambda: at_work.has() != [])
    at_work.kill()
    origin.Handler.gates['goes-on'].set()
    time.sleep(1)
    assert status(other, image_id) == 'importing'   # who says that it is dead, and not only silent?
    other.sql('UPDATE glint_jobs SET expires_at = 0')
    becomes_active(other, image_id, data)
    at_rest(other)
    assert other.has() == []
    at_work.start()
    clears_up(at_work)


def test_a_download_outlives_a_cut(world):
    a, b = world.host('a'), world.host('b', {'glint': {'supervise_worker': 'false'}})
    image_id = b.client().create()['id']
    assert bring(b, image_id, 'web-download', uri=world.web.url + '/gate/cut/3000000').status == 202
    assert eventually(lambda: a.has() != [])
    world.network.pull('a')
    origin.Handler.gates['cut'].set()
    time.sleep(3)
    assert status(b, image_id) == 'importing'
    world.network.plug('a')
    becomes_active(b, image_id, origin.content(3000000))
    assert b.sql('SELECT attempt FROM glint_jobs') == [(0,)]
    at_rest(b)
    assert a.has() == []


def copying(world, name, of_b=None, before=None):
    """Two hosts with several stores, and an image at a web server that is being copied to one; once before() has run."""
    several = {'DEFAULT': {'enabled_backends': 'fast:file,slow:file,web:http', 'show_multiple_locations': 'true'},
               'glance_store': {'default_backend': 'fast', 'stores': None, 'default_store': None, 'filesystem_store_datadir': None},
               'fast': {'filesystem_store_datadir': world.directory + '/fast'}, 'slow': {'filesystem_store_datadir': world.directory + '/slow'}}
    a, b = (world.host(host, {**several, 'os_glance_staging_store': {'filesystem_store_datadir': '%s/%s/staging' % (world.directory, host)}, **more})
            for host, more in (('a', {}), ('b', of_b or {})))
    if before:
        before()
    image_id = a.client().create()['id']
    answer = a.client().patch(image_id, [{'op': 'add', 'path': '/locations/-', 'value': {'url': '%s/gate/%s/3000000' % (world.web.url, name), 'metadata': {}}}])
    assert answer.status == 200, answer
    answer = a.client('admin').post('/v2/images/%s/import' % image_id, json={'method': {'name': 'copy-image'}, 'stores': ['slow']})
    assert answer.status == 202, answer
    assert eventually(lambda: a.has() + b.has() != [])
    return a, b, image_id


def becomes_copied(world, host, image_id):
    def copied():
        image = host.client().show(image_id)
        return image['stores'] == 'web,slow' and 'os_glance_import_task' not in image
    assert eventually(copied, 20), (host.client().show(image_id), host.log()[-3000:])
    at_rest(host)
    assert host.has() == []
    with open('%s/slow/%s' % (world.directory, image_id), 'rb') as f:
        assert f.read() == origin.content(3000000)


def test_a_copy_goes_on_elsewhere(world):
    a, b, image_id = copying(world, 'copied')
    at_work, other = (a, b) if holder(a, image_id) == 'host-a' else (b, a)
    assert at_work.has() != [] and other.has() == []
    at_work.kill()
    origin.Handler.gates['copied'].set()
    time.sleep(1)
    assert holder(other, image_id) == 'host-' + at_work.name    # who says that it is dead, and not only silent?
    other.sql('UPDATE glint_jobs SET expires_at = 0')
    becomes_copied(world, other, image_id)


def test_what_was_fetched_elsewhere_is_fetched_again(world):
    """As the host leaves it that goes down between the end of fetching and the store."""
    a, b, image_id = copying(world, 'again', {'glint': {'supervise_worker': 'false'}})
    a.kill()
    origin.Handler.gates['again'].set()
    b.sql("UPDATE glint_jobs SET expires_at = 0, step = 'fetched' WHERE state = 'running'")
    b.sql("INSERT INTO glint_staged (image_id, host, mark, size, checksum, os_hash_algo, os_hash_value, verdict) VALUES (?, ?, '1:2:3000000:4', 3000000, 'x', 'sha512', 'x', '{}')",
          image_id, a.url)
    asked = origin.Handler.counts['again']
    b.added['glint'] = {'supervise_worker': 'true'}
    b.configure()
    assert b.stop() == 0
    b.start()
    becomes_copied(world, b, image_id)
    assert origin.Handler.counts['again'] == asked + 1


def test_a_job_that_waits_in_vain_can_be_ended(world):
    a, b = world.host('a', {'glint': {'supervise_worker': 'false'}}), world.host('b')
    image_id = staged(a)
    assert bring(a, image_id).status == 202
    a.kill()
    job, = b.sql('SELECT id FROM glint_jobs')[0]
    b.tool('jobs', 'cancel', '--force', job)
    assert eventually(lambda: 'os_glance_import_task' not in b.client().show(image_id))
    image = b.client().show(image_id)
    assert (image['status'], image['size']) == ('uploading', len(DATA))
    a.start()
    assert bring(b, image_id).status == 202         # it still knows who has the data
    assert b.sql("SELECT COUNT(*) FROM glint_job_notes WHERE name = 'place' AND value = ?", a.url) == [(1,)]
    a.added['glint'] = {'supervise_worker': 'true'}
    a.configure()
    assert a.stop() == 0
    a.start()
    becomes_active(b, image_id)
    at_rest(b)


def test_a_shared_staging_store_makes_them_one(world):
    shared = {'glint': {'staging_shared': 'true'}, 'DEFAULT': {'node_staging_uri': 'file://%s/staging' % world.directory}}
    os.makedirs(os.path.join(world.directory, 'staging'))
    a = world.host('a', {**shared, 'glint': {'staging_shared': 'true', 'supervise_worker': 'false'}})
    b = world.host('b', shared)
    image_id = staged(a)
    assert a.sql("SELECT COUNT(*) FROM image_properties WHERE name = 'os_glance_stage_host'") == [(0,)]
    a.kill()
    assert bring(b, image_id).status == 202
    becomes_active(b, image_id)
    at_rest(b)
    assert 'glint_requests_passed_on_total{method="POST",result="done"}' not in b.metrics()
    a.start()
    image_id = staged(b)
    assert a.client().delete('/v2/images/' + image_id).status == 204
    at_rest(b)
    assert [name for name in os.listdir(os.path.join(world.directory, 'staging')) if not name.startswith('.')] == []


# ---------------------------------------------------------------- clocks

needs_faketime = pytest.mark.skipif(SANITIZED or not os.path.exists(hosts.FAKETIME), reason='needs libfaketime, and no sanitizer')


def jumps(host, by):
    with open(host.clock + '.new', 'w') as f:
        f.write(by + '\n')
    os.replace(host.clock + '.new', host.clock)
    if host.alive():
        shown = datetime.datetime.strptime(host.client().create()['created_at'], '%Y-%m-%dT%H:%M:%SZ')
        assert abs(shown - datetime.datetime.utcnow()) > datetime.timedelta(hours=1)


def with_clocks(*hosts_):
    for host in hosts_:
        host.stop()
        host.clock = os.path.join(host.directory, 'clock')
        jumps(host, '+0')
        host.start()


@needs_faketime
def test_clocks_that_jump_take_no_job_away(world):
    """Both in the middle of a copy, away from each other."""
    a, b, image_id = copying(world, 'jumped', before=lambda: with_clocks(*world.hosts))
    at_work = holder(a, image_id)
    jumps(a, '+2h')
    jumps(b, '-2h')
    time.sleep(12)                                  # longer than it takes to renew a lease
    assert holder(a, image_id) == at_work
    origin.Handler.gates['jumped'].set()
    becomes_copied(world, a, image_id)
    assert origin.Handler.counts['jumped'] == 1     # by one of them, once
    assert a.sql("SELECT attempt, state FROM glint_jobs WHERE image_id = ?", image_id) == [(0, 'done')]
    assert b.has() == []


@needs_faketime
@pytest.mark.parametrize('by', ['+2h', '-2h'])
def test_a_clock_that_jumps_takes_no_upload_away(world, by):
    a, b = world.pair()
    with_clocks(a, b)
    image_id = a.client().create()['id']
    s = a.client().half_upload(image_id, 1000, 500)
    assert eventually(lambda: status(b, image_id) == 'saving')
    jumps(b, by)
    time.sleep(5)                                   # several rounds of cleaning up
    assert status(b, image_id) == 'saving'
    jumps(a, by)
    time.sleep(2)
    s.sendall(bytes(500))
    assert b'204 No Content' in s.recv(65536)
    s.close()
    assert b.client().download(image_id).body == bytes(1000)
    at_rest(a)
