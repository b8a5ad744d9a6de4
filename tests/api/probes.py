#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""probes.py SOURCE [LIBRARY]: a library built with its probes has them, by name and number of arguments, and
src/core/probe.h tells of all of them. No LIBRARY: <sys/sdt.h> is not here.
"""
import re
import sys

import tap

if len(sys.argv) < 3:
    tap.skip('the probes are in the notes of the library', 'no sys/sdt.h: systemtap-sdt-dev')
    tap.done()

status, notes = tap.run(['readelf', '-n', '-W', sys.argv[2]])
found = {}
for name, arguments in re.findall(r'Provider: doorbell\s+Name: (\w+)\s.*?Arguments: ([^\n]*)', notes, re.S):
    found.setdefault(name, set()).add(len(arguments.split()))
wanted = {'ring': {1}, 'arm': {1}, 'notify': {4}, 'drop': {3}}
tap.result('the probes are in the notes of the library',
           [] if status == 0 and found == wanted else ['found: %s' % found, notes[:500]])
told = set(re.findall(r'^ \*\tdoorbell:(\w+)', tap.read('src/core/probe.h'), re.M))
tap.result('probe.h tells of each', sorted(told ^ set(wanted)))
tap.done()
