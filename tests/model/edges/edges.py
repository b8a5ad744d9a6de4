#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""edges.py ROOT: explore edges.c with GenMC, an edge at a time, where it is installed."""
import os
import shutil
import subprocess
import sys

SINGLE = ['F1', 'F2', 'S1', 'A1', 'A2', 'A2, closed']
EDGES = ['F1', 'F2', 'T1', 'S1', 'A1', 'A2'] + ['%s, single producer' % edge for edge in SINGLE]
root, here = os.path.abspath(sys.argv[1]), os.path.dirname(os.path.abspath(__file__))
genmc = shutil.which('genmc')

print('1..%d' % len(EDGES))
for i, edge in enumerate(EDGES):
    if not genmc:
        print('ok %d - %s # SKIP genmc is not installed' % (i + 1, edge))
        continue
    done = subprocess.run([genmc, '--rc11', '--', '-DGENMC', '-DONLY=%d' % i, '-D_GNU_SOURCE',
                           '-DBELL_PORTABLE_FENCE', '-I' + root + '/include', '-I' + root + '/src',
                           here + '/edges.c'], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print('%sok %d - %s' % ('not ' if done.returncode else '', i + 1, edge), flush=True)
    if done.returncode:
        print('# ' + done.stdout.strip().replace('\n', '\n# '))
