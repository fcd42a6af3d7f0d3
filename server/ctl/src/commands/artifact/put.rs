//! `muster artifact put`: piece by piece, so that what was cut goes on where it was.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{HumanBytes, ProgressBar};
use muster_proto::rest::{ArtifactState, ArtifactView, NewArtifact};
use muster_proto::{Digest, Hasher};
use reqwest::Method;

use super::{bar, path};
use crate::api::Api;
use crate::failure::{Ending, Failure};
use crate::output::{self, Single};

/// Bytes that are sent at once. The server keeps what came of them when they are cut.
const PIECE: u64 = 8 * 1024 * 1024;

/// Bytes that are hashed at once.
const BLOCK: usize = 256 * 1024;

/// How often it is tried again without a byte that came through.
const TRIES: u32 = 5;

/// How long it waits before that, times the number of the try.
const PAUSE: Duration = Duration::from_secs(1);

/// Put files on the server; what was cut off goes on when the same is run again
///
/// It prints the digest by which profiles name the file. A file that the server has already is not sent again.
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster artifact put tool-1.2.tar.gz\n  muster artifact put build/out.tar.gz --name tool-1.2.tar.gz -o json"
)]
pub(crate) struct Put {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What it is called on the server, where it is one file; its file name when left out
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    output: Single,
}

impl Put {
    pub(super) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        if self.name.is_some() && self.files.len() > 1 {
            return Err(Failure::new("--name is for one file, and there are several")
                .next("put them one by one, or leave the name out: each is then called as its file"));
        }
        let mut all = Vec::new();
        for file in &self.files {
            let name = self.name.clone().or_else(|| Some(file.file_name()?.to_str()?.to_owned()));
            let name = name.ok_or_else(|| {
                Failure::new(format!("{} has no name to call it by", file.display()))
                    .next("give one with --name")
            })?;
            let (artifact, was_there) = put(api, file, name).await?;
            if self.output.is_table() {
                let how = if was_there { "was there already" } else { "is on the server" };
                let size = HumanBytes(artifact.size);
                output::line(format!("{} {how} ({size}); profiles name it as", artifact.name))?;
                output::line(format!("  artifact: {}", artifact.digest))?;
            }
            all.push(artifact);
        }
        self.output.one(&all, |_| Ok(()))?;
        Ok(Ending::Fine)
    }
}

/// Puts one file on the server; says too whether it was there.
async fn put(api: &Api, path: &Path, name: String) -> Result<(ArtifactView, bool), Failure> {
    let unread = |error| Failure::new(format!("can't read {}", path.display())).because(error);
    let mut file = File::open(path).map_err(unread)?;
    let (digest, size) = measure(&mut file).map_err(unread)?;
    let new = NewArtifact { digest: digest.to_string(), size, name };
    let begun: ArtifactView = api.post("/artifacts", &new).await?;
    if begun.state == ArtifactState::Stored {
        return Ok((begun, true));
    }
    let bar = bar(size, "sending");
    let sent = send(api, path, &mut file, begun, &bar).await;
    bar.finish_and_clear();
    Ok((sent?, false))
}

async fn send(
    api: &Api,
    file_path: &Path,
    file: &mut File,
    mut artifact: ArtifactView,
    bar: &ProgressBar,
) -> Result<ArtifactView, Failure> {
    let mut tries = 0;
    while artifact.state != ArtifactState::Stored {
        bar.set_position(artifact.received);
        let before = artifact.received;
        let piece = piece(file, before, artifact.size).map_err(|error| {
            Failure::new(format!("can't read {}", file_path.display()))
                .because(error)
                .next("if it has changed, run this again: what it is now is another artifact")
        })?;
        bar.set_message(if piece.is_empty() { "the server checks it" } else { "" });
        let to = format!("{}?offset={before}", path(&artifact.digest));
        match api.send_bytes(Method::PATCH, &to, piece).await {
            Ok(now) => artifact = now,
            Err(failure) if failure.may_pass() && tries < TRIES => {
                tokio::time::sleep(PAUSE * (tries + 1)).await;
                // What came through is what counts; where the server can't be asked, the next piece tells.
                if let Ok(now) = api.get(&path(&artifact.digest)).await {
                    artifact = now;
                }
            }
            Err(failure) if failure.may_pass() => {
                return Err(failure.next("run the same command again: it goes on where it was cut"));
            }
            Err(failure) => return Err(failure),
        }
        tries = if artifact.received > before { 0 } else { tries + 1 };
        if tries > TRIES && artifact.state != ArtifactState::Stored {
            return Err(Failure::new("the server takes nothing more of it").next("look at the server's log"));
        }
    }
    Ok(artifact)
}

/// The next bytes to send: none when all were.
fn piece(file: &mut File, offset: u64, size: u64) -> io::Result<Vec<u8>> {
    let wanted = size.saturating_sub(offset).min(PIECE);
    let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    file.seek(SeekFrom::Start(offset))?;
    file.take(wanted).read_to_end(&mut piece)?;
    if (piece.len() as u64) < wanted {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than it was"));
    }
    Ok(piece)
}

/// The digest and the size of a file, which shows how far it is.
fn measure(file: &mut File) -> io::Result<(Digest, u64)> {
    let bar = bar(file.metadata()?.len(), "reading");
    let (mut hasher, mut size, mut block) = (Hasher::default(), 0, vec![0; BLOCK]);
    loop {
        match file.read(&mut block)? {
            0 => break,
            read => {
                hasher.update(&block[..read]);
                size += read as u64;
                bar.set_position(size);
            }
        }
    }
    bar.finish_and_clear();
    Ok((hasher.finish(), size))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn pieces_are_what_is_left_and_a_file_that_shrank_is_noticed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        assert_eq!(piece(&mut file, 0, 10).unwrap(), b"0123456789");
        assert_eq!(piece(&mut file, 7, 10).unwrap(), b"789");
        assert_eq!(piece(&mut file, 10, 10).unwrap(), b"");
        assert!(piece(&mut file, 7, 11).is_err());
        file.rewind().unwrap();
        assert_eq!(measure(&mut file).unwrap(), (Digest::of(b"0123456789"), 10));
    }
}
