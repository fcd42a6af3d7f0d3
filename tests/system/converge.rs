//! Convergence on real devices: every kind is made so, kept so, looked at without a touch, and taken back.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::HistoryEntry;
use muster_proto::state::Mode;
use muster_tests::measure::{cpu, is_exec, is_write};
use muster_tests::{Device, Fleet, Network, PACKAGES_URL, Packages, wait_until};

/// The certificate of an authority whose key nobody has.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlzCCAT2gAwIBAgIUJLjl78HUNXAPtTMXoShtODuskSgwCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVTXVzdGVyIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyNjA4MjY1
OVoYDzIxMjYxMTAyMDgyNjU5WjAgMR4wHAYDVQQDDBVNdXN0ZXIgdGVzdCBhdXRo
b3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASiaBKXh71lNrw1cO8DzOjN
4jT5m6JBHbaJRDuF/4MsBLJlY57uXKErRP/+Q+2ouFTI0w6MHekvPygyTxiwZ/el
o1MwUTAdBgNVHQ4EFgQUm+tdVbifMFZ9WHw2Tty8t2M/kEowHwYDVR0jBBgwFoAU
m+tdVbifMFZ9WHw2Tty8t2M/kEowDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQD
AgNIADBFAiEA5s/5KY0eOmjmGAWCywbn1+TkNqP0AZrmL5JRuYy8XFUCIG1w1XF/
TSnwBstlTIdjI88N8z5Ayshyc/kvaSbQqsc6
-----END CERTIFICATE-----";

/// One resource of every kind, and two packages.
fn every_kind() -> Result<String> {
    let indented = |text: &str| text.lines().map(|line| format!("        {line}\n")).collect::<String>();
    let (key, authority) = (indented(&Packages::public_key("corp")?), indented(AUTHORITY));
    Ok(format!(
        r#"muster: 1
profile: every-kind
description: One resource of every kind
resources:
  - repository:
      name: corp
      url: {PACKAGES_URL}/corp
      suite: stable
      components: [main]
      key: |
{key}
  - package: {{ name: muster-hello, version: ">= 1.1" }}
  - packages: [nginx-light]
  - group: {{ name: builders, gid: 4100 }}
  - account:
      name: bob
      full_name: Bob Builder
      uid: 4101
      shell: /bin/bash
      groups: [builders]
      password: first-login
      ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIm9xyJ8bTTIoqkQhVc9cfQdC3OMgVFpUuAvXTbQN4sP bob"]
  - directory: {{ path: /srv/site, owner: bob, group: builders, mode: "2775" }}
  - file: {{ path: /srv/site/index.html, content: "<p>hello\n", mode: "0640", group: builders }}
  - file: {{ path: /etc/issue.net, content: "Keep out.\n" }}
  - file: {{ path: /etc/nginx/conf.d/muster.conf, content: "server_tokens off;\n" }}
  - file: {{ path: /etc/unwanted, state: absent }}
  - link: {{ path: /srv/current, target: /srv/site }}
  - sudo: {{ name: builders, who: "%builders", commands: ["/usr/bin/systemctl restart nginx"], password: false }}
  - certificate:
      name: corp
      pem: |
{authority}
  - line: {{ path: /etc/login.defs, line: "PASS_MAX_DAYS 90", match: [PASS_MAX_DAYS] }}
  - hosts_entry: {{ address: 192.0.2.5, names: [db.example.com] }}
  - hostname: {{ name: web-1 }}
  - kernel_module: {{ name: usb-storage, state: blocked }}
  - sysctl: {{ name: net.ipv4.tcp_keepalive_time, value: 600 }}
  - time: {{ zone: Asia/Tokyo }}
  - locale: {{ lang: C.UTF-8 }}
  - mount: {{ where: /srv/scratch, what: tmpfs, type: tmpfs, options: [size=1m] }}
  - timer: {{ name: nightly, command: [/usr/bin/true], on_calendar: [daily] }}
  - service: {{ name: nginx, running: true, enabled: true, restart_on: ["file:/etc/nginx/conf.d/muster.conf"] }}
checks:
  - id: nginx-listens
    title: The web server listens
    query: SELECT 1 FROM listening_ports WHERE port = 80
"#
    ))
}

#[test]
fn every_kind_converges_and_looking_again_touches_nothing() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    device.write_file("/etc/unwanted", "old\n", 0o644)?;
    fleet.admin.save_profile("every-kind", &every_kind()?)?;
    fleet.admin.assign("every-kind", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;

    let says =
        |argv: &[&str]| -> Result<String> { Ok(device.exec(argv)?.ok()?.stdout.trim_end().to_owned()) };
    assert_eq!(says(&["dpkg-query", "-W", "-f", "${Version}", "muster-hello"])?, "1.1");
    assert_eq!(says(&["getent", "group", "builders"])?, "builders:x:4100:bob");
    assert_eq!(says(&["getent", "passwd", "bob"])?, "bob:x:4101:4101:Bob Builder:/home/bob:/bin/bash");
    assert_eq!(says(&["stat", "-c", "%U %G %a", "/srv/site"])?, "bob builders 2775");
    assert_eq!(says(&["stat", "-c", "%U %G %a", "/srv/site/index.html"])?, "root builders 640");
    assert_eq!(says(&["cat", "/etc/issue.net"])?, "Keep out.");
    assert_eq!(says(&["readlink", "/srv/current"])?, "/srv/site");
    assert_eq!(says(&["systemctl", "is-active", "nginx"])?, "active");
    assert!(says(&["cat", "/home/bob/.ssh/authorized_keys"])?.ends_with(" bob"));
    assert!(!device.path("/etc/unwanted").exists());
    assert_eq!(says(&["uname", "-n"])?, "web-1");
    assert_eq!(says(&["cat", "/proc/sys/net/ipv4/tcp_keepalive_time"])?, "600");
    assert!(says(&["getent", "hosts", "db.example.com"])?.starts_with("192.0.2.5 "));
    says(&["runuser", "-u", "bob", "--", "sudo", "-n", "/usr/bin/systemctl", "restart", "nginx"])?;

    fleet.log_in()?;
    let cost = fleet.server.muster(["device", "show", "srv-1", "--cost"])?.ok()?.stdout;
    let kinds: Vec<_> = cost.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(["account", "file", "package", "service"].iter().all(|kind| kinds.contains(kind)), "{cost}");

    wait_until_quiet(&fleet, "srv-1")?;
    let touched = device.trace_agent(|| {
        // A change that is nobody's concern, in a directory that is watched.
        device.write_file("/etc/nobodys-concern", "x\n", 0o644)
    })?;
    let written: Vec<_> = touched.iter().filter(|line| is_write(line) || is_exec(line)).collect();
    assert!(
        touched.iter().any(|line| line.contains("dpkg/status") || line.contains("/etc")),
        "the turn ran: {touched:?}"
    );
    assert!(written.is_empty(), "a turn with nothing to do wrote: {written:#?}");
    Ok(())
}

#[test]
fn drift_is_repaired_within_a_second_and_recorded() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let profile = "muster: 1\nprofile: motd\nresources:\n  - file: { path: /etc/motd, content: \"ours\\n\", mode: \"0644\" }\n  - service: { name: cron, running: true }\n";
    fleet.admin.save_profile("motd", profile)?;
    fleet.admin.assign("motd", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    wait_until_quiet(&fleet, "srv-1")?;

    let began = Instant::now();
    device.write_file("/etc/motd", "theirs\n", 0o666)?;
    wait_until("the file to be repaired", Duration::from_secs(5), || {
        Ok((device.read_file("/etc/motd")? == "ours\n").then_some(()))
    })?;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "repairing took {took:?}");
    assert_eq!(device.exec(["stat", "-c", "%a", "/etc/motd"])?.line(), "644");

    device.exec(["systemctl", "stop", "cron"])?.ok()?;
    wait_until("the service to run again", Duration::from_secs(5), || {
        Ok((device.exec(["systemctl", "is-active", "cron"])?.line() == "active").then_some(()))
    })?;
    wait_until("both repairs in the device's history", Duration::from_secs(10), || {
        let history = history(&fleet, "srv-1")?;
        let repaired = |resource: &str| {
            history.iter().any(|e| {
                e.event == "changed" && e.resource.as_deref() == Some(resource) && !e.differences.is_empty()
            })
        };
        Ok((repaired("file:/etc/motd") && repaired("service:cron")).then_some(()))
    })?;
    Ok(())
}

#[test]
fn what_the_agent_put_right_itself_wakes_it_no_second_time() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let profile =
        "muster: 1\nprofile: motd\nresources:\n  - file: { path: /etc/motd, content: \"ours\\n\" }\n";
    fleet.admin.save_profile("motd", profile)?;
    fleet.admin.assign("motd", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    wait_until_quiet(&fleet, "srv-1")?;

    let trace = device.trace_agent(|| device.write_file("/etc/motd", "theirs\n", 0o644))?;
    assert_eq!(device.read_file("/etc/motd")?, "ours\n");
    let seconds = |line: &String| line.split_whitespace().nth(1).and_then(|at| at.parse::<f64>().ok());
    let touched: Vec<_> = trace.iter().filter(|line| line.contains("\"motd\"")).collect();
    let put = touched.iter().find(|line| line.contains("rename")).and_then(|line| seconds(line));
    let last = touched.last().and_then(|line| seconds(line));
    let took = last.zip(put).map(|(last, put)| last - put).context("no trace of the repair")?;
    // Another answer would have to wait for half a second.
    assert!(took < 0.35, "it looked again {took} s later: {touched:#?}");
    Ok(())
}

#[test]
fn a_program_that_keeps_changing_a_file_is_named_and_not_fought() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let profile = "muster: 1\nprofile: motd\nresources:\n  - file: { path: /etc/motd, content: \"ours\\n\", mode: \"0644\" }\n";
    fleet.admin.save_profile("motd", profile)?;
    fleet.admin.assign("motd", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;

    let meddle =
        "exec 3>>/etc/motd; while sleep 0.2; do grep -q theirs /etc/motd || echo theirs >/etc/motd; done";
    device.exec(["systemd-run", "--quiet", "--unit=meddler", "bash", "-c", meddle])?.ok()?;
    let blocked = || -> Result<Option<String>> {
        let view = fleet.admin.resources("srv-1")?.into_iter().next();
        Ok(view.filter(|view| view.outcome == OutcomeKind::Blocked).and_then(|view| view.reason))
    };
    let reason = wait_until("the fight to be noticed", Duration::from_secs(60), blocked)?;
    assert!(reason.contains("put right 3 times") && reason.contains("bash (process "), "{reason}");
    let agent = device.agent_pid()?;
    let before = cpu(agent)?;
    std::thread::park_timeout(Duration::from_secs(10));
    let spent = cpu(agent)? - before;
    assert!(spent < 0.3, "the agent spent {spent} s of CPU in 10 s on a file that it leaves alone");
    assert_eq!(device.read_file("/etc/motd")?, "theirs\n");

    device.exec(["systemctl", "stop", "meddler"])?.ok()?;
    fleet.log_in()?;
    fleet.server.muster(["device", "apply-now", "srv-1"])?.ok()?;
    wait_until("the file to be put right", Duration::from_secs(20), || {
        Ok((device.read_file("/etc/motd")? == "ours\n").then_some(()))
    })
}

#[test]
fn what_is_no_longer_assigned_is_put_back_as_it_was() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    device.write_file("/etc/unwanted", "keep me\n", 0o600)?;
    let before = device.snapshot()?;
    fleet.admin.save_profile("every-kind", &every_kind()?)?;
    let assignment = fleet.admin.assign("every-kind", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    assert_ne!(device.snapshot()?, before);

    fleet.admin.unassign(&assignment.id)?;
    fleet.admin.wait_until_applied("srv-1")?;
    let changes = before.changes(&device.snapshot()?);
    assert!(changes.is_empty(), "not as before: {changes:#?}");
    assert_eq!(device.read_file("/etc/unwanted")?, "keep me\n");
    assert_eq!(device.exec(["stat", "-c", "%a", "/etc/unwanted"])?.line(), "600");
    let bob = device.exec(["getent", "shadow", "bob"])?.ok()?;
    assert!(
        bob.line().split(':').nth(1).is_some_and(|hash| hash.starts_with('!')),
        "bob is locked: {}",
        bob.line()
    );
    Ok(())
}

#[test]
fn audit_mode_says_what_differs_and_writes_nothing() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let before = device.snapshot()?;
    fleet.admin.save_profile("every-kind", &every_kind()?)?;
    fleet.admin.assign("every-kind", "device:srv-1", Mode::Audit)?;
    let resources = wait_until("outcomes of every resource", Duration::from_secs(30), || {
        let resources = fleet.admin.resources("srv-1")?;
        Ok((resources.len() >= 19).then_some(resources))
    })?;
    let drifted = resources.iter().filter(|r| r.outcome == OutcomeKind::Drifted).count();
    assert!(drifted >= 17, "{resources:#?}");
    assert!(resources.iter().all(|r| r.outcome != OutcomeKind::Repaired));
    assert_eq!(device.snapshot()?, before, "audit mode wrote");
    Ok(())
}

#[test]
fn while_the_server_is_away_the_device_enforces_and_each_event_arrives_once() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["srv-1"])?;
    let profile =
        "muster: 1\nprofile: motd\nresources:\n  - file: { path: /etc/motd, content: \"ours\\n\" }\n";
    fleet.admin.save_profile("motd", profile)?;
    fleet.admin.assign("motd", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    wait_until_quiet(&fleet, "srv-1")?;
    let changed = |fleet: &Fleet<'_>| -> Result<usize> {
        Ok(history(fleet, "srv-1")?.iter().filter(|e| e.event == "changed").count())
    };
    let before = changed(&fleet)?;

    fleet.server.kill9()?;
    for turn in 0..3 {
        let device = fleet.device("srv-1")?;
        device.write_file("/etc/motd", format!("theirs {turn}\n"), 0o644)?;
        wait_until("the file to be repaired", Duration::from_secs(10), || {
            Ok((device.read_file("/etc/motd")? == "ours\n").then_some(()))
        })?;
        // The agent reads again what it wrote: drift that comes before that is no repair of its own.
        std::thread::park_timeout(Duration::from_secs(2));
    }
    fleet.device("srv-1")?.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    fleet.server.serve()?;
    wait_until("the three repairs in the history", Duration::from_secs(60), || {
        Ok((changed(&fleet)? >= before + 3).then_some(()))
    })?;
    fleet.device("srv-1")?.cut_off()?;
    std::thread::park_timeout(Duration::from_secs(2));
    fleet.device("srv-1")?.reconnect()?;
    std::thread::park_timeout(Duration::from_secs(3));
    assert_eq!(changed(&fleet)?, before + 3, "{:#?}", history(&fleet, "srv-1")?);
    Ok(())
}

#[test]
fn a_lease_ends_while_the_server_is_stopped() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["srv-1"])?;
    let end = in_seconds(25)?;
    let profile = format!(
        "muster: 1\nprofile: visitor\nresources:\n  - account: {{ name: visitor, password: first-login, not_after: \"{end}\" }}\n  - sudo: {{ name: visitor, who: visitor, commands: [\"/usr/bin/id\"], not_after: \"{end}\" }}\n"
    );
    fleet.admin.save_profile("visitor", &profile)?;
    fleet.admin.assign("visitor", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    let rule = fleet.device("srv-1")?.path("/etc/sudoers.d/muster-visitor");
    assert!(rule.exists(), "the grant holds before its end");
    let device = fleet.device("srv-1")?;
    let mut session = device.command(["runuser", "-u", "visitor", "--", "sleep", "600"])?;
    let mut session = session.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;

    let status =
        |device: &Device<'_>| -> Result<String> { Ok(device.exec(["muster-agent", "status"])?.stdout) };
    let up = status(device)?;
    assert!(up.contains("Link         up, the server was heard "), "{up}");
    fleet.server.stop()?;
    let device = fleet.device("srv-1")?;
    wait_until("the device itself to say that the server is gone", Duration::from_secs(10), || {
        Ok(status(device)?.contains("Link         down since ").then_some(()))
    })?;
    wait_until("the grant to end", Duration::from_secs(60), || {
        let shadow = device.exec(["getent", "shadow", "visitor"])?.ok()?;
        let locked = shadow.line().split(':').nth(1).is_some_and(|hash| hash.starts_with('!'));
        Ok((locked && !rule.exists()).then_some(()))
    })?;
    wait_until("the visitor's processes to end", Duration::from_secs(10), || Ok(session.try_wait()?))?;
    // What ends it all becomes the visitor for that moment.
    wait_until("nothing of the visitor to run", Duration::from_secs(10), || {
        Ok((!device.exec(["pgrep", "-u", "visitor"])?.success()).then_some(()))
    })
}

#[test]
fn a_lease_ends_in_the_middle_of_a_package_transaction() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    device.write_file("/etc/apt/apt.conf.d/99slow", "DPkg::Pre-Invoke { \"sleep 60\"; };\n", 0o644)?;
    let end = in_seconds(20)?;
    let visitor = format!(
        "muster: 1\nprofile: visitor\nresources:\n  - account: {{ name: visitor, not_after: \"{end}\" }}\n  - sudo: {{ name: visitor, who: visitor, commands: [\"/usr/bin/id\"], not_after: \"{end}\" }}\n"
    );
    fleet.admin.save_profile("visitor", &visitor)?;
    fleet.admin.assign("visitor", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    let rule = device.path("/etc/sudoers.d/muster-visitor");
    assert!(rule.exists(), "the grant holds before its end");

    fleet.admin.save_profile("tree", "muster: 1\nprofile: tree\nresources:\n  - packages: [tree]\n")?;
    fleet.admin.assign("tree", "device:srv-1", Mode::Enforce)?;
    wait_until("the transaction to begin", Duration::from_secs(20), || {
        Ok(device.exec(["pgrep", "-x", "sleep"])?.success().then_some(()))
    })?;
    assert!(rule.exists(), "the grant holds when the transaction begins");
    wait_until("the grant to end", Duration::from_secs(60), || {
        let shadow = device.exec(["getent", "shadow", "visitor"])?.ok()?;
        let locked = shadow.line().split(':').nth(1).is_some_and(|hash| hash.starts_with('!'));
        Ok((locked && !rule.exists()).then_some(()))
    })?;
    assert!(!device.path("/usr/bin/tree").exists(), "the transaction still goes on");
    fleet.admin.wait_until_applied("srv-1")?;
    assert!(device.path("/usr/bin/tree").exists() && !rule.exists());
    let ended = history(&fleet, "srv-1")?.iter().filter(|entry| entry.event == "ended").count();
    assert_eq!(ended, 2, "{:#?}", history(&fleet, "srv-1")?);
    Ok(())
}

/// The time so many seconds from now, as profiles write it.
fn in_seconds(seconds: u32) -> Result<String> {
    let argv =
        ["-u".to_owned(), "-d".to_owned(), format!("+{seconds} seconds"), "+%Y-%m-%dT%H:%M:%SZ".to_owned()];
    Ok(String::from_utf8(Command::new("date").args(argv).output()?.stdout)?.trim().to_owned())
}

fn history(fleet: &Fleet<'_>, device: &str) -> Result<Vec<HistoryEntry>> {
    let page: muster_proto::rest::Page<HistoryEntry> =
        fleet.admin.get(&format!("/devices/{device}/history?limit=200"))?;
    Ok(page.items)
}

/// Waits until nothing is on its way any more: the turn that a change caused is over and reported.
fn wait_until_quiet(fleet: &Fleet<'_>, device: &str) -> Result<()> {
    let mut last = (String::new(), Instant::now());
    wait_until("the device to be quiet", Duration::from_secs(60), || {
        let journal =
            fleet.device(device)?.exec(["stat", "-c", "%Y %s", "/var/lib/muster/ledger.db-wal"])?.stdout;
        if journal != last.0 {
            last = (journal, Instant::now());
        }
        Ok((last.1.elapsed() > Duration::from_secs(3)).then_some(()))
    })
}
