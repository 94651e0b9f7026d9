#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# git gc of a repository of some hundred objects, and fsck.
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git init -q -b main repo
cd repo
git config gc.auto 0
git config pack.threads 2
for i in $(seq $((15 * ${SCALE:-1}))); do
	for f in 1 2 3 4 5; do
		seq $((i * f)) $((i * f + 3000)) >"file$f"
	done
	git add .
	git commit -qm "commit $i"
	git rev-parse HEAD
done
git gc -q --aggressive --prune=now
git fsck --no-progress
git count-objects -v | grep -v size
git log --format=%H | sha256sum
