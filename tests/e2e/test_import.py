# SPDX-License-Identifier: Apache-2.0
"""Staging and imports: PUT /v2/images/{image_id}/stage, POST /v2/images/{image_id}/import, and what becomes of the image."""
import os
import signal

import pytest

import origin
from glint import Client, Server, digests, eventually, pattern

OCTETS = {'Content-Type': 'application/octet-stream'}
DATA = pattern(3 * 1024 * 1024 + 17)


@pytest.fixture(scope='module')
def several(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp('stores'))
    server = Server(directory, trusted=True, config={
        'DEFAULT': {'enabled_backends': 'fast:file,slow:file,third:file,web:http'},
        'glance_store': {'default_backend': 'fast', 'stores': None, 'default_store': None, 'filesystem_store_datadir': None},
        'os_glance_staging_store': {'filesystem_store_datadir': directory + '/staging'},
        **{name: {'filesystem_store_datadir': directory + '/' + name} for name in ('fast', 'slow', 'third')}})
    yield server
    server.stop()


@pytest.fixture(scope='module')
def located(tmp_path_factory):
    """A server that fetches from this machine."""
    server = Server(tmp_path_factory.mktemp('located'), trusted=True, config={
        'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]', 'disallowed_ports': '[22]'}})
    yield server
    server.stop()


def stage(client, image, data=DATA, **kw):
    return client.put('/v2/images/%s/stage' % image, data, headers=OCTETS, **kw)


def bring(client, image, method='glance-direct', of=None, **more):
    return client.post('/v2/images/%s/import' % image, json={'method': {'name': method, **(of or {})}, **more})


def settled(client, image, seconds=20):
    """The image when no task works on it any more."""
    return eventually(lambda: (lambda im: im if 'os_glance_import_task' not in im else None)(client.show(image)), seconds)


def staged(client, data=DATA, **fields):
    image = client.create(**fields)['id']
    assert stage(client, image, data).status == 204
    return image


def test_staged_data_become_the_image(trusted, member):
    image = staged(member)
    shown = member.show(image)
    assert (shown['status'], shown['size'], shown['os_hash_value']) == ('uploading', len(DATA), None)
    assert set(os.listdir(trusted.staging)) == {image}
    assert member.download(image).status == 204
    answer = bring(member, image)
    assert (answer.status, answer.body) == (202, b'')
    shown = settled(member, image)
    assert shown['status'] == 'active' and shown['size'] == len(DATA)
    assert (shown['checksum'], shown['os_hash_value']) == digests(DATA)
    assert (shown['os_glance_importing_to_stores'], shown['os_glance_failed_import']) == ('', '')
    assert member.download(image).body == DATA
    assert os.listdir(trusted.staging) == []
    task = trusted.sql("SELECT type, status, owner, image_id FROM tasks WHERE image_id = ?", image)
    assert task == [('api_image_import', 'success', 'project-1', image)]


def test_what_was_staged_is_not_copied(trusted, member):
    image = staged(member)
    inode = os.stat(os.path.join(trusted.staging, image)).st_ino
    assert bring(member, image).status == 202
    settled(member, image)
    assert os.stat(trusted.object_of(image)).st_ino == inode


def test_only_a_staged_image_is_imported_and_only_once(member):
    image = member.create()['id']
    answer = bring(member, image)
    assert answer.status == 409 and "Image needs to be staged before 'glance-direct' method can be used" in answer.text
    assert stage(member, image).status == 204
    assert stage(member, image).status == 409
    assert bring(member, image).status == 202
    assert bring(member, image).status == 409
    settled(member, image)
    answer = bring(member, image)
    assert answer.status == 409 and 'Image with status active cannot be target for import' in answer.text


def test_data_that_are_not_what_the_image_says(trusted, member):
    """The image can be staged and imported again, with other data."""
    image = staged(member, disk_format='qcow2')
    assert bring(member, image).status == 202
    assert settled(member, image)['status'] == 'queued'
    assert os.listdir(trusted.staging) == []
    (message,) = trusted.sql('SELECT i.message FROM task_info i JOIN tasks t ON t.id = i.task_id WHERE t.image_id = ?', image)[0]
    assert 'does not match stream data raw' in message
    assert stage(member, image).status == 204
    assert trusted.sql("SELECT COUNT(*) FROM glint_job_notes WHERE name NOT IN ('place', 'owner', 'stores', 'method')") == [(0,)]
    assert member.delete('/v2/images/' + image).status == 204


@pytest.mark.parametrize('method', ['glance-direct', 'web-download'])
@pytest.mark.parametrize('column', [None, 'size', 'checksum', 'os_hash_value'])
def test_data_that_the_row_contradicts(located, web, method, column):
    """A Glance beside us has staged the file, or has written down what the data have to be."""
    member, data = located.client(), origin.content(1000)
    right = dict(zip(('checksum', 'os_hash_value'), digests(data)), size=len(data), os_hash_algo='sha512')
    told = {**right, **({column: 999 if column == 'size' else right[column][::-1]} if column else {})}
    image = staged(member, data) if method == 'glance-direct' else member.create()['id']
    located.sql('DELETE FROM glint_staged WHERE image_id = ?', image)
    located.sql('UPDATE images SET size = ?, checksum = ?, os_hash_algo = ?, os_hash_value = ? WHERE id = ?',
                told['size'], told['checksum'], told['os_hash_algo'], told['os_hash_value'], image)
    assert bring(member, image, method, {'uri': web.url + '/ok/1000'} if method == 'web-download' else None).status == 202
    shown = settled(member, image)
    assert shown['status'] == ('queued' if column else 'active'), shown
    (message,) = located.sql('SELECT i.message FROM task_info i JOIN tasks t ON t.id = i.task_id WHERE t.image_id = ?', image)[0]
    assert not column or {'size': 'Size mismatch: expected 999 bytes, got 1000'}.get(column, column) in message
    assert column or member.download(image).body == data
    assert os.listdir(located.staging) == [] and (not column or image not in located.stored())
    assert located.sql('SELECT 1 FROM glint_staged') == []


def test_a_store_that_cannot_be_written_leaves_what_was_staged(trusted, member):
    image = staged(member)
    with open(os.path.join(trusted.images, image), 'w') as f:      # somebody's file has the name
        f.write('x')
    assert bring(member, image).status == 202
    shown = settled(member, image)
    assert (shown['status'], shown['size']) == ('uploading', len(DATA))
    os.unlink(os.path.join(trusted.images, image))
    assert bring(member, image).status == 202
    assert settled(member, image)['status'] == 'active'
    assert member.download(image).body == DATA


def test_several_stores(several):
    member = Client(several.host, several.port, 'member')
    image = staged(member)
    assert bring(member, image, stores=['slow', 'fast', 'slow']).status == 202
    shown = settled(member, image)
    assert (shown['status'], sorted(shown['stores'].split(','))) == ('active', ['fast', 'slow'])
    for store in ('fast', 'slow'):
        with open(os.path.join(several.directory, store, image), 'rb') as f:
            assert f.read() == DATA
    image = staged(member)
    assert bring(member, image, all_stores=True).status == 202
    assert sorted(settled(member, image)['stores'].split(',')) == ['fast', 'slow', 'third']


def test_stores_that_are_no_list(several):
    member = Client(several.host, several.port, 'member')
    image = staged(member)
    for stores, text in (('żółw', 'Store for identifier ż not found'), ('slow', 'Store for identifier s not found')):
        answer = bring(member, image, stores=stores)
        assert answer.status == 409 and text in answer.text
    for stores in (None, 1, {}, '', [['slow']], [{}]):
        assert bring(member, image, stores=stores).status == 400
    assert member.delete('/v2/images/' + image).status == 204


def test_copies(several):
    member, admin = Client(several.host, several.port, 'member'), Client(several.host, several.port, 'admin')
    image = member.active(DATA)
    assert bring(member, image, 'copy-image', stores=['slow']).status == 403
    assert bring(admin, image, 'copy-image', stores=['slow', 'third']).status == 202
    shown = settled(member, image)
    assert (shown['status'], shown['stores']) == ('active', 'fast,slow,third')
    answer = bring(admin, image, 'copy-image', stores=['slow'])
    assert answer.status == 400 and "Image is already present at store 'slow'" in answer.text
    assert bring(admin, image, 'copy-image', all_stores=True).status == 202
    assert settled(member, image)['stores'] == 'fast,slow,third'
    assert os.listdir(several.directory + '/staging') == []


def test_a_copy_of_other_data_is_none(several):
    """They have the size, but not the hashes, that the image has."""
    member, admin = Client(several.host, several.port, 'member'), Client(several.host, several.port, 'admin')
    image = member.active(DATA)
    with open(os.path.join(several.directory, 'fast', image), 'r+b') as f:
        f.write(b'other')
    assert bring(admin, image, 'copy-image', stores=['slow']).status == 202
    shown = settled(member, image)
    assert (shown['status'], shown['stores'], shown['os_glance_failed_import']) == ('active', 'fast', 'slow')
    assert not os.path.exists(os.path.join(several.directory, 'slow', image))
    assert os.listdir(several.directory + '/staging') == []
    assert member.delete('/v2/images/' + image).status == 204


@pytest.mark.parametrize('must', (True, False))
def test_one_store_of_several_fails(several, must):
    member = Client(several.host, several.port, 'member')
    image = staged(member)
    with open(os.path.join(several.directory, 'slow', image), 'w') as f:
        f.write('x')
    assert bring(member, image, stores=['fast', 'slow', 'third'], all_stores_must_succeed=must).status == 202
    shown = settled(member, image)
    assert shown['os_glance_importing_to_stores'] == '' and 'slow' in shown['os_glance_failed_import']
    if must:
        assert (shown['status'], shown['stores'] if 'stores' in shown else '') == ('uploading', '')
        assert not os.path.exists(os.path.join(several.directory, 'fast', image))
    else:
        assert (shown['status'], shown['stores']) == ('active', 'fast,third')


def test_a_worker_that_is_killed_is_followed_by_one_that_goes_on(glint_server, tmp_path):
    server = glint_server(str(tmp_path / 's'), trusted=True)
    member = Client(server.host, server.port, 'member')
    images = [staged(member) for _ in range(4)]
    for image in images:
        assert bring(member, image).status == 202
    for pid in server.proc().tree():
        if pid != server.proc().pid:
            os.kill(pid, signal.SIGKILL)
    for image in images:
        assert settled(member, image)['status'] == 'active'
        assert member.download(image).body == DATA


def test_a_delete_ends_it(trusted, member):
    image = staged(member)
    assert member.delete('/v2/images/' + image).status == 204
    assert eventually(lambda: os.listdir(trusted.staging) == [])
    image = staged(member)
    assert bring(member, image).status == 202
    assert member.delete('/v2/images/' + image).status in (204, 409)
    assert eventually(lambda: os.listdir(trusted.staging) == [])
    assert eventually(lambda: trusted.sql("SELECT 1 FROM glint_jobs WHERE state IN ('waiting', 'running')") == [])


@pytest.mark.parametrize('suffix', ['', '.part'])
def test_a_fifo_in_the_place_of_a_staged_file_holds_up_no_job(trusted, member, suffix):
    """Opening a FIFO waits for its other end, which nobody ever opens."""
    image = staged(member)
    path = os.path.join(trusted.staging, image)
    os.unlink(path)
    os.mkfifo(path + suffix)
    assert bring(member, image).status == 202
    shown = settled(member, image)
    assert shown and shown['status'] in ('queued', 'uploading')
    assert member.delete('/v2/images/' + image).status == 204
    if os.path.lexists(path + suffix):
        os.unlink(path + suffix)


def test_a_large_request_is_not_kept(trusted, member):
    """The task of each import shows its request, and an image's tasks come all at once."""
    image = staged(member)
    answer = bring(member, image, note='x' * 70000)
    assert (answer.status, 'larger than 65536 bytes' in answer.text) == (413, True), answer
    assert member.show(image)['status'] == 'uploading' and member.get('/v2/images/%s/tasks' % image).json['tasks'] == []
    assert bring(member, image, note='x' * 60000).status == 202
    assert settled(member, image)['status'] == 'active'
