/* SPDX-License-Identifier: Apache-2.0 */
/* The hypercall decoder: TLFS 3, 9.4, 10.5 and 11.11. */
#include "pv/hyperv/hcall.h"

#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem.h"

/* A page of parameters, in 64-bit words. */
#define WORDS_MAX (HV_PAGE_SIZE / 8)

/* A hypercall's parameters, copied: the header, the variable header, and the list. */
struct params {
	uint64_t words[WORDS_MAX];
	uint32_t header, var, reps, start;
};

struct code {
	uint16_t code;
	bool is_rep, has_var;
	uint8_t header;			   /* words */
	uint32_t features_b, hints_a;	   /* all of these are needed */
	uint32_t (*decode)(const struct code *code, const struct hcall_rights *rights,
			   const struct params *params, struct hcall *call);
};

/* A mask, or what a set's header says and the banks behind it. */
static uint32_t take_set(const struct params *params, const struct hv_vp_set *set,
			 struct hcall_targets *targets)
{
	const uint64_t *bank = &params->words[params->header];

	if (set->format != HV_VP_SET_SPARSE && set->format != HV_VP_SET_ALL)
		return HV_STATUS_INVALID_PARAMETER;
	if (params->var != (uint32_t)__builtin_popcountll(set->valid_bank_mask))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	targets->all = set->format == HV_VP_SET_ALL;
	for (unsigned i = 0; i < HV_VP_SET_BANKS; i++)
		if (set->valid_bank_mask >> i & 1)
			targets->banks[i] = *bank++;
	return HV_STATUS_SUCCESS;
}

static uint32_t check_flush_flags(const struct code *code, const struct hcall_rights *rights,
				  uint64_t flags)
{
	uint64_t known = HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_SPACES;

	if (code->is_rep && rights->features_d & HV_FEATURE_D_EXTENDED_RANGES)
		known |= HV_FLUSH_EXTENDED_RANGE_FORMAT;
	if (!code->is_rep)
		known |= HV_FLUSH_NON_GLOBAL_ONLY;
	return (flags & ~known) ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
}

/*
 * All of a TLB is flushed, whichever part was asked for: which address space a processor is in, and
 * what the list says, does not matter. Windows Server 2012 asks for an empty mask, and means all.
 */
static uint32_t decode_flush(const struct code *code, const struct hcall_rights *rights,
			     const struct params *params, struct hcall *call)
{
	struct hv_flush flush;

	memcpy(&flush, params->words, sizeof(flush));
	call->kind = HCALL_FLUSH;
	call->targets.all = flush.flags & HV_FLUSH_ALL_PROCESSORS || !flush.processor_mask;
	call->targets.banks[0] = flush.processor_mask;
	return check_flush_flags(code, rights, flush.flags);
}

static uint32_t decode_flush_ex(const struct code *code, const struct hcall_rights *rights,
				const struct params *params, struct hcall *call)
{
	struct hv_flush_ex flush;
	uint32_t status;

	memcpy(&flush, params->words, sizeof(flush));
	call->kind = HCALL_FLUSH;
	status = take_set(params, &flush.set, &call->targets);
	call->targets.all |= (flush.flags & HV_FLUSH_ALL_PROCESSORS) != 0;
	return status ? status : check_flush_flags(code, rights, flush.flags);
}

/* The only VTL is 0, and what is reserved is zero: the upper half of the word. */
static uint32_t take_vector(uint64_t word, struct hcall *call)
{
	call->kind = HCALL_IPI;
	call->vector = (uint32_t)word;
	if (word >> 32 || call->vector < HV_IPI_VECTOR_MIN || call->vector > HV_IPI_VECTOR_MAX)
		return HV_STATUS_INVALID_PARAMETER;
	return HV_STATUS_SUCCESS;
}

static uint32_t decode_ipi(const struct code *code, const struct hcall_rights *rights,
			   const struct params *params, struct hcall *call)
{
	(void)code, (void)rights;
	call->targets.banks[0] = params->words[1];
	return take_vector(params->words[0], call);
}

static uint32_t decode_ipi_ex(const struct code *code, const struct hcall_rights *rights,
			      const struct params *params, struct hcall *call)
{
	struct hv_vp_set set;
	uint32_t status;

	(void)code, (void)rights;
	memcpy(&set, &params->words[1], sizeof(set));
	status = take_vector(params->words[0], call);
	return status ? status : take_set(params, &set, &call->targets);
}

static uint32_t decode_spin_wait(const struct code *code, const struct hcall_rights *rights,
				 const struct params *params, struct hcall *call)
{
	(void)code, (void)params, (void)call;
	return rights->spin_wait ? HV_STATUS_SUCCESS : HV_STATUS_ACCESS_DENIED;
}

static uint32_t decode_post(const struct code *code, const struct hcall_rights *rights,
			    const struct params *params, struct hcall *call)
{
	struct hv_post_message post;

	(void)code, (void)rights;
	memcpy(&post, params->words, sizeof(post));
	if (post.connection & ~HV_CONNECTION_ID || post.type == HV_MESSAGE_NONE ||
	    post.type & HV_MESSAGE_HYPERVISOR || post.payload_size > HV_MESSAGE_PAYLOAD_MAX)
		return HV_STATUS_INVALID_PARAMETER;
	call->kind = HCALL_POST;
	call->connection = post.connection;
	call->message.type = post.type;
	call->message.payload_size = (uint8_t)post.payload_size;
	memcpy(call->message.payload, post.payload, post.payload_size);
	return HV_STATUS_SUCCESS;
}

static uint32_t decode_signal(const struct code *code, const struct hcall_rights *rights,
			      const struct params *params, struct hcall *call)
{
	struct hv_signal_event event;

	(void)code, (void)rights;
	memcpy(&event, params->words, sizeof(event));
	if (event.connection & ~HV_CONNECTION_ID || event.reserved)
		return HV_STATUS_INVALID_PARAMETER;
	call->kind = HCALL_SIGNAL;
	call->connection = event.connection;
	call->flag = event.flag;
	return HV_STATUS_SUCCESS;
}

#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

static const struct code codes[] = {
	{ HV_CALL_FLUSH_SPACE, false, false, WORDS(struct hv_flush), 0, HV_HINT_A_REMOTE_FLUSH,
	  decode_flush },
	{ HV_CALL_FLUSH_LIST, true, false, WORDS(struct hv_flush), 0, HV_HINT_A_REMOTE_FLUSH,
	  decode_flush },
	{ HV_CALL_FLUSH_SPACE_EX, false, true, WORDS(struct hv_flush_ex), 0,
	  HV_HINT_A_REMOTE_FLUSH | HV_HINT_A_EX_MASKS, decode_flush_ex },
	{ HV_CALL_FLUSH_LIST_EX, true, true, WORDS(struct hv_flush_ex), 0,
	  HV_HINT_A_REMOTE_FLUSH | HV_HINT_A_EX_MASKS, decode_flush_ex },
	{ HV_CALL_SEND_IPI, false, false, WORDS(struct hv_send_ipi), 0, HV_HINT_A_CLUSTER_IPI,
	  decode_ipi },
	{ HV_CALL_SEND_IPI_EX, false, true, WORDS(struct hv_send_ipi_ex), 0,
	  HV_HINT_A_CLUSTER_IPI | HV_HINT_A_EX_MASKS, decode_ipi_ex },
	{ HV_CALL_LONG_SPIN_WAIT, false, false, 1, 0, 0, decode_spin_wait },
	{ HV_CALL_POST_MESSAGE, false, false, WORDS(struct hv_post_message),
	  HV_FEATURE_B_POST_MESSAGES, 0, decode_post },
	{ HV_CALL_SIGNAL_EVENT, false, false, WORDS(struct hv_signal_event),
	  HV_FEATURE_B_SIGNAL_EVENTS, 0, decode_signal },
};

static const struct code *find_code(uint64_t input)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == (input & HV_CALL_CODE))
			return &codes[i];
	return NULL;
}

/* TLFS 3.9: the control word, before anything of the caller's memory is looked at. */
static uint32_t take_input(const struct code *code, uint64_t input, struct params *params)
{
	params->header = code->header;
	params->var = input >> HV_CALL_VAR_SHIFT & HV_CALL_VAR_MASK;
	params->reps = input >> HV_CALL_REPS_SHIFT & HV_CALL_REPS_MASK;
	params->start = input >> HV_CALL_START_SHIFT & HV_CALL_START_MASK;
	if (input & HV_CALL_RESERVED)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (params->var > (code->has_var ? HV_VP_SET_BANKS : 0))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (code->is_rep ? params->start >= params->reps : params->start | params->reps)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	return HV_STATUS_SUCCESS;
}

static uint32_t words_of(const struct params *params)
{
	return params->header + params->var + params->reps;
}

/* TLFS 3.7.1 and 3.8: in registers, or 8-aligned in one page of memory. */
static uint32_t take_words(const struct mem *mem, const struct hcall_rights *rights,
			   const struct hcall_regs *regs, struct params *params)
{
	uint32_t words = words_of(params);

	if (regs->input & HV_CALL_FAST) {
		if (words > 2 && !(rights->features_d & HV_FEATURE_D_XMM_INPUT))
			return HCALL_UD;
		if (words > HV_FAST_WORDS)
			return HV_STATUS_INVALID_HYPERCALL_INPUT;
		params->words[0] = regs->in;
		params->words[1] = regs->out;
		memcpy(&params->words[2], regs->xmm, sizeof(regs->xmm));
		return HV_STATUS_SUCCESS;
	}
	if (!is_aligned(regs->in, 8) || regs->in % HV_PAGE_SIZE + words * 8ULL > HV_PAGE_SIZE)
		return HV_STATUS_INVALID_ALIGNMENT;
	if (mem_read(mem, regs->in, params->words, words * 8ULL) < 0) {
		error_clear();
		return HV_STATUS_INVALID_ALIGNMENT;
	}
	return HV_STATUS_SUCCESS;
}

bool hcall_needs_xmm(uint64_t input)
{
	const struct code *code = find_code(input);
	struct params params;

	return input & HV_CALL_FAST && code &&
	       take_input(code, input, &params) == HV_STATUS_SUCCESS && words_of(&params) > 2;
}

uint32_t hcall_decode(const struct mem *mem, const struct hcall_rights *rights,
		      const struct hcall_regs *regs, struct hcall *ret_call)
{
	const struct code *code = find_code(regs->input);
	struct params params;
	uint32_t status;

	memset(ret_call, 0, sizeof(*ret_call));
	if (!code)
		return HV_STATUS_INVALID_HYPERCALL_CODE;
	if ((rights->hints_a & code->hints_a) != code->hints_a ||
	    (rights->features_b & code->features_b) != code->features_b)
		return HV_STATUS_ACCESS_DENIED;
	status = take_input(code, regs->input, &params);
	if (!status)
		status = take_words(mem, rights, regs, &params);
	if (!status)
		status = code->decode(code, rights, &params, ret_call);
	ret_call->reps = status ? 0 : params.reps;
	return status;
}
