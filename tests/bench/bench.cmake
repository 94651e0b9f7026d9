# SPDX-License-Identifier: Apache-2.0
# The bench itself is run by hand, on an idle machine with a release build: tests/bench/run. Here only
# that it works.
add_test(NAME bench.smoke
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/bench/run --mib 16 --rounds 1 --pckpt $<TARGET_FILE:pckpt>)
set_tests_properties(bench.smoke PROPERTIES LABELS bench TIMEOUT 300)
