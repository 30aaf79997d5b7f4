# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Drives guests of guest/migrate/oracle.c, several at a time, each by the name of its VM.
#
# Uses "work", a directory that the sourcing script made. Every wait has an end.
# shellcheck disable=SC2154

slowdown=${FERRY_TEST_SLOWDOWN:-1}
ferry=build/release/ferry
oracle=build/release/guest/migrate/oracle
declare -A oracle_to oracle_from oracle_pid oracle_said
oracle_looked=$((10#${EPOCHREALTIME/[.,]/})) oracle_longest=0 # microseconds

# oracle_start NAME ARGUMENT…: ferry run, with those arguments; its console is ours.
oracle_start() {
    local fifo=$work/in-$1 to from

    mkfifo "$fifo"
    exec {to}<>"$fifo"
    rm "$fifo"
    exec {from}< <(exec $ferry run --name "$1" "${@:2}" <&"$to" 2>&1)
    oracle_pid[$1]=$!
    oracle_to[$1]=$to
    oracle_from[$1]=$from
    : >"$work/console-$1"
}

# oracle_boot NAME CMDLINE ARGUMENT…: oracle_start with the oracle as its kernel, until it is ready.
oracle_boot() {
    oracle_start "$1" --cmdline "$2" "${@:3}" $oracle
    oracle_expect "$1" 20 '^oracle ready '
}

oracle_tail() {
    tail -n 20 "$work/console-$1"
}

# oracle_read NAME SECONDS PATTERN: reads what it says up to a line that matches, which is in
# "oracle_line" then. Status 1 at the end of its output, 2 when it takes too long.
oracle_read() {
    local end=$((SECONDS + $2 * slowdown)) left

    while left=$((end - SECONDS)) && [ "$left" -gt 0 ]; do
        IFS= read -r -t "$left" -u "${oracle_from[$1]}" oracle_line || {
            [ $? -gt 128 ] && return 2
            return 1
        }
        oracle_line=${oracle_line%$'\r'}
        echo "$oracle_line" >>"$work/console-$1"
        [[ ! $oracle_line =~ $3 ]] || return 0
    done
    return 2
}

# oracle_expect NAME SECONDS PATTERN: oracle_read finds it.
oracle_expect() {
    oracle_read "$@" || {
        echo "$1: no '$3' within $(($2 * slowdown)) seconds; it said:"
        oracle_tail "$1"
        false
    }
}

# oracle_ask NAME CHARACTERS PATTERN: sends them; what the line that matches says of numbers goes to
# "oracle_said", by name.
oracle_ask() {
    local word

    printf %s "$2" >&"${oracle_to[$1]}"
    oracle_expect "$1" 30 "$3" || return
    oracle_said=()
    for word in $oracle_line; do
        [[ $word != *=* ]] || oracle_said[${word%%=*}]=${word#*=}
    done
}

# oracle_check NAME [c|a]: every page is what it must be, and time never went back, nor did it leap: a guest on a busy
# host may stand still for seconds, but not for longer than somebody who has a clock waited from look to look.
oracle_check() {
    local now

    oracle_ask "$1" "${2:-c}" '^check ' || return
    now=$((10#${EPOCHREALTIME/[.,]/}))
    oracle_longest=$((now - oracle_looked > oracle_longest ? now - oracle_looked : oracle_longest))
    oracle_looked=$now
    [[ $oracle_line != "check ok "* || ${oracle_said[back]} != 0 ||
        ${oracle_said[leap_ns]} -gt $((oracle_longest * 1000)) ]] || return 0
    echo "$1: $oracle_line (looks were ${oracle_longest} us apart at the most)"
    return 1
}

# oracle_gap NAME: the longest time, in ns, for which it stood still since the last time, on stdout.
oracle_gap() {
    oracle_ask "$1" g '^gap_ns=' && echo "${oracle_said[gap_ns]}"
}

# oracle_is_written NAME: it goes on writing.
oracle_is_written() {
    local before

    oracle_ask "$1" s '^status ' || return
    before=${oracle_said[written]}
    oracle_check "$1" || return
    [ "${oracle_said[written]}" -gt "$before" ] || {
        echo "$1: $before pages were written, and ${oracle_said[written]} some time later"
        false
    }
}

# oracle_ended NAME STATUS: its ferry ends by itself, with that status.
oracle_ended() {
    local status

    # The end of its output is its end.
    oracle_read "$1" 10 '^no such line$'
    if [ $? -eq 2 ]; then
        echo "$1 does not end; it said:"
        oracle_tail "$1"
        oracle_kill "$1"
        return 1
    fi
    wait "${oracle_pid[$1]}"
    status=$?
    oracle_forget "$1"
    [ $status -eq "$2" ] || {
        echo "$1: status $status, not $2; it said:"
        oracle_tail "$1"
        false
    }
}

# oracle_end NAME: the guest switches itself off when it is told.
oracle_end() {
    printf q >&"${oracle_to[$1]}"
    oracle_ended "$1" 0
}

oracle_forget() {
    local to=${oracle_to[$1]} from=${oracle_from[$1]}

    exec {to}>&- {from}<&-
    unset "oracle_to[$1]" "oracle_from[$1]" "oracle_pid[$1]"
}

# oracle_kill NAME: whatever state it is in.
oracle_kill() {
    kill -KILL "${oracle_pid[$1]}" 2>/dev/null
    wait "${oracle_pid[$1]}"
    oracle_forget "$1"
}

# oracle_case COMMAND…: COMMAND succeeds; guests that it left are killed.
oracle_case() {
    local name status

    "$@"
    status=$?
    for name in "${!oracle_pid[@]}"; do
        oracle_kill "$name"
    done
    return $status
}
