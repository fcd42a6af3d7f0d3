//! What a device holds that whoever has it may be after. Read when it is reported lost, since its record goes on.

use std::collections::BTreeMap;

use muster_proto::compose::{self, Claimed, Composition};
use muster_proto::condition::Condition;
use muster_proto::rest::{DiskAtLastContact, HeldPassword, Holdings};
use muster_proto::state::DesiredState;
use muster_proto::{DeviceId, Timestamp};
use muster_store::Tx;
use muster_store::device::DeviceRow;
use serde::Deserialize;

use crate::app::{AppError, recompile};

/// Reveals that are looked at; each account of a device has one for each password that it made.
const REVEALS: u32 = 1_000;

/// What a device holds now, as far as its record says.
pub(super) fn of(tx: &mut Tx<'_>, device: &DeviceRow) -> Result<Holdings, AppError> {
    let state: Option<DesiredState> = muster_store::state::get(tx, device.id)?
        .map(|state| serde_json::from_slice(&state.bytes))
        .transpose()
        .map_err(|error| AppError::Defect(format!("desired state of {}: {error}", device.id)))?;
    let profiles = state.iter().flat_map(|state| &state.revisions);
    let profiles = profiles.map(|applied| format!("{}@{}", applied.profile, applied.revision)).collect();
    let composition = composed(tx, device, state)?;
    let (accounts, ssh_keys) = people(&composition);
    Ok(Holdings {
        profiles,
        accounts,
        ssh_keys,
        passwords: passwords(tx, device.id)?,
        disk: disk(tx, device.id)?,
    })
}

/// What its state comes to; nothing where it can't be composed, as then nothing of it was applied either.
fn composed(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    state: Option<DesiredState>,
) -> Result<Composition, AppError> {
    let Some(state) = state else { return Ok(Composition::default()) };
    let documents = recompile::documents(tx, std::slice::from_ref(&state))?;
    let facts = serde_json::from_str(&device.facts).unwrap_or_default();
    Ok(compose::compose(&state, &documents, &facts).unwrap_or_default())
}

/// The accounts that it has by its state, and the keys that it lets in, each with the account's name.
fn people(composition: &Composition) -> (Vec<String>, Vec<String>) {
    let (mut accounts, mut keys) = (Vec::new(), Vec::new());
    for (id, claim) in composition.of_kind("account") {
        let Claimed::Apply(resource) = &claim.claimed else { continue };
        accounts.push(id.key().to_owned());
        let Condition::Present(attributes) = resource.desired() else { continue };
        let of_account = attributes.get("ssh_keys").and_then(|keys| keys.as_array()).into_iter().flatten();
        keys.extend(of_account.filter_map(|key| key.as_str()).map(|key| format!("{}: {key}", id.key())));
    }
    (accounts, keys)
}

/// First-login passwords that somebody has seen, and those that wait.
fn passwords(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<HeldPassword>, AppError> {
    let mut of_account: BTreeMap<String, HeldPassword> = BTreeMap::new();
    for entry in muster_store::audit::on(tx, "password.reveal", &device.to_string(), REVEALS)? {
        let Some(account) = entry.detail.get("account").and_then(|account| account.as_str()) else {
            continue;
        };
        let held = HeldPassword {
            account: account.to_owned(),
            revealed_to: Some(entry.actor),
            revealed: Some(entry.at),
        };
        // The newest comes first.
        of_account.entry(account.to_owned()).or_insert(held);
    }
    for account in muster_store::password::accounts(tx, device)? {
        let waits = HeldPassword { account: account.clone(), revealed_to: None, revealed: None };
        of_account.entry(account).or_insert(waits);
    }
    Ok(of_account.into_values().collect())
}

/// A row of `disk_encryption`.
#[derive(Deserialize)]
struct Disk {
    name: String,
    encrypted: i64,
    #[serde(default)]
    r#type: String,
}

fn disk(tx: &mut Tx<'_>, device: DeviceId) -> Result<DiskAtLastContact, AppError> {
    let section = muster_store::report::section(tx, device, "table:disk_encryption")?;
    Ok(section.map_or_else(DiskAtLastContact::default, |(document, at)| read_disks(&document, at)))
}

/// Where the device could not tell, it has said nothing.
fn read_disks(document: &str, at: Timestamp) -> DiskAtLastContact {
    let (columns, rows) = crate::app::detail::table_of(serde_json::from_str(document).unwrap_or_default());
    let object =
        |row: Vec<serde_json::Value>| columns.iter().cloned().zip(row).collect::<serde_json::Map<_, _>>();
    let disks: Result<Vec<Disk>, _> =
        rows.into_iter().map(|row| serde_json::from_value(object(row).into())).collect();
    let Ok(disks) = disks else { return DiskAtLastContact::default() };
    let disks = disks.into_iter().filter(|disk| keeps_data(&disk.name));
    let (encrypted, plain): (Vec<Disk>, Vec<Disk>) = disks.partition(|disk| disk.encrypted == 1);
    let named = |disk: Disk| match disk.r#type.is_empty() {
        true => disk.name,
        false => format!("{} ({})", disk.name, disk.r#type),
    };
    DiskAtLastContact {
        reported: Some(at),
        encrypted: encrypted.into_iter().map(named).collect(),
        plain: plain.into_iter().map(named).collect(),
    }
}

/// What lies in memory keeps nothing, and a loop device is a file on a disk that is named itself.
fn keeps_data(name: &str) -> bool {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    !["loop", "ram", "zram"].iter().any(|kind| {
        name.strip_prefix(kind).is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_told_apart_and_one_that_could_not_tell_has_said_nothing() {
        let at = Timestamp::default();
        let table = r#"{"columns":["name","uuid","encrypted","type"],
            "rows":[["/dev/dm-0","u",1,"LUKS2"],["/dev/sda","",0,""],["/dev/loop0","",0,""],["/dev/zram0","",0,""],["/dev/ramdisk","",0,""]]}"#;
        let disk = read_disks(table, at);
        assert_eq!((disk.reported, disk.encrypted), (Some(at), vec!["/dev/dm-0 (LUKS2)".to_owned()]));
        assert_eq!(disk.plain, ["/dev/sda", "/dev/ramdisk"]);
        assert_eq!(read_disks(r#"{"error":"no /sys"}"#, at), DiskAtLastContact::default());
    }
}
