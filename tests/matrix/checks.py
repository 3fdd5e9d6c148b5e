# SPDX-License-Identifier: Apache-2.0
"""The table of checks, and those of plain transfers. A check gets a running front and raises AssertionError or Broken."""
import hashlib
import threading
import time

import wire

MIB = 1 << 20
CHECKS = []


def check(f):
    """Registers a check; its name is the function's with blanks."""
    f.title = f.__name__.replace('_', ' ')
    CHECKS.append(f)
    return f


def need(condition, *why):
    if not condition:
        raise AssertionError(' '.join(str(w) for w in why))


def pattern(n, seed=1):
    return hashlib.shake_128(b'%d' % seed).digest(n)


DATA = pattern(3 * MIB + 17)


def verify(front, image, data):
    """The image is active, its hash is that of the data, and downloading gives just these bytes."""
    want = hashlib.sha512(data).hexdigest()
    shown = front.client.show(image)
    need(shown['status'] == 'active', 'the image is', shown['status'])
    need(shown['size'] == len(data), 'its size is', shown['size'], 'of', len(data))
    need(shown['os_hash_value'] == want, 'its hash is another')
    answer = front.client.call('GET', '/v2/images/%s/file' % image)
    need(answer.status == (200 if data else 204) or (not data and answer.status == 200), 'download', answer)
    need(len(answer.body) == len(data) and hashlib.sha512(answer.body).hexdigest() == want, 'what comes down is not what went up')


def uploaded(front, answer, image, data):
    need(answer.status == 204, 'upload', answer)
    verify(front, image, data)


def active(front, data=DATA, **fields):
    image = front.client.create(**fields)
    answer = front.client.upload(image, data)
    need(answer.status == 204, 'upload', answer)
    return image


# ---------------------------------------------------------------- up

@check
def upload_with_length(front):
    image = front.client.create()
    uploaded(front, front.client.upload(image, DATA), image, DATA)


@check
def upload_chunked(front):
    image = front.client.create()
    sizes = [1, 7, 4095, 4097, 65537, 8191, 131071]
    uploaded(front, front.client.upload_chunked(image, DATA, sizes), image, DATA)


@check
def upload_in_chunks_of_one_byte(front):
    image, data = front.client.create(), DATA[:40000]
    uploaded(front, front.client.upload_chunked(image, data, [1]), image, data)


@check
def upload_in_a_chunk_of_16_MiB(front):
    image, data = front.client.create(), pattern(16 * MIB + 5, 2)
    uploaded(front, front.client.upload_chunked(image, data, [16 * MIB]), image, data)


@check
def upload_with_chunk_extensions(front):
    image, data = front.client.create(), DATA[:300000]
    uploaded(front, front.client.upload_chunked(image, data, [65536, 100], extension=b';name="a;b"'), image, data)


@check
def upload_with_trailers(front):
    image, data = front.client.create(), DATA[:300000]
    trailer = b'X-Checksum: 0123\r\nContent-Length: 5\r\n'
    uploaded(front, front.client.upload_chunked(image, data, [65536], trailer=trailer), image, data)


@check
def upload_of_nothing(front):
    image = front.client.create()
    uploaded(front, front.client.upload(image, b''), image, b'')


@check
def upload_of_nothing_chunked(front):
    image = front.client.create()
    uploaded(front, front.client.upload_chunked(image, b'', [1]), image, b'')


@check
def upload_slowly(front):
    image, data = front.client.create(), DATA[:6000]
    uploaded(front, front.client.upload_chunked(image, data, [1000], pause=0.3), image, data)


def expecting(front, headers, body):
    image = front.client.create()
    with front.client.connect() as c:
        c.head('PUT', '/v2/images/%s/file' % image, headers + [('Expect', '100-continue')])
        c.socket.settimeout(5)
        try:
            status, _ = c.read_head()
        except TimeoutError:
            raise AssertionError('no 100 Continue within 5 s') from None
        need(status == 100, 'wanted 100, got', status)
        c.socket.settimeout(60)
        c.send(body)
        answer = c.answer('PUT')
    return image, answer


@check
def upload_after_100_continue(front):
    data = DATA[:200000]
    image, answer = expecting(front, wire.length(len(data)), data)
    uploaded(front, answer, image, data)


@check
def upload_chunked_after_100_continue(front):
    data = DATA[:100000]
    image, answer = expecting(front, wire.CHUNKED, b'%x\r\n' % len(data) + data + b'\r\n0\r\n\r\n')
    uploaded(front, answer, image, data)


def refused_while_sending(front, what):
    """The image is active: 409, whatever the client is still sending."""
    image = active(front)
    for headers, body in (wire.length(24 * MIB), bytes(24 * MIB)), (wire.CHUNKED, (b'100000\r\n' + bytes(MIB) + b'\r\n') * 24 + b'0\r\n\r\n'):
        if headers is wire.CHUNKED and front.needs_length:
            continue
        with front.client.connect() as c:
            c.head('PUT', '/v2/images/%s/%s' % (image, what), headers)
            c.send(body)
            answer = c.answer('PUT')
        need(answer.status == 409, 'wanted 409, got', answer)
        need(answer.ours, 'the refusal is not the service\'s', answer)
    verify(front, image, DATA)


@check
def refusal_before_a_large_body(front):
    refused_while_sending(front, 'file')


@check
def refusal_instead_of_100_continue(front):
    """A client that waits for 100 gets the refusal, or 100 and then the refusal; it never waits in vain."""
    image = active(front)
    with front.client.connect() as c:
        c.head('PUT', '/v2/images/%s/file' % image, wire.length(8 << 20) + [('Expect', '100-continue')])
        c.socket.settimeout(5)
        status, headers = c.read_head()
        if status == 100:
            c.send(bytes(8 << 20))
            c.socket.settimeout(60)
            status, headers = c.read_head()
        need(status == 409, 'wanted 409, got', status, headers)


@check
def json_chunked(front):
    """Not only image data: a document may come in chunks too."""
    with front.client.connect() as c:
        c.head('POST', '/v2/images', [('Content-Type', 'application/json'), ('Transfer-Encoding', 'chunked')])
        for piece in (b'{"name": "in ', b'pieces", "disk_format": "raw",', b'"container_format": "bare"}'):
            c.chunk(piece)
        c.send(b'0\r\n\r\n')
        answer = c.answer('POST')
    need(answer.status == 201 and answer.json['name'] == 'in pieces', answer)


# ---------------------------------------------------------------- down

@check
def download_whole(front):
    verify(front, active(front), DATA)


@check
def download_ranges(front):
    image, n = active(front), len(DATA)
    for spec, first, last in (('bytes=0-0', 0, 0), ('bytes=100-4195', 100, 4195), ('bytes=-1000', n - 1000, n - 1),
                              ('bytes=%d-' % (n - 70000), n - 70000, n - 1), ('bytes=5-%d' % (n + 9), 5, n - 1),
                              ('bytes=0-', 0, n - 1)):
        answer = front.client.call('GET', '/v2/images/%s/file' % image, headers=[('Range', spec)])
        need(answer.status == 206, spec, answer)
        need(answer.body == DATA[first:last + 1], spec, 'gave other bytes')
        need(answer.header('content-range') == 'bytes %d-%d/%d' % (first, last, n), spec, answer.header('content-range'))
        need(answer.header('content-length') == str(last + 1 - first), spec, answer.header('content-length'))


@check
def download_of_a_range_outside(front):
    image = active(front)
    answer = front.client.call('GET', '/v2/images/%s/file' % image, headers=[('Range', 'bytes=%d-' % (len(DATA) + 5))])
    need(answer.status == 416, answer)


@check
def download_of_no_data(front):
    answer = front.client.call('GET', '/v2/images/%s/file' % front.client.create())
    need(answer.status == 204 and not answer.body, answer)


@check
def head_of_data(front):
    image = active(front)
    answer = front.client.call('HEAD', '/v2/images/%s/file' % image)
    need(answer.status in (200, 405), answer)
    if answer.status == 200:
        need(answer.header('content-length') == str(len(DATA)), 'Content-Length', answer.header('content-length'))


@check
def twenty_downloads_at_once(front):
    """Again and again, so that connections between the servers are used again while they are short of threads."""
    image, wrong, rounds = active(front), [], 10

    def one():
        try:
            answer = front.client.call('GET', '/v2/images/%s/file' % image)
            if answer.status != 200 or answer.body != DATA:
                wrong.append(repr(answer))
        except Exception as e:
            wrong.append(repr(e))
    for _ in range(rounds):
        threads = [threading.Thread(target=one) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    need(not wrong, len(wrong), 'of', 20 * rounds, 'failed:', wrong[:3])


@check
def one_hundred_requests_on_one_connection(front):
    image, n = active(front, DATA[:5000]), 0
    with front.client.connect() as c:
        while n < 100:
            data = n % 10 == 9
            c.head('GET', '/v2/images/%s%s' % (image, '/file' if data else ''))
            answer = c.answer()
            need(answer.status == 200 and (not data or answer.body == DATA[:5000]), 'request', n, answer)
            n += 1
            need(not answer.closed or n == 100, 'the server closed after', n, 'requests')


@check
def one_gigabyte_in_bounded_memory(front):
    """Up in chunks, and down again; no process may grow by more than 64 MiB."""
    total, block = front.big, pattern(1 << 16, 9) * 16
    digest, back = hashlib.sha512(), hashlib.sha512()
    image = front.client.create()
    active(front)  # pools are warm before memory is measured
    before, peak, done = front.memory(), {}, threading.Event()

    def watch():
        while not done.wait(0.2):
            for pid, size in front.memory().items():
                peak[pid] = max(peak.get(pid, 0), size)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        client = front.new_client(timeout=300)
        with client.connect() as c:
            c.head('PUT', '/v2/images/%s/file' % image, wire.CHUNKED)
            left = total
            while left > 0:
                piece = block[:left]
                digest.update(piece)
                left -= len(piece)
                if not c.chunk(piece):
                    break
            c.send(b'0\r\n\r\n')
            answer = c.answer('PUT')
        need(answer.status == 204, 'upload', answer)
        answer = client.call('GET', '/v2/images/%s/file' % image, sink=back.update)
        need(answer.status == 200 and back.digest() == digest.digest(), 'download', answer)
    finally:
        done.set()
        watcher.join()
    need(front.client.show(image)['os_hash_value'] == digest.hexdigest(), 'its hash is another')
    for pid, size in peak.items():
        grown = size - before.get(pid, min(before.values(), default=0))
        need(grown < 64 * MIB * front.slow, 'process', pid, 'grew by', grown // MIB, 'MiB')
    front.client.call('DELETE', '/v2/images/' + image)


@check
def large_image_with_length(front):
    """More than the limits that servers have for bodies by default (1 MiB, 1 GiB): only the head and a little are sent."""
    image = front.client.create()
    with front.client.connect() as c:
        c.head('PUT', '/v2/images/%s/file' % image, wire.length(5 << 30))
        c.send(DATA)
        time.sleep(0.5)
        c.socket.settimeout(0.5)
        try:
            status, _ = c.read_head()
            raise AssertionError('refused with %d' % status)
        except TimeoutError:
            pass
    need(front.client.wait_for(image, ['queued']) == 'queued', 'the broken upload is not queued again')
