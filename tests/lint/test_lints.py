# SPDX-License-Identifier: Apache-2.0
"""Every lint can fail: each is given a tree with one thing wrong, and the same tree without it."""
import os
import subprocess

import pytest

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools')
LICENCE = '/* SPDX-License-Identifier: Apache-2.0 */\n'


def lint(tool, tree, files):
    for path, text in files.items():
        where = os.path.join(tree, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, 'w') as f:
            f.write(text)
    done = subprocess.run([os.path.join(TOOLS, tool), str(tree)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize('path,include,says', [
    ('src/base/a.c', 'http/http.h', 'base may not include http'),
    ('src/http/a.c', 'base/str.h', None),
    ('src/http/a.c', 'http/own_private.h', None),
    ('src/http/a.c', 'base/config_private.h', 'private to base'),
    ('src/model/a.c', 'db/db.h', None),
    ('src/model/a.c', 'db/driver.h', 'private to db'),
    ('src/db/a.c', 'db/driver.h', None),
    ('src/db/a.c', 'model/model.h', 'db may not include model'),
    ('src/store/a.c', 'db/db.h', 'store may not include db'),
    ('src/api/a.c', 'store/store.h', None),
    ('src/api/a.c', 'store/driver.h', 'private to store'),
    ('src/api/a.c', 'front/http1/http1.h', 'api may not include front'),
    ('src/front/http1/a.c', 'http/http.h', None),
    ('src/front/http1/a.c', 'api/api.h', 'front may not include api'),
    ('src/embed/httpd/a.c', 'host/host.h', None),
    ('src/embed/httpd/a.c', 'db/db.h', 'embed may not include db'),
    ('src/front/http1/a.c', 'model/model.h', 'front may not include model'),
    ('src/main/a.c', 'front/http1/http1.h', None),
    ('src/main/a.c', 'nothing.h', 'not written as'),
    ('src/cellar/a.c', 'base/str.h', 'no such room'),
    ('src/db/sqlite/a.c', 'db/driver.h', None),
    ('src/db/a.c', 'db/sqlite/sqlite.h', None),
    ('src/store/http/a.c', 'store/filesystem/filesystem.h', 'store/http may not include store/filesystem'),
    ('src/model/job/a.c', 'model/image/rows.h', 'private to model/image'),
    ('src/model/a.c', 'db/sqlite/sqlite.h', 'private to db/sqlite'),
])
def test_layers(tmp_path, path, include, says):
    status, output = lint('check-layers', tmp_path, {path: LICENCE + '#include "%s"\n' % include})
    assert (status, says or '') == (1 if says else 0, says or ''), output
    assert (says or '') in output


@pytest.mark.parametrize('files,says', [
    ({'src/model/a.c': 'void upward(void);\nvoid model_a(void)\n{\n    upward();\n}\n', 'src/api/a.c': 'void upward(void)\n{\n}\n'},
     None),     # what no header declares could be another program's
    ({'src/model/model.h': 'void upward(void);\n', 'src/model/a.c': '#include "model/model.h"\nvoid model_a(void)\n{\n    upward();\n}\n',
      'src/api/a.c': 'void upward(void)\n{\n}\n'}, 'src/model/a.c: uses upward() of src/api/a.c, and model may not use api'),
    ({'src/model/model.h': 'void upward(void);\n', 'src/model/a.c': '#include "model/model.h"\nvoid model_a(void)\n{\n    x->upward();\n}\n',
      'src/api/a.c': 'void upward(void)\n{\n}\n'}, None),
    ({'src/model/model.h': 'void upward(void);\n',
      'src/model/a.c': '#include "model/model.h"\nstatic void upward(void)\n{\n}\nvoid model_a(void)\n{\n    upward();\n}\n',
      'src/api/a.c': 'void upward(void)\n{\n}\n'}, None),
    ({'src/db/driver.h': 'extern const struct driver one;\nvoid helper(void);\n',
      'src/db/db.c': '#include "db/driver.h"\nvoid helper(void)\n{\n    use(&one);\n}\n',
      'src/db/sqlite/a.c': '#include "db/driver.h"\nconst struct driver one = { 1 };\nvoid f(void)\n{\n    helper();\n}\n'},
     'a circle between rooms: src/db/db.c -> src/db/sqlite/a.c (one), src/db/sqlite/a.c -> src/db/db.c (helper)'),
    ({'src/db/driver.h': 'extern const struct driver one;\nvoid helper(void);\n', 'src/db/help.c': 'void helper(void)\n{\n}\n',
      'src/db/db.c': '#include "db/driver.h"\nvoid f(void)\n{\n    use(&one);\n}\n',
      'src/db/sqlite/a.c': '#include "db/driver.h"\nconst struct driver one = { 1 };\nvoid g(void)\n{\n    helper();\n}\n'}, None),
])
def test_layers_of_names(tmp_path, files, says):
    status, output = lint('check-layers', tmp_path, {path: LICENCE + text for path, text in files.items()})
    assert status == (1 if says else 0) and (says or '') in output, output


def test_layers_table(tmp_path):
    page = 'docs/ARCHITECTURE.md'
    files = {'src/base/a.c': LICENCE, page: '<!-- tools/check-layers --write makes this table -->\nold\n<!-- end of the table -->\n'}
    status, output = lint('check-layers', tmp_path, files)
    assert status == 1 and 'run tools/check-layers --write' in output
    subprocess.run([os.path.join(TOOLS, 'check-layers'), '--write', str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    assert '| `base/` |' in (tmp_path / page).read_text()
    status, output = lint('check-layers', tmp_path, {})
    assert status == 0, output


@pytest.mark.parametrize('path,line,says', [
    ('src/base/a.c', 'strcpy(a, b);', 'strcpy() is banned'),
    ('src/base/a.c', '/* strcpy(a, b) */', None),
    ('src/base/a.c', 'f("strcpy(a, b)");', None),
    ('src/base/a.c', 'my_strcpy(a, b);', None),
    ('src/base/a.c', 'd->exit(a);', None),
    ('src/base/a.c', 'sprintf (a, b);', 'sprintf() is banned'),
    ('src/base/a.c', 'gmtime_r(a, b);', None),
    ('src/base/a.c', 'exit(1);', 'exit() is banned'),
    ('src/api/a.c', 'db_begin_write(c, e);', 'db_begin_write() is banned: use db_write() with a unit'),
    ('src/main/a.c', 'exit(1);', None),
    ('src/main/a.c', 'system(a);', 'system() is banned'),
    ('src/base/a.c', '#ifdef TEST', 'does not know of tests'),
    ('src/base/a.c', '/* %s: later */' % 'TODO', 'finished work'),
    ('src/api/a.c', 'f("SELECT id FROM images");', 'SQL belongs'),
    ('src/model/a.c', 'f("SELECT id FROM images");', None),
])
def test_banned(tmp_path, path, line, says):
    status, output = lint('check-banned', tmp_path, {path: LICENCE + line + '\n'})
    assert status == (1 if says else 0), output
    assert (says or '') in output


@pytest.mark.parametrize('lines,status,says', [(50, 0, ''), (90, 0, 'warning'), (101, 1, 'a function')])
def test_length_of_functions(tmp_path, lines, status, says):
    text = LICENCE + 'void f(void)\n{\n' + '    g();\n' * (lines - 2) + '}\n'
    got, output = lint('check-length', tmp_path, {'src/base/a.c': text})
    assert got == status and says in output, output


@pytest.mark.parametrize('lines,status,says', [(700, 0, ''), (900, 0, 'warning'), (1001, 1, 'a file')])
def test_length_of_files(tmp_path, lines, status, says):
    got, output = lint('check-length', tmp_path, {'src/base/a.c': LICENCE + 'int x;\n' * (lines - 1)})
    assert got == status and says in output, output


@pytest.mark.parametrize('text,says', [
    (LICENCE + 'int x;\n', None),
    ('int x;\n', 'first line'),
    (LICENCE + 'int x; \n', 'blanks'),
    (LICENCE + '\tint x;\n', 'a tab'),
    (LICENCE + 'int x;', 'one newline'),
    (LICENCE + 'int ' + 'x' * 110 + ';\n', 'columns'),
    (LICENCE + '/* Rules:\n *  1 One.\n *  2 Two. */\n', None),
    (LICENCE + '/* Rules:\n *  1 One. 2 Two. */\n', 'a numbered item in the middle'),
    (LICENCE + '/* Version 1. 2 Gib. */\n', None),
])
def test_text(tmp_path, text, says):
    status, output = lint('check-text', tmp_path, {'src/base/a.c': text})
    assert status == (1 if says else 0), output
    assert (says or '') in output


@pytest.mark.parametrize('text,says', [
    ('word ' * 21, '105 columns of prose'),
    ('word ' * 19, None),
    ('    ' + 'code ' * 21, None),
    ('| ' + 'cell ' * 21 + '|', None),
    ('```\n' + 'code ' * 21 + '\n```', None),
    ('```\ncode\n```\n' + 'word ' * 21, 'a.md:4: 105 columns of prose'),
])
def test_prose_wraps(tmp_path, text, says):
    subprocess.run(['git', 'init', '-q', str(tmp_path)], check=True)
    (tmp_path / 'a.md').write_text(text + '\n')
    subprocess.run(['git', '-C', str(tmp_path), 'add', 'a.md'], check=True)
    status, output = lint('check-text', tmp_path, {'src/base/a.c': LICENCE})
    assert (status == 0) == (says is None), output
    assert says is None or says in output


@pytest.mark.parametrize('name,status', [('a.py', 0), ('a.py.orig', 1), ('a.c.rej', 1), ('a.c~', 1)])
def test_no_tracked_backups(tmp_path, name, status):
    subprocess.run(['git', 'init', '-q', str(tmp_path)], check=True)
    (tmp_path / name).write_text('x\n')
    subprocess.run(['git', '-C', str(tmp_path), 'add', '-f', name], check=True)
    got, output = lint('check-text', tmp_path, {'src/base/a.c': LICENCE + 'int x;\n'})
    assert got == status and ('tracked' in output) == bool(status), output


@pytest.mark.parametrize('case,says', [
    ("client.get('/v2/things/%s/file' % x)", None),
    ("client.request('GET', '/v2/things/a/file')", None),
    ("client.put('/v2/things/%s/file' % x)", 'no end-to-end case asks GET /v2/things/{thing_id}/file'),
    ("client.get('/v2/things/' + x)", 'no end-to-end case'),
])
def test_routes(tmp_path, case, says):
    status, output = lint('check-routes', tmp_path, {
        'src/api/routes.c': LICENCE + 'const struct route routes[] = {\n    { GET, "/v2/things/{thing_id}/file", thing_file, BODY_NONE },\n};\n',
        'tests/e2e/test_things.py': case + '\n'})
    assert status == (1 if says else 0), output
    assert (says or '') in output


def test_routes_by_recorded_requests(tmp_path):
    status, output = lint('check-routes', tmp_path, {
        'src/api/routes.c': LICENCE + '{ DELETE, "/v2/things/{thing_id}", f, BODY_NONE },\n',
        'tests/oracle/recorded/trusted/things.json': '{"a": [{"request": "DELETE /v2/things/<id> as member"}]}'})
    assert status == 0, output


def test_format_can_fail(tmp_path):
    bad = tmp_path / 'bad.c'
    bad.write_text(LICENCE + 'int f(void)\n{\n  return   1;\n}\n')
    style = os.path.join(TOOLS, '..', '.clang-format')
    (tmp_path / '.clang-format').write_text(open(style).read())
    done = subprocess.run([os.path.join(TOOLS, 'check-format'), str(bad)], capture_output=True, text=True)
    assert done.returncode != 0
    done = subprocess.run([os.path.join(TOOLS, 'check-format'), '--fix', str(bad)], capture_output=True, text=True)
    assert done.returncode == 0 and bad.read_text().endswith('    return 1;\n}\n')


def test_format_leaves_comments(tmp_path):
    """Lists and drawings of comments stay as they are written."""
    text = LICENCE + '/* Rules:\n *  1 One.\n *    More of one, ' + 'x' * 60 + '.\n *  2 Two. */\nint x;\n'
    style = os.path.join(TOOLS, '..', '.clang-format')
    (tmp_path / '.clang-format').write_text(open(style).read())
    (tmp_path / 'a.c').write_text(text)
    subprocess.run([os.path.join(TOOLS, 'check-format'), '--fix', str(tmp_path / 'a.c')], check=True)
    assert (tmp_path / 'a.c').read_text() == text


def test_cppcheck_can_fail(tmp_path):
    (tmp_path / 'bad.c').write_text('#include <stdlib.h>\nint f(void)\n{\n    int *p = malloc(4);\n    int a[2] = {1, 2};\n    return a[3] + *p;\n}\n')
    done = subprocess.run([os.path.join(TOOLS, 'check-cppcheck'), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode != 0 and 'arrayIndexOutOfBounds' in done.stdout + done.stderr


def test_tidy_can_fail(tmp_path):
    bad = tmp_path / 'bad.c'
    bad.write_text('#include <string.h>\nint f(const char *s);\nint f(const char *s)\n{\n    return strcmp(s, "a");\n    memset((char *)s, 0, sizeof(s));\n}\n')
    (tmp_path / 'compile_commands.json').write_text('[{"directory": "%s", "file": "%s", "command": "clang -c %s"}]' % (tmp_path, bad, bad))
    done = subprocess.run([os.path.join(TOOLS, 'check-tidy'), str(bad)], capture_output=True, text=True,
                          env={**os.environ, 'TIDY_BUILD': str(tmp_path)})
    assert done.returncode != 0, done.stdout
