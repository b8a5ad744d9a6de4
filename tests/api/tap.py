# SPDX-License-Identifier: MIT
"""tap.py: what the checks of this folder share: results as TAP, and C sources as text.

Each check is given the source tree as its first argument, so that it can be tried on a broken copy.
"""
import os
import re
import subprocess
import sys

SOURCE = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.getcwd()

_count = 0
_failed = 0


def result(name, problems):
    """One test: it passes if the list of problems is empty."""
    global _count, _failed
    _count += 1
    print(('not ok' if problems else 'ok'), _count, '-', name)
    for problem in problems:
        for line in str(problem).rstrip().split('\n'):
            print('#', line)
    _failed += bool(problems)
    sys.stdout.flush()


def skip(name, why):
    global _count
    _count += 1
    print('ok', _count, '-', name, '# SKIP', why)


def done():
    print('1..%d' % _count)
    sys.exit(1 if _failed else 0)


def path(*parts):
    return os.path.join(SOURCE, *parts)


def read(relative):
    with open(path(relative), encoding='utf-8') as f:
        return f.read()


def files(folders, suffixes):
    """The files under these folders of the source tree, as relative paths, sorted."""
    found = []
    for folder in folders:
        for directory, _, names in os.walk(path(folder)):
            for name in names:
                if name.endswith(tuple(suffixes)):
                    found.append(os.path.relpath(os.path.join(directory, name), SOURCE))
    return sorted(found)


def public_headers():
    return files(['include'], ['.h', '.hpp'])


def glib_flags():
    """Where GLib keeps its headers; nothing if it is not here."""
    try:
        output = run(['pkg-config', '--cflags-only-I', 'glib-2.0'])[1]
    except OSError:
        return []
    return [flag.replace('-I', '-isystem', 1) for flag in output.split() if flag.startswith('-I')]


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def _blank(text):
    return re.sub(r'[^\n]', ' ', text)


def code_of(text):
    """The text without comments; lines and columns stay where they are."""
    return _TOKEN.sub(lambda m: _blank(m[0]) if m[0][0] == '/' else m[0], text)


def comments_of(text):
    """The comments alone; lines and columns stay where they are."""
    out, at = [], 0
    for m in _TOKEN.finditer(text):
        out.append(_blank(text[at:m.start()]))
        out.append(m[0] if m[0][0] == '/' else _blank(m[0]))
        at = m.end()
    out.append(_blank(text[at:]))
    return ''.join(out)


def functions(text):
    """(name, first line, last line) of each function of a K&R file, lines counted from 1."""
    lines = code_of(text).split('\n')
    found, start = [], 0
    for i, line in enumerate(lines):
        if line.startswith('{'):
            start = i
        elif line.startswith('}') and not line.startswith('};') and start:
            first = start
            while first > 0 and lines[first - 1].strip() and lines[first - 1][0] not in '}#':
                first -= 1
            head = ' '.join(lines[first:start])
            names = re.findall(r'\b([a-z]\w*)\s*\(', re.sub(r'__attribute__\s*\(\(.*?\)\)', '', head))
            if names:
                found.append((names[0], first + 1, i + 1))
            start = 0
    return found


# Exported for the inline halves to call, and for nobody else.
PRIVATE = {'bell_queue_notify_refused', 'bell_queue_notify_slow'}


def declared(header):
    """The functions that a header declares for the linker: BELL_PUBLIC or BELL_INLINE."""
    code = re.sub(r'^\s*#(?:[^\n]*\\\n)*[^\n]*', '', code_of(read(header)), flags=re.M)
    return set(re.findall(r'\b(?:BELL_PUBLIC|BELL_INLINE)\b[^;{]*?\b(bell_\w+)\s*\(', code))


def run(command, **options):
    """(exit status, output) of a command."""
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       universal_newlines=True, **options)
    return r.returncode, r.stdout
