# SPDX-License-Identifier: Apache-2.0
"""Image data: upload in every framing, download, ranges, refusals."""
import hashlib
import http.client
import socket
import struct
import threading

import pytest

from glint import MIB, Client, digests, pattern, read_answer


def fresh(member, **fields):
    return member.create(**fields)['id']


def check_active(member, image_id, data):
    image = member.show(image_id)
    md5, sha512 = digests(data)
    assert image['status'] == 'active'
    assert (image['size'], image['checksum']) == (len(data), md5)
    assert (image['os_hash_algo'], image['os_hash_value']) == ('sha512', sha512)
    answer = member.download(image_id)
    assert answer.status == 200
    assert answer.header('Content-Type') == 'application/octet-stream'
    assert answer.header('Content-Length') == str(len(data))
    assert answer.header('Content-MD5') == md5
    assert answer.body == data


# ---------------------------------------------------------------- framing

@pytest.mark.parametrize('size', [0, 1, 511, 512, 4095, 65536, 65537, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
def test_upload_with_a_length(member, size):
    data = pattern(size)
    image_id = fresh(member)
    answer = member.upload(image_id, data)
    assert (answer.status, answer.body) == (204, b'')
    check_active(member, image_id, data)
    assert member.show(image_id)['virtual_size'] == (size or None)
    assert member.delete('/v2/images/' + image_id).status == 204


@pytest.mark.parametrize('size,piece', [(0, 1), (1, 1), (1000, 7), (65537, 1000), (MIB + 1, 65536), (3 * MIB + 7, 99991),
                                        (2 * MIB, 2 * MIB)])
def test_upload_in_chunks(member, size, piece):
    data = pattern(size, 2)
    image_id = fresh(member)
    answer = member.upload(image_id, chunks=[data[at:at + piece] for at in range(0, size, piece)])
    assert answer.status == 204
    check_active(member, image_id, data)
    member.delete('/v2/images/' + image_id)


def send_upload(member, image_id, headers, pieces, wait_continue=False):
    s = member.connect()
    try:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(member.head('PUT', '/v2/images/%s/file' % image_id,
                              {'Content-Type': 'application/octet-stream', **headers}))
        if wait_continue:
            seen = b''
            while b'\r\n\r\n' not in seen:
                piece = s.recv(1)
                assert piece, seen
                seen += piece
            assert seen.startswith(b'HTTP/1.1 100 '), seen
        for piece in pieces:
            s.sendall(piece)
        return read_answer(s)
    finally:
        s.close()


def test_chunk_extensions_and_trailers(glint_server):
    member = glint_server(trusted=True).client()
    image_id = fresh(member)
    answer = send_upload(member, image_id, {'Transfer-Encoding': 'chunked'},
                         [b'5;name=value\r\nhello\r\n', b'00001;a="b;c"\r\n \r\nA\r\n0123456789\r\n', b'0\r\nX-Trailer: yes\r\n\r\n'])
    assert answer.status == 204
    check_active(member, image_id, b'hello 0123456789')


def test_chunks_in_single_bytes(glint_server):
    member = glint_server(trusted=True).client()
    image_id = fresh(member)
    whole = b'3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n'
    answer = send_upload(member, image_id, {'Transfer-Encoding': 'chunked'}, [whole[n:n + 1] for n in range(len(whole))])
    assert answer.status == 204
    check_active(member, image_id, b'abc0123456789abcdef')


@pytest.mark.parametrize('chunked', [False, True])
def test_100_continue(glint_server, chunked):
    member = glint_server(trusted=True).client()
    image_id = fresh(member)
    data = pattern(200000, 3)
    if chunked:
        headers, pieces = {'Transfer-Encoding': 'chunked'}, [b'%x\r\n' % len(data), data, b'\r\n0\r\n\r\n']
    else:
        headers, pieces = {'Content-Length': str(len(data))}, [data]
    answer = send_upload(member, image_id, {**headers, 'Expect': '100-continue'}, pieces, wait_continue=True)
    assert answer.status == 204
    check_active(member, image_id, data)


def test_refusal_instead_of_100_continue(glint_server):
    """The body is never asked for when the answer is known from the head."""
    member = glint_server(trusted=True).client()
    image_id = member.active()
    for target, status in ((image_id, 409), ('00000000-0000-4000-8000-000000000000', 404)):
        answer = send_upload(member, target, {'Content-Length': '1000000', 'Expect': '100-continue'}, [])
        assert answer.status == status


@pytest.mark.parametrize('status,prepare', [(409, True), (404, False)])
@pytest.mark.parametrize('chunked', [False, True])
def test_early_refusal_is_seen_while_sending(glint_server, status, prepare, chunked):
    """A client that sends its whole body before it reads still sees the answer and no reset."""
    member = glint_server(trusted=True).client()
    image_id = member.active() if prepare else '00000000-0000-4000-8000-000000000000'
    data = pattern(8 * MIB)
    answer = member.upload(image_id, None if chunked else data, chunks=[data] if chunked else None)
    assert answer.status == status


# ---------------------------------------------------------------- refusals

@pytest.mark.parametrize('content_type', [None, 'text/plain', 'application/json', 'application/Octet-Stream'])
def test_upload_media_type(member, content_type):
    image_id = fresh(member)
    answer = member.put('/v2/images/%s/file' % image_id, b'abc', headers={'Content-Type': content_type} if content_type else {})
    assert answer.status == 415
    assert member.show(image_id)['status'] == 'queued'
    member.delete('/v2/images/' + image_id)


def test_upload_media_type_with_parameters(member):
    image_id = fresh(member)
    assert member.upload(image_id, b'abc', headers={'Content-Type': 'application/octet-stream; charset=x'}).status == 204
    member.delete('/v2/images/' + image_id)


@pytest.mark.parametrize('missing,message', [
    (['disk_format'], 'Property disk_format must be set prior to saving data.'),
    (['container_format'], 'Property container_format must be set prior to saving data.'),
    (['disk_format', 'container_format'], 'must be set prior to saving data.'),
])
def test_upload_needs_formats(member, missing, message):
    image_id = fresh(member, **{name: None for name in missing})
    answer = member.upload(image_id, b'abc')
    assert answer.status == 400 and message in answer.text
    member.delete('/v2/images/' + image_id)


def test_second_upload_is_a_conflict(member):
    image_id = member.active(b'first')
    answer = member.upload(image_id, b'second')
    assert answer.status == 409
    assert 'Image status transition from active to saving is not allowed' in answer.text
    check_active(member, image_id, b'first')
    member.delete('/v2/images/' + image_id)


def test_upload_rights(member, other, reader):
    image_id = fresh(member)
    assert other.upload(image_id, b'x').status == 404
    assert reader.upload(image_id, b'x').status == 403
    assert member.show(image_id)['status'] == 'queued'
    member.delete('/v2/images/' + image_id)


@pytest.mark.parametrize('declared,sent,status', [(10, 10, 204), (30, 40, 400), (40, 30, 400), (0, 5, 204)])
@pytest.mark.parametrize('chunked', [False, True])
def test_declared_size(glint_server, declared, sent, status, chunked):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = fresh(member)
    data = pattern(sent)
    answer = member.upload(image_id, None if chunked else data, chunks=[data] if chunked else None,
                           headers={'x-openstack-image-size': str(declared)})
    assert answer.status == status, answer
    if status == 204:
        check_active(member, image_id, data)
    else:
        assert member.show(image_id)['status'] == 'queued'
        assert member.upload(image_id, data).status == 204
        check_active(member, image_id, data)
        assert len(s.stored()) == 1


def test_declared_size_is_no_number(member):
    image_id = fresh(member)
    assert member.upload(image_id, b'abc', headers={'x-openstack-image-size': 'many'}).status == 400
    member.delete('/v2/images/' + image_id)


@pytest.mark.parametrize('chunked', [False, True])
def test_size_cap(glint_server, chunked):
    s = glint_server(trusted=True, config={'DEFAULT': {'image_size_cap': 1000}})
    member = s.client()
    image_id = fresh(member)
    data = pattern(1001)
    answer = member.upload(image_id, None if chunked else data, chunks=[data] if chunked else None)
    assert answer.status == 413 and 'too large' in answer.text
    assert member.show(image_id)['status'] == 'queued' and s.stored() == []
    assert member.upload(image_id, data[:1000]).status == 204
    check_active(member, image_id, data[:1000])


@pytest.mark.parametrize('chunked', [False, True])
def test_storage_quota(glint_server, chunked):
    s = glint_server(trusted=True, config={'DEFAULT': {'user_storage_quota': '1000B'}})
    member = s.client()
    member.active(pattern(600))
    image_id = fresh(member)
    data = pattern(401)
    answer = member.upload(image_id, None if chunked else data, chunks=[data] if chunked else None)
    assert answer.status == 413 and 'quota' in answer.text
    assert member.show(image_id)['status'] == 'queued' and len(s.stored()) == 1
    assert member.upload(image_id, data[:400]).status == 204


def test_quota_is_per_project(glint_server):
    s = glint_server(trusted=True, config={'DEFAULT': {'user_storage_quota': '1000B'}})
    s.client('member').active(pattern(1000))
    s.client('other').active(pattern(1000))


def test_quota_is_the_uploaders(glint_server):
    """Whoever owns the image: an administrator does not fill the project's."""
    s = glint_server(trusted=True, config={'DEFAULT': {'user_storage_quota': '10B'}})
    member, admin = s.client('member'), s.client('admin')
    member.active(b'x' * 10)
    assert member.upload(member.create()['id'], b'').status == 413      # full is full
    theirs = member.create()['id']
    assert admin.upload(theirs, b'y' * 10).status == 204
    assert member.upload(member.create()['id'], chunks=[b'z']).status == 413


@pytest.mark.parametrize('algorithm', ['sha256', 'md5', 'sha1', 'sha3_256', 'blake2b'])
def test_hashing_algorithm(glint_server, algorithm):
    member = glint_server(trusted=True, config={'DEFAULT': {'hashing_algorithm': algorithm}}).client()
    data = pattern(100000)
    image = member.show(member.active(data))
    assert (image['os_hash_algo'], image['os_hash_value']) == (algorithm, hashlib.new(algorithm, data).hexdigest())


# ---------------------------------------------------------------- formats

def qcow2_head(size=10 << 20, backing=0):
    """The first bytes of a qcow2 file (version 2)."""
    import struct
    head = struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', 2, backing, 8 if backing else 0, 16, size, 0, 1, 3 << 16, 1 << 16, 1, 0, 0)
    return head.ljust(1024, b'\0')


def test_format_mismatch(member):
    image_id = fresh(member, disk_format='qcow2')
    answer = member.upload(image_id, pattern(100000))
    assert answer.status == 415
    assert 'Image disk_format qcow2 does not match stream data raw' in answer.text
    assert member.show(image_id)['status'] == 'queued'
    member.delete('/v2/images/' + image_id)


def test_raw_may_be_anything(member):
    data = qcow2_head().ljust(1 << 20, b'\0')
    image_id = member.active(data, disk_format='raw')
    assert member.show(image_id)['virtual_size'] == len(data)
    member.delete('/v2/images/' + image_id)


def test_unknown_format_may_hold_anything_raw(member):
    image_id = member.active(pattern(1000), disk_format='ploop')
    assert member.show(image_id)['virtual_size'] is None
    member.delete('/v2/images/' + image_id)


@pytest.mark.parametrize('disk_format', ['qcow2', 'raw'])
def test_backing_file_is_refused(member, disk_format):
    image_id = fresh(member, disk_format=disk_format)
    answer = member.upload(image_id, qcow2_head(backing=512).ljust(1 << 20, b'\0'))
    assert answer.status == 415 and 'Image failed safety checks' in answer.text
    member.delete('/v2/images/' + image_id)


FILLED = b'createType="monolithicSparse"\nNOACCESS 1 ZERO\n#'.ljust(511, b'-') + b'\n'
HIDDEN_TYPE = b'#createType=:monolithicFlat"\ncreateType="monolithicSparse"\n'
# a descriptor by which qemu-img opens another file, and how many sectors its header says it has; None: no header
REFERENCES = {
    'flat': (b'createType="vmfs"\nRW 16 VMFS "/etc/passwd"\n', 20),
    'hidden type, extent over two lines': (HIDDEN_TYPE + b'RW 16 FLAT\n"/etc/passwd"\t0=x\n', 20),
    'hidden type, extent with tabs': (HIDDEN_TYPE + b'NOACCESS 1 ZERO\nRW\t16\tFLAT\t"/etc/passwd"\t0=x\n', None),
    'hidden type, extent beside': (HIDDEN_TYPE + b'RW 16 FLAT "a" 0\n', None),
    'another type beyond its sectors': (FILLED + b'#createType="vmfs"\nRW 16 VMFS "/etc/passwd"\n', 1),
    'parent beyond its sectors': (FILLED + b'#parentFileNameHint="/etc/passwd"\n', 1),
    'bytes that are no text': (b'#\xff\nversion=1\n#createType=:vmfs"\nRW 16 VMFS "/etc/passwd"\n', None),
}


@pytest.mark.parametrize('disk_format', ['vmdk', 'raw'])
@pytest.mark.parametrize('name', REFERENCES)
def test_vmdk_that_names_another_file_is_refused(member, name, disk_format):
    text, sectors = REFERENCES[name]
    data = text.ljust(1024, b'\n')
    if sectors:
        head = struct.pack('<4sIIQQQQIQQQ', b'KDMV', 1, 3, 0, 128, 1, sectors, 512, 0, 0, 128)
        data = head.ljust(512, b'\0') + text.ljust(10240, b'\0') + bytes(65536)
    image_id = fresh(member, disk_format=disk_format)
    answer = member.upload(image_id, data)
    assert answer.status == 415 and 'Image failed safety checks' in answer.text
    assert member.show(image_id)['status'] == 'queued'
    member.delete('/v2/images/' + image_id)


def test_virtual_size_of_qcow2(member):
    image_id = fresh(member, disk_format='qcow2')
    assert member.upload(image_id, qcow2_head(size=42 << 20).ljust(1 << 20, b'\0')).status == 204
    assert member.show(image_id)['virtual_size'] == 42 << 20
    member.delete('/v2/images/' + image_id)


def test_format_is_not_looked_at_outside_bare(member):
    image_id = fresh(member, disk_format='qcow2', container_format='ovf')
    assert member.upload(image_id, b'anything').status == 204
    assert member.show(image_id)['virtual_size'] is None
    member.delete('/v2/images/' + image_id)


def test_refused_format_leaves_nothing(glint_server):
    """Glance keeps the refused file on the image; here a second try with the right data works."""
    s = glint_server(trusted=True)
    member = s.client()
    image_id = fresh(member, disk_format='qcow2')
    assert member.upload(image_id, pattern(70000)).status == 415
    assert s.stored() == []
    assert (member.show(image_id)['checksum'], member.show(image_id)['size']) == (None, None)
    assert member.upload(image_id, qcow2_head().ljust(1 << 20, b'\0')).status == 204


# ---------------------------------------------------------------- download

def test_download_without_data(member):
    image_id = fresh(member)
    answer = member.download(image_id)
    assert (answer.status, answer.body) == (204, b'')
    member.delete('/v2/images/' + image_id)


def test_download_rights(member, other, reader):
    image_id = member.active(b'secret')
    assert member.download(image_id).body == b'secret'
    assert other.download(image_id).status == 404
    assert reader.download(image_id).status == 403
    member.delete('/v2/images/' + image_id)


SIZE = 100000


@pytest.fixture(scope='module')
def hundred(trusted):
    """The id and bytes of an image of 100,000 bytes."""
    member = trusted.client('member')
    data = pattern(SIZE, 5)
    image_id = member.active(data)
    yield image_id, data
    member.delete('/v2/images/' + image_id)


@pytest.mark.parametrize('header,first,last', [
    ('bytes=0-0', 0, 0),
    ('bytes=0-99', 0, 99),
    ('bytes=5-', 5, SIZE - 1),
    ('bytes=99999-99999', SIZE - 1, SIZE - 1),
    ('bytes=99999-', SIZE - 1, SIZE - 1),
    ('bytes=50000-200000', 50000, SIZE - 1),
    ('bytes=-1', SIZE - 1, SIZE - 1),
    ('bytes=-500', SIZE - 500, SIZE - 1),
    ('bytes=-100000', 0, SIZE - 1),
    ('bytes=-200000', 0, SIZE - 1),
    ('bytes=0-99999', 0, SIZE - 1),
    ('bytes=4096-69631', 4096, 69631),
])
def test_range(member, hundred, header, first, last):
    image_id, data = hundred
    answer = member.download(image_id, {'Range': header})
    assert (answer.status, answer.reason) == (206, 'Partial Content')
    assert answer.header('Content-Range') == 'bytes %d-%d/%d' % (first, last, SIZE)
    assert answer.header('Content-Length') == str(last - first + 1)
    assert answer.header('Content-MD5') == digests(data)[0]
    assert answer.body == data[first:last + 1]


@pytest.mark.parametrize('header,status', [
    ('bytes=100000-', 416), ('bytes=100000-100001', 416), ('bytes=5-2', 416), ('bytes=x-y', 416), ('bytes=', 416),
    ('lines=1-2', 416), ('bytes=0-1,5-6', 400), ('bytes=99999999999999999999-', 416),
])
def test_range_refused(member, hundred, header, status):
    answer = member.download(hundred[0], {'Range': header})
    assert answer.status == status, answer
    assert answer.header('Content-Range') == ('bytes */%d' % SIZE if status == 416 else None)


@pytest.mark.parametrize('header,first,last', [('bytes 10-19/*', 10, 19), ('bytes 0-99999/100000', 0, SIZE - 1)])
def test_content_range_of_a_request(member, hundred, header, first, last):
    image_id, data = hundred
    answer = member.download(image_id, {'Content-Range': header})
    assert answer.status == 206 and answer.body == data[first:last + 1]


def test_range_without_data(member):
    image_id = fresh(member)
    assert member.download(image_id, {'Range': 'bytes=0-5'}).status < 500
    member.delete('/v2/images/' + image_id)


def test_pieces_join_to_the_whole(member, hundred):
    image_id, data = hundred
    step = 9973
    pieces = [member.download(image_id, {'Range': 'bytes=%d-%d' % (at, at + step - 1)}).body for at in range(0, SIZE, step)]
    assert b''.join(pieces) == data


# ---------------------------------------------------------------- many at once, connections that stay

def test_twenty_at_once(trusted):
    failures = []

    def one(n):
        try:
            member = trusted.client()
            data = pattern(200000 + n * 1013, n)
            image_id = fresh(member, name='parallel %d' % n)
            answer = member.upload(image_id, data) if n % 2 else member.upload(image_id, chunks=[data[:n + 1], data[n + 1:]])
            assert answer.status == 204, answer
            check_active(member, image_id, data)
            assert member.delete('/v2/images/' + image_id).status == 204
        except Exception as problem:
            failures.append('%d: %r' % (n, problem))
    threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []


def test_one_connection_for_everything(glint_server):
    member = glint_server(trusted=True).client()
    connection = http.client.HTTPConnection(member.host, member.port, timeout=30)
    data = pattern(300000)

    def ask(method, path, body=None, **headers):
        connection.request(method, path, body, {**member.identity, **{k.replace('_', '-'): v for k, v in headers.items()}})
        answer = connection.getresponse()
        return answer.status, answer.read()
    for n in range(5):
        status, body = ask('POST', '/v2/images', b'{"disk_format": "raw", "container_format": "bare"}')
        assert status == 201
        local = connection.sock.getsockname()
        import json
        image_id = json.loads(body)['id']
        assert ask('PUT', '/v2/images/%s/file' % image_id, data, Content_Type='application/octet-stream')[0] == 204
        assert ask('GET', '/v2/images/%s/file' % image_id) == (200, data)
        assert ask('GET', '/v2/nothing')[0] == 404
        assert ask('DELETE', '/v2/images/%s' % image_id)[0] == 204
        assert connection.sock is not None and connection.sock.getsockname() == local
    connection.close()


def test_http_1_0(glint_server):
    member = glint_server(trusted=True).client()
    data = pattern(100000)
    image_id = member.active(data)
    s = member.connect()
    s.sendall(member.head('GET', '/v2/images/%s/file' % image_id).replace(b'HTTP/1.1', b'HTTP/1.0'))
    from glint import read_all
    head, body = read_all(s).split(b'\r\n\r\n', 1)
    assert b' 200 OK' in head.split(b'\r\n')[0] and body == data


def test_deactivation_lets_a_running_download_end(glint_server):
    """Whoever began may finish; whoever comes later may not begin."""
    server = glint_server(trusted=True)
    member, admin = (Client(server.host, server.port, who) for who in ('member', 'admin'))
    data = pattern(64 * MIB)
    image_id = member.active(data)
    with member.connect() as s:
        s.sendall(member.head('GET', '/v2/images/%s/file' % image_id))
        start = s.recv(65536)
        assert start.startswith(b'HTTP/1.1 200 ')
        assert admin.post('/v2/images/%s/actions/deactivate' % image_id).status == 204
        assert member.download(image_id).status == 403
        body = start.split(b'\r\n\r\n', 1)[1]
        while len(body) < len(data):
            piece = s.recv(MIB)
            assert piece, 'the download ended after %d bytes' % len(body)
            body += piece
    assert body == data
