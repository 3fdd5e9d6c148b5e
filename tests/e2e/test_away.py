# SPDX-License-Identifier: Apache-2.0
"""A store, or the database, that is not there for a while: nothing is believed to be missing."""
import os
import shutil
import subprocess

import pytest

from glint import PASTE_TRUSTED, eventually
from test_healthcheck import paste
from test_storage import mounted, needs_root

BYTES = {'Content-Type': 'application/octet-stream'}
QUICK = {'glint': {'reap_interval': 1}}


def detailed(tmp_path):
    return {**QUICK, 'paste_deploy': paste(tmp_path, ''), 'healthcheck': {'backends': 'disable_by_file', 'detailed': 'true'}}


def health(server):
    answer = server.client('nobody').get('/healthcheck', headers={'Accept': 'application/json'})
    return answer.status, {r['reason']: r['details'] for r in answer.json['reasons']}


def up(server, store='file'):
    return server.metrics()['glint_store_up{store="%s"}' % store]


def refused(answer):
    told = [int(value) for name, value in answer.headers if name.lower() == 'retry-after']
    assert answer.status == 503 and len(told) == 1 and told[0] > 0, answer
    return True


def while_away(server, kept, gone, waits):
    """What clients see while the store of these images is not there."""
    member = server.client()
    refused(member.download(kept))
    refused(member.upload(waits, b'data'))
    assert member.show(waits)['status'] == 'queued'
    assert member.show(kept)['status'] == 'active'
    assert member.delete('/v2/images/' + gone).status == 204
    assert server.sql('SELECT count(*) FROM glint_trash') == [(1,)]
    assert up(server) == 0


def when_back(server, kept, gone, waits):
    member = server.client()
    assert eventually(lambda: member.download(kept).status == 200)
    assert eventually(lambda: not os.path.exists(os.path.join(server.images, gone)))
    assert eventually(lambda: server.sql('SELECT count(*) FROM glint_trash') == [(0,)])
    assert eventually(lambda: member.upload(waits, b'data').status == 204)
    assert up(server) == 1


def test_renamed_directory(glint_server, tmp_path):
    server = glint_server(trusted=True, config=detailed(tmp_path))
    member = server.client()
    images = member.active(b'kept'), member.active(b'gone'), member.create()['id']
    assert set(health(server)[1]) == {'OK'} and up(server) == 1
    os.rename(server.images, server.images + '.aside')
    while_away(server, *images)
    status, reasons = health(server)
    assert status == 200 and server.images in reasons['STORE AWAY']
    done = server.tool('doctor', check=False)
    assert done.returncode == 2 and 'missing-data' not in done.stdout, done
    os.rename(server.images + '.aside', server.images)
    when_back(server, *images)
    assert set(health(server)[1]) == {'OK'}


def test_new_directory_of_the_same_name(glint_server):
    """An empty one is not the store; a copy of the store is; what an operator says is."""
    server = glint_server(trusted=True, config=QUICK)
    member = server.client()
    images = member.active(b'kept'), member.active(b'gone'), member.create()['id']
    os.rename(server.images, server.images + '.aside')
    os.mkdir(server.images)
    while_away(server, *images)
    server.stop()
    server.start()
    refused(server.client().download(images[0]))
    os.rmdir(server.images)
    shutil.copytree(server.images + '.aside', server.images)
    when_back(server, *images)
    shutil.rmtree(server.images)
    os.mkdir(server.images)
    refused(member.download(images[0]))
    server.tool('doctor', '--accept-store', 'file', check=False)
    assert eventually(lambda: member.download(images[0]).status == 204)
    assert member.upload(member.create()['id'], b'data').status == 204


@needs_root
def test_unmounted_file_system(glint_server, tmp_path):
    server = glint_server(trusted=True, config=QUICK, wait=False)
    server.stop()
    with mounted(server.images) as path:
        server.start()
        member = server.client()
        half = member.create()['id']
        subprocess.run(['mount', '--bind', path, str(tmp_path)], check=True)
        try:
            subprocess.run(['umount', '-l', path], check=True)
            assert eventually(lambda: refused(member.upload(half, b'data')))  # nothing is known to be in it
            subprocess.run(['mount', '--bind', str(tmp_path), path], check=True)
            assert eventually(lambda: member.upload(half, b'data').status == 204)
            images = member.active(b'kept'), member.active(b'gone'), member.create()['id']
            subprocess.run(['umount', '-l', path], check=True)
            shutil.copy(tmp_path / half, path)  # an old copy of a part below the mount point
            while_away(server, *images)
            os.unlink(os.path.join(path, half))
            subprocess.run(['mount', '--bind', str(tmp_path), path], check=True)
            when_back(server, *images)
        finally:
            subprocess.run(['umount', '-l', str(tmp_path)], check=False)
        assert server.stop() == 0


def test_a_lost_object_is_missing(glint_server):
    """In a directory that is the right one, what is not there is not there: as in Glance."""
    server = glint_server(trusted=True, config=QUICK)
    member = server.client()
    lost = member.active(b'lost')
    os.unlink(server.object_of(lost))
    assert member.download(lost).status == 204
    assert member.delete('/v2/images/' + lost).status == 204
    assert server.sql('SELECT count(*) FROM glint_trash') == [(0,)]


def test_store_that_was_away_at_the_first_start(glint_server):
    """A Glance's database whose store is not mounted when we see it for the first time."""
    server = glint_server(trusted=True, config=QUICK)
    image = server.client().active(b'kept')
    server.stop()
    server.sql('DELETE FROM glint_datadirs')
    os.rename(server.images, server.images + '.aside')
    server.start()
    refused(server.client().download(image))
    assert not os.path.exists(server.images)
    os.rename(server.images + '.aside', server.images)
    assert eventually(lambda: server.client().download(image).body == b'kept')


def test_staging_that_is_away(glint_server):
    server = glint_server(trusted=True, config=QUICK)
    member = server.client()
    image, other = member.create()['id'], member.create()['id']
    assert member.put('/v2/images/%s/stage' % image, b'staged', headers=BYTES).status == 204
    os.rename(server.staging, server.staging + '.aside')
    refused(member.put('/v2/images/%s/stage' % other, b'staged', headers=BYTES))
    assert member.show(other)['status'] == 'queued'
    assert member.delete('/v2/images/' + image).status == 204
    os.rename(server.staging + '.aside', server.staging)
    assert eventually(lambda: not os.path.exists(os.path.join(server.staging, image)))
    assert member.put('/v2/images/%s/stage' % other, b'staged', headers=BYTES).status == 204


@pytest.mark.parametrize('replaced', [False, True])
def test_database_file_removed_or_replaced(glint_server, tmp_path, replaced):
    server = glint_server(trusted=True, config=detailed(tmp_path))
    member = server.client()
    image = member.active(b'kept')
    path = server.database
    # A process that starts meanwhile would take the copy for the database, and the log beside it for the copy's.
    assert eventually(lambda: server.sql('SELECT COUNT(*) FROM glint_workers') != [(0,)])
    if replaced:
        shutil.copy(path, path + '.copy')
    os.rename(path, path + '.aside')
    if replaced:
        os.rename(path + '.copy', path)
    refused(member.post('/v2/images', {'name': 'lost'}))
    assert eventually(lambda: member.get('/v2/images').status == 503)
    refused(member.get('/v2/images/' + image))
    refused(member.delete('/v2/images/' + image))
    refused(member.upload(image, b'data'))
    status, reasons = health(server)
    assert status == 200 and path in reasons['DATABASE AWAY']
    os.rename(path + '.aside', path)
    assert eventually(lambda: member.download(image).body == b'kept')
    assert member.create()['status'] == 'queued'


def test_import_waits_for_its_store(glint_server, tmp_path):
    """Also a second time, and its deletion is not held up."""
    server = glint_server(trusted=True, config=detailed(tmp_path))
    member = server.client()
    kept, image, gone = member.active(b'kept'), member.create()['id'], member.create()['id']
    for staged in (image, gone):
        assert member.put('/v2/images/%s/stage' % staged, b'staged', headers=BYTES).status == 204
    os.rename(server.images, server.images + '.aside')
    for staged in (image, gone):
        assert member.post('/v2/images/%s/import' % staged, json={'method': {'name': 'glance-direct'}}).status == 202
    assert eventually(lambda: server.sql("SELECT count(*) FROM glint_jobs WHERE attempt > 1") == [(2,)])
    shown = member.show(image)
    assert shown['status'] == 'importing' and shown['os_glance_failed_import'] == '', shown
    task = member.get('/v2/images/%s/tasks' % image).json['tasks'][-1]
    assert (task['status'], task['message']) == ('processing', 'Waiting for store file, which is not available')
    assert server.images in health(server)[1]['STORE AWAY']
    assert member.delete('/v2/images/' + gone).status == 204
    os.rename(server.images + '.aside', server.images)
    assert eventually(lambda: member.show(image)['status'] == 'active', 40)
    assert member.download(image).body == b'staged' and member.download(kept).body == b'kept'
    assert eventually(lambda: server.sql("SELECT count(*) FROM glint_jobs WHERE state IN ('waiting', 'running')") == [(0,)], 40)
    assert eventually(lambda: os.listdir(server.staging) == [] and sorted(server.stored()) == sorted([kept, image]))


@pytest.mark.parametrize('must', [False, True])
def test_import_to_several_stores_of_which_one_is_away(glint_server, tmp_path, must):
    server = glint_server(trusted=True, config={
        **QUICK, 'DEFAULT': {'enabled_backends': 'one:file,two:file'}, 'glance_store': {'default_backend': 'one'},
        **{name: {'filesystem_store_datadir': str(tmp_path / name)} for name in ('one', 'two')}})
    member = server.client()
    image = member.create()['id']
    assert member.put('/v2/images/%s/stage' % image, b'staged', headers=BYTES).status == 204
    os.rename(tmp_path / 'two', tmp_path / 'aside')
    assert member.post('/v2/images/%s/import' % image, json={
        'method': {'name': 'glance-direct'}, 'stores': ['one', 'two'], 'all_stores_must_succeed': must}).status == 202
    if must:
        assert eventually(lambda: server.sql('SELECT count(*) FROM glint_jobs WHERE attempt > 0') == [(1,)])
        assert member.show(image)['status'] == 'importing'
        os.rename(tmp_path / 'aside', tmp_path / 'two')
    assert eventually(lambda: 'os_glance_import_task' not in member.show(image), 40)
    shown = member.show(image)
    assert (shown['status'], shown['os_glance_failed_import']) == ('active', '' if must else 'two'), shown
    assert sorted(shown['stores'].split(',')) == (['one', 'two'] if must else ['one'])
