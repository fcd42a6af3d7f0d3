//! A whole company in miniature for a test: server, admin, and devices that enrolled from the shipped package.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{Admin, Artifacts, Device, Network, Packages, Server, wait_until};

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

    /// A device that is on and has the agent, and that nobody gave a join file yet.
    pub fn boot_stranger(&self, network: &'n Network, name: &str) -> Result<Device<'n>> {
        let device = Device::boot(network, name)?;
        device.install_deb(&Artifacts::find()?.agent_deb)?;
        Ok(device)
    }

    /// One of the devices.
    pub fn device(&self, name: &str) -> Result<&Device<'n>> {
        self.devices.get(name).with_context(|| format!("{name} is not one of the devices"))
    }

    fn wait_until_enrolled(&self, name: &str) -> Result<()> {
        let enrolled = wait_until("the device to enroll", Duration::from_secs(30), || {
            let detail: muster_proto::rest::DeviceDetail = self.admin.get(&format!("/devices/{name}"))?;
            Ok(detail.device.enrolled.is_some().then_some(()))
        });
        enrolled.with_context(|| {
            let journal = self.device(name).map(|device| device.journal("muster-agent"));
            format!("the agent said: {}\nthe server said: {}", journal.unwrap_or_default(), self.server.log())
        })
    }
}
