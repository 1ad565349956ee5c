/*
 * Runs a fuzz target's seeds without libFuzzer: `fuzz_x DIR` feeds it every file of the folder, and
 * every prefix of the small ones, which costs nothing and finds what reads past an end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLAY_MAX_BYTES    (1 << 20)
#define REPLAY_PREFIX_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An exact allocation each time, so that AddressSanitizer sees one byte too many. */
static void replay(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay_file(const char *dir, const char *name, uint8_t *bytes)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t size = fread(bytes, 1, REPLAY_MAX_BYTES, file);
    fclose(file);
    replay(bytes, size);
    for (size_t prefix = 0; size <= REPLAY_PREFIX_BYTES && prefix < size; prefix++)
        replay(bytes, prefix);
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    uint8_t *bytes = malloc(REPLAY_MAX_BYTES);
    if (!dir || !bytes) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER (which must exist)\n", argv[0]);
        return 2;
    }
    size_t seeds = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        replay_file(argv[1], entry->d_name, bytes);
        seeds++;
    }
    closedir(dir);
    free(bytes);
    printf("%s: %zu seeds\n", argv[0], seeds);
    return seeds ? 0 : 1;
}
