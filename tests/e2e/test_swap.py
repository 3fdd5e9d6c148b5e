# SPDX-License-Identifier: Apache-2.0
"""One database and one data directory, served in turn by Glint and by the real Glance.

GLANCE_PEER_ROOT names a Debian root with python3-glance and uwsgi (tests/oracle/peer.sh uses the same one). Both
programs see the directory under the same path, because locations are absolute: it is bind-mounted into that root."""
import os
import shutil
import subprocess
import tempfile

import pytest

from glint import PASTE_TRUSTED, Client, Server, digests, eventually, free_port, pattern

ROOT = os.environ.get('GLANCE_PEER_ROOT', '/var/tmp/peer-root')
pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(ROOT, 'usr/bin/glance-manage')) or os.geteuid() != 0,
                                reason='the real Glance is not here (GLANCE_PEER_ROOT), or we are not root')

CONF = '''[DEFAULT]
log_file = {top}/glance.log
node_staging_uri = file://{top}/staging
[database]
connection = sqlite:///{top}/glance.sqlite
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = {top}/images
[oslo_concurrency]
lock_path = {top}
[paste_deploy]
flavor = trusted
config_file = {top}/paste.ini
'''
UWSGI = '''[uwsgi]
plugins = python3
module = glance.wsgi.api:application
http-socket = 127.0.0.1:{port}
master = true
processes = 1
threads = 1
enable-threads = true
py-sys-executable = /usr/bin/python3
lazy-apps = true
die-on-term = true
close-on-exec = true
buffer-size = 65535
disable-logging = true
add-header = Connection: close
'''


class Glance:
    """The real one, on a directory; more: lines after those of CONF."""

    def __init__(self, top, more='', paste=PASTE_TRUSTED):
        self.top, self.process, self.port = top, None, free_port()
        os.makedirs(top + '/staging', exist_ok=True)
        shutil.copy(paste, top + '/paste.ini')
        for name, text in (('glance-api.conf', CONF + more), ('uwsgi.ini', UWSGI)):
            os.makedirs(top + '/real', exist_ok=True)
            with open(os.path.join(top, 'real', name), 'w') as f:
                f.write(text.format(top=top, port=self.port))

    def command(self, *words):
        return ['chroot', ROOT, '/usr/bin/env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/tmp', 'LC_ALL=C.UTF-8',
                'OS_GLANCE_CONFIG_DIR=' + self.top + '/real', *words]

    def manage(self, *words):
        done = subprocess.run(self.command('glance-manage', '--config-file', self.top + '/real/glance-api.conf', *words),
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def start(self):
        with open(self.top + '/uwsgi.out', 'ab') as log:
            self.process = subprocess.Popen(self.command('uwsgi_python3', '--ini', self.top + '/real/uwsgi.ini'),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def ready():
            try:
                return Client('127.0.0.1', self.port, timeout=5).get('/versions').status == 200
            except OSError:
                return False
        assert eventually(ready, 60), open(self.top + '/uwsgi.out').read()[-3000:]
        return Client('127.0.0.1', self.port, 'member'), Client('127.0.0.1', self.port, 'admin')

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


@pytest.fixture
def top():
    """A directory that both see under the same name."""
    if os.environ.get('E2E_TRUSTED_URL'):
        pytest.skip('needs a server of its own')
    path = tempfile.mkdtemp(prefix='glint-swap-', dir='/srv')
    inside = ROOT + path
    os.makedirs(inside)
    subprocess.run(['mount', '--bind', path, inside], check=True)
    try:
        yield path
    finally:
        subprocess.run(['umount', '-l', inside], check=True)
        os.rmdir(inside)
        shutil.rmtree(path, ignore_errors=True)


def same(one, other):
    """Two documents of one image; tags have no order."""
    return {**one, 'tags': sorted(one['tags'])} == {**other, 'tags': sorted(other['tags'])}


def fill(member, mark):
    """Images of several kinds; {name: (document, data or None)}."""
    made = {}
    data = pattern(300000, mark)
    image_id = member.active(data, name='active', tags=['b', 'a'], os_distro='debian', min_disk=3, visibility='private')
    made['active'] = (member.show(image_id), data)
    image_id = member.active(b'', name='empty', disk_format='iso', container_format='ovf')
    made['empty'] = (member.show(image_id), b'')
    image_id = member.create(name='queued', żółw='żółw')['id']
    made['queued'] = (member.show(image_id), None)
    image_id = member.create(name='patched', one='1', two='2', tags=['x'])['id']
    assert member.patch(image_id, [{'op': 'remove', 'path': '/one'}, {'op': 'replace', 'path': '/two', 'value': '3'},
                                   {'op': 'replace', 'path': '/tags', 'value': ['y']}]).status == 200
    made['patched'] = (member.show(image_id), None)
    gone = member.active(b'gone', name='gone')
    assert member.delete('/v2/images/' + gone).status == 204
    made['gone'] = ({'id': gone}, None)
    return made


def check(member, made):
    for name, (document, data) in made.items():
        if name == 'gone':
            assert member.get('/v2/images/' + document['id']).status == 404
            assert member.post('/v2/images', json={'id': document['id']}).status == 409
            continue
        assert same(member.show(document['id']), document), name
        answer = member.download(document['id'])
        if data is None:
            assert answer.status == 204
        else:
            assert answer.status == 200 and answer.body == data, name
            assert answer.header('Content-MD5') == digests(data)[0]
    listed = set(member.listed('?limit=1000'))
    assert listed >= {document['id'] for name, (document, _) in made.items() if name != 'gone'}
    assert made['gone'][0]['id'] not in listed


def work_on(member, made):
    """What the other program does with these images: changes one, gives the queued one its data, deletes one."""
    patched = made['patched'][0]['id']
    assert member.patch(patched, [{'op': 'add', 'path': '/one', 'value': 'again'}]).status == 200
    made['patched'] = (member.show(patched), None)
    queued, data = made['queued'][0]['id'], pattern(100000, 9)
    assert member.upload(queued, data).status == 204
    made['queued'] = (member.show(queued), data)
    empty = made.pop('empty')[0]['id']
    assert member.delete('/v2/images/' + empty).status == 204
    made['gone'] = ({'id': empty}, None)


def test_glint_then_glance_then_glint(top):
    glint, glance = Server(top, trusted=True), Glance(top)
    try:
        made = fill(glint.client(), 1)
        assert glint.stop() == 0
        assert glance.manage('db', 'version')[1].startswith('2024_1_contract01')
        status, output = glance.manage('db', 'check')
        assert status == 0, output
        status, output = glance.manage('db', 'sync')
        assert status == 0, output
        member, _ = glance.start()
        check(member, made)
        work_on(member, made)
        more = fill(member, 2)
        glance.stop()

        glint.start()
        check(glint.client(), made)
        check(glint.client(), more)
        work_on(glint.client(), more)
        check(glint.client(), more)
        assert glint.tool('db', 'check').returncode == 0
    finally:
        glance.stop()
        problem = glint.finish()
    assert not problem, problem


def test_glance_then_glint_then_glance(top):
    glance = Glance(top)
    glint = None
    try:
        status, output = glance.manage('db', 'sync')
        assert status == 0, output
        os.makedirs(top + '/images', exist_ok=True)
        member, _ = glance.start()
        made = fill(member, 1)
        glance.stop()

        glint = Server(top, trusted=True)
        check(glint.client(), made)
        work_on(glint.client(), made)
        more = fill(glint.client(), 2)
        assert glint.stop() == 0

        status, output = glance.manage('db', 'check')
        assert status == 0, output
        member, _ = glance.start()
        check(member, made)
        check(member, more)
    finally:
        glance.stop()
        problem = glint.finish() if glint else ''
    assert not problem, problem


def test_both_at_once(top):
    """Not a way to run them, but neither corrupts what the other does."""
    glint, glance = Server(top, trusted=True), Glance(top)
    try:
        ours = glint.client()
        theirs, _ = glance.start()
        for n in range(5):
            one = ours.active(pattern(1000, n), name='ours %d' % n)
            two = theirs.active(pattern(1000, n + 50), name='theirs %d' % n)
            assert same(theirs.show(one), ours.show(one)) and same(theirs.show(two), ours.show(two))
            assert theirs.download(one).body == pattern(1000, n) and ours.download(two).body == pattern(1000, n + 50)
            assert ours.delete('/v2/images/' + two).status == 204 and theirs.get('/v2/images/' + two).status == 404
            assert theirs.delete('/v2/images/' + one).status == 204 and ours.get('/v2/images/' + one).status == 404
    finally:
        glance.stop()
        problem = glint.finish()
    assert not problem, problem
