//! People, by hand.

use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::rest::PersonView;

use super::{App, AppError};

impl App {
    /// All people by name.
    pub(crate) async fn list_people(&self, right: &ViewRight) -> Result<Vec<PersonView>, AppError> {
        todo!()
    }

    /// Adds a person; gives them with their uid.
    pub(crate) async fn create_person(
        &self,
        right: &AdminRight,
        person: PersonView,
    ) -> Result<PersonView, AppError> {
        todo!()
    }
}
