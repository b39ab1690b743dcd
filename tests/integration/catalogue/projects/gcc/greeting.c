#include "greeting.h"

#include <stdio.h>

int greeting(char *text, unsigned long size, const char *name) {
    return snprintf(text, size, "hello, %s", name);
}
