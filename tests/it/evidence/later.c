/* The time of day, ahead by so many seconds as the file says that LATER names: retention is about a year, and a test cannot
 * wait for an hour. Preloaded into a gateway; clocks that only measure go on as they are. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long ahead;

__attribute__((constructor)) static void look(void)
{
    const char *name = getenv("LATER");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (!file)
        return;
    if (fscanf(file, "%ld", &ahead) != 1)
        ahead = 0;
    fclose(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME)
        now->tv_sec += ahead;
    return (int)failed;
}
