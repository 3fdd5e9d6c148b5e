#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""origin.py [PORT]   a web server that image locations point at, well-behaved and not; prints its port.

    /ok/N                N bytes (letters in order), with ranges        /name/X/N      the same; X tells urls apart
    /norange/N           ranges are ignored                             /empty         no bytes
    /nolength/N          nobody says how many; chunked                  /nohead/N      HEAD is 405
    /lies/N              HEAD says N, GET has N - 1                      /short/N       breaks off after half of N
    /drop                closes without an answer                       /stall/N       falls silent after half of N
    /status/C            answers C                                      /redirect/C/K/REST   K times C, then /REST
    /loop                redirects to itself                            /to?URL        redirects to that
    /slow/X/N            gives half of N, waits for two seconds, gives the rest
    /flaky/X/K/N         breaks off half-way K times, then sends all N  /asked/X       how often /…/X/… was read
    /tagged/X/K/N        the same with an ETag, so that what came can be gone on with
    /until/X/K/N         N bytes for K reads, 404 from then on          /nowhere       redirects without saying whereto
    /vanish/X/K/N        N bytes for K reads, then 404 after /open/X was read (or 20 seconds)
    /gate/X/[K/]N        gives half of N, the rest after /open/X was read (or 20 seconds); but N at once K times
    /trickle/X/N         gives 2000 bytes of N a second, until /open/X was read
    /peer/HOW/X/REST     POST and DELETE: another worker of the service. HOW is the status of its answer, or drop, junk, cut, loop;
                         /told/X: what it was asked, as JSON. A status of -C comes without a request id
    /remote/STATUS/SIZE/N/v2/images/ID[/file]   an Images API with one image of N bytes which says it has SIZE; it wants
                         a token. STATUS may be a number: so it answers. SIZE may be none or junk
"""
import collections
import contextlib
import http.server
import json
import re
import sys
import threading
import time

# Of what another worker is asked with: the others belong to the connection and to the client's library.
TOLD_HEADERS = ('content-type', 'cookie', 'x-auth-token', 'x-image-meta-store', 'x-other')
LETTERS = bytes(range(ord('a'), ord('z') + 1))


def content(n, start=0, end=None):
    """Bytes start..end of the endless alphabet, cut at n."""
    end = n if end is None else min(end, n)
    return (LETTERS * ((end - start) // 26 + 2))[start % 26:start % 26 + end - start]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    counts = collections.Counter()
    lock = threading.Lock()
    gates = collections.defaultdict(threading.Event)
    told = collections.defaultdict(list)

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.serve(False)

    def do_GET(self):
        self.serve(True)

    def do_POST(self):
        self.work()

    def do_DELETE(self):
        self.work()

    def work(self):
        """What another worker of the service is asked."""
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0)).decode()
        word, how, name, *rest = self.path.strip('/').split('/')
        if word != 'peer':
            self.head(404, 0)
            return
        with self.lock:
            self.told[name].append({'method': self.command, 'path': '/' + '/'.join(rest), 'body': json.loads(body) if body else None,
                                    'headers': sorted((k.lower(), v) for k, v in self.headers.items() if k.lower() in TOLD_HEADERS)})
        if how == 'drop':
            self.close_connection = True
        elif how == 'junk':
            self.wfile.write(b'What do you want?\r\n')
            self.close_connection = True
        elif how == 'cut':
            self.head(202, 1000)
            self.close_connection = True
        elif how == 'loop':
            self.head(307, 0, Location=self.path)
        else:
            status, _, reason = how.lstrip('-').partition('-')
            self.send_response(int(status), reason.replace('_', ' ') or None)
            if not how.startswith('-'):
                self.send_header('X-Openstack-Request-Id', 'req-of-the-peer')
            text = b'' if int(status) == 204 else b'the words of the peer'
            self.send_header('Content-Length', str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def count(self, name):
        with self.lock:
            self.counts[name] += 1
            return self.counts[name]

    def head(self, status, length=None, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header('Content-Length', str(length))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()

    def whole(self, n, send, ranges=True, **more):
        asked = re.fullmatch(r'bytes=(\d+)-(\d*)', self.headers.get('Range', '')) if ranges else None
        if not asked:
            self.head(200, n, **({'Accept_Ranges': 'bytes'} if ranges else {}), **more)
            start, end = 0, n
        else:
            start, end = int(asked[1]), min(n, int(asked[2]) + 1 if asked[2] else n)
            if start >= n:
                self.head(416, 0, Content_Range='bytes */%d' % n)
                return
            self.head(206, end - start, Content_Range='bytes %d-%d/%d' % (start, end - 1, n), **more)
        for at in range(start, end if send else start, 1 << 20):
            self.wfile.write(content(n, at, min(at + (1 << 20), end)))

    def part(self, n, send, **more):
        """Promises n and gives half."""
        self.head(200, n, **more)
        if send:
            self.wfile.write(content(n, 0, n // 2))
            self.wfile.flush()
        self.close_connection = True

    def remote(self, state, size, n, what, send):
        """The image of another service."""
        document = {'id': what[2], 'status': state, 'disk_format': 'raw', 'container_format': 'bare', 'name': 'remote', 'hw_machine_type': 'q35',
                    'os_distro': 'debian', 'visibility': 'public', 'owner': 'somebody', 'os_hash_algo': 'sha512', 'mine': 'kept',
                    'size': {'none': None, 'junk': 'many'}.get(size) if size in ('none', 'junk') else int(size)}
        if not self.headers.get('X-Auth-Token'):
            self.head(401, 0)
        elif state.isdigit():
            self.head(int(state), 0)
        elif what[-1] == 'file':
            self.whole(n, send)
        else:
            body = json.dumps(document).encode()
            self.head(200, len(body), Content_Type='application/json')
            self.wfile.write(body if send else b'')

    def serve(self, send):
        path, _, query = self.path.partition('?')
        word, *rest = path.strip('/').split('/')
        n = int(rest[-1]) if rest and rest[-1].isdigit() else 0
        seen = self.count(rest[0]) if send and word in ('name', 'flaky', 'until', 'vanish', 'slow', 'gate', 'tagged') else 0
        if word in ('ok', 'name'):
            self.whole(n, send)
        elif word == 'norange':
            self.whole(n, send, ranges=False)
        elif word == 'nolength':
            self.head(200, None, Transfer_Encoding='chunked')
            if send:
                self.wfile.write(b'%x\r\n%s\r\n0\r\n\r\n' % (n, content(n)))
        elif word == 'nohead' and not send:
            self.head(405, 0)
        elif word == 'nohead':
            self.whole(n, send)
        elif word == 'lies':
            self.whole(n - send, send)
        elif word == 'short':
            self.part(n, send)
        elif word == 'stall':
            self.part(n, send)
            time.sleep(20 if send else 0)
        elif word == 'slow':
            self.head(200, n)
            for at in (0, n // 2) if send else ():
                self.wfile.write(content(n, at, n // 2 if at == 0 else n))
                time.sleep(2 if at == 0 else 0)
        elif word == 'trickle':
            self.head(200, n)
            with contextlib.suppress(OSError):      # until the other side or the test has enough
                for at in range(0, n if send else 0, 400):
                    self.wfile.write(content(n, at, at + 400))
                    self.wfile.flush()
                    if self.gates[rest[0]].wait(0.2):
                        break
            self.close_connection = True
        elif word == 'gate':
            self.head(200, n)
            if send:
                self.wfile.write(content(n, 0, n // 2))
                if len(rest) == 2 or seen > int(rest[1]):
                    self.gates[rest[0]].wait(20)
                self.wfile.write(content(n, n // 2))
        elif word == 'open':
            self.gates[rest[0]].set()
            self.head(204)
        elif word == 'remote':
            self.remote(rest[0], rest[1], int(rest[2]), rest[3:], send)
        elif word == 'flaky':
            self.whole(n, send) if not send or seen > int(rest[1]) else self.part(n, send)
        elif word == 'tagged':
            (self.part if send and seen <= int(rest[1]) else self.whole)(n, send, ETag='"%s"' % rest[0])
        elif word == 'vanish' and seen > int(rest[1]):
            self.gates[rest[0]].wait(20)
            self.head(404, 0)
        elif word in ('until', 'vanish') and seen <= int(rest[1]):
            self.whole(n, send)
        elif word == 'status':
            self.head(n, 0)
        elif word == 'redirect' and int(rest[1]) > 0:
            self.head(int(rest[0]), 0, Location='http://%s/redirect/%s/%d/%s' % (
                self.headers['Host'], rest[0], int(rest[1]) - 1, '/'.join(rest[2:])))
        elif word == 'redirect':
            self.path = '/' + '/'.join(rest[2:])
            self.serve(send)
        elif word == 'loop':
            self.head(302, 0, Location='http://%s/loop' % self.headers['Host'])
        elif word == 'to':
            self.head(302, 0, Location=query)
        elif word == 'nowhere':
            self.head(302, 0)
        elif word == 'asked':
            body = b'%d' % self.counts[rest[0]]
            self.head(200, len(body))
            self.wfile.write(body if send else b'')
        elif word == 'told':
            body = json.dumps(self.told.pop(rest[0], [])).encode()
            self.head(200, len(body), Content_Type='application/json')
            self.wfile.write(body if send else b'')
        elif word == 'empty':
            self.head(200, 0)
        elif word == 'drop':
            self.close_connection = True
        else:
            self.head(404, 0)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass                                        # a client that goes away in the middle is what tests do


def start(port=0, host='127.0.0.1'):
    """The server on a thread of this process; its url is .url."""
    server = Server((host, port), Handler)
    server.url = 'http://%s:%d' % (host, server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == '__main__':
    running = start(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(running.server_port, flush=True)
    threading.Event().wait()
