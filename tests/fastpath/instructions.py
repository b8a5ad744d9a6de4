#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""instructions.py SOURCE COMPILER [--write]: how many instructions the calls cost, counted by callgrind and
not by a clock: the count is the same on a busy machine. More than 2 % above instructions.txt fails.

--write puts what was counted into instructions.txt. The counts belong to a compiler and a processor; for
others there is nothing to compare with, and the test is skipped by name.
"""
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

ROOM = 1.02
HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, 'instructions.txt')
FEW, MANY = 1024, 5120  # calls; the difference is free of what comes before and after them


def compiler_name(compiler):
    """Such as "gcc 12 x86_64"."""
    text = subprocess.run([compiler, '--version'], stdout=subprocess.PIPE, text=True, check=True).stdout
    kind = 'clang' if 'clang' in text else 'gcc'
    return '%s %s %s' % (kind, re.search(r' (\d+)\.\d+\.\d+', text)[1], platform.machine())


def build(source, compiler, directory):
    """The program with the library's own sources in it: no lazy binding, no sanitizer."""
    core = os.path.join(source, 'src', 'core')
    files = [os.path.join(core, name) for name in sorted(os.listdir(core))
             if name.endswith('.c') and name != 'symbols.c']
    program = os.path.join(directory, 'fastpath')
    subprocess.run([compiler, '-O2', '-std=gnu11', '-D_GNU_SOURCE', '-I', os.path.join(source, 'include'),
                    '-I', os.path.join(source, 'src'), os.path.join(HERE, 'fastpath.c'), *files,
                    '-o', program], check=True)
    return program


def collected(program, path, calls):
    run = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
                          '--toggle-collect=counted', program, path, str(calls)],
                         stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r'Collected : (\d+)', run.stderr)[1])


def recorded(compiler):
    """{path: instructions} of this compiler."""
    with open(TABLE, encoding='utf-8') as f:
        rows = [line.rstrip('\n').split('\t') for line in f if line[0] != '#']
    return {path: float(count) for name, path, count in rows if name == compiler}


def write(compiler, counts):
    with open(TABLE, encoding='utf-8') as f:
        lines = [line for line in f if not line.startswith(compiler + '\t')]
    lines += ['%s\t%s\t%.2f\n' % (compiler, path, count) for path, count in counts.items()]
    with open(TABLE, 'w', encoding='utf-8') as f:
        f.writelines([line for line in lines if line[0] == '#'] + sorted(line for line in lines if line[0] != '#'))


def main():
    source, compiler = os.path.abspath(sys.argv[1]), sys.argv[2]
    if not shutil.which('valgrind'):
        print('1..0 # SKIP valgrind is not installed')
        return 0
    name = compiler_name(compiler)
    with tempfile.TemporaryDirectory() as directory:
        program = build(source, compiler, directory)
        paths = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        counts = {path: (collected(program, path, MANY) - collected(program, path, FEW)) / (MANY - FEW)
                  for path in paths}
    if '--write' in sys.argv:
        write(name, counts)
    known, failed = recorded(name), 0
    print('1..%d' % len(paths))
    for i, (path, count) in enumerate(counts.items(), 1):
        if path not in known:
            print('ok %d - %s: %.2f instructions # SKIP %s is not in instructions.txt' % (i, path, count, name))
            continue
        more = count > known[path] * ROOM
        failed += more
        print('%s %d - %s: %.2f instructions, recorded %.2f' % ('not ok' if more else 'ok', i, path, count,
                                                                 known[path]))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
