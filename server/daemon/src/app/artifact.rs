//! Artifacts: put on the server piece by piece, named by profiles, fetched by the devices whose state names them.
//!
//! The record says what there is, the folder has the bytes ([`crate::artifacts`]). A row comes before its file and goes
//! before it, so that a file without a row is a leftover of a crash, and [`App::sweep_artifacts`] removes it.

use std::collections::BTreeSet;
use std::pin::pin;

use futures_util::{Stream, StreamExt as _};
use hyper::body::Bytes;
use muster_policy::artifact as policy;
use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::rest::{ArtifactState, ArtifactView, NewArtifact, SourcePlace};
use muster_proto::{DeviceId, Digest, Timestamp};
use muster_store::artifact::{self, ArtifactRow};
use muster_store::{StoreError, Tx};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::audit::{self, Act};
use super::{App, AppError};
use crate::artifacts::{Artifacts, Held, Part, Turn};

/// Bytes that are gathered before the disk is asked to take them.
const GATHERED: usize = 256 * 1024;

/// The fewest digits of a digest that an artifact can be called by.
const FEWEST_DIGITS: usize = 6;

impl From<policy::InvalidArtifact> for AppError {
    fn from(error: policy::InvalidArtifact) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<policy::NoRoom> for AppError {
    fn from(error: policy::NoRoom) -> Self {
        Self::NoRoom(error.to_string())
    }
}

impl App {
    /// All artifacts by name.
    pub(crate) async fn list_artifacts(&self, _right: &ViewRight) -> Result<Vec<ArtifactView>, AppError> {
        let artifacts = self.artifacts().clone();
        self.store()
            .read(move |tx| artifact::list(tx)?.into_iter().map(|row| view(tx, &artifacts, row)).collect())
            .await
    }

    /// One of them; `called` is its digest, the beginning of that, or its name.
    pub(crate) async fn show_artifact(
        &self,
        _right: &ViewRight,
        called: String,
    ) -> Result<ArtifactView, AppError> {
        let artifacts = self.artifacts().clone();
        self.store().read(move |tx| find(tx, &called).and_then(|row| view(tx, &artifacts, row))).await
    }

    /// Begins to put an artifact on the server, or says how far it is: where it is there already, nothing is left to do.
    pub(crate) async fn begin_artifact(
        &self,
        right: &AdminRight,
        new: NewArtifact,
    ) -> Result<ArtifactView, AppError> {
        let NewArtifact { digest, size, name } = new;
        let digest: Digest = digest.parse().map_err(|e| AppError::Invalid(format!("digest: {e}")))?;
        policy::check(&name, size, self.artifacts().limit())?;
        let known = self.store().read(move |tx| artifact::get(tx, digest)).await?;
        match known {
            Some(known) if known.size != size => {
                return Err(AppError::Taken(format!(
                    "{digest} was begun with {} bytes, and this has {size}: one of them is another file; delete the other \
                     first (muster artifact delete {digest})",
                    known.size
                )));
            }
            Some(_) => {}
            None => {
                self.require_room(digest, size).await?;
                let (put_by, begun) = (right.actor().to_owned(), self.now());
                let row = ArtifactRow { digest, name, size, put_by, begun, stored: None };
                self.store().write(move |tx| add_upload(tx, &row)).await?;
            }
        }
        self.show_artifact(&right.view(), digest.to_string()).await
    }

    /// Takes the bytes of an artifact from `offset` on, which is where it left off. What comes before `bytes` fails or its
    /// caller goes away is kept. The last one has all of it read and checked, and does so although its caller has gone.
    pub(crate) async fn receive_artifact(
        &self,
        right: &AdminRight,
        called: String,
        offset: u64,
        bytes: impl Stream<Item = Result<Bytes, AppError>>,
    ) -> Result<ArtifactView, AppError> {
        let digest = self.store().read(move |tx| find(tx, &called)).await?.digest;
        let turn = self.artifacts().turn(digest).await;
        // Only now: until its turn came, somebody else may have finished or deleted it.
        let row = self.store().read(move |tx| find(tx, &digest.to_string())).await?;
        let (size, artifacts) = (row.size, self.artifacts().clone());
        let part = blocking(move || match artifacts.held(digest)? {
            Held::Whole => Ok(None),
            Held::Part(_) => artifacts.part(turn).map(Some),
        });
        if let Some(part) = part.await? {
            let length = part.length();
            if offset != length {
                return Err(AppError::Taken(format!(
                    "the server has {length} bytes of {digest}, and these begin at {offset}: go on from there"
                )));
            }
            self.require_room(digest, size).await?;
            let part = append(part, size, bytes).await?;
            let is_all = part.length() == size;
            let turn = blocking(move || part.sync()).await?;
            if is_all {
                self.finish_on_its_own(turn, right).await?;
            }
        } else if row.stored.is_none() {
            // It got its name, and a crash came before that was written down.
            let turn = self.artifacts().turn(digest).await;
            self.finish_on_its_own(turn, right).await?;
        }
        self.show_artifact(&right.view(), digest.to_string()).await
    }

    /// Finishes an upload in a task of its own: to read gigabytes may take longer than anyone waits for an answer.
    async fn finish_on_its_own(&self, turn: Turn, right: &AdminRight) -> Result<(), AppError> {
        let (app, actor) = (self.clone(), right.actor().to_owned());
        let finished = tokio::spawn(async move { app.finish(turn, &actor).await });
        finished
            .await
            .map_err(|error| AppError::Defect(format!("an upload could not be finished: {error}")))?
    }

    async fn finish(&self, turn: Turn, actor: &str) -> Result<(), AppError> {
        let (artifacts, digest) = (self.artifacts().clone(), turn.digest());
        let kept = blocking(move || {
            let was_whole = artifacts.held(digest)? == Held::Whole;
            let right = was_whole || artifacts.keep(&turn)?;
            Ok((was_whole, right, turn))
        });
        let (was_whole, right, _turn) = kept.await?;
        let (at, actor) = (self.now(), actor.to_owned());
        self.store()
            .write(move |tx| {
                let Some(row) = artifact::get(tx, digest)? else { return Ok(()) };
                if was_whole && row.stored.is_some() {
                    return Ok(());
                }
                let act = |action| Act { at, actor: &actor, action };
                if right {
                    artifact::set_stored(tx, digest, at)?;
                    audit::write(tx, act("artifact.put"), &digest.to_string(), describe(&row))?;
                } else {
                    forget_upload(tx, &row, act("artifact.refuse"))?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        if right {
            return Ok(());
        }
        Err(AppError::Invalid(format!(
            "what came is not {digest}: the file changed meanwhile, or was damaged on the way; nothing of it was kept, put \
             it again"
        )))
    }

    /// Deletes an artifact, or ends its upload; refused while a revision needs it.
    pub(crate) async fn delete_artifact(&self, right: &AdminRight, called: String) -> Result<(), AppError> {
        let row = self.store().read(move |tx| find(tx, &called)).await?;
        let (digest, at, actor) = (row.digest, self.now(), right.actor().to_owned());
        let turn = self.artifacts().turn(digest).await;
        self.store()
            .write(move |tx| {
                let row = find(tx, &digest.to_string())?;
                let named_by = artifact::named_by(tx, digest)?;
                if row.stored.is_some() && !named_by.is_empty() {
                    return Err(AppError::Taken(format!(
                        "{} is named by {}: assign other revisions, save one that does not name it, and delete it then",
                        row.name,
                        named_by.join(", ")
                    )));
                }
                artifact::remove(tx, digest)?;
                let act = Act { at, actor: &actor, action: "artifact.delete" };
                audit::write(tx, act, &digest.to_string(), describe(&row))?;
                Ok(())
            })
            .await?;
        let artifacts = self.artifacts().clone();
        blocking(move || artifacts.remove(&turn)).await
    }

    /// A stored artifact, whose bytes are then there to be read.
    pub(crate) async fn stored_artifact(
        &self,
        _right: &ViewRight,
        called: String,
    ) -> Result<Digest, AppError> {
        let row = self.store().read(move |tx| find(tx, &called)).await?;
        let not_there = |why: &str| Err(AppError::Missing(format!("{} {why}", row.name)));
        let (artifacts, digest) = (self.artifacts().clone(), row.digest);
        let held = blocking(move || artifacts.held(digest)).await?;
        match (row.stored, held) {
            (None, _) => not_there("is still on its way: muster artifact list shows how far it is"),
            (Some(_), Held::Part(_)) => {
                not_there("is not there any more: put it again (muster artifact put FILE)")
            }
            (Some(_), Held::Whole) => Ok(digest),
        }
    }

    /// Whether the state of a device names this artifact, and it is stored.
    pub(crate) async fn is_artifact_for(&self, device: DeviceId, digest: Digest) -> Result<bool, StoreError> {
        self.store().read(move |tx| artifact::is_for(tx, device, digest)).await
    }

    /// Removes what nobody will ask for again: uploads that were given up, and what a crash left behind. To be called every
    /// [`super::keep::PASS`].
    pub(crate) async fn sweep_artifacts(&self) -> Result<(), AppError> {
        let (artifacts, now) = (self.artifacts().clone(), self.now());
        // Before the record is read: what is in neither of them was never there at the same time.
        let files = blocking(move || artifacts.all()).await?;
        let rows = self.store().read(artifact::list).await?;
        for row in rows.iter().filter(|row| row.stored.is_none()) {
            let touched = files.iter().filter(|file| file.digest == row.digest);
            let touched = touched.map(|file| Timestamp::from_system(file.touched)).max();
            if policy::is_abandoned(touched.unwrap_or(row.begun).max(row.begun), now) {
                self.give_up(row.digest, now).await?;
            }
        }
        let known: BTreeSet<Digest> = rows.iter().map(|row| row.digest).collect();
        for file in files.iter().filter(|file| !known.contains(&file.digest)) {
            let (artifacts, digest) = (self.artifacts().clone(), file.digest);
            let turn = artifacts.turn(digest).await;
            if self.store().read(move |tx| artifact::get(tx, digest)).await?.is_none() {
                blocking(move || artifacts.remove(&turn)).await?;
            }
        }
        Ok(())
    }

    async fn give_up(&self, digest: Digest, at: Timestamp) -> Result<(), AppError> {
        let turn = self.artifacts().turn(digest).await;
        let given_up = self.store().write(move |tx| {
            let row = artifact::get(tx, digest)?.filter(|row| row.stored.is_none());
            let Some(row) = row else { return Ok::<_, StoreError>(false) };
            forget_upload(tx, &row, Act { at, actor: "server", action: "artifact.abandon" })?;
            Ok(true)
        });
        if given_up.await? {
            let artifacts = self.artifacts().clone();
            blocking(move || artifacts.remove(&turn)).await?;
        }
        Ok(())
    }

    /// Refused where this upload and all others that are under way would leave the record too little room.
    async fn require_room(&self, digest: Digest, size: u64) -> Result<(), AppError> {
        let rows = self.store().read(artifact::list).await?;
        let artifacts = self.artifacts().clone();
        let room = blocking(move || {
            let under_way = rows.iter().filter(|row| row.stored.is_none() && row.digest != digest);
            let mut to_come = 0_u64;
            for (digest, size) in under_way.map(|row| (row.digest, row.size)).chain([(digest, size)]) {
                if let Held::Part(length) = artifacts.held(digest)? {
                    to_come = to_come.saturating_add(size.saturating_sub(length));
                }
            }
            Ok(policy::fits(to_come, artifacts.free()?))
        });
        Ok(room.await??)
    }
}

/// Writes down that an upload begins. Somebody else may have begun the same since it was looked for.
fn add_upload(tx: &mut Tx<'_>, row: &ArtifactRow) -> Result<(), AppError> {
    let all = artifact::list(tx)?;
    if all.iter().any(|known| known.digest == row.digest) {
        return Ok(());
    }
    if all.iter().filter(|known| known.stored.is_none()).count() >= policy::MAX_UPLOADS {
        return Err(policy::InvalidArtifact::TooMany.into());
    }
    artifact::insert(tx, row)?;
    let act = Act { at: row.begun, actor: &row.put_by, action: "artifact.begin" };
    Ok(audit::write(tx, act, &row.digest.to_string(), describe(row))?)
}

/// Takes up what comes, in pieces that are large enough for the disk.
async fn append(
    mut part: Part,
    size: u64,
    bytes: impl Stream<Item = Result<Bytes, AppError>>,
) -> Result<Part, AppError> {
    let mut bytes = pin!(bytes);
    loop {
        let (mut pieces, mut gathered) = (Vec::new(), 0);
        let ended = loop {
            match bytes.next().await {
                Some(Ok(piece)) => {
                    gathered += piece.len();
                    pieces.push(piece);
                }
                Some(Err(error)) => break Some(Err(error)),
                None => break Some(Ok(())),
            }
            if gathered >= GATHERED {
                break None;
            }
        };
        if gathered as u64 > size.saturating_sub(part.length()) {
            return Err(AppError::Invalid(format!("more comes than the {size} bytes that were announced")));
        }
        part = blocking(move || part.append(&pieces).map(|()| part)).await?;
        if let Some(ended) = ended {
            return ended.map(|()| part);
        }
    }
}

/// Refuses a document that names what is not there: a device could only wait for it.
pub(super) fn require(tx: &mut Tx<'_>, named: &BTreeSet<Digest>, source: &str) -> Result<(), AppError> {
    let mut missing = Vec::new();
    for digest in named {
        let stored = artifact::get(tx, *digest)?.is_some_and(|row| row.stored.is_some());
        missing.extend((!stored).then(|| lacks(*digest, source)));
    }
    if missing.is_empty() { Ok(()) } else { Err(AppError::Source(missing)) }
}

fn lacks(digest: Digest, source: &str) -> SourcePlace {
    let text = digest.to_string();
    let found =
        (1..).zip(source.lines()).find_map(|(line, words)| Some((line, words.find(&text)? as u64 + 1)));
    let (line, column) = found.unwrap_or((0, 0));
    let message =
        format!("artifact: the server has no {text}: put the file there first (muster artifact put FILE)");
    SourcePlace { line, column, message }
}

/// Refuses to give devices a revision whose artifacts were deleted since it was saved.
pub(super) fn require_still(tx: &mut Tx<'_>, revision: &str, document: Digest) -> Result<(), AppError> {
    match artifact::lacking(tx, document)?.first() {
        None => Ok(()),
        Some(digest) => Err(AppError::Invalid(format!(
            "{revision} names {digest}, which was deleted since: put the file there again (muster artifact put FILE), or \
             choose another revision"
        ))),
    }
}

fn find(tx: &mut Tx<'_>, called: &str) -> Result<ArtifactRow, AppError> {
    let unknown = || AppError::not_found("artifact", called);
    // A whole digest is that one's alone, whatever another is called.
    if let Ok(digest) = called.parse() {
        return artifact::get(tx, digest)?.ok_or_else(unknown);
    }
    let hex = called.strip_prefix("sha256:").unwrap_or(called);
    let is_hex = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let mut found = artifact::of_name(tx, called)?;
    if found.is_empty() && is_hex && hex.len() >= FEWEST_DIGITS {
        // After all digits that can follow stands `g`.
        found = artifact::between(tx, &format!("sha256:{hex}"), &format!("sha256:{hex}g"))?;
    }
    if found.len() > 1 {
        let digests: Vec<_> = found.iter().map(|row| row.digest.to_string()).collect();
        return Err(AppError::Invalid(format!(
            "{} artifacts are called {called:?}: call it by its digest, one of {}",
            found.len(),
            digests.join(", ")
        )));
    }
    found.pop().ok_or_else(unknown)
}

/// Takes back that an upload was begun. One that was stored before keeps its row: documents name it.
fn forget_upload(tx: &mut Tx<'_>, row: &ArtifactRow, act: Act<'_>) -> Result<(), StoreError> {
    if row.stored.is_none() {
        artifact::remove(tx, row.digest)?;
    }
    audit::write(tx, act, &row.digest.to_string(), describe(row))
}

fn describe(row: &ArtifactRow) -> serde_json::Value {
    json!({"name": row.name, "size": row.size})
}

fn view(tx: &mut Tx<'_>, artifacts: &Artifacts, row: ArtifactRow) -> Result<ArtifactView, AppError> {
    let held = artifacts.held(row.digest).map_err(unread)?;
    let (state, received) = match (row.stored, held) {
        (Some(_), Held::Whole) => (ArtifactState::Stored, row.size),
        (None, Held::Whole) => (ArtifactState::Uploading, row.size),
        (None, Held::Part(length)) => (ArtifactState::Uploading, length),
        (Some(_), Held::Part(length)) => (ArtifactState::Missing, length),
    };
    Ok(ArtifactView {
        named_by: artifact::named_by(tx, row.digest)?,
        digest: row.digest.to_string(),
        name: row.name,
        size: row.size,
        state,
        received,
        put_by: row.put_by,
        begun: row.begun,
        stored: row.stored,
    })
}

/// Does what waits for the disk beside what must not wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, AppError> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| AppError::Defect(error.to_string()))?.map_err(unread)
}

fn unread(error: std::io::Error) -> AppError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return AppError::Store(StoreError::Full(error.to_string()));
    }
    AppError::Artifacts(error)
}
