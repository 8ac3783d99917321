/* SPDX-License-Identifier: Apache-2.0
 *
 * Every cap of the daemon, in one place. Bytes, counts or milliseconds, as the name says. Where AWS
 * publishes a number it is AWS's (specs: API Gateway and Lambda quotas). */
#ifndef ROPELINE_BASE_LIMITS_H
#define ROPELINE_BASE_LIMITS_H

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

/* documents */
#define LIMIT_JSON_DEPTH 64
#define LIMIT_TEMPLATE_BYTES MIB(6) /* API Gateway: import body */
#define LIMIT_YAML_NODES 1000000
#define LIMIT_DOCUMENT_ARENA MIB(256)
#define LIMIT_RESOLVED_TEXT KIB(256) /* what one intrinsic function of a template may yield */
#define LIMIT_FINDINGS 1000          /* kept of one document; more are only counted */

/* HTTP server side */
#define LIMIT_REQUEST_LINE KIB(8)
#define LIMIT_REQUEST_HEAD 10240 /* API Gateway: all header lines together */
#define LIMIT_REQUEST_HEADERS 100
#define LIMIT_REQUEST_BODY MIB(10) /* API Gateway: payload */
#define LIMIT_QUERY_PAIRS 1024
#define LIMIT_CHUNK_EXTENSIONS KIB(4)
#define LIMIT_REQUEST_ARENA MIB(1)
#define LIMIT_DRAIN_BYTES KIB(256) /* body read and dropped after an early answer; then close */
#define LIMIT_LINGER_BYTES MIB(16) /* likewise before a close, so that the answer is not lost */
#define LIMIT_CONNECTIONS_PER_WORKER 16384
#define LIMIT_ANSWER_HEAD KIB(128)
#define LIMIT_ANSWER_QUEUE MIB(16) /* of a source that does not pause when told; then cut */
#define TIMEOUT_HEAD_MS 10000
#define TIMEOUT_BODY_IDLE_MS 30000
#define TIMEOUT_WRITE_IDLE_MS 30000
#define TIMEOUT_KEEPALIVE_MS 75000
#define TIMEOUT_LINGER_MS 2000 /* for the client to read the last answer and close */
#define TIMEOUT_DRAIN_MS 30000 /* at SIGTERM */

/* TLS, both sides */
#define TIMEOUT_TLS_HANDSHAKE_MS 5000
#define LIMIT_TLS_HANDSHAKE KIB(24) /* from a client until it is over; then it is cut */
#define LIMIT_TLS_QUEUE KIB(256)    /* ciphertext that waits for a socket */
#define LIMIT_CERTIFICATE_BYTES KIB(256)

/* HTTP client side (backends) */
#define LIMIT_RESPONSE_HEAD KIB(64)
#define LIMIT_RESPONSE_HEADERS 200
#define LIMIT_RESPONSE_INTERIM 16 /* 1xx answers before the final one */
#define LIMIT_POOL_IDLE_PER_ORIGIN 256
#define TIMEOUT_CONNECT_MS 5000
#define TIMEOUT_POOL_IDLE_MS 50000
#define LIMIT_ORIGIN_ADDRESSES 8 /* of one name, tried in order */
#define TIMEOUT_ADDRESS_CACHE_MS 10000
#define LIMIT_STREAM_BUFFER KIB(256) /* queued in one direction before the other side is paused */

/* documents from strangers (http/fetch.h) */
#define TIMEOUT_FETCH_MS 1500    /* API Gateway: discovery and key sets of an issuer */
#define LIMIT_FETCH_BYTES 150000 /* likewise: a key set */
#define LIMIT_FETCH_URL KIB(4)
#define LIMIT_FETCH_ARENA KIB(64)
#define LIMIT_FETCHES 32 /* at once */
#define LIMIT_FETCHES_WAITING 1024
#define LIMIT_FETCHES_KEPT 8 /* idle connections */

/* API Gateway */
#define LIMIT_METHOD_ARN 1600
#define LIMIT_POLICY_RESOURCE 512
#define LIMIT_POLICY_VALUE 512 /* of a condition */
#define LIMIT_POLICY_BYTES KIB(64)
#define LIMIT_RESOURCE_POLICY 8192 /* API Gateway: resource policy */
#define LIMIT_POLICY_STATEMENTS 1024
#define LIMIT_PATH_SEGMENTS 128
#define LIMIT_BASE_PATH 300 /* API Gateway: ApiMappingKey */
#define TIMEOUT_INTEGRATION_MS 29000
#define TIMEOUT_HTTP_API_INTEGRATION_MS 30000
#define TIMEOUT_AUTHORIZER_MS 29000
#define TIMEOUT_HTTP_API_AUTHORIZER_MS 10000
#define LIMIT_AUTHORIZER_TTL_S 3600
#define DEFAULT_AUTHORIZER_TTL_S 300
#define LIMIT_IDENTITY_VALUE KIB(8)
#define LIMIT_IDENTITY_SOURCES 16
#define LIMIT_IDENTITY_KEY KIB(32) /* all values of one request, with their lengths */
#define LIMIT_REGEX_MATCHES 100000
#define LIMIT_REGEX_HEAP KIB(64)
#define LIMIT_AUTHORIZER_CACHE_BYTES MIB(64)
#define LIMIT_AUTHORIZER_RESULT KIB(64)
#define LIMIT_ANSWER_TEMPLATE KIB(64) /* of one gateway response */
#define LIMIT_PARAMETER_BODY KIB(100) /* the same of an HTTP API's parameter mapping */
#define LIMIT_MAPPED_BODY KIB(256)    /* that a JSONPath of a mapping looks into */
#define LIMIT_BACKEND_BODY MIB(10)    /* API Gateway: payload, of an answer that is not streamed */

/* tokens and keys */
#define LIMIT_JWT_BYTES KIB(8) /* what a header can hold */
#define LIMIT_JWT_DEPTH 32
#define LIMIT_JWT_MEMBERS 512 /* of all objects and lists of one part together */
#define LIMIT_JWT_KID 256
#define LIMIT_JWT_KEYS_TRIED 8              /* when neither token nor key has a name */
#define LIMIT_NUMERIC_DATE 9007199254740992 /* 2^53: beyond it doubles skip integers */
#define LIMIT_JWKS_BYTES 150000             /* API Gateway: JWKS */
#define LIMIT_JWKS_KEYS 256
#define LIMIT_JWK_SECRET 1024
#define LIMIT_RSA_BITS_MIN 2048
#define LIMIT_RSA_BITS_MAX 8192 /* verifying with more takes milliseconds */

/* issuers */
#define LIMIT_ISSUER_URL KIB(2)
#define LIMIT_AUTHORIZER_ISSUERS 16
#define LIMIT_AUDIENCES 50 /* API Gateway */
#define LIMIT_TOKEN_SCOPES 128
#define LIMIT_TOKEN_ROLES 1024 /* and as many permissions, of one user */
#define LIMIT_KEY_FILES 16     /* of one issuer */
#define LIMIT_KEY_FILE_PATH 4096
#define LIMIT_CLOCK_SKEW_S 60
#define LIMIT_TOKEN_LIFE_S 315360000 /* ten years */
#define ISSUER_REFRESH_MS 7200000    /* API Gateway: about two hours */
#define ISSUER_STALE_MS 86400000     /* the last good keys of an issuer that is silent */
#define ISSUER_COOLDOWN_MS 30000     /* between attempts that an unknown kid starts */
#define ISSUER_RETRY_MS 1000         /* after a failed attempt, doubling up to: */
#define ISSUER_RETRY_MAX_MS 300000
#define KEY_FILE_LOOK_MS 500  /* between looks at key files */
#define KEY_FILE_PAUSE_MS 100 /* the same when tokens ask for it */
#define LIMIT_INTROSPECTION_BYTES KIB(64)
#define TIMEOUT_INTROSPECTION_MS 3000
#define LIMIT_CLIENT_SECRET 4096

/* usage plans and throttles; the first three are API Gateway's */
#define LIMIT_PLANS_PER_KEY 10
#define DEFAULT_THROTTLE_RATE 10000 /* of an account: for what a throttle leaves out */
#define DEFAULT_THROTTLE_BURST 5000
#define LIMIT_THROTTLE_RATE 10000000 /* a second */
#define LIMIT_THROTTLE_BURST 2147483647
#define LIMIT_THROTTLE_FILL_S 31536000 /* from empty to full: a year */

#define LIMIT_QUOTAS 1000000 /* keys with a quota, each plan counted */
#define LIMIT_QUOTA 1000000000000
#define QUOTA_BLOCKS 64      /* a quota is reserved in so many parts */
#define QUOTA_BLOCK_MAX 8192 /* requests */

/* threads and processes */
#define LIMIT_LANE_QUEUE 1024 /* blocking jobs that wait for a thread of their lane */
#define LIMIT_LANE_IO_THREADS 2
#define LIMIT_READ_BUFFER KIB(64)
/* Lambda: 1000 concurrent executions per account, and a few of ours */
#define LIMIT_CHILDREN 1024
#define LIMIT_CHILD_ARGS 64
#define LIMIT_CHILD_ENV 1536  /* more variables than LIMIT_FUNCTION_ENV_BYTES can hold */
#define LIMIT_CHILD_PATHS 128 /* to read, and as many to write */
#define LIMIT_KEEPER_MESSAGE KIB(64)
#define LIMIT_KEEPER_RESTARTS 10 /* deaths within the window: then the gateway is given up */
#define KEEPER_RESTART_WINDOW_MS 60000
#define KEEPER_BACKOFF_MIN_MS 100
#define KEEPER_BACKOFF_MAX_MS 5000
#define TIMEOUT_KEEPER_STOP_MS 35000 /* TIMEOUT_DRAIN_MS and a margin, then SIGKILL */
#define TIMEOUT_KEEPER_SWEEP_MS 5000 /* at the end, for the last killed process to vanish */

/* databases */
#define LIMIT_STORE_QUEUE 65536   /* jobs that wait for the batch being written */
#define LIMIT_STORE_BATCH 256     /* jobs of one commit */
#define LIMIT_STORE_READERS 2     /* connections of one SQLite file that only read */
#define LIMIT_STORE_CONNECTIONS 8 /* to a PostgreSQL server */
#define LIMIT_STORE_ROWS MIB(16)
#define LIMIT_STORE_COLUMNS 32
#define STORE_LOCK_MS 2000 /* for the lock of a process that is just ending */

/* decision records */
#define DECISIONS_PER_WORKER 1024
#define DECISION_TEXT 1024
#define DECISION_ROWS 24
#define INVOCATIONS_KEPT 256
#define INVOCATION_TEXT KIB(8)

#include "base/function_limits.h"

#endif
