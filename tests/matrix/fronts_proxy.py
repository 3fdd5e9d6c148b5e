# SPDX-License-Identifier: Apache-2.0
"""`glint serve` behind web servers, by HTTP and by the uwsgi protocol, with the configurations of deploy/."""
import os

import webservers
from fronts import Served, front


class Behind(Served):
    """A subclass names the server and its site of deploy/, and how the service is reached."""
    prefix = '/image'
    server_class = None
    site = None
    server = None
    refuses = ('/v2/images/%s%%00',)
    own = {'show/id:%00': 'a path with NUL is the server\'s to refuse', '*/no-body': 'no length becomes a length of 0'}
    bare_204 = True
    load = ''               # before the site: modules of ours (httpd)

    @classmethod
    def missing(cls):
        return webservers.need('nginx' if cls.server_class is webservers.Nginx else 'apache2')

    def backend(self):
        """{the back end's text in the site: ours}; starts the service."""
        raise NotImplementedError

    def start(self):
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        more = {'debian': self.debian_modules, 'load': self.load} if self.server_class is webservers.Apache else {}
        self.server = self.server_class(os.path.join(self.directory, 'server'), self.site, self.backend(), self.tls,
                                        at_root=not self.prefix, trusted=True, http2=self.http2, **more)
        self.port = self.server.port
        self.server.start()

    def stop(self):
        if self.server:
            self.server.stop()
        if hasattr(self, 'service'):
            self.stop_service()

    def reload(self):
        self.server.reload()

    def pids(self):
        return super().pids() + [self.server.process.pid]

    def logs(self):
        return (super().logs() if hasattr(self, 'service') else '') + (self.server.log() if self.server else '')


class ByHttp(Behind):
    config = webservers.HTTP_BACKEND

    def backend(self):
        self.start_service()
        return {'127.0.0.1:9292': '127.0.0.1:%d' % self.service.port}


class ByUwsgi(Behind):
    unix = False

    def backend(self):
        self.config, address = webservers.uwsgi_backend(self.directory, self.unix)
        self.start_service()
        return {'127.0.0.1:9294': address}


@front
class NginxHttp(ByHttp):
    name = 'nginx-http'
    server_class, site = webservers.Nginx, 'glint-http.conf'


@front
class NginxUwsgi(ByUwsgi):
    name = 'nginx-uwsgi'
    server_class, site = webservers.Nginx, 'glint-uwsgi.conf'


@front
class NginxUwsgiUnix(NginxUwsgi):
    name = 'nginx-uwsgi-unix'
    unix = True


@front
class ApacheHttp(ByHttp):
    name = 'apache-http'
    server_class, site = webservers.Apache, 'glint-proxy-http.conf'


@front
class ApacheUwsgi(ByUwsgi):
    """Two hops, by configuration alone."""
    name = 'apache-uwsgi'
    server_class, site = webservers.Apache, 'glint-proxy-uwsgi.conf'
