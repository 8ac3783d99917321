# SPDX-License-Identifier: Apache-2.0
"""What runs a Python function: it loads the handler, then takes one event at a time from the
daemon over the Lambda Runtime API (HTTP/1.1 on the inherited descriptor 3, or at
AWS_LAMBDA_RUNTIME_API) and sends back what the handler returned. Invariant: each event gets exactly
one answer, and the next is asked for only when that is sent.

Everything of the standard library that is needed, now or at an error, is imported here, before the
function's folder is on the path: a json.py of its own cannot take the place of ours."""
import decimal
import importlib.util
import json
import linecache  # noqa: F401  what traceback would import at the first error
import logging
import os
import re
import stat
import sys
import time
import tokenize  # noqa: F401  likewise
import traceback

API = '/2018-06-01/runtime'
HEAD_MAX = 64 * 1024
BODY_MAX = 64 * 1024 * 1024  # the limit that counts (6 MiB) is the daemon's
READ_BYTES = 64 * 1024
STATUS_LINE = re.compile(r'HTTP/1\.1 ([2-5]\d\d)(?: .*)?')
LENGTH = re.compile(r'\d{1,9}')
ERROR_TYPE = re.compile('[!-~]{1,256}')
EXIT_INIT = 1
EXIT_PROTOCOL = 1
OURS = os.path.abspath(__file__)
NO_BREAK_SPACE = '\u00a0'


class Fault(Exception):
    """An error of the runtime's own, `Runtime.<kind>` to the caller."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = f'Runtime.{kind}'
        self.message = message
        self.trace = trace


# ---- results and errors as JSON ----

def _asked_version():
    found = re.fullmatch(r'AWS_Lambda_python(\d+)\.(\d+)', os.environ.get('AWS_EXECUTION_ENV', ''))
    return (int(found[1]), int(found[2])) if found else sys.version_info[:2]


class Encoder(json.JSONEncoder):
    """JSON as Lambda's Python runtimes write it: a Decimal is a number, bytes are text."""

    def __init__(self, ensure_ascii):
        super().__init__(ensure_ascii=ensure_ascii)
        self._mark = f'\x7f{os.urandom(16).hex()}:'  # no text of the function's can hold it
        self._marked = re.compile(f'"(?:\x7f|\\\\u007f){self._mark[1:]}([^"]*)"')
        self._used = False

    def default(self, o):
        if isinstance(o, decimal.Decimal):
            if o.is_nan():
                return float('nan')
            self._used = True
            return self._mark + str(o)
        if isinstance(o, bytes):
            return o.decode('utf-8')
        return super().default(o)

    def encode(self, o):
        self._used = False
        text = super().encode(o)
        return self._marked.sub(r'\1', text) if self._used else text


_ascii_only = Encoder(True)
_encoder = Encoder(_asked_version() < (3, 12))


def to_json(value):
    """UTF-8 bytes; a lone surrogate, which UTF-8 cannot carry, is escaped."""
    try:
        return _encoder.encode(value).encode('utf-8')
    except UnicodeEncodeError:
        return _ascii_only.encode(value).encode('ascii')


def _error(message, kind, trace, request_id=None):
    return {
        'errorMessage': message or '',
        'errorType': kind or '',
        'requestId': request_id or '',
        'stackTrace': trace or [],
    }


def describe_error(error, request_id=None):
    """What the caller is told of an exception; our own frames are left out of its trace."""
    if isinstance(error, Fault):
        return _error(error.message, error.kind, error.trace, request_id)
    frames = [(f.filename, f.lineno, f.name, f.line)
              for f in traceback.extract_tb(error.__traceback__)]
    first = next((i for i, frame in enumerate(frames) if frame[0] != OURS), 0)
    try:
        message = str(error)
    except Exception as second:  # its __str__ is the function's code, too
        message = f'<{type(second).__name__} in __str__>'
    trace = traceback.format_list(frames[first:])
    return _error(message, type(error).__name__, trace, request_id)


# ---- log ----

FRAME_TEXT = 0xa55a0003
FRAME_JSON = 0xa55a0002
MASKS = {logging.DEBUG: 8, logging.INFO: 12, logging.WARNING: 16, logging.ERROR: 20,
         logging.CRITICAL: 24}
RECORD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {
    'aws_request_id', 'tenant_id', 'message', 'asctime', 'taskName'}

_as_json = os.environ.get('AWS_LAMBDA_LOG_FORMAT', '').upper() == 'JSON'


def _level_of(record):
    return min(50, max(0, record.levelno)) // 10 * 10


def _timestamp(seconds):
    milliseconds = int(seconds * 1000)
    text = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(milliseconds // 1000))
    return f'{text}.{milliseconds % 1000:03d}Z'


def _log_descriptor():
    """The pipe that the daemon reads frames from; None: lines on stdout instead."""
    text = os.environ.pop('_LAMBDA_TELEMETRY_LOG_FD', '')
    try:
        descriptor = int(text)
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISFIFO(mode) and not stat.S_ISSOCK(mode):
            return None
        os.set_inheritable(descriptor, False)
    except (ValueError, OSError):
        return None  # a wrapper may have closed it
    return descriptor


class TextFormatter(logging.Formatter):
    default_format = '[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n'
    converter = time.gmtime

    def __init__(self):
        super().__init__(self.default_format, '%Y-%m-%dT%H:%M:%S')


class JsonFormatter(logging.Formatter):
    def format(self, record):
        level = _level_of(record)
        kind, error, trace = record.exc_info or (None, None, None)
        fields = {
            'timestamp': _timestamp(record.created),
            'level': logging.getLevelName(level),
            'message': record.getMessage(),
            'logger': record.name,
            'stackTrace': traceback.format_tb(trace) if error is not None else None,
            'errorType': kind.__name__ if error is not None else None,
            'errorMessage': str(error) if error is not None else None,
            'requestId': record.aws_request_id,
            'location': f'{record.pathname}:{record.funcName}:{record.lineno}'
                        if error is not None else None,
            'tenantId': record.tenant_id,
        }
        for key, value in record.__dict__.items():
            if key not in RECORD_FIELDS and key not in fields:
                fields[key] = value
        given = {key: value for key, value in fields.items() if value is not None}
        return json.dumps(given, ensure_ascii=False, default=repr) + '\n'


class LambdaLoggerHandler(logging.Handler):
    """Where the root logger's records go: log frames, or lines on stdout."""

    def __init__(self):
        super().__init__()
        self.descriptor = _log_descriptor()
        self.request_id = None
        self.tenant_id = None
        self.setFormatter(JsonFormatter() if _as_json else TextFormatter())

    def filter(self, record):
        record.aws_request_id = self.request_id or ''
        record.tenant_id = self.tenant_id
        return super().filter(record)

    def emit(self, record):
        try:
            self.put(self.format(record), _level_of(record), record.created)
        except Exception:
            self.handleError(record)

    def put(self, text, level, seconds):
        if self.descriptor is None:
            sys.stdout.write(text if text.endswith('\n') else text + '\n')
            return
        data = text.encode('utf-8', 'backslashreplace')
        kind = (FRAME_JSON if _as_json else FRAME_TEXT) | MASKS.get(level, 0)
        frame = b''.join((kind.to_bytes(4, 'big'), len(data).to_bytes(4, 'big'),
                          int(seconds * 1000000).to_bytes(8, 'big'), data))
        self.acquire()
        try:
            write_all(self.descriptor, frame)
        except OSError:
            pass  # a log line must not end the function
        finally:
            self.release()

    def put_error(self, error):
        """An invocation or the init failed; `error` is what the caller is told."""
        if _as_json:
            record = {'timestamp': _timestamp(time.time()), 'level': 'ERROR', **error}
            self.put(to_json(record).decode('utf-8'), logging.ERROR, time.time())
            return
        lines = ['[ERROR]']
        if error['errorType']:
            lines[0] += f' {error["errorType"]}'
        if error['errorMessage']:
            lines[0] += f'{":" if error["errorType"] else ""} {error["errorMessage"]}'
        lines.append('Traceback (most recent call last):')
        for part in error['stackTrace']:
            for line in part.splitlines() or ['']:
                bare = line.lstrip(' ')
                lines.append(NO_BREAK_SPACE * (len(line) - len(bare)) + bare)
        self.put(('\r' if self.descriptor is None else '\n').join(lines), logging.ERROR,
                 time.time())


def set_up_logging():
    handler = LambdaLoggerHandler()
    logging.Formatter.converter = time.gmtime
    level = os.environ.get('AWS_LAMBDA_LOG_LEVEL', '').upper()
    level = 'DEBUG' if level == 'TRACE' else level
    root = logging.getLogger()
    if level in ('DEBUG', 'INFO', 'WARN', 'WARNING', 'ERROR', 'FATAL', 'CRITICAL'):
        root.setLevel(level)
    root.addHandler(handler)
    return handler


# ---- connection: requests out, replies in, strictly in order ----

def write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


def refuse(what):
    """The peer broke the protocol: nothing it says can be trusted any more."""
    print(f'runtime: {what}', file=sys.stderr, flush=True)
    os._exit(EXIT_PROTOCOL)


class Connection:
    def __init__(self):
        address = os.environ.get('AWS_LAMBDA_RUNTIME_API')
        self.host = address or 'runtime'
        if address:
            import socket
            host, _, port = address.rpartition(':')
            self.socket = socket.create_connection((host, int(port)))
            self.descriptor = self.socket.fileno()
        else:
            self.descriptor = 3
            os.set_inheritable(self.descriptor, False)
        self.held = b''

    def _more(self):
        try:
            data = os.read(self.descriptor, READ_BYTES)
        except ConnectionError:
            data = b''
        if not data:
            os._exit(0)  # the daemon has hung up
        return data

    def reply(self):
        """The next reply: its status, its fields by lower-case name, its body."""
        data = self.held
        while (end := data.find(b'\r\n\r\n')) < 0:
            if len(data) > HEAD_MAX:
                refuse('reply head too long')
            data += self._more()
        line, *rest = data[:end].decode('latin-1').split('\r\n')
        fields = {}
        for field in rest:
            name, _, value = field.partition(':')
            fields[name.lower()] = value.strip()
        status = STATUS_LINE.fullmatch(line)
        length = fields.get('content-length', '')
        if not status or not LENGTH.fullmatch(length) or int(length) > BODY_MAX:
            refuse('reply that is not HTTP/1.1 with a usable Content-Length')
        length = int(length)
        parts = [data[end + 4:]]
        have = len(parts[0])
        while have < length:
            parts.append(self._more())
            have += len(parts[-1])
        body = b''.join(parts)
        self.held = body[length:]
        return int(status[1]), fields, body[:length]

    def next(self, agent=''):
        head = f'GET {API}/invocation/next HTTP/1.1\r\nHost: {self.host}\r\n{agent}\r\n'
        self._send(head.encode('ascii'))
        status, fields, body = self.reply()
        if status != 200 or not fields.get('lambda-runtime-aws-request-id'):
            refuse(f'GET next answered with {status} or without a request id')
        return fields, body

    def post(self, where, content_type, body, kind=None):
        head = (f'POST {API}{where} HTTP/1.1\r\nHost: {self.host}\r\n'
                f'Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n')
        if kind and ERROR_TYPE.fullmatch(kind):
            head += f'Lambda-Runtime-Function-Error-Type: {kind}\r\n'
        self._send(f'{head}\r\n'.encode('ascii') + body)
        status, _, _ = self.reply()
        if status >= 300 and status != 413:  # at 413 the caller knows that it was too large
            refuse(f'POST answered with {status}')

    def _send(self, data):
        try:
            write_all(self.descriptor, data)
        except ConnectionError:
            os._exit(0)


# ---- the context that a handler gets ----

class _Fields:
    """An object whose attributes are the entries of a dictionary; those it lacks are None."""
    __slots__ = ()

    def __init__(self, given):
        for name in self.__slots__:
            setattr(self, name, given.get(name))

    def __repr__(self):
        shown = ','.join(f'{name}={getattr(self, name)}' for name in self.__slots__)
        return f'{type(self).__name__}([{shown}])'


class CognitoIdentity(_Fields):
    __slots__ = ('cognito_identity_id', 'cognito_identity_pool_id')


class Client(_Fields):
    __slots__ = ('installation_id', 'app_title', 'app_version_name', 'app_version_code',
                 'app_package_name')


class ClientContext(_Fields):
    __slots__ = ('custom', 'env', 'client')

    def __init__(self, given):
        super().__init__(given)
        self.client = Client(self.client) if self.client is not None else None


def _parse_field(text, name):
    try:
        return json.loads(text) if text else None
    except Exception as error:
        raise Fault('LambdaContextUnmarshalError', f'Unable to parse {name} JSON: {error}')


class LambdaContext:
    _SHOWN = ('aws_request_id', 'log_group_name', 'log_stream_name', 'function_name',
              'memory_limit_in_mb', 'function_version', 'invoked_function_arn', 'client_context',
              'identity', 'tenant_id')

    def __init__(self, fields, log):
        env = os.environ
        self.aws_request_id = fields['lambda-runtime-aws-request-id']
        self.log_group_name = env.get('AWS_LAMBDA_LOG_GROUP_NAME')
        self.log_stream_name = env.get('AWS_LAMBDA_LOG_STREAM_NAME')
        self.function_name = env.get('AWS_LAMBDA_FUNCTION_NAME')
        self.memory_limit_in_mb = env.get('AWS_LAMBDA_FUNCTION_MEMORY_SIZE')
        self.function_version = env.get('AWS_LAMBDA_FUNCTION_VERSION')
        self.invoked_function_arn = fields.get('lambda-runtime-invoked-function-arn')
        self.tenant_id = fields.get('lambda-runtime-aws-tenant-id')
        client = _parse_field(fields.get('lambda-runtime-client-context'), 'Client Context')
        self.client_context = ClientContext(client) if client is not None else None
        identity = _parse_field(fields.get('lambda-runtime-cognito-identity'), 'Cognito Identity')
        identity = identity or {}
        self.identity = CognitoIdentity({
            'cognito_identity_id': identity.get('cognitoIdentityId'),
            'cognito_identity_pool_id': identity.get('cognitoIdentityPoolId')})
        self._deadline_ms = int(fields.get('lambda-runtime-deadline-ms', '0'))
        self._log = log

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        self._log.put(str(message), logging.NOTSET, time.time())

    def __repr__(self):
        shown = ','.join(f'{name}={getattr(self, name)}' for name in self._SHOWN)
        return f'LambdaContext([{shown}])'


# ---- the function ----

def load_handler(wanted):
    """`folder/module.name` -> the function of that name."""
    module_name, dot, name = wanted.rpartition('.')
    if not dot:
        raise Fault('MalformedHandlerName',
                    f"Bad handler '{wanted}': not enough values to unpack (expected 2, got 1)")
    if module_name.split('.')[0] in sys.builtin_module_names:
        raise Fault('BuiltInModuleConflict',
                    f'Cannot use built-in module {module_name} as a handler module')
    try:
        module = importlib.import_module(module_name.replace('/', '.'))
    except ImportError as error:
        raise Fault('ImportModuleError', f"Unable to import module '{module_name}': {error}")
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault('UserCodeSyntaxError', f"Syntax error in module '{module_name}': {error}",
                    [where])
    try:
        return getattr(module, name)
    except AttributeError:
        raise Fault('HandlerNotFound', f"Handler '{name}' missing on module '{module_name}'")


def _begin(log, fields):
    log.request_id = fields['lambda-runtime-aws-request-id']
    log.tenant_id = fields.get('lambda-runtime-aws-tenant-id')
    trace = fields.get('lambda-runtime-trace-id')
    if trace:
        os.environ['_X_AMZN_TRACE_ID'] = trace
    else:
        os.environ.pop('_X_AMZN_TRACE_ID', None)


def _event(body, fields):
    if fields.get('content-type') != 'application/json':
        return body
    try:
        return json.loads(body)
    except Exception as error:
        raise Fault('UnmarshalError', f'Unable to unmarshal input: {error}')


def _result(value):
    if isinstance(value, bytes):
        return 'application/unknown', value
    try:
        return 'application/json', to_json(value)
    except Exception as error:
        raise Fault('MarshalError', f'Unable to marshal response: {error}')


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the function may have closed or replaced it


def invoke(connection, log, handler, fields, body):
    _begin(log, fields)
    request_id = fields['lambda-runtime-aws-request-id']
    process = os.getpid()
    try:
        context = LambdaContext(fields, log)
        value = handler(_event(body, fields), context)
        if os.getpid() != process:  # a fork of the handler's own came back: the answer is not its
            os._exit(0)
        content_type, answer = _result(value)
    except Exception as error:
        if os.getpid() != process:
            os._exit(1)
        failed = describe_error(error, request_id)
        log.put_error(failed)
        _flush()
        connection.post(f'/invocation/{request_id}/error', 'application/json', to_json(failed),
                        failed['errorType'])
        return
    _flush()
    connection.post(f'/invocation/{request_id}/response', content_type, answer)


def load():
    """The handler of the function, whose folder comes first on the path from here on."""
    sys.path.insert(0, os.environ.get('LAMBDA_TASK_ROOT', os.getcwd()))
    return load_handler(os.environ.get('_HANDLER', ''))


def initialise(connection, log):
    """The handler; a function that cannot be loaded is reported, and the process ends."""
    try:
        return load()
    except Exception as error:
        failed = describe_error(error)
        log.put_error(failed)
        _flush()
        connection.post('/init/error', 'application/json', to_json(failed), failed['errorType'])
        sys.exit(EXIT_INIT)


def initialise_as_template(template):
    """The handler, in an environment that was forked: the template itself stays in here."""
    try:
        handler = load()
    except BaseException as error:  # the environments say it themselves
        template.refuse(f'its init failed: {error}')
    _flush()
    template.serve()
    return handler


def _template_module():
    path = os.path.join(os.path.dirname(OURS), 'python_template.py')
    spec = importlib.util.spec_from_file_location('python_template', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    role = sys.argv.pop() if len(sys.argv) > 1 else ''
    log = set_up_logging()
    template = _template_module()
    template.offer_hooks()
    if role == 'template':
        handler = initialise_as_template(template.Template())
        connection = Connection()
    else:
        connection = Connection()
        handler = initialise(connection, log)
    # The first request says which Python this is: the daemon notes when another was asked for.
    version = '.'.join(map(str, sys.version_info[:3]))
    event = connection.next(f'User-Agent: ropeline-python/{version}\r\n')
    while True:
        invoke(connection, log, handler, *event)
        event = connection.next()


if __name__ == '__main__':
    main()
