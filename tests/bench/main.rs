//! Measures the agent on a real device: `bench converge`, against `CFEngine` and Salt, and `bench idle [--worst]`.
//!
//! The last line of standard output is one JSON object; progress goes to standard error.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use muster_tests::Device;

mod converge;
mod floor;
mod idle;
mod peers;
mod profile;

/// The one device of a benchmark.
const DEVICE: &str = "bench";

fn main() -> Result<()> {
    settle_memory()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["converge"] => converge::run(),
        ["idle"] => idle::run(),
        ["idle", "--worst"] => idle::run_worst(),
        other => {
            bail!("{other:?} is no benchmark: converge, idle, or idle --worst for an hour of the worst case")
        }
    }
}

/// Has the kernel put what memory is free together, as it is after a boot. In a virtual machine each piece of two megabytes that is
/// touched first after a sleep is dear, and whatever has its pages in many of these pays for each: the same program costs several
/// times as much on a machine that was busy for half a day as on one just started.
fn settle_memory() -> Result<()> {
    for (knob, value) in [("drop_caches", "3"), ("compact_memory", "1")] {
        let path = format!("/proc/sys/vm/{knob}");
        std::fs::write(&path, value).with_context(|| format!("can't write to {path}"))?;
    }
    Ok(())
}

fn say(what: &str) -> Result<()> {
    writeln!(std::io::stderr(), "bench: {what}")?;
    Ok(())
}

/// Changes what is nobody's concern, in a watched directory: the agent looks at everything and finds nothing to do.
fn look_again(device: &Device<'_>, turn: u32) -> Result<()> {
    device.write_file("/etc/nobodys-concern", format!("{turn}"), 0o644)
}
