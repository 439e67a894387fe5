/* Loaded before a program of ours, it shifts the wall clock of that one process by so many seconds as the file says that
   CLOCK_STEP names: eight bytes, mapped, so that a step is seen at once. The monotonic clock stays as it is.
   librdkafka computes the ends of its waits by the wall clock, and they are shifted back for the system. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none = 0;
static const volatile int64_t *seconds = &none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_STEP");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) abort();
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) abort();
    seconds = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long done = syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && clock == CLOCK_REALTIME) now->tv_sec += *seconds;
    return (int)done;
}

typedef int timedwait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    static timedwait *real;
    if (!real) real = (timedwait *)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real) real = (timedwait *)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec shifted = *until;
    shifted.tv_sec -= *seconds;
    return real(condition, mutex, &shifted);
}
