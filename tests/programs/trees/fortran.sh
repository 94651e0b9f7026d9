#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Makefile that builds a solver in Fortran and runs it, stage by stage. It keeps what does not fit
# into memory in scratch files: one without a name, one direct-access file, one between stages.
set -e
cat >solver.f90 <<'END'
program solver
  implicit none
  integer, parameter :: n = 4000, blocks = 60
  real(8) :: x(n), y(n), s
  integer :: stage, sweep, b, i, u, d
  character(len=16) :: arg
  logical :: there
  call get_command_argument(1, arg)
  read (arg, *) stage
  open (newunit=u, status='scratch', form='unformatted', access='stream')
  open (newunit=d, file='blocks.bin', access='direct', recl=8 * n, form='unformatted')
  inquire (file='state.bin', exist=there)
  x = [(sin(real(i, 8) * stage), i=1, n)]
  do b = 1, blocks
    write (d, rec=b) x * b
  end do
  do sweep = 1, 6
    rewind (u)
    do b = 1, blocks
      read (d, rec=b) y
      y(2:n - 1) = 0.25d0 * y(1:n - 2) + 0.5d0 * y(2:n - 1) + 0.25d0 * y(3:n)
      do i = 2, n
        y(i) = y(i) + 1d-3 * cos(y(i - 1))
      end do
      write (u) y
    end do
    rewind (u)
    s = 0
    do b = 1, blocks
      read (u) y
      s = s + sum(abs(y))
      write (d, rec=b) y
    end do
    write (*, '(a, i0, a, i0, es24.16)') 'stage ', stage, ' sweep ', sweep, s
    flush (6)
  end do
  close (u)
  close (d)
  write (arg, '(a, i0)') 'stage', stage
  open (newunit=u, file=trim(arg))
  write (u, '(es24.16)') s
  close (u)
end program
END
stages=$((6 * ${SCALE:-1}))
cat >Makefile <<END
all: stage$stages
solver: solver.f90
	gfortran -O2 -o \$@ \$<
END
for i in $(seq $stages); do
	printf 'stage%s: solver %s\n\t@./solver %s\n' "$i" "$([ "$i" = 1 ] || echo stage$((i - 1)))" "$i" >>Makefile
done
make
cat stage*
