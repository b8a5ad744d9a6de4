#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples.py SOURCE COMPILER...: the examples that people copy compile without a warning: those in the
opening comments of headers, and those in man pages. A piece of a function gets one around it.
"""
import re
import sys

import tap

compiler = sys.argv[2:] or ['cc']
HEADERS = ['include/doorbell/queue.h', 'include/doorbell/wait.h',
           'include/doorbell/local.h', 'include/doorbell/permit.h', 'include/doorbell/collector.h',
           'include/doorbell/pipe.h', 'include/doorbell/hub.h', 'include/doorbell/share.h', 'include/doorbell/watch.h',
           'include/doorbell/share_pipe.h',
           'include/doorbell/adapt/epoll.h', 'include/doorbell/adapt/uring.h',
           'include/doorbell/adapt/uv.h', 'include/doorbell/adapt/event.h',
           'include/doorbell/adapt/ev.h', 'include/doorbell/adapt/glib.h']
PAGES = ['docs/man/bell.7', 'docs/man/bell_queue.3', 'docs/man/bell_local.3', 'docs/man/bell_permit.3',
         'docs/man/bell_collector.3', 'docs/man/bell_pipe.3', 'docs/man/bell_hub.3',
         'docs/man/bell_share.3', 'docs/man/bell_watch.3', 'docs/man/bell_share_pipe.3']

# A library's adapter: skipped without its header; what an example may take for granted besides.
LIBRARIES = {
    'uring': ('liburing.h', ', struct io_uring ring'), 'uv': ('uv.h', ''), 'ev': ('ev.h', ''),
    'event': ('event2/event.h', ', struct event_base *base'), 'glib': ('glib.h', ', GMainLoop *loop'),
}

INCLUDES = ['doorbell.h', 'doorbell/adapt/epoll.h', 'errno.h', 'stdio.h', 'sys/epoll.h', 'unistd.h']

# What an example may take for granted. It may declare any of it again.
AROUND = '''
%(includes)s
void handle(uint32_t token);
void on_token(void *userdata, uint32_t token);
void on_end(void *userdata, int error);
struct span { uint64_t id; };
void on_record(void *userdata, const void *record);
int example(struct bell_queue *q, int ep, struct epoll_event ev, int *data%(more)s);
int example(struct bell_queue *q, int ep, struct epoll_event ev, int *data%(more)s)
{
	(void)q, (void)ep, (void)ev, (void)data;
	{
#line 1 "example of %(name)s"
%(body)s
	}
	return 0;
}
'''


def compiles(text):
    return tap.run([*compiler, '-x', 'c', '-std=gnu11', '-D_GNU_SOURCE', '-O1', '-Wall', '-Werror',
                    '-I', tap.path('include'), *(tap.glib_flags() if 'glib' in text else []),
                    '-c', '-o', '/dev/null', '-'], input=text)


def opening_examples(text):
    """The tab-indented blocks of the opening comment that hold statements; a blank line may part one."""
    opening = text[:text.index('*/')]
    blocks = re.findall(r'(?:^ \*\t[^\n]*\n(?: \*\n(?= \*\t))?)+', opening, re.M)
    return [re.sub(r'^ \*', '', b, flags=re.M) for b in blocks if ';' in b]


def page_examples(text):
    """The displays of EXAMPLES, but for commands, which begin with "$"."""
    section = re.search(r'^\.Sh EXAMPLES\n(.*?)(?=^\.Sh )', text, re.S | re.M)
    blocks = re.findall(r'^\.Bd -literal[^\n]*\n(.*?)^\.Ed', section[1] if section else '', re.S | re.M)
    return [b.replace('\\e', '\\').replace('\\&', '') for b in blocks if not b.startswith('$')]


def try_all(file, found):
    tap.result('%s has an example' % file, [] if found else ['none found'])
    for i, body in enumerate(found):
        name = '%s: example %d compiles' % (file, i + 1)
        library = next((l for l in LIBRARIES if 'bell_%s_attach' % l in body), None)
        needed, more = LIBRARIES.get(library, (None, ''))
        if library and compiles('#include <%s>\n' % needed)[0] != 0:
            tap.skip(name, 'no <%s>' % needed)
            continue
        includes = INCLUDES + (['doorbell/adapt/%s.h' % library] if library else [])
        whole = re.search(r'^int main\(', body, re.M)
        status, output = compiles(body if whole else AROUND % {
            'includes': '\n'.join('#include <%s>' % include for include in includes),
            'more': more, 'name': file, 'body': body})
        tap.result(name, [output] if status else [])


for header in HEADERS:
    try_all(header, opening_examples(tap.read(header)))
for page in PAGES:
    try_all(page, page_examples(tap.read(page)))
tap.done()
