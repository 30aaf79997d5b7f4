# cmake -DFROM=FILE -DTO=FILE.c -DNAME=NAME -P embed.cmake: FILE as an array of C, and its size.
file(READ ${FROM} bytes HEX)
string(LENGTH "${bytes}" size)
math(EXPR size "${size} / 2")
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)" "\\1\n"
    bytes "${bytes}")
file(WRITE ${TO} "#include \"smoke/init.h\"\nconst unsigned char ${NAME}[] = {\n${bytes}\n};\n"
    "const size_t ${NAME}_size = ${size};\n")
