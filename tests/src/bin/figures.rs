//! Measures what the documentation claims: sizes, memory, CPU time and latencies, of the shipped binaries on one machine.
//!
//! The last line of standard output is one JSON object. CPU times are what the kernel accounts to the process (ticks of
//! 10 ms), so that they are taken over many repetitions.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use muster_proto::rest::{CreatedToken, NewToken, Unknown};
use muster_proto::state::Mode;
use muster_tests::measure::{cpu, median, pss};
use muster_tests::{Artifacts, Device, Fleet, Network};
use serde_json::json;

/// Seconds over which an idle process is watched.
const IDLE: u64 = 120;

/// Logins before the server is called idle.
const LOGINS: u32 = 4;

/// Turns with nothing to do that are measured together.
const TURNS: u32 = 50;

/// Enrollments that are measured together.
const ENROLLMENTS: u32 = 1_000;

fn main() -> Result<()> {
    let artifacts = Artifacts::find()?;
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let server = fleet.server.pid()?;
    let agent = device.agent_pid()?;

    say("one small change, from the command to the device")?;
    let assign = assign_latency(&fleet)?;
    // What a server keeps of the hashes that logins took counts as idle memory too.
    for _ in 0..LOGINS {
        fleet.log_in()?;
    }
    say("idle, with the link up")?;
    std::thread::park_timeout(Duration::from_secs(10));
    let (agent_before, server_before) = (cpu(agent)?, cpu(server)?);
    std::thread::park_timeout(Duration::from_secs(IDLE));
    let per_minute = 60.0 / IDLE as f64;
    let agent_cpu = (cpu(agent)? - agent_before) * per_minute;
    let server_cpu = (cpu(server)? - server_before) * per_minute;
    let (agent_pss, server_pss) = (pss(agent)?, pss(server)?);

    say("1,000 resources, first apply and nothing to do")?;
    let converge = thousand(&fleet, device, agent)?;
    say("enrollments")?;
    let enroll = enrollments(&fleet, &network, &artifacts, server)?;

    let figures = json!({
        "agent_binary_bytes": fs::metadata(agent_binary(&artifacts))?.len(),
        "agent_idle_pss_mib": agent_pss,
        "agent_idle_cpu_s_per_min": agent_cpu,
        "agent_pss_after_1000_resources_mib": pss(agent)?,
        "server_idle_pss_mib": server_pss,
        "server_idle_cpu_s_per_min": server_cpu,
        "assign_to_applied_ms": assign,
        "converge_1000": converge,
        "enroll": enroll,
    });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

fn say(what: &str) -> Result<()> {
    writeln!(std::io::stderr(), "measuring: {what}")?;
    Ok(())
}

fn agent_binary(artifacts: &Artifacts) -> std::path::PathBuf {
    artifacts.agent_deb.with_file_name("muster-agent").join("usr/bin/muster-agent")
}

/// Milliseconds from the admin's request to the file being there: median of nine.
fn assign_latency(fleet: &Fleet<'_>) -> Result<f64> {
    let device = fleet.device("srv-1")?;
    let mut took = Vec::new();
    for round in 0..9 {
        let name = format!("latency-{round}");
        let path = format!("/etc/latency-{round}");
        let source = format!(
            "muster: 1\nprofile: {name}\nresources:\n  - file: {{ path: {path}, content: \"x\\n\" }}\n"
        );
        fleet.admin.save_profile(&name, &source)?;
        let path = device.path(&path);
        let began = Instant::now();
        fleet.admin.assign(&name, "device:srv-1", Mode::Enforce)?;
        while !path.exists() {
            ensure!(began.elapsed() < Duration::from_secs(20), "{} never came", path.display());
            std::thread::park_timeout(Duration::from_millis(1));
        }
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
        fleet.admin.wait_until_applied("srv-1")?;
        std::thread::park_timeout(Duration::from_secs(1));
    }
    Ok(median(took))
}

/// CPU seconds of the agent for the first apply and for a turn with nothing to do.
fn thousand(fleet: &Fleet<'_>, device: &Device<'_>, agent: u32) -> Result<serde_json::Value> {
    let installed = device.exec(["dpkg-query", "-W", "-f", "${Package}\n"])?.ok()?.stdout;
    fleet.admin.save_profile("thousand", &thousand_resources(&installed)?)?;
    let before = cpu(agent)?;
    fleet.admin.assign("thousand", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    let first = cpu(agent)? - before;
    std::thread::park_timeout(Duration::from_secs(5));
    let before = cpu(agent)?;
    for turn in 0..TURNS {
        // In a watched directory, and nobody's concern: the agent looks at everything and finds nothing to do.
        device.write_file("/etc/nobodys-concern", format!("{turn}"), 0o644)?;
        std::thread::park_timeout(Duration::from_millis(700));
    }
    let turn = (cpu(agent)? - before) / f64::from(TURNS);
    Ok(json!({"first_apply_cpu_s": first, "noop_cpu_s": turn, "turns": TURNS}))
}

/// A thousand resources in the mix of the comparison with other tools: 10 % directories, 20 groups and 20 accounts, 10 %
/// packages that are installed, 5 % links, and files of about 800 bytes for the rest.
fn thousand_resources(installed: &str) -> Result<String> {
    let mut source = String::from(
        "muster: 1\nprofile: thousand\nresources:\n  - directory: { path: /srv/bench, mode: \"0755\" }\n",
    );
    let packages: Vec<_> = installed.lines().take(100).collect();
    writeln!(source, "  - packages: [{}]", packages.join(", "))?;
    for i in 0..20 {
        writeln!(source, "  - group: {{ name: zpg{i:02}, gid: {} }}", 47_000 + i)?;
        writeln!(source, "  - account: {{ name: zpu{i:02}, uid: {}, shell: /bin/sh }}", 47_100 + i)?;
    }
    for i in 0..99 {
        writeln!(source, "  - directory: {{ path: /srv/bench/dir{i:04}, mode: \"0750\" }}")?;
    }
    for i in 0..50 {
        writeln!(source, "  - link: {{ path: /srv/bench/link{i:04}, target: /srv/bench/file{i:04}.conf }}")?;
    }
    let files = 1_000 - 100 - packages.len() - 40 - 50;
    for i in 0..files {
        let body: String = (0..16).map(|j| format!("key_{j:02} = {:040}\\n", i * 16 + j)).collect();
        writeln!(
            source,
            "  - file: {{ path: /srv/bench/file{i:04}.conf, mode: \"0640\", content: \"{body}\" }}"
        )?;
    }
    Ok(source)
}

/// Server CPU per enrollment with the shipped agent over real TLS, and the time from its start to its certificate.
fn enrollments(
    fleet: &Fleet<'_>,
    network: &Network,
    artifacts: &Artifacts,
    server: u32,
) -> Result<serde_json::Value> {
    let mut csv = String::from("serial,name,owner,labels\n");
    for i in 0..ENROLLMENTS {
        writeln!(csv, "BENCH-{i:05},bench-{i:05},,bench")?;
    }
    fleet.admin.import(&csv)?;
    let wanted = NewToken {
        labels: vec![],
        uses: Some(ENROLLMENTS),
        hours: None,
        serial: None,
        unknown: Unknown::Refuse,
    };
    let join: CreatedToken = fleet.admin.post("/tokens", &wanted)?;
    let folder = network.folder().join("bench");
    fs::create_dir_all(&folder)?;
    let binary = agent_binary(artifacts);
    let before = cpu(server)?;
    let mut took = Vec::new();
    for i in 0..ENROLLMENTS {
        took.push(enroll_one(network, &binary, &folder.join(i.to_string()), i, &join.join_file)?);
    }
    let spent = cpu(server)? - before;
    Ok(json!({
        "enrollments": ENROLLMENTS,
        "server_cpu_ms_each": spent * 1_000.0 / f64::from(ENROLLMENTS),
        "agent_start_to_certificate_ms_median": median(took),
    }))
}

fn enroll_one(network: &Network, binary: &Path, folder: &Path, number: u32, join_file: &str) -> Result<f64> {
    fs::create_dir_all(folder)?;
    let (config, join) = (folder.join("agent.toml"), folder.join("join.toml"));
    let state = folder.join("state");
    fs::write(&config, format!("serial = \"BENCH-{number:05}\"\nstate_dir = \"{}\"\n", state.display()))?;
    fs::write(&join, join_file)?;
    let began = Instant::now();
    let argv = [
        binary.as_os_str(),
        "--config".as_ref(),
        config.as_os_str(),
        "enroll".as_ref(),
        "--join-file".as_ref(),
        join.as_os_str(),
    ];
    network.run(argv, Duration::from_secs(30))?.ok()?;
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}
