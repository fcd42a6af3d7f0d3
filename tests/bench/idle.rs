//! What the agent costs while nothing happens, with its link up, and while everything does.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::state::Mode;
use muster_tests::measure::{cpu, cpu_of_this_thread, peak, pss, wakes};
use muster_tests::{Artifacts, Fleet, Network};
use serde_json::json;

use crate::profile::Profile;
use crate::{DEVICE, look_again, say};

/// Seconds over which an idle agent is watched.
const IDLE: u64 = 600;

/// Seconds between two wakes of the bare loop beside it.
const NAP: u64 = 5;

/// Bytes in a page, and pages of its own that the bare loop touches.
const PAGE: usize = 4_096;
const PAGES: usize = 256;

/// Minutes of the worst case.
const WORST: u32 = 60;

/// Checks of the worst case, each over a table that is not small.
const CHECKS: usize = 50;

/// An agent that has enrolled and has nothing to do, for ten minutes.
pub(crate) fn run() -> Result<()> {
    let artifacts = Artifacts::find()?;
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let agent = fleet.device(DEVICE)?.agent_pid()?;
    // What enrollment and the first report leave behind is not idleness yet.
    std::thread::park_timeout(Duration::from_secs(30));
    say(&format!("{IDLE} s of nothing"))?;
    let before = (cpu(agent)?, wakes(agent)?);
    let bare = bare()?;
    let per_minute = 60.0 / IDLE as f64;
    let cpu_s_per_min = (cpu(agent)? - before.0) * per_minute;
    let wakes_per_min = (wakes(agent)? - before.1) as f64 * per_minute;
    let binary = artifacts.agent_deb.with_file_name("muster-agent").join("usr/bin/muster-agent");
    let binary_bytes = fs::metadata(binary).context("asking after the agent's binary")?.len();
    let figures = json!({
        "pss_mib": pss(agent)?,
        "cpu_s_per_min": cpu_s_per_min,
        "binary_bytes": binary_bytes,
        "wakes_per_min": wakes_per_min,
        "bare_wake_cpu_s": bare.wake_cpu_s,
        "cold_page_cpu_s": bare.page_cpu_s,
    });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

/// What it costs on this machine to wake and do nothing, and then to touch a page of one's own for the first time: most of what an
/// idle process costs. On a machine whose memory is that of a machine which is virtual itself, it is hundreds of times as much.
struct Bare {
    wake_cpu_s: f64,
    page_cpu_s: f64,
}

/// Sleeps as long as the agent is watched.
fn bare() -> Result<Bare> {
    let mut memory = vec![1_u8; PAGES * PAGE];
    let naps = IDLE / NAP;
    let (mut waking, mut touching) = (0.0, 0.0);
    for _ in 0..naps {
        let asleep = cpu_of_this_thread()?;
        std::thread::park_timeout(Duration::from_secs(NAP));
        let awake = cpu_of_this_thread()?;
        for page in memory.chunks_mut(PAGE) {
            page[0] = std::hint::black_box(page[0].wrapping_add(1));
        }
        touching += cpu_of_this_thread()? - awake;
        waking += awake - asleep;
    }
    let naps = naps as f64;
    Ok(Bare { wake_cpu_s: waking / naps, page_cpu_s: touching / naps / PAGES as f64 })
}

/// A thousand resources and all checks, looked at anew each minute, for an hour.
pub(crate) fn run_worst() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let agent = device.agent_pid()?;
    let installed = device.exec(["dpkg-query", "-W", "-f", "${Package}\n"])?.ok()?.stdout;
    let mixed = Profile::mixed("/srv/muster", "zm", 47_000, &installed).with_checks(CHECKS);
    mixed.make_ready(device)?;
    fleet.admin.save_profile("mixed", &mixed.muster("mixed"))?;
    fleet.admin.assign("mixed", &format!("device:{DEVICE}"), Mode::Enforce)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let before = cpu(agent)?;
    for minute in 0..WORST {
        say(&format!("minute {minute} of {WORST}: {:.1} MiB", pss(agent)?))?;
        look_again(device, minute)?;
        let asked = fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None)?;
        ensure!((200..300).contains(&asked.status), "apply now: {} {}", asked.status, asked.body);
        std::thread::park_timeout(Duration::from_secs(60));
    }
    let cpu_s_per_min = (cpu(agent)? - before) / f64::from(WORST);
    let figures = json!({"peak_mib": peak(agent)?, "pss_mib": pss(agent)?, "cpu_s_per_min": cpu_s_per_min});
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}
