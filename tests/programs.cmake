# SPDX-License-Identifier: Apache-2.0
# Programs: tests/programs/*, real programs of many kinds. tools/moments dumps them at random moments
# ($PCKPT_MOMENTS of them, 3), tools/killtest kills pckpt while it dumps them ($PCKPT_INSTANTS, 12).
# They are built as their users would build them, by plain commands: the flags of the build, its
# sanitizers above all, do not reach them.
set(programs_source ${CMAKE_CURRENT_SOURCE_DIR}/programs)
set(programs_dir ${CMAKE_CURRENT_BINARY_DIR}/programs)
set(programs_python /usr/bin/python3) # the distribution's, which has numpy
set(programs_warnings -Wall -Wextra -Wshadow $<$<BOOL:${PCKPT_WERROR}>:-Werror>)

# pk_need(VARIABLE program package)
function(pk_need variable program package)
  find_program(${variable} ${program})
  if(NOT ${variable})
    message(FATAL_ERROR "The test programs need ${program}: install ${package}, "
                        "or configure with -DPCKPT_TESTS=OFF.")
  endif()
endfunction()

# pk_program(name source command...): a program that `command -o name source` builds.
function(pk_program name source)
  add_custom_command(OUTPUT ${programs_dir}/${name}
    DEPENDS ${programs_source}/${source} ${programs_source}/program.h
    COMMAND ${ARGN} -o ${programs_dir}/${name} ${programs_source}/${source}
    COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_target(program-${name} ALL DEPENDS ${programs_dir}/${name})
endfunction()

# pk_script(name source): a program that its first line runs.
function(pk_script name source)
  configure_file(${programs_source}/${source} ${programs_dir}/${name} @ONLY
    FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                     WORLD_READ WORLD_EXECUTE)
endfunction()

# pk_program_tests(name [argument...])
function(pk_program_tests name)
  string(JOIN " " command ${programs_dir}/${name} ${ARGN})
  foreach(who user root)
    add_test(NAME program.${name}.${who}
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/moments --as ${who} --pckpt $<TARGET_FILE:pckpt>
              ${command})
    set_tests_properties(program.${name}.${who} PROPERTIES
      LABELS programs TIMEOUT 1800 SKIP_RETURN_CODE 77)
  endforeach()
endfunction()

pk_need(PROGRAMS_GCC gcc gcc)
pk_need(PROGRAMS_MUSL_GCC musl-gcc musl-tools)
pk_need(PROGRAMS_FORTRAN gfortran gfortran)
pk_need(PROGRAMS_GO go golang-go)
pk_need(PROGRAMS_R R r-base-core)
if(CMAKE_C_COMPILER_ID STREQUAL Clang)
  pk_need(PROGRAMS_CLANGXX clang++ clang)
  set(programs_cxx ${PROGRAMS_CLANGXX})
else()
  pk_need(PROGRAMS_GXX g++ g++)
  set(programs_cxx ${PROGRAMS_GXX})
endif()
execute_process(COMMAND ${programs_python} -c "import numpy" RESULT_VARIABLE failed OUTPUT_QUIET
                ERROR_QUIET)
if(failed)
  message(FATAL_ERROR "The test programs need numpy for ${programs_python}: install python3-numpy "
                      "and libopenblas0-pthread, or configure with -DPCKPT_TESTS=OFF.")
endif()
execute_process(COMMAND ${PROGRAMS_R} RHOME OUTPUT_VARIABLE R_HOME OUTPUT_STRIP_TRAILING_WHITESPACE)

set(c_flags -std=gnu11 -O2 -D_GNU_SOURCE -pthread ${programs_warnings} -Wstrict-prototypes
            -Wmissing-prototypes -Wvla)
set(c ${CMAKE_C_COMPILER} ${c_flags})
pk_program(counter counter.c ${c})
pk_program(threads threads.c ${c})
pk_program(alloc alloc.c ${c})
pk_program(vdso vdso.c ${c})
pk_program(avx512 avx512.c ${c})
pk_program(amx amx.c ${c})
pk_program(static-glibc static.c ${c} -static)
pk_program(static-musl static.c ${PROGRAMS_MUSL_GCC} ${c_flags} -static)
pk_program(openmp openmp.c ${PROGRAMS_GCC} ${c_flags} -fopenmp)
pk_program(exceptions exceptions.cpp ${programs_cxx} -std=c++17 -O2 -pthread ${programs_warnings})
pk_program(fortran waves.f90 ${PROGRAMS_FORTRAN} -O2 -fopenmp ${programs_warnings})
pk_program(go goroutines.go ${CMAKE_COMMAND} -E env CGO_ENABLED=0 GO111MODULE=off
           GOCACHE=${programs_dir}/go-cache ${PROGRAMS_GO} build)
pk_program(forks forks.c ${c})
pk_script(python counter.py)
pk_script(numpy blas.py)
pk_script(r vectors.R)
pk_script(perl words.pl)

# A shorter sleep for the counter, and more steps for what is fast; the others choose for themselves.
pk_program_tests(counter 12 0.1)
pk_program_tests(static-glibc 30)
pk_program_tests(threads 400)
foreach(name forks alloc vdso avx512 amx static-musl openmp exceptions fortran go python numpy r
             perl)
  pk_program_tests(${name})
endforeach()

# Trees of processes: trees/*, scripts that bring what they need.
pk_need(TREES_MAKE make make)
pk_need(TREES_PARALLEL parallel parallel)
pk_need(TREES_SQLITE sqlite3 sqlite3)
set(trees_dir ${programs_dir}/trees)
# pk_tree(name sequence script [argument...]): the sequence is one of tools/moments.
function(pk_tree name sequence script)
  configure_file(${programs_source}/trees/${script} ${trees_dir}/${script} COPYONLY)
  string(JOIN " " command ${trees_dir}/${script} ${ARGN})
  foreach(who user root)
    add_test(NAME tree.${name}.${who}
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/moments --as ${who} --pckpt $<TARGET_FILE:pckpt>
              --sequence ${sequence} ${command})
    set_tests_properties(tree.${name}.${who} PROPERTIES
      LABELS "trees" TIMEOUT 3600 SKIP_RETURN_CODE 77)
    # MPI listens on the first ports that are free: two jobs would take each other's.
    if(name MATCHES "mpi|lammps|gromacs")
      set_tests_properties(tree.${name}.${who} PROPERTIES RESOURCE_LOCK ports)
    endif()
  endforeach()
endfunction()

# pk_tree_if(program package name sequence script [argument...]): where that program is installed.
function(pk_tree_if program package name)
  string(MAKE_C_IDENTIFIER "TREES_${program}" found)
  find_program(${found} ${program})
  if(${found})
    pk_tree(${name} ${ARGN})
  else()
    message(STATUS "tree.${name} is left out: it needs ${program} (${package})")
  endif()
endfunction()

foreach(who user root)
  add_test(NAME tree.chain.${who}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/moments --as ${who} --pckpt $<TARGET_FILE:pckpt>
            --sequence chain --moments 1 "${programs_dir}/forks 5000")
  set_tests_properties(tree.chain.${who} PROPERTIES LABELS trees TIMEOUT 3600 SKIP_RETURN_CODE 77)
endforeach()
pk_tree(pipeline both pipeline.sh)
pk_tree(make files make.sh)
pk_tree(workers-fork both workers.py fork)
pk_tree(workers-spawn files workers.py spawn)
pk_tree(subprocesses both subprocesses.py)
pk_tree(xargs files xargs.sh)
pk_tree(parallel files parallel.sh)
pk_tree(sqlite files sqlite.sh)
pk_tree(fortran files fortran.sh)
pk_tree(git files git.sh)
pk_tree_if(javac openjdk-17-jdk-headless jvm both jvm)
pk_tree_if(node nodejs http both http.js)
pk_tree_if(tmux tmux tmux files tmux.sh)
pk_tree_if(redis-benchmark redis-tools redis files redis.sh)
pk_tree_if(psql postgresql postgres files postgres.sh)
foreach(ranks 2 4)
  foreach(transport shm tcp)
    pk_tree_if(mpicc.openmpi libopenmpi-dev openmpi-${transport}-${ranks} files mpi.sh openmpi
               ${ranks} ${transport})
    pk_tree_if(mpicc.mpich libmpich-dev mpich-${transport}-${ranks} files mpi.sh mpich ${ranks}
               ${transport})
  endforeach()
endforeach()
pk_tree_if(xclock x11-apps xclock files xclock.sh)
pk_tree_if(xterm xterm xterm files xterm.sh)
pk_tree_if(lmp lammps lammps files lammps.sh)
pk_tree_if(lmp lammps lammps-mpi files lammps.sh 2)
pk_tree_if(gmx_mpi gromacs gromacs files gromacs.sh 2 2)
pk_tree(compile files compile.sh)

# Programs whose mappings and descriptors stay the same while they run, long enough for three dumps.
foreach(who user root)
  add_test(NAME kill.dump.${who}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/killtest --as ${who} --pckpt $<TARGET_FILE:pckpt>
            "${programs_dir}/counter 20 0.1" "${programs_dir}/vdso 80"
            "${programs_dir}/avx512 40" "${programs_dir}/fortran 80")
  set_tests_properties(kill.dump.${who} PROPERTIES
    LABELS programs TIMEOUT 3600 SKIP_RETURN_CODE 77)
endforeach()
