// The border to JavaScript: checks every argument, then asks the operating system (system.h). It keeps no state but the
// lock handles that JavaScript holds, so each thread may load it and call it.
#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include "system.h"
#include <node_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_LIMIT 4096

typedef struct { bool is_held; intptr_t handle; } lock;

// Random; tells our handles from those of other addons.
static const napi_type_tag lock_tag = { 0x5f1de20c9b7a4e36, 0x8c0b93d46f2e71a5 };

// Leaves the function where a Node-API call failed: with the exception that is pending, or one made of the failure.
#define TRY(call) do { if ((call) != napi_ok) return throw_failure(env); } while (0)

static napi_value throw_failure(napi_env env) {
  const napi_extended_error_info *info = NULL;
  bool is_pending = false;
  napi_get_last_error_info(env, &info);
  const char *text = info != NULL && info->error_message != NULL ? info->error_message : "a Node-API call failed";
  if (napi_is_exception_pending(env, &is_pending) == napi_ok && !is_pending) napi_throw_error(env, "EIO", text);
  return NULL;
}

#define THROW_TYPE(text) return napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", text), NULL
#define THROW_RANGE(text) return napi_throw_range_error(env, "ERR_OUT_OF_RANGE", text), NULL

static napi_value throw_system(napi_env env, const char *what, int error) {
#define NAMED(name) { name, #name }
  static const struct { int error; const char *code; } names[] = {
    NAMED(ENOTSUP), NAMED(EINVAL), NAMED(EPERM), NAMED(EACCES), NAMED(ENOENT), NAMED(ENOTDIR), NAMED(EISDIR),
    NAMED(ELOOP), NAMED(ENXIO), NAMED(ENODEV), NAMED(EROFS), NAMED(ENOSPC), NAMED(EMFILE), NAMED(ENFILE),
    NAMED(ENOMEM), NAMED(ENOLCK), NAMED(ENAMETOOLONG), NAMED(ENOSYS),
#ifndef _WIN32
    NAMED(ESTALE), NAMED(EDQUOT),
#endif
  };
  const char *code = "EIO";
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) if (names[i].error == error) code = names[i].code;
  char message[160];
  snprintf(message, sizeof message, "%s: %s: %s", what, code, strerror(error));
  napi_throw_error(env, code, message);
  return NULL;
}

// The one argument of the function; undefined where there is none.
static napi_status argument(napi_env env, napi_callback_info info, napi_value *value) {
  size_t count = 1;
  return napi_get_cb_info(env, info, &count, value, NULL, NULL);
}

// The list is read by index through JavaScript, never through its memory: what a detached or shrunken buffer, or a
// getter that changes the array, takes away reads as undefined.
static napi_value set_affinity(napi_env env, napi_callback_info info) {
  napi_value list;
  bool is_array = false, is_typed_array = false;
  TRY(argument(env, info, &list));
  TRY(napi_is_array(env, list, &is_array));
  TRY(napi_is_typedarray(env, list, &is_typed_array));
  if (!is_array && !is_typed_array) THROW_TYPE("setAffinity: expected an array or typed array of cpus");
  size_t length = 0;
  if (is_typed_array) {
    TRY(napi_get_typedarray_info(env, list, NULL, &length, NULL, NULL, NULL));
  } else {
    uint32_t items = 0;
    TRY(napi_get_array_length(env, list, &items));
    length = items;
  }
  if (length == 0 || length > CPU_LIMIT) THROW_RANGE("setAffinity: expected 1 to 65536 cpus");
  cpu_mask mask = { { 0 } };
  for (uint32_t i = 0; i < length; i++) {
    napi_handle_scope scope;
    napi_value item;
    napi_valuetype type = napi_undefined;
    double cpu = -1;
    TRY(napi_open_handle_scope(env, &scope));
    napi_status status = napi_get_element(env, list, i, &item);
    if (status == napi_ok) status = napi_typeof(env, item, &type);
    if (status == napi_ok && type == napi_number) status = napi_get_value_double(env, item, &cpu);
    napi_close_handle_scope(env, scope);
    TRY(status);
    if (type != napi_number) THROW_TYPE("setAffinity: expected every cpu to be a number");
    bool is_cpu = cpu >= 0 && cpu < CPU_LIMIT && cpu == (double) (uint32_t) cpu;
    if (!is_cpu) THROW_RANGE("setAffinity: expected every cpu to be an integer from 0 to 65535");
    mask.words[(uint32_t) cpu / 64] |= (uint64_t) 1 << ((uint32_t) cpu % 64);
  }
  int error = affinity_set(&mask);
  return error == 0 ? NULL : throw_system(env, "setAffinity", error);
}

static napi_value get_affinity(napi_env env, napi_callback_info info) {
  (void) info;
  cpu_mask mask;
  int error = affinity_get(&mask);
  if (error != 0) return throw_system(env, "getAffinity", error);
  napi_value list;
  uint32_t length = 0;
  TRY(napi_create_array(env, &list));
  for (uint32_t cpu = 0; cpu < CPU_LIMIT; cpu++) {
    if ((mask.words[cpu / 64] >> (cpu % 64) & 1) == 0) continue;
    napi_value number;
    TRY(napi_create_uint32(env, cpu, &number));
    TRY(napi_set_element(env, list, length++, number));
  }
  return list;
}

static napi_value number_of(napi_env env, const char *what, int error, double value) {
  if (error != 0) return throw_system(env, what, error);
  napi_value number;
  TRY(napi_create_double(env, value, &number));
  return number;
}

static napi_value get_thread_id(napi_env env, napi_callback_info info) {
  (void) info;
  uint64_t id = 0;
  int error = thread_id(&id);
  return number_of(env, "threadId", error, (double) id);
}

static napi_value get_cpu_time_ms(napi_env env, napi_callback_info info) {
  (void) info;
  uint64_t ns = 0;
  int error = thread_cpu_ns(&ns);
  return number_of(env, "cpuTimeMs", error, (double) ns / 1e6);
}

// When the handle is collected or its thread ends.
static void finalize_lock(napi_env env, void *data, void *hint) {
  (void) env, (void) hint;
  lock *taken = data;
  if (taken->is_held) lock_drop(taken->handle);
  free(taken);
}

static napi_value lock_file(napi_env env, napi_callback_info info) {
  napi_value text, handle;
  napi_valuetype type;
  size_t length = 0;
  char path[PATH_LIMIT + 1];
  TRY(argument(env, info, &text));
  TRY(napi_typeof(env, text, &type));
  if (type != napi_string) THROW_TYPE("lockFile: expected a path as text");
  TRY(napi_get_value_string_utf8(env, text, NULL, 0, &length));
  if (length == 0 || length > PATH_LIMIT) THROW_RANGE("lockFile: expected a path of 1 to 4096 bytes");
  TRY(napi_get_value_string_utf8(env, text, path, sizeof path, &length));
  if (strlen(path) != length) THROW_RANGE("lockFile: expected a path without a NUL");
  lock *taken = calloc(1, sizeof *taken);
  if (taken == NULL) return throw_system(env, "lockFile", ENOMEM);
  int error = lock_take(path, &taken->handle);
  if (error != 0) {
    free(taken);
    if (error != EBUSY) return throw_system(env, "lockFile", error);
    TRY(napi_get_null(env, &handle));
    return handle;
  }
  taken->is_held = true;
  if (napi_create_external(env, taken, finalize_lock, NULL, &handle) != napi_ok) {
    finalize_lock(env, taken, NULL);
    return throw_failure(env);
  }
  TRY(napi_type_tag_object(env, handle, &lock_tag));
  return handle;
}

static napi_value unlock_file(napi_env env, napi_callback_info info) {
  napi_value handle, answer;
  napi_valuetype type;
  bool is_ours = false;
  void *data = NULL;
  TRY(argument(env, info, &handle));
  TRY(napi_typeof(env, handle, &type));
  if (type == napi_external) TRY(napi_check_object_type_tag(env, handle, &lock_tag, &is_ours));
  if (!is_ours) THROW_TYPE("unlockFile: expected a lock that lockFile gave");
  TRY(napi_get_value_external(env, handle, &data));
  lock *taken = data;
  TRY(napi_get_boolean(env, taken->is_held, &answer));
  if (taken->is_held) lock_drop(taken->handle);
  taken->is_held = false;
  return answer;
}

NAPI_MODULE_INIT() {
#define FUNCTION(name, call) { name, NULL, call, NULL, NULL, NULL, napi_enumerable, NULL }
  const napi_property_descriptor functions[] = {
    FUNCTION("setAffinity", set_affinity), FUNCTION("getAffinity", get_affinity), FUNCTION("threadId", get_thread_id),
    FUNCTION("cpuTimeMs", get_cpu_time_ms), FUNCTION("lockFile", lock_file), FUNCTION("unlockFile", unlock_file)
  };
  TRY(napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions));
  return exports;
}
