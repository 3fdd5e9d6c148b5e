# SPDX-License-Identifier: Apache-2.0
"""docs/features.md names tests that exist."""
import fnmatch
import importlib.util
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def case_names():
    spec = importlib.util.spec_from_file_location('oracle', os.path.join(TOP, 'tests', 'oracle', 'oracle.py'))
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    return [case.name for case in oracle.load_cases()]


def test_what_features_name_exists():
    with open(os.path.join(TOP, 'docs', 'features.md')) as f:
        rows = [line.split('|')[1:4] for line in f if re.match(r'\| [A-Z]\d+ \|', line)]
    names = case_names()
    assert len(rows) > 70 and len({row[0] for row in rows}) == len(rows)
    for feature, _, shown in rows:
        for name in re.findall(r'`([^`]+)`', shown):
            if name.endswith('.py'):
                assert os.path.exists(os.path.join(TOP, 'tests', 'e2e', name)), (feature, name)
            else:
                assert fnmatch.filter(names, name), (feature, name)
