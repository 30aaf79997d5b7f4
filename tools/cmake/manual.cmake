# Manual pages and completions: the program prints them from its own tables. One that is built for
# another kind of CPU cannot be asked, and has none.
if(CMAKE_CROSSCOMPILING)
    return()
endif()

set(manual ${CMAKE_BINARY_DIR}/manual)
file(MAKE_DIRECTORY ${manual})
set(pages "")

# from_ferry(FILE ARGUMENT…): what `ferry help ARGUMENT…` prints.
function(from_ferry file)
    add_custom_command(OUTPUT ${manual}/${file} DEPENDS ferry-bin VERBATIM
        COMMAND $<TARGET_FILE:ferry-bin> help ${ARGN} > ${manual}/${file})
endfunction()

# add_page(NAME): gzipped without a time, so that it is the same wherever it is built.
macro(add_page name)
    add_custom_command(OUTPUT ${manual}/${name}.gz DEPENDS ${manual}/${name} VERBATIM
        COMMAND gzip -9nc ${manual}/${name} > ${manual}/${name}.gz)
    list(APPEND pages ${manual}/${name}.gz)
endmacro()

from_ferry(ferry.1 --man)
add_page(ferry.1)
foreach(command run ctl list migrate snapshot inspect smoke stat doctor help version)
    from_ferry(ferry-${command}.1 ${command} --man)
    add_page(ferry-${command}.1)
endforeach()
add_custom_command(OUTPUT ${manual}/ferry-stream.7 VERBATIM
    DEPENDS ${CMAKE_SOURCE_DIR}/src/migrate/STREAM.md ${CMAKE_SOURCE_DIR}/tools/stream-man
    COMMAND awk -v version=${PROJECT_VERSION} -f ${CMAKE_SOURCE_DIR}/tools/stream-man
        ${CMAKE_SOURCE_DIR}/src/migrate/STREAM.md > ${manual}/ferry-stream.7)
add_page(ferry-stream.7)

from_ferry(ferry.bash --completion bash)
from_ferry(_ferry --completion zsh)
from_ferry(ferry.fish --completion fish)
add_custom_target(manual ALL DEPENDS ${pages} ${manual}/ferry.bash ${manual}/_ferry
    ${manual}/ferry.fish)

foreach(page ${pages})
    string(REGEX REPLACE ".*\\.([17])\\.gz$" "man\\1" section ${page})
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/${section} COMPONENT runtime)
endforeach()
install(FILES ${manual}/ferry.bash RENAME ferry COMPONENT runtime
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${manual}/_ferry COMPONENT runtime
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${manual}/ferry.fish COMPONENT runtime
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
