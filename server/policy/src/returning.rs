//! Whether a device whose certificate ended while it was off may come back by itself.
//!
//! It has proven to hold the key of a certificate that this server recorded. That counts for a while after the
//! certificate ended; later the key may have lain in a drawer with the disk for too long, and an admin has to say so.

use muster_proto::Timestamp;
use muster_proto::rest::DeviceState;

/// A device that asks to come back, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// What time it is.
    pub now: Timestamp,
    /// Where it is in its life.
    pub state: DeviceState,
    /// How the certificate stands whose key signed.
    pub certificate: Certificate,
    /// Seconds after the end of its certificate in which a device comes back by itself.
    pub window: i64,
    /// Until when an admin lets one new key become the device.
    pub reenroll_until: Option<Timestamp>,
    /// Certificates that it got and has not shown.
    pub unused: u64,
}

/// Certificates that a device may have got without showing one. It asks with the same key until it has an answer, so that
/// more are only had by who holds the key and wants to fill the record.
const UNUSED: u64 = 4;

/// A certificate that is recorded exactly as it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// When it ends.
    pub not_after: Timestamp,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether a newer one of the device has been used.
    pub replaced: bool,
}

/// By what a device comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// By itself, in time.
    InTime,
    /// By an admin's word, which is used up by it.
    AdminsWord,
}

/// Why a device does not come back. For the audit; the device never learns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The device or the certificate was revoked.
    #[error("the device or its certificate was revoked")]
    Revoked,
    /// The device was lost.
    #[error(
        "the device was reported lost: once it is found, let it in anew with muster device allow-reenroll"
    )]
    Lost,
    /// Two machines use its identity.
    #[error("two machines use the device's identity: decide with muster device allow-reenroll")]
    Held,
    /// It is not the newest.
    #[error("a newer certificate of the device has been used since")]
    Replaced,
    /// It has not ended.
    #[error(
        "its certificate ends only at {ends}: the clock of the device is ahead, or the server's is behind"
    )]
    NotEnded {
        /// When.
        ends: Timestamp,
    },
    /// It asks for one after the other.
    #[error("it got {UNUSED} certificates that it has not shown")]
    TooMany,
    /// It ended too long ago.
    #[error(
        "its certificate ended at {ended}, longer ago than return_window: muster device allow-reenroll lets it back"
    )]
    TooLate {
        /// When.
        ended: Timestamp,
    },
}

/// Decides.
pub fn may_return(asking: &Asking) -> Result<Leave, Refusal> {
    let Asking { now, state, certificate, window, reenroll_until, unused } = *asking;
    match state {
        DeviceState::Enrolled | DeviceState::Ready => {}
        DeviceState::Held => return Err(Refusal::Held),
        DeviceState::Lost => return Err(Refusal::Lost),
        DeviceState::Registered | DeviceState::Pending | DeviceState::Revoked => {
            return Err(Refusal::Revoked);
        }
    }
    if certificate.revoked {
        return Err(Refusal::Revoked);
    }
    if certificate.replaced {
        return Err(Refusal::Replaced);
    }
    let ended = certificate.not_after;
    if now < ended {
        return Err(Refusal::NotEnded { ends: ended });
    }
    if unused >= UNUSED {
        return Err(Refusal::TooMany);
    }
    if now <= ended.plus_seconds(window) {
        return Ok(Leave::InTime);
    }
    match reenroll_until {
        Some(until) if now < until => Ok(Leave::AdminsWord),
        _ => Err(Refusal::TooLate { ended }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(days: i64) -> Timestamp {
        Timestamp::default().plus_seconds(days * DAY)
    }

    /// A ready device whose certificate ended at day 30, with a window of 180 days.
    fn asking(day: i64) -> Asking {
        Asking {
            now: at(day),
            state: DeviceState::Ready,
            certificate: Certificate { not_after: at(30), revoked: false, replaced: false },
            window: 180 * DAY,
            reenroll_until: None,
            unused: 0,
        }
    }

    #[test]
    fn it_comes_back_within_the_window_and_not_later() {
        for day in [30, 31, 209, 210] {
            assert_eq!(may_return(&asking(day)), Ok(Leave::InTime), "{day}");
        }
        let late = Asking { now: at(210).plus_seconds(1), ..asking(0) };
        assert_eq!(may_return(&late), Err(Refusal::TooLate { ended: at(30) }));
    }

    #[test]
    fn later_it_comes_back_by_an_admins_word_while_that_holds() {
        let allowed = Asking { reenroll_until: Some(at(401)), ..asking(400) };
        assert_eq!(may_return(&allowed), Ok(Leave::AdminsWord));
        let over = Asking { now: at(401), ..allowed };
        assert_eq!(may_return(&over), Err(Refusal::TooLate { ended: at(30) }));
        let unneeded = Asking { reenroll_until: Some(at(401)), ..asking(40) };
        assert_eq!(may_return(&unneeded), Ok(Leave::InTime), "the word is not used up for nothing");
    }

    #[test]
    fn whatever_else_stands_against_it_refuses_it_also_with_an_admins_word() {
        let base = Asking { reenroll_until: Some(at(41)), ..asking(40) };
        let with = |change: fn(&mut Certificate)| {
            let mut asking = base;
            change(&mut asking.certificate);
            asking
        };
        for (asking, refusal) in [
            (Asking { state: DeviceState::Registered, ..base }, Refusal::Revoked),
            (Asking { state: DeviceState::Pending, ..base }, Refusal::Revoked),
            (Asking { state: DeviceState::Revoked, ..base }, Refusal::Revoked),
            (Asking { state: DeviceState::Lost, ..base }, Refusal::Lost),
            (Asking { state: DeviceState::Held, ..base }, Refusal::Held),
            (with(|certificate| certificate.revoked = true), Refusal::Revoked),
            (with(|certificate| certificate.replaced = true), Refusal::Replaced),
            (Asking { now: at(29), ..base }, Refusal::NotEnded { ends: at(30) }),
            (Asking { unused: UNUSED, ..base }, Refusal::TooMany),
        ] {
            assert_eq!(may_return(&asking), Err(refusal), "{asking:?}");
        }
    }
}
