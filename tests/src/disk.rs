//! Disks with little room, or none.
//!
//! Those of devices are in memory (tmpfs), as a container may mount nothing else; the server's is ext4 in a file.

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::device::Device;
use crate::server::Server;
use crate::wait::wait_until;

const STEP: Duration = Duration::from_secs(60);

/// Puts a folder, with what is in it, on a disk of its own of so many MiB. Nothing may have the folder open.
const SMALL: &str = r#"set -e
    mkdir -p "$1"; kept=$(mktemp -d); cp -a "$1/." "$kept/"
    mount -t tmpfs -o "size=$2m" none "$1"; cp -a "$kept/." "$1/"; rm -rf "$kept""#;

/// The same for the server's data, which a database has to be able to map and sync.
const SMALL_DATA: &str = r#"set -e
    cd "$1/.."; truncate -s "$2"M disk; mkfs.ext4 -q -m 0 disk; mv "$1" before; mkdir -m 700 "$1"
    mount -o loop disk "$1"; rm -rf "$1/lost+found"; cp -a before/. "$1/"; rm -rf before"#;

/// Leaves no block, and no part of one.
const FILL: &str =
    r#"cd "$1" || exit 1; { dd if=/dev/zero bs=64k; dd if=/dev/zero bs=512; } >filler 2>/dev/null; true"#;

const MAKE_ROOM: &str = r#"rm "$1/filler""#;

impl Device<'_> {
    /// Puts a folder, with what is in it, on a disk of its own of so many MiB. Nothing may have the folder open.
    pub fn put_on_small_disk(&self, folder: &str, mib: u32) -> Result<()> {
        self.exec(["sh", "-c", SMALL, "disk", folder, &mib.to_string()])?.ok()?;
        Ok(())
    }

    /// The same for what the agent keeps, which is stopped meanwhile and left stopped.
    pub fn put_ledger_on_small_disk(&self) -> Result<()> {
        self.exec(["systemctl", "stop", "muster-agent.path", "muster-agent"])?.ok()?;
        self.put_on_small_disk("/var/lib/muster", 16)
    }

    /// Leaves no room on the disk of a folder.
    pub fn fill_disk(&self, folder: &str) -> Result<()> {
        self.exec(["sh", "-c", FILL, "disk", folder])?.ok()?;
        Ok(())
    }

    /// Gives back the room that was taken.
    pub fn make_room(&self, folder: &str) -> Result<()> {
        self.exec(["sh", "-c", MAKE_ROOM, "disk", folder])?.ok()?;
        Ok(())
    }
}

impl Server<'_> {
    /// Puts its data on a disk of its own, of so many MiB, and starts it again.
    pub fn move_to_small_disk(&mut self, mib: u32) -> Result<()> {
        self.stop()?;
        self.on_disk(SMALL_DATA, &[&mib.to_string()])?;
        self.serve()
    }

    /// Leaves no room on the disk of its data, and waits until it says that nothing can be recorded.
    pub fn fill_disk(&self) -> Result<()> {
        self.on_disk(FILL, &[])?;
        self.wait_for_readiness("503")
    }

    /// Gives back the room that was taken, and waits until it says that it is ready.
    pub fn make_room(&self) -> Result<()> {
        self.on_disk(MAKE_ROOM, &[])?;
        self.wait_for_readiness("200")
    }

    fn on_disk(&self, script: &str, arguments: &[&str]) -> Result<()> {
        let data = self.data();
        let mut argv: Vec<&OsStr> = ["sh", "-c", script, "disk"].map(OsStr::new).into();
        argv.push(data.as_os_str());
        argv.extend(arguments.iter().map(OsStr::new));
        self.network.run(argv, STEP)?.ok()?;
        Ok(())
    }

    /// Readiness is what a load balancer is answered.
    fn wait_for_readiness(&self, status: &str) -> Result<()> {
        let url = format!("{}/readyz", self.admin_url());
        let argv = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", &url];
        wait_until(&format!("/readyz to answer {status}"), STEP, || {
            Ok((self.network.run(argv, STEP)?.ok()?.line() == status).then_some(()))
        })
        .with_context(|| self.log())
    }
}
