//! `muster person`: people who own devices and accounts.

use clap::{Args, Subcommand};
use muster_proto::rest::{NewPerson, PersonChange, PersonDetail, PersonPatch, PersonView};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::key_file;
use crate::output::{self, Output, Single, count, moment};
use crate::terminal::Consent;

/// Add, change and list people
#[derive(Subcommand)]
#[command(
    after_help = "Example:\n  muster person add ada --name 'Ada Lovelace' --ssh-key-from ada.pub\n  muster device owner lap-ada ada"
)]
pub(crate) enum Person {
    List(List),
    #[command(alias = "create")]
    Add(Add),
    Show(Show),
    Edit(Edit),
    Remove(Remove),
}

/// List people, those who left too
#[derive(Args)]
#[command(after_help = "Example:\n  muster person list -o csv")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Add a person; their username and uid are never another's
#[derive(Args)]
#[command(after_help = "Example:\n  muster person add ada --name 'Ada Lovelace' --ssh-key-from ada.pub")]
pub(crate) struct Add {
    /// Name of their account
    username: String,
    /// Name as others read it
    #[arg(long, alias = "full-name")]
    name: Option<String>,
    /// Number of their account on every device, from 20000; the server gives one when left out
    #[arg(long)]
    uid: Option<u32>,
    /// A public key that logs in as them; may be given several times
    #[arg(long)]
    ssh_key: Vec<String>,
    /// A file of public keys, a line each, such as ada.pub; - for standard input
    #[arg(long, value_name = "FILE")]
    ssh_key_from: Option<String>,
}

/// Show a person, their groups, and the devices that know them
#[derive(Args)]
#[command(after_help = "Example:\n  muster person show ada")]
pub(crate) struct Show {
    /// Their username
    username: String,
    #[command(flatten)]
    output: Single,
}

/// Change a person; what is left out stays
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster person edit ada --ssh-key-from new.pub\n  muster person edit ada --active"
)]
pub(crate) struct Edit {
    /// Their username
    username: String,
    /// Name as others read it; empty for none
    #[arg(long, alias = "full-name")]
    name: Option<String>,
    /// A public key, in place of all they had; may be given several times
    #[arg(long)]
    ssh_key: Vec<String>,
    /// A file of public keys, a line each, in place of all they had; - for standard input
    #[arg(long, value_name = "FILE")]
    ssh_key_from: Option<String>,
    /// Take all their keys away
    #[arg(long, conflicts_with_all = ["ssh_key", "ssh_key_from"])]
    no_ssh_keys: bool,
    /// Bring back who left, with the uid they had and in no group
    #[arg(long)]
    active: bool,
}

/// Let somebody leave: their accounts end on every device, with their sessions; their record stays
#[derive(Args)]
#[command(after_help = "Example:\n  muster person remove ada")]
pub(crate) struct Remove {
    /// Their username
    username: String,
    #[command(flatten)]
    consent: Consent,
}

impl Person {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::List(command) => command.run(api).await,
            Self::Add(command) => command.run(api).await,
            Self::Show(command) => command.run(api).await,
            Self::Edit(command) => command.run(api).await,
            Self::Remove(command) => command.run(api).await,
        }
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let people: Vec<PersonView> = api.get("/people").await?;
        let header = ["username", "full name", "uid", "groups", "ssh keys", "left"];
        self.output.list(&people, &header, |person| {
            vec![
                person.username.clone(),
                person.full_name.clone().unwrap_or_default(),
                person.uid.to_string(),
                person.groups.join(" "),
                person.ssh_keys.len().to_string(),
                moment(person.left),
            ]
        })?;
        self.output.where_none(
            &people,
            "There is no person yet. Add one: muster person add USERNAME; or with their device: \
             muster device import devices.csv",
        );
        Ok(Ending::Fine)
    }
}

impl Add {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let asked = NewPerson {
            username: self.username,
            full_name: self.name,
            uid: self.uid,
            ssh_keys: keys(self.ssh_key, self.ssh_key_from.as_deref())?,
        };
        let person: PersonView = api.post("/people", &asked).await?;
        output::line(format!(
            "{} is known with uid {} and {}.",
            person.username,
            person.uid,
            count(person.ssh_keys.len(), "SSH key")
        ))?;
        output::note(format!(
            "To give them a device: muster device owner DEVICE {0}; or a group's accounts: muster group member add GROUP {0}",
            person.username
        ));
        Ok(Ending::Fine)
    }
}

impl Show {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let detail: PersonDetail = api.get(&path(&self.username)).await?;
        self.output.one(&detail, |detail| {
            let person = &detail.person;
            output::fields(&[
                ("username", person.username.clone()),
                ("full name", person.full_name.clone().unwrap_or_default()),
                ("uid", person.uid.to_string()),
                ("id", person.id.clone()),
                ("added", moment(person.created)),
                ("left", moment(person.left)),
                ("groups", person.groups.join(", ")),
                ("owns", detail.owns.join(", ")),
                ("by groups on", detail.through_groups.join(", ")),
                ("SSH keys", person.ssh_keys.join("\n")),
            ])
        })?;
        Ok(Ending::Fine)
    }
}

impl Edit {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let new = keys(self.ssh_key, self.ssh_key_from.as_deref())?;
        let asked = PersonPatch {
            full_name: self.name,
            ssh_keys: (self.no_ssh_keys || !new.is_empty()).then_some(new),
            active: self.active.then_some(true),
        };
        if asked == PersonPatch::default() {
            return Err(Failure::new("nothing to change was named").next("see muster person edit --help"));
        }
        let change: PersonChange = api.patch(&path(&self.username), &asked).await?;
        output::line(format!("{} is changed: {}", self.username, reached(change.devices)))?;
        Ok(Ending::Fine)
    }
}

impl Remove {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        if !self.consent.is_given() {
            let detail: PersonDetail = api.get(&path(&self.username)).await?;
            let about = format!(
                "{} leaves: accounts end on {} of theirs and on {} of their groups.",
                self.username,
                count(detail.owns.len(), "device"),
                count(detail.through_groups.len(), "device")
            );
            self.consent.ask(&about, "Go on?", &format!("{} stays", self.username))?;
        }
        let change: PersonChange = api.take(&path(&self.username)).await?;
        output::line(format!("{} has left: {}", self.username, reached(change.devices)))?;
        if !change.owns.is_empty() {
            output::note(format!(
                "{} still stands in the record of {}: give it another with muster device owner",
                self.username,
                change.owns.join(", ")
            ));
        }
        Ok(Ending::Fine)
    }
}

fn path(username: &str) -> String {
    format!("/people/{}", part(username))
}

fn keys(given: Vec<String>, file: Option<&str>) -> Result<Vec<String>, Failure> {
    let mut keys = given;
    if let Some(file) = file {
        keys.extend(key_file::read(file)?);
    }
    Ok(keys)
}

/// How many devices a change reaches, as the end of a sentence.
pub(crate) fn reached(devices: u64) -> String {
    match devices {
        0 => "no device's state changes.".to_owned(),
        1 => "1 device gets a new state.".to_owned(),
        devices => format!("{devices} devices get a new state."),
    }
}
