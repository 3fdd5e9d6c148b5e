# SPDX-License-Identifier: Apache-2.0
"""Checks of servers that die or are reloaded."""
import subprocess
import time

import fronts
import wire
from checks import DATA, MIB, active, check, need, pattern, verify


def reloaded(front, headers, begin, rest):
    """begin and rest: pieces of DATA as they are sent; the server is reloaded between them."""
    image = front.client.create()
    with front.client.connect() as c:
        c.head('PUT', '/v2/images/%s/file' % image, headers)
        for piece in begin:
            c.send(piece)
        time.sleep(0.3)
        front.reload()
        for piece in rest:
            time.sleep(0.05)
            c.send(piece)
        try:
            answer = c.answer('PUT')
        except wire.Broken as e:
            answer = e
    front.wait_ready()
    if front.keeps_uploads:
        need(isinstance(answer, wire.Answer) and answer.status == 204, 'the upload ended with', answer)
        verify(front, image, DATA)
        return
    status = front.client.wait_for(image, ['queued', 'active'], 30)
    need(status in ('queued', 'active'), 'the image is', status, 'after', answer)
    if status == 'active':
        verify(front, image, DATA)
    else:
        need(front.client.upload(image, DATA).status == 204, 'it cannot be uploaded again')


PIECES = [DATA[at:at + (1 << 18)] for at in range(0, len(DATA), 1 << 18)]


@check
def reload_within_an_upload(front):
    """The upload ends well, or the client sees it broken and the image is queued again; never a short image."""
    reloaded(front, wire.length(len(DATA)), PIECES[:6], PIECES[6:])


@check
def reload_within_a_chunked_upload(front):
    """The server waits for a chunk when it is told."""
    chunks = [b'%x\r\n' % len(piece) + piece + b'\r\n' for piece in PIECES]
    reloaded(front, wire.CHUNKED, chunks[:6], [*chunks[6:], b'0\r\n\r\n'])


@check
def killed_within_a_download(front):
    """The client sees a broken transfer, never a clean short one."""
    image = active(front, pattern(32 * MIB, 3))
    with front.client.connect() as c:
        c.head('GET', '/v2/images/%s/file' % image)
        while len(c.buffer) < MIB:
            c.fill()
        front.kill()
        try:
            answer = c.answer()
            need(answer.body == pattern(32 * MIB, 3), 'a clean end after', len(answer.body), 'bytes')
        except wire.Broken:
            pass
    front.revive()
    need(front.client.show(image)['status'] == 'active', 'the image is', front.client.show(image)['status'])


@check
def killed_within_an_upload(front):
    image = front.client.create()
    with front.client.connect() as c:
        c.head('PUT', '/v2/images/%s/file' % image, wire.length(len(DATA)))
        c.send(DATA[:MIB])
        time.sleep(0.3)
        front.kill()
        c.send(DATA[MIB:])
        try:
            answer = c.answer('PUT')
            need(answer.status >= 400, 'the upload ended with', answer)
        except wire.Broken:
            pass
    front.revive()
    status = front.client.wait_for(image, ['queued'], 30)
    need(status == 'queued', 'the image is', status)
    need(front.client.upload(image, DATA).status == 204, 'it cannot be uploaded again')
    verify(front, image, DATA)


@check
def check_deploy_finds_nothing_wrong(front):
    identity = [word for pair in front.identity.items() for word in ('--header', '%s: %s' % pair)]
    url = '%s://%s:%d%s' % (front.scheme, front.host, front.port, front.prefix)
    done = subprocess.run([fronts.glint.GLINT, 'check-deploy', '--pause', '2', *identity, *['--insecure'] * bool(front.tls), url], capture_output=True, text=True, timeout=120 * front.slow)
    need(done.returncode == 0, done.stdout, done.stderr)
