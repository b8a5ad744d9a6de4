#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""headers.py SOURCE: every public header compiles alone, as C11 and as C++17, without a warning."""
import shutil

import tap

COMPILERS = {'gcc': 'c', 'g++': 'c++', 'clang': 'c', 'clang++': 'c++'}
STANDARDS = {'c': 'c11', 'c++': 'c++17'}
NEEDS = {'include/doorbell/adapt/' + header: needed for header, needed in {
    'asio.hpp': 'boost/asio.hpp', 'sdevent.h': 'systemd/sd-event.h', 'uring.h': 'liburing.h',
    'uv.h': 'uv.h', 'event.h': 'event2/event.h', 'ev.h': 'ev.h', 'glib.h': 'glib.h',
}.items()} # skipped where the reactor is missing


def compiles(compiler, include):
    language = COMPILERS[compiler]
    # Twice: the guard. The object is made, not only parsed: unused and uninitialized show late.
    text = '#include <%s>\n#include <%s>\nint main(void);\nint main(void) { return 0; }\n' % (
        include, include)
    return tap.run([compiler, '-x', language, '-std=' + STANDARDS[language], '-D_GNU_SOURCE',
                    '-O1', '-Wall', '-Wextra', '-pedantic', '-Werror', '-I', tap.path('include'),
                    *(tap.glib_flags() if 'glib' in include else []), '-c', '-o', '/dev/null', '-'], input=text)


headers = tap.public_headers()
tap.result('there are public headers', [] if headers else ['none under include/'])
for compiler in COMPILERS:
    if not shutil.which(compiler):
        tap.skip(compiler + ' compiles each public header alone', 'no ' + compiler)
        continue
    for header in headers:
        include = header[len('include/'):]
        if header.endswith('.hpp') and COMPILERS[compiler] == 'c':
            continue
        name = '%s: <%s> alone as %s' % (compiler, include, STANDARDS[COMPILERS[compiler]])
        if header in NEEDS and compiles(compiler, NEEDS[header])[0] != 0:
            tap.skip(name, 'no <%s>' % NEEDS[header])
            continue
        status, output = compiles(compiler, include)
        tap.result(name, [output] if status else [])
tap.done()
