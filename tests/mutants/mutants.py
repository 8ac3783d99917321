#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mutants.py [--seed N] [--count N] --tests NAME... -- FILE...

Breaks C files in small seeded ways, one at a time, and asks whether the named tests notice: a mutant
is killed when one of them fails (or hangs), else it survived and is printed. Works on a copy of the
tree below build/mutants, so nothing here changes. NAMEs are those of `meson test --list`, stars
allowed: 'jose/*' vectors/jose fuzz/jwt. Survivors that change nothing that anybody could see are named in
equivalent.txt with the reason, and counted apart. Exit 1 when fewer than --goal percent are killed."""
import argparse
import fnmatch
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'tools'))
import tree  # noqa: E402

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {**os.environ,
               'LSAN_OPTIONS': f'suppressions={tree.ROOT}/tools/lsan.supp:print_suppressions=0'}


class Mutant(NamedTuple):
    file: str
    start: int
    end: int
    new: str
    what: str

    def line(self, text):
        return text.count('\n', 0, self.start) + 1


# (name, pattern over code without comments and strings, replacements of group 1). A site is one
# match; each replacement is a mutant of its own.
SWAPS = (
    ('compare', re.compile(r'(?<=[\w)\] ])\s(==|!=|<=|>=|<|>)\s(?=[\w(&*!\-\'" ])'),
     {'==': ['!='], '!=': ['=='], '<': ['<=', '>='], '<=': ['<', '>'], '>': ['>=', '<='],
      '>=': ['>', '<']}),
    ('logic', re.compile(r'\s(&&|\|\|)(?=\s)'), {'&&': ['||'], '||': ['&&']}),
    ('arithmetic', re.compile(r'(?<=[\w)\]])\s([+\-])\s(?=[\w(])'), {'+': ['-'], '-': ['+']}),
    ('verdict', re.compile(r'\breturn (true|false);'), {'true': ['false'], 'false': ['true']}),
)
NEGATION = re.compile(r'(?<=[(\s])(!)(?=[\w(*])')
NUMBER = re.compile(r'(?<![\w.])(\d+)(?![\w.])')
RETURNED = re.compile(r'\breturn ((?:ERR|JWT|DECISION|AUTH)_(?!OK\b)[A-Z_0-9]+);')
OK_OF = {'ERR': 'ERR_OK', 'JWT': 'JWT_OK', 'DECISION': 'DECISION_ALLOW', 'AUTH': 'AUTH_ALLOW'}
GUARD = re.compile(r'\bif \(')
LEAVES = re.compile(r'\s*\{?\s*(return|goto|continue|break)\b')


def closing(code, at):
    """The index behind the parenthesis that closes the one at `at`."""
    depth = 0
    for i in range(at, len(code)):
        depth += {'(': 1, ')': -1}.get(code[i], 0)
        if depth == 0:
            return i + 1
    return len(code)


def sites(name, text):
    """Every mutant of one file, in the order of the text."""
    code = re.sub(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', lambda m: re.sub(r'[^\n]', ' ', m.group()),
                  tree.code_only(text), flags=re.M)
    found = []

    def add(start, end, new, what):
        found.append(Mutant(name, start, end, new, what))

    for what, pattern, table in SWAPS:
        for m in pattern.finditer(code):
            for new in table[m[1]]:
                add(m.start(1), m.end(1), new, what)
    for m in NEGATION.finditer(code):
        add(m.start(1), m.end(1), '', 'negation')
    for m in NUMBER.finditer(code):
        number = int(m[1]) if not (len(m[1]) > 1 and m[1][0] == '0') else int(m[1], 8)
        add(m.start(1), m.end(1), str(number + 1), 'number')
        if number > 1:
            add(m.start(1), m.end(1), str(number - 1), 'number')
    for m in RETURNED.finditer(code):
        add(m.start(1), m.end(1), OK_OF[m[1].split('_')[0]], 'refusal')
    for m in GUARD.finditer(code):
        end = closing(code, m.end() - 1)
        if LEAVES.match(code, end):
            add(m.end() - 1, end, '(0)', 'guard')
    return sorted(found)


def counts(text, mutant):
    """Lines of code inside functions. An ASSERT guards what cannot be: no test can make it speak."""
    start = text.rfind('\n', 0, mutant.start) + 1
    return text[start:start + 1] in (' ', '\t') and 'ASSERT(' not in text[start:mutant.start]


class Workshop:
    """The copy of the tree, its build directory, and the tests that judge."""

    def __init__(self, patterns, jobs):
        self.base = tree.ROOT / 'build' / 'mutants'
        self.tree = self.base / 'tree'
        self.build = self.base / 'build'
        self.jobs = str(jobs)
        self.copy()
        self.configure()
        self.tests = self.choose(patterns)
        self.targets = sorted({target for test in self.tests for target in self.built(test)})

    def copy(self):
        for name in tree.paths(''):
            here, there = tree.ROOT / name, self.tree / name
            if there.exists() and there.read_bytes() == here.read_bytes():
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(here, there)
            os.utime(there)
        shared, link = (tree.ROOT / '..' / 'shared').resolve(), self.base / 'shared'
        if shared.exists() and not link.exists():
            link.symlink_to(shared)
        unpacked = tree.ROOT / 'build' / 'node-llhttp'
        if unpacked.exists() and not (self.tree / 'build' / 'node-llhttp').exists():
            (self.tree / 'build').mkdir(exist_ok=True)
            (self.tree / 'build' / 'node-llhttp').symlink_to(unpacked)

    def configure(self):
        if not (self.build / 'build.ninja').exists():
            subprocess.run(['meson', 'setup', self.build, self.tree, '-Dwerror=false', '-Doptimization=0',
                            '-Db_sanitize=address,undefined', '-Ddebug=false'],
                           check=True, stdout=subprocess.DEVNULL)
        # The list of tests is Meson's of its last configuration: bring that up to date first.
        subprocess.run(['ninja', '-C', self.build, 'build.ninja'], check=True, stdout=subprocess.DEVNULL)

    def choose(self, patterns):
        out = subprocess.run(['meson', 'introspect', '--tests', self.build], check=True,
                             capture_output=True, text=True).stdout
        chosen = [t for t in json.loads(out) if any(fnmatch.fnmatch(t['name'], p) for p in patterns)]
        if not chosen:
            sys.exit(f'mutants: no test is named {" ".join(patterns)}')
        return chosen

    def built(self, test):
        """What of a test's command the build makes: the program, or what a script is given."""
        paths = [os.path.normpath(self.build / part) for part in test['cmd'] if '/' in part]
        return [os.path.relpath(path, self.build) for path in paths
                if path.startswith(str(self.build) + os.sep)]

    def compile(self):
        return subprocess.run(['ninja', '-C', self.build, '-j', self.jobs, *self.targets],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    def killer(self, patience):
        """The name of the first test that fails; None when all pass."""
        for test in sorted(self.tests, key=lambda t: t.get('took', 0)):
            began = time.monotonic()
            limit = max(10, 10 * test.get('took', 6)) if patience else test['timeout']
            with subprocess.Popen(test['cmd'], env={**ENVIRONMENT, **test['env']}, cwd=self.build,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  start_new_session=True) as run:
                try:
                    said, _ = run.communicate(timeout=limit)
                except subprocess.TimeoutExpired:
                    os.killpg(run.pid, signal.SIGKILL)
                    return test['name'] + ' (hangs)'
            if run.returncode != 0 or re.search(rb'^not ok', said, re.M):
                return test['name']
            test['took'] = time.monotonic() - began
        return None


def equivalents():
    """{(file, line text, mutant text)} of equivalent.txt: FILE | old line | new line | reason."""
    path, known = HERE / 'equivalent.txt', set()
    for line in path.read_text(encoding='utf-8').splitlines() if path.exists() else []:
        parts = [part.strip() for part in line.split(' | ')]
        if len(parts) == 4 and not line.startswith('#'):
            known.add(tuple(parts[:3]))
    return known


def changed_line(text, mutant):
    """(old line, new line), both stripped."""
    start = text.rfind('\n', 0, mutant.start) + 1
    end = text.find('\n', mutant.end)
    old = text[start:end]
    new = text[start:mutant.start] + mutant.new + text[mutant.end:end]
    return ' '.join(old.split()), ' '.join(new.split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--count', type=int, default=70)
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--goal', type=float, default=95)
    parser.add_argument('--tests', nargs='+', required=True)
    parser.add_argument('files', nargs='+')
    options = parser.parse_args()

    texts = {name: tree.read(name) for name in options.files if not tree.is_test(name)}
    all_sites = [m for name, text in sorted(texts.items()) for m in sites(name, text)
                 if counts(text, m)]
    random.Random(options.seed).shuffle(all_sites)
    shop = Workshop(options.tests, options.jobs)
    for name in texts:
        (shop.tree / name).write_text(texts[name], encoding='utf-8')
    if not shop.compile():
        sys.exit('mutants: the tree does not build as it is')
    if (sick := shop.killer(False)) is not None:
        sys.exit(f'mutants: {sick} fails as it is')

    known, killed, survived, same, stillborn = equivalents(), [], [], [], 0
    for mutant in all_sites:
        if len(killed) + len(survived) + len(same) == options.count:
            break
        text = texts[mutant.file]
        old, new = changed_line(text, mutant)
        place = f'{mutant.file}:{mutant.line(text)}: {mutant.what}: {old}  ->  {new}'
        path = shop.tree / mutant.file
        path.write_text(text[:mutant.start] + mutant.new + text[mutant.end:], encoding='utf-8')
        try:
            if not shop.compile():
                stillborn += 1
                continue
            by = shop.killer(True)
        finally:
            path.write_text(text, encoding='utf-8')
        if by is not None:
            killed.append(mutant)
            print(f'killed   {place}   by {by}', flush=True)
        elif (mutant.file, old, new) in known:
            same.append(mutant)
            print(f'same     {place}', flush=True)
        else:
            survived.append(mutant)
            print(f'SURVIVED {place}', flush=True)
    judged = len(killed) + len(survived)
    score = 100 * len(killed) / judged if judged else 0
    print(f'mutants: seed {options.seed}, {len(all_sites)} sites, {judged + len(same)} tried: '
          f'{len(killed)} killed, {len(survived)} survived, {len(same)} equivalent, '
          f'{stillborn} did not compile; {score:.1f} % killed, goal {options.goal:g}')
    sys.exit(0 if judged and score >= options.goal else 1)


if __name__ == '__main__':
    main()
