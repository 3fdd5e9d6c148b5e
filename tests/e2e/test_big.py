# SPDX-License-Identifier: Apache-2.0
"""2 GiB up and down, in constant memory, by curl."""
import hashlib
import os
import shutil
import subprocess
import threading
import time

import pytest

import images
from glint import MIB, SANITIZED, file_digests


def curl(*arguments):
    return subprocess.run(['curl', '-sS', '--fail-with-body', *arguments], capture_output=True, text=True)


class Memory(threading.Thread):
    """The most anonymous memory a server held while this ran."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.most, self.on = process, 0, True
        self.start()

    def run(self):
        while self.on:
            self.most = max(self.most, self.process.rss())
            time.sleep(0.05)

    def stop(self):
        self.on = False
        self.join()
        return self.most


@pytest.mark.skipif(SANITIZED, reason='the memory of a sanitizer is not the program\'s')
@pytest.mark.parametrize('chunked', [False, True])
def test_two_gib(glint_server, tmp_path_factory, chunked):
    if shutil.disk_usage(images.CACHE if os.path.isdir(images.CACHE) else '/var/tmp').free < 8 << 30:
        pytest.skip('less than 8 GiB are free')
    path = images.sparse_raw()
    md5, sha512 = file_digests(path)
    s = glint_server(trusted=True)
    member = s.client()
    headers = [word for key, value in {**member.identity, 'Content-Type': 'application/octet-stream', 'Expect': ''}.items()
               for word in ('-H', '%s: %s' % (key, value))]
    image_id = member.create()['id']
    url = s.url + '/v2/images/%s/file' % image_id
    before, memory = s.proc().rss(), Memory(s.proc())
    done = curl(*headers, *(['-H', 'Transfer-Encoding: chunked'] if chunked else []), '-T', path, url)
    assert done.returncode == 0, done
    image = member.show(image_id)
    assert (image['size'], image['checksum'], image['os_hash_value']) == (2 << 30, md5, sha512)

    download = subprocess.Popen(['curl', '-sS', '--fail', *headers, url], stdout=subprocess.PIPE)
    digest = hashlib.md5()
    while piece := download.stdout.read(MIB):
        digest.update(piece)
    assert download.wait() == 0 and digest.hexdigest() == md5
    most = memory.stop()
    assert most - before < 64 * MIB, 'grew by %d MiB' % ((most - before) // MIB)

    middle = member.download(image_id, {'Range': 'bytes=%d-%d' % ((1 << 30) - 10, (1 << 30) + 9)})
    with open(path, 'rb') as f:
        f.seek((1 << 30) - 10)
        assert middle.body == f.read(20)
    assert member.delete('/v2/images/' + image_id).status == 204
    assert s.stored() == []
