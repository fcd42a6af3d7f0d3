//! `muster person`: people who own devices and accounts.

use clap::{Args, Subcommand};
use muster_proto::rest::PersonView;

use crate::api::Api;
use crate::failure::{Ending, Failure};
use crate::output::{self, Output};

/// Make and list people
#[derive(Subcommand)]
#[command(
    after_help = "Example:\n  muster person create ada --full-name 'Ada Lovelace' --ssh-key \"$(cat ada.pub)\""
)]
pub(crate) enum Person {
    Create(Create),
    List(List),
}

/// Make a person, or change the one with this username
#[derive(Args)]
#[command(after_help = "Example:\n  muster person create ada --full-name 'Ada Lovelace'")]
pub(crate) struct Create {
    /// Name of their account
    username: String,
    /// Name as others read it
    #[arg(long)]
    full_name: Option<String>,
    /// Number of their account on every device; the server gives one when left out
    #[arg(long)]
    uid: Option<u32>,
    /// A public key that logs in as them; may be given several times
    #[arg(long)]
    ssh_key: Vec<String>,
}

/// List people
#[derive(Args)]
#[command(after_help = "Example:\n  muster person list")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

impl Person {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::Create(command) => {
                let asked = PersonView {
                    username: command.username,
                    full_name: command.full_name,
                    uid: command.uid,
                    ssh_keys: command.ssh_key,
                };
                let person: PersonView = api.post("/people", &asked).await?;
                let uid = person.uid.map(|uid| format!(" with uid {uid}")).unwrap_or_default();
                output::line(format!("{} is known{uid}", person.username))?;
            }
            Self::List(command) => {
                let people: Vec<PersonView> = api.get("/people").await?;
                command.output.list(&people, &["username", "full name", "uid", "ssh keys"], |person| {
                    vec![
                        person.username.clone(),
                        person.full_name.clone().unwrap_or_default(),
                        person.uid.map(|uid| uid.to_string()).unwrap_or_default(),
                        person.ssh_keys.len().to_string(),
                    ]
                })?;
            }
        }
        Ok(Ending::Fine)
    }
}
