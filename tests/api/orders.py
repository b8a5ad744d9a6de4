#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""orders.py SOURCE: memory orders stand in atomic.h alone; elsewhere each operation that orders carries
the label of an edge, each edge has two ends in the code and a row in docs/ORDERING.md; and whoever is
relaxed says why.
"""
import re

import tap

ATOMIC = 'include/doorbell/atomic.h'
# The one operation that is both ends of its edge: a thread's decrement against the last one's.
BOTH_ENDS = {'R1'}
# Functions whose relaxed operations are all of one kind, told at the function: counters.
COUNTERS = {'count', 'bell_queue_stats', 'bell_pipe_stats'}

NAMES_AN_ORDER = re.compile(r'__ATOMIC_|memory_order|__atomic_|__sync_|\b_Atomic\b|stdatomic|\bvolatile\b')
ORDERS = re.compile(r'\bbell_(?:\w+_(?:acquire|release|acq_rel|seq_cst)|fence_\w+)\s*\(')
RELAXED = re.compile(r'\bbell_\w+_relaxed\s*\(')
LABEL = re.compile(r'\b[A-Z][0-9]\b')


def statement(code, i):
    """First and last line of the statement on line i: back to the end of the one before, and on to its
    own end; a line that opens a block ends what stands on it."""
    first = last = i
    while first > 0 and code[first - 1].strip() and not re.search(r'[;{}:]\s*$', code[first - 1]) \
            and not code[first - 1].startswith('#'):
        first -= 1
    while last + 1 < len(code) and not re.search(r'[;{}]\s*$', code[last]) \
            and code[last].count('(') != code[last].count(')'):
        last += 1
    return first, last


orders, unlabelled, unexplained, ends = [], [], [], {}
for file in tap.files(['include', 'src'], ['.h', '.c', '.hpp']):
    text = tap.read(file)
    code, comments = tap.code_of(text).split('\n'), tap.comments_of(text).split('\n')
    inside = {n: f for f, a, b in tap.functions(text) for n in range(a - 1, b)}
    if file == ATOMIC:
        continue
    for i, line in enumerate(code):
        where = '%s:%d: %s' % (file, i + 1, line.strip())
        if NAMES_AN_ORDER.search(line):
            orders.append(where)
        ordered, relaxed = ORDERS.findall(line), RELAXED.findall(line)
        if not ordered and not relaxed:
            continue
        first, last = statement(code, i)
        comment = '\n'.join(comments[first:last + 1])
        labels = LABEL.findall(comment)
        if ordered and not labels:
            unlabelled.append(where)
        if ordered:
            for label in labels:
                ends.setdefault(label, set()).add(where)
        above = first > 0 and not code[first - 1].strip() and '*/' in comments[first - 1]
        if relaxed and not comment.strip() and not above and inside.get(i) not in COUNTERS:
            unexplained.append(where)

rows = set(re.findall(r'^\|\s*\**([A-Z][0-9])\**\s*\|', tap.read('docs/ORDERING.md'), re.M))
tap.result('memory orders and volatile stand in atomic.h alone', orders)
tap.result('every operation that orders carries the label of an edge', unlabelled)
tap.result('every relaxed operation says why that is enough', unexplained)
tap.result('every edge has two ends in the code', ['%s: only at %s' % (label, ', '.join(sorted(where)))
           for label, where in sorted(ends.items()) if len(where) < 2 and label not in BOTH_ENDS])
tap.result('every edge of the code has a row in docs/ORDERING.md, and the other way round',
           ['%s: no row' % label for label in sorted(set(ends) - rows)] +
           ['%s: not in the code' % label for label in sorted(rows - set(ends))])
tap.result('there are edges at all', [] if ends else ['none found'])
tap.done()
