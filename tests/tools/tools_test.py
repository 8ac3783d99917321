#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checking tools, run as programs over small trees made for the purpose: what each must find, and
what it must let pass."""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
MESON = """rooms = {
    'base': {'deps': [], 'rooms': []},
    'run': {'deps': [], 'rooms': ['base']},
}
"""


class Tree(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix='ropeline-tools-'))
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copytree(TOOLS, self.root / 'tools', ignore=shutil.ignore_patterns('__pycache__'))
        self.write('meson.build', MESON)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')

    def run_tool(self, tool, *args):
        """(exit code, all that it printed)"""
        done = subprocess.run(['python3', self.root / 'tools' / f'{tool}.py', *args],
                              cwd='/', capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def assert_found(self, tool, *findings):
        code, said = self.run_tool(tool)
        for finding in findings:
            self.assertIn(finding, said)
        self.assertEqual(code, 1, said)

    def assert_fine(self, tool, *notes):
        code, said = self.run_tool(tool)
        for note in notes:
            self.assertIn(note, said)
        self.assertEqual(code, 0, said)


class Rooms(Tree):
    def test_stairs_down_are_free(self):
        self.write('src/run/loop.c', '#include <uv.h>\n#include "base/buf.h"\n#include "run_int.h"\n')
        self.assert_fine('rooms', 'run')

    def test_stairs_up_are_a_finding_with_file_and_line(self):
        self.write('src/base/buf.c', '\n#include "run/run.h"\n')
        self.assert_found('rooms', 'src/base/buf.c:2: ', 'base may include nothing, not run')

    def test_private_headers_stay_in_their_room(self):
        self.write('src/run/loop.c', '#include "base/base_int.h"\n')
        self.assert_found('rooms', 'private to base')

    def test_libraries_have_their_rooms(self):
        self.write('src/policy/parse.c', '#include <jansson.h>\n')
        self.assert_found('rooms', 'jansson belongs to base')

    def test_paths_out_of_a_room_are_refused(self):
        self.write('src/base/buf.c', '#include "../run/run.h"\n')
        self.assert_found('rooms', 'name a header by its room')

    def test_a_room_that_is_not_on_the_map(self):
        self.write('src/attic/box.c', '')
        self.assert_found('rooms', 'there is no room attic/')

    def test_meson_must_say_the_same(self):
        self.write('meson.build', MESON.replace("'rooms': []", "'rooms': ['run']"))
        self.assert_found('rooms', "meson.build:2: 'base' must not have run")
        self.write('meson.build', MESON.replace("['base']", '[]'))
        self.assert_found('rooms', "meson.build:3: 'run' lacks base")


class Banned(Tree):
    def test_a_call_is_found(self):
        self.write('src/run/loop.c', 'int f(char *p)\n{\n    return atoi(p);\n}\n')
        self.assert_found('banned', 'src/run/loop.c:3: atoi')

    def test_words_that_are_no_calls_pass(self):
        self.write('src/run/loop.c', '/* free(p) */\nconst char *s = "atoi(p)";\n'
                                     'void g(void) { mem_free(0); x->free(y); gmtime_r(a, b); }\n')
        self.assert_fine('banned', '0 allowed')

    def test_a_reason_allows_and_is_told(self):
        self.write('src/run/loop.c', 'void f(void) { free(l); } /* allowed: getline made it */\n')
        self.assert_fine('banned', 'getline made it', '1 allowed')

    def test_statements_are_constants(self):
        self.write('src/run/loop.c', 'static const struct stmt STMT_a = SQL("SELECT $1");\n'
                                     'void f(const struct stmt *s) { if (s->sql == a) run(s); }\n')
        self.write('src/store/tx.c', 'void f(void) { s.sql = a; }\n')
        self.assert_fine('banned')
        self.write('src/run/loop.c', 'void f(void)\n{\n    struct stmt s = SQL(a);\n    t->sql = a;\n}\n')
        self.assert_found('banned', 'loop.c:3: a statement that is no constant', 'loop.c:4: a statement')

    def test_memory_is_of_base_and_of_tests(self):
        self.write('src/base/mem.c', 'void f(void) { free(malloc(1)); }\n')
        self.write('src/run/loop_test.c', 'void f(void) { free(malloc(1)); }\n')
        self.write('tests/fuzz/a.c', 'void f(void) { strcpy(a, b); }\n')
        self.assert_fine('banned')
        self.write('src/run/loop.c', 'void f(void) { free(malloc(1)); }\n')
        self.assert_found('banned', 'loop.c:1: malloc', 'loop.c:1: free', '2 findings')


class Sizes(Tree):
    @staticmethod
    def function(lines, head=''):
        return head + 'void f(void)\n{\n' + '    x();\n' * lines + '}\n'

    def test_a_long_function_is_found(self):
        self.write('src/run/a.c', self.function(98))
        self.assert_fine('sizes')
        self.write('src/run/a.c', self.function(99))
        self.assert_found('sizes', 'src/run/a.c:2: function of 101 lines')

    def test_a_whole_function_is_told(self):
        self.write('src/run/a.c', self.function(120, '/* whole: one table of cases */\n'))
        self.assert_fine('sizes', 'one table of cases', '1 whole')

    def test_long_files_are_found_and_tables_do_not_count(self):
        self.write('src/run/a.c', 'int x;\n' * 601)
        self.write('src/run/a.h', 'int x;\n' * 201)
        self.write('tests/a.mjs', 'x;\n' * 601)
        self.assert_found('sizes', 'a.c:601: ', 'a.h:201: ', 'a.mjs:601: ', '3 findings')
        for name in ('src/run/a.h', 'tests/a.mjs'):
            (self.root / name).unlink()
        self.write('src/run/a.c', 'static const int t[] = {\n' + '    1,\n' * 700 + '};\n')
        self.write('src/run/a.def', 'X(1)\n' * 700)
        self.assert_fine('sizes')


class Tally(Tree):
    def tally(self, text, *args, name='a.tap'):
        self.write(name, text)
        code, said = self.run_tool('tally', *args, self.root / name)
        return code, said.rstrip().split('\n')[-1], said

    def test_leaves_are_counted(self):
        code, last, _ = self.tally('    ok 1 - kid\n    ok 2 - kid\n    1..2\nok 1 - parent\n'
                                   'ok 2 - b # SKIP no network\n1..2\n')
        self.assertEqual((code, last), (0, '2 passed, 0 failed, 1 skipped'))

    def test_a_failure_is_told_with_its_words(self):
        code, last, said = self.tally('not ok 1 - a\n  error: why\nok 2 - b\n1..2\n')
        self.assertEqual((code, last), (1, '1 passed, 1 failed, 0 skipped'))
        self.assertIn('error: why', said)

    def test_a_parent_that_fails_alone_counts(self):
        self.assertEqual(self.tally('    ok 1 - kid\n    1..1\nnot ok 1 - parent\n1..1\n')[1],
                         '1 passed, 1 failed, 0 skipped')

    def test_no_test_is_a_failure(self):
        self.assertEqual(self.tally('1..0\n')[:2], (1, '0 passed, 0 failed, 0 skipped'))

    def test_an_early_end_is_a_failure(self):
        self.assertEqual(self.tally('ok 1 - a\n')[1], '1 passed, 1 failed, 0 skipped')
        self.assertEqual(self.tally('1..2\nok 1 - a\n')[1], '1 passed, 1 failed, 0 skipped')

    def test_strict_takes_only_two_excuses(self):
        text = 'ok 1 - a\nok 2 - b # SKIP too slow\nok 3 - c # SKIP skipped: ../shared not found\n1..3\n'
        self.assertEqual(self.tally(text)[:2], (0, '1 passed, 0 failed, 2 skipped'))
        self.assertEqual(self.tally(text, '--strict')[:2], (1, '1 passed, 1 failed, 1 skipped'))

    def test_a_program_can_fail_by_its_end(self):
        log = ('{"name": "p", "result": "FAIL", "returncode": 1, "stdout": "ok 1 - a\\n1..1\\n", '
               '"stderr": "leak"}\n')
        code, last, said = self.tally(log, name='a.json')
        self.assertEqual((code, last), (1, '1 passed, 1 failed, 0 skipped'))
        self.assertIn('leak', said)


if __name__ == '__main__':
    unittest.main()
