# SPDX-License-Identifier: Apache-2.0
"""Import plugins on what other programs write: every disk format converted, archives of every kind."""
import io
import lzma
import os
import zipfile

from make import *

GROUP = 'main'
TEN = b'0123456789' * 100
HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, '..', '..', 'unit', 'inspect', 'fixtures')
ARCHIVES = os.path.join(HERE, '..', '..', 'fuzz', 'corpus', 'unpack')


def fixture(name):
    """An image as make.sh there wrote it: its size, and the lines that are not zero."""
    with open(os.path.join(FIXTURES, name + '.img')) as f:
        data = bytearray(int(f.readline().split()[1]))
        for line in f:
            at, text = line.split(maxsplit=1)
            piece = bytes.fromhex(text.strip())
            data[int(at, 16):int(at, 16) + len(piece)] = piece
    return bytes(data)


def archive(name):
    with open(os.path.join(ARCHIVES, name), 'rb') as f:
        return f.read()


def zipped(method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', method) as z:
        info = zipfile.ZipInfo('a', (2020, 1, 1, 0, 0, 0))
        info.compress_type = method
        z.writestr(info, TEN)
    return out.getvalue()


CONVERTED = (('qcow2-v2', 'qcow2'), ('qcow2-v3', 'qcow2'), ('qcow2-zstd', 'qcow2'), ('qcow2-extended-l2', 'qcow2'), ('qcow2-lazy-refcounts', 'qcow2'), ('qcow2-aes', 'qcow2'), ('qcow2-luks', 'qcow2'),
             ('qcow2-v2-backing', 'qcow2'), ('qcow2-v3-backing', 'qcow2'), ('qcow2-data-file', 'qcow2'), ('qcow2-data-file-raw', 'qcow2'), ('qed', 'qed'), ('qed', 'raw'), ('vdi-dynamic', 'vdi'), ('vdi-static', 'vdi'),
             ('vhd-dynamic', 'vhd'), ('vhd-fixed', 'vhd'), ('vhdx-dynamic', 'vhdx'), ('vmdk-monolithicSparse', 'vmdk'), ('vmdk-streamOptimized', 'vmdk'), ('vmdk-monolithicFlat', 'vmdk'), ('vmdk-twoGbMaxExtentFlat', 'vmdk'), ('vmdk-parent', 'vmdk'),
             ('luks-v1', 'luks'), ('luks-v1', 'raw'), ('iso-joliet', 'iso'), ('iso-hybrid', 'iso'), ('iso-joliet', 'raw'), ('gpt-sgdisk', 'raw'), ('fat', 'raw'), ('fat', 'qcow2'))
UNPACKED = ('gzip-zeros', 'gzip-zeros-two', 'gzip-named', 'gzip-trailer-cut', 'gzip-two-cut', 'gzip-crc', 'gzip-size', 'zip-stored', 'zip-wide', 'zip64', 'zip-absolute', 'zip-comment', 'zip-tail', 'zip-before', 'zip-directory',
            'zip-encrypted', 'zip-crc', 'zip-larger', 'zip-smaller', 'zip-packed', 'zip-packed-far', 'zip-elsewhere', 'zip-behind', 'zip-cut', 'xz', 'xz-cut', 'zstd', 'lha')


def cases():
    def done(name, profile, data, *more, **fields):
        return case(name, bare('id', 'member', **fields), stage(data, quiet=True), bring(), settled(), jobs(), *more, profiles=(profile,))

    for name, declared in CONVERTED:
        if declared in ('qed', 'luks'):
            continue                                    # no image may be declared so by default
        yield done('convert:%s:%s' % (name, declared), 'imports-convert', fixture(name), load(), disk_format=declared)
    for container in ('ovf', 'compressed', 'docker'):
        yield done('convert-in:%s:qcow2' % container, 'imports-convert', fixture('qcow2-v3'), load(), disk_format='qcow2', container_format=container)
        yield done('convert-in:%s:raw' % container, 'imports-convert', fixture('fat'), load(), disk_format='raw', container_format=container)
    for name in UNPACKED:
        yield done('unpack:' + name, 'imports-plugins', archive(name), load())
    for name, method in (('bzip2', zipfile.ZIP_BZIP2), ('lzma', zipfile.ZIP_LZMA)):
        yield done('unpack:zip-' + name, 'imports-plugins', zipped(method), load())
    yield done('unpack:xz-alone', 'imports-plugins', lzma.compress(TEN, lzma.FORMAT_ALONE), load())
