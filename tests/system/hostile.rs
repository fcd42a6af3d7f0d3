//! Hostile input on real devices and a real server: refused in one clear line, and everything goes on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use muster_proto::check::Verdict;
use muster_proto::report::OutcomeKind;
use muster_proto::resource::KINDS;
use muster_proto::rest::{CheckView, Problem, ProfileView, RevisionView};
use muster_proto::state::Mode;
use muster_tests::{Artifacts, Device, Fleet, Network, SERVER_NAME, wait_until};
use serde_json::Value;

const GIB: u64 = 1 << 30;
const MEMORY: u64 = 200;

/// Profiles with one bad field each: its name, and the line that asks for it.
fn bad_fields() -> Vec<(&'static str, String)> {
    let long = "n".repeat(10_000);
    let vast = "n".repeat(300_000);
    let digest = format!("sha256:{}", "0".repeat(64));
    let wireguard = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=";
    let resource = |text: &str| format!("  - {text}");
    vec![
        ("path", resource(r#"file: { path: "/etc/mo\ntd", content: x }"#)),
        ("path", resource(r#"file: { path: "/etc/mo\0td", content: x }"#)),
        ("path", resource(r#"file: { path: "/etc/../shadow", content: x }"#)),
        ("path", resource(r#"file: { path: "/etc/\e[2Jmotd", content: x }"#)),
        ("path", resource(&format!("file: {{ path: /etc/{long}, content: x }}"))),
        ("path", resource(r#"directory: { path: "../srv" }"#)),
        ("target", resource(r#"link: { path: /srv/current, target: "/srv/\0site" }"#)),
        ("package", resource(r#"package: { name: "-oDPkg::Pre-Invoke::=id" }"#)),
        ("package", resource(r#"package: { name: "nginx\nsudo" }"#)),
        ("group", resource(r#"group: { name: "-r" }"#)),
        ("name", resource(&format!("group: {{ name: {long} }}"))),
        ("name", resource(r#"account: { name: "--root=/tmp" }"#)),
        ("name", resource(r#"account: { name: "bob:x:0:0" }"#)),
        ("full_name", resource(r#"account: { name: bob, full_name: "Bob\nroot::0:0" }"#)),
        ("ssh_keys", resource(r#"account: { name: bob, ssh_keys: ["ssh-ed25519 AAAA\nssh-ed25519 BBBB"] }"#)),
        (
            "commands",
            resource(r#"sudo: { name: x, who: bob, commands: ["/usr/bin/id\nbob ALL=(ALL) ALL"] }"#),
        ),
        ("who", resource(r#"sudo: { name: x, who: "bob ALL=(ALL) ALL #", commands: ["/usr/bin/id"] }"#)),
        ("name", resource(r#"sudo: { name: "../x", who: bob, commands: ["/usr/bin/id"] }"#)),
        ("service", resource(r#"service: { name: "-.mount\n", running: true }"#)),
        ("mode", resource(r#"file: { path: /etc/motd, content: x, mode: "99999" }"#)),
        ("name", resource(r#"sysctl: { name: "net.ipv4.x\nkernel.y", value: 1 }"#)),
        ("name", resource(r#"sysctl: { name: "net/ipv4/../../../etc/shadow", value: 1 }"#)),
        ("value", resource(r#"sysctl: { name: net.ipv4.ip_forward, value: "1\nkernel.y = 1" }"#)),
        ("value", resource(&format!("sysctl: {{ name: net.ipv4.ip_forward, value: {long} }}"))),
        ("name", resource(r#"kernel_module: { name: "x\ninstall y /bin/sh", state: blocked }"#)),
        ("name", resource(r#"kernel_module: { name: "-r", state: blocked }"#)),
        ("name", resource(r#"hostname: { name: "web\0" }"#)),
        ("name", resource(&format!("hostname: {{ name: {long} }}"))),
        ("address", resource(r#"hosts_entry: { address: "10.0.0.1\n10.0.0.2", names: [x] }"#)),
        ("names", resource(r#"hosts_entry: { address: 10.0.0.1, names: ["x\n10.0.0.2 y"] }"#)),
        ("zone", resource(r#"time: { zone: "../../etc/shadow" }"#)),
        ("servers", resource(r#"time: { servers: ["ntp\nFallbackNTP=evil"] }"#)),
        ("lang", resource(r#"locale: { lang: "C\nLD_PRELOAD=/tmp/x" }"#)),
        ("categories", resource(r#"locale: { lang: C, categories: ["PATH=/tmp"] }"#)),
        ("where", resource(r#"mount: { where: "/etc/../proc", what: x, type: tmpfs }"#)),
        ("what", resource(r#"mount: { where: /srv/x, what: "x\nOptions=suid", type: tmpfs }"#)),
        ("options", resource(r#"mount: { where: /srv/x, what: x, type: tmpfs, options: ["-o"] }"#)),
        (
            "command",
            resource(r#"timer: { name: x, command: ["/bin/true\nUser=root"], on_calendar: [daily] }"#),
        ),
        (
            "on_calendar",
            resource(r#"timer: { name: x, command: [/bin/true], on_calendar: ["daily\nUnit=x"] }"#),
        ),
        ("name", resource(r#"timer: { name: "../x", command: [/bin/true], on_calendar: [daily] }"#)),
        ("command", resource(r#"script: { name: x, command: ["/bin/true\nUser=root"] }"#)),
        ("interpreter", resource(r#"script: { name: x, body: id, interpreter: [sh] }"#)),
        ("name", resource(r#"script: { name: "../x", body: id }"#)),
        ("path", resource(r#"line: { path: "/etc/../shadow", line: x }"#)),
        ("line", resource(r#"line: { path: /etc/motd, line: "x\ny" }"#)),
        ("match", resource(r#"line: { path: /etc/motd, line: x, match: ["a\0"] }"#)),
        ("name", resource(r#"certificate: { name: "../x", pem: x }"#)),
        ("pem", resource(&format!("certificate: {{ name: x, pem: {long} }}"))),
        ("pem", resource(r#"certificate: { name: x, pem: "-----BEGIN PRIVATE KEY-----\nMAA=\n" }"#)),
        ("url", resource(r#"repository: { name: x, url: "https://a\nTrusted: yes", key: "KEY" }"#)),
        ("url", resource(r#"repository: { name: x, url: "https://a/ [trusted=yes]", key: "KEY" }"#)),
        ("suite", resource(r#"repository: { name: x, url: "https://a/", suite: "s\nx", key: "KEY" }"#)),
        (
            "key",
            resource(
                r#"repository: { name: x, url: "https://a/", key: "-----BEGIN PGP PRIVATE KEY BLOCK-----" }"#,
            ),
        ),
        ("http", resource(r#"proxy: { http: "http://a:1\nexport LD_PRELOAD=/tmp/x" }"#)),
        ("http", resource(r#"proxy: { http: "http://$(id):3128" }"#)),
        ("http", resource(r#"proxy: { http: "http://eve:secret@a:3128" }"#)),
        ("no_proxy", resource(r#"proxy: { http: "http://a:1", no_proxy: ["a\";id;\""] }"#)),
        ("path", resource(&format!(r#"archive: {{ path: "/srv/../etc", artifact: "{digest}" }}"#))),
        ("artifact", resource(r#"archive: { path: /srv/x, artifact: "sha256:../../etc/shadow" }"#)),
        (
            "url",
            resource(&format!(
                r#"archive: {{ path: /srv/x, artifact: "{digest}", url: "file:///etc/shadow" }}"#
            )),
        ),
        (
            "url",
            resource(&format!(
                r#"archive: {{ path: /srv/x, artifact: "{digest}", url: "https://a/\r\nHost: b" }}"#
            )),
        ),
        (
            "url",
            resource(&format!(
                r#"package: {{ name: tool, artifact: "{digest}", url: "https://eve:secret@a/x.deb" }}"#
            )),
        ),
        ("browser", resource(r#"browser_policy: { browser: "../../x", policies: {} }"#)),
        (
            "policies",
            resource(&format!(r#"browser_policy: {{ browser: firefox, policies: {{ A: "{vast}" }} }}"#)),
        ),
        ("settings", resource(r#"dconf: { name: x, settings: { "/org/x]\n[y/z": "1" } }"#)),
        ("settings", resource(r#"dconf: { name: x, settings: { /org/x/y: "1\n[z]" } }"#)),
        ("from", resource(r#"login_rule: { name: x, accounts: [bob], from: ["ALL"] }"#)),
        ("accounts", resource(r#"login_rule: { name: x, accounts: ["bob ALL"], from: [local] }"#)),
        ("groups", resource(r#"login_rule: { name: x, groups: ["a\n+:ALL:ALL"], from: [local] }"#)),
        ("settings", resource(r#"ssh_server: { name: x, settings: { Match: "all" } }"#)),
        ("settings", resource(r#"ssh_server: { name: x, settings: { Banner: "x\nPermitRootLogin yes" } }"#)),
        ("interface", resource(r#"network: { name: x, interface: "eth0\n[DHCP]", dhcp: true }"#)),
        ("addresses", resource(r#"network: { name: x, interface: eth0, addresses: ["10.0.0.5/33"] }"#)),
        ("pac", resource(r#"network: { name: x, interface: eth0, pac: "javascript:alert(1)" }"#)),
        (
            "ssid",
            resource(r#"network: { name: x, interface: w0, wifi: { ssid: "a\n[ipv4]", access: open } }"#),
        ),
        (
            "public_key",
            resource(
                r#"network: { name: x, interface: wg0, wireguard: { peers: [{ public_key: "a\nPostUp=id", allowed_ips: [10.0.0.0/8] }] } }"#,
            ),
        ),
        (
            "endpoint",
            resource(&format!(
                r#"network: {{ name: x, interface: wg0, wireguard: {{ peers: [{{ public_key: {wireguard}, endpoint: "a b:1", allowed_ips: [10.0.0.0/8] }}] }} }}"#
            )),
        ),
        ("port", resource(r#"firewall: { allow: [{ port: "22 accept; }" }] }"#)),
        ("from", resource(r#"firewall: { allow: [{ port: 22, from: ["0.0.0.0/0 }"] }] }"#)),
        ("interface", resource(r#"firewall: { allow: [{ port: 22, interface: "\"; flush ruleset" }] }"#)),
        ("zone", resource(r#"updates: { which: all, zone: "../../etc/shadow" }"#)),
        ("from", resource(r#"updates: { which: all, windows: [{ from: "25:00", to: "04:00" }] }"#)),
    ]
}

#[test]
fn every_kind_has_a_field_that_is_tried_with_what_no_device_may_get() {
    let fields = bad_fields();
    let tried = |kind: &&&str| fields.iter().any(|(_, line)| line.starts_with(&format!("  - {kind}:")));
    let untried: Vec<&&str> = KINDS.iter().filter(|kind| !tried(kind)).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

#[test]
fn a_bad_field_of_a_profile_is_named_with_its_place_and_nothing_is_saved() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    for (field, line) in bad_fields() {
        let shown: String = line.chars().take(100).collect();
        let source = format!("muster: 1\nprofile: bad\ndescription: d\nresources:\n{line}\n");
        let answer = fleet.admin.put_profile("bad", &source)?;
        assert_eq!(answer.status, 422, "{shown}: {}", answer.body);
        let problem: Problem = serde_json::from_str(&answer.body).context("an answer that is no problem")?;
        let [error] = problem.errors.as_slice() else { panic!("{shown}: {:?}", problem.errors) };
        assert!(error.line == 5 && error.column > 1, "{shown}: {error:?}");
        let place = line.get(..usize::try_from(error.column)?).context("a column beyond the line")?;
        let named = error.message.contains(field) || place.contains(&format!("{field}:"));
        assert!(named, "{shown}: {field} is neither named nor pointed at: {error:?}");
        assert!(error.message.chars().count() < 1000, "{shown}: {} letters", error.message.len());
        assert!(!error.message.chars().any(char::is_control), "{shown}: {error:?}");

        let file = fleet.server.data().join("bad.yaml");
        fs::write(&file, &source)?;
        let said = fleet.server.muster(["profile".as_ref(), "check".as_ref(), file.as_os_str()])?;
        assert_eq!(said.code, Some(1), "{shown}: {}{}", said.stdout, said.stderr);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(text.contains(&format!("5:{}", error.column)), "{shown}: {text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{shown}: {text:?}");
    }
    assert!(fleet.admin.get::<Vec<ProfileView>>("/profiles")?.is_empty(), "something was saved");
    Ok(())
}

#[test]
fn a_yaml_bomb_is_turned_down_at_once_and_costs_no_memory() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    let mut laughs =
        String::from("muster: 1\nprofile: bomb\na0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", ")));
    }
    let deep =
        format!("muster: 1\nprofile: bomb\nresources: {}{}\n", "[".repeat(200_000), "]".repeat(200_000));
    let wide = format!("muster: 1\nprofile: bomb\nresources: [{}]\n", "1,".repeat(500_000));
    let long = format!("muster: 1\nprofile: bomb\ndescription: {}\n", "x".repeat(30 << 20));
    for (name, source) in [("laughs", laughs), ("deep", deep), ("wide", wide), ("long", long)] {
        let began = Instant::now();
        // Who goes on sending what is too long may lose the connection before the answer is read.
        let again = || fleet.admin.put_profile("bomb", &source);
        let answer = again().or_else(|_| again()).or_else(|_| again())?;
        assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.body);
        assert!(began.elapsed() < Duration::from_secs(5), "{name} took {:?}", began.elapsed());
        assert!(answer.body.len() < 4000, "{name}: an answer of {} bytes", answer.body.len());
    }
    let peak = fleet.server.peak_memory()?;
    assert!(peak < MEMORY, "the server took {peak} MiB");
    assert!(fleet.admin.get::<Vec<ProfileView>>("/profiles")?.is_empty());
    Ok(())
}

/// Sends a file as a body; gives the HTTP status, and the answer with its headers.
fn send_file(network: &Network, file: &Path, url: &str, more: &[&str]) -> Result<(String, String)> {
    let mut argv = vec!["curl", "--silent", "--insecure", "--include", "--max-time", "60"];
    argv.extend(["--write-out", "\n%{http_code}"]);
    argv.extend(more);
    let file = file.to_string_lossy();
    argv.extend(["--upload-file", &file, url]);
    let said = network.run(argv, Duration::from_secs(90))?;
    let (answer, status) = said.stdout.rsplit_once('\n').context("curl said nothing")?;
    Ok((status.to_owned(), answer.to_owned()))
}

#[test]
fn a_message_of_a_gigabyte_is_refused_on_both_doors_and_costs_no_memory() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let gigabyte = fleet.server.data().join("gigabyte");
    fs::File::create(&gigabyte)?.set_len(GIB)?;
    let authorization = format!("Authorization: Bearer {}", fleet.admin.token);
    let admin = fleet.server.admin_url();
    for (path, method) in
        [("/api/v1/profiles/big", "PUT"), ("/api/v1/session", "POST"), ("/api/v1/tokens", "POST")]
    {
        let url = format!("{admin}{path}");
        for chunked in [false, true] {
            let mut more =
                vec!["--http1.1", "-X", method, "-H", &authorization, "-H", "Content-Type: application/json"];
            if path.contains("profiles") {
                more.extend(["-H", "Content-Type: application/yaml"]);
            }
            if chunked {
                more.extend(["-H", "Transfer-Encoding: chunked"]);
            }
            let (status, answer) = send_file(&network, &gigabyte, &url, &more)?;
            // A body that was let begin is cut off while it is on its way, and with it sometimes the answer.
            let cut_off = answer.contains("100 Continue") && ["100", "000"].contains(&status.as_str());
            let refused = status == "413" && answer.contains("application/problem+json");
            assert!(refused || cut_off, "{path}, chunked {chunked}: {status} {answer}");
        }
    }
    let devices = format!("https://{SERVER_NAME}:8440/muster.v1.Enrollment/Enroll");
    let more = ["--http2", "-X", "POST", "-H", "Content-Type: application/grpc", "-H", "TE: trailers"];
    // The frame of a message: not compressed, of a gigabyte.
    let frame = [&[0][..], &u32::try_from(GIB)?.to_be_bytes()].concat();
    let announced = fleet.server.data().join("announced");
    fs::write(&announced, &frame)?;
    let (status, answer) = send_file(&network, &announced, &devices, &more)?;
    assert!(status == "200" && answer.contains("grpc-status: 11"), "{status}: {answer}");
    assert!(answer.contains("grpc-message: "), "{answer}");
    fs::File::options().write(true).open(&gigabyte)?.write_all_at(&frame, 0)?;
    let began = Instant::now();
    send_file(&network, &gigabyte, &devices, &more)?;
    assert!(began.elapsed() < Duration::from_secs(10), "it was read for {:?}", began.elapsed());

    let peak = fleet.server.peak_memory()?;
    assert!(peak < MEMORY, "the server took {peak} MiB");
    fleet.admin.save_profile("small", "muster: 1\nprofile: small\nresources: []\n")?;
    fleet.admin.assign("small", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    Ok(())
}

/// The agent's process and how often it was restarted.
fn life(device: &Device<'_>) -> Result<String> {
    let show = ["systemctl", "show", "-p", "MainPID", "-p", "NRestarts", "muster-agent"];
    Ok(device.exec(show)?.ok()?.stdout)
}

#[test]
fn what_is_planted_in_a_files_place_fails_that_file_alone_and_is_never_followed() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let plant = r#"
        mkdir -p /srv/precious /srv/managed
        for name in link hard dir; do echo precious >/srv/precious/$name; done
        chmod 600 /srv/precious/*
        ln -s /srv/precious/link /srv/managed/link
        ln /srv/precious/hard /srv/managed/hard
        mkfifo /srv/managed/fifo
        mkdir /srv/managed/of-nobody
        ln -s /srv/precious /srv/managed/of-nobody/folder
        chown -hR nobody /srv/managed/of-nobody
        mkdir /srv/managed/directory
    "#;
    device.exec(["sh", "-c", plant])?.ok()?;
    let look = || -> Result<String> {
        let argv = ["sh", "-c", "stat -c '%n %F %a %U %h %s' /srv/precious/*; cat /srv/precious/*"];
        Ok(device.exec(argv)?.ok()?.stdout)
    };
    let (before, alive) = (look()?, life(device)?);
    let names = ["link", "hard", "fifo", "of-nobody/folder/dir", "directory", "plain"];
    let mut profile = String::from("muster: 1\nprofile: planted\nresources:\n");
    for name in names {
        profile.push_str(&format!(
            "  - file: {{ path: /srv/managed/{name}, content: \"ours\\n\", mode: \"0666\" }}\n"
        ));
    }
    fleet.admin.save_profile("planted", &profile)?;
    let assignment = fleet.admin.assign("planted", "device:srv-1", Mode::Enforce)?;
    let outcomes = wait_until("an outcome of each file", Duration::from_secs(30), || {
        let resources = fleet.admin.resources("srv-1")?;
        let outcomes: BTreeMap<_, _> = resources.into_iter().map(|r| (r.resource.clone(), r)).collect();
        Ok((outcomes.len() == names.len()).then_some(outcomes))
    })?;
    for name in names {
        let resource = &outcomes[&format!("file:/srv/managed/{name}")];
        if name == "plain" {
            assert!(matches!(resource.outcome, OutcomeKind::Repaired | OutcomeKind::Kept), "{resource:?}");
        } else {
            assert_eq!(resource.outcome, OutcomeKind::Failed, "{resource:?}");
            assert!(resource.reason.as_deref().is_some_and(|reason| reason.len() > 10), "{resource:?}");
        }
    }
    assert_eq!(device.read_file("/srv/managed/plain")?, "ours\n");
    assert_eq!(look()?, before, "what is elsewhere was touched");
    fleet.admin.unassign(&assignment.id)?;
    wait_until("the file that was made to be taken back", Duration::from_secs(30), || {
        Ok((!device.path("/srv/managed/plain").exists()).then_some(()))
    })?;
    assert_eq!(look()?, before, "taking back touched what is elsewhere");
    let kinds = device.exec(["stat", "-c", "%F", "/srv/managed/link", "/srv/managed/fifo"])?.ok()?;
    assert_eq!(kinds.line(), "symbolic link\nfifo");
    assert_eq!(life(device)?, alive, "the agent went on living");
    Ok(())
}

/// Questions that no admin asks in good faith.
const HOSTILE_SQL: [&str; 12] = [
    "ATTACH '/etc/shadow' AS stolen",
    "PRAGMA table_info(users)",
    "SELECT * FROM pragma_table_info('users')",
    "SELECT randomblob(1000000000)",
    "SELECT hex(zeroblob(1000000000))",
    "SELECT printf('%.*c', 1000000000, 'x')",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    "SELECT load_extension('/tmp/x.so')",
    "DELETE FROM users",
    "SELECT 1; SELECT 2",
    "SELECT count(*) FROM users a, users b, users c, users d, users e, users f, users g, users h",
];

/// Of those, what SQLite can prepare or another agent may know: recursion, products, large values, a function.
const WELL_WRITTEN: usize = 5;

#[test]
fn hostile_sql_is_refused_soon_and_leaves_the_agent_alone() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let alive = life(device)?;
    for sql in HOSTILE_SQL {
        let began = Instant::now();
        let said = device.exec(["muster-agent", "query", sql])?;
        let took = began.elapsed();
        assert!(took < Duration::from_secs(15), "{sql} took {took:?}");
        assert_eq!(said.code, Some(1), "{sql}: {}{}", said.stdout, said.stderr);
        assert_eq!(said.stderr.trim().lines().count(), 1, "{sql}: {}", said.stderr);
        assert!(said.stderr.starts_with("muster-agent: "), "{sql}: {}", said.stderr);
    }
    let mut profile = String::from("muster: 1\nprofile: hostile\nchecks:\n");
    let mut saved = 0;
    for (number, sql) in HOSTILE_SQL.iter().enumerate() {
        let check = format!(
            "  - {{ id: hostile-{number}, title: Hostile, query: {} }}\n",
            serde_json::to_string(sql)?
        );
        let alone =
            fleet.admin.put_profile("alone", &format!("muster: 1\nprofile: alone\nchecks:\n{check}"))?;
        match alone.status {
            200 => {
                profile.push_str(&check);
                saved += 1;
            }
            status => assert_eq!(status, 422, "{sql}: {}", alone.body),
        }
    }
    assert_eq!(saved, WELL_WRITTEN, "the server refuses what no device may be asked");
    profile.push_str("  - { id: honest, title: Honest, query: SELECT 1 FROM users WHERE uid = 0 }\n");
    fleet.admin.save_profile("hostile", &profile)?;
    fleet.admin.assign("hostile", "device:srv-1", Mode::Enforce)?;
    let checks = wait_until("a verdict of each check", Duration::from_secs(150), || {
        let checks: Vec<CheckView> = fleet.admin.get("/devices/srv-1/checks")?;
        Ok((checks.len() > saved).then_some(checks))
    })?;
    for check in checks {
        let expected = if check.id == "honest" { Verdict::Pass } else { Verdict::Unknown };
        assert_eq!(check.verdict, expected, "{check:?}");
        assert!(check.id == "honest" || check.reason.is_some(), "{check:?}");
    }
    assert_eq!(life(device)?, alive, "the agent went on living");
    Ok(())
}

#[test]
fn a_device_gets_no_document_of_another_device() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1", "srv-2"])?;
    for device in ["srv-1", "srv-2"] {
        let source = format!(
            "muster: 1\nprofile: of-{device}\nresources:\n  - file: {{ path: /etc/{device}, content: secret }}\n"
        );
        fleet.admin.save_profile(&format!("of-{device}"), &source)?;
        fleet.admin.assign(&format!("of-{device}"), &format!("device:{device}"), Mode::Enforce)?;
        fleet.admin.wait_until_applied(device)?;
    }
    let identity = fleet.device("srv-1")?.path("/var/lib/muster/identity/identity.pem");
    let pem = fleet.server.data().join("stolen.pem");
    fs::copy(identity, &pem)?;
    let pem = pem.to_string_lossy().into_owned();
    let fetch = |digest: &str, with: &[&str]| -> Result<String> {
        // One field, number 1, of 71 bytes, in one message that is not compressed.
        let message = [&[0x0a, u8::try_from(digest.len())?][..], digest.as_bytes()].concat();
        let frame = [&[0, 0, 0, 0, u8::try_from(message.len())?][..], &message].concat();
        let body = fleet.server.data().join("request");
        fs::write(&body, frame)?;
        let body = format!("@{}", body.display());
        let url = format!("https://{SERVER_NAME}:8440/muster.v1.Device/Fetch");
        let mut argv = vec!["curl", "--silent", "--insecure", "--include", "--http2", "--max-time", "20"];
        argv.extend(["-H", "Content-Type: application/grpc", "-H", "TE: trailers", "--data-binary", &body]);
        argv.extend(with);
        argv.push(&url);
        Ok(network.run(argv, Duration::from_secs(30))?.stdout)
    };
    let digest = |device: &str| -> Result<String> {
        Ok(fleet.admin.get::<RevisionView>(&format!("/profiles/of-{device}/revisions/1"))?.revision.digest)
    };
    let certificate = ["--cert", &pem, "--key", &pem];
    let own = fetch(&digest("srv-1")?, &certificate)?;
    assert!(own.contains("grpc-status: 0") && own.contains("/etc/srv-1"), "its own: {own:?}");
    let other = fetch(&digest("srv-2")?, &certificate)?;
    assert!(other.contains("grpc-status: 5") && !other.contains("/etc/srv-2"), "another's: {other:?}");
    let stranger = fetch(&digest("srv-1")?, &[])?;
    assert!(
        !stranger.contains("grpc-status: 0") && !stranger.contains("/etc/srv-1"),
        "a stranger: {stranger:?}"
    );
    assert!(stranger.contains("grpc-status: 7") || stranger.contains("grpc-status: 16"), "{stranger:?}");
    Ok(())
}

#[test]
fn every_path_of_the_api_wants_credentials() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    let program = Artifacts::find()?.server;
    let document = network.run([program.as_os_str(), "openapi".as_ref()], Duration::from_secs(30))?.ok()?;
    let document: Value = serde_json::from_str(&document.stdout)?;
    let paths = document["paths"].as_object().context("no paths in the document")?;
    let mut asked = 0;
    for (path, methods) in paths {
        let inner = path.strip_prefix("/api/v1").with_context(|| format!("{path} is elsewhere"))?;
        let inner = inner.replace(['{', '}'], "");
        for method in methods.as_object().context("no methods")?.keys().map(|name| name.to_uppercase()) {
            // How one becomes known must be open to those who are not yet.
            if method == "POST" && ["/setup", "/session"].contains(&inner.as_str()) {
                continue;
            }
            let answer = fleet.admin.request_as_nobody(&method, &inner)?;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
            asked += 1;
        }
    }
    assert!(asked > 30, "only {asked} operations in the document");
    let metrics = format!("{}/metrics", fleet.server.admin_url());
    let argv =
        ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", &metrics];
    assert_eq!(network.run(argv, Duration::from_secs(30))?.ok()?.line(), "401");
    Ok(())
}
