//! Profiles and their revisions.

use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::rest::{ProfileDetail, ProfileView, RevisionDiff, RevisionView, SavedRevision};

use super::import::Trial;
use super::{App, AppError};

impl App {
    /// Saves a source text as a new revision, if it says something new. Saving never deploys.
    pub(crate) async fn save_profile(
        &self,
        right: &AdminRight,
        name: String,
        source: String,
        trial: Trial,
    ) -> Result<SavedRevision, AppError> {
        todo!()
    }

    /// All profiles by name.
    pub(crate) async fn list_profiles(&self, right: &ViewRight) -> Result<Vec<ProfileView>, AppError> {
        todo!()
    }

    /// A profile with its revisions and where they are pinned.
    pub(crate) async fn show_profile(&self, right: &ViewRight, name: String) -> Result<ProfileDetail, AppError> {
        todo!()
    }

    /// A revision whole.
    pub(crate) async fn show_revision(
        &self,
        right: &ViewRight,
        name: String,
        number: u32,
    ) -> Result<RevisionView, AppError> {
        todo!()
    }

    /// Two revisions side by side.
    pub(crate) async fn diff_revisions(
        &self,
        right: &ViewRight,
        name: String,
        from: u32,
        to: u32,
    ) -> Result<RevisionDiff, AppError> {
        todo!()
    }
}
