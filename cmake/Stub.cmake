# SPDX-License-Identifier: Apache-2.0
# Builds the injected blob (lib/stub): compile freestanding, link to one section at address 0, refuse
# relocations and anything over a page (stub.lds, scripts/check-stub), embed the bytes.
function(pk_stub_library target)
  set(dir ${CMAKE_CURRENT_SOURCE_DIR}/lib/stub)
  set(arch ${dir}/arch/${CMAKE_SYSTEM_PROCESSOR})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/stub)
  find_program(PK_LD NAMES ld.bfd REQUIRED) # the script is written for GNU ld
  # freestanding, no-builtin: no libc to call (a loop must not become memset)
  # fPIE, hidden: runs at any address without a GOT
  # no-stack-protector: no TLS canary there; no-jump-tables: they would need relocations
  # cf-protection=none: no endbr; entered by a debugger only
  # mno-sse etc.: the thread's vector registers belong to the job
  set(flags -std=gnu11 -Os -g0 -Wall -Wextra -Werror -ffreestanding -fno-builtin -fPIE
    -fvisibility=hidden -fno-stack-protector -fno-jump-tables -fcf-protection=none
    -fno-asynchronous-unwind-tables -fno-unwind-tables -mgeneral-regs-only
    -I${dir} -I${arch})
  set(sources ${dir}/op.h ${dir}/stub.c ${dir}/stub.lds ${arch}/sys.h ${arch}/entry.S)
  file(MAKE_DIRECTORY ${out})
  add_custom_command(
    OUTPUT ${out}/stub.bin
    DEPENDS ${sources} ${CMAKE_CURRENT_SOURCE_DIR}/scripts/check-stub
    COMMAND ${CMAKE_C_COMPILER} ${flags} -c ${dir}/stub.c -o ${out}/stub.o
    COMMAND ${CMAKE_C_COMPILER} ${flags} -c ${arch}/entry.S -o ${out}/entry.o
    COMMAND ${PK_LD} --fatal-warnings -T ${dir}/stub.lds ${out}/entry.o ${out}/stub.o
            -o ${out}/stub.elf
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/scripts/check-stub ${out}/stub.elf
    COMMAND ${CMAKE_OBJCOPY} -O binary -j .text ${out}/stub.elf ${out}/stub.bin
    VERBATIM)
  set_source_files_properties(lib/stub/embed.S PROPERTIES
    OBJECT_DEPENDS ${out}/stub.bin COMPILE_DEFINITIONS "PK_STUB_BIN=\"${out}/stub.bin\"")
  add_library(${target} STATIC lib/stub/embed.S)
  target_include_directories(${target} PUBLIC lib)
endfunction()
