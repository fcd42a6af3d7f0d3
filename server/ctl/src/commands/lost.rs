//! `muster device lost`: the last order of a device, or its end.

use clap::Args;
use muster_proto::rest::{DeviceDetail, DiskAtLastContact, HeldPassword, LostView, ReportLost};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, moment};
use crate::terminal::Consent;

/// Report a device lost: its accounts are locked, their sessions end, it powers off and is revoked
///
/// The last order is given before anything else, at once or at the device's next contact. Nothing on it is erased. On the
/// device's receipt its certificates are revoked; until then the report can be taken back. A device that is found
/// afterwards comes back by `muster device allow-reenroll`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  muster device lost lap-ada --reason \"left in a train\"\n  muster device lost lap-ada --cancel"
)]
pub(crate) struct Lost {
    /// Its name, serial or id
    device: String,
    /// Why, for whoever reads it later
    #[arg(long, conflicts_with = "cancel")]
    reason: Option<String>,
    #[command(flatten)]
    consent: Consent,
    /// Take the report back: the device is found again, before it carried its last order out
    #[arg(long)]
    cancel: bool,
}

impl Lost {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let detail: DeviceDetail = api.get(&format!("/devices/{}", part(&self.device))).await?;
        let path = format!("/devices/{}/lost", part(&detail.device.id));
        if self.cancel {
            let detail: DeviceDetail = api.take(&path).await?;
            output::line(format!("{} is not lost any more.", detail.device.name))?;
            output::note("If it has its last order already, it goes on when it is next in contact.");
            return Ok(Ending::Fine);
        }
        let about = format!(
            "{} (serial {}) locks its accounts, ends their sessions, powers off and is revoked.",
            detail.device.name, detail.device.serial
        );
        self.consent.ask_for_name(&about, &detail.device.name, "nothing was ordered")?;
        let detail: DeviceDetail = api.post(&path, &ReportLost { reason: self.reason }).await?;
        let name = &detail.device.name;
        output::line(match detail.device.connected {
            true => format!("{name} is reported lost: it gets its last order now."),
            false => format!("{name} is reported lost: it gets its last order at its next contact."),
        })?;
        if let Some(lost) = &detail.lost {
            held(lost)?;
        }
        output::note(format!("See whether it was carried out: muster device show {name}"));
        Ok(Ending::Fine)
    }
}

/// Says how a loss stands, a line each.
pub(crate) fn print(lost: &LostView) -> Result<(), Failure> {
    let reason = lost.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    output::line(format!("reported lost at {} by {}{reason}", moment(lost.since), lost.by))?;
    output::line(match (lost.given, lost.received) {
        (_, Some(at)) => format!("last order: carried out, receipt of {}", moment(at)),
        (Some(at), None) => format!("last order: given at {}, no receipt yet", moment(at)),
        (None, None) => "last order: waits for its next contact".to_owned(),
    })?;
    if let Some(receipt) = &lost.receipt {
        let locked = if receipt.locked.is_empty() { "none".to_owned() } else { receipt.locked.join(", ") };
        output::line(format!("accounts it locked: {locked}"))?;
        for fault in &receipt.faults {
            output::line(format!("not done: {fault}"))?;
        }
    }
    held(lost)
}

fn held(lost: &LostView) -> Result<(), Failure> {
    let held = &lost.held;
    for (what, list) in [("profiles", &held.profiles), ("accounts", &held.accounts)] {
        if !list.is_empty() {
            output::line(format!("it held {what}: {}", list.join(", ")))?;
        }
    }
    for key in &held.ssh_keys {
        output::line(format!("it let in the SSH key of {key}"))?;
    }
    for password in &held.passwords {
        output::line(first_login(password))?;
    }
    output::line(disk(&held.disk))
}

fn first_login(HeldPassword { account, revealed_to, revealed }: &HeldPassword) -> String {
    match (revealed_to, revealed) {
        (Some(who), Some(at)) => {
            format!("the first-login password of {account} was revealed to {who} at {}", moment(*at))
        }
        _ => format!("the first-login password of {account} was revealed to nobody"),
    }
}

fn disk(disk: &DiskAtLastContact) -> String {
    let Some(reported) = disk.reported else {
        return "disk encryption at last contact: unknown, it never said".to_owned();
    };
    let reported = moment(reported);
    let plain = disk.plain.join(", ");
    match disk.encrypted.join(", ") {
        none if none.is_empty() => format!("disk encryption as of {reported}: none ({plain})"),
        encrypted => format!("disk encryption as of {reported}: {encrypted}; not encrypted: {plain}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_said_as_it_was_last_reported() {
        assert!(disk(&DiskAtLastContact::default()).contains("unknown"));
        let reported = Some(muster_proto::Timestamp::default());
        let plain = vec!["/dev/sda".to_owned()];
        let none = DiskAtLastContact { reported, encrypted: vec![], plain };
        assert!(disk(&none).ends_with("none (/dev/sda)"), "{}", disk(&none));
        let some = DiskAtLastContact { encrypted: vec!["/dev/dm-0 (LUKS2)".to_owned()], ..none };
        assert!(disk(&some).ends_with("/dev/dm-0 (LUKS2); not encrypted: /dev/sda"), "{}", disk(&some));
    }
}
