/* SPDX-License-Identifier: MIT
 *
 * doorbell.h: everything but the adapters, which each need their reactor's header.
 */
#ifndef DOORBELL_H
#define DOORBELL_H

#include <doorbell/base.h>
#include <doorbell/atomic.h>
#include <doorbell/queue.h>
#include <doorbell/wait.h>
#include <doorbell/local.h>
#include <doorbell/permit.h>
#include <doorbell/collector.h>
#include <doorbell/pipe.h>
#include <doorbell/hub.h>
#include <doorbell/share.h>
#include <doorbell/watch.h>
#include <doorbell/share_pipe.h>

#endif
