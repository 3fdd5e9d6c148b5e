# SPDX-License-Identifier: Apache-2.0
"""Real disk images to test with, made once for a machine below GLINT_IMAGES (/var/tmp/glint-images)."""
import os
import shutil
import subprocess
import tempfile

import pytest

CACHE = os.environ.get('GLINT_IMAGES', '/var/tmp/glint-images')


def run(*command, **kw):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **kw)
    if done.returncode != 0:
        pytest.skip('%s: %s' % (command[0], (done.stderr or done.stdout)[-300:].strip()))


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin'):
            pytest.skip('%s is not installed' % program)


def debian_qcow2():
    """A compressed qcow2 with a Debian root file system in it."""
    path = os.path.join(CACHE, 'debian-root.qcow2')
    if os.path.exists(path):
        return path
    if os.geteuid() != 0:
        pytest.skip('debootstrap needs root')
    need('debootstrap', 'mke2fs', 'qemu-img')
    os.makedirs(CACHE, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        root, raw, made = (os.path.join(work, name) for name in ('root', 'disk.raw', 'disk.qcow2'))
        run('debootstrap', '--variant=minbase', 'bookworm', root)
        shutil.rmtree(os.path.join(root, 'var/cache/apt/archives'), ignore_errors=True)
        run('mke2fs', '-q', '-t', 'ext4', '-d', root, raw, '700M')
        run('qemu-img', 'convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, made)
        os.rename(made, path)
    return path


def bootable_iso():
    """The ISO 9660 image that Debian's ipxe package brings."""
    path = '/usr/lib/ipxe/ipxe.iso'
    if not os.path.exists(path):
        pytest.skip('the package ipxe is not installed')
    return path


def sparse_raw(size=2 << 30):
    """A raw disk that is nearly all hole."""
    path = os.path.join(CACHE, 'sparse-%d.raw' % size)
    if not os.path.exists(path) or os.path.getsize(path) != size:
        os.makedirs(CACHE, exist_ok=True)
        with open(path + '.part', 'wb') as f:
            f.truncate(size)
            for at in (0, size // 3, size - 5000):
                f.seek(at)
                f.write(os.urandom(5000))
        os.rename(path + '.part', path)
    return path
