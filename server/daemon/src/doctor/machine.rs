//! The data folder, the disk it lies on, and the packages that are offered to devices.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;

use super::finding::Finding;
use crate::backup::archive::free_space;
use crate::backup::manifest::PARTS;
use crate::config::{Config, DataFolder};
use crate::install::offered;

const MIB: u64 = 1024 * 1024;
/// With less than this free, a busy day fills the disk.
const LITTLE: u64 = 1024 * MIB;
/// With less than this free, the next large report may not fit.
const TOO_LITTLE: u64 = 100 * MIB;

/// Owner and modes, as setup makes them.
pub(super) fn folder(folder: &DataFolder) -> Finding {
    const CHECK: &str = "data folder";
    let path = folder.path();
    let owner = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.uid(),
        Err(error) => {
            let remedy = "run muster-server setup or restore, or name the folder with --data";
            return Finding::failed(CHECK, format!("{}: {error}", path.display()), remedy);
        }
    };
    let parts = PARTS.iter().map(|part| path.join(part.path)).filter(|part| part.exists());
    let artifacts = Some(folder.artifacts()).filter(|path| path.exists());
    let all = [path.to_owned(), folder.authority()].into_iter().chain(artifacts).chain(parts);
    match all.filter_map(|path| open_to_others(&path, owner)).next() {
        None => Finding::ok(CHECK, format!("{} is its owner's alone", path.display())),
        Some(fault) => {
            let remedy = format!("chown -R --reference={0} {0}; chmod -R go= {0}", path.display());
            Finding::failed(CHECK, fault, remedy)
        }
    }
}

/// What is wrong with the owner or mode of a part of the folder.
fn open_to_others(path: &Path, owner: u32) -> Option<String> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) => Some(format!("{shown}: {error}")),
        Ok(there) if there.is_symlink() => Some(format!("{shown} is a link")),
        Ok(there) if there.uid() != owner => {
            Some(format!("{shown} belongs to another user ({})", there.uid()))
        }
        Ok(there) if there.mode() & 0o077 != 0 => {
            Some(format!("{shown} is open to others (mode {:04o})", there.mode() & 0o7777))
        }
        Ok(_) => None,
    }
}

/// Whether the configuration can be read.
pub(super) fn configuration(config: &Result<Config>) -> Finding {
    const CHECK: &str = "configuration";
    match config {
        Ok(config) => Finding::ok(CHECK, format!("server.toml, for {}", config.name)),
        Err(error) => Finding::failed(CHECK, format!("{error:#}"), "correct it, or restore a backup"),
    }
}

/// Free space on the disk.
pub(super) fn space(folder: &DataFolder) -> Finding {
    const CHECK: &str = "disk space";
    let database = fs::metadata(folder.database()).map_or(0, |metadata| metadata.len());
    match free_space(folder.path()) {
        Ok(free) => judge_space(CHECK, free, database),
        Err(error) => Finding::failed(CHECK, format!("{error:#}"), "mount the disk that it lies on"),
    }
}

/// Whether `/install` has packages to offer.
pub(super) fn packages(folder: &Path) -> Finding {
    const CHECK: &str = "packages";
    let shown = folder.display();
    let remedy = "install the muster-server package again, which brings them, or name a folder that has some in server.toml, \
                  as packages = \"/srv/muster-apt\"";
    let nothing =
        |why: &str| Finding::warning(CHECK, format!("/install offers nothing: {shown} {why}"), remedy);
    if !folder.is_dir() {
        return nothing("is not there");
    }
    match offered(folder) {
        Ok(none) if none.is_empty() => nothing("has no packages"),
        Ok(architectures) => Finding::ok(CHECK, format!("for {}, in {shown}", architectures.join(", "))),
        Err(error) => Finding::failed(CHECK, format!("{error:#}"), remedy),
    }
}

fn judge_space(check: &'static str, free: u64, database: u64) -> Finding {
    let detail = format!("{} MiB free, the database has {} MiB", free / MIB, database / MIB);
    if free < TOO_LITTLE {
        Finding::failed(check, detail, "make room now: soon nothing can be recorded")
    } else if free < LITTLE.saturating_add(database) {
        // A backup copies the database beside itself.
        Finding::warning(check, detail, "make room: a backup needs as much again as the database has")
    } else {
        Finding::ok(check, detail)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_full_disk_fails_and_one_without_room_for_a_backup_warns() {
        let state = |free, database| judge_space("disk space", free * MIB, database * MIB).state;
        assert_eq!(state(99, 1), State::Failed);
        assert_eq!(state(2_000, 1_500), State::Warning);
        assert_eq!(state(3_000, 1_500), State::Ok);
    }

    #[test]
    fn a_folder_of_packages_that_is_missing_or_empty_warns() {
        let temporary = tempfile::tempdir().unwrap();
        let apt = temporary.path().join("apt");
        let said = |folder: &Path| {
            let found = packages(folder);
            (found.state, found.detail)
        };
        assert!(matches!(said(&apt), (State::Warning, why) if why.contains("is not there")));
        let index = apt.join("dists/stable/main/binary-amd64");
        fs::create_dir_all(&index).unwrap();
        fs::write(index.join("Packages"), "\n").unwrap();
        assert!(matches!(said(&apt), (State::Warning, why) if why.contains("has no packages")));
        fs::write(index.join("Packages"), "Package: muster-agent\nFilename: pool/muster-agent.deb\n")
            .unwrap();
        assert!(matches!(said(&apt), (State::Warning, _)), "what the index names has to be there");
        fs::create_dir_all(apt.join("pool")).unwrap();
        fs::write(apt.join("pool/muster-agent.deb"), "x").unwrap();
        assert!(matches!(said(&apt), (State::Ok, which) if which.starts_with("for amd64")));
    }

    #[test]
    fn a_key_that_others_may_read_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let data = DataFolder::at(temporary.path());
        let close = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::create_dir(data.authority()).unwrap();
        fs::write(data.sealing_key(), "x").unwrap();
        close(data.path(), 0o700);
        close(&data.authority(), 0o700);
        close(&data.sealing_key(), 0o640);
        let found = folder(&data);
        assert_eq!(found.state, State::Failed);
        assert!(found.detail.contains("sealing.key is open to others (mode 0640)"), "{found}");
        close(&data.sealing_key(), 0o600);
        assert_eq!(folder(&data).state, State::Ok);
    }
}
