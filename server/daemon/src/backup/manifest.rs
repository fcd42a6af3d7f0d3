//! What belongs into a backup, and the list of it that stands in front.

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::spiffe::TrustDomain;
use muster_proto::{Digest, Timestamp, artifact};
use serde::{Deserialize, Serialize};

use super::archive::Content;

/// The version of the archive's shape.
const FORMAT: u32 = 1;
/// The database, by its path in the data folder and in a backup.
pub(crate) const DATABASE: &str = "muster.db";
/// The configuration: with it a folder counts as set up, so that it is put back last.
pub(crate) const CONFIG: &str = "server.toml";

/// The folder of artifacts, which are called by their digests.
const ARTIFACTS: &str = "artifacts/";

const SMALL: u64 = 1024 * 1024;

/// A part of a backup.
pub(crate) struct Part {
    /// Its path in the data folder and in the archive.
    pub(crate) path: &'static str,
    /// Whether a server can't be without it.
    pub(crate) needed: bool,
    /// The most bytes that it may have.
    pub(crate) most: u64,
}

const fn part(path: &'static str) -> Part {
    Part { path, needed: true, most: SMALL }
}

/// The parts, in their order. Nothing else is ever taken out of a backup.
pub(crate) const PARTS: &[Part] = &[
    part("ca/root.crt"),
    // Not there when it is kept offline.
    Part { needed: false, ..part("ca/root.key") },
    part("ca/issuing.pem"),
    part("listen-devices.pem"),
    part("listen-admins.pem"),
    part("sealing.key"),
    // Not there in a backup of a server that had no packages yet.
    Part { needed: false, ..part("packages.key") },
    Part { most: u64::MAX, ..part(DATABASE) },
    part(CONFIG),
];

/// Where an artifact stands in the data folder and in a backup, behind all parts.
pub(super) fn artifact_path(digest: Digest) -> String {
    format!("{ARTIFACTS}{}", artifact::hex(&digest))
}

fn is_artifact(member: &Member) -> bool {
    member.path == artifact_path(member.sha256)
}

/// The list in front of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    muster_backup: u32,
    /// The version of the program that made it.
    pub(crate) version: String,
    /// The number of the database's schema.
    pub(crate) schema: i64,
    /// When.
    pub(crate) made: Timestamp,
    /// The server's name.
    pub(crate) server: String,
    /// The name under which its certificates are issued.
    pub(crate) trust_domain: String,
    /// What follows, in this order.
    pub(crate) members: Vec<Member>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// One of [`PARTS`], or that of an artifact.
    pub(crate) path: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// Of its content.
    pub(crate) sha256: Digest,
}

/// What every version of a manifest has.
#[derive(Deserialize)]
struct Versioned {
    muster_backup: u32,
    version: String,
}

impl Manifest {
    /// A list of nothing yet.
    pub(super) fn new(schema: i64, made: Timestamp, server: &str, trust_domain: &TrustDomain) -> Self {
        Self {
            muster_backup: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            made,
            server: server.to_owned(),
            trust_domain: trust_domain.to_string(),
            members: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, path: &str, content: &Content) -> Result<()> {
        let (size, sha256) = content.measure().with_context(|| format!("can't read {path}"))?;
        self.members.push(Member { path: path.to_owned(), size, sha256 });
        Ok(())
    }

    /// Reads a manifest, and refuses one that this program can't do right by.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let Versioned { muster_backup, version } =
            serde_json::from_slice(bytes).context("its manifest can't be read")?;
        ensure!(
            muster_backup == FORMAT,
            "it has format {muster_backup}, made by muster-server {version}, and this one knows {FORMAT}: install the newer"
        );
        let manifest: Self = serde_json::from_slice(bytes).context("its manifest can't be read")?;
        let known = muster_store::newest_schema();
        ensure!(
            manifest.schema <= known,
            "its database has schema {}, made by muster-server {version}, and this one knows {known}: install the newer",
            manifest.schema
        );
        manifest.check_members()?;
        Ok(manifest)
    }

    fn check_members(&self) -> Result<()> {
        let mut members = self.members.iter().peekable();
        for part in PARTS {
            match members.next_if(|member| member.path == part.path) {
                Some(member) => ensure!(member.size <= part.most, "{} is too large to be one", part.path),
                None if part.needed => bail!("{} is missing in its manifest", part.path),
                None => {}
            }
        }
        let mut before = "";
        for member in members {
            ensure!(
                is_artifact(member) && before < member.path.as_str(),
                "{:?} has no place in a backup",
                member.path
            );
            before = &member.path;
        }
        Ok(())
    }

    /// How many artifacts are in it, and their bytes.
    pub(crate) fn artifacts(&self) -> (usize, u64) {
        let artifacts = self.members.iter().filter(|member| is_artifact(member));
        artifacts.fold((0, 0), |(count, bytes), member| (count + 1, bytes + member.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let mut manifest =
            Manifest::new(3, Timestamp::default(), "muster.corp.example", &"corp.example".parse().unwrap());
        for part in PARTS {
            manifest.add(part.path, &Content::small(b"x".to_vec())).unwrap();
        }
        manifest
    }

    fn refusal(change: impl FnOnce(&mut Manifest)) -> String {
        let mut manifest = manifest();
        change(&mut manifest);
        format!("{:#}", Manifest::read(&serde_json::to_vec(&manifest).unwrap()).unwrap_err())
    }

    #[test]
    fn what_was_written_is_read_and_the_root_key_may_be_elsewhere() {
        let mut whole = manifest();
        assert_eq!(Manifest::read(&serde_json::to_vec(&whole).unwrap()).unwrap(), whole);
        whole.members.retain(|member| member.path != "ca/root.key");
        Manifest::read(&serde_json::to_vec(&whole).unwrap()).unwrap();
    }

    #[test]
    fn a_backup_of_a_newer_server_is_refused_with_what_to_do() {
        assert!(refusal(|m| m.schema = 1_000).contains("install the newer"));
        assert!(refusal(|m| m.muster_backup = 2).contains("install the newer"));
    }

    #[test]
    fn a_member_that_leads_elsewhere_stands_twice_or_is_missing_is_refused() {
        for path in ["../../etc/passwd", "/etc/passwd", "ca/../x", "setup-link", "muster.db-wal"] {
            assert!(refusal(|m| m.members[3].path = path.to_owned()).contains("missing"), "{path}");
            let more = Member { path: path.to_owned(), ..manifest().members[0].clone() };
            assert!(refusal(|m| m.members.push(more)).contains("no place"), "{path}");
        }
        assert!(refusal(|m| m.members.push(m.members[0].clone())).contains("no place"));
        let artifact = |path: String| Member { path, size: 1, sha256: Digest::of(b"x") };
        let right = artifact(artifact_path(Digest::of(b"x")));
        let mut whole = manifest();
        whole.members.push(right.clone());
        assert_eq!(Manifest::read(&serde_json::to_vec(&whole).unwrap()).unwrap().artifacts(), (1, 1));
        assert!(refusal(|m| m.members.extend([right.clone(), right.clone()])).contains("no place"));
        for path in [artifact_path(Digest::of(b"y")), right.path.replace("artifacts/", "artifacts/../")] {
            assert!(refusal(|m| m.members.push(artifact(path.clone()))).contains("no place"), "{path}");
        }
        assert!(refusal(|m| drop(m.members.pop())).contains("server.toml is missing"));
        assert!(refusal(|m| m.members[0].size = SMALL + 1).contains("too large"));
    }
}
