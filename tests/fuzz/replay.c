/* Runs a fuzz target on files, without a fuzzer: tools/c-tests does so with the
 * corpus, under each of its sanitizers. */
#include "fuzz.h"

#define MOST 65536

int
main(int count, char **names)
{
    static uint8_t data[MOST];
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        if (file == NULL) {
            perror(names[i]);
            return 1;
        }
        size_t size = fread(data, 1, sizeof data, file);
        (void)fclose(file);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    printf("%s: %d inputs\n", names[0], count - 1);
    return 0;
}
