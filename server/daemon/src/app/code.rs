//! Codes of an authenticator (RFC 6238), and the recovery codes that stand in for them. A code is taken once; whoever gives
//! wrong ones waits longer and longer, whichever way they come, since only who knows the password gets to give one.

use muster_policy::guess;
use muster_proto::{Digest, Timestamp};
use muster_store::totp::{self, TotpRow};
use muster_store::{StoreError, Tx};
use totp_rs::{Builder, Totp};

use super::seal::SealingKey;
use super::{AppError, secret};

/// 160 bits, as RFC 4226 recommends.
const SECRET_LENGTH: usize = 20;

/// Codes to print and lock away.
pub(super) const RECOVERY_CODES: usize = 10;

/// A secret just made, not yet written down.
pub(super) struct Made {
    /// What is stored of it.
    pub(super) row: TotpRow,
    /// In base32.
    pub(super) secret: String,
    /// As `otpauth://`.
    pub(super) uri: String,
}

/// What came of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is right, or none is asked for.
    Taken,
    /// One is asked for, and none was given.
    Needed,
    /// It is wrong, or was used before.
    Wrong,
    /// Too many were wrong: the next may be given after so many seconds.
    Wait(u64),
}

impl Judged {
    /// What is refused for it, if anything.
    pub(super) fn refusal(self) -> Option<AppError> {
        match self {
            Self::Taken => None,
            Self::Needed => Some(AppError::CodeNeeded),
            Self::Wrong => Some(AppError::WrongCode),
            Self::Wait(seconds) => Some(AppError::TooManyGuesses { seconds }),
        }
    }
}

/// Makes a secret for an admin of this server.
pub(super) fn make(key: &SealingKey, server: &str, admin: &str, now: Timestamp) -> Made {
    let bytes: [u8; SECRET_LENGTH] = secret::random();
    let row = TotpRow {
        sealed: key.seal(&purpose(admin), &bytes),
        confirmed: None,
        step: 0,
        failures: 0,
        failed: now,
    };
    let secret = data_encoding::BASE32_NOPAD.encode(&bytes);
    // Names of admins and servers hold nothing that would have to be escaped but this.
    let label = format!("Muster%20{server}:{}", admin.replace('@', "%40"));
    let uri = format!("otpauth://totp/{label}?secret={secret}&issuer=Muster%20{server}");
    Made { row, secret, uri }
}

/// Whether this admin's logins need a code.
pub(super) fn is_on(tx: &mut Tx<'_>, admin: &str) -> Result<bool, StoreError> {
    Ok(totp::get(tx, admin)?.is_some_and(|row| row.confirmed.is_some()))
}

/// Judges what was given as a code. What comes of it is to be committed whatever it is.
pub(super) fn judge(
    tx: &mut Tx<'_>,
    key: &SealingKey,
    admin: &str,
    given: Option<&str>,
    now: Timestamp,
) -> Result<Judged, AppError> {
    match totp::get(tx, admin)? {
        Some(row) if row.confirmed.is_some() => judge_row(tx, key, admin, row, given, now),
        _ => Ok(Judged::Taken),
    }
}

/// Judges the first code of a secret, which counts from then on.
pub(super) fn confirm(
    tx: &mut Tx<'_>,
    key: &SealingKey,
    admin: &str,
    given: &str,
    now: Timestamp,
) -> Result<Judged, AppError> {
    let row = totp::get(tx, admin)?.filter(|row| row.confirmed.is_none()).ok_or_else(|| {
        AppError::Missing("no secret waits to be confirmed: ask for one first (muster admin totp)".to_owned())
    })?;
    judge_row(tx, key, admin, row, Some(given), now)
}

fn judge_row(
    tx: &mut Tx<'_>,
    key: &SealingKey,
    admin: &str,
    row: TotpRow,
    given: Option<&str>,
    now: Timestamp,
) -> Result<Judged, AppError> {
    let Some(given) = given.map(str::trim).filter(|given| !given.is_empty()) else {
        return Ok(Judged::Needed);
    };
    let waited = now.seconds().saturating_sub(row.failed.seconds());
    let wait = i64::try_from(guess::wait(row.failures).as_secs()).unwrap_or(i64::MAX);
    if let Ok(left @ 1..) = u64::try_from(wait.saturating_sub(waited)) {
        return Ok(Judged::Wait(left));
    }
    let secret =
        key.open(&purpose(admin), &row.sealed).map_err(|error| AppError::Defect(error.to_string()))?;
    let step = generator(secret)?.check(given, u64::try_from(now.seconds()).unwrap_or(0));
    let step = step.filter(|step| *step > row.step);
    let confirmed = row.confirmed.or(Some(now));
    if let Some(step) = step {
        totp::put(tx, admin, &TotpRow { step, confirmed, failures: 0, ..row })?;
        return Ok(Judged::Taken);
    }
    // A recovery code does not show that the authenticator has the secret.
    if row.confirmed.is_some() && totp::use_recovery_code(tx, admin, recovery_digest(admin, given))? {
        totp::put(tx, admin, &TotpRow { failures: 0, ..row })?;
        return Ok(Judged::Taken);
    }
    totp::put(tx, admin, &TotpRow { failures: row.failures.saturating_add(1), failed: now, ..row })?;
    Ok(Judged::Wrong)
}

/// Recovery codes with what is stored of them.
pub(super) fn recovery_codes(admin: &str) -> (Vec<String>, Vec<Digest>) {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let digests = codes.iter().map(|code| recovery_digest(admin, code)).collect();
    (codes, digests)
}

/// 80 bits, so that a plain hash is enough, in four groups that are read off paper.
fn recovery_code() -> String {
    let code = data_encoding::BASE32_NOPAD.encode(&secret::random::<10>());
    let groups: Vec<&str> = [0..4, 4..8, 8..12, 12..16].into_iter().map(|group| &code[group]).collect();
    groups.join("-")
}

fn recovery_digest(admin: &str, code: &str) -> Digest {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    secret::digest(&format!("{admin} {}", plain.to_ascii_uppercase()))
}

fn generator(secret: Vec<u8>) -> Result<Totp, AppError> {
    // Six digits, 30 seconds and SHA-1, which is what every authenticator takes; a step early or late is right too.
    Builder::new().with_secret(secret).build().map_err(|error| AppError::Defect(error.to_string()))
}

fn purpose(admin: &str) -> String {
    format!("totp/{admin}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What an authenticator shows at this time.
    pub(in crate::app) fn shown(secret: &str, at: Timestamp) -> String {
        let bytes = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
        generator(bytes).unwrap().generate(u64::try_from(at.seconds()).unwrap()).to_string()
    }

    #[test]
    fn a_recovery_code_is_read_however_it_is_typed() {
        assert_eq!(
            recovery_digest("kim", "abcd-efgh-ijkl-mnop"),
            recovery_digest("kim", "ABCDEFGH IJKLMNOP")
        );
        assert_ne!(
            recovery_digest("kim", "abcd-efgh-ijkl-mnop"),
            recovery_digest("ada", "abcd-efgh-ijkl-mnop")
        );
    }

    #[test]
    fn the_generator_is_that_of_the_standard() {
        // RFC 6238, appendix B, shortened to six digits.
        let totp = generator(b"12345678901234567890".to_vec()).unwrap();
        assert_eq!(totp.generate(59).to_string(), "287082");
        assert_eq!(totp.generate(1_111_111_109).to_string(), "081804");
    }
}
