//! The two signed package repositories that devices may reach, served over HTTP beside the server.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::network::{Network, SERVER_ADDRESS};
use crate::run_folder::cache;
use crate::wait::wait_until;

/// The host name of the repositories, as devices resolve it.
pub const PACKAGES_NAME: &str = "packages.demo.example";
/// The address below which `debian` (suite bookworm) and `corp` (suite stable) lie; both have component main.
pub const PACKAGES_URL: &str = "http://packages.demo.example:8080";

/// The repositories being served on one network, until this value is dropped.
#[derive(Debug)]
pub struct Packages {
    process: Child,
    log: PathBuf,
}

impl Packages {
    /// Serves the repositories and returns when they answer.
    pub fn serve(network: &Network) -> Result<Self> {
        let log = network.folder().join("packages.log");
        let requests = fs::File::create(&log).context("making the log of the repositories")?;
        let folder = cache().join("apt");
        let process = network
            .command(["/usr/bin/python3", "-u", "-m", "http.server", "8080", "--bind", SERVER_ADDRESS])
            // Connections are kept: it lets five wait, and some devices ask for a hundred packages at once.
            .args(["--protocol", "HTTP/1.1", "--directory"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(requests)
            .spawn()
            .context("starting the server of the package repositories")?;
        let packages = Self { process, log };
        wait_until("the package repositories to answer", Duration::from_secs(20), || {
            let probe = format!("exec 3<>/dev/tcp/{SERVER_ADDRESS}/8080");
            let answered = network.run(["bash", "-c", &probe], Duration::from_secs(5))?;
            Ok(answered.success().then_some(()))
        })?;
        Ok(packages)
    }

    /// What was asked for so far, one line a request.
    pub fn requests(&self) -> Result<Vec<String>> {
        let log = fs::read_to_string(&self.log).context("reading the log of the repositories")?;
        Ok(log.lines().map(str::to_owned).collect())
    }

    /// The file of a package of the repository `name`, such as `muster-hello_1.1_all.deb`.
    pub fn file(name: &str, package: &str) -> PathBuf {
        cache().join("apt").join(name).join("pool").join(package)
    }

    /// The armored public key that signs the repository `name` (`debian` or `corp`).
    pub fn public_key(name: &str) -> Result<String> {
        let path = cache().join("apt").join(format!("{name}.asc"));
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }
}

impl Drop for Packages {
    fn drop(&mut self) {
        crate::network::end(&mut self.process);
    }
}
