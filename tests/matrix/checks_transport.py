# SPDX-License-Identifier: Apache-2.0
"""Checks in which the transport has a part: bodies without a length, refusals of a client that is still sending, what is left
of a request in the server's hands."""
import contextlib
import glob
import os
import re
import subprocess
import time

import fronts
import wire
import wire_h2
from checks import DATA, MIB, active, check, need, pattern, uploaded
from checks_imports import staged

SEVERAL = 5
LARGE = 12 * MIB        # more than two sockets hold
ROUNDS = int(os.environ.get('MATRIX_ROUNDS', '12'))     # of ten requests; hundreds of them show a leak of some bytes


@check
def bodies_without_a_length(front):
    """Each is taken as it is, or refused with 411 by a front that is known for it; none becomes an image of other bytes."""
    for data in (b'', b'x', DATA + DATA[:2 * MIB]):
        for what in ('file', 'stage'):
            image = front.client.create()
            answer = front.client.upload_chunked(image, data, [65536], what=what)
            if front.needs_length:
                need(answer.status == 411, 'wanted 411, got', answer)
                need(front.client.show(image)['status'] == 'queued', 'the image is', front.client.show(image)['status'])
            elif what == 'file':
                uploaded(front, answer, image, data)
            else:
                staged(front, answer, image, data)


RESETS = 24     # where a part is taken for the whole that happens to one in four or five


@check
def a_stream_that_is_reset_leaves_no_image(front):
    """A part of an upload is never taken for all of it, whatever the client gives as its reason, with a length and without."""
    images = []
    for n in range(RESETS):
        images.append(image := front.client.create())
        framed = n % 4 == 3 or front.needs_length
        with front.client.connect() as c:
            c.head('PUT', '/v2/images/%s/file' % image, wire.length(len(DATA)) if framed else wire.CHUNKED)
            c.send(DATA[:200000]) if framed else c.chunk(DATA[:200000])
            c.abandon((wire_h2.CANCEL, wire_h2.NO_ERROR, wire_h2.STREAM_CLOSED)[n % 3])
    time.sleep(front.slow)      # one that has not reached the service yet is queued, too
    for n, image in enumerate(images):
        status = front.client.wait_for(image, ['queued', 'active'])
        need(status == 'queued', 'the image is', status, 'after reset', n)


# ---------------------------------------------------------------- refusals

def curl(front, *arguments, **kw):
    """(its exit status, the status of the answer)"""
    identity = [word for pair in front.identity.items() for word in ('-H', '%s: %s' % pair)]
    done = subprocess.run(['curl', '-sk', '--http2' if front.http2 else '--http1.1', '-o', '/dev/null', '-w', '%{http_code}', *identity,
                           '-H', 'Content-Type: application/octet-stream', *arguments], capture_output=True, timeout=60 * front.slow, **kw)
    return done.returncode, done.stdout.decode()


@check
def refusals_reach_a_client_that_is_sending(front):
    """Every time, with a client that reports a broken transfer where a server ends a stream that it has not read to its end."""
    image = active(front, DATA[:1000])
    url = '%s://%s:%d%s/v2/images/%s/file' % (front.scheme, front.host, front.port, front.prefix, image)
    path = os.path.join(front.directory, 'large-upload')
    with open(path, 'wb') as f:
        f.truncate(24 * MIB)
    for how in [['-T', path]] if front.needs_length else [['-T', path], ['-T', '-']]:
        for _ in range(SEVERAL):
            with open(path, 'rb') as f:
                result = curl(front, *how, '-H', 'Expect:', url, stdin=f)
            need(result[1] == '409', how, 'curl ended with', result)
    os.unlink(path)


# ---------------------------------------------------------------- what is left of a request

def states(front):
    """{process: (descriptors, threads, anonymous memory)}"""
    found = {}
    for top in front.pids():
        for pid in fronts.glint.Process(top).tree():
            with contextlib.suppress(OSError, AttributeError):
                with open('/proc/%d/status' % pid) as f:
                    text = f.read()
                found[pid] = (len(os.listdir('/proc/%d/fd' % pid)), int(re.search(r'^Threads:\s+(\d+)', text, re.M).group(1)),
                              int(re.search(r'^RssAnon:\s+(\d+)', text, re.M).group(1)) * 1024)
    return found


def held(front, image):
    """[process: file] of the image that somebody has open, also after it was deleted"""
    found = []
    for top in front.pids():
        for pid in fronts.glint.Process(top).tree():
            for link in glob.glob('/proc/%d/fd/*' % pid):
                with contextlib.suppress(OSError):
                    path = os.readlink(link)
                    if image in path:
                        found.append('%d: %s' % (pid, path))
    return found


def broken_off(front, image):
    """A download of which the client wants only the beginning."""
    with front.client.connect() as c:
        c.head('GET', '/v2/images/%s/file' % image)
        while len(c.buffer) < 60000:
            c.fill()
        c.abandon()


def half_an_upload(front, spoilt):
    with front.client.connect() as c:
        if front.needs_length:
            c.head('PUT', '/v2/images/%s/file' % spoilt, wire.length(len(DATA)))
            c.send(DATA[:200000])
        else:
            c.head('PUT', '/v2/images/%s/file' % spoilt, wire.CHUNKED)
            c.chunk(DATA[:200000])
        c.abandon()


def mixed(front, image, spoilt, whole):
    """Ten requests: whole, in part, broken off, refused, and small ones."""
    def part(first, last):
        answer = front.client.call('GET', '/v2/images/%s/file' % image, headers=[('Range', 'bytes=%d-%d' % (first, last))])
        need(answer.status == 206 and len(answer.body) == last + 1 - first, answer)
    for _ in range(3):
        broken_off(front, image)
    part(5, 104)
    part(MIB, 10 * MIB)
    answer = front.client.call('GET', '/v2/images/%s/file' % image)
    need(answer.status == 200 and answer.body == whole, answer)
    need(front.client.upload(image, DATA[:300000]).status == 409, 'an upload to an active image')
    front.client.show(image)
    half_an_upload(front, spoilt)
    need(front.client.wait_for(spoilt, ['queued']) == 'queued', 'the broken upload is not queued again')


def settled(front, calm):
    """The states when calm(states) is true, or at the end of ten seconds."""
    end = time.monotonic() + 10 * front.slow
    while True:
        now = states(front)
        if calm(now) or time.monotonic() > end:
            return now
        time.sleep(0.2)


@check
def nothing_outlives_its_request(front):
    """Descriptors, threads and memory of each process are the same after many requests; a deleted image's space is given back."""
    whole = pattern(LARGE, 11)
    image, spoilt = active(front, whole), front.client.create()
    for _ in range(3):
        mixed(front, image, spoilt, whole)
    before = settled(front, lambda now: not held(front, image))
    for _ in range(ROUNDS):
        mixed(front, image, spoilt, whole)
    spare = max(8, ROUNDS // 3)     # a pool's connection, a thread that is new; a leak is several of each round
    room = front.growth * front.slow

    def grown(now):
        return {pid: tuple(new - old for new, old in zip(now[pid], before[pid])) for pid in now if pid in before}
    now = settled(front, lambda now: not held(front, image) and all(fds <= spare for fds, _, _ in grown(now).values()))
    need(not held(front, image), 'open are', held(front, image)[:5])
    for pid, (fds, threads, memory) in grown(now).items():
        need(fds <= spare, 'process', pid, 'has', fds, 'descriptors more')
        need(threads <= spare, 'process', pid, 'has', threads, 'threads more')
        need(memory <= room, 'process', pid, 'grew by', memory, 'bytes')
    for gone in (image, spoilt):
        need(front.client.call('DELETE', '/v2/images/' + gone).status == 204, 'DELETE')
    need(not held(front, image), 'the deleted image is open in', held(front, image)[:5])
