#!/bin/sh
# SPDX-License-Identifier: MIT
# pipe_test.sh DOORBELL: what doorbell pipe prints and how it exits, used rightly and wrongly. Prints TAP.
set -u
doorbell=$(realpath "$1")
[ -x "$doorbell" ] || { echo 'Bail out! usage: pipe_test.sh DOORBELL'; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cd "$dir" || exit 1
n=0

# result SENTENCE: the status of the last command decides.
result()
{
	if [ $? -eq 0 ]; then word=ok; else word='not ok'; fi
	n=$((n + 1))
	echo "$word $n - $1"
	[ "$word" = ok ] || head -n 20 out err | sed 's/^/# /'
}

# said STATUS MESSAGE: the status of the last command was this, and stderr is one line that matches.
said()
{
	[ "$1" -eq "$2" ] || { echo "# exit status $1"; return 1; }
	if [ -z "$3" ]; then [ ! -s err ]; else grep -q "$3" err && [ "$(wc -l <err)" -eq 1 ]; fi
}

# of READER: what it printed, without its name.
of()
{
	sed -n "s/^r$1: //p" out
}

# -- what it shows
printf 'hello\nworld\n\n' | "$doorbell" pipe --readers 3 --chunk 4 >out 2>err
said $? 0 ''
result 'three readers read three lines'
printf 'hell\no\nworl\nd\n\n' >expected
for reader in 1 2 3; do
	of $reader | cmp -s - expected && [ "$(of $reader | tr -d '\n')" = helloworld ]
	result "hello and world are complete at r$reader, in chunks of at most four bytes"
	grep -q "^r$reader end of file, 13 bytes$" out
	result "r$reader says that it has come to the end"
done
# The same, however the input comes.
printf 'r1: full\nr1: line\nr1: x\nr1 end of file, 11 bytes\n' >expected
printf 'full\nline\nx' | "$doorbell" pipe --readers 1 --chunk 4 >out 2>err
cmp -s expected out
result 'a newline behind a full chunk makes no empty one'
(printf full; sleep 0.1; printf '\nline'; sleep 0.1; printf '\nx') |
	"$doorbell" pipe --readers 1 --chunk 4 >out 2>err
cmp -s expected out
result 'nor if it comes later'
"$doorbell" pipe --readers 2 </dev/null >out 2>err
printf 'r1 end of file, 0 bytes\nr2 end of file, 0 bytes\n' >expected
said $? 0 '' && sort out | cmp -s - expected
result 'an empty input has an end'
printf 'a\0b\377\n' | "$doorbell" pipe --readers 1 >out 2>err
printf 'r1: a\0b\377\nr1 end of file, 5 bytes\n' | cmp -s - out
result 'bytes that are no text are shown as they are'

# -- much of it, in little memory
seq 1 300000 >numbers
for policy in block grow; do
	"$doorbell" pipe --policy $policy <numbers >out 2>err
	said $? 0 ''
	result "$policy: many lines"
	for reader in 1 2 3; do
		of $reader | cmp -s - numbers
		result "$policy: r$reader has all of them"
	done
done
"$doorbell" pipe --policy lap <numbers >out 2>err
said $? 0 ''
result 'lap: many lines'
for reader in 1 2 3; do
	lost=$(sed -n "s/^r$reader lost \([0-9]*\) bytes$/\1/p" out | awk '{ s += $1 } END { print s + 0 }')
	read=$(sed -n "s/^r$reader end of file, \([0-9]*\) bytes$/\1/p" out)
	[ $((lost + read)) -eq "$(wc -c <numbers)" ]
	result "lap: what r$reader read and what it lost is what there was"
done
(ulimit -v 400000 && head -c 200000000 /dev/zero | "$doorbell" pipe --readers 2 --chunk 65536) 2>err |
	tail -c 2000 | tr -d '\0' >out
case $(cat err) in
*memory* | *Sanitizer*) n=$((n + 1)) && echo "ok $n - memory stays small # SKIP this build needs more address space" ;;
*)
	[ ! -s err ] && grep -q 'end of file, 200000000 bytes' out
	result 'memory stays small'
	;;
esac

# -- misuse
expect()
{
	status=$1 message=$2 sentence=$3
	shift 3
	"$doorbell" "$@" </dev/null >out 2>err
	said $? "$status" "$message" && { [ -z "$message" ] || [ ! -s out ]; }
	result "$sentence"
}
expect 0 '' 'pipe --help is help, no error' pipe --help
expect 2 'unrecognized option' 'an unknown option is wrong usage' pipe --what
expect 2 'takes no file' 'a file is wrong usage' pipe numbers
expect 2 "block, lap or grow, not 'drop'" 'an unknown policy is wrong usage' pipe --policy drop
for bad in 0 -1 abc 65 99999999999999999999 '' +2 2x; do
	expect 2 "from 1 to 64, not '$bad'" "--readers '$bad' is wrong usage" pipe --readers="$bad"
done
expect 2 "from 1 to 65536, not '65537'" 'a chunk that is too large is wrong usage' pipe --chunk 65537
"$doorbell" pipe <"$dir" >out 2>err
said $? 1 'cannot read standard input: Is a directory'
result 'input that cannot be read is an error'
(ulimit -n 12 && "$doorbell" pipe --readers 64 </dev/null) >out 2>err
said $? 1 'open files'
result 'too few descriptors are said to be so'

# -- output and signals
"$doorbell" pipe <numbers >/dev/full 2>err
said $? 1 'cannot write to standard output: No space left'
result 'a full disk is noticed'
"$doorbell" pipe <numbers >&- 2>err
said $? 1 'standard output is closed'
result 'a closed stdout is noticed'
"$doorbell" pipe <&- >out 2>err
said $? 0 ''
result 'a closed stdin is an empty one'
yes | { "$doorbell" pipe 2>err; echo $? >status; } | head -n 5 >out
said "$(cat status)" 1 'cannot write to standard output: Broken pipe'
result 'it ends when nobody takes its output'
mkfifo input
exec 3<>input # open for as long as the test wants
: >status
{ "$doorbell" pipe 2>err <input; echo $? >status; } | head -n 1 >out &
until [ -s status ]; do
	echo another >&3
	sleep 0.05
done
said "$(cat status)" 1 'cannot write to standard output: Broken pipe'
result 'also when its input is open and silent'
exec 3>&-
for signal in INT:130 TERM:143; do
	: >out
	"$doorbell" pipe --readers 1 <input >out 2>err &
	exec 3>input
	echo ready >&3
	until grep -q ready out; do sleep 0.01; done
	# A shell without job control starts it with SIGINT ignored; it asks for it all the same.
	kill -${signal%:*} $!
	wait $!
	status=$?
	exec 3>&-
	said $status ${signal#*:} 'interrupted after 6 bytes'
	result "SIG${signal%:*} ends it with a sentence"
done
echo "1..$n"
