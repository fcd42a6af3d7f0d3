//! Power cuts over a converging device whose disk keeps nothing that was not synced: what it finds at its next boot is whole, and the
//! next cycle converges.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use muster_tests::{
    Crash, Device, Fleet, Look, Network, PACKAGES_URL, Packages, Rounds, STEPS, Scene, places,
};

/// How many cuts there must be when nobody asks for another number by `MUSTER_CUTS`.
const CUTS: usize = 24;

/// The places of each step of each device between which the cuts are spread.
const PLACES: usize = 400;

const SOON: Duration = Duration::from_secs(40);
const BEGINNING: Duration = Duration::from_secs(120);

fn scenes() -> Result<[Scene; 2]> {
    let key: String = Packages::public_key("corp")?.lines().map(|line| format!("        {line}\n")).collect();
    let repository = format!(
        "  - repository:\n      name: corp\n      url: {PACKAGES_URL}/corp\n      suite: stable\n      components: [main]\n      key: |\n{key}"
    );
    let files = [
        r#"
  - directory: { path: /srv/power, mode: "0755" }
  - file: { path: /srv/power/text, content: "one\n", mode: "0644" }
  - file: { path: /etc/power.conf, content: "first\n", mode: "0600" }
  - link: { path: /srv/power/current, target: /srv/one }
  - line: { path: /etc/issue.net, line: "One" }
  - hosts_entry: { address: 192.0.2.5, names: [db] }
  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: 600 }
  - dconf: { name: base, settings: { /org/gnome/desktop/screensaver/lock-delay: "uint32 7" } }
  - script: { name: note, body: "echo one >/srv/by-script.new\nmv /srv/by-script.new /srv/by-script\n", idempotent: true }
"#,
        r#"
  - directory: { path: /srv/power, mode: "2750" }
  - file: { path: /srv/power/text, content: "two\n", mode: "0640" }
  - file: { path: /srv/power/more, content: "more\n" }
  - file: { path: /etc/power.conf, content: "second\n", mode: "0644" }
  - link: { path: /srv/power/current, target: /srv/two }
  - line: { path: /etc/issue.net, line: "Two" }
  - hosts_entry: { address: 192.0.2.6, names: [db, cache] }
  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: 700 }
  - dconf: { name: base, settings: { /org/gnome/desktop/screensaver/lock-delay: "uint32 8" }, locked: true }
  - script: { name: note, body: "echo two >/srv/by-script.new\nmv /srv/by-script.new /srv/by-script\n", idempotent: true }
"#,
    ];
    let system = [
        r#"
  - package: { name: muster-hello }
  - group: { name: crew, gid: 4300 }
  - account: { name: bob, uid: 4301, shell: /bin/bash }
  - sudo: { name: crew, who: "%crew", commands: [/usr/bin/id] }
  - timer: { name: nightly, command: [/usr/bin/true], on_calendar: [daily] }
  - login_rule: { name: base, groups: [root], from: [local] }
  - service: { name: cron, enabled: false }
"#,
        r#"
  - package: { name: hello }
  - group: { name: crew, gid: 4300 }
  - account: { name: bob, uid: 4301, shell: /bin/sh, groups: [crew] }
  - sudo: { name: crew, who: "%crew", commands: [/usr/bin/true], password: false }
  - timer: { name: nightly, command: [/usr/bin/true, x], on_calendar: [hourly] }
  - login_rule: { name: base, groups: [root], from: [local, 10.0.0.0/8] }
  - service: { name: cron, enabled: true }
"#,
    ];
    Ok([
        Scene { device: "srv-files", forms: files.map(str::to_owned) },
        Scene { device: "srv-system", forms: system.map(|form| format!("{repository}{form}")) },
    ])
}

/// When the power goes in a step.
#[derive(Clone, Debug)]
enum Moment {
    /// When the agent makes this system call for the so manieth time.
    Call(String, u32),
    /// So long after the state was asked for.
    After(Duration),
    /// When the server knows that all is done.
    Done,
}

/// What was found of a step while nothing disturbed it.
struct Step {
    look: Look,
    places: Vec<(String, u32)>,
    took: Duration,
}

fn watch(rounds: &mut Rounds<'_, '_>, device: &Device<'_>, step: usize) -> Result<Step> {
    let watch = device.watch_agent()?;
    let began = Instant::now();
    rounds.ask_for(step)?;
    let (_, calls) = watch.wait(SOON, || rounds.is_done())?;
    Ok(Step { look: device.look()?, places: places(&calls, PLACES), took: began.elapsed() })
}

/// Cuts the power of a device over and over, in half of the cases at a chosen call of the agent, in others at any time, so that also what it
/// has others do is cut off, and in some when all is done, so that all of it has to be on the disk. It ends when `due` says that
/// there were enough; gives how many there were in each step.
fn cut_over_and_over(
    fleet: &Fleet<'_>,
    scene: &Scene,
    device: &mut Device<'_>,
    due: &AtomicUsize,
) -> Result<BTreeMap<&'static str, usize>> {
    let mut rounds = Rounds::begin(fleet, scene);
    // What a first time leaves behind, such as directories on the way, is there from then on.
    for step in 0..STEPS.len() {
        rounds.ask_for(step)?;
        rounds.wait()?;
    }
    let mut steps = Vec::new();
    for step in 0..STEPS.len() {
        steps.push(watch(&mut rounds, device, step)?);
    }
    let (mut random, mut counts) = (fastrand::Rng::new(), BTreeMap::new());
    let mut number = 0;
    while due.load(Ordering::Relaxed) > 0 {
        let step = number % STEPS.len();
        let known = &steps[step];
        let moment = match random.u8(..6) {
            0 => Moment::Done,
            1 | 2 => Moment::After(known.took.mul_f64(random.f64())),
            _ => {
                let (call, nth) = random.choice(&known.places).context("the agent made no calls")?.clone();
                Moment::Call(call, nth)
            }
        };
        let from = &steps[(step + STEPS.len() - 1) % STEPS.len()].look;
        let cut = cut_once(fleet, &mut rounds, device, step, &moment, [from, &known.look]);
        let came = cut.with_context(|| {
            format!("{} on {}, at {moment:?}\n{}", STEPS[step], device.name(), device.journal("muster-agent"))
        })?;
        if came {
            *counts.entry(STEPS[step]).or_default() += 1;
            due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| Some(due.saturating_sub(1))).ok();
        }
        number += 1;
    }
    Ok(counts)
}

/// One step with one cut; gives whether it came.
fn cut_once(
    fleet: &Fleet<'_>,
    rounds: &mut Rounds<'_, '_>,
    device: &mut Device<'_>,
    step: usize,
    moment: &Moment,
    [from, to]: [&Look; 2],
) -> Result<bool> {
    let (before, _) = rounds.generations()?;
    let came = match moment {
        Moment::Call(call, nth) => {
            let ambush = device.ambush_agent(call, *nth)?;
            rounds.ask_for(step)?;
            ambush.wait(SOON, || rounds.is_done())?.0 == Crash::Killed
        }
        Moment::After(delay) => {
            rounds.ask_for(step)?;
            thread::park_timeout(*delay);
            true
        }
        Moment::Done => {
            rounds.ask_for(step)?;
            rounds.wait()?;
            true
        }
    };
    if came {
        device.cut_power()?;
        let (wanted, applied) = rounds.generations()?;
        // What the server was told that it has applied can't be forgotten.
        let possible = [if applied == wanted { wanted } else { before }, wanted];
        device.check_stopped([from, to], &possible)?;
        if matches!(moment, Moment::Done) {
            device.check_arrived(to)?;
        }
        device.start()?;
        fleet.wait_until_connected(device.name())?;
    }
    rounds.wait()?;
    device.check_arrived(to)?;
    Ok(came)
}

/// Enrolls the device of a scene on a network of its own, since another one that is on would hold its disk, and cuts its power.
fn suffer(scene: &Scene, due: &AtomicUsize) -> Result<BTreeMap<&'static str, usize>> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[scene.device])?;
    let mut device = fleet.devices.remove(scene.device).context("the scene's device is enrolled")?;
    let dconf = "apt-get -qq update && apt-get -qq install -y dconf-cli";
    device.exec_within(["sh", "-c", dconf], BEGINNING)?.ok()?;
    device.let_the_agent_lie()?;
    device.power_off()?;
    device.move_to_own_disk()?;
    device.start()?;
    let counts = cut_over_and_over(&fleet, scene, &mut device, due)?;
    fleet.check_record(&device)?;
    Ok(counts)
}

#[test]
fn power_that_goes_at_any_moment_leaves_all_whole_and_the_next_boot_converges() -> Result<()> {
    let wanted = match std::env::var("MUSTER_CUTS") {
        Ok(number) => number.parse().context("MUSTER_CUTS is no number")?,
        Err(_) => CUTS,
    };
    let (scenes, due) = (scenes()?, AtomicUsize::new(wanted));
    let counts = thread::scope(|scope| -> Result<Vec<_>> {
        let suffer = |scene| {
            let counts = suffer(scene, &due);
            // Where one has failed the other need not go on.
            due.store(0, Ordering::Relaxed);
            counts
        };
        let all = scenes.each_ref().map(|scene| scope.spawn(move || suffer(scene)));
        all.into_iter().map(|one| one.join().expect("a scene has panicked")).collect()
    })?;
    println!("{counts:?}");
    let came: usize = counts.iter().flat_map(BTreeMap::values).sum();
    ensure!(came >= wanted, "only {came} cuts of {wanted}: {counts:?}");
    Ok(())
}
