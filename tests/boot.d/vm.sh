# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Drives one Debian guest of tools/rootfs by the shell on its console, for the suite boot.
#
# Uses "work", a directory that the sourcing script made. Every wait has an end.
# shellcheck disable=SC2154

slowdown=${FERRY_TEST_SLOWDOWN:-1}
ferry=${FERRY:-build/release/ferry}
vm_name=
vm_count=0

# vm_start ARGUMENT…: ferry run, with those arguments.
vm_start() {
    vm_count=$((vm_count + 1))
    vm_name=boot$vm_count
    vm_log=$work/console-$vm_count
    vm_questions=0
    : >"$vm_log"
    rm -f "$work/in"
    mkfifo "$work/in"
    exec {vm_to}<>"$work/in"
    exec {vm_from}< <(exec "$ferry" run --name "$vm_name" "$@" <"$work/in" 2>&1)
    vm_pid=$!
}

vm_tail() {
    tail -n 40 "$vm_log"
}

# vm_read SECONDS PATTERN: reads what the guest says up to a line that matches; the lines before it
# are in "vm_answer" then, and the match in BASH_REMATCH. Status 1 at the end of its output, 2 when
# it takes too long.
vm_read() {
    local line end=$((SECONDS + $1 * slowdown)) left

    vm_answer=
    while left=$((end - SECONDS)) && [ "$left" -gt 0 ]; do
        IFS= read -r -t "$left" -u "$vm_from" line || {
            [ $? -gt 128 ] && return 2
            return 1
        }
        line=${line//$'\r'/}
        echo "$line" >>"$vm_log"
        [[ ! $line =~ $2 ]] || return 0
        vm_answer=$vm_answer${vm_answer:+$'\n'}$line
    done
    return 2
}

# vm_expect SECONDS PATTERN: vm_read finds it.
vm_expect() {
    vm_read "$@" || {
        echo "no '$2' within $(($1 * slowdown)) seconds; it said:"
        vm_tail
        false
    }
}

# vm_fell_silently: it took a triple fault before its kernel had said a word.
vm_fell_silently() {
    [ "$(grep -vc '^ferry: ' "$vm_log")" -eq 0 ] && grep -q ': triple fault$' "$vm_log"
}

# vm_boot ARGUMENT…: vm_start, up to the shell. An emulated CPU of the lab now and then runs into code
# that another one is patching; it is why the lab's own kernel would oops (lab.d/main, hold_vm). What
# that does to a guest is a triple fault in its first moments: then, once, it is started again, and
# the log of the suite says so.
vm_boot() {
    vm_start "$@"
    vm_read 15 '^console shell$' && return
    if vm_fell_silently; then
        echo "# $vm_name: a triple fault before the first word; started once more" >&2
        wait "$vm_pid"
        vm_close
        vm_start "$@"
        vm_read 15 '^console shell$' && return
    fi
    echo "no '^console shell$' within $((15 * slowdown)) seconds; it said:"
    vm_tail
    false
}

# vm_ask COMMAND: sends it to the shell, as one line.
vm_ask() {
    vm_questions=$((vm_questions + 1))
    printf '%s\n' "{ ${1//$'\n'/ }; } 2>&1; s=\$?; echo; echo \"<$vm_questions \$s>\"" >&"$vm_to"
}

# vm_answered: what the guest said to vm_ask goes to "vm_answer"; the status is COMMAND's.
vm_answered() {
    vm_expect 6 "^<$vm_questions ([0-9]+)>$" || return 255
    # The first question may come before the shell has switched the terminal's echo off.
    [[ ${vm_answer%%$'\n'*} != *'; s=$?; echo; echo '* ]] || vm_answer=${vm_answer#*$'\n'}
    vm_answer=${vm_answer%$'\n'}
    return "${BASH_REMATCH[1]}"
}

# vm_do COMMAND: it succeeds in the guest.
vm_do() {
    vm_ask "$1"
    vm_answered || {
        echo "$1: status $?: $vm_answer"
        false
    }
}

# vm_says TEXT COMMAND: COMMAND prints TEXT and nothing else.
vm_says() {
    vm_do "$2" || return
    [ "$vm_answer" = "$1" ] || {
        echo "$2: it said '$vm_answer', not '$1'"
        false
    }
}

vm_ctl() {
    timeout $((3 * slowdown)) "$ferry" ctl "$vm_name" "$@"
}

# vm_ends STATUS: it ends by itself, with that status.
vm_ends() {
    local status

    # The end of its output is its end.
    vm_read 10 '^no such line$'
    if [ $? -eq 2 ]; then
        echo "it does not end; it said:"
        vm_tail
        vm_kill
        return 1
    fi
    wait "$vm_pid"
    status=$?
    vm_close
    [ $status -eq "$1" ] || {
        echo "status $status, not $1; it said:"
        vm_tail
        false
    }
}

vm_close() {
    exec {vm_to}>&- {vm_from}<&-
    vm_name=
}

# vm_kill: whatever state it is in.
vm_kill() {
    [ -n "$vm_name" ] || return 0
    kill -KILL "$vm_pid" 2>/dev/null
    wait "$vm_pid"
    vm_close
}
