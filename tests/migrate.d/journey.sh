# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A guest that checks itself (oracle.sh) moves many times, in every way.
#
# Uses "work", a directory that the sourcing script made.
# shellcheck disable=SC2154

# The ways take turns: copied over one connection, over three and compressed, as a descriptor,
# after the guest (post-copy), and by way of a snapshot that is restored.
journey_uris=(tcp:127.0.0.1:0 tcp:127.0.0.1:0 "unix:$work/m" tcp:127.0.0.1:0)
journey_options=("" "--connections 3 --compress" "" "--postcopy")

# journey_move FROM TO WAY
journey_move() {
    local uri

    oracle_incoming "$2" "${journey_uris[$3]}" --name "$2" || return
    # shellcheck disable=SC2086
    $ferry migrate "$1" "$uri" ${journey_options[$3]} >"$work/said" 2>&1 || {
        cat "$work/said"
        return 1
    }
    oracle_ended "$1" 36 && oracle_check "$2"
}

# journey_snapshot FROM TO: FROM goes on until it is stopped; TO is what it was.
journey_snapshot() {
    $ferry snapshot "$1" "$work/snap" >"$work/said" 2>&1 || {
        cat "$work/said"
        return 1
    }
    oracle_check "$1" || return
    $ferry ctl "$1" stop >"$work/said" && oracle_ended "$1" 35 || return
    oracle_start "$2" --restore "$work/snap" --name "$2"
    oracle_check "$2"
}

# journey CPUS MOVES
journey() {
    local from=a to=b move way

    oracle_boot a "mem=8M rate=5000 fill=20% cpus=$1" --memory 64M --cpus "$1" || return
    for ((move = 0; move < $2; move++)); do
        way=$((move % 5))
        if [ $way -eq 4 ]; then
            journey_snapshot $from $to
        else
            journey_move $from $to $way
        fi || {
            echo "move $((move + 1)), way $way"
            return 1
        }
        way=$from from=$to to=$way
    done
    oracle_end $from
}
