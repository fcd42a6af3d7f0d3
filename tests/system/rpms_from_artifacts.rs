//! Packages that come from artifacts, on a real device with dnf: installed with what they need, kept, replaced, taken back, and refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::Digest;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::ResourceView;
use muster_proto::state::Mode;
use muster_tests::measure::is_exec;
use muster_tests::{Device, Fleet, Network, Packages, wait_until};

const DEVICE: &str = "srv-1";
const ID: &str = "package:corp-tool";
const SOON: Duration = Duration::from_secs(120);

/// A package as its vendor would make it, with one file that says something.
struct Rpm<'a> {
    name: &'a str,
    version: &'a str,
    /// Further lines of its spec's head.
    head: &'a str,
    says: &'a str,
    /// A script in Lua that runs when it is installed.
    post: &'a str,
    arch: &'a str,
}

impl Default for Rpm<'_> {
    fn default() -> Self {
        Self { name: "corp-tool", version: "1.0", head: "", says: "1.0", post: "", arch: "noarch" }
    }
}

impl Rpm<'_> {
    /// Builds it; the package, and that of its source.
    fn build(&self, folder: &Path) -> Result<[PathBuf; 2]> {
        let made = tempfile::tempdir_in(folder)?.keep();
        let Self { name, version, head, says, post, arch } = self;
        let tree = made.join("tree/usr/share");
        fs::create_dir_all(&tree)?;
        fs::write(tree.join("says.txt"), says)?;
        let post = if post.is_empty() { String::new() } else { format!("%post -p <lua>\n{post}\n") };
        let head = if *arch == "noarch" { format!("BuildArch: noarch\n{head}") } else { (*head).to_owned() };
        let spec = format!(
            "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: A tool\nLicense: none\n{head}\n%description\nA tool\n%files\n\
             /usr/share/says.txt\n{post}"
        );
        fs::write(made.join("x.spec"), spec)?;
        let define = |name: &str, to: &str| ["--define".to_owned(), format!("{name} {to}")];
        let made_at = text(&made)?;
        let ran = Command::new("rpmbuild")
            .args(["-ba", "--quiet", "--target", arch, "--buildroot", text(&made.join("tree"))?])
            .args(["_topdir", "_rpmdir", "_srcrpmdir"].map(|folder| define(folder, made_at)).as_flattened())
            .args(
                ["__spec_install_pre", "__spec_install_post"]
                    .map(|stage| define(stage, "%{nil}"))
                    .as_flattened(),
            )
            .arg(made.join("x.spec"))
            .output()?;
        ensure!(ran.status.success(), "rpmbuild: {}", String::from_utf8_lossy(&ran.stderr));
        Ok([
            made.join(format!("{arch}/{name}-{version}-1.{arch}.rpm")),
            made.join(format!("{name}-{version}-1.src.rpm")),
        ])
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a folder with a name that is text")
}

/// Has the device assigned this package, after its repository; the assignment.
fn assign(fleet: &Fleet<'_>, package: &str) -> Result<String> {
    let corp = fleet.device(DEVICE)?.rpm_repository()?;
    let source = format!("muster: 1\nprofile: tools\nresources:\n{corp}  - package: {{ {package} }}\n");
    fleet.admin.save_profile("tools", &source)?;
    Ok(fleet.admin.assign("tools", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
}

fn apply(fleet: &Fleet<'_>, artifact: &Digest) -> Result<String> {
    let assignment = assign(fleet, &of(artifact))?;
    fleet.admin.wait_until_applied(DEVICE)?;
    Ok(assignment)
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
    device.read_file("/usr/share/says.txt")
}

#[test]
fn an_rpm_from_an_artifact_comes_with_what_it_needs_follows_its_digest_and_goes() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll_with_dnf(&network, DEVICE)?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let put = |rpm: Rpm<'_>| fleet.put_digest(&rpm.build(folder.path())?[0]);
    let head = "Requires: tool-lib\n";
    let one = put(Rpm { head, ..Rpm::default() })?;
    let rebuilt = put(Rpm { head, says: "rebuilt", ..Rpm::default() })?;
    let two_head = "Requires: tool-lib\nEpoch: 1\n";
    let two = put(Rpm { head: two_head, version: "0.9", says: "two", ..Rpm::default() })?;

    apply(&fleet, &one)?;
    assert_eq!((says(device)?.as_str(), device.rpms()?.as_str()), ("1.0", "corp-tool-1.0 kept-1 tool-lib-1"));
    device.plans_nothing()?;
    let turn = device.trace_agent(|| {
        fleet.server.muster(["device", "apply-now", DEVICE])?.ok()?;
        Ok(())
    })?;
    assert!(!turn.is_empty(), "the turn did not run");
    // Whoever has a device look now has it tell what it is, too: that is asked of a child.
    let ran: Vec<_> = turn.iter().filter(|line| is_exec(line) && !line.contains("query-child")).collect();
    assert!(ran.is_empty(), "a turn with nothing to do ran: {ran:#?}");

    // The digest says what is there, also where the version is the same; an epoch makes a version newer.
    apply(&fleet, &rebuilt)?;
    assert_eq!(
        (says(device)?.as_str(), device.rpms()?.as_str()),
        ("rebuilt", "corp-tool-1.0 kept-1 tool-lib-1")
    );
    device.plans_nothing()?;
    apply(&fleet, &two)?;
    assert_eq!((says(device)?.as_str(), device.rpms()?.as_str()), ("two", "corp-tool-0.9 kept-1 tool-lib-1"));
    device.plans_nothing()?;
    let kept = device.exec(["ls", "/var/lib/muster/artifacts"])?.ok()?;
    assert_eq!(kept.line(), muster_proto::artifact::hex(&two), "only what is named is kept");

    // Nothing goes back to an older version.
    assign(&fleet, &of(&one))?;
    let reason = wait_for(&fleet, ID, |one| one.outcome == OutcomeKind::Blocked)?;
    assert!(reason.contains("1:0.9-1 is installed and its artifact has 1.0-1"), "{reason}");
    assert_eq!(says(device)?, "two");

    // A device that is cut off brings it back by what it has.
    let assignment = apply(&fleet, &two)?;
    device.cut_off()?;
    device.exec(["rpm", "-e", "corp-tool"])?.ok()?;
    wait_until("the package to come back", SOON, || Ok(says(device).is_ok().then_some(())))?;
    device.reconnect()?;

    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.rpms()?, "kept-1", "what it brought goes with it, and what was there before stays");
    wait_until("the artifact to go", SOON, || {
        let left = device.exec(["find", "/var/lib/muster/artifacts", "-mindepth", "1"])?;
        Ok(left.stdout.is_empty().then_some(()))
    })
}

#[test]
fn what_is_in_an_artifact_is_installed_although_a_repository_has_that_version_as_well() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll_with_dnf(&network, DEVICE)?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let own = Rpm { name: "hello", says: "of the artifact", ..Rpm::default() };
    let own = fleet.put_digest(&own.build(folder.path())?[0])?;
    // Updates leave it at the version that the artifact has, though a repository has a newer one.
    let package = format!("name: hello, artifact: \"{own}\" }}\n  - updates: {{ which: all");
    assign(&fleet, &package)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    wait_for(&fleet, "updates:updates", |one| {
        one.outcome == OutcomeKind::Kept || one.outcome == OutcomeKind::Repaired
    })?;
    assert_eq!((says(device)?.as_str(), device.rpms()?.as_str()), ("of the artifact", "hello-1.0 kept-2"));
    device.plans_nothing()
}

#[test]
fn a_file_that_is_not_the_rpm_that_the_profile_names_changes_nothing() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll_with_dnf(&network, DEVICE)?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let build = |rpm: Rpm<'_>| rpm.build(folder.path());
    let put = |rpm: Rpm<'_>| fleet.put_digest(&build(rpm)?[0]);
    let [good, source] = build(Rpm::default())?;
    let cut = folder.path().join("cut.rpm");
    fs::write(&cut, &fs::read(&good)?[..1500])?;
    let headless = folder.path().join("headless.rpm");
    fs::write(&headless, [&fs::read(&good)?[..96], &[0xff; 4096]].concat())?;

    let unreadable = "its artifact is no package that can be read";
    let cases = [
        (fleet.put_digest(&Packages::file("corp", "muster-hello_1.1_all.deb"))?, "takes a .rpm"),
        (fleet.put_digest(&cut)?, unreadable),
        (fleet.put_digest(&headless)?, unreadable),
        (fleet.put_digest(&source)?, "it is a package of sources"),
        (
            put(Rpm { name: "other-tool", ..Rpm::default() })?,
            "is the package \"other-tool\" and not corp-tool",
        ),
        (put(Rpm { arch: "aarch64", ..Rpm::default() })?, "is for machines of \"aarch64\""),
        (put(Rpm { head: "Requires: no-such-thing\n", ..Rpm::default() })?, "no-such-thing"),
        (put(Rpm { head: "Conflicts: kept\n", ..Rpm::default() })?, "kept"),
    ];
    for (digest, expected) in &cases {
        assign(&fleet, &of(digest))?;
        let told = |one: &ResourceView| one.reason.as_deref().is_some_and(|reason| reason.contains(expected));
        wait_for(&fleet, ID, |one| one.outcome == OutcomeKind::Failed && told(one))
            .with_context(|| expected.to_string())?;
        assert_eq!(device.rpms()?, "kept-1", "{expected}");
    }
    let good = fleet.put_digest(&good)?;
    assign(&fleet, &format!("{}, version: \">= 2\"", of(&good)))?;
    let asks = |one: &ResourceView| {
        one.reason
            .as_deref()
            .is_some_and(|reason| reason.contains("has version 1.0-1, and the profile asks for >= 2"))
    };
    wait_for(&fleet, ID, asks)?;
    // It takes nothing away from the device, whatever it says of itself.
    let greedy = put(Rpm { head: "Obsoletes: kept\n", ..Rpm::default() })?;
    assign(&fleet, &of(&greedy))?;
    let reason = wait_for(&fleet, ID, |one| one.outcome == OutcomeKind::Blocked)?;
    assert!(reason.contains("installing it would remove kept"), "{reason}");
    assert_eq!(device.rpms()?, "kept-1");
    Ok(())
}

#[test]
fn an_rpm_from_an_artifact_that_was_cut_off_is_brought_to_its_end_by_its_artifact_or_goes() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll_with_dnf(&network, DEVICE)?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let folder = tempfile::tempdir()?;
    let post = "local function note(name) io.open(name, \"w\"):close() end note(\"/run/begun\") posix.sleep(6) note(\"/run/ended\")";
    let head = "Requires: tool-lib\n";
    let put = |rpm: Rpm<'_>| fleet.put_digest(&rpm.build(folder.path())?[0]);
    let one = put(Rpm { post, head, ..Rpm::default() })?;
    let two = put(Rpm { post, head, version: "1.1", says: "1.1", ..Rpm::default() })?;
    let wait_midway = || {
        wait_until("its script to begin", SOON, || Ok(device.path("/run/begun").exists().then_some(())))
            .with_context(|| device.journal("muster-agent"))?;
        device.exec(["rm", "/run/begun"])?.ok().map(drop)
    };
    let kill_agent =
        || device.exec(["systemctl", "kill", "-s", "KILL", "muster-agent.service"])?.ok().map(drop);

    // The agent goes, and dnf comes to its end without it. As nobody knows what it came from then, it is installed once more.
    assign(&fleet, &of(&one))?;
    wait_midway()?;
    kill_agent()?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.rpms()?, "corp-tool-1.0 kept-1 tool-lib-1");
    device.plans_nothing()?;

    // dnf goes, and no repository has what it was at.
    device.exec(["rm", "/run/begun", "/run/ended"])?.ok()?;
    let assignment = assign(&fleet, &of(&two))?;
    wait_midway()?;
    device.exec(["pkill", "-KILL", "-f", "/usr/bin/dnf"])?.ok()?;
    wait_until("its script to have run to the end", SOON, || {
        Ok(device.path("/run/ended").exists().then_some(()))
    })
    .with_context(|| device.journal("muster-agent"))?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!((says(device)?.as_str(), device.rpms()?.as_str()), ("1.1", "corp-tool-1.1 kept-1 tool-lib-1"));
    device.plans_nothing()?;

    // What came half-way is taken back as well, when its claim is gone by then.
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.rpms()?, "kept-1");
    device.exec(["rm", "/run/begun", "/run/ended"])?.ok()?;
    let alone = put(Rpm { post, says: "alone", ..Rpm::default() })?;
    let assignment = assign(&fleet, &of(&alone))?;
    wait_midway()?;
    let both = "systemctl kill -s KILL muster-agent.service && pkill -KILL -f '[/]usr/bin/dnf'";
    device.exec(["sh", "-c", both])?.ok()?;
    device.exec(["systemctl", "stop", "muster-agent.service"])?.ok()?;
    fleet.admin.unassign(&assignment)?;
    device.exec(["systemctl", "start", "muster-agent.service"])?.ok()?;
    fleet.admin.wait_until_applied(DEVICE)?;
    wait_until("the package to go", SOON, || Ok((device.rpms()? == "kept-1").then_some(())))
        .with_context(|| format!("{:?}\n{}", device.rpms(), device.journal("muster-agent")))?;
    Ok(())
}
