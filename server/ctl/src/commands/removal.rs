//! `muster removal`: removals that nobody asked for by name, which wait for an admin's word.

use clap::{Args, Subcommand};
use muster_proto::rest::{Removal as View, Resumed};

use super::pause::outcome;
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, moment};

/// Decide on removals that an import brought about and that touch more than 10 devices
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster removal list\n  muster removal confirm rm-3f2a9c1b04de")]
pub(crate) enum Removal {
    List(List),
    Confirm(Confirm),
    Drop(Drop),
}

/// List removals that wait
#[derive(Args)]
#[command(after_help = "Example:\n  muster removal list -o json")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Let a removal happen: devices reverse what leaves them
#[derive(Args)]
#[command(after_help = "Example:\n  muster removal confirm rm-3f2a9c1b04de")]
pub(crate) struct Confirm {
    /// Its id, as `muster removal list` shows it
    id: String,
}

/// Take a removal back: its devices get the labels again that were taken from them
#[derive(Args)]
#[command(after_help = "Example:\n  muster removal drop rm-3f2a9c1b04de")]
pub(crate) struct Drop {
    /// Its id, as `muster removal list` shows it
    id: String,
}

impl Removal {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::List(command) => command.run(api).await,
            Self::Confirm(Confirm { id }) => decide(api, &id, "confirm", "is confirmed").await,
            Self::Drop(Drop { id }) => decide(api, &id, "drop", "is dropped").await,
        }
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let removals: Vec<View> = api.get("/removals").await?;
        let header = ["id", "profiles", "devices", "cause", "labels", "by", "at"];
        self.output.list(&removals, &header, |removal| {
            vec![
                removal.id.clone(),
                removal.profiles.join(" "),
                removal.devices.to_string(),
                removal.cause.clone(),
                removal.labels.join(";"),
                removal.by.clone(),
                moment(removal.at),
            ]
        })?;
        self.output.where_none(
            &removals,
            "No removal waits, so that there is nothing to confirm. One comes about where an import takes \
             profiles from more than 10 devices; what an import would do: muster device import FILE --dry-run",
        );
        Ok(Ending::Fine)
    }
}

async fn decide(api: &Api, id: &str, verb: &str, done: &str) -> Result<Ending, Failure> {
    let resumed: Resumed = api.act(&format!("/removals/{}/{verb}", part(id))).await?;
    output::line(format!("{id} {done}: {}", outcome(&resumed)))?;
    Ok(Ending::Fine)
}

/// Tells whoever imported that something waits, and what to do.
pub(crate) fn note(removal: &View) {
    const NAMED: usize = 5;
    let names = removal.names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if removal.names.len() > NAMED { ", ..." } else { "" };
    let profiles = removal.profiles.join(", ");
    if removal.id.is_empty() {
        return output::note(format!(
            "{} devices would lose {profiles} ({names}{more}): they would keep their state until you decide",
            removal.devices
        ));
    }
    output::note(format!(
        "{} devices lose {profiles} ({names}{more}): they keep their state until you decide",
        removal.devices
    ));
    output::note(format!("next: muster removal confirm {0}, or muster removal drop {0}", removal.id));
}
