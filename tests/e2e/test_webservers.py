# SPDX-License-Identifier: Apache-2.0
"""The sites of deploy/ before `glint serve`. What every way to host the service must do is in tests/matrix; this is what is
true of these alone."""
import contextlib
import http.client
import os
import re
import ssl
import subprocess
import tempfile

import pytest
import webservers
from glint import GLINT, MIB, SLOW, Client, Server, eventually, free_port, pattern
from webservers import Apache, Nginx

SITES = {
    'nginx-http': (Nginx, 'glint-http.conf', None),
    'nginx-uwsgi': (Nginx, 'glint-uwsgi.conf', '127.0.0.1:9294'),
    'apache-http': (Apache, 'glint-proxy-http.conf', None),
    'apache-uwsgi': (Apache, 'glint-proxy-uwsgi.conf', '127.0.0.1:9294'),
}


@contextlib.contextmanager
def running(directory, name, config=None, backend=None, **kw):
    """(service, web server)"""
    cls, site, there = SITES[name]
    missing = webservers.need('nginx' if cls is Nginx else 'apache2')
    if missing:
        pytest.skip(missing)
    if backend:
        service = Server(directory, config={**webservers.HTTP_BACKEND, 'glint': config})
        texts = backend
    elif there:
        address = '127.0.0.1:%d' % free_port()
        service = Server(directory, config={'glint': {'bind_uwsgi': address}})
        texts = {there: address}
    else:
        service = Server(directory, config=webservers.HTTP_BACKEND)
        texts = {'127.0.0.1:9292': '127.0.0.1:%d' % service.port}
    server = cls(os.path.join(str(directory), 'front'), site, texts, **kw)
    try:
        server.start()
        tls = kw.get('tls')
        assert eventually(lambda: answers(server, tls), 20), server.log()
        yield service, server
    finally:
        ended = server.stop()
        problem = service.finish() if service.process else ''
    assert ended == 0, server.log()
    assert not problem, problem


def connect(server, tls=None, source=None):
    if not tls:
        return http.client.HTTPConnection(server.host, server.port, timeout=30 * SLOW, source_address=source)
    context = ssl.create_default_context(cafile=tls[0])
    context.check_hostname = False
    return http.client.HTTPSConnection(server.host, server.port, timeout=30 * SLOW, context=context)


def answers(server, tls):
    with contextlib.suppress(OSError, http.client.HTTPException):
        c = connect(server, tls)
        c.request('GET', '/image/versions')
        return c.getresponse().status == 200
    return False


@pytest.fixture(scope='module', params=SITES)
def site(request, tmp_path_factory):
    with running(tmp_path_factory.mktemp(request.param), request.param) as both:
        yield (request.param, *both)


def accepted(service):
    text = Client(service.host, service.metrics_port).get('/metrics').text
    return int(re.search(r'^glint_http_connections_total\{listener="api"\} (\d+)', text, re.M).group(1))


def test_check_deploy_has_nothing_to_say(site):
    _, service, server = site
    done = subprocess.run([GLINT, 'check-deploy', '--pause', '1', 'http://%s:%d/image' % (server.host, server.port)], capture_output=True, text=True,
                          timeout=120 * SLOW)
    assert done.returncode == 0 and '0 wrong, 0 could be better' in done.stdout, done.stdout


def test_the_service_knows_the_client(site):
    name, service, server = site
    c = connect(server, source=('127.0.0.9', 0))
    c.request('GET', '/image/v2/images/who-is-it', headers={'X-Forwarded-For': '203.0.113.1', 'Forwarded': 'for=203.0.113.2'})
    assert c.getresponse().status == 404
    line = eventually(lambda: next((line for line in service.log().splitlines() if 'path=/v2/images/who-is-it' in line), None))
    assert 'peer=127.0.0.9 ' in line


def test_connections_to_the_service(site):
    """HTTP uses them again; the uwsgi protocol never does."""
    name, service, server = site
    before = accepted(service)
    c = connect(server)
    for _ in range(50):
        c.request('GET', '/image/v2/images?limit=1')
        answer = c.getresponse()
        assert answer.status == 200 and answer.read() and not answer.will_close
    used = accepted(service) - before
    assert used == 50 if 'uwsgi' in name else used <= 10, used


@pytest.mark.parametrize('path, status', [
    ('/image', 300), ('/image?a=%2F', 300), ('/image/', 300), ('/image/v2/images', 200), ('/images', None), ('/imagev2', None),
    ('/image/v2/images/x/../y', 404), ('/image/v2/schemas%2Fimage', 200), ('/image/v2/schemas/%69mage', 200), ('/', None)])
def test_paths(site, path, status):
    _, _, server = site
    c = connect(server)
    c.request('GET', path)
    answer = c.getresponse()
    ours = answer.getheader('X-Openstack-Request-Id') is not None
    assert answer.status == status or status is None and not ours, (answer.status, answer.read())


def test_all_of_an_upload_and_a_download(site):
    _, service, server = site
    data = pattern(8 * MIB)
    direct = Client(service.host, service.port)
    image = direct.create()['id']
    for body in (iter([data[:MIB], data[MIB:]]), None):
        c = connect(server)
        if body:
            c.request('PUT', '/image/v2/images/%s/file' % image, body=body, headers={'Content-Type': 'application/octet-stream'},
                      encode_chunked=True)
            assert c.getresponse().status == 204
        else:
            c.request('GET', '/image/v2/images/%s/file' % image)
            assert c.getresponse().read() == data


@pytest.mark.parametrize('mount', ['SetEnv GLINT_MOUNT /', 'SetEnv GLINT_MOUNT ""', ''], ids=['slash', 'empty', 'left out'])
def test_the_root_by_the_uwsgi_protocol(mount, tmp_path):
    """mod_proxy_uwsgi that is given no path takes all of it for the mount; the service does not."""
    if webservers.need('apache2'):
        pytest.skip(webservers.need('apache2'))
    address = '127.0.0.1:%d' % free_port()
    service = Server(tmp_path, config={'glint': {'bind_uwsgi': address}})
    server = Apache(os.path.join(str(tmp_path), 'front'), 'glint-proxy-uwsgi.conf', {'127.0.0.1:9294': address, 'SetEnv GLINT_MOUNT /\n': mount + '\n'},
                    at_root=True)
    try:
        server.start()
        direct, front = Client(service.host, service.port), Client(server.host, server.port)

        def ready():
            with contextlib.suppress(OSError):
                return front.get('/versions').status == 200
        assert eventually(ready, 20), server.log()
        assert b'"http://%s:%d/v2/"' % (server.host.encode(), server.port) in front.get('/').body
        image = front.create()
        assert front.upload(image['id'], chunks=[b'x' * 1000]).status == 204
        assert front.show(image['id'])['size'] == 1000
        for path in ('/v2/images/%s/tags/a%%2Fb' % image['id'], '/v2/schemas%2Fimage', '/v2/images?limit=1', '/v2/', '/nothing'):
            assert front.get(path).status == direct.get(path).status, path
    finally:
        server.stop()
        problem = service.finish()
    assert not problem, problem


# What the sites say to change for a Unix socket.
UNIX = {
    'nginx-http': ('bind_unix', lambda path: {'server 127.0.0.1:9292;': 'server unix:%s;' % path}),
    'nginx-uwsgi': ('bind_uwsgi_unix', lambda path: {'server 127.0.0.1:9294;': 'server unix:%s;' % path}),
    'apache-http': ('bind_unix', lambda path: {'ProxyPass "/image" "http://127.0.0.1:9292"': '# ProxyPass off',
                                               '# ProxyPass "/image" "unix:/run/glint/http.sock|': 'ProxyPass "/image" "unix:%s|' % path}),
}


@pytest.mark.parametrize('name', UNIX)
def test_unix_sockets(name, tmp_path):
    option, texts = UNIX[name]
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)      # pytest's own directories are closed to httpd's user
        path = os.path.join(place, 'glint.sock')
        with running(tmp_path, name, {option: path, option + '_mode': '0666'}, texts(path)) as (service, server):
            image = Client(service.host, service.port).active(pattern(32 * MIB))
            c = connect(server)
            c.request('GET', '/image/v2/images/%s/file?a=%%2F' % image)
            assert c.getresponse().read() == pattern(32 * MIB)
            c.request('GET', '/image/v2/schemas%2Fimage')
            assert c.getresponse().read()
            c.request('GET', '/image/v2/images/%s/file' % image)
            answer = c.getresponse()
            answer.read(100)
            service.kill()
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                answer.read()


@pytest.fixture(scope='module')
def certificate(tmp_path_factory):
    """(certificate, key)"""
    here = tmp_path_factory.mktemp('tls')
    cert, key = str(here / 'cert.pem'), str(here / 'key.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj',
                    '/CN=localhost'], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize('name', SITES)
def test_tls_ends_at_the_web_server(name, certificate, tmp_path):
    """The lines for it are there as comments; links are https then, whatever a client says."""
    with running(tmp_path, name, tls=certificate) as (_, server):
        c = connect(server, certificate)
        c.request('GET', '/image/', headers={'Host': 'image.example.org', 'X-Forwarded-Proto': 'http'})
        answer = c.getresponse()
        assert b'"https://image.example.org/image/v2/"' in answer.read()
