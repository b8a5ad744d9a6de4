#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""codegen.py SOURCE: each edge of docs/ORDERING.md is an instruction that orders it, at its place.

The compilers at hand translate the queue to x86-64 and arm64 assembly. Of each function only the
events are kept that matter to other threads: a word is object:event, and "?" is a plain look at a
shared object. NEXT says which events may follow which on any way through the function, so the layout
of the blocks is the compiler's affair. One rule stands over all: no read-modify-write of a flag,
tail, state or marks does less than acquire and release.

On arm64 each order is an instruction of its own, so relaxing any of them shows: mutants.py tries it.
x86 cannot show the loads and stores.
"""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'api'))
import tap

# function: event: what comes next, on every way; "~": may, and "<event": what came before.
# Labels as in docs/ORDERING.md.
NEXT = {
    'bell_queue_notify': {
        'start': 'flag? tail? end',
        'flag?': 'fence flag:rmw end',  # end: the look behind the fence
        'fence': 'flag? flag:acquire',  # F1
        'flag:rmw': 'flag? tail:rmw',  # F2
        'tail:rmw': 'slot:release',  # T1, A1
        'slot:release': 'tail? state?',  # S1; A2: the look at HOLE, or at ARMED, behind the slot
        # With a single producer: it reads its own tail first.
        'tail?': 'flag:acquire end',
        'flag:acquire': 'fence flag:up end',  # F2
        'flag:up': 'slot:release',
        'state?': 'end',
    },
    'bell__single_notify_many': {
        'tail?': 'flag:acquire',
        'fence': 'flag:acquire',  # F1
        '<flag:up': 'flag:acquire',  # F2
        'flag:up': 'slot:release',
        'slot:release': 'tail? state? ~end',  # S1, A2; ~: for none queued, as far as a compiler knows
        'state?': 'ring end',
    },
    'bell__single_arm': {
        'start': 'slot:acquire',  # S1
        'slot:acquire': 'state? state:rmw end',
        'state?': 'read',
        'read': 'state:rmw',  # the bell is read before announcing
        'state:rmw': 'membarrier write end',  # A1, A2; write: the last one, which takes it back
        'membarrier': 'slot:acquire',  # A2
        'write': 'end',
    },
    'bell__queue_many': {
        'fence': 'flag?',  # F1: the look behind the fence
        '<fence': 'flag?',
        'flag:rmw': 'flag? tail:rmw ~marks:rmw ~ring ~end',  # F2; ~: for none claimed, as far as a compiler knows
        'tail:rmw': 'flag? slot:release ~tail?',  # T1, A1
        'flag:up': 'slot:release',  # S1
        'slot:release': 'flag? slot:release tail?',  # A2: the look at HOLE, behind all slots
        'tail?': 'marks:rmw ring end ~flag? ~tail:rmw',  # M1: behind the flags; ~: where no mark is left
    },
    'bell_queue_poll': {
        'start': 'slot:acquire ~flag:release ~fence ~end',  # ~: for max 0, as far as a compiler knows
        '<flag:release': 'slot:acquire flag:release ~start',  # S1
        'flag:release': 'flag:release fence',  # F2, F1
        'fence': 'end',
    },
    'bell_queue_dispatch': {  # poll, inlined
        'flag:release': 'flag:release fence',
    },
    'bell_queue_notify_slow': {
        'start': 'tail:rmw',  # A1, A2
        'tail:rmw': 'write end',
    },
    'bell_queue_close': {
        'start': 'tail:rmw',  # A1
        'tail:rmw': 'tail:rmw write end',
    },
    'bell__queue_arm': {
        'start': 'slot:acquire ~end',  # S1; ~: to bell__single_arm
        'tail?': 'read tail:rmw',
        'read': 'tail:rmw write ~end',  # the bell is read before arming: A1
        '<membarrier': 'tail:rmw',  # A2
        'membarrier': 'slot:acquire tail:rmw',
    },
    'bell_queue_unref': {
        'start': 'refs:rmw end',
        'refs:rmw': 'close end',  # R1
        'close': 'free',
    },
}

# On x86-64 a load that acquires is a plain one.
X86_NEXT = {
    'bell_queue_notify': {
        'flag?': 'fence flag:rmw flag:up end',
        'fence': 'flag?',
        'tail?': 'flag? end',
    },
    'bell__single_notify_many': {
        'tail?': 'flag?',
        'fence': 'flag?',
        '<flag:up': 'flag?',
    },
}

# Where the fields lie that other threads change, on 64-bit machines; None: statistics.
FIELDS = {128: 'tail', 136: 'state', 384: None, 392: None, 400: 'marks', 408: 'refs'}

# Builds: name, machine, compiler with its options. arm64 in its first form, with the single
# instructions of ARMv8.1, and with the calls that gcc makes if it is to decide at run time.
ARM_GCC = ['aarch64-linux-gnu-gcc']
ARM_CLANG = ['clang', '--target=aarch64-linux-gnu']
BUILDS = [
    ('gcc for x86-64', 'x86-64', ['gcc', '-m64']),
    ('clang for x86-64', 'x86-64', ['clang', '-m64', '--target=x86_64-linux-gnu']),
    ('gcc for arm64', 'arm64', ARM_GCC + ['-march=armv8-a', '-mno-outline-atomics']),
    ('gcc for arm64 with LSE', 'arm64', ARM_GCC + ['-march=armv8.1-a']),
    ('gcc for arm64 with LSE by call', 'arm64', ARM_GCC + ['-march=armv8-a', '-moutline-atomics']),
    ('clang for arm64', 'arm64', ARM_CLANG + ['-march=armv8-a', '-mno-outline-atomics']),
    ('clang for arm64 with LSE', 'arm64', ARM_CLANG + ['-march=armv8.1-a']),
]

LOOKS = {128: 'tail?', 136: 'state?'}
# single.c calls these of queue.c; there they are followed.
CALLS = {'bell__take_bell': 'read', 'bell__kick': 'write', 'bell__claim_and_ring': 'ring',
         'bell__membarrier': 'membarrier'}
EXPEDITED = 8  # the command of membarrier(2)
SYSCALLS = {
    'x86-64': {0: 'read', 1: 'write', 324: 'membarrier'},
    'arm64': {63: 'read', 64: 'write', 283: 'membarrier'},
}
SIZES = {'b': 1, 'l': 4, 'w': 4, 'q': 8, 'x': 8}


def offset(before, operand):
    """How far from the queue a memory operand lies, as far as the lines before it tell, or None."""
    m = re.match(r'\[(\w+)(?:, #?(\d+))?\]$|(\d*)\(%(\w+)\)$', operand)
    if not m:
        return None
    place, far = m[1] or m[4], int(m[2] or m[3] or 0)  # a register, or where one was saved
    for line in reversed(before):
        here = re.escape(place)
        m = re.match(r'add %s, (?!sp)\w+, #?(\d+)$|leaq (\d+)\(%%(?!rsp)\w+\), %%%s$' % (here, here), line)
        if m:
            return far + int(m[1] or m[2])
        m = re.match(r'mov %s, (x\d+)$|movq %%(\w+), %%?%s$|(?:ldr %s, (\[sp.*\])|movq (\d*\(%%rsp\)), %%%s)$|'
                     r'str (\w+), %s$' % (here, here, here, here, here), line)
        if m:
            place = next(filter(None, m.groups()))
        elif re.match(r'ldr %s, |movq .*\), %%%s$|csel %s, |cmov\w+ .*, %%%s$' % (here, here, here, here), line):
            return None
    return far


def change(before, operand, size, ordered):
    """The event of a read-modify-write, or None for that of a statistic."""
    name = 'flag' if size == 1 else FIELDS.get(offset(before, operand), {4: 'refs', 8: 'tail'}[size])
    return name and name + (':rmw' if ordered else ':weak')


def event_arm64(before, line):
    m = re.match(r'(ld|st)([al]?)xr(b?) (?:w\d+, )?([wx])\w+, (\[\w+\])', line)
    if m:  # an exclusive pair: the load acquires, the store releases
        weak = not m[2]
        return None if m[1] == 'st' and not weak else change(before, m[5], SIZES[m[3] or m[4]], not weak)
    m = re.match(r'(?:swp|cas|ld(?:add|clr|set))(a?l?)(b?) ([wx])\w+, \w+, (\[\w+\])', line)
    if m:
        return change(before, m[4], SIZES[m[2] or m[3]], m[1] == 'al')
    m = re.match(r'bl __aarch64_(swp|cas|ldadd|ldclr|ldset)(\d)_(\w+)', line)
    if m:
        return change(before, '[x2]' if m[1] == 'cas' else '[x1]', int(m[2]), m[3] == 'acq_rel')
    if line == 'dmb ish':
        return 'fence'
    if re.match(r'ldap?r w', line):
        return 'slot:acquire'
    if re.match(r'stlr w', line):
        return 'slot:release'
    if re.match(r'stlrb wzr', line):
        return 'flag:release'
    if re.match(r'strb w\d+, \[x\d+(, [xw]\d+.*)?\]', line):
        return 'flag:up'
    if re.match(r'ldap?rb w', line):
        return 'flag:acquire'
    if re.match(r'ldrb w\d+, \[x\d+(, [xw]\d+.*)?\]', line):
        return 'flag?'
    m = re.match(r'ldr x\d+, (\[x.*\])$', line)
    return m and LOOKS.get(offset(before, m[1]))


def event_x86(before, line):
    """Plain loads acquire here and cannot be told from others: slot:acquire is never seen."""
    if re.match(r'lock (addl|orl|orq) \$0, ?-?\d*\(%rsp\)|mfence', line):
        return 'fence'
    m = re.match(r'lock \w+?([blq]) .*?(\d*\(.*\))', line)
    if m:
        return change(before, m[2], SIZES[m[1]], True)
    if re.match(r'movb \$0, 0?\(', line):
        return 'flag:release'
    if re.match(r'movb \$1, 0?\(', line):
        return 'flag:up'
    if re.match(r'movl %\w+, \(%\w+,%\w+,4\)', line):
        return 'slot:release'
    if re.match(r'(movzbl|movb|cmpb) (\$0, )?0?\(%(?!rsp)\w+(,%\w+)?\)', line):
        return 'flag?'
    m = re.match(r'(?:mov[qlb]|movzbl|test[qlb]) (?:\$\d+, )?(\d*\(%\w+\))', line)
    # Before a compare-and-swap that stands for a fetch_and or fetch_or it is only a first guess.
    return m and LOOKS.get(offset(before, m[1]))


EVENT = {'x86-64': event_x86, 'arm64': event_arm64}


def bodies(assembly):
    """The lines of each function: instructions and labels, one blank between words."""
    found = {}
    for m in re.finditer(r'^(\w+):.*\n((?s:.*?))^\s*\.size\s+\1,', assembly, re.M):
        text = re.sub(r'\s*(//|# ).*|^#.*', '', m[2], flags=re.M)
        text = re.sub(r'\block[;\s]\s*', 'lock ', re.sub(r'[ \t]+', ' ', text))
        lines = [line.strip() for line in text.split('\n')]
        found[m[1]] = [line for line in lines if line.endswith(':') or line and line[0] != '.']
    return found


def inlined(functions, name):
    """The lines of a function with those of its callees in their place."""
    out = []
    for line in functions[name]:
        m = re.match(r'(callq?|jmp|bl?) (\w+)', line)
        if not m or m[2] not in functions or m[2] == name:
            out.append(line)
            continue
        own = '_in%d' % len(out)
        for inner in inlined(functions, m[2]):
            inner = re.sub(r'(\.L\w+)', r'\1' + own, inner)
            out.append(re.sub(r'^retq?$', 'jmp .L' + own, inner))
        out.append('.L%s:' % own)
        if m[1] in ('jmp', 'b'):
            out.append('ret')
    return out


def event(machine, before, line):
    called = re.match(r'(?:callq?|jmp|bl?) (free|close|syscall|bell__\w+)\b', line)
    if not called:
        return EVENT[machine](before, line)
    if called[1].startswith('bell__'):
        return CALLS.get(called[1])
    if called[1] != 'syscall':
        return called[1]
    # The number is what was put last into the register of the first argument.
    near = ' '.join(before[-14:])
    zero = near.replace('xorl %edi, %edi', 'movl $0, %edi')
    numbers = re.findall(r'mov[lq]? (?:\$(\d+), %[er]di\b|[wx]0, #?(\d+))', zero)
    name = SYSCALLS[machine].get(int(''.join(numbers[-1]))) if numbers else None
    if name == 'membarrier' and not re.search(r' [#$]?%d\b' % EXPEDITED, near):
        return None
    return name


def successors(lines):
    """For each line, and for a start before them, the lines that may run next; None: the function ends."""
    labels = {line[:-1]: i for i, line in enumerate(lines) if line.endswith(':')}
    after = {-1: {0}}
    for i, line in enumerate(lines):
        to = re.match(r'(\S+) .*?(\.L\w+)$', line)
        after[i] = set() if re.match(r'ret|(b|jmp) ', line) else {i + 1}
        if to and re.match(r'b|j|cb|tb', to[1]):
            after[i].add(labels[to[2]])
        if not after[i]:
            after[i].add(None)
    return after


def follow(lines, machine):
    """The pairs of events that follow each other on some way through a function."""
    after = successors(lines)
    words = {i: event(machine, lines[:i], line) for i, line in enumerate(lines)}
    words.update({-1: 'start', None: 'end'})

    def next_events(i):
        found, ways, been = set(), list(after[i]), set()
        while ways:
            j = ways.pop()
            if words[j]:
                found.add(j)
            elif j not in been:
                been.add(j)
                ways += after[j]
        return found

    # The first guess of a compare-and-swap that stands for a fetch_and: not a look of ours.
    guesses = [i for i, word in words.items() if word in ('tail?', 'state?') and i != -1 and
               all(j is not None and 'cmpxchg' in lines[j] for j in next_events(i))]
    for i in guesses:
        words[i] = None
    return {(words[i], words[j]) for i in words if i is not None and words[i]
            for j in next_events(i) if i != j or ':rmw' not in words[i]}  # which tries again


def compare(name, machine, pairs):
    """What NEXT says about a function and the pairs do not, or the other way round."""
    rules = dict(NEXT.get(name, {}), **(X86_NEXT.get(name, {}) if machine == 'x86-64' else {}))
    for word, expected in rules.items():
        if word[0] == '<':
            found = {a for a, b in pairs if b == word[1:]}
        else:
            found = {b for a, b in pairs if a == word}
        may = {w[1:] for w in expected.split() if w[0] == '~'}
        must = {w for w in expected.split() if w[0] != '~'}
        if machine == 'x86-64' and ('slot:acquire' in must or word in ('slot:acquire', 'flag:acquire')):
            continue
        if not must <= found <= must | may:
            yield '%s: %s: expected %s; found %s' % (
                name, word, expected, ' '.join(sorted(found)) or 'nothing')


class DoesNotCompile(Exception):
    pass


def problems(root, machine, compiler, level):
    """What is wrong in the machine code of the tree at root: a list of sentences."""
    wrong, seen = [], set()
    for file in ('symbols', 'queue', 'single', 'many'):
        status, assembly = tap.run(compiler + [
            level, '-std=gnu11', '-D_GNU_SOURCE', '-fno-asynchronous-unwind-tables', '-S', '-o', '-',
            '-I', os.path.join(root, 'include'), '-I', os.path.join(root, 'src'),
            os.path.join(root, 'src', 'core', file + '.c')])
        if status:
            raise DoesNotCompile(assembly)
        functions = bodies(assembly)
        for name in set(functions) & set(NEXT):
            seen.add(name)
            pairs = follow(inlined(functions, name), machine)
            wrong += ['%s: %s' % (name, word) for word in sorted({b for _, b in pairs})
                      if re.match(r'(flag|tail|state|marks):weak', word)]
            wrong += compare(name, machine, pairs)
    return wrong + ['%s: not found' % name for name in set(NEXT) - seen]


def missing(compiler):
    """Why this compiler cannot be used, or None."""
    if not shutil.which(compiler[0]):
        return compiler[0] + ' is not installed'
    status, output = tap.run(compiler + ['-fsyntax-only', '-include', 'stdlib.h', '-x', 'c', '/dev/null'])
    return 'it does not compile for that machine: ' + output.split('\n')[0] if status else None


def main():
    for name, machine, compiler in BUILDS:
        for level in ('-O2', '-O3'):
            title = '%s %s compiles each edge to an instruction that orders it' % (name, level)
            why = missing(compiler)
            if why:
                tap.skip(title, why)
                continue
            try:
                tap.result(title, problems(tap.SOURCE, machine, compiler, level))
            except DoesNotCompile as e:
                tap.result(title, [e])
    tap.done()


if __name__ == '__main__':
    main()
