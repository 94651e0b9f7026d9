# SPDX-License-Identifier: Apache-2.0
# The tables in the documents are made from the code: scripts/gen-docs. Here that they are up to date.
add_executable(tables tools/tables.c)
target_link_libraries(tables PRIVATE pk_kind)
pk_warnings(tables)

add_test(NAME docs.tables
  COMMAND ${CMAKE_SOURCE_DIR}/scripts/gen-docs --check $<TARGET_FILE:tables>)
set_tests_properties(docs.tables PROPERTIES LABELS docs TIMEOUT 60)
