/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS, as it is loaded when the first connection asks for TLS: with the six libraries that it
 * needs it would cost every start more than all others together, in time and in memory.
 */
#ifndef IO_TLS_LIBRARY_H
#define IO_TLS_LIBRARY_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/* The functions that are used, without gnutls_. */
#define TLS_LIBRARY(X)                         \
	X(alert_get)                           \
	X(alert_get_name)                      \
	X(alert_send)                          \
	X(alert_send_appropriate)              \
	X(bye)                                 \
	X(certificate_allocate_credentials)    \
	X(certificate_free_credentials)        \
	X(certificate_get_crt_raw)             \
	X(certificate_get_peers)               \
	X(certificate_get_x509_key)            \
	X(certificate_server_set_request)      \
	X(certificate_set_x509_key_file)       \
	X(certificate_set_x509_trust_file)     \
	X(credentials_set)                     \
	X(deinit)                              \
	X(handshake)                           \
	X(init)                                \
	X(packet_deinit)                       \
	X(packet_get)                          \
	X(priority_set_direct)                 \
	X(record_get_direction)                \
	X(record_recv_packet)                  \
	X(record_send)                         \
	X(session_get_verify_cert_status)      \
	X(session_set_verify_cert2)            \
	X(strerror)                            \
	X(transport_set_errno)                 \
	X(transport_set_ptr)                   \
	X(transport_set_pull_function)         \
	X(transport_set_pull_timeout_function) \
	X(transport_set_push_function)         \
	X(x509_crt_deinit)                     \
	X(x509_crt_get_dn)                     \
	X(x509_crt_get_expiration_time)        \
	X(x509_crt_get_key_id)                 \
	X(x509_crt_import)                     \
	X(x509_crt_init)                       \
	X(x509_privkey_deinit)                 \
	X(x509_privkey_get_key_id)

struct tls_library {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it is a member's name */
#define TLS_LIBRARY_FIELD(name) __typeof__(gnutls_##name) *name;
	TLS_LIBRARY(TLS_LIBRARY_FIELD)
#undef TLS_LIBRARY_FIELD
};

/*
 * Loads GnuTLS, if this process has not yet, and looks its functions up. It stays loaded: there is
 * nothing to undo, and two tables are as good as one.
 *   -ENOENT  it is not installed, or too old; the text says what to install
 */
int tls_library_load(struct tls_library *ret_library);

#endif
