# Headers under include/kindling/<folder>/, static libraries, and a package for find_package(kindling).
include(CMakePackageConfigHelpers)

foreach(folder IN LISTS KINDLING_FOLDERS)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kindling FILES_MATCHING PATTERN "*.h")
  list(APPEND KINDLING_TARGETS kindling_${folder})
endforeach()
install(FILES ${CMAKE_SOURCE_DIR}/kindling.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kindling)
install(TARGETS ${KINDLING_TARGETS} kindling EXPORT kindlingTargets)
install(TARGETS kindling_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kindling)
install(EXPORT kindlingTargets NAMESPACE kindling:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/kindlingConfig.cmake.in ${CMAKE_BINARY_DIR}/kindlingConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/kindlingConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/kindlingConfig.cmake ${CMAKE_BINARY_DIR}/kindlingConfigVersion.cmake
  ${CMAKE_SOURCE_DIR}/cmake/KindlingDependencies.cmake DESTINATION ${package_dir})
