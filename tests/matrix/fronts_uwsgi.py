# SPDX-License-Identifier: Apache-2.0
"""The service as a uWSGI plugin, behind each of uWSGI's ways to take HTTP and behind nginx."""
import getpass
import os
import signal
import subprocess

import glint
from fronts import front
from hosted import PLUGIN, Hosted, find


class Uwsgi(Hosted):
    needs = ('uwsgi-core', PLUGIN)
    socket = None           # the option that takes connections
    encrypted = {'http-socket': 'https-socket', 'http': 'https'}    # and its twin with TLS
    options = {}
    reload_mercy = 60
    drops_large_headers = True      # a head above buffer-size ends the connection

    def listen(self, place):
        if self.tls and self.socket in self.encrypted:
            return {self.encrypted[self.socket]: ','.join((place, *self.tls))}
        return {self.socket: place}

    def command(self):
        place = '%s:%d' % (self.host, self.port)
        lines = {'plugin': PLUGIN, 'glint-config': self.background.conf, **self.listen(place),
                 'buffer-size': 65535, 'master': 'true', 'processes': 2, 'threads': 12, 'die-on-term': 'true', 'need-app': 'true',
                 'disable-logging': 'true', 'worker-reload-mercy': self.reload_mercy, **self.options}
        path = os.path.join(self.directory, 'uwsgi.ini')
        with open(path, 'w') as f:
            f.write('[uwsgi]\n' + ''.join('%s = %s\n' % line for line in lines.items() if line[1] is not None))
        return ['uwsgi-core', '--ini', path]


UNDERSCORES = {'spoofed headers': 'to this server X_User_Id and X-User-Id are one name; a proxy before it has to drop the former'}


@front
class Http11Socket(Uwsgi):
    """The workers speak HTTP/1.1 by themselves."""
    name = 'uwsgi-http11-socket'
    socket = 'http11-socket'
    cannot = UNDERSCORES


@front
class HttpSocket(Uwsgi):
    name = 'uwsgi-http-socket'
    socket = 'http-socket'
    cannot = {'one hundred requests on one connection': 'http-socket closes after each answer; http11-socket does not',
              **UNDERSCORES}


@front
class Router(Uwsgi):
    """uWSGI's HTTP router before the workers."""
    name = 'uwsgi-http'
    socket = 'http'
    cannot = UNDERSCORES
    options = {'plugins': 'http', 'http-chunked-input': 'true', 'http-manage-expect': 1, 'http-timeout': 300, 'http-connect-timeout': 30,
               'http-keepalive': 60, 'http-auto-chunked': 'true', 'http-buffer-size': 32768, 'lazy-apps': 'true'}

    def command(self):
        """A HUP would start the router anew, too, and break what runs through it; a chain reload only the workers."""
        self.touch = self.directory + '/reload'
        open(self.touch, 'a').close()
        self.options = {**self.options, 'touch-chain-reload': self.touch}
        return super().command()

    def reload(self):
        os.utime(self.touch)


NGINX = '''
daemon off;
user {user};
pid {run}/nginx.pid;
error_log {run}/nginx.log info;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_max_body_size 0;
  large_client_header_buffers 8 32k;
  client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; uwsgi_temp_path {run}/uwsgi; fastcgi_temp_path {run}/fcgi;
  scgi_temp_path {run}/scgi;
  server {{
    listen {host}:{port}{tls};
    location {prefix}/ {{
      uwsgi_param QUERY_STRING $query_string;
      uwsgi_param REQUEST_METHOD $request_method;
      uwsgi_param CONTENT_TYPE $content_type;
      uwsgi_param CONTENT_LENGTH $content_length;
      uwsgi_param REQUEST_URI $request_uri;
      uwsgi_param PATH_INFO $document_uri;
      uwsgi_param SCRIPT_NAME "{prefix}";
      uwsgi_param SERVER_PROTOCOL $server_protocol;
      uwsgi_param REQUEST_SCHEME $scheme;
      uwsgi_param REMOTE_ADDR $remote_addr;
      uwsgi_param SERVER_NAME $server_name;
      uwsgi_param SERVER_PORT $server_port;
      uwsgi_pass unix:{run}/uwsgi.sock;
      uwsgi_request_buffering off;
      uwsgi_buffering off;
      uwsgi_buffer_size 64k; uwsgi_buffers 4 64k; client_body_buffer_size 64k;
      uwsgi_read_timeout 300s; uwsgi_send_timeout 300s;
      uwsgi_next_upstream off;
    }}
  }}
}}
'''


@front
class BehindNginx(Uwsgi):
    """uWSGI's own protocol, spoken by nginx."""
    name = 'uwsgi-nginx'
    prefix = '/image'
    own = {'show/id:%00': 'a path with NUL is nginx\'s to refuse', '*/no-body': 'no length becomes a length of 0'}
    drops_large_headers = False
    refuses = ('/v2/images/%s%%00',)
    needs = Uwsgi.needs + ('nginx',)

    def command(self):
        self.socket = 'socket'
        self.options = {**self.options, 'socket': self.directory + '/uwsgi.sock'}
        return super().command()

    def nginx_tls(self):
        if not self.tls:
            return ''
        return ' ssl%s; ssl_certificate %s; ssl_certificate_key %s' % (' http2' * self.http2, *self.tls)

    def start(self):
        super().start()
        conf = os.path.join(self.directory, 'nginx.conf')
        with open(conf, 'w') as f:
            f.write(NGINX.format(user=getpass.getuser(), run=self.directory, host=self.host, port=self.port, prefix=self.prefix, tls=self.nginx_tls()))
        with open(self.log, 'ab') as log:
            self.nginx = subprocess.Popen([find('nginx'), '-c', conf, '-p', self.directory, '-e', self.directory + '/nginx.log'],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def stop(self):
        if hasattr(self, 'nginx'):
            self.nginx.send_signal(signal.SIGTERM)
            self.nginx.wait(30 * glint.SLOW)
        super().stop()

    def pids(self):
        return super().pids() + [self.nginx.pid]
