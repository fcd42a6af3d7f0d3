//! `muster group`: groups of people, whose members profiles give accounts to.

use clap::{Args, Subcommand};
use muster_proto::rest::{GroupChange, GroupView, NewGroup};

use super::person::reached;
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, Single, count};

/// Make and fill groups of people: account: { from: "group:NAME" } gives each member an account
#[derive(Subcommand)]
#[command(
    after_help = "Example:\n  muster group add engineers --member ada --member bob\n  muster group member remove engineers bob"
)]
pub(crate) enum Group {
    List(List),
    Add(Add),
    Show(Show),
    Remove(Remove),
    #[command(subcommand)]
    Member(Member),
}

/// List groups
#[derive(Args)]
#[command(after_help = "Example:\n  muster group list -o json")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Make a group
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster group add engineers --description 'Who builds things' --member ada"
)]
pub(crate) struct Add {
    /// What profiles call it, as in from: "group:engineers"
    name: String,
    /// What it is
    #[arg(long, default_value_t)]
    description: String,
    /// Username of who is in it; may be given several times
    #[arg(long = "member", value_name = "USERNAME")]
    members: Vec<String>,
}

/// Show a group
#[derive(Args)]
#[command(after_help = "Example:\n  muster group show engineers")]
pub(crate) struct Show {
    /// Its name
    name: String,
    #[command(flatten)]
    output: Single,
}

/// Remove a group that no assigned profile gives accounts to
#[derive(Args)]
#[command(after_help = "Example:\n  muster group remove engineers")]
pub(crate) struct Remove {
    /// Its name
    name: String,
}

/// Put people into a group and take them out
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster group member add engineers ada")]
pub(crate) enum Member {
    Add(Change),
    Remove(Change),
}

/// Change who is in a group; accounts come and end with it
#[derive(Args)]
#[command(after_help = "Example:\n  muster group member add engineers ada")]
pub(crate) struct Change {
    /// The group's name
    group: String,
    /// Their username
    username: String,
}

impl Group {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::List(command) => command.run(api).await,
            Self::Add(command) => command.run(api).await,
            Self::Show(command) => command.run(api).await,
            Self::Remove(command) => command.run(api).await,
            Self::Member(command) => command.run(api).await,
        }
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let groups: Vec<GroupView> = api.get("/groups").await?;
        self.output.list(&groups, &["name", "members", "devices", "description"], |group| {
            vec![
                group.name.clone(),
                group.members.join(" "),
                group.devices.to_string(),
                group.description.clone(),
            ]
        })?;
        self.output
            .where_none(&groups, "There is no group yet. Make one: muster group add NAME --member USERNAME");
        Ok(Ending::Fine)
    }
}

impl Add {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let asked = NewGroup { name: self.name, description: self.description, members: self.members };
        let change: GroupChange = api.post("/groups", &asked).await?;
        output::line(format!(
            "{} has {}: {}",
            change.group.name,
            count(change.group.members.len(), "member"),
            reached(change.devices)
        ))?;
        output::note(format!(
            "To give them accounts: account: {{ from: \"group:{}\" }} in a profile",
            change.group.name
        ));
        Ok(Ending::Fine)
    }
}

impl Show {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let group: GroupView = api.get(&format!("/groups/{}", part(&self.name))).await?;
        self.output.one(&group, |group| {
            output::fields(&[
                ("name", group.name.clone()),
                ("id", group.id.clone()),
                ("description", group.description.clone()),
                ("made", output::moment(group.created)),
                ("devices", group.devices.to_string()),
                ("members", group.members.join(", ")),
            ])
        })?;
        Ok(Ending::Fine)
    }
}

impl Remove {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        api.delete(&format!("/groups/{}", part(&self.name))).await?;
        output::line(format!("{} is gone; who was in it stays.", self.name))?;
        Ok(Ending::Fine)
    }
}

impl Member {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let path =
            |change: &Change| format!("/groups/{}/members/{}", part(&change.group), part(&change.username));
        let (change, did, asked) = match self {
            Self::Add(asked) => (api.put::<GroupChange>(&path(&asked)).await?, "is in", asked),
            Self::Remove(asked) => (api.take::<GroupChange>(&path(&asked)).await?, "is not in", asked),
        };
        output::line(format!("{} {did} {}: {}", asked.username, asked.group, reached(change.devices)))?;
        Ok(Ending::Fine)
    }
}
