# SPDX-License-Identifier: Apache-2.0
"""A template: a process that has loaded the function and is then forked, so that an environment
begins where loading ends. Invariant: what two processes cannot share is not there when the template
begins to serve, or it refuses and says why. What Python draws of chance it seeds anew in a fork by
itself (os.register_at_fork); what a hash is seeded with stays what it was.

snapshot_restore_py is the module by which a function says what it wants done before it is forked
and in each fork, as on AWS with SnapStart."""
import gc
import json
import os
import sys
import types

CONTROL = 5
FAR_END = 6  # of 3: for runtimes that rehearse
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
        os.set_inheritable(CONTROL, False)
        try:
            self._load()
        except (ImportError, OSError, AttributeError) as error:  # not with this C library or Python
            self.refuse(f'its Python cannot be forked: {error}')
        with open('/proc/self/comm', 'rb') as name:
            self.name = name.read().rstrip()
        self.prctl(PR_SET_NAME, NAME)
        self.descriptors = _descriptors()

    def _load(self):
        import ctypes  # which not every Python has
        self.prctl = ctypes.CDLL(None).prctl
        # PyDLL: the interpreter's lock is kept, as os.fork() keeps it.
        self.library = ctypes.PyDLL(os.path.join(os.path.dirname(__file__), 'python_fork.so'))
        self.library.text.restype = ctypes.c_char_p
        self.around = [ctypes.pythonapi[f'PyOS_{name}']
                       for name in ('BeforeFork', 'AfterFork_Child', 'AfterFork_Parent')]
        for function in self.around:
            function.restype = None

    def refuse(self, why):
        os.write(CONTROL, f'refused {why}'.encode('utf-8', 'backslashreplace')[:500])
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
        os.write(CONTROL, b'ready')
        while True:
            if not self.library.receive():
                os._exit(0)
            if self._give_birth():
                break
        self.prctl(PR_SET_NAME, self.name)
        _become(json.loads(self.library.text()))
        for hook, args, named in _after:
            hook(*args, **named)

    def _give_birth(self):
        """True in the new process. Around the fork is what os.fork() would do."""
        before, in_child, in_parent = self.around
        before()
        born = self.library.give_birth()
        (in_child if born else in_parent)()
        return born


def _become(variables):
    os.environ.update(variables)
    os.makedirs(variables['TMPDIR'], mode=0o700, exist_ok=True)
    if 'tempfile' in sys.modules:
        sys.modules['tempfile'].tempdir = None
