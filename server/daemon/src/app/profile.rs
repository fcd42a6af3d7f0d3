//! Profiles and their revisions.

use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::profile::Profile;
use muster_proto::rest::{
    ProfileDetail, ProfileView, RevisionDiff, RevisionSummary, RevisionView, SavedRevision, SourcePlace,
};
use muster_proto::review::{Review, review};
use muster_proto::yaml::{self, Source, SourceError};
use muster_proto::{Digest, RevisionNumber, Timestamp};
use muster_store::Tx;
use muster_store::profile::{ProfileRow, RevisionRow};
use serde_json::json;

use super::audit::{self, Act};
use super::follower::{self, Followers};
use super::import::Trial;
use super::{App, AppError, artifact, assign, question};

/// Revisions shown with a profile. Each is read with its source, and older ones can still be asked for by number.
const REVISIONS: u32 = 100;

/// Lines around a difference.
const CONTEXT: usize = 3;

/// A source text that may be saved.
pub(super) struct Checked {
    pub(super) profile: Profile,
    pub(super) document: Vec<u8>,
    pub(super) warnings: Vec<SourcePlace>,
}

impl App {
    /// Saves a source text as a new revision, if it says something new. Saving deploys to nothing but the assignments that
    /// were made to follow the profile.
    pub(crate) async fn save_profile(
        &self,
        right: &AdminRight,
        name: String,
        source: String,
        followers: Followers,
        trial: Trial,
    ) -> Result<SavedRevision, AppError> {
        let checked = check(&source, self.now())?;
        if checked.profile.name.as_str() != name {
            return Err(AppError::Invalid(format!(
                "the text is of profile {}, not of {name}: save it under its own name",
                checked.profile.name
            )));
        }
        let (saved, saved_by) = (self.now(), right.actor().to_owned());
        let digest = Digest::of(&checked.document);
        let answer = move |number: RevisionNumber, new, followers| SavedRevision {
            profile: name.clone(),
            number: number.0,
            digest: digest.to_string(),
            new,
            warnings: checked.warnings.clone(),
            followers,
        };
        let (groups, artifacts) = (checked.profile.groups(), checked.profile.artifacts());
        let (description, document) = (checked.profile.description, checked.document);
        let profile = checked.profile.name.to_string();
        let save = move |tx: &mut Tx<'_>| -> Result<SavedRevision, AppError> {
            let newest = newest(tx, &profile)?;
            if let Some(newest) = newest.as_ref().filter(|newest| newest.digest == digest) {
                // A follower that could not take it when it was saved may be able to now, and saving the text again is how
                // an admin tries.
                let told_of = match trial {
                    Trial::Dry => follower::behind(tx, &profile, newest.number)?,
                    Trial::Real => {
                        let act = Act { at: saved, actor: &saved_by, action: "profile.save" };
                        follower::bring_behind(tx, &profile, newest.number, followers, act)?
                    }
                };
                return Ok(answer(newest.number, false, told_of));
            }
            artifact::require(tx, &artifacts, &source)?;
            let number = RevisionNumber(newest.map_or(0, |newest| newest.number.0) + 1);
            if trial == Trial::Dry {
                return Ok(answer(number, true, follower::list(tx, &profile)?));
            }
            let revision = RevisionRow { profile: profile.clone(), number, digest, source, saved_by, saved };
            muster_store::profile::insert_revision(tx, &revision, &description, &document)?;
            muster_store::people_group::put_uses(tx, digest, &groups)?;
            muster_store::artifact::put_uses(tx, digest, &artifacts)?;
            let act = Act { at: saved, actor: &revision.saved_by, action: "profile.save" };
            audit::write(tx, act, &profile, json!({"revision": number, "digest": digest}))?;
            let told_of = follower::bring(tx, &profile, number, followers, act)?;
            Ok(answer(number, true, told_of))
        };
        match trial {
            Trial::Dry => self.store().read(save).await,
            Trial::Real => self.store().write(save).await,
        }
    }

    /// All profiles by name.
    pub(crate) async fn list_profiles(&self, _right: &ViewRight) -> Result<Vec<ProfileView>, AppError> {
        let now = self.now();
        self.store()
            .read(move |tx| {
                let profiles = muster_store::profile::list(tx)?;
                profiles.into_iter().map(|profile| view(tx, profile, now)).collect()
            })
            .await
    }

    /// A profile with its revisions and where they are pinned.
    pub(crate) async fn show_profile(
        &self,
        _right: &ViewRight,
        name: String,
    ) -> Result<ProfileDetail, AppError> {
        let now = self.now();
        self.store()
            .read(move |tx| {
                let profile = find(tx, &name)?;
                let assignments = assign::views(tx, |row| row.profile == name)?;
                let revisions = muster_store::profile::revisions(tx, &name, REVISIONS)?;
                let pinned = |number: RevisionNumber| {
                    assignments.iter().filter(|a| a.revision == number.0).count() as u64
                };
                Ok(ProfileDetail {
                    profile: view(tx, profile, now)?,
                    revisions: revisions.iter().map(|r| summary(r, pinned(r.number))).collect(),
                    assignments,
                    outcomes: muster_store::outcome::tally_of_profile(tx, &name)?.into_iter().collect(),
                })
            })
            .await
    }

    /// A revision whole.
    pub(crate) async fn show_revision(
        &self,
        _right: &ViewRight,
        name: String,
        number: u32,
    ) -> Result<RevisionView, AppError> {
        self.store()
            .read(move |tx| {
                let revision = find_revision(tx, &name, number)?;
                let pinned = assign::views(tx, |row| row.profile == name && row.revision.0 == number)?.len();
                let document = muster_store::profile::document(tx, revision.digest)?
                    .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                    .ok_or_else(|| AppError::Defect(format!("document of {name}@{number} is missing")))?;
                Ok(RevisionView {
                    revision: summary(&revision, pinned as u64),
                    source: revision.source,
                    document,
                })
            })
            .await
    }

    /// Two revisions side by side.
    pub(crate) async fn diff_revisions(
        &self,
        _right: &ViewRight,
        name: String,
        from: u32,
        to: u32,
    ) -> Result<RevisionDiff, AppError> {
        self.store()
            .read(move |tx| {
                let old = find_revision(tx, &name, from)?.source;
                let new = find_revision(tx, &name, to)?.source;
                let unified = similar::TextDiff::from_lines(&old, &new)
                    .unified_diff()
                    .context_radius(CONTEXT)
                    .header(&format!("{name}@{from}"), &format!("{name}@{to}"))
                    .to_string();
                Ok(RevisionDiff { from, to, unified })
            })
            .await
    }
}

/// Reads a source text as it would be saved now.
pub(super) fn check(source: &str, now: Timestamp) -> Result<Checked, AppError> {
    let (read, profile) = yaml::parse_profile(source)
        .map_err(|errors| AppError::Source(errors.into_iter().map(place).collect()))?;
    let mut reviewed = review(&read.value, now);
    question::review(&profile.checks, &mut reviewed)?;
    let Review { errors, warnings } = reviewed;
    let located = |errors: &[_]| errors.iter().map(|error| locate(&read, error)).collect::<Vec<_>>();
    if !errors.is_empty() {
        return Err(AppError::Source(located(&errors)));
    }
    Ok(Checked {
        profile,
        document: serde_json::to_vec(&read.value).map_err(|error| AppError::Defect(error.to_string()))?,
        warnings: located(&warnings),
    })
}

fn locate(source: &Source, error: &muster_proto::profile::ProfileError) -> SourcePlace {
    place(source.locate(error))
}

fn place(error: SourceError) -> SourcePlace {
    SourcePlace { line: error.line, column: error.column, message: error.message }
}

fn newest(tx: &mut Tx<'_>, name: &str) -> Result<Option<RevisionRow>, AppError> {
    let Some(profile) = muster_store::profile::get(tx, name)? else { return Ok(None) };
    Ok(muster_store::profile::revision(tx, name, profile.newest)?)
}

fn find(tx: &mut Tx<'_>, name: &str) -> Result<ProfileRow, AppError> {
    muster_store::profile::get(tx, name)?.ok_or_else(|| AppError::not_found("profile", name))
}

/// A revision by its number.
pub(super) fn find_revision(tx: &mut Tx<'_>, name: &str, number: u32) -> Result<RevisionRow, AppError> {
    muster_store::profile::revision(tx, name, RevisionNumber(number))?
        .ok_or_else(|| AppError::not_found("revision", format!("{name}@{number}")))
}

fn view(tx: &mut Tx<'_>, profile: ProfileRow, now: Timestamp) -> Result<ProfileView, AppError> {
    let newest = find_revision(tx, &profile.name, profile.newest.0)?;
    let (devices, compliant) = muster_store::state::devices_of_profile(tx, &profile.name, now)?;
    Ok(ProfileView {
        name: profile.name,
        description: profile.description,
        newest: newest.number.0,
        saved: newest.saved,
        saved_by: newest.saved_by,
        devices,
        compliant,
    })
}

fn summary(revision: &RevisionRow, pinned: u64) -> RevisionSummary {
    RevisionSummary {
        number: revision.number.0,
        digest: revision.digest.to_string(),
        saved: revision.saved,
        saved_by: revision.saved_by.clone(),
        pinned,
    }
}
