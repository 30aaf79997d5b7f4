/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: what a guest's connections lead to, and what is sent to the guest from there. TLFS 11.5 to
 * 11.7. Of KVM's Hyper-V too: it leaves both hypercalls to user space, and its SynIC's MSRs say
 * where a message goes. Both engines send on the VP's own thread, so a slot has one writer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "arch/x86/regs.h"
#include "pv/hyperv/impl.h"
#include "vm/vcpu_call.h"
#include "vm/vm.h"

/* port_lock */
static struct hyperv_port *find(struct hyperv *hv, uint32_t connection)
{
	for (size_t i = 0; i < hv->port_count; i++)
		if (hv->ports[i].connection == connection)
			return &hv->ports[i];
	return NULL;
}

static int add(struct hyperv *hv, const struct hyperv_port *port)
{
	struct hyperv_port *ports;

	if (find(hv, port->connection))
		return because(-EEXIST, "hyperv: connection %#x leads to a port already",
			       port->connection);
	ports = realloc(hv->ports, (hv->port_count + 1) * sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	ports[hv->port_count++] = *port;
	hv->ports = ports;
	return 0;
}

int hyperv_port_add(struct hyperv *hv, const struct hyperv_port *port)
{
	int r;

	if (port->connection & ~HV_CONNECTION_ID)
		return because(-EINVAL, "hyperv: %#x is no connection", port->connection);
	if (!(hv->promise.features.eax & HV_FEATURE_A_SYNIC))
		return because(-EOPNOTSUPP, "hyperv: ports take the feature synic");
	pthread_mutex_lock(&hv->port_lock);
	r = add(hv, port);
	pthread_mutex_unlock(&hv->port_lock);
	return r;
}

int hyperv_port_remove(struct hyperv *hv, uint32_t connection)
{
	struct hyperv_port *port;

	pthread_mutex_lock(&hv->port_lock);
	port = find(hv, connection);
	if (port)
		*port = hv->ports[--hv->port_count];
	pthread_mutex_unlock(&hv->port_lock);
	return port ? 0 : -ENOENT;
}

/* A port is called without the lock: it may send to a VP whose thread is about to take it. */
static bool copy(struct hyperv *hv, uint32_t connection, struct hyperv_port *ret_port)
{
	const struct hyperv_port *port;

	pthread_mutex_lock(&hv->port_lock);
	port = find(hv, connection);
	if (port)
		*ret_port = *port;
	pthread_mutex_unlock(&hv->port_lock);
	return port != NULL;
}

uint32_t hyperv_port_call(struct hyperv *hv, const struct hcall *call)
{
	struct hyperv_port port;

	if (!copy(hv, call->connection, &port))
		return HV_STATUS_INVALID_CONNECTION_ID;
	if (call->kind == HCALL_POST)
		return port.post ? port.post(port.self, &call->message) : HV_STATUS_INVALID_PORT_ID;
	return port.signal ? port.signal(port.self, call->flag) : HV_STATUS_INVALID_PORT_ID;
}

void hyperv_port_emptied(struct hyperv *hv, uint32_t vp)
{
	struct hyperv_port port;
	uint32_t connection;
	size_t count;

	for (size_t i = 0;; i++) {
		pthread_mutex_lock(&hv->port_lock);
		count = hv->port_count;
		connection = i < count ? hv->ports[i].connection : 0;
		pthread_mutex_unlock(&hv->port_lock);
		if (i >= count)
			return;
		if (copy(hv, connection, &port) && port.emptied)
			port.emptied(port.self, vp);
	}
}

/* What KVM has of it that concerns one SINT. */
static int read_synic(struct vcpu *vcpu, unsigned sint, struct hyperv_synic *synic)
{
	int r = x86_msr_read(vcpu, HV_MSR_SCONTROL, &synic->control);

	if (r == 0)
		r = x86_msr_read(vcpu, HV_MSR_SIMP, &synic->simp);
	if (r == 0)
		r = x86_msr_read(vcpu, HV_MSR_SIEFP, &synic->siefp);
	return r < 0 ? r : x86_msr_read(vcpu, HV_MSR_SINT0 + sint, &synic->sint[sint]);
}

struct delivery {
	struct hyperv *hv;
	unsigned sint;
	const struct hv_message *message; /* NULL: a flag */
	uint32_t flag;
};

static int deliver_by(const struct delivery *d, const struct hyperv_synic *synic, uint32_t vp)
{
	return d->message ? hyperv_synic_post(d->hv, synic, vp, d->sint, d->message)
			  : hyperv_synic_signal(d->hv, synic, vp, d->sint, d->flag);
}

static int deliver(void *arg, struct vcpu *vcpu)
{
	const struct delivery *d = arg;
	struct hyperv_synic synic = { 0 };
	int r;

	if (d->hv->engine == HYPERV_ENGINE_KERNEL) {
		r = read_synic(vcpu, d->sint, &synic);
		return r < 0 ? r : deliver_by(d, &synic, vcpu->index);
	}
	pthread_mutex_lock(&d->hv->synic_lock);
	r = deliver_by(d, &hyperv_vp(d->hv, vcpu->index)->synic, vcpu->index);
	pthread_mutex_unlock(&d->hv->synic_lock);
	return r;
}

static int deliver_to(uint32_t vp, struct delivery *d)
{
	struct vm *vm = d->hv->vm;

	if (vp >= vm->vcpu_count || d->sint >= HV_SYNIC_SINTS)
		return because(-EINVAL, "hyperv: there is no SINT%u of VP %u", d->sint, vp);
	return vcpu_call(&vm->vcpus[vp], deliver, d);
}

int hyperv_post(struct hyperv *hv, uint32_t vp, unsigned sint, const struct hv_message *message)
{
	struct delivery d = { .hv = hv, .sint = sint, .message = message };

	if (message->type == HV_MESSAGE_NONE || message->payload_size > HV_MESSAGE_PAYLOAD_MAX)
		return because(-EINVAL, "hyperv: that is no message");
	return deliver_to(vp, &d);
}

int hyperv_signal(struct hyperv *hv, uint32_t vp, unsigned sint, uint32_t flag)
{
	struct delivery d = { .hv = hv, .sint = sint, .flag = flag };

	if (flag >= HV_EVENT_FLAGS)
		return because(-EINVAL, "hyperv: there are %u event flags", HV_EVENT_FLAGS);
	return deliver_to(vp, &d);
}
