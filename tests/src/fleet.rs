//! A whole company in miniature for a test: server, admin, and devices that enrolled from the shipped package.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::Digest;
use muster_proto::rest::{ArtifactView, DeviceDetail};

use crate::{Admin, Artifacts, Device, Network, Packages, Server, command, wait_until};

const SOON: Duration = Duration::from_secs(60);
/// Who the device is, and all that its agent keeps.
const IDENTITY: &str = "/var/lib/muster";

/// Server, admin and enrolled devices on one network.
#[derive(Debug)]
pub struct Fleet<'n> {
    /// The running server.
    pub server: Server<'n>,
    /// Its first admin.
    pub admin: Admin<'n>,
    /// The devices, by name.
    pub devices: BTreeMap<&'static str, Device<'n>>,
    /// The package repositories that devices may reach.
    pub packages: Packages,
}

impl<'n> Fleet<'n> {
    /// Sets a server up and lets these devices enroll, each registered with the serial `S-<name>` and no owner.
    pub fn enroll(network: &'n Network, names: &[&'static str]) -> Result<Self> {
        Self::enroll_by(network, names, |server| Admin::first(network, server, "walnut-harbour-eleven-lamps"))
    }

    /// Like [`Fleet::enroll`], with an admin who comes about in another way.
    pub fn enroll_by(
        network: &'n Network,
        names: &[&'static str],
        admin: impl FnOnce(&Server<'n>) -> Result<Admin<'n>>,
    ) -> Result<Self> {
        let packages = Packages::serve(network)?;
        let artifacts = Artifacts::find()?;
        let mut server = Server::setup(network, &artifacts)?;
        server.serve()?;
        let admin = admin(&server)?;
        let rows: String = names.iter().map(|name| format!("S-{name},{name},,\n")).collect();
        admin.import(&format!("serial,name,owner,labels\n{rows}"))?;
        let mut devices = BTreeMap::new();
        for name in names {
            let device = Device::boot(network, name)?;
            let serial = format!("S-{name}");
            device.install_agent(&artifacts.agent_deb, &serial, &admin.join_file(&serial)?)?;
            devices.insert(*name, device);
        }
        let fleet = Self { server, admin, devices, packages };
        for name in names {
            fleet.wait_until_enrolled(name)?;
        }
        Ok(fleet)
    }

    /// Logs the admin in at the command line, so that `server.muster([...])` may ask the server.
    pub fn log_in(&self) -> Result<()> {
        let (url, fingerprint) = (self.server.admin_url(), self.server.fingerprint()?);
        let name = crate::ADMIN_NAME;
        let argv = ["login", &url, "--name", name, "--password-stdin", "--fingerprint", &fingerprint];
        self.server.muster_with_input(argv, &format!("{}\n", self.admin.password))?.ok()?;
        Ok(())
    }

    /// Puts a file on the server as an artifact by the command line, which is logged in; what that says of it.
    pub fn put_artifact(&self, file: &Path) -> Result<ArtifactView> {
        let argv = ["artifact".as_ref(), "put".as_ref(), file.as_os_str(), "-o".as_ref(), "json".as_ref()];
        let put = self.server.muster(argv)?.ok()?;
        let [put] = serde_json::from_str(&put.stdout).context("reading what was put")?;
        Ok(put)
    }

    /// The same; its digest.
    pub fn put_digest(&self, file: &Path) -> Result<Digest> {
        self.put_artifact(file)?.digest.parse().context("its digest")
    }

    /// A device that is on and has the agent, and that nobody gave a join file yet.
    pub fn boot_stranger(&self, network: &'n Network, name: &str) -> Result<Device<'n>> {
        let device = Device::boot(network, name)?;
        device.install_deb(&Artifacts::find()?.agent_deb)?;
        Ok(device)
    }

    /// A machine that begins with the identity of a device, as an image of its disk would; both are on.
    pub fn boot_copy(&self, network: &'n Network, original: &str, name: &str) -> Result<Device<'n>> {
        let copy = self.boot_stranger(network, name)?;
        copy.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
        copy.exec(["rm", "-rf", IDENTITY])?.ok()?;
        let device = self.device(original)?;
        device.exec(["systemctl", "stop", "muster-agent.service"])?.ok()?;
        let (from, to) = (device.path(IDENTITY), copy.path(IDENTITY));
        command::run(["cp".as_ref(), "-a".as_ref(), from.as_os_str(), to.as_os_str()], SOON)?.ok()?;
        device.exec(["systemctl", "start", "muster-agent.service"])?.ok()?;
        self.wait_until_connected(original)?;
        copy.exec(["systemctl", "start", "muster-agent.service"])?.ok()?;
        Ok(copy)
    }

    /// One of the devices.
    pub fn device(&self, name: &str) -> Result<&Device<'n>> {
        self.devices.get(name).with_context(|| format!("{name} is not one of the devices"))
    }

    /// Waits until a device has its link.
    pub fn wait_until_connected(&self, name: &str) -> Result<()> {
        self.wait_until(name, "to be connected", |detail| detail.device.connected)
    }

    /// Waits until a device that has a join file is enrolled.
    pub fn wait_until_enrolled(&self, name: &str) -> Result<()> {
        self.wait_until(name, "to enroll", |detail| detail.device.enrolled.is_some())
    }

    /// Fails with what device and server have logged.
    fn wait_until(&self, name: &str, what: &str, so: impl Fn(&DeviceDetail) -> bool) -> Result<()> {
        let waited = wait_until(&format!("{name} {what}"), SOON, || {
            Ok(so(&self.admin.get(&format!("/devices/{name}"))?).then_some(()))
        });
        waited.with_context(|| {
            let journal = self.device(name).map(|device| device.journal("muster-agent"));
            format!("the agent said: {}\nthe server said: {}", journal.unwrap_or_default(), self.server.log())
        })
    }
}
