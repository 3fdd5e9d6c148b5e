#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Differential test of an Images API server against recorded answers.

    oracle.py record URL  [--profile trusted] [--only GLOB] [--files a,b]
    oracle.py replay URL  [--profile trusted] [--only GLOB] [--files a,b]
    oracle.py diff URL1 URL2 [--profile trusted] [--only GLOB]
    oracle.py list [--profile trusted]

A case is a short script of requests, written down in cases/*.py.  What a server answers is
normalised (see README.md) and kept in recorded/<profile>/<file>.json.  replay ends with the line
"N passed, N failed" and exits with 1 if a case differs in a way differences.txt does not declare.
"""
import argparse
import difflib
import email.utils
import fnmatch
import hashlib
import http.client
import importlib.util
import io
import json
import os
import re
import socket
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), 'e2e'))
from database import Database  # noqa: E402

HOST = 'glance.test:9292'          # sent as Host, so absolute links are the same everywhere
TIMEOUT = 60
# Never compared: they belong to the connection or to the HTTP server in front.
HOP = {'connection', 'keep-alive', 'transfer-encoding', 'date', 'server'}
# Of 204 through a web server that knows RFC 9110 8.6 (--front): it takes off what describes a body.
OF_A_BODY = {'content-length', 'content-type'}

UUID = r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
TIME = r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?'


# ---------------------------------------------------------------- cases

class Case:
    def __init__(self, file, name, steps, profiles):
        self.file, self.name, self.steps, self.profiles = file, name, steps, profiles


def load_cases():
    """All cases of cases/*.py in file order.  A file may put all its cases into a GROUP; a case may name its own."""
    sys.path.insert(0, HERE)
    found, seen = [], {}
    folder = os.path.join(HERE, 'cases')
    for entry in sorted(os.listdir(folder)):
        if not entry.endswith('.py') or entry.startswith('_'):
            continue
        spec = importlib.util.spec_from_file_location('case_' + entry[:-3], os.path.join(folder, entry))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        stem = entry[:-3].lstrip('0123456789').lstrip('_')
        for name, steps, profiles, group in module.cases():
            name = stem + '/' + name
            count = seen[name] = seen.get(name, 0) + 1
            if count > 1:
                name += '#%d' % count
            case = Case(stem, name, steps, profiles)
            case.group = group or getattr(module, 'GROUP', 'main')
            found.append(case)
    return found


# ---------------------------------------------------------------- names <-> values

class Names:
    """The placeholders of one case: <id1>.. (client-chosen image ids), <gen1>.. (captured), <p1>.. (projects)."""

    origin = 'http://127.0.0.1:1'      # the web server that locations point at (--origin)
    database = ''                      # of the server, for what no client can make it do (--database)

    def __init__(self, case_name, salt, prefix=''):
        self.prefix = prefix            # where the service is mounted
        seed = hashlib.md5((salt + '|' + case_name).encode()).hexdigest()
        self.seed = seed[:8] + '-' + seed[8:12] + '-4' + seed[13:16] + '-8' + seed[17:20] + '-' + seed[20:28]
        tail = hashlib.md5(salt.encode()).hexdigest()[:8] if salt else ''
        self.values = {'p%d' % n: 'project-%d%s' % (n, tail and '-' + tail) for n in (1, 2, 3)}
        self.values['pa'] = 'project-a' + (tail and '-' + tail)
        self.values['host'] = HOST
        self.values['origin'] = self.origin

    def value(self, name):
        if name not in self.values and re.fullmatch(r'id\d*', name):
            self.values[name] = self.seed + '%04x' % int(name[2:] or 1)
        if name not in self.values and re.fullmatch(r'ID\d*', name):
            self.values[name] = self.value(name.lower()).upper()
        return self.values[name]

    def fill(self, text):
        return re.sub(r'<((?:id|ID|gen|p)\d*|pa|host|origin)>',
                      lambda m: self.value(m[1]) if re.match('id|ID', m[1]) or m[1] in self.values else m[0], text)

    def hide(self, text):
        for name, value in sorted(self.values.items(), key=lambda item: -len(item[1])):
            text = text.replace(value, '<' + name + '>')
            quoted = urllib.parse.quote_plus(value)
            if quoted != value:
                text = text.replace(quoted, '<' + name + '>')
        return text


# ---------------------------------------------------------------- identities

def identity(who, names):
    """Request headers of an identity; the trusted pipeline takes them as given."""
    project = {'p1': names.value('p1'), 'p2': names.value('p2'), 'p3': names.value('p3'), 'pa': names.value('pa')}
    table = {
        'none': None,
        'admin': ('user-a', project['pa'], 'admin,member,reader'),
        'member': ('user-1', project['p1'], 'member,reader'),
        'reader': ('user-r', project['p1'], 'reader'),
        'other': ('user-2', project['p2'], 'member,reader'),
        'third': ('user-3', project['p3'], 'member,reader'),
        'otherreader': ('user-4', project['p2'], 'reader'),
        'adminonly': ('user-a', project['pa'], 'admin'),
        'memberonly': ('user-1', project['p1'], 'member'),
        'service': ('user-s', 'project-s', 'service'),
        'norole': ('user-1', project['p1'], ''),
        'noproject': ('user-1', None, 'member,reader'),
        'adminnoproject': ('user-a', None, 'admin,member,reader'),
        'shouting': ('user-1', project['p1'], 'MEMBER, Reader'),
        'special': ('user-5', project['p1'], 'member,reader,Special'),
        'keeper': ('user-k', project['p1'], 'admin,member,reader,special'),
        'served': ('user-1', project['p1'], 'member,reader', 'special'),
        'loudlyserved': ('user-1', project['p1'], 'member,reader', 'Special'),
        'adminserved': ('user-1', project['p1'], 'member,reader', 'admin'),
    }
    row = table[who]
    if row is None:
        return []
    user, tenant, roles = row[:3]
    return [('X-Identity-Status', 'Confirmed'), ('X-User-Id', user)] + \
        ([('X-Project-Id', tenant)] if tenant is not None else []) + [('X-Roles', roles)] + \
        [('X-Service-Roles', services) for services in row[3:]]


# ---------------------------------------------------------------- HTTP

class Answer:
    status, reason, headers, body = 0, '', (), b''


class FakeSocket:
    def __init__(self, file):
        self.file = file

    def makefile(self, *_):
        return self.file


def exchange(base, method, target, headers, payload, chunks=None, version='HTTP/1.1'):
    """One request on a connection of its own.  payload: bytes or None; chunks: list of bytes for a chunked body."""
    if target.startswith('/'):
        target = base.path.rstrip('/') + target
    lines = ['%s %s %s' % (method, target, version)]
    lines += ['%s: %s' % (k, v) for k, v in headers]
    head = ('\r\n'.join(lines) + '\r\n\r\n').encode('utf-8', 'surrogateescape')
    out = Answer()
    sock = socket.create_connection((base.hostname, base.port), timeout=TIMEOUT)
    try:
        try:
            sock.sendall(head)
            if chunks is not None:
                for part in chunks:
                    sock.sendall(b'%x\r\n%s\r\n' % (len(part), part))
                sock.sendall(b'0\r\n\r\n')
            elif payload:
                sock.sendall(payload)
        except (BrokenPipeError, ConnectionResetError):
            pass                                    # the answer may have been sent before the body was read
        data = bytearray()
        while True:
            try:
                piece = sock.recv(65536)
            except (ConnectionResetError, socket.timeout):
                break
            if not piece:
                break
            data += piece
            if complete(bytes(data), method):
                break
    finally:
        sock.close()
    if not data:
        return out
    response = http.client.HTTPResponse(FakeSocket(io.BytesIO(bytes(data))), method=method)
    try:
        response.begin()
    except http.client.HTTPException as problem:
        out.reason = 'not HTTP: %s' % problem
        return out
    out.status, out.reason = response.status, response.reason
    out.headers = response.headers.items()
    try:
        out.body = response.read()
    except http.client.IncompleteRead as cut:
        out.body = cut.partial + b'<<cut short>>'
    return out


def complete(data, method):
    """Whether data holds a whole response (only a hint: a server that keeps the connection open)."""
    end = data.find(b'\r\n\r\n')
    if end < 0:
        return False
    head = data[:end].decode('latin-1').lower()
    code = head.split(' ', 2)[1] if ' ' in head else ''
    if code.startswith('1'):
        return False
    if method == 'HEAD' or code in ('204', '304'):
        return True
    length = re.search(r'\r\ncontent-length: *(\d+)', head)
    if length:
        return len(data) - end - 4 >= int(length[1])
    if 'transfer-encoding: chunked' in head:
        return data.endswith(b'0\r\n\r\n')
    return False


# ---------------------------------------------------------------- normalising

def tidy(text, names):
    """Values that differ from run to run become placeholders; links that lead through a mount lose it."""
    text = names.hide(text)
    if names.prefix:
        text = re.sub(r'(https?://[^/"\s]*)' + re.escape(names.prefix) + '/', r'\1/', text)
    text = re.sub(r'req-' + UUID, '<req>', text)
    text = re.sub(UUID, '<uuid>', text)
    text = re.sub(r'("data_dir": ")/[^"]*/', r'\1<datadir>/', text)
    text = re.sub(r'file:///[\w./-]+/(?=<(?:id|gen)\d*>)', 'file://<datadir>/', text)
    text = re.sub(r"(['\"]|&#x27;)id\1: \d+", r'\1id\1: <row>', text)
    text = re.sub(r'(Multiple formats detected: )([\w,]+)', lambda m: m[1] + ','.join(sorted(m[2].split(','))), text)
    text = re.sub(r'(\w)\1{499,}', lambda m: '<%s*%d>' % (m[1], len(m[0])), text)
    return re.sub(TIME, '<time>', text)


def first_line_of_schema_error(text):
    """A schema failure without the dump that the validator appends to its first line."""
    if 'Provided object does not match schema ' not in text:
        return text
    end = r'<br />' if '<html>' in text or text.startswith('{') else r'\n\n   $'
    return re.sub(r'(Provided object does not match schema .*?)(?:\\n|\n| )+Failed validating .*?(%s)' % end, r'\1\2',
                  text, count=1, flags=re.S)


def sort_tags(value):
    if isinstance(value, dict):
        return {k: sorted(v, key=str) if k == 'tags' and isinstance(v, list) and all(isinstance(t, str) for t in v)
                else sort_tags(v) for k, v in value.items()}
    if isinstance(value, list):
        return [sort_tags(v) for v in value]
    return value


def normal_body(body, content_type, names):
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return '<%d bytes, md5 %s>' % (len(body), hashlib.md5(body).hexdigest())
    if len(text) > 20000 and 'json' not in content_type:
        return '<%d bytes, md5 %s>' % (len(body), hashlib.md5(body).hexdigest())
    if 'octet-stream' in content_type:
        return text
    if 'json' in content_type:
        try:
            tree = json.loads(text)
        except ValueError:
            tree = None
        if isinstance(tree, dict):
            for ascii_only in (False, True):
                if json.dumps(tree, ensure_ascii=ascii_only) == text:
                    text = json.dumps(sort_tags(tree), ensure_ascii=ascii_only)
                    break
    return tidy(first_line_of_schema_error(text), names)


def broken(answer):
    """What is wrong with this answer whatever was asked, or None."""
    kind = next((v for k, v in answer.headers if k.lower() == 'content-type'), '')
    if 'octet-stream' in kind or not answer.body:
        return None
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        return 'the body is not UTF-8'
    if 'json' in kind:
        try:
            json.dumps(json.loads(text), ensure_ascii=False).encode()
        except ValueError as problem:
            return 'the body is not JSON: %s' % problem
    return None


class Versions:
    """Checks the header lines that tell versions apart, which the original does not have, and takes them out of the
    answers.  required: the server must send them, not only rightly if it does.  hashless: there are data without a
    hash, which have no ETag; so have those whose hash is not known yet."""
    LINES = ('etag', 'last-modified', 'accept-ranges', 'cache-control')
    DOCUMENTS = tuple('/v2/schemas/' + name for name in ('image', 'images', 'member', 'members', 'task', 'tasks'))

    def __init__(self, required, hashless=False):
        self.required, self.hashless = required, hashless
        self.tag_of, self.body_of = {}, {}

    def take(self, method, answer, tree):
        """What is wrong, or None."""
        kind = self.kind(method, answer, tree)
        names = {'read': ('etag', 'cache-control'), 'unchanged': ('etag', 'cache-control'), 'changed': ('etag',),
                 'data': self.LINES, 'no-range': ('content-range',)}.get(kind, ())
        found = {k.lower(): v for k, v in answer.headers if k.lower() in names}
        answer.headers = [(k, v) for k, v in answer.headers if k.lower() not in names]
        if kind is None or (not found and not self.required):
            return None
        hashless = self.hashless or not any(k.lower() == 'content-md5' for k, _ in answer.headers)
        if kind == 'data' and hashless and 'etag' not in found:
            found['etag'] = '"%s"' % hashlib.sha512(answer.body).hexdigest()
        if set(found) != set(names):
            return 'without ' + ', '.join(sorted(set(names) - set(found)))
        return self.wrong(kind, method, answer, found)

    def kind(self, method, answer, tree):
        content_type = next((v for k, v in answer.headers if k.lower() == 'content-type'), '')
        document = isinstance(tree, dict) and (tree.get('schema') in self.DOCUMENTS or set(tree) == {'tasks'})
        if isinstance(tree, list) and method == 'GET' and answer.status == 200:
            of_locations = tree and all(isinstance(each, dict) and set(each) == {'url', 'metadata'} for each in tree)
            return 'read' if of_locations or any(k.lower() == 'etag' for k, _ in answer.headers) else None
        if document and method == 'GET' and answer.status == 200:
            return 'read'
        if document and (method, answer.status) in (('POST', 201), ('PATCH', 200), ('PUT', 200)):
            return 'changed'
        if content_type == 'application/octet-stream' and answer.status in (200, 206):
            return 'data'
        return {304: 'unchanged', 416: 'no-range'}.get(answer.status)

    def wrong(self, kind, method, answer, found):
        tag = found.get('etag', '')
        if kind == 'no-range':
            return None if re.fullmatch(r'bytes \*/\d+', found['content-range']) else 'Content-Range is ' + str(found)
        if not re.fullmatch(r'"[0-9a-f]{32,128}"', tag):
            return 'the ETag is ' + tag
        if kind == 'read' and (self.tag_of.setdefault(answer.body, tag) != tag or
                               self.body_of.setdefault(tag, answer.body) != answer.body):
            return 'one ETag for two documents, or two for one: ' + tag
        if kind == 'data':
            if method == 'GET' and answer.status == 200 and tag.strip('"') not in [
                    hashlib.new(name, answer.body).hexdigest() for name in ('sha512', 'sha256', 'sha1', 'md5')]:
                return 'the ETag is not the hash of the data: ' + tag
            try:
                age = time.time() - email.utils.parsedate_to_datetime(found['last-modified']).timestamp()
            except ValueError:
                age = -1
            if not 0 <= age < 3600 or found['accept-ranges'] != 'bytes':
                return str(found)
        return None if found.get('cache-control', 'no-cache') == 'no-cache' else str(found)


def normal(answer, names):
    headers = []
    content_type = ''
    for key, value in answer.headers:
        key = key.lower()
        if key in HOP:
            continue
        if key == 'content-type':
            content_type = value
        if key == 'content-length' and value == str(len(answer.body)):
            value = '='
        headers.append([key, tidy(value, names)])
    if not answer.body and answer.status not in (0, 204, 304) and all(key != 'content-length' for key, _ in headers):
        headers.append(['content-length', '='])     # how an empty body is framed is the front end's business
    return {'status': ('%d %s' % (answer.status, answer.reason)).strip(), 'headers': sorted(headers),
            'body': normal_body(answer.body, content_type, names)}


# ---------------------------------------------------------------- running

def set_property(step, names):
    """What no client may write, as a worker of the service does."""
    changed = Database(names.database).execute(
        'INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted) SELECT id, ?, ?, created_at, updated_at, 0 '
        'FROM images WHERE id = ? ON CONFLICT (image_id, name) DO UPDATE SET value = excluded.value, deleted = 0',
        step['property'], names.fill(step['value']), names.fill(step['path']).split('/')[-1])
    answer = Answer()
    answer.status = 200 if changed == 1 else 404
    return answer


def unset_properties(case, names):
    """So that the image can be taken away here."""
    with Database(names.database).connect() as connection:
        for step in case.steps:
            if 'property' in step:
                connection.execute('UPDATE image_properties SET deleted = 1 WHERE name = ? AND image_id = ?',
                                   step['property'], names.fill(step['path']).split('/')[-1])


def run_step(base, step, names, who_default='member'):
    if 'property' in step:
        return set_property(step, names)
    if step.get('origin'):
        base = urllib.parse.urlsplit(names.origin)
    headers = [('Host', HOST)] if not step.get('nohost') else []
    headers += identity(step.get('who') or who_default, names)
    payload, chunks = None, step.get('chunks')
    if 'json' in step:
        payload = names.fill(json.dumps(step['json'], ensure_ascii=step.get('ascii', False))).encode('utf-8', 'surrogatepass')
        default_type = 'application/json'
    elif 'body' in step:
        payload = step['body'] if isinstance(step['body'], bytes) else names.fill(step['body']).encode()
        default_type = None
    else:
        default_type = None
    given = [(k, names.fill(v)) for k, v in step.get('headers', ())]
    lower = {k.lower() for k, _ in given}
    if default_type and 'content-type' not in lower:
        given.append(('Content-Type', default_type))
    if chunks is not None:
        given.append(('Transfer-Encoding', 'chunked'))
    elif payload is not None and 'content-length' not in lower:
        given.append(('Content-Length', str(len(payload))))
    headers += given
    headers.append(('Connection', 'close'))
    return exchange(base, step['method'], names.fill(step['path']), headers, payload, chunks)


# Between two askings, in seconds. Asking for tasks writes, which may disturb a task of the original on SQLite.
PAUSE = {'tasks': 0.4, 'else': 0.1}


def run_until(base, step, names):
    """The answer once it contains what step['until'] says; or, with settle, once no task works on the image any more
    and none that the answer tells of is under way."""
    until = time.monotonic() + 15
    while True:
        time.sleep(PAUSE['tasks' if 'tasks' in step['path'] else 'else'])
        answer = run_step(base, step, names)
        if 'until' in step:
            reached = names.fill(step['until']).encode() in answer.body
        else:
            reached = not re.search(rb'"os_glance_import_task"|"status": "(pending|processing)"', answer.body)
        if reached or time.monotonic() > until:
            return answer


def run_case(base, case, salt, versions):
    """Run the case and return its normalised answers; quiet steps give only their status."""
    names = Names(case.name, salt, base.path.rstrip('/'))
    out, made, doubtful = [], [], False
    try:
        for step in case.steps:
            answer = (run_until if step.get('settle') or 'until' in step else run_step)(base, step, names)
            tree = None
            if answer.body[:1] in b'{[':
                try:
                    tree = json.loads(answer.body)
                except ValueError:
                    pass
            if step['method'] == 'POST' and answer.status == 201 and isinstance(tree, dict) and 'id' in tree:
                made.append(tree['id'])
            elif step['method'].upper() == 'POST' and step['path'].split('?')[0].endswith('/images'):
                doubtful = True                     # a refused create may have left something behind
            if step['method'] == 'POST' and step['path'].endswith('/tasks'):
                doubtful = True                     # the task makes an image
            for name, key in step.get('keep', {}).items():
                if isinstance(tree, dict) and tree.get(key):
                    names.values[name] = str(tree[key])
            problem = versions.take(step['method'], answer, tree)
            line = '%s %s as %s' % (step['method'], step['path'], step.get('who') or 'member')
            if step.get('quiet'):
                out.append({'request': line, 'status': str(answer.status)})
            else:
                row = {'request': line}
                row.update(normal(answer, names))
                if broken(answer):
                    row['broken'] = broken(answer)
                if problem:
                    row['versions'] = problem
                out.append(row)
    finally:
        if any('property' in step for step in case.steps):
            unset_properties(case, names)
        if doubtful:
            made += left_behind(base, names, salt)
        for image in reversed(made):
            clean(base, image, names)
    return out


def left_behind(base, names, salt):
    """Images of this case that no 201 told about.  Without a salt the server is ours alone: everything counts."""
    found = []
    for query in ('', '&os_hidden=true', '&visibility=community'):
        answer = run_step(base, {'method': 'GET', 'path': '/v2/images?limit=1000' + query, 'who': 'admin'}, names)
        try:
            found += [row for row in json.loads(answer.body)['images']]
        except (ValueError, KeyError, TypeError):
            pass
    ours = set(names.values.values())
    return list({row['id'] for row in found if not salt or row['id'] in ours or row['owner'] in ours or row['name'] in ours})


def clean(base, image, names):
    path = '/v2/images/' + image
    answer = run_step(base, {'method': 'DELETE', 'path': path, 'who': 'admin'}, names)
    if answer.status == 403:
        run_step(base, {'method': 'PATCH', 'path': path, 'who': 'admin', 'json': [
            {'op': 'replace', 'path': '/protected', 'value': False}],
            'headers': [('Content-Type', 'application/openstack-images-v2.1-json-patch')]}, names)
        run_step(base, {'method': 'DELETE', 'path': path, 'who': 'admin'}, names)


# ---------------------------------------------------------------- comparing

def compare(want, got, front=False, original=False):
    """List of (step index, kind, lines); kind is status, header:<name> or body. front: OF_A_BODY. Unless it is an original that
    is compared, an answer may have a request id that the recorded one has not."""
    found = []
    for at, (w, g) in enumerate(zip(want, got)):
        if w['status'] != g['status']:
            found.append((at, 'status', ['- ' + w['status'], '+ ' + g['status']]))
        if 'headers' not in w or 'headers' not in g:
            continue
        wh, gh = {}, {}
        for table, rows in ((wh, w['headers']), (gh, g['headers'])):
            for key, value in rows:
                table.setdefault(key, []).append(value)
        if not original and 'x-openstack-request-id' not in wh and 'x-openstack-request-id' in gh:
            del gh['x-openstack-request-id']
        bare = OF_A_BODY if front and w['status'].startswith('204') else set()
        for key in sorted((set(wh) | set(gh)) - bare):
            if wh.get(key) != gh.get(key):
                found.append((at, 'header:' + key, ['- %s: %s' % (key, v) for v in wh.get(key, [])] +
                              ['+ %s: %s' % (key, v) for v in gh.get(key, [])]))
        if 'broken' in g and 'broken' not in w:
            found.append((at, 'broken', ['+ ' + g['broken']]))
        if 'versions' in g:
            found.append((at, 'versions', ['+ ' + g['versions']]))
        if w['body'] != g['body']:
            found.append((at, 'body', body_diff(w['body'], g['body'])))
    if len(want) != len(got):
        found.append((min(len(want), len(got)), 'status', ['- %d steps' % len(want), '+ %d steps' % len(got)]))
    return found


def pretty(text):
    try:
        tree = json.loads(text)
    except ValueError:
        return text.splitlines()
    return json.dumps(tree, indent=1, ensure_ascii=False).splitlines()


def body_diff(want, got):
    a, b = pretty(want), pretty(got)
    if a == b:                                       # same values, other spelling
        a, b = [want], [got]
    lines = [line for line in difflib.unified_diff(a, b, lineterm='', n=0) if not line.startswith(('---', '+++', '@@'))]
    return [line if len(line) < 300 else line[:300] + '…' for line in lines[:24]] + (['…'] if len(lines) > 24 else [])


def load_differences():
    """Rows of differences.txt: case glob, what may differ, anchor in docs/differences.md; blanks between.

    what is a comma separated list of: status, header:<name or glob>, body, any, each optionally for
    one step only ("3:body"); crash: a step that made the original fail (500 or no answer) may be
    answered in any way that is not itself a failure; after-415: the steps after one that both
    servers answer with that status."""
    rows = []
    path = os.path.join(HERE, 'differences.txt')
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            for line in file:
                parts = line.split()
                if len(parts) >= 3 and not line.startswith('#'):
                    rows.append((parts[0], parts[1].split(','), parts[2]))
    return rows


def declared(case_name, found, want, got, rows):
    """The anchors that declare all of these differences, or None."""
    used = []
    for at, kind, _ in found:
        if kind in ('broken', 'versions'):
            return None
        crashed = at < len(want) and want[at]['status'][:3] in ('0', '500') and got[at]['status'][:1] not in ('0', '5', '')
        before = {w['status'][:3] for w, g in zip(want[:at], got) if w['status'] == g['status']}
        for glob, whats, anchor in rows:
            if fnmatch.fnmatchcase(case_name, glob) and any(
                    what == 'crash' and crashed or what.startswith('after-') and what[6:] in before or
                    may_differ(what, at, kind) for what in whats):
                used.append(anchor)
                break
        else:
            return None
    return ','.join(sorted(set(used)))


def may_differ(what, at, kind):
    step, colon, rest = what.partition(':')
    if colon and step.isdigit():
        if int(step) != at:
            return False
        what = rest
    return what == 'any' or fnmatch.fnmatchcase(kind, what)


# ---------------------------------------------------------------- commands

def recorded_path(profile, stem, folder=None):
    return os.path.join(HERE, 'recorded', folder or profile, (profile + '-' if folder else '') + stem + '.json')


def read_recorded(profile, stem, folder=None):
    path = recorded_path(profile, stem, folder)
    if not os.path.exists(path):
        return {}
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def write_recorded(profile, stem, table, folder=None):
    path = recorded_path(profile, stem, folder)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(table, file, indent=1, ensure_ascii=False, sort_keys=True)
        file.write('\n')


def chosen(args):
    files = args.files.split(',') if args.files else None
    for case in load_cases():
        if args.profile not in case.profiles:
            continue
        if files is not None and case.file not in files:
            continue
        if files is None and case.group not in args.group.split(','):
            continue
        if args.leave_out and any(fnmatch.fnmatchcase(case.name, g) for g in args.leave_out.split(',')):
            continue
        if args.command != 'list' and not args.database and any('property' in step for step in case.steps):
            continue
        if args.only and not any(fnmatch.fnmatchcase(case.name, g) for g in args.only.split(',')):
            continue
        yield case


def sampled(cases, n):
    """About n of them, evenly; all without n."""
    cases = list(cases)
    return cases[::max(1, len(cases) // n)] if n else cases


def show(case, found, note=''):
    print('%s %s' % (case.name, note))
    for at, kind, lines in found:
        step = case.steps[at] if at < len(case.steps) else {'method': '?', 'path': '?'}
        print('   step %d %s %s as %s: %s' % (at, step['method'], step['path'], step.get('who') or 'member', kind))
        for line in lines:
            print('      ' + line)


def command_record(args):
    base = urllib.parse.urlsplit(args.url)
    tables, count = {}, 0
    for case in chosen(args):
        table = tables.setdefault(case.file, read_recorded(args.profile, case.file) if args.only else {})
        table[case.name] = run_case(base, case, args.salt, Versions(False))
        count += 1
        bad = [row for row in table[case.name] if 'headers' not in row and not row['status'].startswith('2')]
        if bad:
            print('%s: its own preparation failed: %s' % (case.name, bad))
        if args.verbose:
            print(case.name, ' '.join(row['status'][:3] for row in table[case.name]), flush=True)
    for stem, table in tables.items():
        write_recorded(args.profile, stem, table)
    print('%d recorded' % count)
    return 0


def command_replay(args):
    base = urllib.parse.urlsplit(args.url)
    rows = load_differences()
    passed = failed = excused = 0
    kinds_seen = {}
    cache = {}
    expected = {}
    versions = Versions(not args.original, args.profile == 'locations')
    for case in sampled(chosen(args), args.sample):
        if case.file not in cache:
            cache[case.file] = read_recorded(args.profile, case.file)
            expected[case.file] = read_recorded(args.profile, case.file, 'glint-expected')
        want = cache[case.file].get(case.name)
        if want is None:
            print('%s is not recorded' % case.name)
            failed += 1
            continue
        try:
            got = run_case(base, case, args.salt, versions)
        except OSError as problem:
            print('%s no connection: %s' % (case.name, problem))
            failed += 1
            continue
        found = compare(want, got, args.front, args.original)
        if not found:
            passed += 1
            continue
        kinds = {kind for _, kind, _ in found}
        anchor = declared(case.name, found, want, got, rows)
        if anchor is not None:
            if args.accept:
                expected[case.file][case.name] = got
            ours = expected[case.file].get(case.name)
            again = compare(ours, got, args.front, args.original) if ours is not None else []
            if not again:
                passed += 1
                excused += 1
                if args.verbose:
                    show(case, found, '(declared: %s)' % anchor)
                continue
            found = again
        failed += 1
        for kind in kinds:
            kinds_seen[kind] = kinds_seen.get(kind, 0) + 1
        if args.brief:
            print('%s: %s' % (case.name, ', '.join(sorted(kinds))))
        else:
            show(case, found)
    if args.accept:
        for stem, table in expected.items():
            if table:
                write_recorded(args.profile, stem, table, 'glint-expected')
    if kinds_seen:
        print('by kind: ' + ', '.join('%s %d' % item for item in sorted(kinds_seen.items(), key=lambda i: -i[1])))
    if excused:
        print('%d of the passed ones differ as declared in differences.txt' % excused)
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


def command_diff(args):
    one, two = urllib.parse.urlsplit(args.url), urllib.parse.urlsplit(args.url2)
    passed = failed = 0
    for case in chosen(args):
        found = compare(run_case(one, case, args.salt, Versions(False)), run_case(two, case, args.salt, Versions(False)))
        if found:
            failed += 1
            show(case, found)
        else:
            passed += 1
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


def command_list(args):
    count = 0
    for case in chosen(args):
        print(case.name)
        count += 1
    print('%d cases' % count)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('command', choices=('record', 'replay', 'diff', 'list'))
    parser.add_argument('url', nargs='?')
    parser.add_argument('url2', nargs='?')
    parser.add_argument('--profile', default='trusted', help='recorded/<profile>: trusted, noauth, or one of profiles/')
    parser.add_argument('--only', help='case name globs, comma separated')
    parser.add_argument('--leave-out', help='case name globs, comma separated')
    parser.add_argument('--sample', type=int, help='replay: about so many cases, evenly chosen')
    parser.add_argument('--front', action='store_true', help='replay: through a web server, which gives 204 no headers of a body')
    parser.add_argument('--files', help='case files, comma separated (default: all of the chosen groups)')
    parser.add_argument('--group', default='main', help="groups of case files: main, later, or 'main,later'")
    parser.add_argument('--random-ids', action='store_true', help='for a server that has seen these cases before')
    parser.add_argument('--accept', action='store_true', help='replay: keep declared answers in recorded/glint-expected')
    parser.add_argument('--origin', default=Names.origin, help='url of a tests/origin.py that the server can reach')
    parser.add_argument('--database', help='the SQLite file of the server; cases that write into it are left out without')
    parser.add_argument('--original', action='store_true', help='replay: the server is the original, without ETag and the like')
    parser.add_argument('--brief', action='store_true', help='replay: one line for each failed case')
    parser.add_argument('-v', '--verbose', action='store_true')
    args = parser.parse_args()
    Names.origin, Names.database = args.origin, args.database
    if args.command == 'replay' and not args.original:
        PAUSE.update({'tasks': 0.05, 'else': 0.05})
    args.salt = 'run-%d-%d' % (os.getpid(), time.time_ns()) if args.random_ids else ''
    if args.command != 'list' and not args.url or args.command == 'diff' and not args.url2:
        parser.error('which server?')
    command = {'record': command_record, 'replay': command_replay, 'diff': command_diff, 'list': command_list}
    return command[args.command](args)


if __name__ == '__main__':
    sys.exit(main())
