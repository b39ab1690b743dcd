#include <stdio.h>
#include <string.h>
#include <zlib.h>

int main(void) {
    const char *text = "a text, a text, a text, a text, a text";
    Bytef packed[128], unpacked[128];
    uLongf small = sizeof packed, large = sizeof unpacked;
    if (compress(packed, &small, (const Bytef *)text, strlen(text) + 1) != Z_OK) return 1;
    if (uncompress(unpacked, &large, packed, small) != Z_OK) return 1;
    printf("%s: %lu bytes in %lu\n", zlibVersion(), (unsigned long)large, (unsigned long)small);
    return strcmp(text, (const char *)unpacked) != 0;
}
