//! A device that goes through the same states over and over, so that each way from one to the next can be disturbed in many places.

use anyhow::{Result, ensure};
use muster_proto::rest::DeviceDetail;
use muster_proto::state::Mode;

use crate::device::Device;
use crate::fleet::Fleet;
use crate::looks::Look;
use crate::snapshot::ACCOUNT_FILES;

/// What changes with every cycle, and is asked in another way.
const LEDGER: &str = "/var/lib/muster/";

/// Files in which one entry goes and another comes, each of which is a resource and a whole file of its own; and what a script or a tool
/// of the system makes, which may be stopped as well, or go on without the agent.
const PARTS: [&str; 6] = [
    "/etc/hosts",
    "/etc/issue.net",
    "/etc/ssl/certs",
    "/etc/dconf/db/local",
    "/etc/pam.d/common-",
    "/srv/by-script",
];

/// A device, and two forms of what it is to have.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The device's name.
    pub device: &'static str,
    /// The resources of each, as a profile has them.
    pub forms: [String; 2],
}

/// What a state is to the one before, in the order in which a device goes through them over and over.
pub const STEPS: [&str; 3] = ["make", "change", "take back"];

/// A device on its way through a scene.
#[derive(Debug)]
pub struct Rounds<'f, 'n> {
    fleet: &'f Fleet<'n>,
    scene: &'f Scene,
    assignment: String,
}

impl<'f, 'n> Rounds<'f, 'n> {
    /// The rounds of a device that is enrolled and was asked for nothing yet.
    pub fn begin(fleet: &'f Fleet<'n>, scene: &'f Scene) -> Self {
        Self { fleet, scene, assignment: String::new() }
    }

    /// Asks for the state that a step leads to.
    pub fn ask_for(&mut self, step: usize) -> Result<()> {
        let (admin, name) = (&self.fleet.admin, self.scene.device);
        let Some(form) = self.scene.forms.get(step) else { return admin.unassign(&self.assignment) };
        admin.save_profile(name, &format!("muster: 1\nprofile: {name}\nresources:\n{form}"))?;
        self.assignment = admin.assign(name, &format!("device:{name}"), Mode::Enforce)?.id;
        Ok(())
    }

    /// Waits until the device has the state that was asked for last.
    pub fn wait(&self) -> Result<()> {
        self.fleet.admin.wait_until_applied(self.scene.device).map(drop)
    }

    /// The generations that the server wants and that it knows the device to have applied.
    pub fn generations(&self) -> Result<(u64, u64)> {
        let device = self.fleet.admin.get::<DeviceDetail>(&format!("/devices/{}", self.scene.device))?.device;
        let value = serde_json::to_value((device.generation_wanted, device.generation_applied))?;
        Ok(serde_json::from_value(value)?)
    }

    /// Whether the device has the state that was asked for last, as far as the server knows.
    pub fn is_done(&self) -> Result<bool> {
        self.generations().map(|(wanted, applied)| wanted == applied)
    }
}

impl Device<'_> {
    /// On the way from one look to another, on which it was stopped, each file is as in the one or as in the other, and the ledger
    /// is undamaged and holds one of the `possible` generations.
    pub fn check_stopped(&self, [from, to]: [&Look; 2], possible: &[u64]) -> Result<()> {
        let now = self.look()?;
        let unfinished: Vec<_> = now.unfinished().iter().map(|path| path.display().to_string()).collect();
        let unfinished = unfinished.iter().map(String::as_str);
        let apart: Vec<&str> =
            ACCOUNT_FILES.into_iter().chain([LEDGER]).chain(PARTS).chain(unfinished).collect();
        let torn = from.torn(to, &now, &apart);
        ensure!(torn.is_empty(), "half-made: {torn:#?}");
        self.check_ledger(possible)
    }

    /// It is as if it had never been stopped on its way to a look.
    pub fn check_arrived(&self, to: &Look) -> Result<()> {
        let now = self.look()?;
        let apart: Vec<&str> = ACCOUNT_FILES.into_iter().chain([LEDGER]).collect();
        let differs = to.differences(&now, &apart);
        ensure!(
            differs.is_empty() && now.unfinished().is_empty(),
            "it is not as it was undisturbed: {differs:#?}, {:?}",
            now.unfinished()
        );
        Ok(())
    }

    /// Nothing in the ledger is damaged, and the state that it holds is one of the `possible` generations, with its documents.
    fn check_ledger(&self, possible: &[u64]) -> Result<()> {
        let said = self.ask_ledger(
            "PRAGMA integrity_check; SELECT generation FROM state WHERE length(bytes) > 0;
             SELECT count(*) FROM document WHERE length(bytes) = 0;",
        )?;
        let [integrity, generation, empty] = &said[..] else { anyhow::bail!("the ledger says {said:?}") };
        ensure!(integrity == "ok" && empty == "0", "the ledger says {said:?}");
        ensure!(possible.contains(&generation.parse()?), "{generation} is none of {possible:?}");
        Ok(())
    }
}
