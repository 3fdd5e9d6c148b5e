# SPDX-License-Identifier: Apache-2.0
"""The healthcheck application in every configuration of profiles/health, each at a path of its own. Not recorded: what the
original says in detail of its interpreter, and requests that it shall ignore, which make it hang."""
from make import *

HEALTH = ('health',)
MOUNTS = ['none', 'on', 'off', 'ports-on', 'ports-off', 'ports-other', 'enable-on', 'enable-off', 'two', 'two-other', 'three', 'inside',
          'direct', 'detailed', 'detailed-on', 'detailed-none']
ACCEPTS = [None, '*/*', 'text/plain', 'text/html', 'application/json', 'text/*', 'text/html;q=0.5, application/json;q=0.6', 'image/png', 'junk',
           'application/json;q=0', 'text/plain;q=0.1,text/html;q=0.1']
PROXIED = ['X-Forwarded', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-For', 'X-Forwarded-Prefix', 'X-Forwarded-By', 'Forwarded', 'Via']


def cases():
    for mount in MOUNTS:
        for accept in ACCEPTS if mount in ('on', 'off', 'two') else [None] if 'detailed' in mount else [None, 'text/html', 'application/json']:
            yield case('get:%s:%s' % (mount, accept or 'none'), get('/h/' + mount, 'none', [('Accept', accept)] if accept else []), profiles=HEALTH)
        yield case('head:' + mount, step('HEAD', '/h/' + mount, 'none'), profiles=HEALTH)
    for method in ('POST', 'PUT', 'DELETE', 'OPTIONS', 'BREW'):
        yield case('method:' + method, step(method, '/h/on', 'none'), step(method, '/h/off', 'none'), profiles=HEALTH)
    for path in ('/h', '/h/', '/h/on/', '/h/on/x', '/h/ons', '/h/on?detailed=true', '/H/on', '/h//on', '/v2/h/on', '/healthcheck', '/h/two/', '/h/two-other/x'):
        yield case('path:' + path, get(path, 'none'), profiles=HEALTH)
    for name in PROXIED:
        for mount in ('on',) if name.startswith('X-') and name != 'X-Forwarded-By' else ('on', 'direct'):
            yield case('proxied:%s:%s' % (mount, name), get('/h/' + mount, 'none', [(name, 'a')]), profiles=HEALTH)
        yield case('proxied-empty:' + name, get('/h/direct', 'none', [(name, '')]), profiles=HEALTH)
    yield case('inside-forwarded', get('/h/inside', 'none', [('X-Forwarded-For', '9.9.9.9')]), profiles=HEALTH)
