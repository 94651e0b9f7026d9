# SPDX-License-Identifier: Apache-2.0
# Options, help, and what is said of a wrong command line.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

@test "help: every verb and every option" {
	for how in --help help; do
		pckpt "$how"
		expect 0
		[ -z "$stderr" ]
		for verb in dump restore verify; do
			[[ $output == *"  $verb "* ]]
		done
	done
	for verb in dump restore verify; do
		pckpt "$verb" --help
		expect 0
		[ -z "$stderr" ]
		[[ $output == "usage: pckpt $verb [options] "* ]]
	done
	pckpt dump --help
	for option in '-o, --output STORE' '-k, --kill' '--keep N' '-T, --threads N' '--timeout SEC' \
		'-n, --dry-run' '-q, --quiet'; do
		[[ $output == *"$option "* ]]
	done
	pckpt restore --help
	for option in '-d, --detach' '--pidfile FILE' '--pid HOW' '--stdio HOW' '-T, --threads N'; do
		[[ $output == *"$option "* ]]
	done
}

@test "help: hidden options stay hidden" {
	pckpt restore --help
	[[ $output != *redirect-vdso* ]]
	pckpt dump --help
	[[ $output != *leave-running* ]]
}

@test "version" {
	pckpt --version
	expect 0
	[[ $output =~ ^pckpt\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "no verb: the usage on stderr" {
	pckpt
	expect 2 "usage: pckpt VERB" "dump" "restore"
	[ -z "$output" ]
}

@test "unknown verb" {
	pckpt frobnicate 1
	refused 2 "unknown verb 'frobnicate'" "try: pckpt --help"
}

@test "every verb: unknown option, missing argument, wrong number of words" {
	for verb in dump restore verify; do
		pckpt "$verb" --frobnicate 1
		refused 2 "pckpt: $verb: unknown option --frobnicate" "try: pckpt $verb --help"
		pckpt "$verb" -Z 1
		refused 2 "unknown option -Z"
		pckpt "$verb"
		refused 2 "expected one (PID|IMAGE), found 0"
		pckpt "$verb" 1 2
		refused 2 "expected one (PID|IMAGE), found 2"
	done
	pckpt dump -Xn 1
	refused 2 "unknown option -X"
	pckpt dump 1 -o
	refused 2 "an argument is missing after -o"
	pckpt dump 1 --keep
	refused 2 "an argument is missing after --keep"
	pckpt restore image --pidfile
	refused 2 "an argument is missing after --pidfile"
	pckpt dump --quiet=yes 1
	refused 2 "--quiet=yes has an argument"
}

@test "bad values" {
	for value in x -1 1.5 257 99999999999999999999 0x10 '' ' 1'; do
		pckpt dump -T "$value" 1
		refused 2 "--threads: '$value' is not accepted" "from 0 to 256"
	done
	for value in x -1 1000001; do
		pckpt dump --keep "$value" 1
		refused 2 "--keep: '$value' is not accepted"
	done
	for value in x -1 1s 1e99 ''; do
		pckpt dump --timeout "$value" 1
		refused 2 "--timeout: '$value' is not accepted" "number of seconds"
	done
	pckpt restore --pid=other image
	refused 2 "--pid: 'other' is not accepted" "auto ns same any"
	pckpt restore --stdio=other image
	refused 2 "--stdio: 'other' is not accepted" "auto inherit"
	pckpt dump -o '' 1
	refused 2 "--output: '' is not accepted"
}

@test "a process number is a positive decimal number" {
	for pid in 0 x 12x 0x1 99999999999 '' ' 1' 2147483648; do
		pckpt dump -o "$S" -- "$pid"
		refused 2 "'$pid' is no process number"
	done
	no_store
}
