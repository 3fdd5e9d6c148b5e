# SPDX-License-Identifier: Apache-2.0
"""A staging directory that goes away while an import needs it: the import waits, and goes on when it is back."""
import contextlib
import gzip
import os
import random
import signal
import subprocess
import time

import pytest

import origin
from glint import GLINT, Process, eventually
from test_import import bring, settled, staged
from test_import_plugins import QEMU, needs_qemu
from test_locations import LOCATED

SIZE = 3_000_000
DATA = origin.content(SIZE)
WAITING = ('processing', 'Waiting for the staging directory, which is not available')


def points():
    """Of the program, if it was built with them (base/point.h)."""
    done = subprocess.run(['objcopy', '-O', 'binary', '--only-section=glint_points', GLINT, '/dev/stdout'], capture_output=True)
    return {name.decode() for name in done.stdout.split(b'\0') if name}


POINTS = points()
needs_points = pytest.mark.skipif(not POINTS, reason='the program has no points')


def configuration(*names):
    return {**LOCATED, 'glint': {'reap_interval': 1, 'qemu_img': QEMU or 'qemu-img'},
            'image_import_opts': {'image_import_plugins': '[%s]' % ','.join(names)},
            'image_conversion': {'output_format': 'raw'}}


class Away:
    """A server's staging directory, under another name for a while."""

    def __init__(self, server):
        self.server, self.aside = server, server.staging + '.aside'

    def go(self):
        os.rename(self.server.staging, self.aside)

    def come_back(self):
        assert not os.path.exists(self.server.staging)
        os.rename(self.aside, self.server.staging)


@pytest.fixture
def away(glint_server):
    def make(*plugins, env=None):
        server = glint_server(trusted=True, config=configuration(*plugins), env=env)
        # A worker that starts without the directory before anybody has seen it makes one.
        assert eventually(lambda: (server.staging,) in server.sql('SELECT dir FROM glint_datadirs') and
                          server.sql('SELECT count(*) FROM glint_workers') != [(0,)])
        return Away(server)
    return make


def task_of(client, image):
    task = client.get('/v2/images/%s/tasks' % image).json['tasks'][-1]
    return task['status'], task['message']


def waits(client, image):
    return eventually(lambda: task_of(client, image) == WAITING, 20)


def whole(server, image, data):
    """The import ends as if nothing had been."""
    client = server.client()
    shown = settled(client, image, 60)
    assert (shown['status'], shown['os_glance_failed_import'], shown['size']) == ('active', '', len(data)), (shown, task_of(client, image))
    assert client.download(image).body == data
    assert task_of(client, image)[0] == 'success'
    assert server.stored() == [image]
    if os.listdir(server.staging):  # the import ended while the directory was away
        server.tool('doctor', '--repair', '--age', '0', check=False)
    assert os.listdir(server.staging) == []
    assert server.sql('SELECT count(*) FROM glint_staged') == [(0,)]
    return True


def fetch(client, url, **fields):
    image = client.create(**fields)['id']
    assert bring(client, image, 'web-download', {'uri': url}).status == 202
    return image


def test_staged_data_are_waited_for(away):
    there = away('no_op')
    member = there.server.client()
    image = staged(member, DATA)
    there.go()
    assert bring(member, image).status == 202
    waits(member, image)
    shown = member.show(image)
    assert (shown['status'], shown['os_glance_failed_import']) == ('importing', ''), shown
    there.come_back()
    whole(there.server, image, DATA)


def test_deletion_does_not_wait(away):
    there = away('no_op')
    member = there.server.client()
    image = staged(member, DATA)
    there.go()
    assert bring(member, image).status == 202
    waits(member, image)
    assert member.delete('/v2/images/' + image).status == 204
    assert eventually(lambda: there.server.sql("SELECT count(*) FROM glint_jobs WHERE state IN ('waiting', 'running')") == [(0,)], 20)
    there.come_back()


def test_nothing_is_fetched_meanwhile(away, web):
    there = away('no_op')
    member = there.server.client()
    there.go()
    image = fetch(member, web.url + '/name/staging-away/%d' % SIZE)
    waits(member, image)
    assert origin.Handler.counts['staging-away'] == 0
    assert not os.path.exists(there.server.staging)
    there.come_back()
    whole(there.server, image, DATA)


def test_it_goes_away_while_data_come(away, web):
    there = away('no_op')
    member = there.server.client()
    image = fetch(member, web.url + '/gate/staging-goes/%d' % SIZE)
    assert eventually(lambda: os.path.exists(os.path.join(there.server.staging, image + '.part')), 20)
    there.go()
    origin.Handler.gates['staging-goes'].set()
    waits(member, image)
    there.come_back()
    whole(there.server, image, DATA)


def test_a_task_waits_and_makes_no_other_directory(away, web):
    there = away()
    admin = there.server.client('admin')
    there.go()
    answer = admin.post('/v2/tasks', {'type': 'import', 'input': {
        'import_from': web.url + '/ok/%d' % SIZE, 'import_from_format': 'raw', 'image_properties': {'container_format': 'bare', 'disk_format': 'raw'}}})
    assert answer.status == 201, answer
    assert eventually(lambda: there.server.sql('SELECT count(*) FROM glint_jobs WHERE attempt > 1') == [(1,)], 20)
    assert not os.path.exists(there.server.staging)
    there.come_back()
    assert eventually(lambda: admin.get('/v2/tasks/' + answer.json['id']).json['status'] == 'success', 60)
    assert admin.download(admin.get('/v2/tasks/' + answer.json['id']).json['result']['image_id']).body == DATA


def test_what_fails_by_itself_does_not_wait(away):
    """The directory is there, and the staged file is not."""
    there = away('no_op')
    member = there.server.client()
    image = staged(member, DATA)
    os.unlink(os.path.join(there.server.staging, image))
    assert bring(member, image).status == 202
    assert settled(member, image)['status'] == 'queued'
    assert task_of(member, image)[0] == 'failure'


# ---------------------------------------------------------------- at each point

def sleeper(server):
    for pid in Process(server.process.pid).tree():
        with contextlib.suppress(OSError):
            with open('/proc/%d/stat' % pid) as f:
                if f.read().rsplit(')', 1)[1].split()[0] == 'T':
                    return pid
    return None


def compressed_qcow2(tmp_path):
    raw, made = tmp_path / 'raw', tmp_path / 'qcow2'
    raw.write_bytes(DATA + bytes(-len(DATA) % 512))
    subprocess.run([QEMU, 'convert', '-f', 'raw', '-O', 'qcow2', raw, made], check=True, capture_output=True)
    return gzip.compress(made.read_bytes()), raw.read_bytes()


DIRECT = [('import.step', n) for n in range(1, 6)] + [(name, n) for n in (1, 2) for name in ('staging.begun', 'staging.write', 'staging.synced', 'staging.known', 'staging.placed')
          if (name, n) != ('staging.write', 2)] + [(name, 1) for name in ('unpack.made', 'convert.made', 'convert.told', 'import.noted', 'import.stored', 'import.owned')]


@needs_points
@needs_qemu
@pytest.mark.parametrize('point,count', DIRECT)
def test_every_step_of_staged_data(away, tmp_path, point, count):
    control = tmp_path / 'control'
    control.write_text('')
    there = away('image_decompression', 'image_conversion', env={'GLINT_POINTS': str(control)})
    member = there.server.client()
    packed, raw = compressed_qcow2(tmp_path)
    image = staged(member, packed, disk_format='qcow2', container_format='bare')
    control.write_text('%s %d stop\n' % (point, count))
    assert bring(member, image).status == 202
    gone_and_back(there, control, member, image)
    whole(there.server, image, raw)
    shown = member.show(image)
    assert (shown['disk_format'], shown['virtual_size']) == ('raw', len(raw))


FETCHED = [('import.step', n) for n in (1, 2, 3, 4)] + [(name, 1) for name in (
    'fetch.answered', 'staging.begun', 'staging.write', 'staging.synced', 'staging.known', 'staging.placed', 'import.stored')]


@needs_points
@pytest.mark.parametrize('point,count', FETCHED)
def test_every_step_of_fetched_data(away, web, tmp_path, point, count):
    control = tmp_path / 'control'
    control.write_text('')
    there = away('no_op', env={'GLINT_POINTS': str(control)})
    member = there.server.client()
    control.write_text('%s %d stop\n' % (point, count))
    image = fetch(member, web.url + '/ok/%d' % SIZE)
    gone_and_back(there, control, member, image)
    whole(there.server, image, DATA)


def gone_and_back(there, control, member, image):
    """Of the directory, while the worker is stopped at its point; then until the import waits or needs it no more."""
    asleep = eventually(lambda: sleeper(there.server), 30)
    there.go()
    os.kill(asleep, signal.SIGCONT)
    assert eventually(lambda: task_of(member, image) == WAITING or task_of(member, image)[0] == 'success', 30)
    assert member.show(image)['status'] in ('uploading', 'queued', 'importing', 'active')
    there.come_back()


# ---------------------------------------------------------------- at any moment

@needs_qemu
def test_any_moment(away, tmp_path):
    there = away('image_decompression', 'image_conversion')
    member, draw = there.server.client(), random.Random(11)
    packed, raw = compressed_qcow2(tmp_path)
    for _ in range(12):
        image = staged(member, packed, disk_format='qcow2', container_format='bare')
        assert bring(member, image).status == 202
        time.sleep(draw.random() * 0.2)
        there.go()
        assert eventually(lambda: task_of(member, image) == WAITING or task_of(member, image)[0] == 'success', 30)
        there.come_back()
        whole(there.server, image, raw)
        assert member.delete('/v2/images/' + image).status == 204
        assert eventually(lambda: there.server.stored() == [])

