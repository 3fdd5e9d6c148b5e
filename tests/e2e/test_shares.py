# SPDX-License-Identifier: Apache-2.0
"""Nobody holds a bounded pool: one, two and ten projects that are as slow as they may be, beside one that is not."""
import itertools
import urllib.request

import pytest

from glint import Server, eventually, identity
from test_import import bring, settled, staged
from test_jobs import listed
from test_locations import LOCATED, ask

CROWDS = [1, 2, 10]
names = ('crowd%d' % n for n in itertools.count())


def client_of(s, project):
    client = s.client()
    client.identity = identity(project, 'member,reader', 'user-of-' + project)
    return client


def attackers(s, n):
    return [client_of(s, 'slow-%d' % k) for k in range(n)]


def well_behaved(s):
    return client_of(s, 'quick')


# ---------------------------------------------------------------- jobs

def by_download(client, url):
    image_id = client.create()['id']
    assert bring(client, image_id, 'web-download', {'uri': url}).status == 202
    return image_id


def by_location(client, url):
    image_id = client.create()['id']
    assert ask(client, image_id, url).status == 202
    return image_id


@pytest.fixture(scope='module')
def slow_sources(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp('jobs'), trusted=True,
               config={**LOCATED, 'glint': {'jobs_at_once': 4, 'jobs_slow_max': 28}})
    yield s
    assert not s.finish()


@pytest.mark.parametrize('how, crowd', [(by_download, 1), (by_download, 10), (by_location, 1), (by_location, 2)])
def test_slow_sources_hold_up_nobody(slow_sources, web, how, crowd):
    s, name = slow_sources, next(names)
    taken = [how(client, '%s/trickle/%s/100000000' % (web.url, name))
             for _ in range(-(-12 // crowd)) for client in attackers(s, crowd)]
    try:
        assert eventually(lambda: sum(job['state'] == 'running' for job in listed(s)) >= 4)
        quick = well_behaved(s)
        assert settled(quick, imported(quick), 10)['status'] == 'active'
    finally:
        urllib.request.urlopen(web.url + '/open/' + name).read()
        for client in attackers(s, crowd):
            for image_id in client.listed():
                client.delete('/v2/images/' + image_id)
        assert taken and eventually(lambda: not [j for j in listed(s) if j['state'] in ('running', 'waiting')], 20)


def imported(client):
    image_id = staged(client)
    assert bring(client, image_id).status == 202
    return image_id
