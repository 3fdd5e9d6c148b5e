# SPDX-License-Identifier: Apache-2.0
"""A file store in trouble: full, read-only, gone. Needs root, because it mounts file systems of its own."""
import contextlib
import os
import shutil
import subprocess

import pytest

from glint import MIB, digests, eventually, pattern

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='mounting needs root')


@contextlib.contextmanager
def mounted(path, options='size=8m'):
    os.makedirs(path, exist_ok=True)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', options, 'glint-test', path], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip('mount is not allowed here: ' + done.stderr.strip())
    try:
        yield str(path)
    finally:
        subprocess.run(['umount', '-l', path], check=False)


def remount(path, how):
    subprocess.run(['mount', '-o', 'remount,' + how, path], check=True)


@needs_root
@pytest.mark.parametrize('chunked', [False, True])
def test_full_disk(glint_server, tmp_path, chunked):
    with mounted(tmp_path / 'small') as small:
        s = glint_server(trusted=True, config={'glance_store': {'filesystem_store_datadir': small}})
        member = s.client()
        kept = pattern(2 * MIB, 1)
        kept_id = member.active(kept)
        image_id = member.create()['id']
        data = pattern(16 * MIB, 2)
        answer = member.upload(image_id, None if chunked else data, chunks=[data] if chunked else None)
        assert answer.status == 413, answer
        assert 'Image storage media is full' in answer.text
        assert member.show(image_id)['status'] == 'queued'
        assert sum(len(names) for _, _, names in os.walk(small)) == 1
        assert member.download(kept_id).body == kept
        assert member.upload(image_id, data[:MIB]).status == 204
        assert member.show(image_id)['checksum'] == digests(data[:MIB])[0]
        assert s.stop() == 0


@needs_root
def test_read_only_directory(glint_server, tmp_path):
    with mounted(tmp_path / 'store', 'size=64m') as store:
        s = glint_server(trusted=True, config={'glance_store': {'filesystem_store_datadir': store}})
        member = s.client()
        kept = pattern(MIB, 1)
        kept_id = member.active(kept)
        image_id = member.create()['id']
        remount(store, 'ro')
        try:
            answer = member.upload(image_id, b'data')
            assert answer.status == 503, answer
            assert member.show(image_id)['status'] == 'queued'
            assert member.download(kept_id).body == kept
            refused = member.delete('/v2/images/' + kept_id)
            assert refused.status in (403, 204), refused
            if refused.status == 403:
                assert member.download(kept_id).body == kept
        finally:
            remount(store, 'rw')
        assert member.upload(image_id, b'data').status == 204
        assert s.stop() == 0


def test_lost_file(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.active(b'lost')
    os.unlink(s.object_of(image_id))
    assert member.download(image_id).status == 204
    assert member.show(image_id)['status'] == 'active'


def test_shortened_file_is_a_broken_transfer(glint_server):
    """Never a short body that looks complete."""
    import http.client
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.active(pattern(4 * MIB))
    os.truncate(s.object_of(image_id), MIB)
    try:
        answer = member.download(image_id)
    except (http.client.IncompleteRead, ConnectionError, http.client.RemoteDisconnected):
        return
    assert answer.status != 200 or len(answer.body) == int(answer.header('Content-Length'))
    assert answer.status in (204, 500, 404, 200)


def test_file_mode(glint_server):
    s = glint_server(trusted=True, config={'glance_store': {'filesystem_store_file_perm': '0640'}})
    image_id = s.client().active(b'data')
    assert os.stat(s.object_of(image_id)).st_mode & 0o7777 == 0o640


def test_object_lies_where_glance_puts_it(glint_server):
    s = glint_server(trusted=True)
    image_id = s.client().active(b'data')
    assert s.object_of(image_id) == os.path.join(s.images, image_id)
    with open(s.object_of(image_id), 'rb') as f:
        assert f.read() == b'data'


def test_thin_provisioning(glint_server):
    s = glint_server(trusted=True, config={'glance_store': {'filesystem_thin_provisioning': 'true'}})
    member = s.client()
    data = pattern(MIB) + bytes(16 * MIB) + pattern(MIB, 2) + bytes(5 * MIB)
    image_id = member.active(data)
    assert member.download(image_id).body == data
    assert os.stat(s.object_of(image_id)).st_blocks * 512 < 4 * MIB


@pytest.mark.parametrize('unset', [None, ''])
def test_several_directories(glint_server, tmp_path, unset):
    one, two = str(tmp_path / 'one'), str(tmp_path / 'two')
    os.makedirs(one)
    os.makedirs(two)
    s = glint_server(trusted=True, config={'glance_store': {'filesystem_store_datadir': unset,
                                                            'filesystem_store_datadirs': [one + ':100', two + ':200']}})
    member = s.client()
    image_id = member.active(b'data')
    assert os.path.dirname(s.object_of(image_id)) == two
    assert member.download(image_id).body == b'data'


def test_copied_store_still_serves(glint_server):
    """The files are plain: a directory restored from a backup is all that is needed."""
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.active(b'data')
    shutil.copytree(s.images, s.images + '.copy')
    shutil.rmtree(s.images)
    os.rename(s.images + '.copy', s.images)
    assert member.download(image_id).body == b'data'
