//! Whatever sequence of states a device goes through: once nothing is desired any more, it is as it was before.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, PACKAGES_URL, Packages};

/// States in one sequence.
const STATES: usize = 10;

/// Sequences when nobody asks for more by `MUSTER_SEQUENCES`, or for one again by `MUSTER_SEED`: each takes half a minute.
const SEQUENCES: u64 = 2;

/// Whatever state came before, only root can change what is in this one.
const ROOTS: &str = "directory: { path: /srv/a, mode: \"0755\", owner: root }";

/// Resources of which a state has some, each in one of its forms. Some are there before, others are not; some are on the way to
/// others, or in their place. `ONE` and `TWO` are artifacts, `AUTHORITY_ONE` and `AUTHORITY_TWO` certificates.
const POOL: [&[&str]; 35] = [
    &[
        "directory: { path: /srv/a, mode: \"0755\" }",
        ROOTS,
        "directory: { path: /srv/a, mode: \"2775\", group: builders }",
        "directory: { path: /srv/a, mode: \"0700\", owner: bob }",
    ],
    &[
        "directory: { path: /srv/a/b }",
        "file: { path: /srv/a/b, content: \"a file, where a directory was\\n\" }",
        "archive: { path: /srv/a/b, artifact: ONE }",
    ],
    &[
        "file: { path: /srv/a/one, content: \"1\\n\" }",
        "file: { path: /srv/a/one, content: \"one\\n\", mode: \"0600\", owner: bob }",
        "file: { path: /srv/a/one, state: absent }",
    ],
    &["file: { path: /etc/motd, content: \"ours\\n\" }", "file: { path: /etc/motd, mode: \"0600\" }"],
    &[
        "file: { path: /etc/issue.net, state: absent }",
        "file: { path: /etc/issue.net, content: \"Keep out.\\n\" }",
    ],
    &[
        "file: { path: /etc/unwanted, state: absent }",
        "file: { path: /etc/unwanted, group: builders, mode: \"0640\" }",
    ],
    &[
        "link: { path: /srv/current, target: /srv/a }",
        "link: { path: /srv/current, target: /srv/a/b }",
        "archive: { path: /srv/current, artifact: TWO }",
    ],
    &[
        "archive: { path: /srv/tool, artifact: ONE, strip: 1 }",
        "archive: { path: /srv/tool, artifact: TWO, strip: 1, group: builders }",
        "archive: { path: /srv/tool, artifact: TWO, owner: bob }",
    ],
    &[
        "archive: { path: /srv/spare, artifact: ONE }",
        "archive: { path: /srv/spare, artifact: TWO, strip: 1 }",
        "directory: { path: /srv/spare, mode: \"0700\" }",
        "directory: { path: /srv/spare, group: builders, mode: \"2770\" }",
    ],
    &[
        "link: { path: /etc/localtime, target: /usr/share/zoneinfo/Etc/UTC }",
        "time: { zone: Asia/Tokyo }",
        "time: { zone: Europe/Berlin }",
    ],
    &["locale: { lang: C.UTF-8 }", "locale: { lang: C, categories: [LC_TIME=C.UTF-8] }"],
    &[
        "mount: { where: /srv/m/scratch, what: tmpfs, type: tmpfs, options: [size=1m] }",
        "mount: { where: /srv/m/scratch, what: tmpfs, type: tmpfs, options: [size=2m] }",
    ],
    &[
        "timer: { name: nightly, command: [/usr/bin/true], on_calendar: [daily], persistent: true }",
        "timer: { name: nightly, command: [/usr/bin/true, x], on_calendar: [hourly] }",
    ],
    &[
        "account: { name: bob, uid: 4101, shell: /bin/bash }",
        "account: { name: bob, uid: 4101, shell: /bin/sh, groups: [builders], full_name: Bob Builder }",
        "account: { name: bob, uid: 4101, ssh_keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIm9xyJ8bTTIoqkQhVc9cfQdC3OMgVFpUuAvXTbQN4sP bob\"] }",
    ],
    &[
        "sudo: { name: bob, who: bob, commands: [/usr/bin/id] }",
        "sudo: { name: bob, who: \"%builders\", commands: [/usr/bin/true], password: false }",
    ],
    &["package: { name: hello }", "package: { name: hello, state: absent }"],
    &["package: { name: tree }"],
    &["package: { name: muster-hello, version: \">= 1.1\" }", "package: { name: muster-hello }"],
    &[
        "service: { name: cron, running: false }",
        "service: { name: cron, running: true, enabled: true }",
        "service: { name: cron, enabled: false }",
    ],
    &[
        "sysctl: { name: net.ipv4.tcp_keepalive_time, value: 1111 }",
        "sysctl: { name: net.ipv4.tcp_keepalive_time, value: 2222 }",
    ],
    &[
        "proxy: { http: \"http://proxy.corp.example:3128\", no_proxy: [packages.demo.example, .demo.example] }",
        "proxy: { http: \"http://proxy.corp.example:3129\", no_proxy: [packages.demo.example] }",
    ],
    &["hosts_entry: { address: 10.0.0.5, names: [db.example.com, db] }"],
    &["hostname: { name: renamed }", "hostname: { name: srv-1 }"],
    &["kernel_module: { name: usb-storage, state: blocked }"],
    &[
        "line: { path: /etc/ssh/sshd_config, line: \"Port 2222\", match: [\"Port \", \"#Port \"] }",
        "line: { path: /etc/ssh/sshd_config, line: \"Port 2200\", match: [\"Port \", \"#Port \"] }",
    ],
    &["file: { path: /usr/local/bin/tool, content: \"#!/bin/sh\\n\", mode: \"0755\" }"],
    &[
        "file: { path: /etc/cron.d/ours, content: \"# nothing\\n\" }",
        "file: { path: /etc/cron.d/ours, state: absent }",
    ],
    &[
        "certificate: { name: corp, pem: \"AUTHORITY_ONE\" }",
        "certificate: { name: corp, pem: \"AUTHORITY_TWO\" }",
    ],
    &[
        "browser_policy: { browser: firefox, policies: { DisableTelemetry: true } }",
        "browser_policy: { browser: firefox, policies: { DisableTelemetry: false } }",
    ],
    &[
        "dconf: { name: base, settings: { /org/gnome/desktop/screensaver/lock-delay: \"uint32 7\" } }",
        "dconf: { name: base, settings: { /org/gnome/desktop/screensaver/lock-delay: \"uint32 8\" }, locked: true }",
    ],
    &[
        "login_rule: { name: base, groups: [root], from: [local] }",
        "login_rule: { name: base, groups: [root], from: [local, 10.0.0.0/8] }",
    ],
    &[
        "ssh_server: { name: base, settings: { MaxAuthTries: 3 } }",
        "ssh_server: { name: base, settings: { MaxAuthTries: 4, X11Forwarding: \"no\" } }",
    ],
    &["firewall: { allow: [{ port: 22 }] }", "firewall: { allow: [{ port: 22 }, { port: 80 }] }"],
    &[
        "network: { name: lan, interface: v0, addresses: [192.0.2.7/24] }",
        "network: { name: lan, interface: v0, addresses: [192.0.2.8/24], domains: [corp.example] }",
    ],
    &["updates: { which: all }", "updates: { which: all, windows: [{ from: \"00:00\", to: \"23:59\" }] }"],
];

/// What a device has before: an interface to set up with networkd, what makes the database of dconf, and a store of certificates that
/// is made anew quickly, as it has one alone.
const BEFORE: &str = "ip link add v0 type veth peer name v1 && systemctl -q enable --now systemd-networkd && \
    apt-get -qq update && apt-get -qq install -y dconf-cli && \
    sed -i '/ISRG_Root_X1/!s/^/!/' /etc/ca-certificates.conf && update-ca-certificates --fresh";

/// What every state has, since others name it.
fn groundwork() -> Result<String> {
    let key =
        Packages::public_key("corp")?.lines().map(|line| format!("        {line}\n")).collect::<String>();
    Ok(format!(
        "muster: 1\nprofile: any\nresources:\n  - group: {{ name: builders, gid: 4100 }}\n  - repository:\n      name: corp\n      url: {PACKAGES_URL}/corp\n      suite: stable\n      components: [main]\n      key: |\n{key}"
    ))
}

/// Makes what resources of the pool name by a word: two authorities, and two versions of a tool that are put on the server.
fn named(fleet: &Fleet<'_>, device: &Device<'_>) -> Result<[(&'static str, String); 4]> {
    let authority =
        |name| Ok::<_, anyhow::Error>(device.make_authority(name)?.trim_end().replace('\n', "\\n"));
    let [one, two] = put_tools(fleet)?;
    Ok([("AUTHORITY_ONE", authority("one")?), ("AUTHORITY_TWO", authority("two")?), one, two])
}

/// Puts the two versions of a tool on the server; the digest of each, behind the words that ask for it.
fn put_tools(fleet: &Fleet<'_>) -> Result<[(&'static str, String); 2]> {
    fleet.log_in()?;
    let folder = tempfile::tempdir()?;
    let put = |word: &str, asked: &'static str| {
        let tool = folder.path().join(word).join("tool");
        fs::create_dir_all(tool.join("lib/deep"))?;
        fs::write(tool.join("lib/deep/version"), word)?;
        fs::write(tool.join(word), "only this one has it")?;
        std::os::unix::fs::symlink("lib/deep", tool.join("current"))?;
        let tar = folder.path().join(format!("{word}.tar.gz"));
        let mut command = Command::new("/usr/bin/tar");
        let made =
            command.arg("-czf").arg(&tar).arg("-C").arg(folder.path().join(word)).arg("tool").output()?;
        ensure!(made.status.success(), "tar: {}", String::from_utf8_lossy(&made.stderr));
        Ok((asked, format!("artifact: {}", fleet.put_artifact(&tar)?.digest)))
    };
    Ok([put("ONE", "artifact: ONE")?, put("TWO", "artifact: TWO")?])
}

fn state(ground: &str, named: &[(&str, String)], random: &mut fastrand::Rng) -> String {
    let drawn = POOL.iter().map(|forms| (random.bool(), forms[random.usize(..forms.len())]));
    let mut chosen: Vec<&str> = drawn.filter(|(has, _)| *has).map(|(_, form)| form).collect();
    // What belongs to somebody who is not there, or is in a directory that is not, can't be made so, which is no question of
    // taking back.
    if !chosen.iter().any(|resource| resource.starts_with("account")) {
        chosen.retain(|resource| !resource.contains("owner: bob") && !resource.contains("who: bob"));
    }
    if !chosen.iter().any(|resource| resource.starts_with("directory: { path: /srv/a,")) {
        chosen.retain(|resource| !resource.contains("path: /srv/a/"));
    }
    // Nor is an archive unpacked where others than root can move what is there, such as whose it last was: what a state does not say of a
    // directory stays as it is.
    if !chosen.contains(&ROOTS) {
        chosen.retain(|resource| !resource.starts_with("archive: { path: /srv/a/"));
    }
    let mut source = ground.to_owned();
    for resource in chosen {
        writeln!(source, "  - {resource}").expect("a string takes any text");
    }
    named.iter().fold(source, |source, (word, text)| source.replace(word, text))
}

#[test]
fn after_any_sequence_of_states_and_the_end_of_all_the_device_is_as_it_was() -> Result<()> {
    let sequences = match std::env::var("MUSTER_SEQUENCES") {
        Ok(number) => number.parse().context("MUSTER_SEQUENCES is no number")?,
        Err(_) => SEQUENCES,
    };
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    device.write_file("/etc/unwanted", "keep me\n", 0o600)?;
    device.exec(["install", "-d", "-m", "0750", "-g", "adm", "/srv/spare"])?.ok()?;
    device.exec_within(["sh", "-c", BEFORE], Duration::from_secs(120))?.ok()?;
    let (ground, named) = (groundwork()?, named(&fleet, device)?);
    let before = device.snapshot()?;
    let seeds: Vec<u64> = match std::env::var("MUSTER_SEED") {
        Ok(seed) => vec![seed.parse().context("MUSTER_SEED is no number")?],
        Err(_) => (0..sequences).map(|_| fastrand::u64(..)).collect(),
    };
    for seed in seeds {
        run(&fleet, &ground, &named, seed).with_context(|| format!("sequence {seed}"))?;
        let changes = before.changes(&fleet.device("srv-1")?.snapshot()?);
        ensure!(
            changes.is_empty(),
            "after sequence {seed} it is not as before: {changes:#?}\n{}",
            device.exec(["muster-agent", "history"])?.stdout
        );
        let kept = ["find", "/var/lib/muster/archives", "-type", "f"];
        assert_eq!(device.exec(kept)?.stdout, "", "lists of what is no more, after sequence {seed}");
    }
    Ok(())
}

/// Goes through the states of a sequence, and then to nothing.
fn run(fleet: &Fleet<'_>, ground: &str, named: &[(&str, String)], seed: u64) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut last = None;
    for number in 1..=STATES {
        let source = state(ground, named, &mut random);
        fleet.admin.save_profile("any", &source)?;
        last = Some(fleet.admin.assign("any", "device:srv-1", Mode::Enforce)?);
        let applied = fleet.admin.wait_until_applied("srv-1");
        applied.with_context(|| format!("state {number} was not applied:\n{source}"))?;
    }
    let last = last.context("a sequence has states")?;
    fleet.admin.unassign(&last.id)?;
    fleet.admin.wait_until_applied("srv-1").map(drop)
}
