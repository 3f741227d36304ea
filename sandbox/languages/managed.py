"""Languages that compile to byte code: the JVM's, .NET's, Erlang's."""

from __future__ import annotations

from sandbox.languages.row import Language

_JARS = "/usr/share/java"
# A JVM reads its own configuration below /etc on Debian.
_JVM_PATHS = (
    *(f"/etc/java-{version}-openjdk" for version in (11, 17, 21, 25)),
    "/etc/alternatives/libclojure",
)
# Fewer threads and less memory than the server-class defaults; the stack is address space until it is used.
_JVM = (
    *("java", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto", "-Xss64m", "-Xmx{memory_mb}m"),
    # Whatever the machine itself has to say goes to stderr: stdout is the program's.
    *("-XX:+ExitOnOutOfMemoryError", "-XX:+DisplayVMOutputToStderr", "-Xlog:disable"),
)
# Short-lived: the optimising compiler would cost more than it gives.
_SHORT = "-XX:TieredStopAtLevel=1"
_COMPILING_JVM = ("-XX:+UseSerialGC", "-XX:-UsePerfData", _SHORT, "-Xlog:disable", "-Xss16m", "-Xmx1400m")
_KOTLIN = "/usr/share/kotlin/kotlinc"
_KOTLIN_JARS = (
    "kotlin-compiler",
    "libtrove-intellij",
    "kotlin-stdlib",
    "kotlin-reflect",
    "kotlin-script-runtime",
)
_SCALA_JARS = (
    "scala-compiler",
    "scala-library",
    "scala-reflect",
    "scala-xml_2.11",
    "scala-parser-combinators_2.11",
)
_JVM_SIGNS = ("java.lang.OutOfMemoryError", "There is insufficient memory for the Java Runtime")
_JVM_EXTRA_PROCESSES = 32
_JVM_EXTRA_MEMORY_BYTES = 96 << 20
_JUNIT_JARS = (
    *("junit-jupiter-api", "junit-jupiter-engine", "junit-jupiter-params", "junit-platform-commons"),
    *(
        "junit-platform-engine",
        "junit-platform-launcher",
        "junit-platform-console",
        "junit-platform-reporting",
    ),
    *("opentest4j", "apiguardian-api", "picocli", "univocity-parsers"),
    *("junit-vintage-engine", "junit4", "hamcrest"),
)
_JUNIT_HELLO = """\
import org.junit.jupiter.api.Test;

public class HelloTest {
    @Test
    void hello() { System.out.println("hello"); }
}
"""


def _classpath(jars: tuple[str, ...]) -> str:
    return ":".join(f"{_JARS}/{jar}.jar" for jar in jars)


def _jvm(
    name: str,
    aliases: tuple[str, ...],
    classpath: str,
    *,
    source_name: str,
    compile_command: tuple[str, ...],
    version_command: tuple[str, ...],
    packages: tuple[str, ...],
    hello: str,
    modes: tuple[str, ...] = ("script",),
    options: tuple[str, ...] = (),
) -> Language:
    return Language(
        name=name,
        aliases=aliases,
        source_name=source_name,
        compile_command=compile_command,
        product="out/",
        run_command=(*_JVM, *options, "-cp", classpath, "{main}"),
        version_command=version_command,
        modes=modes,
        class_archive=True,
        packages=packages,
        host_paths=_JVM_PATHS,
        extra_processes=_JVM_EXTRA_PROCESSES,
        extra_memory_bytes=_JVM_EXTRA_MEMORY_BYTES,
        memory_signs=_JVM_SIGNS,
        hello=hello,
    )


MANAGED = (
    _jvm(
        "java",
        ("openjdk",),
        "{box}",
        source_name="Main.java",
        compile_command=(
            *("javac", *(f"-J{option}" for option in _COMPILING_JVM), "{class_archive}"),
            *("-encoding", "UTF-8", "-proc:none", "-nowarn", "-d", "out", "{sources}"),
        ),
        version_command=("javac", "-version"),
        modes=("script", "asserts"),
        options=("-ea", "--add-opens=java.base/java.io=ALL-UNNAMED"),
        packages=("default-jdk-headless",),
        hello='class Main {\n    public static void main(String[] a) { System.out.println("hello"); }\n}\n',
    ),
    _jvm(
        "junit",
        (),
        f"{_classpath(_JUNIT_JARS)}:{{box}}",  # last, so that no class of a program passes for one of JUnit's
        source_name="Tests.java",
        compile_command=(
            *("javac", *(f"-J{option}" for option in _COMPILING_JVM), "{class_archive}"),
            *("-cp", _classpath(_JUNIT_JARS), "-encoding", "UTF-8", "-proc:none", "-nowarn"),
            *("-d", "out", "{sources}"),
        ),
        version_command=("javac", "-version"),  # Debian's console launcher does not tell its own
        modes=("script", "unit_tests"),
        options=("-ea", "--add-opens=java.base/java.io=ALL-UNNAMED"),
        packages=("default-jdk-headless", "junit5"),
        hello=_JUNIT_HELLO,
    ),
    _jvm(
        "kotlin",
        ("kt",),
        f"{{box}}:{_JARS}/kotlin-stdlib.jar:{_JARS}/kotlin-stdlib-jdk8.jar:{_JARS}/kotlin-stdlib-jdk7.jar",
        source_name="Main.kt",
        compile_command=(  # the `kotlinc` script's own way through a preloader takes half as long again
            *("java", *_COMPILING_JVM, "{class_archive}", f"-Dkotlin.home={_KOTLIN}"),
            *("-cp", _classpath(_KOTLIN_JARS), "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"),
            *("-nowarn", "-jvm-target", "1.8", "-d", "out", "{sources}"),
        ),
        version_command=("kotlinc", "-version"),
        packages=("kotlin", "default-jdk-headless"),
        hello='fun main() {\n    println("hello")\n}\n',
    ),
    _jvm(
        "scala",
        (),
        f"{{box}}:{_JARS}/scala-library.jar",
        source_name="Main.scala",
        compile_command=(
            *("sh", "-euc", 'mkdir -p out && exec java "$@"', "scalac", *_COMPILING_JVM, "{class_archive}"),
            *("-cp", _classpath(_SCALA_JARS), "-Dscala.usejavacp=true", "scala.tools.nsc.Main"),
            *("-nowarn", "-d", "out", "{sources}"),
        ),
        version_command=("scalac", "-version"),
        packages=("scala", "default-jdk-headless"),
        hello='object Main {\n  def main(args: Array[String]): Unit = println("hello")\n}\n',
    ),
    Language(
        name="clojure",
        aliases=("clj",),
        source_name="main.clj",
        run_command=(
            *(*_JVM, _SHORT, "{class_archive}", "-cp", f"{_JARS}/clojure.jar", "clojure.main"),
            "{box}/main.clj",
        ),
        class_archive=True,
        version_command=("java", "-cp", f"{_JARS}/clojure.jar", "clojure.main", "-e", "(clojure-version)"),
        packages=("clojure", "default-jre-headless"),
        host_paths=_JVM_PATHS,
        extra_processes=_JVM_EXTRA_PROCESSES,
        extra_memory_bytes=_JVM_EXTRA_MEMORY_BYTES,
        memory_signs=_JVM_SIGNS,
        hello='(println "hello")\n',
    ),
    Language(
        name="csharp",
        aliases=("c#", "cs", "mono"),
        source_name="main.cs",
        compile_command=(
            *("mcs", "-optimize+", "-nologo", "-langversion:latest", "-out:main"),
            *("-r:System.Numerics.dll", "-r:System.Core.dll", "main.cs"),
        ),
        run_command=("mono", "{box}/main"),
        version_command=("mono", "--version"),
        packages=(
            *("mono-mcs", "mono-runtime", "libmono-system-core4.0-cil"),
            *("libmono-system-numerics4.0-cil", "libmono-system-numerics-vectors4.0-cil"),
        ),
        host_paths=("/etc/mono",),
        extra_processes=16,
        memory_signs=("System.OutOfMemoryException", "Error: Garbage collector could not allocate"),
        hello='class Program { static void Main() { System.Console.WriteLine("hello"); } }\n',
    ),
    Language(
        name="erlang",
        aliases=("erl",),
        source_name="main.erl",
        compile_command=("sh", "-euc", 'mkdir -p out && erlc +warn_all -o out "$@"', "erlc", "{sources}"),
        product="out/",
        run_command=(
            *("erl", "+S", "1:1", "+A", "1", "-noshell", "-pa", "{box}", "-eval"),
            "try {main}:main(), init:stop() catch C:R:S ->"
            ' io:format(standard_error, "~p:~p~n~p~n", [C, R, S]), halt(1) end.',
        ),
        version_command=(
            *("erl", "-noshell", "-eval"),
            "io:put_chars(erlang:system_info(otp_release)), halt().",
        ),
        packages=("erlang-base",),
        extra_processes=24,
        memory_signs=("Cannot allocate", "eheap_alloc"),
        hello='-module(main).\n-export([main/0]).\nmain() -> io:put_chars("hello\\n").\n',
    ),
    Language(
        name="elixir",
        aliases=("exs", "ex"),
        source_name="main.exs",
        run_command=("elixir", "--erl", "+S 1:1 +A 1", "{box}/main.exs"),
        version_command=("elixir", "-e", "IO.puts(System.version())"),
        packages=("elixir",),
        extra_processes=24,
        memory_signs=("Cannot allocate", "eheap_alloc"),
        hello='IO.puts("hello")\n',
    ),
)
