# SPDX-License-Identifier: Apache-2.0
# ctest tests e2e.<file>.<user|root>: the command line, tests/e2e/*.bats, under both accounts.
find_program(BATS bats)
if(NOT BATS)
  message(FATAL_ERROR "The end-to-end tests need bats: install it, or configure with "
                      "-DPCKPT_TESTS=OFF.")
endif()

set(e2e_programs ${CMAKE_CURRENT_BINARY_DIR}/e2e)
foreach(name job obstacle)
  add_executable(e2e-${name} e2e/${name}.c)
  target_link_libraries(e2e-${name} PRIVATE Threads::Threads)
  target_include_directories(e2e-${name} PRIVATE victims)
  set_target_properties(e2e-${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${e2e_programs} OUTPUT_NAME ${name})
  pk_warnings(e2e-${name})
  target_compile_options(e2e-${name} PRIVATE -O2 -fno-sanitize=all)
  target_link_options(e2e-${name} PRIVATE -fno-sanitize=all)
endforeach()

# A 32-bit program needs no 32-bit libc; without a compiler for it the test of it is skipped.
set(e2e_i386 ${CMAKE_C_COMPILER} -m32 -std=gnu11 -O2 -ffreestanding -fno-pic -fno-stack-protector
  -fcf-protection=none -Wall -Wextra -nostdlib -static ${CMAKE_CURRENT_SOURCE_DIR}/e2e/i386.c)
execute_process(COMMAND ${e2e_i386} -o ${CMAKE_CURRENT_BINARY_DIR}/e2e-i386-probe
  RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
if(NOT failed)
  add_custom_command(OUTPUT ${e2e_programs}/i386 DEPENDS e2e/i386.c
    COMMAND ${CMAKE_COMMAND} -E make_directory ${e2e_programs}
    COMMAND ${e2e_i386} -o ${e2e_programs}/i386 VERBATIM)
  add_custom_target(e2e-i386 ALL DEPENDS ${e2e_programs}/i386)
endif()

file(GLOB e2e_files CONFIGURE_DEPENDS e2e/*.bats)
foreach(file ${e2e_files})
  get_filename_component(name ${file} NAME_WE)
  foreach(who user root)
    add_test(NAME e2e.${name}.${who}
      COMMAND ${CMAKE_COMMAND} -E env PCKPT=$<TARGET_FILE:pckpt> E2E_PROGRAMS=${e2e_programs}
              E2E_FAULTS=${PCKPT_FAULTS} E2E_SANITIZE=${PCKPT_SANITIZE}
              ${CMAKE_CURRENT_SOURCE_DIR}/e2e/run --as ${who} ${file})
    set_tests_properties(e2e.${name}.${who} PROPERTIES
      LABELS "e2e;${who}" TIMEOUT 300 SKIP_RETURN_CODE 77)
  endforeach()
endforeach()
