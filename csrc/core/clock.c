#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L
#endif
#include "core/clock.h"

#define NS_PER_S INT64_C(1000000000)

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* 100 ns steps from 1601-01-01 (FILETIME) to 1970-01-01. */
#define FILETIME_EPOCH INT64_C(116444736000000000)

int64_t
onex_clock_wall_ns(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    int64_t steps =
        (int64_t)(((uint64_t)now.dwHighDateTime << 32) | now.dwLowDateTime);
    return (steps - FILETIME_EPOCH) * 100;
}

int64_t
onex_clock_monotonic_ns(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    int64_t whole = ticks.QuadPart / per_second.QuadPart;
    int64_t rest = ticks.QuadPart % per_second.QuadPart;
    return whole * NS_PER_S + rest * NS_PER_S / per_second.QuadPart;
}

#else

#include <time.h>

/* A sandbox may refuse the one clock or both: then the next best one. */
static int64_t
read_clock(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0 &&
        (clock == CLOCK_REALTIME || clock_gettime(CLOCK_REALTIME, &now) != 0)) {
        now = (struct timespec){.tv_sec = time(NULL)};
    }
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t
onex_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t
onex_clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

#endif

int64_t
onex_clock_wall_us(void)
{
    return onex_clock_us_of_ns(onex_clock_wall_ns());
}
