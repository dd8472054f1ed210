/* Stands between the real program and the C library (LD_PRELOAD), so that the program needs no test code of its own:
 *
 * - it counts what the program does to the database's files and to TCP connections, and at the call the matrix names it kills
 *   the process, fails the call, cuts it short or holds a lock;
 * - it keeps what was written and not yet flushed, so that the matrix can take it back: what a power cut does;
 * - it holds a process up before each lock, by chance, so that two of them meet in every order;
 * - it lets time pass faster, so that a deadline of ten minutes is over in seconds.
 *
 * Linux with glibc alone. Its settings come from the environment (shim.rs), what it did is in a file both sides have mapped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What is counted. The order is the one of `Edge` in shim.rs. */
enum { DB_WRITE, WAL_WRITE, SYNC, TRUNCATE, UNLINK, LOCK, CONNECT, SEND, RECEIVE, EDGES };
/* What is done. The order is the one of `Deed` in shim.rs. */
enum { NOTHING, KILL_BEFORE, KILL_HALFWAY, KILL_AFTER, ABORT, FULL, INPUT_OUTPUT, LOCKED };
/* How far the furthest connection is. The order is the one of `STAGES` in shim.rs. */
enum { NO_CONNECTION, CONNECTED, ENVELOPE, DATA_ASKED, CONTENT_SENT, DOT_SENT, ANSWERED };

#define FDS 4096

/* What the matrix reads afterwards. */
struct account {
    uint64_t fired, stage, counts[EDGES];
};

static struct account *account;
static int edge = -1, deed = NOTHING, undo = -1, is_lockless;
static uint64_t at, lasts_ms; /* 0: only that call; UINT64_MAX: for ever */
static double pace = 1;
static uint64_t chance, held_up_us_max;
static int send_buffer; /* how many bytes a connection takes at once; 0: as many as the system likes */
static int64_t mono_start, wall_start, wall_shown;
static int64_t fault_until;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static unsigned char kind_of[FDS];  /* 0: none of ours; else the file below, or TCP */
static unsigned char stage_of[FDS];
enum { NONE, DB, WAL, SHM, TCP };

#define REAL(result, name, ...)                                     \
    static result (*real)(__VA_ARGS__);                             \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int64_t nanoseconds(clockid_t id) {
    struct timespec t;
    syscall(SYS_clock_gettime, id, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((constructor)) static void start(void) {
    const char *text;
    mono_start = nanoseconds(CLOCK_MONOTONIC);
    if ((text = getenv("MATRIX_ACCOUNT"))) {
        int fd = syscall(SYS_openat, AT_FDCWD, text, O_RDWR);
        if (fd >= 0) account = mmap(0, sizeof *account, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (account == MAP_FAILED) account = 0;
    }
    if ((text = getenv("MATRIX_FAULT"))) {
        unsigned long long n, ms;
        if (sscanf(text, "%d %d %llu %llu", &edge, &deed, &n, &ms) == 4) at = n, lasts_ms = ms;
    }
    if ((text = getenv("MATRIX_CLOCK"))) sscanf(text, "%ld %ld %lf", &wall_start, &wall_shown, &pace);
    if ((text = getenv("MATRIX_UNDO"))) undo = syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if ((text = getenv("MATRIX_JITTER"))) sscanf(text, "%lu %lu", &chance, &held_up_us_max);
    if ((text = getenv("MATRIX_SEND_BUFFER"))) send_buffer = atoi(text);
    is_lockless = getenv("MATRIX_LOCKLESS") != 0;
}

static int kind(int fd) { return fd >= 0 && fd < FDS ? kind_of[fd] : NONE; }

/* Returns whether this call is to fail, half is set where only half of it shall be done before the end. */
static int step(int which, int *half) {
    *half = 0;
    if (!account) return 0;
    uint64_t number = __atomic_add_fetch(&account->counts[which], 1, __ATOMIC_SEQ_CST);
    if (which != edge || number < at || deed == NOTHING) return 0;
    if (number == at) {
        uint64_t furthest = NO_CONNECTION;
        for (int fd = 0; fd < FDS; fd++)
            if (kind_of[fd] == TCP && stage_of[fd] > furthest) furthest = stage_of[fd];
        account->stage = furthest;
        account->fired = 1;
        fault_until = lasts_ms == UINT64_MAX ? INT64_MAX : nanoseconds(CLOCK_MONOTONIC) + (int64_t)lasts_ms * 1000000;
    }
    switch (deed) {
    case KILL_BEFORE:
        if (number == at) kill(getpid(), SIGKILL);
        return 0;
    case ABORT:
        if (number == at) abort();
        return 0;
    case KILL_HALFWAY:
        *half = number == at;
        return 0;
    case KILL_AFTER:
        return 0; /* done() kills */
    }
    if (number == at || nanoseconds(CLOCK_MONOTONIC) < fault_until) {
        errno = deed == FULL ? ENOSPC : deed == LOCKED ? EAGAIN : EIO;
        return 1;
    }
    return 0;
}

static void done(int which, int half) {
    if (half || (deed == KILL_AFTER && which == edge && account && account->fired)) kill(getpid(), SIGKILL);
}

/* ---- the database's files ---- */

static void learn(int fd, const char *path) {
    if (fd < 0 || fd >= FDS) return;
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    kind_of[fd] = strcmp(name, "dunlin.db") == 0       ? DB
                  : strcmp(name, "dunlin.db-wal") == 0 ? WAL
                  : strcmp(name, "dunlin.db-shm") == 0 ? SHM
                                                       : NONE;
}

#define OPEN(name, type)                                                        \
    int name(const char *path, int flags, ...) {                                \
        REAL(int, #name, const char *, int, ...);                               \
        va_list rest;                                                           \
        va_start(rest, flags);                                                  \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                           \
        int fd = real(path, flags, mode);                                       \
        learn(fd, path);                                                        \
        return fd;                                                              \
    }
OPEN(open, int)
OPEN(open64, int)

int close(int fd) {
    REAL(int, "close", int);
    if (fd >= 0 && fd < FDS) kind_of[fd] = NONE, stage_of[fd] = NO_CONNECTION;
    return real(fd);
}

/* One entry of the journal that a power cut is made from; old and new bytes follow it. */
struct entry {
    uint64_t type, file, offset, length, old_size, old_length;
};
enum { WRITTEN, FLUSHED, CUT, GONE };

static void journal(uint64_t type, int file, uint64_t offset, const void *bytes, uint64_t length, int fd) {
    if (undo < 0) return;
    struct entry entry = {type, file, offset, bytes ? length : 0, 0, 0};
    char *old = 0;
    if (type == WRITTEN || type == CUT) {
        struct stat stat;
        fstat(fd, &stat);
        entry.old_size = stat.st_size;
        if (type == CUT) length = entry.old_size > offset ? entry.old_size - offset : 0;
        old = malloc(length ? length : 1);
        ssize_t got = length ? syscall(SYS_pread64, fd, old, length, offset) : 0;
        entry.old_length = got > 0 ? got : 0;
    }
    struct iovec parts[3] = {{&entry, sizeof entry}, {old, entry.old_length}, {(void *)bytes, entry.length}};
    syscall(SYS_writev, undo, parts, 3);
    free(old);
}

#define PWRITE(name)                                                                        \
    ssize_t name(int fd, const void *bytes, size_t length, off_t offset) {                  \
        REAL(ssize_t, #name, int, const void *, size_t, off_t);                             \
        int file = kind(fd), half;                                                          \
        if (file != DB && file != WAL) return real(fd, bytes, length, offset);              \
        int which = file == DB ? DB_WRITE : WAL_WRITE;                                      \
        if (step(which, &half)) return -1;                                                  \
        pthread_mutex_lock(&order);                                                         \
        if (half) length = length / 2;                                                      \
        journal(WRITTEN, file, offset, bytes, length, fd);                                  \
        ssize_t written = real(fd, bytes, length, offset);                                  \
        pthread_mutex_unlock(&order);                                                       \
        done(which, half);                                                                  \
        return written;                                                                     \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define FLUSH(name)                                                \
    int name(int fd) {                                             \
        REAL(int, #name, int);                                     \
        int file = kind(fd), half;                                 \
        if (file != DB && file != WAL) return real(fd);            \
        if (step(SYNC, &half)) return -1;                          \
        if (half) done(SYNC, half);                                \
        int failed = real(fd);                                     \
        pthread_mutex_lock(&order);                                \
        if (!failed) journal(FLUSHED, file, 0, 0, 0, fd);          \
        pthread_mutex_unlock(&order);                              \
        done(SYNC, half);                                          \
        return failed;                                             \
    }
FLUSH(fsync)
FLUSH(fdatasync)

#define TRUNCATION(name)                                                            \
    int name(int fd, off_t length) {                                                \
        REAL(int, #name, int, off_t);                                               \
        int file = kind(fd), half;                                                  \
        if (file != DB && file != WAL) return real(fd, length);                     \
        if (step(TRUNCATE, &half)) return -1;                                       \
        pthread_mutex_lock(&order);                                                 \
        journal(CUT, file, length, 0, 0, fd);                                       \
        int failed = real(fd, length);                                              \
        pthread_mutex_unlock(&order);                                               \
        done(TRUNCATE, half);                                                       \
        return failed;                                                              \
    }
TRUNCATION(ftruncate)
TRUNCATION(ftruncate64)

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    size_t length = strlen(path);
    int half;
    if (length < 13 || strcmp(path + length - 13, "dunlin.db-wal") != 0) return real(path);
    if (step(UNLINK, &half)) return -1;
    int failed = real(path);
    pthread_mutex_lock(&order);
    if (!failed) journal(GONE, WAL, 0, 0, 0, -1);
    pthread_mutex_unlock(&order);
    done(UNLINK, half);
    return failed;
}

static void hold_up(void) {
    if (!held_up_us_max) return;
    uint64_t drawn = __atomic_add_fetch(&chance, 0x9e3779b97f4a7c15, __ATOMIC_SEQ_CST);
    drawn = (drawn ^ (drawn >> 30)) * 0xbf58476d1ce4e5b9;
    struct timespec t = {0, (long)((drawn >> 20) % held_up_us_max) * 1000};
    syscall(SYS_nanosleep, &t, 0);
}

#define CONTROL(name)                                                                                           \
    int name(int fd, int command, ...) {                                                                        \
        REAL(int, #name, int, int, ...);                                                                        \
        va_list rest;                                                                                           \
        va_start(rest, command);                                                                                \
        void *argument = va_arg(rest, void *);                                                                  \
        va_end(rest);                                                                                           \
        int half;                                                                                               \
        int is_lock = command == F_SETLK && kind(fd) != NONE && ((struct flock *)argument)->l_type == F_WRLCK; \
        if (!is_lock) return real(fd, command, argument);                                                       \
        hold_up();                                                                                              \
        if (step(LOCK, &half)) return -1;                                                                       \
        int result = real(fd, command, argument), error = errno;                                                \
        done(LOCK, 0);                                                                                          \
        errno = error;                                                                                          \
        return result;                                                                                          \
    }
CONTROL(fcntl)
CONTROL(fcntl64)

/* A file system whose locks do not work, as some network ones: two processes get past the lock file. */
int flock(int fd, int operation) {
    REAL(int, "flock", int, int);
    return is_lockless ? 0 : real(fd, operation);
}

/* ---- connections ---- */

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    REAL(int, "connect", int, const struct sockaddr *, socklen_t);
    int half;
    if (fd < 0 || fd >= FDS || address->sa_family != AF_INET) return real(fd, address, length);
    if (step(CONNECT, &half)) return -1;
    kind_of[fd] = TCP, stage_of[fd] = CONNECTED;
    if (send_buffer) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    int result = real(fd, address, length);
    int error = errno;
    done(CONNECT, half);
    errno = error;
    return result;
}

static int ends(const char *bytes, size_t length, const char *end) {
    size_t size = strlen(end);
    return length >= size && memcmp(bytes + length - size, end, size) == 0;
}

static int is_command(const char *bytes, size_t length) {
    return ends(bytes, length, "\r\n") && length <= 512 && !memchr(bytes, ':', length < 5 ? length : 5);
}

static void note_sent(int fd, const char *bytes, size_t length) {
    if (memmem(bytes, length, "\r\n.\r\n", 5)) stage_of[fd] = DOT_SENT;
    else if (ends(bytes, length, "DATA\r\n")) stage_of[fd] = DATA_ASKED;
    else if (length > 4 && memcmp(bytes, "MAIL", 4) == 0) stage_of[fd] = ENVELOPE;
    /* The envelope may have gone with the dot before it; then the content comes after the answer to that. */
    else if (stage_of[fd] == DATA_ASKED || (stage_of[fd] == ANSWERED && !is_command(bytes, length))) stage_of[fd] = CONTENT_SENT;
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
    int half;
    if (kind(fd) != TCP) return real(fd, bytes, length, flags);
    if (step(SEND, &half)) return -1;
    if (half) length /= 2;
    note_sent(fd, bytes, length);
    ssize_t sent = real(fd, bytes, length, flags);
    int error = errno;
    done(SEND, half);
    errno = error;
    return sent;
}

/* The parts of a vectored write, one after the other; a caller copes with having written less than it asked for. */
static ssize_t send_parts(int fd, const struct iovec *parts, int count, int flags) {
    ssize_t sum = 0;
    for (int part = 0; part < count; part++) {
        if (!parts[part].iov_len) continue;
        ssize_t sent = send(fd, parts[part].iov_base, parts[part].iov_len, flags | MSG_NOSIGNAL);
        if (sent < 0) return sum ? sum : sent;
        sum += sent;
        if ((size_t)sent < parts[part].iov_len) break;
    }
    return sum;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    return kind(fd) == TCP ? send_parts(fd, parts, count, 0) : real(fd, parts, count);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    return kind(fd) == TCP ? send_parts(fd, message->msg_iov, message->msg_iovlen, flags) : real(fd, message, flags);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return kind(fd) == TCP ? send(fd, bytes, length, MSG_NOSIGNAL) : real(fd, bytes, length);
}

ssize_t recv(int fd, void *bytes, size_t length, int flags) {
    REAL(ssize_t, "recv", int, void *, size_t, int);
    ssize_t got = real(fd, bytes, length, flags);
    int error = errno, half;
    /* A look ahead, or nothing there yet, is no step of the dialogue. */
    if (kind(fd) != TCP || got <= 0 || flags & MSG_PEEK) return errno = error, got;
    if (stage_of[fd] == DOT_SENT) stage_of[fd] = ANSWERED;
    if (step(RECEIVE, &half)) return -1;
    done(RECEIVE, half);
    errno = error;
    return got;
}

/* ---- time ---- */

int clock_gettime(clockid_t id, struct timespec *t) {
    int failed = syscall(SYS_clock_gettime, id, t);
    if (failed || pace == 1) return failed;
    int64_t is = t->tv_sec * 1000000000LL + t->tv_nsec;
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) is = wall_shown + (int64_t)((is - wall_start) * pace);
    else if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_BOOTTIME)
        is = mono_start + (int64_t)((is - mono_start) * pace);
    t->tv_sec = is / 1000000000LL, t->tv_nsec = is % 1000000000LL;
    return 0;
}

int gettimeofday(struct timeval *t, void *zone) {
    struct timespec is;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &is);
    t->tv_sec = is.tv_sec, t->tv_usec = is.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t) {
    struct timespec is;
    clock_gettime(CLOCK_REALTIME, &is);
    if (t) *t = is.tv_sec;
    return is.tv_sec;
}

static struct timespec shortened(const struct timespec *t) {
    int64_t is = (t->tv_sec * 1000000000.0 + t->tv_nsec) / pace;
    return (struct timespec){is / 1000000000LL, is % 1000000000LL};
}

static struct timespec true_instant(const struct timespec *t, int is_wall) {
    int64_t is = t->tv_sec * 1000000000LL + t->tv_nsec;
    is = is_wall ? wall_start + (int64_t)((is - wall_shown) / pace) : mono_start + (int64_t)((is - mono_start) / pace);
    return (struct timespec){is / 1000000000LL, is % 1000000000LL};
}

int nanosleep(const struct timespec *t, struct timespec *rest) {
    REAL(int, "nanosleep", const struct timespec *, struct timespec *);
    struct timespec less = shortened(t);
    return real(&less, rest);
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *t, struct timespec *rest) {
    REAL(int, "clock_nanosleep", clockid_t, int, const struct timespec *, struct timespec *);
    struct timespec less = flags & TIMER_ABSTIME ? true_instant(t, id == CLOCK_REALTIME) : shortened(t);
    return real(id, flags, &less, rest);
}

static int shortened_ms(int ms) { return ms <= 0 || pace == 1 ? ms : (int)(ms / pace) + 1; }

int epoll_wait(int fd, struct epoll_event *events, int count, int ms) {
    REAL(int, "epoll_wait", int, struct epoll_event *, int, int);
    return real(fd, events, count, shortened_ms(ms));
}

int poll(struct pollfd *fds, nfds_t count, int ms) {
    REAL(int, "poll", struct pollfd *, nfds_t, int);
    return real(fds, count, shortened_ms(ms));
}

/* The Rust library waits on its locks and conditions by bare system calls. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    va_list rest;
    va_start(rest, number);
    long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long), d = va_arg(rest, long), e = va_arg(rest, long),
         f = va_arg(rest, long);
    va_end(rest);
    struct timespec less;
    if (number == SYS_futex && d && pace != 1) {
        int command = b & FUTEX_CMD_MASK;
        if (command == FUTEX_WAIT_BITSET) less = true_instant((struct timespec *)d, b & FUTEX_CLOCK_REALTIME), d = (long)&less;
        else if (command == FUTEX_WAIT) less = shortened((struct timespec *)d), d = (long)&less;
    }
    return real(number, a, b, c, d, e, f);
}
