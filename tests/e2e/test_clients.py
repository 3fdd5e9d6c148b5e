# SPDX-License-Identifier: Apache-2.0
"""The ordinary clients, as Debian ships them, against a server without authentication, with real images."""
import json
import os
import shutil
import subprocess

import pytest

import images
from glint import SANITIZED, SLOW, file_digests

pytestmark = pytest.mark.skipif(not shutil.which('openstack') or not shutil.which('glance'),
                                reason='python3-openstackclient and python3-glanceclient are not installed')


class Cli:
    def __init__(self, server, home):
        self.server = server
        self.env = {'PATH': '/usr/bin:/bin:/usr/sbin:/sbin', 'HOME': str(home), 'LC_ALL': 'C.UTF-8', 'PYTHONWARNINGS': 'ignore'}

    def run(self, *command, check=True):
        done = subprocess.run(command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300 * SLOW)
        assert not check or done.returncode == 0, (done.args, done.stdout[-2000:], done.stderr[-4000:])
        return done

    def openstack(self, *command, form='json', check=True):
        done = self.run('/usr/bin/openstack', '--os-auth-type', 'none', '--os-endpoint', self.server.url, *command,
                        *(['-f', form] if form else []), check=check)
        return json.loads(done.stdout) if form == 'json' and done.returncode == 0 else done

    def glance(self, *command, check=True):
        return self.run('/usr/bin/glance', '--os-image-url', self.server.url, '--os-auth-token', 'none',
                        '--os-image-api-version', '2', *command, check=check)


@pytest.fixture(scope='module')
def cli(server, tmp_path_factory):
    return Cli(server, tmp_path_factory.mktemp('home'))


IMAGES = {'qcow2': images.debian_qcow2, 'iso': images.bootable_iso, 'raw': images.sparse_raw}


def virtual_size(path, disk_format):
    if disk_format == 'raw':
        return os.path.getsize(path)
    done = subprocess.run(['qemu-img', 'info', '--output=json', path], capture_output=True, text=True)
    return json.loads(done.stdout)['virtual-size']


@pytest.mark.parametrize('disk_format', IMAGES)
def test_openstack(cli, server, tmp_path, disk_format):
    if SANITIZED and disk_format == 'raw':
        pytest.skip('2 GiB under a sanitizer take too long')
    path = IMAGES[disk_format]()
    md5, sha512 = file_digests(path)
    made = cli.openstack('image', 'create', 'real ' + disk_format, '--disk-format', disk_format, '--container-format', 'bare',
                         '--property', 'os_distro=debian', '--tag', 'first', '--file', path)
    image_id = made['id']
    assert made['status'] in ('queued', 'active', 'saving')

    shown = cli.openstack('image', 'show', image_id)
    assert (shown['status'], shown['size'], shown['checksum']) == ('active', os.path.getsize(path), md5)
    assert shown['properties']['os_hash_value'] == sha512 and shown['properties']['os_distro'] == 'debian'
    assert shown['tags'] == ['first'] and shown['disk_format'] == disk_format
    if disk_format != 'iso':
        assert shown['virtual_size'] == virtual_size(path, disk_format)

    saved = tmp_path / 'saved'
    cli.openstack('image', 'save', '--file', str(saved), image_id, form=None)
    assert file_digests(saved) == (md5, sha512)
    if disk_format == 'qcow2':
        cli.run('/usr/bin/qemu-img', 'check', '-q', str(saved))
    saved.unlink()
    cli.openstack('image', 'delete', image_id, form=None)
    assert server.client().get('/v2/images/' + image_id).status == 404
    if hasattr(server, 'stored'):
        assert server.stored() == []


def test_openstack_manages_images(cli, server):
    image_id = server.client().active(b'data', name='plain', os_distro='debian', tags=['first'])
    rows = cli.openstack('image', 'list')
    assert {'ID': image_id, 'Name': 'plain', 'Status': 'active'} in rows
    assert [row['ID'] for row in cli.openstack('image', 'list', '--name', 'plain')] == [image_id]
    assert image_id in [row['ID'] for row in cli.openstack('image', 'list', '--long', '--sort', 'name:asc', '--limit', '100')]

    cli.openstack('image', 'set', '--name', 'renamed', '--min-disk', '3', '--property', 'hw_disk_bus=virtio', '--tag', 'second',
                  '--protected', image_id, form=None)
    shown = cli.openstack('image', 'show', 'renamed')
    assert (shown['id'], shown['min_disk'], shown['protected']) == (image_id, 3, True)
    assert sorted(shown['tags']) == ['first', 'second'] and shown['properties']['hw_disk_bus'] == 'virtio'
    assert cli.openstack('image', 'delete', image_id, form=None, check=False).returncode != 0
    cli.openstack('image', 'set', '--unprotected', image_id, form=None)
    cli.openstack('image', 'unset', '--property', 'hw_disk_bus', image_id, form=None)
    assert 'hw_disk_bus' not in cli.openstack('image', 'show', image_id)['properties']
    cli.openstack('image', 'delete', image_id, form=None)
    assert cli.openstack('image', 'show', image_id, form=None, check=False).returncode != 0
    assert image_id not in [row['ID'] for row in cli.openstack('image', 'list')]


@pytest.mark.parametrize('disk_format', ['qcow2', 'iso'])
def test_glance(cli, tmp_path, disk_format):
    path = IMAGES[disk_format]()
    md5, sha512 = file_digests(path)
    done = cli.glance('image-create', '--name', 'by glance', '--disk-format', disk_format, '--container-format', 'bare',
                      '--property', 'colour=blue', '--file', path)
    image_id = next(line.split('|')[2].strip() for line in done.stdout.splitlines() if line.startswith('| id '))
    shown = cli.glance('image-show', '--max-column-width', '200', image_id).stdout
    assert md5 in shown and sha512 in shown and 'blue' in shown and 'active' in shown
    assert image_id in cli.glance('image-list').stdout
    saved = tmp_path / 'saved'
    cli.glance('image-download', '--file', str(saved), image_id)
    assert file_digests(saved) == (md5, sha512)
    saved.unlink()
    assert 'renamed' in cli.glance('image-update', '--name', 'renamed', '--remove-property', 'colour', image_id).stdout
    cli.glance('image-delete', image_id)
    assert image_id not in cli.glance('image-list').stdout


def test_glance_reads_the_schema(cli):
    """The client learns its own options from the schema: they are there in its help."""
    assert 'os_hash_value' in cli.glance('explain', 'image').stdout


def test_many_pages(cli):
    made = [cli.server.client().create(name='page %d' % n)['id'] for n in range(60)]
    listed = [row['ID'] for row in cli.openstack('image', 'list')]
    assert set(made) <= set(listed)
    for image_id in made:
        cli.server.client().delete('/v2/images/' + image_id)


def test_no_file_given(cli):
    """The client reads its standard input then, which is empty here: an image of no bytes."""
    made = cli.openstack('image', 'create', 'empty', '--disk-format', 'raw')
    assert [row['ID'] for row in cli.openstack('image', 'list', '--name', 'empty', '--status', 'active')] == [made['id']]
    assert cli.server.client().show(made['id'])['size'] == 0
    cli.server.client().delete('/v2/images/' + made['id'])


def test_refusals_are_understood(cli):
    done = cli.openstack('image', 'show', 'no-such-image', form=None, check=False)
    assert done.returncode != 0 and 'no-such-image' in done.stderr
    done = cli.openstack('image', 'create', 'bad', '--disk-format', 'raw', '--min-disk', '-1', form=None, check=False)
    assert done.returncode != 0
