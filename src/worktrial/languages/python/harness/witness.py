"""The sealed reporter: an audit hook that writes every line of the report itself. Python 3.8 or newer.

Code under test runs in the same process as the runner and may do what it likes with every object it can reach. An audit
hook cannot be removed and is in no list that Python code can see; here it is a closure over nothing but built-in
functions, a keyed hash and a file descriptor, made and hidden from the garbage collector before any code of the
workspace can be imported. The harness and the instrumented tests speak to it by `sys.audit`; whether it was they, it
tells by the code object of the calling frame. Everything in here avoids names that others can rebind.
"""

import gc
import itertools
import os
import sys
import types
from _blake2 import blake2b
from _json import encode_basestring_ascii
from _thread import RLock

WATCHED = frozenset((
    "open", "object.__setattr__", "sys.settrace", "sys.setprofile", "sys.addaudithook",
    "sys._current_frames", "gc.get_objects", "gc.get_referrers",
    "ctypes.string_at", "ctypes.addressof", "ctypes.cdata", "ctypes.cdata/buffer", "ctypes.PyObj_FromPtr",
))  # fmt: skip
"""Events that are looked at; most are noted once each, and what the validated solution does not cause is shown."""


def seal(fd, key, event_name, *, own_codes, snapshot, workspace):
    """Install the witness and hide it. Nothing is returned: from here on it is spoken to by `sys.audit` alone.

    `own_codes` are the code objects of the harness, `snapshot` what `take_snapshot` returned, `workspace` the folder
    with a slash at its end. Its parts are closures that the functions below make. All they need is in their cells,
    built-in functions too: what they would look up by name, others could put something else in the place of.
    """
    own = {id(code): code for code in own_codes}
    frozen = [0]  # objects that are set aside for good, these among them
    emit = make_emit(fd, key)
    note = make_note(emit)
    begin, proved, register, mark = make_bodies(own, emit, note)
    say = make_say(own, workspace, emit, note, begin=begin, proved=proved)
    check = make_check(snapshot, frozen, note)
    watch = make_watch(fd, frozen, note)
    sys.addaudithook(make_hook(event_name, own, note, mark=mark, say=say, register=register, check=check, watch=watch))
    gc.freeze()
    frozen[0] = gc.get_freeze_count()


def make_encoded():
    """Return what writes a value as JSON, in ASCII; what JSON has no word for is null."""
    quote = encode_basestring_ascii
    _type, _str, _int, _bool, _dict, _list, _tuple = type, str, int, bool, dict, list, tuple

    def encoded(value):
        kind = _type(value)
        if kind is _str:
            return quote(value)
        if kind is _bool:
            return "true" if value else "false"
        if kind is _int:
            return "%d" % value
        if kind is _dict:
            return "{" + ",".join([quote(k) + ":" + encoded(v) for k, v in value.items()]) + "}"
        if kind is _list or kind is _tuple:
            return "[" + ",".join([encoded(v) for v in value]) + "]"
        return "null"

    return encoded


def make_emit(fd, key):
    """Return what writes a record as the report's next line, numbered and signed; after the last one it writes none."""
    keyed, encoded = blake2b(key=key, digest_size=16), make_encoded()
    write, number, lock, closed = os.write, itertools.count().__next__, RLock(), []

    def emit(record):
        if closed:
            return
        with lock:
            data = b"%d %s" % (number(), encoded(record).encode("ascii"))
            hashed = keyed.copy()
            hashed.update(data)
            line = hashed.hexdigest().encode("ascii") + b" " + data + b"\n"
            while line:
                line = line[write(fd, line) :]
        if "finished" in record:
            closed.append(True)

    return emit


def make_note(emit):
    """Return what reports a sign of tampering, each kind once."""
    said, _len = set(), len

    def note(kind):
        if kind not in said and _len(said) < 200:
            said.add(kind)
            emit({"evidence": kind})

    return note


def make_bodies(own, emit, note):
    """Return what is told of the bodies of tests.

    These are `begin` (a test starts), `proved` (whether its body came to its end), `register` (a test module was
    compiled) and `mark` (its code, or that of a test in it, begins or ends).
    """
    bodies = {}  # id of a code object: (code, path, qualified name, module number)
    by_name = {}  # (path, qualified name): whether there is such a body
    module_globals = {}  # module number: its globals, once its code has run
    ended = set()  # (path, qualified name) of the bodies that ended since the test began
    number_of_module, _id = itertools.count().__next__, id

    def begin():
        ended.clear()

    def proved(test):
        path, _, rest = test.partition("::")
        names = rest.partition("[")[0].replace("::", ".").replace(".().", ".")
        if (path, names) in by_name:
            return (path, names) in ended
        # Inherited from a class elsewhere: any body of that name that came to its end in the test's time.
        last = names.rpartition(".")[2]
        return last in [name.rpartition(".")[2] for _, name in ended]

    def register(frame, path, digest, module, found):
        if _id(frame.f_code) not in own:
            note("foreign_caller")
            return
        module_number = number_of_module()
        bodies[_id(module)] = (module, path, "", module_number)
        for name, code in found:
            bodies[_id(code)] = (code, path, name, module_number)
            by_name[path, name] = True
        emit({"source": path, "sha256": digest})

    def mark(frame, kind):
        known = bodies.get(_id(frame.f_code))
        if known is None:
            note("foreign_caller")
            return
        _, path, name, module_number = known
        if not name:
            if module_number in module_globals:
                note("module_run_again:" + path)
            else:
                module_globals[module_number] = frame.f_globals
        elif module_globals.get(module_number) is not frame.f_globals:
            note("body_elsewhere:" + path)
        elif kind == "end":
            ended.add((path, name))

    return begin, proved, register, mark


def make_say(own, workspace, emit, note, *, begin, proved):
    """Return what reports what the harness says, with what is known of the test besides."""
    _id, _len, _type, _dict = id, len, type, dict

    def say(frame, record):
        if _id(frame.f_code) not in own or _type(record) is not _dict:
            note("foreign_caller")
            return
        if "test" in record or "started" in record:
            above = frame.f_back
            while above is not None:
                file = above.f_code.co_filename
                if file.startswith(workspace):
                    note("report_by:" + file[_len(workspace) :])
                above = above.f_back
        if "started" in record:
            begin()
        elif "test" in record:
            record = {**record, "proved": proved(record["test"])}
        emit(record)

    return say


def make_check(snapshot, frozen, note):
    """Return what compares the runner with what it was."""
    freeze_count = gc.get_freeze_count

    def check():
        if freeze_count() * 2 < frozen[0]:
            note("gc_unfrozen")
        for label, names, name, value, code in snapshot:
            current = names.get(name)
            if current is not value or (code is not None and value.__code__ is not code):
                note("patched:" + label)

    return check


def make_watch(fd, frozen, note):
    """Return what looks at the events of others, and sets the witness aside again when somebody gets it out."""
    fd_names = ("/proc/self/fd/%d" % fd, "/dev/fd/%d" % fd, "/proc/%d/fd/%d" % (os.getpid(), fd))
    freeze, freeze_count, _type, _str = gc.freeze, gc.get_freeze_count, type, str

    def watch(event, args):
        if event == "open":
            path = args[0]
            if _type(path) is _str and path.startswith(("/proc/", "/dev/fd/")):
                if path in fd_names:
                    note("open:report")
                elif path.endswith("/mem"):
                    note("open:memory")
        elif event == "object.__setattr__":
            if args[1] == "__code__":
                note("code_replaced")
        else:
            if event.startswith("gc.") and freeze_count() * 2 < frozen[0]:
                note("gc_unfrozen")
                freeze()
            note("event:" + event)

    return watch


def make_hook(event_name, own, note, *, mark, say, register, check, watch):
    """Return the audit hook, which passes to its parts what is for them."""
    getframe, getpid, pid = sys._getframe, os.getpid, os.getpid()
    watched, _id, _error = WATCHED, id, BaseException

    def hook(event, args):
        if event == event_name:
            if getpid() != pid:  # a forked child has nothing to say
                return
            try:
                frame, kind = getframe(1), args[0]
                if kind in ("begin", "end", "module"):
                    mark(frame, kind)
                elif kind == "say":
                    say(frame, args[1])
                elif kind == "register":
                    register(frame, *args[1:])
                elif kind == "check" and _id(frame.f_code) in own:
                    check()
                else:
                    note("foreign_caller")
            except _error:  # an exception that left this function would show its frame, and all it closes over
                return
        elif event in watched and getpid() == pid:
            try:
                watch(event, args)
            except _error:
                return

    return hook


def take_snapshot(modules, skip=()):
    """Return `(label, names, name, value, code)` for all functions and classes of modules, and of their classes."""
    found = []
    for label, module in modules:
        names = vars(module)
        for name, value in list(names.items()):
            full = label + "." + name
            if full in skip or not callable(value):
                continue
            found.append((full, names, name, value, code_of(value)))
            if isinstance(value, type) and value.__module__ == module.__name__ and label != "builtins":
                for inner, method in list(vars(value).items()):
                    if callable(method) or isinstance(method, (staticmethod, classmethod, property)):
                        found.append((full + "." + inner, vars(value), inner, method, code_of(method)))
    return found


def code_of(value):
    """Return the code of a plain function, None of all else: some objects answer to any attribute's name."""
    return value.__code__ if type(value) is types.FunctionType else None


def code_objects(*functions_or_codes):
    """Return the code objects of functions, of the functions inside them, and of classes' methods."""
    waiting, found = list(functions_or_codes), []
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, type):
            waiting += [value for value in vars(thing).values() if hasattr(value, "__code__")]
        elif hasattr(thing, "__code__"):
            waiting.append(thing.__code__)
        elif hasattr(thing, "co_consts"):
            found.append(thing)
            waiting += [value for value in thing.co_consts if hasattr(value, "co_consts")]
    return found
