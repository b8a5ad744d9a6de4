#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""listing.py SOURCE [--print]: is the machine code in docs/FASTPATH.md what the compiler makes of queue.h?

Each function, or a stretch of one, stands there in a block of code of its own: an instruction a line, and
what stands behind two slashes is ours. --print shows what is to be copied. Only gcc 12 for x86-64 is compared.
"""
import os
import re
import subprocess
import sys

FUNCTIONS = ['bell_queue_notify', 'bell_queue_poll', 'bell__queue_take', 'bell__queue_take_many']
COMPILER = ['gcc', '-O2', '-std=gnu11', '-D_GNU_SOURCE', '-fno-asynchronous-unwind-tables', '-S', '-o', '-']


def compiled(source):
    """{function: its lines}, labels numbered in the order in which they stand."""
    assembly = subprocess.run(COMPILER + ['-I', os.path.join(source, 'include'),
                                          os.path.join(source, 'src', 'core', 'symbols.c')],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
    found = {}
    for name in FUNCTIONS:
        body = re.search(r'^%s:\n(.*?)^\t\.size\t%s,' % (name, name), assembly, re.M | re.S)[1]
        lines = [re.sub(r'\s+', ' ', line).strip() for line in body.split('\n')]
        lines = [line for line in lines if re.match(r'\.L\d+:$|[a-z]', line)]
        used = [line[:-1] for line in lines if line[-1] == ':']
        for i, label in enumerate(used):
            lines = [re.sub(re.escape(label) + r'\b', 'L%d' % (i + 1), line) for line in lines]
        found[name] = lines
    return found


def documented(source):
    """[(function, its lines)] of the page."""
    with open(os.path.join(source, 'docs', 'FASTPATH.md'), encoding='utf-8') as f:
        blocks = re.findall(r'^```asm\n(.*?)^```', f.read(), re.M | re.S)
    lines = [[re.sub(r'//.*', '', line).strip() for line in block.split('\n')] for block in blocks]
    lines = [[re.sub(r'\s+', ' ', line) for line in block if line] for block in lines]
    return [(block[0].rstrip(':'), block[1:]) for block in lines]


def main():
    source = os.path.abspath(sys.argv[1])
    version, machine = (subprocess.run(['gcc', option], stdout=subprocess.PIPE, text=True, check=True).stdout
                        for option in ('-dumpversion', '-dumpmachine'))
    if '--print' in sys.argv:
        for name, lines in compiled(source).items():
            print('```asm\n%s:' % name)
            print('\n'.join('    ' + line if line[-1] != ':' else line for line in lines) + '\n```\n')
        return 0
    if version.split('.')[0].strip() != '12' or 'x86_64' not in machine:
        print('1..0 # SKIP the page shows what gcc 12 makes for x86-64')
        return 0
    code, page, failed = compiled(source), documented(source), 0
    print('1..%d' % len(page))
    for i, (name, lines) in enumerate(page, 1):
        same = '\n%s\n' % '\n'.join(lines) in '\n%s\n' % '\n'.join(code[name])
        failed += not same
        print('%s %d - docs/FASTPATH.md shows code of %s' % ('ok' if same else 'not ok', i, name))
    if {name for name, _ in page} != set(FUNCTIONS):
        print('# it is to show', *FUNCTIONS)
        failed += 1
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
