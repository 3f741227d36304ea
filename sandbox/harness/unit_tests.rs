// Runs the #[test] functions of the modules of test files one after another, and reports each.
//
// One line of JSON, {"tests": {name: outcome}}, and "done" go to descriptor 4 when all have ended.
// The program's own #[test] functions are not among them.
extern crate test;

use std::io::Write;
use std::os::unix::io::FromRawFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use test::{ShouldPanic, TestDescAndFn, TestFn};

const PREFIX: &str = "verdict_unit_";

// A test function returns nothing in older compilers' libtest, a Result in newer ones'.
trait Ends {
    fn failed(self) -> bool;
}
impl Ends for () {
    fn failed(self) -> bool {
        false
    }
}
impl Ends for Result<(), String> {
    fn failed(self) -> bool {
        if let Err(why) = &self {
            eprintln!("{}", why);
        }
        self.is_err()
    }
}

pub fn run(tests: &[&TestDescAndFn]) {
    let mut lines = Vec::new();
    for one in tests {
        if let Some(name) = one.desc.name.as_slice().strip_prefix(PREFIX) {
            lines.push(format!("\"{}\": \"{}\"", name, outcome(one)));
        }
    }
    let report = format!("{{\"tests\": {{{}}}}}\ndone", lines.join(", "));
    let mut record = unsafe { std::fs::File::from_raw_fd(4) };
    let written = record.write_all(report.as_bytes());
    std::process::exit(if written.is_ok() { 0 } else { 3 });
}

fn outcome(one: &TestDescAndFn) -> &'static str {
    if one.desc.ignore {
        return "skipped";
    }
    let function = match one.testfn {
        TestFn::StaticTestFn(function) => function,
        _ => return "skipped", // a benchmark
    };
    let ended = catch_unwind(AssertUnwindSafe(|| function().failed()));
    let passed = match (&ended, one.desc.should_panic) {
        (Ok(failed), ShouldPanic::No) => !failed,
        (Err(_), ShouldPanic::Yes) => true,
        (Err(cause), ShouldPanic::YesWithMessage(part)) => message(cause.as_ref()).contains(part),
        _ => false,
    };
    std::mem::forget(ended); // a panic's payload may be the program's, and its end panic again
    if passed {
        "passed"
    } else {
        "failed"
    }
}

fn message(cause: &(dyn std::any::Any + Send)) -> &str {
    match cause.downcast_ref::<String>() {
        Some(text) => text,
        None => cause.downcast_ref::<&str>().copied().unwrap_or(""),
    }
}
