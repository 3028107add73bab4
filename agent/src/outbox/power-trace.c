/*
 * Records what a program does to the files of one folder: LD_PRELOAD=power-trace.so POWER_TRACE=<file>
 * POWER_TRACE_DIR=<folder>. Each event is one header and its bytes, written with one write() in the order in which the
 * calls returned. Used by the power-cut test only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE = 2, SYNC = 3, UNLINK = 4, RENAME = 5, CREATE = 6, NAMED = 7 };
#define MAX_FDS 4096
#define MAX_FILES 256

static int trace_fd = -1;
static char dir[PATH_MAX];
static size_t dir_length;
/* Index + 1 of the file that a descriptor belongs to; 0: not one of the folder's. 1: the folder itself. */
static int file_of[MAX_FDS];
static char names[MAX_FILES][256];
static int name_count = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct header {
  uint32_t kind, file;
  uint64_t offset, length;
};

#define REAL(type, name, ...)                           \
  static type (*real)(__VA_ARGS__);                     \
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

static ssize_t raw_write(const void *bytes, size_t length) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return real(trace_fd, bytes, length);
}

__attribute__((constructor)) static void start(void) {
  const char *file = getenv("POWER_TRACE"), *folder = getenv("POWER_TRACE_DIR");
  if (!file || !folder) return;
  strncpy(dir, folder, sizeof dir - 1);
  dir_length = strlen(dir);
  int (*real_open)(const char *, int, ...);
  *(void **)&real_open = dlsym(RTLD_NEXT, "open64");
  int fd = real_open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  trace_fd = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
  close(fd);
  unsetenv("LD_PRELOAD");
}

static void emit(uint32_t kind, uint32_t file, uint64_t offset, const void *bytes, uint64_t length) {
  struct header header = {kind, file, offset, length};
  pthread_mutex_lock(&lock);
  raw_write(&header, sizeof header);
  if (bytes && length) raw_write(bytes, length);
  pthread_mutex_unlock(&lock);
}

/* The number of a path of the folder, 1 for the folder itself, 0 for anything else. A new one is told with its name. */
static int number(const char *path) {
  if (trace_fd < 0 || strncmp(path, dir, dir_length)) return 0;
  if (path[dir_length] == 0) return 1;
  if (path[dir_length] != '/') return 0;
  const char *name = path + dir_length + 1;
  size_t length = strlen(name);
  if (length >= 4 && !strcmp(name + length - 4, "-shm")) return 0;
  for (int i = 1; i < name_count; i++)
    if (!strcmp(names[i], name)) return i + 1;
  if (name_count >= MAX_FILES) abort();
  strncpy(names[name_count], name, 255);
  name_count++;
  emit(NAMED, name_count, 0, name, length);
  return name_count;
}

static void opened(int fd, const char *path, int flags, int was_there) {
  if (fd < 0 || fd >= MAX_FDS) return;
  int file = number(path);
  file_of[fd] = file;
  if (file < 2) return;
  if (!was_there) emit(CREATE, file, 0, 0, 0);
  else if (flags & O_TRUNC) emit(TRUNCATE, file, 0, 0, 0);
}

#define OPEN(name)                                                     \
  int name(const char *path, int flags, ...) {                         \
    va_list rest;                                                      \
    va_start(rest, flags);                                             \
    mode_t mode = va_arg(rest, mode_t);                                \
    va_end(rest);                                                      \
    REAL(int, #name, const char *, int, ...);                          \
    struct stat found;                                                 \
    int was_there = trace_fd < 0 || stat(path, &found) == 0;           \
    int fd = real(path, flags, mode);                                  \
    if (trace_fd >= 0) opened(fd, path, flags, was_there);             \
    return fd;                                                         \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  REAL(int, "close", int);
  if (fd >= 0 && fd < MAX_FDS) file_of[fd] = 0;
  return real(fd);
}

static int traced(int fd) { return trace_fd >= 0 && fd >= 0 && fd < MAX_FDS && fd != trace_fd ? file_of[fd] : 0; }

#define PWRITE(name, offset_type)                                                  \
  ssize_t name(int fd, const void *bytes, size_t length, offset_type offset) {     \
    REAL(ssize_t, #name, int, const void *, size_t, offset_type);                  \
    ssize_t done = real(fd, bytes, length, offset);                                \
    if (done > 0 && traced(fd) > 1) emit(WRITE, traced(fd), offset, bytes, done);  \
    return done;                                                                   \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(ssize_t, "write", int, const void *, size_t);
  off_t at = traced(fd) > 1 ? lseek(fd, 0, SEEK_CUR) : 0;
  ssize_t done = real(fd, bytes, length);
  if (done > 0 && traced(fd) > 1) emit(WRITE, traced(fd), at, bytes, done);
  return done;
}

#define TRUNCATED(name, offset_type)                              \
  int name(int fd, offset_type length) {                          \
    REAL(int, #name, int, offset_type);                           \
    int failed = real(fd, length);                                \
    if (!failed && traced(fd) > 1) emit(TRUNCATE, traced(fd), length, 0, 0); \
    return failed;                                                \
  }
TRUNCATED(ftruncate, off_t)
TRUNCATED(ftruncate64, off64_t)

#define SYNCED(name)                                  \
  int name(int fd) {                                  \
    REAL(int, #name, int);                            \
    int failed = real(fd);                            \
    if (!failed && traced(fd)) emit(SYNC, traced(fd), 0, 0, 0); \
    return failed;                                    \
  }
SYNCED(fsync)
SYNCED(fdatasync)

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  int failed = real(path), file = trace_fd < 0 ? 0 : number(path);
  if (!failed && file > 1) emit(UNLINK, file, 0, 0, 0);
  return failed;
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  int failed = real(from, to);
  int a = trace_fd < 0 ? 0 : number(from), b = trace_fd < 0 ? 0 : number(to);
  if (!failed && a > 1 && b > 1) emit(RENAME, a, b, 0, 0);
  return failed;
}
