//! A place on the network that is not the Muster server, with files to be had by HTTPS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::network::{Network, SERVER_ADDRESS};
use crate::packages::PACKAGES_NAME;
use crate::wait::wait_until;

const PORT: u16 = 8444;
const STEP: Duration = Duration::from_secs(30);
const SERVER: &str = include_str!("elsewhere.py");

/// The files of a folder, served by HTTPS until this value is dropped.
#[derive(Debug)]
pub struct Elsewhere {
    process: Child,
    folder: PathBuf,
}

impl Elsewhere {
    /// Serves what is put into [`Elsewhere::folder`], with a certificate of an authority of its own.
    pub fn serve(network: &Network) -> Result<Self> {
        let at = |name: &str| network.folder().join(name);
        let folder = at("elsewhere");
        fs::create_dir_all(&folder).context("making the folder of files")?;
        let script = format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=Elsewhere \
             -keyout ca.key -out ca.pem && \
             openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={PACKAGES_NAME} -keyout key.pem -out csr.pem && \
             printf 'subjectAltName=DNS:{PACKAGES_NAME}\\nbasicConstraints=CA:FALSE\\n' >ext && \
             openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -days 30 -extfile ext -out cert.pem && cat cert.pem key.pem >both.pem"
        );
        let keys = at("elsewhere-keys");
        fs::create_dir_all(&keys).context("making a folder for keys")?;
        let made = format!("cd '{}' && {script}", keys.display());
        network.run(["sh", "-c", &made], STEP)?.ok()?;
        fs::write(at("elsewhere.py"), SERVER).context("writing the server of files")?;
        let log = fs::File::create(at("elsewhere.log")).context("making its log")?;
        let process = network
            .command(["/usr/bin/python3", "-u"])
            .arg(at("elsewhere.py"))
            .args([SERVER_ADDRESS, &PORT.to_string()])
            .arg(&folder)
            .arg(keys.join("both.pem"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing its log")?)
            .stderr(log)
            .spawn()
            .context("starting the server of files")?;
        let elsewhere = Self { process, folder };
        wait_until("the server of files to answer", STEP, || {
            let probe = format!("exec 3<>/dev/tcp/{SERVER_ADDRESS}/{PORT}");
            Ok(network.run(["bash", "-c", &probe], STEP)?.success().then_some(()))
        })?;
        Ok(elsewhere)
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of a file to devices. `/moved` before its name leads there, `/round` nowhere, and `/down` to plain HTTP.
    pub fn url(&self, path: &str) -> String {
        format!("https://{PACKAGES_NAME}:{PORT}{path}")
    }

    /// The certificate of its authority, as PEM.
    pub fn authority(&self) -> Result<String> {
        let path = self.folder.with_file_name("elsewhere-keys").join("ca.pem");
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// What was asked for so far: a path and a range, or `-`, in a line each.
    pub fn requests(&self) -> Result<Vec<String>> {
        let path = self.folder.with_file_name("elsewhere.log");
        let log = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(log.lines().map(str::to_owned).collect())
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        crate::network::end(&mut self.process);
    }
}
