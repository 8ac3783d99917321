# SPDX-License-Identifier: Apache-2.0
"""A template: a process that has loaded the function and is then forked, so that an environment
begins where loading ends. Invariant: what two processes cannot share is not there when the template
begins to serve, or it refuses and says why. What Python draws of chance it seeds anew in a fork by
itself (os.register_at_fork); what a hash is seeded with stays what it was.

snapshot_restore_py is the module by which a function says what it wants done before it is forked
and in each fork, as on AWS with SnapStart."""
import ctypes
import gc
import json
import os
import signal
import socket
import sys
import time
import types

CONTROL = 5
GIVEN = (1, 2, 3, 4)  # the numbers that the descriptors of a birth message get
FAR_END = 6  # of 3: for runtimes that rehearse
MESSAGE_MAX = 65536
DIED = 127
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
NAME = b'template'  # for who looks at processes

_before, _after = [], []


def offer_hooks():
    """Makes the module importable, in a template and everywhere else."""
    module = types.ModuleType('snapshot_restore_py')
    module.register_before_snapshot = lambda hook, *args, **named: _before.append((hook, args, named))
    module.register_after_restore = lambda hook, *args, **named: _after.append((hook, args, named))
    sys.modules.setdefault(module.__name__, module)


def _descriptors():
    found = {}
    for name in os.listdir('/proc/self/fd'):
        try:
            found[name] = os.readlink(f'/proc/self/fd/{name}')
        except OSError:
            pass  # the one that listed them
    return found


class Template:
    def __init__(self):
        """Before any code of the function is there."""
        os.close(FAR_END)
        self.control = socket.socket(fileno=CONTROL)
        self.prctl = ctypes.CDLL(None).prctl
        self.keeper = os.getppid()
        with open('/proc/self/comm', 'rb') as name:
            self.name = name.read().rstrip()
        self.prctl(PR_SET_NAME, NAME)
        self.descriptors = _descriptors()

    def refuse(self, why):
        self.control.send(f'refused {why}'.encode('utf-8', 'backslashreplace')[:500])
        os._exit(0)

    def _refusal(self):
        threads = len(os.listdir('/proc/self/task')) - 1
        if threads > 0:
            return f'its init started {threads} thread{"s" if threads > 1 else ""}'
        for name, target in _descriptors().items():
            if self.descriptors.get(name) != target:
                return f'its init left descriptor {name} open ({target})'
        return None

    def serve(self):
        """Serves until the daemon is gone; returns in each new environment, and nowhere else."""
        for hook, args, named in reversed(_before):
            hook(*args, **named)
        why = self._refusal()
        if why:
            self.refuse(why)
        gc.collect()
        gc.freeze()  # so that no fork copies these pages just to count references
        self.control.send(b'ready')
        while True:
            data, descriptors, _, _ = socket.recv_fds(self.control, MESSAGE_MAX, len(GIVEN))
            if len(data) <= 4 or len(descriptors) != len(GIVEN):
                os._exit(0)
            if self._give_birth(data[:4], descriptors):
                break
            for descriptor in descriptors:
                os.close(descriptor)
        self.prctl(PR_SET_NAME, self.name)
        _become(json.loads(data[4:]))
        for hook, args, named in _after:
            hook(*args, **named)

    def _give_birth(self, number, descriptors):
        """Forks twice, so that the keeper, our subreaper, is the parent. True in the new process."""
        middle = os.fork()
        if middle:
            os.waitpid(middle, 0)
            return False
        middle = os.getpid()
        if os.fork():
            os._exit(0)
        try:
            while os.getppid() == middle:
                time.sleep(0)
            self.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self.keeper:
                os._exit(DIED)
            os.setsid()
            for wanted, descriptor in zip(GIVEN, descriptors):
                os.dup2(descriptor, wanted, inheritable=wanted <= 2)
                os.close(descriptor)
            self.control.send(number)
            self.control.close()
        except OSError:
            os._exit(DIED)
        return True


def _become(variables):
    os.environ.update(variables)
    os.makedirs(os.environ['TMPDIR'], mode=0o700, exist_ok=True)
    if 'tempfile' in sys.modules:
        sys.modules['tempfile'].tempdir = None
