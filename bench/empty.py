# SPDX-License-Identifier: Apache-2.0
"""The ways of tests/matrix with nothing in them or behind them: what a small answer costs the web server alone. The same servers
with the same configurations; in the place of the service is a program that answers everything with the same KiB, or an
application of three lines.

A module within httpd has no such twin: static files of httpd are that."""
import os
import subprocess
from unittest import mock

from measure import CLIENT
import fronts
import fronts_uwsgi
import fronts_wsgi
from glint import free_port

BYTES = 1000
SMALL = '/v2/images/' + '0' * 32
APPLICATION = '''
BODY = b'x' * %d

def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(BODY)))])
    return [BODY]
''' % BYTES


class Constant:
    """In the place of `glint serve`: by the uwsgi protocol at a port or a Unix socket, or by HTTP."""

    def __init__(self, uwsgi):
        self.port = free_port()
        self.process = subprocess.Popen([CLIENT, 'empty', uwsgi, str(BYTES)] if uwsgi else [CLIENT, 'empty-http', str(self.port), str(BYTES)])

    def stop(self):
        self.process.kill()
        self.process.wait()

    def log(self):
        return ''


def behind(cls):
    class Empty(cls):
        def start_service(self):
            os.makedirs(self.directory, exist_ok=True)
            options = self.config.get('glint', {})
            self.service = Constant(options.get('bind_uwsgi_unix') or options.get('bind_uwsgi', '').rpartition(':')[2])
    return Empty


def application_made(directory):
    """Where it can be imported from, by the name of ours."""
    packages = os.path.join(directory, 'empty')
    os.makedirs(packages + '/glint')
    open(packages + '/glint/__init__.py', 'w').close()
    with open(packages + '/glint/wsgi.py', 'w') as f:
        f.write(APPLICATION)
    return packages


def in_python(cls):
    class Empty(cls):
        def start(self):
            with mock.patch.object(fronts_wsgi, 'PACKAGES', application_made(self.directory)):
                super().start()
    return Empty


def in_uwsgi(cls):
    """uWSGI's own files would cost more than the application does."""
    class Empty(cls):
        def command(self):
            self.options = {**self.options, 'plugin': 'python3', 'glint-config': None, 'enable-threads': 'true',
                            'pythonpath': application_made(self.directory), 'module': 'glint.wsgi:application'}
            return super().command()
    return Empty


def emptied(cls):
    """The same without us; None where there is no such thing."""
    if issubclass(cls, fronts_wsgi.Python):
        return in_python(cls)
    if issubclass(cls, fronts_uwsgi.Uwsgi):
        return in_uwsgi(cls)
    return behind(cls) if issubclass(cls, fronts.Served) else None
