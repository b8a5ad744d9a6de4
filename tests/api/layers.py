#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""layers.py SOURCE: a file includes only what stands above it: base, atomic, queue, wait, share; adapters and
the tool stand on the public headers and never on the library's private ones.
"""
import os
import re

import tap

# Header: what it may include of ours. A header that is not here has no layer yet: give it one.
HEADERS = {
    'doorbell/base.h': [],
    'doorbell/atomic.h': ['doorbell/base.h'],
    'doorbell/queue.h': ['doorbell/base.h', 'doorbell/atomic.h'],
    'doorbell/wait.h': ['doorbell/base.h', 'doorbell/atomic.h', 'doorbell/queue.h'],
    'doorbell/share.h': ['doorbell/base.h'],
}
CORE = list(HEADERS)[:4]
PUBLIC = list(HEADERS)
ADAPT = CORE[:3]


def allowed(file):
    """What a file may include, or None if it has no place in the table."""
    name = file[len('include/'):]
    if name == 'doorbell.h':
        return PUBLIC
    if name.startswith('doorbell/adapt/'):
        return ADAPT
    if file.startswith('include/'):
        return HEADERS.get(name)
    if file == 'src/core/core.h':
        return CORE
    if file.startswith('src/core/'):
        return CORE + ['doorbell.h', 'core/core.h']
    if file.startswith('src/ipc/'):
        return CORE + ['doorbell/share.h'] + [f[len('src/'):] for f in tap.files(['src/ipc'], ['.h'])]
    if file.startswith('src/tool/'):
        public = [h[len('include/'):] for h in tap.public_headers()]
        own = [f[len('src/'):] for f in tap.files(['src/tool'], ['.h'])]
        return public + own + [os.path.basename(f) for f in own]
    return None


def ours(include, kind):
    return kind == '"' or include.startswith(('doorbell', 'core/', 'ipc/', 'tool/'))


bad, lost = [], []
for file in tap.files(['include', 'src'], ['.h', '.hpp', '.c']):
    may = allowed(file)
    if may is None:
        lost.append(file)
        continue
    for kind, include in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)', tap.read(file), re.M):
        if include.endswith('.c') or (ours(include, kind) and include not in may):
            bad.append('%s includes %s' % (file, include))

tap.result('every source file has a place in the table of layers', lost)
tap.result('every file includes only what stands above it', bad)
umbrella = set(re.findall(r'#include <([^>]+)>', tap.read('include/doorbell.h')))
public = {h[len('include/'):] for h in tap.public_headers() if '/adapt/' not in h} - {'doorbell.h'}
tap.result('doorbell.h includes every public header but the adapters', sorted(public ^ umbrella))
installed = set(re.findall(r"'(doorbell[\w/]*\.h(?:pp)?)'", tap.read('include/meson.build')))
tap.result('every public header is installed',
           sorted({h[len('include/'):] for h in tap.public_headers()} ^ installed))
tap.done()
