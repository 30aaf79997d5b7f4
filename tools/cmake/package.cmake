# The Debian package: cpack --config build/release/CPackConfig.cmake -B DIRECTORY

# Who builds a package answers for it: as devscripts has it, or as git has it.
function(find_contact result)
    set(name $ENV{DEBFULLNAME})
    set(address $ENV{DEBEMAIL})
    if(NOT address)
        execute_process(COMMAND git config user.name OUTPUT_VARIABLE name ERROR_QUIET
            OUTPUT_STRIP_TRAILING_WHITESPACE WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
        execute_process(COMMAND git config user.email OUTPUT_VARIABLE address ERROR_QUIET
            OUTPUT_STRIP_TRAILING_WHITESPACE WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    endif()
    if(NOT name)
        set(name "Unknown")
    endif()
    if(NOT address)
        set(address "unknown@ferry.invalid")
    endif()
    set(${result} "${name} <${address}>" PARENT_SCOPE)
endfunction()

find_contact(contact)
set(FERRY_CONTACT "${contact}" CACHE STRING "who answers for the package: NAME <ADDRESS>")
set(doc ${CMAKE_INSTALL_DATADIR}/doc/ferry)

configure_file(tools/package/changelog.in package/changelog @ONLY)
foreach(file ${CMAKE_BINARY_DIR}/package/changelog ${CMAKE_SOURCE_DIR}/CHANGELOG.md)
    get_filename_component(name ${file} NAME)
    add_custom_command(OUTPUT package/${name}.gz DEPENDS ${file} VERBATIM
        COMMAND gzip -9nc ${file} > ${CMAKE_BINARY_DIR}/package/${name}.gz)
    list(APPEND docs ${CMAKE_BINARY_DIR}/package/${name}.gz)
endforeach()
add_custom_target(package-docs ALL DEPENDS ${docs})
install(FILES ${docs} ${CMAKE_SOURCE_DIR}/README.md tools/package/copyright DESTINATION ${doc}
    COMPONENT runtime)
install(FILES tools/package/ferry@.service DESTINATION lib/systemd/system COMPONENT runtime)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL runtime)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_CONTACT ${FERRY_CONTACT})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME ferry)
set(CPACK_DEBIAN_RUNTIME_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION
    "ferry boots kernels in virtual machines, moves running ones from host to
 host, and boots them by the hundred for continuous integration.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
# Loaded or started when they are wanted: migration over TLS, networks without privilege; tarballs and
# qcow2 images of tests.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "libgnutls30, passt")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "libarchive13, qemu-utils")
include(CPack)
