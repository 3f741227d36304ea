"""One program per language that does what its input line says, and one that is no program.

`crash` ends with an exit code other than 0, `loop` never ends, `hog` takes memory without end, and any other
line is printed as it came.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """`refused` is "" where nothing is asked ahead of the first run."""

    act: str
    refused: str = ""


_C = Samples(
    """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
  char word[64];
  volatile unsigned spins = 0;
  if (!fgets(word, sizeof word, stdin)) return 2;
  if (!strcmp(word, "crash\\n")) return 3;
  while (!strcmp(word, "loop\\n")) ++spins;
  while (!strcmp(word, "hog\\n")) { void *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); }
  fputs(word, stdout);
}
""",
    "int main(void) { return undeclared; }\n",
)
_D = Samples(
    """import std.stdio, std.string;
int act() {
  auto word = readln().strip;
  int[][] kept;
  int spins;
  if (word == "crash") return 3;
  while (word == "loop") ++spins;
  while (word == "hog") { kept ~= new int[1 << 18]; kept[$ - 1][] = 1; }
  writeln(word);
  return 0;
}
int main() { return act(); }
""",
    "void main() { undeclared(); }\n",
)
_PYTHON = Samples(
    """import sys
word = sys.stdin.readline().strip()
kept = []
if word == "crash":
    sys.exit(3)
while word == "loop":
    pass
while word == "hog":
    kept.append(bytearray(1 << 20))
print(word)
""",
    "def (:\n",
)
_JAVASCRIPT = Samples(
    """const word = require("fs").readFileSync(0, "utf8").trim();
const kept = [];
if (word === "crash") process.exit(3);
while (word === "loop");
while (word === "hog") kept.push(new Array(1 << 17).fill(0.5 + kept.length));
console.log(word);
""",
    "let = = 1;\n",
)

SAMPLES = {
    "python": _PYTHON,
    "pypy": _PYTHON,
    **{name: _C for name in ("c", "c99", "c11")},
    **{
        name: Samples(_C.act, "int main() { return undeclared; }\n")
        for name in ("cpp", "cpp11", "cpp14", "cpp17", "cpp23")
    },
    "go": Samples(
        """package main

import (
	"fmt"
	"os"
)

func main() {
	var word string
	fmt.Scanln(&word)
	var kept [][]byte
	if word == "crash" {
		os.Exit(3)
	}
	for word == "loop" {
	}
	for word == "hog" {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	fmt.Println(word, len(kept) == 1)
}
""".replace("fmt.Println(word, len(kept) == 1)", "fmt.Println(word)\n\t_ = kept"),
        "package main\n\nfunc main() { undeclared() }\n",
    ),
    "rust": Samples(
        """fn main() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let word = line.trim();
    let mut kept: Vec<Vec<u8>> = Vec::new();
    if word == "crash" {
        std::process::exit(3);
    }
    let mut spins = 0u64;
    while word == "loop" {
        spins = std::hint::black_box(spins + 1);
    }
    while word == "hog" {
        kept.push(vec![1; 1 << 20]);
    }
    println!("{}", word);
}
""".replace(
            "spins = std::hint::black_box(spins + 1);", "unsafe { std::ptr::write_volatile(&mut spins, 1) };"
        ),
        "fn main() { undeclared(); }\n",
    ),
    "haskell": Samples(
        """import System.Exit
import Data.IORef
import Control.Monad
main :: IO ()
main = do
  word <- getLine
  case word of
    "crash" -> exitWith (ExitFailure 3)
    "loop" -> newIORef (0 :: Int) >>= \\r -> forever (modifyIORef' r (+ 1))
    "hog" -> newIORef ([] :: [Integer]) >>= \\r ->
      forM_ [1 ..] (\\n -> n `seq` modifyIORef' r (n :)) >> readIORef r >>= print . sum
    _ -> putStrLn word
""",
        "main = undeclared\n",
    ),
    "ocaml": Samples(
        """let () =
  let word = read_line () in
  let kept = ref [] in
  if word = "crash" then exit 3;
  while word = "loop" do ignore (Sys.opaque_identity word) done;
  while word = "hog" do kept := Bytes.make (1 lsl 20) 'x' :: !kept done;
  print_endline word
""",
        "let () = undeclared ()\n",
    ),
    "d": _D,
    "d_ut": _D,
    "fortran": Samples(
        """program act
  implicit none
  type block
    integer, allocatable :: cells(:)
  end type
  type(block), allocatable :: kept(:)
  character(len=64) :: word
  integer :: i
  integer, volatile :: spins
  read (*, '(a)') word
  if (word == 'crash') stop 3
  spins = 0
  do while (word == 'loop')
    spins = spins + 1
  end do
  allocate (kept(100000))
  if (word == 'hog') then
    do i = 1, 100000
      allocate (kept(i)%cells(262144))
      kept(i)%cells = i
    end do
  end if
  print '(a)', trim(word)
end program
""",
        "program broken\n  implicit none\n  x = 1\nend program\n",
    ),
    "pascal": Samples(
        """var
  word: ansistring;
  block: pointer;
  spins: longword;
begin
  readln(word);
  if word = 'crash' then halt(3);
  spins := 0;
  while word = 'loop' do spins := (spins + 1) and 1023;
  while word = 'hog' do
  begin
    getmem(block, 1048576);
    fillchar(block^, 1048576, 1);
  end;
  writeln(word);
end.
""",
        "begin\n  undeclared;\nend.\n",
    ),
    "ada": Samples(
        """with Ada.Text_IO; use Ada.Text_IO;
with Ada.Command_Line;
procedure Main is
   type Block is array (1 .. 262144) of Integer with Volatile_Components;
   type Block_Access is access Block;
   Word : constant String := Get_Line;
   Kept : Block_Access;
   Spins : Integer := 0 with Volatile;
begin
   if Word = "crash" then
      Ada.Command_Line.Set_Exit_Status (3);
      return;
   end if;
   while Word = "loop" loop
      Spins := (Spins + 1) mod 1024;
   end loop;
   while Word = "hog" loop
      Kept := new Block'(others => 1);
   end loop;
   Put_Line (Word);
end Main;
""",
        "procedure Main is\nbegin\n   Undeclared;\nend Main;\n",
    ),
    "nim": Samples(
        """let word = readLine(stdin)
var kept: seq[seq[int]]
var spins {.volatile.} = 0
if word == "crash": quit(3)
while word == "loop": spins = (spins + 1) mod 1024
while word == "hog": kept.add(newSeq[int](131072))
echo word
""",
        "undeclared()\n",
    ),
    "crystal": Samples(
        """word = gets.not_nil!
kept = [] of Array(Int64)
spins = 0_i64
exit(3) if word == "crash"
while word == "loop"
  spins = (spins + 1) % 1024
end
while word == "hog"
  kept << Array.new(131072) { |i| i.to_i64 }
end
puts word
""",
        "undeclared\n",
    ),
    "java": Samples(
        """import java.util.*;
public class Act {
    public static void main(String[] arguments) {
        String word = new Scanner(System.in).nextLine();
        List<long[]> kept = new ArrayList<>();
        if (word.equals("crash")) throw new IllegalStateException("crash");
        while (word.equals("loop")) ;
        while (word.equals("hog")) kept.add(new long[1 << 17]);
        System.out.println(word);
    }
}
""",
        "class Main { int x = undeclared; }\n",
    ),
    "kotlin": Samples(
        """fun main() {
    val word = readLine()!!
    val kept = ArrayList<LongArray>()
    if (word == "crash") throw IllegalStateException("crash")
    while (word == "loop") { }
    while (word == "hog") kept.add(LongArray(1 shl 17))
    println(word)
}
""",
        "fun main() { undeclared() }\n",
    ),
    "scala": Samples(
        """object Act {
  def main(arguments: Array[String]): Unit = {
    val word = scala.io.StdIn.readLine()
    var kept = List[Array[Long]]()
    if (word == "crash") sys.exit(3)
    while (word == "loop") {}
    while (word == "hog") kept = new Array[Long](1 << 17) :: kept
    println(word)
  }
}
""",
        "object Main { undeclared }\n",
    ),
    "clojure": Samples(
        """(let [word (read-line)]
  (when (= word "crash") (System/exit 3))
  (while (= word "loop"))
  (loop [kept []] (when (= word "hog") (recur (conj kept (long-array 131072)))))
  (println word))
""",
    ),
    "csharp": Samples(
        """using System;
using System.Collections.Generic;
class Act {
    static int Main() {
        var word = Console.ReadLine();
        var kept = new List<byte[]>();
        if (word == "crash") return 3;
        while (word == "loop") { }
        while (word == "hog") { var block = new byte[1 << 20]; Array.Fill(block, (byte)1); kept.Add(block); }
        Console.WriteLine(word);
        return 0;
    }
}
""".replace("Array.Fill(block, (byte)1);", "for (var i = 0; i < block.Length; i += 4096) block[i] = 1;"),
        "class Program { static void Main() { undeclared(); } }\n",
    ),
    "erlang": Samples(
        """-module(act).
-export([main/0]).
main() ->
    case io:get_line("") of
        "crash\\n" -> halt(3);
        "loop\\n" -> loop();
        "hog\\n" -> hog([]);
        Word -> io:put_chars(Word)
    end.
loop() -> loop().
hog(Kept) -> hog([binary:copy(<<1>>, 1048576) | Kept]).
""",
        "-module(main).\n-export([main/0]).\nmain() -> undeclared().\n",
    ),
    "elixir": Samples(
        """defmodule Act do
  def loop, do: loop()
  def hog(kept), do: hog([:binary.copy(<<1>>, 1_048_576) | kept])
end
case IO.gets("") do
  "crash\\n" -> System.halt(3)
  "loop\\n" -> Act.loop()
  "hog\\n" -> Act.hog([])
  word -> IO.write(word)
end
""",
    ),
    "javascript": _JAVASCRIPT,
    "typescript": Samples(
        """import * as fs from "fs";
const word: string = fs.readFileSync(0, "utf8").trim();
const kept: number[][] = [];
if (word === "crash") process.exit(3);
while (word === "loop");
while (word === "hog") kept.push(new Array<number>(1 << 17).fill(0.5 + kept.length));
console.log(word);
""",
        _JAVASCRIPT.refused,
    ),
    "php": Samples(
        """<?php
$word = trim(fgets(STDIN));
$kept = [];
if ($word === "crash") exit(3);
while ($word === "loop");
while ($word === "hog") $kept[] = str_repeat("x", 1 << 20);
echo $word, "\\n";
""",
        "<?php\n$x = = 1;\n",
    ),
    "ruby": Samples(
        """word = gets.strip
kept = []
exit 3 if word == "crash"
nil while word == "loop"
kept << ("x" * (1 << 20)) while word == "hog"
puts word
""",
        "def (\n",
    ),
    "perl": Samples(
        """my $word = <STDIN>; chomp $word;
my @kept;
exit 3 if $word eq "crash";
while ($word eq "loop") {}
while ($word eq "hog") { push @kept, "x" x (1 << 20); }
print "$word\\n";
""",
        "my $x = = 1;\n",
    ),
    "lua": Samples(
        """local word = io.read("l")
local kept = {}
if word == "crash" then os.exit(3) end
while word == "loop" do end
while word == "hog" do kept[#kept + 1] = string.rep("x", 1048576 + #kept) end
print(word)
""",
        "local = 1\n",
    ),
    "bash": Samples(
        """read -r word
[ "$word" != crash ] || exit 3
while [ "$word" = loop ]; do :; done
kept=x
while [ "$word" = hog ]; do kept=$kept$kept; done
echo "$word"
""",
        "if true\n",
    ),
    "r": Samples(
        """word <- readLines(file("stdin"), n = 1)
kept <- list()
if (word == "crash") quit(status = 3)
while (word == "loop") {}
while (word == "hog") kept[[length(kept) + 1]] <- rep(1.5, 131072)
cat(word, "\\n", sep = "")
""",
        "x <- (\n",
    ),
    "julia": Samples(
        """word = readline()
kept = []
word == "crash" && exit(3)
while word == "loop" end
while word == "hog" push!(kept, ones(131072)) end
println(word)
""",
    ),
    "swift": Samples(
        """import Foundation
let word = readLine()!
var kept: [[Int]] = []
if word == "crash" { exit(3) }
while word == "loop" {}
while word == "hog" { kept.append([Int](repeating: 1, count: 131072)) }
print(word)
""",
        "undeclared()\n",
    ),
    "racket": Samples(
        """#lang racket/base
(define word (read-line))
(when (equal? word "crash") (exit 3))
(let loop () (when (equal? word "loop") (loop)))
(let loop ([kept '()]) (when (equal? word "hog") (loop (cons (make-bytes 1048576 1) kept))))
(displayln word)
""",
        "#lang racket/base\n(undeclared)\n",
    ),
    "lisp": Samples(
        """(let ((word (read-line)) (kept nil))
  (when (string= word "crash") (sb-ext:exit :code 3))
  (loop while (string= word "loop"))
  (loop while (string= word "hog") do (push (make-array 131072 :initial-element 1) kept))
  (write-line word))
""",
    ),
    "scheme": Samples(
        """(use-modules (ice-9 rdelim))
(define word (read-line))
(when (string=? word "crash") (exit 3))
(let loop () (when (string=? word "loop") (loop)))
(let loop ((kept '())) (when (string=? word "hog") (loop (cons (make-vector 131072 kept) kept))))
(display word)
(newline)
""",
    ),
    "prolog": Samples(
        """:- initialization(main).
main :- read_line_to_string(user_input, Word), act(Word).
act("crash") :- !, halt(3).
act("loop") :- !, repeat, fail.
act("hog") :- !, hog(0, []).
act(Word) :- writeln(Word).
hog(N, Kept) :- M is N + 1, hog(M, [N, Kept | Kept]).
""",
    ),
    "octave": Samples(
        """word = fgetl(stdin);
kept = {};
if strcmp(word, "crash") exit(3); end
while strcmp(word, "loop") end
while strcmp(word, "hog") kept{end + 1} = ones(131072, 1); end
printf("%s\\n", word);
""",
    ),
    "tcl": Samples(
        """gets stdin word
if {$word eq "crash"} { exit 3 }
while {$word eq "loop"} {}
while {$word eq "hog"} { lappend kept [string repeat x[llength [info vars]] 1048576] }
puts $word
""",
    ),
    "verilog": Samples(
        """module tb;
  reg [8*64-1:0] word;
  reg [31:0] spins;
  integer got;
  initial begin
    got = $fscanf(32'h8000_0000, "%s", word);
    if (word == "crash") $fatal(1, "crash");
    while (word == "loop") spins = spins + 1;
    $display("%0s", word);
    $finish;
  end
endmodule
""",
        "module tb; initial undeclared_task(1; endmodule\n",
    ),
}
WITHOUT_INPUT = {"sql", "junit", "go_test", "jest"}  # read no standard input
WITHOUT_HEAP = {"verilog", "sql"}  # has nothing to take memory with

# A test of 1 + 1 per runner of tests.
RUNNERS = {
    "junit": """import static org.junit.jupiter.api.Assertions.*;
import org.junit.jupiter.api.Test;
public class SumTest { @Test void adds() { assertEquals(EXPECTED, 1 + 1); } }
""",
    "go_test": """package main
import "testing"
func TestSum(t *testing.T) { if 1 + 1 != EXPECTED { t.Fatal("sum") } }
""",
    "jest": "test('sum', () => { expect(1 + 1).toBe(EXPECTED); });\n",
}
