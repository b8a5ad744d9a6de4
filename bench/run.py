#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py PROGRAMS: run every benchmark of the folder PROGRAMS and say what came of it.

All programs run in turn, several times over, so that what disturbs the machine for a while disturbs
all of them; a figure is the median over the runs, a ratio the median of the ratios within each run.
Prints the table, writes a results file and draws the plots. The exit status is the number of promises
missed, or 99 if something is wrong: a program failed, a row is missing, doorbell lost an update.

  --quick             every row once, in seconds, with nothing promised: are they all there and right?
  --runs N            (default 5)
  --only PROGRAM      this one only; may be repeated
  --results FILE      (default: results.json in PROGRAMS)
  --write-docs        results to bench/results.json, tables to docs/BENCH.md and README.md, plots to docs/
"""
import argparse
import collections
import datetime
import importlib.util
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent / 'docs'
WRONG = 99

# Arguments of a program for a run that says something, and for one that only shows that it works.
PROGRAMS = {
    'queue': ([], ['--rounds', '20']),
    'local': ([], ['--rounds', '20']),
    'hub': ([], ['--rounds', '5']),
    'contend': ([], ['--rounds', '2']),
    'wake': ([], ['--rounds', '2']),
    'spin': ([], ['--rounds', '1']),
    'permit': ([], ['--rounds', '2']),
    'pipe': ([], ['--rounds', '1']),
    'share': ([], ['--rounds', '2']),
    'share_calls': ([], ['--rounds', '5']),
    'share_pipe': ([], ['--rounds', '2']),
    'rivals': ([], ['--rounds', '5']),
    'storm': ([], ['--rounds', '1', '--n', '3']),
    'trickle': ([], ['--rounds', '1', '--n', '10']),
    'collector': ([], ['--rounds', '2']),
}
NOISE, NAMED = 0.95, 3  # of what is told of rivals that are better
OURS = 'doorbell, epoll edge'
AWAKE = 'doorbell, receiver awake'
HARNESS = 'nothing: the harness alone'
PINNING = 'threads of a team one to a processor; receivers on the first, producers on the others'

# What a receiver or a producer may call on the way, for strace: the rest is start and end.
SYSCALLS = 'read,write,epoll_wait,epoll_pwait,poll,ppoll,futex,io_uring_enter,membarrier,sched_yield'
SYSCALL_RUNS, SYSCALL_MS = 3, 200
HEAD = ('name unit n samples quantile p10 p50 p99 spread rival ratio promised notes quantiles').split()


class Wrong(Exception):
    """The benchmark itself is at fault: its figures mean nothing."""


def number(text):
    value = float(text)
    return int(value) if value == int(value) else value


def row_of(program, fields):
    row = dict(zip(HEAD, fields), program=program)
    for key in 'n samples quantile p10 p50 p99 spread ratio promised'.split():
        row[key] = number(row[key])
    row['notes'] = {k: float(v) for k, v in (n.split('=') for n in row['notes'].split(';') if n)}
    row['quantiles'] = [float(q) for q in row['quantiles'].split(',')]
    return row


def run(programs, program, arguments):
    """One run of a program: its head, its rows and what it skipped."""
    done = subprocess.run([programs / f'bench-{program}', '--tsv', *arguments], capture_output=True,
                          text=True, timeout=1800)
    head, rows, skipped = {}, [], {}
    for line in done.stdout.splitlines():
        kind, *fields = line.split('\t')
        if kind == 'head':
            head[fields[0]] = fields[1]
        elif kind == 'row':
            rows.append(row_of(program, fields))
        elif kind == 'skip':
            skipped[fields[0]] = fields[1]
    if done.returncode in (WRONG, *range(-64, 0)) or not rows:
        raise Wrong(f'bench-{program}: status {done.returncode}: {done.stderr.strip()}')
    return head, rows, skipped


def merged(rows):
    """One row of those of the same name in several runs."""
    row = dict(rows[0])
    for key in 'p10 p50 p99 spread'.split():
        row[key] = statistics.median(r[key] for r in rows)
    row['samples'] = sum(r['samples'] for r in rows)
    row['notes'] = {k: statistics.median(r['notes'].get(k, 0) for r in rows) for k in row['notes']}
    if 'lost' in row['notes']:
        row['notes']['lost'] = sum(r['notes']['lost'] for r in rows)
    del row['quantiles']
    if row['name'].startswith('latency: '):  # a distribution, to be drawn
        row['quantiles'] = [statistics.median(q) for q in zip(*(r['quantiles'] for r in rows))]
    row['ratios'] = [r['ratio'] for r in rows]
    row['ratio'] = statistics.median(row['ratios'])
    row['rival'] = collections.Counter(r['rival'] for r in rows).most_common(1)[0][0]
    row['met'] = row['ratio'] <= row['promised'] if row['promised'] and row['rival'] else None
    return row


def traced(programs, rival, milliseconds):
    """System calls of one storm, and its notifies; None if strace may not."""
    with tempfile.NamedTemporaryFile('r') as counts:
        done = subprocess.run(
            ['strace', '-f', '-c', '--seccomp-bpf', '-e', 'trace=' + SYSCALLS, '-o', counts.name,
             programs / 'bench-storm', '--once', '--only', rival, '--n', str(milliseconds)],
            capture_output=True, text=True, timeout=120)
        total = re.search(r'^\s*100\.00\s+\S+\s+\S*\s+(\d+)\s+.*total$', counts.read(), re.M)
    notified = re.search(r'notified\t(\d+)', done.stdout)
    if done.returncode or not notified:
        return None
    return int(total.group(1)) if total else 0, int(notified.group(1))


def syscalls(programs, rivals):
    """Rows of system calls a million notifies. strace slows each call down, not what lies between."""
    if not shutil.which('strace'):
        return [], {'syscalls': 'strace is not installed'}
    rows, skipped = [], {}
    for rival in rivals:
        values = []
        for _ in range(SYSCALL_RUNS):
            idle, busy = traced(programs, rival, 0), traced(programs, rival, SYSCALL_MS)
            if not idle or not busy or not busy[1]:
                break
            values.append(1e6 * max(0, busy[0] - idle[0]) / busy[1])
        if len(values) < SYSCALL_RUNS:
            skipped[f'syscalls: {rival}'] = 'strace or the rival is refused'
            continue
        values.sort()
        middle = statistics.median(values)
        rows.append({'program': 'syscalls', 'name': f'syscalls: {rival}', 'unit': 'a million notifies',
                     'n': 1, 'samples': len(values), 'quantile': 0.5, 'p10': values[0], 'p50': middle,
                     'p99': values[-1], 'spread': (values[-1] - values[0]) / middle if middle else 0,
                     'rival': '', 'ratio': 0, 'promised': 0, 'notes': {},
                     'met': round(middle) == 0 if rival == AWAKE else None})
    return rows, skipped


def figure(value):
    if value == 0 or 0.01 <= abs(value) < 1e5:
        return f'{value:.2f}' if abs(value) < 100 else f'{value:.0f}'
    return f'{value:.3g}'


def verdict(row):
    if row['met'] is None:
        return ''
    promised = figure(row['promised']) if row['promised'] else '0 of them'
    return f'promised {promised}: ' + ('met' if row['met'] else 'MISSED')


def measured(row):
    return [str(row['n'])] + [figure(row[p]) for p in ('p10', 'p50', 'p99')]


def print_table(results):
    for key, value in results['head'].items():
        print(f'{key:<9} {value}')
    program = None
    for row in results['rows']:
        if row['program'] != program:
            program = row['program']
            titles = ''.join(f'{title:>10}' for title in ('n', 'p10', 'p50', 'p99'))
            print(f'\n{program:<54} unit{titles} {"spread":>6} {"ratio":>7}')
        line = f'{row["name"]:<54} {row["unit"]:>4}' + ''.join(f'{c:>10}' for c in measured(row))
        line += f' {row["spread"]:>6.0%}'
        if row['rival']:
            line += f' {figure(row["ratio"]):>7} of {row["rival"]}'
        print(f'{line}  {verdict(row)}'.rstrip())
        if row['notes']:
            print('    ' + ', '.join(f'{k.replace("_", " ")} {figure(v)}' for k, v in row['notes'].items()))
    for name, why in results['skipped'].items():
        print(f'skipped: {name}: {why}')


def check(results):
    """Rows that are missing for no reason, and updates that doorbell lost."""
    wrong = [f'{name}: {why}' for name, why in results['skipped'].items() if why == 'nothing measured']
    for row in results['rows']:
        if row['notes'].get('lost') and ': doorbell' in row['name']:
            wrong.append(f'{row["name"]}: {row["notes"]["lost"]:.0f} updates lost')
    return wrong


def measure(programs, wanted, runs, quick):
    head, skipped, found = {}, {}, collections.OrderedDict()
    for turn in range(runs):
        for program in wanted:
            print(f'run {turn + 1} of {runs}: {program}', file=sys.stderr, flush=True)
            of_run, rows, not_run = run(programs, program, PROGRAMS[program][1 if quick else 0])
            head.update(of_run)
            skipped.update(not_run)
            for row in rows:
                found.setdefault((wanted.index(program), row['name']), []).append(row)
    rows = [merged(found[key]) for key in sorted(found, key=lambda k: k[0])]
    if 'storm' in wanted and not quick:
        print('system calls, under strace', file=sys.stderr, flush=True)
        rivals = [r['name'].split(': ', 1)[1] for r in rows if r['name'].startswith('2 to one, a delivery')]
        counted, not_run = syscalls(programs, rivals)
        rows += counted
        skipped.update(not_run)
    head.update(pinning=PINNING, runs=runs, date=datetime.date.today().isoformat())
    return {'head': head, 'rows': rows, 'skipped': skipped}


# -- the document --------------------------------------------------------------------------------------


def table(results, programs):
    """The rows of these programs, as they are."""
    lines = ['| row | unit | n | p10 | p50 | p99 | spread | ratio | to | promised |',
             '|---|---|--:|--:|--:|--:|--:|--:|---|---|']
    for row in results['rows']:
        if row['program'] in programs:
            ratio = figure(row['ratio']) if row['rival'] else ''
            lines.append(f'| {row["name"]} | {row["unit"]} | ' + ' | '.join(measured(row)) +
                         f' | {row["spread"]:.0%} | {ratio} | {row["rival"]} | {verdict(row)[9:]} |')
    return lines


QUEUE = ['queue', 'contend', 'wake', 'spin']
IN_SHORT = ['one exchange', 'notify, new', 'notify, new, single producer', 'notify, conflated', 'poll, empty',
            'poll, a token, 1 ready', 'poll, a token, 64 ready', 'poll, a token, 4096 ready']
OURS_BEGIN = re.compile('doorbell|hub|collector|.*permit')
MODULES = ['local', 'permit', 'collector', 'pipe', 'hub', 'share', 'share_calls', 'share_pipe']

COLUMNS = [  # title, row, key; less is better
    ('new, ns', 'new: ', 'p10'), ('again, ns', 'conflated: ', 'p10'), ('bytes a token', 'bytes a token: ', 'p50'),
    ('trickle: µs', 'latency: ', 'p50'), ('trickle: p99', 'latency: ', 'p99'),
    ('trickle: cpu, µs', 'cpu: ', 'p50'), ('trickle: the receiver\'s', 'receiver: ', 'p50'),
]
STORM = [
    ('cpu a delivery, ns', '2 to one, a delivery: ', 'p50'), ('one producer', '1 to one, a delivery: ', 'p50'),
    ('four', '4 to one, a delivery: ', 'p50'), ('cpu a notify, ns', '2 to one, a notify: ', 'p50'),
    ('delivered, M/s', '2 to one, a notify: ', 'delivered_M/s'),
    ('notifies a delivery', '2 to one, a notify: ', 'notifies_a_delivery'),
    ('receiver, % of cpu', '2 to one, a notify: ', 'receiver_share'),
    ('reads + writes a million', '2 to one, a notify: ', 'reads+writes_a_million'),
    ('syscalls a million, strace', 'syscalls: ', 'p50'),
    ('lost', '2 to one, a notify: ', 'lost'),
]
NEITHER = 'notifies_a_delivery', 'receiver_share'  # better nor worse by itself
MORE = 'delivered_M/s',  # is better


def rivals_of(results):
    names = [r['name'].split(': ', 1)[1] for r in results['rows'] if r['name'].startswith('new: ')]
    return [n for n in names if n != HARNESS] + [HARNESS]


def cell(rows, column, rival):
    title, prefix, key = column
    row = rows.get(prefix + rival)
    if not row:
        return None
    value = row[key] if key in row else row['notes'].get(key)
    if value is None:
        return None
    scale = 0.001 if prefix in ('latency: ', 'cpu: ', 'receiver: ') else 100 if key == 'receiver_share' else 1
    return value * scale


def contest(results, columns):
    """A line a rival, a column a workload."""
    rows = {r['name']: r for r in results['rows']}
    lines = ['| | ' + ' | '.join(c[0] for c in columns) + ' |', '|---|' + '--:|' * len(columns)]
    for rival in rivals_of(results):
        found = [cell(rows, c, rival) for c in columns]
        lines.append(f'| {rival} | ' + ' | '.join('' if c is None else figure(c) for c in found) + ' |')
    return lines


def losses(results):
    """Who is better than ours at what, by more than the figures wander."""
    rows = {r['name']: r for r in results['rows']}
    lines = []
    for column in (c for c in COLUMNS + STORM if c[2] not in NEITHER):
        ours = cell(rows, column, OURS)
        found = [(cell(rows, column, r), r) for r in rivals_of(results) if not r.startswith(('doorbell', HARNESS))]
        found = [(v, r) for v, r in found if v is not None and ours is not None]
        more = column[2] in MORE
        better = sorted(((v, r) for v, r in found if (v > ours / NOISE if more else v < ours * NOISE)), reverse=more)
        if better:
            first = ', '.join(f'{r} {figure(v)}' for v, r in better[:NAMED])
            rest = f', and {len(better) - NAMED} more' if len(better) > NAMED else ''
            title = column[0] if column in COLUMNS else f'storm: {column[0]}'
            lines.append(f'- {title}: ours {figure(ours)}; {first}{rest}.')
    lines += [f'- {row["name"]}: {figure(row["ratio"])} of {row["rival"]}.' for row in results['rows']
              if row['program'] in MODULES and OURS_BEGIN.match(row['name']) and row['ratio'] > 1 / NOISE]
    return lines or ['- Nowhere in this run.']


def promises(results):
    """What is promised of rows in tables that do not say so, and of system calls and memory."""
    return [f'- {row["name"]}: ' + (f'{figure(row["ratio"])} of {row["rival"]}' if row['rival'] else figure(row['p50'])) +
            f'; {verdict(row)}.'
            for row in results['rows'] if row['met'] is not None and row['program'] not in QUEUE + MODULES]


def in_short(results):
    """For who reads nothing else."""
    rows = {r['name']: r for r in results['rows']}
    lines = ['| operation | lower decile | median | ratio of lower deciles |', '|---|---|---|---|']
    for name in IN_SHORT:
        row = rows[name]
        ratio = f'{figure(row["ratio"])} of {row["rival"]}' if row['rival'] else ''
        lines.append(f'| {name} | {figure(row["p10"])} | {figure(row["p50"])} | {ratio} |')
    return lines


def renew(page, parts):
    """Put the lines of each part where the page has a place for them."""
    text = page.read_text()
    for name, lines in parts.items():
        block = f'<!-- {name}: written by run.py -->\n' + '\n'.join(lines) + f'\n<!-- end of {name} -->'
        text, found = re.subn(rf'<!-- {name}: .*?<!-- end of {name} -->', lambda _: block, text, flags=re.S)
        if not found:
            raise Wrong(f'{page} has no place for {name}')
    page.write_text(text)


def write_docs(results):
    renew(DOCS / 'BENCH.md', {
        'head': [', '.join(f'{k} {v}' for k, v in results['head'].items()) + '.'], 'rows': table(results, QUEUE),
        'promises': promises(results), 'rivals': contest(results, COLUMNS), 'storm': contest(results, STORM),
        'modules': table(results, MODULES), 'losses': losses(results)})
    renew(HERE.parent / 'README.md', {'costs': in_short(results)})


def plotter():
    """The Python that has matplotlib: this one, or else Debian's."""
    return sys.executable if importlib.util.find_spec('matplotlib') else '/usr/bin/python3'


def save(results, file):
    """A line a row, to be read and compared."""
    def rounded(value):
        if isinstance(value, float):
            return float(f'{value:.5g}')
        if isinstance(value, dict):
            return {k: rounded(v) for k, v in value.items()}
        return [rounded(v) for v in value] if isinstance(value, list) else value
    rows = ',\n'.join('  ' + json.dumps(rounded(r)) for r in results['rows'])
    file.write_text('{"head": %s,\n "skipped": %s,\n "rows": [\n%s\n]}\n' % (
        json.dumps(results['head']), json.dumps(results['skipped']), rows))


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError('at least 1')
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('programs', type=pathlib.Path)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--runs', type=positive, default=5)
    parser.add_argument('--only', action='append', choices=PROGRAMS)
    parser.add_argument('--results', type=pathlib.Path)
    parser.add_argument('--write-docs', action='store_true')
    options = parser.parse_args()
    wanted = options.only or list(PROGRAMS)
    programs = options.programs.resolve()
    try:
        results = measure(programs, wanted, 1 if options.quick else options.runs, options.quick)
    except (Wrong, OSError, subprocess.TimeoutExpired) as e:
        print(f'wrong: {e}', file=sys.stderr)
        return WRONG
    print_table(results)
    wrong = check(results)
    for what in wrong:
        print(f'wrong: {what}')
    if options.quick:
        print(f'{len(results["rows"])} rows, {len(results["skipped"])} skipped, {len(wrong)} wrong')
        return WRONG if wrong else 0
    file = options.results or (HERE if options.write_docs else programs) / 'results.json'
    save(results, file)
    if options.write_docs:
        write_docs(results)
    drawn = subprocess.run([plotter(), HERE / 'plot.py', file, DOCS if options.write_docs else file.parent])
    missed = [r['name'] for r in results['rows'] if r['met'] is False]
    print(f'\n{len(missed)} promises missed' + ''.join(f'\n  {name}' for name in missed))
    return WRONG if wrong or drawn.returncode else min(len(missed), WRONG - 1)


sys.exit(main())
