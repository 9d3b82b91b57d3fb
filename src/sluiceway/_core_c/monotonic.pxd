# The monotonic clock of the system in nanoseconds. A call of time.monotonic_ns() costs ten times as much.

cdef extern from *:
    """
    #ifdef _WIN32
    #include <windows.h>
    static long long sluiceway_monotonic_ns(void) {
        LARGE_INTEGER count, frequency;
        QueryPerformanceCounter(&count);
        QueryPerformanceFrequency(&frequency);
        return (long long)((double)count.QuadPart * 1e9 / (double)frequency.QuadPart);
    }
    #else
    #include <time.h>
    static long long sluiceway_monotonic_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    #endif
    """
    long long monotonic_ns "sluiceway_monotonic_ns"() noexcept nogil
