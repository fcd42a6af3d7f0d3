//! The dashboard as a person uses it, in real Chromium, with real devices behind it.
//!
//! The journey itself is `tests/browser/journey.test.mjs`; here is what it happens to. `MUSTER_IMAGES` names a folder for
//! screenshots of both themes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::state::Mode;
use muster_tests::{ADMIN_NAME, Admin, Device, Fleet, Network, Server};

const PASSWORD: &str = "walnut-harbour-eleven-lamps";

#[test]
fn an_admin_sets_up_logs_in_and_sees_a_device_fail_and_recover() -> Result<()> {
    let network = Network::create()?;
    let names = ["lap-ada", "lap-ben", "srv-web"];
    let fleet = Fleet::enroll_by(&network, &names, |server| {
        let mut first = journey(&network, server)?;
        first.env("SETUP_LINK", server.setup_link()?);
        finish(&network, &mut first.spawn().context("starting the browser test")?, || Ok(()))?;
        Admin::log_in(&network, server, PASSWORD)
    })?;
    let profile = "muster: 1\nprofile: base\ndescription: What every machine has\nresources:\n  - file: { path: /etc/motd, content: \"Property of Example Corp.\\n\", note: \"LEGAL-7: say whose machine this is\" }\n  - directory: { path: /srv/build, mode: \"2775\" }\nchecks:\n  - id: no-empty-passwords\n    title: No account has an empty password\n    violations: SELECT username FROM shadow WHERE password_status = 'empty'\n    severity: high\n    controls: [CIS-5.4.1]\n";
    fleet.admin.save_profile("base", profile)?;
    fleet.admin.assign("base", "everyone", Mode::Enforce)?;
    for name in names {
        fleet.admin.wait_until_applied(name)?;
    }

    let device = fleet.device("lap-ada")?;
    let (break_it, repair_it) = (network.folder().join("break"), network.folder().join("repair"));
    let mut second = journey(&network, &fleet.server)?;
    second.env("BREAK_CMD", touch(&break_it)).env("REPAIR_CMD", touch(&repair_it));
    if let Some(images) = std::env::var_os("MUSTER_IMAGES") {
        second.env("IMAGES", images);
    }
    finish(&network, &mut second.spawn().context("starting the browser test")?, || {
        if take(&break_it)? {
            plant_link(device)?;
        }
        if take(&repair_it)? {
            fs::remove_file(device.path("/etc/motd")).context("taking the planted link away")?;
        }
        Ok(())
    })?;
    assert_eq!(device.read_file("/etc/motd")?, "Property of Example Corp.\n");
    Ok(())
}

/// The journey, to be run where the server can be reached.
fn journey(network: &Network, server: &Server<'_>) -> Result<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    ensure!(
        folder.join("node_modules").is_dir(),
        "run `npm ci` in {} first, or `make test`",
        folder.display()
    );
    // By its whole path: entering the network's namespaces leaves the working folder behind.
    let test = folder.join("journey.test.mjs");
    let mut command = network.command(["node".as_ref(), "--test".as_ref(), test.as_os_str()]);
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", network.folder())
        .env("BASE_URL", server.admin_url())
        .env("ADMIN_NAME", ADMIN_NAME)
        .env("ADMIN_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .stdout(fs::File::options().create(true).append(true).open(log(network))?)
        .stderr(fs::File::options().create(true).append(true).open(log(network))?);
    Ok(command)
}

fn log(network: &Network) -> std::path::PathBuf {
    network.folder().join("browser.log")
}

/// Waits for the journey, doing what it asks for meanwhile.
fn finish(network: &Network, child: &mut Child, mut serve: impl FnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(
                status.success(),
                "the browser test failed ({status}): {}",
                fs::read_to_string(log(network)).unwrap_or_default()
            );
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(240) {
            child.kill()?;
            bail!("the browser test did not end");
        }
        serve()?;
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn touch(path: &Path) -> String {
    format!("[\"touch\", \"{}\"]", path.display())
}

fn take(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("reading what the browser test asks for"),
    }
}

/// Puts a link where the managed file was: the agent does not write through it, and says so until it is gone.
fn plant_link(device: &Device<'_>) -> Result<()> {
    let path = device.path("/etc/motd");
    fs::remove_file(&path)?;
    std::os::unix::fs::symlink("/etc/passwd", &path).context("planting a link")
}
