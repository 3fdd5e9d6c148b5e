# SPDX-License-Identifier: Apache-2.0
"""The healthcheck application in its configurations; plain answers are in test_versions.py."""
import os
import subprocess

import pytest

from glint import GLINT, PASTE_TRUSTED


def paste(tmp_path, lines, mounts='', filters=''):
    """The test pipeline whose [app:healthcheck] has these lines; more mounts and filters on demand."""
    path = tmp_path / 'paste.ini'
    with open(PASTE_TRUSTED) as f:
        text = f.read()
    text = text.replace('backends = disable_by_file\ndisable_by_file_path = /nonexistent/healthcheck_disable\n', lines)
    text = text.replace('/healthcheck: healthcheck\n', '/healthcheck: healthcheck\n' + mounts).replace('trusted = cors', 'trusted = cors' + filters)
    path.write_text(text)
    return {'flavor': 'trusted', 'config_file': path}


def test_options_of_the_configuration(glint_server, tmp_path):
    switch = tmp_path / 'off'
    server = glint_server(trusted=True, config={
        'paste_deploy': paste(tmp_path, ''),
        'healthcheck': {'backends': 'disable_by_file', 'disable_by_file_path': switch, 'detailed': 'true'}})
    nobody = server.client('nobody')
    page = nobody.get('/healthcheck', headers={'Accept': 'application/json'}).json
    assert page['detailed'] is True and page['platform'].startswith('Linux-') and len(page['now']) == 26
    assert page['reasons'] == [{'class': 'HealthcheckResult', 'reason': 'OK', 'details': "Path '%s' was not found" % switch}]
    switch.write_text('')
    answer = nobody.get('/healthcheck', headers={'Accept': 'text/html'})
    assert answer.status == 503 and '<TD>Path &#39;%s&#39; was found</TD>' % switch in answer.text
    assert '<B>Server hostname:</B><PRE>%s</PRE>' % os.uname().nodename in answer.text
    answer = nobody.request('HEAD', '/healthcheck')
    assert answer.status == 503 and answer.body == b''


def test_a_port_of_its_own(glint_server, tmp_path):
    switch = tmp_path / 'off'
    server = glint_server(trusted=True, config={'paste_deploy': paste(tmp_path, '')})
    server.stop()
    server.configure({'paste_deploy': paste(tmp_path, 'backends = disable_by_files_ports\ndisable_by_file_paths = 1:/etc/passwd,%d:%s\n'
                                            % (server.port, switch))})
    server.start()
    nobody = server.client('nobody')
    assert nobody.get('/healthcheck').status == 200
    switch.write_text('')
    assert nobody.get('/healthcheck').text == 'DISABLED BY FILE'


def test_files_that_must_be_there(glint_server, tmp_path):
    marker = tmp_path / 'marker'
    server = glint_server(trusted=True, config={
        'paste_deploy': paste(tmp_path, 'backends = enable_by_files\nenable_by_file_paths = %s\n' % marker)})
    answer = server.client('nobody').get('/healthcheck')
    assert (answer.status, answer.text) == (503, 'FILE PATH MISSING')
    marker.write_text('')
    assert server.client('nobody').get('/healthcheck').status == 200


def test_several_mounts_and_the_filter_of_older_releases(glint_server, tmp_path):
    more = '\n[app:off]\nuse = egg:oslo.middleware#healthcheck\nbackends = disable_by_file\ndisable_by_file_path = /etc/passwd\n' \
           '[filter:old]\npaste.filter_factory = oslo_middleware:Healthcheck.factory\npath = /old\nallowed_source_ranges = 10.0.0.0/8\n'
    deploy = paste(tmp_path, 'backends =\n', '/health/off: off\n', ' old')
    with open(deploy['config_file'], 'a') as f:
        f.write(more)
    nobody = glint_server(trusted=True, config={'paste_deploy': deploy}).client('nobody')
    assert nobody.get('/healthcheck').status == 200
    assert nobody.get('/health/off').status == nobody.get('/health//off/x').status == 503
    assert nobody.get('/health/offer').status == 300
    assert nobody.get('/old').status == 300     # not for us: the service answers


def test_who_may_not_ask_gets_404(glint_server, tmp_path):
    nobody = glint_server(trusted=True, config={
        'paste_deploy': paste(tmp_path, ''), 'healthcheck': {'allowed_source_ranges': '10.0.0.0/8'},
        'oslo_middleware': {'enable_proxy_headers_parsing': 'true'}}).client('nobody')
    for headers in ({}, {'X-Forwarded-For': '10.0.0.1'}):
        answer = nobody.get('/healthcheck', headers=headers)
        assert answer.status == 404 and 'OK' not in answer.text


@pytest.mark.parametrize('lines,said', [
    ('backends = ping\n', "the healthcheck backend 'ping' is not known here"),
    ('backends = disable_by_file,enable_by_files\n', 'exclude each other'),
    ('allowed_source_ranges = here\n', "'here' is no network"),
])
def test_options_that_cannot_be_stop_the_start(glint_server, tmp_path, lines, said):
    server = glint_server(trusted=True)
    server.stop()
    server.configure({'paste_deploy': paste(tmp_path, lines)})
    done = subprocess.run([GLINT, 'serve', '--config-file', server.conf], capture_output=True, text=True, timeout=60,
                          env=server.environment())
    assert done.returncode != 0 and said in done.stderr, done.stderr
