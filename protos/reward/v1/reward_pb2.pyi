from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    ACCEPTED: _ClassVar[Status]
    PARTIAL: _ClassVar[Status]
    WRONG_ANSWER: _ClassVar[Status]
    NO_ANSWER: _ClassVar[Status]
    COMPILE_ERROR: _ClassVar[Status]
    RUNTIME_ERROR: _ClassVar[Status]
    PREMATURE_EXIT: _ClassVar[Status]
    TIME_LIMIT: _ClassVar[Status]
    MEMORY_LIMIT: _ClassVar[Status]
    OUTPUT_LIMIT: _ClassVar[Status]
    PROCESS_LIMIT: _ClassVar[Status]
    FORBIDDEN: _ClassVar[Status]
    UNGRADABLE: _ClassVar[Status]
    UNDECIDED: _ClassVar[Status]
    INTERNAL_ERROR: _ClassVar[Status]
    OVERLOADED: _ClassVar[Status]
    CANCELLED: _ClassVar[Status]
    UNKNOWN_TESTS: _ClassVar[Status]

class Trust(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRUST_UNSPECIFIED: _ClassVar[Trust]
    OUTSIDE: _ClassVar[Trust]
    IN_PROCESS: _ClassVar[Trust]
STATUS_UNSPECIFIED: Status
ACCEPTED: Status
PARTIAL: Status
WRONG_ANSWER: Status
NO_ANSWER: Status
COMPILE_ERROR: Status
RUNTIME_ERROR: Status
PREMATURE_EXIT: Status
TIME_LIMIT: Status
MEMORY_LIMIT: Status
OUTPUT_LIMIT: Status
PROCESS_LIMIT: Status
FORBIDDEN: Status
UNGRADABLE: Status
UNDECIDED: Status
INTERNAL_ERROR: Status
OVERLOADED: Status
CANCELLED: Status
UNKNOWN_TESTS: Status
TRUST_UNSPECIFIED: Trust
OUTSIDE: Trust
IN_PROCESS: Trust

class VerifyRequest(_message.Message):
    __slots__ = ("id", "run", "completion", "extraction", "explain", "math", "code")
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    EXTRACTION_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    MATH_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    id: str
    run: str
    completion: str
    extraction: str
    explain: bool
    math: MathTask
    code: CodeTask
    def __init__(self, id: _Optional[str] = ..., run: _Optional[str] = ..., completion: _Optional[str] = ..., extraction: _Optional[str] = ..., explain: bool = ..., math: _Optional[_Union[MathTask, _Mapping]] = ..., code: _Optional[_Union[CodeTask, _Mapping]] = ...) -> None: ...

class MathTask(_message.Message):
    __slots__ = ("gold", "policy", "options")
    class PolicyEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GOLD_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    gold: _containers.RepeatedScalarFieldContainer[str]
    policy: _containers.ScalarMap[str, str]
    options: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, gold: _Optional[_Iterable[str]] = ..., policy: _Optional[_Mapping[str, str]] = ..., options: _Optional[_Iterable[str]] = ...) -> None: ...

class CodeTask(_message.Message):
    __slots__ = ("language", "stdio", "call", "asserts", "unit_test", "interactive", "tests_hash", "checker", "scoring", "run_all", "limits")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    STDIO_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    ASSERTS_FIELD_NUMBER: _ClassVar[int]
    UNIT_TEST_FIELD_NUMBER: _ClassVar[int]
    INTERACTIVE_FIELD_NUMBER: _ClassVar[int]
    TESTS_HASH_FIELD_NUMBER: _ClassVar[int]
    CHECKER_FIELD_NUMBER: _ClassVar[int]
    SCORING_FIELD_NUMBER: _ClassVar[int]
    RUN_ALL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    language: str
    stdio: StdioTests
    call: CallTests
    asserts: AssertTests
    unit_test: UnitTests
    interactive: InteractiveTests
    tests_hash: str
    checker: Checker
    scoring: str
    run_all: bool
    limits: Limits
    def __init__(self, language: _Optional[str] = ..., stdio: _Optional[_Union[StdioTests, _Mapping]] = ..., call: _Optional[_Union[CallTests, _Mapping]] = ..., asserts: _Optional[_Union[AssertTests, _Mapping]] = ..., unit_test: _Optional[_Union[UnitTests, _Mapping]] = ..., interactive: _Optional[_Union[InteractiveTests, _Mapping]] = ..., tests_hash: _Optional[str] = ..., checker: _Optional[_Union[Checker, _Mapping]] = ..., scoring: _Optional[str] = ..., run_all: bool = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class StdioTests(_message.Message):
    __slots__ = ("cases",)
    CASES_FIELD_NUMBER: _ClassVar[int]
    cases: _containers.RepeatedCompositeFieldContainer[StdioCase]
    def __init__(self, cases: _Optional[_Iterable[_Union[StdioCase, _Mapping]]] = ...) -> None: ...

class StdioCase(_message.Message):
    __slots__ = ("input", "output")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    input: str
    output: str
    def __init__(self, input: _Optional[str] = ..., output: _Optional[str] = ...) -> None: ...

class CallTests(_message.Message):
    __slots__ = ("function", "cases", "compared", "numbers", "nan_equal")
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    CASES_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NAN_EQUAL_FIELD_NUMBER: _ClassVar[int]
    function: str
    cases: _containers.RepeatedCompositeFieldContainer[CallCase]
    compared: str
    numbers: str
    nan_equal: bool
    def __init__(self, function: _Optional[str] = ..., cases: _Optional[_Iterable[_Union[CallCase, _Mapping]]] = ..., compared: _Optional[str] = ..., numbers: _Optional[str] = ..., nan_equal: bool = ...) -> None: ...

class CallCase(_message.Message):
    __slots__ = ("args", "expected")
    ARGS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    args: str
    expected: str
    def __init__(self, args: _Optional[str] = ..., expected: _Optional[str] = ...) -> None: ...

class AssertTests(_message.Message):
    __slots__ = ("setup", "tests", "entry_point")
    SETUP_FIELD_NUMBER: _ClassVar[int]
    TESTS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_POINT_FIELD_NUMBER: _ClassVar[int]
    setup: str
    tests: _containers.RepeatedScalarFieldContainer[str]
    entry_point: str
    def __init__(self, setup: _Optional[str] = ..., tests: _Optional[_Iterable[str]] = ..., entry_point: _Optional[str] = ...) -> None: ...

class UnitTests(_message.Message):
    __slots__ = ("files", "framework", "solution_path", "expected_tests")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FILES_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    SOLUTION_PATH_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_TESTS_FIELD_NUMBER: _ClassVar[int]
    files: _containers.ScalarMap[str, str]
    framework: str
    solution_path: str
    expected_tests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, files: _Optional[_Mapping[str, str]] = ..., framework: _Optional[str] = ..., solution_path: _Optional[str] = ..., expected_tests: _Optional[_Iterable[str]] = ...) -> None: ...

class InteractiveTests(_message.Message):
    __slots__ = ("interactor", "cases", "protocol")
    INTERACTOR_FIELD_NUMBER: _ClassVar[int]
    CASES_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    interactor: Program
    cases: _containers.RepeatedCompositeFieldContainer[InteractiveCase]
    protocol: str
    def __init__(self, interactor: _Optional[_Union[Program, _Mapping]] = ..., cases: _Optional[_Iterable[_Union[InteractiveCase, _Mapping]]] = ..., protocol: _Optional[str] = ...) -> None: ...

class InteractiveCase(_message.Message):
    __slots__ = ("input", "answer")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    input: str
    answer: str
    def __init__(self, input: _Optional[str] = ..., answer: _Optional[str] = ...) -> None: ...

class Program(_message.Message):
    __slots__ = ("language", "source", "files", "arguments", "most_points")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    MOST_POINTS_FIELD_NUMBER: _ClassVar[int]
    language: str
    source: str
    files: _containers.ScalarMap[str, str]
    arguments: _containers.RepeatedScalarFieldContainer[str]
    most_points: float
    def __init__(self, language: _Optional[str] = ..., source: _Optional[str] = ..., files: _Optional[_Mapping[str, str]] = ..., arguments: _Optional[_Iterable[str]] = ..., most_points: _Optional[float] = ...) -> None: ...

class Checker(_message.Message):
    __slots__ = ("name", "floats", "program")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FLOATS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    name: str
    floats: FloatTolerance
    program: CheckerProgram
    def __init__(self, name: _Optional[str] = ..., floats: _Optional[_Union[FloatTolerance, _Mapping]] = ..., program: _Optional[_Union[CheckerProgram, _Mapping]] = ...) -> None: ...

class FloatTolerance(_message.Message):
    __slots__ = ("abs", "rel")
    ABS_FIELD_NUMBER: _ClassVar[int]
    REL_FIELD_NUMBER: _ClassVar[int]
    abs: float
    rel: float
    def __init__(self, abs: _Optional[float] = ..., rel: _Optional[float] = ...) -> None: ...

class CheckerProgram(_message.Message):
    __slots__ = ("language", "source", "protocol", "files", "arguments", "most_points")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    MOST_POINTS_FIELD_NUMBER: _ClassVar[int]
    language: str
    source: str
    protocol: str
    files: _containers.ScalarMap[str, str]
    arguments: _containers.RepeatedScalarFieldContainer[str]
    most_points: float
    def __init__(self, language: _Optional[str] = ..., source: _Optional[str] = ..., protocol: _Optional[str] = ..., files: _Optional[_Mapping[str, str]] = ..., arguments: _Optional[_Iterable[str]] = ..., most_points: _Optional[float] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("cpu_seconds", "wall_seconds", "memory_bytes", "output_bytes", "processes")
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    output_bytes: int
    processes: int
    def __init__(self, cpu_seconds: _Optional[float] = ..., wall_seconds: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., output_bytes: _Optional[int] = ..., processes: _Optional[int] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("id", "status", "reward", "message", "extracted", "math", "code", "trust", "isolation", "flags", "cached", "timing", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXTRACTED_FIELD_NUMBER: _ClassVar[int]
    MATH_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TRUST_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    status: Status
    reward: float
    message: str
    extracted: str
    math: MathDetail
    code: CodeDetail
    trust: Trust
    isolation: str
    flags: _containers.RepeatedScalarFieldContainer[str]
    cached: bool
    timing: Timing
    error: RequestFault
    def __init__(self, id: _Optional[str] = ..., status: _Optional[_Union[Status, str]] = ..., reward: _Optional[float] = ..., message: _Optional[str] = ..., extracted: _Optional[str] = ..., math: _Optional[_Union[MathDetail, _Mapping]] = ..., code: _Optional[_Union[CodeDetail, _Mapping]] = ..., trust: _Optional[_Union[Trust, str]] = ..., isolation: _Optional[str] = ..., flags: _Optional[_Iterable[str]] = ..., cached: bool = ..., timing: _Optional[_Union[Timing, _Mapping]] = ..., error: _Optional[_Union[RequestFault, _Mapping]] = ...) -> None: ...

class MathDetail(_message.Message):
    __slots__ = ("gold_parsed", "answer_parsed", "rule")
    GOLD_PARSED_FIELD_NUMBER: _ClassVar[int]
    ANSWER_PARSED_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    gold_parsed: str
    answer_parsed: str
    rule: str
    def __init__(self, gold_parsed: _Optional[str] = ..., answer_parsed: _Optional[str] = ..., rule: _Optional[str] = ...) -> None: ...

class CodeDetail(_message.Message):
    __slots__ = ("tests_passed", "tests_run", "tests_total", "compile", "cases", "limits", "checker")
    TESTS_PASSED_FIELD_NUMBER: _ClassVar[int]
    TESTS_RUN_FIELD_NUMBER: _ClassVar[int]
    TESTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    COMPILE_FIELD_NUMBER: _ClassVar[int]
    CASES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CHECKER_FIELD_NUMBER: _ClassVar[int]
    tests_passed: int
    tests_run: int
    tests_total: int
    compile: CompileDetail
    cases: _containers.RepeatedCompositeFieldContainer[CaseDetail]
    limits: Limits
    checker: str
    def __init__(self, tests_passed: _Optional[int] = ..., tests_run: _Optional[int] = ..., tests_total: _Optional[int] = ..., compile: _Optional[_Union[CompileDetail, _Mapping]] = ..., cases: _Optional[_Iterable[_Union[CaseDetail, _Mapping]]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., checker: _Optional[str] = ...) -> None: ...

class CompileDetail(_message.Message):
    __slots__ = ("ok", "diagnostics", "cpu_seconds", "wall_seconds", "cached")
    OK_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    diagnostics: str
    cpu_seconds: float
    wall_seconds: float
    cached: bool
    def __init__(self, ok: bool = ..., diagnostics: _Optional[str] = ..., cpu_seconds: _Optional[float] = ..., wall_seconds: _Optional[float] = ..., cached: bool = ...) -> None: ...

class CaseDetail(_message.Message):
    __slots__ = ("index", "status", "cpu_seconds", "wall_seconds", "memory_bytes", "difference", "stderr", "exit_code", "signal", "score", "checker_message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    CHECKER_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    status: Status
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    difference: str
    stderr: str
    exit_code: int
    signal: int
    score: float
    checker_message: str
    def __init__(self, index: _Optional[int] = ..., status: _Optional[_Union[Status, str]] = ..., cpu_seconds: _Optional[float] = ..., wall_seconds: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., difference: _Optional[str] = ..., stderr: _Optional[str] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., score: _Optional[float] = ..., checker_message: _Optional[str] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("queue_seconds", "compile_seconds", "run_seconds", "total_seconds")
    QUEUE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COMPILE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RUN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    queue_seconds: float
    compile_seconds: float
    run_seconds: float
    total_seconds: float
    def __init__(self, queue_seconds: _Optional[float] = ..., compile_seconds: _Optional[float] = ..., run_seconds: _Optional[float] = ..., total_seconds: _Optional[float] = ...) -> None: ...

class RequestFault(_message.Message):
    __slots__ = ("code", "field", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    field: str
    message: str
    def __init__(self, code: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class TestSet(_message.Message):
    __slots__ = ("stdio", "call", "asserts", "unit_test", "interactive")
    STDIO_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    ASSERTS_FIELD_NUMBER: _ClassVar[int]
    UNIT_TEST_FIELD_NUMBER: _ClassVar[int]
    INTERACTIVE_FIELD_NUMBER: _ClassVar[int]
    stdio: StdioTests
    call: CallTests
    asserts: AssertTests
    unit_test: UnitTests
    interactive: InteractiveTests
    def __init__(self, stdio: _Optional[_Union[StdioTests, _Mapping]] = ..., call: _Optional[_Union[CallTests, _Mapping]] = ..., asserts: _Optional[_Union[AssertTests, _Mapping]] = ..., unit_test: _Optional[_Union[UnitTests, _Mapping]] = ..., interactive: _Optional[_Union[InteractiveTests, _Mapping]] = ...) -> None: ...

class TestSetRef(_message.Message):
    __slots__ = ("hash", "cases", "bytes")
    HASH_FIELD_NUMBER: _ClassVar[int]
    CASES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    hash: str
    cases: int
    bytes: int
    def __init__(self, hash: _Optional[str] = ..., cases: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class ExecuteRequest(_message.Message):
    __slots__ = ("id", "run", "language", "source", "stdin", "arguments", "files", "fetch_files", "limits")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    FETCH_FILES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    id: str
    run: str
    language: str
    source: str
    stdin: _containers.RepeatedScalarFieldContainer[str]
    arguments: _containers.RepeatedScalarFieldContainer[str]
    files: _containers.ScalarMap[str, bytes]
    fetch_files: _containers.RepeatedScalarFieldContainer[str]
    limits: Limits
    def __init__(self, id: _Optional[str] = ..., run: _Optional[str] = ..., language: _Optional[str] = ..., source: _Optional[str] = ..., stdin: _Optional[_Iterable[str]] = ..., arguments: _Optional[_Iterable[str]] = ..., files: _Optional[_Mapping[str, bytes]] = ..., fetch_files: _Optional[_Iterable[str]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class ExecuteResult(_message.Message):
    __slots__ = ("id", "compile", "runs", "isolation", "limits", "timing")
    ID_FIELD_NUMBER: _ClassVar[int]
    COMPILE_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    id: str
    compile: CompileDetail
    runs: _containers.RepeatedCompositeFieldContainer[Execution]
    isolation: str
    limits: Limits
    timing: Timing
    def __init__(self, id: _Optional[str] = ..., compile: _Optional[_Union[CompileDetail, _Mapping]] = ..., runs: _Optional[_Iterable[_Union[Execution, _Mapping]]] = ..., isolation: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ...) -> None: ...

class Execution(_message.Message):
    __slots__ = ("status", "exit_code", "signal", "stdout", "stderr", "cpu_seconds", "wall_seconds", "memory_bytes", "files", "message")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    status: Status
    exit_code: int
    signal: int
    stdout: bytes
    stderr: bytes
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    files: _containers.ScalarMap[str, bytes]
    message: str
    def __init__(self, status: _Optional[_Union[Status, str]] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., cpu_seconds: _Optional[float] = ..., wall_seconds: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., files: _Optional[_Mapping[str, bytes]] = ..., message: _Optional[str] = ...) -> None: ...

class CheckTaskRequest(_message.Message):
    __slots__ = ("id", "run", "math", "code", "reference", "wrong", "time_factor")
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    MATH_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    WRONG_FIELD_NUMBER: _ClassVar[int]
    TIME_FACTOR_FIELD_NUMBER: _ClassVar[int]
    id: str
    run: str
    math: MathTask
    code: CodeTask
    reference: str
    wrong: _containers.RepeatedScalarFieldContainer[str]
    time_factor: float
    def __init__(self, id: _Optional[str] = ..., run: _Optional[str] = ..., math: _Optional[_Union[MathTask, _Mapping]] = ..., code: _Optional[_Union[CodeTask, _Mapping]] = ..., reference: _Optional[str] = ..., wrong: _Optional[_Iterable[str]] = ..., time_factor: _Optional[float] = ...) -> None: ...

class TaskReport(_message.Message):
    __slots__ = ("id", "fit", "problems", "slowest_cpu_seconds", "limit_cpu_seconds")
    ID_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    SLOWEST_CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    fit: bool
    problems: _containers.RepeatedScalarFieldContainer[str]
    slowest_cpu_seconds: float
    limit_cpu_seconds: float
    def __init__(self, id: _Optional[str] = ..., fit: bool = ..., problems: _Optional[_Iterable[str]] = ..., slowest_cpu_seconds: _Optional[float] = ..., limit_cpu_seconds: _Optional[float] = ...) -> None: ...

class GetCapabilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ("version", "isolation", "languages", "extraction_policies", "checkers", "dialects", "test_formats", "default_limits", "limit_ceilings", "request_bytes_ceiling")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    EXTRACTION_POLICIES_FIELD_NUMBER: _ClassVar[int]
    CHECKERS_FIELD_NUMBER: _ClassVar[int]
    DIALECTS_FIELD_NUMBER: _ClassVar[int]
    TEST_FORMATS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LIMITS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_CEILINGS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_CEILING_FIELD_NUMBER: _ClassVar[int]
    version: str
    isolation: str
    languages: _containers.RepeatedCompositeFieldContainer[Language]
    extraction_policies: _containers.RepeatedScalarFieldContainer[str]
    checkers: _containers.RepeatedScalarFieldContainer[str]
    dialects: _containers.RepeatedScalarFieldContainer[str]
    test_formats: _containers.RepeatedScalarFieldContainer[str]
    default_limits: Limits
    limit_ceilings: Limits
    request_bytes_ceiling: int
    def __init__(self, version: _Optional[str] = ..., isolation: _Optional[str] = ..., languages: _Optional[_Iterable[_Union[Language, _Mapping]]] = ..., extraction_policies: _Optional[_Iterable[str]] = ..., checkers: _Optional[_Iterable[str]] = ..., dialects: _Optional[_Iterable[str]] = ..., test_formats: _Optional[_Iterable[str]] = ..., default_limits: _Optional[_Union[Limits, _Mapping]] = ..., limit_ceilings: _Optional[_Union[Limits, _Mapping]] = ..., request_bytes_ceiling: _Optional[int] = ...) -> None: ...

class Language(_message.Message):
    __slots__ = ("name", "aliases", "version", "available", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    version: str
    available: bool
    reason: str
    def __init__(self, name: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ..., available: bool = ..., reason: _Optional[str] = ...) -> None: ...
