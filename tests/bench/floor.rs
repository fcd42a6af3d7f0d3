//! What the kernel alone takes for a thousand files, made as durable as Muster makes them.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::time::{ClockId, clock_gettime};

/// CPU seconds of the barest loop that writes these files durably: write all beside their places, one sync of the file system,
/// rename all, one sync of their folder. No ledger, no look at what was there, no check. The files stay.
pub(crate) fn files(folder: &Path, contents: &[String]) -> Result<f64> {
    std::fs::create_dir_all(folder).context("making the folder")?;
    let began = cpu();
    let folder = rustix::fs::openat(CWD, folder, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty())
        .context("opening the folder")?;
    for (number, content) in contents.iter().enumerate() {
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&folder, format!("new{number}"), new, Mode::from_raw_mode(0o640))
            .context("making a file")?;
        File::from(file).write_all(content.as_bytes()).context("writing a file")?;
    }
    rustix::fs::syncfs(&folder).context("syncing")?;
    for number in 0..contents.len() {
        rustix::fs::renameat(&folder, format!("new{number}"), &folder, format!("file{number}"))
            .context("renaming a file")?;
    }
    rustix::fs::fsync(&folder).context("syncing the folder")?;
    Ok(cpu() - began)
}

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
