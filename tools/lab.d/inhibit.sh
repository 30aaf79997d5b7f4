# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The host kernel "inhibit": Debian's 6.12, whose KVM is built anew from Debian's source with
# inhibit.patch. Only KVM's two modules differ; they are compiled against Debian's own headers for
# that kernel, by the compiler that it was made with, so they fit it, and a few minutes are enough.
#
# Uses what tools/lab has set.
# shellcheck disable=SC2154

INHIBIT_SOURCE=linux-source-6.12

# inhibit_file KERNEL_DIR: where it is, or will be; a change of any part makes a new one.
inhibit_file() {
    local hash

    hash=$(cat "$here/inhibit.sh" "$here/inhibit.patch" <(realpath "$1") | sha256sum) || exit
    echo "$CACHE/kernel-inhibit-${hash:0:16}"
}

# has_inhibit: whether it has been built.
has_inhibit() {
    [ -d "$CACHE/kernel-6.12" ] && [ -d "$(inhibit_file "$CACHE/kernel-6.12")" ]
}

# inhibit_tree WORK KERNEL_DIR: in WORK Debian's headers as they are installed, with KVM's source
# where it belongs. Prints the directory of the source, and the kernel's release.
inhibit_tree() {
    local release base package dir source

    release=$(basename "$(kernel_modules "$2")")
    base=${release%-amd64}
    for package in "linux-headers-$release" "linux-headers-$base-common" "linux-kbuild-$base"; do
        dir=$(package_dir "$package" amd64 "${package//[.+]/\\&}") || exit
        cp -a "$dir/." "$1/" || exit
    done
    dir=$(package_dir $INHIBIT_SOURCE amd64 'linux-source-6\.12') || exit
    [[ $(readlink -f "$dir") == *"_$(kernel_version "$2")_"* ]] ||
        die "$dir is not the source of this kernel: remove $CACHE for newer packages"
    source=$1/usr/src/linux-headers-$base-common
    tar -xJf "$dir/usr/src/$INHIBIT_SOURCE.tar.xz" -C "$source" --strip-components=1 \
        $INHIBIT_SOURCE/{arch/x86/kvm,virt/kvm} || exit
    echo "$source $release"
}

# kernel_version KERNEL_DIR: of the package, as Debian counts.
kernel_version() {
    local name

    name=$(basename "$(realpath "$1")")
    name=${name#*_}
    echo "${name%_*}"
}

# compile_inhibit WORK SOURCE RELEASE: arch/x86/kvm/kvm.ko and kvm-amd.ko. Type information for BPF
# would take one more program.
compile_inhibit() {
    patch -s -p1 -d "$2" <"$here/inhibit.patch" || die "inhibit.patch does not apply"
    make -s -C "$2" O="$1/usr/src/linux-headers-$3" M="$2/arch/x86/kvm" CONFIG_KVM_INTEL= \
        CONFIG_DEBUG_INFO_BTF_MODULES= -j"$(nproc)" modules >"$1/log" 2>&1 || {
        tail -n 40 "$1/log" >&2
        die "KVM cannot be built"
    }
}

# make_inhibit FILE KERNEL_DIR: the kernel's files again, but for those two modules.
make_inhibit() (
    work=$CACHE/inhibit.work
    trap 'rm -rf "$work" "$1.new"' EXIT
    [ ! -d "$1" ] || exit 0
    echo "lab: building KVM with the inhibit of TLB flushes" >&2
    rm -rf "$work" "$1.new"
    mkdir -p "$work"
    read -r source release < <(inhibit_tree "$work" "$2")
    [ -n "$release" ] || exit
    compile_inhibit "$work" "$source" "$release"
    cp -al "$2/." "$1.new" || exit
    modules=$1.new/lib/modules/$release/kernel/arch/x86/kvm
    rm -f "$modules"/kvm{,-amd,-intel}.ko*
    for module in kvm kvm-amd; do
        strip --strip-debug -o "$modules/$module.ko" "$source/arch/x86/kvm/$module.ko" || exit
    done
    depmod -b "$1.new" "$release" && mv "$1.new" "$1"
)

# inhibit_dir: prints its directory, as kernel_dir does; builds it if need be.
inhibit_dir() {
    local dir file lock

    dir=$(kernel_dir 6.12) || exit
    file=$(inhibit_file "$dir") || exit
    if [ ! -d "$file" ]; then
        need make gcc patch strip xz >&2
        # Not the cache's own lock: others need not wait for minutes.
        exec {lock}>"$CACHE/inhibit.lock"
        flock "$lock"
        make_inhibit "$file" "$dir" {lock}>&-
        exec {lock}>&-
    fi
    [ -d "$file" ] || exit 125
    echo "$file"
}
