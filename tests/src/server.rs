//! A real server on a test network: the shipped binary with a data folder of its own, and the admin's command
//! line beside it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use crate::artifacts::Artifacts;
use crate::command::{self, Output};
use crate::network::{self, Network, SERVER_ADDRESS, SERVER_NAME, children};
use crate::wait::wait_until;

const TRUST_DOMAIN: &str = "demo.example";
const STEP: Duration = Duration::from_secs(60);

/// A server that was set up. It runs between [`Server::serve`] and [`Server::stop`] or [`Server::kill9`].
#[derive(Debug)]
pub struct Server<'n> {
    pub(crate) network: &'n Network,
    artifacts: Artifacts,
    folder: PathBuf,
    /// What `setup` printed: the fingerprint, the ports, where the link is.
    pub setup_said: String,
    running: Option<Child>,
}

impl<'n> Server<'n> {
    /// Makes the data folder: keys, database and the one-time link for the first admin.
    pub fn setup(network: &'n Network, artifacts: &Artifacts) -> Result<Self> {
        let folder = network.folder().join("server");
        fs::create_dir_all(folder.join("home")).context("making the server's folder")?;
        let mut server =
            Self { network, artifacts: artifacts.clone(), folder, setup_said: String::new(), running: None };
        let data = server.data();
        let argv: [&OsStr; 11] = [
            server.artifacts.server.as_os_str(),
            "setup".as_ref(),
            "--data".as_ref(),
            data.as_os_str(),
            "--name".as_ref(),
            SERVER_NAME.as_ref(),
            "--trust-domain".as_ref(),
            TRUST_DOMAIN.as_ref(),
            "--address".as_ref(),
            SERVER_ADDRESS.as_ref(),
            "--yes".as_ref(),
        ];
        server.setup_said = network.run(argv, STEP)?.ok()?.stdout;
        server.offer_packages()?;
        Ok(server)
    }

    /// The server's package was not installed here, so its packages are not where a server looks for them.
    fn offer_packages(&self) -> Result<()> {
        let path = self.data().join("server.toml");
        let config = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let config = format!("packages = {:?}\n{config}", self.artifacts.repository);
        fs::write(&path, config).with_context(|| format!("writing {}", path.display()))
    }

    /// What anybody may read from the admins' listener, whose certificate is checked.
    pub fn fetch(&self, path: &str) -> Result<String> {
        let (url, root) = (format!("{}{path}", self.admin_url()), self.data().join("ca/root.crt"));
        let argv: [&OsStr; 6] = [
            "curl".as_ref(),
            "--silent".as_ref(),
            "--fail".as_ref(),
            "--cacert".as_ref(),
            root.as_ref(),
            url.as_ref(),
        ];
        Ok(self.network.run(argv, STEP)?.ok()?.stdout)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The one-time address by which the first admin sets a password.
    pub fn setup_link(&self) -> Result<String> {
        let path = self.data().join("setup-link");
        let link = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(link.trim().to_owned())
    }

    /// The fingerprint of the root certificate, as `setup` printed it.
    pub fn fingerprint(&self) -> Result<String> {
        let is_fingerprint = |word: &&str| word.starts_with("sha256:");
        let word = self.setup_said.split_whitespace().find(is_fingerprint);
        word.map(str::to_owned)
            .with_context(|| format!("`setup` printed no fingerprint: {}", self.setup_said))
    }

    /// The address of the admin listener as seen on the network.
    pub fn admin_url(&self) -> String {
        format!("https://{SERVER_NAME}:8443")
    }

    /// Starts it and waits until it answers on both listeners.
    pub fn serve(&mut self) -> Result<()> {
        self.serve_under::<&str>([])
    }

    /// Like [`Server::serve`], with a program before it that will run it, such as `strace` and its arguments.
    pub fn serve_under<S: AsRef<OsStr>>(&mut self, wrapper: impl IntoIterator<Item = S>) -> Result<()> {
        ensure!(self.running.is_none(), "the server is already running");
        let log = fs::File::options().create(true).append(true).open(self.log_path());
        let log = log.context("opening the server's log")?;
        let mut argv: Vec<OsString> = wrapper.into_iter().map(|word| word.as_ref().to_owned()).collect();
        argv.extend([self.artifacts.server.clone().into(), "serve".into(), "--data".into()]);
        argv.push(self.data().into());
        argv.extend(["--listen-devices".into(), format!("{SERVER_ADDRESS}:8440").into()]);
        argv.extend(["--listen-admins".into(), format!("{SERVER_ADDRESS}:8443").into()]);
        let child = self
            .network
            .command(argv)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing the server's log")?)
            .stderr(log)
            .spawn()
            .context("starting the server")?;
        let running = self.running.insert(child);
        let (network, log) = (self.network, self.folder.join("server.log"));
        wait_until("the server to listen", STEP, || {
            if let Some(status) = running.try_wait().context("asking after the server")? {
                bail!("the server ended ({status}): {}", fs::read_to_string(&log).unwrap_or_default());
            }
            Ok((listens(network, 8440)? && listens(network, 8443)?).then_some(()))
        })
    }

    /// Asks it to end and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { bail!("the server is not running") };
        for pid in children(running.id()) {
            network::signal(pid, Signal::TERM);
        }
        wait_until("the server to stop", STEP, || Ok(running.try_wait()?))?;
        Ok(())
    }

    /// Ends it at once, as a crash would.
    pub fn kill9(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { bail!("the server is not running") };
        network::end(&mut running);
        Ok(())
    }

    /// The process id of the running server, as this host sees it.
    pub fn pid(&self) -> Result<u32> {
        let running = self.running.as_ref().context("the server is not running")?;
        children(running.id()).first().copied().context("the server has ended")
    }

    /// The most memory that the running server has held so far, in MiB.
    pub fn peak_memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid()?);
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = peak.trim().trim_end_matches("kB").trim().parse().context("VmHWM")?;
        Ok(kib / 1024)
    }

    /// Runs the admin's command line where the server runs, with a configuration of its own.
    pub fn muster<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        self.network.run(self.cli(args), STEP)
    }

    /// The same with a text on standard input, and without a time limit.
    pub fn muster_with_input<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Result<Output> {
        command::run_with_input(self.network.command(self.cli(args)), input)
    }

    /// Runs the server's own program where the server runs, on its data folder.
    pub fn muster_server<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let mut argv: Vec<OsString> = vec![self.artifacts.server.clone().into()];
        argv.extend(args.into_iter().map(|word| word.as_ref().to_owned()));
        argv.extend(["--data".into(), self.data().into()]);
        self.network.run(argv, STEP)
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn cli<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Vec<OsString> {
        let home = self.folder.join("home");
        let mut argv: Vec<OsString> =
            ["env", "-i", "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"].map(Into::into).into();
        argv.push(assignment("HOME", &home));
        argv.push(self.artifacts.cli.clone().into());
        argv.extend(args.into_iter().map(|word| word.as_ref().to_owned()));
        argv
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            network::end(&mut running);
        }
    }
}

fn assignment(name: &str, value: &Path) -> OsString {
    let mut word = OsString::from(name);
    word.push("=");
    word.push(value);
    word
}

fn listens(network: &Network, port: u16) -> Result<bool> {
    let probe = format!("exec 3<>/dev/tcp/{SERVER_ADDRESS}/{port}");
    Ok(network.run(["bash", "-c", &probe], Duration::from_secs(5))?.success())
}
