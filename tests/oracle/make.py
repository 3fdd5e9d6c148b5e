# SPDX-License-Identifier: Apache-2.0
"""Words for writing cases: steps are dicts (see oracle.py run_step), a case is (name, steps, profiles, group)."""
import re

BOTH = ('trusted', 'noauth')
TRUSTED = ('trusted',)
LOCATIONS = ('locations',)
V21 = 'application/openstack-images-v2.1-json-patch'
V20 = 'application/openstack-images-v2.0-json-patch'
OCTETS = 'application/octet-stream'


def step(method, path, who='member', headers=(), **more):
    """One recorded request.  more: json=, body=, chunks=, keep={placeholder: json key}, quiet=True, nohost=True,
    settle=True (asked again until no task works on the image), until='text' (asked again until the answer has it),
    origin=True (asked of tests/origin.py), property=name (no request: the image of that path gets it in the database)."""
    if isinstance(headers, dict):
        headers = tuple(headers.items())
    return dict(method=method, path=path, who=who, headers=tuple(headers), **more)


def get(path, who='member', headers=(), **more):
    return step('GET', path, who, headers, **more)


def delete(path, who='member', headers=(), **more):
    return step('DELETE', path, who, headers, **more)


def post(path, json, who='member', headers=(), **more):
    return step('POST', path, who, headers, json=json, **more)


def create(fields, who='member', headers=(), **more):
    return post('/v2/images', fields, who, headers, **more)


def show(name='id', who='member', **more):
    return get('/v2/images/<%s>' % name, who, **more)


def patch(ops, name='id', who='member', ctype=V21, **more):
    return step('PATCH', '/v2/images/<%s>' % name, who, [('Content-Type', ctype)], json=ops, **more)


def put(data, name='id', who='member', ctype=OCTETS, headers=(), **more):
    headers = ([('Content-Type', ctype)] if ctype is not None else []) + list(headers)
    return step('PUT', '/v2/images/<%s>/file' % name, who, headers, body=data, **more)


def put_chunked(chunks, name='id', who='member', headers=(), **more):
    return step('PUT', '/v2/images/<%s>/file' % name, who, [('Content-Type', OCTETS)] + list(headers), chunks=chunks, **more)


def load(name='id', who='member', headers=(), **more):
    return get('/v2/images/<%s>/file' % name, who, headers, **more)


# Setting the stage: only the status of these is kept.

def image(name='id', who='member', /, **fields):
    """A queued image without formats."""
    return create(dict({'id': '<%s>' % name}, **fields), who, quiet=True)


def bare(name='id', who='member', /, **fields):
    """A queued image that may be given data."""
    return image(name, who, **dict({'disk_format': 'raw', 'container_format': 'bare'}, **fields))


def active(name='id', who='member', data=b'0123456789', /, **fields):
    return [bare(name, who, **fields), put(data, name, who, quiet=True)]


def member(project='<p2>', status=None, name='id', who='member', as_who='other'):
    steps = [post('/v2/images/<%s>/members' % name, {'member': project}, who, quiet=True)]
    if status:
        steps.append(step('PUT', '/v2/images/<%s>/members/%s' % (name, project), as_who, json={'status': status}, quiet=True))
    return steps


# Imports.

def stage(data=b'0123456789', name='id', who='member', ctype=OCTETS, headers=(), **more):
    headers = ([('Content-Type', ctype)] if ctype is not None else []) + list(headers)
    return step('PUT', '/v2/images/<%s>/stage' % name, who, headers, body=data, **more)


def bring(method='glance-direct', name='id', who='member', headers=(), quiet=False, of=None, **more):
    """POST import. of: members of "method" beside its name; more: members of the body beside it."""
    return post('/v2/images/<%s>/import' % name, dict({'method': dict({'name': method}, **(of or {}))}, **more), who, headers,
                **({'quiet': True} if quiet else {}))


def web(path='ok/10', name='id', who='member', headers=(), quiet=False, **more):
    return bring('web-download', name, who, headers, quiet, {'uri': path if ':' in path else '<origin>/' + path}, **more)


def settled(name='id', who='member', **more):
    return show(name, who, settle=True, **more)


def jobs(name='id', who='member', **more):
    """The tasks of an image, once none is under way."""
    return get('/v2/images/<%s>/tasks' % name, who, settle=True, **more)


def opened(name='id'):
    """Lets the web server go on with /gate/<name>/N."""
    return get('/open/<%s>' % name, 'none', origin=True, quiet=True)


def staged_at(host, name='id', of='os_glance_stage_host'):
    """Another worker of the service has written that it has the image's data."""
    return step('SET', '/v2/images/<%s>' % name, 'none', property=of, value=host, quiet=True)


def told(name='id'):
    """What tests/origin.py, as such a worker by the name of /peer/…/<name>, was asked."""
    return get('/told/<%s>' % name, 'none', origin=True)


def act(action, name='id', who='member', **more):
    return step('POST', '/v2/images/<%s>/actions/%s' % (name, action), who, **more)


def flat(steps):
    out = []
    for item in steps:
        if isinstance(item, dict):
            out.append(item)
        else:
            out.extend(flat(item))
    return out


# What Glint does not offer yet: a case that needs it waits in the group "later".
LATER = re.compile(r'(?<!/schemas)(?<!/info)/(cache|metadefs)(/|$)')


def case(name, *steps, profiles=TRUSTED, group=None):
    steps = flat(steps)
    if group is None and any(LATER.search(s['path'].split('?')[0]) for s in steps):
        group = 'later'
    return (name, steps, profiles, group)
