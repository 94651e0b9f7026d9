! SPDX-License-Identifier: Apache-2.0
! Fortran with OpenMP: a wave equation over a plane. Sums are made by column, and the columns added
! up in their order: the same bits whatever the threads do.
program waves
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use omp_lib, only: omp_set_num_threads
  implicit none
  integer, parameter :: side = 512, sweeps = 30
  real(real64), allocatable :: before(:, :), now(:, :), after(:, :)
  integer(int64) :: hash
  integer :: step, sweep, steps

  call omp_set_num_threads(4)
  steps = argument(40) * environment('SCALE', 1)
  allocate (before(side, side), now(side, side), after(side, side))
  call start()
  hash = 0
  do step = 1, steps
    do sweep = 1, sweeps
      call advance()
    end do
    hash = ieor(ishftc(hash, 7), transfer(total(), hash))
    print '(a, 1x, i0, 1x, z16.16)', 'step', step, hash
    flush (6)
  end do
  print '(a, 1x, z16.16)', 'result', hash

contains

  integer function number(text, otherwise)
    character(len=*), intent(in) :: text
    integer, intent(in) :: otherwise

    number = otherwise
    if (len_trim(text) > 0) read (text, *) number
  end function

  integer function argument(otherwise)
    integer, intent(in) :: otherwise
    character(len=32) :: text

    call get_command_argument(1, text)
    argument = number(text, otherwise)
  end function

  integer function environment(name, otherwise)
    character(len=*), intent(in) :: name
    integer, intent(in) :: otherwise
    character(len=32) :: text

    call get_environment_variable(name, text)
    environment = number(text, otherwise)
  end function

  subroutine start()
    integer :: x, y

    do y = 1, side
      do x = 1, side
        now(x, y) = real(mod(x * 7919 + y * 104729, 1000), real64)
      end do
    end do
    before = now
    after = now
  end subroutine

  subroutine advance()
    integer :: x, y

    !$omp parallel do private(x) schedule(static)
    do y = 2, side - 1
      do x = 2, side - 1
        after(x, y) = 2 * now(x, y) - before(x, y) + 0.1_real64 &
                      * (now(x - 1, y) + now(x + 1, y) + now(x, y - 1) + now(x, y + 1) &
                         - 4 * now(x, y))
      end do
    end do
    !$omp end parallel do
    !$omp parallel workshare
    before = now
    now = after
    !$omp end parallel workshare
  end subroutine

  real(real64) function total()
    real(real64) :: column(side)
    integer :: y

    !$omp parallel do schedule(dynamic, 16)
    do y = 1, side
      column(y) = sum(now(:, y))
    end do
    !$omp end parallel do
    total = 0
    do y = 1, side
      total = total + column(y)
    end do
  end function

end program
