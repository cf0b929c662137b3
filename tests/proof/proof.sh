#!/bin/sh
# proof.sh - has Frama-C's Eva follow every execution of the proofs, and prints what it found.
#
# usage: proof.sh
#
# Ends with 1 at the first operation that is not shown to be defined, or a condition that is not
# shown to hold. There is no list of exceptions.
set -eu
cd "$(dirname "$0")/../.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
prove() {
	began=$(date +%s)
	frama-c -c11 -machdep gcc_x86_64 -eva -main "$2" -eva-slevel 1000000 \
		-eva-split-return full -eva-no-show-progress \
		-eva-msg-key=-initial-state,-final-states -cpp-extra-args=-Iinclude \
		-cpp-extra-args=-Itests/proof/include -cpp-extra-args=-D_GNU_SOURCE \
		-cpp-extra-args=-Dstatic_assert=_Static_assert -cpp-extra-args="$3" "tests/proof/$1.c" >"$log" 2>&1 || :
	awk -v proof="$1/$2" -v bound="$4" -v seconds=$(($(date +%s) - began)) '
		/statements reached/ { reached = $4; gsub(/[^0-9]/, "", $9); all = $9 }
		/alarms? generated/ { alarms = $1; seen = 1 }
		/ (Assertions|Preconditions) / { bad += $4 + $6 }
		END {
			if (!seen)
				alarms = "no end"
			printf "%-16s %8s/%-4s %7s %6d %5d s  %s\n", proof, reached, all, alarms,
				bad, seconds, bound
			exit !(seen && alarms == 0 && bad == 0 && reached > 0)
		}' "$log" || {
		status=1
		grep -A 1 ':alarm\]' "$log" || tail -5 "$log"
	}
}

# How far each goes: more takes longer, and has been shown no other result.
any=${PROOF_ANY:-16}       # bytes of a version's text
escape=${PROOF_ESCAPE:-6}  # bytes to escape
field=${PROOF_FIELD:-26}   # bytes of a field of a message

printf '%-16s %8s/%-4s %7s %6s %7s  %s\n' proof reached all alarms unheld time 'of all inputs'
prove wire everything -DX 'wire_check: any message of 0 to 3088 bytes, by either door; names of any number'
prove version any -DANY_MAX="$any" "version_parse: any string of up to $any bytes"
prove version tail -DX 'version_parse: a core and any identifier, 124 to 131 bytes'
prove version pair -DX 'version_compare: three digits a part and three bytes of anything behind'
prove text escaping -DSOURCE_MAX="$escape" \
	"text_escape, text_escape_tail: any 0 to $escape bytes, into any room up to $((2 * escape + 2))"
prove text fields -DFIELD_MAX="$field" "text_is_field(_or_empty): any field of 1 to $field bytes"
prove text strings -DX 'text_is_name, text_is_object_id: any string up to 100 bytes; text_hex: up to 32'
exit $status
