/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a fetch: it waits for its turn, looks the host up, hands the addresses to libcurl and
 * ends exactly once: with an answer, an error, its deadline, or a wish to cancel. */
#include "base/mem.h"
#include "http/http_fetch_int.h"

#define FETCH_ARENA KIB(2)

static void run_next(struct fetcher *f);

/* --- ends ----------------------------------------------------------------------------------- */

static void release(struct fetch *x)
{
    struct fetcher *f = x->fetcher;
    if (x->resolving)
        return;
    if (x->next)
        x->next->prev = x->prev;
    if (x->prev)
        x->prev->next = x->next;
    else
        f->live = x->next;
    f->running -= x->counted;
    buf_fini(&x->body);
    arena_free(x->arena);
    mem_free(x);
    run_next(f);
    fetch__settle(f);
}

static void leave_queue(struct fetch *x)
{
    struct fetcher *f = x->fetcher;
    struct fetch **at = &f->waiting;
    while (*at != x)
        at = &(*at)->next_waiting;
    *at = x->next_waiting;
    if (!*at)
        f->waiting_end = at;
    f->waiting_n--;
}

/* Stops whatever it does, so that only the telling is left. */
static void halt(struct fetch *x)
{
    if (x->state == FETCH_WAITING)
        leave_queue(x);
    if (x->resolving) /* if the look-up runs already, its callback comes when it is through */
        uv_cancel((uv_req_t *)&x->lookup);
    fetch__curl_stop(x);
    timer_stop(&x->timer);
    x->state = FETCH_ENDED;
}

static void tell(struct fetch *x)
{
    bool good = x->err == ERR_OK;
    struct fetch_result r = {.err = x->err, .why = x->why};
    if (good) {
        r.status = x->status;
        r.content_type = x->content_type;
        r.body = buf_str(&x->body);
    }
    x->done(x->arg, &r);
    release(x);
}

static void PRINTF(3, 0) set_why(struct fetch *x, enum err err, const char *fmt, va_list args)
{
    x->err = err;
    vsnprintf(x->why, sizeof x->why, fmt, args);
}

void fetch__end(struct fetch *x, enum err err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set_why(x, err, fmt, args);
    va_end(args);
    halt(x);
    tell(x);
}

static void on_deferred(struct timer *t)
{
    tell(CONTAINER_OF(t, struct fetch, timer));
}

/* The same, told in a later turn of the loop. */
static void end_later(struct fetch *x, enum err err, const char *fmt, ...) PRINTF(3, 4);
static void end_later(struct fetch *x, enum err err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set_why(x, err, fmt, args);
    va_end(args);
    halt(x);
    timer_start(x->fetcher->loop, &x->timer, 0, on_deferred);
}

static void on_deadline(struct timer *t)
{
    struct fetch *x = CONTAINER_OF(t, struct fetch, timer);
    fetch__end(x, ERR_TIMEOUT, "timed out after %lld ms", (long long)x->timeout_ms);
}

void fetch_cancel(struct fetch *x)
{
    if (x->state != FETCH_ENDED)
        end_later(x, ERR_CANCELLED, "cancelled");
}

/* --- the host ------------------------------------------------------------------------------- */

static void on_resolved(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct fetch *x = CONTAINER_OF(lookup, struct fetch, lookup);
    x->resolving = false;
    if (x->state != FETCH_RESOLVING) {
        if (!x->timer.loop) /* it was told already, or its telling is what called us */
            release(x);
    } else if (status < 0) {
        const char *why = status == UV_ENOMEM      ? "out of memory"
                          : status == UV_EAI_AGAIN ? "the name server does not answer"
                                                   : "host not found";
        fetch__end(x, status == UV_ENOMEM ? ERR_NOMEM : ERR_UNAVAILABLE, "%s", why);
    } else {
        x->state = FETCH_RUNNING;
        fetch__curl_start(x, found);
    }
    uv_freeaddrinfo(found);
}

static void resolve(struct fetch *x)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    x->state = FETCH_RESOLVING;
    x->counted = true;
    x->fetcher->running++;
    int rc = uv_getaddrinfo(loop_uv(x->fetcher->loop), &x->lookup, on_resolved, x->host, x->port,
                            &hints);
    x->resolving = rc == 0;
    if (rc != 0)
        end_later(x, rc == UV_ENOMEM ? ERR_NOMEM : ERR_UNAVAILABLE, "%s",
                  rc == UV_ENOMEM ? "out of memory" : "host not found");
}

static void run_next(struct fetcher *f)
{
    while (f->waiting && f->running < LIMIT_FETCHES && !f->closing) {
        struct fetch *x = f->waiting;
        leave_queue(x);
        resolve(x);
    }
}

/* --- beginning ------------------------------------------------------------------------------ */

static char *part_of(struct arena *a, CURLU *u, CURLUPart part)
{
    char *text, *copy = NULL;
    if (curl_url_get(u, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) != CURLUE_OK)
        return NULL;
    copy = arena_cstr(a, str_c(text));
    curl_free(text);
    return copy;
}

/* What libcurl understands of the URL is what is looked up, checked and fetched. NULL or what is
 * wrong with it. */
static const char *read_url(struct fetch *x, const char *url)
{
    CURLU *u = curl_url();
    const char *wrong = "out of memory", *scheme;
    if (!u)
        return wrong;
    CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER);
    if (rc != CURLUE_OK) {
        wrong = rc == CURLUE_OUT_OF_MEMORY        ? wrong
                : rc == CURLUE_UNSUPPORTED_SCHEME ? "only http and https are fetched"
                : rc == CURLUE_USER_NOT_ALLOWED   ? "a URL with user information is not fetched"
                                                  : "this is no URL";
        goto out;
    }
    (void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    scheme = part_of(x->arena, u, CURLUPART_SCHEME);
    x->tls = scheme && str_eqz(STR("https"), scheme);
    if (scheme && !x->tls && !str_eqz(STR("http"), scheme))
        wrong = "only http and https are fetched";
    x->url = part_of(x->arena, u, CURLUPART_URL);
    x->host = part_of(x->arena, u, CURLUPART_HOST);
    x->port = part_of(x->arena, u, CURLUPART_PORT);
    if (!scheme || !x->url || !x->host || !x->port)
        goto out;
    size_t n = strlen(x->host);
    if (x->host[0] == '[' && x->host[n - 1] == ']')
        x->host = arena_cstr(x->arena, str_of(x->host + 1, n - 2));
    if (x->host && (x->tls || str_eqz(STR("http"), scheme)))
        wrong = NULL;
out:
    curl_url_cleanup(u);
    return wrong;
}

/* A URL that a person typed: no blanks, no bytes that two readers could read in two ways. */
static bool is_plain(struct str url)
{
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '\\')
            return false;
    return url.n <= LIMIT_FETCH_URL && str_find(url, STR("://")) != SIZE_MAX &&
           str_find(url, STR(":///")) == SIZE_MAX;
}

static bool add_header(struct fetch *x, const char *name, struct str value)
{
    struct curl_slist *h = &x->headers[x->header_n];
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f)
            return false;
    ASSERT(x->header_n < FETCH_HEADERS);
    h->data = arena_cstr(x->arena, arena_fmt(x->arena, "%s: %.*s", name, STR_ARG(value)));
    if (x->header_n++ > 0)
        h[-1].next = h;
    return h->data != NULL;
}

/* NULL or why it cannot be. */
static const char *prepare(struct fetch *x, const struct fetch_options *o)
{
    char *url = is_plain(o->url) ? arena_cstr(x->arena, o->url) : NULL;
    if (!url)
        return is_plain(o->url) ? "out of memory" : "this is no URL";
    const char *wrong = read_url(x, url);
    if (wrong)
        return wrong;
    if (o->form.p) {
        x->form = arena_str(x->arena, o->form);
        if (!x->form.p)
            return "the form is too long";
    }
    if (!add_header(x, "Accept", o->accept.n ? o->accept : STR("*/*")) ||
        (o->authorization.n && !add_header(x, "Authorization", o->authorization)) ||
        (o->form.p && (!add_header(x, "Content-Type", STR("application/x-www-form-urlencoded")) ||
                       !add_header(x, "Expect", STR(""))))) /* libcurl's own is not wanted */
        return "a header that cannot be sent";
    return NULL;
}

static struct fetch *fetch_new(struct fetcher *f, const struct fetch_options *o)
{
    struct fetch *x = mem_alloc(sizeof *x);
    struct arena *a = x ? arena_new(FETCH_ARENA, LIMIT_FETCH_ARENA) : NULL;
    if (!a) {
        mem_free(x);
        return NULL;
    }
    x->fetcher = f;
    x->arena = a;
    x->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_FETCH_MS;
    x->body = BUF_INIT(o->bytes_max ? o->bytes_max : LIMIT_FETCH_BYTES);
    x->next = f->live;
    if (x->next)
        x->next->prev = x;
    f->live = x;
    return x;
}

static void enqueue(struct fetcher *f, struct fetch *x)
{
    *f->waiting_end = x;
    f->waiting_end = &x->next_waiting;
    f->waiting_n++;
}

enum err fetch_start(struct fetcher *f, const struct fetch_options *o, fetch_done_fn done,
                     void *arg, struct fetch **out)
{
    ASSERT(loop_is_current(f->loop));
    *out = NULL;
    if (f->closing)
        return ERR_CLOSED;
    if (f->waiting_n >= LIMIT_FETCHES_WAITING)
        return ERR_BUSY;
    if (!f->multi && fetch__curl_open(f) != ERR_OK)
        return ERR_NOMEM;
    struct fetch *x = fetch_new(f, o);
    if (!x)
        return ERR_NOMEM;
    x->done = done;
    x->arg = arg;
    *out = x;
    enqueue(f, x);
    const char *wrong = prepare(x, o);
    if (wrong) {
        end_later(x, arena_err(x->arena) == ERR_NOMEM ? ERR_NOMEM : ERR_INVALID, "%s", wrong);
        return ERR_OK;
    }
    timer_start(f->loop, &x->timer, x->timeout_ms, on_deadline);
    run_next(f);
    return ERR_OK;
}

/* --- the fetcher ---------------------------------------------------------------------------- */

enum err fetcher_new(struct loop *control, const struct fetcher_options *o, struct fetcher **out)
{
    struct fetcher *f = mem_alloc(sizeof *f);
    *out = NULL;
    if (!f)
        return ERR_NOMEM;
    f->loop = control;
    f->o = *o;
    f->waiting_end = &f->waiting;
    uv_timer_init(loop_uv(control), &f->timer); /* cannot fail */
    f->timer.data = f;
    f->handles = 1;
    *out = f;
    return ERR_OK;
}

void fetch__settle(struct fetcher *f)
{
    if (!f->closing || f->live || f->ended)
        return;
    f->ended = true;
    fetch__curl_close(f);
}

void fetcher_close(struct fetcher *f, void (*closed)(void *arg), void *arg)
{
    ASSERT(loop_is_current(f->loop) && !f->closing);
    f->closing = true;
    f->closed = closed;
    f->closed_arg = arg;
    for (struct fetch *x = f->live; x; x = x->next)
        fetch_cancel(x);
    fetch__settle(f);
}

void fetcher_free(struct fetcher *f)
{
    if (!f)
        return;
    ASSERT(f->ended && f->handles == 0);
    mem_free(f);
}
