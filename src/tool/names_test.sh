#!/bin/sh
# SPDX-License-Identifier: MIT
# names_test.sh DOORBELL README: what offer, notify, wait, ls and stat print and how they exit, used rightly and
# wrongly, and that the commands of README.md do what they say. Prints TAP.
set -u
doorbell=$(realpath "$1")
readme=$(realpath "$2")
[ -x "$doorbell" ] || { echo 'Bail out! usage: names_test.sh DOORBELL README'; exit 1; }
dir=$(mktemp -d)
children=
trap 'kill $children 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cd "$dir" || exit 1
mkdir -m 700 bin
ln -s "$doorbell" bin/doorbell
PATH=$dir/bin:$PATH
XDG_RUNTIME_DIR=$dir
export PATH XDG_RUNTIME_DIR
tab=$(printf '\t')
n=0

# result SENTENCE: the status of the last command decides.
result()
{
	if [ $? -eq 0 ]; then word=ok; else word='not ok'; fi
	n=$((n + 1))
	echo "$word $n - $1"
	[ "$word" = ok ] || head -n 20 out err other | sed 's/^/# /'
}

# said STATUS MESSAGE: the status of the last command was this, and stderr is one line that matches.
said()
{
	[ "$1" -eq "$2" ] || { echo "# exit status $1"; return 1; }
	if [ -z "$3" ]; then [ ! -s err ]; else grep -q -e "$3" err && [ "$(wc -l <err)" -eq 1 ]; fi
}

# until_line FILE PATTERN [COUNT]: wait until so many lines of a file match; for ever is meson's to end.
until_line()
{
	until [ "$(grep -c "$2" "$1")" -ge "${3:-1}" ]; do sleep 0.02; done
}

# begin COMMAND...: in the background; its number is $child.
begin()
{
	: >other
	: >other_err
	"$@" >other 2>other_err &
	child=$!
	children="$children $child"
}

# end SIGNAL: of the one in the background. Its status.
end()
{
	kill "-$1" "$child"
	wait "$child"
}

# -- wait and notify
begin doorbell notify lamp 7 --timeout 60
until [ -d doorbell ]; do sleep 0.02; done
doorbell wait lamp 7 --timeout 60 >out 2>err
said $? 0 '' && [ "$(cat out)" = 7 ] && wait "$child" && [ ! -s other_err ]
result 'notify may be first, even in the directory'
begin doorbell wait lamp 1 7 --timeout 60
doorbell notify lamp 3 7 --timeout 60 >out 2>err
said $? 0 ''
result 'notify waits for a receiver and is done'
wait "$child" && [ "$(cat other)" = 7 ]
result 'wait prints which token fired, and no other one ends it'
[ "$(ls -A doorbell | wc -l)" -eq 0 ] && [ "$(stat -c %a doorbell)" = 700 ]
result 'the name has gone with it, and the directory is for nobody else'
doorbell wait lamp 1 --timeout 0.05 >out 2>err
said $? 124 '' && [ ! -s out ]
result 'a wait that is too long has the status of timeout(1)'
doorbell notify lamp 1 >out 2>err
said $? 1 "nobody offers 'lamp' in $dir/doorbell"
result 'without a receiver notify says so at once'
doorbell notify lamp 1 --timeout 0.05 >out 2>err
said $? 1 'does not answer'
result 'and later, if it is to wait'
for signal in INT:130 TERM:143; do
	begin doorbell wait lamp 1
	doorbell notify lamp 0 --timeout 60
	end ${signal%:*}
	[ $? -eq ${signal#*:} ] && [ ! -e doorbell/lamp ]
	result "SIG${signal%:*} ends a wait, and takes the name away"
done

# -- offer
begin doorbell offer lamp --capacity 8
doorbell notify lamp 5 --timeout 60
until_line other '^left 1$'
sed 's/pid [0-9]* uid [0-9]*/pid P uid U/' other >out
printf 'joined 1 pid P uid U\ntoken 5 from 1\nleft 1\n' | cmp -s - out
result 'offer prints a line for each event'
doorbell notify lamp 1 8 2 >out 2>err
said $? 1 "below 8, and 8 is not" && until_line other '^left 2$' && ! grep -q 'from 2' other
result 'a token that is not below the capacity is refused, and none of the others is told'
doorbell offer lamp >out 2>err
said $? 1 "'lamp' in $dir/doorbell is somebody else's already"
result 'a name has one owner'
doorbell ls >out 2>err
said $? 0 '' && grep -Eq "^lamp +$child +[^ ]+ +0  yes$" out && [ "$(wc -l <out)" -eq 2 ]
result 'ls shows who it is, and that it lives'
doorbell ls --tsv >out 2>err
printf 'name\tpid\tuid\tpeers\talive\nlamp\t%s\t%s\t0\tyes\n' "$child" "$(id -u)" | cmp -s - out
result 'ls --tsv is for scripts'
doorbell stat lamp >out 2>err
said $? 0 '' && grep -q "^lamp: pid $child, user" out && grep -q '^  peers      0 (2 joined, 2 left, 0 of these dropped)' out &&
	grep -q '^  notified   1$' out && grep -q '^  delivered  1$' out && grep -q '0 denied, 0 full, 0 exhausted' out
result 'stat shows the counters'
doorbell stat lamp --tsv >out 2>err
[ "$(head -n 1 out)" = "peer${tab}pid${tab}uid${tab}notified${tab}conflated${tab}delivered${tab}rings${tab}wakes${tab}arms${tab}strays${tab}holes" ] &&
	[ "$(sed -n 2p out | cut -f 1,2,4-6)" = "total${tab}$child${tab}1${tab}0${tab}1" ] && awk -F '\t' 'NF != 11 { exit 1 }' out
result 'stat --tsv has as many columns in each row'
: >watched
doorbell stat lamp --tsv --watch=0.05 >>watched 2>watched_err &
watching=$!
until_line watched '^total' 3
end TERM
[ $? -eq 0 ] && [ ! -e doorbell/lamp ]
result 'SIGTERM ends an offer with status 0, and takes the name away'
wait $watching && [ "$(grep -c '^peer' watched)" -eq 1 ] && [ ! -s watched_err ]
result 'stat --watch goes on until the receiver has gone'

begin doorbell offer lamp --tsv
doorbell notify lamp 5 --timeout 60
until_line other '^left'
end INT
[ $? -eq 0 ] && awk -F '\t' 'NF != 6 { exit 1 }' other && [ "$(sed -n 1p other)" = "event${tab}peer${tab}token${tab}pid${tab}uid${tab}reason" ] &&
	grep -q "^token${tab}1${tab}5$tab$tab$tab$" other
result 'offer --tsv has as many columns in each row, and SIGINT ends it with status 0'

begin doorbell offer lamp
until [ -e doorbell/lamp ]; do sleep 0.02; done
end KILL 2>err # the shell says so
doorbell ls >out 2>err
said $? 0 '' && grep -Eq '^lamp +- +[^ ]+ +-  no$' out
result 'ls shows a name that a killed receiver left'
doorbell stat lamp >out 2>err
said $? 1 "nobody offers 'lamp'"
result 'and stat says that nobody has it'
begin doorbell offer lamp
doorbell notify lamp 5 --timeout 60
kill -STOP "$child"
doorbell ls --timeout 0.05 >out 2>err
said $? 0 '' && grep -Eq "^lamp +$child +[^ ]+ +-  yes$" out
result 'one that is stopped lives, and does not say how many peers it has'
doorbell stat lamp --timeout 0.05 >out 2>err
said $? 1 'does not answer'
result 'and stat does not wait for it for ever'
kill -CONT "$child"
end TERM

mkfifo closing
(doorbell offer lamp >closing 2>err; echo $? >status) &
head -n 1 <closing >out &
doorbell notify lamp 5 --timeout 60 >other 2>&1 # it may be told that nobody is there any more
wait $!
until [ -s status ]; do sleep 0.02; done
[ "$(cat status)" -eq 1 ] && [ ! -e doorbell/lamp ] && [ "$(wc -l <err)" -eq 1 ]
result 'an offer whose output nobody takes ends, though nobody notifies it'

# -- commands
# A gate for each: who came to that of the first before the writer has closed it would find its end.
mkfifo gate1 gate4
begin doorbell offer job --jobs 2 --exec 'echo "$DOORBELL_TOKEN $DOORBELL_PEER $DOORBELL_NAME" >>ran; [ $DOORBELL_TOKEN = 2 ] || read -r _ <gate$DOORBELL_PEER'
: >ran
doorbell notify job 1 --timeout 60
until_line ran '^1 1 job$' # it stands before the gate
for i in 2 3 4; do
	doorbell notify job 1
	until_line other "^token 1 from $i\$"
done
doorbell notify job 2
until_line ran '^2 5 job$'
[ "$(grep -c '^1 ' ran)" -eq 1 ]
result 'commands of different tokens run side by side, of one never'
echo >gate1
until_line ran '^1 4 job$'
doorbell notify job 2
until_line ran '^2 6 job$'
[ "$(grep -c '^1 ' ran)" -eq 2 ]
result 'what fired three times while its command ran is run once more'
echo >gate4
end TERM
[ $? -eq 0 ] && [ ! -s other_err ]
result 'SIGTERM ends it with status 0'
begin doorbell offer job --exec '[ $DOORBELL_TOKEN = 1 ] && exit 3; kill -9 $$'
doorbell notify job 1 2 --timeout 60
until_line other_err 'token 1 ended with status 3'
until_line other_err 'token 2 was ended by signal 9'
end TERM
result 'a command that fails is told of, and the offer goes on'

# -- what README.md says
sed -n '/^### Two shells/,/^## /s/^    \(doorbell .*\)/\1/p' "$readme" >lines
[ "$(wc -l <lines)" -eq 4 ]
result 'README.md has two pairs of commands'
begin sh -c "exec $(sed -n 1p lines)"
sh -c "$(sed -n 2p lines)" >out 2>err
said $? 0 '' && wait "$child" && [ "$(cat other)" = 1 ]
result 'two shells signal each other in one line each'
begin sh -c "exec $(sed -n 3p lines)"
sh -c "$(sed -n 4p lines)" >out 2>err
said $? 0 '' && until_line other '^target 3$' && until_line other '^target 4$'
result 'and one runs a command for each token'
end TERM

# -- misuse
expect()
{
	status=$1 message=$2 sentence=$3
	shift 3
	doorbell "$@" </dev/null >out 2>err
	said $? "$status" "$message" && { [ -z "$message" ] || [ ! -s out ]; }
	result "$sentence"
}
for command in offer notify wait ls stat; do
	expect 0 '' "$command --help is help, no error" $command --help
	expect 2 'unrecognized option' "$command: an unknown option is wrong usage" $command --what
done
expect 2 '--dir is empty' 'so is an empty directory' ls --dir ''
expect 2 'arguments are NAME' 'offer needs a name' offer
expect 2 'arguments are NAME TOKEN' 'notify needs a token' notify lamp
expect 2 'arguments are NAME TOKEN' 'wait needs a token' wait lamp
expect 2 "nothing to do with 'x'" 'ls takes no name' ls x
expect 2 "nothing to do with '1'" 'stat takes no token' stat lamp 1
expect 2 "'.x' is no name" 'a name with a dot first is wrong usage' offer .x
expect 2 "'a/b' is no name" 'and one with a slash' stat a/b
for bad in x 1x +1 '' 16777216 99999999999999999999; do
	expect 2 "from 0 to 16777215, not '$bad'" "token '$bad' is wrong usage" notify lamp 0 "$bad"
done
for bad in x '' -1 1s nan inf 1e10; do
	expect 2 "number of seconds, not '$bad'" "--timeout '$bad' is wrong usage" wait lamp 1 --timeout="$bad"
done
expect 2 "from 1 to 16777216, not '0'" 'a capacity of 0 is wrong usage' offer lamp --capacity 0
expect 1 "cannot list $dir/no: No such file" 'a directory that is not there cannot be listed' ls --dir "$dir/no"
expect 1 "nobody offers 'lamp'" 'and nobody is in it' notify lamp 1 --dir "$dir/no"
expect 1 "cannot make the directory $dir/no/no" 'only the last component is made' offer lamp --dir "$dir/no/no"
mkdir -m 777 loose
chmod 777 loose
expect 1 'is not safe' 'a directory that others may write to is refused' offer lamp --dir "$dir/loose"
rmdir doorbell
expect 0 '' 'nobody has offered anything yet: an empty list' ls
echo "1..$n"
