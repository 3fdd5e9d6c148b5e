# SPDX-License-Identifier: Apache-2.0
"""Calls of glint.wsgi's application by a server that is nothing but this file. Run by test_wsgi.py in processes of their own,
for `glint` is another module there:   calls.py CASE"""
import gc
import io
import json
import os
import sys
import threading

import glint
from glint.wsgi import application

MEMBER = {'HTTP_X_IDENTITY_STATUS': 'Confirmed', 'HTTP_X_USER_ID': 'user-1', 'HTTP_X_PROJECT_ID': 'project-1', 'HTTP_X_ROLES': 'member,reader'}


class Reply:
    def __init__(self):
        self.status, self.headers, self.body, self.calls, self.result = None, None, b'', 0, None

    def start_response(self, status, headers, exc_info=None):
        self.calls += 1
        self.status, self.headers = int(status.split(' ')[0]), dict(headers)
        return self.write

    def write(self, data):
        assert type(data) is bytes
        self.body += data

    @property
    def json(self):
        return json.loads(self.body)


def environ(method, path, body=None, **more):
    made = {'REQUEST_METHOD': method, 'PATH_INFO': path, 'SCRIPT_NAME': '', 'QUERY_STRING': '', 'SERVER_NAME': 'localhost',
            'SERVER_PORT': '80', 'SERVER_PROTOCOL': 'HTTP/1.1', 'wsgi.url_scheme': 'http', 'wsgi.errors': io.StringIO(),
            'wsgi.input': io.BytesIO(body or b''), 'wsgi.version': (1, 0), 'HOME': '\udcff', **MEMBER}
    if body is not None:
        made['CONTENT_LENGTH'] = str(len(body))
    made.update(more)
    return {k: v for k, v in made.items() if v is not None}


def call(method, path, body=None, app=application, **more):
    reply = Reply()
    reply.result = app(environ(method, path, body, **more), reply.start_response)
    try:
        for piece in reply.result:
            reply.write(piece)
    finally:
        if hasattr(reply.result, 'close'):
            reply.result.close()
    assert reply.calls == 1
    return reply


def create():
    reply = call('POST', '/v2/images', b'{"disk_format": "raw", "container_format": "bare"}', CONTENT_TYPE='application/json')
    assert reply.status == 201, reply.body
    return reply.json['id']


def upload(image, body, **more):
    return call('PUT', '/v2/images/%s/file' % image, body, CONTENT_TYPE='application/octet-stream', **more)


def status_of(image):
    return call('GET', '/v2/images/' + image).json['status']


def active(data):
    image = create()
    assert upload(image, data).status == 204
    return image


def descriptors():
    return len(os.listdir('/proc/self/fd'))


def resident():
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1]) * 4096


def raises(kind, function, *args, **kw):
    try:
        function(*args, **kw)
    except kind as e:
        return e
    raise AssertionError('%s was not raised' % kind.__name__)


# ---------------------------------------------------------------- cases

def answers():
    image = active(b'0123456789')
    reply = call('GET', '/v2/images/%s/file' % image)
    assert (reply.status, reply.body, reply.headers['Content-Length']) == (200, b'0123456789', '10')
    reply = call('GET', '/v2/images/%s/file' % image, HTTP_RANGE='bytes=2-5')
    assert (reply.status, reply.body, reply.headers['Content-Range']) == (206, b'2345', 'bytes 2-5/10')
    reply = call('HEAD', '/v2/images')
    assert reply.body == b''
    for name in ('Connection', 'Transfer-Encoding', 'Keep-Alive', 'Date'):
        assert name not in reply.headers
    reply = call('DELETE', '/v2/images/' + image)
    assert (reply.status, reply.body) == (204, b'')


def paths():
    """The raw target is preferred; without one the path is quoted again."""
    image = create()
    for target in ('/v2/images/%s' % image, '/v2/%%69mages/%s' % image, 'http://elsewhere/v2/images/%s' % image):
        assert call('GET', '/nonsense', REQUEST_URI=target).status == 200, target
        assert call('GET', '/nonsense', RAW_URI=target).status == 200, target
    assert call('GET', '/v2/images/%s/x' % image, REQUEST_URI='/v2/images/%s%%2Fx' % image).status == 404
    assert call('PUT', '/v2/images/%s/tags/\u00c5\u00bc %%' % image).status == 204
    assert call('GET', '/v2/images/' + image).json['tags'] == ['\u017c %']
    assert call('GET', '/v2/images/%s\0' % image).status == 400
    reply = call('GET', '/v2/images', SCRIPT_NAME='/mo unt', REQUEST_URI='/mo%20unt/v2/images?limit=1')
    assert reply.status == 200 and 'next' in reply.json, reply.body
    assert '/mo%20unt/v2/' in call('GET', '/', SCRIPT_NAME='/mo unt', REQUEST_URI='/mo%20unt/').body.decode()


def bodies():
    data = os.urandom(300000)

    class Pieces(io.RawIOBase):
        """At most n bytes a read, then what `last` says."""
        def __init__(self, n, end=len(data), last=b''):
            self.at, self.n, self.stop, self.last = 0, n, end, last

        def read(self, n):
            if self.at >= self.stop:
                if isinstance(self.last, Exception):
                    raise self.last
                return self.last
            piece = data[self.at:min(self.at + min(n, self.n), self.stop)]
            self.at += len(piece)
            return piece

    def put(**more):
        image = create()
        reply = call('PUT', '/v2/images/%s/file' % image, CONTENT_TYPE='application/octet-stream', **more)
        document = call('GET', '/v2/images/' + image).json
        return reply.status, document['status'], document['size'], more['wsgi.errors'].getvalue() if 'wsgi.errors' in more else ''
    length, chunked, whole = str(len(data)), {'HTTP_TRANSFER_ENCODING': 'chunked', 'wsgi.input_terminated': True}, len(data)
    assert put(CONTENT_LENGTH=length, **{'wsgi.input': Pieces(7777)})[:3] == (204, 'active', whole)
    assert put(**chunked, **{'wsgi.input': Pieces(7777)})[:3] == (204, 'active', whole)
    assert put(**chunked, CONTENT_LENGTH='', **{'wsgi.input': Pieces(10 ** 9)})[:3] == (204, 'active', whole)
    # short, broken, too much, no bytes at all
    assert put(CONTENT_LENGTH=length, **{'wsgi.input': Pieces(7777, 1000)})[:3] == (400, 'queued', None)
    assert put(CONTENT_LENGTH=length, **{'wsgi.input': Pieces(7777, 1000, OSError('gone'))})[:3] == (400, 'queued', None)
    assert put(**chunked, **{'wsgi.input': Pieces(7777, 1000, OSError('gone'))})[:3] == (400, 'queued', None)
    assert put(CONTENT_LENGTH=length, **{'wsgi.input': Pieces(7777, 1000, 'text')})[:3] == (400, 'queued', None)
    assert put(CONTENT_LENGTH='5', **{'wsgi.input': Pieces(7777, 0, b'123456')})[:3] == (400, 'queued', None)
    assert put(CONTENT_LENGTH='five')[:3] == (400, 'queued', None)
    assert put(CONTENT_LENGTH='5', **{'wsgi.input': None})[:3] == (411, 'queued', None)
    # the end cannot be known
    status, image, size, said = put(HTTP_TRANSFER_ENCODING='chunked', **{'wsgi.input': Pieces(7777), 'wsgi.errors': io.StringIO()})
    assert (status, image, size) == (411, 'queued', None) and 'send Content-Length' in said
    assert put(BODY_FRAMING='chunked', CONTENT_LENGTH='9223372036854775807', **{'wsgi.input': Pieces(7777)})[:3] == (411, 'queued', None)
    # HTTP/2 tells of no body without a length
    http2 = {'SERVER_PROTOCOL': 'HTTP/2.0', 'wsgi.input_terminated': True}
    assert put(**http2, **{'wsgi.input': Pieces(7777)})[:3] == (204, 'active', whole)
    assert put(**http2, **{'wsgi.input': Pieces(7777, 0)})[:3] == (204, 'active', 0)
    assert put(**http2, **{'wsgi.input': Pieces(7777, 0, OSError('gone'))})[:3] == (400, 'queued', None)
    image = active(b'x')
    assert call('POST', '/v2/images/%s/actions/deactivate' % image, **http2).status == 204
    # mod_wsgi hands a daemon process nothing of such a body, and ends it in httpd's processes when its stream is reset
    daemon = {**http2, 'mod_wsgi.version': (4, 9, 4), 'mod_wsgi.process_group': 'glint'}
    coded = {**daemon, 'HTTP_TRANSFER_ENCODING': 'chunked'}
    status, image, size, said = put(**coded, **{'wsgi.input': Pieces(7777, 0), 'wsgi.errors': io.StringIO()})
    assert (status, image, size) == (411, 'queued', None) and 'send Content-Length' in said
    assert put(**daemon, **{'wsgi.input': Pieces(7777, 0)})[:3] == (411, 'queued', None)
    assert put(**coded, CONTENT_LENGTH=length, **{'wsgi.input': Pieces(7777)})[:3] == (204, 'active', whole)
    assert put(**coded, CONTENT_LENGTH='0', **{'wsgi.input': Pieces(7777, 0)})[:3] == (204, 'active', 0)
    assert put(**coded, **{'wsgi.input': Pieces(7777)})[:3] == (411, 'queued', None)
    embedded = {**coded, 'mod_wsgi.process_group': ''}
    assert put(**embedded, **{'wsgi.input': Pieces(7777)})[:3] == (411, 'queued', None)
    assert put(**embedded, CONTENT_LENGTH=length, **{'wsgi.input': Pieces(7777)})[:3] == (204, 'active', whole)
    # and resets a stream whose refused body nobody has read there
    image = active(b'x')
    for variables, rest in (embedded, 0), (daemon, whole), ({**embedded, 'SERVER_PROTOCOL': 'HTTP/1.1'}, whole):
        body = Pieces(7777)
        assert call('PUT', '/v2/images/%s/file' % image, CONTENT_TYPE='application/octet-stream', **{**variables, 'CONTENT_LENGTH': length, 'wsgi.input': body}).status == 409
        assert len(data) - body.at == rest
    assert call('POST', '/v2/images/%s/actions/deactivate' % image, **daemon).status == 204
    assert call('POST', '/v2/images', CONTENT_TYPE='application/json', **coded, **{'wsgi.input': Pieces(7777, 0)}).status == 411


def faults_of_the_server():
    """What the server's functions raise is what it gets back."""
    def start_raises(status, headers, exc_info=None):
        raise KeyError('start')

    def write_raises(status, headers, exc_info=None):
        def write(data):
            raise KeyError('write')
        return write
    assert raises(KeyError, application, environ('GET', '/v2/images'), start_raises).args == ('start',)
    image = active(b'x' * 10)
    body = environ('PUT', '/v2/images/%s/file' % image, b'y' * 100000, CONTENT_TYPE='application/octet-stream')
    assert raises(KeyError, application, body, write_raises).args == ('write',)   # the refusal goes ahead of the body
    raises(TypeError, application, environ('GET', '/'))
    raises(TypeError, application, [], start_raises)
    raises(TypeError, application, environ=environ('GET', '/'), start_response=start_raises)
    assert call('GET', '/v2/images').status == 200


def files():
    """Blocks of the part asked for; nothing is left open, whoever stops."""
    data = os.urandom(1 << 20)
    image = active(data)
    before = descriptors()
    path = '/v2/images/%s/file' % image

    class Wrapper:
        made = []

        def __init__(self, file, size):
            self.file = file
            self.made.append((file.tell(), size))

        def __iter__(self):
            return iter(lambda: self.file.read(65536), b'')

        def close(self):
            self.file.close()
    for more in ({}, {'wsgi.file_wrapper': Wrapper}):
        assert call('GET', path, **more).body == data
        assert call('GET', path, HTTP_RANGE='bytes=70000-', **more).body == data[70000:]
    assert Wrapper.made == []   # nothing is known of this server
    assert call('GET', path, SERVER_SOFTWARE='waitress', **{'wsgi.file_wrapper': Wrapper}).body == data
    assert Wrapper.made == []   # or what is known speaks against it
    known = {'mod_wsgi.version': (4, 9, 4), 'wsgi.file_wrapper': Wrapper}
    assert call('GET', path, HTTP_RANGE='bytes=70000-', **known).body == data[70000:]
    assert call('GET', path, SERVER_SOFTWARE='gunicorn/20.1.0', **{'wsgi.file_wrapper': Wrapper}).body == data
    assert call('GET', path, HTTP_RANGE='bytes=9-', SERVER_SOFTWARE='gunicorn/20.1.0', **{'wsgi.file_wrapper': Wrapper}).body == data[9:]
    assert [at for at, _ in Wrapper.made] == [70000, 0]
    reply = Reply()
    blocks = application(environ('GET', path), reply.start_response)
    assert iter(blocks) is blocks and len(next(blocks)) > 0
    blocks.close()
    assert raises(StopIteration, next, blocks) is not None
    application(environ('GET', path), reply.start_response)     # dropped
    gc.collect()
    assert descriptors() == before, (descriptors(), before)
    blocks = application(environ('GET', path), reply.start_response)
    folder = os.environ['IMAGES']
    os.truncate(os.path.join(folder, image), 200000)
    raises(OSError, list, blocks)
    raises(TypeError, type(blocks))


def configurations():
    """Wrong ones name file and line; several live side by side."""
    wrong = os.path.join(os.environ['OS_GLANCE_CONFIG_DIR'], 'wrong.conf')
    with open(wrong, 'w') as f:
        f.write('[DEFAULT]\n\nbind_port = many\n')
    e = raises(glint.Error, glint.Application, config_files=[wrong])
    assert isinstance(e, RuntimeError) and wrong + ':3' in str(e), e
    raises(glint.Error, glint.Application, ['/nonexistent.conf'])
    meant = os.environ.pop('OS_GLANCE_CONFIG_DIR')
    try:
        assert 'no configuration was found' in str(raises(glint.Error, glint.Application))
        os.environ['OS_GLANCE_CONFIG_DIR'] = meant + '/none'
        assert meant + '/none (OS_GLANCE_CONFIG_DIR) is not there' in str(raises(glint.Error, glint.Application))
    finally:
        os.environ['OS_GLANCE_CONFIG_DIR'] = meant
    raises(TypeError, glint.Application, config_files=[1])
    raises(TypeError, glint.Application, config_files=1)
    conf = os.path.join(os.environ['OS_GLANCE_CONFIG_DIR'], 'glance-api.conf')
    one = glint.Application(config_files=[conf], options=['DEFAULT.limit_param_default=1'])
    create()
    create()
    assert len(call('GET', '/v2/images', app=one).json['images']) == 1
    assert len(call('GET', '/v2/images').json['images']) == 2
    none = glint.Application(config_files=[conf], options=['database.connection=sqlite:////nonexistent/x.sqlite'])
    errors = io.StringIO()
    assert call('GET', '/v2/images', app=none, **{'wsgi.errors': errors}).status == 503 and errors.getvalue()
    before = descriptors()
    for _ in range(20):
        app = glint.Application(config_files=[conf])
        assert call('GET', '/v2/images', app=app).status == 200
        del app
    assert descriptors() <= before + 2, (descriptors(), before)


def forks():
    """Opened before the fork, it is opened again in the child; and it still serves in the parent."""
    image = active(b'x' * 1000)
    for _ in range(3):
        child = os.fork()
        if child == 0:
            ok = call('GET', '/v2/images/%s/file' % image).body == b'x' * 1000 and status_of(active(b'y')) == 'active'
            os._exit(0 if ok else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert status_of(active(b'z')) == 'active'


def threads():
    """Many at once, and a body that is slow holds nobody up."""
    ready, go = threading.Event(), threading.Event()

    class Slow:
        def __init__(self):
            self.left = 3

        def read(self, n):
            ready.set()
            go.wait(20)
            self.left -= 1
            return b'x' * 10
    slow = create()
    uploading = threading.Thread(target=call, args=('PUT', '/v2/images/%s/file' % slow),
                                 kwargs={'CONTENT_LENGTH': '30', 'CONTENT_TYPE': 'application/octet-stream', 'wsgi.input': Slow()})
    uploading.start()
    assert ready.wait(20) and status_of(slow) == 'saving'
    problems = []

    def work(n):
        try:
            for i in range(20):
                data = bytes([n]) * (1000 * i)
                assert call('GET', '/v2/images/%s/file' % active(data)).body == data
        except BaseException as e:
            problems.append(e)
    crowd = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert not problems, problems
    go.set()
    uploading.join()
    assert status_of(slow) == 'active'


def interpreters():
    """In an interpreter that is not the first, as in mod_wsgi, and in both at once."""
    import _xxsubinterpreters
    here = os.path.dirname(os.path.abspath(__file__))
    image = active(b'x')
    for _ in range(3):
        other = _xxsubinterpreters.create()
        _xxsubinterpreters.run_string(other, 'import sys; sys.path[:0] = %r\nimport calls\ncalls.answers()\n'
                                      'assert calls.status_of(%r) == "active"' % ([here] + sys.path, image))
        _xxsubinterpreters.destroy(other)
    assert status_of(image) == 'active'


def lasting():
    """A thousand requests leave nothing behind."""
    image = active(b'x' * 1000)

    def round_of():
        for _ in range(300):
            call('GET', '/v2/images/' + image)
            call('GET', '/v2/images/%s/file' % image)
            call('GET', '/nonsense')
            upload(image, b'y' * 100)
    round_of()
    gc.collect()
    files_before, memory_before, objects_before = descriptors(), resident(), len(gc.get_objects())
    counted = [sys.getrefcount(None), sys.getrefcount(application), sys.getrefcount(type(application))]
    round_of()
    gc.collect()
    assert descriptors() == files_before
    assert len(gc.get_objects()) < objects_before + 100
    assert abs(sys.getrefcount(None) - counted[0]) < 200
    assert [sys.getrefcount(application), sys.getrefcount(type(application))] == counted[1:]
    assert resident() - memory_before < 8 << 20, resident() - memory_before


if __name__ == '__main__':
    globals()[sys.argv[1]]()
