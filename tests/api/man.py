#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""man.py SOURCE: man pages are sound mdoc, name every public function, and are installed."""
import re
import shutil

import tap

pages = tap.files(['docs/man'], ['.1', '.3', '.7'])
text = {page: tap.read(page) for page in pages}

for page in pages:
    name = 'mandoc has nothing to say of ' + page
    if not text[page].strip():
        tap.skip(name, 'not written yet')
    elif not shutil.which('mandoc'):
        tap.skip(name, 'no mandoc')
    else:
        status, output = tap.run(['mandoc', '-Tlint', '-W', 'warning', tap.path(page)])
        tap.result(name, [output] if status or output else [])

functions = set()
for header in tap.public_headers():
    functions |= tap.declared(header)
    if '/adapt/' in header: # all inline, none exported
        functions |= set(re.findall(r'static inline [^;{(]*?\b(bell_[a-z]\w*)\(',
                                    tap.code_of(tap.read(header))))
named = set(re.findall(r'^\.F[no] "?(bell_\w+)', '\n'.join(text.values()), re.M))
tap.result('every public function is named in a man page',
           sorted(functions - tap.PRIVATE - named))
tap.result('every function that a man page names exists', sorted(named - functions))

queue = tap.declared('include/doorbell/queue.h') | tap.declared('include/doorbell/wait.h')
names = set(re.findall(r'^\.Nm (bell_\w+)', text.get('docs/man/bell_queue.3', ''), re.M))
tap.result('the NAME of bell_queue(3) lists the calls of queue.h and wait.h',
           sorted((queue - tap.PRIVATE) ^ names))

for module in 'local', 'permit', 'collector', 'pipe', 'hub', 'share', 'watch', 'share_pipe':
    names = set(re.findall(r'^\.Nm (bell_\w+)', text.get('docs/man/bell_%s.3' % module, ''), re.M))
    tap.result('the NAME of bell_%s(3) lists the calls of %s.h' % (module, module),
               sorted((tap.declared('include/doorbell/%s.h' % module) - tap.PRIVATE) ^ names))

built = tap.read('meson.build')
tap.result('every man page is installed', [page for page in pages if "'%s'" % page not in built])
tap.done()
