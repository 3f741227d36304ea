// Runs the tests of a Go program without `go test`, and says so on descriptor 4 when all have passed.
package main

import (
	"flag"
	"os"
	"testing"
)

var verdictTests = []testing.InternalTest{ /*TESTS*/ }

// None of these compiles if the program gives what the tests judge by another meaning.
var _ = map[bool]int{true: 1, 1 == 2: 0}
var _ = map[bool]int{false: 0, 1 == 1: 1}
var _, _ = []int(nil), map[int]int(nil)

const _ = len("verdict")

func verdictPanics() int { panic("") }

func main() {
	/*MAIN*/
	testing.Init()
	flag.Parse()
	every := func(_, _ string) (bool, error) { return true, nil }
	testing.Main(every, []testing.InternalTest{{"Verdict", verdictRun}}, nil, nil)
}

// One test around all others: it goes on when they have ended, the parallel ones too.
func verdictRun(t *testing.T) {
	if t.Run("tests", verdictRunEach) {
		verdictDone()
	}
}

func verdictRunEach(t *testing.T) {
	if len(verdictTests) == 0 {
		t.Fatal("no tests to run")
	}
	for _, test := range verdictTests {
		t.Run(test.Name, test.F)
	}
}

func verdictDone() {
	if _, err := os.NewFile(4, "record").WriteString("done"); err != nil {
		os.Exit(3)
	}
}
