/* SPDX-License-Identifier: Apache-2.0 */
/* Who a TLS peer is: the files of certificates, and words for what is wrong with one. */
#ifndef IO_CHANNEL_TLS_H
#define IO_CHANNEL_TLS_H

#include "io/tls_library.h"

/* Whether the directory's three files can be used. -ENOENT, -EACCES, -EINVAL. */
int channel_tls_check_files(const char *directory);

/* The same, and the credentials made of them. The caller's, for
 * gnutls_certificate_free_credentials(). */
int channel_tls_load(const struct tls_library *lib, const char *directory,
		     gnutls_certificate_credentials_t *ret_credentials);

/* What is wrong with the peer's certificate, by the session's verification. Returns -EACCES. */
int channel_tls_refused(const struct tls_library *lib, gnutls_session_t session, const char *name,
			const char *host);
/* The alert that tells the peer so. */
gnutls_alert_description_t channel_tls_refusal(const struct tls_library *lib,
					       gnutls_session_t session);
/* What the peer's alert says about us. Returns -EACCES or -EPROTO. */
int channel_tls_alerted(const struct tls_library *lib, gnutls_session_t session, const char *name);

#endif
