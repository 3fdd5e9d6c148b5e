# SPDX-License-Identifier: Apache-2.0
"""The service inside Apache httpd, with each of its ways to run."""
import os

import httpd
import webservers
from fronts import TOP, Front, Served, front, with_imports

MOUNTED = '''
LoadModule glint_module %s
GlintProgram %s
<Location "%s">
    Glint On
    GlintConfig %s
    GlintWorker On
    EnableSendfile On
</Location>
LimitRequestFieldSize 65536
'''


def encryption(front):
    return '\n'.join(httpd.tls_lines(front.tls, front.http2)) + '\n' if front.tls else ''


class Inside(Front):
    prefix = '/image'
    bare_204 = True
    mpm = None
    config = {}

    @classmethod
    def missing(cls):
        return httpd.missing()

    def start(self):
        self.background = httpd.Data(self.directory, trusted=True, config=with_imports(self.config, self.directory))
        text = MOUNTED % (httpd.MODULE, httpd.program(), self.prefix or '/', self.background.conf)
        self.server = httpd.Httpd(self.directory + '/httpd', text + encryption(self), mpm=self.mpm, debian=self.debian_modules)
        self.port = self.server.port
        self.server.start()

    def stop(self):
        if hasattr(self, 'server'):
            self.server.stop()

    def reload(self):
        self.server.graceful()

    def kill(self):
        self.server.kill_children()

    def pids(self):
        return [self.server.process.pid]

    def logs(self):
        return self.server.log() if hasattr(self, 'server') else ''


@front
class Event(Inside):
    name = 'mod-glint-event'
    mpm = 'event'


@front
class Worker(Inside):
    name = 'mod-glint-worker'
    mpm = 'worker'


@front
class Prefork(Inside):
    name = 'mod-glint-prefork'
    mpm = 'prefork'


@front
class Body(Served):
    """`glint serve` behind mod_proxy_uwsgi, which gets chunked bodies through by mod_glint_body."""
    name = 'mod-glint-body'
    prefix = '/image'
    at_root = False         # its site is written for a mount
    refuses = ('/v2/images/%s%%00',)

    @classmethod
    def missing(cls):
        return httpd.missing(httpd.BODY_MODULE)

    def start(self):
        address = '127.0.0.1:%d' % httpd.glint.free_port()
        self.config = {'glint': {'bind_uwsgi': address}}
        self.start_service()
        with open(os.path.join(TOP, 'deploy', 'httpd', 'glint-proxy-uwsgi-body.conf')) as f:
            site = webservers.trusting(f.read()).replace('127.0.0.1:9294', address).replace('*:80', '*:{port}').replace('/var/log/apache2', '{dir}')
            site = site.replace('# SSLEngine on', 'SSLEngine on') if self.tls else site     # the certificate is the server's
        self.server = httpd.Httpd(self.directory + '/httpd', 'LoadModule glint_body_module %s\n%s%s' % (httpd.BODY_MODULE, encryption(self), site),
                                  modules=('proxy', 'proxy_uwsgi', 'headers', 'env'), debian=self.debian_modules)
        self.port = self.server.port
        self.server.start()

    def stop(self):
        if hasattr(self, 'server'):
            self.server.stop()
        if hasattr(self, 'service'):
            self.stop_service()

    def reload(self):
        self.server.graceful()

    def pids(self):
        return super().pids() + [self.server.process.pid]

    def logs(self):
        return super().logs() + self.server.log() if hasattr(self, 'server') else ''
