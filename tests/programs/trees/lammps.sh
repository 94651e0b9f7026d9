#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Usage: lammps.sh [RANKS]
# LAMMPS: a Lennard-Jones melt, alone or under mpirun.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
cat >in.melt <<'END'
units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 8 0 8 0 8
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 3.0 87287
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
fix 1 all nve
dump 1 all custom 50 atoms.dump id x y z
thermo 25
thermo_modify flush yes
run 600
END
run=(lmp)
[ $# = 0 ] || run=(mpirun.openmpi --oversubscribe --mca btl_vader_single_copy_mechanism none -n "$1"
	lmp)
"${run[@]}" -in in.melt -log none |
	grep -v 'create_atoms CPU\|Total wall time\|Loop time\|Performance\|CPU use\||\|Neighbor\|Memory\|%'
sha256sum <atoms.dump
