# SPDX-License-Identifier: Apache-2.0
"""Who may do what to whose image, under each combination of enforce_new_defaults and enforce_scope."""
from make import *

WHO = ['admin', 'adminonly', 'adminnoproject', 'member', 'memberonly', 'reader', 'service', 'other', 'otherreader', 'third', 'norole', 'noproject', 'none']
MATRIX = ('trusted', 'old-defaults', 'old-defaults-scope', 'new-defaults-noscope')
ONE = '/v2/images/<id>'


def everything(who):
    return [show('id', who), get('/v2/images', who), get('/v2/images?visibility=all&member_status=all', who), load('id', who), get(ONE + '/members', who), get(ONE + '/members/<p2>', who),
            patch([{'op': 'add', 'path': '/p', 'value': 'v'}], who=who), patch([{'op': 'replace', 'path': '/visibility', 'value': 'community'}], who=who),
            patch([{'op': 'replace', 'path': '/visibility', 'value': 'public'}], who=who), patch([{'op': 'replace', 'path': '/owner', 'value': '<p3>'}], who=who),
            step('PUT', ONE + '/tags/t', who), step('DELETE', ONE + '/tags/nope', who), post(ONE + '/members', {'member': '<p3>'}, who), step('PUT', ONE + '/members/<p2>', who, json={'status': 'rejected'}),
            step('DELETE', ONE + '/members/<p2>', who), put(b'again', 'id', who), act('deactivate', who=who), load('id', who), act('reactivate', who=who), delete(ONE, who), show('id', 'admin')]


def cases():
    for visibility in ('private', 'shared', 'community', 'public'):
        for who in WHO:
            yield case('%s:%s' % (visibility, who), active('id', 'admin', b'0123456789', owner='<p1>', visibility=visibility), member(status='accepted') if visibility == 'shared' else [], everything(who), profiles=MATRIX)
    for who in WHO:
        yield case('create:' + who, create({'id': '<id>'}, who), create({'id': '<id>', 'visibility': 'public'}, who), create({'id': '<id>', 'visibility': 'community'}, who), create({'id': '<id>', 'owner': '<p3>'}, who), profiles=MATRIX)
        yield case('upload:' + who, bare('id', 'admin', owner='<p1>'), put(b'x', 'id', who), show('id', 'admin'), profiles=MATRIX)
        yield case('missing:' + who, everything(who)[:-1], profiles=MATRIX)
        yield case('protected:' + who, active('id', 'admin', b'x', owner='<p1>', protected=True), delete(ONE, who), show('id', 'admin'), profiles=MATRIX)
