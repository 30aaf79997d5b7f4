# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Debian packages fetched, checked and unpacked into the cache, for tools/lab.
#
# apt works on a state directory of its own inside the cache: no root is needed and the
# machine's package lists, foreign architectures and caches stay as they are.

CACHE=${FERRY_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/ferry}

# A sourcing script says who it is in $0.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 125
}

# with_lock COMMAND…: one process at a time changes the cache.
with_lock() {
    local lock

    mkdir -p "$CACHE" || die "cannot create the cache directory $CACHE"
    exec {lock}>"$CACHE/lock"
    flock "$lock"
    "$@" {lock}>&-
    exec {lock}>&-
}

# debian_sources: the files in which this machine's apt has Debian 12, without other people's.
debian_sources() {
    local suites='bookworm(-updates|-security)?'

    grep -lsE "^(Suites:(.* )?|deb .*[/ ])$suites( |\$)" /etc/apt/sources.list \
        /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list
}

# private_apt TOOL ARCH ARGS…: apt-get or apt-cache for ARCH, on the cache's own state.
private_apt() {
    local tool=$1 state=$CACHE/apt/$2 source

    if [ ! -d "$state" ]; then
        mkdir -p "$state"/{lists,cache/archives}/partial "$state/sources"
        debian_sources | while read -r source; do
            ln -s "$source" "$state/sources/"
        done
    fi
    "$tool" -qq -o APT::Architecture="$2" -o APT::Architectures="$2" \
        -o Dir::State="$state" -o Dir::State::lists="$state/lists" \
        -o Dir::State::status=/dev/null -o Dir::Cache="$state/cache" \
        -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$state/sources" \
        -o APT::Sandbox::User= "${@:3}"
}

# newest_package ARCH PATTERN: the name with the highest version that matches all of PATTERN.
newest_package() {
    private_apt apt-cache "$1" pkgnames 2>/dev/null | grep -xE -- "$2" | sort -V | tail -n 1
}

# find_package ARCH PATTERN: likewise; the package lists are fetched only if they lack it.
find_package() {
    local name

    name=$(newest_package "$1" "$2")
    if [ -z "$name" ]; then
        private_apt apt-get "$1" update >&2 || die "apt-get update failed"
        name=$(newest_package "$1" "$2")
    fi
    [ -n "$name" ] || die "no Debian package for $1 matches $2"
    echo "$name"
}

# download_package ARCH NAME: fetches NAME into the current directory, checks it against the
# signed lists, and prints its file name.
download_package() {
    local want file

    want=$(private_apt apt-cache "$1" show --no-all-versions "$2" | sed -n 's/^SHA256: //p')
    private_apt apt-get "$1" download "$2" >&2 || return
    file=$(echo "$2"_*.deb)
    echo "$want  $file" | sha256sum --check --status ||
        die "$file is not the package that the package list describes"
    echo "$file"
}

# unpack_package ARCH NAME: prints the directory that holds NAME unpacked, keyed by version.
unpack_package() (
    work=$CACHE/unpack
    trap 'rm -rf "$work"' EXIT
    rm -rf "$work"
    mkdir -p "$work" "$CACHE/packages" && cd "$work" || exit
    echo "lab: fetching $2" >&2
    if ! file=$(download_package "$1" "$2"); then
        # The lists may be older than the archive.
        private_apt apt-get "$1" update >&2
        file=$(download_package "$1" "$2") || die "cannot download $2"
    fi
    dest=$CACHE/packages/${file%.deb}
    if [ ! -d "$dest" ]; then
        dpkg -x "$file" root || die "cannot unpack $file"
        for modules in root/lib/modules/*/; do
            [ ! -d "$modules" ] || depmod -b root "$(basename "$modules")" || exit
        done
        mv root "$dest"
    fi
    echo "$dest"
)

# kernel_package NAME: prints "ARCH PATTERN" of the kernel package that NAME stands for.
kernel_package() {
    local name=${1#arm64-} arch=amd64 flavour=

    [ "$name" = "$1" ] || arch=arm64
    case $name in *-cloud) flavour=cloud- ;; esac
    case ${name%-cloud} in
    6.1) echo "$arch linux-image-6\.1\.0-[0-9]+-$flavour$arch-unsigned" ;;
    6.12) echo "$arch linux-image-6\.12\.[0-9]+\+deb12-$flavour$arch-unsigned" ;;
    *) die "unknown kernel '$1': 6.1, 6.12, 6.1-cloud, 6.12-cloud, arm64-6.12, …" ;;
    esac
}

fetch() {
    local name dir

    [ ! -d "$CACHE/$1" ] || return 0
    name=$(find_package "$2" "$3") || exit
    dir=$(unpack_package "$2" "$name") || exit
    ln -sfnr "$dir" "$CACHE/$1"
}

# package_dir LINK ARCH PATTERN: prints the directory of the newest matching package, unpacked.
# LINK, in the cache, keeps the choice: removing the cache gets newer packages.
package_dir() {
    [ -d "$CACHE/$1" ] || with_lock fetch "$@" || exit
    realpath "$CACHE/$1"
}

# kernel_dir NAME: prints the directory of the unpacked kernel NAME (boot/, lib/modules/).
kernel_dir() {
    local arch pattern

    read -r arch pattern < <(kernel_package "$1")
    [ -n "$arch" ] || exit
    package_dir "kernel-$1" "$arch" "$pattern"
}

# kernel_kernel DIR, kernel_modules DIR: what --print-kernel and --print-modules print.
kernel_kernel() {
    echo "$1"/boot/vmlinuz-*
}

kernel_modules() {
    echo "$1"/lib/modules/*
}
