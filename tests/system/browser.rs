//! The dashboard as a person uses it, in real Chromium, with real devices behind it.
//!
//! The walks themselves are in `tests/browser`; here is what they happen to. `MUSTER_IMAGES` names a folder for screenshots of
//! both themes, wide and narrow.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use muster_proto::state::Mode;
use muster_tests::{Admin, Artifacts, Device, Fleet, Network, Packages, Server, Walk};
use serde::Deserialize;

const PASSWORD: &str = "walnut-harbour-eleven-lamps";
const LIMIT: Duration = Duration::from_secs(240);
/// Installing packages on a machine takes longest.
const INSTALLING: Duration = Duration::from_secs(180);

#[test]
fn an_admin_sets_up_logs_in_and_sees_a_device_fail_and_recover() -> Result<()> {
    let network = Network::create()?;
    let names = ["lap-ada", "lap-ben", "srv-web"];
    let fleet = Fleet::enroll_by(&network, &names, |server| {
        let mut first = Walk::prepare(&network, &server.admin_url(), "journey.test.mjs", PASSWORD)?;
        first.tell("SETUP_LINK", server.setup_link()?);
        first.run(LIMIT, || Ok(()))?;
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
    let mut second = Walk::prepare(&network, &fleet.server.admin_url(), "journey.test.mjs", PASSWORD)?;
    second.tell("BREAK_CMD", touch(&break_it)).tell("REPAIR_CMD", touch(&repair_it));
    second.run(LIMIT, || {
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

/// What a newcomer does away from the pages.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Newcomer {
    /// Pastes what the page showed into a shell of these machines.
    Paste { devices: Vec<String>, text: String },
    /// Types a command where the command line is.
    Muster { words: Vec<String> },
}

/// The machines that the newcomer has, with the serials of their firmware.
const MACHINES: [(&str, &str); 3] =
    [("lap-ada", "PF3ABC12"), ("srv-web1", "SRV-0001"), ("srv-db1", "SRV-0002")];

fn paste(machine: &Device<'_>, text: &str) -> Result<()> {
    machine.write_file("/root/pasted", text, 0o600)?;
    machine.exec_within(["sh", "-e", "/root/pasted"], INSTALLING)?.ok()?;
    Ok(())
}

#[test]
fn a_newcomer_who_only_uses_the_pages_gets_from_the_setup_link_to_a_fleet_that_complies() -> Result<()> {
    let network = Network::create()?;
    let _debian = Packages::serve(&network)?;
    let mut server = Server::setup(&network, &Artifacts::find()?)?;
    server.serve()?;
    let mut machines = Vec::new();
    for (name, serial) in MACHINES {
        let machine = Device::boot(&network, name)?;
        // Firmware is no file of the package's, about which dpkg would ask.
        machine.write_file("/etc/dpkg/dpkg.cfg.d/rig", "force-confold\n", 0o644)?;
        machine.write_file("/etc/muster/agent.toml", format!("serial = \"{serial}\"\n"), 0o644)?;
        machines.push(machine);
    }
    let mut walk = Walk::prepare(&network, &server.admin_url(), "first_steps.test.mjs", PASSWORD)?;
    walk.tell("SETUP_LINK", server.setup_link()?);
    walk.run_with_errands(LIMIT, |errand| match errand {
        Newcomer::Paste { devices, text } => {
            let meant = machines.iter().filter(|machine| devices.iter().any(|name| name == machine.name()));
            std::thread::scope(|scope| {
                let pasting: Vec<_> = meant.map(|machine| scope.spawn(|| paste(machine, &text))).collect();
                pasting.into_iter().try_for_each(|each| each.join().unwrap_or_else(|_| bail!("it panicked")))
            })?;
            Ok(String::new())
        }
        Newcomer::Muster { words } => Ok(server.muster(words)?.ok()?.stdout),
    })?;
    for machine in &machines {
        assert_eq!(machine.read_file("/etc/motd")?, "Property of Example Corp.\n");
    }
    Ok(())
}

/// What happens on machines while an admin looks at the pages.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Happening {
    /// Somebody types a command on a device.
    Run { device: String, words: Vec<String> },
    /// Its owner lets Muster not touch these kinds.
    Veto { device: String, kinds: Vec<String> },
    /// Somebody starts a copy of its disk; both addresses are given back.
    Copy { device: String },
    /// It is installed anew and enrolls with a new key.
    Reinstall { device: String },
    /// The admin types a command where the command line is.
    Muster { words: Vec<String> },
}

const WORKER: &str = "muster: 1\nprofile: worker\nresources:\n  - file: { path: /etc/systemd/system/worker.service, content: \"[Service]\\nExecStart=/usr/bin/sleep 100000\\n[Install]\\nWantedBy=multi-user.target\\n\", mode: \"0644\" }\n  - service: { name: worker, running: true, enabled: true, restart_on: [\"file:/etc/systemd/system/worker.service\"] }\n";
const PEOPLE: &str = "muster: 1\nprofile: people\nresources:\n  - account: { name: ada, full_name: Ada }\n  - file: { path: /etc/motd, content: \"Property of Example Corp.\\n\" }\n";
const ON_THE_SHELF: &str =
    "muster: 1\nprofile: shelf\nresources:\n  - file: { path: /etc/shelf, content: \"12\\n\" }\n";

/// Writes agent.toml as an owner does.
fn configure(device: &Device<'_>, kinds: &[String]) -> Result<()> {
    let denied = format!("serial = \"S-{}\"\ndeny_kinds = {kinds:?}\n", device.name());
    device.write_file("/etc/muster/agent.toml", denied, 0o644)
}

fn reinstall(fleet: &Fleet<'_>, device: &Device<'_>) -> Result<()> {
    device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    device.exec(["rm", "-rf", "/var/lib/muster"])?.ok()?;
    configure(device, &[])?;
    device.write_file(
        "/etc/muster/join.toml",
        fleet.admin.join_file(&format!("S-{}", device.name()))?,
        0o600,
    )?;
    device.exec(["systemctl", "start", "muster-agent"])?.ok()?;
    Ok(())
}

#[test]
fn an_admin_lives_through_the_bad_days_on_the_pages_alone() -> Result<()> {
    let network = Network::create()?;
    let names = ["lap-1", "srv-1", "srv-2", "srv-3"];
    let fleet = Fleet::enroll(&network, &names)?;
    fleet.log_in()?;
    fleet.admin.import(
        "serial,name,owner,labels\nS-srv-1,srv-1,,server\nS-srv-2,srv-2,,server\nS-srv-3,srv-3,,server\n",
    )?;
    let profiles = [
        ("people", PEOPLE, "everyone"),
        ("worker", WORKER, "label:server"),
        ("shelf", ON_THE_SHELF, "label:shelf"),
    ];
    for (name, text, target) in profiles {
        fleet.admin.save_profile(name, text)?;
        fleet.admin.assign(name, target, Mode::Enforce)?;
    }
    for name in names {
        fleet.admin.wait_until_applied(name)?;
    }
    let mut copies = Vec::new();
    let walk =
        Walk::prepare(&network, &fleet.server.admin_url(), "bad_days.test.mjs", &fleet.admin.password)?;
    walk.run_with_errands(LIMIT, |happening| match happening {
        Happening::Run { device, words } => Ok(fleet.device(&device)?.exec(words)?.ok()?.stdout),
        Happening::Veto { device, kinds } => {
            let device = fleet.device(&device)?;
            configure(device, &kinds)?;
            Ok(device.exec(["systemctl", "restart", "muster-agent"])?.ok()?.stdout)
        }
        Happening::Copy { device } => {
            let original = fleet.device(&device)?;
            let copy = fleet.boot_copy(&network, &device, "copy")?;
            let addresses = format!("{} {}", original.address(), copy.address());
            copies.push(copy);
            Ok(addresses)
        }
        Happening::Reinstall { device } => {
            reinstall(&fleet, fleet.device(&device)?)?;
            Ok(String::new())
        }
        Happening::Muster { words } => Ok(fleet.server.muster(words)?.ok()?.stdout),
    })?;
    Ok(())
}

/// What an admin does away from the pages with artifacts.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Deed {
    /// Types a command where the command line is.
    Muster { words: Vec<String> },
    /// Saves a profile that names an artifact.
    Name { digest: String },
}

#[test]
fn an_admin_sees_which_artifacts_are_needed_and_deletes_what_nothing_needs() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    let mut walk =
        Walk::prepare(&network, &fleet.server.admin_url(), "artifacts.test.mjs", &fleet.admin.password)?;
    for (variable, name) in [("NEEDED", "tool-1.2.tar.gz"), ("UNNEEDED", "tool-1.1.tar.gz")] {
        let file = network.folder().join(name);
        fs::write(&file, name)?;
        walk.tell(variable, &file);
    }
    walk.run_with_errands(LIMIT, |deed| match deed {
        Deed::Muster { words } => Ok(fleet.server.muster(words)?.ok()?.stdout),
        Deed::Name { digest } => {
            let source = format!(
                "muster: 1\nprofile: tools\nresources:\n  - archive: {{ path: /opt/tool, artifact: \"{digest}\" }}\n"
            );
            fleet.admin.save_profile("tools", &source)?;
            Ok(String::new())
        }
    })
}

/// What befalls disks and clocks while an admin looks at the pages.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Misfortune {
    /// Something takes all the room on a disk of the device, or with no device on the server's.
    Fill { folder: Option<String> },
    /// It is gone again.
    MakeRoom { folder: Option<String> },
    /// The device's clock is set so many days off, 0 being right.
    SetClock { days: i32 },
    /// The same of the server's.
    SetServersClock { days: i32 },
    /// Somebody types a command on the device.
    Run { words: Vec<String> },
}

const SITE: &str = "muster: 1\nprofile: site\nresources:\n  - file: { path: /etc/motd, content: \"Property of Example Corp.\\n\" }\n";

fn befall(fleet: &mut Fleet<'_>, misfortune: Misfortune) -> Result<String> {
    let device = fleet.device("srv-1")?;
    match misfortune {
        Misfortune::Fill { folder: Some(folder) } => device.fill_disk(&folder)?,
        Misfortune::Fill { folder: None } => fleet.server.fill_disk()?,
        Misfortune::MakeRoom { folder: Some(folder) } => device.make_room(&folder)?,
        Misfortune::MakeRoom { folder: None } => fleet.server.make_room()?,
        Misfortune::SetClock { days } => {
            let set = if days == 0 { device.set_clock_right() } else { device.set_clock_off(days) };
            set?;
            device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
        }
        Misfortune::SetServersClock { days: 0 } => fleet.server.serve_anew()?,
        Misfortune::SetServersClock { days } => fleet.server.serve_off(days)?,
        Misfortune::Run { words } => return Ok(device.exec(words)?.ok()?.stdout),
    }
    Ok(String::new())
}

#[test]
fn an_admin_reads_on_the_pages_of_full_disks_and_wrong_clocks_and_when_all_is_well_again() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    device.put_ledger_on_small_disk()?;
    device.put_on_small_disk("/srv/data", 1)?;
    device.exec(["systemctl", "start", "muster-agent"])?.ok()?;
    fleet.server.move_to_small_disk(160)?;
    fleet.log_in()?;
    fleet.admin.save_profile("site", SITE)?;
    fleet.server.muster(["assign", "site", "--to", "everyone", "--follow", "--yes"])?.ok()?;
    fleet.admin.wait_until_applied("srv-1")?;
    let (url, password) = (fleet.server.admin_url(), fleet.admin.password.clone());
    let walk = Walk::prepare(&network, &url, "disks_and_clocks.test.mjs", &password)?;
    walk.run_with_errands(LIMIT, |misfortune| befall(&mut fleet, misfortune))?;
    assert_eq!(fleet.device("srv-1")?.read_file("/srv/data/report")?, "twelve\n".repeat(3_000));
    Ok(())
}
