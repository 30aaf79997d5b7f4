/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, made when they are wanted. */
#ifndef TESTS_IO_CHANNEL_CERTS_H
#define TESTS_IO_CHANNEL_CERTS_H

#include "check_main.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define DAY 86400

struct ca {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
};

/* Zeroed: for localhost and 127.0.0.1, for both purposes, valid today. */
struct cert_options {
	const char *host; /* instead of localhost and 127.0.0.1 */
	int from, to;	  /* days from now; both 0: yesterday to tomorrow */
	const char *purpose;
	mode_t key_mode;
};

static inline void cert_begin(gnutls_x509_privkey_t *key, gnutls_x509_crt_t *cert, const char *name,
			      int from, int to)
{
	static unsigned char serial;
	time_t now = time(NULL);

	gnutls_x509_privkey_init(key);
	ck_assert_int_eq(
		gnutls_x509_privkey_generate(*key, GNUTLS_PK_ECDSA,
					     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	gnutls_x509_crt_init(cert);
	serial++;
	gnutls_x509_crt_set_version(*cert, 3);
	gnutls_x509_crt_set_serial(*cert, &serial, 1);
	gnutls_x509_crt_set_key(*cert, *key);
	gnutls_x509_crt_set_dn_by_oid(*cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
				      (unsigned)strlen(name));
	gnutls_x509_crt_set_activation_time(*cert, now + (from || to ? from : -1) * DAY);
	gnutls_x509_crt_set_expiration_time(*cert, now + (from || to ? to : 1) * DAY);
}

static inline void ca_init(struct ca *ca, const char *name)
{
	cert_begin(&ca->key, &ca->cert, name, 0, 0);
	gnutls_x509_crt_set_ca_status(ca->cert, 1);
	gnutls_x509_crt_set_key_usage(ca->cert, GNUTLS_KEY_KEY_CERT_SIGN);
	ck_assert_int_eq(gnutls_x509_crt_sign2(ca->cert, ca->cert, ca->key, GNUTLS_DIG_SHA256, 0),
			 0);
}

static inline void ca_finish(struct ca *ca)
{
	gnutls_x509_crt_deinit(ca->cert);
	gnutls_x509_privkey_deinit(ca->key);
}

static inline void certs_write(const char *dir, const char *name, const gnutls_datum_t *pem,
			       mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	ck_assert_int_eq(write(fd, pem->data, pem->size), pem->size);
	fchmod(fd, mode);
	close(fd);
}

static inline void certs_write_cert(const char *dir, const char *name, gnutls_x509_crt_t cert)
{
	gnutls_datum_t pem;

	gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem);
	certs_write(dir, name, &pem, 0644);
	gnutls_free(pem.data);
}

static inline void cert_name(gnutls_x509_crt_t cert, const char *host)
{
	unsigned char address[4];

	if (inet_pton(AF_INET, host, address) == 1)
		gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, address, 4,
						     GNUTLS_FSAN_APPEND);
	else
		gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, host,
						     (unsigned)strlen(host), GNUTLS_FSAN_APPEND);
}

/* Makes dir, with a certificate that issuer signs, trusting trusted. */
static inline void certs_make(const char *dir, const struct ca *issuer, const struct ca *trusted,
			      const struct cert_options *options)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
	gnutls_datum_t pem;

	mkdir(dir, 0700);
	cert_begin(&key, &cert, "a test's \x1b[31mpeer", options->from, options->to);
	cert_name(cert, options->host ?: "localhost");
	if (!options->host)
		cert_name(cert, "127.0.0.1");
	if (options->purpose)
		gnutls_x509_crt_set_key_purpose_oid(cert, options->purpose, 0);
	ck_assert_int_eq(
		gnutls_x509_crt_sign2(cert, issuer->cert, issuer->key, GNUTLS_DIG_SHA256, 0), 0);
	gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
	certs_write(dir, "key.pem", &pem, options->key_mode ?: 0600);
	gnutls_free(pem.data);
	certs_write_cert(dir, "cert.pem", cert);
	certs_write_cert(dir, "ca-cert.pem", trusted->cert);
	gnutls_x509_crt_deinit(cert);
	gnutls_x509_privkey_deinit(key);
}

static inline void certs_remove(const char *dir)
{
	static const char *const names[] = { "ca-cert.pem", "cert.pem", "key.pem" };
	char path[128];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

#endif
