# SPDX-License-Identifier: Apache-2.0
"""The service as a WSGI application, in every server of Debian's that takes one."""
import glob
import os
import signal

import glint
import httpd
from fronts import front
from fronts_uwsgi import UNDERSCORES, Router, Uwsgi
from hosted import BUILT, Hosted, find

PACKAGES = os.path.join(BUILT, 'wsgi')
EXTENSION = os.path.join(PACKAGES, 'glint', '_glint.abi3.so')
PYTHON = '/usr/bin/python3'
MOD_WSGI = '/usr/lib/apache2/modules/mod_wsgi.so'


class Python(Hosted):
    """A server in Python, or with one."""
    needs = (PYTHON, EXTENSION)

    def environment(self):
        return {**super().environment(), 'PYTHONPATH': PACKAGES, 'OS_GLANCE_CONFIG_DIR': self.directory, 'PYTHONUNBUFFERED': '1'}


# ---------------------------------------------------------------- uWSGI

class UwsgiPython(Python, Uwsgi):
    needs = Python.needs + ('uwsgi-core', '/usr/lib/uwsgi/plugins/python3_plugin.so')
    PYTHON_OPTIONS = {'plugin': 'python3', 'glint-config': None, 'module': 'glint.wsgi:application', 'enable-threads': 'true',
                      'socket-timeout': 60, 'chunked-input-limit': 67108864}
    options = PYTHON_OPTIONS


WITHOUT_100 = {'upload after 100 continue': "uWSGI's sockets do not send 100 Continue, and WSGI gives no way to",
               'upload chunked after 100 continue': 'as with a length',
               'check deploy finds nothing wrong': 'it finds that 100 Continue does not come'}
CHUNKS_OF_UWSGI = {'upload with chunk extensions': "uWSGI's own parser takes no chunk extensions; the upload is refused",
                   'upload with trailers': "uWSGI's own parser takes no trailers; the connection is closed",
                   'garbage for a chunk size': "uWSGI's own parser takes letters for digits, and zz for 0",
                   'vanish before the last chunk ends': 'a body is whole to uWSGI when the size of its last chunk has come'}


@front
class PythonHttp11Socket(UwsgiPython):
    name = 'uwsgi-python-http11-socket'
    socket = 'http11-socket'
    cannot = {**UNDERSCORES, **WITHOUT_100, **CHUNKS_OF_UWSGI}


@front
class PythonRouter(UwsgiPython, Router):
    name = 'uwsgi-python-http'
    options = {**Router.options, **UwsgiPython.PYTHON_OPTIONS}
    cannot = {**UNDERSCORES, **CHUNKS_OF_UWSGI}


# ---------------------------------------------------------------- mod_wsgi

HTTPD = '''
ServerRoot {run}
PidFile {run}/httpd.pid
DefaultRuntimeDir {run}
Mutex file:{run} default
ErrorLog {run}/error.log
ServerName localhost
Listen {host}:{port}
User {user}
Group {user}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
{modules}
LoadModule wsgi_module {mod_wsgi}
StartServers 1
ServerLimit 8
ThreadsPerChild 25
MaxRequestWorkers 50
LimitRequestBody 0
LimitRequestFieldSize 32768
Timeout 300
AllowEncodedSlashes NoDecode
WSGISocketPrefix {run}/wsgi
WSGIChunkedRequest On
WSGIPassAuthorization On
{more}
WSGIScriptAlias {mount} {run}/glint.wsgi {alias}
<Directory {run}>
  Require all granted
</Directory>
'''
SCRIPT = '''
import os, sys
sys.path.insert(0, %r)
os.environ['OS_GLANCE_CONFIG_DIR'] = %r
from glint.wsgi import application
'''


class ModWsgi(Python):
    needs = Python.needs + ('apache2', MOD_WSGI)
    prefix = '/image'
    bare_204 = True
    own = {'show/id:%00': 'a path with NUL is the server\'s to refuse'}
    alias = more = ''
    refuses = ('/v2/images/%s%%00',)
    user = 'www-data'

    def command(self):
        with open(os.path.join(self.directory, 'glint.wsgi'), 'w') as f:
            f.write(SCRIPT % (PACKAGES, self.directory))
        conf = os.path.join(self.directory, 'httpd.conf')
        modules = httpd.debian_lines() if self.debian_modules else httpd.load_lines(['env'])
        modules += httpd.tls_lines(self.tls, self.http2) if self.tls else []
        with open(conf, 'w') as f:
            f.write(HTTPD.format(run=self.directory, host=self.host, port=self.port, mount=self.prefix or '/', user=self.user,
                                 mod_wsgi=MOD_WSGI, modules='\n'.join(modules), alias=self.alias, more=self.more.format(run=self.directory)))
        return [find('apache2'), '-f', conf, '-DFOREGROUND']

    def reload(self):
        self.process.send_signal(signal.SIGUSR1)

    def logs(self):
        text = super().logs()
        for path in glob.glob(self.directory + '/error.log'):
            with open(path, errors='replace') as f:
                text += f.read()
        return text


@front
class Daemon(ModWsgi):
    """In processes of mod_wsgi's own."""
    name = 'mod-wsgi-daemon'
    alias = 'process-group=image application-group=%{GLOBAL}'
    more = 'WSGIDaemonProcess image processes=2 threads=12 request-timeout=86400 socket-timeout=300'
    keeps_uploads = False       # graceful ends the daemon processes


@front
class Embedded(ModWsgi):
    """In httpd's own processes, in an interpreter that is not the first."""
    name = 'mod-wsgi-embedded'


# ---------------------------------------------------------------- servers in Python

@front
class Gunicorn(Python):
    name = 'gunicorn'
    needs = Python.needs + ('gunicorn',)
    cannot = {**UNDERSCORES, 'vanish before the last chunk ends': 'a body is whole to gunicorn when the size of its last chunk has come'}

    def command(self):
        encryption = ['--certfile', self.tls[0], '--keyfile', self.tls[1]] if self.tls else []
        return [PYTHON, find('gunicorn'), *encryption, '--bind', '%s:%d' % (self.host, self.port), '--workers', '2', '--worker-class', 'gthread',
                '--threads', '12', '--timeout', '120', '--graceful-timeout', '60', '--limit-request-line', '8190', '--limit-request-field_size', '32768', 'glint.wsgi:application']


@front
class Waitress(Python):
    name = 'waitress'
    growth = 64 << 20       # it keeps what it sends, in each thread's part of the heap
    bare_204 = True
    own = {'show/id:ż*': 'a path that is not ASCII is refused by it', '*/no-body': 'no length becomes a length of 0'}
    needs = Python.needs + ('/usr/lib/python3/dist-packages/waitress',)
    keeps_uploads = False       # one process, and no reload

    def command(self):
        return [PYTHON, '-m', 'waitress', '--listen=%s:%d' % (self.host, self.port), '--threads=12', '--max-request-body-size=%d' % (1 << 50),
                'glint.wsgi:application']

    def reload(self):
        self.kill()
        self.launch()
