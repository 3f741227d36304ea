"""Languages that compile to an executable."""

from __future__ import annotations

from sandbox.languages.row import Language

CPP_FLAGS = ("-O2", "-std=gnu++20")
# Of a small program's compilation it saves 10 % (C++) to 35 % (OCaml); of C's, Rust's and Haskell's less.
_GOLD = ("-fuse-ld=gold",)
_C_HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); }\n'
_CPP_HELLO = '#include <cstdio>\nint main() { std::puts("hello"); }\n'


def _cpp(name: str, standard: str, *aliases: str) -> Language:
    return Language(
        name=name,
        aliases=aliases,
        family="cpp",
        source_name="main.cpp",
        compile_command=(
            *("g++", "-O2", f"-std={standard}", "{linker}", "{precompiled}", "main.cpp", "-o", "main"),
        ),
        linker_options=_GOLD,
        version_command=("g++", "-dumpfullversion"),
        modes=("script", "call", "asserts"),
        packages=("g++",),
        hello=_CPP_HELLO,
    )


def _c(name: str, standard: str, *aliases: str) -> Language:
    return Language(
        name=name,
        aliases=aliases,
        family="c",
        source_name="main.c",
        compile_command=("gcc", "-O2", f"-std={standard}", "main.c", "-o", "main", "-lm"),
        version_command=("gcc", "-dumpfullversion"),
        packages=("gcc", "libc6-dev"),
        hello=_C_HELLO,
    )


CPP = _cpp("cpp", "gnu++20", "c++", "cxx", "cc", "g++", "cpp20", "c++20")

# Plain compile and link where the standard library comes as archives (Go before 1.20): `go build` costs
# three times as much CPU time.
_GO_BUILD = """\
root=$(dirname "$(dirname "$(readlink -f "$(command -v go)")")")
archives=$(echo "$root"/pkg/linux_*/fmt.a)
tools=$(dirname "$(echo "$root"/pkg/tool/*/compile)")
if [ -e "$archives" ] && [ ! -d src ]; then
  archives=$(dirname "$archives")
  "$tools/compile" -p main -complete -I "$archives" -o main.o "$@" &&
    "$tools/link" -s -w -L "$archives" -o main main.o
else
  export GOPATH=$PWD GO111MODULE=off GOCACHE=$TMPDIR/go-build GOFLAGS=-ldflags=-s\\ -w
  go build -o main "$@"
fi
"""

_GO_TEST_HELLO = """\
package main

import (
	"fmt"
	"testing"
)

func TestHello(t *testing.T) { fmt.Println("hello") }
"""

NATIVE = (
    CPP,
    _cpp("cpp11", "gnu++11", "c++11"),
    _cpp("cpp14", "gnu++14", "c++14"),
    _cpp("cpp17", "gnu++17", "c++17"),
    _cpp("cpp23", "gnu++23", "c++23"),
    _c("c", "gnu17", "gcc", "c17"),
    _c("c99", "gnu99"),
    _c("c11", "gnu11"),
    Language(
        name="go",
        aliases=("golang",),
        source_name="main.go",
        compile_command=("sh", "-euc", _GO_BUILD, "go", "{sources}"),
        version_command=("go", "version"),
        modes=("script", "asserts", "unit_tests"),
        packages=("golang-go",),
        environment={"GOTRACEBACK": "single"},
        extra_processes=16,
        memory_signs=("runtime: out of memory", "cannot allocate memory"),
        hello='package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("hello") }\n',
    ),
    Language(
        name="go_test",
        aliases=(),
        source_name="main_test.go",
        compile_command=(
            *("env", "GO111MODULE=off"),  # its caches are below HOME, which every backend lets it write
            *("go", "test", "-vet=off", "-c", "-o", "main", "{sources}"),
        ),
        version_command=("go", "version"),
        packages=("golang-go",),
        extra_processes=16,
        memory_signs=("runtime: out of memory", "cannot allocate memory"),
        hello=_GO_TEST_HELLO,
    ),
    Language(
        name="rust",
        aliases=("rs",),
        source_name="main.rs",
        compile_command=(
            *("rustc", "--edition", "2021", "-C", "opt-level=2", "-C", "strip=symbols"),
            *("--cap-lints", "warn", "-o", "main", "{sources}"),
        ),
        version_command=("rustc", "--version"),
        modes=("script", "asserts", "unit_tests"),
        packages=("rustc",),
        memory_signs=("memory allocation of",),
        hello='fn main() {\n    println!("hello");\n}\n',
    ),
    Language(
        name="haskell",
        aliases=("hs", "ghc"),
        source_name="main.hs",
        compile_command=("ghc", "-O1", "-v0", "-o", "main", "main.hs"),
        version_command=("ghc", "--numeric-version"),
        packages=("ghc",),
        host_paths=("/var/lib/ghc",),
        memory_signs=("heap overflow", "Heap exhausted", "out of memory"),
        hello='main :: IO ()\nmain = putStrLn "hello"\n',
    ),
    Language(
        name="ocaml",
        aliases=("ml",),
        source_name="main.ml",
        compile_command=(
            *("ocamlopt", "-O3", "-w", "-a", "-I", "+str", "-I", "+unix"),
            *("{linker}", "unix.cmxa", "str.cmxa", "main.ml", "-o", "main"),
        ),
        linker_options=("-ccopt", *_GOLD),
        version_command=("ocamlopt", "-version"),
        packages=("ocaml-nox",),
        memory_signs=("Out_of_memory", "Out of memory"),
        hello='let () = print_endline "hello"\n',
    ),
    Language(
        name="d",
        aliases=("dlang", "gdc"),
        source_name="main.d",
        compile_command=("gdc", "-O2", "{linker}", "main.d", "-o", "main"),
        linker_options=_GOLD,
        version_command=("gdc", "-dumpfullversion"),
        packages=("gdc",),
        memory_signs=("OutOfMemoryError",),
        hello='import std.stdio;\n\nvoid main() { writeln("hello"); }\n',
    ),
    Language(
        name="d_ut",
        aliases=(),
        family="d",
        source_name="main.d",
        compile_command=("gdc", "-O2", "-funittest", "{linker}", "main.d", "-o", "main"),
        linker_options=_GOLD,
        version_command=("gdc", "-dumpfullversion"),
        packages=("gdc",),
        memory_signs=("OutOfMemoryError",),
        hello='import std.stdio;\n\nunittest { writeln("hello"); }\nvoid main() {}\n',
    ),
    Language(
        name="fortran",
        aliases=("f90", "gfortran", "fortran-2018"),
        source_name="main.f90",
        compile_command=("gfortran", "-O2", "{linker}", "main.f90", "-o", "main"),
        linker_options=_GOLD,
        version_command=("gfortran", "-dumpfullversion"),
        packages=("gfortran",),
        hello="program main\n  print '(a)', 'hello'\nend program\n",
    ),
    Language(
        name="pascal",
        aliases=("pas", "freepascal", "fpc"),
        source_name="main.pas",
        compile_command=("fpc", "-v0ew", "-O2", "-omain", "main.pas"),
        version_command=("fpc", "-iV"),
        packages=("fp-compiler",),
        host_paths=("/etc/fpc.cfg", "/etc/fpc-3.2.2.cfg"),
        memory_signs=("Runtime error 203", "EOutOfMemory"),
        hello="begin\n  writeln('hello');\nend.\n",
    ),
    Language(
        name="ada",
        aliases=("adb", "gnat"),
        source_name="main.adb",
        compile_command=("gnatmake", "-q", "-O2", "main.adb", "-o", "main"),
        version_command=("gnatmake", "--version"),
        packages=("gnat",),
        memory_signs=("STORAGE_ERROR",),
        hello='with Ada.Text_IO;\nprocedure Main is\nbegin\n   Ada.Text_IO.Put_Line ("hello");\nend Main;\n',
    ),
    Language(
        name="nim",
        aliases=(),
        source_name="main.nim",
        compile_command=(
            *("nim", "c", "-d:release", "--hints:off", "--nimcache:nimcache", "-o:main", "main.nim"),
        ),
        version_command=("nim", "--version"),
        packages=("nim", "gcc", "libc6-dev"),
        host_paths=("/etc/nim",),
        memory_signs=("out of memory",),
        hello='echo "hello"\n',
    ),
    Language(
        name="crystal",
        aliases=("cr",),
        source_name="main.cr",
        compile_command=("crystal", "build", "--no-color", "-o", "main", "main.cr"),
        version_command=("crystal", "--version"),
        environment={"CRYSTAL_CACHE_DIR": "/tmp/crystal"},  # noqa: S108 - the jail's own
        packages=("crystal", "libpcre3-dev", "libevent-dev", "libgc-dev"),
        extra_processes=8,
        memory_signs=("GC Warning: Out of Memory", "Out of memory"),
        hello='puts "hello"\n',
    ),
    Language(
        name="swift",
        aliases=(),
        source_name="main.swift",
        compile_command=("swiftc", "-O", "main.swift", "-o", "main"),
        version_command=("swiftc", "--version"),
        hello='print("hello")\n',
    ),
)
