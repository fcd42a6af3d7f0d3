//! Rollouts on real devices: a bad change stops at the canary and leaves no trace, a good one reaches all.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{FleetPlan, RolloutDetail, RolloutStanding, RolloutState, RolloutView};
use muster_tests::{Device, Fleet, Network, wait_until};

/// Twenty, as the smallest fleet of which a tenth is not one device.
const NAMES: [&str; 20] = [
    "srv-01", "srv-02", "srv-03", "srv-04", "srv-05", "srv-06", "srv-07", "srv-08", "srv-09", "srv-10",
    "srv-11", "srv-12", "srv-13", "srv-14", "srv-15", "srv-16", "srv-17", "srv-18", "srv-19", "srv-20",
];
const LONG: Duration = Duration::from_secs(300);
const UNIT: &str = "/etc/systemd/system/worker.service";

/// A service of the company, with the program that it runs.
fn worker(program: &str) -> String {
    let unit = format!(
        "[Unit]\\nDescription=Worker\\n[Service]\\nExecStart={program}\\n[Install]\\nWantedBy=multi-user.target\\n"
    );
    format!(
        "muster: 1\nprofile: worker\nresources:\n  - file: {{ path: {UNIT}, content: \"{unit}\", mode: \"0644\" }}\n  \
         - file: {{ path: /etc/worker.conf, content: \"{program}\\n\", mode: \"0644\" }}\n  \
         - service: {{ name: worker, running: true, enabled: true, restart_on: [\"file:{UNIT}\"] }}\n"
    )
}

/// Everything that the profile manages, as it is on a device: bytes, rights, links, and how the service stands.
fn managed(device: &Device<'_>) -> Result<String> {
    let look = "stat -c '%n %a %U %G' /etc/systemd/system/worker.service /etc/worker.conf 2>&1; \
                sha256sum /etc/systemd/system/worker.service /etc/worker.conf 2>&1; \
                find /etc/systemd/system -printf '%P %l\\n' | sort; \
                systemctl is-active worker; systemctl is-enabled worker; \
                systemctl show -p ExecStart --value worker | sed 's/start_time.*//'; systemctl --failed --no-legend";
    Ok(device.exec(["sh", "-c", look])?.stdout)
}

fn snapshots(fleet: &Fleet<'_>) -> Result<BTreeMap<&'static str, String>> {
    fleet.devices.iter().map(|(name, device)| Ok((*name, managed(device)?))).collect()
}

fn generations(fleet: &Fleet<'_>) -> Result<BTreeMap<&'static str, u64>> {
    let generation = |name: &&'static str| -> Result<(&'static str, u64)> {
        let detail: muster_proto::rest::DeviceDetail = fleet.admin.get(&format!("/devices/{name}"))?;
        Ok((*name, detail.device.generation_wanted))
    };
    NAMES.iter().map(generation).collect()
}

/// What a command says, to be read as JSON.
fn json<T: serde::de::DeserializeOwned>(fleet: &Fleet<'_>, argv: &[&str]) -> Result<T> {
    let said = fleet.server.muster(argv)?.ok()?.stdout;
    serde_json::from_str(&said).with_context(|| format!("muster {}: {said}", argv.join(" ")))
}

fn wait_for_state(fleet: &Fleet<'_>, id: &str, state: RolloutState) -> Result<RolloutDetail> {
    let shown = || json::<RolloutDetail>(fleet, &["rollout", "show", id, "-o", "json"]);
    wait_until(&format!("the rollout to be {state:?}"), LONG, || {
        let detail = shown()?;
        Ok((detail.rollout.state == state).then_some(detail))
    })
    .with_context(|| format!("it is {:#?}", shown()))
}

#[test]
fn a_bad_change_stops_at_the_canary_and_is_taken_back_without_a_trace_and_a_good_one_reaches_all()
-> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &NAMES)?;
    fleet.log_in()?;
    fleet.admin.save_profile("worker", &worker("/usr/bin/sleep 100000"))?;
    let argv = ["assign", "worker@1", "--to", "everyone", "--yes", "--wait", "5m"];
    fleet.server.muster_with_input(argv, "")?.ok()?;
    let (before, given) = (snapshots(&fleet)?, generations(&fleet)?);
    ensure!(before.values().all(|seen| seen.contains("\nactive\nenabled\n")), "{before:#?}");

    fleet_plan_names_what_would_be_done(&fleet)?;
    let canary = a_bad_change_stops(&fleet)?;
    let others = generations(&fleet)?;
    for name in NAMES.iter().filter(|name| **name != canary) {
        ensure!(others[name] == given[name], "{name} was given something");
        ensure!(managed(fleet.device(name)?)? == before[name], "{name} has changed");
    }
    rolling_back_leaves_all_as_before(&fleet, &canary, &before)?;
    a_good_change_reaches_all(&mut fleet)
}

/// Asks all twenty what they would do with the revision that will turn out bad.
fn fleet_plan_names_what_would_be_done(fleet: &Fleet<'_>) -> Result<()> {
    let saved = fleet
        .server
        .muster_with_input(["profile", "apply", "/dev/stdin"], &worker("/usr/bin/false"))?
        .ok()?
        .stdout;
    ensure!(saved.starts_with("worker@2 is saved. "), "{saved}");
    ensure!(
        saved.contains("\neveryone has worker@1. With worker@2:\n    20 devices: the same plan, +0 ~3 -0"),
        "{saved}"
    );
    ensure!(saved.contains("\n    20 devices: +0 ~60 -0, 0 conflicts; replaces worker@1.\n"), "{saved}");
    ensure!(saved.ends_with("\n    To do so: muster assign worker@2 --to everyone\n"), "{saved}");
    let said = fleet.server.muster(["assign", "worker@2", "--to", "everyone", "--dry-run"])?;
    ensure!(said.code == Some(2), "{said:?}");
    let text = said.stdout;
    ensure!(
        text.starts_with(
            "20 devices: the same plan, +0 ~3 -0 (srv-01, srv-02, srv-03, srv-04, srv-05, ...)\n"
        ),
        "{text}"
    );
    ensure!(text.contains("    ~ file:/etc/worker.conf\n"), "{text}");
    ensure!(text.ends_with("20 devices: +0 ~60 -0, 0 conflicts; replaces worker@1.\n"), "{text}");
    let said = fleet.server.muster(["assign", "worker@2", "--to", "everyone", "--dry-run", "-o", "json"])?;
    let plan: FleetPlan = serde_json::from_str(&said.stdout).with_context(|| said.stdout.clone())?;
    ensure!((plan.asked, plan.answered, plan.groups.len()) == (20, 20, 1), "{plan:?}");
    Ok(())
}

/// Gives the name of the canary.
fn a_bad_change_stops(fleet: &Fleet<'_>) -> Result<String> {
    let argv =
        ["assign", "worker@2", "--to", "everyone", "--rollout", "--soak", "5s", "--yes", "--wait", "5m"];
    let said = fleet.server.muster_with_input(argv, "")?;
    ensure!(said.code == Some(1), "{said:?}");
    ensure!(
        said.stdout.contains("in step 1 of 3 (1 device, then 1, then 18; each step soaks for 5 s)"),
        "{said:?}"
    );
    ensure!(said.stderr.contains("is stopped in step 1 of 3: srv-"), "{said:?}");
    ensure!(said.stderr.contains("service:worker failed: "), "{said:?}");
    ensure!(said.stderr.contains("next: muster rollout resume ro-"), "{said:?}");

    let rollouts: Vec<RolloutView> = json(fleet, &["rollout", "list", "-o", "json"])?;
    let cause = rollouts[0].cause.clone().context("it says why")?;
    ensure!((rollouts.len(), rollouts[0].state) == (1, RolloutState::Stopped), "{rollouts:?}");
    ensure!(cause.subject == "service:worker", "{cause:?}");
    let id = rollouts[0].id.as_str();
    let shown = fleet.server.muster(["rollout", "show", id])?.ok()?.stdout;
    let words = ["Step 1    1 device: 1 failed", "Step 3    18 devices, not begun", "Replaces  worker@1"];
    for words in words {
        ensure!(shown.contains(words), "{words:?} is not in {shown}");
    }
    let refused = fleet.server.muster(["rollout", "resume", id])?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("would stop again at once"), "{refused:?}");
    let refused = fleet.server.muster(["assign", "worker@2", "--to", "everyone", "--yes"])?;
    ensure!(refused.stderr.contains(&format!("muster rollout cancel {id}")), "{refused:?}");
    let why = fleet.server.muster(["why", cause.device.as_str()])?.stdout;
    ensure!(why.contains("service:worker") && why.contains("worker@2 to everyone"), "{why}");
    Ok(cause.device)
}

fn rolling_back_leaves_all_as_before(
    fleet: &Fleet<'_>,
    canary: &str,
    before: &BTreeMap<&'static str, String>,
) -> Result<()> {
    let said = fleet.server.muster(["rollback", "worker", "--yes"])?.ok()?.stdout;
    ensure!(said.contains("worker@2 to everyone is worker@1 again\n"), "{said}");
    ensure!(said.contains("1 device goes from worker@2 to worker@1.\n"), "{said}");
    fleet.admin.wait_until_applied(canary)?;
    let after = snapshots(fleet)?;
    for name in NAMES {
        ensure!(after[name] == before[name], "{name} was\n{}\nand is\n{}", before[name], after[name]);
    }
    let compliance = fleet.server.muster(["compliance"])?.ok()?.stdout;
    ensure!(compliance.starts_with("20 of 20 compliant"), "{compliance}");
    Ok(())
}

/// One device is off, the server is killed in the middle, and still all get there.
fn a_good_change_reaches_all(fleet: &mut Fleet<'_>) -> Result<()> {
    fleet.admin.save_profile("worker", &worker("/usr/bin/sleep 200000"))?;
    fleet.device("srv-20")?.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    let argv = ["assign", "worker@3", "--to", "everyone", "--rollout", "--soak", "5s", "--yes", "-o", "json"];
    let started: RolloutView = json(fleet, &argv)?;
    wait_until("the second step", LONG, || {
        let detail: RolloutDetail = json(fleet, &["rollout", "show", &started.id, "-o", "json"])?;
        Ok((detail.rollout.step == 2).then_some(()))
    })?;
    fleet.server.kill9()?;
    fleet.server.serve()?;
    let done = wait_for_state(fleet, &started.id, RolloutState::Done)?;
    let counts: Vec<_> = done.rollout.steps.iter().map(|s| (s.devices, s.passed, s.not_answered)).collect();
    ensure!(counts == [(1, 1, 0), (1, 1, 0), (18, 17, 1)], "{counts:?}");
    let silent: Vec<_> = done.devices.iter().filter(|d| d.standing == RolloutStanding::NotAnswered).collect();
    ensure!(silent.len() == 1 && silent[0].device == "srv-20", "{silent:?}");
    let assigned = fleet.server.muster(["assignments"])?.ok()?.stdout;
    ensure!(assigned.contains("worker@3") && !assigned.contains("worker@1"), "{assigned}");

    fleet
        .device("srv-20")?
        .exec(["systemctl", "start", "muster-agent.path", "muster-agent.service"])?
        .ok()?;
    for name in NAMES {
        fleet.admin.wait_until_applied(name)?;
        ensure!(fleet.device(name)?.read_file("/etc/worker.conf")? == "/usr/bin/sleep 200000\n", "{name}");
    }
    Ok(())
}
