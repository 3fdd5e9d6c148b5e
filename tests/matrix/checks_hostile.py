# SPDX-License-Identifier: Apache-2.0
"""Checks with clients that vanish, lie or speak strangely."""
import re
import time
import uuid

import fronts
import wire
from checks import DATA, active, check, need, verify


# ---------------------------------------------------------------- clients that vanish

def back_in_queue(front, image):
    status = front.client.wait_for(image, ['queued'])
    need(status == 'queued', 'the image of a broken upload is', status)
    answer = front.client.upload(image, DATA)
    need(answer.status == 204, 'the second try', answer)
    verify(front, image, DATA)


def vanish(front, headers, *pieces):
    image = front.client.create()
    with front.client.connect() as c:
        c.head('PUT', '/v2/images/%s/file' % image, headers)
        for piece in pieces:
            c.send(piece)
        time.sleep(0.3)
    back_in_queue(front, image)


@check
def vanish_after_the_head(front):
    vanish(front, wire.length(len(DATA)))


@check
def vanish_within_the_body(front):
    vanish(front, wire.length(len(DATA)), DATA[:400000])


@check
def vanish_before_the_last_byte(front):
    vanish(front, wire.length(len(DATA)), DATA[:-1])


@check
def vanish_within_a_chunk(front):
    vanish(front, wire.CHUNKED, b'%x\r\n' % len(DATA) + DATA[:400000])


@check
def vanish_between_chunks(front):
    vanish(front, wire.CHUNKED, b'%x\r\n' % 400000 + DATA[:400000] + b'\r\n')


@check
def vanish_before_the_last_chunk_ends(front):
    vanish(front, wire.CHUNKED, b'%x\r\n' % 400000 + DATA[:400000] + b'\r\n0\r\n')


@check
def garbage_for_a_chunk_size(front):
    """Never the end of a body."""
    image = front.client.create()
    with front.client.connect() as c:
        c.head('PUT', '/v2/images/%s/file' % image, wire.CHUNKED)
        c.send(b'5\r\nabcde\r\nzz\r\n')
        try:
            answer = c.answer('PUT')
            need(answer.status >= 400, 'accepted:', answer)
        except wire.Broken:
            pass
        time.sleep(0.3)     # a web server may answer before the service behind it has begun
    back_in_queue(front, image)


@check
def vanish_from_a_download(front):
    image = active(front)
    for part in 0, 1, 300000:
        with front.client.connect() as c:
            c.head('GET', '/v2/images/%s/file' % image)
            while part and len(c.buffer) < part:
                c.fill()
    verify(front, image, DATA)
    front.need_alive()


# ---------------------------------------------------------------- paths

ODD_PATHS = ('/v2/images/%s', '/v2/images/%s/', '/v2//images/%s', '//v2/images/%s', '/v2/images/%s%%2F', '/v2/images%%2F%s',
             '/v2/images/%s%%00', '/v2/images/%%20%s', '/v2/images/./%s', '/v2/images/x/../%s', '/v2/./images/%s/',
             '/v2/images/%s/file/', '/v2/images/%s/tags/a%%2Fb', '/v2/images/%s/tags/a%%20b', '/v2/images/%s/tags/%%C5%%BC',
             '/v2/images/%s;x=1', '/v2/images/%s?a=%%2F%%00&b=+', '/V2/images/%s', '/v2.0/images/%s', '/v3/images/%s')


def shape(answer, front):
    """What of an answer does not depend on place and time."""
    if answer.status == 200:
        return 200, answer.json['id']
    text = answer.body.decode('latin-1').replace('%s:%d%s' % (front.host, front.port, front.prefix), '<place>')
    return answer.status, answer.ours, re.sub(r'req-[0-9a-f-]{36}', '<req>', text)


@check
def odd_paths(front):
    """Each is answered as the service answers it when nobody stands before it, or refused by the server itself with 4xx."""
    image = active(front)
    paths = [path % image for path in ODD_PATHS]
    with fronts.running(fronts.Direct, front.directory + '-direct') as direct:
        answer = direct.client.call('POST', '/v2/images', document={'id': image, 'disk_format': 'raw', 'container_format': 'bare'})
        need(answer.status == 201 and direct.client.upload(image, DATA).status == 204, answer)
        known = [direct.client.call('GET', path) for path in paths]
        want = [shape(answer, direct) for answer in known]
    for odd, path, expected in zip(ODD_PATHS, paths, want):
        answer = front.client.call('GET', path)
        if odd in front.refuses and not answer.ours and answer.status in (400, 403, 404):
            continue
        got = shape(answer, front)
        need(got == expected, path, 'is', got, 'and is', expected, 'without the server')


@check
def tags_with_odd_names(front):
    image = front.client.create()
    for raw, name in (('a%20b', 'a b'), ('%C5%BC', 'ż'), ('%25', '%'), ('a%2Bb', 'a+b'), ('a+b', 'a+b'), ('x%3Fy', 'x?y'), ("it's", "it's")):
        answer = front.client.call('PUT', '/v2/images/%s/tags/%s' % (image, raw))
        need(answer.status == 204, raw, answer)
        need(name in front.client.show(image)['tags'], raw, 'became', front.client.show(image)['tags'])
        answer = front.client.call('DELETE', '/v2/images/%s/tags/%s' % (image, raw))
        need(answer.status == 204, raw, answer)


@check
def links_lead_back(front):
    """The links of versions and pages carry the mount, and following them works."""
    base = '%s://%s:%d%s/v2/' % (front.scheme, front.host, front.port, front.prefix)
    answer = front.client.call('GET', '/')
    need(answer.status == 300, answer)
    need(all(v['links'][0]['href'] == base for v in answer.json['versions']), 'links are', answer.json['versions'][0]['links'])
    front.client.create()
    front.client.create()
    page = front.client.call('GET', '/v2/images?limit=1').json
    need(page['next'].startswith('/v2/images?'), page['next'])
    following = front.client.call('GET', page['next']).json['images'][0]['id']
    need(following != page['images'][0]['id'], 'the next page is the same')
    answer = front.client.call('GET', '/v2')
    need(answer.status == 302 and answer.header('location') == base, answer)


# ---------------------------------------------------------------- headers

@check
def spoofed_headers(front):
    """What a client says about itself must not become what a proxy says about it."""
    answer = front.client.call('GET', '/', headers=[('X-Forwarded-Host', 'evil.example'), ('X-Forwarded-Proto', 'gopher'),
                                                    ('X-Forwarded-Prefix', '/evil'), ('Forwarded', 'host=evil.example;proto=gopher')])
    need(b'evil' not in answer.body and b'gopher' not in answer.body, 'believed:', answer)
    image, data = front.client.create(), DATA[:100]
    answer = front.client.upload(image, data, [('BODY_FRAMING', 'chunked'), ('Body-Framing', 'chunked'), ('Content_Length', '5'),
                                               ('Transfer_Encoding', 'chunked'), ('Proxy', 'http://evil.example')])
    need(answer.status == 204, answer)
    verify(front, image, data)
    with front.client.connect() as c:  # underscores must not make an identity
        c.send(c.head_bytes('GET', '/v2/images', [('X_Identity_Status', 'Confirmed'), ('X_User_Id', 'u'), ('X_Project_Id', 'p'), ('X_Roles', 'admin')], {}))
        answer = c.answer()
    need(answer.status == 401, 'wanted 401, got', answer)


@check
def large_headers(front):
    """16 KiB in fields as large as tokens become; they arrive."""
    answer = front.client.call('GET', '/v2/images?limit=1', headers=[('X-Filler-%d' % i, 'x' * 4000) for i in range(4)])
    need(answer.status == 200, answer)


@check
def headers_of_64_KiB(front):
    """They arrive or are refused in plain words; nobody hangs or dies."""
    for headers in [('X-Filler', 'x' * 65536)], [('X-Filler-%d' % i, 'x' * 640) for i in range(100)]:
        with front.client.connect() as c:
            c.head('GET', '/v2/images?limit=1', headers)
            c.socket.settimeout(20)
            try:
                answer = c.answer()
                need(answer.status in (200, 400, 413, 414, 431, 500, 502, 503), answer)
            except wire.Broken:
                need(front.drops_large_headers, 'the connection was dropped without an answer')
    front.need_alive()


# ---------------------------------------------------------------- smuggling

def smuggling_rows(victim):
    inner = victim.decode('latin-1')
    last = '0\r\n\r\n'
    yield 'CL before TE', 'Content-Length: %d\r\nTransfer-Encoding: chunked\r\n' % (len(last) + len(inner)), last + inner
    yield 'TE before CL', 'Transfer-Encoding: chunked\r\nContent-Length: %d\r\n' % (len(last) + len(inner)), last + inner
    yield 'two lengths', 'Content-Length: 0\r\nContent-Length: %d\r\n' % len(inner), inner
    yield 'length list', 'Content-Length: 0, %d\r\n' % len(inner), inner
    yield 'length with sign', 'Content-Length: +0\r\n', inner
    yield 'length in hex', 'Content-Length: 0x0\r\n', inner
    yield 'blank before colon', 'Content-Length : %d\r\n' % len(inner), inner
    yield 'TE obscured', 'Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n' % (len(last) + len(inner)), last + inner
    yield 'TE twice', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n', last + inner
    yield 'TE with tab', 'Transfer-Encoding:\tchunked\r\nContent-Length: %d\r\n' % (len(last) + len(inner)), last + inner
    yield 'TE folded', 'Transfer-Encoding:\r\n chunked\r\nContent-Length: %d\r\n' % (len(last) + len(inner)), last + inner
    yield 'chunk size overflow', 'Transfer-Encoding: chunked\r\n', '10000000000000000\r\n' + inner
    yield 'chunk size negative', 'Transfer-Encoding: chunked\r\n', '-1\r\n' + inner
    yield 'bare LF chunk', 'Transfer-Encoding: chunked\r\n', '0\n\n' + inner


@check
def smuggled_requests(front):
    """The client may send as two requests what it could send as two anyway. What must not be: that a request which the
    server before the service saw as body is run. A victim on its own connection would get the answer to it."""
    for name, framing, body in smuggling_rows(b''):
        victim = front.client.create()
        inside = ('DELETE %s/v2/images/%s HTTP/1.1\r\nHost: %s:%d\r\n%s\r\n\r\n'
                  % (front.prefix, victim, front.host, front.port,
                     '\r\n'.join('%s: %s' % pair for pair in front.identity.items()))).encode('latin-1')
        framing, body = next((f, b) for n, f, b in smuggling_rows(inside) if n == name)
        with front.client.connect() as c:
            head = c.head_bytes('POST', '/v2/images/%s/actions/%s' % (victim, uuid.uuid4().hex))
            c.send(head[:-2] + framing.encode('latin-1') + b'\r\n' + body.encode('latin-1'))
            c.socket.settimeout(3)
            answers = 0
            try:
                while answers < 3:
                    answer = c.answer('POST')
                    answers += 1
                    if answer.closed:
                        break
            except (wire.Broken, TimeoutError):
                pass
        status = front.client.call('GET', '/v2/images/' + victim).status
        need(status == 200 or answers >= 2, name, ': the inner request was run unseen')
    # Whoever comes next gets the answer to what it asked.
    for _ in range(8):
        image = front.client.create()
        need(front.client.show(image)['id'] == image, 'another request\'s answer came')
