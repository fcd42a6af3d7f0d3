//! Artifacts that are given up, cut off by a crash, too many, or on their way to a device.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::stream;
use muster_proto::artifact;
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::rest::{ArtifactState, ArtifactView, Compliance, NewArtifact};

use super::reporting::{found, outcome};
use super::*;
use crate::app::AppError;

const DAY: i64 = 86_400;

impl Rig {
    fn artifact_file(&self, bytes: &[u8], ending: &str) -> PathBuf {
        self._folder.path().join("artifacts").join(artifact::hex(&Digest::of(bytes)) + ending)
    }

    async fn begin(&self, bytes: &[u8]) -> Result<ArtifactView, AppError> {
        let (digest, size) = (Digest::of(bytes).to_string(), bytes.len() as u64);
        self.app.begin_artifact(&admin(), NewArtifact { digest, size, name: "tool".into() }).await
    }

    async fn send(&self, bytes: &[u8], range: std::ops::Range<usize>) -> Result<ArtifactView, AppError> {
        let (digest, offset) = (Digest::of(bytes).to_string(), range.start as u64);
        let pieces = stream::iter([Ok(bytes[range].to_vec().into())]);
        self.app.receive_artifact(&admin(), digest, offset, pieces).await
    }

    async fn artifacts(&self) -> Vec<ArtifactView> {
        self.app.list_artifacts(&viewer()).await.unwrap()
    }
}

#[tokio::test]
async fn an_upload_that_nothing_came_of_for_a_week_is_forgotten_and_a_stored_one_never() {
    let rig = rig();
    for bytes in [b"stored", b"halted", b"resume"] {
        rig.begin(bytes).await.unwrap();
        rig.send(bytes, 0..3).await.unwrap();
    }
    rig.send(b"stored", 3..6).await.unwrap();
    let week_ago = SystemTime::now() - Duration::from_secs(8 * 86_400);
    for bytes in [b"halted", b"resume"] {
        let part = File::options().write(true).open(rig.artifact_file(bytes, ".part")).unwrap();
        part.set_modified(week_ago).unwrap();
    }
    rig.app.sweep_artifacts().await.unwrap();
    assert_eq!(rig.artifacts().await.len(), 3, "they were begun today");
    pass(8 * DAY);
    // Something came of this one since.
    let part = File::options().write(true).open(rig.artifact_file(b"resume", ".part")).unwrap();
    part.set_modified(SystemTime::now() + Duration::from_secs(7 * 86_400)).unwrap();
    rig.app.sweep_artifacts().await.unwrap();
    let mut left: Vec<_> = rig.artifacts().await.into_iter().map(|artifact| artifact.digest).collect();
    left.sort();
    let mut wanted = [b"stored", b"resume"].map(|bytes| Digest::of(bytes).to_string());
    wanted.sort();
    assert_eq!(left, wanted);
    assert!(!rig.artifact_file(b"halted", ".part").exists());
    assert!(rig.audited().await.iter().any(|entry| entry.action == "artifact.abandon"));
}

#[tokio::test]
async fn what_a_crash_left_is_finished_or_removed() {
    let rig = rig();
    // It got its name, and the record was not written any more.
    rig.begin(b"named").await.unwrap();
    fs::write(rig.artifact_file(b"named", ""), "named").unwrap();
    assert_eq!(rig.artifacts().await[0].state, ArtifactState::Uploading);
    assert_eq!(rig.send(b"named", 5..5).await.unwrap().state, ArtifactState::Stored);
    // All of it came, and nobody read it any more.
    rig.begin(b"whole").await.unwrap();
    fs::write(rig.artifact_file(b"whole", ".part"), "whole").unwrap();
    assert_eq!(rig.begin(b"whole").await.unwrap().received, 5);
    assert_eq!(rig.send(b"whole", 5..5).await.unwrap().state, ArtifactState::Stored);
    // The row went, and its file did not.
    fs::write(rig.artifact_file(b"gone", ""), "gone").unwrap();
    rig.app.sweep_artifacts().await.unwrap();
    assert!(!rig.artifact_file(b"gone", "").exists());
    assert!(rig.artifact_file(b"named", "").exists() && rig.artifact_file(b"whole", "").exists());
}

#[tokio::test]
async fn what_came_before_the_connection_broke_is_kept() {
    let rig = rig();
    let bytes = vec![7; 700_000];
    rig.begin(&bytes).await.unwrap();
    let broken = Err(AppError::Invalid("it broke off".into()));
    let pieces = stream::iter([Ok(bytes[..600_000].to_vec().into()), broken]);
    let digest = Digest::of(&bytes).to_string();
    rig.app.receive_artifact(&admin(), digest, 0, pieces).await.unwrap_err();
    assert_eq!(rig.begin(&bytes).await.unwrap().received, 600_000);
    assert_eq!(rig.send(&bytes, 600_000..700_000).await.unwrap().state, ArtifactState::Stored);
}

#[tokio::test]
async fn two_who_put_the_same_at_once_do_not_spoil_it() {
    let rig = rig();
    let bytes: Vec<u8> = (0..900_000).map(|n| (n % 239) as u8).collect();
    let put = async || {
        let mut artifact = rig.begin(&bytes).await.unwrap();
        while artifact.state != ArtifactState::Stored {
            let from = usize::try_from(artifact.received).unwrap();
            artifact = match rig.send(&bytes, from..(from + 100_000).min(bytes.len())).await {
                Ok(artifact) => artifact,
                Err(AppError::Taken(_)) => rig.begin(&bytes).await.unwrap(),
                Err(error) => panic!("{error}"),
            };
        }
    };
    tokio::join!(put(), put());
    assert!(fs::read(rig.artifact_file(&bytes, "")).unwrap() == bytes);
    let puts = rig.audited().await.into_iter().filter(|entry| entry.action == "artifact.put");
    assert_eq!(puts.count(), 1);
}

#[tokio::test]
async fn uploads_that_are_begun_and_forgotten_are_bounded() {
    let rig = rig();
    let mut refused = None;
    for n in 0..100_u32 {
        if let Err(error) = rig.begin(&n.to_be_bytes()).await {
            refused = Some((n, error.to_string()));
            break;
        }
    }
    let (count, said) = refused.unwrap();
    assert_eq!(count, 32);
    assert!(said.contains("finish or delete some"), "{said}");
    let first = Digest::of(&0_u32.to_be_bytes()).to_string();
    rig.app.delete_artifact(&admin(), first).await.unwrap();
    rig.begin(b"next").await.unwrap();
}

#[tokio::test]
async fn a_name_of_several_is_asked_for_by_digest() {
    let rig = rig();
    for bytes in [b"one", b"two"] {
        rig.begin(bytes).await.unwrap();
        rig.send(bytes, 0..3).await.unwrap();
    }
    let said = rig.app.show_artifact(&viewer(), "tool".into()).await.unwrap_err().to_string();
    assert!(said.contains("2 artifacts are called \"tool\"") && said.contains("sha256:"), "{said}");
    let digest = Digest::of(b"two").to_string();
    for called in [&digest, &digest[7..], &digest[..13], &digest[7..13]] {
        assert_eq!(rig.app.show_artifact(&viewer(), called.to_owned()).await.unwrap().digest, digest);
    }
    assert!(rig.app.show_artifact(&viewer(), digest[7..12].to_owned()).await.is_err(), "too few digits");
    let posing = Digest::of(b"posing").to_string();
    let new = NewArtifact { digest: posing, size: 6, name: digest.clone() };
    rig.app.begin_artifact(&admin(), new).await.unwrap();
    assert_eq!(rig.app.show_artifact(&viewer(), digest.clone()).await.unwrap().digest, digest);
}

#[tokio::test]
async fn a_device_that_waits_for_what_comes_by_itself_neither_complies_nor_fails_and_says_what_for() {
    let rig = rig();
    let device = rig.managed().await;
    let waiting = Outcome {
        reason: Some("its artifact is being fetched: 1 of 2 MiB".into()),
        ..outcome("/etc/motd", OutcomeKind::Waiting)
    };
    rig.app.report(device, found(&[waiting], &[], 0)).await.unwrap();
    let shown = rig.shown(device).await;
    assert_eq!((shown.device.compliance, shown.device.failing), (Compliance::Unknown, 0));
    assert_eq!(shown.causes[0].problem, "waiting: its artifact is being fetched: 1 of 2 MiB");
    rig.app.report(device, found(&[outcome("/etc/motd", OutcomeKind::Repaired)], &[], 1)).await.unwrap();
    assert_eq!(rig.shown(device).await.device.compliance, Compliance::Compliant);
}
