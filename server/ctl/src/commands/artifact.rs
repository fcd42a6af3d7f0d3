//! `muster artifact`: files that profiles name by their digest and devices fetch.

mod put;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use muster_proto::Hasher;
use muster_proto::rest::{ArtifactState, ArtifactView};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, Single, moment, word};
use crate::terminal::Consent;

/// Put files on the server that profiles name by their digest, and that devices fetch
///
/// A profile names one as artifact: sha256:..., and a device fetches what its own state names and nothing else. What is called
/// ID here is a digest, at least six digits of its beginning, or a name.
#[derive(Subcommand)]
#[command(
    after_help = "Example:\n  muster artifact put tool-1.2.tar.gz\n  muster artifact list\n  muster artifact show tool-1.2.tar.gz"
)]
pub(crate) enum Artifact {
    Put(put::Put),
    List(List),
    Show(Show),
    Get(Get),
    Delete(Delete),
}

/// List artifacts by name, with what needs them
#[derive(Args)]
#[command(after_help = "Example:\n  muster artifact list -o csv")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Show an artifact, and the revisions that need it
#[derive(Args)]
#[command(after_help = "Example:\n  muster artifact show tool-1.2.tar.gz")]
pub(crate) struct Show {
    /// Its digest, the beginning of that, or its name
    id: String,
    #[command(flatten)]
    output: Single,
}

/// Fetch the bytes of an artifact into a file, which is there only once it is whole and right
#[derive(Args)]
#[command(after_help = "Example:\n  muster artifact get tool-1.2.tar.gz --out tool.tar.gz")]
pub(crate) struct Get {
    /// Its digest, the beginning of that, or its name
    id: String,
    /// The file to write, replaced as a whole
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Delete an artifact that no revision needs, or end its upload
#[derive(Args)]
#[command(after_help = "Example:\n  muster artifact delete tool-1.1.tar.gz --yes")]
pub(crate) struct Delete {
    /// Its digest, the beginning of that, or its name
    id: String,
    #[command(flatten)]
    consent: Consent,
}

impl Artifact {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::Put(command) => command.run(api).await,
            Self::List(command) => command.run(api).await,
            Self::Show(command) => command.run(api).await,
            Self::Get(command) => command.run(api).await,
            Self::Delete(command) => command.run(api).await,
        }
    }
}

fn path(id: &str) -> String {
    format!("/artifacts/{}", part(id))
}

/// How far an artifact is, as people read it.
fn state(artifact: &ArtifactView) -> String {
    match artifact.state {
        ArtifactState::Uploading => format!("{}% there", artifact.received * 100 / artifact.size.max(1)),
        ArtifactState::Stored | ArtifactState::Missing => word(&artifact.state),
    }
}

/// Shows how far something is with so many bytes.
fn bar(size: u64, doing: &str) -> ProgressBar {
    let bar = ProgressBar::new(size);
    let template = format!("{doing} {{bar:30}} {{bytes}} of {{total_bytes}} {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let artifacts: Vec<ArtifactView> = api.get("/artifacts").await?;
        let people = self.output.is_table();
        let header = ["name", "digest", "size", "state", "named by", "put by", "stored"];
        self.output.list(&artifacts, &header, |artifact| {
            let size = artifact.size;
            vec![
                artifact.name.clone(),
                artifact.digest.clone(),
                if people { HumanBytes(size).to_string() } else { size.to_string() },
                state(artifact),
                artifact.named_by.join(" "),
                artifact.put_by.clone(),
                if artifact.stored.is_some() { self.output.time(artifact.stored) } else { String::new() },
            ]
        })?;
        self.output.where_none(&artifacts, "There is no artifact yet. Put one: muster artifact put FILE");
        Ok(Ending::Fine)
    }
}

impl Show {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let artifact: ArtifactView = api.get(&path(&self.id)).await?;
        self.output.one(&artifact, |artifact| {
            output::fields(&[
                ("name", artifact.name.clone()),
                ("digest", artifact.digest.clone()),
                ("size", format!("{} ({} bytes)", HumanBytes(artifact.size), artifact.size)),
                ("state", state(artifact)),
                ("named by", artifact.named_by.join(" ")),
                ("put by", format!("{}, begun {}", artifact.put_by, moment(artifact.begun))),
                ("stored", moment(artifact.stored)),
            ])
        })?;
        Ok(Ending::Fine)
    }
}

impl Get {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let artifact: ArtifactView = api.get(&path(&self.id)).await?;
        let unfinished = PathBuf::from(format!("{}.part", self.out.display()));
        let fetched = fetch(api, &artifact, &unfinished).await.and_then(|()| {
            std::fs::rename(&unfinished, &self.out).map_err(|error| unwritten(&self.out, error))
        });
        if fetched.is_err() {
            // It may not even be there; the failure that led here is told.
            drop(std::fs::remove_file(&unfinished));
        }
        fetched?;
        output::note(format!("{} is in {}.", artifact.name, self.out.display()));
        Ok(Ending::Fine)
    }
}

async fn fetch(api: &Api, artifact: &ArtifactView, file: &Path) -> Result<(), Failure> {
    let mut pieces = api.download(&format!("{}/content", path(&artifact.digest))).await?;
    let mut out = File::create(file).map_err(|error| unwritten(file, error))?;
    let (mut hasher, bar) = (Hasher::default(), bar(artifact.size, "fetching"));
    while let Some(piece) = pieces.next().await? {
        hasher.update(&piece);
        out.write_all(&piece).map_err(|error| unwritten(file, error))?;
        bar.inc(piece.len() as u64);
    }
    bar.finish_and_clear();
    let digest = hasher.finish().to_string();
    if digest != artifact.digest {
        return Err(Failure::new(format!("what came is {digest}, and it should be {}", artifact.digest))
            .next(
                "try again; if it stays so, the file on the server is damaged: muster-server doctor says so",
            ));
    }
    out.sync_all().map_err(|error| unwritten(file, error))
}

fn unwritten(file: &Path, error: std::io::Error) -> Failure {
    Failure::new(format!("can't write {}", file.display())).because(error).next("name another file")
}

impl Delete {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let artifact: ArtifactView = api.get(&path(&self.id)).await?;
        let about = format!("{} ({}) is deleted from the server.", artifact.name, artifact.digest);
        self.consent.ask(&about, "Go on?", "nothing was deleted")?;
        api.delete(&path(&artifact.digest)).await?;
        output::line(format!("{} is deleted.", artifact.name))?;
        Ok(Ending::Fine)
    }
}
