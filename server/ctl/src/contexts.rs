//! The servers this person has logged in to: `$XDG_CONFIG_HOME/muster/config.toml`, readable by its owner only.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use muster_proto::Digest;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// All of them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one that commands use.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) current: String,
    /// By name.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// One server, and the API token it gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Such as `https://muster.corp.example:8443`.
    pub(crate) url: String,
    /// Of the root certificate that it must show.
    pub(crate) fingerprint: Digest,
    /// The admin who logged in.
    pub(crate) name: String,
    /// The API token.
    pub(crate) token: String,
}

impl Contexts {
    /// Reads them; none when there is no file.
    pub(crate) fn load() -> Result<Self, Failure> {
        let path = path()?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::new(format!("can't read {}", path.display())).because(error));
            }
        };
        toml::from_str(&text).map_err(|error| {
            Failure::new(format!("{} is damaged", path.display()))
                .because(error)
                .next("remove the file and log in again")
        })
    }

    /// Writes them, whole or not at all.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let path = path()?;
        let failed = || Failure::new(format!("can't write {}", path.display()));
        let text = toml::to_string(self).map_err(|error| failed().because(error))?;
        replace(&path, text.as_bytes()).map_err(|error| failed().because(error))
    }

    /// The context that a command uses: the one asked for, or the current one.
    pub(crate) fn choose(&self, wanted: Option<&str>) -> Result<&Context, Failure> {
        let name = wanted.unwrap_or(&self.current);
        if name.is_empty() {
            return Err(Failure::new("not logged in to any server")
                .next("muster login https://SERVER:8443 (the first admin: muster setup LINK)"));
        }
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
            Failure::new(format!("there is no context {name}")).next(if known.is_empty() {
                "muster login https://SERVER:8443".to_owned()
            } else {
                format!("use one of: {}", known.join(", "))
            })
        })
    }
}

fn path() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .ok_or_else(|| Failure::new("neither XDG_CONFIG_HOME nor HOME is set").next("set HOME"))?;
    Ok(folder.join("muster").join("config.toml"))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let fresh = path.with_extension(format!("toml.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}
