# SPDX-License-Identifier: Apache-2.0
# pckpt verify: every byte of a checkpoint counts, and what is wrong is named.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

# $IMAGE: a good checkpoint, whose program has ended.
checkpoint() {
	launch_job
	dump -q -T 2
	finish
}

# flip FILE OFFSET: another value for one byte.
flip() {
	python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); c = f.read(1)[0]
f.seek(-1, 1); f.write(bytes([c ^ 0x20]))' "$1" "$2"
}

@test "a good checkpoint, by its name and by its store's" {
	checkpoint
	for name in "$IMAGE" "$IMAGE/" "$S" "$S/."; do
		pckpt verify "$name"
		expect 0
		[ -z "$stderr" ]
		[[ $output =~ /000001/?:\ good:\ [0-9]+\ records,\ 3\ files,\ [0-9]+\ bytes$ ]]
	done
	pckpt verify -q "$IMAGE"
	expect 0
	[ -z "$output$stderr" ]
	cd "$IMAGE"
	pckpt verify .
	expect 0
}

@test "one flipped bit anywhere: 65, and the file is named" {
	checkpoint
	for file in "$IMAGE"/*; do
		size=$(stat -c %s "$file")
		for at in 0 $((size / 2)) $((size - 1)); do
			cp "$file" good
			flip "$file" $at
			pckpt verify "$IMAGE"
			refused 65 "$IMAGE: .*${file##*/}" "earlier checkpoint"
			cp good "$file"
		done
	done
	pckpt verify -q "$IMAGE"
	expect 0
}

@test "a file that is cut short, longer, empty or gone: 65, and it is named" {
	checkpoint
	for file in "$IMAGE"/*; do
		name=${file##*/}
		cp "$file" good
		truncate -s -1 "$file"
		pckpt verify "$IMAGE"
		refused 65 "$IMAGE: .*$name"
		cp good "$file"
		echo >>"$file"
		pckpt verify "$IMAGE"
		refused 65 "$IMAGE: .*$name"
		: >"$file"
		pckpt verify "$IMAGE"
		refused 65 "$IMAGE: .*$name"
		[ "$name" = commit ] && cp good "$file" && continue
		rm "$file"
		pckpt verify "$IMAGE"
		refused 65 "$IMAGE: .*$name: the file is missing"
		mkfifo "$file"
		pckpt verify "$IMAGE"
		[ "$status" -ne 0 ]
		[[ $stderr == *"$name"* ]]
		rm "$file"
		cp good "$file"
	done
}

@test "without its commit file it is no checkpoint: 66" {
	checkpoint
	rm "$IMAGE/commit"
	pckpt verify "$S"
	refused 66 "$S: holds no complete checkpoint" "commit file"
	pckpt verify "$IMAGE"
	refused 66 "$IMAGE: holds no complete checkpoint"
	mv "$IMAGE" "$IMAGE.part"
	pckpt verify "$S"
	refused 66 "interrupted"
}

@test "of a store the newest counts; the older one stays good beside a damaged one" {
	launch_job
	dump -q
	old=$IMAGE
	dump -q
	finish
	flip "$IMAGE/core.pk" 100
	pckpt verify "$S"
	refused 65 "$IMAGE: .*core.pk" "earlier checkpoint"
	pckpt verify "$old"
	expect 0
	rm "$IMAGE/commit"
	pckpt verify "$S"
	expect 0
	[[ $output == "$old: good"* ]]
}

@test "what is no image" {
	pckpt verify no/such
	refused 66 "no/such: there is no image" "No such file"
	echo text >file
	pckpt verify file
	refused 65 "file: is not an image"
	mkdir empty
	pckpt verify empty
	refused 66 "empty: holds no complete checkpoint" "it is empty"
	mkdir other
	cp file other/commit
	pckpt verify other
	refused 65 "other: .*commit file"
	printf 'pckpt-commit 999\n' >other/commit
	pckpt verify other
	refused 65 "other: .*commit file" "newer version"
}

@test "an image that may not be read" {
	! as_root || skip "root may read everything"
	mkdir locked
	chmod 0 locked
	pckpt verify locked
	refused 77 "locked: cannot open it" "Permission denied"
}
