# SPDX-License-Identifier: Apache-2.0
"""Web servers before `glint serve`, with the configurations of deploy/: what an operator installs is what is tested."""
import contextlib
import os
import re
import shutil
import signal
import subprocess

import glint
import httpd

DEPLOY = os.path.join(glint.TOP, 'deploy')
NGINX = shutil.which('nginx', path=os.environ.get('PATH', '') + ':/usr/sbin')


# What says /image in each of them, for the service at the root.
AT_ROOT = {
    'nginx/glint-http.conf': {'~^/image(': '~^(', 'location ~ ^/image(/|$)': 'location /', 'X-Forwarded-Prefix /image;': 'X-Forwarded-Prefix "";'},
    'nginx/glint-uwsgi.conf': {'location ~ ^/image(/|$)': 'location /', 'SCRIPT_NAME    /image;': 'SCRIPT_NAME "";'},
    'httpd/glint-proxy-http.conf': {'RequestHeader set X-Forwarded-Prefix /image': 'RequestHeader unset X-Forwarded-Prefix',
                                    '"/image" "http://127.0.0.1:9292"': '"/" "http://127.0.0.1:9292/"'},
    'httpd/glint-proxy-uwsgi.conf': {'"/image" "http://127.0.0.1:9295/image"': '"/" "http://127.0.0.1:9295/"',
                                     'SetEnv GLINT_MOUNT /image': 'SetEnv GLINT_MOUNT /', '"^/image()(?:/|$)"': '"^()/"'},
}


STRIPS = re.compile(r"""^\s*(RequestHeader\ unset|proxy_set_header|uwsgi_param|route-run\ =)\s+(addvar:)?(HTTP_)?
    (X[-_](Identity|Roles?|User|Project|Is|Domain|Tenant|Service)|OpenStack)""", re.X | re.I)


def trusting(text):
    """A shipped configuration without the lines that take identity headers off requests: the test stands where the server that
    sets them stands."""
    kept = [line for line in text.splitlines(True) if not STRIPS.match(line)]
    text = ''.join(kept).replace('def pre_request(', 'def not_used(')
    return text


def filled(name, replaced, at_root=False, trusted=False):
    """A configuration of deploy/ with some of its texts replaced; each of them has to be there."""
    with open(os.path.join(DEPLOY, name)) as f:
        text = f.read()
    if trusted:
        text = trusting(text)
    for old, new in [*(AT_ROOT[name].items() if at_root else ()), *replaced.items()]:
        assert old in text, '%s does not say %r' % (name, old)
        text = text.replace(old, new)
    return text


def need(*programs):
    """What is not installed, or None."""
    found = {'nginx': NGINX, 'apache2': httpd.PROGRAM}
    return next((name + ' is not installed' for name in programs if not found[name]), None)


# ---------------------------------------------------------------- back ends

def uwsgi_backend(directory, unix=False):
    """(configuration of glint serve, what the web server's configuration calls it)"""
    if unix:
        path = os.path.join(str(directory), 'uwsgi.sock')
        return {'glint': {'bind_uwsgi_unix': path, 'bind_uwsgi_unix_mode': '0666'}}, 'unix:' + path
    address = '127.0.0.1:%d' % glint.free_port()
    return {'glint': {'bind_uwsgi': address}}, address


HTTP_BACKEND = {'oslo_middleware': {'enable_proxy_headers_parsing': 'true'}}


# ---------------------------------------------------------------- nginx

MAIN = '''
daemon off;
{user}
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
worker_processes 2;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    uwsgi_temp_path {dir}/uwsgi;
    fastcgi_temp_path {dir}/fcgi;
    scgi_temp_path {dir}/scgi;
    include {dir}/site.conf;
}}
'''


class Nginx:
    """nginx with a site of deploy/nginx/. backend: {its text there: ours}; tls: files of certificate and key"""

    def __init__(self, directory, site, backend, tls=None, at_root=False, trusted=False, http2=False):
        self.directory, self.http2 = str(directory), http2
        self.host, self.port = '127.0.0.1', glint.free_port()
        self.errors = os.path.join(self.directory, 'error.log')
        self.process = None
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        with open(os.path.join(self.directory, 'nginx.conf'), 'w') as f:
            f.write(MAIN.format(dir=self.directory, user='user root;' if os.geteuid() == 0 else ''))  # tests' directories are root's
        with open(os.path.join(self.directory, 'site.conf'), 'w') as f:
            f.write(filled('nginx/' + site, {**self.listen(tls), '/var/log/nginx/': self.directory + '/', **backend}, at_root, trusted))

    def listen(self, tls):
        if not tls:
            return {'listen 80;': 'listen %s:%d;' % (self.host, self.port)}
        return {'listen 80;': '', '# listen 443 ssl;': 'listen %s:%d ssl%s;' % (self.host, self.port, ' http2' * self.http2),
                '# ssl_certificate     /etc/ssl/certs/image.example.org.pem': 'ssl_certificate ' + tls[0],
                '# ssl_certificate_key /etc/ssl/private/image.example.org.key': 'ssl_certificate_key ' + tls[1]}

    def command(self):
        return [NGINX, '-c', self.directory + '/nginx.conf', '-p', self.directory, '-e', self.errors]

    def start(self):
        with open(self.errors, 'ab') as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process is None:
            return 0
        pids = glint.Process(self.process.pid).tree()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30 * glint.SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait() or 'did not stop'
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process = None
        return status

    def log(self):
        return httpd.read(self.errors)


# ---------------------------------------------------------------- Apache httpd

class Apache(httpd.Httpd):
    """httpd with a site of deploy/httpd/ before a service. backend: {its text there: ours}; tls: files of certificate and key;
    load: lines before the site, of modules of ours"""
    proxy_modules = ('proxy', 'proxy_http', 'proxy_uwsgi', 'headers', 'remoteip', 'setenvif', 'env', 'log_config', 'alias')
    tls_modules = ('socache_shmcb', 'ssl')

    def __init__(self, directory, site, backend, tls=None, at_root=False, trusted=False, http2=False, load='', **kw):
        self.inner = glint.free_port()
        os.makedirs(str(directory), exist_ok=True)
        wanted = self.proxy_modules + (self.tls_modules if tls else ()) + (('http2',) if http2 else ())
        modules = [name for name in wanted if os.path.exists('%s/mod_%s.so' % (httpd.MODULES, name))]
        super().__init__(directory, '', modules=modules, **kw)
        two_hops = {'127.0.0.1:9295': '127.0.0.1:%d' % self.inner} if 'uwsgi' in site and 'body' not in site else {}
        self.configure(load + filled('httpd/' + site, {'*:80': '%s:%d' % (self.host, self.port), '/var/log/apache2/': self.directory + '/',
                                                **two_hops, **backend, **(self.encrypted(tls) if tls else {})}, at_root, trusted) +
                       ('Protocols h2 http/1.1\n' if http2 else ''))

    @staticmethod
    def encrypted(tls):
        return {'# SSLEngine on': 'SSLEngine on',
                '# SSLCertificateFile    /etc/ssl/certs/image.example.org.pem': 'SSLCertificateFile ' + tls[0],
                '# SSLCertificateKeyFile /etc/ssl/private/image.example.org.key': 'SSLCertificateKeyFile ' + tls[1]}

    def reload(self):
        self.graceful()

    def log(self):
        return super().log() + httpd.read(os.path.join(self.directory, 'glint-error.log'))
