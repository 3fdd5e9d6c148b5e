# SPDX-License-Identifier: Apache-2.0
"""Images whose data another worker of the service has staged: what is passed on to it, and what becomes of its answer."""
from make import *

HERE = ('imports-worker',)
TOKEN = [('X-Auth-Token', 'secret')]
# The status that the other worker answers with, and what else may come instead of it.
ANSWERS = ('200', '202', '204', '299', '301', '304', '400', '401', '403', '404', '409', '410', '413', '418-I_am_a_teapot', '429', '500', '502', '503', '504',
           '599-Odd', '-202', '-409', 'drop', 'junk', 'cut', 'loop')
NOWHERE = ('http://127.0.0.1:1', 'http://nowhere.invalid', 'worker', 'ftp://127.0.0.1:1', 'http://', 'http://[', 'http://127.0.0.1:99999')


def cases():
    def one(name, *steps, profiles=HERE):
        return case(name, *steps, profiles=profiles, group='main')

    def peer(how, name='id'):
        return '<origin>/peer/%s/<%s>' % (how, name)

    def elsewhere(host, **fields):
        return [bare(**fields), stage(quiet=True), staged_at(host)]

    def drop(name='id', who='member', path='/v2/images/<%s>', headers=()):
        return delete(path % name, who, TOKEN + list(headers))

    for how in ANSWERS:
        yield one('import:' + how, elsewhere(peer(how)), bring(headers=TOKEN), told(), show(), jobs())
        yield one('delete:' + how, elsewhere(peer(how)), drop(), told(), show())
    for n, host in enumerate(NOWHERE):
        yield one('import-nowhere-%d' % n, elsewhere(host), bring(headers=TOKEN), show())
        yield one('delete-nowhere-%d' % n, elsewhere(host), drop(), show())
    yield one('import-without-token', elsewhere(peer('202')), bring(), told(), show())
    yield one('delete-without-token', elsewhere(peer('204')), delete('/v2/images/<id>'), told(), show())
    for host in ('http://worker.test:9292', '', 'HTTP://worker.test:9292', 'http://worker.test:9292/'):
        yield one('import-here:' + host, elsewhere(host), bring(headers=TOKEN), settled(), load())
        yield one('delete-here:' + host, elsewhere(host), drop(), show())

    # ---- what is passed on
    body = {'method': {'name': 'glance-direct', 'x': 'é'}, 'all_stores_must_succeed': True, 'more': [1, None, 'ü']}
    yield one('import-body', elsewhere(peer('202')), post('/v2/images/<id>/import', body, headers=TOKEN), told())
    yield one('import-headers', elsewhere(peer('202')), bring(headers=TOKEN + [('X-Openstack-Request-Id', 'req-mine'), ('Accept', 'text/html'), ('X-Other', 'x'), ('Cookie', 'a=b')]), told())
    yield one('import-version', elsewhere(peer('202')), step('POST', '/v2.6/images/<id>/import?x=y', headers=TOKEN, json={'method': {'name': 'glance-direct'}}), told())
    yield one('import-capitals', elsewhere(peer('202')), step('POST', '/v2/images/<ID>/import', headers=TOKEN, json={'method': {'name': 'glance-direct'}}), told())
    yield one('delete-version', elsewhere(peer('204')), drop(path='/v2.6/images/<%s>'), told())
    yield one('delete-slash', elsewhere(peer('204')), drop(path='/v2/images/<%s>/'), told())
    yield one('delete-query', elsewhere(peer('204')), drop(path='/v2/images/<%s>?x=y'), told())
    yield one('import-refused-forms', elsewhere(peer('409')), [bring(headers=TOKEN + [('Accept', kind)]) for kind in ('text/html', 'application/json', 'text/plain')])
    yield one('delete-refused-forms', elsewhere(peer('403')), [drop(headers=[('Accept', kind)]) for kind in ('text/html', 'application/json', 'text/plain')], told())

    # ---- by whom
    for who in ('admin', 'reader', 'other', 'service', 'norole', 'noproject', 'none'):
        yield one('import-by:' + who, elsewhere(peer('202')), bring(who=who, headers=TOKEN), told())
        yield one('delete-by:' + who, elsewhere(peer('204')), drop(who=who), told(), show())

    # ---- what is refused before, and what is not passed on
    yield one('import-stores', elsewhere(peer('202')), bring(headers=TOKEN, stores=['x']), bring(headers=TOKEN, all_stores=True), bring(headers=TOKEN, all_stores_must_succeed=False),
              bring(headers=TOKEN + [('x-image-meta-store', 'x')]), told())
    yield one('import-without-formats', image(), stage(quiet=True), staged_at(peer('202')), bring(headers=TOKEN), told())
    yield one('import-queued', bare(), staged_at(peer('202')), bring(headers=TOKEN), told(), web(headers=TOKEN), told(), settled())
    yield one('import-active', active(), staged_at(peer('202')), bring(headers=TOKEN), bring('copy-image', headers=TOKEN), told())
    yield one('import-other-methods', elsewhere(peer('202')), web(headers=TOKEN), bring('copy-image', headers=TOKEN), bring('nope', headers=TOKEN), told())
    yield one('import-locked', elsewhere(peer('202')), staged_at('00000000-0000-4000-8000-000000000000', of='os_glance_import_task'), bring(headers=TOKEN), told(), show())
    yield one('stage-again', elsewhere(peer('202')), stage(headers=TOKEN), told())
    yield one('delete-protected', elsewhere(peer('204'), protected=True), drop(), told(), show())
    yield one('delete-queued', bare(), staged_at(peer('204')), drop(), told(), show())
    yield one('delete-active', active(), staged_at(peer('409')), drop(), told(), show())
    yield one('delete-unknown', elsewhere(peer('204')), drop('id2'), told())
    for how in ('204', '403', 'drop'):
        yield one('delete-hashing:' + how, active(), staged_at(peer(how), of='os_glance_hash_op_host'), drop(), told(), show())
    yield one('import-hashing', bare(), stage(quiet=True), staged_at('http://worker.test:9292'), staged_at(peer('202'), of='os_glance_hash_op_host'), bring(headers=TOKEN), told(), show())
    yield one('both', bare(), stage(quiet=True), staged_at(peer('202')), staged_at(peer('409'), of='os_glance_hash_op_host'), bring(headers=TOKEN), told(), drop(), told())
    yield one('store-given-up', active(), staged_at(peer('204')), delete('/v2/stores/file/<id>', 'admin', TOKEN), told())

    # ---- in other configurations
    yield case('without-a-name', elsewhere(peer('202')), bring(headers=TOKEN), told(), drop(), told(), profiles=('imports',), group='main')
    yield case('stores', elsewhere(peer('202')), bring(headers=TOKEN), told(), bring(headers=TOKEN, stores=['slow']), told(), bring(headers=TOKEN, stores=['nope']),
               bring(headers=TOKEN, all_stores=True), told(), bring(headers=TOKEN + [('x-image-meta-store', 'slow')]), told(), drop(), told(), profiles=('imports-stores',), group='main')
    yield case('nobody-asks', elsewhere(peer('202')), bring(headers=TOKEN), told(), bring(), told(), drop(), told(), profiles=('noauth',), group='main')
