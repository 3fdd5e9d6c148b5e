# SPDX-License-Identifier: Apache-2.0
"""Import plugins: what they make of data and images, and that qemu-img can do nothing else. The broken archives are in
tests/unit/unpack/unpack.c; here is what becomes of an image."""
import gzip
import io
import json
import lzma
import os
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import zipfile

import pytest
from glint import GLINT, SLOW, eventually, pattern
from test_import import bring, settled, stage, staged

DATA = pattern(300000)
QEMU = shutil.which('qemu-img')
needs_qemu = pytest.mark.skipif(not QEMU, reason='qemu-img is not installed')


def zipped(data, *names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return out.getvalue()


def plugins(*names, **glint):
    return {'image_import_opts': {'image_import_plugins': '[%s]' % ','.join(names)}, 'glint': glint}


def imported(server, data, who='member', **fields):
    """The image after its import, and what its task says."""
    client = server.client(who)
    image = staged(client, data, **fields)
    assert bring(client, image).status == 202
    shown = settled(client, image, 60)
    task = server.sql('SELECT t.status, i.message FROM task_info i JOIN tasks t ON t.id = i.task_id WHERE t.image_id = ? '
                      'ORDER BY t.created_at DESC', image)[0]
    assert (task[0] == 'success') == (shown['status'] == 'active'), task
    assert server.sql("SELECT * FROM glint_job_notes WHERE name LIKE 'plugin:%'") == []
    return shown, task[1]


def data_of(server, image):
    return server.client('member').download(image['id']).body


def rest(server):
    return os.listdir(server.staging)


# ---------------------------------------------------------------- decompression, injection

@pytest.fixture(scope='module')
def unpacks(tmp_path_factory):
    from conftest import finished
    from glint import Server
    server = Server(tmp_path_factory.mktemp('unpacks'), trusted=True, config={
        **plugins('image_decompression', 'inject_image_metadata', 'no_op', decompress_ratio=2),
        'inject_metadata_properties': {'inject': 'from_import:yes,hw_disk_bus:virtio,os_glance_x:y', 'ignore_user_roles': 'admin,special'}})
    yield server
    finished([server])


@pytest.mark.parametrize('packed', [gzip.compress(DATA), gzip.compress(DATA[:100]) + gzip.compress(DATA[100:]), zipped(DATA, '../a'), lzma.compress(DATA)],
                         ids=['gzip', 'members', 'zip', 'xz'])
def test_compressed_data_become_what_they_hold(unpacks, packed):
    image, _ = imported(unpacks, packed)
    assert (image['status'], image['size'], image['virtual_size']) == ('active', len(DATA), len(DATA))
    assert data_of(unpacks, image) == DATA
    assert rest(unpacks) == []
    image, _ = imported(unpacks, packed, container_format='compressed')
    assert (image['status'], image['size']) == ('active', len(packed))
    assert data_of(unpacks, image) == packed


@pytest.mark.parametrize('packed, why', [(gzip.compress(DATA)[:-9], 'end too early'), (gzip.compress(DATA) + b'x', 'broken'), (zipped(DATA, 'a', 'b'), 'more than one file'),
                                         (b'PK\3\4' + DATA, 'no directory'), (lzma.compress(DATA)[:-5], 'end too early'), (b'\x20\0-lh5-' + DATA, 'lha data cannot')],
                         ids=['cut', 'tail', 'zip-two', 'zip-head', 'xz-cut', 'lha'])
def test_broken_archives_leave_an_image_that_waits(unpacks, packed, why):
    image, message = imported(unpacks, packed)
    assert (image['status'], image['size']) == ('queued', None) and why in message
    assert rest(unpacks) == []
    member = unpacks.client('member')
    assert stage(member, image['id'], gzip.compress(DATA)).status == 204
    assert bring(member, image['id']).status == 202
    assert settled(member, image['id'])['status'] == 'active'


def test_data_that_grow_too_much(unpacks):
    bomb = gzip.compress(bytes(400 << 20), 1)
    image, message = imported(unpacks, bomb)
    assert image['status'] == 'uploading' and 'decompress_ratio' in message         # the data are still those of the client
    assert image['size'] == len(bomb) and rest(unpacks) == [image['id']]
    assert unpacks.client('member').delete('/v2/images/' + image['id']).status == 204


def test_image_size_cap_bounds_what_comes_out(glint_server):
    server = glint_server(trusted=True, config={**plugins('image_decompression', decompress_formats='xz'), 'DEFAULT': {'image_size_cap': 200000}})
    image, message = imported(server, lzma.compress(bytes(200001)))
    assert image['status'] == 'uploading' and 'too large' in message
    image, _ = imported(server, lzma.compress(bytes(200000)))
    assert (image['status'], image['size']) == ('active', 200000)
    packed = gzip.compress(b'x')
    image, _ = imported(server, packed)                                               # is not asked for
    assert (image['status'], data_of(server, image)) == ('active', packed)


def test_the_storage_quota_bounds_what_comes_out(glint_server):
    """What does not fit is not made: the data that were staged stay, and count as they did."""
    server = glint_server(trusted=True, config={**plugins('image_decompression'), 'DEFAULT': {'user_storage_quota': 200000}})
    member = server.client('member')
    packed = gzip.compress(bytes(200001))
    image, message = imported(server, packed)
    assert image['status'] == 'uploading' and 'exceeds the storage quota' in message
    assert image['size'] == len(packed) == os.path.getsize(os.path.join(server.staging, image['id'])) and rest(server) == [image['id']]
    member.active(bytes(200000 - len(packed)))                                         # nobody else is kept from anything
    assert member.delete('/v2/images/' + image['id']).status == 204


def test_what_several_imports_make_stays_within_the_storage_quota(glint_server):
    server = glint_server(trusted=True, config={**plugins('image_decompression'), 'DEFAULT': {'user_storage_quota': 200000}})
    member = server.client('member')
    images = [staged(member, gzip.compress(bytes(90000))) for _ in range(4)]
    assert [bring(member, image).status for image in images] == [202] * 4
    shown = [settled(member, image, 60) for image in images]
    assert sum(image['size'] for image in shown) <= 200000
    assert sorted(image['status'] for image in shown) == ['active', 'active', 'uploading', 'uploading']
    assert {image['size'] for image in shown if image['status'] == 'active'} == {90000}


def test_properties_are_injected_unless_a_role_spares_the_image(unpacks):
    image, _ = imported(unpacks, b'x', hw_disk_bus='ide')
    assert (image['from_import'], image['hw_disk_bus']) == ('yes', 'virtio')
    assert 'os_glance_x' not in image
    image, _ = imported(unpacks, b'x', who='admin', hw_disk_bus='ide')
    assert 'from_import' not in image and image['hw_disk_bus'] == 'ide'


@pytest.mark.parametrize('config, says', [
    (plugins('image_decompression', 'my_plugin'), "each one of no_op"), (plugins('no_op', 'no_op'), 'names no_op twice'),
    ({**plugins('inject_image_metadata'), 'inject_metadata_properties': {'inject': 'status:active'}}, 'is no property'),
    ({**plugins('image_conversion'), 'image_conversion': {'output_format': 'vdi'}}, 'qcow2, raw, vmdk')])
def test_what_cannot_be_meant_stops_the_start(tmp_path, config, says):
    conf = tmp_path / 'glance.conf'
    conf.write_text(''.join('[%s]\n%s\n' % (section, ''.join('%s = %s\n' % pair for pair in options.items())) for section, options in config.items())
                    + '[database]\nconnection = sqlite:///%s/x.sqlite\n' % tmp_path)
    subprocess.run([GLINT, 'db', 'sync', '--config-file', conf], capture_output=True, timeout=60 * SLOW)
    done = subprocess.run([GLINT, 'serve', '--config-file', conf], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode != 0 and says in done.stderr


# ---------------------------------------------------------------- conversion

def qemu_image(tmp_path, form, *options, data=DATA):
    """A disk of 1 MiB that begins with the data."""
    raw, made = str(tmp_path / 'disk.raw'), str(tmp_path / 'disk.made')
    with open(raw, 'wb') as f:
        f.write(data)
        f.truncate(1 << 20)
    subprocess.run([QEMU, 'convert', '-f', 'raw', '-O', form, *options, raw, made], check=True, capture_output=True)
    with open(made, 'rb') as f:
        return f.read()


DISK = DATA + bytes((1 << 20) - len(DATA))


@pytest.fixture(scope='module')
def converts(tmp_path_factory):
    from conftest import finished
    from glint import Server
    server = Server(tmp_path_factory.mktemp('converts'), trusted=True, config=plugins('image_decompression', 'image_conversion', qemu_img=QEMU))
    yield server
    finished([server])


@needs_qemu
@pytest.mark.parametrize('declared, form', [('qcow2', 'qcow2'), ('vmdk', 'vmdk'), ('vdi', 'vdi'), ('vhd', 'vpc'), ('vhdx', 'vhdx'), ('raw', 'raw')])
def test_every_format_becomes_raw(converts, tmp_path, declared, form):
    image, message = imported(converts, qemu_image(tmp_path, form), disk_format=declared)
    assert image['status'] == 'active', message
    assert (image['disk_format'], image['container_format']) == ('raw', 'bare')
    assert data_of(converts, image)[:len(DISK)] == DISK and not data_of(converts, image)[len(DISK):].strip(b'\0')      # a vhd is rounded up
    assert image['size'] == image['virtual_size'] == len(data_of(converts, image))
    assert rest(converts) == []


@needs_qemu
def test_a_compressed_image_is_decompressed_and_converted(converts, tmp_path):
    image, _ = imported(converts, gzip.compress(qemu_image(tmp_path, 'qcow2', '-c')), disk_format='qcow2', container_format='ovf')
    assert (image['status'], image['disk_format'], image['container_format']) == ('active', 'raw', 'bare')
    assert data_of(converts, image) == DISK


@needs_qemu
@pytest.mark.parametrize('target', ['qcow2', 'vmdk'])
def test_other_targets(glint_server, tmp_path, target):
    server = glint_server(trusted=True, config={**plugins('image_conversion', qemu_img=QEMU), 'image_conversion': {'output_format': target}})
    image, message = imported(server, DISK, disk_format='raw')
    assert image['status'] == 'active', message
    assert (image['disk_format'], image['virtual_size']) == (target, len(DISK))
    with open(tmp_path / 'x', 'wb') as f:
        f.write(data_of(server, image))
    subprocess.run([QEMU, 'convert', '-f', target, '-O', 'raw', tmp_path / 'x', tmp_path / 'y'], check=True)
    assert (tmp_path / 'y').read_bytes() == DISK
    same = qemu_image(tmp_path, target)
    image, _ = imported(server, same, disk_format=target)
    assert data_of(server, image) == same


def iso():
    out = bytearray(40 * 2048)
    out[0x8000:0x8006] = b'\1CD001'
    out[0x8050:0x8058] = struct.pack('<II', 40, 0)
    out[0x8080:0x8084] = struct.pack('<HH', 2048, 0)
    return bytes(out)


@needs_qemu
def test_an_iso_stays(converts):
    image, message = imported(converts, iso(), disk_format='iso')
    assert (image['status'], image['disk_format']) == ('active', 'iso'), message
    assert data_of(converts, image) == iso()


def with_backing_file(tmp_path):
    made = bytearray(qemu_image(tmp_path, 'qcow2'))
    made[8:20] = struct.pack('>QI', 0x200, 11)
    made[0x200:0x20b] = b'/etc/passwd'
    return bytes(made)


def patched(data, at, value):
    return data[:at] + value + data[at + len(value):]


REFUSED = {
    'raw-as-qcow2': ('qcow2', lambda t: DISK, 'does not match'),
    'qcow2-as-raw': ('raw', lambda t: qemu_image(t, 'qcow2'), 'does not match'),
    'iso-as-raw': ('raw', lambda t: iso(), 'does not match'),
    'ami': ('ami', lambda t: DISK, 'does not match'),
    'backing-file': ('qcow2', with_backing_file, 'safety checks'),
    'encrypted': ('qcow2', lambda t: patched(qemu_image(t, 'qcow2'), 32, struct.pack('>I', 1)), 'Encrypted'),
    'vmdk-flat': ('vmdk', lambda t: qemu_image(t, 'vmdk', '-o', 'subformat=streamOptimized').replace(b'"streamOptimized"', b'"monolithicFlat"\n'), 'safety checks'),
    'qcow2-broken': ('qcow2', lambda t: patched(qemu_image(t, 'qcow2'), 40, struct.pack('>Q', 0x123)), 'qemu-img cannot read'),
}


@needs_qemu
@pytest.mark.parametrize('name', REFUSED)
def test_what_is_not_converted(converts, tmp_path, name):
    declared, make, why = REFUSED[name]
    image, message = imported(converts, make(tmp_path), disk_format=declared)
    assert (image['status'], image['disk_format'], image['size']) == ('queued', declared, None)
    assert why in message
    assert rest(converts) == []


@needs_qemu
def test_converted_data_that_stay_keep_their_format(converts, tmp_path):
    """What failed behind the conversion is imported again from where it was."""
    member = converts.client('member')
    image = staged(member, qemu_image(tmp_path, 'qcow2'), disk_format='qcow2')
    with open(os.path.join(converts.images, image), 'w') as f:
        f.write('x')
    assert bring(member, image).status == 202
    shown = settled(member, image, 60)
    assert (shown['status'], shown['disk_format'], shown['size']) == ('uploading', 'raw', len(DISK))
    os.unlink(os.path.join(converts.images, image))
    assert bring(member, image).status == 202
    assert settled(member, image)['status'] == 'active'
    assert member.download(image).body == DISK


@needs_qemu
def test_image_size_cap_bounds_what_qemu_img_writes(glint_server, tmp_path):
    """It is told by a write that fails, not by a signal; the client's data are not what is wrong."""
    server = glint_server(trusted=True, config={
        **plugins('image_conversion', qemu_img=QEMU), 'image_conversion': {'output_format': 'vmdk'}, 'DEFAULT': {'image_size_cap': 700000}})
    image, message = imported(server, qemu_image(tmp_path, 'qcow2', '-c', data=b'x' * 900000), disk_format='qcow2')
    assert (image['status'], image['disk_format']) == ('uploading', 'qcow2') and 'larger than image_size_cap' in message, message
    assert rest(server) == [image['id']]


@needs_qemu
@pytest.mark.parametrize('target', ['raw', 'vmdk'])
def test_the_storage_quota_bounds_a_conversion(glint_server, tmp_path, target):
    server = glint_server(trusted=True, config={
        **plugins('image_conversion', qemu_img=QEMU), 'image_conversion': {'output_format': target}, 'DEFAULT': {'user_storage_quota': 700000}})
    data = qemu_image(tmp_path, 'qcow2', '-c', data=b'x' * 900000)
    image, message = imported(server, data, disk_format='qcow2')
    assert (image['status'], image['disk_format'], image['size']) == ('uploading', 'qcow2', len(data)) and 'exceeds the storage quota' in message, message
    assert rest(server) == [image['id']] and os.path.getsize(os.path.join(server.staging, image['id'])) == len(data)


def test_without_qemu_img(glint_server):
    server = glint_server(trusted=True, config=plugins('image_conversion', qemu_img='/nonexistent/qemu-img'))
    assert 'image_conversion needs qemu-img, and /nonexistent/qemu-img cannot be run' in server.log()
    image, message = imported(server, DATA)
    assert image['status'] == 'uploading' and 'qemu-img cannot be run' in message


# ---------------------------------------------------------------- qemu-img in its sandbox

HONEST = '''#!/usr/bin/python3 -I
import os, sys, json, time
if sys.argv[1] == 'info':
    %(info)s
    print(json.dumps({'format': 'qcow2', 'virtual-size': 1048576}))
else:
    %(convert)s
    with open(sys.argv[-1], 'wb') as out:
        out.write(b'converted')
'''


def program(tmp_path, info='pass', convert='pass'):
    path = tmp_path / 'fake-qemu-img'
    path.write_text(HONEST % {'info': info.replace('\n', '\n    '), 'convert': convert.replace('\n', '\n    ')})
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    os.chmod(tmp_path, 0o755)
    return str(path)


TRY = '''
import ctypes, errno, resource, socket, signal
said = []
def tried(name, call):
    try:
        call()
        said.append(name + ':DONE')
    except OSError as e:
        said.append(name + ':' + errno.errorcode[e.errno])
    except BaseException as e:
        said.append(name + ':' + type(e).__name__)
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    if libc.syscall(*args) < 0:
        raise OSError(ctypes.get_errno(), '')
'''
TRIES = '''
tried('inet', lambda: socket.socket(socket.AF_INET))
tried('unix', lambda: socket.socket(socket.AF_UNIX))
tried('netlink', lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
tried('pair', lambda: socket.socketpair())
tried('fork', lambda: os.fork() or os._exit(0))
tried('spawn', lambda: os.posix_spawn('/bin/true', ['true'], {}))
tried('exec', lambda: os.execv('/bin/true', ['true']))
tried('kill', lambda: os.kill(os.getppid(), 0))
tried('passwd', lambda: open('/etc/passwd').read())
tried('proc', lambda: open('/proc/%%d/environ' %% os.getppid()).read())
tried('beside', lambda: open(os.path.dirname(sys.argv[-1]) + '/x', 'w'))
tried('list', lambda: os.listdir(os.path.dirname(sys.argv[-1])))
tried('tmp', lambda: open('/tmp/x-glint-sandbox', 'w'))
tried('input', lambda: open(sys.argv[-1], 'r+b'))
tried('unlink', lambda: os.unlink(sys.argv[-1]))
tried('uid', lambda: os.setuid(12345))
tried('mount', lambda: libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) and call(165))
tried('files', lambda: [os.open('/dev/null', 0) for _ in range(100)])
tried('memory', lambda: bytearray(3 << 30))
tried('limit', lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
print(' '.join(said), file=sys.stderr)
sys.exit(1)
'''


@pytest.fixture
def faked(glint_server, tmp_path):
    def make(info='pass', convert='pass', **glint):
        return glint_server(trusted=True, config=plugins('image_conversion', qemu_img=program(tmp_path, info, convert), **glint))
    return make


def qcow2():
    """Enough of one for the inspection."""
    return struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', 2, 0, 0, 16, 1 << 20, 0, 1, 0x30000, 0x10000, 1, 0, 0) + bytes(1 << 16)


def test_an_honest_program_converts(faked):
    server = faked()
    image, message = imported(server, qcow2(), disk_format='qcow2')
    assert image['status'] == 'active', message
    assert data_of(server, image) == b'converted'


def test_nothing_but_its_files(faked):
    server = faked(info=TRY + TRIES.replace('%%', '%'))
    image, message = imported(server, qcow2(), disk_format='qcow2')
    assert image['status'] == 'queued' and message == 'qemu-img cannot read the image.'
    line = next(line for line in server.log().split('\n') if 'inet:' in line)
    said = dict(word.split(':') for word in line[line.index('inet:'):].rstrip(')').split())
    assert said.pop('memory') == 'MemoryError' and said.pop('files') == 'EMFILE'
    assert len(said) == 18 and 'DONE' not in said.values(), said
    assert not os.path.exists('/tmp/x-glint-sandbox')


def test_a_program_that_opens_no_socket_even_by_number(faked):
    """The filter is one of numbers, and there is no other way in: x86-64 has a second set."""
    server = faked(info=TRY + '''
tried('socket', lambda: call(41, 2, 1, 0))
tried('io_uring', lambda: call(425, 1, 0))
tried('ptrace', lambda: call(101, 0, 0, 0, 0))
tried('death', lambda: libc.prctl(1, 0) and call(9999))
print(' '.join(said), file=sys.stderr, flush=True)
call(0x40000000 + 39)
''')
    image, message = imported(server, qcow2(), disk_format='qcow2')
    assert image['status'] == 'queued' and 'signal 31' in message
    assert 'socket:EACCES io_uring:ENOSYS ptrace:ENOSYS death:ENOSYS' in server.log()


def test_time_is_bounded(faked):
    server = faked(info='while True: pass')
    image, message = imported(server, qcow2(), disk_format='qcow2')
    assert image['status'] == 'uploading' and 'more than 2 seconds of work' in message


def test_waiting_is_bounded(faked):
    server = faked(convert='time.sleep(1000)', convert_timeout=1)
    image, message = imported(server, qcow2(), disk_format='qcow2')
    assert (image['status'], image['disk_format']) == ('uploading', 'qcow2') and 'more than 1 seconds' in message
    assert rest(server) == [image['id']]


def test_output_is_bounded(glint_server, tmp_path):
    large = program(tmp_path, convert='import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open(sys.argv[-1], "r+b").truncate(200 << 20)')
    server = glint_server(trusted=True, config={**plugins('image_conversion', qemu_img=large), 'DEFAULT': {'image_size_cap': 100 << 20}})
    image, message = imported(server, qcow2(), disk_format='qcow2')
    assert image['status'] == 'uploading' and 'larger than image_size_cap' in message, message + server.log()


def test_talk_is_bounded(faked):
    server = faked(info='''
for i in range(1000): print('x' * 100000)
''')
    image, message = imported(server, qcow2(), disk_format='qcow2')
    assert image['status'] == 'queued' and 'says too much' in message


def test_an_image_within_the_image(faked):
    server = faked(convert='''
with open(sys.argv[-1], 'wb') as out:
    out.write(open(sys.argv[-2], 'rb').read())
sys.exit(0)
''')
    image, message = imported(server, qcow2(), disk_format='qcow2')
    assert (image['status'], image['disk_format']) == ('queued', 'qcow2') and 'unexpected format' in message


def test_what_it_says_is_checked(glint_server, tmp_path):
    for info, why in [('"format": "qcow2", "backing-filename": "x"', 'backing files'), ('"format": "raw"', 'disagrees'), ('"format": "qcow2", "virtual-size": 1%s' % ('0' * 15), 'larger than'),
                      ('"format": "qcow2", "format-specific": {"data": {"data-file": "x"}}', 'data-file'), ('"format": "qcow2", "encrypted": true', 'Encrypted'), ('', 'disagrees')]:
        server = glint_server(trusted=True, config=plugins('image_conversion', qemu_img=program(tmp_path, info="print('''{%s}'''); sys.exit(0)" % info)))
        image, message = imported(server, qcow2(), disk_format='qcow2')
        assert image['status'] != 'active' and why in message, info


def fakes(server):
    """Processes of the fake program."""
    found = []
    for pid in os.listdir('/proc'):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                words = f.read().split(b'\0')
        except OSError:
            continue
        if any(word.endswith(b'/fake-qemu-img') for word in words) and any(server.staging.encode() in word for word in words):
            found.append(int(pid))
    return found


def test_it_ends_with_its_worker_and_the_next_one_goes_on(faked):
    server = faked(convert='time.sleep(3)')
    member = server.client('member')
    image = staged(member, qcow2(), disk_format='qcow2')
    assert bring(member, image).status == 202
    first = eventually(lambda: [pid for pid in fakes(server) if b'convert' in open('/proc/%d/cmdline' % pid, 'rb').read()], 30)
    with open('/proc/%d/stat' % first[0]) as f:
        worker = int(f.read().rsplit(')', 1)[1].split()[1])
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: not os.path.exists('/proc/%d' % first[0]))
    shown = settled(member, image, 60)
    assert (shown['status'], shown['disk_format']) == ('active', 'raw')
    assert member.download(image).body == b'converted'
    assert rest(server) == []


def endless(faked):
    """A server, and an image of it whose conversion never ends."""
    server = faked(convert='time.sleep(1000)')
    member = server.client('member')
    image = staged(member, qcow2(), disk_format='qcow2')
    assert bring(member, image).status == 202
    assert eventually(lambda: fakes(server), 30)
    return server, image


def test_it_ends_with_its_image(faked):
    server, image = endless(faked)
    member = server.client('member')
    assert member.delete('/v2/images/' + image).status == 204
    assert eventually(lambda: rest(server) == [] and not fakes(server), 60)


def test_it_does_not_hold_the_stop(faked):
    server, image = endless(faked)
    assert server.stop() == 0
    assert not fakes(server)
    assert json.loads(server.sql('SELECT arguments FROM glint_jobs WHERE image_id = ?', image)[0][0])['method'] == 'glance-direct'


PARENT = '''
import os, subprocess, sys, time
d = sys.argv[1]
p = subprocess.Popen([d + '/glint', 'helper', str(os.getpid()), '60', str(1 << 30), '0', d + '/in', '', d + '/fake'],
                     stdout=subprocess.PIPE, text=True)
print(p.pid, p.stdout.readline(), flush=True)
time.sleep(1000)
'''
ALONE = '''#!/usr/bin/python3 -I
import os, socket, time
said = []
for name, call in [('passwd', lambda: open('/etc/passwd')), ('inet', lambda: socket.socket()), ('fork', os.fork), ('read', lambda: open('%s').read())]:
    try:
        call()
        said.append(name)
    except OSError:
        pass
print(' '.join(said), flush=True)
time.sleep(1000)
'''


@pytest.mark.skipif(os.geteuid() != 0, reason='every other test is one without privileges then')
def test_the_sandbox_of_a_service_without_privileges():
    directory = tempfile.mkdtemp(dir='/tmp')
    try:
        os.chmod(directory, 0o755)
        shutil.copy(os.path.realpath(GLINT), directory + '/glint')
        for name, text in [('in', 'x'), ('fake', ALONE % (directory + '/in'))]:
            with open(os.path.join(directory, name), 'w') as f:
                f.write(text)
            os.chmod(f.name, 0o755)
        parent = subprocess.Popen(['/usr/bin/python3', '-c', PARENT, directory], user=65534, group=65534, extra_groups=[], stdout=subprocess.PIPE, text=True)
        pid, *said = parent.stdout.readline().split()
        assert said == ['read']
        spaces = [os.readlink('/proc/%s/ns/net' % who) for who in (pid, 'self')]
        may = subprocess.run(['unshare', '-Un', 'true'], user=65534, group=65534, extra_groups=[], capture_output=True).returncode == 0
        assert not may or spaces[0] != spaces[1]
        parent.kill()
        parent.wait()
        assert eventually(lambda: not os.path.exists('/proc/%s/exe' % pid) or not os.readlink('/proc/%s/exe' % pid))
    finally:
        shutil.rmtree(directory)
