# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 client, with and without TLS, of which every byte is ours, for what a well-behaved library cannot send or hides."""
import json
import socket
import ssl
import time


class Broken(Exception):
    """The transfer ended in a way that no client can take for a whole answer."""


# What sending to a connection that the other side has ended raises.
GONE = (BrokenPipeError, ConnectionResetError, ssl.SSLError)


def encrypted(plain, protocol):
    """TLS with a server whose certificate is made for the occasion."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(plain, server_hostname='localhost', suppress_ragged_eofs=False)


class Answer:
    def __init__(self, status, headers, body, closed):
        self.status, self.headers, self.body, self.closed = status, headers, body, closed

    def header(self, name):
        return self.headers.get(name.lower())

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def ours(self):
        """Whether the service itself answered, and not the server before it."""
        return 'x-openstack-request-id' in self.headers

    def __repr__(self):
        return '%d %r %r' % (self.status, self.headers, bytes(self.body[:200]))


class Connection:
    protocol = 'http/1.1'

    def __init__(self, place, timeout=60):
        """place: something with host, port, tls, prefix and identity (headers as a dict)."""
        self.place = place
        self.socket = socket.create_connection((place.host, place.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if place.tls:
            self.socket = encrypted(self.socket, self.protocol)
        self.buffer = b''

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.socket.close()

    # ---- sending

    def head_bytes(self, method, path, headers=(), identity=None):
        lines = ['%s %s%s HTTP/1.1' % (method, self.place.prefix, path), 'Host: %s:%d' % (self.place.host, self.place.port)]
        for key, value in (self.place.identity if identity is None else identity).items():
            lines.append('%s: %s' % (key, value))
        lines += ['%s: %s' % pair for pair in headers]
        return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')

    def send(self, data):
        """False when the other side does not want any more."""
        try:
            self.socket.sendall(data)
            return True
        except GONE:
            return False

    def abandon(self):
        """Wants no more of this request."""
        self.socket.close()

    def head(self, method, path, headers=(), body=b''):
        return self.send(self.head_bytes(method, path, headers) + body)

    def chunk(self, data, extension=b''):
        return self.send(b'%x%s\r\n' % (len(data), extension) + data + b'\r\n')

    # ---- receiving

    def fill(self):
        try:
            data = self.socket.recv(1 << 18)
        except (ConnectionResetError, ssl.SSLError) as e:
            raise Broken('reset') from e
        if not data:
            raise Broken('closed')
        self.buffer += data

    def line(self):
        while b'\n' not in self.buffer:
            self.fill()
        text, self.buffer = self.buffer.split(b'\n', 1)
        return text.rstrip(b'\r').decode('latin-1')

    def read_head(self):
        """(status, headers) of the next head, 1xx included."""
        line = self.line()
        parts = line.split(' ', 2)
        if not line.startswith('HTTP/1.') or len(parts) < 2 or not parts[1].isdigit():
            raise Broken('no status line: %r' % line)
        headers = {}
        while True:
            line = self.line()
            if not line:
                return int(parts[1]), headers
            key, _, value = line.partition(':')
            key, value = key.strip().lower(), value.strip()
            headers[key] = headers[key] + ', ' + value if key in headers else value

    def take(self, n, put):
        while n:
            if not self.buffer:
                self.fill()
            piece, self.buffer = self.buffer[:n], self.buffer[n:]
            n -= len(piece)
            put(piece)

    def read_chunks(self, put):
        while True:
            size = self.line().split(';')[0].strip()
            try:
                n = int(size, 16)
            except ValueError as e:
                raise Broken('no chunk size: %r' % size) from e
            if n == 0:
                while self.line():
                    pass
                return
            self.take(n, put)
            if self.line():
                raise Broken('a chunk without its end')

    def answer(self, method='GET', sink=None):
        """The next final answer; Broken when its end is not the one that its head promised."""
        status, headers = self.read_head()
        while 100 <= status < 200:
            status, headers = self.read_head()
        body, closed = bytearray(), headers.get('connection', '').lower() == 'close'
        put = sink or body.extend
        if method == 'HEAD' or status in (204, 304):
            pass
        elif 'chunked' in headers.get('transfer-encoding', '').lower():
            self.read_chunks(put)
        elif 'content-length' in headers:
            self.take(int(headers['content-length']), put)
        else:
            closed = True
            try:
                while True:
                    put(self.buffer)
                    self.buffer = b''
                    self.fill()
            except Broken as e:
                if str(e) == 'reset':
                    raise
        return Answer(status, headers, bytes(body), closed)


class Client:
    """One request per connection."""
    connection = Connection

    def __init__(self, place, timeout=60):
        self.place, self.timeout = place, timeout

    def connect(self):
        return self.connection(self.place, self.timeout)

    def call(self, method, path, body=None, headers=(), document=None, sink=None):
        headers = list(headers)
        if document is not None:
            body = json.dumps(document).encode()
            headers.append(('Content-Type', 'application/json'))
        if body is not None:
            headers.append(('Content-Length', str(len(body))))
        with self.connect() as c:
            c.head(method, path, headers)
            if body:
                c.send(body)
            return c.answer(method, sink)

    def create(self, **fields):
        answer = self.call('POST', '/v2/images', document={'disk_format': 'raw', 'container_format': 'bare', **fields})
        if answer.status != 201:
            raise AssertionError('create: %r' % answer)
        return answer.json['id']

    def show(self, image):
        answer = self.call('GET', '/v2/images/' + image)
        if answer.status != 200:
            raise AssertionError('show: %r' % answer)
        return answer.json

    def upload(self, image, data, headers=(), what='file'):
        """what: 'file', or 'stage' for an import."""
        return self.call('PUT', '/v2/images/%s/%s' % (image, what), data, [('Content-Type', 'application/octet-stream'), *headers])

    def upload_chunked(self, image, data, sizes, extension=b'', trailer=b'', pause=0, what='file'):
        """sizes: of the chunks, over and over."""
        with self.connect() as c:
            c.head('PUT', '/v2/images/%s/%s' % (image, what), CHUNKED)
            at = count = 0
            pending = b''
            while at < len(data):
                piece = data[at:at + sizes[count % len(sizes)]]
                at, count = at + len(piece), count + 1
                pending += b'%x%s\r\n' % (len(piece), extension) + piece + b'\r\n'
                if len(pending) > 1 << 16 or pause:
                    if not c.send(pending):
                        break
                    pending = b''
                    time.sleep(pause)
            c.send(pending + b'0\r\n' + trailer + b'\r\n')
            return c.answer('PUT')

    def bring_in(self, image, method, **source):
        return self.call('POST', '/v2/images/%s/import' % image, document={'method': {'name': method, **source}})

    def wait_for(self, image, statuses, seconds=20):
        end = time.monotonic() + seconds
        while True:
            status = self.show(image)['status']
            if status in statuses or time.monotonic() > end:
                return status
            time.sleep(0.1)


STREAM = [('Content-Type', 'application/octet-stream')]
CHUNKED = STREAM + [('Transfer-Encoding', 'chunked')]


def length(n):
    return STREAM + [('Content-Length', str(n))]
