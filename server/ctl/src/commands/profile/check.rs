//! `muster profile check`: what is wrong in profiles, and what their authors should know, without a server.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_proto::ProfileName;
use muster_proto::yaml::SourceError;
use serde::Serialize;

use super::{Unread, Written, errors_found, read, show_errors, warn};
use crate::failure::{Ending, Failure};
use crate::output::{self, Single};

/// Check a profile offline: every error with its line and column
///
/// The SQL of checks is looked at by the server when the profile is planned or applied.
#[derive(Args)]
#[command(after_help = "Example:\n  muster profile check base.yaml\n  muster profile check *.yaml -o json")]
pub(crate) struct Check {
    /// The files; `-` for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    output: Single,
}

/// What was found in a file.
#[derive(Serialize)]
struct Checked<'a> {
    file: &'a Path,
    /// What it is, where it could be read as a profile.
    profile: Option<Counted>,
    errors: Vec<SourceError>,
    warnings: Vec<SourceError>,
}

#[derive(Serialize)]
struct Counted {
    name: ProfileName,
    resources: usize,
    checks: usize,
}

impl Check {
    pub(super) fn run(self) -> Result<Ending, Failure> {
        let mut all = Vec::new();
        for file in &self.files {
            let checked = Checked::of(file)?;
            if self.output.is_table() {
                checked.show()?;
            }
            all.push(checked);
        }
        self.output.one(&all, |_| Ok(()))?;
        let wrong = all.iter().map(|checked| checked.errors.len()).sum();
        if wrong == 0 { Ok(Ending::Fine) } else { Err(errors_found(wrong)) }
    }
}

impl<'a> Checked<'a> {
    fn of(file: &'a Path) -> Result<Self, Failure> {
        match read(file) {
            Ok(Written { profile, warnings, .. }) => {
                let (resources, checks) = (profile.resources.len(), profile.checks.len());
                let profile = Some(Counted { name: profile.name, resources, checks });
                Ok(Self { file, profile, errors: vec![], warnings })
            }
            Err(Unread::Errors(errors)) => Ok(Self { file, profile: None, errors, warnings: vec![] }),
            Err(Unread::Failure(failure)) => Err(failure),
        }
    }

    fn show(&self) -> Result<(), Failure> {
        for SourceError { line, column, message } in &self.warnings {
            warn(self.file, *line, *column, message);
        }
        show_errors(self.file, &self.errors);
        let Some(Counted { resources, checks, .. }) = self.profile else { return Ok(()) };
        output::line(format!(
            "{}: well written, {} and {}",
            self.file.display(),
            output::count(resources, "resource"),
            output::count(checks, "check")
        ))?;
        if checks > 0 {
            output::note(format!(
                "The SQL of checks is looked at by the server: muster profile apply {} --dry-run",
                self.file.display()
            ));
        }
        Ok(())
    }
}
