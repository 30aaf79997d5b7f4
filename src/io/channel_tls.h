/* SPDX-License-Identifier: Apache-2.0 */
/* Who a TLS peer is: the files of certificates, and words for what is wrong with one. */
#ifndef IO_CHANNEL_TLS_H
#define IO_CHANNEL_TLS_H

#include "io/tls_library.h"

/* channel_tls_keys_load() makes it: -ENOENT, -EACCES, -EINVAL. */
struct channel_tls_keys {
	struct tls_library lib;
	gnutls_certificate_credentials_t credentials;
	unsigned users; /* atomic */
};

struct channel_tls_keys *channel_tls_keys_get(struct channel_tls_keys *keys);

/* What is wrong with the peer's certificate, by the session's verification. Returns -EACCES. */
int channel_tls_refused(const struct tls_library *lib, gnutls_session_t session, const char *name,
			const char *host);
/* The alert that tells the peer so. */
gnutls_alert_description_t channel_tls_refusal(const struct tls_library *lib,
					       gnutls_session_t session);
/* What the peer's alert says about us. Returns -EACCES or -EPROTO. */
int channel_tls_alerted(const struct tls_library *lib, gnutls_session_t session, const char *name);

#endif
