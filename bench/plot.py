#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""plot.py RESULTS FOLDER: draw what is better looked at than read, as SVG, from the file of run.py.

Transparent, in tones that can be read on white and on black, with text as text. The same results give
the same bytes. Without matplotlib it says so and draws nothing.
"""
import json
import pathlib
import sys

try:
    import matplotlib
    matplotlib.use('svg')
    import matplotlib.pyplot as plt
except ImportError:
    print('no plots: python3-matplotlib is not installed')
    sys.exit(0)

INK, QUIET, OURS, THEIRS = '#808894', '#80889455', '#e07b39', '#5b8fc7'
HARNESS = 'nothing: the harness alone'

matplotlib.rcParams.update({
    'svg.hashsalt': 'doorbell', 'svg.fonttype': 'none', 'font.family': 'sans-serif', 'font.size': 10,
    'text.color': INK, 'axes.labelcolor': INK, 'xtick.color': INK, 'ytick.color': INK,
    'axes.edgecolor': QUIET, 'axes.spines.top': False, 'axes.spines.right': False, 'axes.spines.left': False,
    'axes.grid': True, 'axes.grid.axis': 'x', 'grid.color': INK, 'grid.alpha': 0.3, 'grid.linewidth': 0.6,
    'axes.axisbelow': True, 'ytick.left': False})


def short(value):
    for size, unit in ((1e6, 'M'), (1e3, 'k')):
        if value >= size:
            return f'{value / size:.3g}{unit}'
    return f'{value:.3g}'


def picture(names, title, note):
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.27 * len(names)))
    axes.set_yticks(range(len(names)), names)
    for label, name in zip(axes.get_yticklabels(), names):
        if name.startswith('doorbell'):
            label.set_color(OURS)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_title(title, loc='left', fontsize=12, color=INK)
    axes.set_xlabel(note, loc='left', fontsize=9)
    return figure, axes


def save(figure, file):
    figure.savefig(file, transparent=True, bbox_inches='tight', metadata={'Date': None, 'Creator': None})
    plt.close(figure)
    print(f'drawn: {file.name}')


def colour(name):
    return OURS if name.startswith('doorbell') else THEIRS


def bars(values, title, note, file, scale):
    names = sorted(values, key=lambda n: values[n])
    figure, axes = picture(names, title, note)
    axes.set_xscale(*scale[:1], **scale[1])
    left = scale[2]
    for i, name in enumerate(names):
        axes.barh(i, values[name] - left, left=left, color=colour(name), height=0.66)
        axes.annotate(short(values[name]), (max(values[name], left), i), xytext=(4, 0),
                      textcoords='offset points', va='center', fontsize=9)
    axes.set_xlim(left, 3 * max(values.values()) or 1)
    axes.xaxis.set_major_formatter(lambda x, _: short(x))
    save(figure, file)


def spans(rows, title, note, file):
    """From the 5th percentile to the 95th, the middle half thick, the median marked, the 99th a tick."""
    names = sorted(rows, key=lambda n: rows[n][10])
    figure, axes = picture(names, title, note)
    axes.set_xscale('log')
    for i, name in enumerate(names):
        q = [v / 1000 for v in rows[name]]
        axes.plot([q[1], q[19]], [i, i], color=colour(name), linewidth=1.2)
        axes.plot([q[5], q[15]], [i, i], color=colour(name), linewidth=6, solid_capstyle='butt', alpha=0.6)
        axes.plot(q[10], i, 'o', color=colour(name), markersize=5)
        axes.plot(q[20], i, '|', color=colour(name), markersize=9)
        axes.annotate(short(q[10]), (q[20], i), xytext=(7, 0), textcoords='offset points', va='center', fontsize=9)
    axes.xaxis.set_major_formatter(lambda x, _: short(x))
    save(figure, file)


def rows_of(results, prefix):
    return {r['name'][len(prefix):]: r for r in results['rows']
            if r['name'].startswith(prefix) and r['name'] != prefix + HARNESS}


def main(file, folder):
    results = json.loads(pathlib.Path(file).read_text())
    folder = pathlib.Path(folder)
    head = results['head']
    where = f'{head["cpu"]}, {head["cpus"]} processors, Linux {head["kernel"].split("-")[0]}'
    new, calls, latency = (rows_of(results, p) for p in ('new: ', 'syscalls: ', 'latency: '))
    if new:
        bars({n: r['p10'] for n, r in new.items()}, 'A new notify, to a loop that is awake',
             f'nanoseconds in the notifying thread, less is better; {where}', folder / 'bench-notify.svg',
             ('log', {}, 1))
    if calls:
        bars({n: r['p50'] for n, r in calls.items()}, 'System calls for a million notifies, in a storm',
             f'all threads, counted by strace, less is better; {where}', folder / 'bench-syscalls.svg',
             ('symlog', {'linthresh': 1}, 0))
    if latency:
        spans({n: r['quantiles'] for n, r in latency.items()}, 'From notify to delivery, one in a millisecond',
              f'microseconds: median, middle half, 5 to 95 of 100, and the 99th; {where}',
              folder / 'bench-latency.svg')


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
