# How a folder says what it builds: quern_library, quern_program, quern_test.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

set(QUERN_WARNINGS -Wall -Wextra -Wshadow -Wpointer-arith -Wvla -Wundef)
set(QUERN_CUDA_WARNINGS -Xcompiler=-Wall,-Wextra)
set(QUERN_C_WARNINGS ${QUERN_WARNINGS} -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition)
if(QUERN_WERROR)
  list(APPEND QUERN_WARNINGS -Werror)
  list(APPEND QUERN_C_WARNINGS -Werror)
  list(APPEND QUERN_CUDA_WARNINGS -Werror=all-warnings -Xcompiler=-Werror)
endif()

function(quern_compile target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE QUERN_VERSION="${PROJECT_VERSION}")
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:C>:${QUERN_C_WARNINGS};-include;${PROJECT_SOURCE_DIR}/base/banned.h>"
    "$<$<COMPILE_LANGUAGE:CXX>:${QUERN_WARNINGS}>"
    "$<$<COMPILE_LANGUAGE:CUDA>:${QUERN_CUDA_WARNINGS};${QUERN_CUDA_OPTIONS}>"
    # The same bits from the same source: no contraction that depends on the compiler's mood, no reassociation.
    "$<$<COMPILE_LANGUAGE:C,CXX>:-ffp-contract=off;-fno-math-errno>")
  if(QUERN_SANITIZE)
    target_compile_options(${target} PRIVATE
      "$<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${QUERN_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>")
    target_link_options(${target} PRIVATE -fsanitize=${QUERN_SANITIZE})
  endif()
endfunction()

# quern_library(NAME SOURCES a.c b.c LINKS quern_base ...): libNAME.a, C face, may hold C++ inside.
function(quern_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LINKS} Threads::Threads m)
  quern_compile(${name})
endfunction()

# quern_program(quern-corpus SOURCES cmd_corpus.c LINKS quern_corpus): bin/quern-corpus, installed.
function(quern_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
  quern_compile(${name})
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# quern_test(test_status LINKS quern_base [SOURCES more.c]): a cmocka program from test_status.c, run by tests/run.
function(quern_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${name}.c ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} PkgConfig::CMOCKA)
  quern_compile(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()
