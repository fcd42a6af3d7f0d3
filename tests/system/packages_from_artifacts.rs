//! Packages that come from artifacts, on a real device: installed with what they need, kept, replaced, taken back, and refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::Digest;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::ResourceView;
use muster_proto::state::Mode;
use muster_tests::measure::is_exec;
use muster_tests::{Device, Fleet, Network, PACKAGES_URL, Packages, wait_until};

const DEVICE: &str = "srv-1";
const ID: &str = "package:corp-tool";
const SOON: Duration = Duration::from_secs(90);

/// A package as its vendor would make it.
struct Deb<'a> {
    name: &'a str,
    version: &'a str,
    /// Further fields of its control file.
    fields: &'a str,
    /// What its one program says.
    says: &'a str,
    /// A script that runs when it is configured.
    postinst: &'a str,
}

impl Default for Deb<'_> {
    fn default() -> Self {
        Self { name: "corp-tool", version: "1.0", fields: "Architecture: all\n", says: "1.0", postinst: "" }
    }
}

impl Deb<'_> {
    fn build(&self, folder: &Path) -> Result<PathBuf> {
        let made = tempfile::tempdir_in(folder)?.keep();
        let tree = made.join("tree");
        fs::create_dir_all(tree.join("DEBIAN"))?;
        fs::create_dir_all(tree.join("usr/bin"))?;
        let Self { name, version, fields, says, postinst } = self;
        let control = format!(
            "Package: {name}\nVersion: {version}\n{fields}Maintainer: Kim <kim@corp.example>\nDescription: A tool\n"
        );
        fs::write(tree.join("DEBIAN/control"), control)?;
        for (file, text) in
            [("DEBIAN/postinst", *postinst), (&*format!("usr/bin/{name}"), &*format!("echo {says}\n"))]
        {
            if !text.is_empty() {
                fs::write(tree.join(file), format!("#!/bin/sh\n{text}"))?;
                fs::set_permissions(tree.join(file), fs::Permissions::from_mode(0o755))?;
            }
        }
        let file = made.join(format!("{name}.deb"));
        run("dpkg-deb", &["--root-owner-group", "-b", text(&tree)?, text(&file)?])?;
        Ok(file)
    }
}

/// Packs these files of a folder as a package, in this order, with no check of what comes of it.
fn archive(folder: &Path, name: &str, members: &[&str]) -> Result<PathBuf> {
    let file = folder.join(name);
    let members: Vec<PathBuf> = members.iter().map(|member| folder.join(member)).collect();
    let mut args = vec!["rc", text(&file)?];
    for member in &members {
        args.push(text(member)?);
    }
    run("ar", &args)?;
    Ok(file)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a folder with a name that is text")
}

fn run(program: &str, args: &[&str]) -> Result<()> {
    let ran = Command::new(program).args(args).output()?;
    ensure!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

/// Has the device assigned this package, after these resources; the assignment.
fn assign(fleet: &Fleet<'_>, package: &str, before: &str) -> Result<String> {
    let source = format!("muster: 1\nprofile: tools\nresources:\n{before}  - package: {{ {package} }}\n");
    fleet.admin.save_profile("tools", &source)?;
    Ok(fleet.admin.assign("tools", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
}

fn of(artifact: &Digest) -> String {
    format!("name: corp-tool, artifact: \"{artifact}\"")
}

fn wait_for(fleet: &Fleet<'_>, id: &str, is_so: impl Fn(&ResourceView) -> bool) -> Result<String> {
    let found = || {
        let all = fleet.admin.resources(DEVICE)?;
        Ok::<_, anyhow::Error>(all.into_iter().find(|one| one.resource.as_str() == id))
    };
    let waited = wait_until("the package to be told of", SOON, || Ok(found()?.filter(|one| is_so(one))));
    Ok(waited.with_context(|| format!("told is {:?}", found()))?.reason.unwrap_or_default())
}

fn says(device: &Device<'_>) -> Result<String> {
    Ok(device.exec(["corp-tool"])?.ok()?.line().to_owned())
}

fn installed(device: &Device<'_>, name: &str) -> Result<bool> {
    let status = device.exec(["dpkg-query", "-W", "-f", "${db:Status-Status}", name])?;
    Ok(status.line() == "installed")
}

#[test]
fn a_package_from_an_artifact_comes_with_what_it_needs_follows_its_digest_and_goes() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let put = |deb: Deb<'_>| fleet.put_digest(&deb.build(folder.path())?);
    let fields = "Architecture: all\nDepends: tree\n";
    let one = put(Deb { fields, ..Deb::default() })?;
    let rebuilt = put(Deb { fields, says: "rebuilt", ..Deb::default() })?;
    let two = put(Deb { fields, version: "1.1", says: "1.1", ..Deb::default() })?;
    // One that merely suggests what another brings does not need it.
    let suggests =
        Deb { name: "suggests-tree", fields: "Architecture: all\nSuggests: tree\n", ..Deb::default() };
    fs::copy(suggests.build(folder.path())?, device.path("/root/suggests-tree.deb"))?;
    device.exec(["dpkg", "--install", "/root/suggests-tree.deb"])?.ok()?;

    assign(&fleet, &of(&one), "")?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(says(device)?, "1.0");
    assert!(installed(device, "tree")?);
    device.plans_nothing()?;
    let turn = device.trace_agent(|| {
        fleet.server.muster(["device", "apply-now", DEVICE])?.ok()?;
        Ok(())
    })?;
    assert!(!turn.is_empty(), "the turn did not run");
    // Whoever has a device look now has it tell what it is, too: that is asked of a child.
    let ran: Vec<_> = turn.iter().filter(|line| is_exec(line) && !line.contains("query-child")).collect();
    assert!(ran.is_empty(), "a turn with nothing to do ran: {ran:#?}");

    // The digest says what is there, also where the version is the same.
    assign(&fleet, &of(&rebuilt), "")?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(says(device)?, "rebuilt");
    assign(&fleet, &of(&two), "")?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(says(device)?, "1.1");
    device.plans_nothing()?;
    let kept = device.exec(["ls", "/var/lib/muster/artifacts"])?.ok()?;
    assert_eq!(kept.line(), muster_proto::artifact::hex(&two), "only what is named is kept");

    // Nothing goes back to an older version.
    assign(&fleet, &of(&one), "")?;
    let reason = wait_for(&fleet, ID, |one| one.outcome == OutcomeKind::Blocked)?;
    assert!(reason.contains("1.1 is installed and its artifact has 1.0"), "{reason}");
    assert_eq!(says(device)?, "1.1");

    // A device that is cut off brings it back by what it has.
    let assignment = assign(&fleet, &of(&two), "")?;
    fleet.admin.wait_until_applied(DEVICE)?;
    device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
    fleet.wait_until_connected(DEVICE)?;
    device.plans_nothing()?;
    device.cut_off()?;
    device.exec(["dpkg", "--remove", "corp-tool"])?.ok()?;
    wait_until("the package to come back", SOON, || Ok(installed(device, "corp-tool")?.then_some(())))?;
    device.reconnect()?;

    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert!(!installed(device, "corp-tool")?);
    assert!(!installed(device, "tree")?, "what it brought goes with it");
    wait_until("the artifact to go", SOON, || {
        let left = device.exec(["find", "/var/lib/muster/artifacts", "-mindepth", "1"])?;
        Ok(left.stdout.is_empty().then_some(()))
    })
}

#[test]
fn a_file_that_is_not_the_package_that_the_profile_names_changes_nothing() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let put = |deb: Deb<'_>| fleet.put_digest(&deb.build(folder.path())?);
    let before = device.exec(["dpkg-query", "-W"])?.ok()?.stdout;

    // Parts that only a hostile hand would put together.
    let control = "Package: corp-tool\nVersion: 1.0\nArchitecture: all\nMaintainer: x\nDescription: x\n";
    fs::write(at("control"), control)?;
    fs::write(at("junk"), "no package at all\n")?;
    fs::write(at("debian-binary"), "2.0\n")?;
    fs::write(at("large"), vec![b'x'; 64 << 20])?;
    run("tar", &["-czf", text(&at("data.tar.gz"))?, "-C", text(folder.path())?, "junk"])?;
    let pack = |name: &str, from: &str, of: &[&str]| {
        let (file, from) = (at(&format!("{name}/control.tar.gz")), at(from));
        fs::create_dir_all(at(name))?;
        run("tar", &[&["-czf", text(&file)?, "-C", text(&from)?], of].concat())?;
        let control = format!("{name}/control.tar.gz");
        archive(folder.path(), &format!("{name}.deb"), &["debian-binary", &control, "data.tar.gz"])
    };
    fs::create_dir_all(at("linked"))?;
    symlink("/etc/shadow", at("linked/control"))?;
    let huge = pack("huge", "", &["control", "large"])?;
    let linked = pack("linked", "linked", &["control"])?;
    pack("plain", "", &["control"])?;
    let disordered =
        archive(folder.path(), "disordered.deb", &["plain/control.tar.gz", "debian-binary", "data.tar.gz"])?;

    let unreadable = "its artifact is no package that can be read";
    let cases = [
        (fleet.put_digest(&at("junk"))?, unreadable),
        (fleet.put_digest(&huge)?, unreadable),
        (fleet.put_digest(&linked)?, unreadable),
        (fleet.put_digest(&disordered)?, unreadable),
        (
            put(Deb { name: "other-tool", ..Deb::default() })?,
            "is the package \"other-tool\" and not corp-tool",
        ),
        (put(Deb { fields: "Architecture: arm64\n", ..Deb::default() })?, "is for machines of \"arm64\""),
        (
            put(Deb { fields: "Architecture: all\nDepends: no-such-thing\n", ..Deb::default() })?,
            "no-such-thing",
        ),
    ];
    for (digest, expected) in &cases {
        assign(&fleet, &of(digest), "")?;
        let told = |one: &ResourceView| one.reason.as_deref().is_some_and(|reason| reason.contains(expected));
        wait_for(&fleet, ID, |one| one.outcome == OutcomeKind::Failed && told(one))
            .with_context(|| expected.to_string())?;
        assert!(!installed(device, "corp-tool")?, "{expected}");
    }
    let good = put(Deb::default())?;
    assign(&fleet, &format!("{}, version: \">= 2\"", of(&good)), "")?;
    let reason = wait_for(&fleet, ID, |one| {
        one.reason
            .as_deref()
            .is_some_and(|reason| reason.contains("has version 1.0, and the profile asks for >= 2"))
    })?;
    assert!(!reason.contains("/var/lib/muster"), "{reason}");

    // It takes nothing away from the device, whatever it says of itself.
    let greedy = put(Deb { fields: "Architecture: all\nConflicts: procps\n", ..Deb::default() })?;
    assign(&fleet, &of(&greedy), "")?;
    let reason = wait_for(&fleet, ID, |one| one.outcome == OutcomeKind::Blocked)?;
    assert!(reason.contains("installing it would remove") && reason.contains("procps"), "{reason}");

    assert_eq!(device.exec(["dpkg-query", "-W"])?.ok()?.stdout, before);
    let left = device.exec(["find", "/tmp", "/var/tmp", "-name", "dpkg-deb*"])?.ok()?;
    assert_eq!(left.stdout, "");
    Ok(())
}

#[test]
fn what_a_repository_has_in_the_same_version_is_not_taken_for_the_artifact() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let key: String = Packages::public_key("corp")?.lines().map(|line| format!("        {line}\n")).collect();
    let repository = format!(
        "  - repository:\n      name: corp\n      url: {PACKAGES_URL}/corp\n      suite: stable\n      components: [main]\n      \
         key: |\n{key}"
    );
    let package = Packages::file("corp", "muster-hello_1.1_all.deb");
    let digest = fleet.put_digest(&package)?;
    assign(&fleet, &format!("name: muster-hello, artifact: \"{digest}\""), &repository)?;
    let reason = wait_for(&fleet, "package:muster-hello", |one| one.outcome == OutcomeKind::Blocked)?;
    assert!(reason.contains("has muster-hello 1.1 as well"), "{reason}");
    assert!(!installed(device, "muster-hello")?);
    Ok(())
}

#[test]
fn an_agent_that_is_killed_while_an_artifact_is_installed_ends_where_it_should() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let kill_midway = || {
        wait_until("the package to be configured", SOON, || {
            Ok(device.path("/run/configuring").exists().then_some(()))
        })?;
        device.exec(["systemctl", "kill", "-s", "KILL", "muster-agent.service"])?.ok().map(drop)
    };
    let postinst = "touch /run/configuring; sleep 6; rm /run/configuring\n";
    let one = fleet.put_digest(&Deb { postinst, ..Deb::default() }.build(folder.path())?)?;
    let two = Deb { postinst, version: "1.1", says: "1.1", ..Deb::default() };
    let two = fleet.put_digest(&two.build(folder.path())?)?;

    assign(&fleet, &of(&one), "")?;
    kill_midway()?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(says(device)?, "1.0");
    device.plans_nothing()?;

    // What came half-way is taken back as well, when its claim is gone by then.
    let assignment = assign(&fleet, &of(&two), "")?;
    kill_midway()?;
    device.exec(["systemctl", "stop", "muster-agent.service"])?.ok()?;
    fleet.admin.unassign(&assignment)?;
    device.exec(["systemctl", "start", "muster-agent.service"])?.ok()?;
    fleet.admin.wait_until_applied(DEVICE)?;
    wait_until("the package to go", SOON, || Ok((!installed(device, "corp-tool")?).then_some(())))
}
