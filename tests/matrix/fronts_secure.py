# SPDX-License-Identifier: Apache-2.0
"""Each front once more by TLS, and by HTTP/2 where its server speaks it."""
import atexit
import os
import shutil
import subprocess
import tempfile

import fronts
import fronts_httpd
import fronts_proxy
import fronts_uwsgi
import fronts_wsgi
import httpd
import wire_h2

SECURE = {}
# What these ask is asked of them without TLS; a connection, its end and the framing of bodies are what changes.
TRANSPORT = ('upload with length', 'upload chunked', 'upload of nothing', 'upload of nothing chunked', 'bodies without a length',
             'upload after 100 continue', 'refusal before a large body', 'refusals reach a client that is sending',
             'json chunked', 'download ranges', 'head of data', 'one hundred requests on one connection', 'stage chunked and import',
             'vanish within the body', 'vanish within a chunk', 'vanish from a download', 'links lead back', 'large headers',
             'nothing outlives its request', 'a stream that is reset leaves no image', 'reload within a chunked upload', 'killed within a download')
# HTTP/2 has no chunks, and what a server makes of two lengths is asked in HTTP/1.1.
NOT_HTTP2 = ('upload with chunk extensions', 'upload with trailers', 'garbage for a chunk size', 'vanish before the last chunk ends', 'smuggled requests')
# What happens in HTTP/2 alone.
ONLY_HTTP2 = ('a stream that is reset leaves no image',)
FILES = []


def certificate():
    """Files of a certificate and its key, made once."""
    if not FILES:
        folder = tempfile.mkdtemp(prefix='glint-tls-')
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        cert, key = folder + '/cert.pem', folder + '/key.pem'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
                        '-days', '2', '-subj', '/CN=localhost'], check=True, capture_output=True)
        FILES[:] = cert, key
    return tuple(FILES)


class Secure:
    """Comes before a front's class."""
    http2 = False

    def __init__(self, directory):
        self.tls = certificate()
        super().__init__(directory)

    @classmethod
    def missing(cls):
        if cls.http2 and not wire_h2.NGHTTP2:
            return 'libnghttp2.so.14 is not there'
        return super().missing()


class SecureHttp2(Secure):
    http2 = True


HIDDEN = 'a body without a length that HTTP/2 breaks off cannot be told from a whole one: 411'


class SecureProxied(SecureHttp2):
    """With mod_glint_body, which sees a stream that was reset."""
    load = 'LoadModule glint_body_module %s\n' % httpd.BODY_MODULE

    @classmethod
    def missing(cls):
        return httpd.missing(httpd.BODY_MODULE) or super().missing()


class WithoutLengths(SecureHttp2):
    """Where nobody sees that a stream was reset, a body without a length is refused."""
    needs_length = True
    cannot = {title: HIDDEN for title in (
        'upload chunked', 'upload in chunks of one byte', 'upload in a chunk of 16 MiB', 'upload of nothing chunked', 'upload slowly',
        'upload chunked after 100 continue', 'json chunked', 'one gigabyte in bounded memory', 'stage chunked and import',
        'reload within a chunked upload', 'check deploy finds nothing wrong')}


class SecureNginx(SecureHttp2):
    cannot = {title: 'nginx sends no 100 Continue by HTTP/2' for title in ('upload after 100 continue', 'upload chunked after 100 continue')}


TLS = (fronts.Direct, fronts_httpd.Event, fronts_httpd.Worker, fronts_httpd.Prefork, fronts_httpd.Body, fronts_proxy.NginxHttp,
       fronts_proxy.NginxUwsgi, fronts_proxy.ApacheHttp, fronts_proxy.ApacheUwsgi, fronts_uwsgi.HttpSocket, fronts_uwsgi.Router,
       fronts_uwsgi.BehindNginx, fronts_wsgi.PythonRouter, fronts_wsgi.Daemon, fronts_wsgi.Embedded, fronts_wsgi.Gunicorn)
# mod_http2 does not run in the prefork MPM; the others' servers have no HTTP/2.
HTTP2 = (fronts_httpd.Event, fronts_httpd.Worker, fronts_httpd.Body)
PROXIED = (fronts_proxy.ApacheHttp, fronts_proxy.ApacheUwsgi)
NGINX = (fronts_proxy.NginxHttp, fronts_proxy.NginxUwsgi, fronts_uwsgi.BehindNginx)


def add(classes, mixin, suffix):
    for cls in classes:
        SECURE[cls.name + suffix] = type(cls.__name__ + mixin.__name__, (mixin, cls), {'name': cls.name + suffix})


add(TLS, Secure, '-tls')
add(HTTP2, SecureHttp2, '-h2')
add(PROXIED, SecureProxied, '-h2')
add(PROXIED, WithoutLengths, '-h2-bare')
add(NGINX, SecureNginx, '-h2')
add([fronts_wsgi.Daemon, fronts_wsgi.Embedded], WithoutLengths, '-h2')
