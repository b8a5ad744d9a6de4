#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutants.py SOURCE: the check of machine code can fail: every order of the queue, taken away alone.

Two kinds. Weakened: each operation that orders, wherever it stands in queue.h, queue.c, single.c and many.c, once for each
weaker order it could have, and each of atomic.h's own that these use. They are found in the sources, so one that is
added tomorrow is tried, too. Moved: the rest, each a text that stands exactly once, and what replaces it.
A mutant is caught if codegen.py finds something wrong in what is compiled from a copy with it.
"""
import os
import re
import shutil
import tempfile

import codegen
import tap

ATOMIC, HEADER, SOURCE = 'include/doorbell/atomic.h', 'include/doorbell/queue.h', 'src/core/queue.c'
SINGLE, MANY = 'src/core/single.c', 'src/core/many.c'

WEAKER = {'acq_rel': ('acquire', 'release'), 'acquire': ('relaxed',), 'release': ('relaxed',),
          'full': ('compiler',)}

# Not tried, for nothing can change: the compilers at hand never move one atomic access across another,
# so the machine code is the same without A2's compiler fence; that the look at tail stays behind the
# slot is what codegen.py checks.
UNSEEN = {'fence_compiler'}

MOVED = {
    'the look at HOLE goes before the slot': (HEADER, """\
	bell__queue_publish(q, before >> BELL__SHIFT, token);
	if (BELL_UNLIKELY(bell__queue_must_ring(q, before)))
		return bell_queue_notify_slow(q, before);
	return 1;
""", """\
	int ring = bell__queue_must_ring(q, before);
	bell__queue_publish(q, before >> BELL__SHIFT, token);
	return BELL_UNLIKELY(ring) ? bell_queue_notify_slow(q, before) : 1;
"""),
    'the hint decides that a notify is conflated': (HEADER, """\
			bell_fence_full(); /* F1: our data before the look; poll: clear before data */
			if (bell_load_relaxed(flag)) /* F1: behind the fence */
				return 0;
""", """\
			return 0;
"""),
    'the fence of a conflated notify comes after the look': (HEADER, """\
			bell_fence_full(); /* F1: our data before the look; poll: clear before data */
			if (bell_load_relaxed(flag)) /* F1: behind the fence */
				return 0;
""", """\
			if (bell_load_relaxed(flag)) {
				bell_fence_full();
				return 0;
			}
"""),
    'the flag goes up by a store': (HEADER, """\
	} while (!bell_cas_acq_rel(flag, &down, mark)); /* F2: the clear in poll: the slot is free again */
""", """\
		bell_store_relaxed(flag, mark);
	} while (down);
"""),
    'the look at HOLE goes before the slots of a batch': (MANY, """\
			publish(q, before >> BELL__SHIFT, tokens + i, &c);
			ring |= bell__queue_must_ring(q, before);
""", """\
			ring |= bell__queue_must_ring(q, before);
			publish(q, before >> BELL__SHIFT, tokens + i, &c);
"""),
    'a mark is given back before its flags have moved on': (MANY, """\
			publish(q, before >> BELL__SHIFT, tokens + i, &c);
""", """\
			if (c.mark)
				give_mark_back(q, c.mark);
			c.mark = 0;
			publish(q, before >> BELL__SHIFT, tokens + i, &c);
"""),
    'a flag moves on from its mark after its slot': (MANY, """\
		bell_store_relaxed(flag, 1); /* before the slot: S1; so poll's clear is a later store */
		bell__queue_publish(q, position++, *token);
""", """\
		bell__queue_publish(q, position++, *token);
		bell_store_relaxed(flag, 1);
"""),
    'arm does not look at the slot first': (SOURCE, """\
	if (bell__queue_published(q, head)) /* step 0: before the fd is touched */
		return 0;
""", ''),
    'the second look at a hole comes before membarrier': (SOURCE, """\
	if (bell__membarrier() && !bell__queue_published(q, head)) { /* A2 */
""", """\
	if (!bell__queue_published(q, head) && bell__membarrier()) {
"""),
    'no membarrier at a hole': (SOURCE, """\
	if (bell__membarrier() && !bell__queue_published(q, head)) { /* A2 */
""", """\
	if (!bell__queue_published(q, head)) {
"""),
    'no second look at a hole': (SOURCE, """\
	if (bell__membarrier() && !bell__queue_published(q, head)) { /* A2 */
""", """\
	if (bell__membarrier()) {
"""),
    'a single producer looks at the state before its slot': (HEADER, """\
	if (!bell__single_queue(q, token))
		return 0;
	state = bell__single_state(q);
""", """\
	state = bell__single_state(q);
	if (!bell__single_queue(q, token))
		return 0;
"""),
    'the look without a fence decides for a single producer': (HEADER, """\
		bell_fence_full();	     /* F1: our data before the look */
		if (bell_load_acquire(flag)) /* F1: behind the fence; F2 */
			return 0;
""", """\
		return 0;
"""),
    'single arm does not look at the slot first': (SINGLE, """\
	if (bell__queue_published(q, q->head)) /* before the fd is touched */
		return 0;
""", ''),
    'single arm looks again before membarrier': (SINGLE, """\
	fenced = bell__membarrier();		    /* A2; it may be refused by now */
	empty = !bell__queue_published(q, q->head); /* A2: behind it */
""", """\
	empty = !bell__queue_published(q, q->head);
	fenced = bell__membarrier();
"""),
    'no membarrier in single arm': (SINGLE, """\
	fenced = bell__membarrier();		    /* A2; it may be refused by now */
""", """\
	fenced = true;
"""),
    'no second look in single arm': (SINGLE, """\
	empty = !bell__queue_published(q, q->head); /* A2: behind it */
""", """\
	empty = true;
"""),
    'the last reference is counted without a read-modify-write': (SOURCE, """\
	if (q && bell_fetch_sub_acq_rel(&q->refs, 1) == 1) { /* R1: all use before the free */
""", """\
	if (q && --q->refs == 0) {
"""),
}


X86_FENCE = 'atomic.h: there is no fence on x86-64'


def weaker_forms(atomic):
    """atomic.h's read-modify-writes once more, with each weaker order in name and deed."""
    out = []
    for form in re.findall(r'^#define bell_\w+_acq_rel\(.*\n', atomic.replace('\\\n', ' '), re.M):
        out.append(form.replace('acq_rel', 'acquire').replace('ACQ_REL', 'ACQUIRE'))
        form = form.replace('ACQUIRE', 'RELAXED')
        out.append(form.replace('acq_rel', 'release').replace('ACQ_REL', 'RELEASE'))
    return ''.join(out)


def mutants():
    """Yield (name, file, its text with one order taken away)."""
    used = set()
    for file in (HEADER, SOURCE, SINGLE, MANY):
        text = tap.read(file)
        code = tap.code_of(text)
        lines = code.split('\n')
        inside = {n: f for f, first, last in tap.functions(text) for n in range(first, last + 1)}
        for m in re.finditer(r'\bbell_(\w+?)_(acq_rel|acquire|release|full|compiler)\(', code):
            line = code.count('\n', 0, m.start()) + 1
            if m[1] + '_' + m[2] in UNSEEN or 'BELL_TSAN' in lines[line - 2] + lines[line - 1]:
                continue
            used.add(m[1] + '_' + m[2])
            for weak in WEAKER[m[2]]:
                yield ('%s: bell_%s_%s in %s, line %d, is %s' % (os.path.basename(file), m[1], m[2],
                       inside[line], line, weak), file, text[:m.start(2)] + weak + text[m.end(2):])

    atomic = tap.read(ATOMIC).replace('\\\n', ' ')
    for m in re.finditer(r'^#define bell_(\w+)\(.*__ATOMIC_(?!RELAXED).*\n', atomic, re.M):
        if m[1] in used:
            relaxed = re.sub(r'__ATOMIC_\w+', '__ATOMIC_RELAXED', m[0])
            yield 'atomic.h: bell_%s is relaxed' % m[1], ATOMIC, atomic.replace(m[0], relaxed)
    fence = '#else\n\t__atomic_thread_fence(__ATOMIC_SEQ_CST)'
    yield 'atomic.h: there is no fence but on x86', ATOMIC, once(ATOMIC, fence, '#else\n\tbell_fence_compiler()')
    yield X86_FENCE, ATOMIC, once(ATOMIC, 'lock; addl $0,-4(%%rsp)', '')

    for name, (file, text, replacement) in MOVED.items():
        yield name, file, once(file, text, replacement)


def once(file, text, replacement):
    """The file's text with the replacement, or None if there is not one place for it."""
    body = tap.read(file)
    return body.replace(text, replacement) if body.count(text) == 1 else None


def usable(machine):
    """The first build for a machine that can be made here, as arguments of codegen.problems, or None."""
    for _, build_machine, compiler in codegen.BUILDS:
        if build_machine == machine and not codegen.missing(compiler):
            return machine, compiler, '-O2'
    return None


def main():
    builds = {machine: usable(machine) for machine in ('arm64', 'x86-64')}
    with tempfile.TemporaryDirectory() as copy:
        for folder in ('include', 'src/core'):
            shutil.copytree(tap.path(folder), os.path.join(copy, folder))
        with open(os.path.join(copy, ATOMIC), 'a', encoding='utf-8') as f:
            f.write(weaker_forms(tap.read(ATOMIC)))

        for build in filter(None, builds.values()):
            tap.result('control: it finds nothing in an unchanged copy, on ' + build[0],
                       codegen.problems(copy, *build))
        for name, file, text in mutants():
            title = 'the check of machine code catches: ' + name
            if text is None:
                tap.result(title, ['what it replaces does not stand once in ' + file])
                continue
            machines = ['x86-64'] if name == X86_FENCE else ['arm64']
            if 'fence_full' in name:
                machines = ['arm64', 'x86-64']
            absent = [machine for machine in machines if not builds[machine]]
            if absent:
                tap.skip(title, 'no compiler for %s is installed' % absent[0])
                continue
            with open(os.path.join(copy, file), encoding='utf-8') as f:
                healthy = f.read()
            with open(os.path.join(copy, file), 'w', encoding='utf-8') as f:
                f.write(text)
            try:
                tap.result(title, ['not on ' + machine for machine in machines
                                   if not codegen.problems(copy, *builds[machine])])
            except codegen.DoesNotCompile as e:
                tap.result(title, [e])
            with open(os.path.join(copy, file), 'w', encoding='utf-8') as f:
                f.write(healthy)
    tap.done()


if __name__ == '__main__':
    main()
