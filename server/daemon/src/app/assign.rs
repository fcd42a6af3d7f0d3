//! Assignments: a revision for a device, a label or everyone.

use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::rest::{AssignmentResult, AssignmentView, NewAssignment};

use super::import::Trial;
use super::{App, AppError};

impl App {
    /// Assigns, and compiles the states of the devices it reaches anew. On a dry run, or when it would bring about
    /// conflicts, nothing is assigned and the answer says what would be; `Real` with conflicts is `AppError::Conflicts`.
    pub(crate) async fn assign(
        &self,
        right: &AdminRight,
        request: NewAssignment,
        trial: Trial,
    ) -> Result<AssignmentResult, AppError> {
        todo!()
    }

    /// Ends an assignment.
    pub(crate) async fn unassign(&self, right: &AdminRight, id: String) -> Result<(), AppError> {
        todo!()
    }

    /// All assignments, the oldest first.
    pub(crate) async fn list_assignments(&self, right: &ViewRight) -> Result<Vec<AssignmentView>, AppError> {
        todo!()
    }
}
