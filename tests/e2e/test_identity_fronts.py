# SPDX-License-Identifier: Apache-2.0
"""The shipped sites before a service that believes identity headers: no header that a client sends makes an identity."""
import contextlib
import http.client
import os
import re
import shutil
import signal
import sys
import tempfile

import pytest

import glint
import httpd
import webservers
from glint import Client, eventually, free_port

sys.path.insert(0, os.path.join(glint.TOP, 'tests', 'matrix'))
import fronts_uwsgi  # noqa: E402
import fronts_wsgi  # noqa: E402


SITES = {
    'nginx/glint-http.conf': webservers.Nginx,
    'nginx/glint-uwsgi.conf': webservers.Nginx,
    'httpd/glint-proxy-http.conf': webservers.Apache,
    'httpd/glint-proxy-uwsgi.conf': webservers.Apache,
    'httpd/glint-proxy-uwsgi-body.conf': None,
    'httpd/glint.conf': None,
    'mod_wsgi/glint.conf': fronts_wsgi.Daemon,
    'uwsgi/glint-http.ini': fronts_uwsgi.Router,
    'uwsgi/glint-http-socket.ini': fronts_uwsgi.Http11Socket,
    'uwsgi/glint-uwsgi.ini': fronts_uwsgi.HttpSocket,
    'uwsgi/glint-python.ini': fronts_wsgi.PythonRouter,
    'gunicorn/gunicorn.conf.py': fronts_wsgi.Gunicorn,
}
# In each a different header says who the caller is.
SPELLINGS = {
    'as Keystone filters send them': {'X-Identity-Status': 'Confirmed', 'X-User-Id': 'mallory', 'X-Project-Id': 'p', 'X-Roles': 'admin,member'},
    'with underscores': {'X_Identity_Status': 'Confirmed', 'X_User_Id': 'mallory', 'X_Project_Id': 'p', 'X_Roles': 'admin,member'},
    'in other cases': {'x-identity-status': 'Confirmed', 'X-USER-ID': 'mallory', 'x-PROJECT-id': 'p', 'X-ROLES': 'admin,member'},
    'mixed': {'X-Identity_Status': 'Confirmed', 'X_User-Id': 'mallory', 'X-Project_Id': 'p', 'X_Roles': 'admin,member'},
    'of older filters': {'X-Identity-Status': 'Confirmed', 'X-User': 'mallory', 'X-Tenant': 'p', 'X-Role': 'admin,member'},
    'of a service': {'X-Identity-Status': 'Confirmed', 'X-Service-Roles': 'admin', 'OpenStack-System-Scope': 'all', 'X-User-Id': 'mallory'},
}


def read(name):
    with open(os.path.join(webservers.DEPLOY, name)) as f:
        return f.read()


def proxied(name, directory, stack, trusted):
    config = {'oslo_middleware': {'enable_proxy_headers_parsing': 'true'}}
    address = '127.0.0.1:%d' % free_port()
    if 'uwsgi' in name:
        config = {'glint': {'bind_uwsgi': address}}
    service = glint.Server(directory, trusted=True, config=config)
    stack.callback(service.stop)
    backend = {'127.0.0.1:9294': address} if 'uwsgi' in name else {'127.0.0.1:9292': '127.0.0.1:%d' % service.port}
    if SITES[name]:
        server = SITES[name](os.path.join(str(directory), 'front'), name.split('/')[1], backend, trusted=trusted)
    else:
        text = webservers.filled(name, {**backend, '*:80': '*:{port}', '/var/log/apache2': '{dir}'}, trusted=trusted)
        server = httpd.Httpd(os.path.join(str(directory), 'front'), 'LoadModule glint_body_module %s\n%s' % (httpd.BODY_MODULE, text),
                             modules=('proxy', 'proxy_uwsgi', 'headers', 'env'))
    return server


def inside(name, directory, stack, trusted):
    data = httpd.Data(directory, trusted=True)
    text = webservers.filled(name, {'/usr/bin/glint': httpd.program(), '/etc/glance/glance-api.conf': data.conf}, trusted=trusted)
    return httpd.Httpd(os.path.join(str(directory), 'front'), 'LoadModule glint_module %s\n%s' % (httpd.MODULE, text),
                       modules=('reqtimeout', 'headers'))


def hosted(name, directory, trusted):
    """The front of tests/matrix with the lines of the shipped file that decide about headers."""
    cls, text = SITES[name], webservers.trusting(read(name)) if trusted else read(name)

    class Here(cls):
        def command(self):
            command = super().command()
            if name.startswith('uwsgi/'):
                with open(command[-1], 'a') as f:
                    f.write(''.join(re.findall(r'^(?:max-vars|route-run) = .*\n', text, re.M)))
            elif name.startswith('mod_wsgi/'):
                with open(command[2], 'a') as f:
                    f.write('LoadModule headers_module %s/mod_headers.so\n' % httpd.MODULES + ''.join(re.findall(r'^ *RequestHeader .*\n', text, re.M)))
            else:
                conf = os.path.join(self.directory, 'gunicorn.conf.py')
                with open(conf, 'w') as f:
                    f.write(text[text.index('IDENTITY = '):])
                command = command[:2] + ['--config', conf] + command[2:]
            return command

        def end(self, sig=signal.SIGTERM):
            super().end(signal.SIGQUIT if name.startswith('gunicorn/') else sig)     # which waits for idle connections
    return Here(str(directory))


def missing(name):
    if name.startswith(('nginx/', 'httpd/glint-proxy')):
        return webservers.need('nginx' if name.startswith('nginx/') else 'apache2')
    return httpd.missing() if name.startswith('httpd/') else SITES[name].missing()


@pytest.fixture
def directory():
    """One that httpd's user can pass."""
    path = tempfile.mkdtemp(prefix='glint-identity-')
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(name, directory, trusted=False):
    """(client below the mount, its prefix)"""
    if missing(name):
        pytest.skip(missing(name))
    with contextlib.ExitStack() as stack:
        prefix = '' if name.startswith(('uwsgi/', 'gunicorn/')) else '/image'
        if name.startswith(('nginx/', 'httpd/glint-proxy')):
            server = proxied(name, directory, stack, trusted)
        elif name.startswith('httpd/'):
            server = inside(name, directory, stack, trusted)
        else:
            server = hosted(name, directory, trusted)
        stack.callback(server.stop)
        server.start()

        def ready():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return Client(server.host, server.port, timeout=5).get(prefix + '/versions').status == 200
        assert eventually(ready, 20), server.logs() if hasattr(server, 'logs') else server.log()
        yield Client(server.host, server.port), prefix


@pytest.mark.parametrize('name', SITES)
def test_a_client_is_not_who_it_says(name, directory):
    with running(name, directory) as (client, prefix):
        for what, headers in SPELLINGS.items():
            answer = client.get(prefix + '/v2/images', headers=headers)
            assert answer.status == 401, (what, answer)
        assert client.get(prefix + '/v2/images').status == 401


@pytest.mark.parametrize('name', ['nginx/glint-uwsgi.conf', 'uwsgi/glint-http-socket.ini'])
def test_where_the_lines_are_taken_out_identities_arrive(name, directory):
    with running(name, directory, trusted=True) as (client, prefix):
        assert client.get(prefix + '/v2/images', headers=SPELLINGS['as Keystone filters send them']).status == 200


def test_every_shipped_site_is_here():
    """A new file in deploy/ has to say what it does about identity headers."""
    shipped = {os.path.join(folder, name) for folder in ('nginx', 'httpd', 'mod_wsgi', 'uwsgi', 'gunicorn')
               for name in os.listdir(os.path.join(webservers.DEPLOY, folder)) if name.endswith(('.conf', '.ini', '.conf.py')) and name != 'glint-timeouts.conf'}
    assert shipped == set(SITES)


def test_all_of_them_take_off_the_same_headers():
    wanted = None
    for name in (*SITES, 'docker/nginx.conf'):
        text = read(name)
        found = set(re.findall(r'RequestHeader unset (X-(?!Forwarded)\S+|OpenStack\S+)', text)) | \
            set(re.findall(r'proxy_set_header (X-(?!Forwarded)\S+|OpenStack\S+) ', text)) | \
            set(re.findall(r'(?:uwsgi_param +|addvar:)HTTP_((?:X_(?!FORWARDED)|OPENSTACK)\w+)', text)) | \
            set(re.search(r"IDENTITY = set\('''(.*?)'''", text, re.S).group(1).split() if name.startswith('gunicorn') else ())
        found = {header.upper().replace('-', '_') for header in found}
        wanted = wanted or found
        assert len(found) > 30 and found == wanted, (name, found ^ wanted)


def test_what_the_service_reads_is_taken_off():
    """The names that stand in auth/identity.c, but for tokens, which are proven otherwise."""
    with open(os.path.join(glint.TOP, 'src', 'auth', 'identity.c')) as f:
        names = set(re.findall(r'"((?:X|OpenStack)-[\w-]+)"', f.read())) - {'X-Auth-Token', 'X-Service-Token'}
    assert len(names) > 12
    site = read('nginx/glint-http.conf')
    assert [name for name in sorted(names) if not re.search(r'proxy_set_header %s +"";' % name, site)] == []
