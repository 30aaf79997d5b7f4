# The Debian package: cpack --config build/release/CPackConfig.cmake -B DIRECTORY
set(FERRY_CONTACT "The ferry maintainers <maintainers@ferry.invalid>" CACHE STRING
    "who answers for the package: NAME <ADDRESS>")
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
# Loaded when they are wanted: migration over TLS, and networks without privilege.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "libgnutls30, passt")
include(CPack)
