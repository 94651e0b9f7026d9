# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checkpoints for Slurm jobs: source this in a batch script.
#
#     #!/bin/bash
#     #SBATCH --time=24:00:00 --signal=B:URG@120 --requeue --open-mode=append
#     source "$(pckpt slurm-lib)"
#     pckpt_job --every 30m -- ./my_program args
#
# pckpt_job starts the program, or continues it from its newest good checkpoint; saves it every so
# often, and once more before the job's time is over; has the job queued again; and ends with the
# program's exit code. The same script is run first and later.
#
#     pckpt_job [OPTION]... -- COMMAND [ARG]...   all of it
#
# and its parts, for scripts with traps of their own:
#
#     pckpt_start_or_restore [OPTION]... -- COMMAND [ARG]...
#     pckpt_wait                  until the program has really ended; its exit code
#     pckpt_on_signal SIGNAL [F]  what a trap calls:  trap 'pckpt_on_signal USR1' USR1
#     pckpt_dump [--kill]         save now; 0: the checkpoint is complete
#     pckpt_requeue               have this job queued again; 0: Slurm has agreed
#     pckpt_reason                why SIGTERM came: timelimit, requeue, cancel ... (see there)
#     pckpt_time_left             seconds to the time limit, or "unlimited"
#
# Each function tells more at its head; docs/SLURM.md and pckpt-slurm(7) tell the rest.
#
# Options, and the variables that say the same:
#
#     --store DIR         PCKPT_STORE         where checkpoints are kept; $SLURM_SUBMIT_DIR/pckpt-JOB
#     --every T           PCKPT_EVERY         save every T: 90s, 30m, 2h, or auto; default: only when warned
#     --keep N            PCKPT_KEEP          checkpoints that are kept; 2
#     --max-requeues N    PCKPT_MAX_REQUEUES  how often the job may be queued again; no limit
#     --max-time T        PCKPT_MAX_TIME      running time of all runs together; no limit
#     --srun              PCKPT_SRUN=1        COMMAND runs as the tasks of an srun step
#     --srun-args 'ARGS'  PCKPT_SRUN_ARGS     options of that srun
#     --clean             PCKPT_CLEAN=1       remove the store when the program has ended with 0
#     --dry-run           PCKPT_DRY_RUN=1     say what would be done, and do nothing
#
# Only by variables:
#
#     PCKPT               the pckpt program; pckpt
#     PCKPT_LEAD          seconds between warning and time limit, where the script has no --signal line
#     PCKPT_WATCH         no: do not look at the clock for the time limit
#     PCKPT_POLL          ask Slurm every so many seconds whether preemption has begun (for partitions with a
#                         grace time); 30 or more; default: never
#     PCKPT_REQUEUE_EXIT  leave with this exit code to be queued again (RequeueExit in slurm.conf), instead
#                         of calling scontrol
#     PCKPT_RUN_ARGS      more options for pckpt run, separated by blanks
#
# Sourcing this file defines functions and does nothing else. It works under set -eu. bash 4.4 or newer.

# ---- small things -----------------------------------------------------------------------------

# Standard error is often the job's output file, which a restore cuts back to what the program had
# written. So all that is said goes to $store/run.log as well.
_pckpt_say() {
	printf 'pckpt: %s\n' "$*" >&2
	_pckpt_log "pckpt: $*"
}

# _pckpt_log LINE: with the time and the run
_pckpt_log() {
	[ -d "${_pckpt_store:-}" ] || return 0
	{ printf '%(%F %T)T run %s: %s\n' -1 "${SLURM_RESTART_COUNT:-0}" "$1" >>"$_pckpt_store/run.log"; } 2>/dev/null || :
}

# _pckpt_fail WHAT WHY TRY: three lines
_pckpt_fail() {
	printf 'pckpt: error: %s\n  why: %s\n  try: %s\n' "$1" "$2" "$3" >&2
}

# _pckpt_seconds TEXT: 90, 90s, 30m, 2h, 1d, MM:SS, HH:MM:SS, D-HH:MM:SS as seconds
_pckpt_seconds() {
	local text=$1 days=0 h=0 m=0 s=0
	case $text in
	*[!0-9smhd:-]* | '') return 1 ;;
	esac
	if [[ $text =~ ^([0-9]+)([smhd]?)$ ]]; then
		s=$((10#${BASH_REMATCH[1]}))
		case ${BASH_REMATCH[2]} in
		m) s=$((s * 60)) ;;
		h) s=$((s * 3600)) ;;
		d) s=$((s * 86400)) ;;
		esac
		echo "$s"
		return 0
	fi
	if [[ $text =~ ^([0-9]+)-(.+)$ ]]; then
		days=$((10#${BASH_REMATCH[1]}))
		text=${BASH_REMATCH[2]}
	fi
	if [[ $text =~ ^([0-9]+):([0-9]+):([0-9]+)$ ]]; then
		h=${BASH_REMATCH[1]} m=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
	elif [[ $text =~ ^([0-9]+):([0-9]+)$ ]]; then
		m=${BASH_REMATCH[1]} s=${BASH_REMATCH[2]}
	elif [[ $text =~ ^[0-9]+$ ]] && [ "$days" -gt 0 ]; then
		h=$text
	else
		return 1
	fi
	echo $((days * 86400 + 10#$h * 3600 + 10#$m * 60 + 10#$s))
}

_pckpt_now() {
	printf '%(%s)T' -1
}

# Slurm's own commands. Signals that are meant for the job must not end them, and a silent slurmctld
# must not keep us.
_pckpt_slurm() {
	(
		trap '' TERM URG USR1 USR2
		exec timeout "${_pckpt_patience:-20}" "$@"
	)
}

# What Slurm calls this job: a task of an array by its own name, since the number of its last task is
# the number of the whole array.
_pckpt_job_name() {
	if [ "${SLURM_ARRAY_JOB_ID:-}" ] && [ "${SLURM_ARRAY_TASK_ID:-}" ]; then
		echo "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
	else
		echo "${SLURM_JOB_ID:-}"
	fi
}

# _pckpt_field NAME RECORD: the value of NAME=value in a line of scontrol
_pckpt_field() {
	local rest=" $2"
	case $rest in
	*" $1="*) ;;
	*) return 1 ;;
	esac
	rest=${rest#*" $1="}
	echo "${rest%% *}"
}

# ---- what Slurm can tell ----------------------------------------------------------------------

# What Slurm knows of this job, as one line
_pckpt_record() {
	local job
	job=$(_pckpt_job_name)
	[ "$job" ] || return 1
	SLURM_TIME_FORMAT=standard _pckpt_slurm scontrol -o show job "$job" 2>/dev/null
}

# pckpt_time_left: seconds until the job ends by its time limit, or by preemption where Slurm has begun
# that; or "unlimited". 1 if Slurm does not say.
pckpt_time_left() {
	local record
	record=$(_pckpt_record) || return 1
	_pckpt_left_of "$record"
}

# _pckpt_left_of RECORD: the same from a line of scontrol
_pckpt_left_of() {
	local end
	if ! _pckpt_preempted "$1" && [ "$(_pckpt_field TimeLimit "$1")" = UNLIMITED ]; then
		echo unlimited
		return 0
	fi
	end=$(_pckpt_field EndTime "$1") && end=$(date -d "$end" +%s 2>/dev/null) || return 1
	end=$((end - $(_pckpt_now)))
	echo $((end > 0 ? end : 0))
}

# _pckpt_preempted RECORD: has the grace time of a preemption begun?
_pckpt_preempted() {
	case $(_pckpt_field PreemptTime "$1") in
	'' | None | Unknown) return 1 ;;
	esac
}

# pckpt_reason: why SIGTERM has come. Call it in a trap, while the job is still known as ending.
#     timelimit  the time limit is reached
#     requeue    the job is taken off the node and queued again: preemption, scontrol requeue
#     preempt    the grace time of a preemption has begun
#     preempt-cancel  the job is preempted, and not queued again (PreemptMode=CANCEL)
#     cancel     scancel
#     signal     somebody has sent just this signal (scancel -s TERM -b); the job goes on
#     unknown    Slurm does not say
pckpt_reason() {
	local record
	if record=$(_pckpt_record) && [ "$record" ]; then
		_pckpt_reason_of "$record"
	else
		echo unknown
	fi
}

# _pckpt_reason_of RECORD: the same from a line of scontrol
_pckpt_reason_of() {
	local state reason restarts
	state=$(_pckpt_field JobState "$1") || state=
	reason=$(_pckpt_field Reason "$1") || reason=
	restarts=$(_pckpt_field Restarts "$1") || restarts=0
	if [ "$restarts" -gt "${SLURM_RESTART_COUNT:-0}" ]; then
		echo requeue
		return 0
	fi
	case $state:$reason in
	*:TimeLimit | TIMEOUT:* | DEADLINE:*) echo timelimit ;;
	RUNNING:* | SUSPENDED:*)
		if _pckpt_preempted "$1"; then echo preempt; else echo signal; fi
		;;
	PREEMPTED:* | NODE_FAIL:*) echo requeue ;;
	COMPLETING:* | CANCELLED*)
		if _pckpt_preempted "$1"; then echo preempt-cancel; else echo cancel; fi
		;;
	*) echo unknown ;;
	esac
}

# The seconds of lead that the script itself asks for with --signal, as far as it can be known: from
# PCKPT_LEAD, SBATCH_SIGNAL, or its #SBATCH lines. An option on sbatch's command line cannot be seen.
# Sets _pckpt_lead to the seconds, or "" if there is none, and _pckpt_signal to the whole option.
_pckpt_find_lead() {
	local line signal=${SBATCH_SIGNAL:-} at
	_pckpt_lead=${PCKPT_LEAD:-} _pckpt_signal=
	if [ -z "$signal" ] && [ "${SLURM_JOB_ID:-}" ] && [ -r "$0" ]; then
		while IFS= read -r line; do
			case $line in
			'#SBATCH'*) ;;
			'#'* | '') continue ;;
			*) break ;; # sbatch reads no further either
			esac
			if [[ $line =~ [[:space:]]--signal[=\ ]\'?\"?([^[:space:]\'\"]+) ]]; then
				signal=${BASH_REMATCH[1]}
			fi
		done <"$0"
	fi
	_pckpt_signal=$signal
	[ "$signal" ] && [ -z "$_pckpt_lead" ] || return 0
	at=${signal##*@}
	if [ "$at" = "$signal" ] || [[ ! $at =~ ^[0-9]+$ ]]; then at=60; fi # sbatch's default
	_pckpt_lead=$at
}

# ---- options ----------------------------------------------------------------------------------

# _pckpt_options NAME ARG...: fills the variables below from the environment and ARG
_pckpt_options() {
	local name=$1 text
	shift
	_pckpt_store=${PCKPT_STORE:-} _pckpt_every=${PCKPT_EVERY:-} _pckpt_keep=${PCKPT_KEEP:-}
	_pckpt_max_requeues=${PCKPT_MAX_REQUEUES:-} _pckpt_max_time=${PCKPT_MAX_TIME:-}
	_pckpt_srun=${PCKPT_SRUN:-} _pckpt_srun_args=${PCKPT_SRUN_ARGS:-}
	_pckpt_clean=${PCKPT_CLEAN:-} _pckpt_dry=${PCKPT_DRY_RUN:-}
	_pckpt_cmd=()
	while [ $# -gt 0 ]; do
		case $1 in
		--store=* | --every=* | --keep=* | --max-requeues=* | --max-time=* | --srun-args=*)
			text=$1
			shift
			set -- "${text%%=*}" "${text#*=}" "$@"
			;;
		esac
		case $1 in
		--store | --every | --keep | --max-requeues | --max-time | --srun-args)
			if [ $# -lt 2 ]; then
				_pckpt_fail "$name: option $1 without a value" "it needs one" "$name $1 VALUE ... -- COMMAND"
				return 2
			fi
			;;
		esac
		case $1 in
		--store) _pckpt_store=$2 ;;
		--every) _pckpt_every=$2 ;;
		--keep) _pckpt_keep=$2 ;;
		--max-requeues) _pckpt_max_requeues=$2 ;;
		--max-time) _pckpt_max_time=$2 ;;
		--srun-args) _pckpt_srun=1 _pckpt_srun_args=$2 ;;
		--srun) _pckpt_srun=1 ;;
		--clean) _pckpt_clean=1 ;;
		--dry-run) _pckpt_dry=1 ;;
		--)
			shift
			_pckpt_cmd=("$@")
			break
			;;
		*)
			_pckpt_fail "$name: unknown option '$1'" "options come before --, the command after it" \
				"$name [--store DIR] [--every T] ... -- COMMAND [ARG]..."
			return 2
			;;
		esac
		case $1 in
		--srun | --clean | --dry-run) shift ;;
		*) shift 2 ;;
		esac
	done
	# 0 and no are ways to say no in the environment
	case $_pckpt_srun in 0 | no) _pckpt_srun= ;; esac
	case $_pckpt_clean in 0 | no) _pckpt_clean= ;; esac
	case $_pckpt_dry in 0 | no) _pckpt_dry= ;; esac
	_pckpt_check_options "$name"
}

_pckpt_check_options() {
	local name=$1 job
	_pckpt_default_store=
	if [ ${#_pckpt_cmd[@]} -eq 0 ]; then
		_pckpt_fail "$name: no command" "there is nothing to start" "$name [OPTION]... -- COMMAND [ARG]..."
		return 2
	fi
	if [ "$_pckpt_max_requeues" ] && [[ ! $_pckpt_max_requeues =~ ^[0-9]+$ ]]; then
		_pckpt_fail "$name: --max-requeues '$_pckpt_max_requeues'" "not a whole number" "--max-requeues 20"
		return 2
	fi
	if [ "$_pckpt_max_time" ] && ! _pckpt_max_time=$(_pckpt_seconds "$_pckpt_max_time"); then
		_pckpt_fail "$name: --max-time" "not a time" "--max-time 36h, or 1-12:00:00"
		return 2
	fi
	job=$(_pckpt_job_name)
	if [ -z "$_pckpt_store" ]; then
		if [ -z "$job" ]; then
			_pckpt_fail "$name: no store" "outside of a Slurm job there is no default" "--store DIR"
			return 2
		fi
		_pckpt_store=${SLURM_SUBMIT_DIR:-$PWD}/pckpt-$job _pckpt_default_store=1
	fi
	# The program may change directories, and so may the script later on.
	case $_pckpt_store in
	/*) ;;
	*) _pckpt_store=$PWD/$_pckpt_store ;;
	esac
	[ -z "$_pckpt_srun" ] || _pckpt_check_srun "$name"
}

# What an srun step cannot have is said before anything runs.
_pckpt_check_srun() {
	local name=$1 arg previous=''
	local -a args=()
	if [ -z "${SLURM_JOB_ID:-}" ]; then
		_pckpt_fail "$name: --srun outside of a job" "srun would ask for a new one" "submit the script with sbatch"
		return 2
	fi
	read -r -a args <<<"$_pckpt_srun_args" || :
	for arg in ${args[@]+"${args[@]}"}; do
		[ "$previous" != --mpi ] || arg=--mpi=$arg
		previous=$arg
		case $arg in
		-u | --unbuffered | --pty)
			_pckpt_fail "$name: srun $arg" "it gives tasks a terminal, which cannot be checkpointed" \
				"leave $arg out; for prompt output let the program flush (stdbuf -oL, python -u)"
			return 2
			;;
		--mpi=none | --mpi) ;;
		--mpi=*)
			_pckpt_fail "$name: srun $arg" "tasks connected by PMI or PMIx cannot be checkpointed one by one" \
				"run MPI programs on one node with mpirun: $name -- mpirun ..."
			return 2
			;;
		esac
	done
}

# ---- the state file: what later runs need to know -----------------------------------------------

# In $store/run.state: "used SECONDS" of earlier runs, "dump SECONDS" that the last one took
_pckpt_state_read() {
	local key value
	_pckpt_used=0 _pckpt_dump_time=
	[ -r "$_pckpt_store/run.state" ] || return 0
	while read -r key value _; do
		[[ $value =~ ^[0-9]+$ ]] || continue
		case $key in
		used) _pckpt_used=$value ;;
		dump) _pckpt_dump_time=$value ;;
		esac
	done <"$_pckpt_store/run.state" || :
}

# Job numbers are not unique: clusters may share a file system, and start again from 1. A default store
# of another cluster is left alone, one of an earlier job with this number is put aside.
_pckpt_own_store() {
	local key value cluster='' aside
	[ -d "$_pckpt_store" ] || return 0
	while read -r key value; do
		if [ "$key" = cluster ]; then cluster=$value; fi
	done 2>/dev/null <"$_pckpt_store/run.state" || :
	if [ "$cluster" ] && [ "$cluster" != "${SLURM_CLUSTER_NAME:-}" ]; then
		_pckpt_store=$_pckpt_store-${SLURM_CLUSTER_NAME:-other}
		[ -d "$_pckpt_store" ] || return 0
	fi
	[ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] && [ "$(_pckpt_newest "$_pckpt_store")$(_pckpt_newest "$_pckpt_store/0")" ] ||
		return 0
	[ -z "$_pckpt_dry" ] || return 0
	aside=$_pckpt_store.$(date +%Y%m%d-%H%M%S)
	if mv -- "$_pckpt_store" "$aside" 2>/dev/null; then
		_pckpt_say "warning: there was a store of an earlier job with this number: it is '$aside' now"
	fi
}

_pckpt_state_write() {
	local file=$_pckpt_store/run.state
	[ -d "$_pckpt_store" ] || return 0
	{
		printf 'cluster %s\n' "${SLURM_CLUSTER_NAME:-}"
		printf 'used %d\n' $((_pckpt_used + $(_pckpt_now) - _pckpt_began))
		[ -z "$_pckpt_dump_time" ] || printf 'dump %d\n' "$_pckpt_dump_time"
	} 2>/dev/null >|"$file.$BASHPID" && mv -f -- "$file.$BASHPID" "$file" 2>/dev/null ||
		rm -f -- "$file.$BASHPID" 2>/dev/null || :
}

# ---- start ------------------------------------------------------------------------------------

# The seconds that a last save needs: twice what the last one took, and some.
_pckpt_need() {
	local need=20
	[ -z "$_pckpt_dump_time" ] || need=$((2 * _pckpt_dump_time + 15))
	[ "$need" -ge 20 ] || need=20
	# Half of each run at least is for the program.
	if [ "$_pckpt_room" ] && [ "$need" -gt $((_pckpt_room / 2)) ]; then need=$((_pckpt_room / 2)); fi
	echo "$need"
}

# Ask Slurm once what there is to know at the start: may the job be requeued, when does it end?
_pckpt_look() {
	local record left
	_pckpt_requeue_no='' _pckpt_end='' _pckpt_room=''
	_pckpt_find_lead
	[ "${SLURM_JOB_ID:-}" ] || {
		_pckpt_requeue_no="this is not a Slurm job"
		return 0
	}
	left=unlimited
	if record=$(_pckpt_record); then
		left=$(_pckpt_left_of "$record") || left=unlimited
		case " $record " in
		*" BatchFlag=0 "*) _pckpt_requeue_no="it is not a batch job: Slurm requeues those of sbatch only" ;;
		*" Requeue=0 "*) _pckpt_requeue_no="Slurm may not requeue it (--no-requeue, or JobRequeue=0 in slurm.conf)" ;;
		esac
	else
		_pckpt_say "warning: scontrol does not answer; it is asked again when the job is to be requeued"
	fi
	[ "$left" != unlimited ] || return 0
	_pckpt_room=$left _pckpt_end=$(($(_pckpt_now) + left))
}

# Warnings of the start: what will not work later is said now.
_pckpt_start_warnings() {
	local need comm=
	if [ "$_pckpt_requeue_no" ]; then
		_pckpt_say "warning: the job will not be requeued: $_pckpt_requeue_no. The program is saved, and can be" \
			"continued by another job with --store '$_pckpt_store'"
	elif [ "$_pckpt_max_requeues" ] && [ "${SLURM_RESTART_COUNT:-0}" -ge "$_pckpt_max_requeues" ]; then
		_pckpt_say "warning: the job will not be requeued again: --max-requeues $_pckpt_max_requeues"
	fi
	[ "${SLURM_JOB_ID:-}" ] || return 0
	{ read -r comm <"/proc/$PPID/comm"; } 2>/dev/null || :
	if [ "$comm" ] && [[ $comm != slurmstepd* ]]; then
		_pckpt_say "warning: this shell is not the job's batch script but a child of '$comm': Slurm's signals do not" \
			"come here. Source the library in the batch script itself, or start this script with exec"
	fi
	case $_pckpt_signal in
	'' | B:* | BR:* | RB:*) ;;
	*)
		_pckpt_say "warning: --signal=$_pckpt_signal goes to srun steps and not to the batch script:" \
			"write --signal=B:URG@${_pckpt_lead:-120}"
		;;
	esac
	_pckpt_check_lead
}

# The lead against the time of the last dump. Slurm sends the warning up to 30 s earlier than asked for,
# never later.
_pckpt_check_lead() {
	local need
	[ "$_pckpt_dump_time" ] && [ "$_pckpt_lead" ] || return 0
	need=$((_pckpt_dump_time + _pckpt_dump_time / 2 + 5))
	[ "$_pckpt_lead" -lt "$need" ] || return 0
	_pckpt_say "warning: the last dump took $_pckpt_dump_time s, and the warning comes $_pckpt_lead s before the time" \
		"limit: use --signal=B:URG@$((2 * _pckpt_dump_time + 30)) or more"
}

# The command that is started, in _pckpt_argv
_pckpt_command() {
	local pckpt=${PCKPT:-pckpt}
	local -a run=() srun=() more=()
	[ -z "$_pckpt_every" ] || run+=(--every "$_pckpt_every")
	[ -z "$_pckpt_keep" ] || run+=(--keep "$_pckpt_keep")
	[ -z "${SLURM_JOB_ID:-}" ] || run+=(--fence "${SLURM_RESTART_COUNT:-0}")
	read -r -a more <<<"${PCKPT_RUN_ARGS:-}" || :
	run+=(${more[@]+"${more[@]}"})
	if [ "$_pckpt_srun" ]; then
		read -r -a srun <<<"$_pckpt_srun_args" || :
		# Where mpi is the site's default, it would be in the tasks of every program.
		[[ " $_pckpt_srun_args " == *' --mpi'* ]] || srun+=(--mpi=none)
		_pckpt_argv=(srun "${srun[@]}" -- "$_pckpt_here/pckpt-task" --pckpt "$pckpt"
			--control "$_pckpt_store" ${run[@]+"${run[@]}"} -- "${_pckpt_cmd[@]}")
	else
		_pckpt_argv=("$pckpt" run --store "$_pckpt_store" --report "$_pckpt_report"
			--events "$_pckpt_events" --on 63 --on 64:kill
			${run[@]+"${run[@]}"} -- "${_pckpt_cmd[@]}")
	fi
}

# pckpt_start_or_restore [OPTION]... -- COMMAND [ARG]...
#
# Start COMMAND in the background under pckpt run, or continue it from the newest good checkpoint in
# the store. Its process number is in PCKPT_PID. 0, or 2 for wrong options.
pckpt_start_or_restore() {
	_pckpt_prepare pckpt_start_or_restore "$@" || return $?
	_pckpt_launch
}

# _pckpt_prepare NAME ARG...: options, questions, warnings; nothing is started
_pckpt_prepare() {
	_pckpt_here=${BASH_SOURCE[0]%/*}
	case ${BASH_SOURCE[0]} in
	/*) ;;
	*/*) _pckpt_here=$PWD/$_pckpt_here ;;
	*) _pckpt_here=$PWD ;;
	esac
	_pckpt_began=$(_pckpt_now)
	_pckpt_saved='' _pckpt_dumps=0 _pckpt_plan='' _pckpt_cancelled='' _pckpt_passed='' _pckpt_ending='' _pckpt_why=''
	_pckpt_clock_done='' _pckpt_pending='' _pckpt_ready='' _pckpt_running='' _pckpt_asked=$_pckpt_began
	_pckpt_warned=${_pckpt_warned:-} _pckpt_term=${_pckpt_term:-}
	_pckpt_calls=(${_pckpt_calls[@]+"${_pckpt_calls[@]}"})
	_pckpt_options "$@" || return $?
	if [ "${BASHPID}" != $$ ]; then
		_pckpt_fail "$1 in a subshell" "Slurm's signals come to the script's own shell" \
			"do not use it in a pipeline, in (...) or with &; for a copy of the output: ... > >(tee file)"
		return 2
	fi
	if [ "$_pckpt_default_store" ]; then _pckpt_own_store; fi
	_pckpt_state_read
	_pckpt_look
	_pckpt_budget_end=
	if [ "$_pckpt_max_time" ]; then
		if [ "$_pckpt_used" -ge "$_pckpt_max_time" ]; then
			_pckpt_fail "the program is not continued" \
				"it has used $_pckpt_used s of --max-time $_pckpt_max_time s" \
				"a larger --max-time; the checkpoint is in '$_pckpt_store'"
			return 75
		fi
		_pckpt_budget_end=$((_pckpt_began + _pckpt_max_time - _pckpt_used))
	fi
	_pckpt_report=$_pckpt_store/run.report.${SLURM_RESTART_COUNT:-0}
}

# A pipe without a name: both ends are ours, pckpt run opens it through /proc. An argument of a function,
# since bash closes its own descriptor of it when the function returns.
_pckpt_open_pipe() {
	exec {_pckpt_fd}<>"$1"
}

_pckpt_launch() {
	if [ -z "${_pckpt_fd:-}" ]; then _pckpt_open_pipe <(:); fi
	_pckpt_events=/proc/$BASHPID/fd/$_pckpt_fd
	_pckpt_ready=''
	_pckpt_command
	rm -f -- "$_pckpt_report" 2>/dev/null || :
	if [ "$_pckpt_srun" ]; then _pckpt_srun_prepare || return $?; fi
	# A command in the background loses its input, and is deaf to SIGINT and SIGQUIT: not this one.
	(
		trap - INT QUIT
		exec {_pckpt_fd}>&-
		exec "${_pckpt_argv[@]}"
	) <&0 &
	PCKPT_PID=$!
	_pckpt_running=1
}

# Requests of an earlier run must not reach the tasks of this one.
_pckpt_srun_prepare() {
	local rank=0
	if ! mkdir -p -- "$_pckpt_store" 2>/dev/null; then
		_pckpt_fail "the store '$_pckpt_store' cannot be made" "no permission, or no such place" "--store DIR"
		return 125
	fi
	rm -f -- "$_pckpt_store/request" "$_pckpt_store/term" "$_pckpt_store/term.seen" \
		"$_pckpt_store/events" 2>/dev/null || :
	while [ -d "$_pckpt_store/$rank" ]; do
		rm -f -- "$_pckpt_store/$rank/run.report.${SLURM_RESTART_COUNT:-0}" 2>/dev/null || :
		rank=$((rank + 1))
	done
	_pckpt_lines=0
	# The tasks look after each request within a second, whenever they start.
	_pckpt_ready=1
}

# ---- while it runs ----------------------------------------------------------------------------

# _pckpt_send dump|kill: ask for a checkpoint. pckpt run saves on two real-time signals, which hardly a
# program uses and Slurm does not send: 63, and 64 to end the program after that. Before pckpt run is ready the wish is kept: the signal
# would end it.
_pckpt_send() {
	local -a request=("${PCKPT:-pckpt}" request --control "$_pckpt_store")
	[ "$_pckpt_running" ] || return 0
	if [ -z "$_pckpt_ready" ]; then
		[ "$_pckpt_pending" = kill ] || _pckpt_pending=$1
		return 0
	fi
	_pckpt_pending=
	if [ "$_pckpt_srun" ]; then
		[ "$1" != kill ] || request+=(--kill)
		_pckpt_slurm "${request[@]}" >/dev/null || :
	elif [ "$1" = kill ]; then
		kill -64 "$PCKPT_PID" 2>/dev/null || :
	else
		kill -63 "$PCKPT_PID" 2>/dev/null || :
	fi
}

# _pckpt_event LINE: a line of pckpt run
_pckpt_event() {
	local seconds
	[ "$1" ] || return 0 # _pckpt_wake
	_pckpt_log "$1"
	case $1 in
	'pckpt: started '* | 'pckpt: restored '*)
		_pckpt_ready=1
		_pckpt_state_write
		[ -z "$_pckpt_pending" ] || _pckpt_send "$_pckpt_pending"
		;;
	'pckpt: dumped '* | 'pckpt: saved '*)
		_pckpt_dumps=$((_pckpt_dumps + 1))
		_pckpt_last_event=complete
		if [[ $1 =~ ^pckpt:\ [a-z]+\ ([0-9]+) ]]; then _pckpt_saved=${BASH_REMATCH[1]}; fi
		if [[ $1 =~ \ in\ ([0-9]+)([.][0-9]*)?\ s ]]; then
			seconds=${BASH_REMATCH[1]}
			_pckpt_dump_time=$((seconds + 1))
			case $1 in 'pckpt: dumped '*) _pckpt_check_lead ;; esac
		fi
		_pckpt_state_write
		;;
	'pckpt: dump failed'*) _pckpt_last_event=failed ;;
	esac
}

# Lines of the tasks, in a file: they may be on another node.
_pckpt_srun_events() {
	local line n=0
	[ -r "$_pckpt_store/events" ] || return 0
	while IFS= read -r line; do
		n=$((n + 1))
		[ "$n" -gt "$_pckpt_lines" ] || continue
		_pckpt_event "$line"
	done <"$_pckpt_store/events" || :
	_pckpt_lines=$n
}

# An empty line for the read that a trap has interrupted: it goes on at once. It needs it when the trap has
# itself used read -t, which takes the time limit from the other.
_pckpt_wake() {
	[ -z "${_pckpt_fd:-}" ] || printf '\n' >&"$_pckpt_fd" || :
}

# Wait for up to a second, and do what there is to do. 1: the program's supervisor has ended.
#
# read is what waits: bash 5.2 loses a trap when two signals come while it is in wait, and a wait has no
# time limit.
_pckpt_step() {
	local line='' code=0 call
	_pckpt_reading=1
	IFS= read -r -t 1 -u "$_pckpt_fd" line || code=$?
	_pckpt_reading=
	if [ $code -eq 0 ]; then
		_pckpt_event "$line"
	elif [ $code -le 128 ]; then
		sleep 1 || : # no pipe: never a busy loop
	fi
	if [ "$_pckpt_srun" ]; then
		_pckpt_srun_events
		if [ -e "$_pckpt_store/term.seen" ] && [ -z "$_pckpt_passed" ]; then _pckpt_term=1; fi
	fi
	if [ "$_pckpt_term" ]; then _pckpt_handle_term; fi
	if [ "$_pckpt_warned" ]; then _pckpt_handle_warning; fi
	while [ ${#_pckpt_calls[@]} -gt 0 ]; do
		call=${_pckpt_calls[0]}
		_pckpt_calls=("${_pckpt_calls[@]:1}")
		"$call" || :
	done
	_pckpt_clock
	kill -0 "$PCKPT_PID" 2>/dev/null
}

# pckpt_on_signal SIGNAL [FUNCTION]: what a trap calls. It takes a note; pckpt_wait does the work, as soon
# as there is a program. With FUNCTION it calls that; otherwise:
#     URG, USR1   save, end the program, have the job queued again
#     TERM        find out why it has come, and do what fits
#     others      pass on to the program
#
# A trap that comes while pckpt_wait is in read must be done within read's second: after that bash 5.2
# drops what the trap is at, or goes on in a subshell of it.
pckpt_on_signal() {
	local call
	for call in ${_pckpt_calls[@]+"${_pckpt_calls[@]}"}; do [ "$call" != "${2:-}" ] || return 0; done
	case ${2:+function}${1#SIG} in
	function*) _pckpt_calls+=("$2") ;;
	URG | USR1) _pckpt_warned=1 ;;
	TERM) _pckpt_term=1 ;;
	*) [ -z "${_pckpt_running:-}" ] || kill -"${1#SIG}" "$PCKPT_PID" 2>/dev/null || : ;;
	esac
	_pckpt_wake
}

# Why the job must not be requeued, if there is a reason; 1 if there is none
_pckpt_no_requeue() {
	if [ "$_pckpt_requeue_no" ]; then
		echo "$_pckpt_requeue_no"
	elif [ "$_pckpt_max_requeues" ] && [ "${SLURM_RESTART_COUNT:-0}" -ge "$_pckpt_max_requeues" ]; then
		echo "--max-requeues $_pckpt_max_requeues is reached"
	else
		return 1
	fi
}

# With a lead as long as the time limit the warning comes in the first seconds. Then the program runs
# until the clock says that it is time; otherwise it would not get anywhere.
_pckpt_too_early() {
	local record left need
	need=$(_pckpt_need)
	[ "$_pckpt_lead" ] && [ "$_pckpt_end" ] && [ "${PCKPT_WATCH:-}" != no ] || return 1
	# Long before the limit it was sent by hand.
	[ $((_pckpt_end - $(_pckpt_now))) -le $((_pckpt_lead + 60)) ] || return 1
	record=$(_pckpt_record) && left=$(_pckpt_left_of "$record") && [ "$left" != unlimited ] || return 1
	! _pckpt_preempted "$record" || return 1
	[ $((left - need)) -gt $(($(_pckpt_now) - _pckpt_began)) ] || return 1
	_pckpt_say "warning: Slurm's warning came $left s before the time limit, early in this run; the program is" \
		"saved $need s before the limit"
	_pckpt_end=$(($(_pckpt_now) + left))
}

# The warning has come. Save, end, requeue; where there can be no requeue save and go on.
_pckpt_handle_warning() {
	local why
	_pckpt_warned=
	# One save is enough, however many warnings come.
	[ -z "$_pckpt_plan" ] && [ -z "$_pckpt_cancelled" ] || return 0
	if [ "${1:-}" != now ] && _pckpt_too_early; then return 0; fi
	if why=$(_pckpt_no_requeue); then
		_pckpt_say "not requeued: $why; the program is saved and runs on to its time limit"
		_pckpt_clock_done=1
		_pckpt_send dump
		return 0
	fi
	_pckpt_plan=requeue
	_pckpt_send kill
}

# SIGTERM has come
_pckpt_handle_term() {
	local reason why
	_pckpt_term=
	reason=$(_pckpt_patience=8 && pckpt_reason)
	_pckpt_why=$reason
	case $reason in
	requeue | timelimit | preempt-cancel | unknown) _pckpt_ending=1 ;;
	esac
	case $reason in
	requeue)
		# Slurm starts the job again by itself.
		_pckpt_plan=gone
		_pckpt_send kill
		;;
	timelimit | preempt)
		if why=$(_pckpt_no_requeue); then
			_pckpt_say "not requeued: $why"
			_pckpt_plan=end
		else
			_pckpt_plan=requeue
		fi
		_pckpt_send kill
		;;
	preempt-cancel)
		_pckpt_say "not requeued: preempted by PreemptMode=CANCEL; to go on: PCKPT_STORE='$_pckpt_store' sbatch ..."
		_pckpt_plan=end
		_pckpt_send kill
		;;
	unknown)
		_pckpt_say "warning: SIGTERM came and Slurm does not say why; the program is saved and ended"
		_pckpt_plan=end
		_pckpt_send kill
		;;
	cancel)
		_pckpt_cancelled=1
		_pckpt_pass_term
		;;
	*) _pckpt_pass_term ;;
	esac
	if [ "$_pckpt_srun" ]; then rm -f -- "$_pckpt_store/term.seen" 2>/dev/null || :; fi
}

_pckpt_pass_term() {
	if [ "$_pckpt_srun" ]; then
		: 2>/dev/null >|"$_pckpt_store/term" || :
		_pckpt_passed=1
	else
		kill -TERM "$PCKPT_PID" 2>/dev/null || :
	fi
}

# What happens by the clock: the time limit without a warning, and the end of --max-time
_pckpt_clock() {
	local now need left record
	printf -v now '%(%s)T' -1
	if [ "$_pckpt_budget_end" ] && [ "$now" -ge "$_pckpt_budget_end" ] && [ -z "$_pckpt_plan" ]; then
		_pckpt_say "not requeued: --max-time $_pckpt_max_time s is used up; the program is saved and ended"
		_pckpt_plan=end
		_pckpt_send kill
		return 0
	fi
	[ -z "$_pckpt_clock_done$_pckpt_plan$_pckpt_cancelled" ] || return 0
	if [ "${PCKPT_POLL:-0}" -ge 30 ] && [ "$now" -ge $((_pckpt_asked + PCKPT_POLL)) ]; then
		_pckpt_asked=$now
		if record=$(_pckpt_record) && _pckpt_preempted "$record"; then
			_pckpt_handle_warning now
			return 0
		fi
	fi
	[ "${PCKPT_WATCH:-}" != no ] && [ "$_pckpt_end" ] || return 0
	need=$(_pckpt_need)
	[ "$now" -ge $((_pckpt_end - need)) ] || return 0
	# The limit may have been changed meanwhile.
	if left=$(pckpt_time_left); then
		if [ "$left" = unlimited ]; then
			_pckpt_end=
			return 0
		fi
		_pckpt_end=$((now + left))
		[ "$left" -le $((need + 5)) ] || return 0
	fi
	_pckpt_clock_done=1
	_pckpt_handle_warning now
}

# pckpt_dump [--kill]: save now, and wait until that is done. With --kill the program is ended after
# that, and is not running any more when this returns. 0: the checkpoint is complete; 1: it is not, and
# the program runs on.
pckpt_dump() {
	local before how=dump
	case ${1:-} in
	--kill) how='kill' ;;
	'') ;;
	*)
		_pckpt_fail "pckpt_dump: unknown option '$1'" "it knows --kill" "pckpt_dump --kill"
		return 2
		;;
	esac
	if [ -z "${_pckpt_running:-}" ]; then
		_pckpt_fail "pckpt_dump: nothing runs" "it saves what pckpt_start_or_restore has started" \
			"pckpt_start_or_restore -- COMMAND"
		return 1
	fi
	if [ "${_pckpt_reading:-}" ]; then
		_pckpt_fail "pckpt_dump in a trap" "bash drops a trap that takes longer than the second for which pckpt_wait reads" \
			"trap 'pckpt_on_signal USR1 FUNCTION' USR1, with pckpt_dump in FUNCTION. This time pckpt_wait saves and requeues"
		_pckpt_warned=1
		return 1
	fi
	before=$_pckpt_dumps _pckpt_last_event=
	_pckpt_send $how
	while [ "$_pckpt_dumps" -eq "$before" ] && [ "$_pckpt_last_event" != failed ]; do
		_pckpt_step || break
	done
	_pckpt_drain
	if [ $how = kill ] && [ "$_pckpt_dumps" -gt "$before" ]; then
		while kill -0 "$PCKPT_PID" 2>/dev/null; do _pckpt_step || break; done
	fi
	_pckpt_wake
	[ "$_pckpt_dumps" -gt "$before" ]
}

# The lines that are still in the pipe when its writer has ended
_pckpt_drain() {
	local line
	while read -r -t 0 -u "$_pckpt_fd" && IFS= read -r -t 1 -u "$_pckpt_fd" line; do _pckpt_event "$line"; done
	if [ "$_pckpt_srun" ]; then _pckpt_srun_events; fi
}

# ---- the end ----------------------------------------------------------------------------------

# The newest checkpoint that is known, by its name in the store
_pckpt_checkpoint() {
	if [[ $_pckpt_saved =~ ^[0-9]+$ ]]; then
		printf 'checkpoint %06d' "$((10#$_pckpt_saved))"
	else
		printf 'its newest checkpoint, if there is one'
	fi
}

# pckpt_requeue: have this job queued again. 0: Slurm has agreed, and will end this run within
# milliseconds: do nothing more than exit. 1: refused, and said why.
pckpt_requeue() {
	local job said='' try trap pause=1
	job=$(_pckpt_job_name)
	if [ -z "$job" ]; then
		_pckpt_say "not requeued: this is not a Slurm job"
		return 1
	fi
	if [ "${PCKPT_REQUEUE_EXIT:-}" ]; then
		_pckpt_say "requeued $job by exit code $PCKPT_REQUEUE_EXIT"
		_pckpt_requeued=1
		return 0
	fi
	# Slurm's answer to a requeue is SIGTERM, at once. It has nothing to tell us.
	trap=$(trap -p TERM)
	trap '' TERM
	for try in 1 2 3 4 5; do
		if said=$(_pckpt_slurm scontrol requeue "$job" 2>&1); then
			_pckpt_say "requeued $job: run $((${SLURM_RESTART_COUNT:-0} + 1)) goes on from $(_pckpt_checkpoint)"
			_pckpt_requeued=1
			return 0
		fi
		case $(pckpt_reason) in
		requeue) # the answer was lost, or somebody else was faster
			_pckpt_say "requeued $job"
			_pckpt_requeued=1
			return 0
			;;
		cancel)
			_pckpt_cancelled=1
			break
			;;
		esac
		case $said in
		*disabled* | *'Only batch'* | *ermission* | *'not permitted'*) break ;; # it will not change its mind
		esac
		[ "$try" = 5 ] || sleep $pause || :
		pause=$((pause * 2))
	done
	trap - TERM
	eval "$trap"
	_pckpt_say "not requeued: scontrol requeue $job: ${said:-no answer}"
	return 1
}

# How it ended, from the reports: _pckpt_outcome is exited, killed, saved, fenced, failed or unknown
_pckpt_read_outcome() {
	local file rank=0 word='' rest='' worst=''
	_pckpt_outcome=unknown
	if [ -z "$_pckpt_srun" ]; then
		if [ -r "$_pckpt_report" ] && read -r word rest <"$_pckpt_report"; then _pckpt_outcome=$word; fi
		if [ "$_pckpt_outcome" = saved ]; then _pckpt_saved=${rest:-$_pckpt_saved}; fi
		_pckpt_detail=$rest
		rm -f -- "$_pckpt_report" 2>/dev/null || :
		return 0
	fi
	# Of several tasks: one that was fenced or failed says more than one that was saved, and that more
	# than one that has ended.
	while [ -d "$_pckpt_store/$rank" ]; do
		file=$_pckpt_store/$rank/run.report.${SLURM_RESTART_COUNT:-0}
		rank=$((rank + 1))
		if [ ! -r "$file" ] || ! read -r word rest <"$file"; then continue; fi
		rm -f -- "$file" 2>/dev/null || :
		case $word:$worst in
		fenced:* | failed:[!f]* | failed: | saved:exited | saved:killed | saved: | killed:exited | killed: | exited:)
			worst=$word _pckpt_detail=$rest
			;;
		esac
	done
	_pckpt_outcome=${worst:-unknown}
	if [ "$_pckpt_outcome" = saved ]; then _pckpt_saved=$_pckpt_detail; fi
}

# End this shell as a requeued or cancelled run: what the script does after the program is for the run
# in which the program ends.
_pckpt_leave() {
	_pckpt_state_write
	if [ "${_pckpt_requeued:-}" ]; then exit "${PCKPT_REQUEUE_EXIT:-0}"; fi
	exit "$1"
}

# The program was hit by the SIGTERM of a time limit itself (proctrack/linuxproc sends it to all
# processes) before it could be saved. With a checkpoint of this run the job still gets on.
_pckpt_lost() {
	case $_pckpt_outcome:$1 in
	killed:* | unknown:137 | unknown:143 | exited:143 | exited:137) ;;
	*) return 1 ;;
	esac
	[ "$_pckpt_plan" = requeue ] || [ "$_pckpt_plan" = gone ]
}

# pckpt_wait: wait until the program has really ended, and do what signals, the clock and Slurm ask
# for meanwhile. Returns the program's exit code, 128+N after signal N; 75 when it was saved and ended
# and there is no requeue. When the job is requeued, cancelled or taken over by a newer run this does not
# return: the shell exits.
pckpt_wait() {
	local code
	if [ -z "${_pckpt_running:-}" ]; then
		_pckpt_fail "pckpt_wait: nothing runs" "it waits for what pckpt_start_or_restore has started" \
			"pckpt_start_or_restore -- COMMAND"
		return 1
	fi
	while :; do
		while _pckpt_step; do :; done
		code=0
		wait "$PCKPT_PID" || code=$?
		_pckpt_drain
		_pckpt_running=
		_pckpt_read_outcome
		# The signal that ended the program may be on its way to us.
		if [ "$code" -gt 128 ] && [ -z "$_pckpt_plan$_pckpt_cancelled$_pckpt_term" ]; then
			read -r -t 1 -u "$_pckpt_fd" || :
		fi
		if [ "$_pckpt_term" ]; then _pckpt_handle_term; fi
		if [ "$_pckpt_cancelled" ]; then _pckpt_end_cancelled "$code"; fi
		if [ "$_pckpt_outcome" = fenced ]; then _pckpt_leave 75; fi
		if [ "${_pckpt_requeued:-}" ]; then _pckpt_leave 0; fi
		if _pckpt_lost "$code"; then
			_pckpt_after_loss || break
		elif [ "$_pckpt_outcome" != saved ]; then
			break
		fi
		case $_pckpt_plan in
		gone) _pckpt_leave 0 ;;
		requeue)
			if pckpt_requeue; then _pckpt_leave 0; fi
			if [ "$_pckpt_cancelled" ]; then _pckpt_end_cancelled "$code"; fi
			if [ "$_pckpt_ending" ]; then break; fi
			_pckpt_say "the program goes on here, from $(_pckpt_checkpoint)"
			_pckpt_plan=stay _pckpt_warned='' _pckpt_clock_done=1
			_pckpt_launch || return $?
			;;
		*) break ;;
		esac
	done
	_pckpt_state_write
	if [ "$code" -eq 0 ] && [ "$_pckpt_clean" ]; then _pckpt_remove_store; fi
	return "$code"
}

# 1: without a checkpoint of this run a requeue would do the same work again and again. After a preemption
# that is as Slurm would have it, which does not requeue a job that ends in its grace time.
_pckpt_after_loss() {
	if [ "$_pckpt_dumps" -gt 0 ]; then
		_pckpt_say "warning: SIGTERM ended the program before it could be saved; it will go on from $(_pckpt_checkpoint)"
		return 0
	fi
	[ "$_pckpt_plan" != gone ] || return 0
	if [ "$_pckpt_why" = preempt ]; then
		_pckpt_say "warning: preemption ended the program before it could be saved; this run's work is lost"
		return 0
	fi
	_pckpt_say "not requeued: SIGTERM ended the program before it could be saved, and this run has no checkpoint" \
		"(--every T makes some)"
	return 1
}

_pckpt_end_cancelled() {
	_pckpt_state_write
	_pckpt_say "not requeued: the job was cancelled"
	if [ "$1" -eq 143 ]; then
		trap - TERM
		kill -TERM $BASHPID
	fi
	exit "$1"
}

# Only what is ours goes: the store may be a directory with other files in it. The subshell is for the
# patterns, which the script may have switched off.
_pckpt_remove_store() (
	set +f
	shopt -u nullglob failglob dotglob
	rank=0
	while [ -d "$_pckpt_store/$rank" ]; do
		_pckpt_remove_files "$_pckpt_store/$rank"
		rank=$((rank + 1))
	done
	_pckpt_remove_files "$_pckpt_store"
	# not to its run.log, which is gone
	[ ! -e "$_pckpt_store" ] ||
		printf "pckpt: warning: --clean leaves '%s', which has other files in it\n" "$_pckpt_store" >&2
)

_pckpt_remove_files() {
	local digits='[0-9][0-9][0-9][0-9][0-9][0-9]'
	# shellcheck disable=SC2086 # digits is a pattern
	rm -rf -- "${1:?}"/$digits "$1"/$digits.part "$1"/$digits.bad "$1"/cut "$1"/gen-* || :
	rm -f -- "$1"/{.lock,run,command,request,term,term.seen,events,ended} "$1"/{run,resume}.* || :
	rmdir -- "$1" 2>/dev/null || :
}

# ---- all of it --------------------------------------------------------------------------------

# pckpt_job [OPTION]... -- COMMAND [ARG]...: see the top
pckpt_job() {
	local saved sig code=0
	local -a signals=(URG USR1 TERM HUP INT QUIT USR2)
	# Before anything else: the warning may come in the first second. Traps that the script has set are
	# put back at the end.
	saved=$(trap -p "${signals[@]}")
	for sig in "${signals[@]}"; do
		# shellcheck disable=SC2064 # now
		trap "pckpt_on_signal $sig" "$sig"
	done
	_pckpt_prepare pckpt_job "$@" || code=$?
	if [ $code -eq 0 ] && [ "$_pckpt_dry" ]; then
		_pckpt_explain
	elif [ $code -eq 0 ]; then
		_pckpt_start_warnings
		_pckpt_launch && pckpt_wait || code=$?
	fi
	trap - "${signals[@]}"
	eval "$saved"
	return $code
}

# _pckpt_newest DIR: the newest checkpoint in it
_pckpt_newest() (
	set +f
	newest=
	for checkpoint in "$1"/[0-9][0-9][0-9][0-9][0-9][0-9]; do
		[ ! -e "$checkpoint/commit" ] || newest=${checkpoint##*/}
	done
	echo "$newest"
)

# --dry-run
_pckpt_explain() {
	local why newest
	newest=$(_pckpt_newest "$_pckpt_store${_pckpt_srun:+/0}")
	_pckpt_events=-
	_pckpt_command
	_pckpt_say "dry run: store $_pckpt_store"
	if [ "$newest" ]; then
		_pckpt_say "dry run: goes on from checkpoint $newest"
	else
		_pckpt_say "dry run: starts from the beginning"
	fi
	_pckpt_say "dry run: saves ${_pckpt_every:+every $_pckpt_every and }when warned${_pckpt_signal:+ (--signal=$_pckpt_signal)}"
	if why=$(_pckpt_no_requeue); then
		_pckpt_say "dry run: no requeue: $why"
	elif [ "${PCKPT_REQUEUE_EXIT:-}" ]; then
		_pckpt_say "dry run: requeues by exit code $PCKPT_REQUEUE_EXIT"
	else
		_pckpt_say "dry run: requeues by scontrol requeue $(_pckpt_job_name)"
	fi
	_pckpt_start_warnings
	printf 'pckpt: dry run:' >&2
	printf ' %q' "${_pckpt_argv[@]}" >&2
	printf '\n' >&2
}
