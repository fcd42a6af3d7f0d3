//! The data folder: what lies where in it, and `server.toml`, which setup writes and an admin may change.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use muster_proto::artifact::LARGEST;
use serde::{Deserialize, Serialize};

/// The port that devices connect to.
pub(crate) const DEVICE_PORT: u16 = 8440;
/// The port that admins connect to.
pub(crate) const ADMIN_PORT: u16 = 8443;

/// Where the server's own package puts those of the agent.
const PACKAGES: &str = "/usr/share/muster-server/apt";

/// `server.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The name that devices and admins connect to.
    pub(crate) name: String,
    /// The folder of the packages that `/install` offers; where the server's own package puts them when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) packages: Option<PathBuf>,
    /// The certificate that browsers are shown; Muster's own when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<GivenTls>,
    /// Days after the end of its certificate in which a device that was off comes back by itself; 180 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) return_window_days: Option<u16>,
    /// MiB that an artifact may have; 4096, as many as devices fetch, when left out or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_artifact_mib: Option<u32>,
}

/// Half a year, when nobody says: a laptop that lay in a drawer for longer is looked at by a person.
const RETURN_WINDOW_DAYS: u16 = 180;

/// A certificate that somebody else renews.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenTls {
    /// PEM, leaf first.
    pub(crate) certificate: PathBuf,
    /// PEM.
    pub(crate) key: PathBuf,
}

impl Config {
    /// Seconds after the end of its certificate in which a device comes back by itself.
    pub(crate) fn return_window(&self) -> i64 {
        i64::from(self.return_window_days.unwrap_or(RETURN_WINDOW_DAYS)) * 86_400
    }

    /// Bytes that an artifact may have.
    pub(crate) fn max_artifact(&self) -> u64 {
        self.max_artifact_mib.map_or(LARGEST, |mib| (u64::from(mib) * 1024 * 1024).min(LARGEST))
    }

    /// Reads the text of a `server.toml`.
    pub(crate) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The folder of the packages that `/install` offers.
    pub(crate) fn packages(&self) -> &Path {
        self.packages.as_deref().unwrap_or(Path::new(PACKAGES))
    }
}

/// Where everything of one server lies.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    /// The folder at this path, which need not be there yet.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it for its owner alone, if it is not there.
    pub(crate) fn make(&self) -> Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .with_context(|| format!("can't make {}", self.0.display()))
    }

    /// Keys and certificates of the authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join("ca")
    }

    /// Key and certificate that devices are shown.
    pub(crate) fn device_certificate(&self) -> PathBuf {
        self.0.join("listen-devices.pem")
    }

    /// Key and certificate that admins are shown.
    pub(crate) fn admin_certificate(&self) -> PathBuf {
        self.0.join("listen-admins.pem")
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("muster.db")
    }

    /// The files of artifacts.
    pub(crate) fn artifacts(&self) -> PathBuf {
        self.0.join("artifacts")
    }

    /// The key that seals secrets in the database.
    pub(crate) fn sealing_key(&self) -> PathBuf {
        self.0.join("sealing.key")
    }

    /// The key that signs the package repository.
    pub(crate) fn packages_key(&self) -> PathBuf {
        self.0.join("packages.key")
    }

    /// The one-time link for the first admin.
    pub(crate) fn setup_link(&self) -> PathBuf {
        self.0.join("setup-link")
    }

    /// Is there while a restore is under way, whose record is not safe yet.
    pub(crate) fn restoring(&self) -> PathBuf {
        self.0.join("restoring")
    }

    /// What setup writes last.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("server.toml")
    }

    /// Whether setup has made it whole.
    pub(crate) fn is_set_up(&self) -> bool {
        self.config().exists()
    }

    /// Reads `server.toml`.
    pub(crate) fn read_config(&self) -> Result<Config> {
        let path = self.config();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("{} is not set up: run muster-server setup --data {0}", self.0.display())
            }
            Err(error) => return Err(error).with_context(|| format!("can't read {}", path.display())),
        };
        Config::parse(&text).with_context(|| format!("{} is not as it should be", path.display()))
    }

    /// Writes `server.toml`, which makes the folder count as set up.
    pub(crate) fn write_config(&self, config: &Config) -> Result<()> {
        let text = toml::to_string(config).context("can't write the configuration")?;
        self.write_private(&self.config(), &text)
    }

    /// Writes a file that only its owner can read, whole or not at all, and durable.
    pub(crate) fn write_private(&self, path: &Path, text: &str) -> Result<()> {
        let write = || -> std::io::Result<()> {
            let fresh = path.with_extension("new");
            // A leftover of a crash, or a link that leads elsewhere: either way it is not written to.
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, path)?;
            fs::File::open(&self.0)?.sync_all()
        };
        write().with_context(|| format!("can't write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings by the names that the documentation has, such as `tls.key`.
    fn settings(table: &toml::Table, before: &str, all: &mut Vec<String>) {
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => settings(inner, &format!("{before}{name}."), all),
                _ => all.push(format!("{before}{name}")),
            }
        }
    }

    #[test]
    fn every_setting_and_both_ports_are_in_the_documentation() {
        // All of them, by their names: whoever adds one has to come by here.
        let whole = Config {
            name: "muster.corp.example".to_owned(),
            packages: Some("/srv/muster-apt".into()),
            tls: Some(GivenTls { certificate: "/etc/muster.crt".into(), key: "/etc/muster.key".into() }),
            return_window_days: Some(30),
            max_artifact_mib: Some(1024),
        };
        let mut all = Vec::new();
        settings(&toml::Table::try_from(&whole).unwrap(), "", &mut all);
        assert_eq!(all.len(), 6, "{all:?}");
        let documentation = include_str!("../../../docs/operations.md");
        for setting in &all {
            let row = format!("| `{setting}` |");
            assert!(documentation.contains(&row), "docs/operations.md has no row {row}");
        }
        for port in [DEVICE_PORT, ADMIN_PORT] {
            assert!(documentation.contains(&format!("| {port}/tcp |")), "{port}");
        }
        assert!(documentation.contains(&format!("by itself | {RETURN_WINDOW_DAYS} |")));
        let most = LARGEST / (1024 * 1024);
        assert!(documentation.contains(&format!("a device fetches {most} at most | {most} |")));
        assert!(documentation.contains(PACKAGES));
    }

    #[test]
    fn a_link_that_waits_for_the_file_is_not_followed() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let victim = elsewhere.path().join("victim");
        fs::write(&victim, "as it was").unwrap();
        let data = DataFolder::at(folder.path());
        for name in ["setup-link", "setup-link.new"] {
            std::os::unix::fs::symlink(&victim, folder.path().join(name)).unwrap();
        }
        data.write_private(&data.setup_link(), "https://x").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
        assert_eq!(fs::read_to_string(data.setup_link()).unwrap(), "https://x");
        assert!(!fs::symlink_metadata(data.setup_link()).unwrap().is_symlink());
    }
}
