//! Artifacts with the shipped programs: uploads that are cut off and damaged, who may do what, and what devices get.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{ArtifactState, ArtifactView, NewArtifact};
use muster_proto::state::Mode;
use muster_proto::{Digest, artifact};
use muster_tests::{Artifacts, Device, Fleet, Network, SERVER_NAME, end, wait_until};

const SOON: Duration = Duration::from_secs(60);
const LARGE: usize = 256 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;

/// Bytes of which no two blocks are the same.
fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (n, block) in (seed..).zip(bytes.chunks_mut(8)) {
        block.copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..block.len()]);
    }
    bytes
}

fn write(network: &Network, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = network.folder().join(name);
    fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Begins to put a file on the server, and goes on beside the test.
fn begin(network: &Network, fleet: &Fleet<'_>, file: &Path) -> Result<Child> {
    let home = fleet.server.data().with_file_name("home");
    let (home, cli) = (format!("HOME={}", home.display()), Artifacts::find()?.cli);
    let argv = ["env", "-i", &home, text(&cli), "artifact", "put", text(file)];
    let mut command = network.command(argv);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().context("starting the command line")
}

fn part_of(fleet: &Fleet<'_>, digest: &str) -> PathBuf {
    fleet.server.data().join(format!("artifacts/{}.part", &digest[7..]))
}

/// Waits until so many bytes came, and fails where all did.
fn wait_for_some(fleet: &Fleet<'_>, digest: &str, least: u64) -> Result<u64> {
    wait_until("some of it to come", SOON, || {
        let came = fs::metadata(part_of(fleet, digest)).map_or(0, |part| part.len());
        ensure!(came < LARGE as u64, "all of it came before it could be cut off");
        Ok((came >= least).then_some(came))
    })
}

#[test]
fn an_upload_survives_the_end_of_the_server_and_of_the_command() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    let (content, other) = (bytes(LARGE, 1), bytes(LARGE, 2));
    let file = write(&network, "tool-1.tar", &content)?;
    let digest = Digest::of(&content).to_string();

    // The server is killed and comes back: the command goes on by itself.
    let sending = begin(&network, &fleet, &file)?;
    wait_for_some(&fleet, &digest, 20 * MIB)?;
    fleet.server.kill9()?;
    let left = fs::metadata(part_of(&fleet, &digest))?.len();
    assert!(left >= 20 * MIB && left < LARGE as u64);
    fleet.server.serve()?;
    let said = sending.wait_with_output()?;
    let words = String::from_utf8_lossy(&said.stdout);
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    ensure!(words.contains("tool-1.tar is on the server") && words.contains(&digest), "{words}");
    let stored: ArtifactView = fleet.admin.get(&format!("/artifacts/{digest}"))?;
    assert_eq!(stored.state, ArtifactState::Stored);
    let at_once = fleet.server.muster(["artifact", "put", text(&file)])?.ok()?;
    assert!(at_once.stdout.contains("was there already"), "{}", at_once.stdout);
    let line = format!("  artifact: {digest}");
    assert_eq!(at_once.stdout.lines().last(), Some(line.as_str()), "it can be copied as it stands");

    // The command is killed, and what came of it is damaged on the disk: the next one goes on, and nothing of it is kept.
    let file = write(&network, "tool-2.tar", &other)?;
    let digest = Digest::of(&other).to_string();
    let mut sending = begin(&network, &fleet, &file)?;
    wait_for_some(&fleet, &digest, 20 * MIB)?;
    end(&mut sending);
    let (mut halted, mut looks) = (0, 0);
    wait_until("the server to notice", SOON, || {
        let now = fs::metadata(part_of(&fleet, &digest))?.len();
        looks = if now == halted { looks + 1 } else { 0 };
        halted = now;
        Ok((looks >= 5).then_some(()))
    })?;
    let shown = fleet.server.muster(["artifact", "list"])?.ok()?.stdout;
    assert!(shown.contains("tool-2.tar") && shown.contains("% there"), "{shown}");
    File::options().write(true).open(part_of(&fleet, &digest))?.write_all_at(b"damaged", MIB)?;
    let refused = fleet.server.muster(["artifact", "put", text(&file)])?;
    assert!(!refused.success() && refused.stderr.contains("put it again"), "{}", refused.stderr);
    assert!(!part_of(&fleet, &digest).exists());

    // So it is without damage: only what is missing is sent.
    let mut sending = begin(&network, &fleet, &file)?;
    wait_for_some(&fleet, &digest, halted / 2)?;
    end(&mut sending);
    assert_eq!(fleet.put_artifact(&file)?.received, LARGE as u64);
    let back = network.folder().join("back.tar");
    fleet.server.muster(["artifact", "get", &digest[7..20], "--out", text(&back)])?.ok()?;
    assert_eq!(Digest::of(&fs::read(&back)?).to_string(), digest);
    let doctor = fleet.server.muster_server(["doctor"])?.stdout;
    assert!(doctor.contains("2, 512 MiB, each as its digest says"), "{doctor}");
    let peak = fleet.server.peak_memory()?;
    assert!(peak < 150, "the server held {peak} MiB");
    Ok(())
}

#[test]
fn an_auditor_looks_at_artifacts_and_changes_none() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    let stored = fleet.put_artifact(&write(&network, "tool.tar", b"a tool")?)?;
    let made = fleet.server.muster(["api-token", "create", "grc", "--role", "auditor"])?.ok()?;
    fleet.admin.token = made.line().to_owned();
    let (digest, size, name) = (Digest::of(b"x").to_string(), 1, "x".to_owned());
    let new = serde_json::to_string(&NewArtifact { digest, size, name })?;
    let path = format!("/artifacts/{}", stored.digest);
    for (method, path, body) in [
        ("POST", "/artifacts", Some(new.as_str())),
        ("PATCH", &format!("{path}?offset=0"), Some("x")),
        ("DELETE", &path, None),
    ] {
        assert_eq!(fleet.admin.request(method, path, body)?.status, 403, "{method}");
    }
    let all: Vec<ArtifactView> = fleet.admin.get("/artifacts")?;
    assert_eq!(all.len(), 1);
    assert_eq!(fleet.admin.request("GET", &format!("{path}/content"), None)?.body, "a tool");
    Ok(())
}

/// What the server's door for devices answers to whoever has the certificate of a device: the status and what came.
fn fetch(
    network: &Network,
    fleet: &Fleet<'_>,
    device: &Device<'_>,
    of: &str,
    range: &str,
) -> Result<(u16, Vec<u8>)> {
    let root = fleet.server.data().join("ca/root.crt");
    // Where curl runs, the device's own files are out of sight.
    let identity = network.folder().join(format!("{}.pem", device.name()));
    fs::copy(device.path("/var/lib/muster/identity/identity.pem"), &identity)
        .context("copying an identity")?;
    let url = format!("https://{SERVER_NAME}:8440{}", artifact::path(&of.parse()?));
    let file = network.folder().join("fetched");
    let argv =
        ["curl", "--silent", "--show-error", "--http2", "--cacert", text(&root), "--cert", text(&identity)];
    let more = ["--write-out", "%{http_code}", "--output", text(&file), "--range", range, &url];
    let said = network.run(argv.into_iter().chain(more), SOON)?.ok()?;
    Ok((said.line().parse().context("a status")?, fs::read(&file)?))
}

#[test]
fn a_device_gets_what_its_state_names_and_what_is_in_use_stays() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1", "srv-2"])?;
    fleet.log_in()?;
    let (named, other) = (fleet.device("srv-1")?, fleet.device("srv-2")?);
    let content = bytes(3_000_000, 3);
    let stored = fleet.put_artifact(&write(&network, "tool-1.tar", &content)?)?;
    let source = |digest: &str| {
        format!(
            "muster: 1\nprofile: tool\nresources:\n  - archive: {{ path: /opt/tool, artifact: \"{digest}\" }}\n"
        )
    };
    let unknown = fleet.admin.put_profile("tool", &source(&Digest::of(b"unknown").to_string()))?;
    assert!(unknown.status == 422 && unknown.body.contains("muster artifact put"), "{}", unknown.body);
    fleet.admin.save_profile("tool", &source(&stored.digest))?;
    assert_eq!(fetch(&network, &fleet, named, &stored.digest, "0-")?.0, 404, "it is not assigned yet");
    // A device is sent one artifact at a time, and this one is asked for in place of its agent.
    named.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    fleet.admin.assign("tool", "device:srv-1", Mode::Enforce)?;

    let (status, came) = fetch(&network, &fleet, named, &stored.digest, "0-")?;
    assert!(status == 206 && came == content, "{status} with {} bytes", came.len());
    let (status, came) = fetch(&network, &fleet, named, &stored.digest, "2999990-")?;
    assert_eq!((status, &came[..]), (206, &content[2_999_990..]));
    assert_eq!(fetch(&network, &fleet, other, &stored.digest, "0-")?.0, 404, "its state does not name it");
    let refused = fleet.server.muster(["artifact", "delete", "tool-1.tar", "--yes"])?;
    assert!(!refused.success() && refused.stderr.contains("is named by tool@1"), "{}", refused.stderr);
    let shown = fleet.server.muster(["artifact", "show", "tool-1.tar"])?.ok()?.stdout;
    assert!(shown.contains("named by  tool@1"), "{shown}");

    let revoked = fleet.admin.request("POST", "/devices/srv-1/revoke", None)?;
    ensure!(revoked.status == 200, "{}", revoked.body);
    assert_eq!(fetch(&network, &fleet, named, &stored.digest, "0-")?.0, 403, "it is revoked");
    Ok(())
}
