/* SPDX-License-Identifier: MIT
 *
 * table.c: all rivals by name. Those whose library was not found are not linked: weak, so NULL.
 */
#include "rival.h"

#define WEAK __attribute__((weak))

extern const struct rival rival_nothing, rival_bell_level, rival_bell_edge, rival_bell_budget,
	rival_bell_wait, rival_bell_unspun, rival_bell_fixed, rival_bell_single, rival_bell_awake,
	rival_eventfd_each, rival_eventfd_list, rival_eventfd_empty, rival_pipe, rival_condvar;
extern const struct rival rival_bell_uring WEAK, rival_uv_each WEAK, rival_uv_list WEAK,
	rival_event_each WEAK, rival_event_list WEAK, rival_ev_each WEAK, rival_ev_list WEAK,
	rival_glib_each WEAK, rival_glib_ready WEAK, rival_glib_wakeup WEAK, rival_ck_write WEAK,
	rival_ck_asleep WEAK;

const struct rival_entry rivals[] = {
	{"nothing: the harness alone", &rival_nothing},
	{"doorbell, epoll level", &rival_bell_level},
	{RIVAL_OURS, &rival_bell_edge},
	{"doorbell, epoll edge, budget 64", &rival_bell_budget},
	{"doorbell, io_uring", &rival_bell_uring},
	{RIVAL_WAIT, &rival_bell_wait},
	{RIVAL_UNSPUN, &rival_bell_unspun},
	{RIVAL_WAIT ", fixed spinning", &rival_bell_fixed},
	{"doorbell, single producer", &rival_bell_single},
	{"doorbell, receiver awake", &rival_bell_awake},
	{"eventfd for each token", &rival_eventfd_each},
	{"eventfd + list, always written", &rival_eventfd_list},
	{"eventfd + list, written when empty", &rival_eventfd_empty},
	{"pipe", &rival_pipe},
	{"mutex + condition variable", &rival_condvar},
	{"libuv, handle for each token", &rival_uv_each},
	{"libuv, one handle + list", &rival_uv_list},
	{"libevent, event for each token", &rival_event_each},
	{"libevent, one event + list", &rival_event_list},
	{"libev, watcher for each token", &rival_ev_each},
	{"libev, one watcher + list", &rival_ev_list},
	{"GLib, source for each token", &rival_glib_each},
	{"GLib, one source + list, ready time", &rival_glib_ready},
	{"GLib, one source + list, wakeup", &rival_glib_wakeup},
	{"ck_ring + eventfd, always written", &rival_ck_write},
	{"ck_ring + eventfd, written if asleep", &rival_ck_asleep},
	{NULL, NULL},
};
