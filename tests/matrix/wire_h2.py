# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 client of which every frame is ours, with the interface of wire.Connection.

What is sent to it is HTTP/1.1, head and body, with a length or in chunks; it goes out as frames (RFC 9113), a chunked body as
DATA without a Content-Length. So a check is written once. Only the decompression of answers' headers (RFC 7541) is libnghttp2's,
which every server with HTTP/2 brings along. One request at a time on a connection."""
import ctypes
import select
import ssl
import struct

import wire
from wire import GONE, Answer, Broken

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM = ACK = 1
END_HEADERS, PADDED, PRIORITY = 4, 8, 32
NO_ERROR, STREAM_CLOSED, CANCEL = 0, 5, 8
WINDOW = 1 << 20        # ours, for answers
# Of a connection of HTTP/1.1 (RFC 9113 section 8.2.2), and what has another name here.
LEFT_OUT = ('host', 'transfer-encoding', 'connection')


# ---------------------------------------------------------------- headers

class Field(ctypes.Structure):
    _fields_ = [('name', ctypes.POINTER(ctypes.c_char)), ('value', ctypes.POINTER(ctypes.c_char)),
                ('namelen', ctypes.c_size_t), ('valuelen', ctypes.c_size_t), ('flags', ctypes.c_uint8)]


def library():
    """libnghttp2, or None."""
    try:
        found = ctypes.CDLL('libnghttp2.so.14')
    except OSError:
        return None
    found.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
    found.nghttp2_hd_inflate_hd2.argtypes = [ctypes.c_void_p, ctypes.POINTER(Field), ctypes.POINTER(ctypes.c_int), ctypes.c_void_p,
                                             ctypes.c_size_t, ctypes.c_int]
    found.nghttp2_hd_inflate_end_headers.argtypes = found.nghttp2_hd_inflate_del.argtypes = [ctypes.c_void_p]
    return found


NGHTTP2 = library()


class Inflater:
    def __init__(self):
        self.handle = ctypes.c_void_p()
        if NGHTTP2.nghttp2_hd_inflate_new(ctypes.byref(self.handle)):
            raise MemoryError

    def close(self):
        if self.handle:
            NGHTTP2.nghttp2_hd_inflate_del(self.handle)
        self.handle = None

    def fields(self, block):
        """[(name, value)] of a whole header block"""
        found, field, flags, at = [], Field(), ctypes.c_int(), 0
        memory = ctypes.create_string_buffer(block, len(block))
        while True:
            n = NGHTTP2.nghttp2_hd_inflate_hd2(self.handle, ctypes.byref(field), ctypes.byref(flags), ctypes.addressof(memory) + at,
                                               len(block) - at, 1)
            if n < 0:
                raise Broken('headers that cannot be decompressed: %d' % n)
            at += n
            if flags.value & 2:
                found.append((field.name[:field.namelen].decode('latin-1'), field.value[:field.valuelen].decode('latin-1')))
            if flags.value & 1:
                NGHTTP2.nghttp2_hd_inflate_end_headers(self.handle)
                return found
            if not flags.value & 2 and at == len(block):
                raise Broken('a header block that is cut off')


def integer(n):
    """With a prefix of seven bits."""
    if n < 127:
        return bytes([n])
    out, n = bytearray([127]), n - 127
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def compressed(fields):
    """Literal fields, without an index and without Huffman's code."""
    out = bytearray()
    for pair in fields:
        out.append(0)
        for text in pair:
            raw = text.encode('latin-1')
            out += integer(len(raw)) + raw
    return bytes(out)


# ---------------------------------------------------------------- HTTP/1.1 to frames

class Request:
    """Takes the bytes of one HTTP/1.1 request after the other apart."""

    def __init__(self):
        self.pending = b''
        self.left = None        # of the body, of a chunk; None: a head or a chunk's size comes next
        self.chunked = False

    def take(self, data):
        """Yields ('head', lines, has a body), ('data', bytes) and ('end',)."""
        self.pending += data
        while True:
            if self.left is None and not self.chunked:
                head, end, rest = self.pending.partition(b'\r\n\r\n')
                if not end:
                    return
                self.pending, lines = rest, head.decode('latin-1').split('\r\n')
                fields = {line.partition(':')[0].lower(): line.partition(':')[2].strip() for line in lines[1:]}
                self.chunked = 'chunked' in fields.get('transfer-encoding', '')
                n = int(fields.get('content-length', '0'))
                self.left = n if n and not self.chunked else None
                yield 'head', lines, self.chunked or n > 0
            elif self.left is None:
                line, end, rest = self.pending.partition(b'\r\n')
                if not end:
                    return
                size = int(line.split(b';')[0], 16)
                if size == 0:
                    if rest[:2] != b'\r\n':
                        if len(rest) < 2:
                            return
                        raise ValueError('HTTP/2 has other trailers')
                    self.pending, self.chunked = rest[2:], False
                    yield ('end',)
                else:
                    self.pending, self.left = rest, size
            else:
                piece, self.pending = self.pending[:self.left], self.pending[self.left:]
                if piece:
                    self.left -= len(piece)
                    yield 'data', piece
                if self.left:
                    return
                if self.chunked:
                    if len(self.pending) < 2:
                        return
                    self.pending, self.left = self.pending[2:], None
                else:
                    self.left = None
                    yield ('end',)


class Connection(wire.Connection):
    protocol = 'h2'

    def __init__(self, place, timeout=60):
        super().__init__(place, timeout)
        if place.tls and self.socket.selected_alpn_protocol() != 'h2':
            raise Broken('the server does not speak HTTP/2')
        self.raw, self.inflater, self.request = b'', Inflater(), Request()
        self.stream, self.frame_max, self.window_new, self.window, self.stream_window = -1, 16384, 65535, 65535, 0
        self.settled = self.gone = False
        self.forget()
        self.put(PREFACE + self.frame(SETTINGS, 0, 0, struct.pack('>HIHI', 2, 0, 4, WINDOW)) +
                 self.frame(WINDOW_UPDATE, 0, 0, struct.pack('>I', WINDOW - 65535)))
        while not self.settled:
            self.step()

    def __exit__(self, *what):
        self.inflater.close()
        super().__exit__(*what)

    def forget(self):
        self.heads, self.buffer, self.block, self.ended, self.reset, self.taken = [], b'', b'', False, None, 0

    # ---- frames

    @staticmethod
    def frame(kind, flags, stream, payload=b''):
        return struct.pack('>I', len(payload))[1:] + struct.pack('>BBI', kind, flags, stream) + payload

    def put(self, data):
        self.socket.sendall(data)

    def step(self):
        """Takes the next frame; Broken when there will be none."""
        while len(self.raw) < 9 or len(self.raw) < 9 + int.from_bytes(self.raw[:3], 'big'):
            try:
                data = self.socket.recv(1 << 18)
            except (ConnectionResetError, ssl.SSLError) as e:
                raise Broken('reset') from e
            if not data:
                raise Broken('closed')
            self.raw += data
        n = int.from_bytes(self.raw[:3], 'big')
        kind, flags, stream = struct.unpack('>BBI', self.raw[3:9])
        payload, self.raw = self.raw[9:9 + n], self.raw[9 + n:]
        self.react(kind, flags, stream & 0x7FFFFFFF, payload)

    def react(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.set(payload)
            self.put(self.frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.put(self.frame(PING, ACK, 0, payload))
        elif kind == PING:
            self.pong = True
        elif kind == WINDOW_UPDATE:
            more = int.from_bytes(payload, 'big') & 0x7FFFFFFF
            if stream == 0:
                self.window += more
            elif stream == self.stream:
                self.stream_window += more
        elif kind == GOAWAY:
            last, code = struct.unpack('>II', payload[:8])
            self.gone = True
            if last & 0x7FFFFFFF < self.stream:
                raise Broken('GOAWAY before the stream, code %d' % code)
        elif kind == DATA and len(payload):
            self.give_back(len(payload))
        if stream == self.stream:
            self.react_stream(kind, flags, payload)

    def react_stream(self, kind, flags, payload):
        if kind in (DATA, HEADERS) and flags & PADDED:
            payload = payload[1:len(payload) - payload[0]]
        if kind == HEADERS:
            self.block, self.closes = payload[5:] if flags & PRIORITY else payload, flags & END_STREAM
        elif kind == CONTINUATION:
            self.block += payload
        elif kind == DATA:
            self.buffer += payload
            self.ended |= bool(flags & END_STREAM)
        elif kind == RST_STREAM:
            self.reset = int.from_bytes(payload, 'big')
        if kind in (HEADERS, CONTINUATION) and flags & END_HEADERS:
            self.heads.append(self.inflater.fields(self.block))
            self.ended |= bool(self.closes)

    def set(self, payload):
        for key, value in struct.iter_unpack('>HI', payload):
            if key == 4:
                self.stream_window += value - self.window_new if self.stream > 0 else 0
                self.window_new = value
            elif key == 5:
                self.frame_max = value
        self.settled = True

    def give_back(self, n):
        """What has arrived may come again, on the stream and on the connection."""
        more = struct.pack('>I', n)
        try:
            self.put(self.frame(WINDOW_UPDATE, 0, 0, more) + (b'' if self.ended else self.frame(WINDOW_UPDATE, 0, self.stream, more)))
        except GONE:
            pass    # what has arrived counts

    def ready(self):
        pending = getattr(self.socket, 'pending', None)
        return (pending and pending()) or bool(select.select([self.socket], [], [], 0)[0])

    # ---- sending

    def send(self, data):
        """HTTP/1.1 as it would go out there. False when the other side does not want any more."""
        try:
            for what, *more in self.request.take(data):
                if what == 'head':
                    self.begin(*more)
                elif what == 'data' and not self.push(more[0]):
                    return False
                elif what == 'end':
                    self.put(self.frame(DATA, END_STREAM, self.stream))
            return True
        except GONE:
            return False

    def begin(self, lines, has_body):
        method, path, _ = lines[0].split(' ', 2)
        fields = [(':method', method), (':scheme', self.place.scheme), (':path', path),
                  (':authority', '%s:%d' % (self.place.host, self.place.port))]
        for line in lines[1:]:
            name, _, value = line.partition(':')
            if name.lower() not in LEFT_OUT:
                fields.append((name.lower(), value.strip()))
        self.forget()
        self.stream += 2
        self.stream_window = self.window_new
        block, first = compressed(fields), True
        while first or block:
            piece, block = block[:self.frame_max], block[self.frame_max:]
            flags = (0 if block else END_HEADERS) | (END_STREAM if first and not has_body else 0)
            self.put(self.frame(HEADERS if first else CONTINUATION, flags, self.stream, piece))
            first = False

    def push(self, data):
        """DATA as the windows allow; False when the answer is complete or the stream is reset."""
        data = memoryview(data)     # cut without being copied
        while data:
            while self.ready():
                self.step()
                if self.ended or self.reset is not None:
                    return False
            room = min(self.window, self.stream_window, self.frame_max, len(data))
            if room <= 0:
                self.step()
                if self.ended or self.reset is not None:
                    return False
                continue
            self.put(self.frame(DATA, 0, self.stream, bytes(data[:room])))
            self.window -= room
            self.stream_window -= room
            data = data[room:]
        return True

    def abandon(self, reason=CANCEL):
        """Resets the stream and waits until the server has seen that."""
        self.pong = False
        self.put(self.frame(RST_STREAM, 0, self.stream, struct.pack('>I', reason)) + self.frame(PING, 0, 0, b'abandons'))
        while not self.pong:
            self.buffer = b''
            self.step()

    # ---- receiving

    def fill(self):
        """The next piece of the answer."""
        while True:
            if self.reset is not None:
                raise Broken('RST_STREAM, code %d' % self.reset)
            if self.ended:
                raise Broken('the stream has ended')
            have = len(self.buffer), len(self.heads)
            self.step()
            if (len(self.buffer), len(self.heads)) != have or self.ended:
                return

    def read_head(self):
        while not self.heads:
            self.fill()
        headers = {}
        for name, value in self.heads.pop(0):
            headers[name] = headers[name] + ', ' + value if name in headers else value
        return int(headers.pop(':status')), headers

    def answer(self, method='GET', sink=None):
        status, headers = self.read_head()
        while 100 <= status < 200:
            status, headers = self.read_head()
        body, n = bytearray(), 0
        put = sink or body.extend
        while True:
            n += len(self.buffer)
            put(self.buffer)
            self.buffer = b''
            if self.ended:
                break
            self.fill()
        declared = headers.get('content-length')
        if declared is not None and method != 'HEAD' and status not in (204, 304) and int(declared) != n:
            raise Broken('%d bytes instead of %s' % (n, declared))
        return Answer(status, headers, bytes(body), self.gone)


class Client(wire.Client):
    connection = Connection
