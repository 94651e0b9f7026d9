# SPDX-License-Identifier: Apache-2.0
# ctest tests slurm.unit.<file>.<user|root>: the shell library and its scripts, tests/slurm/unit/*.bats,
# as far as they need no Slurm.
file(GLOB unit_files CONFIGURE_DEPENDS slurm/unit/*.bats)
foreach(file ${unit_files})
  get_filename_component(name ${file} NAME_WE)
  foreach(who user root)
    add_test(NAME slurm.unit.${name}.${who}
      COMMAND ${CMAKE_COMMAND} -E env PCKPT=$<TARGET_FILE:pckpt> E2E_PROGRAMS=${e2e_programs}
              ${CMAKE_CURRENT_SOURCE_DIR}/e2e/run --as ${who} ${file})
    set_tests_properties(slurm.unit.${name}.${who} PROPERTIES
      LABELS "e2e;${who}" TIMEOUT 300 SKIP_RETURN_CODE 77)
  endforeach()
endforeach()
