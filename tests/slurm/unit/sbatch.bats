# SPDX-License-Identifier: Apache-2.0
# pckpt-sbatch and pckpt-task, as far as they need no Slurm.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

bats_require_minimum_version 1.5.0

sbatch() {
	run --separate-stderr env PCKPT="$PCKPT" "$E2E_SLURM/pckpt-sbatch" --dry-run "$@"
}

task() {
	run --separate-stderr env PCKPT="$PCKPT" "$@"
}

@test "a command: the script has the lines that it needs, and runs it" {
	sbatch -n4 -p debug --time=1-00 -- echo "a b" "c'd" '$e'
	[ "$status" -eq 0 ]
	[[ $output == *"# sbatch -n4 -p debug --time=1-00" ]]
	grep -qx '#SBATCH --signal=B:URG@120' <<<"$output"
	grep -qx '#SBATCH --requeue' <<<"$output"
	grep -qx '#SBATCH --open-mode=append' <<<"$output"
	grep -qx '#SBATCH --job-name=echo' <<<"$output"
	bash -n <<<"$output"
	PCKPT_STORE=$S run --separate-stderr bash -c "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "a b c'd \$e" ]
}

@test "the lead fits the time limit" {
	sbatch -t 2 -- true
	[[ $output == *--signal=B:URG@30* ]]
	sbatch -t4:00 -- true
	[[ $output == *--signal=B:URG@60* ]]
	sbatch --time 10:00:00 -- true
	[[ $output == *--signal=B:URG@120* ]]
	sbatch --lead 300 -- true
	[[ $output == *--signal=B:URG@300* ]]
	sbatch --lead soon -- true
	[ "$status" -eq 2 ]
}

@test "what is given is not given again" {
	sbatch --signal=B:USR1@60 --no-requeue --open-mode truncate -J name -- true
	[[ $output != *'#SBATCH'* ]]
	SBATCH_SIGNAL=B:USR1@60 SBATCH_REQUEUE=1 SBATCH_OPEN_MODE=a SBATCH_JOB_NAME=x sbatch -- true
	[[ $output != *'#SBATCH'* ]]
}

@test "options go where they belong" {
	sbatch --every 10m --max-requeues=3 --clean --srun --srun-args '-l -K' --hold -A me -- true
	[[ $output == *"pckpt_job --every 10m --max-requeues 3 --clean --srun --srun-args -l\\ -K -- true"* ]]
	[[ $output == *"# sbatch --hold -A me" ]]
	sbatch
	[ "$status" -eq 2 ]
	sbatch --every
	[ "$status" -eq 2 ]
	sbatch --wrap=true
	[ "$status" -eq 2 ]
}

@test "a script: its #SBATCH lines count, and it becomes the program, whatever is in it" {
	cat >"my job.sh" <<-'END'
		#!/bin/bash -e
		#SBATCH --signal=B:USR1@90

		# text
		#SBATCH -t 10 -J thing
		cat <<'PCKPT_END_OF_SCRIPT'
		$x "it's" \n
		PCKPT_END_OF_SCRIPT
		echo "$# $1 ${-//[^e]/}"
		#SBATCH --mem=1
		exit 9
	END
	sbatch "my job.sh" "a b" c
	[ "$status" -eq 0 ]
	[ "$(grep -c '^#SBATCH' <<<"${output%%source*}")" -eq 4 ] # two of its lines, --requeue, --open-mode
	[[ ${output%%source*} != *URG* ]]
	PCKPT_STORE=$S SLURM_SUBMIT_DIR=$W SLURM_JOB_ID=3 run --separate-stderr bash -c "$output"
	[ "$status" -eq 9 ]
	[ "$output" = $'$x "it\'s" \\n\n2 a b e' ]
	[ ! -e .pckpt-scripts ]
}

@test "a script that cannot be saved is refused" {
	printf '#!/bin/bash\nsrun ./x\n' >job.sh
	sbatch job.sh
	[ "$status" -eq 69 ]
	[[ $stderr == *"calls srun"*"try: "* ]]
	printf '#!/bin/bash\n# srun is not called\n./x\n' >job.sh
	sbatch job.sh
	[ "$status" -eq 0 ]
	sbatch missing.sh
	[ "$status" -eq 2 ]
	cp /bin/true program
	sbatch program
	[ "$status" -eq 2 ]
	[[ $stderr == *"is not a script"* ]]
}

@test "pckpt-task: refusals by name" {
	local task=$E2E_SLURM/pckpt-task step=(SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2)
	task "$task" --control "$S" -- true
	[ "$status" -eq 2 ]
	task "${step[@]}" "$task" -- true
	[ "$status" -eq 2 ]
	task "${step[@]}" SLURM_MPI_TYPE=pmix "$task" --control "$S" -- true
	[ "$status" -eq 69 ]
	[[ $stderr == *--mpi=pmix* ]]
	task "${step[@]}" PMI_FD=11 "$task" --control "$S" -- true
	[ "$status" -eq 69 ]
	[[ $stderr == *PMI_FD* ]]
	task script -qec "env ${step[*]} '$task' --control '$S' -- true" /dev/null
	[ "$status" -eq 69 ]
	[[ $output == *"is a terminal of srun"* ]]
	[ ! -e "$S" ]
	: >"$W/file"
	task "${step[@]}" "$task" --control "$W/file" -- true
	[ "$status" -eq 125 ]
}
