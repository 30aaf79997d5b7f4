# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Guests of guest/migrate/plug.c, that grow and shrink; driven as the oracle is (oracle.sh).
#
# Uses "plug", the program, and "work", a directory.
# shellcheck disable=SC2154

# plugged NAME MIB: the guest has plugged so much, and all of it holds what it wrote there.
plugged() {
    oracle_ask "$1" c '^check ' || return
    [ "$oracle_line" = "check ok mib=$2" ] || {
        echo "$1: $oracle_line"
        false
    }
}

# plug NAME SIZE MIB: asked to have SIZE, the guest plugs, or unplugs, up to so much.
plug() {
    $ferry ctl "$1" memory "$2" && oracle_expect "$1" 10 "^has $3\$" && plugged "$1" "$3"
}

# boot_plug NAME ARGUMENT…: a guest of 32M that has grown to 192M.
boot_plug() {
    oracle_start "$@" --memory 32M,max=288M "$plug" && oracle_expect "$1" 10 '^plug ready$' &&
        plug "$1" 192M 160
}

# What has grown goes on to grow and to shrink where it came to.
grown() {
    boot_plug a && oracle_incoming b "${1:-unix:$work/m}" || return
    $ferry migrate a "$uri" "${@:2}" || {
        oracle_tail b
        return 1
    }
    oracle_ended a 36 && plugged b 160 && plug b 34M 2 && plug b 288M 256 && oracle_end b
}

grown_snapshot() {
    boot_plug a && $ferry snapshot a "$work/snap" && plug a 100M 68 && oracle_end a &&
        oracle_start b --restore "$work/snap" && plugged b 160 && plug b 100M 68 &&
        plug b 288M 256 && $ferry snapshot b "$work/snap" && oracle_end b &&
        oracle_start c --restore "$work/snap" && plugged c 256 && plug c 32M 0 && oracle_end c
}
