#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""unpack_seeds.py   writes corpus/unpack/: compressed files, whole and broken. What each holds is in the table of
tests/unit/unpack/unpack.c."""
import ctypes
import gzip
import io
import lzma
import os
import struct
import zipfile

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus', 'unpack')
DATA = b'0123456789' * 100


def gz(data):
    return gzip.compress(data, mtime=0)


def zipped(*names, method=zipfile.ZIP_DEFLATED, comment=b'', wide=False, data=DATA):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', method) as archive:
        for name in names:
            with archive.open(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), 'w', force_zip64=wide) as member:
                member.write(data)
        archive.comment = comment
    return out.getvalue()


def zip_method(method):
    """writestr() keeps the method of its ZipInfo, which is stored."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as archive:
        info = zipfile.ZipInfo('a', (2020, 1, 1, 0, 0, 0))
        info.compress_type = method
        archive.writestr(info, DATA)
    return out.getvalue()


def zip64():
    """Every number that has a wide place is there."""
    body = zip_method(zipfile.ZIP_DEFLATED)
    at = body.index(b'PK\1\2')
    packed, size = struct.unpack('<II', body[at + 20:at + 28])
    extra = struct.pack('<HHQQQ', 1, 24, size, packed, 0)
    entry = bytearray(body[at:at + 47])
    entry[20:28] = b'\xff' * 8
    entry[42:46] = b'\xff' * 4
    entry[30:32] = struct.pack('<H', len(extra))
    entry += extra
    end64 = struct.pack('<4sQHHIIQQQQ', b'PK\6\6', 44, 45, 45, 0, 0, 1, 1, len(entry), at)
    locator = struct.pack('<4sIQI', b'PK\6\7', 0, at + len(entry), 1)
    end = struct.pack('<4sHHHHIIH', b'PK\5\6', 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0)
    return body[:at] + bytes(entry) + end64 + locator + end


def patched(data, what, offset, value):
    at = data.index(what) + offset
    return data[:at] + value + data[at + len(value):]


def zstd(data):
    lib = ctypes.CDLL('libzstd.so.1')
    lib.ZSTD_compressBound.restype = lib.ZSTD_compress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(lib.ZSTD_compressBound(ctypes.c_size_t(len(data))))
    n = lib.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 3)
    return out.raw[:n]


deflated = zip_method(zipfile.ZIP_DEFLATED)
FILES = {
    'gzip': gz(DATA), 'gzip-two': gz(b'0' * 10) + gz(b'1' * 10), 'gzip-empty': gz(b''), 'gzip-zeros': gz(DATA) + b'\0' * 1000,
    'gzip-zeros-two': gz(b'0' * 10) + b'\0' * 7 + gz(b'1' * 10), 'gzip-cut': gz(DATA)[:-9], 'gzip-trailer-cut': gz(DATA)[:-1],
    'gzip-tail': gz(DATA) + b'x', 'gzip-head': b'\x1f\x8b\x08', 'gzip-crc': patched(gz(DATA), gz(DATA)[-8:], 0, b'\0\0\0\0'),
    'gzip-size': gz(DATA)[:-4] + b'\1\0\0\0', 'gzip-two-cut': gz(DATA) + gz(DATA)[:12], 'gzip-named': gz(DATA)[:3] + b'\x08' + gz(DATA)[4:10] + b'../../x\0' + gz(DATA)[10:],
    'zip': deflated, 'zip-stored': zip_method(zipfile.ZIP_STORED), 'zip-wide': zipped('a', wide=True), 'zip64': zip64(), 'zip-path': zipped('../../etc/passwd'),
    'zip-absolute': zipped('/etc/passwd'), 'zip-comment': zipped('a', comment=b'PK\5' * 100), 'zip-tail': deflated + b'tail', 'zip-before': b'PK\3\4 something ' + deflated,
    'zip-two': zipped('a', 'b'), 'zip-none': zipped(), 'zip-head': b'PK\3\4',
    'zip-directory': zipped('a/', data=b''), 'zip-bzip2': zip_method(zipfile.ZIP_BZIP2), 'zip-lzma': zip_method(zipfile.ZIP_LZMA), 'zip-encrypted': patched(deflated, b'PK\1\2', 8, b'\1\0'),
    'zip-crc': patched(deflated, b'PK\1\2', 16, b'\0\0\0\0'), 'zip-larger': patched(deflated, b'PK\1\2', 24, b'\1\2\0\0'), 'zip-smaller': patched(deflated, b'PK\1\2', 24, b'\1\0\0\0'),
    'zip-packed': patched(deflated, b'PK\1\2', 20, b'\x08\0\0\0'), 'zip-packed-far': patched(deflated, b'PK\1\2', 20, b'\xff\xff\xff\x7f'), 'zip-no-wide': patched(deflated, b'PK\1\2', 20, b'\xff\xff\xff\xff'),
    'zip-elsewhere': patched(deflated, b'PK\1\2', 42, b'\x05\0\0\0'), 'zip-behind': patched(deflated, b'PK\1\2', 42, b'\xff\xff\xff\x7f'), 'zip-directory-far': patched(deflated, b'PK\5\6', 16, b'\xff\xff\xff\x7f'),
    'zip-directory-long': patched(deflated, b'PK\5\6', 12, b'\xff\xff\xff\x7f'), 'zip-parts': patched(deflated, b'PK\5\6', 4, b'\1\0'), 'zip64-far': patched(zip64(), b'PK\6\7', 8, b'\xff' * 8), 'zip64-parts': patched(zip64(), b'PK\6\7', 16, b'\2\0\0\0'),
    'zip64-sizes': patched(zip64(), b'PK\6\6', 40, b'\xff' * 16), 'zip-cut': deflated[:-30],
    'xz': lzma.compress(DATA), 'xz-two': lzma.compress(b'0' * 10) + b'\0' * 4 + lzma.compress(b'1' * 10), 'xz-cut': lzma.compress(DATA)[:-9], 'xz-tail': lzma.compress(DATA) + b'x', 'xz-head': lzma.compress(DATA)[:6],
    'xz-broken': patched(lzma.compress(DATA), b'\xfd7zXZ', 30, b'\xee'), 'xz-empty': lzma.compress(b''), 'xz-memory': lzma.compress(DATA, filters=[{'id': lzma.FILTER_LZMA2, 'preset': 9, 'dict_size': 1 << 30}]),
    'zstd': zstd(DATA), 'zstd-two': zstd(b'0' * 10) + zstd(b'1' * 10), 'zstd-skipped': zstd(DATA) + b'\x50\x2a\x4d\x18\4\0\0\0abcd', 'zstd-cut': zstd(DATA)[:-3], 'zstd-tail': zstd(DATA) + b'x', 'zstd-head': b'\x28\xb5\x2f\xfd', 'zstd-empty': zstd(b''),
    'zstd-memory': b'\x28\xb5\x2f\xfd\x00\xa8' + b'\1\0\0', 'plain': b'0123456789', 'lha': b'\x1f\x00-lh5-' + b'\0' * 30,
}

os.makedirs(HERE, exist_ok=True)
for name, data in FILES.items():
    with open(os.path.join(HERE, name), 'wb') as out:
        out.write(data)
