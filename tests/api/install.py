#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""install.py SOURCE BUILD SANITIZER COMPILER...: the build as it is, installed below a temporary
directory, serves a program that knows only pkg-config, with the shared and with the static library.
"""
import glob
import os
import shutil
import sys
import tempfile

import tap

build, sanitizer = sys.argv[2:4]
compiler = sys.argv[4:]
PROGRAM = r'''
#include <stdio.h>
#include <doorbell.h>
#include <doorbell/adapt/epoll.h>

int main(void)
{
	struct bell_queue *q;
	uint32_t token = 0;

	if (bell_queue_new(&q, 64, 0) < 0 || bell_queue_notify(q, 42) != 1)
		return 1;
	if (bell_queue_wait(q, &token, 1, 0) != 1 || token != 42)
		return 1;
	bell_queue_unref(q);
	return puts(bell_version()) < 0;
}
'''

if sanitizer != 'none':
    tap.skip('an installed library serves a program', 'built with ' + sanitizer)
    tap.done()
for tool in 'meson', 'pkg-config':
    if not shutil.which(tool):
        tap.skip('an installed library serves a program', 'no ' + tool)
        tap.done()

with tempfile.TemporaryDirectory() as top:
    image = os.path.join(top, 'image')
    status, output = tap.run(['meson', 'install', '-C', build, '--no-rebuild', '--destdir', image])
    tap.result('meson install --destdir works', [output] if status else [])
    found = glob.glob(image + '/**/pkgconfig/doorbell.pc', recursive=True)
    tap.result('doorbell.pc is installed', [] if len(found) == 1 else ['%d found' % len(found)])
    if status or not found:
        tap.done()
    libraries = os.path.dirname(os.path.dirname(found[0]))
    private = [p for p in glob.glob(image + '/**/core.h', recursive=True)]
    tap.result('no private header is installed', private)

    # The image stands in for the root: only its own .pc, and its own paths.
    environment = dict(os.environ, LC_ALL='C', LD_LIBRARY_PATH=libraries, PKG_CONFIG_SYSROOT_DIR=image,
                       PKG_CONFIG_LIBDIR=os.path.dirname(found[0]))
    environment.pop('PKG_CONFIG_PATH', None)

    def ask(*what):
        return tap.run(['pkg-config', *what, 'doorbell'], env=environment)

    version = ask('--modversion')[1].strip()
    shared, static = ask('--cflags', '--libs'), ask('--cflags', '--libs', '--static')
    tap.result('pkg-config finds it', [s[1] for s in (shared, static) if s[0] or image not in s[1]])

    for name, flags, loads in (('shared', shared[1], True), ('static', static[1], False)):
        flags = [f if loads or f != '-ldoorbell' else '-l:libdoorbell.a' for f in flags.split()]
        program = os.path.join(top, name)
        status, output = tap.run([*compiler, '-D_GNU_SOURCE', '-Wall', '-Werror', '-x', 'c', '-',
                                  '-x', 'none', '-o', program, *flags], input=PROGRAM)
        tap.result('a program builds with the %s library' % name, [output] if status else [])
        if status:
            continue
        status, output = tap.run([program], env=environment)
        tap.result('it runs, and the version is that of the .pc file', [] if status == 0 and
                   output.strip() == version else ['exit %d: %s' % (status, output), version])
        needs = 'libdoorbell.so.0' in tap.run(['readelf', '-d', '-W', program])[1]
        tap.result('it %s libdoorbell.so.0' % ('loads' if loads else 'does not load'),
                   [] if needs == loads else ['NEEDED says otherwise'])
tap.done()
