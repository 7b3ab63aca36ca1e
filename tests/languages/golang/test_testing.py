"""Test runs: every outcome has its name, whatever one test does to the others."""

from __future__ import annotations

import re

import pytest
from tests.languages.golang.conftest import RunGo

from worktrial.languages.protocol import TestPlan
from worktrial.sandboxes.unconfined import Unconfined

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("golang")]  # one worker builds what all need

SHOP = """package shop

import "time"

func Add(a, b int) int {
	if a > 100 {
		return a
	}
	return a + b
}

func Die() { go func() { panic("in a goroutine") }(); time.Sleep(time.Second) }
"""
OUTCOMES = """package shop

import (
	"os"
	"syscall"
	"testing"
)

func TestPass(t *testing.T)    { if Add(1, 2) != 3 { t.Fatal("no") } }
func TestFail(t *testing.T)    { t.Error("wrong") }
func TestFatal(t *testing.T)   { t.Fatal("wrong") }
func TestSkip(t *testing.T)    { t.Skip("not today") }
func TestUnnamed(*testing.T)   { Add(1, 1) }
func TestBlank(_ *testing.T)   {}
func TestEarly(t *testing.T) {
	if Add(1, 1) == 2 {
		return // early
	}
	t.Fatal("late")
}
func TestPanic(t *testing.T) {
	var none map[string]int
	none["x"] = 1
}
func TestExit(t *testing.T)     { os.Exit(0) }
func TestQuickExit(t *testing.T) { syscall.Exit(0) }
func TestGoroutine(t *testing.T) { Die() }
func TestSubtests(t *testing.T) {
	for _, name := range []string{"a", "b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "b" { t.Error("b") }
		})
	}
}
func TestParallelA(t *testing.T) { t.Parallel() }
func TestParallelB(t *testing.T) { t.Parallel(); t.Cleanup(func() { t.Error("while cleaning") }) }
func TestRecovers(t *testing.T) {
	defer func() { if recover() == nil { t.Error("no panic") } }()
	panic("wanted")
}
func TestLast(t *testing.T) { t.Setenv("SHOP", "open") }
func FuzzAdd(f *testing.F) {
	f.Add(1, 2)
	f.Fuzz(func(t *testing.T, a, b int) { if a < 100 && Add(a, b) != a+b { t.Error(a, b) } })
}
func BenchmarkAdd(b *testing.B) { b.Fatal("not a test") }
"""
OUTSIDE = """package shop_test

import (
	"fmt"

	"example.com/shop"
)

func ExampleAdd() {
	fmt.Println(shop.Add(1, 2))
	// Output: 3
}

func ExampleAdd_wrong() {
	fmt.Println(shop.Add(1, 2))
	// Output: 4
}
"""
EXPECTED = {
    "TestPass": "passed", "TestFail": "failed", "TestFatal": "failed", "TestSkip": "skipped", "TestUnnamed": "passed",
    "TestBlank": "passed", "TestEarly": "passed", "TestPanic": "failed", "TestExit": "failed",
    "TestQuickExit": "error", "TestGoroutine": "error", "TestSubtests": "failed", "TestParallelA": "passed",
    "TestParallelB": "failed", "TestRecovers": "passed", "TestLast": "passed", "FuzzAdd": "passed",
}  # fmt: skip


@pytest.mark.parametrize("plan", [TestPlan(everything=True), TestPlan(everything=True, shuffle_seed=7)])
async def test_every_outcome_has_its_status_though_some_tests_end_the_process(run_go: RunGo, plan: TestPlan) -> None:
    report = await run_go({"shop.go": SHOP, "shop_test.go": OUTCOMES, "outside_test.go": OUTSIDE}, plan)
    assert (report.ended, report.exit_code, report.forged, report.evidence) == ("completed", 1, "", ())
    expected = {f"shop_test.go::{name}": status for name, status in EXPECTED.items()}
    expected |= {"outside_test.go::ExampleAdd": "passed", "outside_test.go::ExampleAdd_wrong": "failed"}
    assert report.statuses == expected
    assert report.unproven == {"shop_test.go::TestRecovers"}
    assert report.exceptions["shop_test.go::TestFail"] == "Failed"
    assert report.exceptions["shop_test.go::TestPanic"] == "panic"
    assert report.exceptions["shop_test.go::TestGoroutine"] == "panic"


async def test_what_does_not_compile_is_uncollected_and_costs_nobody_else(run_go: RunGo) -> None:
    files = {
        "shop.go": SHOP,
        "ok/ok_test.go": 'package ok\n\nimport "testing"\n\nfunc TestOk(t *testing.T) {}\n',
        "bad/bad_test.go": 'package bad\n\nimport "testing"\n\nfunc TestBad(t *testing.T) { missing() }\n',
        "torn/torn_test.go": 'package torn\n\nimport "testing"\n\nfunc TestTorn(t *testing.T) { "\n',
        "bad/v2/bad_test.go": 'package bad\n\nimport "testing"\n\nfunc TestTwo(t *testing.T) {}\n',
        "inner/go.mod": "module example.com/inner\n\ngo 1.24\n",
        "inner/inner_test.go": 'package inner\n\nimport "testing"\n\nfunc TestInner(t *testing.T) {}\n',
        "other/other_test.go": '//go:build plan9\npackage other\n\nimport "testing"\n\nfunc TestNo(t *testing.T) {}\n',
        "init/init_test.go": 'package init_\nimport "testing"\n\nfunc init() { panic(1) }\nfunc Test(*testing.T) {}\n',
        "idle/idle_test.go": 'package idle\n\nimport (\n\t"os"\n\t"testing"\n)\n\n'
        "func TestMain(m *testing.M) { os.Exit(0) }\nfunc TestI(t *testing.T) {}\n",
    }
    report = await run_go(files)
    assert (report.ended, report.exit_code) == ("completed", 1)
    assert report.statuses == {
        "ok/ok_test.go::TestOk": "passed",
        "bad/bad_test.go": "uncollected",
        "torn/torn_test.go": "uncollected",
        "bad/v2/bad_test.go::TestTwo": "passed",
        "inner/inner_test.go::TestInner": "passed",
        "init/init_test.go": "uncollected",
        "idle/idle_test.go": "skipped",
    }
    assert re.search(r"^bad/bad_test.go:5:\d+: undefined: missing$", report.output, re.MULTILINE)


async def test_only_what_the_plan_names_is_run(run_go: RunGo) -> None:
    files = {"shop.go": SHOP, "a_test.go": "package shop\n\nimport \"testing\"\n\n"
             "func TestA(t *testing.T) {}\nfunc TestAB(t *testing.T) {}\n",
             "b_test.go": "package shop\n\nimport \"testing\"\n\nfunc TestB(t *testing.T) {}\n"}  # fmt: skip
    report = await run_go(files, TestPlan(ids=("a_test.go::TestA", "gone_test.go::TestX", "a_test.go::TestGone")))
    assert report.statuses == {"a_test.go::TestA": "passed"}
    report = await run_go(files, TestPlan(files=("b_test.go",), ids=("a_test.go::TestAB",)))
    assert report.statuses == {"a_test.go::TestAB": "passed", "b_test.go::TestB": "passed"}
    assert report.exit_code == 0


ORDER = """package shop

import (
	"os"
	"testing"
)

var last string

func say(t *testing.T) { f, _ := os.OpenFile(os.Getenv("LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	f.WriteString(t.Name() + " "); f.Close() }

func TestA(t *testing.T) { say(t) }
func TestB(t *testing.T) { say(t) }
func TestC(t *testing.T) { say(t) }
func TestD(t *testing.T) { say(t); TestCalled(t) }
func TestCalled(t *testing.T) { data, _ := os.ReadFile(os.Getenv("LOG")); t.Log(string(data)); t.Fail() }
"""


async def test_the_order_can_be_turned_round_and_shuffled(run_go: RunGo) -> None:
    def order(output: str) -> list[str]:
        lines = [line for line in output.split("\n") if "TestD" in line and "--- " not in line and "=== " not in line]
        words = max(lines, key=len).split()
        return [word for word in words if word in ("TestA", "TestB", "TestC", "TestD")]

    files, env = {"shop.go": SHOP, "shop_test.go": ORDER}, {"LOG": "/tmp/order"}
    plain = await run_go(files, TestPlan(everything=True, env=env))
    assert order(plain.output) == ["TestA", "TestB", "TestC", "TestD"]
    back = await run_go(files, TestPlan(everything=True, reverse=True, env=env))
    assert back.statuses == plain.statuses
    assert order(back.output)[0] == "TestD"


async def test_it_is_told_which_lines_each_test_runs(run_go: RunGo) -> None:
    tests = """package shop

import "testing"

func TestSmall(t *testing.T) { t.Parallel(); Add(1, 2) }
func TestLarge(t *testing.T) { t.Parallel(); Add(200, 2) }
func TestNone(t *testing.T) {}
"""
    plan = TestPlan(everything=True, lines={"shop.go": (7, 9), "gone.go": (1,)}, stop_after_s=60)
    report = await run_go({"shop.go": SHOP, "shop_test.go": tests}, plan)
    assert report.exit_code == 0, report.output
    assert report.covering == {
        "shop_test.go::TestSmall": {"shop.go": (9,)},
        "shop_test.go::TestLarge": {"shop.go": (7,)},
    }


SLEEPING = """package shop

import (
	"testing"
	"time"
)

func TestA(t *testing.T) {}
func TestLong(t *testing.T) { time.Sleep(LONG * time.Second) }
func TestZ(t *testing.T) {}
"""


async def test_a_test_that_hangs_is_named_when_the_time_is_over(run_go: RunGo) -> None:
    report = await run_go({"shop.go": SHOP, "shop_test.go": SLEEPING.replace("LONG", "1000")}, timeout_s=2)
    assert (report.ended, report.exit_code) == ("timeout", None)
    assert report.statuses == {"shop_test.go::TestA": "passed", "shop_test.go::TestLong": "timeout"}


async def test_no_test_begins_after_the_time_for_beginning(run_go: RunGo) -> None:
    files = {"shop.go": SHOP, "shop_test.go": SLEEPING.replace("LONG", "2"),
             "b/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestB(t *testing.T) {}\n"}  # fmt: skip
    report = await run_go(files, TestPlan(everything=True, stop_after_s=1, first=("b/b_test.go",)))
    assert (report.ended, report.exit_code) == ("completed", 2)
    assert report.statuses == {
        "b/b_test.go::TestB": "passed",
        "shop_test.go::TestA": "passed",
        "shop_test.go::TestLong": "passed",
    }


HONEST = """package shop

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	fmt.Println("--- PASS: TestOther (0.00s)")
	os.Exit(code)
}

func TestHelper(t *testing.T) {
	if os.Getenv("HELPER") == "" {
		t.Skip("only when called")
	}
	io.Copy(os.Stdout, os.Stdin)
	os.Exit(3)
}

func TestCallsItself(t *testing.T) {
	command := exec.Command(os.Args[0], "-test.run=TestHelper", "-test.v")
	command.Env = append(os.Environ(), "HELPER=1")
	command.Stdout = os.Stdout
	if err := command.Run(); err == nil || command.ProcessState.ExitCode() != 3 {
		t.Fatal(err)
	}
	if _, there := os.LookupEnv("WORKTRIAL_REPORT_FD"); there {
		t.Fatal("the report is offered to tests")
	}
}

func TestFindsItsFolder(t *testing.T) {
	_, file, line, _ := runtime.Caller(0)
	if filepath.Base(file) != "shop_test.go" || line != 40 {
		t.Fatal(file, line)
	}
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "shop_test.go")); err != nil || len(text) == 0 {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(os.Stdin); err != nil || len(text) != 0 {
		t.Fatal(text, err)
	}
}

func TestPrints(t *testing.T) {
	os.Stdout.WriteString("no newline")
	fmt.Println("\\x16--- FAIL: TestSomethingElse (0.00s)")
	t.Log("=== RUN   TestLogged")
}
"""


async def test_nothing_is_held_against_tests_that_look_at_themselves(run_go: RunGo) -> None:
    report = await run_go({"shop.go": SHOP, "shop_test.go": HONEST})
    assert report.statuses == {
        "shop_test.go::TestHelper": "skipped",
        "shop_test.go::TestCallsItself": "passed",
        "shop_test.go::TestFindsItsFolder": "passed",
        "shop_test.go::TestPrints": "passed",
    }, report.output
    assert (report.ended, report.exit_code, report.forged, report.evidence) == ("completed", 0, "", ())
    assert not report.unproven


TAKEN_BACK = """package shop

import (
	"reflect"
	"testing"
	"unsafe"
)

func takeBack(t *testing.T) {
	state := reflect.ValueOf(t).Elem()
	*(*bool)(unsafe.Pointer(state.FieldByName("failed").UnsafeAddr())) = false
	above := state.FieldByName("parent").Elem().FieldByName("failed")
	*(*bool)(unsafe.Pointer(above.UnsafeAddr())) = false
}

func TestTaken(t *testing.T) { t.Error("wrong"); takeBack(t) }
func TestTakenInPart(t *testing.T) { t.Run("part", func(t *testing.T) { t.Fail(); takeBack(t) }) }
func TestKept(t *testing.T) { t.Run("part", func(t *testing.T) { t.FailNow() }) }
func TestPass(t *testing.T) {}
func FuzzTaken(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) { t.Error(n); takeBack(t) }) }
"""


async def test_a_failure_counts_though_it_was_taken_back(run_go: RunGo) -> None:
    report = await run_go({"shop.go": SHOP, "shop_test.go": TAKEN_BACK})
    assert {test.split("::")[1]: status for test, status in report.statuses.items()} == {
        "TestTaken": "failed",
        "TestTakenInPart": "failed",
        "TestKept": "failed",
        "TestPass": "passed",
        "FuzzTaken": "failed",
    }
    assert report.evidence == ("patched:testing.T",)


OF_NO_TEST = """package shop

import (
	"os"
	"testing"
)

var ended = make(chan *testing.T, 1)

func TestFake(t *testing.T) {
	fake := new(testing.T)
	fake.Error("of a fake")
	if !fake.Failed() || t.Failed() {
		t.Fatal("a fake is no test")
	}
}
func TestRunner(t *testing.T) {
	inner := []testing.InternalTest{{Name: "Inner", F: func(t *testing.T) { t.Error("inside") }}}
	if testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, inner) {
		t.Fatal("it failed")
	}
}
func TestBenchmarks(t *testing.T) {
	if testing.Benchmark(func(b *testing.B) { b.Fatal("no") }).N != 0 {
		t.Fatal("it failed")
	}
}
func TestEarly(t *testing.T) { ended <- t }
func TestTooLate(t *testing.T) {
	early := <-ended
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it may still fail")
			}
		}()
		early.Fail()
	}()
}
func TestMain(m *testing.M) { os.Exit(m.Run()) }
"""


async def test_what_fails_without_being_a_test_fails_none(run_go: RunGo) -> None:
    report = await run_go({"shop.go": SHOP, "shop_test.go": OF_NO_TEST})
    assert set(report.statuses.values()) == {"passed"}, report.output
    assert report.evidence == ("stray_failure",), "the validated solution has it too"


async def test_tests_run_without_isolation_too(run_go: RunGo) -> None:
    report = await run_go({"shop.go": SHOP, "shop_test.go": HONEST}, on=Unconfined())
    assert report.exit_code == 0, report.output
