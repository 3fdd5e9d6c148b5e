# SPDX-License-Identifier: Apache-2.0
"""glint check-deploy: quiet where all is well, and to the point where a web server is in the way."""
import contextlib
import os
import re
import subprocess
import time

import pytest
from glint import GLINT, SLOW, Client, Server, free_port

NGINX = '''
pid %(dir)s/nginx.pid;
error_log %(dir)s/error.log;
events {}
http {
    access_log off;
    client_body_temp_path %(dir)s/body; proxy_temp_path %(dir)s/proxy; fastcgi_temp_path %(dir)s/f;
    uwsgi_temp_path %(dir)s/u; scgi_temp_path %(dir)s/s;
    server {
        listen 127.0.0.1:%(port)d;
        %(server)s
        location / {
            proxy_pass http://127.0.0.1:%(back)d;
            %(location)s
        }
    }
}
'''
GOOD = {
    'server': 'client_max_body_size 0; large_client_header_buffers 8 64k;',
    'location': 'proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; proxy_set_header Host $http_host;',
}


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp('deploy'))
    yield server
    server.stop()


@contextlib.contextmanager
def nginx(directory, back, **parts):
    values = {'dir': directory, 'port': free_port(), 'back': back, **GOOD, **parts}
    conf = os.path.join(directory, 'nginx.conf')
    with open(conf, 'w') as f:
        f.write(NGINX % values)
    process = subprocess.Popen(['nginx', '-c', conf, '-p', str(directory), '-e', os.path.join(directory, 'error.log'), '-g', 'daemon off;'])
    try:
        end = time.monotonic() + 10 * SLOW
        while True:
            with contextlib.suppress(OSError):
                if Client('127.0.0.1', values['port']).get('/versions').status:
                    break
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        yield 'http://127.0.0.1:%d' % values['port']
    finally:
        process.terminate()
        process.wait(20)


def check(url, *arguments, env=None):
    done = subprocess.run([GLINT, 'check-deploy', '--pause', '1', *arguments, url], capture_output=True, text=True, timeout=120 * SLOW,
                          env={**{k: v for k, v in os.environ.items() if k != 'OS_TOKEN'}, **(env or {})})
    wrong = dict(re.findall(r'^(?:WRONG  |better )  ([^:\n]+): (.*)', done.stdout, re.M))
    return done, wrong


def test_nothing_to_say_without_a_web_server(server):
    before = Client(server.host, server.port).listed()
    done, wrong = check('http://127.0.0.1:%d' % server.port)
    assert done.returncode == 0 and not wrong, done.stdout
    assert done.stdout.endswith('0 wrong, 0 could be better\n')
    assert Client(server.host, server.port).listed() == before


def test_nothing_to_say_behind_a_well_made_nginx(server, tmp_path):
    with nginx(tmp_path, server.port) as url:
        done, wrong = check(url)
    assert done.returncode == 0 and not wrong, done.stdout
    assert 'nginx' in done.stdout.splitlines()[-1]


# what is taken away -> the check that must find it, and the directive that it must name
TRAPS = [
    ({'server': 'large_client_header_buffers 8 64k;'}, 'large images', 'client_max_body_size 0'),
    ({'server': 'client_max_body_size 0; large_client_header_buffers 4 2k;'}, 'large headers', 'large_client_header_buffers'),
    ({'location': 'proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; proxy_set_header Host wrong.example;'},
     'links lead back here', 'proxy_set_header Host'),
    ({'server': GOOD['server'] + 'keepalive_timeout 0;'}, 'connections are kept', 'keepalive_timeout'),
    ({'location': GOOD['location'] + 'proxy_set_header Range "";'}, 'ranges', 'Range'),
    ({'server': GOOD['server'] + 'location ~ /tags/ { return 404; }'}, 'encoded paths', 'nocanon'),
    ({'server': GOOD['server'] + 'location = /versions { return 502; }'}, 'the service answers', 'ProxyPass'),
]


@pytest.mark.parametrize('parts, title, directive', TRAPS, ids=[trap[1] for trap in TRAPS])
def test_what_is_in_the_way_is_named(server, tmp_path, parts, title, directive):
    with nginx(tmp_path, server.port, **parts) as url:
        done, wrong = check(url)
    assert title in wrong, done.stdout
    assert directive in re.sub(r'\s+', ' ', done.stdout)
    assert (done.returncode == 0) == (title == 'connections are kept')


def test_clients_that_choose_the_links(tmp_path):
    """The service believes forwarding headers, and nobody replaces those of clients."""
    server = Server(tmp_path, config={'oslo_middleware': {'enable_proxy_headers_parsing': 'true'}})
    try:
        done, wrong = check('http://127.0.0.1:%d' % server.port)
    finally:
        server.stop()
    assert done.returncode == 1 and list(wrong) == ['clients cannot choose the links'], done.stdout
    assert 'enable_proxy_headers_parsing' in done.stdout


def test_a_token_goes_along(tmp_path):
    """Without an identity an image cannot be created; what then is left to check is checked."""
    with contextlib.ExitStack() as stack:
        server = Server(tmp_path, trusted=True)
        stack.callback(server.stop)
        url = 'http://127.0.0.1:%d' % server.port
        done, wrong = check(url)
        assert done.returncode == 1 and 'large headers' not in wrong, done.stdout
        assert list(wrong) == ['clients cannot choose who they are', 'an image can be created'], 'what needs an image says nothing of the web server'
        assert 'DANGER' in done.stdout and 'X-Roles' in done.stdout, 'whoever reaches this service directly is administrator'
        assert 'OS_TOKEN' in done.stdout and 'LimitRequestBody' not in done.stdout and ' not tried' in done.stdout
        identity = ['X-Identity-Status: Confirmed', 'X-User-Id: u', 'X-Project-Id: p', 'X-Roles: member,reader']
        done, wrong = check(url, *[word for h in identity for word in ('--header', h)])
        assert done.returncode == 0 and not wrong, done.stdout
        assert re.search('^note     clients cannot choose who they are:', done.stdout, re.M), 'it is said, but who says who he is knows that'


def test_images_are_gone_afterwards(server):
    with contextlib.closing(server.client().connect()):
        check('http://127.0.0.1:%d' % server.port)
    assert server.client().listed() == [] and not [name for name in os.listdir(server.staging) if not name.startswith('.')]


def test_how_long_an_upload_pauses(server):
    url = 'http://127.0.0.1:%d' % server.port
    for pause, status in (('0', 0), ('x', 2), ('-1', 2), ('3601', 2)):
        done, _ = check(url, '--pause', pause)
        assert done.returncode == status, done
    done = subprocess.run([GLINT, 'check-deploy', '--pause', '0', url], capture_output=True, text=True, timeout=60 * SLOW)
    assert 'not tried, as --pause is 0' in done.stdout


def test_nobody_there(tmp_path):
    done, wrong = check('http://127.0.0.1:%d' % free_port())
    assert done.returncode == 1 and list(wrong) == ['the service answers']
    for arguments in ['ftp://127.0.0.1/'], ['not a url'], ['http://']:
        done, _ = check(*arguments)
        assert done.returncode == 2 and 'check-deploy needs' in done.stderr
