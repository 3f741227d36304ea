"""Signs of tampering: reported in `flags`, counted in the metrics, never scored.

Two kinds, told apart by name. What was observed while the program ran:

    exit_before_end            it left with exit code 0 before its record
    patched_builtins           a builtin was another object after the program than before (Python, IN_PROCESS)
    changed_signal_handlers    the same, of signal handlers
    opened_proc                it opened a file below /proc (*)
    tried_network              it asked for an address or a connection, of which a jail has none (*)
    touched_runner_files       it opened for writing, or removed, the runner's files or its task's tests (*)
    read_test_files            it opened its task's tests for reading (Python, beside unit tests)
    inspected_objects          it asked the garbage collector for all objects (Python, IN_PROCESS)
    traced_tests               it had itself told of what the interpreter does next (Python, IN_PROCESS)
    output_lists_tests         a wrong output that holds the expected ones of at least half of the tests

    (*) Python at IN_PROCESS notes the attempt; elsewhere it is seen where the program failed of it.

and what its text suggests, which honest programs may say too:

    hard_coded_tests           it contains the inputs or outputs of at least half of the tests
    source_...                 it names something that few solutions have a use for: `SOURCE_SIGNS`
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from server.verify.code.observed import OBSERVED

T = TypeVar("T")

# Each pattern with words of which every match has one: to look for words costs a tenth of a search.
SOURCE_SIGNS: dict[str, tuple[tuple[str, ...], re.Pattern[str]]] = {
    "source_reads_proc": (("/proc",), re.compile(r"/proc\b")),
    "source_patches_builtins": (
        ("builtins",),
        re.compile(r"\b(?:builtins|__builtins__)\s*(?:\.\s*\w+\s*=[^=]|\[)|setattr\(\s*(?:__)?builtins"),
    ),
    "source_changes_signal_handlers": (
        ("signal", "sigaction"),
        re.compile(r"\bsignal\s*\.\s*(?:signal|alarm|setitimer)\s*\(|\bsigaction\b"),
    ),
    "source_uses_network": (
        ("socket", "urllib", "requests", "http", "ftplib", "streams"),
        re.compile(
            r"\b(?:import|from)\s+(?:socket|urllib|requests|http|ftplib|asyncio\.streams)\b|\bsys/socket\.h\b"
        ),
    ),
    "source_inspects_frames": (
        ("frame", "f_", "gc", "inspect", "set", "walk_stack", ".call", "prepareStackTrace"),
        re.compile(
            r"\b_(?:getframe|current_frames)\b|\bf_(?:locals|globals|back|code)\b|\b(?:tb|gi|cr|ag)_frame\b"
            r"|\bgc\s*\.\s*get_(?:objects|referrers)\b|\binspect\s*\.\s*(?:stack|currentframe|trace)\b"
            r"|\bset(?:trace|profile)\b|\bwalk_stack\b|\barguments\s*\.\s*callee\b|\.\s*caller\b|\bprepareStackTrace\b"
        ),
    ),
    "source_exits_at_once": (
        ("_exit", "_Exit", "halt", "reallyExit"),
        re.compile(
            r"\bos\s*\.\s*_exit\b|\b_[eE]xit\s*\(|\bquick_exit\s*\(|\bRuntime\s*\.[^;]*\.\s*halt\s*\(|\breallyExit\b"
        ),
    ),
    "source_overrides_equality": (
        ("__eq__", "PartialEq", "equals", "asymmetricMatch", "operator"),
        re.compile(
            r"\bdef\s+__eq__\b|\b__eq__\s*=|\bimpl\b[^{;]*\bPartialEq\b|\bboolean\s+equals\s*\(|\basymmetricMatch\b"
            r"|\boperator\s*==\s*\([^)]*\)\s*(?:const\s*)?(?:noexcept\s*)?\{\s*return\s+(?:true|1)\s*;"
        ),
    ),
    "source_patches_asserts": (
        (
            *("assert", "macro_rules", "struct String", "struct Vec", "stringify", "_load", "Equal"),
            "console",
            *("unhandledRejection", "uncaughtException", "process.emit", "domain'", 'domain"', "Assertions"),
            *("def raise", "self.raise", "CORE::GLOBAL", "Test::More", "main::"),
        ),
        re.compile(
            r"\bmacro_rules!\s*(?:(?:debug_)?assert|format\b|matches\b|panic\b|vec\b)"
            r"|\bstruct (?:String|Vec)\b|\bJSON\s*\.\s*stringify\s*=(?![=>])|\._load\s*=(?!=)"
            r"|\bassign\([^;{]*\{\s*(?:deep|strict)\w*\b|\bdefineProperty\(\s*console\b"
            r"|\bassert(?:['\"]\s*\))?\s*\.\s*\w+\s*=(?![=>])"
            r"|\bconsole\s*\.\s*assert\s*=(?![=>])|\bTestCase\s*\.\s*assert\w+\s*=(?!=)"
            # Node's last resorts, PHP's settings, Ruby's and Perl's own words.
            r"|\b(?:unhandledRejection|uncaughtException)\b|\bprocess\.emit\s*=(?![=>])"
            r"|\brequire\(\s*['\"](?:node:)?domain['\"]"
            r"|\bini_set\s*\(\s*['\"](?:zend\.assert|assert\.)|\bassert_options\s*\("
            r"|\b(?:Test::Unit|Minitest)::Assertions\b|\bdef (?:self\.)?raise\b"
            r"|\bdef\s+(?:self\.)?assert\w*[^\n:]*$|\bCORE::GLOBAL\b|\*(?:\{?['\"]?)(?:Test::More|main)::\w+\W*=",
            re.MULTILINE,
        ),
    ),
    "source_names_runner": (
        (
            *(
                "/box",
                "solution.py",
                "sitecustomize",
                "usercustomize",
                "conftest",
                "modules",
                "_pytest",
                "meta_path",
            ),
            *("erdict", "getResource", "__filename", "include_", "incbin", "go:embed", "Executable"),
        ),
        re.compile(
            r"/box\b|\bsolution\.py\b|\b(?:site|user)customize\b|\bconftest\b|\bsys\s*\.\s*modules\b|\b_pytest\b"
            r"|\bmeta_path\b|\bverdict_(?:harness|done|run|unit)|\bverdict(?:Done|Run|Tests)\b"
            r"|\bVerdict(?:Runner|UnitTests)\b|\bSymbol\s*\.\s*for\s*\(\s*.verdict\b|\bgetResource(?:AsStream)?\b"
            r"|\b__filename\b|\binclude_(?:str|bytes)\s*!|\.incbin\b|//go:embed\b|\bos\s*\.\s*Executable\b"
        ),
    ),
    "source_writes_descriptors": (
        ("rite", "fd", "open", "FileDescriptor", "NewFile", "printf", ">&"),
        re.compile(
            r"\bos\s*\.\s*write\s*\(\s*[3-9]\b|/dev/fd/[3-9]|\bFileDescriptor\b|\bfrom_raw_fd\b"
            r"|\bos\s*\.\s*NewFile\s*\(|\bwrite(?:v|File)?Sync\s*\(\s*[3-9]\b|\b[wW]rite\s*\(\s*4\s*,"
            r"|\b(?:f?open|fdopen|dprintf|for_fd)\s*\(\s*4\b|\bfd\s*:\s*4\b|php://fd/|>&=?\s*4\b"
        ),
    ),
}
SOURCE_FLAGS: tuple[str, ...] = ("hard_coded_tests", *SOURCE_SIGNS)
FLAGS: tuple[str, ...] = ("exit_before_end", *OBSERVED, "output_lists_tests", *SOURCE_FLAGS)

# Whatever the language: libc's and Node's names for these errors, and those of Java's and Rust's own.
_REFUSALS: dict[str, re.Pattern[bytes]] = {
    "opened_proc": re.compile(
        rb"(?:denied|EACCES|EPERM|not permitted|No such file|ENOENT)[^\n]*/proc/"
        rb"|/proc/[^\n]*(?:denied|not permitted|[Nn]o such file)"
    ),
    "tried_network": re.compile(
        rb"[Nn]etwork is unreachable|ENETUNREACH|NetworkUnreachable|[Cc]onnection refused|ECONNREFUSED"
        rb"|ConnectionRefused|[Tt]emporary failure in name resolution|EAI_AGAIN|UnknownHostException"
    ),
    "touched_runner_files": re.compile(
        rb"(?:[Rr]ead-only file system|EROFS|denied|EACCES)[^\n]*/box/"
        rb"|/box/[^\n]*(?:[Rr]ead-only file system|denied)"
    ),
}

_NAMES_RUNNER = "source_names_runner"
_OF_TESTS = re.compile(r"test|spec", re.IGNORECASE)
_SHORTEST_STEM = 6  # characters of a test file's name without its ending
_SHORTEST_TELLING = 8  # characters without blanks: shorter texts turn up by chance
_LONGEST_TELLING = 4096
_MOST_TESTS = 64
_MOST_SOURCE_CHARS = 1 << 18
_MOST_OUTPUT_BYTES = 1 << 16
_MOST_STDERR_BYTES = 1024
_FEWEST_LISTED = 3  # outputs of tests in one output
_BLANKS_AND_QUOTES = re.compile(r"[\s'\"]+|\\n")
# Where statements put their examples. An open comment runs to the end: to look for its end again at each
# further one would take a square of the text's length.
_ASIDES = re.compile(
    r"^[ \t]*[rRuU]?(?P<quotes>\"\"\"|''').*?(?P=quotes)|^[ \t]*(?:#|//|\*)[^\n]*|/\*.*?(?:\*/|\Z)",
    re.MULTILINE | re.DOTALL,
)


def telling_texts(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """Of each test (input, expected), the texts that would give a table of tests away.

    What several tests share is a word of the task, such as IMPOSSIBLE, and tells nothing.
    """
    squeezed = [{_squeezed(text) for text in pair if len(text) <= _LONGEST_TELLING} for pair in _first(pairs)]
    times = Counter(text for texts in squeezed for text in texts)
    kept = (tuple(text for text in texts if _is_telling(text, times)) for texts in squeezed)
    return tuple(filter(None, kept))


def telling_outputs(outputs: Iterable[str]) -> tuple[str, ...]:
    """The expected outputs that only a program which lists several tests' would print together."""
    squeezed = [_squeezed(text) for text in _first(outputs) if len(text) <= _LONGEST_TELLING]
    times = Counter(squeezed)
    kept = [text for text in squeezed if _is_telling(text, times)]
    return tuple(text for text in kept if not any(text in other for other in kept if other != text))


def names_of_tests(paths: Iterable[str]) -> tuple[str, ...]:
    """How a program would name those of the files that hold tests; others may be there for its use."""
    names = {path.rsplit("/", 1)[-1] for path in paths if _OF_TESTS.search(path)}
    stems = {name.rpartition(".")[0] for name in names if name.endswith((".py", ".java"))}
    return tuple(sorted(names | {stem for stem in stems if len(stem) >= _SHORTEST_STEM}))


def flags_of_source(
    source: str, telling: tuple[tuple[str, ...], ...], test_names: Iterable[str] = ()
) -> list[str]:
    """What the text suggests; `telling` and `test_names` are of the tests."""
    text = source[:_MOST_SOURCE_CHARS]
    flags = [
        name
        for name, (words, sign) in SOURCE_SIGNS.items()
        if any(word in text for word in words) and sign.search(text)
    ]
    if _NAMES_RUNNER not in flags and _names_one(text, test_names):
        flags.append(_NAMES_RUNNER)
    return ["hard_coded_tests", *flags] if _is_table(text, telling) else flags


def flags_of_output(stdout: bytes, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """What a wrong output suggests; `outputs` are the tests' telling ones."""
    if len(outputs) < _FEWEST_LISTED:
        return ()
    text = _squeezed(stdout[:_MOST_OUTPUT_BYTES].decode("utf-8", "replace"))
    found = sum(output in text for output in outputs)
    return ("output_lists_tests",) if found >= _FEWEST_LISTED and 2 * found >= len(outputs) else ()


def flags_of_failure(stderr: bytes) -> tuple[str, ...]:
    """What the system refused a program that failed, in the words of its last error."""
    return tuple(name for name, sign in _REFUSALS.items() if sign.search(stderr[-_MOST_STDERR_BYTES:]))


def _names_one(text: str, names: Iterable[str]) -> bool:
    return any(name in text and re.search(rf"\b{re.escape(name)}\b", text) for name in names)


def _first(items: Iterable[T]) -> Iterator[T]:
    return itertools.islice(items, _MOST_TESTS)


def _is_telling(text: str, times: Mapping[str, int]) -> bool:
    return len(text) >= _SHORTEST_TELLING and times[text] == 1


def _is_table(source: str, telling: tuple[tuple[str, ...], ...]) -> bool:
    """Whether half of the tests stand in it, and still do without docstrings and comments."""
    return _holds_half(source, telling) and _holds_half(_ASIDES.sub("", source), telling)


def _holds_half(source: str, telling: tuple[tuple[str, ...], ...]) -> bool:
    squeezed = _squeezed(source)
    found = sum(any(text in squeezed for text in texts) for texts in telling)
    return found >= 2 and 2 * found >= len(telling)


def _squeezed(text: str) -> str:
    return _BLANKS_AND_QUOTES.sub("", text)
