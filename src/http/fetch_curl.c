/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl on our loop: its sockets are watched by libuv, its one timer is ours, and each transfer
 * gets the same options. Nothing that a server answers can make it talk to somebody else, or keep
 * more than was asked for. */
#include <ctype.h>

#include <openssl/ssl.h>

#include "base/mem.h"
#include "http/http_fetch_int.h"
#include "http/roots_int.h"

struct fetch_socket {
    uv_poll_t poll;
    struct fetcher *fetcher;
    curl_socket_t fd;
};

static struct fetch *fetch_of(CURL *easy)
{
    char *x = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &x);
    return (struct fetch *)(void *)x;
}

/* --- how it ended --------------------------------------------------------------------------- */

/* libcurl's and the system's words begin with a capital; ours stand inside a sentence. */
static void end_with_words(struct fetch *x, enum err err, const char *prefix, const char *words)
{
    bool is_name = words[0] && isupper((unsigned char)words[0]) && isupper((unsigned char)words[1]);
    fetch__end(x, err, "%s%c%s", prefix, is_name ? words[0] : tolower((unsigned char)words[0]),
               words[0] ? words + 1 : "");
}

static void end_unconnected(struct fetch *x)
{
    long os_error = 0;
    curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os_error);
    if (os_error == 0 && x->denied[0])
        fetch__end(x, ERR_DENIED, "%s %s is not allowed by fetch.allow",
                   x->tls ? "address" : "plain http to address", x->denied);
    else
        end_with_words(x, ERR_UNAVAILABLE, "",
                       os_error ? strerrordesc_np((int)os_error) : "no connection");
}

static void end_untrusted(struct fetch *x, CURLcode code)
{
    long verdict = X509_V_OK; /* libcurl says UNSPECIFIED until there is one */
    curl_easy_getinfo(x->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    const char *words = x->words[0] ? x->words : curl_easy_strerror(code);
    if (verdict > X509_V_ERR_UNSPECIFIED)
        words = X509_verify_cert_error_string(verdict);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        words = "the certificate is not for this host";
    fetch__end(x, ERR_UNAVAILABLE, "TLS: %s", words);
}

static void end_badly(struct fetch *x, CURLcode code)
{
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        fetch__end(x, ERR_NOMEM, "out of memory");
        return;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        end_unconnected(x);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_INVALIDCERTSTATUS:
        end_untrusted(x, code);
        return;
    case CURLE_FILESIZE_EXCEEDED:
        fetch__end(x, ERR_LIMIT, "longer than %zu bytes", x->body.max);
        return;
    case CURLE_GOT_NOTHING:
        fetch__end(x, ERR_IO, "the connection was closed without an answer");
        return;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        fetch__end(x, ERR_IO, "the answer broke off");
        return;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        fetch__end(x, ERR_SYNTAX, "the answer is not HTTP");
        return;
    default:
        end_with_words(x, ERR_IO, "", curl_easy_strerror(code));
    }
}

static void end_well(struct fetch *x)
{
    long status = 0;
    char *type = NULL;
    struct curl_header *coding;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
    if (curl_easy_header(x->easy, "Content-Encoding", 0, CURLH_HEADER, -1, &coding) == CURLHE_OK &&
        !str_ieq(str_c(coding->value), STR("identity"))) {
        fetch__end(x, ERR_SYNTAX, "the answer is compressed (%.40s), which was not asked for",
                   coding->value);
        return;
    }
    x->status = (unsigned)status;
    x->content_type = type ? arena_str(x->arena, str_c(type)) : STR("");
    if (x->content_type.p)
        fetch__end(x, ERR_OK, "%s", "");
    else
        fetch__end(x, ERR_NOMEM, "out of memory");
}

/* After each call into libcurl: the ends that it has to tell. */
static void take_ends(struct fetcher *f)
{
    CURLMsg *m;
    int left;
    while (f->multi && (m = curl_multi_info_read(f->multi, &left))) {
        struct fetch *x = fetch_of(m->easy_handle);
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        if (x->too_long)
            fetch__end(x, x->body.err == ERR_NOMEM ? ERR_NOMEM : ERR_LIMIT, "longer than %zu bytes",
                       x->head_bytes > LIMIT_RESPONSE_HEAD ? LIMIT_RESPONSE_HEAD : x->body.max);
        else if (code == CURLE_OK)
            end_well(x);
        else
            end_badly(x, code);
    }
}

/* --- libcurl's callbacks -------------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct fetch *x = arg;
    buf_add(&x->body, str_of(bytes, size * n));
    x->too_long = x->body.err != ERR_OK;
    return x->too_long ? CURL_WRITEFUNC_ERROR : size * n;
}

static size_t on_head(char *bytes, size_t size, size_t n, void *arg)
{
    struct fetch *x = arg;
    (void)bytes;
    x->head_bytes += size * n;
    x->too_long = x->head_bytes > LIMIT_RESPONSE_HEAD;
    return x->too_long ? CURL_WRITEFUNC_ERROR : size * n;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *at)
{
    struct fetch *x = arg;
    (void)purpose;
    if (!fetch__may_connect(x->fetcher, x->tls, &at->addr, x->denied))
        return CURL_SOCKET_BAD;
    return socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);
}

static CURLcode on_tls(CURL *easy, void *ctx, void *arg)
{
    X509_STORE *roots = http__roots();
    (void)easy;
    (void)arg;
    if (!roots)
        return CURLE_OUT_OF_MEMORY;
    SSL_CTX_set1_cert_store(ctx, roots);
    return CURLE_OK;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct fetch_socket *s = poll->data;
    struct fetcher *f = s->fetcher;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(f->multi, s->fd, flags, &running);
    take_ends(f);
}

static void handle_gone(struct fetcher *f)
{
    if (--f->handles == 0 && f->closed)
        f->closed(f->closed_arg);
}

static void on_poll_closed(uv_handle_t *h)
{
    struct fetch_socket *s = h->data;
    struct fetcher *f = s->fetcher;
    mem_free(s);
    handle_gone(f);
}

static struct fetch_socket *socket_watch(struct fetcher *f, curl_socket_t fd)
{
    struct fetch_socket *s = mem_alloc(sizeof *s);
    if (!s)
        return NULL;
    *s = (struct fetch_socket){.fetcher = f, .fd = fd};
    if (uv_poll_init(loop_uv(f->loop), &s->poll, fd) != 0) {
        mem_free(s);
        return NULL;
    }
    s->poll.data = s;
    f->handles++;
    curl_multi_assign(f->multi, fd, s);
    return s;
}

/* A socket that cannot be watched lets its fetch run into its deadline: an error told from here
 * would be the end of every transfer. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket)
{
    struct fetcher *f = arg;
    struct fetch_socket *s = socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            uv_close((uv_handle_t *)&s->poll, on_poll_closed);
        return 0;
    }
    if (!s)
        s = socket_watch(f, fd);
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (s)
        uv_poll_start(&s->poll, events, on_poll);
    return 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct fetcher *f = timer->data;
    int running;
    curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ends(f);
}

static int on_want_timer(CURLM *multi, long ms, void *arg)
{
    struct fetcher *f = arg;
    (void)multi;
    if (ms < 0)
        uv_timer_stop(&f->timer);
    else
        uv_timer_start(&f->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

/* --- one transfer --------------------------------------------------------------------------- */

/* "HOST:PORT:ADDRESS,ADDRESS": the addresses that were looked up, so that libcurl asks nobody. A
 * host that is an address needs none. */
static bool set_addresses(struct fetch *x, const struct addrinfo *found)
{
    AUTO_BUF line = BUF_INIT(KIB(4));
    unsigned char literal[ADDRESS_BYTES];
    unsigned n = 0;
    if (address_parse(str_c(x->host), literal))
        return true;
    buf_addf(&line, "+%s:%s:", x->host, x->port);
    for (; found && n < LIMIT_ORIGIN_ADDRESSES; found = found->ai_next) {
        char text[INET6_ADDRSTRLEN];
        bool v6 = found->ai_family == AF_INET6;
        if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        buf_addf(&line, v6 ? "%s[%s]" : "%s%s", n++ ? "," : "", text);
    }
    x->addresses.data = arena_cstr(x->arena, buf_str(&line));
    return x->addresses.data && !line.err && n > 0;
}

static CURLcode set_limits(struct fetch *x)
{
    CURL *e = x->easy;
    CURLcode bad = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, x->tls ? "https" : "http");
    bad |= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(e, CURLOPT_PROXY, ""); /* also none of the environment's */
    bad |= curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    bad |= curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, NULL);
    bad |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)x->body.max);
    bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    bad |= curl_easy_setopt(e, CURLOPT_CAINFO, NULL); /* the roots are set by on_tls */
    bad |= curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    return bad;
}

static CURLcode set_request(struct fetch *x)
{
    CURL *e = x->easy;
    CURLcode bad = curl_easy_setopt(e, CURLOPT_URL, x->url);
    bad |= curl_easy_setopt(e, CURLOPT_PRIVATE, x);
    bad |= curl_easy_setopt(e, CURLOPT_USERAGENT, "ropeline/" ROPELINE_VERSION);
    bad |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
    bad |= curl_easy_setopt(e, CURLOPT_RESOLVE, x->addresses.data ? &x->addresses : NULL);
    bad |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->words);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    bad |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
    bad |= curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    bad |= curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    bad |= curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, x);
    bad |= curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    if (x->form.p) {
        bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->form.n);
        bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, x->form.p);
    }
    return bad;
}

void fetch__curl_start(struct fetch *x, const struct addrinfo *found)
{
    if (!set_addresses(x, found)) {
        fetch__end(x, ERR_UNAVAILABLE, "host not found");
        return;
    }
    x->easy = curl_easy_init();
    if (!x->easy || set_limits(x) || set_request(x) ||
        curl_multi_add_handle(x->fetcher->multi, x->easy) != CURLM_OK)
        fetch__end(x, ERR_NOMEM, "out of memory");
}

void fetch__curl_stop(struct fetch *x)
{
    if (!x->easy)
        return;
    (void)curl_multi_remove_handle(x->fetcher->multi, x->easy);
    curl_easy_cleanup(x->easy);
    x->easy = NULL;
}

/* --- all of them ---------------------------------------------------------------------------- */

enum err fetch__curl_open(struct fetcher *f)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_NOMEM;
    f->multi = curl_multi_init();
    if (!f->multi) {
        curl_global_cleanup();
        return ERR_NOMEM;
    }
    CURLMcode bad = curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    bad |= curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
    bad |= curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_want_timer);
    bad |= curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
    bad |= curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)LIMIT_FETCHES_KEPT);
    bad |= curl_multi_setopt(f->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    ASSERT(bad == CURLM_OK); /* only unknown options fail */
    return ERR_OK;
}

static void on_timer_closed(uv_handle_t *h)
{
    handle_gone(h->data);
}

void fetch__curl_close(struct fetcher *f)
{
    if (f->multi) {
        curl_multi_cleanup(f->multi);
        curl_global_cleanup();
    }
    f->multi = NULL;
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}
