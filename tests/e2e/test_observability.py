# SPDX-License-Identifier: Apache-2.0
"""The access log and /metrics."""
import re
import threading

import pytest

from glint import MIB, Client, eventually


def access_line(s, request_id):
    """The fields of the one access line of a request."""
    def found():
        return [line for line in s.log().splitlines() if 'request_id=%s ' % request_id in line and ' access ' in line]
    lines = eventually(found)
    assert lines and len(lines) == 1, lines
    return dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', lines[0]))


def test_access_line(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    image = member.create()
    answer = member.upload(image['id'], b'x' * 1000)
    line = access_line(s, answer.header('x-openstack-request-id'))
    assert (line['method'], line['status']) == ('PUT', '204')
    assert (line['user'], line['project']) == ('user-1', 'project-1')
    assert line['path'] == '/v2/images/%s/file' % image['id'] and line['route'] == '/v2/images/{image_id}/file'
    assert int(line['in']) == 1000 and int(line['us']) > 0
    answer = member.download(image['id'])
    line = access_line(s, answer.header('x-openstack-request-id'))
    assert (line['method'], line['status'], line['out']) == ('GET', '200', '1000')
    assert line['peer'].startswith('127.0.0.1')


@pytest.mark.parametrize('path,status', [('/v2/images/nope', '404'), ('/v2/nothing', '404'), ('/v2/images?limit=x', '400')])
def test_access_line_of_refusals(glint_server, path, status):
    s = glint_server(trusted=True)
    answer = s.client().get(path)
    assert access_line(s, answer.header('x-openstack-request-id'))['status'] == status


def test_a_client_cannot_forge_a_line(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    member.get('/v2/images?name=%0aaccess%20request_id=req-forged%20')
    answer = member.get('/v2/images', headers={'X-Openstack-Request-Id': 'x access request_id=req-forged '})
    assert answer.status < 500
    assert not re.search(r'^\S* ?\S* ?\S* ?access request_id=req-forged', s.log(), re.M)


def test_no_secret_in_the_log(glint_server):
    s = glint_server(trusted=True)
    s.client().get('/v2/images', headers={'X-Auth-Token': 'topsecret', 'Authorization': 'Basic topsecret'})
    assert 'topsecret' not in s.log()


# ---------------------------------------------------------------- metrics

def total(metrics, name, **labels):
    """Sum of the series of a family with these labels."""
    wanted = ['%s="%s"' % item for item in labels.items()]
    return sum(value for series, value in metrics.items()
               if re.split(r'[{ ]', series)[0] == name and all(w in series for w in wanted))


def test_requests_are_counted(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.active(b'x' * 5000)
    for _ in range(3):
        member.show(image_id)
    member.get('/v2/images/nope')
    member.download(image_id)
    # a request is counted once its answer is on the way, so the last one may still be missing
    assert eventually(lambda: total(s.metrics(), 'glint_http_requests_total', route='/v2/images/{image_id}/file', method='GET') == 1)
    m = s.metrics()
    show = '/v2/images/{image_id}'
    assert total(m, 'glint_http_requests_total', route=show, method='GET', status='200') == 3
    assert total(m, 'glint_http_requests_total', route=show, method='GET', status='404') == 1
    assert total(m, 'glint_http_request_seconds_count', route=show, method='GET') == 4
    assert total(m, 'glint_http_body_bytes_total', direction='in') >= 5000
    assert total(m, 'glint_http_body_bytes_total', direction='out') >= 5000
    assert total(m, 'glint_images', status='active') == 1
    assert total(m, 'glint_images', status='queued') == 0
    assert total(m, 'process_resident_memory_bytes') > MIB


def test_uploads_under_way(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create()['id']
    assert total(s.metrics(), 'glint_uploads') == 0
    half = member.half_upload(image_id, 2 * MIB, MIB)
    assert eventually(lambda: total(s.metrics(), 'glint_uploads') == 1)
    assert total(s.metrics(), 'glint_images', status='saving') == 1
    half.close()
    assert eventually(lambda: total(s.metrics(), 'glint_uploads') == 0)


def test_store_and_database_latencies(glint_server):
    s = glint_server(trusted=True)
    s.client().active(b'x' * 5000)
    families = {re.split(r'[{ ]', series)[0] for series in s.metrics()}
    assert any(f.startswith('glint_store_') and f.endswith('_count') for f in families), sorted(families)
    assert any(f.startswith('glint_db_') and f.endswith('_count') for f in families), sorted(families)


def test_exposition_format(glint_server):
    s = glint_server(trusted=True)
    s.client().active(b'x')
    answer = Client(s.host, s.metrics_port).get('/metrics')
    assert answer.header('Content-Type').startswith('text/plain; version=0.0.4')
    typed, helped = set(), set()
    for line in answer.text.splitlines():
        if line.startswith('# TYPE '):
            name, kind = line.split()[2:4]
            assert name not in typed and kind in ('counter', 'gauge', 'histogram')
            typed.add(name)
        elif line.startswith('# HELP '):
            helped.add(line.split()[2])
        else:
            assert re.fullmatch(r'[a-z_:][a-zA-Z0-9_:]*(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+(Inf)?', line), line
            name = re.split(r'[{ ]', line)[0]
            assert name in typed or re.sub(r'_(bucket|sum|count)$', '', name) in typed, line
    assert typed == helped


def test_histograms_add_up(glint_server):
    s = glint_server(trusted=True)
    for _ in range(10):
        s.client().get('/v2/images')
    m = s.metrics()
    buckets = [(series, value) for series, value in m.items()
               if series.startswith('glint_http_request_seconds_bucket') and 'route="/v2/images"' in series]
    values = [value for _, value in buckets]
    assert values == sorted(values) and '+Inf' in buckets[-1][0]
    assert values[-1] == total(m, 'glint_http_request_seconds_count', route='/v2/images')


def test_metrics_listener_serves_nothing_else(glint_server):
    s = glint_server(trusted=True)
    outside = Client(s.host, s.metrics_port)
    assert outside.get('/v2/images').status == 404
    assert outside.post('/metrics').status in (404, 405)
    assert s.client().get('/metrics').status == 300, 'not on the public listener'


def test_metrics_can_be_turned_off(glint_server):
    s = glint_server(trusted=True, config={'glint': {'metrics_port': 0}})
    assert s.client().get('/v2/images').status == 200
    with pytest.raises(OSError):
        Client(s.host, s.metrics_port).get('/metrics')


def test_metrics_while_busy(glint_server):
    """Scraping goes on while every worker is taken."""
    s = glint_server(trusted=True, config={'glint': {'workers_max': 2, 'transfers_max': 2, 'transfers_share': 100}})
    member = s.client()
    stalled = [member.half_upload(member.create()['id'], 2 * MIB, 1000) for _ in range(2)]
    assert eventually(lambda: total(s.metrics(), 'glint_uploads') == 2)
    threads = [threading.Thread(target=s.metrics) for _ in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    assert not any(t.is_alive() for t in threads)
    for each in stalled:
        each.close()
