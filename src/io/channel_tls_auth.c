/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: the directory they come from, and what a refusal is called. */
#include "io/channel_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "io/channel_impl.h"

static int join(char *path, const char *directory, const char *name)
{
	if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return because(-ENAMETOOLONG, "TLS: the directory's name is too long");
	return 0;
}

static int check_file(const char *path, mode_t forbidden)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0)
		return because(-errno, "TLS: cannot read %s: %s", path, strerror(errno));
	if (info.st_mode & forbidden)
		return because(-EACCES, "TLS: everybody may read the key %s: chmod 600 it", path);
	return 0;
}

struct paths {
	char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
};

static int find_files(const char *directory, struct paths *paths)
{
	int r = join(paths->ca, directory, "ca-cert.pem");

	if (r == 0)
		r = join(paths->cert, directory, "cert.pem");
	if (r == 0)
		r = join(paths->key, directory, "key.pem");
	if (r == 0)
		r = check_file(paths->ca, 0);
	if (r == 0)
		r = check_file(paths->cert, 0);
	if (r == 0)
		r = check_file(paths->key, S_IRWXO);
	return r;
}

#define KEY_ID_MAX 64

/* The public half of the key that the certificate is for. False: it cannot be told. */
static bool id_of_certificate(const struct tls_library *lib,
			      gnutls_certificate_credentials_t credentials, unsigned char *id,
			      size_t *size)
{
	gnutls_datum_t der;
	gnutls_x509_crt_t cert;
	bool is_known;

	if (lib->certificate_get_crt_raw(credentials, 0, 0, &der) < 0 ||
	    lib->x509_crt_init(&cert) < 0)
		return false;
	is_known = lib->x509_crt_import(cert, &der, GNUTLS_X509_FMT_DER) == 0 &&
		   lib->x509_crt_get_key_id(cert, 0, id, size) == 0;
	lib->x509_crt_deinit(cert);
	return is_known;
}

static bool id_of_key(const struct tls_library *lib, gnutls_certificate_credentials_t credentials,
		      unsigned char *id, size_t *size)
{
	gnutls_x509_privkey_t key;
	bool is_known;

	if (lib->certificate_get_x509_key(credentials, 0, &key) < 0)
		return false;
	is_known = lib->x509_privkey_get_key_id(key, 0, id, size) == 0;
	lib->x509_privkey_deinit(key);
	return is_known;
}

/* GnuTLS compares the two when it loads them, but not those of EdDSA: the peer would find out. */
static int check_pair(const struct tls_library *lib, gnutls_certificate_credentials_t credentials,
		      const struct paths *paths)
{
	unsigned char cert[KEY_ID_MAX], key[KEY_ID_MAX];
	size_t cert_size = sizeof(cert), key_size = sizeof(key);

	if (!id_of_certificate(lib, credentials, cert, &cert_size) ||
	    !id_of_key(lib, credentials, key, &key_size))
		return 0;
	if (cert_size == key_size && memcmp(cert, key, cert_size) == 0)
		return 0;
	return because(-EINVAL, "TLS: %s is not for the key %s: they must be of one pair",
		       paths->cert, paths->key);
}

static int load(const struct tls_library *lib, gnutls_certificate_credentials_t credentials,
		const struct paths *paths)
{
	int n = lib->certificate_set_x509_trust_file(credentials, paths->ca, GNUTLS_X509_FMT_PEM);

	if (n <= 0)
		return because(-EINVAL, "TLS: no certificate in %s", paths->ca);
	n = lib->certificate_set_x509_key_file(credentials, paths->cert, paths->key,
					       GNUTLS_X509_FMT_PEM);
	if (n < 0)
		return because(-EINVAL, "TLS: %s and %s: %s", paths->cert, paths->key,
			       lib->strerror(n));
	return check_pair(lib, credentials, paths);
}

int channel_tls_keys_load(const char *directory, struct channel_tls_keys **ret_keys)
{
	struct channel_tls_keys *keys = calloc(1, sizeof(*keys));
	struct paths paths;
	int r = keys ? tls_library_load(&keys->lib) : -ENOMEM;

	if (r == 0)
		r = find_files(directory, &paths);
	if (r == 0 && keys->lib.certificate_allocate_credentials(&keys->credentials) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = load(&keys->lib, keys->credentials, &paths);
	if (r < 0) {
		channel_tls_keys_put(keys);
		return r;
	}
	keys->users = 1;
	*ret_keys = keys;
	return 0;
}

int channel_check_keys(const char *directory)
{
	struct channel_tls_keys *keys;
	int r = channel_tls_keys_load(directory, &keys);

	if (r == 0)
		channel_tls_keys_put(keys);
	return r;
}

struct channel_tls_keys *channel_tls_keys_get(struct channel_tls_keys *keys)
{
	__atomic_fetch_add(&keys->users, 1, __ATOMIC_RELAXED);
	return keys;
}

void channel_tls_keys_put(struct channel_tls_keys *keys)
{
	/* Half-made ones have no user yet. */
	if (!keys || (keys->users && __atomic_sub_fetch(&keys->users, 1, __ATOMIC_ACQ_REL)))
		return;
	if (keys->credentials)
		keys->lib.certificate_free_credentials(keys->credentials);
	free(keys);
}

/* What GnuTLS finds, the alert that says it, and the words. More than one bit: the first counts. */
static const struct finding {
	unsigned status;
	gnutls_alert_description_t alert;
	const char *text;
} findings[] = {
	{ GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA, "is not signed by our ca-cert.pem" },
	{ GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA, "is signed by what is not a CA" },
	{ GNUTLS_CERT_SIGNATURE_FAILURE, GNUTLS_A_UNKNOWN_CA, "has a false signature" },
	{ GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED, "has been revoked" },
	{ GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "has expired" },
	{ GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_BAD_CERTIFICATE, "is not valid yet" },
	{ GNUTLS_CERT_UNEXPECTED_OWNER, GNUTLS_A_BAD_CERTIFICATE, "is for another host" },
	{ GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
	  "is not for this purpose (its extended key usage)" },
	{ GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_BAD_CERTIFICATE, "is signed too weakly" },
	{ UINT_MAX, GNUTLS_A_BAD_CERTIFICATE, "is invalid" },
};

static const struct finding *find(const struct tls_library *lib, gnutls_session_t session)
{
	unsigned status = lib->session_get_verify_cert_status(session);
	const struct finding *finding = findings;

	while (!(finding->status & status) && finding->status != UINT_MAX)
		finding++;
	return finding;
}

gnutls_alert_description_t channel_tls_refusal(const struct tls_library *lib,
					       gnutls_session_t session)
{
	return find(lib, session)->alert;
}

/* The peer chose these letters: what is not plain text would speak to a terminal. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text >= 0x7f)
			*text = '?';
}

static void describe(const struct tls_library *lib, gnutls_session_t session, char *text,
		     size_t size)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = lib->certificate_get_peers(session, &count);
	gnutls_x509_crt_t cert;
	char subject[256];
	size_t len = sizeof(subject);
	struct tm tm;
	time_t end;

	text[0] = '\0';
	if (!count || lib->x509_crt_init(&cert) < 0)
		return;
	if (lib->x509_crt_import(cert, &chain[0], GNUTLS_X509_FMT_DER) == 0 &&
	    lib->x509_crt_get_dn(cert, subject, &len) == 0) {
		end = lib->x509_crt_get_expiration_time(cert);
		make_plain(subject);
		snprintf(text, size, " (%s, valid until ", subject);
		if (gmtime_r(&end, &tm))
			strftime(text + strlen(text), size - strlen(text), "%F %T UTC)", &tm);
	}
	lib->x509_crt_deinit(cert);
}

int channel_tls_refused(const struct tls_library *lib, gnutls_session_t session, const char *name,
			const char *host)
{
	const struct finding *finding = find(lib, session);
	char who[320];

	describe(lib, session, who, sizeof(who));
	if (finding->status == GNUTLS_CERT_UNEXPECTED_OWNER)
		return because(-EACCES, "%s: TLS: the peer's certificate%s is not for the host %s",
			       name, who, host);
	return because(-EACCES, "%s: TLS: the peer's certificate%s %s", name, who, finding->text);
}

int channel_tls_alerted(const struct tls_library *lib, gnutls_session_t session, const char *name)
{
	gnutls_alert_description_t alert = lib->alert_get(session);
	const char *text = NULL;

	switch (alert) {
	case GNUTLS_A_CERTIFICATE_EXPIRED:
		text = "it has expired";
		break;
	case GNUTLS_A_UNKNOWN_CA:
		text = "it is not signed by the CA that the peer trusts";
		break;
	case GNUTLS_A_CERTIFICATE_REVOKED:
		text = "it has been revoked";
		break;
	case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
		text = "it is not for this purpose";
		break;
	case GNUTLS_A_BAD_CERTIFICATE:
		text = "it is not valid for this host or not yet";
		break;
	case GNUTLS_A_CERTIFICATE_REQUIRED:
		text = "the peer asks for one, and got none";
		break;
	default:
		break;
	}
	if (text)
		return because(-EACCES, "%s: TLS: the peer refused our certificate: %s", name,
			       text);
	return because(-EPROTO, "%s: TLS: the peer refused: %s", name,
		       lib->alert_get_name(alert) ?: "an alert without a name");
}
