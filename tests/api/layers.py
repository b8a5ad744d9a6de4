#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""layers.py SOURCE: a file includes only what stands above it: base, core, receive, sync, stream, hub, ipc; adapters
and the tool stand on the public headers and never on the library's private ones.
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
    'doorbell/local.h': ['doorbell/base.h'],
    'doorbell/permit.h': ['doorbell/base.h', 'doorbell/queue.h'],
    'doorbell/collector.h': ['doorbell/queue.h'],
    'doorbell/pipe.h': ['doorbell/base.h', 'doorbell/queue.h'],
    'doorbell/share.h': ['doorbell/base.h'],
    'doorbell/watch.h': ['doorbell/base.h', 'doorbell/share.h'],
    'doorbell/share_pipe.h': ['doorbell/base.h', 'doorbell/pipe.h', 'doorbell/share.h'],
    'doorbell/hub.h': ['doorbell/base.h', 'doorbell/queue.h'],
}
CORE = ['doorbell/base.h', 'doorbell/atomic.h', 'doorbell/queue.h', 'doorbell/wait.h', 'doorbell/local.h']
ADAPT = CORE[:3]
# Folder: what its files may include besides the headers of the core. Its own private header is one of them.
FOLDERS = {
    'src/core': ['doorbell.h', 'core/clock.h', 'core/core.h', 'core/futex.h', 'core/probe.h', 'core/spin.h'],
    'src/sync': ['doorbell/permit.h', 'core/clock.h', 'core/futex.h'],
    'src/stream': ['core/clock.h', 'core/futex.h', 'doorbell/collector.h', 'stream/collector.h', 'doorbell/pipe.h', 'stream/pipe.h',
                   'stream/words.h'],
    'src/hub': ['doorbell/hub.h', 'core/clock.h', 'core/core.h', 'core/futex.h', 'core/probe.h', 'hub/hub.h'],
    'src/ipc': ['core/clock.h', 'doorbell/share.h', 'ipc/ipc.h', 'ipc/layout.h', 'ipc/peer.h', 'doorbell/watch.h', 'ipc/board.h',
                'ipc/watch.h', 'doorbell/pipe.h', 'doorbell/share_pipe.h', 'ipc/stream.h', 'ipc/share_pipe.h',
                'stream/words.h'],
}


def allowed(file):
    """What a file may include, or None if it has no place in the table."""
    name = file[len('include/'):]
    if name == 'doorbell.h':
        return list(HEADERS)
    if name.startswith('doorbell/adapt/'):
        return ADAPT
    if file.startswith('include/'):
        return HEADERS.get(name)
    if file == 'src/core/core.h':
        return CORE
    if os.path.dirname(file) in FOLDERS:
        return CORE + FOLDERS[os.path.dirname(file)]
    if file.startswith('src/tool/'):
        public = [h[len('include/'):] for h in tap.public_headers()]
        own = [f[len('src/'):] for f in tap.files(['src/tool'], ['.h'])]
        return public + own + [os.path.basename(f) for f in own]
    return None


def ours(include, kind):
    return kind == '"' or include.startswith(('doorbell', 'tool/', *(f[len('src/'):] + '/' for f in FOLDERS)))


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
