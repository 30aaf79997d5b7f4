# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Certificates for both sides of a move over TLS.

# certificates DIR: an authority, and one certificate for both sides of this host.
certificates() {
    local kind

    mkdir -p "$1"
    printf 'cn = "the test"\nca\ncert_signing_key\n' >"$1/ca.cfg"
    printf 'cn = "localhost"\ndns_name = "localhost"\nip_address = "127.0.0.1"\nsigning_key\ntls_www_server\ntls_www_client\n' >"$1/host.cfg"
    for kind in ca host; do
        certtool --generate-privkey --key-type ed25519 --outfile "$1/$kind-key.pem"
    done
    certtool --generate-self-signed --load-privkey "$1/ca-key.pem" --template "$1/ca.cfg" \
        --outfile "$1/ca-cert.pem"
    certtool --generate-certificate --load-privkey "$1/host-key.pem" --template "$1/host.cfg" \
        --load-ca-certificate "$1/ca-cert.pem" --load-ca-privkey "$1/ca-key.pem" \
        --outfile "$1/cert.pem"
    mv "$1/host-key.pem" "$1/key.pem"
    chmod 600 "$1"/*.pem
}
