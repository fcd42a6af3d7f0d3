//! What files the server takes as artifacts, and whether there is room for them.

use muster_proto::Timestamp;
use muster_proto::artifact::LARGEST;
use muster_proto::text::is_misleading;

/// Bytes that stay free on the disk: the record lies there too, and a server that can't write does nothing any more.
pub const RESERVE: u64 = 1024 * MIB;

/// The longest name, in characters.
pub const MAX_NAME: usize = 200;

/// Uploads under way at once, so that what is begun and forgotten does not fill lists.
pub const MAX_UPLOADS: usize = 32;

/// Seconds after which an upload that nothing came of is forgotten. Whoever was cut off on a Friday goes on the Monday after.
const PATIENCE: i64 = 7 * 86_400;

const MIB: u64 = 1024 * 1024;

/// The server does not take it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArtifact {
    /// Its name could not be shown in one line, or would lead elsewhere as a file name.
    #[error("name: expected 1 to {MAX_NAME} characters without / and without control characters")]
    Name,
    /// There is nothing in it.
    #[error("size: it is empty")]
    Empty,
    /// It is larger than the server takes.
    #[error(
        "it has {size} bytes, and this server takes {limit} at most; max_artifact_mib in its server.toml says how many, and \
         devices fetch {LARGEST} at most"
    )]
    TooLarge {
        /// Its bytes.
        size: u64,
        /// The most bytes.
        limit: u64,
    },
    /// Too many others are on their way.
    #[error(
        "{MAX_UPLOADS} uploads are under way already: muster artifact list shows them; finish or delete some"
    )]
    TooMany,
}

/// There is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no room for it: {} MiB are still to come, {} MiB are free on the disk of the server's data folder, and {} MiB \
     stay free for the server's record. Make room there, or delete artifacts that nothing names (muster artifact list)",
    to_come / MIB, free / MIB, RESERVE / MIB
)]
pub struct NoRoom {
    /// Bytes that are still to come, of this and all others that are on their way.
    pub to_come: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// Whether the server takes a file of this name and size; `limit` is the most bytes.
pub fn check(name: &str, size: u64, limit: u64) -> Result<(), InvalidArtifact> {
    let plain = !name.chars().any(|c| is_misleading(c) || c == '/');
    if name.trim().is_empty() || name.chars().count() > MAX_NAME || !plain {
        return Err(InvalidArtifact::Name);
    }
    match size {
        0 => Err(InvalidArtifact::Empty),
        size if size > limit => Err(InvalidArtifact::TooLarge { size, limit }),
        _ => Ok(()),
    }
}

/// Whether bytes that are still to come leave the record its room.
pub fn fits(to_come: u64, free: u64) -> Result<(), NoRoom> {
    if to_come.saturating_add(RESERVE) <= free { Ok(()) } else { Err(NoRoom { to_come, free }) }
}

/// Whether an upload of which something came last at this time is forgotten.
pub fn is_abandoned(touched: Timestamp, now: Timestamp) -> bool {
    touched.plus_seconds(PATIENCE) < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_that_leads_nowhere() {
        for name in ["tool-1.2.tar.gz", "Werkzeug für Ärzte.tar", "..."] {
            assert_eq!(check(name, 1, LARGEST), Ok(()), "{name:?}");
        }
        for name in ["", " ", "../x", "a/b", "a\nb", "a\u{1b}[2J", "a\u{202e}b", &"x".repeat(201)] {
            assert_eq!(check(name, 1, LARGEST), Err(InvalidArtifact::Name), "{name:?}");
        }
    }

    #[test]
    fn what_is_empty_or_too_large_is_refused() {
        assert_eq!(check("a", 0, LARGEST), Err(InvalidArtifact::Empty));
        assert_eq!(check("a", LARGEST, LARGEST), Ok(()));
        assert_eq!(check("a", 11, 10), Err(InvalidArtifact::TooLarge { size: 11, limit: 10 }));
    }

    #[test]
    fn the_record_keeps_its_room() {
        assert_eq!(fits(5 * MIB, RESERVE + 5 * MIB), Ok(()));
        let said = fits(5 * MIB, RESERVE + 4 * MIB).unwrap_err().to_string();
        assert!(said.contains("5 MiB are still to come, 1028 MiB are free"), "{said}");
        assert!(fits(u64::MAX, u64::MAX - 1).is_err());
    }

    #[test]
    fn an_upload_waits_a_week() {
        let begun = Timestamp::default();
        assert!(!is_abandoned(begun, begun.plus_seconds(PATIENCE)));
        assert!(is_abandoned(begun, begun.plus_seconds(PATIENCE + 1)));
    }
}
