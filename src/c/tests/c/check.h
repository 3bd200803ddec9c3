/* Ends the program with a line where something does not hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <syrinx.h>

#define CHECK(what)                                                                              \
    do {                                                                                         \
        if (!(what)) {                                                                           \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #what, syrinx_last_error()); \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

#define SAYS(what) CHECK(strstr(syrinx_last_error(), what))
