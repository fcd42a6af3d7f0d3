//! A real FUSE mount whose program never answers: whoever touches it waits for ever. No table may.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use muster_tables::child::QueryChild;
use muster_tables::{Limits, QueryError};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// A mount that nobody serves, for as long as this lives.
struct DeadMount {
    path: PathBuf,
    _served_by_nobody: OwnedFd,
}

impl DeadMount {
    /// None where mounting is not allowed, such as in a container or without root.
    fn at(path: &Path) -> Option<Self> {
        let device = rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0\0", device.as_raw_fd());
        let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).unwrap();
        match mount("dead", path, "fuse.dead", MountFlags::NOSUID | MountFlags::NODEV, options) {
            Err(rustix::io::Errno::PERM) => return None,
            mounted => mounted.unwrap(),
        }
        Some(Self { path: path.to_owned(), _served_by_nobody: device })
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}

#[test]
fn a_fuse_mount_that_never_answers_holds_no_table() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("far")).unwrap();
    std::fs::write(folder.path().join("near"), "").unwrap();
    std::os::unix::fs::symlink("far/file", folder.path().join("way")).unwrap();
    let Some(_mount) = DeadMount::at(&folder.path().join("far")) else { return };
    let start = Instant::now();
    let mut child = QueryChild::new(|| Command::new(env!("CARGO_BIN_EXE_muster-tables")));
    let folder = folder.path().to_str().unwrap();
    let mut ask = |sql: &str| child.ask(&sql.replace("DIR", folder), &Limits::default());

    let listed = ask("SELECT filename, type FROM file WHERE directory = 'DIR' ORDER BY filename").unwrap();
    let listed = serde_json::to_string(&listed.rows).unwrap();
    assert_eq!(listed, r#"[["far","unknown"],["near","regular"],["way","unknown"]]"#);
    for sql in [
        "SELECT * FROM file WHERE path = 'DIR/far'",
        "SELECT * FROM file WHERE path = 'DIR/far/file'",
        "SELECT * FROM file WHERE directory = 'DIR/far'",
        "SELECT * FROM file WHERE path LIKE 'DIR/%%'",
        "SELECT * FROM deb_packages WHERE admindir = 'DIR/far'",
    ] {
        let error = ask(sql).unwrap_err();
        assert!(
            matches!(&error, QueryError::Unreadable { why, .. } if why.contains("fuse.dead")),
            "{sql}: {error}"
        );
    }
    let mounts = ask("SELECT type, blocks FROM mounts WHERE path = 'DIR/far'").unwrap();
    assert_eq!(serde_json::to_string(&mounts.rows).unwrap(), r#"[["fuse.dead",null]]"#);
    assert!(ask("SELECT count(*) FROM processes").is_ok());
    assert!(start.elapsed() < Duration::from_secs(5));
}
