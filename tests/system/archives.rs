//! Archives on a real device: put on the server, fetched, unpacked, kept, replaced and taken back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::artifact;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{Compliance, DeviceDetail, ResourceView};
use muster_proto::state::Mode;
use muster_tests::{Crash, Device, Elsewhere, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";
const ID: &str = "archive:/opt/tool";
const SOON: Duration = Duration::from_secs(60);

/// Packs a tool of this version as a vendor would, with some MiB of it that gzip can't make smaller; where it is.
fn pack(folder: &Path, version: &str) -> Result<PathBuf> {
    let tree = folder.join(version).join(format!("tool-{version}"));
    for dir in ["bin", "lib/deep", "share"] {
        fs::create_dir_all(tree.join(dir))?;
    }
    fs::write(tree.join("bin/tool"), format!("#!/bin/sh\necho {version}\n"))?;
    fs::set_permissions(tree.join("bin/tool"), std::os::unix::fs::PermissionsExt::from_mode(0o4755))?;
    symlink("bin/tool", tree.join("run"))?;
    fs::write(tree.join("lib/deep/version"), version)?;
    let mut noise = version.bytes().fold(1u64, |seed, byte| seed * 257 + u64::from(byte));
    let blob: Vec<u8> = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_le_bytes()
    })
    .take(512 * 1024)
    .flatten()
    .collect();
    fs::write(tree.join("share/blob"), blob)?;
    let file = folder.join(format!("tool-{version}.tar.gz"));
    let above = folder.join(version);
    let name = format!("tool-{version}");
    tar(&["-czf", text(&file)?, "-C", text(&above)?, &name])?;
    Ok(file)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a folder with a name that is text")
}

/// Runs tar of this machine.
fn tar(args: &[&str]) -> Result<()> {
    let made = Command::new("/usr/bin/tar").args(args).output()?;
    ensure!(made.status.success(), "tar: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

fn tools(digest: &muster_proto::Digest) -> String {
    format!(
        "muster: 1\nprofile: tools\nresources:\n  - archive: {{ path: /opt/tool, artifact: {digest}, strip: 1 }}\n"
    )
}

fn assign(fleet: &Fleet<'_>, digest: &muster_proto::Digest) -> Result<String> {
    fleet.admin.save_profile("tools", &tools(digest))?;
    Ok(fleet.admin.assign("tools", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
}

fn wait_for(fleet: &Fleet<'_>, is_so: impl Fn(&ResourceView) -> bool) -> Result<ResourceView> {
    let found = || {
        let all = fleet.admin.resources(DEVICE)?;
        Ok::<_, anyhow::Error>(all.into_iter().find(|one| one.resource.as_str() == ID))
    };
    let waited = wait_until("the archive to be told of", SOON, || Ok(found()?.filter(|one| is_so(one))));
    waited.with_context(|| format!("told is {:?}", found()))
}

fn version(device: &Device<'_>) -> Result<String> {
    Ok(device.exec(["/opt/tool/run"])?.ok()?.line().to_owned())
}

#[test]
fn a_tool_is_fetched_unpacked_kept_replaced_at_once_and_taken_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let one = fleet.put_digest(&pack(folder.path(), "1.0")?)?;
    let two = fleet.put_digest(&pack(folder.path(), "2.0")?)?;

    assign(&fleet, &one)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(version(device)?, "1.0");
    let stat = device.exec(["stat", "-c", "%a %U:%G", "/opt/tool/bin/tool", "/opt/tool"])?.ok()?;
    assert_eq!(stat.stdout, "755 root:root\n755 root:root\n", "and no setuid");
    device.plans_nothing()?;

    // Whatever is done to it is put right, also far down.
    device.write_file("/opt/tool/lib/deep/version", "forged", 0o644)?;
    device.write_file("/opt/tool/bin/eve", "forged", 0o755)?;
    wait_until("the tree to be put right", SOON, || {
        let right = device.read_file("/opt/tool/lib/deep/version")? == "1.0";
        Ok((right && !device.path("/opt/tool/bin/eve").exists()).then_some(()))
    })?;
    fleet.admin.wait_until_applied(DEVICE)?;
    device.plans_nothing()?;

    // Who waits for an assignment waits for the artifact too, which nobody takes for a failure.
    let target = format!("device:{DEVICE}");
    let again =
        tools(&two).replace("profile: tools", "profile: more-tools").replace("/opt/tool", "/opt/more");
    fleet.admin.save_profile("more-tools", &again)?;
    let argv = ["assign", "more-tools", "--to", &target, "--yes", "--wait", "1m"];
    let said = fleet.server.muster(argv)?.ok()?.stdout;
    assert!(said.ends_with("1 of 1 devices have converged\n"), "{said}");
    assert_eq!(device.read_file("/opt/more/lib/deep/version")?, "2.0");
    fleet.server.muster(["unassign", "more-tools", "--yes", "--wait", "1m"])?.ok()?;
    assert!(
        !device.path("/opt/more").exists(),
        "who waits for the end of an assignment waits for its reversal"
    );

    // While it is replaced, there is never a moment without a whole tool.
    let looks = "while [ ! -e /tmp/done ]; do \
                 /opt/tool/run >/dev/null 2>&1 || echo lost; done >/tmp/lost 2>&1";
    device.exec(["systemd-run", "--quiet", "sh", "-c", looks])?.ok()?;
    assign(&fleet, &two)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(version(device)?, "2.0");
    device.write_file("/tmp/done", "", 0o600)?;
    assert_eq!(device.read_file("/tmp/lost")?, "");
    let kept = device.exec(["ls", "/var/lib/muster/artifacts"])?.ok()?;
    assert_eq!(kept.line(), artifact::hex(&two), "only what is named is kept");

    // A turn after a restart finds all as it was, and after its end nothing is left.
    device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
    fleet.wait_until_connected(DEVICE)?;
    device.plans_nothing()?;
    let assignment = assign(&fleet, &two)?;
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    wait_until("the artifact to go", SOON, || {
        let left = device.exec([
            "find",
            "/opt",
            "/var/lib/muster/artifacts",
            "/var/lib/muster/archives",
            "-mindepth",
            "1",
        ])?;
        Ok(left.stdout.is_empty().then_some(()))
    })
}

/// System calls by which a tree is made, put in place and removed, and how many of each are the agent's last.
const PLACES: [(&str, u32); 7] = [
    ("mkdirat", 3),
    ("symlinkat", 1),
    ("fchown", 4),
    ("syncfs", 1),
    ("renameat2", 2),
    ("unlinkat", 8),
    ("rename", 3),
];

#[test]
fn wherever_the_agent_is_killed_there_is_a_whole_tree_and_nothing_beside_it() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    device.install_tracer()?;
    let folder = tempfile::tempdir()?;
    let versions = ["1.0", "2.0"];
    let tools = versions.map(|version| fleet.put_digest(&pack(folder.path(), version)?));
    let [one, two] = tools;
    let tools = [one?, two?];
    let mut assignment = assign(&fleet, &tools[0])?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let (mut round, mut killed) = (0, 0);
    for (call, most) in PLACES {
        for nth in 1..=most {
            round += 1;
            device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
            assignment = assign(&fleet, &tools[round % 2])?;
            let crash = device.kill_agent_at(call, nth, Duration::from_secs(6))?;
            killed += u32::from(crash == Crash::Killed);
            let found = version(device)?;
            assert_eq!(
                device.read_file("/opt/tool/lib/deep/version")?,
                found,
                "a mixture after {call} {nth}"
            );
            device.exec(["systemctl", "start", "muster-agent"])?.ok()?;
            fleet.admin.wait_until_applied(DEVICE).with_context(|| format!("after {call} number {nth}"))?;
            assert_eq!(version(device)?, versions[round % 2], "after {call} {nth}");
            let beside = device.exec(["ls", "-A", "/opt"])?.ok()?;
            assert_eq!(beside.stdout, "tool\ntracer\n", "after {call} {nth}");
        }
    }
    assert!(killed >= 15, "only {killed} crashes");
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert!(!device.path("/opt/tool").exists());
    Ok(())
}

#[test]
fn what_came_wrong_is_never_unpacked_and_a_fetch_goes_on_where_it_was() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let file = pack(folder.path(), "1.0")?;
    let one = fleet.put_digest(&file)?;
    let hex = artifact::hex(&one);
    let part = format!("/var/lib/muster/artifacts/{hex}.part");

    // What is here of it already is not fetched again: so what is wrong in it is found when all is here, and thrown away.
    let restart = || device.exec(["systemctl", "restart", "muster-agent.service"])?.ok().map(drop);
    device.exec(["systemctl", "stop", "muster-agent.service"])?.ok()?;
    device.exec(["mkdir", "-p", "-m", "0700", "/var/lib/muster/artifacts"])?.ok()?;
    device.write_file(&part, vec![0u8; 1024 * 1024], 0o600)?;
    assign(&fleet, &one)?;
    restart()?;
    let wrong = wait_for(&fleet, |one| one.reason.as_deref().is_some_and(|why| why.contains("thrown away")))?;
    assert_eq!(wrong.outcome, OutcomeKind::Drifted);
    assert!(!device.path("/opt/tool").exists() && !device.path(&part).exists());

    // The right first half is kept, and only the rest is fetched.
    let bytes = fs::read(&file)?;
    device.exec(["systemctl", "stop", "muster-agent.service"])?.ok()?;
    device.write_file(&part, &bytes[..bytes.len() / 2], 0o600)?;
    restart()?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(version(device)?, "1.0");

    // A device that is cut off keeps the tool in order by what it has.
    device.cut_off()?;
    device.exec(["rm", "-rf", "/opt/tool/bin"])?.ok()?;
    wait_until("the tool to come back", SOON, || {
        Ok(device.path("/opt/tool/bin/tool").exists().then_some(()))
    })?;
    device.reconnect()
}

#[test]
fn a_hostile_archive_changes_nothing_and_what_is_someone_elses_stays() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("x"), "* * * * * root id\n")?;
    let at = text(folder.path())?;
    let hostile = format!("{at}/hostile.tar");
    tar(&["-cf", &hostile, "-C", at, "--transform", "s,^x,t/../../../../etc/cron.d/x,", "-P", "x"])?;
    let digest = fleet.put_digest(Path::new(&hostile))?;
    assign(&fleet, &digest)?;
    let failed = wait_for(&fleet, |one| one.outcome == OutcomeKind::Failed)?;
    let reason = failed.reason.unwrap_or_default();
    assert!(reason.contains("has '..' in its path"), "{reason}");
    let left = device.exec(["find", "/opt", "/etc/cron.d/x"])?;
    assert_eq!(left.stdout, "/opt\n");

    device.exec(["mkdir", "/opt/tool"])?.ok()?;
    device.write_file("/opt/tool/data", "precious", 0o600)?;
    assign(&fleet, &fleet.put_digest(&pack(folder.path(), "1.0")?)?)?;
    let blocked = wait_for(&fleet, |one| one.outcome == OutcomeKind::Blocked)?;
    let reason = blocked.reason.unwrap_or_default();
    assert!(reason.contains("Muster did not unpack"), "{reason}");
    assert_eq!(device.read_file("/opt/tool/data")?, "precious");
    Ok(())
}

#[test]
fn a_hundred_thousand_small_files_leave_a_disk_the_room_that_a_large_one_does() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    device.exec(["mount", "-t", "tmpfs", "-o", "size=150m,mode=0755", "none", "/opt"])?.ok()?;
    let folder = tempfile::tempdir()?;
    let tree = folder.path().join("t");
    fs::create_dir(&tree)?;
    // Each takes a block: together 120 MB.
    for number in 0..30_000 {
        fs::write(tree.join(number.to_string()), "x")?;
    }
    let file = folder.path().join("many.tar.gz");
    tar(&["-czf", text(&file)?, "-C", text(folder.path())?, "t"])?;
    let assignment = assign(&fleet, &fleet.put_digest(&file)?)?;
    let failed = wait_for(&fleet, |one| one.outcome == OutcomeKind::Failed)?;
    let reason = failed.reason.unwrap_or_default();
    assert!(reason.contains("no room left"), "{reason}");
    // It would be tried again now and then.
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.exec(["find", "/opt"])?.ok()?.stdout, "/opt\n", "nothing is left of it");
    Ok(())
}

/// What the owner of a tree does as fast as they can: directories become links that lead out, and links become directories.
const RACE: &str = r#"
cd /
while [ ! -e /tmp/done ]; do
    for name in lib share bin; do
        mv -T /opt/tool/$name /opt/tool/.$name && ln -sT /etc/victim /opt/tool/$name
        ln -s /etc/victim "/opt/tool/.$name/deep/$$" || ln -s /etc/victim "/opt/tool/.$name/$$"
        rm -f /opt/tool/$name
        mv -T /opt/tool/.$name /opt/tool/$name
    done
    mkdir -p /opt/tool/lib/new/deeper && mv -T /opt/tool/lib/new /opt/tool/moved
    rm -rf /opt/tool/moved
done
"#;

#[test]
fn the_owner_of_a_tree_can_not_lead_root_out_of_it_while_it_is_replaced_and_removed() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let versions = ["1.0", "2.0"];
    let [one, two] = versions.map(|version| fleet.put_digest(&pack(folder.path(), version)?));
    let tools = [one?, two?];
    device.exec(["useradd", "-m", "mallory"])?.ok()?;
    device
        .exec(["sh", "-c", "mkdir -p /etc/victim/deep && echo precious >/etc/victim/deep/version"])?
        .ok()?;
    let look = [
        "find",
        "/etc",
        "/opt",
        "-maxdepth",
        "0",
        "-o",
        "-path",
        "/etc/victim*",
        "-printf",
        "%p %i %m %U:%G %C@\n",
    ];
    let before = device.exec(look)?.ok()?.stdout;
    let assign = |round: usize| {
        let source = format!(
            "muster: 1\nprofile: tools\nresources:\n  - archive: {{ path: /opt/tool, artifact: {}, strip: 1, owner: mallory }}\n",
            tools[round % 2]
        );
        fleet.admin.save_profile("tools", &source)?;
        Ok::<_, anyhow::Error>(fleet.admin.assign("tools", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
    };
    assign(0)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let race = ["systemd-run", "--quiet", "--uid=mallory", "sh", "-c", RACE];
    for _ in 0..2 {
        device.exec(race)?.ok()?;
    }
    for round in 1..12 {
        assign(round)?;
        let shows_it = || {
            let tool = device.read_file("/opt/tool/bin/tool").unwrap_or_default();
            Ok(tool.contains(versions[round % 2]).then_some(()))
        };
        wait_until("a version to come", SOON, shows_it).with_context(|| device.journal("muster-agent"))?;
    }
    assert_eq!(device.exec(look)?.ok()?.stdout, before);
    device.write_file("/tmp/done", "", 0o644)?;
    let assignment = assign(12)?;
    fleet.server.muster(["device", "apply-now", DEVICE])?.ok()?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(version(device)?, "1.0");
    device.plans_nothing()?;
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.exec(["find", "/opt"])?.ok()?.stdout, "/opt\n");
    assert_eq!(device.exec(look)?.ok()?.stdout, before);
    Ok(())
}

#[test]
fn an_archive_from_another_place_is_what_its_digest_says_whoever_answers_there() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let elsewhere = Elsewhere::serve(&network)?;
    let folder = tempfile::tempdir()?;
    let (one, two) = (pack(folder.path(), "1.0")?, pack(folder.path(), "2.0")?);
    let bytes = fs::read(&one)?;
    let digest = muster_proto::Digest::of(&bytes);
    fs::write(elsewhere.folder().join("tool.tar.gz"), &bytes)?;
    let assign = |path: &str, authority: &str| -> Result<String> {
        let url = elsewhere.url(path);
        let source = format!(
            "muster: 1\nprofile: tools\nresources:\n{authority}  - archive: {{ path: /opt/tool, artifact: {digest}, url: \"{url}\", strip: 1 }}\n"
        );
        // The server has never seen the artifact, and takes the profile.
        fleet.admin.save_profile("tools", &source)?;
        Ok(fleet.admin.assign("tools", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
    };
    let told = |words: &str| {
        let told = |one: &ResourceView| one.reason.as_deref().is_some_and(|reason| reason.contains(words));
        let found = wait_for(&fleet, told).with_context(|| words.to_owned())?;
        assert_eq!(found.outcome, OutcomeKind::Drifted, "{words}");
        assert!(!device.path("/opt/tool").exists(), "{words}");
        Ok::<_, anyhow::Error>(())
    };

    // As long as nobody answers, it is waited for, and that is no failure.
    let silence =
        "table inet test { chain output { type filter hook output priority -10; tcp dport 8444 drop; }; }";
    device.exec(["nft", silence])?.ok()?;
    // Nothing is there: an address may still be asked once while the next one and whom to trust arrive.
    assign("/nothing.tar.gz?token=hush", "")?;
    let waiting = wait_for(&fleet, |one| one.outcome == OutcomeKind::Waiting)?;
    assert_eq!(waiting.reason.as_deref(), Some("its artifact is to be fetched"));
    let shown = fleet.admin.get::<DeviceDetail>(&format!("/devices/{DEVICE}"))?.device;
    assert_eq!((shown.compliance, shown.failing), (Compliance::Unknown, 0));
    device.exec(["nft", "delete", "table", "inet", "test"])?.ok()?;

    // Whom the device does not trust is not asked for anything.
    told("could not be fetched from packages.demo.example:8444: it was cut off: invalid peer certificate")?;
    assert_eq!(elsewhere.requests()?, Vec::<String>::new());
    let pem: String = elsewhere.authority()?.lines().map(|line| format!("        {line}\n")).collect();
    let authority = format!("  - certificate:\n      name: elsewhere\n      pem: |\n{pem}");
    assign("/round/tool.tar.gz", &authority)?;
    told("it leads from one address to the next")?;
    assign("/down/tool.tar.gz", &authority)?;
    told("it leads to what is no address that begins with https://")?;
    fs::copy(&two, elsewhere.folder().join("other.tar.gz"))?;
    assign("/other.tar.gz", &authority)?;
    told("is something else, and was thrown away")?;
    assign("/nothing.tar.gz", &authority)?;
    told("it answered 404 Not Found")?;

    // What is here already is not fetched again.
    let part = format!("/var/lib/muster/artifacts/{}.part", artifact::hex(&digest));
    device.exec(["systemctl", "stop", "muster-agent.service"])?.ok()?;
    device.write_file(&part, &bytes[..bytes.len() / 2], 0o600)?;
    let assignment = assign("/moved/tool.tar.gz?token=hush", &authority)?;
    device.exec(["systemctl", "start", "muster-agent.service"])?.ok()?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(version(device)?, "1.0");
    device.plans_nothing()?;
    let last = elsewhere.requests()?.pop().context("it was asked for")?;
    assert_eq!(last, format!("/tool.tar.gz bytes={}-", bytes.len() / 2));
    assert!(!device.journal("muster-agent").contains("hush"), "an address may hold what opens it");

    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert!(!device.path("/opt/tool").exists());
    Ok(())
}
