/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake of back ends with the guest's drivers (public/io/xenbus.h), and their coming to rest. */
#include "pv/xen/bus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/xen.h"
#include "pv/xen/xen_impl.h"

static void local_notified(void *self)
{
	struct xen_local *local = self;

	kick_give(&local->kick);
}

static void local_signalled(struct loop_watch *watch, unsigned events)
{
	struct xen_local *local = container_of(watch, struct xen_local, watch);

	(void)events;
	local->kick.fn(&local->kick);
}

/* Without one the hypercalls come to ferry. */
static void open_event_fd(struct xen_local *local)
{
	int fd;

	if (local->event_fd || local->xen->engine != &xen_engine_kernel)
		return;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return;
	if (fd == 0 || loop_watch_eventfd(local->xen->vm->loop, &local->watch, fd, local_signalled) < 0)
		close(fd);
	else
		local->event_fd = fd;
}

static void close_event_fd(struct xen_local *local)
{
	if (!local->event_fd)
		return;
	loop_watch_remove(local->xen->vm->loop, &local->watch);
	close(local->event_fd);
	local->event_fd = 0;
}

int xen_local_bind(struct xen_local *local, uint32_t port)
{
	int r;

	open_event_fd(local);
	r = xen_port_bind(local->xen, port, local_notified, local, local->event_fd);
	local->port = r == 0 ? port : 0;
	if (r < 0)
		close_event_fd(local);
	return r;
}

void xen_local_unbind(struct xen_local *local)
{
	if (local->port)
		xen_port_unbind(local->xen, local->port, local);
	local->port = 0;
	close_event_fd(local);
}

void xen_local_raise(struct xen_local *local)
{
	if (local->port)
		xen_port_raise(local->xen, local->port);
}

uint64_t xen_dev_front(struct xen_dev *dev, const char *key, uint64_t otherwise)
{
	return store_read_number(&dev->xen->store, dev->front, key, otherwise);
}

void xen_dev_tell(struct xen_dev *dev, const char *key, uint64_t value)
{
	store_printf(&dev->xen->store, dev->back, key, "%llu", (unsigned long long)value);
}

static void set_state(struct xen_dev *dev, enum xen_bus_state state)
{
	xen_dev_tell(dev, "state", state);
	xen_store_serve(dev->xen);
}

static enum xen_bus_state state_of(struct xen_dev *dev, const char *dir)
{
	return (enum xen_bus_state)store_read_number(&dev->xen->store, dir, "state",
						     XENBUS_UNKNOWN);
}

/* The guest's reason is in its Xenstore, where its tools look for it. */
static void refuse(struct xen_dev *dev, int r)
{
	struct xen *xen = dev->xen;

	log_write(vm_log(xen->vm), LOG_LEVEL_WARN, "%s: the guest's driver is refused: %s",
		  dev->id, error_text(r));
	store_printf(&xen->store, "/local/domain/1/error", dev->id, "%s", error_text(r));
	set_state(dev, XENBUS_CLOSING);
	error_clear();
}

static void connect(struct xen_dev *dev)
{
	int r = dev->ops->connect(dev, false);

	xen_lock(dev->xen);
	dev->is_connected = r == 0;
	if (r < 0) {
		refuse(dev, r);
	} else {
		set_state(dev, XENBUS_CONNECTED);
	}
	xen_unlock(dev->xen);
	if (r < 0)
		dev->ops->disconnect(dev);
	else
		dev->ops->resume(dev, false);
}

/* False: something is under way; when it is not any more, this is done again. */
static bool disconnect(struct xen_dev *dev, enum xen_bus_state state)
{
	if (dev->is_connected) {
		dev->ops->stop(dev);
		if (!dev->ops->is_idle(dev))
			return false;
		dev->ops->disconnect(dev);
	}
	dev->is_connected = false;
	xen_lock(dev->xen);
	if (state_of(dev, dev->back) != state)
		set_state(dev, state);
	xen_unlock(dev->xen);
	return true;
}

/* The handshake was made elsewhere: its outcome is in Xenstore, and nothing of it is said again. */
static void arrive(struct xen_dev *dev, enum xen_bus_state front, enum xen_bus_state back)
{
	int r;

	if (back != XENBUS_CONNECTED || dev->is_connected ||
	    (front != XENBUS_INITIALISED && front != XENBUS_CONNECTED))
		return;
	r = dev->ops->connect(dev, true);
	dev->is_connected = r == 0;
	if (r == 0) {
		dev->ops->resume(dev, true);
		return;
	}
	dev->ops->disconnect(dev);
	xen_lock(dev->xen);
	refuse(dev, r);
	xen_unlock(dev->xen);
}

static void reset(struct xen_dev *dev)
{
	bool is_done = disconnect(dev, XENBUS_INIT_WAIT);

	xen_lock(dev->xen);
	dev->must_reset |= !is_done;
	store_printf(&dev->xen->store, dev->front, "state", "%u", XENBUS_INITIALISING);
	xen_unlock(dev->xen);
}

static void follow(struct xen_dev *dev, enum xen_bus_state front, enum xen_bus_state back)
{
	switch (front) {
	case XENBUS_INITIALISING:
		if (back != XENBUS_INIT_WAIT)
			disconnect(dev, XENBUS_INIT_WAIT);
		break;
	case XENBUS_INITIALISED:
	case XENBUS_CONNECTED:
		if (!dev->is_connected && back == XENBUS_INIT_WAIT && front >= dev->ops->ready)
			connect(dev);
		break;
	case XENBUS_CLOSING:
		disconnect(dev, XENBUS_CLOSING);
		break;
	case XENBUS_CLOSED:
	case XENBUS_UNKNOWN:
		disconnect(dev, XENBUS_CLOSED);
		break;
	default:
		break;
	}
}

/* What is looked at is the state as it is now, whatever it was when this was asked for. */
static void look(struct kick *kick)
{
	struct xen_dev *dev = container_of(kick, struct xen_dev, kick);
	struct xen *xen = dev->xen;
	enum xen_bus_state front, back;
	bool must_reset, has_arrived;

	xen_lock(xen);
	if (xen->held) {
		xen_unlock(xen);
		return;
	}
	must_reset = dev->must_reset;
	has_arrived = dev->has_arrived;
	dev->must_reset = dev->has_arrived = false;
	front = state_of(dev, dev->front);
	back = state_of(dev, dev->back);
	xen_unlock(xen);
	if (must_reset)
		reset(dev);
	else if (has_arrived)
		arrive(dev, front, back);
	else
		follow(dev, front, back);
}

void xen_devs_changed(void *self, const char *path)
{
	struct xen *xen = self;

	for (struct xen_dev *dev = xen->devs; dev; dev = dev->next) {
		size_t len = strlen(dev->front);

		if (strncmp(path, dev->front, len) == 0 &&
		    (!path[len] || strcmp(path + len, "/state") == 0))
			kick_give(&dev->kick);
	}
}

static int fill(struct xen_dev *dev)
{
	struct store *store = &dev->xen->store;
	int r = store_write(store, dev->front, "");

	r = r < 0 ? r : store_set_perms(store, dev->front, "n1,r0");
	r = r < 0 ? r : store_printf(store, dev->front, "backend", "%s", dev->back);
	r = r < 0 ? r : store_printf(store, dev->front, "backend-id", "%u", XEN_FERRY_DOMID);
	r = r < 0 ? r : store_printf(store, dev->front, "handle", "%u", dev->number);
	r = r < 0 ? r : store_printf(store, dev->front, "state", "%u", XENBUS_INITIALISING);
	r = r < 0 ? r : store_write(store, dev->back, "");
	r = r < 0 ? r : store_set_perms(store, dev->back, "n0,r1");
	r = r < 0 ? r : store_printf(store, dev->back, "frontend", "%s", dev->front);
	r = r < 0 ? r : store_printf(store, dev->back, "frontend-id", "%u", XEN_GUEST_DOMID);
	r = r < 0 ? r : store_printf(store, dev->back, "online", "1");
	if (r < 0)
		return r;
	dev->ops->offer(dev);
	return store_printf(store, dev->back, "state", "%u", XENBUS_INIT_WAIT);
}

int xen_dev_add(struct xen *xen, struct xen_dev *dev, const struct xen_dev_ops *ops,
		const char *id, uint32_t number)
{
	int r;

	dev->xen = xen;
	dev->ops = ops;
	dev->number = number;
	snprintf(dev->id, sizeof(dev->id), "%s", id);
	snprintf(dev->front, sizeof(dev->front), "/local/domain/%u/device/%s/%u", XEN_GUEST_DOMID,
		 ops->type, number);
	snprintf(dev->back, sizeof(dev->back), "/local/domain/%u/backend/%s/%u/%u", XEN_FERRY_DOMID,
		 ops->type, XEN_GUEST_DOMID, number);
	kick_init(&dev->kick, xen->vm->loop, look);
	xen_lock(xen);
	xen->store.changed = xen_devs_changed;
	xen->store.self = xen;
	r = fill(dev);
	dev->next = xen->devs;
	xen->devs = dev;
	xen_unlock(xen);
	return r;
}

void xen_devs_destroy(struct xen *xen)
{
	while (xen->devs) {
		struct xen_dev *dev = xen->devs;

		xen->devs = dev->next;
		kick_finish(&dev->kick);
		dev->ops->destroy(dev);
	}
}

void xen_devs_reset(struct xen *xen)
{
	for (struct xen_dev *dev = xen->devs; dev; dev = dev->next) {
		dev->must_reset = true;
		kick_give(&dev->kick);
	}
}

void xen_devs_go_on(struct xen *xen, bool arrived)
{
	for (struct xen_dev *dev = xen->devs; dev; dev = dev->next) {
		dev->has_arrived |= arrived;
		kick_give(&dev->kick);
	}
}

const char *xen_busy(const struct xen *xen)
{
	for (const struct xen_dev *dev = xen->devs; dev; dev = dev->next)
		if (dev->is_connected && !dev->ops->is_idle(dev))
			return dev->id;
	return NULL;
}

static void check_quiesced(struct xen *xen)
{
	void (*done)(void *arg) = xen->quiesced;

	if (!done || xen_busy(xen))
		return;
	xen->quiesced = NULL;
	done(xen->quiesced_arg);
}

void xen_dev_idle(struct xen_dev *dev)
{
	kick_give(&dev->kick);
	check_quiesced(dev->xen);
}

void xen_quiesce(struct xen *xen, void (*done)(void *arg), void *arg)
{
	xen->quiesced = NULL;
	for (struct xen_dev *dev = xen->devs; dev; dev = dev->next)
		if (dev->is_connected)
			dev->ops->stop(dev);
	xen->quiesced = done;
	xen->quiesced_arg = arg;
	check_quiesced(xen);
}

/* The guest that was brought to rest, or not in time, goes on. */
void xen_resume(struct xen *xen)
{
	xen->quiesced = NULL;
	for (struct xen_dev *dev = xen->devs; dev; dev = dev->next)
		if (dev->is_connected)
			dev->ops->resume(dev, false);
}
