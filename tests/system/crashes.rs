//! The agent killed at hundreds of system calls, in its own service, over what profiles can ask for: what it leaves is whole, and
//! the next cycle converges.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_tests::{
    Call, Crash, Device, Fleet, Look, Network, PACKAGES_URL, Packages, Rounds, STEPS, Scene, places,
};

/// How many crashes there must be, and how many places are tried at most, as not all of them are reached each time.
const CRASHES: usize = 300;
const TRIED: usize = 600;

const SOON: Duration = Duration::from_secs(40);

/// What a scene is made of.
struct Draft {
    device: &'static str,
    /// What is done on the device first, by a shell.
    before: &'static str,
    /// What has to succeed at the end.
    after: &'static str,
    /// Of both forms. A word in capitals stands for a text that is not written here.
    forms: [&'static str; 2],
}

const DRAFTS: [Draft; 5] = [
    Draft {
        device: "srv-files",
        before: "",
        after: "",
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
    Draft {
        device: "srv-system",
        before: "",
        after: "",
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
    Draft {
        device: "srv-doors",
        before: "",
        after: "",
        forms: [
            r#"
  - browser_policy: { browser: firefox, policies: { DisableTelemetry: true } }
  - login_rule: { name: base, groups: [root], from: [local] }
  - firewall: { allow: [{ port: 22 }] }
  - hostname: { name: web-1 }
  - proxy: { http: "http://proxy.corp.example:3128", no_proxy: [.demo.example] }
"#,
            r#"
  - browser_policy: { browser: firefox, policies: { DisableTelemetry: false } }
  - login_rule: { name: base, groups: [root], from: [local, 10.0.0.0/8] }
  - firewall: { allow: [{ port: 22 }, { port: 80 }] }
  - hostname: { name: web-2 }
  - proxy: { http: "http://proxy.corp.example:3129" }
"#,
        ],
    },
    Draft {
        device: "srv-people",
        // The store is made anew with each change, which takes seconds with all that come with the system; one of them stays.
        before: "apt-get -qq update && apt-get -qq install -y dconf-cli && sed -i '/ISRG_Root_X1/!s/^/!/' /etc/ca-certificates.conf && update-ca-certificates --fresh",
        after: "",
        forms: [
            r#"
  - account: { name: bob, uid: 4301, shell: /bin/bash }
  - ssh_server: { name: base, settings: { MaxAuthTries: 3 } }
  - certificate: { name: corp, pem: "AUTHORITY_ONE" }
  - dconf: { name: base, settings: { /org/gnome/desktop/screensaver/lock-delay: "uint32 7" } }
"#,
            r#"
  - account: { name: bob, uid: 4301, shell: /bin/sh, full_name: Bob, ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIm9xyJ8bTTIoqkQhVc9cfQdC3OMgVFpUuAvXTbQN4sP bob"] }
  - ssh_server: { name: base, settings: { MaxAuthTries: 4, X11Forwarding: "no" } }
  - certificate: { name: corp, pem: "AUTHORITY_TWO" }
  - dconf: { name: base, settings: { /org/gnome/desktop/screensaver/lock-delay: "uint32 8" }, locked: true }
"#,
        ],
    },
    Draft {
        device: "srv-packages",
        before: "ip link add v0 type veth peer name v1 && systemctl -q enable --now systemd-networkd",
        // Whatever was killed, a script never ran again while its `unless` said that it has nothing to do.
        after: r#"test -s /var/tmp/runs && test -z "$(uniq -d /var/tmp/runs)" || ! cat /var/tmp/runs"#,
        forms: [
            r#"
  - repository: { name: corp, url: "PACKAGES_URL/corp", suite: stable, components: [main], key: "CORP_KEY" }
  - package: { name: muster-hello }
  - service: { name: cron, running: false, enabled: false }
  - network: { name: lan, interface: v0, addresses: [192.0.2.7/24] }
  - script: { name: note, body: "echo one >>/var/tmp/runs\necho one >/srv/by-script.new\nmv /srv/by-script.new /srv/by-script\n", unless: [/usr/bin/grep, -q, one, /srv/by-script], idempotent: true }
"#,
            r#"
  - repository: { name: corp, url: "PACKAGES_URL/corp", suite: stable, components: [main], key: "CORP_KEY" }
  - package: { name: hello }
  - service: { name: cron, running: true, enabled: false }
  - network: { name: lan, interface: v0, addresses: [192.0.2.8/24] }
  - script: { name: note, body: "echo two >>/var/tmp/runs\necho two >/srv/by-script.new\nmv /srv/by-script.new /srv/by-script\n", unless: [/usr/bin/grep, -q, two, /srv/by-script], idempotent: true }
"#,
        ],
    },
];

/// Makes a device ready for its scene.
fn scene(fleet: &Fleet<'_>, draft: &Draft) -> Result<Scene> {
    let device = fleet.device(draft.device)?;
    device.exec_within(["sh", "-c", draft.before], SOON)?.ok()?;
    device.let_the_agent_lie()?;
    let quoted = |text: String| text.trim_end().replace('\n', "\\n");
    let (key, one, two) =
        (Packages::public_key("corp")?, device.make_authority("one")?, device.make_authority("two")?);
    let (key, one, two) = (quoted(key), quoted(one), quoted(two));
    let filled = |form: &str| {
        form.replace("PACKAGES_URL", PACKAGES_URL)
            .replace("CORP_KEY", &key)
            .replace("AUTHORITY_ONE", &one)
            .replace("AUTHORITY_TWO", &two)
    };
    Ok(Scene { device: draft.device, forms: draft.forms.map(filled) })
}

/// How many crashes came where: by step, system call and what it was about.
type Counts = BTreeMap<(&'static str, String, &'static str), usize>;

/// Goes through the steps of a scene and kills the agent in each, at another place every time.
///
/// It ends when all scenes together came to as many crashes as are `wanted`, counted in `came`.
fn crash_over_and_over(
    fleet: &Fleet<'_>,
    draft: &Draft,
    tried: usize,
    wanted: usize,
    came: &AtomicUsize,
) -> Result<Counts> {
    let (scene, device) = (scene(fleet, draft)?, fleet.device(draft.device)?);
    let mut rounds = Rounds::begin(fleet, &scene);
    // What a first time leaves behind, such as directories on the way, is there from then on.
    for step in 0..STEPS.len() {
        rounds.ask_for(step)?;
        rounds.wait()?;
    }
    let (mut looks, mut chosen) = (Vec::new(), Vec::new());
    for step in 0..STEPS.len() {
        let watch = device.watch_agent()?;
        rounds.ask_for(step)?;
        let (_, calls) = watch.wait(SOON, || rounds.is_done())?;
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
            let crash = crash_once(&mut rounds, device, step, place.as_ref(), [from, &looks[step]]);
            if let Some(call) = crash.with_context(when)? {
                *counts.entry((STEPS[step], call.name.clone(), call.about())).or_default() += 1;
                came.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    device.exec(["sh", "-c", draft.after])?.ok()?;
    Ok(counts)
}

/// One step with one crash; gives the call that was the agent's last, if it came.
fn crash_once(
    rounds: &mut Rounds<'_, '_>,
    device: &Device<'_>,
    step: usize,
    place: Option<&(String, u32)>,
    [from, to]: [&Look; 2],
) -> Result<Option<Call>> {
    let mut last = None;
    if let Some((call, nth)) = place {
        let (before, _) = rounds.generations()?;
        let ambush = device.ambush_agent(call, *nth)?;
        rounds.ask_for(step)?;
        let (wanted, _) = rounds.generations()?;
        let (crash, calls) = ambush.wait(SOON, || rounds.is_done())?;
        if crash == Crash::Killed {
            last = calls.into_iter().rev().find(|one| one.name == *call);
            device.check_stopped([from, to], &[before, wanted])?;
            device.start_the_agent_anew()?;
        }
    } else {
        rounds.ask_for(step)?;
    }
    rounds.wait()?;
    device.check_arrived(to)?;
    Ok(last)
}

#[test]
fn an_agent_killed_at_any_of_three_hundred_system_calls_leaves_all_whole_and_the_next_cycle_converges()
-> Result<()> {
    let tried = match std::env::var("MUSTER_CRASHES") {
        Ok(number) => number.parse().context("MUSTER_CRASHES is no number")?,
        Err(_) => TRIED,
    };
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &DRAFTS.each_ref().map(|draft| draft.device))?;
    // Of fewer or more places than by default, as large a part.
    let (each, wanted) = (tried.div_ceil(DRAFTS.len()), tried * CRASHES / TRIED);
    let came = AtomicUsize::new(0);
    let counts = thread::scope(|scope| -> Result<Counts> {
        let (fleet, came, mut all) = (&fleet, &came, Counts::new());
        let crash = |draft| move || crash_over_and_over(fleet, draft, each, wanted, came);
        let scenes: Vec<_> = DRAFTS.iter().map(|draft| scope.spawn(crash(draft))).collect();
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
