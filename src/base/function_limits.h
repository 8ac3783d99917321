/* SPDX-License-Identifier: Apache-2.0
 *
 * The caps of functions, their packages and environments: a part of limits.h. */
#ifndef ROPELINE_BASE_FUNCTION_LIMITS_H
#define ROPELINE_BASE_FUNCTION_LIMITS_H

#define LIMIT_CLIENT_CONTEXT 3583       /* of X-Amz-Client-Context (Lambda API reference) */
#define LIMIT_INVOKE_PAYLOAD 6291556    /* 6 MiB + 100 bytes, request and response alike */
#define LIMIT_RUNTIME_TRAILERS KIB(256) /* the error of a streamed response, base64 */
#define LIMIT_XRAY_CAUSE_HEADER 1153434 /* clients send up to 1 MiB in one header */
#define LIMIT_FUNCTION_ENV_BYTES KIB(4)
#define LIMIT_INVOKE_QUEUE 1000
#define LIMIT_CONCURRENCY 1000 /* Lambda: of an account, where nobody asked for more */
#define LIMIT_LOG_LINE KIB(256)
#define LIMIT_LOG_EVENTS 1000 /* kept in memory per function */
#define TIMEOUT_INIT_MS 10000
#define DEFAULT_FUNCTION_TIMEOUT_MS 3000
#define DEFAULT_FUNCTION_MEMORY_MB 128
#define TIMEOUT_BIRTH_MS 2000 /* from asking a template to its fork being there */
#define TIMEOUT_ENV_IDLE_MS 600000
#define DEFAULT_TEMPLATES 16 /* processes that wait to be forked, of all functions */
#define TIMEOUT_PROVISIONED_INIT_MS 130000
#define PROVISIONED_RECYCLE_MS 14400000 /* then a provisioned environment is replaced */
#define TIMEOUT_ENV_EXIT_MS 500         /* from hanging up to having ended; then SIGKILL */
#define LIMIT_FUNCTION_TIMEOUT_MS 900000
#define LIMIT_FUNCTION_MEMORY_MB 32768
#define LIMIT_FUNCTION_NAME 140
#define LIMIT_RUNTIME_BODY (UINT64_C(1) << 30) /* read and dropped of a too large answer */
#define LIMIT_LOG_BYTES MIB(4)                 /* kept in memory per function */
#define LIMIT_PACKAGE_ZIP 52428800             /* Lambda: direct upload */
#define LIMIT_PACKAGE_BYTES 262144000          /* Lambda: unzipped */
#define LIMIT_PACKAGE_NAME 1024
#define LIMIT_PACKAGE_INLINE 4194304
#define LIMIT_LAYERS 5                  /* of a function */
#define LIMIT_MANAGED_ARENA MIB(64)     /* one function of the control plane, all versions */
#define LIMIT_CODE_CACHE_BYTES MIB(128) /* the file of one version */
#define LIMIT_WARM_WORKERS 16
#define DEFAULT_WARM_WORKERS 2
#define LIMIT_CODE_FILES 200000
#define LIMIT_CODE_DEPTH 48
#define LIMIT_ENV_OPEN_FILES 1024
#define LIMIT_ENV_PROCESSES 8192 /* the kernel counts all of the user's, threads included */
#define LIMIT_ENV_TASKS 1024     /* Lambda: processes and threads of one, where a cgroup counts */
#define LIMIT_ENV_FILE_BYTES MIB(512)

#endif
