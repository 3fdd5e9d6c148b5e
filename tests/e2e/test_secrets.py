# SPDX-License-Identifier: Apache-2.0
"""What other users of the machine may read or change of the service's files, and what stays in them."""
import json
import os
import stat

import pytest

from glint import SLOW, eventually
from test_import import bring, settled, staged

DATA = b'0123456789' * 1000


def database_files(server):
    return [os.path.join(server.directory, name) for name in os.listdir(server.directory) if name.startswith('glance.sqlite')]


def found_in_database(server, what):
    return [name for name in database_files(server) if what in open(name, 'rb').read()]


@pytest.fixture(scope='module', autouse=True)
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_nobody_else_reads_the_database_or_what_is_staged(glint_server):
    server = glint_server()
    assert len(database_files(server)) == 3                  # with its log and the log's index
    for name in database_files(server):
        assert stat.S_IMODE(os.stat(name).st_mode) == 0o660
    assert stat.S_IMODE(os.stat(server.staging).st_mode) == 0o700
    os.chmod(server.database, 0o644)
    assert 'every user of this machine may read the database %s' % server.database in server.tool('db', 'check').stderr


def test_a_token_is_gone_with_its_job(glint_server):
    server = glint_server(trusted=True, config={
        'DEFAULT': {'enabled_import_methods': '[glance-direct,web-download,glance-download]', 'http_retries': 1},
        'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[1]'}})
    client = server.client('member')
    token = 'token-' + os.urandom(40).hex() * 150            # it fills pages of its own
    image = client.create()['id']
    catalog = [{'type': 'image', 'endpoints': [{'region': 'R', 'publicURL': 'http://127.0.0.1:1'}]}]
    answer = client.post('/v2/images/%s/import' % image, json={'method': {
        'name': 'glance-download', 'glance_region': 'R', 'glance_image_id': '1' * 32}},
        headers={'X-Auth-Token': token, 'X-Service-Catalog': json.dumps(catalog)})
    assert answer.status == 202, answer
    assert settled(client, image)
    assert eventually(lambda: not found_in_database(server, token[-30:].encode()), 5)
    server.kill()
    assert not found_in_database(server, token[-30:].encode())


def chown(path):
    if os.geteuid() != 0:
        pytest.skip('needs root')
    os.chown(path, 65534, 65534)


def everybody(path):
    os.chmod(path, 0o777)


def group(path):
    os.chmod(path, 0o770)


def shared(path):
    os.chmod(path, 0o1777)


def linked(path):
    os.rename(path, path + '.real')
    os.symlink(path + '.real', path)
    if os.geteuid() != 0:
        pytest.skip('needs root')
    os.chown(path, 65534, 65534, follow_symlinks=False)


@pytest.mark.parametrize('make, said', [(chown, 'belongs to user id 65534'), (everybody, 'may be written by everybody'),
                                        (linked, 'is a link of user id 65534')])
def test_a_staging_directory_of_others_is_refused(glint_server, make, said):
    server = glint_server()
    assert server.stop() == 0
    make(server.staging)
    server.start(wait=False)
    assert server.process.wait(20 * SLOW) == 1
    server.process = None
    assert 'The staging directory %s %s' % (server.staging, said) in server.log()


@pytest.mark.parametrize('make, said', [(group, 'may be written by group id'), (shared, 'may be written by everybody; name')])
def test_a_staging_directory_that_some_may_write_is_told(glint_server, make, said):
    server = glint_server()
    assert server.stop() == 0
    make(server.staging)
    server.start()
    assert 'the staging directory %s %s' % (server.staging, said) in server.log()


def test_only_the_bytes_that_were_staged_are_imported(trusted, member):
    """Another file of the same name, and the same length and time, is none of them; the same bytes in it are."""
    swapped, copied = staged(member, DATA), staged(member, DATA)
    for image, data in (swapped, b'x' * len(DATA)), (copied, DATA):
        path = os.path.join(trusted.staging, image)
        before = os.stat(path)
        with open(path + '.tmp', 'wb') as f:
            f.write(data)
        os.rename(path + '.tmp', path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert bring(member, image).status == 202
    assert settled(member, copied)['status'] == 'active'
    assert member.download(copied).body == DATA
    for _ in range(2):
        assert settled(member, swapped)['status'] == 'uploading'
        task = member.get('/v2/images/%s/tasks' % swapped).json['tasks'][0]
        assert task['status'] == 'failure' and 'not those that were staged' in task['message']
        bring(member, swapped)                               # once more, with the same end
    assert settled(member, swapped)['status'] == 'uploading'
