//! The files of artifacts: whether each that the record has is there, and is what its digest says.

use std::path::Path;

use muster_proto::text::escape;
use muster_store::artifact::ArtifactRow;

use super::finding::Finding;
use crate::artifacts::Artifacts;

const CHECK: &str = "artifacts";

/// Faults that are told one by one.
const TOLD: usize = 10;

/// Reads all of them, which takes as long as the disk needs.
pub(super) fn judge(folder: &Path, stored: Vec<ArtifactRow>) -> Finding {
    let artifacts = Artifacts::at(folder, 0);
    let mut faults = Vec::new();
    for row in &stored {
        let fault = match artifacts.measure(row.digest) {
            Ok(Some(digest)) if digest == row.digest => continue,
            Ok(Some(_)) => "is damaged".to_owned(),
            Ok(None) => "is missing".to_owned(),
            Err(error) => format!("can't be read ({error})"),
        };
        faults.push(format!("{} {fault} ({})", escape(&row.name), artifacts.path(row.digest).display()));
    }
    if faults.is_empty() {
        let bytes: u64 = stored.iter().map(|row| row.size).sum();
        let detail = format!("{}, {} MiB, each as its digest says", stored.len(), bytes / (1024 * 1024));
        return Finding::ok(CHECK, detail);
    }
    let more = faults.len().saturating_sub(TOLD);
    faults.truncate(TOLD);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    let remedy = "remove the file where it is damaged, then put it again: muster artifact put FILE";
    Finding::failed(CHECK, faults.join("; "), remedy)
}

#[cfg(test)]
mod tests {
    use muster_proto::{Digest, Timestamp, artifact};

    use super::super::finding::State;
    use super::*;

    fn row(bytes: &[u8], name: &str) -> ArtifactRow {
        let now = Timestamp::default();
        ArtifactRow {
            digest: Digest::of(bytes),
            name: name.to_owned(),
            size: bytes.len() as u64,
            put_by: "admin:kim".to_owned(),
            begun: now,
            stored: Some(now),
        }
    }

    #[test]
    fn what_is_damaged_or_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let rows = vec![row(b"right", "right"), row(b"damaged", "damaged"), row(b"missing", "missing")];
        for (row, bytes) in rows.iter().zip(["right", "DAMAGED"]) {
            std::fs::write(folder.path().join(artifact::hex(&row.digest)), bytes).unwrap();
        }
        let found = judge(folder.path(), rows.clone());
        assert_eq!(found.state, State::Failed);
        assert!(found.detail.starts_with("damaged is damaged ("), "{found}");
        assert!(found.detail.contains("; missing is missing ("), "{found}");
        assert_eq!(judge(folder.path(), rows[..1].to_vec()).state, State::Ok);
        assert_eq!(judge(&folder.path().join("nowhere"), vec![]).state, State::Ok);
    }
}
