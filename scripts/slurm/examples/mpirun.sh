#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# An MPI program on one node. mpirun and its ranks are one tree of processes, and saved as one. mpirun must
# start the ranks itself, not by srun, and they must talk through shared memory.
#
#     COMMAND='mpirun -n 4 ./my_mpi_program' sbatch --ntasks=4 --time=24:00:00 mpirun.sh
#
#SBATCH --job-name=mpirun --time=00:05:00 --nodes=1 --ntasks=2
#SBATCH --signal=B:URG@60 --requeue --open-mode=append

source "$(pckpt slurm-lib)"
examples=$(dirname "$(pckpt slurm-lib)")/examples

# Open MPI
export OMPI_MCA_plm=isolated OMPI_MCA_ras=^slurm OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1 OMPI_MCA_rmaps_base_oversubscribe=1
# MPICH, Intel MPI
export HYDRA_LAUNCHER=fork HYDRA_RMK=user

pckpt_job --every "${EVERY:-30m}" -- \
	bash -c "${COMMAND:-exec mpirun -n ${SLURM_NTASKS:-2} $examples/count.sh}"
