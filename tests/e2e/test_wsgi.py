# SPDX-License-Identifier: Apache-2.0
"""The WSGI application called directly, in servers that do little for it, and by Glance's names. The API through the servers of
Debian is in tests/matrix."""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

import glint
import webservers
from glint import MIB, SLOW, free_port, pattern

sys.path.insert(0, os.path.join(glint.TOP, 'tests', 'matrix'))
import fronts_wsgi  # noqa: E402
from fronts_wsgi import PACKAGES, PYTHON, Python  # noqa: E402
from hosted import Background, find, sanitizers  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CALLS = os.path.join(HERE, 'wsgi')  # apart from this directory, where `glint` is another module
COMPAT = os.path.join(glint.TOP, 'src', 'embed', 'wsgi', 'compat')
DEPLOY = os.path.join(glint.TOP, 'deploy')
CASES = ['answers', 'paths', 'bodies', 'faults_of_the_server', 'files', 'configurations', 'forks', 'threads', 'interpreters', 'lasting']
pytestmark = pytest.mark.skipif(bool(Python.missing()), reason=str(Python.missing()))


@pytest.fixture
def background(tmp_path):
    b = Background(tmp_path / 'data', trusted=True)
    yield b
    b.stop()


def environment(background, *paths):
    env = background.environment()
    return {**env, **sanitizers(env), 'PYTHONPATH': ':'.join([*paths, PACKAGES]), 'OS_GLANCE_CONFIG_DIR': background.directory,
            'IMAGES': background.images, 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONSAFEPATH': '1'}


@pytest.mark.parametrize('case', CASES)
def test_calls(background, case):
    done = subprocess.run([PYTHON, os.path.join(CALLS, 'calls.py'), case], env=environment(background), capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=120 * SLOW)
    assert done.returncode == 0, done.stderr[-4000:]


def test_only_the_entry_is_exported():
    done = subprocess.run(['nm', '-D', '--defined-only', fronts_wsgi.EXTENSION], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in done.stdout.splitlines() if ' _' not in line] == ['PyInit__glint']


# ---------------------------------------------------------------- servers

@pytest.fixture
def host():
    made, top = [], tempfile.mkdtemp(prefix='glint-wsgi-')
    os.chmod(top, 0o755)    # for a server that is not ours to read

    def make(cls, **attributes):
        here = type(cls.__name__, (cls,), attributes)(os.path.join(top, '%s-%d' % (cls.name, len(made))))
        made.append(here)
        here.start()
        here.wait_ready()
        return here
    yield make
    for here in made:
        here.stop()
        assert not any(report in here.logs() for report in glint.REPORTS), here.logs()[-5000:]
    shutil.rmtree(top)


def client(front):
    return glint.Client(front.host, front.port, 'member')


def test_pyargv_names_the_configuration(host):
    """As it does for Glance; without it nothing is found, and nobody is served."""
    class Argued(fronts_wsgi.PythonHttp11Socket):
        def environment(self):
            env = super().environment()
            env.pop('OS_GLANCE_CONFIG_DIR')
            return {**env, 'HOME': '/nonexistent'}

        def command(self):
            return [*super().command(), '--pyargv', '--config-file %s' % os.path.join(self.directory, 'glance-api.conf')]
    if Argued.missing():
        pytest.skip(str(Argued.missing()))
    front = host(Argued)
    assert client(front).get('/v2/images').status == 200


class Reference(Python):
    """wsgiref's server, one request at a time, with its validator around the application."""
    name = 'wsgiref'
    script = '''
import sys
from wsgiref.simple_server import make_server
from wsgiref.validate import validator
from glint.wsgi import application

def without_type(environ, start_response):
    """Glance sends a media type with 204, which the validator does not want."""
    def start(status, headers, *more):
        if status.startswith('204'):
            headers = [h for h in headers if h[0] != 'Content-Type']
        return start_response(status, headers, *more)
    return application(environ, start)

make_server('127.0.0.1', int(sys.argv[1]), validator(without_type)).serve_forever()
'''

    def command(self):
        return [PYTHON, '-c', self.script, str(self.port)]


def test_pep_3333_is_kept(host):
    front = host(Reference)
    c, data = client(front), pattern(3 * MIB)
    image = c.create(name='p')
    assert c.upload(image['id'], data).status == 204
    assert c.upload(image['id'], data).status == 409
    assert c.download(image['id']).body == data
    assert c.download(image['id'], {'Range': 'bytes=1000-2000000'}).body == data[1000:2000001]
    assert c.download(image['id'], {'Range': 'bytes=99999999-'}).status == 416
    for i in range(30):
        c.create(name='x' * 255, description='y' * 4000)
    assert len(c.listed('?limit=100')) == 31   # larger than what is collected
    assert c.request('HEAD', '/v2/images').status in (404, 405)
    assert c.get('/v2/images/nonsense').status == 404
    assert c.delete('/v2/images/' + image['id']).status == 204
    assert 'AssertionError' not in front.logs() and 'Traceback' not in front.logs(), front.logs()[-3000:]


STREAM = {'Content-Type': 'application/octet-stream'}


def test_a_hidden_body_is_refused_in_plain_words(host):
    """wsgiref leaves chunks in wsgi.input as they came and says nothing."""
    front = host(Reference)
    c = client(front)
    image = c.create()
    answer = c.upload(image['id'], chunks=[b'x' * 1000])
    assert answer.status == 411 and b'send Content-Length' in answer.body
    assert 'glint: This server does not tell its applications' in front.logs()
    assert c.request('PUT', '/v2/images/%s/stage' % image['id'], chunks=[b'x' * 1000], headers=STREAM).status == 411
    assert c.show(image['id'])['status'] == 'queued'
    assert c.upload(image['id'], b'x' * 1000).status == 204


def test_uwsgi_that_keeps_chunks_is_named(host):
    front = host(fronts_wsgi.PythonRouter, options={**fronts_wsgi.PythonRouter.options, 'http-chunked-input': None})
    c = client(front)
    image = c.create()
    answer = c.upload(image['id'], chunks=[b'x' * 1000])
    assert answer.status == 411 and b'http-chunked-input' in answer.body
    assert c.request('PUT', '/v2/images/%s/stage' % image['id'], chunks=[b'x' * 1000], headers=STREAM).status == 411
    assert c.show(image['id'])['status'] == 'queued'


def test_mod_wsgi_that_keeps_chunks_makes_no_image(host):
    if fronts_wsgi.Daemon.missing():
        pytest.skip(fronts_wsgi.Daemon.missing())
    front = host(fronts_wsgi.Daemon, prefix='', more=fronts_wsgi.Daemon.more + '\nWSGIChunkedRequest Off')
    c = client(front)
    image = c.create()
    assert c.upload(image['id'], chunks=[b'x' * 1000]).status == 411
    assert c.show(image['id'])['status'] == 'queued'


@pytest.mark.parametrize('cls', [fronts_wsgi.Gunicorn, fronts_wsgi.Waitress, fronts_wsgi.Daemon, fronts_wsgi.Embedded,
                                 fronts_wsgi.PythonHttp11Socket], ids=lambda cls: cls.name)
def test_data_that_ends_early_is_seen(host, cls):
    """A file that is cut while it is sent: a broken transfer, and soon; never a short one that looks whole."""
    if cls.missing():
        pytest.skip(cls.missing())
    front = host(cls, prefix='')
    c = client(front)
    c.timeout = 30 * SLOW
    data = pattern(64 * MIB)
    image = c.active(data)
    with c.connect() as s:
        s.sendall(c.head('GET', '/v2/images/%s/file' % image))
        got = s.recv(65536)
        os.truncate(os.path.join(front.background.images, image), 8 * MIB)
        with contextlib.suppress(ConnectionResetError):
            while piece := s.recv(MIB):
                got += piece
    assert len(got) < 64 * MIB
    assert c.get('/v2/images?limit=1').status == 200


def test_gunicorn_that_loads_and_serves_before_it_forks(host):
    class Preloading(fronts_wsgi.Gunicorn):
        def command(self):
            with open(self.directory + '/preloaded.py', 'w') as f:
                f.write('import calls\nassert calls.call("GET", "/v2/images").status == 200\n'
                        'application = calls.application\n')
            return super().command()[:-1] + ['--preload', '--pythonpath', '%s,%s' % (self.directory, CALLS), 'preloaded:application']
    front = host(Preloading)
    c = client(front)
    for n in range(6):
        data = pattern(100000, n)
        assert c.download(c.active(data)).body == data
    pids = set(re.findall(r'the image service is open in process (\d+)', front.logs()))
    assert len(pids) >= 2, front.logs()


@pytest.mark.parametrize('name', ['uwsgi-python-http', 'gunicorn'])
def test_recorded_answers(name):
    """A sample of what the real Glance answers; tests/matrix/replay.py has the others."""
    done = subprocess.run([sys.executable, '-B', os.path.join(glint.TOP, 'tests', 'matrix', 'replay.py'), '--front', name, '--files',
                           'create,list,show'], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300 * SLOW)
    passed, failed = map(int, re.findall(r'^(\d+) passed, (\d+) failed', done.stdout, re.M)[-1])
    assert passed >= 200 and failed == 0, done.stdout[-3000:]


# ---------------------------------------------------------------- Glance's names

def test_an_existing_uwsgi_ini_loads_glint(host):
    class Named(fronts_wsgi.PythonHttp11Socket):
        options = {**fronts_wsgi.PythonHttp11Socket.options, 'module': 'glance.wsgi.api:application', 'python-path': COMPAT}
    c = client(host(Named))
    assert c.show(c.active(b'x'))['status'] == 'active'


def test_an_existing_script_loads_glint(host):
    class Named(fronts_wsgi.PythonHttp11Socket):
        options = {**fronts_wsgi.PythonHttp11Socket.options, 'module': None, 'wsgi-file': os.path.join(COMPAT, 'glance-wsgi-api')}
    c = client(host(Named))
    assert c.show(c.active(b'x'))['status'] == 'active'


def python(background, text, *paths):
    return subprocess.run([PYTHON, '-c', text], env=environment(background, *paths), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60 * SLOW)


def test_both_of_glances_names(background):
    done = python(background, 'import glance.wsgi.api as a, glance.common.wsgi_app as b, glint.wsgi as c\n'
                              'assert a.application is b.init_app() is c.application', COMPAT)
    assert done.returncode == 0 and not done.stderr, done


def test_the_script_is_not_a_program(background):
    done = subprocess.run([PYTHON, os.path.join(COMPAT, 'glance-wsgi-api')], env=environment(background), capture_output=True, text=True)
    assert done.returncode == 1 and 'glint serve' in done.stderr


def test_it_does_not_stand_beside_glance_itself(background, tmp_path):
    for sign in ('glance-33.0.0.dist-info', 'glance-25.1.0.egg-info', 'glance/api'):
        place = tmp_path / sign.replace('/', '-')
        shutil.copytree(COMPAT, place, ignore=shutil.ignore_patterns('__pycache__'))
        (place / sign).mkdir()
        (place / sign / '__init__.py').touch()
        done = python(background, 'import glance.wsgi.api', str(place))
        assert done.returncode == 1 and 'remove one of them' in done.stderr, done


def test_it_says_that_it_stands_before_glance(background, tmp_path):
    (tmp_path / 'real' / 'glance' / 'api').mkdir(parents=True)
    (tmp_path / 'real' / 'glance' / 'api' / '__init__.py').touch()
    done = python(background, 'import glance.wsgi.api', COMPAT, str(tmp_path / 'real'))
    assert done.returncode == 0 and done.stderr == 'glint: Glint serves in place of the Glance in %s\n' % (tmp_path / 'real'), done


# ---------------------------------------------------------------- the files in deploy/

class DeployedGunicorn(fronts_wsgi.Gunicorn):
    name = 'deployed-gunicorn'

    def command(self):
        with open(os.path.join(DEPLOY, 'gunicorn', 'gunicorn.conf.py')) as f:
            text = webservers.trusting(f.read())
        assert '0.0.0.0:9292' in text
        with open(self.directory + '/gunicorn.conf.py', 'w') as f:
            f.write(text.replace('0.0.0.0:9292', '%s:%d' % (self.host, self.port)))
        return [PYTHON, find('gunicorn'), '--config', self.directory + '/gunicorn.conf.py']


class DeployedModWsgi(fronts_wsgi.Daemon):
    name = 'deployed-mod-wsgi'

    def command(self):
        with open(os.path.join(DEPLOY, 'mod_wsgi', 'glint.wsgi')) as f:
            script = f.read()
        with open(os.path.join(DEPLOY, 'mod_wsgi', 'glint.conf')) as f:
            conf = webservers.trusting(f.read())
        for old, new in {'user=glance group=glance': 'user=%s group=%s' % (self.user, self.user),
                         '*:80': '%s:%d' % (self.host, self.port), '/usr/share/glint': self.directory,
                         '${APACHE_LOG_DIR}': self.directory}.items():
            assert old in conf, old
            conf = conf.replace(old, new)
        paths = super().command()
        with open(paths[2]) as f:
            base = f.read()
        base = ''.join(line + '\n' for line in base.splitlines() if not re.match('WSGI(Script|Daemon|Chunked|Pass)|Limit|Allow', line))
        with open(paths[2], 'w') as f:
            f.write(base + conf)
        with open(self.directory + '/glint.wsgi', 'w') as f:
            f.write('import os, sys\nsys.path.insert(0, %r)\nos.environ["OS_GLANCE_CONFIG_DIR"] = %r\n%s' % (PACKAGES, self.directory, script))
        return paths


@pytest.mark.parametrize('cls', [DeployedGunicorn, DeployedModWsgi], ids=lambda cls: cls.name)
def test_deployed_files_work(host, cls):
    if cls.missing():
        pytest.skip(cls.missing())
    front = host(cls)
    prefix, data = front.prefix, pattern(3 * MIB)
    c = client(front)
    image = c.post(prefix + '/v2/images', json={'disk_format': 'raw', 'container_format': 'bare'}).json
    url = '%s/v2/images/%s/file' % (prefix, image['id'])
    kind = {'Content-Type': 'application/octet-stream'}
    assert c.put(url, chunks=[data[:MIB], data[MIB:]], headers=kind).status == 204
    assert c.get(url).body == data
    assert c.get(url, headers={'Range': 'bytes=5-9'}).body == data[5:10]
    assert c.get(prefix + '/v2/images', headers={'X-Auth-Token': 'x' * 12000}).status == 200


def test_servers_say_where_the_service_cannot_start(background, tmp_path):
    """A wrong configuration shows when the server loads the application."""
    with open(background.conf, 'a') as f:
        f.write('[DEFAULT]\nbind_port = many\n')
    done = subprocess.run([PYTHON, find('gunicorn') or '-c', '--bind', '127.0.0.1:%d' % free_port(), '--worker-class', 'gthread',
                           'glint.wsgi:application'], cwd=background.directory, env=environment(background), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60 * SLOW)
    assert done.returncode != 0 and re.search(r'glint\.Error: .*glance-api\.conf:\d+', done.stderr), done
