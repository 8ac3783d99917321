# SPDX-License-Identifier: Apache-2.0
"""What the checking tools share: which files there are, and C without its comments and strings.
As a program it prints the files with the suffixes that it is given; --product leaves tests out."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = re.compile(r'^build(-[^/]*)?/|(^|/)(\.git|node_modules|__pycache__|\.ropeline)/')

# Tests and what is made for them; product files obey more rules.
TEST = re.compile(r'^tests/|_(test|fixture|bench|backend|rig)(_\w+)?\.[ch]$')

# A comment, a string or a character constant; the longest alternative that fits stands first.
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def paths(*suffixes, under=''):
    """The tree's own files with one of these suffixes, relative to its root: what git tracks or
    would track; in an unpacked archive, everything but build directories."""
    git = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '-z'],
                         cwd=ROOT, capture_output=True, text=True, check=False)
    if git.returncode == 0 and (ROOT / '.git').exists():
        names = git.stdout.split('\0')
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob('*')]
    return sorted(name for name in set(names)
                  if name.endswith(suffixes) and name.startswith(under)
                  and not NOT_OURS.search(name) and (ROOT / name).is_file())


def is_test(name):
    return bool(TEST.search(name))


def read(name):
    return (ROOT / name).read_text(encoding='utf-8', errors='replace')


def code_only(text):
    """The same text with comments, strings and characters blanked; no line moves."""
    return NOT_CODE.sub(lambda found: re.sub(r'[^\n]', ' ', found.group()), text)


def finish(tool, findings, *notes):
    """Prints notes, then the findings (file:line: message); ends the program."""
    for line in notes:
        print(line)
    for line in findings:
        print(line)
    print(f'{tool}: {len(findings)} findings')
    sys.exit(1 if findings else 0)


if __name__ == '__main__':
    suffixes = [arg for arg in sys.argv[1:] if arg != '--product']
    print('\n'.join(name for name in paths(*suffixes)
                    if '--product' not in sys.argv or not is_test(name)))
