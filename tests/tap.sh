# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Test cases in TAP, for suites written in shell: cases, then "tap_done".
#
# A suite runs in the root of the tree, with /dev/null as its input. What a failing case printed
# follows its line as "# …".

tap_count=0
tap_failed=0

tap_ok() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1"
}

# tap_not_ok SENTENCE, with the reason on stdin (not from a pipe: it counts).
tap_not_ok() {
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $1"
    sed 's/^/# /'
}

# tap_skip SENTENCE REASON
tap_skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

# tap_case SENTENCE COMMAND…: COMMAND succeeds.
tap_case() {
    local output

    if output=$("${@:2}" 2>&1); then
        tap_ok "$1"
    else
        tap_not_ok "$1" <<<"$output"
    fi
}

# tap_case_with PROGRAM SENTENCE COMMAND…: likewise; skipped where PROGRAM is not installed.
tap_case_with() {
    if command -v "$1" >/dev/null; then
        tap_case "${@:2}"
    else
        tap_skip "$2" "$1 is not installed"
    fi
}

# tap_relay PREFIX: the cases of another suite, which is on stdin, with PREFIX before each sentence;
# a suite that ends without its plan has failed.
tap_relay() {
    local line before=$tap_count plan=

    while IFS= read -r line; do
        case $line in
        "ok "* | "not ok "*)
            tap_count=$((tap_count + 1))
            [ "${line%%ok *}" != "not " ] || tap_failed=$((tap_failed + 1))
            echo "${line%%ok *}ok $tap_count - $1${line#* - }"
            ;;
        1..*) plan=${line#1..} ;;
        *) echo "$line" ;;
        esac
    done
    [ "$plan" = $((tap_count - before)) ] ||
        tap_not_ok "$1all of it runs" <<<"planned ${plan:-nothing}, and reported $((tap_count - before))"
}

tap_done() {
    echo "1..$tap_count"
    [ $tap_failed -eq 0 ]
}
