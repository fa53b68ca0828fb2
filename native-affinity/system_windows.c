// Windows. A CPU's number is 64 × its processor group + its number in the group; a thread's CPUs are of one group.
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0601
#endif
#include "system.h"
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static int last_error(void) {
  switch (GetLastError()) {
    case ERROR_INVALID_PARAMETER: return EINVAL;
    case ERROR_ACCESS_DENIED: case ERROR_SHARING_VIOLATION: return EACCES;
    case ERROR_FILE_NOT_FOUND: case ERROR_PATH_NOT_FOUND: case ERROR_INVALID_NAME: return ENOENT;
    case ERROR_LOCK_VIOLATION: case ERROR_IO_PENDING: return EBUSY;
    case ERROR_WRITE_PROTECT: return EROFS;
    default: return EIO;
  }
}

int affinity_set(const cpu_mask *mask) {
  GROUP_AFFINITY affinity = { 0 };
  for (WORD group = 0; group < CPU_LIMIT / 64; group++) {
    if (mask->words[group] == 0) continue;
    if (affinity.Mask != 0) return EINVAL; // of two groups
    affinity.Group = group;
    affinity.Mask = (KAFFINITY) mask->words[group];
  }
  return SetThreadGroupAffinity(GetCurrentThread(), &affinity, NULL) ? 0 : last_error();
}

int affinity_get(cpu_mask *mask) {
  GROUP_AFFINITY affinity = { 0 };
  memset(mask, 0, sizeof *mask);
  if (!GetThreadGroupAffinity(GetCurrentThread(), &affinity)) return last_error();
  if (affinity.Group >= CPU_LIMIT / 64) return EIO;
  mask->words[affinity.Group] = affinity.Mask;
  return 0;
}

int thread_id(uint64_t *id) {
  *id = GetCurrentThreadId();
  return 0;
}

int thread_cpu_ns(uint64_t *ns) {
  FILETIME created, ended, kernel, user;
  if (!GetThreadTimes(GetCurrentThread(), &created, &ended, &kernel, &user)) return last_error();
  // in units of 100 ns
  *ns = 100 * ((((uint64_t) kernel.dwHighDateTime + user.dwHighDateTime) << 32) +
    ((uint64_t) kernel.dwLowDateTime + user.dwLowDateTime));
  return 0;
}

int lock_take(const char *path, intptr_t *handle) {
  int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
  wchar_t *wide = length > 0 ? calloc((size_t) length, sizeof *wide) : NULL;
  if (wide == NULL) return length > 0 ? ENOMEM : EINVAL;
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, length);
  // without security attributes the handle is not inherited; a reparse point is opened itself, and refused
  HANDLE file = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_ALWAYS,
    FILE_FLAG_OPEN_REPARSE_POINT, NULL);
  free(wide);
  if (file == INVALID_HANDLE_VALUE) return last_error();
  BY_HANDLE_FILE_INFORMATION about;
  const DWORD how = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
  OVERLAPPED start = { 0 };
  int error = 0;
  if (GetFileType(file) != FILE_TYPE_DISK) error = EINVAL;
  else if (!GetFileInformationByHandle(file, &about)) error = last_error();
  else if (about.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) error = ELOOP;
  else if (!LockFileEx(file, how, 0, 1, 0, &start)) error = last_error();
  if (error != 0) CloseHandle(file);
  else *handle = (intptr_t) file;
  return error;
}

void lock_drop(intptr_t handle) {
  CloseHandle((HANDLE) handle);
}
