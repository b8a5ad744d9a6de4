#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""subproject.py SOURCE: another meson project takes doorbell as a subproject, without a network, and gets
the library and nothing else.
"""
import json
import os
import shutil
import tempfile

import tap

PARENT = '''project('parent', 'c')
executable('app', 'app.c', dependencies: dependency('doorbell'))
'''
APP = '''#include <doorbell.h>

int main(void)
{
	struct bell_queue *q;

	if (bell_queue_new(&q, 1, 0) < 0)
		return 1;
	return bell_queue_notify(q, 0) != 1 || bell_queue_unref(q) != NULL;
}
'''
LIBRARY = {'doorbell'}

if not shutil.which('meson'):
    tap.skip('a project with doorbell as a subproject', 'no meson')
    tap.done()

with tempfile.TemporaryDirectory() as top:
    below = os.path.join(top, 'subprojects', 'doorbell')
    shutil.copytree(tap.SOURCE, below, symlinks=True, ignore=shutil.ignore_patterns(
        '.git', 'build*', 'packagecache', 'subprojects'))
    wraps = os.path.join(below, 'subprojects')
    os.mkdir(wraps)
    for file in tap.files(['subprojects'], ['.wrap']):
        if os.path.dirname(file) == 'subprojects':
            shutil.copy(tap.path(file), wraps)
    for name, text in (('meson.build', PARENT), ('app.c', APP)):
        with open(os.path.join(top, name), 'w', encoding='utf-8') as f:
            f.write(text)

    build = os.path.join(top, 'build')
    # Forced: a doorbell of the system does not count.
    status, output = tap.run(['meson', 'setup', build, top, '--wrap-mode=nodownload',
                              '--force-fallback-for=doorbell'])
    tap.result('a project with doorbell as a subproject is configured', [output] if status else [])
    if status:
        tap.done()
    tap.result('doorbell asks for no library of others there',
               [line for line in output.split('\n') if 'liburing' in line or 'check ' in line])

    targets = json.loads(tap.run(['meson', 'introspect', build, '--targets'])[1])
    theirs = {t['name'] for t in targets if '/subprojects/doorbell/' in t['defined_in']}
    tap.result('doorbell builds the library there', sorted(LIBRARY - theirs))
    tap.result('and nothing else', sorted(theirs - LIBRARY))
    tests = json.loads(tap.run(['meson', 'introspect', build, '--tests', '--benchmarks'])[1])
    tests = tests if isinstance(tests, list) else tests['tests'] + tests['benchmarks']
    tap.result('it adds no tests and no benchmarks', [t['name'] for t in tests])

    status, output = tap.run(['ninja', '-C', build])
    tap.result('the project builds', [output] if status else [])
    tap.result('without a warning', [output] if 'warning:' in output else [])
    status, output = tap.run([os.path.join(build, 'app')])
    tap.result('its program runs', ['exit %d: %s' % (status, output)] if status else [])
tap.done()
