//! Waivers: failures of checks that somebody accepted for a time, and which failures they cover.
//!
//! Only a failure can be accepted: a check that could not be found out stays Unknown, and a resource is made so or taken out
//! of its profile. A waiver counts until its end is written down, which happens soon after its time is over, so that all
//! that is counted at a moment agrees.

use std::collections::BTreeSet;

use muster_proto::check::CheckId;
use muster_proto::{DeviceId, Timestamp};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;

use crate::assign::Target;

/// The longest that a failure may be accepted for: a year, after which somebody looks again.
const LONGEST: i64 = 366 * 86_400;
/// The longest reason and owner, in characters.
const REASON: usize = 500;
const OWNER: usize = 128;

/// A waiver in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// Its id.
    pub id: String,
    /// Whose failure is accepted.
    pub check: String,
    /// On which devices.
    pub target: Target,
    /// Until when.
    pub until: Timestamp,
}

/// A waiver can't be made like this; the text says how it can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidWaiver(String);

/// The waiver that covers a failure of a check on a device: of several, the one that ends last.
pub fn covering<'a>(
    waivers: &'a [Waiver],
    check: &str,
    device: DeviceId,
    labels: &BTreeSet<String>,
) -> Option<&'a Waiver> {
    waivers
        .iter()
        .filter(|waiver| waiver.check == check && waiver.target.reaches(device, labels))
        .max_by(|a, b| a.until.cmp(&b.until).then_with(|| b.id.cmp(&a.id)))
}

/// Checks what is to be waived.
pub fn check(id: &str) -> Result<(), InvalidWaiver> {
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = id.into_deserializer();
    if CheckId::deserialize(deserializer).is_ok() {
        return Ok(());
    }
    Err(InvalidWaiver(format!(
        "check: {id:?} is no check: only checks can be waived; what a resource should be is changed in its profile"
    )))
}

/// When a waiver ends that is asked for until a time or for some seconds.
pub fn end(
    until: Option<Timestamp>,
    seconds: Option<u64>,
    now: Timestamp,
) -> Result<Timestamp, InvalidWaiver> {
    let end = match (until, seconds) {
        (Some(until), None) => until,
        (None, Some(seconds)) => now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX)),
        (Some(_), Some(_)) | (None, None) => {
            return Err(InvalidWaiver("until: give a time, or seconds from now".to_owned()));
        }
    };
    if end <= now {
        return Err(InvalidWaiver(format!("until: {end} is over already")));
    }
    if end > now.plus_seconds(LONGEST) {
        return Err(InvalidWaiver(
            "until: a failure is accepted for a year at most, then looked at again".to_owned(),
        ));
    }
    Ok(end)
}

/// Checks the reason, which nobody may leave out.
pub fn reason(text: &str) -> Result<String, InvalidWaiver> {
    line("reason", text, REASON)
}

/// Checks who accepts it.
pub fn owner(text: &str, actor: &str) -> Result<String, InvalidWaiver> {
    let owner = line("owner", text, OWNER)?;
    // However it is written: whoever reads a report takes Admin:kim for the login too.
    let begins_with =
        |kind: &str| owner.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    let as_login = ["admin:", "token:", "root:", "device:"].into_iter().any(begins_with);
    if as_login && owner != actor {
        return Err(InvalidWaiver(format!(
            "owner: {owner} is somebody who logs in, and only they can accept it under that name: write a name or an address"
        )));
    }
    Ok(owner)
}

fn line(field: &str, text: &str, most: usize) -> Result<String, InvalidWaiver> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most || text.chars().any(muster_proto::text::is_misleading) {
        return Err(InvalidWaiver(format!("{field}: expected one line of 1 to {most} characters")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId(uuid::Uuid::from_u128(1));

    fn waiver(id: &str, target: Target, until: i64) -> Waiver {
        let until = Timestamp::default().plus_seconds(until);
        Waiver { id: id.into(), check: "disk-encrypted".into(), target, until }
    }

    #[test]
    fn a_failure_is_covered_by_check_and_target_and_by_the_waiver_that_ends_last() {
        let laptop = Target::Label("laptop".to_owned());
        let waivers = [
            waiver("wa-1", Target::Device(DEVICE), 10),
            waiver("wa-2", laptop, 20),
            waiver("wa-3", Target::Device(DeviceId(uuid::Uuid::from_u128(2))), 99),
        ];
        let covered = |check, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            covering(&waivers, check, DEVICE, &labels).map(|waiver| waiver.id.as_str())
        };
        assert_eq!(covered("disk-encrypted", &["laptop"]), Some("wa-2"));
        assert_eq!(covered("disk-encrypted", &[]), Some("wa-1"));
        assert_eq!(covered("no-empty-passwords", &["laptop"]), None);
    }

    #[test]
    fn a_waiver_has_an_end_within_a_year() {
        let now = Timestamp::default().plus_seconds(1_000);
        assert_eq!(end(None, Some(60), now), Ok(now.plus_seconds(60)));
        assert!(end(None, None, now).is_err() && end(Some(now), Some(1), now).is_err());
        assert!(end(Some(now), None, now).is_err(), "it is over");
        assert!(end(None, Some(0), now).is_err());
        assert!(end(None, Some(367 * 86_400), now).is_err());
        assert!(end(None, Some(u64::MAX), now).is_err());
    }

    #[test]
    fn only_checks_are_waived_and_only_with_a_reason() {
        assert!(check("disk-encrypted").is_ok());
        for resource in ["file:/etc/motd", "package:git", "", "-x", "Disk"] {
            assert!(check(resource).is_err(), "{resource:?}");
        }
        for empty in ["", "   ", "a\nb", "a\u{202e}b", "\u{1b}[2J"] {
            assert!(reason(empty).is_err(), "{empty:?}");
        }
        assert_eq!(reason(" until the new disks come "), Ok("until the new disks come".to_owned()));
    }

    #[test]
    fn nobody_accepts_a_failure_in_the_name_of_another_login() {
        assert_eq!(owner("admin:kim", "admin:kim").unwrap(), "admin:kim");
        assert_eq!(owner("Ada, CISO", "token:ci").unwrap(), "Ada, CISO");
        assert!(owner("admin:ciso", "token:ci").unwrap_err().to_string().starts_with("owner: admin:ciso"));
        for written in ["Admin:ciso", "ADMIN:ciso", "Root:server", "dEvice:x", " Token:ci"] {
            assert!(owner(written, "admin:kim").is_err(), "{written}");
        }
        assert_eq!(owner("Zoë", "admin:kim").unwrap(), "Zoë");
    }
}
