// Prints what a C program speaks: with the static library, or, where LIBRARY names it, with the shared one.
#include <stdio.h>

#ifdef LIBRARY
#include <dlfcn.h>
#else
int dependent_speak(const char * pack);
#endif

int main(int argc, char ** argv) {
    if (argc != 2) {
        return 2;
    }
#ifdef LIBRARY
    void * library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*dependent_speak)(const char *) = (int (*)(const char *)) dlsym(library, "dependent_speak");
    if (!dependent_speak) {
        return 1;
    }
#endif
    return dependent_speak(argv[1]);
}
