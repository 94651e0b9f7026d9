# SPDX-License-Identifier: Apache-2.0
# ctest tests victim.<name>.<mode>.<user|root>, one for each victim, mode and account that
# tests/tools/scenario lists; a victim says in its first comment which it wants. Labels: victim, the
# mode and the account.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

set(scenario ${CMAKE_CURRENT_SOURCE_DIR}/tools/scenario)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${scenario} ${victim_sources})

add_executable(regdump tools/regdump.c)
target_compile_options(regdump PRIVATE -fno-sanitize=all)
target_link_options(regdump PRIVATE -fno-sanitize=all)
pk_warnings(regdump)

execute_process(COMMAND ${Python3_EXECUTABLE} ${scenario} --tests
  OUTPUT_VARIABLE victim_tests RESULT_VARIABLE result)
if(result)
  message(FATAL_ERROR "${scenario} --tests failed: ${result}")
endif()
string(REGEX MATCHALL "[^\n]+" victim_tests "${victim_tests}")
foreach(test ${victim_tests})
  separate_arguments(test)
  list(POP_FRONT test name mode account timeout lock stdio)
  set(title victim.${name}.${mode}.${account})
  set(more "")
  if(NOT stdio STREQUAL "-")
    set(title victim.${name}-${stdio}.${mode}.${account})
    set(more --stdio ${stdio})
  endif()
  add_test(NAME ${title} COMMAND ${Python3_EXECUTABLE} ${scenario} --as ${account} --mode ${mode}
    --pckpt $<TARGET_FILE:pckpt> --regdump $<TARGET_FILE:regdump> --timeout ${timeout} ${more}
    $<TARGET_FILE:victim-${name}>)
  set_tests_properties(${title} PROPERTIES LABELS "victim;${mode};${account}" SKIP_RETURN_CODE 77)
  if(NOT lock STREQUAL "-")
    set_tests_properties(${title} PROPERTIES RESOURCE_LOCK ${lock})
  endif()
endforeach()

# In a pid namespace whose session began outside of it (number 0), as in many containers: the job's
# group has a number, or is the first process's.
foreach(name tree_family tree_sessions)
  foreach(account user root)
    foreach(shape "timeout 60 $0 $@ && exit 0" "exec timeout 60 $0 $@")
      string(REGEX MATCH "^[a-z]+" group ${shape})
      set(title victim.${name}.container-${group}.${account})
      add_test(NAME ${title} COMMAND unshare --pid --fork --mount-proc sh -c ${shape}
        ${Python3_EXECUTABLE} ${scenario} --as ${account} --mode twice
        --pckpt $<TARGET_FILE:pckpt> --regdump $<TARGET_FILE:regdump> $<TARGET_FILE:victim-${name}>)
      set_tests_properties(${title} PROPERTIES LABELS "victim;${account}" SKIP_RETURN_CODE 77)
    endforeach()
  endforeach()
endforeach()
