#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""memcheck.py SOURCE FOLDER: the programs unit_* of a folder under valgrind: no invalid access, no use
of what was never written, nothing definitely lost. A queue is aligned inside its allocation, so whoever
holds one holds an inner pointer: "possibly lost" is what valgrind calls that, and says nothing.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'api'))
import tap

LEFT_OUT = {
    'unit_queue_new': 'valgrind writes to all of the ten gigabytes that it only allocates, and needs '
                      'address space where the test leaves none',
    'unit_local': 'the same: 64 million tokens, of which few are touched',
    **dict.fromkeys(['unit_threads_order', 'unit_single', 'unit_pipe_threads', 'unit_collector_threads',
                     'unit_collector_waits'],
                    'many rounds between threads, of which valgrind runs one at a time'),
    'unit_arm_history': 'every history of the few calls that unit_arm makes one by one',
}
# Its tests keep state in static variables: a process each, and valgrind in each.
FORKED = {'unit_queue'}
SECONDS = 120

VALGRIND = ['valgrind', '--quiet', '--error-exitcode=99', '--trace-children=yes', '--fair-sched=try',
            '--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite',
            '--suppressions=' + os.path.join(os.path.dirname(os.path.abspath(__file__)), 'memcheck.supp')]
JOBS = 2


def problems(program, forked):
    environment = dict(os.environ, CK_FORK='yes' if forked else 'no', CK_TIMEOUT_MULTIPLIER='10')
    try:
        status, output = tap.run(VALGRIND + [program], timeout=SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        return ['no end after %d seconds' % SECONDS]
    failed = [line for line in output.split('\n') if not line.startswith('ok ')]
    return ['status %d' % status] + failed if status or any('==' in line for line in failed) else []


folder = sys.argv[2]
names = sorted(name for name in os.listdir(folder) if name.startswith('unit_') and '.' not in name)
with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
    found = {name: pool.submit(problems, os.path.join(folder, name), name in FORKED)
             for name in names if name not in LEFT_OUT and shutil.which('valgrind')}
    for name in names:
        title = '%s under valgrind' % name.replace('_', ' ')
        if name in LEFT_OUT:
            tap.skip(title, LEFT_OUT[name])
        elif name not in found:
            tap.skip(title, 'valgrind is not installed')
        else:
            tap.result(title, found[name].result())
tap.result('there are unit tests at all', [] if names else ['none in ' + folder])
tap.done()
