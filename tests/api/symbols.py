#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""symbols.py SOURCE SHARED STATIC SANITIZER: what the libraries export is what the map and the headers
say, and nothing else; the shared library needs libc alone.
"""
import re
import sys

import tap

shared, static, sanitizer = sys.argv[2:5]


def defined(*arguments):
    """The global symbols defined in a library; a version's own symbol is absolute (A)."""
    status, output = tap.run(['nm', '-P', '--defined-only', *arguments])
    if status:
        tap.result('nm reads ' + arguments[-1], [output])
        tap.done()
    kinds = [line.split()[:2] for line in output.splitlines() if len(line.split()) > 1]
    return {name.split('@')[0] for name, kind in kinds if kind in 'BCDGRSTVWiu'} # not A: the version


def difference(left, right, a, b):
    return ['%s: in %s, not in %s' % (s, a, b) for s in sorted(left - right)] + [
        '%s: in %s, not in %s' % (s, b, a) for s in sorted(right - left)]


script = tap.code_of(tap.read('src/libdoorbell.map'))
listed = set(re.findall(r'(\w+)\s*;', re.search(r'global:(.*?)(?:local:|\})', script, re.S)[1]))
headers = set().union(*(tap.declared(h) for h in tap.public_headers()))

tap.result('the map lists exactly what headers declare BELL_PUBLIC or BELL_INLINE',
           difference(listed, headers, 'the map', 'a header'))
if sanitizer != 'none':
    tap.skip('the shared library exports exactly what the map lists', 'built with ' + sanitizer)
    tap.skip('global symbols of the static library begin with bell_', 'built with ' + sanitizer)
    tap.skip('the shared library needs libc alone', 'built with ' + sanitizer)
    tap.done()

tap.result('the shared library exports exactly what the map lists',
           difference(defined('-D', shared), listed, 'the library', 'the map'))
tap.result('global symbols of the static library begin with bell_',
           [s for s in sorted(defined('-g', static)) if not s.startswith('bell_')])
needed = re.findall(r'\(NEEDED\).*\[(.*)\]', tap.run(['readelf', '-d', '-W', shared])[1])
tap.result('the shared library needs libc alone',
           [] if needed and all(re.match(r'(libc|ld-.*|ld)\.(so|musl)', n) for n in needed) else
           ['NEEDED: ' + (' '.join(needed) or 'nothing')])
tap.done()
