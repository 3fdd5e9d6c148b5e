#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""policy_cases.py > tests/unit/auth/policy-cases.txt     what oslo.policy decides, recorded.

Needs oslo.policy; where Glance can be imported too (the peer's chroot), its default rules are asked as well.  Lines:

    credentials NAME JSON        target NAME JSON
    default NAME JSON-EXPRESSION                     a default rule of Glance
    rules SET JSON                                   what a policy file would say
    ask SET RULE CREDENTIALS VERDICTS                one letter for each target: y, n, or x where it raises

SET is one of the rules lines, or "defaults" (enforce_new_defaults = true) or "widened" (= false).
"""
import json
import logging
import random
import sys
import warnings

from oslo_config import cfg
from oslo_policy import opts, policy

warnings.simplefilter('ignore')
logging.disable(logging.CRITICAL)


def who(project='p1', roles=(), **more):
    keys = ('user_id user_domain_id system_scope domain_id project_id project_domain_id service_user_id '
            'service_user_domain_id service_project_id service_project_domain_id').split()
    values = dict.fromkeys(keys)
    values.update(user_id='u1', project_id=project, roles=list(roles), service_roles=[], is_admin_project=True)
    values.update(more)
    return values


CREDENTIALS = {
    'member': who('p1', ['member', 'reader']),
    'reader': who('p1', ['reader']),
    'admin': who('p0', ['admin', 'member', 'reader']),
    'other': who('p2', ['member', 'reader', 'a.b']),
    'service': who('p9', ['service'], service_roles=['Deep'], service_user_id='s1', service_project_id='sp'),
    'norole': who('p1', [], user_domain_id='default', project_domain_id='default'),
    'nobody': who(None, [], user_id=None),
    'system': who(None, ['admin', 'reader'], system_scope='all'),
    'domain': who(None, ['admin', 'member'], domain_id='d1', is_admin_project=False),
}
TARGETS = {
    'own': {'project_id': 'p1', 'owner': 'p1', 'member_id': None, 'visibility': 'private', 'protected': False, 'size': 5, 'name': 'n'},
    'shared': {'project_id': 'p2', 'owner': 'p2', 'member_id': 'p1', 'visibility': 'shared', 'protected': True, 'size': None, 'name': ''},
    'public': {'project_id': 'p3', 'owner': 'p1', 'member_id': None, 'visibility': 'public', 'protected': True, 'size': -7, 'name': 'admin'},
    'community': {'project_id': 'p3', 'owner': None, 'member_id': None, 'visibility': 'community', 'name': 'a b'},
    'nobodys': {'project_id': None, 'owner': None, 'member_id': None, 'visibility': 'private', 'protected': False, 'size': 0, 'name': 'żółw'},
    'empty': {},
    'odd': {'project_id': '', 'name': "it's \"x\" 100%", 'size': 1234567, 'role': 'READER', 'user': 'u1', 'a(b)c': 'p1', '': 'p1', 'x.y': 'p1'},
}

ATOMS = [
    '@', '!', 'role:admin', 'role:ADMIN', 'role:Reader', 'role:', 'role:%(role)s', 'role:%(name)s', 'role:a.b', 'role:a%(nothing)sb',
    'rule:admin', 'rule:nowhere', 'rule:', 'rule:empty', 'rule:own', 'rule:broken', 'rule:circle_a',
    'project_id:%(project_id)s', 'project_id:%(owner)s', 'project_id:%(member_id)s', 'project_id:p1', 'project_id:None', 'project_id:',
    'user_id:%(user)s', 'user_id:u%(size)s', 'user_id:None', 'user_id:u1', 'tenant:%(project_id)s', 'is_admin:True',
    'roles:admin', 'roles:Admin', 'roles:%(name)s', 'roles.x:admin', 'project_id.x:p1', 'user.id:x', 'service_roles:Deep',
    'service_roles:deep', 'service_roles.x:deep', 'system_scope:all', 'system:all', 'domain_id:d1', 'is_admin_project:True',
    'is_admin_project:False', 'service_user_id:s1', 'service_project_id:sp', 'user_domain_id:default', 'project-id:p1',
    "'public':%(visibility)s", '"public":%(visibility)s', "'a\\x62':ab", "'':%(name)s", 'True:%(protected)s', 'False:%(protected)s',
    'None:%(size)s', 'None:%(member_id)s', '5:%(size)s', '-7:%(size)s', '0:%(size)s', '0x5:%(size)s', '1_234_567:%(size)s', '007:7',
    '1.0:1.0', '1e3:1000.0', '1.50:1.5', '.5:0.5', '1e16:1e+16', '1e-5:1e-05', '0b101:%(size)s', '+5:%(size)s', '1e22:1e+22', '123456.789:123456.789',
    "'5':%(size)d", "'  5':%(size)3s", "'5  ':%(size)-3d", "'005':%(size)03d", "'-07':%(size)03d", "'pu':%(visibility).2s", "'n':%(name)10s",
    "'005':%(size).3d", "'5':%(size)i", "'5':%(size)u", "'ż':%(name).1s", "'p1':%(a(b)c)s", "'p1':%()s", "'p1':%(x.y)s",
    'user_id:%(name)q', 'user_id:%(name', 'user_id:%(name)', 'user_id:100%', 'user_id:%d', 'user_id:%(size)*d',
    "'100%':100%%", "'p1-p1':%(project_id)s-%(owner)s", "'p1p1':%(project_id)s%(owner)s", "'privatep1':%(visibility)s%(project_id)s",
    'nothing', 'nothing:', ':nothing', ':', 'a:b:c', 'if:x', 'a..b:x', 'a.:x', '1a:x', '?:x', "'x:y", "'x'y:z", 'name:%(name)s', "''x':x",
    "'a'", '"a"', "'a':'a'", 'user_id:u1)', '(user_id:u1', '()', ')(', '(@)', '((@))', '(((role:admin)))', '', ' ', '\t',
]
SENTENCES = [
    'role:admin or role:member', 'role:admin and role:member', 'not role:admin', 'not not role:admin', 'NOT role:admin', 'role:admin OR role:service',
    'role:member And role:reader', 'role:admin or role:member and project_id:%(project_id)s', '(role:admin or role:member) and project_id:%(project_id)s',
    'role:member and project_id:%(project_id)s or role:admin', 'role:member and not project_id:%(project_id)s', 'not role:member and role:reader',
    'not (role:member and role:reader)', 'not role:member or role:admin', '@ or !', '@ and !', '! or @', 'not !', 'not @', '! and ! or @', '@ or @ and !',
    '@ and ! or @ and @', '@ or ! and ! or !', '! or ! and @ or ! and @ and @', '(! or @) and (@ or !)', 'not (! or not @)', 'not(@)', 'not (@)', '(not @)',
    '(@ and)', '@ and', 'and @', 'or', 'not', '@ @', '@ or or @', '@ and not', '@ not @', '(@ or !', '@ or !)', '@ (and) @', '@and!', '@ and ( ! )', '( @ )',
    '@ or ( ! and @ )', "role:admin or 'x'", "'x' or role:admin", 'rule:own or rule:admin', 'not rule:nowhere', 'not rule:broken', 'not rule:own',
    'not nothing', 'not nothing:x', 'not user_id:%(nothing)s', 'not user_id:100%', 'user_id:100% or @', '@ or user_id:100%', '! and user_id:100%',
    '@ and user_id:100%', 'not project_id.x:p1', 'not roles.x:y', 'rule:circle_a or @', '@ or rule:circle_a', 'not rule:circle_a', 'rule:long',
    'role:admin\nor\nrole:reader', '  role:admin   or  role:reader ', 'role:admin\tor\trole:reader', '(role:admin)or(role:reader)', '((role:admin)or role:reader)',
    '(project_id:%(project_id)s)', '((project_id:%(project_id)s))', '(project_id:%(project_id)s or @) and (role:reader)',
]
LISTS = [
    [], [[]], [[], []], ['role:admin'], [['role:admin']], [['role:admin', 'role:member']], [['role:admin'], ['role:member']], ['role:admin', 'role:service'],
    [['role:member', 'project_id:%(project_id)s'], ['role:admin']], ['@'], ['!'], [['@', '!']], [['!'], ['@']], ['nothing'], [[], '@'], ['', '@'], [''],
    ['rule:own', 'rule:admin'], [['not role:admin']], ['role:admin or role:member'], [['rule:nowhere']], [['user_id:100%'], '@'], ['@', 'user_id:100%'],
]
BASE = {
    'default': '!', 'admin': 'role:admin', 'own': 'project_id:%(project_id)s', 'empty': '', 'broken': 'and or not', 'circle_a': 'rule:circle_b',
    'circle_b': 'not rule:circle_a', 'long': 'rule:long1',
}


def sentences(seed, n):
    """Sentences of atoms, one in ten of them broken."""
    r = random.Random(seed)
    plain = [a for a in ATOMS if a and not a.isspace()]

    def make(depth):
        kind = r.random()
        if depth == 0 or kind < 0.3:
            return r.choice(plain)
        if kind < 0.45:
            return 'not ' + make(depth - 1)
        if kind < 0.65:
            return '(' + make(depth - 1) + ')'
        return make(depth - 1) + r.choice([' and ', ' or ', '  or ', ' AND ']) + make(depth - 1)

    for _ in range(n):
        text = make(4)
        if r.random() < 0.1:
            at = r.randrange(len(text) + 1)
            text = text[:at] + r.choice([' ', '(', ')', ' and ', ' not ', '%', "'"]) + text[at:]
        yield text


def enforcer(rules=None, **options):
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    opts._register(conf)
    for name, value in options.items():
        conf.set_override(name, value, group='oslo_policy')
    e = policy.Enforcer(conf, use_conf=rules is None)
    e.suppress_default_change_warnings = e.suppress_deprecation_warnings = True
    if rules is not None:
        e.set_rules(policy.Rules.from_dict(rules, 'default'))
    return e


def verdict(e, rule, target, creds):
    try:
        return 'y' if e.enforce(rule, dict(target), dict(creds)) else 'n'
    except (Exception, RecursionError):
        return 'x'


def asked(name, e, rule):
    for who_name, creds in CREDENTIALS.items():
        print('ask', name, rule, who_name, ''.join(verdict(e, rule, t, creds) for t in TARGETS.values()))


def main():
    sys.setrecursionlimit(2000)
    for name, value in CREDENTIALS.items():
        print('credentials', name, json.dumps(value, ensure_ascii=False))
    for name, value in TARGETS.items():
        print('target', name, json.dumps(value, ensure_ascii=False))
    everything = [('atoms', ATOMS), ('sentences', SENTENCES), ('lists', LISTS), ('random', list(sentences(33, 150)))]
    for name, expressions in everything:
        rules = dict(BASE)
        rules.update({'long%d' % i: 'rule:long%d' % (i + 1) for i in range(1, 40)}, long40='role:reader')
        rules.update({'r%d' % i: text for i, text in enumerate(expressions)})
        print('rules', name, json.dumps(rules, ensure_ascii=False))
        e = enforcer(rules)
        for i in range(len(expressions)):
            asked(name, e, 'r%d' % i)
        asked(name, e, 'unknown')
    try:
        from glance import policies
    except ImportError:
        return
    for rule in policies.list_rules():
        print('default', rule.name, json.dumps(rule.check_str))
    for name, strict in (('defaults', True), ('widened', False)):
        e = enforcer(enforce_new_defaults=strict)
        e.register_defaults(policies.list_rules())
        for rule in policies.list_rules():
            asked(name, e, rule.name)


main()
