#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cross.py SOURCE [MACHINE...]: the unit tests and short litmus races, built for other machines and run.

32-bit x86 runs here; arm64 and riscv64 run in qemu-user, which has neither io_uring nor epoll_pwait2.
It does not reorder as the machines may: this shows that the code and the kernel's interface are right
there; the order is for codegen.py and the models. libcheck is for this machine only, so the tests are
built with check/check.h in its place.
"""
import os
import platform
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'api'))
import tap

MACHINES = [  # name, compiler, what runs its programs
    ('i686', 'i686-linux-gnu-gcc', None if platform.machine() in ('x86_64', 'i686') else 'qemu-i386'),
    ('arm64', 'aarch64-linux-gnu-gcc', None if platform.machine() == 'aarch64' else 'qemu-aarch64'),
    ('riscv64', 'riscv64-linux-gnu-gcc', None if platform.machine() == 'riscv64' else 'qemu-riscv64'),
]

UNEMULATED = {
    **dict.fromkeys(['queue_new', 'local'], 'limits the address space, and in an emulator that is not the program\'s own'),
    **dict.fromkeys(['threads', 'threads_order', 'threads_close', 'single', 'permit_threads', 'permit_races',
                     'collector_threads', 'collector_waits', 'hub_storm', 'pipe_threads'],
                    'many rounds between threads, too slow in an emulator'),
}
SHARED = {'helpers', 'load'}  # parts of the unit tests, not programs

RACES = {  # program: its sources; arguments of each run
    'litmus': (['litmus.c', 'receivers.c'], [[race, '--mode', mode, '--rounds', '1000'] for race, mode in (
        ('data', 'spin'), ('data', 'level'), ('data', 'edge'), ('data', 'wait'),
        ('sleep', 'level'), ('sleep', 'edge'), ('sleep', 'wait'))]),
    'batches': (['batches.c'], [['2000']]),
}
SECONDS = 120  # that a program may take
# Meson's own MALLOC_PERTURB_ makes calloc touch every page, of gigabytes in queue_new.
ENVIRONMENT = dict(os.environ, CK_TIMEOUT_MULTIPLIER='4', MALLOC_PERTURB_='0')
INCLUDES = ['include', 'src', 'tests/machine/check', 'tests', 'tests/unit', 'tests/stress']


def compile_to(out, compiler, sources, extra):
    return tap.run([compiler, '-std=gnu11', '-O2', '-D_GNU_SOURCE', '-Wall', '-static', '-pthread',
                    *('-I' + tap.path(folder) for folder in INCLUDES), *extra, '-o', out, *sources])


def outcome(command):
    """A list of what went wrong in one program."""
    try:
        status, output = tap.run(command, timeout=SECONDS, env=ENVIRONMENT)
    except subprocess.TimeoutExpired:
        return ['no end after %d seconds' % SECONDS]
    return ['status %d' % status, output] if status else []


def run_machine(name, compiler, emulator, folder):
    objects = []
    for file in tap.files(['src/core', 'src/sync', 'src/stream', 'src/hub', 'src/ipc'], ['.c']) + ['tests/machine/check/check.c', 'tests/runner.c'] + \
            ['tests/unit/%s.c' % part for part in sorted(SHARED)]:
        objects.append(os.path.join(folder, file.replace('/', '-') + '.o'))
        status, output = compile_to(objects[-1], compiler, [tap.path(file)], ['-c'])
        if status or 'warning' in output:
            tap.result('%s: %s compiles without a warning' % (name, file), [output])
            if status:
                return
    run = [emulator] if emulator else []
    for file in tap.files(['tests/unit'], ['.c']):
        unit = os.path.basename(file)[:-2]
        title = '%s: unit %s' % (name, unit.replace('_', ' '))
        if unit in SHARED:
            continue
        if emulator and unit in UNEMULATED:
            tap.skip(title, UNEMULATED[unit])
            continue
        program = os.path.join(folder, unit)
        status, output = compile_to(program, compiler, [tap.path(file)] + objects, [])
        tap.result(title, [output] if status else outcome(run + [program]))
    core = [o for o in objects if 'src-core' in o]
    for race, (sources, runs) in RACES.items():
        program = os.path.join(folder, race)
        status, output = compile_to(program, compiler, [tap.path('tests/stress', file) for file in sources] + core, [])
        for arguments in runs:
            tap.result('%s: %s %s' % (name, race, ' '.join(arguments)),
                       [output] if status else outcome(run + [program] + arguments))


def main():
    for name, compiler, emulator in MACHINES:
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        missing = [program for program in (compiler, emulator) if program and not shutil.which(program)]
        if missing:
            tap.skip('%s: the tests, built for it' % name, '%s is not installed' % missing[0])
            continue
        with tempfile.TemporaryDirectory() as folder:
            run_machine(name, compiler, emulator, folder)
    tap.done()


if __name__ == '__main__':
    main()
