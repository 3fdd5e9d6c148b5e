# SPDX-License-Identifier: Apache-2.0
"""Jobs, by those that POST /locations makes: how soon they start, whose turn it is, who may end them, what glint jobs says."""
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import time
import urllib.request

import pytest

import origin
from glint import SANITIZED, SLOW, TOP, eventually
from test_locations import LOCATED, ask, settled

PROOF = {'os_hash_algo': 'md5', 'os_hash_value': hashlib.md5(origin.content(1000)).hexdigest()}
NOBODY = '00000000-0000-4000-8000-000000000000'


@pytest.fixture
def server(glint_server):
    """options: of [glint]."""
    def make(**options):
        return glint_server(trusted=True, config={**LOCATED, 'glint': options})
    return make


def listed(s, *more):
    return json.loads(s.tool('jobs', 'list', '--json', *more).stdout)


def shown(s, job_id):
    return json.loads(s.tool('jobs', 'show', job_id, '--json').stdout)


def opened(web, name):
    urllib.request.urlopen(web.url + '/open/' + name).read()


def started(client, url, **proof):
    """A new image with a job for this location."""
    image_id = client.create()['id']
    assert ask(client, image_id, url, **proof).status == 202
    return image_id


def launch(s, **env):
    """A worker that no server looks after."""
    with open(s.errors, 'ab') as log:
        return subprocess.Popen([s.program, 'worker', '--config-file', s.conf], env={**s.environment(), **env}, stdout=log, stderr=log)


@contextlib.contextmanager
def worker(s, **env):
    process = launch(s, **env)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


# ---------------------------------------------------------------- how soon

@pytest.mark.skipif(SANITIZED, reason='measures time')
def test_work_begins_at_once(server, web):
    s = server()
    member = s.client()
    seconds = []
    for n in range(9):
        image_id = member.create()['id']
        assert ask(member, image_id, web.url + '/name/soon%d/100' % n).status == 202
        begin = time.monotonic()
        assert eventually(lambda: member.show(image_id)['status'] == 'active', every=0.005)
        seconds.append(time.monotonic() - begin)
    assert min(seconds) < 0.25 * SLOW, seconds


@pytest.mark.skipif(SANITIZED, reason='measures time')
def test_a_waiting_worker_costs_nothing(server):
    s = server(supervise_worker='false')
    with worker(s) as process:
        def ticks():
            with open('/proc/%d/stat' % process.pid) as f:
                return sum(int(n) for n in f.read().rsplit(')', 1)[1].split()[11:13])
        time.sleep(1)
        before = ticks()
        time.sleep(5)
        assert ticks() - before <= 5 * 100 * 0.02, 'of a core'


# ---------------------------------------------------------------- whose turn

def test_a_crowd_of_one_project_does_not_keep_another_waiting(server, web):
    s = server(jobs_at_once=1, jobs_slow_max=0)
    one, two = s.client(), s.client('other')
    crowd = [started(one, web.url + '/gate/crowd%d/1000' % n, **PROOF) for n in range(4)]
    other = started(two, web.url + '/ok/1000', **PROOF)
    assert eventually(lambda: one.show(crowd[0])['status'] == 'importing')
    time.sleep(0.3)
    assert sorted(job['state'] for job in listed(s)) == ['running'] + ['waiting'] * 4
    opened(web, 'crowd0')
    assert settled(two, other)['status'] == 'active'
    assert [one.show(i)['status'] for i in crowd[2:]] == ['queued'] * 2
    for n in range(1, 4):
        opened(web, 'crowd%d' % n)
    assert [settled(one, i)['status'] for i in crowd] == ['active'] * 4


def test_no_more_at_once_than_configured(server, web):
    s = server(jobs_at_once=3, jobs_slow_max=0)
    member = s.client()
    images = [started(member, web.url + '/gate/width/1000', **PROOF) for _ in range(7)]
    assert eventually(lambda: sum(job['state'] == 'running' for job in listed(s)) == 3)
    time.sleep(0.5)
    assert sum(job['state'] == 'running' for job in listed(s)) == 3
    opened(web, 'width')
    assert [settled(member, i)['status'] for i in images] == ['active'] * 7


# ---------------------------------------------------------------- glint jobs

def test_a_job_is_listed_and_shown(server, web):
    s = server()
    member = s.client()
    assert listed(s) == []
    image_id = started(member, web.url + '/gate/listed/1000')
    job = eventually(lambda: [j for j in listed(s) if j['state'] == 'running' and j['step'] == 'attached'])[0]
    assert (job['kind'], job['image_id'], job['project']) == ('location_import', image_id, 'project-1')
    assert job['lease_until'] and job['holder'] and job['due_at'] is None
    assert shown(s, job['id'])['id'] == job['id']
    text = s.tool('jobs', 'show', job['id']).stdout
    assert 'image_id     ' + image_id in text
    lines = s.tool('jobs', 'list').stdout.splitlines()
    assert len(lines) == 2 and lines[0].split() == 'ID KIND METHOD STATE STEP FAILURES AGE IMAGE PROJECT MESSAGE'.split()
    assert lines[1].split()[:6] == [job['id'], 'location_import', '-', 'running', 'attached', '0']
    opened(web, 'listed')
    settled(member, image_id)
    assert listed(s) == [] and [j['state'] for j in listed(s, '--all')] == ['done']


@pytest.mark.parametrize('words,status,said', [
    (['list', 'x'], 2, 'takes no job'), (['show'], 2, 'takes the id'), (['dance'], 2, 'needs an action'), ([], 2, 'needs an action'),
    (['show', NOBODY], 1, 'No job'), (['retry', NOBODY], 1, 'No job'), (['cancel', NOBODY], 1, 'No job')])
def test_what_is_no_command(server, words, status, said):
    done = server().tool('jobs', *words, check=False)
    assert done.returncode == status and said in done.stderr, done


def test_a_failed_job_is_done_again(server, web):
    s = server()
    member = s.client()
    free, checked = started(member, web.url + '/flaky/againf/3/1000'), started(member, web.url + '/flaky/againc/3/1000', **PROOF)
    assert [settled(member, i)['status'] for i in (free, checked)] == ['active', 'queued']
    failed = {job['image_id']: job for job in listed(s)}
    assert {job['state'] for job in failed.values()} == {'failed'} and failed[free]['message']
    done = s.tool('jobs', 'retry', failed[free]['id'], failed[checked]['id'])
    assert done.stdout.count('is done again as') == 2
    for image_id in (free, checked):
        image = settled(member, image_id)
        assert (image['status'], image['checksum']) == ('active', PROOF['os_hash_value'])
    # now there is nothing left to do
    done = s.tool('jobs', 'retry', failed[free]['id'], failed[checked]['id'], check=False)
    assert done.returncode == 1 and done.stderr.count('The image is active, nothing is left to do.') == 2
    new = [job for job in listed(s, '--all') if job['state'] == 'done']
    assert [job['project'] for job in new] == ['project-1'] * 2
    done = s.tool('jobs', 'retry', new[0]['id'], check=False)
    assert done.returncode == 1 and 'is done, not failed' in done.stderr


def test_an_image_that_is_gone_is_not_worked_on_again(server, web):
    s = server()
    member = s.client()
    image_id = started(member, web.url + '/flaky/gone/3/1000', **PROOF)
    settled(member, image_id)
    assert member.delete('/v2/images/' + image_id).status == 204
    done = s.tool('jobs', 'retry', listed(s)[0]['id'], check=False)
    assert done.returncode == 1 and 'was deleted' in done.stderr


def test_a_running_job_is_cancelled(server, web):
    s = server()
    member = s.client()
    image_id = started(member, web.url + '/slow/cancelled/1000', **PROOF)
    assert eventually(lambda: member.show(image_id)['status'] == 'importing')
    done = s.tool('jobs', 'cancel', listed(s)[0]['id'])
    assert 'is cancelled' in done.stdout
    image = member.show(image_id)
    assert (image['status'], image['locations']) == ('queued', []) and 'os_glance_import_task' not in image
    assert [(job['state'], job['message']) for job in listed(s)] == [('failed', 'Cancelled by the operator.')]
    done = s.tool('jobs', 'cancel', listed(s)[0]['id'], check=False)
    assert done.returncode == 1 and 'has ended' in done.stderr


def test_a_waiting_job_is_cancelled(server, web):
    s = server(supervise_worker='false')
    member = s.client()
    image_id = started(member, web.url + '/name/unwanted/1000')
    done = s.tool('jobs', 'cancel', listed(s)[0]['id'])
    assert 'when a worker takes it' in done.stdout
    assert s.tool('jobs', 'list').stdout.splitlines()[1].split()[3] == 'undoing'
    with worker(s):
        image = settled(member, image_id)
    assert image['status'] == 'queued' and origin.Handler.counts['unwanted'] == 0
    assert listed(s)[0]['state'] == 'failed'


def test_work_of_another_host_waits_for_it(server, web):
    s = server(supervise_worker='false')
    member = s.client()
    theirs, ours = [started(member, web.url + '/ok/1000') for _ in range(2)]
    job = [j for j in listed(s) if j['image_id'] == theirs][0]
    s.sql("INSERT INTO glint_job_notes (job_id, name, value) VALUES (?, 'place', 'http://elsewhere')", job['id'])
    with worker(s):
        assert settled(member, ours)['status'] == 'active'
        time.sleep(1.5)
        assert shown(s, job['id'])['state'] == 'waiting'
        assert 'when a worker of http://elsewhere takes it' in s.tool('jobs', 'cancel', job['id']).stdout
        assert 'is cancelled' in s.tool('jobs', 'cancel', '--force', job['id']).stdout
        assert settled(member, theirs)['status'] == 'queued'


# ---------------------------------------------------------------- imports

DATA = b'0123456789' * 1000


def staged(member):
    image_id = member.create()['id']
    answer = member.put('/v2/images/%s/stage' % image_id, DATA, headers={'Content-Type': 'application/octet-stream'})
    assert answer.status == 204, answer
    return image_id


def imported(member, image_id):
    answer = member.post('/v2/images/%s/import' % image_id, json={'method': {'name': 'glance-direct'}})
    assert answer.status == 202, answer


@pytest.mark.skipif(SANITIZED, reason='measures time')
def test_imports_are_quick(server):
    s = server()
    member = s.client()
    seconds = []
    for _ in range(7):
        image_id = staged(member)
        begin = time.monotonic()
        imported(member, image_id)
        assert eventually(lambda: member.show(image_id)['status'] == 'active', every=0.005)
        seconds.append(time.monotonic() - begin)
    assert min(seconds) < 0.5 * SLOW, seconds


def test_a_cancelled_import_is_done_again(server):
    s = server(supervise_worker='false')
    member = s.client()
    image_id = staged(member)
    imported(member, image_id)
    job = listed(s)[0]
    assert (job['kind'], job['method'], job['stores'], job['project']) == ('import', 'glance-direct', 'file', 'project-1')
    assert 'when a worker' in s.tool('jobs', 'cancel', job['id']).stdout
    with worker(s):
        assert settled(member, image_id)['status'] == 'uploading'
        task = member.get('/v2/tasks/' + job['id'])
        assert task.status in (403, 404) or (task.json['status'], task.json['message']) == ('failure', 'Cancelled by the operator.')
        assert 'is done again' in s.tool('jobs', 'retry', job['id']).stdout
        image = settled(member, image_id)
    assert (image['status'], image['checksum']) == ('active', hashlib.md5(DATA).hexdigest())
    assert s.sql('SELECT status FROM tasks ORDER BY created_at') == [('failure',), ('success',)]
    done = s.tool('jobs', 'retry', job['id'], check=False)
    assert done.returncode == 1 and 'The image is active, and glance-direct wants one that is uploading' in done.stderr


def test_one_job_at_a_time_writes_into_a_store(server):
    s = server(jobs_per_store=1, supervise_worker='false')
    member = s.client()
    images = [staged(member) for _ in range(6)]
    for image_id in images:
        imported(member, image_id)
    s.sql("UPDATE glint_jobs SET state = 'running', expires_at = 1 WHERE image_id = ?", images[0])  # somewhere else
    with worker(s):
        for image_id in images[1:]:
            assert settled(member, image_id)['status'] == 'active'
    times = s.sql("SELECT created_at, updated_at FROM glint_jobs WHERE state = 'done' ORDER BY updated_at")
    assert len(times) == 5


# ---------------------------------------------------------------- what is counted

def total(metrics, name, **labels):
    wanted = ['%s="%s"' % item for item in labels.items()]
    return sum(value for series, value in metrics.items()
               if series.partition('{')[0] == name and all(w in series for w in wanted))


def test_jobs_are_counted(server, web):
    s = server(supervise_worker='false')
    member = s.client()
    good, bad = started(member, web.url + '/ok/1000'), started(member, web.url + '/flaky/counted/99/1000', **PROOF)
    time.sleep(1.1)
    m = s.metrics()
    assert total(m, 'glint_jobs', kind='location_import', state='waiting') == 2
    assert 1 <= total(m, 'glint_jobs_oldest_waiting_seconds') < 60
    with worker(s) as process:
        assert [settled(member, i)['status'] for i in (good, bad)] == ['active', 'queued']
        assert eventually(lambda: total(s.metrics(), 'glint_jobs_total', result='done') == 1)     # while it runs
        third = started(member, web.url + '/slow/counted2/1000', **PROOF)
        assert eventually(lambda: total(s.metrics(), 'glint_jobs', state='running') == 1)
        process.kill()
        process.wait()
        with worker(s):
            assert settled(member, third)['status'] == 'active'
        m = s.metrics()
    assert {state: total(m, 'glint_jobs', state=state) for state in ('waiting', 'running', 'done', 'failed')} == {
        'waiting': 0, 'running': 0, 'done': 2, 'failed': 1}
    assert total(m, 'glint_jobs_oldest_waiting_seconds') == 0
    assert {result: total(m, 'glint_jobs_total', kind='location_import', result=result)
            for result in ('done', 'failed', 'tried', 'taken_over')} == {'done': 2, 'failed': 1, 'tried': 2, 'taken_over': 1}
    assert total(m, 'glint_job_bytes_total', kind='location_import') >= 2000
    s.stop()
    s.start()
    assert total(s.metrics(), 'glint_jobs_total', result='done') == 2


# ---------------------------------------------------------------- hosts whose clocks are wrong

@pytest.fixture(scope='session')
def elsewhere(tmp_path_factory):
    """elsewhere(host, ahead): the environment of a worker on that host, whose clock is so many seconds ahead."""
    library = str(tmp_path_factory.mktemp('otherhost') / 'otherhost.so')
    subprocess.run(['cc', '-shared', '-fPIC', '-D_GNU_SOURCE', '-o', library, os.path.join(TOP, 'tests/e2e/otherhost.c'), '-ldl'], check=True)
    return lambda host, ahead=0: {'LD_PRELOAD': library, 'OTHERHOST': host, 'OTHERHOST_CLOCK': str(ahead)}


@pytest.mark.skipif(SANITIZED, reason='a sanitizer wants to be loaded first')
@pytest.mark.parametrize('ahead', [5 * 3600, -5 * 3600])
def test_a_wrong_clock_takes_nobody_s_work(server, web, elsewhere, ahead):
    """What runs on a host with the right time is not taken by one with another, nor the other way round."""
    s = server(supervise_worker='false')
    member = s.client()
    name = 'clock%d' % ahead
    with worker(s, **elsewhere('right')), worker(s, **elsewhere('wrong', ahead)):
        images = [started(member, '%s/gate/%s/1000' % (web.url, name), **PROOF) for _ in range(12)]
        assert eventually(lambda: sum(j['state'] == 'running' and j['step'] == 'attached' for j in listed(s)) == 12)
        hosts = {job['id']: job['holder'] for job in listed(s)}
        assert {holder.split('/')[0] for holder in hosts.values()} == {'right', 'wrong'}
        time.sleep(3)
        assert {job['id']: job['holder'] for job in listed(s)} == hosts
        opened(web, name)
        assert [settled(member, i)['status'] for i in images] == ['active'] * 12
    assert s.sql('SELECT DISTINCT state, attempt FROM glint_jobs') == [('done', 0)]
    assert origin.Handler.counts[name] == 12, 'each was read once'


@pytest.mark.skipif(SANITIZED, reason='a sanitizer wants to be loaded first')
def test_a_clock_that_jumps(server, web, elsewhere, tmp_path):
    """Forth and back under running work and a lease that is renewed; what failed meanwhile is tried again soon."""
    s = server(supervise_worker='false')
    member = s.client()
    clock = tmp_path / 'clock'
    clock.write_text('0')
    with worker(s, **elsewhere('right')), worker(s, **elsewhere('jumping', clock)):
        slow = [started(member, web.url + '/gate/jumps/1000', **PROOF) for _ in range(12)]
        assert eventually(lambda: sum(j['state'] == 'running' and j['step'] == 'attached' for j in listed(s)) == 12)
        hosts = {job['id']: job['holder'] for job in listed(s)}
        for ahead in (7200, -7200, 86400 * 30, 0):
            clock.write_text(str(ahead))
            image_id = started(member, web.url + '/flaky/jump%d/1/1000' % ahead, **PROOF)
            assert settled(member, image_id)['status'] == 'active'
            assert {job['id']: job['holder'] for job in listed(s)} == hosts
        opened(web, 'jumps')
        assert [settled(member, i)['status'] for i in slow] == ['active'] * 12
    assert origin.Handler.counts['jumps'] == 12


@pytest.mark.skipif(SANITIZED, reason='a sanitizer wants to be loaded first')
def test_a_lease_of_another_host_ends(server, web, elsewhere):
    """Its death is not seen from here; the lease is ended by hand for want of three minutes."""
    s = server(supervise_worker='false')
    member = s.client()
    with worker(s, **elsewhere('gone')) as process:
        image_id = started(member, web.url + '/slow/lost/1000', **PROOF)
        assert eventually(lambda: origin.Handler.counts['lost'] == 1)
        process.kill()
        process.wait()
    with worker(s):
        time.sleep(2)
        assert listed(s)[0]['holder'].startswith('gone/')
        s.sql('UPDATE glint_jobs SET expires_at = 0')
        assert settled(member, image_id)['status'] == 'active'


# ---------------------------------------------------------------- many workers

def test_many_workers_and_many_kills(server, web, request):
    """Four workers on three hosts, whose clocks are hours apart, killed at random and replaced: each job is done, and its
    effect is there once."""
    s = server(supervise_worker='false')
    member = s.client()
    count, seed = 300, random.randrange(1 << 32)
    chance = random.Random(seed)
    images = [started(member, web.url + '/name/m%d/%d' % (n, 100 + n)) for n in range(count)]

    elsewhere = request.getfixturevalue('elsewhere') if not SANITIZED else lambda host, ahead: {}
    hosts = [{}, {}, elsewhere('early', -5 * 3600), elsewhere('late', 5 * 3600)]

    def left():
        return s.sql("SELECT COUNT(*) FROM glint_jobs WHERE state IN ('waiting', 'running')")[0][0]
    workers, kills, end = [launch(s, **host) for host in hosts], 0, time.monotonic() + 200
    try:
        while left() and time.monotonic() < end:
            time.sleep(chance.uniform(0.01, 0.1))
            if kills < 60:
                at = chance.randrange(4)
                workers[at].send_signal(signal.SIGKILL)
                workers[at].wait()
                workers[at] = launch(s, **hosts[at])
                kills += 1
        assert left() == 0, 'seed %d: not done' % seed
    finally:
        for each in workers:
            each.terminate()
        for each in workers:
            each.wait(20)
    assert kills >= 15
    assert s.sql('SELECT state, COUNT(*) FROM glint_jobs GROUP BY 1') == [('done', count)], 'seed %d' % seed
    for n, image_id in enumerate(images):
        image = member.show(image_id)
        right = hashlib.md5(origin.content(100 + n)).hexdigest()
        assert (image['status'], image['checksum'], len(image['locations'])) == ('active', right, 1), (seed, n, image)
        assert 'os_glance_import_task' not in image
    assert s.sql("SELECT COUNT(*) FROM glint_job_notes WHERE name NOT IN ('owner', 'place', 'stores', 'method')") == [(0,)]
