#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py [--list | --trail] [NAME...]: the models, explored by SPIN: queue.pml, and of the same name as the first
word of their rows, single.pml, collector.pml and pipe.pml.

Healthy rows are searched to the end and must show no error; a search that met a limit of depth or
memory fails. Each mutant takes one safeguard away and must fail, in the way that its row says: a
mutant that lives would mean that the model does not see what the safeguard is for. NAME...: these
rows only, or the rows of these models. --trail: print the way to the error of a row, step by step.
"""
import concurrent.futures
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = dict(MEMORY=0, EDGE=0, LOOP='DISPATCH', PRODUCERS=2, NOTIFIES=2, TOKENS=1, SIZE=1, CLOSE=0)
MEMORY_MB = 1500
SECONDS = 300
JOBS = 2
# Most searches take less time than gcc takes to compile them. tcc compiles in 20 ms what then runs half as fast.
COMPILER = ['tcc'] if shutil.which('tcc') else ['gcc', '-O0']

# What an error looks like.
LOST = 'seen[i]=='                  # nothing moves any more, and something was not delivered or seen
TWICE = 'out[0]!='                  # a poll returns a token twice
UNFOUND = 'i<(2*'                   # a batch does not find again what it claimed
LEFT = 'head==position'             # ... and something is still in the ring
BROKEN_PROMISE = 'seen[i]>=promised[i]'
DEAF = '(armed||hole)'              # the receiver waits, and no bell sounds or will
SLEPT = '!(early)'                  # told to sleep with a token published before
SPINS = 'turns<='                   # the receiver goes round for nothing
UNBOUNDED = '(n<'                   # a poll returns more than there can be
RINGS = '!(answered)'               # two rings for one arm, or one for none
AWAKE = '!(armed)&& !(hole)'        # arm says 0 and leaves a bit, so that an awake receiver is rung
UNENDED = ' !(1)'                   # closed, and the receiver sleeps for ever

# With a single producer.
SINGLE_DEAF = '((armed||'
SINGLE_AWAKE = '!(armed)'
CUT_OFF = 'head>=told'              # the end before a notify that said 1
UNSEEN = 'seen[i]==promised[i]'

RING_2 = 'TOKENS=2 SIZE=2'

# name, sentence, macros
HEALTHY = [
    ('level-1', 'level, dispatch, both on one token', ''),
    ('level-2', 'level, dispatch, a token each', RING_2),
    ('level-1-budget', 'level, dispatch of 1, both on one token', 'BUDGET=1'),
    ('level-2-budget', 'level, dispatch of 1, a token each', 'BUDGET=1 ' + RING_2),
    ('level-1-drain', 'level, drains and arms until told 1, both on one token', 'LOOP=DRAIN'),
    ('level-2-drain', 'level, drains and arms until told 1, a token each', 'LOOP=DRAIN ' + RING_2),
    ('level-2-drain-1', 'level, the same by polls of 1', 'LOOP=DRAIN BUDGET=1 ' + RING_2),
    ('level-1-stops', 'level, stops after a token without arming, both on one', 'LOOP=STOPS BUDGET=1'),
    ('level-2-stops', 'level, stops after a token without arming, a token each',
     'LOOP=STOPS BUDGET=1 ' + RING_2),
    ('level-1-forgets', 'level, does not heed "poll again", both on one token', 'LOOP=FORGETS'),
    ('level-2-forgets', 'level, does not heed "poll again", a token each', 'LOOP=FORGETS ' + RING_2),
    ('edge-1', 'edge, dispatch, both on one token', 'EDGE=1'),
    ('edge-2', 'edge, dispatch, a token each', 'EDGE=1 ' + RING_2),
    ('edge-1-budget', 'edge, dispatch of 1, both on one token', 'EDGE=1 BUDGET=1'),
    ('edge-2-budget', 'edge, dispatch of 1, a token each', 'EDGE=1 BUDGET=1 ' + RING_2),
    ('edge-1-drain', 'edge, drains and arms until told 1, both on one token', 'EDGE=1 LOOP=DRAIN'),
    ('edge-2-drain', 'edge, drains and arms until told 1, a token each',
     'EDGE=1 LOOP=DRAIN ' + RING_2),

    ('level-1-of-3', 'level, 3 producers on one token', 'PRODUCERS=3 NOTIFIES=1'),
    ('level-2-of-3', 'level, 3 producers on two tokens', 'PRODUCERS=3 NOTIFIES=1 ' + RING_2),
    ('edge-1-of-3', 'edge, 3 producers on one token', 'EDGE=1 PRODUCERS=3 NOTIFIES=1'),
    ('edge-2-of-3', 'edge, 3 producers on two tokens', 'EDGE=1 PRODUCERS=3 NOTIFIES=1 ' + RING_2),

    ('batch-1', 'level, a batch and a producer, on one token', 'BATCH=1'),
    ('batch-2', 'level, a batch of two tokens and a producer', 'BATCH=1 PRODUCERS=3 NOTIFIES=1 ' + RING_2),
    ('batch-2-edge', 'edge, dispatch of 1, a batch of two tokens and a producer',
     'BATCH=1 EDGE=1 BUDGET=1 PRODUCERS=3 NOTIFIES=1 ' + RING_2),
    ('batches-1', 'level, two batches on one token', 'BATCH=2'),
    ('batches-2', 'level, two batches of the same two tokens', 'BATCH=2 PRODUCERS=4 NOTIFIES=1 ' + RING_2),
    ('batch-2-close', 'level, closed meanwhile, a batch of two tokens and a producer',
     'BATCH=1 CLOSE=1 PRODUCERS=3 NOTIFIES=1 ' + RING_2),

    ('level-spurious', 'level, woken twice for other reasons', 'SPURIOUS=2 NOTIFIES=2'),
    ('edge-spurious', 'edge, woken twice for other reasons', 'EDGE=1 SPURIOUS=2'),
    ('level-stray', 'level, a stranger writes the fd', 'STRAY=1 LOOP=DRAIN'),
    ('level-refused', 'level, membarrier refused', 'REFUSED=1'),
    ('edge-refused', 'edge, membarrier refused', 'EDGE=1 REFUSED=1'),

    ('level-1-close', 'level, closed meanwhile, both on one token', 'CLOSE=1 NOTIFIES=1'),
    ('level-2-close', 'level, closed meanwhile, dispatch of 1, a token each',
     'CLOSE=1 NOTIFIES=1 BUDGET=1 ' + RING_2),
    ('level-1-close-2', 'level, closed meanwhile, one producer twice', 'CLOSE=1 PRODUCERS=1'),
    ('level-drain-close', 'level, closed meanwhile, drains, both on one token',
     'CLOSE=1 NOTIFIES=1 LOOP=DRAIN'),
    ('edge-1-close', 'edge, closed meanwhile, both on one token', 'EDGE=1 CLOSE=1 NOTIFIES=1'),
    ('edge-2-close', 'edge, closed meanwhile, dispatch of 1, a token each',
     'EDGE=1 CLOSE=1 NOTIFIES=1 BUDGET=1 ' + RING_2),
    ('edge-1-close-2', 'edge, closed meanwhile, one producer twice', 'EDGE=1 CLOSE=1 PRODUCERS=1'),
    ('level-close-look', 'closed meanwhile: would a conflated notify look at limit, all told 0 is kept',
     'CLOSE=1 NOTIFIES=1 LOOP=DRAIN PROMISE_ALL=1 CONFLATED_LOOKS_AT_LIMIT=1'),
]
for memory, what in (1, 'store buffers'), (2, 'weaker stores'):
    m = 'MEMORY=%d ' % memory
    HEALTHY += [
        ('level-1-m%d' % memory, what + ', level, both on one token', m),
        ('level-2-m%d' % memory, what + ', level, dispatch of 1, a token each', m + 'BUDGET=1 ' + RING_2),
        ('edge-1-m%d' % memory, what + ', edge, both on one token', m + 'EDGE=1'),
        ('edge-2-m%d' % memory, what + ', edge, a token each', m + 'EDGE=1 ' + RING_2),
        ('level-forgets-m%d' % memory, what + ', level, does not heed "poll again"', m + 'LOOP=FORGETS'),
        ('level-of-3-m%d' % memory, what + ', level, 3 producers on one token',
         m + 'PRODUCERS=3 NOTIFIES=1'),
        ('batch-2-m%d' % memory, what + ', level, a batch of two tokens and a producer',
         m + 'BATCH=1 PRODUCERS=3 NOTIFIES=1 ' + RING_2),
        ('batches-2-m%d' % memory, what + ', level, drains, two batches of the same two tokens',
         m + 'BATCH=2 LOOP=DRAIN PRODUCERS=4 NOTIFIES=1 ' + RING_2),
        ('level-close-m%d' % memory, what + ', level, closed meanwhile', m + 'CLOSE=1 NOTIFIES=1'),
        ('edge-close-m%d' % memory, what + ', edge, closed meanwhile', m + 'EDGE=1 CLOSE=1 NOTIFIES=1'),
    ]

# A single producer: rows whose names begin with it are of single.pml.
SINGLE_LOOPS = [
    ('level-1', 'level, dispatch, one token', 'NOTIFIES=4'),
    ('level-2', 'level, dispatch, two tokens', 'NOTIFIES=4 ' + RING_2),
    ('level-budget', 'level, dispatch of 1, two tokens', 'NOTIFIES=4 BUDGET=1 ' + RING_2),
    ('level-drain', 'level, drains and arms until told 1, two tokens', 'NOTIFIES=4 LOOP=DRAIN ' + RING_2),
    ('level-stops', 'level, stops after a token without arming', 'NOTIFIES=4 LOOP=STOPS BUDGET=1 ' + RING_2),
    ('level-forgets', 'level, does not heed "poll again"', 'NOTIFIES=4 LOOP=FORGETS ' + RING_2),
    ('edge-1', 'edge, dispatch, one token', 'EDGE=1 NOTIFIES=4'),
    ('edge-2', 'edge, dispatch, two tokens', 'EDGE=1 NOTIFIES=4 ' + RING_2),
    ('edge-budget', 'edge, dispatch of 1, two tokens', 'EDGE=1 NOTIFIES=4 BUDGET=1 ' + RING_2),
    ('edge-drain', 'edge, drains and arms until told 1, two tokens', 'EDGE=1 NOTIFIES=4 LOOP=DRAIN ' + RING_2),
    ('level-spurious', 'level, woken twice for other reasons', 'SPURIOUS=2 NOTIFIES=3'),
    ('edge-spurious', 'edge, woken twice for other reasons', 'EDGE=1 SPURIOUS=2 NOTIFIES=3'),
    ('level-stray', 'level, a stranger writes the fd', 'STRAY=1 LOOP=DRAIN NOTIFIES=3'),
    ('level-refused', 'level, membarrier refused later', 'REFUSED=1 NOTIFIES=3 LOOP=DRAIN'),
    ('edge-refused', 'edge, membarrier refused later', 'EDGE=1 REFUSED=1 NOTIFIES=3 LOOP=DRAIN'),
    ('level-close', 'level, closed meanwhile, one token', 'CLOSE=1 NOTIFIES=3'),
    ('level-close-2', 'level, closed meanwhile, dispatch of 1, two tokens', 'CLOSE=1 NOTIFIES=3 BUDGET=1 ' + RING_2),
    ('level-close-drain', 'level, closed meanwhile, drains', 'CLOSE=1 NOTIFIES=3 LOOP=DRAIN'),
    ('level-close-forgets', 'level, closed meanwhile, does not heed "poll again"', 'CLOSE=1 NOTIFIES=3 LOOP=FORGETS'),
    ('edge-close', 'edge, closed meanwhile, one token', 'EDGE=1 CLOSE=1 NOTIFIES=3'),
    ('edge-close-2', 'edge, closed meanwhile, dispatch of 1, two tokens',
     'EDGE=1 CLOSE=1 NOTIFIES=3 BUDGET=1 ' + RING_2),
    ('level-close-refused', 'level, closed meanwhile, membarrier refused later',
     'CLOSE=1 REFUSED=1 NOTIFIES=2 LOOP=DRAIN'),
    ('edge-close-refused', 'edge, closed meanwhile, membarrier refused later',
     'EDGE=1 CLOSE=1 REFUSED=1 NOTIFIES=2 LOOP=DRAIN'),
]
HEALTHY += [('single-' + name, 'a single producer, ' + sentence, macros) for name, sentence, macros in SINGLE_LOOPS]
for memory, what in (1, 'store buffers'), (2, 'weaker stores'):
    HEALTHY += [('single-%s-m%d' % (name, memory), 'a single producer, %s, %s' % (what, sentence),
                 'MEMORY=%d ' % memory + macros)
                for name, sentence, macros in SINGLE_LOOPS if not re.search('spurious|stray|refused|drain|stops', name)]

# Between processes.
SHARED_ROWS = [
    ('1', 'drains and arms until told 1, both on one token', 'SHARED=1 LOOP=DRAIN'),
    ('2', 'drains and arms until told 1, a token each', 'SHARED=1 LOOP=DRAIN ' + RING_2),
    ('stops', 'stops after a token without arming, a token each', 'SHARED=1 LOOP=STOPS BUDGET=1 ' + RING_2),
    ('forgets', 'does not heed "poll again"', 'SHARED=1 LOOP=FORGETS'),
    ('of-3', '3 producers on two tokens', 'SHARED=1 LOOP=DRAIN PRODUCERS=3 NOTIFIES=1 ' + RING_2),
]
HEALTHY += [('shared-%s-m%d' % (name, memory), 'between processes, %s, %s' % (what, sentence),
             'MEMORY=%d ' % memory + macros)
            for memory, what in ((0, 'one order'), (1, 'store buffers'), (2, 'weaker stores'))
            for name, sentence, macros in SHARED_ROWS if memory == 0 or name != 'stops']

# What cannot show here, and why:
#   F2's release and acquire, T1's order, S1's acquire: loads are never late in this model. GenMC, on
#     the C code under RC11 and IMM, is for those (edges/).
#   M_ARM_NO_FIRST_LOOK, without arm's look at tail before the read: costs a wake-up for nothing for each
#     ring, and loses nothing; the swap looks again.
#   A3's fence in arm: what stands before it is a read-modify-write, which no buffer holds here.
#   The fences of F1 and A2 without store buffers (MEMORY=0), and S1's release in order (MEMORY=1).
#
# name (its macro), what is missing, macros, the error
ONE = 'PRODUCERS=1 LOOP=DRAIN'
TWO = 'NOTIFIES=1 LOOP=DRAIN'
BATCHES = 'BATCH=2 PRODUCERS=4 NOTIFIES=1 LOOP=DRAIN ' + RING_2
MUTANTS = [
    ('M_NOTIFY_NO_FENCE', 'F1: no fence before the look at the flag', 'MEMORY=1 ' + ONE, LOST),
    ('M_HINT_DECIDES', 'F1: the look without a fence decides', 'MEMORY=1 ' + ONE, LOST),
    ('M_POLL_NO_FENCE', 'F1: no fence after the flags are cleared', 'MEMORY=1 ' + ONE, LOST),
    ('M_POLL_CLEARS_AT_ONCE', 'each flag is cleared as its slot is read', 'LOOP=DRAIN', UNBOUNDED),
    ('M_RAISE_NOT_ATOMIC', 'F2: the flag is raised by load and store', TWO, UNBOUNDED),
    ('M_RESERVE_NOT_ATOMIC', 'T1: a slot is reserved by load and store', TWO + ' ' + RING_2, LOST),
    ('M_PUBLISH_FIRST', 'the slot is published before it is reserved', TWO + ' ' + RING_2, LEFT),
    ('M_PUBLISH_RELAXED', 'S1: the slot is stored without release', 'MEMORY=2 ' + ONE, LOST),
    ('M_NO_LAP', 'no lap bit', ONE, UNBOUNDED),
    ('M_NOTIFY_IGNORES_ARMED', 'A1: notify does not look for ARMED', ONE, LEFT),
    ('M_NOTIFY_IGNORES_HOLE', 'A2: notify does not look for HOLE', 'LOOP=DRAIN', LEFT),
    ('M_NO_MEMBARRIER', 'A2: HOLE without membarrier', 'MEMORY=1 LOOP=DRAIN NOTIFIES=1 ' + RING_2, LEFT),
    ('M_CLAIM_NOT_ATOMIC', 'A1: the arm is claimed by load and store', 'EDGE=1 ' + TWO + ' ' + RING_2, RINGS),
    ('M_CLAIM_RINGS_ALWAYS', 'whoever comes to claim rings', 'EDGE=1 ' + TWO + ' ' + RING_2, RINGS),
    ('M_CLAIM_LEAVES_HOLE', 'a claim leaves HOLE', 'EDGE=1 LOOP=DRAIN ' + RING_2, RINGS),
    ('M_CLAIM_LEAVES_ARMED', 'a claim leaves ARMED', TWO + ' ' + RING_2, SPINS),
    ('M_CLAIM_NO_WRITE', 'a claim without a write', ONE, LEFT),
    ('M_ARM_NO_STEP_0', 'arm does not look before it touches the fd', ONE + ' SPURIOUS=1', SLEPT),
    ('M_ARM_NO_SECOND_LOOK', 'arm does not ask whether it was claimed when it swaps', 'LOOP=DRAIN', DEAF),
    ('M_ARM_NEVER_READS_UNASKED', 'a bell nobody owes is never read', ONE + ' STRAY=1', SPINS),
    ('M_ARM_NO_RECHECK', 'A1: arms without comparing the position', ONE, LEFT),
    ('M_ARM_NOT_ATOMIC', 'A1: compares, then arms', ONE, LEFT),
    ('M_ARM_HEEDS_NO_CLOSE', 'A1: arms though closed', ONE + ' CLOSE=1', UNENDED),
    ('M_READ_AFTER_ARM', 'reads the fd after arming', ONE, LEFT),
    ('M_READ_SETTLES_ALL', 'a read settles rings not yet written', 'LOOP=DRAIN', SPINS),
    ('M_ARM_NO_STEP_3', 'forgets that it is armed', 'LOOP=DRAIN SPURIOUS=1', AWAKE),
    ('M_NO_GIVE_BACK', 'what was read is not given back', 'LOOP=FORGETS ' + RING_2, DEAF),
    ('M_KICK_NOT_OWED', 'what is given back is not counted', 'LOOP=FORGETS ' + RING_2, SPINS),
    ('M_NO_HOLE', 'sleeps at a hole without HOLE', TWO + ' ' + RING_2, LEFT),
    ('M_HOLE_NO_RECHECK', 'A2: no look at the slot after HOLE', TWO + ' ' + RING_2, LEFT),
    ('M_HOLE_LEFT', 'HOLE is not taken back', TWO + ' ' + RING_2, AWAKE),
    ('M_HOLE_BACK_UNCOUNTED', 'HOLE taken back though claimed, the ring not counted', 'LOOP=DRAIN', SPINS),
    ('M_EDGE_STOPS_SILENTLY', 'edge: a dispatch that stops early does not ring itself',
     'EDGE=1 BUDGET=1 NOTIFIES=1 ' + RING_2, DEAF),
    ('M_EDGE_ENDS_SILENTLY', 'edge: tokens handed out, then closed, and nobody is told',
     'EDGE=1 CLOSE=1 NOTIFIES=1 PRODUCERS=1', DEAF),
    ('M_CLOSE_NO_RING', 'close does not ring', ONE + ' CLOSE=1', UNENDED),
    ('M_CLOSE_NO_SCAN', 'no search for flags that are up', TWO + ' CLOSE=1', BROKEN_PROMISE),
    ('M_CLOSE_SLEEPS_UNARMED', 'a flag is up: sleeps without arming', TWO + ' CLOSE=1', UNENDED),
    ('M_CLOSE_ARMS_BLINDLY', 'a flag is up: arms without comparing', TWO + ' CLOSE=1', UNENDED),
    ('M_CLOSE_KEEPS_BELL', 'closed: what was read is not given back', 'CLOSE=1 NOTIFIES=1 PRODUCERS=1', DEAF),
    ('M_REFUSED_UNPUBLISHED', 'a notify refused late leaves its slot unpublished', TWO + ' CLOSE=1', UNENDED),
    ('M_CLAIM_BLINDLY', 'a notify raises a flag that is up, and wipes out a mark', 'BATCH=1 ' + TWO, UNFOUND),
    ('M_LOOK_TAKES_ANY', 'a batch takes any flag that is up for its own',
     'BATCH=1 PRODUCERS=3 ' + TWO + ' ' + RING_2, TWICE),
    ('M_MARK_STAYS', 'a flag stays at its mark', 'BATCH=1 ' + TWO + ' ' + RING_2, TWICE),
    ('M_MARK_LATE', 'S1: a flag moves on from its mark after its token is published',
     'BATCH=1 PRODUCERS=1 LOOP=DRAIN SPURIOUS=1', LOST),
    ('M_MARK_SHARED', 'M1: two batches have the same mark', BATCHES, LOST),
    ('M_MARK_BACK_EARLY', 'M1: a mark is given back before its flags have moved on', BATCHES + ' SPURIOUS=1', LOST),
    ('M_MARK_BACK_RELAXED', 'M1: a mark is given back without release', 'MEMORY=2 ' + BATCHES, LOST),
    ('PROMISE_ALL', 'not promised: what is told 0 while close runs', TWO + ' CLOSE=1', BROKEN_PROMISE),
]

SHARED = 'SHARED=1 LOOP=DRAIN NOTIFIES=1 ' + RING_2
MUTANTS += [('shared ' + row[0],) + row[1:] for row in [
    ('M_NOTIFY_NO_SECOND_FENCE', 'A3: notify looks for HOLE without a fence', 'MEMORY=1 ' + SHARED, LEFT),
    ('M_NOTIFY_NO_FENCE', 'F1: no fence before the look at the flag', 'MEMORY=1 SHARED=1 ' + ONE, LOST),
    ('M_POLL_NO_FENCE', 'F1: no fence after the flags are cleared', 'MEMORY=1 SHARED=1 ' + ONE, LOST),
    ('M_HOLE_NO_RECHECK', 'A3: no look at the slot after HOLE', SHARED, LEFT),
    ('M_NO_GIVE_BACK', 'what was read is not given back', 'SHARED=1 LOOP=FORGETS ' + RING_2, DEAF),
    ('M_KICK_STAYS', 'what was given back is never silenced', 'SHARED=1 LOOP=DRAIN', SPINS),
    ('M_READ_AFTER_ARM', 'reads the bell after arming', 'SHARED=1 ' + ONE, LEFT),
]]


SINGLE = 'LOOP=DRAIN NOTIFIES=3'
MUTANTS += [('single ' + row[0],) + row[1:] for row in [
    ('M_NOTIFY_NO_FENCE', 'F1: no fence before the second look at the flag', 'MEMORY=1 ' + SINGLE, UNSEEN),
    ('M_HINT_DECIDES', 'F1: the look without a fence decides', 'MEMORY=1 ' + SINGLE, UNSEEN),
    ('M_POLL_NO_FENCE', 'F1: no fence after the flags are cleared', 'MEMORY=1 ' + SINGLE, UNSEEN),
    ('M_POLL_CLEARS_AT_ONCE', 'each flag is cleared as its slot is read', SINGLE, UNBOUNDED),
    ('M_NO_FLAG', 'no flag is raised', SINGLE, UNBOUNDED),
    ('M_RAISE_LATE', 'the flag is raised behind the slot', SINGLE, UNSEEN),
    ('M_PUBLISH_RELAXED', 'S1: the slot is stored without release', 'MEMORY=2 ' + SINGLE, UNSEEN),
    ('M_NO_LAP', 'no lap bit', SINGLE, UNBOUNDED),
    ('M_NOTIFY_DOES_NOT_LOOK', 'A2: notify does not look whether the receiver sleeps', SINGLE, LEFT),
    ('M_LOOK_FIRST', 'A2: notify looks before it publishes', SINGLE, LEFT),
    ('M_CLAIM_NOT_ATOMIC', 'A1: the arm is claimed by load and store', 'CLOSE=1 ' + SINGLE, RINGS),
    ('M_CLAIM_RINGS_ALWAYS', 'whoever comes to claim rings', 'CLOSE=1 ' + SINGLE, RINGS),
    ('M_CLAIM_LEAVES_ARMED', 'a claim leaves ARMED', SINGLE + ' ' + RING_2, SPINS),
    ('M_CLAIM_NO_WRITE', 'a claim without a write', SINGLE, LEFT),
    ('M_ARM_NO_STEP_0', 'arm does not look before it touches the fd', SINGLE + ' SPURIOUS=1', SLEPT),
    ('M_ARM_NO_SECOND_LOOK', 'arm does not ask whether it was claimed when it announces', SINGLE, SPINS),
    ('M_ARM_NEVER_READS_UNASKED', 'a bell nobody owes is never read', SINGLE + ' STRAY=1', SPINS),
    ('M_READ_LATE', 'reads the fd after announcing', SINGLE, LEFT),
    ('M_READ_SETTLES_ALL', 'a read settles rings not yet written', SINGLE, SPINS),
    ('M_ANNOUNCE_NOT_ATOMIC', 'A1: announces by load and store', SINGLE + ' CLOSE=1', UNENDED),
    ('M_NO_MEMBARRIER', 'A2: no membarrier', 'MEMORY=1 ' + SINGLE, LEFT),
    ('M_LOOK_BEFORE_MEMBARRIER', 'A2: looks again, and then has the fence', 'MEMORY=1 ' + SINGLE, LEFT),
    ('M_NO_RECHECK', 'A2: no second look at the slot', SINGLE, LEFT),
    ('M_ANNOUNCEMENT_LEFT', 'ARMED is not taken back', SINGLE, SINGLE_AWAKE),
    ('M_BACK_UNCOUNTED', 'ARMED taken back though claimed, the ring not counted', SINGLE, SPINS),
    ('M_NO_GIVE_BACK', 'what was read is not given back', 'NOTIFIES=3 LOOP=FORGETS', SINGLE_DEAF),
    ('M_KICK_NOT_OWED', 'what is given back is not counted', 'NOTIFIES=3 LOOP=FORGETS', SPINS),
    ('M_EDGE_STOPS_SILENTLY', 'edge: a dispatch that stops early does not ring itself',
     'EDGE=1 BUDGET=1 NOTIFIES=2 ' + RING_2, SINGLE_DEAF),
    ('M_EDGE_ENDS_SILENTLY', 'edge: tokens handed out, then closed, and nobody is told',
     'EDGE=1 CLOSE=1 NOTIFIES=2', SINGLE_DEAF),
    ('M_CLOSE_NO_RING', 'close does not ring', SINGLE + ' CLOSE=1', UNENDED),
    ('M_CLOSED_SLEEPS', 'arm sleeps though closed', SINGLE + ' CLOSE=1', UNENDED),
    ('M_CLOSED_NO_MEMBARRIER', 'A2: closed, so no membarrier', 'MEMORY=1 ' + SINGLE + ' CLOSE=1', CUT_OFF),
    ('M_END_UNSEEN', 'closed, so no second look', SINGLE + ' CLOSE=1', CUT_OFF),
    ('M_NOTIFY_UNTOLD_OF_CLOSE', 'A2: a notify that meets the close says 1', SINGLE + ' CLOSE=1', CUT_OFF),
    ('M_REFUSED_SLEEPS', 'membarrier refused, and arm sleeps all the same', 'MEMORY=1 REFUSED=1 ' + SINGLE, LEFT),
    ('M_REFUSED_NO_EDGE', 'edge: membarrier refused, and the loop is not called back',
     'EDGE=1 REFUSED=1 ' + SINGLE, SINGLE_DEAF),
]]

# The collector: rows whose names begin with it are of collector.pml.
STUCK = 'invalid end state'          # somebody sleeps for ever
MISCOUNTED = 'handed==accepted'
COLLECTOR_LOOPS = [
    ('futex', 'a ring of one, and its futex', 'RING=1 RECORDS=4'),
    ('bound', 'a ring of one, and a bound token', 'RING=1 RECORDS=4 BOUND=1'),
    ('ring-2', 'a ring of two', 'RING=2 RECORDS=5'),
    ('close', 'closed meanwhile', 'RING=1 RECORDS=3 CLOSE=1'),
    ('close-2', 'closed meanwhile, a ring of two', 'RING=2 RECORDS=3 CLOSE=1'),
    ('close-bound', 'closed meanwhile, a bound token', 'RING=1 RECORDS=3 CLOSE=1 BOUND=1'),
    ('idle', 'closed meanwhile, and nobody drains', 'RING=1 RECORDS=3 CLOSE=1 IDLE=1'),
    ('idle-bound', 'the same, a bound token', 'RING=1 RECORDS=3 CLOSE=1 IDLE=1 BOUND=1'),
    ('leave', 'freed at its end', 'RING=2 RECORDS=3 LEAVE=1'),
]
for memory, what in (0, 'in order'), (1, 'store buffers'), (2, 'weaker stores'):
    HEALTHY += [('collector-%s-m%d' % (name, memory), 'the collector, %s, %s' % (what, sentence),
                 'MEMORY=%d ' % memory + macros) for name, sentence, macros in COLLECTOR_LOOPS]

WAITS = 'RING=1 RECORDS=3'
CLOSES = 'RING=1 RECORDS=3 CLOSE=1'
MUTANTS += [('collector ' + row[0],) + row[1:] for row in [
    ('M_PUBLISH_FIRST', 'C1: published before it is written', WAITS, 'v==tail'),
    ('M_PUBLISH_RELAXED', 'C1: head is stored without release', 'MEMORY=2 RING=2 RECORDS=3', 'v==tail'),
    ('M_FREES_BEFORE_IT_READS', 'C2: places are free before they were read', WAITS, 'v==tail'),
    ('M_NO_ANNOUNCEMENT', 'C3: blocks without announcing it', WAITS + ' BOUND=1', STUCK),
    ('M_NO_RECHECK', 'C3: announces and does not look again', WAITS, STUCK),
    ('M_ANNOUNCE_NO_FENCE', 'C3: no fence between announcing and looking', 'MEMORY=1 ' + WAITS, STUCK),
    ('M_DRAIN_NO_FENCE', 'C3: drain frees places and looks who waits without a fence', 'MEMORY=1 ' + WAITS, STUCK),
    ('M_LOOKS_BEFORE_IT_FREES', 'C3: drain looks who waits, and then frees places', WAITS, STUCK),
    ('M_DRAIN_WAKES_NOBODY', 'C3: drain does not look who waits', WAITS, STUCK),
    ('M_WAKE_LEAVES_WORD', 'C3: a wake-up leaves the word as it is', WAITS, STUCK),
    ('M_CLOSE_WAKES_NOBODY', 'C3: close does not look who waits', 'IDLE=1 ' + CLOSES, STUCK),
    ('M_CLOSE_NO_FENCE', 'C3: close looks who waits without a fence', 'MEMORY=1 IDLE=1 ' + CLOSES, STUCK),
    ('M_SUBMIT_IGNORES_CLOSED', 'C3: the recheck does not look at closed', 'IDLE=1 ' + CLOSES, STUCK),
    ('M_REFUSED_SEALS_NOTHING', 'C5: who is refused does not set the seal', CLOSES, MISCOUNTED),
    ('M_REFUSED_ALWAYS', 'C5: who is refused does not look at the seal', CLOSES, MISCOUNTED),
    ('M_REFUSED_NEVER', 'C5: who is refused is never refused', CLOSES, MISCOUNTED),
    ('M_REFUSED_FORGETS', 'C5: who was refused submits again before it sees the close',
     'MEMORY=1 RING=2 RECORDS=3 CLOSE=1', 'tail<=end'),
    ('M_CONSUMER_SEALS_NOTHING', 'C5: the consumer does not set the seal', CLOSES, MISCOUNTED),
    ('M_LEAVE_NO_FENCE', 'C4: no fence between leaving and looking whether all is drained',
     'MEMORY=1 RING=1 RECORDS=1 LEAVE=1', 'vacant'),
    ('M_DRAIN_LEAVES_PLACE', 'C4: drain does not look whether the place was left', 'RING=1 RECORDS=1 LEAVE=1', 'vacant'),
]]

# The broadcast pipe: rows whose names begin with it are of pipe.pml.
WRONG_BYTE = '(p==(at+1))'          # a byte of another lap, or none yet
CUT_SHORT = '(at=='                 # the end before the last byte
PIPE = 'WRITES=3 LEAVE=0 JOIN=0 '
HEALTHY += [('pipe-%s-m%d' % (name, memory), 'a pipe, %s, %s' % (what, sentence), 'MEMORY=%d ' % memory + macros)
            for memory, what in enumerate(('in order', 'store buffers', 'weaker stores'))
            for name, sentence, macros in [
                ('1', 'ring of 1', 'WRITES=2 LEAVE=0 JOIN=0'),
                ('2', 'ring of 2', PIPE + 'SIZE=2'),
                ('leave', 'one leaves', 'WRITES=3 LEAVE=1 JOIN=0'),
                ('join', 'one joins', 'WRITES=2 LEAVE=0 JOIN=1')]
            if memory == 0 or memory == 2 and name != '2' or name == '1']
JOINED = 'WRITES=2 LEAVE=0 JOIN=1'
MUTANTS += [('pipe ' + row[0],) + row[1:] for row in [
    ('M_WRITE_NO_FENCE', 'B3: a write looks for sleepers without a fence', 'MEMORY=1 WRITES=2 LEAVE=0 JOIN=0', STUCK),
    ('M_SLEEP_NO_FENCE', 'B3: a reader announces sleep without a fence', 'MEMORY=1 WRITES=2 LEAVE=0 JOIN=0', STUCK),
    ('M_SLEEP_NO_RECHECK', 'B3: a reader does not look again', 'WRITES=2 LEAVE=0 JOIN=0', STUCK),
    ('M_LOOK_FIRST', 'B3: a reader looks again, and then announces', 'WRITES=2 LEAVE=0 JOIN=0', STUCK),
    ('M_CLOSE_SILENT', 'B3: the end wakes nobody', 'WRITES=2 LEAVE=0 JOIN=0', STUCK),
    ('M_READ_NO_FENCE', 'B4: a reader looks for a waiting writer without a fence', 'MEMORY=1 WRITES=2 LEAVE=0 JOIN=0', STUCK),
    ('M_WAIT_NO_FENCE', 'B4: the writer announces waiting without a fence', 'MEMORY=1 WRITES=2 LEAVE=0 JOIN=0', STUCK),
    ('M_WAIT_NO_RECHECK', 'B4: the writer does not look again', 'WRITES=2 LEAVE=0 JOIN=0', STUCK),
    ('M_LEAVE_SILENT', 'B4: who leaves wakes nobody', 'WRITES=3 LEAVE=1 JOIN=0', STUCK),
    ('M_POSITION_FIRST', 'B2: a position is told before its byte is read', 'WRITES=2 LEAVE=0 JOIN=0', WRONG_BYTE),
    ('M_TAIL_RELAXED', 'B1: tail is stored without release', 'MEMORY=2 WRITES=2 LEAVE=0 JOIN=0', WRONG_BYTE),
    ('M_END_APART', 'B1: the end is looked for after the bytes', 'WRITES=2 LEAVE=0 JOIN=0', CUT_SHORT),
    ('M_JOIN_NO_FENCE', 'B5: a reader joins without a fence', 'MEMORY=1 ' + JOINED, WRONG_BYTE),
    ('M_JOIN_NO_RECHECK', 'B5: a reader joins without a second look', JOINED, WRONG_BYTE),
    ('M_JOIN_SILENT', 'B4: a reader that moves up as it joins wakes nobody', JOINED, STUCK),
    ('M_FLOOR_FALLS', 'B5: a reader yet to move up as it joins lowers floor', 'WRITES=3 LEAVE=0 JOIN=1', WRONG_BYTE),
    ('M_LOOK_NO_FENCE', 'B5: the writer looks twice without a fence', 'MEMORY=1 ' + JOINED, WRONG_BYTE),
    ('M_LOOK_ONCE', 'B5: the writer looks once', JOINED, WRONG_BYTE),
]]


def family(name):
    own = re.match('single|collector|pipe', name)
    return own.group() if own else 'queue'


def model_of(name):
    return family(name) + '.pml'


def defines(macros):
    all_of = dict(BASE)
    for word in macros.split():
        name, _, value = word.partition('=')
        all_of[name] = value or '1'
    return ['-D%s=%s' % item for item in all_of.items()]


# A mutant says something only where nothing fails without it.
seen = {(model_of(row[0]), *sorted(defines(row[2]))) for row in HEALTHY}
for mutant in MUTANTS:
    key = (model_of(mutant[0]), *sorted(defines(mutant[2])))
    if key not in seen:
        seen.add(key)
        kind, _, macro = mutant[0].rpartition(' ')
        HEALTHY.append((('%s-healthy-%s' % (kind, macro)).strip('-'), 'where that mutant fails, the code as it is does not', mutant[2]))


def limit():
    resource.setrlimit(resource.RLIMIT_AS, ((MEMORY_MB + 500) << 20,) * 2)


def explore(model, macros, folder, compiler):
    """The output of the search, or an error of what leads to it."""
    for file in (model, 'memory.pml'):
        shutil.copy(os.path.join(HERE, file), folder)
    options = dict(cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    made = subprocess.run(['spin'] + defines(macros) + ['-a', model], **options)
    if made.returncode == 0:
        made = subprocess.run([*compiler, '-w', '-DSAFETY', '-DNOCLAIM', '-DMEMLIM=%d' % MEMORY_MB,
                               '-o', 'pan', 'pan.c'], **options)
    if made.returncode != 0:
        return 'not built: ' + made.stdout
    return subprocess.run(['./pan', '-m20000', '-w21'], preexec_fn=limit, **options).stdout


def judge(output, expected):
    """What is wrong with it; None: all as expected."""
    errors = re.search(r'errors: (\d+)', output)
    first = re.search(r'^pan:\d+: (.*)', output, re.M)
    if not errors:
        return output.strip()[-400:] or 'no output'
    if 'max search depth too small' in output or 'out of memory' in output or 'aborted' in output:
        return 'not searched to the end'
    if expected is None:
        return first.group(1) if errors.group(1) != '0' else None
    if errors.group(1) == '0':
        return 'survives'
    return None if expected in first.group(1) else 'fails otherwise: ' + first.group(1)


def run(row):
    name, sentence, macros = row[:3]
    expected = row[3] if len(row) > 3 else None
    if expected:
        macros += ' ' + name.split()[-1]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='bell-model-') as folder:
        try:
            output = explore(model_of(name), macros, folder, COMPILER)
        except subprocess.TimeoutExpired:
            return 'longer than %d s' % SECONDS, ''
        wrong = judge(output, expected)
        if '--trail' in sys.argv and os.path.exists(folder + '/%s.trail' % model_of(name)):
            subprocess.run(['spin', '-t', '-p', '-g', '-l'] + defines(macros) + [model_of(name)], cwd=folder)
    states = re.search(r'([0-9.e+]+) states, stored', output)
    return wrong, '%s states, %.1f s' % (states.group(1) if states else '?', time.monotonic() - started)


def main():
    wanted = [a for a in sys.argv[1:] if not a.startswith('--')]
    rows = [r for r in HEALTHY + MUTANTS if not wanted or {r[0], family(r[0])} & set(wanted)]
    if '--list' in sys.argv:
        for row in rows:
            print('%-28s %s%s' % (row[0], row[2], '  fails: ' + row[3] if len(row) > 3 else ''))
        return 0
    if not shutil.which('spin') or not shutil.which('gcc'):
        print('1..0 # SKIP spin or gcc is not installed')
        return 0
    print('1..%d' % len(rows), flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for i, (row, (wrong, figures)) in enumerate(zip(rows, pool.map(run, rows)), 1):
            print('%sok %d - %s: %s (%s)' % ('not ' if wrong else '', i, row[0], row[1], figures), flush=True)
            if wrong:
                failed += 1
                print('# ' + wrong.replace('\n', '\n# '), flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
