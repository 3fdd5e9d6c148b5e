# SPDX-License-Identifier: Apache-2.0
"""Random property protection files against Python's configparser and re, which are what Glance reads them with."""
import configparser
import os
import re
import signal
import warnings

from chance import draw
from glint import Client, eventually, identity

OPERATIONS = ('create', 'read', 'update', 'delete')
ROLES = ('admin', 'one', 'two', 'member')
NAMES = ['a', 'b', 'ab', 'aab', 'x_a', 'xa_b', 'A', 'ł', 'Ał', '1', '42', '-', '[a]', 'a]', '[:a', 'a.b', 'a\nb', 'a\n', '_', '{,2}', ' ', 'x y', '\t',
         'os_glancex', 'a_os_glance', 'hw_disk_bus', 'aaaaaaaaaaaaaaaaaaaaaaaa']
# What a pattern is made of. Left out is where the releases of Python differ (\B, \z), and what PCRE allows and Python does not:
# alternatives of several lengths after (?<=, and a reference to a group from within.
PIECES = ['a', 'b', 'x', 'A', '_', 'ł', '.', '.', '*', '+', '?', '|', '(', ')', '(?:', '(?=', '(?!', '(?<=x)', '(?<!x)', '(?P<n>a)', '(a)\\1',
          '(?i:', '[', '[^', ']', '-', '\\d', '\\w', '\\s', '\\b', '\\A', '\\Z', '\\.', '\\n', '\\t', '\\v', '\\x41', '\\u0142', '\\101', '\\0',
          '\\11', '\\[', '\\]', '^', '^', '$', '{', '}', '{2}', '{,2}', '{1,}', '[:a', '[:a:]', '[a-z]', '\\', '\\Q', '\\h', '(*', '(?#', '*+', '(?>',
          'os_glance']
VALUES = ['@', '!', '', 'admin', 'one', 'One, two', 'two,\n  admin', 'one,\n\n\tTWO', 'one,\n# a remark\n two', '%(keepers)s', '%(KEEPERS)s,one', 'a%%b',
          '@, one', '!, one', ',', 'one,']
WRONG = ['@,!', '%', '%(nothing)s', '%(read)s', 'one,\nnext']


def pattern(chance):
    if chance.random() < 0.2:
        return chance.choice(['.*', '^a', 'a$', '^[^a]', '\\d', 'x_', '^(a|b)+$'])
    return ''.join(chance.choice(PIECES) for _ in range(chance.randint(1, 5)))


def good_pattern(chance):
    while True:
        text = pattern(chance)
        try:
            re.compile(text)
        except (re.error, OverflowError, ValueError):
            continue
        return text


def file(chance, wrong):
    """A protection file; wrong: one in which something probably is."""
    lines = ['# a remark', '[DEFAULT]', 'keepers = admin, two', chance.choice(['delete = one', 'x : y', ''])]
    for _ in range(chance.randint(1, 6)):
        made = pattern(chance) if wrong and chance.random() < 0.2 else good_pattern(chance)
        lines.append('[%s]%s' % (made, chance.choice(['', '', ' beyond'])))
        for name in chance.sample(OPERATIONS, 4 if not wrong or chance.random() < 0.9 else 3):
            value = chance.choice(WRONG if wrong and chance.random() < 0.05 else VALUES)
            lines.append(chance.choice(['', '', '  ']) + chance.choice([name, name.title()]) + chance.choice(['=', ' = ', ' : ']) + value)
    return chance.choice(['\n', '\n', '\r\n']).join(lines) + '\n'


def understood(text):
    """[(pattern, {operation: roles})], or None where Glance would not read the file."""
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text.replace('\r\n', '\n'))
        found = []
        for section in parser.sections():
            if section.startswith('os_glance'):
                continue
            if set(parser[section]) - set(parser.defaults()) - set(OPERATIONS):
                return None     # an operation that there is not: refused by us alone
            rights = {name: [role.strip().lower() for role in parser.get(section, name).split(',')] for name in OPERATIONS}
            if any('@' in roles and '!' in roles for roles in rights.values()):
                return None
            found.append((re.compile(section), rights))
        return found
    except (configparser.Error, re.error, OverflowError, ValueError):
        return None


def may(rules, name, operation, role):
    if name.startswith('os_glance'):
        return True
    for compiled, rights in rules:
        if compiled.search(name):
            roles = rights[operation]
            return '!' not in roles and ('@' in roles or role in roles)
    return False


def reload(server):
    """SIGHUP; whether the new files are in force."""
    at = len(server.log())
    server.process.send_signal(signal.SIGHUP)
    ends = ('the configuration is read again', 'the configuration stays as it was')
    assert eventually(lambda: any(end in server.log()[at:] for end in ends))
    return ends[0] in server.log()[at:]


def test_files_mean_what_python_makes_of_them(glint_server, tmp_path):
    warnings.simplefilter('ignore')     # Python says what it thinks of "[["
    (tmp_path / 'policy.yaml').write_text('get_image: "@"\nadd_image: "@"\n')
    server = glint_server(tmp_path, trusted=True, config={'glint': {'access_log': 'false'}})
    clients = {role: Client(server.host, server.port) for role in ROLES}
    for role, client in clients.items():
        client.identity = identity('project-1', role)
    image = clients['admin'].create()['id']
    for name in NAMES:
        server.sql("insert into image_properties (image_id, name, value, created_at, deleted) values (?, ?, 'v', "
                   "'2020-01-01 00:00:00.000000', 0)", image, name)
    server.configure({'glint': {'access_log': 'false'}, 'DEFAULT': {'property_protection_file': 'protect.conf'}})
    in_force = []

    def follow(text):
        with open(os.path.join(server.directory, 'protect.conf'), 'w', newline='') as f:
            f.write(text)
        rules = understood(text)
        assert reload(server) == (rules is not None), '%r\n%s' % (text, server.log()[-300:])
        in_force[:] = in_force if rules is None else rules

    def check(chance):
        text, rules = file(chance, chance.random() < 0.5), in_force
        follow(text)
        for role, client in clients.items():
            seen = set(client.show(image))
            for name in NAMES:
                assert (name in seen) == may(rules, name, 'read', role), (text, role, name)
        role, name = chance.choice(ROLES), chance.choice([n for n in NAMES if not n.startswith('os_glance')])
        answer = clients[role].post('/v2/images', json={name: 'v'})
        assert answer.status == (201 if may(rules, name, 'create', role) else 403), (text, role, name, answer)
        if answer.status == 201:
            assert clients['admin'].delete('/v2/images/' + answer.json['id']).status == 204

    follow('[.*]\ncreate = @\nread = @\nupdate = @\ndelete = @\n')
    draw(check)
