//! `muster context`: which server is asked.

use clap::Subcommand;
use serde::Serialize;

use crate::contexts::Contexts;
use crate::failure::{Ending, Failure};
use crate::output::{self, Output};

/// List the servers you are logged in to, and choose one
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster context use muster.corp.example")]
pub(crate) enum Context {
    /// List the servers you are logged in to
    #[command(after_help = "Example:\n  muster context list")]
    List(Output),
    /// Choose the server that commands ask
    #[command(after_help = "Example:\n  muster context use muster.corp.example")]
    Use {
        /// Its name
        name: String,
    },
}

#[derive(Serialize)]
struct Row {
    current: bool,
    name: String,
    url: String,
    admin: String,
    fingerprint: String,
}

impl Context {
    pub(crate) fn run(self) -> Result<Ending, Failure> {
        let mut contexts = Contexts::load()?;
        match self {
            Self::List(output) => {
                let rows: Vec<_> =
                    contexts.contexts.iter().map(|(name, c)| row(&contexts.current, name, c)).collect();
                output.list(&rows, &["current", "name", "url", "admin", "fingerprint"], |row| {
                    let current = if row.current { "*" } else { "" };
                    vec![
                        current.to_owned(),
                        row.name.clone(),
                        row.url.clone(),
                        row.admin.clone(),
                        row.fingerprint.clone(),
                    ]
                })?;
                output.where_none(
                    &rows,
                    "No server is known here yet. Log in to one: muster login URL --name NAME",
                );
            }
            Self::Use { name } => {
                contexts.choose(Some(&name))?;
                contexts.current = name;
                contexts.save()?;
                output::note(format!("Commands ask {} from here on.", contexts.current));
            }
        }
        Ok(Ending::Fine)
    }
}

fn row(current: &str, name: &str, context: &crate::contexts::Context) -> Row {
    Row {
        current: name == current,
        name: name.to_owned(),
        url: context.url.clone(),
        admin: context.name.clone(),
        fingerprint: context.fingerprint.to_string(),
    }
}
