# SPDX-License-Identifier: Apache-2.0
# ctest test slurm.scenarios (label slurm): jobs of a real Slurm that slurm/run starts.
find_program(SLURMCTLD slurmctld PATHS /usr/sbin /sbin)

foreach(name count work)
  add_executable(slurm-${name} slurm/programs/${name}.c)
  target_link_libraries(slurm-${name} PRIVATE Threads::Threads)
  set_target_properties(slurm-${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/slurm OUTPUT_NAME ${name})
  pk_warnings(slurm-${name})
  target_compile_options(slurm-${name} PRIVATE -O2 -fno-sanitize=all)
  target_link_options(slurm-${name} PRIVATE -fno-sanitize=all)
endforeach()

if(SLURMCTLD)
  add_test(NAME slurm.scenarios
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/slurm/run --build ${CMAKE_BINARY_DIR})
  set_tests_properties(slurm.scenarios PROPERTIES LABELS slurm TIMEOUT 1200 RUN_SERIAL TRUE)
else()
  message(STATUS "slurm.scenarios is left out: it needs slurmctld")
endif()
