# SPDX-License-Identifier: Apache-2.0
"""PUT and GET /v2/images/{id}/file."""
import struct

from make import *


def qcow2(version=3, size=1 << 30, backing=0, incompatible=0, length=4096):
    head = struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', version, backing, 0, 16, size, 0, 0, 0, 0, 0, 0, 0)
    head += struct.pack('>QQQII', incompatible, 0, 0, 4, 104)
    return head.ljust(length, b'\0')


def vhd(size=1 << 30):
    return struct.pack('>8sIIQI4sI4sQQ', b'conectix', 2, 0x10000, 512, 0, b'qemu', 0x50003, b'Wi2k', size, size).ljust(1024, b'\0')


def vdi(size=1 << 30):
    return (b'<<< image >>>\n'.ljust(64, b'\0') + struct.pack('<I', 0xBEDA107F)).ljust(368, b'\0') + struct.pack('<Q', size).ljust(1024, b'\0')


def iso(blocks=32, block=2048, length=65536):
    pvd = b'\x01CD001\x01'.ljust(80, b'\0') + struct.pack('<I', blocks) + struct.pack('>I', blocks)
    pvd = pvd.ljust(128, b'\0') + struct.pack('<H', block) + struct.pack('>H', block)
    return (b'\0' * 32768 + pvd.ljust(2048, b'\0') + b'\xffCD001\x01').ljust(length, b'\0')


def mbr(kind=0x83, boot=0x80, entries=1, length=2048):
    entry = struct.pack('<B3sB3sII', boot, b'\0\2\0', kind, b'\xff\xff\xff', 1, 100)
    return (b'\0' * 446 + (entry * entries).ljust(64, b'\0') + b'\x55\xaa').ljust(length, b'\0')


def gpt(length=4096):
    entry = struct.pack('<B3sB3sII', 0, b'\0\2\0', 0xee, b'\xff\xff\xff', 1, 0xffffffff)
    return (b'\0' * 446 + entry.ljust(64, b'\0') + b'\x55\xaa' + b'EFI PART').ljust(length, b'\0')


def luks(version=1, length=4096 * 600):
    return (struct.pack('>6sH32s32s32sII', b'LUKS\xba\xbe', version, b'aes', b'xts-plain64', b'sha256', 4096, 64)).ljust(length, b'\0')


def vmdk(kind='monolithicSparse', version=1, size=2097152, extent='RW 2097152 SPARSE "disk.vmdk"', length=65536):
    text = ('# Disk DescriptorFile\nversion=1\nCID=123a5678\nparentCID=ffffffff\ncreateType="%s"\n\n# Extent description\n%s\n\n# The Disk Data Base\n#DDB\n\nddb.adapterType = "ide"\n' % (kind, extent)).encode()
    head = struct.pack('<4sIIQQQQIQQQ', b'KDMV', version, 3, size, 128, 1, 20, 512, 0, 0, 128)
    return (head.ljust(512, b'\0') + text.ljust(20 * 512, b'\0')).ljust(length, b'\0')


def vhdx(length=262144 * 2):
    return b'vhdxfile'.ljust(length, b'\0')


TEN = b'0123456789'
DATA = {
    'empty': b'', 'ten': TEN, 'zeros-1': b'\0', 'zeros-64k': b'\0' * 65536, 'text': b'hello world\n' * 100, 'utf8': 'żółw'.encode(), 'all-bytes': bytes(range(256)) * 5,
    'qcow2': qcow2(), 'qcow2-v2': qcow2(2), 'qcow2-v1': qcow2(1), 'qcow2-v4': qcow2(4), 'qcow2-short': qcow2()[:100], 'qcow2-magic': b'QFI\xfb', 'qcow2-backing': qcow2(backing=1024), 'qcow2-datafile': qcow2(incompatible=4), 'qcow2-dirty': qcow2(incompatible=1), 'qcow2-feature': qcow2(incompatible=16), 'qcow2-unknown-feature': qcow2(incompatible=1 << 10),
    'qcow2-511': qcow2()[:511], 'qcow2-512': qcow2()[:512], 'qed': b'QED\0'.ljust(4096, b'\0'), 'vhd': vhd(), 'vhd-short': vhd()[:100], 'vhdx-empty': vhdx(), 'vhdx-short': vhdx(512), 'vdi': vdi(), 'iso': iso(), 'iso-short': iso()[:32800], 'mbr': mbr(), 'mbr-none': mbr(entries=0), 'mbr-badboot': mbr(boot=0x42), 'mbr-two': mbr(entries=2), 'mbr-512': mbr(length=512), 'gpt': gpt(),
    'gpt-two': gpt()[:462] + mbr()[446:462] + gpt()[478:], 'luks': luks(), 'luks-short': luks(length=600), 'luks2': luks(2), 'vmdk': vmdk(), 'vmdk-stream': vmdk('streamOptimized'), 'vmdk-flat': vmdk('monolithicFlat'), 'vmdk-extent': vmdk(extent='RW 1 FLAT "/etc/passwd" 0'), 'vmdk-noextent': vmdk(extent=''), 'vmdk-v4': vmdk(version=4), 'vmdk-short': vmdk(length=600),
    'vmdk-text': b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 1 FLAT "x-flat.vmdk" 0\n', 'iso-mbr': mbr(length=512) + iso()[512:], 'iso-gpt': gpt()[:4096] + iso()[4096:],
}
FORMATS = ['raw', 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'iso', 'ami', 'aki', 'ploop', 'ari']
RANGES = ['bytes=0-0', 'bytes=0-4', 'bytes=5-', 'bytes=9-9', 'bytes=9-', 'bytes=-1', 'bytes=-5', 'bytes=-10', 'bytes=-11', 'bytes=-0', 'bytes=0-9', 'bytes=0-10', 'bytes=0-99999999999999999999', 'bytes=10-', 'bytes=10-20', 'bytes=5-2', 'bytes=', 'bytes=-', 'bytes', '', 'bytes=a-b', 'bytes=1-b', 'bytes=0-1,3-4', 'bytes=0-1,', 'bytes=,0-1', 'bytes= 0-1', 'bytes=0 - 1',
          'bytes =0-1', 'Bytes=0-1', 'BYTES=0-1', 'octets=0-1', 'items=0-5', '0-1', 'bytes:0-1', 'bytes 0-1', 'bytes=0-1;x', 'bytes=--1', 'bytes=+1-2', 'bytes=01-02', 'bytes=0x1-2', 'bytes=1.0-2', 'bytes=0-1/10', 'bytes=5-5', 'bytes=00-', 'bytes=9-8', 'bytes=4-3']
CONTENT_RANGES = ['bytes 0-4/10', 'bytes 0-4/*', 'bytes 5-9/10', 'bytes 5-10/10', 'bytes 5-10/*', 'bytes 5-20/*', 'bytes 5-20/30', 'bytes 0-4/5', 'bytes 5-2/10', 'bytes 0-0/*', 'bytes 9-9/*', 'bytes 10-10/*', 'bytes */10', 'bytes */*', '', 'x', 'bytes', 'bytes=0-4', 'bytes=0-4/*', 'bytes 0-4', 'bytes a-b/*', 'octets 0-4/*', 'Bytes 0-4/*', 'bytes  0-4/*', 'bytes 0-9/*', 'bytes 0-10/*', 'bytes 0-10/11']
SIZES = ['10', '0', '5', '11', '9', '-1', '', 'abc', '1.0', ' 10 ', '+10', '010', '1_0', '0x0a', '99999999999999999999', '1e1', '10,10', '\u0661\u0660']


def cases():
    yield case('round', bare(), load(), put(TEN), show(), load(), load('id', 'admin'), delete('/v2/images/<id>'), load(), profiles=BOTH)
    yield case('round-chunked', bare(), put_chunked([b'01234', b'5', b'6789']), show(), load(), profiles=BOTH)
    for name, data in DATA.items():
        if len(data) > 100000:
            continue
        yield case('raw-with:' + name, bare(), put(data), show(), load(), profiles=BOTH)
    # each format given each kind of data, bare and not
    for disk in FORMATS:
        for name in ('empty', 'ten', 'qcow2', 'vhd', 'vdi', 'iso', 'mbr', 'vmdk', 'vhdx-short', 'luks-short'):
            yield case('format:%s:%s' % (disk, name), bare('id', disk_format=disk), put(DATA[name]), show())
    for name in ('qcow2-v2', 'qcow2-v1', 'qcow2-v4', 'qcow2-short', 'qcow2-magic', 'qcow2-backing', 'qcow2-datafile', 'qcow2-dirty', 'qcow2-feature', 'qcow2-unknown-feature', 'qcow2-511', 'qcow2-512', 'qed'):
        yield case('qcow2:' + name, bare('id', disk_format='qcow2'), put(DATA[name]), show(), put(DATA['qcow2']), show(), profiles=BOTH)
    for disk, names in (('vmdk', ('vmdk-stream', 'vmdk-flat', 'vmdk-extent', 'vmdk-noextent', 'vmdk-v4', 'vmdk-short', 'vmdk-text')), ('iso', ('iso-short', 'iso-mbr', 'iso-gpt')), ('vhd', ('vhd-short',)), ('vhdx', ('vhdx-empty',))):
        for name in names:
            yield case('%s:%s' % (disk, name), bare('id', disk_format=disk), put(DATA[name]), show())
    for container in ('ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'):
        for disk, name in (('qcow2', 'ten'), ('qcow2', 'qcow2-backing'), ('raw', 'ten'), ('vmdk', 'vmdk-flat')):
            yield case('container:%s:%s:%s' % (container, disk, name), bare('id', disk_format=disk, container_format=container), put(DATA[name]), show())
    for disk in ('ami', 'ari', 'aki'):
        yield case('ami:%s' % disk, create({'id': '<id>', 'disk_format': disk, 'container_format': disk}), put(TEN), show())
    # the request
    for kind in (OCTETS, 'application/octet-stream; charset=utf-8', 'Application/Octet-Stream', 'application/octet-stream ', 'application/json', 'text/plain', 'application/x-www-form-urlencoded', '', 'multipart/form-data; boundary=x', 'nonsense', 'application/octet', 'image/x', None):
        yield case('type:%s' % kind, bare(), put(TEN, ctype=kind), show(), profiles=BOTH)
    for size in SIZES:
        yield case('declared:%s' % size, bare(), put(TEN, headers=[('x-openstack-image-size', size)]), show())
        yield case('declared-chunked:%s' % size, bare(), put_chunked([b'01234', b'56789'], headers=[('x-openstack-image-size', size)]), show())
    yield case('length-0', bare(), step('PUT', '/v2/images/<id>/file', headers={'Content-Type': OCTETS, 'Content-Length': '0'}), show(), load(), profiles=BOTH)
    yield case('no-length', bare(), step('PUT', '/v2/images/<id>/file', headers={'Content-Type': OCTETS}), show(), load())
    yield case('chunked-empty', bare(), put_chunked([]), show(), load())
    yield case('chunked-mismatched-after', bare('id', disk_format='qcow2'), put_chunked([b'x' * 600, b'y' * 600]), show(), load(), load('id', 'reader'), delete('/v2/images/<id>'))
    yield case('megabyte', bare(), put(bytes(range(256)) * 4096), show(), load())
    yield case('megabyte-chunked', bare(), put_chunked([bytes(range(256)) * 256] * 16), show(), load())
    yield case('store-header', bare(), put(TEN, headers=[('x-image-meta-store', 'file')]), show())
    yield case('store-header-unknown', bare(), put(TEN, headers=[('x-image-meta-store', 'nope')]), show(), load('id', headers={}), get('/v2/images/<id>/file?prefer=file'), get('/v2/images/<id>/file?prefer='))
    yield case('expect', bare(), put(TEN, headers=[('Expect', '100-continue')]), show())
    yield case('range-on-put', bare(), put(TEN, headers=[('Range', 'bytes=0-1'), ('Content-Range', 'bytes 0-9/10')]), show())
    yield case('content-encoding', bare(), put(TEN, headers=[('Content-Encoding', 'gzip'), ('Content-MD5', 'x')]), show())
    yield case('errors-json', image(), put(TEN, headers=[('Accept', 'application/json')]), put(TEN, ctype='x/y', headers=[('Accept', 'application/json')]), put(TEN, 'id9', headers=[('Accept', 'application/json')]), put(TEN, headers=[('Accept', 'text/plain')]), put(TEN, headers=[('Accept', 'application/json'), ('x-openstack-image-size', 'x')]))
    yield case('error-json-format', bare('id', disk_format='qcow2'), put(TEN, headers=[('Accept', 'application/json')]), show())
    yield case('error-json-status', active(), put(TEN, headers=[('Accept', 'application/json')]), load('id', headers={'Accept': 'application/json', 'Range': 'bytes=20-'}), load('id', headers={'Accept': 'application/json', 'Range': 'bytes=0-1,2-3'}))
    yield case('error-json-size', bare(), put(TEN, headers=[('Accept', 'application/json'), ('x-openstack-image-size', '5')]), put_chunked([TEN], headers=[('Accept', 'application/json'), ('x-openstack-image-size', '15')]), show(), put(TEN), show())
    # state and formats
    yield case('no-formats', image(), put(TEN), show(), profiles=BOTH)
    yield case('no-disk-format', image('id', container_format='bare'), put(TEN), show())
    yield case('no-container-format', image('id', disk_format='raw'), put(TEN), show())
    yield case('again', active(), put(TEN), put(b'other'), put_chunked([b'x']), put(TEN, who='admin'), put(b''), show(), load(), profiles=BOTH)
    yield case('again-no-type', active(), put(TEN, ctype='text/plain'), put(TEN, who='reader'), put(TEN, who='other'))
    yield case('deactivated-put', active(), act('deactivate', quiet=True), put(TEN), put(TEN, who='admin'))
    yield case('missing', put(TEN), put(TEN, who='admin'), put(TEN, who='reader'), load(), load('id', 'admin'), put(TEN, ctype='x/y'), put(TEN, who='none'), load('id', 'none'), step('PUT', '/v2/images/nope/file', headers={'Content-Type': OCTETS}, body=TEN), get('/v2/images/nope/file'), profiles=BOTH)
    yield case('no-formats-by', image('id', 'admin', owner='<p1>', visibility='public'), [put(TEN, 'id', who) for who in ('reader', 'other', 'third', 'norole')])
    everybody = ('admin', 'member', 'reader', 'other', 'otherreader', 'third', 'adminonly', 'memberonly', 'service', 'norole', 'noproject', 'none', 'shouting')
    for visibility in ('private', 'shared', 'community', 'public'):
        yield case('load-by:' + visibility, active('id', 'admin', TEN, owner='<p1>', visibility=visibility), [load('id', who) for who in everybody])
        yield case('load-empty-by:' + visibility, image('id', 'admin', owner='<p1>', visibility=visibility), [load('id', who) for who in everybody])
        yield case('put-by:' + visibility, [[bare('id%d' % n, 'admin', owner='<p1>', visibility=visibility), put(TEN, 'id%d' % n, who), show('id%d' % n, 'admin')] for n, who in enumerate(everybody, 1)])
    for status in ('pending', 'accepted', 'rejected'):
        yield case('load-shared:' + status, active(), member(status=status), load('id', 'other'), load('id', 'otherreader'), put(TEN, who='other'))
    yield case('load-deactivated', active(), act('deactivate', quiet=True), [load('id', who) for who in everybody], load('id', headers={'Range': 'bytes=0-1'}), load('id', headers={'Accept': 'application/json'}), act('reactivate', quiet=True), load())
    yield case('load-deactivated-public', active('id', 'admin', TEN, owner='<p1>', visibility='public'), act('deactivate', quiet=True), [load('id', who) for who in everybody])
    yield case('load-conditional', active(), load('id', headers={'If-None-Match': '*'}), load('id', headers={'If-Range': '"x"', 'Range': 'bytes=0-1'}), load('id', headers={'If-Modified-Since': 'Sun, 22 Nov 2099 00:00:00 GMT'}), load('id', headers={'Accept-Encoding': 'gzip'}), load('id', headers={'Accept': 'text/html'}))
    yield case('load-head', active(), step('HEAD', '/v2/images/<id>/file'), step('HEAD', '/v2/images/<id>'))
    yield case('load-query', active(), get('/v2/images/<id>/file?x=1'), get('/v2/images/<id>/file?prefer=x'), get('/v2/images/<id>/file?prefer=x,y'))
    # ranges, several to a case: nothing changes the image
    for at in range(0, len(RANGES), 8):
        yield case('range:%02d' % (at // 8), active(), [load('id', headers={'Range': r}) for r in RANGES[at:at + 8]], profiles=BOTH)
    for at in range(0, len(CONTENT_RANGES), 8):
        yield case('content-range:%02d' % (at // 8), active(), [load('id', headers={'Content-Range': r}) for r in CONTENT_RANGES[at:at + 8]])
    yield case('range-both', active(), load('id', headers={'Range': 'bytes=0-1', 'Content-Range': 'bytes 5-9/10'}), load('id', headers={'Range': 'x', 'Content-Range': 'bytes 5-9/10'}), load('id', headers={'Range': 'bytes=0-1', 'Content-Range': 'x'}))
    yield case('range-twice', active(), load('id', headers=[('Range', 'bytes=0-1'), ('Range', 'bytes=3-4')]))
    yield case('range-zero-size', active('id', 'member', b''), load(), load('id', headers={'Range': 'bytes=0-'}), load('id', headers={'Range': 'bytes=0-0'}), load('id', headers={'Range': 'bytes=-1'}), show())
    yield case('range-no-data', image(), load('id', headers={'Range': 'bytes=0-1'}), load('id', headers={'Range': 'x'}), load('id', headers={'Content-Range': 'bytes 0-1/*'}), profiles=BOTH)
    yield case('range-reader', active(), load('id', 'reader', headers={'Range': 'bytes=0-1'}), load('id', 'other', headers={'Range': 'bytes=0-1'}))
    yield case('range-megabyte', bare(), put(bytes(range(256)) * 4096, quiet=True), load('id', headers={'Range': 'bytes=65530-131080'}), load('id', headers={'Range': 'bytes=1048570-'}), load('id', headers={'Range': 'bytes=-65537'}))
    yield case('file-gone-range', active(), load('id', headers={'Range': 'bytes=3-'}), patch([{'op': 'replace', 'path': '/name', 'value': 'x'}]), load('id', headers={'Range': 'bytes=3-5'}))
    yield case('same-data-twice', active('id1'), active('id2'), show('id1'), show('id2'), profiles=BOTH)
    yield case('updated-by-upload', bare(), show(), put(TEN), show(), get('/v2/images?status=active'), profiles=BOTH)
    yield case('virtual-sizes', [[bare('id%d' % n, disk_format=f), put(DATA[d], 'id%d' % n), show('id%d' % n)] for n, (f, d) in enumerate((('raw', 'ten'), ('raw', 'qcow2'), ('qcow2', 'qcow2'), ('vhd', 'vhd'), ('vdi', 'vdi'), ('iso', 'iso'), ('vmdk', 'vmdk'), ('ami', 'ten'), ('ami', 'qcow2'), ('raw', 'empty')), 1)], profiles=BOTH)
