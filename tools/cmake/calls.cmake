# cmake -DCC=COMPILER -DTO=FILE.c -P calls.cmake: the names of the target's system calls, by number.
execute_process(COMMAND ${CC} -E -dM -include sys/syscall.h -x c /dev/null
    OUTPUT_VARIABLE defines COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "#define SYS_[a-z0-9_]+ " names "${defines}")
list(SORT names)
set(lines "")
foreach(name ${names})
    string(REGEX REPLACE "#define SYS_([a-z0-9_]+) " "\\1" name "${name}")
    string(APPEND lines "\t[SYS_${name}] = \"${name}\",\n")
endforeach()
file(WRITE ${TO} "#include \"sandbox/sandbox.h\"\n#include <sys/syscall.h>\n"
    "static const char *const names[] = {\n${lines}};\n"
    "const char *sandbox_call_name(int number)\n{\n"
    "\treturn number >= 0 && (size_t)number < sizeof(names) / sizeof(names[0]) ? names[number] : NULL;\n}\n")
