#!/bin/sh
# SPDX-License-Identifier: MIT
# demo_test.sh DOORBELL TEXT: what the command says, and how it exits, when it is used in ways that are
# wrong, hostile or just unusual. TEXT is any file of some lines. Prints TAP.
set -u
doorbell=$(realpath "$1")
text=$(realpath "$2")
[ -x "$doorbell" ] || { echo 'Bail out! usage: demo_test.sh DOORBELL TEXT'; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
n=0

# result SENTENCE: the status of the last command decides.
result()
{
	if [ $? -eq 0 ]; then word=ok; else word='not ok'; fi
	n=$((n + 1))
	echo "$word $n - $1"
	[ "$word" = ok ] || sed 's/^/# /' "$dir/out" "$dir/err"
}

skip()
{
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# expect STATUS MESSAGE SENTENCE ARGUMENT...: MESSAGE is a basic regular expression that stderr must
# match; empty: stderr must be empty. An error is one line and leaves stdout empty.
expect()
{
	status=$1 message=$2 sentence=$3
	shift 3
	"$doorbell" "$@" </dev/null >"$dir/out" 2>"$dir/err"
	judge $? "$status" "$message"
	result "$sentence"
}

judge()
{
	[ "$1" -eq "$2" ] || { echo "# exit status $1"; return 1; }
	if [ -z "$3" ]; then
		[ ! -s "$dir/err" ]
	else
		grep -q "$3" "$dir/err" && [ "$(wc -l <"$dir/err")" -eq 1 ] && [ ! -s "$dir/out" ]
	fi
}

cd "$dir" || exit 1

# -- usage
expect 0 '' 'without arguments the commands are listed'
grep -q '^  demo ' out
result 'demo is one of them'
expect 0 '' '--help is help, no error' --help
expect 0 '' '--version is told' --version
expect 2 "no command 'dmeo'" 'an unknown command is wrong usage' dmeo
expect 2 'unrecognized option' 'an unknown option is wrong usage' --what
expect 0 '' 'demo --help is help, no error' demo --help
expect 2 'wants a file' 'demo without a file is wrong usage' demo
expect 2 'unrecognized option' 'an unknown option of demo is wrong usage' demo --what "$text"
expect 2 'requires an argument' 'an option without its value is wrong usage' demo "$text" --workers
expect 2 "epoll or uring, not 'kqueue'" 'an unknown loop is wrong usage' demo --loop kqueue "$text"
for bad in 0 -1 abc 65 99999999999999999999999 '' ' 2' +2 2x 0x2 1.5; do
	expect 2 "from 1 to 64, not '$bad'" "--workers '$bad' is wrong usage" demo --workers="$bad" "$text"
done
for bad in 0 -1 abc 257 99999999999999999999999; do
	expect 2 "from 1 to 256, not '$bad'" "--clients '$bad' is wrong usage" demo --clients="$bad" "$text"
done

# -- files
: >empty
mkfifo fifo
mkdir directory
printf 'no newline' >no-newline
printf '\n' >newline
printf 'a\0b\n\0\n\377\376\n' >binary
head -c 10000000 /dev/zero | tr '\0' x >long-line
yes 'one of many lines' | head -n 200000 >many-lines
expect 1 "'missing' cannot be opened: No such file" 'a missing file is named' demo missing
expect 1 "'directory' is a directory" 'a directory is refused' demo directory
expect 1 "'fifo' is not a regular file" 'a FIFO is refused, not waited for' demo fifo
expect 1 "'/dev/zero' is not a regular file" '/dev/zero is refused' demo /dev/zero
expect 1 "'/dev/null' is not a regular file" '/dev/null is refused' demo /dev/null
expect 1 "'empty' is empty" 'an empty file has no line to send' demo empty
expect 1 'are empty' 'nor have two' demo empty empty
expect 1 "'missing' cannot be opened" 'a missing file beside a good one is an error' demo "$text" missing
cp "$text" unreadable
chmod 0 unreadable
chmod 755 .
as=
[ "$(id -u)" -ne 0 ] || as='setpriv --reuid=65534 --clear-groups' # root reads everything
if $as "$doorbell" --version >out 2>err; then
	$as "$doorbell" demo unreadable >out 2>err
	judge $? 1 "'unreadable' cannot be opened: Permission denied"
	result 'an unreadable file is named'
else
	skip 'an unreadable file is named' 'no setpriv, or others may not run the command'
fi

# -- runs, with both loops
loops=epoll
"$doorbell" demo --loop uring newline >out 2>err && loops='epoll uring'
[ "$loops" != epoll ] || skip 'the uring loop' "$(cat err)"
for loop in $loops; do
	expect 0 '' "$loop: an ordinary file" demo --loop "$loop" "$text"
	grep -q "^lines answered  *[0-9]" out && grep -q '^lines a second  *[1-9]' out
	result "$loop: the table has its rows"
	expect 0 '' "$loop: a file without a newline at its end" demo --loop "$loop" no-newline
	expect 0 '' "$loop: a file of one empty line" demo --loop "$loop" newline
	expect 0 '' "$loop: bytes that are no text" demo --loop "$loop" binary
	expect 0 '' "$loop: an empty file beside another" demo --loop "$loop" empty "$text"
	expect 0 '' "$loop: one worker, one client" demo --loop "$loop" --workers 1 --clients 1 "$text"
	expect 0 '' "$loop: the most workers and clients" demo --loop "$loop" --workers 64 --clients 256 newline
	expect 0 '' "$loop: a line of ten million bytes" demo --loop "$loop" long-line
	grep -q '^lines answered  *24440$' out # 5 passes of 8 clients of 611 pieces
	result "$loop: which is sent in pieces"
	expect 0 '' "$loop: many lines are shared out" demo --loop "$loop" many-lines
	grep -q '^lines answered  *200000$' out
	result "$loop: and each is sent once"

	(ulimit -n 20 && "$doorbell" demo --loop "$loop" "$text") >out 2>err
	judge $? 1 'open files'
	result "$loop: too few descriptors for the clients are said to be so"
	limit=4
	until (ulimit -n $limit && "$doorbell" --version) >out 2>err; do limit=$((limit + 1)); done
	until (ulimit -n $limit && "$doorbell" demo --loop "$loop" --clients 3 newline) >out 2>err; do
		judge $? 1 '^doorbell: .*open files' || break
		limit=$((limit + 1))
	done
	judge $? 0 ''
	result "$loop: and so wherever the descriptors run out, $limit being enough for three clients"
done

# -- output
# refused MESSAGE SENTENCE: the last command failed to write its output, and said so.
refused()
{
	status=$?
	: >out
	judge $status 1 "$1"
	result "$2"
}

"$doorbell" demo newline >/dev/full 2>err
refused 'cannot write to standard output: No space left' 'a full disk is noticed'
"$doorbell" --help >/dev/full 2>err
refused 'cannot write to standard output: No space left' 'also by --help'
"$doorbell" demo newline >&- 2>err
refused 'standard output is closed' 'a closed stdout is noticed'
"$doorbell" demo newline <&- >out 2>&-
[ $? -eq 0 ] && grep -q '^lines answered' out
result 'closed stdin and stderr change nothing'

# -- signals
for loop in $loops; do
	# SIGINT is kept for the loop from before the first thread starts: the kernel tells when.
	"$doorbell" demo --loop "$loop" many-lines many-lines many-lines many-lines >out 2>err &
	until grep -q -e '^SigBlk:.*[2367abef]$' -e '^State:.*Z' "/proc/$!/status"; do :; done
	kill -INT $!
	wait $!
	judge $? 130 'interrupted after'
	result "$loop: SIGINT ends it with a sentence"
done

# -- kernels without io_uring
if ! command -v strace >/dev/null || [ "$loops" = epoll ]; then
	skip 'io_uring that is refused is explained' 'no strace, or no io_uring'
else
	ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" # the leak detector does not work under strace
	export ASAN_OPTIONS
	for refusal in 'EPERM not permitted here' 'ENOSYS has no io_uring'; do
		strace -f -o trace -e inject=io_uring_setup:error="${refusal%% *}" \
			"$doorbell" demo --loop uring newline >out 2>err
		judge $? 1 "${refusal#* }"
		result "io_uring that ends in ${refusal%% *} is explained"
	done
fi
echo "1..$n"
