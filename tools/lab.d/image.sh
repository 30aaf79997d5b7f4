# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The lab's initramfs and, for arm64, its root; both made once and kept in the cache.
#
# Uses what tools/lab has set: here, arch, kernel, busybox, sysroot, shares, terminal, command.
# shellcheck disable=SC2154

# What mounting the root takes, and what the lab offers beyond it.
MODULES_ROOT="virtio_pci virtio_console 9pnet_virtio 9p overlay"
declare -A MODULES_LATER=([x86]="kvm-amd tun dummy" [arm64]="tun dummy")

# What ferry needs in the arm64 root, to be built (by a cross compiler, which brings its own
# libc) and to run, with busybox for the scripts of its tests.
SYSROOT_PACKAGES="busybox-static libc6 libgcc-s1 libarchive-dev
    libfdt1 libfdt-dev libjson-c5 libjson-c-dev liblz4-1 liblz4-dev liblzma5 liblzma-dev
    libseccomp-dev liburing2 liburing-dev libxxhash0 libxxhash-dev libzstd1 libzstd-dev zlib1g zlib1g-dev
    libgnutls30 libgnutls28-dev libnettle8 libhogweed6 nettle-dev libgmp10 libp11-kit0
    libp11-kit-dev libffi8 libtasn1-6 libtasn1-6-dev libidn2-0 libidn2-dev libunistring2
    check libsubunit0 libsubunit-dev
    passt bash libtinfo6"

# copy_modules KERNEL_DIR TO MODULE…: them and what they need, uncompressed, numbered in order.
copy_modules() {
    local file n=100

    mkdir -p "$2"
    while read -r file; do
        case $file in
        *.xz) xz -dc "$file" >"$2/$n" ;;
        *) cp "$file" "$2/$n" ;;
        esac || die "cannot unpack $file"
        n=$((n + 1))
    done < <(modprobe --dirname "$1" -S "$(basename "$(kernel_modules "$1")")" \
        --show-depends -a "${@:3}" | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
}

# make_initramfs FILE ARCH KERNEL_DIR BUSYBOX
make_initramfs() (
    root=$CACHE/initramfs.new
    trap 'rm -rf "$root" "$1.new"' EXIT
    [ ! -e "$1" ] || exit 0
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,proc,sys,lab}
    cp "$4" "$root/bin/busybox"
    cp "$here/init" "$root/init"
    cp "$here/main" "$root/lab/main"
    chmod +x "$root/init"
    # shellcheck disable=SC2086  # lists of words
    copy_modules "$3" "$root/modules/root" $MODULES_ROOT
    # shellcheck disable=SC2086
    copy_modules "$3" "$root/modules/later" ${MODULES_LATER[$2]}
    find "$CACHE" -maxdepth 1 -name 'initramfs-*' -mtime +7 -delete
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$1.new" && mv "$1.new" "$1"
)

# initramfs ARCH KERNEL_DIR BUSYBOX: prints its path; a change of any part makes a new one.
initramfs() {
    local file

    file=$(cat "$here"/* "$3" <(echo "$1 $2") | sha256sum) || exit
    file=$CACHE/initramfs-${file:0:16}
    [ -e "$file" ] || with_lock make_initramfs "$file" "$@" || exit
    echo "$file"
}

# unpack_with_all DIR NAME…: these packages of arm64, and all without which they do not work.
unpack_with_all() (
    work=$1.packages
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work" && cd "$work" || exit
    for package in "${@:2}"; do
        find_package arm64 "$package" >/dev/null || exit
    done
    mapfile -t names < <(private_apt apt-get arm64 --simulate --no-install-recommends install "${@:2}" |
        awk '$1 == "Inst" { print $2 }')
    [ ${#names[@]} -gt 0 ] || die "no way to have ${*:2}"
    echo "lab: fetching ${#names[@]} packages" >&2
    private_apt apt-get arm64 download "${names[@]}" >&2 || die "cannot download them"
    for package in *.deb; do
        dpkg -x "$package" "$1" || die "cannot unpack $package"
    done
)

# fetch_sysroot DIR NAME…
fetch_sysroot() {
    local package dir busybox applet link

    [ ! -d "$1" ] || return 0
    rm -rf "$1.new"
    mkdir -p "$1.new"/{bin,sbin,dev,proc,sys,run,tmp,root,etc}
    [ $# -eq 1 ] || unpack_with_all "$1.new" "${@:2}" || exit
    for package in $SYSROOT_PACKAGES; do
        find_package arm64 "$package" >/dev/null || exit
        dir=$(unpack_package arm64 "$package") || exit
        cp -a "$dir/." "$1.new/" || exit
    done
    # A cross linker would follow absolute links out of the root.
    find "$1.new" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
        ln -sfnr "$1.new$(readlink "$link")" "$link"
    done
    fetch busybox-amd64 amd64 busybox-static
    busybox=$CACHE/busybox-amd64/bin/busybox
    for applet in $("$busybox" --list); do
        [ -e "$1.new/bin/$applet" ] || ln -s busybox "$1.new/bin/$applet"
    done
    ln -s ../bin/busybox "$1.new/sbin/modprobe"
    echo root:x:0:0:root:/root:/bin/sh >"$1.new/etc/passwd"
    mv "$1.new" "$1"
}

# sysroot_arm64 NAME…: prints the directory that COMMAND's root is made of in the arm64 lab, with these packages, too.
sysroot_arm64() {
    local hash root

    hash=$(echo "$SYSROOT_PACKAGES${*:+ $*}" | sha256sum)
    root=$CACHE/sysroot-arm64-${hash:0:8}
    [ -d "$root" ] || with_lock fetch_sysroot "$root" "$@" || exit
    echo "$root"
}

quote() {
    printf "'%s'" "${1//\'/\'\\\'\'}"
}

# lab_conf: the settings that lab.d/init and lab.d/main read.
lab_conf() {
    local n

    echo "NOW=$(date +%s)"
    echo "MSIZE=512000"
    echo "SYSROOT=$(quote "$sysroot")"
    echo "TREE=$(quote "$(git rev-parse --show-toplevel 2>/dev/null || pwd -P)")"
    echo "CACHE=$(quote "$(realpath "$CACHE")")"
    echo "MODULES=$(quote "$kernel/lib/modules")"
    echo "TERMINAL=$terminal"
    [ -z "$terminal" ] || stty size | sed "s/\(.*\) \(.*\)/TTY_SIZE='rows \1 cols \2'/"
    for ((n = 0; n < ${#shares[@]}; n++)); do
        echo "SHARE_$n=$(quote "${shares[n]}")"
    done
}

# lab_command: the shell script that becomes COMMAND, in this environment and directory.
lab_command() {
    local entry word

    while IFS= read -r -d '' entry; do
        [[ ${entry%%=*} =~ ^[A-Za-z_][A-Za-z_0-9]*$ ]] || continue
        echo "export ${entry%%=*}=$(quote "${entry#*=}")"
    done < <(env -0)
    [ -z "$sysroot" ] || echo "export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root"
    echo "export FERRY_TEST_SLOWDOWN=10 XDG_RUNTIME_DIR=/run/user"
    echo "unset TMPDIR"
    echo "cd $(quote "$(pwd -P)") || exit 125"
    printf exec
    for word in "${command[@]}"; do
        printf ' %s' "$(quote "$word")"
    done
    echo
}

# lab_initrd DIR: prints DIR/initrd, the initramfs with this run's settings behind it.
lab_initrd() {
    local base

    base=$(initramfs "$arch" "$kernel" "$busybox") || exit
    mkdir "$1/lab"
    lab_conf >"$1/lab/conf"
    lab_command >"$1/lab/command"
    (cd "$1" && find lab -type f | cpio -o -H newc --quiet | cat "$base" -) >"$1/initrd"
}
