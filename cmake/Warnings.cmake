# SPDX-License-Identifier: Apache-2.0
function(pk_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wimplicit-fallthrough
    -Wpointer-arith -Wformat=2 -Wundef -Wno-format-nonliteral)
  if(PCKPT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
