# SPDX-License-Identifier: Apache-2.0
"""glint config, and what the configuration does to a start."""
import os
import shutil
import subprocess

import pytest

from database import Database
from glint import GLINT, SLOW


class Place:
    """A directory as the only place where configuration can be found."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.conf = os.path.join(self.directory, 'glance-api.conf')
        self.paste = os.path.join(self.directory, 'glance-api-paste.ini')
        self.env = {k: v for k, v in os.environ.items() if not k.startswith('OS_')}
        self.env.update({'OS_GLANCE_CONFIG_DIR': self.directory, 'HOME': self.directory,
                         'GLINT_DATA_DIR': os.path.join(self.directory, 'data')})

    def write(self, text, name='glance-api.conf'):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def run(self, *words, env=None, program=GLINT):
        return subprocess.run([program, *words], env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30 * SLOW)

    def ok(self, *words, **kw):
        done = self.run(*words, **kw)
        assert done.returncode == 0, done
        return done


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


# ---------------------------------------------------------------- glint config

def test_show_tells_where_values_came_from(place):
    place.write('[DEFAULT]\ndebug = true\n\nworkers = 3\n[database]\n'
                'connection = mysql+pymysql://glance:hunter2@db/glance\n'
                '[keystone_authtoken]\npassword = hunter2\n')
    shown = place.ok('config', 'show', '--bind-port', '1234', env={'OS_DEFAULT__BIND_HOST': '::1'})
    out = shown.stdout
    assert '# %s:2\ndebug = true\n' % place.conf in out
    assert '# %s:4\nworkers = 3\n' % place.conf in out
    assert '# command line\nbind_port = 1234\n' in out
    assert '# environment variable OS_DEFAULT__BIND_HOST\nbind_host = ::1\n' in out
    assert 'connection = mysql+pymysql://glance:****@db/glance\n' in out
    assert 'password = ****\n' in out
    assert 'hunter2' not in out + shown.stderr
    assert 'limit_param_default' not in out
    assert '# default\nlimit_param_default = 25\n' in place.ok('config', 'show', '--all').stdout


def test_show_reads_back(place):
    place.write('[DEFAULT]\ndebug = true\nenabled_import_methods = [web-download]\n[glance_store]\n'
                'filesystem_store_datadirs = /a:1\nfilesystem_store_datadirs = /b:2\n')
    once = place.ok('config', 'show').stdout
    place.write(once)
    twice = place.ok('config', 'show').stdout

    def bare(text):
        return [line for line in text.splitlines() if not line.startswith('#')]
    assert bare(once) == bare(twice)


def test_sample_parses_back_to_the_defaults(place):
    sample = place.ok('config', 'sample').stdout
    place.write(sample)
    assert place.ok('config', 'show').stdout == '# read: %s\n' % place.conf
    lines = []
    for line in sample.splitlines():
        if line.startswith('#') and line[1:2].isalpha() and not line.endswith('='):
            line = line[1:]
        lines.append(line)
    place.write('\n'.join(lines))
    shown = place.ok('config', 'show')
    assert 'image_size_cap = 1099511627776' in shown.stdout
    assert shown.stderr == ''


def test_unknown_and_accepted_options_are_named(place):
    place.write('[DEFAULT]\nshow_image_direct_ulr = true\nhttp_keepalive = false\n[nonsense]\nx = 1\n')
    said = place.ok('config', 'show').stderr
    assert '%s:2: [DEFAULT] show_image_direct_ulr: unknown option, ignored; did you mean show_image_direct_url?' \
        % place.conf in said
    assert '%s:3: [DEFAULT] http_keepalive is accepted and has no effect here' % place.conf in said
    assert '%s:5: [nonsense] x: unknown option, ignored' % place.conf in said


def test_files_in_order(place):
    place.write('[DEFAULT]\nworkers = 1\nbacklog = 1\n', 'glance-image-import.conf')
    place.write('[DEFAULT]\nworkers = 2\n')
    place.write('[DEFAULT]\nbind_port = 5\n', 'glance-api.conf.d/x.conf')
    out = place.ok('config', 'show').stdout
    assert 'workers = 2\n' in out and 'backlog = 1\n' in out and 'bind_port = 5\n' in out
    named = place.write('[DEFAULT]\nworkers = 7\n', 'mine.conf')
    out = place.ok('config', 'show', '--config-file', named).stdout
    assert 'workers = 7\n' in out and 'backlog' not in out


@pytest.mark.parametrize('words, said', [
    (['config'], 'config needs an action'),
    (['nonsense'], "unknown command 'nonsense'"),
    (['serve', '--nonsense'], 'unknown option --nonsense'),
    (['serve', '--config-file'], 'a value must follow --config-file'),
    (['db'], 'db needs an action'),
    (['db', 'nonsense'], "'db nonsense' is not supported"),
])
def test_wrong_usage(place, words, said):
    done = place.run(*words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize('words', [['--help'], ['help', 'serve'], ['serve', '--help'], ['db', '--help'], ['config', '-h']])
def test_help(place, words):
    assert place.ok(*words).stdout.startswith('usage: glint')


def test_version(place):
    assert place.ok('--version').stdout.startswith('glint ')


# ---------------------------------------------------------------- what stops a start

BAD = [
    ('[DEFAULT]\nworkers = many\n', ":2: [DEFAULT] workers: 'many' is not valid: expected an integer from 0 to 1024"),
    ('[DEFAULT]\nbind_port = 70000\n', ":2: [DEFAULT] bind_port: '70000' is not valid: expected a port number from 0 to 65535"),
    ('[DEFAULT]\ndebug = maybe\n', ":2: [DEFAULT] debug: 'maybe' is not valid: expected true or false"),
    ('[DEFAULT]\nenabled_import_methods = web-download\n',
     ":2: [DEFAULT] enabled_import_methods: 'web-download' is not valid: expected a list in brackets, like [a,b]"),
    ('[DEFAULT]\n\nnonsense\n', ":3: no '=' or ':' after the name"),
    ('[DEFAULT\n', ":1: a section must end with ']': '[DEFAULT'"),
    ('[DEFAULT]\nproperty_protection_file = /x\n',
     ':2: property_protection_file: /x: cannot be read: No such file or directory'),
    ('[DEFAULT]\nproperty_protection_file = no-such.conf\n',
     ':2: property_protection_file: there is no no-such.conf beside the configuration'),
    ('[DEFAULT]\nproperty_protection_rule_format = groups\n', ":2: [DEFAULT] property_protection_rule_format: 'groups' is not valid"),
    ('[DEFAULT]\ndelayed_delete = true\n', ':2: [DEFAULT] delayed_delete is not supported yet'),
    ('[DEFAULT]\nmetadata_encryption_key = 0123456789abcdef\n', ':2: [DEFAULT] metadata_encryption_key is not supported yet'),
]


@pytest.mark.parametrize('text, message', BAD)
def test_a_bad_value_stops_the_start_with_file_and_line(place, text, message):
    place.write(text)
    done = place.run('serve')
    assert done.returncode == 1
    assert place.conf + message in done.stderr
    assert '0123456789abcdef' not in done.stderr


@pytest.mark.parametrize('flavor, name, why', [
    ('keystone', 'authtoken', 'Keystone authentication is not supported yet'),
    ('caching', 'cache', 'the image cache is not supported yet'),
    ('keystone+cachemanagement', 'authtoken', 'Keystone authentication is not supported yet'),
])
def test_a_filter_that_is_not_supported_stops_the_start(place, flavor, name, why):
    place.write('[paste_deploy]\nflavor = %s\n' % flavor)
    done = place.run('serve')
    assert done.returncode == 1
    assert "the pipeline contains the filter '%s', and %s" % (name, why) in done.stderr


def test_an_unknown_filter_stops_the_start_by_name(place):
    place.write('[DEFAULT]\n')
    place.write('[pipeline:glance-api]\npipeline = limit rootapp\n[filter:limit]\npaste.filter_factory = our.limit:make\n',
                'glance-api-paste.ini')
    done = place.run('serve')
    assert done.returncode == 1
    assert "%s:4: the filter 'limit' is made by our.limit:make, which is not known here" % place.paste in done.stderr


def test_a_configuration_without_database_stops_the_start(place):
    place.write('[DEFAULT]\ndebug = false\n')
    done = place.run('serve')
    assert done.returncode == 1
    assert '[database] connection is not set' in done.stderr


def test_a_database_without_tables_stops_the_start_with_the_command(place):
    database = os.path.join(place.directory, 'empty.sqlite')
    open(database, 'w').close()
    place.write('[database]\nconnection = sqlite:///%s\n' % database)
    done = place.run('serve', '--config-file', place.conf)
    assert done.returncode == 1
    assert 'has no tables yet: run glint db sync --config-file ' + place.conf in done.stderr


# ---------------------------------------------------------------- the database tool

@pytest.fixture
def manage(place):
    """glance-manage, by a link of that name."""
    link = os.path.join(place.directory, 'glance-manage')
    os.symlink(os.path.abspath(shutil.which(GLINT) or GLINT), link)
    place.write('[database]\nconnection = sqlite:///%s/db.sqlite\n' % place.directory)
    return lambda *words: place.run(*words, program=link)


def test_manage_in_the_order_of_an_upgrade(manage):
    assert manage('db', 'check').returncode != 0
    assert manage('db', 'expand').returncode == 0
    assert manage('db', 'migrate').returncode == 0
    assert manage('db', 'contract').returncode == 0
    done = manage('db', 'check')
    assert done.returncode == 0
    assert done.stdout == 'Database is up to date. No upgrades needed.\n'
    assert manage('db', 'version').stdout == '2024_1_contract01\n'


@pytest.mark.parametrize('words', [['db_sync'], ['db', 'sync'], ['--debug', 'db', 'sync'], ['db', 'upgrade'], ['-v', 'db_upgrade']])
def test_manage_by_its_old_names(manage, words):
    done = manage(*words)
    assert done.returncode == 0, done
    assert manage('db_check').returncode == 0
    assert manage(*words).returncode == 0


@pytest.mark.parametrize('words', [['db', 'purge'], ['db', 'purge', '--age_in_days', '30', '--max_rows=100'], ['db_purge', '--max_rows', '-1'],
                                   ['db', 'purge_images_table', '--age_in_days', '180'], ['db', 'load_metadefs', '/etc/glance/metadefs']])
def test_what_only_glance_does_says_so(place, manage, words):
    done = manage(*words)
    name = ' '.join(words).replace('db_', 'db ').split()[1]
    assert done.returncode == 1 and 'db %s is not implemented yet: run glance-manage db %s of Glance' % (name, name) in done.stderr, done


def test_check_of_an_empty_database_is_3(place, manage):
    open(os.path.join(place.directory, 'db.sqlite'), 'w').close()
    assert manage('db', 'check').returncode == 3
    assert manage('db', 'migrate').returncode == 1
    assert place.run('db', 'check').returncode == 3
    place.ok('db', 'sync')
    assert place.run('db', 'check').returncode == 0


def test_manage_knows_an_older_and_an_unknown_schema(place, manage):
    assert manage('db', 'sync').returncode == 0
    db = Database(os.path.join(place.directory, 'db.sqlite'))
    db.execute("update alembic_version set version_num = 'train_contract01'")
    done = manage('db', 'check')
    assert done.returncode == 3 and 'train_contract01' in done.stdout
    assert manage('db', 'sync').returncode == 1
    served = place.run('serve')
    assert served.returncode == 1 and 'is of an older Glance (train_contract01)' in served.stderr
    db.execute("update alembic_version set version_num = '2099_1_contract01'")
    assert manage('db', 'check').returncode == 1
    assert 'is not known to this version' in manage('db', 'sync').stderr
