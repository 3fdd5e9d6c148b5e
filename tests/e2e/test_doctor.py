# SPDX-License-Identifier: Apache-2.0
"""glint doctor on a live service: each kind of damage is made by hand, found, repaired where that can be, and not found
again; and nothing of what the service is doing meanwhile is ever harmed."""
import json
import os
import threading
import time
import uuid

import pytest
from glint import SLOW, Server, digests, eventually, pattern
from test_import import bring, settled, stage, staged

OLD = '2026-01-01 00:00:00.000000'
DATA = pattern(100000)


def doctor(server, *words):
    done = server.tool('doctor', '--json', *words, check=False)
    assert done.returncode in (0, 1, 2), done
    report = json.loads(done.stdout)
    assert done.returncode == (2 if report['troubles'] else 1 if report['findings'] else 0), done
    assert report['findings_total'] == len(report['findings'])
    return report


def found(server, *words):
    report = doctor(server, *words)
    assert report['troubles'] == [], report
    return [(f['kind'], f['image'], f['repaired']) for f in report['findings']]


def heals(server, kind, image, *words):
    """Told of, repaired once, and gone."""
    assert found(server, *words) == [(kind, image, False)]
    assert found(server, '--repair', *words) == [(kind, image, True)]
    assert found(server, *words) == []


def aged(path, seconds=100000):
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def write(path, data=b'abc'):
    with open(path, 'wb') as f:
        f.write(data)
    return aged(path)


def quarantined(server):
    folder = os.path.join(server.images, '.glint', 'quarantine')
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


@pytest.fixture
def world(glint_server, tmp_path):
    """No cleaning up after the first round, which is over, so that damage stays."""
    os.mkdir(tmp_path / 'staging')
    last = write(str(tmp_path / 'staging' / str(uuid.uuid4())))
    server = glint_server(tmp_path, trusted=True, config={'glint': {'reap_interval': 3600}})
    assert last.startswith(server.staging) and eventually(lambda: not os.path.exists(last))
    return server


def make_old(server, image, **columns):
    for name, value in columns.items():
        server.sql('UPDATE images SET %s = ? WHERE id = ?' % name, value, image)
    server.sql('UPDATE images SET updated_at = ? WHERE id = ?', OLD, image)


def lock(server, image, task, status='processing'):
    server.sql("INSERT INTO image_properties (image_id, name, value, created_at, deleted) VALUES (?, ?, ?, ?, 0)",
               image, 'os_glance_import_task', task, OLD)
    server.sql("INSERT INTO tasks (id, type, status, owner, created_at, updated_at, deleted, image_id) VALUES "
               "(?, 'api_image_import', ?, 'project-1', ?, ?, 0, ?)", task, status, OLD, OLD, image)
    server.sql("INSERT INTO task_info (task_id, input) VALUES (?, '{}')", task)


def test_a_sound_service(world):
    member = world.client()
    ids = [member.active(DATA) for _ in range(3)] + [staged(member)]
    member.create()
    member.delete('/v2/images/' + ids.pop(0))
    report = doctor(world, '--age', '0', '--hash')
    assert report['findings'] == []
    assert (report['locations_checked'], report['objects_checked']) == (2, 2)
    assert found(world, '--repair', '--age', '0') == []
    done = world.tool('doctor')
    assert done.stdout == '0 findings, 0 repaired; 2 locations and 2 objects were looked at\n'


def test_orphans(world):
    member = world.client()
    kept, deleted, orphan = member.active(DATA), member.active(DATA), str(uuid.uuid4())
    member.delete('/v2/images/' + deleted)
    world.sql('UPDATE images SET deleted_at = ? WHERE id = ?', OLD, deleted)
    world.sql('UPDATE image_locations SET deleted_at = ? WHERE image_id = ?', OLD, deleted)
    for name in (orphan, deleted, 'README', str(uuid.uuid4()) + '.bak'):
        write(os.path.join(world.images, name), name.encode())
    aged(os.path.join(world.images, kept))
    before = found(world)
    assert sorted(before) == sorted(('orphan-object', image, False) for image in (orphan, deleted))
    assert quarantined(world) == []
    assert sorted(found(world, '--repair')) == sorted(('orphan-object', image, True) for image in (orphan, deleted))
    assert [name[:36] for name in quarantined(world)] == sorted((orphan, deleted))
    name = next(name for name in quarantined(world) if name.startswith(orphan))
    with open(os.path.join(world.images, '.glint', 'quarantine', name), 'rb') as f:
        assert f.read() == orphan.encode()
    assert found(world) == []
    assert member.download(kept).body == DATA
    assert {'README', kept} <= set(os.listdir(world.images))


def test_what_may_be_somebodys_is_no_orphan(world):
    member = world.client()
    saving, importing, locked, young = (member.create()['id'] for _ in range(4))
    for image, status in ((saving, 'saving'), (importing, 'importing')):
        world.sql('UPDATE images SET status = ? WHERE id = ?', status, image)    # a moment ago, by another Glance
    lock(world, locked, str(uuid.uuid4()))
    world.sql('UPDATE tasks SET updated_at = ? WHERE image_id = ?', time.strftime('%Y-%m-%d %H:%M:%S.000000', time.gmtime()), locked)
    for image in (saving, importing, locked):
        write(os.path.join(world.images, image))
    aged(write(os.path.join(world.images, young)), 60)
    trashed = str(uuid.uuid4())
    path = write(os.path.join(world.images, trashed))
    world.sql("INSERT INTO glint_trash (store, url, created_at, attempts) VALUES ('file', ?, '2036-01-01 00:00:00.000000', 1)",
              'file://' + path)
    noted = str(uuid.uuid4())
    path = write(os.path.join(world.images, noted))
    world.sql("INSERT INTO glint_jobs (id, kind, image_id, state, step, attempt, holder, expires_at, next_run_at, arguments, "
              "message, created_at, updated_at) VALUES ('j', 'later', 'i', 'waiting', '', 0, '', 0, ?, '{}', '', ?, ?)",
              int(time.time() + 3600) * 1000000, OLD, OLD)
    world.sql("INSERT INTO glint_job_notes (job_id, name, value) VALUES ('j', 'object:file', ?)", 'file://' + path)
    assert found(world, '--repair') == []
    assert quarantined(world) == []


def test_missing_changed_and_bare(world):
    member = world.client()
    sound, missing, short, changed, bare, foreign = (member.active(DATA) for _ in range(6))
    os.unlink(world.object_of(missing))
    with open(world.object_of(short), 'ab') as f:
        f.write(b'x')
    with open(world.object_of(changed), 'r+b') as f:
        f.write(b'x')
    world.sql('UPDATE image_locations SET deleted = 1 WHERE image_id = ?', bare)
    world.sql("UPDATE image_locations SET value = 'rbd://a/b/c/d' WHERE image_id = ?", foreign)
    wrong = [('missing-data', missing, False), ('no-location', bare, False), ('unknown-store', foreign, False),
             ('wrong-size', short, False)]
    assert sorted(found(world)) == wrong
    assert sorted(found(world, '--repair')) == wrong         # nothing that it could do
    started = time.monotonic()
    assert sorted(found(world, '--hash', '--store', 'file')) == [wrong[0], ('wrong-hash', changed, False), wrong[3]]
    assert time.monotonic() - started < 30 * SLOW
    assert member.download(sound).body == DATA


def test_stale_locks(world):
    member = world.client()
    dead, busy, task = member.active(DATA), member.active(DATA), str(uuid.uuid4())
    lock(world, dead, task)
    lock(world, busy, str(uuid.uuid4()))
    world.sql("UPDATE tasks SET updated_at = '2036-01-01 00:00:00.000000' WHERE image_id = ?", busy)
    heals(world, 'stale-lock', dead)
    assert 'os_glance_import_task' not in member.show(dead) and 'os_glance_import_task' in member.show(busy)
    assert world.sql('SELECT t.status, i.message FROM tasks t JOIN task_info i ON i.task_id = t.id WHERE t.id = ?', task) == [
        ('failure', 'Expired lock preempted')]


def test_dead_tasks_and_lost_notes(world):
    member = world.client()
    image, task = member.active(DATA), str(uuid.uuid4())
    lock(world, image, task)
    world.sql('UPDATE image_properties SET deleted = 1 WHERE image_id = ?', image)
    heals(world, 'dead-task', image)
    assert world.sql('SELECT status FROM tasks WHERE id = ?', task) == [('failure',)]
    world.sql("INSERT INTO glint_job_notes (job_id, name, value) VALUES ('gone', 'token', 'secret')")
    heals(world, 'lost-note', None)
    assert world.sql('SELECT * FROM glint_job_notes') == []


@pytest.mark.parametrize('status', ['saving', 'importing', 'uploading'])
def test_stuck_images(world, status):
    member = world.client()
    image = member.create()['id']
    world.sql('UPDATE images SET status = ? WHERE id = ?', status, image)
    assert found(world) == []        # somebody may be at it
    make_old(world, image)
    heals(world, 'stuck-' + status, image)
    assert member.show(image)['status'] == 'queued'
    assert member.upload(image, DATA).status == 204
    assert member.download(image).body == DATA


def test_an_upload_of_glances_that_died_can_be_repeated(world):
    """The image is saving, and half of its data stands where its data belongs."""
    member = world.client()
    image = member.create()['id']
    write(os.path.join(world.images, image), DATA[:100])
    make_old(world, image, status='saving')
    assert sorted(found(world, '--repair')) == [('orphan-object', image, True), ('stuck-saving', image, True)]
    assert member.upload(image, DATA).status == 204
    assert found(world) == []


def test_a_staged_image_that_was_left_importing_can_be_imported_again(world):
    member = world.client()
    image = staged(member, DATA)
    make_old(world, image, status='importing')
    heals(world, 'stuck-importing', image)
    assert member.show(image)['status'] == 'uploading'
    assert bring(member, image).status == 202
    assert settled(member, image)['checksum'] == digests(DATA)[0]


def test_an_image_with_data_is_not_taken_back(world):
    member = world.client()
    image = member.active(DATA)
    make_old(world, image, status='importing')
    assert found(world, '--repair') == [('stuck-importing', image, False)]
    assert member.show(image)['status'] == 'importing'


def test_staged_files(world):
    member = world.client()
    waits, active, unknown = staged(member, DATA), member.active(DATA), str(uuid.uuid4())
    aged(os.path.join(world.staging, waits))
    for name in (active, unknown + '.part', 'README', waits + '.uc'):
        write(os.path.join(world.staging, name))
    dead = [('dead-staged-file', image) for image in sorted((active, unknown, waits))]
    assert sorted(f[:2] for f in found(world)) == dead
    assert sorted(found(world, '--repair')) == [(*f, True) for f in dead]
    assert found(world) == []
    assert set(os.listdir(world.staging)) == {waits, 'README'}


def test_the_worker_removes_staged_files(glint_server):
    server = glint_server(trusted=True, config={'glint': {'reap_interval': 1}})
    waits, active = staged(server.client(), DATA), server.client().active(DATA)
    aged(os.path.join(server.staging, waits))
    write(os.path.join(server.staging, active))
    assert eventually(lambda: set(os.listdir(server.staging)) == {waits})
    assert found(server) == []


def test_what_rests(world):
    member = world.client()
    image = member.create()['id']
    world.sql("INSERT INTO glint_trash (store, url, created_at, attempts) VALUES ('file', 'file://%s/x', ?, 5)" % world.images, OLD)
    world.sql("INSERT INTO glint_leases (image_id, holder, store, url, expires_at) VALUES (?, 'far', 'file', 'u', 1)", image)
    world.sql("INSERT INTO glint_jobs (id, kind, image_id, state, step, attempt, holder, expires_at, next_run_at, arguments, "
              "message, created_at, updated_at) VALUES ('j', 'later', ?, 'waiting', '', 0, '', 0, 1, '{}', '', ?, ?)", image, OLD, OLD)
    assert sorted(f[0] for f in found(world)) == ['resting-job', 'resting-lease', 'resting-trash']


def test_a_store_that_is_away_is_trouble(world):
    member = world.client()
    image = member.active(DATA)
    os.rename(world.images, world.images + '.away')
    with open(world.images, 'w'):
        pass
    assert world.tool('doctor', check=False).returncode == 2
    os.unlink(world.images)
    os.rename(world.images + '.away', world.images)
    assert found(world) == []
    assert member.download(image).body == DATA


@pytest.mark.parametrize('words', [['--age', 'x'], ['--age', '-1'], ['--rate', '1.5'], ['--store', 'none'], ['now']])
def test_usage(world, words):
    done = world.tool('doctor', *words, check=False)
    assert (done.returncode, done.stdout) == (2, '') and done.stderr.startswith('glint: ')
    assert world.tool('jobs', 'list', '--repair', check=False).returncode == 2


# ---------------------------------------------------------------- beside what goes on

class Busy(threading.Thread):
    """Repeats one thing until it is told to stop; what failed is raised by join()."""

    def __init__(self, work, *args):
        super().__init__()
        self.work, self.args, self.over, self.rounds, self.wrong = work, args, False, 0, None
        self.start()

    def run(self):
        try:
            while not self.over:
                self.work(*self.args)
                self.rounds += 1
        except BaseException as problem:
            self.wrong = problem

    def end(self):
        self.over = True
        self.join()
        if self.wrong:
            raise self.wrong
        return self.rounds


def upload_and_delete(client):
    data = pattern(300000, int(time.time() * 1000) % 1000)
    image = client.create()['id']
    answer = client.upload(image, chunks=[data[:1000], data[1000:]])
    assert answer.status == 204, answer
    assert client.download(image).body == data
    assert client.delete('/v2/images/' + image).status == 204


def upload_in_pieces(client):
    image = client.create()['id']
    with client.half_upload(image, 200000, 100000) as s:
        assert eventually(lambda: client.show(image)['status'] == 'saving')
        time.sleep(0.2)
        assert client.show(image)['status'] == 'saving'
        s.sendall(bytes(100000))
        assert s.recv(100).split()[1] == b'204'
    assert len(client.download(image).body) == 200000


def import_and_keep(client, kept):
    data = pattern(400000, len(kept))
    image = client.create()['id']
    answer = stage(client, image, data)
    assert answer.status == 204, answer
    answer = bring(client, image)
    assert answer.status == 202, answer
    assert settled(client, image)['status'] == 'active'
    assert client.download(image).body == data
    kept.append((image, data))


def test_repairs_harm_nothing_that_goes_on(glint_server):
    server = glint_server(trusted=True, config={'glint': {'reap_interval': 1}})
    kept = []
    busy = [Busy(upload_and_delete, server.client()), Busy(upload_in_pieces, server.client()),
            Busy(import_and_keep, server.client(), kept)]
    end, runs, repaired = time.monotonic() + 12, 0, []
    try:
        while time.monotonic() < end:
            orphan = write(os.path.join(server.images, str(uuid.uuid4())))
            repaired += found(server, '--repair', '--age', '0')
            assert not os.path.exists(orphan)
            runs += 1
    finally:
        rounds = [b.end() for b in busy]
    assert min(rounds) > 2 and runs > 5, (rounds, runs)
    # what was found is what was put there, and a staged file of an import that ends just then
    assert {f[0] for f in repaired} <= {'orphan-object', 'dead-staged-file'}
    assert [f[0] for f in repaired].count('orphan-object') == runs == len(quarantined(server))
    for image, data in kept:
        assert server.client().download(image).body == data
    assert found(server, '--age', '0', '--hash') == []
