# SPDX-License-Identifier: Apache-2.0
"""The shipped files of deploy/ with real servers, for tests that change one thing in them. Without authentication: everybody may
do everything. Each class starts in start() and has `url` then."""
import contextlib
import os
import re
import signal
import subprocess
import sys

import glint
import httpd
import webservers
from glint import Client, eventually, free_port

sys.path.insert(0, os.path.join(glint.TOP, 'tests', 'matrix'))
import fronts_uwsgi  # noqa: E402
import fronts_wsgi  # noqa: E402
from hosted import PLUGIN, find, sanitizers  # noqa: E402

PACKAGES = fronts_wsgi.PACKAGES


def changed(text, changes):
    """Each (pattern, replacement) has to match; a pattern of None adds the replacement at the end."""
    for old, new in changes:
        if old is None:
            text += new + '\n'
            continue
        text, count = re.subn(old, lambda m: new, text, flags=re.M)
        assert count, 'nothing matches ' + old
    return text


class Deployed:
    """changes: of the shipped file, as changed() takes them; config: more of glance-api.conf; worker: there is a `glint worker`,
    None: with another staging directory."""
    shipped = None
    prefix = '/image'
    modules = ()

    def __init__(self, directory, changes=(), config=None, worker=True, trusted=False):
        self.directory, self.changes, self.worker, self.trusted = str(directory), list(changes), worker, trusted
        self.host, self.port = '127.0.0.1', free_port()
        self.config = {name: dict(options) for name, options in (config or {}).items()}
        if self.config.get('DEFAULT', {}).get('public_endpoint') == 'this':
            self.config['DEFAULT']['public_endpoint'] = self.url
        if worker is not True:
            self.config.setdefault('glint', {})['supervise_worker'] = 'false'
        self.running = contextlib.ExitStack()
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)

    @classmethod
    def missing(cls):
        return None

    @property
    def url(self):
        return 'http://%s:%d%s' % (self.host, self.port, self.prefix)

    def text(self, **moved):
        """The shipped file, changed, with its places replaced by ours."""
        with open(os.path.join(webservers.DEPLOY, self.shipped)) as f:
            text = changed(f.read(), self.changes)
        for old, new in moved.items():
            text = text.replace(old, new)
        return text

    def start(self):
        self.launch()
        assert eventually(self.answers, 20), self.log()
        return self

    def answers(self):
        with contextlib.suppress(OSError, ValueError, IndexError):
            with Client(self.host, self.port, timeout=5).connect() as s:
                s.sendall(b'GET %s/versions HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n' % (self.prefix.encode(), self.host.encode(), self.port))
                return int(s.recv(64).split()[1]) != 503
        return False

    def stop(self):
        self.running.close()

    def log(self):
        return ''

    def spawn(self, command, env=None):
        with open(self.directory + '/server.log', 'ab') as log:
            process = subprocess.Popen(command, env=env, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.running.callback(self.end, process)

    @staticmethod
    def end(process):
        pids = glint.Process(process.pid).tree()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


# ---------------------------------------------------------------- before glint serve

class Proxied(Deployed):
    def service(self, config):
        for section, options in config.items():
            self.config.setdefault(section, {}).update(options)
        os.makedirs(self.directory + '/service', exist_ok=True)
        service = glint.Server(self.directory + '/service', config=self.config, trusted=self.trusted)
        self.running.callback(service.kill)
        return service


class Nginx(Proxied):
    uwsgi = False

    @classmethod
    def missing(cls):
        return webservers.need('nginx')

    def launch(self):
        address = '127.0.0.1:%d' % free_port()
        if self.uwsgi:
            self.service({'glint': {'bind_uwsgi': address}})
        else:
            address = '127.0.0.1:%d' % self.service({'oslo_middleware': {'enable_proxy_headers_parsing': 'true'}}).port
        with open(self.directory + '/site.conf', 'w') as f:
            f.write(self.text(**{'listen 80;': 'listen %s:%d;' % (self.host, self.port), '/var/log/nginx/': self.directory + '/',
                                 '127.0.0.1:9292': address, '127.0.0.1:9294': address}))
        self.begin()

    def begin(self):
        with open(self.directory + '/nginx.conf', 'w') as f:
            f.write(webservers.MAIN.format(dir=self.directory, user='user root;'))
        self.spawn([webservers.NGINX, '-c', self.directory + '/nginx.conf', '-p', self.directory, '-e', self.directory + '/error.log'])


class NginxHttp(Nginx):
    shipped = 'nginx/glint-http.conf'


class NginxUwsgi(Nginx):
    shipped = 'nginx/glint-uwsgi.conf'
    uwsgi = True


class Apache(Proxied):
    modules = ('proxy', 'proxy_http', 'proxy_uwsgi', 'headers', 'remoteip', 'setenvif', 'env', 'log_config', 'reqtimeout', 'filter', 'deflate',
               'alias', 'http2')
    load = ''
    uwsgi = False

    @classmethod
    def missing(cls):
        return httpd.missing(httpd.BODY_MODULE)

    def launch(self):
        address = '127.0.0.1:%d' % free_port()
        if self.uwsgi:
            self.service({'glint': {'bind_uwsgi': address}})
        else:
            address = '127.0.0.1:%d' % self.service({'oslo_middleware': {'enable_proxy_headers_parsing': 'true'}}).port
        self.begin({'127.0.0.1:9292': address, '127.0.0.1:9294': address, '127.0.0.1:9295': '127.0.0.1:%d' % free_port(),
                    '/var/log/apache2/': self.directory + '/', '*:80': '%s:%d' % (self.host, self.port)})

    def begin(self, moved):
        self.server = httpd.Httpd(self.directory + '/httpd', '', modules=[m for m in self.modules if os.path.exists('%s/mod_%s.so' % (httpd.MODULES, m))])
        self.server.port = self.port
        self.server.configure(self.load + self.text(**moved))
        self.server.start()
        self.running.callback(self.end, self.server.process)

    def log(self):
        return self.server.log()


class ApacheHttp(Apache):
    shipped = 'httpd/glint-proxy-http.conf'


class ApacheHttp2(ApacheHttp):
    load = 'LoadModule glint_body_module %s\nProtocols h2c http/1.1\n' % httpd.BODY_MODULE


class ApacheUwsgi(Apache):
    shipped = 'httpd/glint-proxy-uwsgi.conf'
    uwsgi = True


class ApacheBody(ApacheUwsgi):
    shipped = 'httpd/glint-proxy-uwsgi-body.conf'
    load = 'LoadModule glint_body_module %s\n' % httpd.BODY_MODULE


# ---------------------------------------------------------------- inside

class ModGlint(Apache):
    shipped = 'httpd/glint.conf'
    modules = ('headers', 'reqtimeout', 'filter', 'deflate', 'http2', 'env', 'setenvif')
    load = 'LoadModule glint_module %s\n' % httpd.MODULE

    @classmethod
    def missing(cls):
        return httpd.missing()

    def launch(self):
        data = httpd.Data(self.directory + '/data', config=self.config, trusted=self.trusted)
        self.begin({'/usr/bin/glint': httpd.program(), '/etc/glance/glance-api.conf': data.conf})


class Hosted(Deployed):
    """The web server of a user, `glint worker` beside it."""
    user = None

    def background(self):
        """Configuration and environment; starts the worker."""
        data = httpd.Data(self.directory, config=self.config, trusted=self.trusted)
        if self.user:
            subprocess.run(['chown', '-R', self.user, self.directory], check=True)
        env = {**data.environment(), **sanitizers(data.environment()), 'PYTHONPATH': PACKAGES, 'OS_GLANCE_CONFIG_DIR': self.directory}
        if self.worker is not False:
            more = [] if self.worker else ['--set', 'DEFAULT.node_staging_uri=file://%s/another' % self.directory]
            with open(self.directory + '/worker.log', 'ab') as log:
                process = subprocess.Popen([glint.GLINT, 'worker', '--config-file', data.conf, *more], env=data.environment(), stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, start_new_session=True, user=self.user)
            self.running.callback(self.end, process)
        return env

    def log(self):
        return httpd.read(self.directory + '/server.log') + httpd.read(self.directory + '/httpd/error.log')


class ModWsgi(Hosted):
    shipped = 'mod_wsgi/glint.conf'
    user = 'www-data'

    @classmethod
    def missing(cls):
        return fronts_wsgi.Daemon.missing()

    def launch(self):
        env = self.background()
        with open(os.path.join(webservers.DEPLOY, 'mod_wsgi', 'glint.wsgi')) as f:
            script = f.read()
        with open(self.directory + '/glint.wsgi', 'w') as f:
            f.write('import os, sys\nsys.path.insert(0, %r)\nos.environ["OS_GLANCE_CONFIG_DIR"] = %r\n%s' % (PACKAGES, self.directory, script))
        server = httpd.Httpd(self.directory + '/httpd', '', env=env, modules=[
            'wsgi', 'headers', 'env', 'reqtimeout', 'http2', 'filter', 'deflate'])
        server.port = self.port
        server.configure('WSGISocketPrefix {dir}/wsgi\n' + self.text(**{
            'user=glance group=glance': 'user=www-data group=www-data', '*:80': '%s:%d' % (self.host, self.port), '/usr/share/glint': self.directory,
            '${APACHE_LOG_DIR}': self.directory}))
        server.start()
        self.running.callback(self.end, server.process)


class Gunicorn(Hosted):
    shipped = 'gunicorn/gunicorn.conf.py'
    prefix = ''

    @classmethod
    def missing(cls):
        return fronts_wsgi.Gunicorn.missing()

    def launch(self):
        env = self.background()
        with open(self.directory + '/gunicorn.conf.py', 'w') as f:
            f.write(self.text(**{'0.0.0.0:9292': '%s:%d' % (self.host, self.port)}))
        self.spawn([fronts_wsgi.PYTHON, find('gunicorn'), '--config', self.directory + '/gunicorn.conf.py'], env)


class Uwsgi(Hosted):
    prefix = ''
    plugins = 'plugin = ' + PLUGIN

    @classmethod
    def missing(cls):
        return fronts_uwsgi.Http11Socket.missing()

    def launch(self):
        worker, self.worker = self.worker, False    # attach-daemon2 starts it
        env, self.worker = self.background(), worker
        text = self.text(**{'0.0.0.0:9292': '%s:%d' % (self.host, self.port), '/run/glint/': self.directory + '/', 'cmd=glint worker':
                            'cmd=/usr/bin/env -u LD_PRELOAD %s worker' % glint.GLINT})
        text = re.sub('^(uid|gid|chown-socket) = .*\n', '', text, flags=re.M)
        text = re.sub('^plugins = .*$', lambda m: self.plugins, text, flags=re.M)
        with open(self.directory + '/uwsgi.ini', 'w') as f:
            f.write(text)
        open(self.directory + '/reload', 'a').close()
        self.spawn(['uwsgi-core', '--ini', self.directory + '/uwsgi.ini'], env)


class UwsgiRouter(Uwsgi):
    shipped = 'uwsgi/glint-http.ini'
    plugins = 'plugins = http\nplugin = ' + PLUGIN


class UwsgiSocket(Uwsgi):
    shipped = 'uwsgi/glint-http-socket.ini'


class UwsgiPython(Uwsgi):
    shipped = 'uwsgi/glint-python.ini'
    plugins = 'plugins = http,python3'

    @classmethod
    def missing(cls):
        return fronts_wsgi.PythonRouter.missing()


class UwsgiBehind(Uwsgi):
    """uWSGI's own protocol, with the lines for a web server that stand in the file as comments."""
    shipped = 'uwsgi/glint-uwsgi.ini'
    prefix = '/image'

    def snippet(self, begin):
        """The comment after the paragraph that begins so, without its '#'."""
        paragraphs = self.text().split('#\n')
        at = next(i for i, text in enumerate(paragraphs) if text.startswith('# ' + begin))
        return re.sub('(?m)^#', '', re.split(r'(?m)^\[', paragraphs[at + 1])[0])


class UwsgiNginx(UwsgiBehind, Nginx):
    @classmethod
    def missing(cls):
        return Uwsgi.missing() or webservers.need('nginx')

    def launch(self):
        Uwsgi.launch(self)
        lines = self.snippet('nginx').replace('/run/glint/', self.directory + '/').replace('include uwsgi_params', 'include /etc/nginx/uwsgi_params')
        with open(self.directory + '/site.conf', 'w') as f:
            f.write('server {\n listen %s:%d;\n%s}\n' % (self.host, self.port, lines))
        self.begin()


class UwsgiApache(UwsgiBehind):
    @classmethod
    def missing(cls):
        return Uwsgi.missing() or httpd.missing(httpd.BODY_MODULE)

    def launch(self):
        address = '127.0.0.1:%d' % free_port()
        self.changes.append(('^socket = .*$', 'socket = ' + address))
        Uwsgi.launch(self)
        server = httpd.Httpd(self.directory + '/httpd', '', modules=['proxy', 'proxy_uwsgi', 'headers', 'env', 'setenvif'])
        server.port = self.port
        server.configure('LoadModule glint_body_module %s\n' % httpd.BODY_MODULE + self.snippet('Apache').replace('127.0.0.1:9294', address))
        server.start()
        self.running.callback(self.end, server.process)


KINDS = {'nginx-http': NginxHttp, 'nginx-uwsgi': NginxUwsgi, 'apache-http': ApacheHttp, 'apache-http2': ApacheHttp2, 'apache-uwsgi': ApacheUwsgi, 'apache-body': ApacheBody,
         'mod-glint': ModGlint, 'mod-wsgi': ModWsgi, 'gunicorn': Gunicorn, 'uwsgi-http': UwsgiRouter, 'uwsgi-socket': UwsgiSocket,
         'uwsgi-python': UwsgiPython, 'uwsgi-nginx': UwsgiNginx, 'uwsgi-apache': UwsgiApache}
