//! Measures convergence against `CFEngine` and Salt: the same desired state, on the same device, in one run.
//!
//! Prints a table and, as the last line of standard output, one JSON object. CPU time is user and system time of every process
//! that a tool takes part with on the device; of Muster's agent, which runs all the time, what it used meanwhile.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::ResourceView;
use muster_proto::state::Mode;
use muster_tests::measure::{cpu, is_exec, is_write, median, peak};
use muster_tests::{Artifacts, Device, Fleet, Network, wait_until};
use serde::Serialize;
use serde_json::json;

use crate::peers::Peer;
use crate::profile::Profile;
use crate::{DEVICE, floor, look_again, say};

/// Runs of each measurement, of which the median counts.
const RUNS: usize = 3;

/// Turns with nothing to do, and drifted files, that are measured together: the kernel counts CPU time in hundredths.
const TURNS: u32 = 50;
const DRIFTS: u32 = 20;

/// The figures of one tool.
#[derive(Debug, Serialize)]
struct Figures {
    /// CPU seconds of a run with nothing to do, on 1,000 mixed resources.
    noop_cpu_s: f64,
    /// CPU seconds of the first apply of 1,000 files.
    first_files_cpu_s: f64,
    /// CPU seconds for one changed file among these to be put right.
    drift_cpu_s: f64,
    /// The most memory that one of its processes had in use, in MiB.
    peak_mib: f64,
}

/// What only an agent that is there all the time can be asked.
#[derive(Debug, Serialize)]
struct Muster {
    #[serde(flatten)]
    figures: Figures,
    /// Programs started in a turn with nothing to do.
    noop_execs: usize,
    /// Changes made in such a turn, beside the agent's own ledger.
    noop_writes: usize,
    /// Seconds from the change of a file to its being put right: median.
    drift_wall_s: f64,
    /// What the kernel alone takes for the 1,000 files: CPU seconds.
    floor_files_cpu_s: f64,
}

/// Runs all three and prints what they cost.
pub(crate) fn run() -> Result<()> {
    let artifacts = Artifacts::find()?;
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[])?;
    let serial = "S-bench";
    fleet.admin.import(&format!("serial,name,owner,labels\n{serial},{DEVICE},,\n"))?;
    let mut device = Device::prepare_with_peers(&network, DEVICE)?;
    device.install_agent(&artifacts.agent_deb, serial, &fleet.admin.join_file(serial)?)?;
    device.start()?;
    fleet.devices.insert(DEVICE, device);
    fleet.wait_until_enrolled(DEVICE)?;
    let device = fleet.device(DEVICE)?;
    let installed = device.exec(["dpkg-query", "-W", "-f", "${Package}\n"])?.ok()?.stdout;

    let muster = measure_muster(&fleet, device, &installed)?;
    say(&serde_json::to_string(&muster)?)?;
    device.exec(["systemctl", "stop", "muster-agent"])?.ok()?;
    let cfengine = measure_peer(Peer::Cfengine, device, &installed)?;
    let salt = measure_peer(Peer::Salt, device, &installed)?;

    let mut out = std::io::stdout();
    writeln!(out, "{:<44}{:>10}{:>10}{:>10}", "", "Muster", "CFEngine", "Salt")?;
    let row = |name: &str, of: fn(&Figures) -> f64| {
        let [ours, theirs, other] = [&muster.figures, &cfengine, &salt].map(of);
        format!("{name:<44}{ours:>10.4}{theirs:>10.3}{other:>10.3}")
    };
    writeln!(out, "{}", row("nothing to do, 1,000 resources (CPU s)", |figures| figures.noop_cpu_s))?;
    writeln!(out, "{}", row("first apply of 1,000 files (CPU s)", |figures| figures.first_files_cpu_s))?;
    writeln!(out, "{}", row("one drifted file (CPU s)", |figures| figures.drift_cpu_s))?;
    writeln!(out, "{}", row("peak memory (MiB)", |figures| figures.peak_mib))?;
    writeln!(out, "{:<44}{:>10.4}", "the files by a bare loop (CPU s)", muster.floor_files_cpu_s)?;
    writeln!(out, "{:<44}{:>10.4}", "from drift to repair (s)", muster.drift_wall_s)?;
    writeln!(out, "{:<44}{:>10}", "programs started with nothing to do", muster.noop_execs)?;
    writeln!(out, "{:<44}{:>10}", "writes with nothing to do", muster.noop_writes)?;
    let floor = muster.floor_files_cpu_s;
    writeln!(
        out,
        "{}",
        json!({"muster": muster, "cfengine": cfengine, "salt": salt, "floor_files_cpu_s": floor})
    )?;
    Ok(())
}

fn measure_muster(fleet: &Fleet<'_>, device: &Device<'_>, installed: &str) -> Result<Muster> {
    let agent = device.agent_pid()?;
    // Each run in another folder, and nothing is removed between them: for minutes ext4 looks at every inode that was freed lately
    // before it gives a new one, so that whoever comes after a thousand that went pays for each of them with each file.
    let folders: Vec<Profile> =
        (1..=RUNS).map(|run| Profile::files_only(&format!("/srv/muster-files-{run}"))).collect();
    let (mut floor, mut first) = (vec![], vec![]);
    for (run, files) in (1..).zip(&folders) {
        say(&format!("Muster: 1,000 files ({run} of {RUNS})"))?;
        let name = format!("files-{run}");
        fleet.admin.save_profile(&name, &files.muster(&name))?;
        files.make_ready(device)?;
        floor.push(floor::files(&device.path(format!("/srv/floor-{run}")), &files.contents())?);
        let before = cpu(agent)?;
        let assignment = fleet.admin.assign(&name, &format!("device:{DEVICE}"), Mode::Enforce)?;
        fleet.admin.wait_until_applied(DEVICE)?;
        settle();
        first.push(cpu(agent)? - before);
        if run < RUNS {
            fleet.admin.unassign(&assignment.id)?;
            fleet.admin.wait_until_applied(DEVICE)?;
            settle();
        }
    }
    let files = folders.last().context("no run was made")?;

    say("Muster: one drifted file")?;
    rest(fleet)?;
    let before = cpu(agent)?;
    let mut walls = vec![];
    for drift in 0..DRIFTS {
        // Another one each time: the same would be a fight, which the agent stays out of.
        let (path, right) = files.file(drift as usize * 7);
        let began = Instant::now();
        device.write_file(path, "drifted\n", 0o640)?;
        while device.read_file(path).ok().as_deref() != Some(right) {
            ensure!(began.elapsed() < Duration::from_secs(30), "{path} was never put right");
            std::thread::park_timeout(Duration::from_millis(1));
        }
        walls.push(began.elapsed().as_secs_f64());
        settle();
    }
    let drift_cpu_s = (cpu(agent)? - before) / f64::from(DRIFTS);

    say("Muster: nothing to do")?;
    let mixed = Profile::mixed("/srv/muster", "zm", 47_000, installed);
    mixed.make_ready(device)?;
    fleet.admin.save_profile("mixed", &mixed.muster("mixed"))?;
    fleet.admin.assign("mixed", &format!("device:{DEVICE}"), Mode::Enforce)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let resources = fleet.admin.resources(DEVICE)?;
    let fails = |view: &&ResourceView| !matches!(view.outcome, OutcomeKind::Kept | OutcomeKind::Repaired);
    ensure!(!resources.iter().any(|view| fails(&view)), "not all hold: {:?}", resources.iter().find(fails));
    rest(fleet)?;
    let before = cpu(agent)?;
    for turn in 0..TURNS {
        look_again(device, turn)?;
        std::thread::park_timeout(Duration::from_millis(700));
    }
    let noop_cpu_s = (cpu(agent)? - before) / f64::from(TURNS);
    let trace = device.trace_agent(|| look_again(device, TURNS))?;
    Ok(Muster {
        figures: Figures {
            noop_cpu_s,
            first_files_cpu_s: median(first),
            drift_cpu_s,
            peak_mib: peak(agent)?,
        },
        noop_execs: trace.iter().filter(|line| is_exec(line)).count(),
        noop_writes: trace.iter().filter(|line| is_write(line)).count(),
        drift_wall_s: median(walls),
        floor_files_cpu_s: median(floor),
    })
}

/// Time for what follows an apply, such as its report, so that it is counted where it belongs.
fn settle() {
    std::thread::park_timeout(Duration::from_secs(2));
}

/// Waits until the agent has looked again whether what it made lasts, which is no part of what is measured next.
fn rest(fleet: &Fleet<'_>) -> Result<()> {
    wait_until("the agent to find all as it was made", Duration::from_secs(60), || {
        let resources = fleet.admin.resources(DEVICE)?;
        Ok(resources.iter().all(|view| view.outcome == OutcomeKind::Kept).then_some(()))
    })?;
    settle();
    Ok(())
}

fn measure_peer(peer: Peer, device: &Device<'_>, installed: &str) -> Result<Figures> {
    peer.prepare(device)?;
    let name = peer.name();
    let files = Profile::files_only(&format!("/srv/{name}-files"));
    peer.wants(device, &files)?;
    let (mut first, mut peaks) = (vec![], vec![]);
    for run in 1..=RUNS {
        say(&format!("{name}: 1,000 files ({run} of {RUNS})"))?;
        if device.path(&files.root).exists() {
            let aside = format!("{}-{run}", files.root);
            fs::rename(device.path(&files.root), device.path(&aside)).context("putting the files aside")?;
        }
        files.make_ready(device)?;
        let run = peer.run(device)?;
        first.push(run.cpu_s);
        peaks.push(run.peak_mib);
    }
    say(&format!("{name}: one drifted file"))?;
    let (path, right) = files.file(500);
    let mut drift = vec![];
    for _ in 0..RUNS {
        device.write_file(path, "drifted\n", 0o640)?;
        drift.push(peer.run(device)?.cpu_s);
        ensure!(device.read_file(path)? == right, "{name} did not put the file right");
    }
    let first_number = if peer == Peer::Salt { 47_200 } else { 47_100 };
    let mixed = Profile::mixed(&format!("/srv/{name}"), &format!("z{}", &name[..1]), first_number, installed);
    peer.wants(device, &mixed)?;
    mixed.make_ready(device)?;
    say(&format!("{name}: first apply of 1,000 resources"))?;
    peaks.push(peer.run(device)?.peak_mib);
    let mut noop = vec![];
    for run in 1..=RUNS {
        say(&format!("{name}: nothing to do ({run} of {RUNS})"))?;
        let run = peer.run(device)?;
        noop.push(run.cpu_s);
        peaks.push(run.peak_mib);
    }
    Ok(Figures {
        noop_cpu_s: median(noop),
        first_files_cpu_s: median(first),
        drift_cpu_s: median(drift),
        peak_mib: peaks.into_iter().fold(0.0, f64::max),
    })
}
