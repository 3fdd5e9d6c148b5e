# SPDX-License-Identifier: Apache-2.0
"""Tests reach the service's database through tests/e2e/database.py alone, and it does what it says."""
import glob
import os
import re
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'e2e'))
import database  # noqa: E402


@pytest.fixture
def numbers(tmp_path):
    db = database.Database('sqlite:///%s/n%%20o.sqlite' % tmp_path)
    db.execute('create table numbers (n integer)')
    assert os.listdir(tmp_path) == ['n o.sqlite']
    return db


def test_no_test_opens_the_database_by_itself():
    for path in glob.glob(os.path.join(TOP, 'tests', '**', '*.py'), recursive=True):
        with open(path) as f:
            direct = re.search(r'^\s*(import|from) sqlite3\b', f.read(), re.M)
        assert not direct or path.endswith('e2e/database.py'), path


def test_query_and_execute(numbers):
    assert numbers.query('insert into numbers values (?), (?)', 1, 2) == []
    assert numbers.execute('update numbers set n = n + ? where n > ?', 5, 1) == 1
    assert numbers.query('select n from numbers order by n') == [(1,), (7,)]


def test_a_connection_commits_or_rolls_back(numbers):
    with numbers.connect() as connection:
        connection.execute('insert into numbers values (1)')
    with pytest.raises(KeyError), numbers.connect() as connection:
        connection.execute('insert into numbers values (2)')
        raise KeyError
    assert numbers.query('select n from numbers') == [(1,)]


def test_locked_keeps_writers_out(numbers):
    with numbers.locked():
        with pytest.raises(database.Busy), numbers.connect(timeout=0) as connection:
            connection.execute('insert into numbers values (1)')
    assert numbers.query('select n from numbers') == []


def test_the_configuration_says_where(tmp_path):
    (tmp_path / 'conf').write_text('[DEFAULT]\na = 1\na = 2\n[database]\nconnection = sqlite:///%s/db\n' % tmp_path)
    db = database.of_configuration(str(tmp_path / 'conf'))
    assert db.query('select 1') == [(1,)] and os.path.exists(tmp_path / 'db')


def test_an_engine_that_is_not_known_is_said():
    with pytest.raises(ValueError, match='oracle'):
        database.Database('oracle://u:p@host/glance')
