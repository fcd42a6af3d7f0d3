//! Admission: whether a machine that shows a token and proves a key gets in.
//!
//! A serial is a claim, never a proof. A device that belongs to a person is let in only by a token bound to its serial
//! or by an admin; a shared token lets in registered devices that are nobody's. The same key with the same token always
//! gets the answer it got before, whatever became of the token meanwhile: a lost answer must not lock a device out.
//!
//! A reinstalled device has lost its key. An admin may let one new key become it for a while; that opens the serial, and
//! the token has to be good for it as for any other device: a shared one still makes a person's device wait.

use muster_proto::enrollment::EnrollmentClaims;
use muster_proto::rest::{DeviceState, Token, Unknown};
use muster_proto::serial::{self, InvalidSerial};
use muster_proto::text::shell_word;
use muster_proto::{DeviceId, Timestamp};

/// A machine that asks to be let in, and what is known of it.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    /// What time it is.
    pub now: Timestamp,
    /// The token it shows, if there is such a token.
    pub token: Option<&'a Token>,
    /// What this key with this token got before.
    pub earlier: Earlier,
    /// What it says of itself.
    pub claims: &'a EnrollmentClaims,
    /// The device that has the claimed serial.
    pub registered: Option<Registered>,
}

/// What a key got before with the same token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It never asked.
    Nothing,
    /// It was let in.
    Enrolled(Registered),
    /// It was told to wait.
    Waiting {
        /// The record that stands for it.
        device: Registered,
        /// The code it was given.
        code: String,
        /// Whether an admin has let it in since.
        approved: bool,
    },
}

/// A device's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: DeviceId,
    /// Where it is in its life.
    pub state: DeviceState,
    /// Whether it belongs to a person.
    pub owned: bool,
    /// Until when one new key may become it.
    pub reenroll_until: Option<Timestamp>,
    /// Whether a stranger's claim made the record, and no admin has named it since.
    pub claimed: bool,
    /// Whether an admin has let in a waiting key that has not come since.
    pub promised: bool,
}

impl Registered {
    /// Whether its record is free for a key at `now`.
    fn opening(&self, now: Timestamp) -> Opening {
        match self.state {
            DeviceState::Registered | DeviceState::Pending => Opening::Free,
            DeviceState::Enrolled
            | DeviceState::Ready
            | DeviceState::Held
            | DeviceState::Lost
            | DeviceState::Revoked => match self.reenroll_until {
                Some(until) if now < until => Opening::Again,
                _ => Opening::Closed,
            },
        }
    }

    /// Why nobody can become it.
    fn closed(&self) -> Refusal {
        match self.state {
            DeviceState::Revoked => Refusal::RevokedDevice,
            DeviceState::Lost => Refusal::LostDevice,
            DeviceState::Held => Refusal::HeldDevice,
            DeviceState::Registered | DeviceState::Pending | DeviceState::Enrolled | DeviceState::Ready => {
                Refusal::SerialTaken
            }
        }
    }
}

/// Whether a record is free for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// Nobody has been it.
    Free,
    /// Somebody has, and an admin lets one new key take its place.
    Again,
    /// Somebody is or was it.
    Closed,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is in already: it gets the certificate it got before.
    Again(DeviceId),
    /// It gets a certificate.
    Issue {
        /// As which device.
        place: Place,
        /// Whether the token loses a use.
        cost: Cost,
    },
    /// It waits on, with the code it has.
    WaitOn {
        /// The code.
        code: String,
    },
    /// It has to wait for an admin; a new code is made. The token loses a use, which bounds who can wait.
    Wait(Place),
    /// It is refused.
    Refuse(Refusal),
}

/// As which device a machine is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One that has a record.
    Known(DeviceId),
    /// One that another key was, whose certificates and reports end now.
    Again(DeviceId),
    /// A record is made for the claimed serial.
    New,
}

/// Whether the token loses a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// It does.
    OneUse,
    /// It lost one when the machine began to wait.
    Paid,
}

/// Why a machine is refused. For the audit; the machine itself never learns it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody made such a token.
    #[error("no such token")]
    UnknownToken,
    /// An admin took the token back.
    #[error("the token was revoked")]
    RevokedToken,
    /// The token's time is over.
    #[error("the token ended at {0}")]
    ExpiredToken(Timestamp),
    /// The token let in as many as it may.
    #[error("the token is used up")]
    UsedUpToken,
    /// The claimed serial can't be one.
    #[error("the claimed serial is not one: {0}")]
    Serial(InvalidSerial),
    /// The token is for another serial.
    #[error("the token is for serial {bound}")]
    OtherSerial {
        /// The serial that it is for.
        bound: String,
    },
    /// Nobody registered the serial, and the token is for registered ones only.
    #[error("the serial is not registered and the token refuses unknown ones")]
    UnknownSerial,
    /// Another key is enrolled for the serial.
    #[error("another key is enrolled for this serial")]
    SerialTaken,
    /// The device's record was revoked.
    #[error("the device was revoked")]
    RevokedDevice,
    /// The device was lost.
    #[error(
        "the device was reported lost: once it is found, let it in anew with muster device allow-reenroll"
    )]
    LostDevice,
    /// Two machines use the device's identity.
    #[error("two machines use the device's identity: decide with muster device allow-reenroll")]
    HeldDevice,
}

impl Refusal {
    /// What an admin does to let the device with this serial in. Admins paste it, and the serial is a stranger's word.
    pub fn remedy(&self, serial: &str) -> String {
        let serial = shell_word(serial);
        let anew = || format!("Put a new join file on it: muster token create --serial {serial} > join.toml");
        match self {
            Self::UnknownToken | Self::RevokedToken | Self::ExpiredToken(_) | Self::UsedUpToken => anew(),
            Self::OtherSerial { bound } => format!(
                "See which machine has the join file of {bound}; its own comes from: muster token create --serial {serial}"
            ),
            Self::Serial(_) => "Set the serial in the agent's agent.toml.".to_owned(),
            Self::UnknownSerial => "Register it with muster device import.".to_owned(),
            Self::SerialTaken => {
                format!("If it was installed anew: muster device allow-reenroll {serial}")
            }
            Self::RevokedDevice => format!("If it is yours again: muster device allow-reenroll {serial}"),
            Self::LostDevice => format!("Once it is found: muster device allow-reenroll {serial}"),
            Self::HeldDevice => {
                format!("Find out which machine is the true one, then: muster device allow-reenroll {serial}")
            }
        }
    }
}

/// Decides.
pub fn admit(asking: &Asking<'_>) -> Admission {
    let Some(token) = asking.token else { return Admission::Refuse(Refusal::UnknownToken) };
    match &asking.earlier {
        Earlier::Enrolled(device)
            if matches!(device.state, DeviceState::Held | DeviceState::Lost | DeviceState::Revoked) =>
        {
            Admission::Refuse(device.closed())
        }
        Earlier::Enrolled(device) => Admission::Again(device.id),
        Earlier::Waiting { device, code, approved } => wait_on(asking.now, token, *device, code, *approved),
        Earlier::Nothing => admit_new(asking, token).unwrap_or_else(Admission::Refuse),
    }
}

fn wait_on(now: Timestamp, token: &Token, device: Registered, code: &str, approved: bool) -> Admission {
    let place = match device.opening(now) {
        Opening::Free => Place::Known(device.id),
        Opening::Again => Place::Again(device.id),
        Opening::Closed => return Admission::Refuse(device.closed()),
    };
    match approved {
        // An admin's word for this very key outlives the token.
        true => Admission::Issue { place, cost: Cost::Paid },
        false if token.revoked => Admission::Refuse(Refusal::RevokedToken),
        false => Admission::WaitOn { code: code.to_owned() },
    }
}

fn admit_new(asking: &Asking<'_>, token: &Token) -> Result<Admission, Refusal> {
    if token.revoked {
        return Err(Refusal::RevokedToken);
    }
    if token.expires <= asking.now {
        return Err(Refusal::ExpiredToken(token.expires));
    }
    if token.uses_left == 0 {
        return Err(Refusal::UsedUpToken);
    }
    // What was registered before serials were narrowed to what makers print goes on under its serial.
    let checked = match asking.registered {
        Some(_) => serial::recorded(&asking.claims.serial),
        None => serial::check(&asking.claims.serial),
    };
    let serial = checked.map_err(Refusal::Serial)?;
    if let Some(bound) = &token.serial
        && *bound != serial
    {
        return Err(Refusal::OtherSerial { bound: bound.clone() });
    }
    // Whoever bound a token to a serial has named the device as well as by registering it.
    let bound = token.serial.is_some();
    let Some(device) = asking.registered else {
        return match token.unknown {
            _ if bound => Ok(Admission::Issue { place: Place::New, cost: Cost::OneUse }),
            Unknown::Refuse => Err(Refusal::UnknownSerial),
            Unknown::Pending => Ok(Admission::Wait(Place::New)),
        };
    };
    let place = match device.opening(asking.now) {
        Opening::Free => Place::Known(device.id),
        Opening::Again => Place::Again(device.id),
        Opening::Closed => return Err(device.closed()),
    };
    // What an admin gave to one machine by its code is not for the first other that claims to be it.
    let open = !(device.owned || device.claimed || device.promised);
    match token.unknown {
        _ if bound || open => Ok(Admission::Issue { place, cost: Cost::OneUse }),
        Unknown::Refuse if device.claimed => Err(Refusal::UnknownSerial),
        Unknown::Refuse | Unknown::Pending => Ok(Admission::Wait(place)),
    }
}

/// Whether an admin may let in a machine that waits as this device.
pub fn may_be_approved(device: &Registered, now: Timestamp) -> bool {
    match device.state {
        DeviceState::Registered => false,
        DeviceState::Pending => true,
        DeviceState::Enrolled
        | DeviceState::Ready
        | DeviceState::Held
        | DeviceState::Lost
        | DeviceState::Revoked => device.opening(now) == Opening::Again,
    }
}

/// An approval code as it was made, however a person typed it: `7kq m2d` is `7KQ-M2D`.
pub fn typed_code(text: &str) -> String {
    let mut code: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    code.make_ascii_uppercase();
    if code.len() == CODE_LENGTH {
        code.insert(CODE_LENGTH / 2, '-');
    }
    code
}

/// Letters and digits of an approval code; a hyphen stands in their middle.
const CODE_LENGTH: usize = 6;

#[cfg(test)]
mod tests;
