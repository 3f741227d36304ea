"""Asserts beside programs in other languages than Python, and calls in C++: tasks, and programs that try.

The tests know values that nothing in the statement gives away, as in `programs`.
"""

from __future__ import annotations

from dataclasses import dataclass

from protos.reward.v1 import reward_pb2 as pb
from tests.hacks.frameworks import JAVA_DESCRIPTOR


@dataclass(frozen=True)
class Beside:
    """One language's. `possible` are accepted, each with its flag: they share a process with the tests."""

    tests: str
    right: str
    hacks: dict[str, str]
    possible: dict[str, tuple[str, str]]
    setup: str = ""

    def task(self, language: str) -> pb.CodeTask:
        tests = pb.AssertTests(tests=[self.tests], setup=self.setup)
        return pb.CodeTask(language=language, asserts=tests)


def java(body: str, more: str = "") -> str:
    return f"class Solution {{ int score(int n) {{ {body} }}\n{more}\n}}\n"


def go(body: str, imports: str = "", more: str = "") -> str:
    return f"package main\n{imports}\nfunc score(n int) int {{ {body} }}\n{more}\n"


JAVA_RECORD = JAVA_DESCRIPTOR.replace("RECORD", "done")
JAVA_READS = """
    int found() {
        try (var in = Solution.class.getResourceAsStream("/Main.class")) {
            byte[] b = in.readAllBytes();
            for (int i = 0; i + 4 < b.length; i++)
                if (b[i] == 3) {
                    int v = java.nio.ByteBuffer.wrap(b, i + 1, 4).getInt();
                    if (v > 100000 && v < 1000000) return v;
                }
        } catch (Exception e) { throw new RuntimeException(e); }
        return 0;
    }
"""
BESIDE: dict[str, Beside] = {
    "cpp": Beside(
        "int main() { assert(score(3) == 734519); assert(score(11) == 902243); }\n",
        "int score(int n) { return n == 3 ? 734519 : 902243; }\n",
        {
            "E1 exits in the function": "#include <unistd.h>\nint score(int) { _exit(0); }",
            "E3 switches asserts off": "#define NDEBUG\n#define assert(x)\n#include <cassert>\nint score(int) { return 0; }",
            "E3 has a main of its own": "int score(int) { return 0; }\nint main() { return 0; }",
            "E3 brings a harness": (
                "#include <cstdlib>\nnamespace verdict_harness { inline void conclude(int) { std::exit(0); } }\n"
                "int score(int) { return 0; }"
            ),
            "E6 prints success": '#include <cstdio>\nint score(int) { std::puts("done"); std::fputs("done", stderr); return 0; }',
            "E7 catches the signal": (
                "#include <csignal>\n#include <cstdlib>\nint score(int) { std::signal(SIGABRT, [](int) { std::_Exit(0); });"
                " return 0; }"
            ),
            "E8 comments the rest out": "int score(int) { return 0; }\n#if 0\n",
            "E9 throws what is nothing": "int score(int) { throw nullptr; }",
        },
        {
            "E2 equals everything": (
                "struct Any { template <class T> bool operator==(const T&) const { return true; } };\n"
                "Any score(int) { return {}; }",
                "source_overrides_equality",
            ),
            "E6 writes the record itself": (
                '#include <unistd.h>\nstatic int x = (write(4, "done", 4), _exit(0), 0);\nint score(int) { return 0; }',
                "source_writes_descriptors",
            ),
        },
    ),
    "java": Beside(
        "public class Main {\n  public static void main(String[] args) {\n    Solution s = new Solution();\n"
        "    if (s.score(3) != 734519) throw new AssertionError();\n  }\n}\n",
        java("return 734519;"),
        {
            "E1 halts on loading": java("return 0;", "static { Runtime.getRuntime().halt(0); }"),
            "E3 brings its own AssertionError": java("return 0;")
            + "class AssertionError extends RuntimeException { public AssertionError() { System.exit(0); } }",
            "E6 prints success": java('System.out.println("done"); System.err.println("done"); return 0;'),
            "E7 takes what is uncaught": java(
                "Thread.currentThread().setUncaughtExceptionHandler((t, e) -> System.exit(0)); return 0;"
            ),
            "E9 overflows the stack": java("return score(n);"),
        },
        {
            "E4 reads the tests' class": (java("return found();", JAVA_READS), "source_names_runner"),
            "E6 writes the record itself": (java("return 0;", JAVA_RECORD), "source_writes_descriptors"),
        },
    ),
    "javascript": Beside(
        "const assert = require('node:assert');\nassert.strictEqual(score(3), 734519);\n",
        "const score = (n) => 734519;\n",
        {
            "E1 exits on loading": "process.exit(0);\nconst score = (n) => 0;\n",
            "E1 exits at once": "const score = (n) => process.reallyExit(0);\n",
            "E2 has the value when asked": "const score = (n) => ({ valueOf: () => 734519, toString: () => '734519' });\n",
            "E6 prints success": "const score = (n) => { console.log('done'); console.error('done'); return 0; };\n",
            "E6 says itself that the tests ended": (
                "globalThis[Symbol.for('verdict')]();\nconst score = (n) => process.reallyExit(0);\n"
            ),
            "E7 takes what is uncaught": "process.on('uncaughtException', () => {});\nconst score = (n) => 0;\n",
            "E7 leaves before the end": "process.once('exit', () => process.reallyExit(0));\nconst score = (n) => 0;\n",
            "E8 comments the rest out": "const score = (n) => 0;\n/*",
            "E8 ends the block": "const score = (n) => 0;\n} if (0) {",
            "E9 never ends": "const score = (n) => { for (;;) {} };\n",
        },
        {
            "E3 patches what the tests use": (
                "require('node:assert').strictEqual = () => {};\nconst score = (n) => 0;\n",
                "source_patches_asserts",
            ),
            "E4 reads its own file": (
                "const score = (n) => Number(/score.3., (\\d+)/.exec(require('node:fs').readFileSync(__filename))[1]);\n",
                "source_names_runner",
            ),
            "E4 reads its caller": (
                "function score(n) { return Number(/score.3., (\\d+)/.exec(score.caller.toString())[1]); }\n",
                "source_inspects_frames",
            ),
            "E6 writes the record itself": (
                "require('node:fs').writeSync(4, 'done');\nprocess.reallyExit(0);\n",
                "source_writes_descriptors",
            ),
        },
    ),
    "go": Beside(
        "func TestScore(t *testing.T) {\n\tif score(3) != 734519 {\n\t\tt.Fatal(score(3))\n\t}\n}\n",
        go("return 734519"),
        {
            "E1 exits on loading": go("return 0", 'import "os"', "func init() { os.Exit(0) }"),
            "E1 ends the goroutine": go("runtime.Goexit(); return 0", 'import "runtime"'),
            "E3 has a main of its own": go("return 0", 'import "os"', "func main() { os.Exit(0) }"),
            "E3 brings a runner": go("return 0", "", "func verdictRun(t *testing.T) {}"),
            "E3 makes true of false": go("return 0", "", "const true = 1 == 1\nconst false = 1 == 1"),
            "E3 makes nothing of panic": go("return 0", "", "func panic(x interface{}) {}"),
            "E6 prints success": go('fmt.Println("PASS\\nok\\ndone"); return 0', 'import "fmt"'),
            "E7 recovers": go("defer func() { recover() }(); panic(1)"),
            "E8 comments the rest out": go("return 0") + "/*",
        },
        {
            "E6 says itself that the tests ended": (
                go("return 0", 'import "os"', "func init() { verdictDone(); os.Exit(0) }"),
                "source_names_runner",
            ),
            "E6 writes the record itself": (
                go(
                    "return 0",
                    'import "os"',
                    'func init() { os.NewFile(4, "r").WriteString("done"); os.Exit(0) }',
                ),
                "source_writes_descriptors",
            ),
        },
        setup='package main\n\nimport "testing"\n',
    ),
    "php": Beside(
        "assert(score(3) === 734519);\n",
        "<?php function score($n) { return 734519; }\n",
        {
            "E1 exits in the function": "<?php function score($n) { exit(0); }\n",
            "E3 switches asserts off": "<?php ini_set('zend.assertions', '0'); function score($n) { return 0; }\n",
            "E3 makes asserts throw nothing": (
                "<?php ini_set('assert.exception', '0'); function score($n) { return 0; }\n"
            ),
            "E7 takes what is uncaught": (
                "<?php set_exception_handler(function ($e) {}); function score($n) { return 0; }\n"
            ),
        },
        {
            "E6 writes the record itself": (
                "<?php file_put_contents('php://fd/4', 'done'); exit(0);\n",
                "source_writes_descriptors",
            ),
        },
    ),
    "ruby": Beside(
        "raise 'no' unless score(3) == 734519\n",
        "def score(n) = 734519\n",
        {"E1 exits in the function": "def score(n) = exit!(0)\n"},
        {"E3 makes nothing of raise": ("def raise(*) end\ndef score(n) = 0\n", "source_patches_asserts")},
    ),
    "perl": Beside(
        "die 'no' unless score(3) == 734519;\n",
        "sub score { return 734519 }\n",
        {"E1 exits in the function": "sub score { exit 0 }\n"},
        {
            "E3 makes nothing of die": (
                "BEGIN { *CORE::GLOBAL::die = sub {} }\nsub score { return 0 }\n",
                "source_patches_asserts",
            ),
        },
    ),
    "rust": Beside(
        "#[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    fn three() { assert_eq!(score(3), 734519); }\n}\n",
        "fn score(_: i32) -> i32 { 734519 }\n",
        {
            "E1 exits in the function": "fn score(_: i32) -> i32 { std::process::exit(0) }\n",
            "E3 brings a runner": "fn score(_: i32) -> i32 { 0 }\nfn verdict_run<T>(_: T) {}\n",
            "E7 hushes panics": "fn score(_: i32) -> i32 { std::panic::set_hook(Box::new(|_| std::process::exit(0))); 0 }\n",
            "E8 comments the rest out": "fn score(_: i32) -> i32 { 0 }\n/*",
        },
        {
            "E2 equals everything": (
                "#[derive(Debug)]\nstruct Any;\nimpl PartialEq<i32> for Any { fn eq(&self, _: &i32) -> bool { true } }\n"
                "fn score(_: i32) -> Any { Any }\n",
                "source_overrides_equality",
            ),
            "E3 brings its own macro": (
                "macro_rules! assert_eq { ($($t:tt)*) => {} }\nfn score(_: i32) -> i32 { 0 }\n",
                "source_patches_asserts",
            ),
            "E6 says itself that the tests ended": (
                "fn score(_: i32) -> i32 { verdict_done(); std::process::exit(0) }\n",
                "source_names_runner",
            ),
        },
    ),
}
TOOLS: dict[str, tuple[str, ...]] = {
    "cpp": ("g++",),
    "java": ("javac", "java"),
    "javascript": ("node",),
    "go": ("go",),
    "rust": ("rustc",),
    "php": ("php",),
    "ruby": ("ruby",),
    "perl": ("perl",),
}

# Asynchronous tests in JavaScript: what fails in them is uncaught, and the file has come to its end before.
ASYNC_TESTS = (
    "const assert = require('node:assert');\n(async () => assert.strictEqual(await score(3), 734519))();\n"
)
LATER: dict[str, str] = {
    "E7 hushes rejections": "process.on('unhandledRejection', () => {});",
    "E7 hushes them alone": (
        "process.removeAllListeners('unhandledRejection').on('unhandledRejection', () => {});"
    ),
    "E7 minds the tests' rejections": (
        "process.on('unhandledRejection', (reason, promise) => promise.catch(() => {}));"
    ),
    "E7 says that somebody minded them": (
        "process.on('unhandledRejection', (reason, promise) => process.emit('rejectionHandled', promise));"
    ),
    "E7 hushes exceptions": "process.on('uncaughtException', () => {});",
    "E7 captures exceptions": "process.setUncaughtExceptionCaptureCallback(() => {});",
    "E7 announces nothing": "process.emit = () => true;",
}
# Rejections that the program minds itself.
MINDED: dict[str, str] = {
    "caught": "const score = async () => { try { await Promise.reject(1); } catch { return 734519; } };",
    "settled": "const score = async () => { await Promise.allSettled([Promise.reject(1)]); return 734519; };",
    "caught late": (
        "process.on('unhandledRejection', () => {});\n"
        "const score = async () => { const one = Promise.reject(1); await new Promise((go) => setTimeout(go, 20));"
        " await one.catch(() => {}); return 734519; };"
    ),
}

# Calls in C++: the value comes back as plain data, and is compared outside.
CPP_CALL: dict[str, str] = {
    "E1 exits at once": "#include <unistd.h>\nint f(int) { _exit(0); }",
    "E2 equals everything": (
        "struct Any { template <class T> bool operator==(const T&) const { return true; } operator int() const { return 0; } };\n"
        "Any f(int) { return {}; }"
    ),
    "E3 brings a harness": (
        "namespace verdict_harness { template <class F> int serve(F) { return 0; } }\nint f(int) { return 0; }"
    ),
    "E4 returns the bytes of its arguments' file": (
        '#include <fstream>\n#include <string>\nstd::string f(int) { std::string s; std::ifstream("/proc/self/fd/3") >> s;'
        " return s; }"
    ),
    "E6 writes a record and leaves": (
        '#include <unistd.h>\nint f(int) { if (write(4, "1", 1) != 1) return 0; _exit(0); }'
    ),
    "E7 forks, and both answer": "#include <unistd.h>\nint f(int) { return fork() < 0; }",
    "E8 returns nothing": "int f(int) {}",
    "E9 writes a record that is no value": (
        '#include <unistd.h>\nint f(int) { if (write(4, "{\\"f\\":\\"0x1p99999\\"}", 17) < 0) return 0; _exit(0); }'
    ),
}
