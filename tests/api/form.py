#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""form.py SOURCE: the rules of form that a formatter does not know: functions and files of a size to be
read, one licence line first, no notes to self, no code beyond 100 columns with tabs of 8. A comment
may end a word or two later: breaking it for that would not help its reader.
"""
import re

import tap

FUNCTION, HEADER, SOURCE = 70, 600, 450
CODE, COMMENT = 100, 108

sources = tap.files(['include', 'src', 'tests', 'bench', 'examples'], ['.h', '.hpp', '.c'])
scripts = tap.files(['include', 'src', 'tests', 'bench', 'examples'], ['.py', '.sh', 'meson.build'])
text = {file: tap.read(file) for file in sources + scripts + ['meson.build', 'meson_options.txt']}
library = [file for file in sources if file.startswith(('include/', 'src/'))]

tap.result('no function of the library or the tool is over %d lines' % FUNCTION,
           ['%s:%d: %s: %d lines' % (file, first, name, last - first + 1) for file in library
            for name, first, last in tap.functions(text[file]) if last - first + 1 > FUNCTION])
tap.result('there are functions at all', [] if any(tap.functions(text[f]) for f in library) else ['none'])

lines = {file: len(text[file].splitlines()) for file in sources}
tap.result('no header is over %d lines, no source file over %d' % (HEADER, SOURCE),
           ['%s: %d lines' % (file, n) for file, n in lines.items()
            if n > (SOURCE if file.endswith('.c') else HEADER)])

# Written apart, or this file would find itself.
note = re.compile(r'\b(?:TO' 'DO|FIX' 'ME|XX' 'X)\\b')
missing, notes, wide, blank = [], [], [], []
for file, content in text.items():
    first = [line for line in content.split('\n')[:2] if not line.startswith('#!')]
    if content and 'SPDX-License-Identifier: MIT' not in first[0]:
        missing.append(file)
    code = tap.code_of(content).split('\n') if file in lines else []
    for i, line in enumerate(content.split('\n')):
        where = '%s:%d' % (file, i + 1)
        if note.search(line):
            notes.append(where)
        if line != line.rstrip():
            blank.append(where)
        columns = len(line.expandtabs(8))
        if code and (columns > COMMENT or len(code[i].rstrip().expandtabs(8)) > CODE):
            wide.append('%s: %d columns' % (where, columns))
tap.result('every file says its licence first', missing)
tap.result('no note to self is left', notes)
tap.result('no code is over %d columns, no comment over %d' % (CODE, COMMENT), wide)
tap.result('no line ends in blanks', blank)
tap.done()
