//! `muster-server doctor`: looks whether everything is in order, changes nothing, and says what to do.
//!
//! [`finding`] is what a check says; [`machine`] looks at folder and disk, [`port`] at who answers, [`trust`] at certificates, [`record`] at
//! the database, [`artifacts`] at what it says of files.

mod artifacts;
mod finding;
mod machine;
mod port;
mod record;
mod trust;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::account;
use crate::app::system_clock;
use crate::ca::Authority;
use crate::config::DataFolder;
use finding::{Finding, State};

/// Look whether this server is in order, and say what to do where it is not
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 everything is in order, 1 something failed, 2 there are warnings.

Example:
  muster-server doctor --data /var/lib/muster-server")]
pub(crate) struct Doctor {
    /// The folder that setup made
    #[arg(long, default_value = "/var/lib/muster-server")]
    data: PathBuf,
    /// How to print the findings
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    Table,
    Json,
}

impl Doctor {
    /// Becomes who may safely look into the folder. To be called while the process has one thread.
    pub(crate) fn drop_rights(&self) -> Result<()> {
        account::become_owner_of(&self.data)
    }

    /// Looks at everything.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let folder = DataFolder::at(&self.data);
        let mut findings = vec![machine::folder(&folder)];
        if folder.path().is_dir() {
            look_inside(&folder, &mut findings).await;
        }
        self.tell(&findings)?;
        Ok(match findings.iter().map(|finding| finding.state).max() {
            Some(State::Failed) => ExitCode::FAILURE,
            Some(State::Warning) => ExitCode::from(2),
            Some(State::Ok) | None => ExitCode::SUCCESS,
        })
    }

    fn tell(&self, findings: &[Finding]) -> Result<()> {
        let mut out = io::stdout().lock();
        match self.output {
            Output::Table => {
                for finding in findings {
                    writeln!(out, "{finding}")?;
                }
            }
            Output::Json => {
                serde_json::to_writer_pretty(&mut out, findings).context("can't print the findings")?;
                writeln!(out)?;
            }
        }
        Ok(())
    }
}

async fn look_inside(folder: &DataFolder, findings: &mut Vec<Finding>) {
    let now = system_clock();
    let config = folder.read_config();
    findings.push(machine::configuration(&config));
    findings.push(machine::space(folder));
    findings.extend(config.iter().map(|config| machine::packages(config.packages())));
    let authority = Authority::open(&folder.authority()).ok();
    findings.extend(record::all(folder, authority.as_ref(), now).await);
    findings.extend(trust::all(folder, config.as_ref().ok(), now));
    findings
        .extend(config.iter().flat_map(|config| port::both(config, authority.as_ref().map(Authority::root))));
}
