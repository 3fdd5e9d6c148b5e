# SPDX-License-Identifier: Apache-2.0
"""glance-download between Glint and the real Glance, in both directions; how the real one is found: test_swap.py."""
import os
import struct
import time
import uuid

import pytest

import test_swap
from database import Database
from glint import MIB, digests, eventually, pattern
from test_download import staged
from test_remote import fetch, kept
from test_swap import ROOT, Glance, top  # noqa: F401 (a fixture)

pytestmark = test_swap.pytestmark

FILTER = {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]'}
METHODS = '[glance-direct, web-download, copy-image, glance-download]'
NO_AUTHENTICATION = '''[oslo_policy]
enforce_new_defaults = false
enforce_scope = false
[paste_deploy]
flavor =
'''
IMPORTS = '''[DEFAULT]
enabled_import_methods = %s
[import_filtering_opts]
allowed_hosts = %s
allowed_ports = %s
''' % (METHODS, FILTER['allowed_hosts'], FILTER['allowed_ports'])

DESCRIBED = {'hw_machine_type': 'q35', 'hw_żółw': 'tak', 'trait:HW_CPU_X86_AVX2': 'required', 'os_distro': 'debian', 'os_type': 'linux',
             'os_secure_boot': 'optional'}
THEIRS = {'os_version': '13', 'mine': 'theirs', 'name': 'theirs', 'min_disk': 3, 'tags': ['theirs'], 'protected': True}
BEFORE = {'name': 'ours', 'disk_format': 'iso', 'container_format': 'ovf', 'hw_machine_type': 'pc', 'mine': 'ours'}


def qcow2(size):
    """A header of version 3 before bytes that nobody looks into."""
    head = struct.pack('>4sIQIIQIIQQIIQQQQII', b'QFI\xfb', 3, 0, 0, 16, 64 * MIB, 0, 1, 0x30000, 0x10000, 1, 0, 0, 0, 0, 0, 4, 104)
    return head.ljust(65536, b'\0') + pattern(size - 65536, 7)


DATA = {'raw': (pattern(5 * MIB + 321), 5 * MIB + 321), 'qcow2': (qcow2(5 * MIB), 64 * MIB), 'empty': (b'', None)}


class Ends:
    """One side has images that everybody may read, the other fetches them."""

    def __init__(self, source, target, source_url, stop_source, leftovers, again):
        self.source, self.target, self.source_url = source, target, source_url
        self.stop_source, self.leftovers, self.again = stop_source, leftovers, again

    def bring(self, remote_id):
        """Imports that image and waits for the end: (image, task)."""
        while True:
            image_id = fetch(self.target, self.source_url, image=BEFORE, glance_image_id=remote_id)
            time.sleep(1)

            def over():
                task = self.target.get('/v2/images/%s/tasks' % image_id).json['tasks'][0]
                return task if task['status'] in ('success', 'failure') else None
            task = eventually(over, 20, 0.5)
            if task:
                return self.target.show(image_id), task
            self.again()


def anew(glance):
    """The real one's import sometimes stops for good before it asks anybody (deadlocked, says nothing): start it anew, at most twice."""
    starts = 0

    def again():
        nonlocal starts
        starts += 1
        with open(glance.top + '/glance.log') as f:
            log = f.read().rsplit('Threadpool model', 1)[-1].rsplit('from pending to processing', 1)[-1]
        assert 'Fetching glance image metadata' not in log and starts < 3, log[-5000:]
        glance.stop()
        glance.start()
    return again


def never():
    raise AssertionError('the import is never over')


def started(glance):
    status, output = glance.manage('db', 'sync')
    assert status == 0, output
    os.makedirs(glance.top + '/images', exist_ok=True)
    # Readers do not get in the way of a task that writes.
    Database(glance.top + '/glance.sqlite').readers_never_wait()
    return glance.start()[0]


@pytest.fixture(params=['from-glance', 'from-glint'])
def ends(request, top, glint_server):  # noqa: F811
    if request.param == 'from-glance':
        glance = Glance(top, NO_AUTHENTICATION, ROOT + '/etc/glance/glance-api-paste.ini')
        glint = glint_server(trusted=True, config={'DEFAULT': {'enabled_import_methods': METHODS, 'http_retries': 2}, 'import_filtering_opts': FILTER})
    else:
        glance = Glance(top, IMPORTS)
        glint = glint_server()
    try:
        real, url = started(glance), 'http://127.0.0.1:%d' % glance.port
        if request.param == 'from-glance':
            yield Ends(real, glint.client(), url, glance.stop, lambda: staged(glint) + kept(glint), never)
        else:
            yield Ends(glint.client(), real, glint.url, glint.stop, lambda: os.listdir(top + '/staging'), anew(glance))
    finally:
        glance.stop()


def some(image, names):
    return {name: image.get(name) for name in names}


@pytest.mark.parametrize('kind', DATA)
def test_an_image_of_the_other(ends, kind):
    data, virtual_size = DATA[kind]
    disk_format = kind if kind in ('raw', 'qcow2') else 'raw'
    remote_id = ends.source.active(data, disk_format=disk_format, **DESCRIBED, **THEIRS)
    there = ends.source.show(remote_id)
    assert (there['status'], there['size'], there['checksum']) == ('active', len(data), digests(data)[0])

    image, task = ends.bring(remote_id)
    assert (task['status'], image['status']) == ('success', 'active'), (image, task)
    same = ['disk_format', 'container_format', 'size', 'virtual_size', 'checksum', 'os_hash_algo', 'os_hash_value', *DESCRIBED]
    assert some(image, same) == some(there, same)
    assert some(image, DESCRIBED) == DESCRIBED and image['virtual_size'] == virtual_size
    assert (image['name'], image['mine'], image['min_disk'], image['tags'], image['protected']) == ('ours', 'ours', 0, [], False)
    assert 'os_version' not in image and 'os_glance_import_task' not in image

    got = ends.target.download(image['id'])
    assert got.status == 200 and got.body == data
    assert ends.leftovers() == []


def test_what_fails_leaves_the_image_as_it_was(ends):
    queued = ends.source.create(**DESCRIBED)['id']
    deleted = ends.source.active(b'deleted')
    assert ends.source.delete('/v2/images/' + deleted).status == 204
    deactivated = ends.source.active(b'deactivated', **DESCRIBED)
    assert ends.source.post('/v2/images/%s/actions/deactivate' % deactivated).status == 204
    active = ends.source.active(b'active', **DESCRIBED)

    def fails(remote_id):
        image, task = ends.bring(remote_id)
        assert (task['status'], image['status'], image['size']) == ('failure', 'queued', None), (image, task)
        assert some(image, BEFORE) == BEFORE
        assert not {'os_distro', 'os_type', 'trait:HW_CPU_X86_AVX2', 'os_glance_import_task'} & set(image)
        assert ends.leftovers() == []

    for remote_id in (queued, deleted, deactivated, str(uuid.uuid4())):
        fails(remote_id)
    assert ends.bring(active)[1]['status'] == 'success'
    ends.stop_source()
    fails(active)
