{
  "targets": [{
    "target_name": "native_affinity",
    "sources": ["addon.c"],
    "defines": ["NAPI_VERSION=8"],
    "cflags": ["-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden"],
    "xcode_settings": { "GCC_SYMBOLS_PRIVATE_EXTERN": "YES" },
    "conditions": [
      ["OS=='win'", { "sources": ["system_windows.c"] }, { "sources": ["system_posix.c"] }]
    ]
  }]
}
