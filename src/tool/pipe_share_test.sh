#!/bin/sh
# SPDX-License-Identifier: MIT
# pipe_share_test.sh DOORBELL: what doorbell pipe does between processes. Prints TAP.
set -u
doorbell=$(realpath "$1")
[ -x "$doorbell" ] || { echo 'Bail out! usage: pipe_share_test.sh DOORBELL'; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cd "$dir" || exit 1
export XDG_RUNTIME_DIR="$dir"
n=0

# result SENTENCE: the status of the last command decides.
result()
{
	if [ $? -eq 0 ]; then word=ok; else word='not ok'; fi
	n=$((n + 1))
	echo "$word $n - $1"
	[ "$word" = ok ] || head -n 20 out* err* | sed 's/^/# /'
}

# said STATUS DUE FILE MESSAGE: the status was this, and the file is one line that matches, or empty.
said()
{
	[ "$1" -eq "$2" ] || { echo "# exit status $1"; return 1; }
	if [ -z "$4" ]; then [ ! -s "$3" ]; else grep -q "$4" "$3" && [ "$(wc -l <"$3")" -eq 1 ]; fi
}

# attach NAME N: a reader in the background. No file is left of one before, which a shell that does not know
# yet whether the new one has begun would take for its own.
attach()
{
	rm -f out$2 err$2
	"$doorbell" pipe --attach "$1" >out$2 2>err$2 3>&- &
	reader=$!
}

# ready N: until the reader has the first line.
ready()
{
	until grep -qs ready out$1; do sleep 0.01; done
}

seq 1 300000 >numbers
attach first 1 # before there is a writer
"$doorbell" pipe --offer first --capacity 100000 <numbers >out 2>err
said $? 0 err ''
result 'what is offered is written when somebody has read it'
wait $reader
said $? 0 err1 '' && cmp -s numbers out1
result 'who attached before has all of it'
[ "$(stat -c %a doorbell)" = 700 ] && [ -z "$(ls -A doorbell)" ]
result 'the directory is private, and no name is left in it'

mkfifo input
"$doorbell" pipe --offer second --capacity 100000 <input >out 2>err &
writer=$!
exec 3>input
for i in 1 2 3; do
	attach second $i
	eval "reader$i=$reader"
	echo ready >&3
	ready $i
done
cat numbers >&3
exec 3>&-
wait $writer
said $? 0 err ''
result 'a writer whose input ended waits for its readers'
for i in 1 2 3; do
	eval "wait \$reader$i"
	said $? 0 err$i '' && grep -v ready out$i | cmp -s - numbers
	result "reader $i of three has all of it"
done

"$doorbell" pipe --offer third <input >out 2>err &
writer=$!
exec 3>input
attach third 1
echo ready >&3
ready 1
kill -KILL $writer
wait $reader
said $? 1 err1 'the writer died before the end' && grep -q ready out1
result 'a writer that is killed leaves its data and a sentence'
exec 3>&-
wait $writer 2>/dev/null

for signal in INT:130 TERM:143; do
	"$doorbell" pipe --offer third <input >out 2>err & # the name of the dead one is taken over
	writer=$!
	exec 3>input
	attach third 1
	echo ready >&3
	ready 1
	kill -${signal%:*} $writer
	wait $writer
	said $? ${signal#*:} err interrupted
	result "SIG${signal%:*} ends the writer with a sentence"
	wait $reader
	said $? 1 err1 'ended with an error: Operation canceled'
	result "... and its reader with another"
	exec 3>&-
done

attach lapped 1 # stopped, so it must lose
"$doorbell" pipe --offer lapped --policy lap --capacity 1000 <input >out 2>err &
writer=$!
exec 3>input
echo ready >&3
ready 1
kill -STOP $reader
cat numbers >&3
exec 3>&-
kill -CONT $reader
wait $writer
said $? 0 err ''
result 'a writer that laps waits for no reader, but for its end'
wait $reader
said $? 0 err1 '^doorbell: lost [0-9]* bytes.$' && [ "$(tail -n 1 out1)" = 300000 ] &&
	lost=$(sed 's/[^0-9]//g' err1) && [ $((lost + $(wc -c <out1))) -eq $(($(wc -c <numbers) + 6)) ]
result 'a lapped reader says what it lost, to the byte'

# -- misuse
expect()
{
	status=$1 message=$2 sentence=$3
	shift 3
	"$doorbell" pipe "$@" </dev/null >out 2>err
	said $? "$status" err "$message" && [ ! -s out ]
	result "$sentence"
}
expect 1 'Connection timed out' 'a name that nobody offers is waited for no longer than --timeout' \
	--attach nobody --timeout 1
expect 1 'cannot attach to ../x' 'a name with a slash is refused' --attach ../x --timeout 1
expect 1 'cannot make the directory' 'a directory that cannot be made is an error' --offer x --dir no/such
expect 1 'No such file' 'a directory that is not there is an error' --attach x --dir no/such --timeout 1
expect 2 'do not go together' 'offer and attach do not go together' --offer x --attach y
expect 2 'do not go together' 'nor offer and readers' --offer x --readers 2
expect 2 'do not go together' 'nor a directory and nothing' --dir .
expect 2 'block or lap' 'it does not grow' --offer x --policy grow
expect 2 'from 1 to' 'a capacity is a number' --offer x --capacity 0
"$doorbell" pipe --offer full <numbers >out 2>err &
writer=$!
"$doorbell" pipe --attach full >/dev/full 2>err1
said $? 1 err1 'cannot write to standard output: No space left'
result 'a full disk is noticed'
"$doorbell" pipe --attach full >out1 2>err1
wait $writer
said $? 0 err ''
result '... and the writer waits for another reader'
echo "1..$n"
