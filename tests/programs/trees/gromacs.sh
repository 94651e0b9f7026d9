#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Usage: gromacs.sh RANKS THREADS
# GROMACS: a box of water, under mpirun, each rank with OpenMP threads.
set -e
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive
export GMX_NO_QUOTES=1 GMX_MAXBACKUP=-1
cat >water.top <<'END'
#include "oplsaa.ff/forcefield.itp"
#include "oplsaa.ff/spc.itp"
[ system ]
water
[ molecules ]
SOL 216
END
cat >water.mdp <<END
integrator = md
dt = 0.001
nsteps = $((5000 * ${SCALE:-1}))
nstxout = 50
nstvout = 50
nstenergy = 50
nstlist = 10
coulombtype = PME
rcoulomb = 0.7
rvdw = 0.7
fourierspacing = 0.12
tcoupl = v-rescale
tc-grps = System
tau-t = 0.1
ref-t = 300
gen-vel = yes
gen-seed = 4711
ld-seed = 4711
END
top=/usr/share/gromacs/top
gmx_mpi -quiet grompp -f water.mdp -c $top/spc216.gro -p water.top -o water.tpr >grompp.log 2>&1
mpirun.openmpi --oversubscribe --mca btl_vader_single_copy_mechanism none -n "$1" \
	gmx_mpi -quiet mdrun -s water.tpr -deffnm water -ntomp "$2" -reprod -dlb no -npme 0 -pin off -nb cpu \
	>mdrun.log 2>&1
gmx_mpi -quiet dump -f water.trr 2>/dev/null | sha256sum
gmx_mpi -quiet dump -e water.edr 2>/dev/null | grep -A 12 'step: *[0-9]*00$' | grep 'Potential\|Total Energy'
