//! Server and agent upgraded and downgraded by one version, with their packages, on real machines.
//!
//! Programs of another version there are none: the packages of the versions before and after are this one's under another
//! number. What such versions leave behind is made by hand: a database without this version's last migration, one with the
//! next version's first, and a ledger with what the next agent might add.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::rest::DeviceDetail;
use muster_tests::{Artifacts, Device, Network, Packages, Walk, repack, wait_until};
use serde::Deserialize;

const SOON: Duration = Duration::from_secs(90);
const SERVER: &str = "muster.corp.example";
const ADMIN: &str = "kim";
const PASSWORD: &str = "walnut-harbour-eleven-lamps";
const DEVICE: &str = "srv-1";
const MOTD: &str = "/etc/motd";
const DATA: &str = "/var/lib/muster-server";
const DATABASE: &str = "/var/lib/muster-server/muster.db";
const LEDGER: &str = "/var/lib/muster/ledger.db";

/// Versions as a package manager sees them, around the one that was built.
const BEFORE: &str = "0.0.9";
const AFTER: &str = "9.0.0";

/// The machine of the server, with the admin at its command line, and one device.
struct Site<'n> {
    network: &'n Network,
    artifacts: Artifacts,
    server: Device<'n>,
    device: Device<'n>,
    _packages: Packages,
}

impl<'n> Site<'n> {
    /// A server of the version before this one, with an admin, and a device that has enrolled.
    fn begin(network: &'n Network) -> Result<Self> {
        let packages = Packages::serve(network)?;
        let artifacts = Artifacts::find()?;
        let (server, device) = (Device::boot(network, "muster")?, Device::boot(network, DEVICE)?);
        for machine in [&server, &device] {
            let hosts = machine.read_file("/etc/hosts")?;
            machine.write_file("/etc/hosts", format!("{hosts}{} {SERVER}\n", server.address()), 0o644)?;
        }
        let site = Self { network, artifacts, server, device, _packages: packages };
        site.server.install_deb(&repack(network, &site.artifacts.server_deb, BEFORE)?)?;
        let setup = ["muster-server", "setup", "--name", SERVER, "--trust-domain", "corp.example", "--yes"];
        let said = site.server.exec(setup)?.ok()?.stdout;
        let fingerprint = said.split_whitespace().find(|word| word.starts_with("sha256:"));
        let fingerprint = fingerprint.context("setup printed no fingerprint")?.to_owned();
        site.wait_until_serving()?;
        let link = site.server.read_file(format!("{DATA}/setup-link"))?;
        let argv =
            ["muster", "setup", "-", "--name", ADMIN, "--password-stdin", "--fingerprint", &fingerprint];
        site.server.exec_with_input(argv, &format!("{}\n{PASSWORD}\n", link.trim()))?.ok()?;
        site.server.write_file("/root/devices.csv", format!("serial,name\nS-1,{DEVICE}\n"), 0o644)?;
        site.muster(&["device", "import", "/root/devices.csv"])?;
        let join = site.muster(&["token", "create", "--serial", "S-1"])?;
        site.device.install_agent(&site.artifacts.agent_deb, "S-1", &join)?;
        site.wait_until_connected()?;
        Ok(site)
    }

    /// What the admin types, and what is said.
    fn muster(&self, words: &[&str]) -> Result<String> {
        Ok(self.server.exec([&["muster"], words].concat())?.ok()?.stdout)
    }

    fn detail(&self) -> Result<DeviceDetail> {
        let said = self.muster(&["device", "show", DEVICE, "-o", "json"])?;
        serde_json::from_str(&said).with_context(|| said)
    }

    /// Gives every device this message and waits until it has it.
    fn say(&self, text: &str) -> Result<()> {
        let profile = format!(
            "muster: 1\nprofile: motd\nresources:\n  - file: {{ path: {MOTD}, content: \"{text}\\n\", mode: \"0644\" }}\n"
        );
        self.server.write_file("/root/motd.yaml", profile, 0o644)?;
        self.muster(&["profile", "apply", "/root/motd.yaml"])?;
        self.muster(&["assign", "motd", "--to", "everyone", "--yes", "--wait", "2m"])?;
        ensure!(self.device.read_file(MOTD)? == format!("{text}\n"));
        Ok(())
    }

    fn wait_until_serving(&self) -> Result<()> {
        wait_until("the server to serve", SOON, || {
            let serving = self.server.exec(["systemctl", "is-active", "muster-server"])?.line() == "active";
            Ok(serving.then_some(()))
        })
        .with_context(|| self.server.journal("muster-server"))
    }

    fn wait_until_connected(&self) -> Result<()> {
        self.wait_until_serving()?;
        wait_until("the device to be connected", SOON, || {
            Ok(self.detail().is_ok_and(|detail| detail.device.connected).then_some(()))
        })
        .with_context(|| self.device.journal("muster-agent"))
    }

    /// Puts another version of a package in place of the one that is there; gives what was said.
    fn change(&self, machine: &Device<'_>, deb: &Path, version: &str) -> Result<String> {
        let package = repack(self.network, deb, version)?;
        machine.copy_in(&package, "/var/tmp/other.deb")?;
        let argv = ["apt-get", "-q", "-y", "--allow-downgrades", "install", "/var/tmp/other.deb"];
        let argv = [&["env", "DEBIAN_FRONTEND=noninteractive"], &argv[..]].concat();
        Ok(machine.exec_within(argv, Duration::from_secs(180))?.ok()?.stdout)
    }

    fn change_server(&self, version: &str) -> Result<String> {
        self.change(&self.server, &self.artifacts.server_deb, version)
    }

    /// Edits the database while the server is stopped, and starts it again.
    fn edit(&self, sql: &str) -> Result<()> {
        self.server.exec(["systemctl", "stop", "muster-server"])?.ok()?;
        ask(self.network, &self.server, DATABASE, sql)?;
        self.server.exec(["systemctl", "start", "--no-block", "muster-server"])?.ok()?;
        Ok(())
    }

    fn schema(&self) -> Result<i64> {
        Ok(ask(self.network, &self.server, DATABASE, "SELECT MAX(number) FROM migration")?.trim().parse()?)
    }

    fn doctor(&self) -> Result<String> {
        Ok(self.server.exec(["muster-server", "doctor"])?.stdout)
    }
}

/// Asks a database on a machine, by the place that its disk has on the network.
fn ask(network: &Network, machine: &Device<'_>, database: &str, sql: &str) -> Result<String> {
    let place = machine.root_inside().join(database.trim_start_matches('/'));
    let argv = ["sqlite3".as_ref(), place.as_os_str(), sql.as_ref()];
    Ok(network.run(argv, Duration::from_secs(30))?.ok()?.stdout)
}

/// What takes back the newest migration, which may only have added tables and columns.
fn newest_taken_back(number: i64) -> Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/store/src/migrations");
    let prefix = format!("{number:04}_");
    let mut files = std::fs::read_dir(&folder).context("listing the migrations")?.filter_map(Result::ok);
    let file = files.find(|file| file.file_name().to_string_lossy().starts_with(&prefix));
    let text = std::fs::read_to_string(file.context("there is no such migration")?.path())?;
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join(" ");
    let mut sql = format!("PRAGMA foreign_keys = OFF; DELETE FROM migration WHERE number = {number};");
    for statement in code.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        match statement.split_whitespace().collect::<Vec<_>>()[..] {
            ["CREATE", "TABLE", name, ..] => sql.push_str(&format!("DROP TABLE {name};")),
            ["CREATE", "INDEX", name, ..] => sql.push_str(&format!("DROP INDEX IF EXISTS {name};")),
            ["ALTER", "TABLE", table, "ADD", "COLUMN", column, ..] => {
                sql.push_str(&format!("ALTER TABLE {table} DROP COLUMN {column};"));
            }
            _ => bail!("this test does not know how to take back: {statement}"),
        }
    }
    sql.push_str("DELETE FROM meta WHERE name = 'schema_floor';");
    Ok(sql)
}

#[test]
fn a_server_goes_up_and_down_a_version_with_its_device_and_a_leap_it_can_not_make_says_the_way_back()
-> Result<()> {
    let network = Network::create()?;
    let site = Site::begin(&network)?;
    site.say("before")?;
    let known = site.schema()?;
    // What the version before leaves is there only while the server does not run: it would bring that up to date.
    site.server.exec(["systemctl", "stop", "muster-server"])?.ok()?;
    ask(&network, &site.server, DATABASE, &newest_taken_back(known)?)?;
    assert_eq!(site.schema()?, known - 1);
    let version = site.artifacts.version()?;
    let said = site.change_server(&version)?;
    let backup = format!("/var/backups/muster-server-{BEFORE}.tar");
    ensure!(said.contains(&backup), "the upgrade does not say where the backup is: {said}");
    let mode = site.server.exec(["stat", "-c", "%a %U", &backup])?.ok()?;
    assert_eq!(mode.line(), "600 root");
    site.server.exec(["systemctl", "start", "muster-server"])?.ok()?;
    site.wait_until_connected()?;
    assert_eq!(site.schema()?, known, "the upgrade brings the database up to date");
    assert_eq!(site.device.read_file(MOTD)?, "before\n");
    site.say("after the upgrade")?;

    // The next version adds to what there is, and says that this one can work with it.
    site.change_server(AFTER)?;
    let next = known + 1;
    site.edit(&format!(
        "INSERT INTO migration (number) VALUES ({next});
         CREATE TABLE novelty (device TEXT NOT NULL PRIMARY KEY, what TEXT NOT NULL);
         INSERT INTO novelty VALUES ('srv-1', 'kept');
         ALTER TABLE device ADD COLUMN novelty TEXT NOT NULL DEFAULT 'none';
         UPDATE meta SET value = '{next} {known}' WHERE name = 'schema_floor';"
    ))?;
    site.wait_until_connected()?;
    site.change_server(&version)?;
    let shown = site.server.exec(["dpkg-query", "-W", "-f", "${Version}", "muster-server"])?.ok()?;
    assert_eq!(shown.line(), version);
    site.wait_until_connected()?;
    assert_eq!(site.device.read_file(MOTD)?, "after the upgrade\n");
    site.say("after the downgrade")?;
    assert_eq!(ask(&network, &site.server, DATABASE, "SELECT what FROM novelty")?.trim(), "kept");
    let doctor = site.doctor()?;
    let line = doctor.lines().find(|line| line.contains(" schema ")).unwrap_or_default();
    ensure!(line.starts_with("warning") && line.contains("this program works with it"), "{doctor}");

    a_leap_is_refused(&site, next, &backup)
}

/// The version after next has changed what is there: this one must not touch it.
fn a_leap_is_refused(site: &Site<'_>, found: i64, backup: &str) -> Result<()> {
    site.edit(&format!("UPDATE meta SET value = '{found} {found}' WHERE name = 'schema_floor';"))?;
    let way_back = "restore the backup that was made before the upgrade";
    wait_until("the server to say why it does not serve", SOON, || {
        Ok(site.server.journal("muster-server").contains(way_back).then_some(()))
    })?;
    let doctor = site.doctor()?;
    let line = doctor.lines().find(|line| line.contains(" schema ")).unwrap_or_default();
    ensure!(line.starts_with("failed") && line.contains("install the newer muster-server again"), "{doctor}");
    site.device.write_file(MOTD, "theirs\n", 0o644)?;
    wait_until("the device to keep what it has", SOON, || {
        Ok((site.device.read_file(MOTD)? == "after the downgrade\n").then_some(()))
    })?;

    site.server.exec(["systemctl", "stop", "muster-server.path", "muster-server"])?.ok()?;
    site.server.exec(["mv", DATA, "/root/kept"])?.ok()?;
    site.server.exec(["muster-server", "restore", backup, "--data", DATA, "--keep-tokens"])?.ok()?;
    site.server.exec(["systemctl", "start", "muster-server.path", "muster-server"])?.ok()?;
    site.wait_until_connected()?;
    site.say("after the way back")
}

#[test]
fn an_agent_goes_up_and_down_a_version_and_stays_the_same_device() -> Result<()> {
    let network = Network::create()?;
    let site = Site::begin(&network)?;
    site.say("before")?;
    let before = site.detail()?;
    let deb = site.artifacts.agent_deb.clone();
    for (version, text) in [(AFTER, "after the upgrade"), (BEFORE, "after the downgrade")] {
        site.change(&site.device, &deb, version)?;
        if version == AFTER {
            // What the next agent might add to its ledger, for the older one to find.
            site.device.exec(["systemctl", "stop", "muster-agent"])?.ok()?;
            let sql = "CREATE TABLE novelty (what TEXT); ALTER TABLE record ADD COLUMN novelty TEXT;
                       INSERT INTO meta VALUES ('novelty', 'kept');";
            ask(&network, &site.device, LEDGER, sql)?;
            site.device.exec(["systemctl", "start", "muster-agent"])?.ok()?;
        }
        site.wait_until_connected()?;
        let shown = site.device.exec(["dpkg-query", "-W", "-f", "${Version}", "muster-agent"])?.ok()?;
        assert_eq!(shown.line(), version);
        site.say(text)?;
    }
    let after = site.detail()?;
    assert_eq!((&after.device.id, after.device.enrolled), (&before.device.id, before.device.enrolled));
    assert_eq!(
        ask(&network, &site.device, LEDGER, "SELECT value FROM meta WHERE name = 'novelty'")?.trim(),
        "kept"
    );
    let status = site.device.exec(["muster-agent", "status"])?;
    ensure!(status.success(), "{}", status.stdout);
    let shown = site.muster(&["device", "show", DEVICE])?;
    let version = after.facts.agent_version;
    ensure!(!version.is_empty() && shown.contains(&version), "the agent's version is not shown: {shown}");
    Ok(())
}

/// What is done on machines while a page stays open.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Change {
    /// Another version of the server's package is put in place of the one that is there.
    Server { version: String },
    /// The same of the agent's on the device.
    Agent { version: String },
    /// Somebody reads what the device says to who logs in.
    ReadMotd,
}

#[test]
fn an_admin_goes_on_at_an_open_page_while_server_and_agent_go_up_and_down_a_version() -> Result<()> {
    let network = Network::create()?;
    let site = Site::begin(&network)?;
    site.say("before")?;
    site.muster(&["assign", "motd", "--to", "everyone", "--follow", "--yes"])?;
    let (url, version) = (format!("https://{}:8443", site.server.address()), site.artifacts.version()?);
    let mut walk = Walk::prepare(&network, &url, "versions.test.mjs", PASSWORD)?;
    walk.tell("ADMIN_NAME", ADMIN);
    walk.tell("BEFORE", BEFORE).tell("VERSION", &version).tell("AFTER", AFTER);
    walk.run_with_errands(Duration::from_secs(240), |change| {
        match change {
            Change::Server { version } => site.change_server(&version)?,
            Change::Agent { version } => site.change(&site.device, &site.artifacts.agent_deb, &version)?,
            Change::ReadMotd => return site.device.read_file(MOTD),
        };
        site.wait_until_connected()?;
        Ok(String::new())
    })
}
