//! The agent killed at hundreds of system calls, in its own service, over what profiles can ask for: what it leaves is whole, and
//! the next cycle converges.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::DeviceDetail;
use muster_proto::state::Mode;
use muster_tests::{ACCOUNT_FILES, Call, Crash, Device, Fleet, Look, Network, places};

/// How many crashes there must be, and how many places are tried at most, as not all of them are reached each time.
const CRASHES: usize = 300;
const TRIED: usize = 480;

const SOON: Duration = Duration::from_secs(40);

/// A device, and two forms of what it is to have.
struct Scene {
    device: &'static str,
    forms: [&'static str; 2],
}

const SCENES: [Scene; 3] = [
    Scene {
        device: "srv-files",
        forms: [
            r#"
  - directory: { path: /srv/crash, mode: "0755" }
  - file: { path: /srv/crash/text, content: "one\n", mode: "0644" }
  - file: { path: /etc/crash.conf, content: "first\n", mode: "0600" }
  - link: { path: /srv/crash/current, target: /srv/one }
  - line: { path: /etc/issue.net, line: "One" }
  - hosts_entry: { address: 192.0.2.5, names: [db] }
  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: 600 }
  - kernel_module: { name: usb-storage, state: blocked }
"#,
            r#"
  - directory: { path: /srv/crash, mode: "2750" }
  - file: { path: /srv/crash/text, content: "two\n", mode: "0640" }
  - file: { path: /srv/crash/more, content: "more\n" }
  - file: { path: /etc/crash.conf, content: "second\n", mode: "0644" }
  - link: { path: /srv/crash/current, target: /srv/two }
  - line: { path: /etc/issue.net, line: "Two" }
  - hosts_entry: { address: 192.0.2.6, names: [db, cache] }
  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: 700 }
"#,
        ],
    },
    Scene {
        device: "srv-system",
        forms: [
            r#"
  - group: { name: crew, gid: 4300 }
  - sudo: { name: crew, who: "%crew", commands: [/usr/bin/id] }
  - timer: { name: nightly, command: [/usr/bin/true], on_calendar: [daily] }
  - mount: { where: /srv/scratch, what: tmpfs, type: tmpfs, options: [size=1m] }
  - time: { zone: Asia/Tokyo }
  - locale: { lang: C.UTF-8 }
"#,
            r#"
  - group: { name: crew, gid: 4300 }
  - sudo: { name: crew, who: "%crew", commands: [/usr/bin/true], password: false }
  - timer: { name: nightly, command: [/usr/bin/true, x], on_calendar: [hourly] }
  - mount: { where: /srv/scratch, what: tmpfs, type: tmpfs, options: [size=2m] }
  - time: { zone: Europe/Berlin }
  - locale: { lang: C, categories: [LC_TIME=C.UTF-8] }
"#,
        ],
    },
    Scene {
        device: "srv-doors",
        forms: [
            r#"
  - browser_policy: { browser: firefox, policies: { DisableTelemetry: true } }
  - login_rule: { name: base, groups: [root], from: [local] }
  - firewall: { allow: [{ port: 22 }] }
  - hostname: { name: web-1 }
"#,
            r#"
  - browser_policy: { browser: firefox, policies: { DisableTelemetry: false } }
  - login_rule: { name: base, groups: [root], from: [local, 10.0.0.0/8] }
  - firewall: { allow: [{ port: 22 }, { port: 80 }] }
  - hostname: { name: web-2 }
"#,
        ],
    },
];

/// What a state is to the one before, in the order in which a device goes through them over and over.
const STEPS: [&str; 3] = ["make", "change", "take back"];

/// How many crashes came where: by step, system call and what it was about.
type Counts = BTreeMap<(&'static str, String, &'static str), usize>;

/// Asks for the state that a step leads to.
fn ask_for(fleet: &Fleet<'_>, scene: &Scene, step: usize, assignment: &mut String) -> Result<()> {
    let Some(form) = scene.forms.get(step) else { return fleet.admin.unassign(assignment) };
    let source = format!("muster: 1\nprofile: {}\nresources:{form}", scene.device);
    fleet.admin.save_profile(scene.device, &source)?;
    *assignment = fleet.admin.assign(scene.device, &format!("device:{}", scene.device), Mode::Enforce)?.id;
    Ok(())
}

/// The generations that the server wants and that the device has applied.
fn generations(fleet: &Fleet<'_>, name: &str) -> Result<(u64, u64)> {
    let device = fleet.admin.get::<DeviceDetail>(&format!("/devices/{name}"))?.device;
    let value = serde_json::to_value((device.generation_wanted, device.generation_applied))?;
    Ok(serde_json::from_value(value)?)
}

/// Nothing in the ledger is damaged, and the state that it holds is one that was asked for, with its documents.
fn check_ledger(device: &Device<'_>, possible: [u64; 2]) -> Result<()> {
    let said = device.ask_ledger(
        "PRAGMA integrity_check; SELECT generation FROM state WHERE length(bytes) > 0;
         SELECT count(*) FROM document WHERE length(bytes) = 0;",
    )?;
    let [integrity, generation, empty] = &said[..] else { anyhow::bail!("the ledger says {said:?}") };
    ensure!(integrity == "ok" && empty == "0", "the ledger says {said:?}");
    ensure!(possible.contains(&generation.parse()?), "{generation} is none of {possible:?}");
    Ok(())
}

/// Goes through the steps of a scene and kills the agent in each, at another place every time.
///
/// It ends when all scenes together came to as many crashes as are `wanted`, counted in `came`.
fn crash_over_and_over(
    fleet: &Fleet<'_>,
    scene: &Scene,
    tried: usize,
    wanted: usize,
    came: &AtomicUsize,
) -> Result<Counts> {
    let device = fleet.device(scene.device)?;
    device.let_the_agent_lie()?;
    let mut assignment = String::new();
    // What a first time leaves behind, such as directories on the way, is there from then on.
    for step in 0..STEPS.len() {
        ask_for(fleet, scene, step, &mut assignment)?;
        fleet.admin.wait_until_applied(scene.device)?;
    }
    let (mut looks, mut chosen) = (Vec::new(), Vec::new());
    for step in 0..STEPS.len() {
        let watch = device.watch_agent()?;
        ask_for(fleet, scene, step, &mut assignment)?;
        let is_applied = || generations(fleet, scene.device).map(|(wanted, applied)| wanted == applied);
        let (_, calls) = watch.wait(SOON, is_applied)?;
        looks.push(device.look()?);
        let mut places = places(&calls, tried.div_ceil(STEPS.len()));
        // So that those left out at the end are of all calls; the same each time.
        fastrand::Rng::with_seed(7).shuffle(&mut places);
        chosen.push(places.into_iter());
    }
    let mut counts = Counts::new();
    // All steps are gone through in turn until there is no place left in any of them.
    while came.load(Ordering::Relaxed) < wanted && chosen.iter().any(|places| places.len() > 0) {
        for step in 0..STEPS.len() {
            let place = chosen[step].next();
            let from = &looks[(step + STEPS.len() - 1) % STEPS.len()];
            let when = || format!("{} on {}, at {place:?}", STEPS[step], scene.device);
            let crash = crash_once(fleet, scene, step, place.as_ref(), &mut assignment, [from, &looks[step]]);
            if let Some(call) = crash.with_context(when)? {
                *counts.entry((STEPS[step], call.name.clone(), call.about())).or_default() += 1;
                came.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Ok(counts)
}

/// One step with one crash; gives the call that was the agent's last, if it came.
fn crash_once(
    fleet: &Fleet<'_>,
    scene: &Scene,
    step: usize,
    place: Option<&(String, u32)>,
    assignment: &mut String,
    [from, to]: [&Look; 2],
) -> Result<Option<Call>> {
    let device = fleet.device(scene.device)?;
    let mut last = None;
    if let Some((call, nth)) = place {
        let (before, _) = generations(fleet, scene.device)?;
        let ambush = device.ambush_agent(call, *nth)?;
        ask_for(fleet, scene, step, assignment)?;
        let (wanted, _) = generations(fleet, scene.device)?;
        let is_applied = || generations(fleet, scene.device).map(|(wanted, applied)| wanted == applied);
        let (crash, calls) = ambush.wait(SOON, is_applied)?;
        if crash == Crash::Killed {
            last = calls.into_iter().rev().find(|one| one.name == *call);
            let now = device.look()?;
            let unfinished: Vec<_> = now.unfinished().iter().map(|path| path.display().to_string()).collect();
            let apart: Vec<&str> = ACCOUNT_FILES
                .iter()
                .copied()
                .chain(unfinished.iter().map(String::as_str))
                .chain(LEDGER)
                .chain(PARTS)
                .collect();
            let torn = from.torn(to, &now, &apart);
            ensure!(torn.is_empty(), "half-made: {torn:#?}");
            check_ledger(device, [before, wanted])?;
            device.start_the_agent_anew()?;
        }
    } else {
        ask_for(fleet, scene, step, assignment)?;
    }
    fleet.admin.wait_until_applied(scene.device)?;
    let now = device.look()?;
    let apart: Vec<&str> = ACCOUNT_FILES.iter().copied().chain(LEDGER).collect();
    let differs = to.differences(&now, &apart);
    ensure!(
        differs.is_empty() && now.unfinished().is_empty(),
        "it is not as it was without a crash: {differs:#?}"
    );
    Ok(last)
}

/// What changes with every cycle, and is asked in another way.
const LEDGER: [&str; 1] = ["/var/lib/muster/"];

/// Files in which one entry goes and another comes, each of which is a resource and a whole file of its own.
const PARTS: [&str; 2] = ["/etc/hosts", "/etc/issue.net"];

#[test]
fn an_agent_killed_at_any_of_three_hundred_system_calls_leaves_all_whole_and_the_next_cycle_converges()
-> Result<()> {
    let tried = match std::env::var("MUSTER_CRASHES") {
        Ok(number) => number.parse().context("MUSTER_CRASHES is no number")?,
        Err(_) => TRIED,
    };
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &SCENES.each_ref().map(|scene| scene.device))?;
    // Of fewer or more places than by default, as large a part.
    let (each, wanted) = (tried.div_ceil(SCENES.len()), tried * CRASHES / TRIED);
    let came = AtomicUsize::new(0);
    let counts = thread::scope(|scope| -> Result<Counts> {
        let (fleet, came, mut all) = (&fleet, &came, Counts::new());
        let crash = |scene| move || crash_over_and_over(fleet, scene, each, wanted, came);
        let scenes: Vec<_> = SCENES.iter().map(|scene| scope.spawn(crash(scene))).collect();
        for scene in scenes {
            for (place, count) in scene.join().expect("a scene has panicked")? {
                *all.entry(place).or_default() += count;
            }
        }
        Ok(all)
    })?;
    let killed: usize = counts.values().sum();
    println!("{killed} crashes at {tried} places at most:");
    for ((step, call, about), count) in &counts {
        println!("{count:5}  {step:9}  {call:11}  {about}");
    }
    ensure!(killed >= wanted, "only {killed} crashes of {wanted}: {counts:#?}");
    Ok(())
}
