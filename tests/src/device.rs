//! One device: a Debian root with an overlay of its own, booted with its own systemd in a container.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::{self, Output};
use crate::network::{Network, SERVER_ADDRESS, SERVER_NAME, children};
use crate::packages::PACKAGES_NAME;
use crate::run_folder::{base_image, cache};
use crate::wait::wait_until;

const BOOT: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_secs(30);
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Joins the control groups given before `--`, then becomes the command after it.
const IN_GROUPS: &str = r#"
while [ "$1" != -- ]; do mkdir -p "$1" && echo 0 >"$1/cgroup.procs" || exit 1; shift; done
shift
exec "$@"
"#;

/// A device on a network. It is off until [`Device::start`]; dropping it pulls the plug.
#[derive(Debug)]
pub struct Device<'n> {
    pub(crate) network: &'n Network,
    name: String,
    address: String,
    /// The folders below the device's own, as overlay mounts take them.
    image: String,
    power: Option<Power>,
}

/// What exists only while a device is on.
#[derive(Debug)]
struct Power {
    container: Child,
    /// The device's own process 1, as this process sees it.
    leader: u32,
}

impl<'n> Device<'n> {
    /// A device that is on: [`Device::prepare`], then [`Device::start`].
    pub fn boot(network: &'n Network, name: &str) -> Result<Self> {
        let mut device = Self::prepare(network, name)?;
        device.start()?;
        Ok(device)
    }

    /// A new device that was never on; files and packages can be put on it as an installer would.
    pub fn prepare(network: &'n Network, name: &str) -> Result<Self> {
        Self::prepare_on(network, name, base_image().display().to_string())
    }

    /// A new device that also has the tools that Muster is measured against; the benchmark's own script puts them in place.
    pub fn prepare_with_peers(network: &'n Network, name: &str) -> Result<Self> {
        let layer = cache().join("bench-peers");
        ensure!(layer.is_dir(), "{} is missing: run `make bench-converge`", layer.display());
        Self::prepare_on(network, name, format!("{}:{}", layer.display(), base_image().display()))
    }

    /// A new device whose disk begins as a copy of this one's, which is off and never started again.
    pub fn prepare_clone(&self, name: &str) -> Result<Self> {
        ensure!(self.power.is_none(), "{} is on", self.name);
        Self::prepare_on(
            self.network,
            name,
            format!("{}:{}", self.folder().join("upper").display(), self.image),
        )
    }

    fn prepare_on(network: &'n Network, name: &str, image: String) -> Result<Self> {
        let address = network.next_address()?;
        let device = Self { network, name: name.to_owned(), address, image, power: None };
        device.mount().with_context(|| format!("making the disk of {name}"))?;
        device.connect().with_context(|| format!("making the link of {name}"))?;
        device.personalise().with_context(|| format!("setting up {name}"))?;
        Ok(device)
    }

    /// The host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The IPv4 address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is on.
    pub(crate) fn is_on(&self) -> bool {
        self.power.is_some()
    }

    /// Turns it on and waits until systemd has started everything.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.power.is_none(), "{} is already on", self.name);
        let log = fs::File::options().create(true).append(true).open(self.console_log());
        let log = log.with_context(|| format!("opening the console log of {}", self.name))?;
        let mut argv: Vec<OsString> = vec!["sh".into(), "-c".into(), IN_GROUPS.into(), "device".into()];
        argv.extend(self.network.control_groups().iter().map(|group| group.join(&self.name).into()));
        argv.extend(["--", "systemd-nspawn", "--quiet", "--boot"].map(Into::into));
        argv.extend([OsString::from("--directory"), self.root_inside().into()]);
        argv.extend(
            [format!("--machine={0}", self.name), format!("--hostname={0}", self.name)].map(Into::into),
        );
        argv.push(format!("--network-namespace-path=/run/netns/{}", self.name).into());
        // With a network of its own a device may set it up; nspawn says so of a private network alone.
        argv.push("--capability=CAP_NET_ADMIN".into());
        argv.extend(
            ["--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no"]
                .map(Into::into),
        );
        let container = self
            .network
            .command(&argv)
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network")
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing the console log")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.name))?;
        let mut power = Power { container, leader: 0 };
        power.leader =
            wait_until("the device's first process", BOOT, || self.find_leader(&mut power.container))?;
        self.power = Some(power);
        self.wait_until_up()
    }

    /// Runs a command on the device as root, to its end, within a minute.
    pub fn exec<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Result<Output> {
        self.exec_within(argv, Duration::from_secs(60))
    }

    /// Runs a command on the device as root, to its end, within `limit`.
    pub fn exec_within<S: AsRef<OsStr>>(
        &self,
        argv: impl IntoIterator<Item = S>,
        limit: Duration,
    ) -> Result<Output> {
        command::run(self.entered(argv)?, limit)
    }

    /// Runs a command on the device as root with a text on its standard input, to its end.
    pub fn exec_with_input<S: AsRef<OsStr>>(
        &self,
        argv: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Result<Output> {
        command::run_with_input(self.command(argv)?, input)
    }

    /// A command that will run on the device as root, for what has to go on or wants an input.
    pub fn command<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Result<Command> {
        Ok(command::command(self.entered(argv)?))
    }

    /// What root types on this host for a shell on the device.
    pub fn entrance(&self) -> Result<String> {
        let power = self.power.as_ref().with_context(|| format!("{} is off", self.name))?;
        Ok(format!("nsenter -a -t {} -- env -i {PATH} HOME=/root TERM=\"$TERM\" bash", power.leader))
    }

    /// The process id on this host of what has the process id `inside` on the device.
    pub fn host_pid(&self, inside: u32) -> Result<u32> {
        let power = self.power.as_ref().with_context(|| format!("{} is off", self.name))?;
        let namespace =
            fs::read_link(format!("/proc/{}/ns/pid", power.leader)).context("the device's processes")?;
        for entry in fs::read_dir("/proc").context("listing processes")? {
            let path = entry.context("listing processes")?.path();
            if fs::read_link(path.join("ns/pid")).ok().as_ref() != Some(&namespace) {
                continue;
            }
            let status = fs::read_to_string(path.join("status")).unwrap_or_default();
            let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            if ids.split_whitespace().last().and_then(|id| id.parse().ok()) == Some(inside) {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                return name.parse().context("a process without a number");
            }
        }
        bail!("{} has no process {inside}", self.name)
    }

    /// The path by which this process reaches `path` on the device, on or off.
    ///
    /// An absolute symbolic link on the way would lead to this host: name the real place.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        let root = match &self.power {
            Some(power) => PathBuf::from(format!("/proc/{}/root", power.leader)),
            None => self.network.seen_inside(&self.root_inside()),
        };
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Writes a file with a mode, and the folders above it.
    pub fn write_file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        let (path, shown) = (self.path(&path), path.as_ref().display().to_string());
        let write = || -> std::io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, content)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        };
        write().with_context(|| format!("writing {shown} on {}", self.name))
    }

    /// The text of a file on the device.
    pub fn read_file(&self, path: impl AsRef<Path>) -> Result<String> {
        fs::read_to_string(self.path(&path))
            .with_context(|| format!("reading {} on {}", path.as_ref().display(), self.name))
    }

    /// Copies a file of this host onto the device, mode included.
    pub fn copy_in(&self, from: &Path, to: impl AsRef<Path>) -> Result<()> {
        let target = self.path(&to);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        fs::copy(from, &target).with_context(|| {
            format!("copying {} to {} on {}", from.display(), to.as_ref().display(), self.name)
        })?;
        Ok(())
    }

    /// Installs a package file: with apt when the device is on, as an image builder does when it is off.
    pub fn install_deb(&self, deb: &Path) -> Result<()> {
        let place = "/var/tmp/install.deb";
        self.copy_in(deb, place)?;
        let installed = if self.power.is_some() {
            self.exec_within(
                ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "install", place],
                Duration::from_secs(180),
            )
        } else {
            let root = self.root_inside();
            let mut argv: Vec<OsString> = vec!["chroot".into(), root.into()];
            argv.extend(
                ["env", "-i", PATH, "DEBIAN_FRONTEND=noninteractive", "dpkg", "-i", place].map(Into::into),
            );
            self.network.run(argv, Duration::from_secs(180))
        };
        installed?.ok().with_context(|| format!("installing {} on {}", deb.display(), self.name))?;
        fs::remove_file(self.path(place)).context("removing the installed package file")
    }

    /// Fails unless another turn of the agent would change nothing.
    pub fn plans_nothing(&self) -> Result<()> {
        let plan = self.exec(["muster-agent", "plan"])?;
        ensure!(plan.code == Some(0), "a second turn would change something: {}{}", plan.stdout, plan.stderr);
        Ok(())
    }

    /// Makes a certificate of an authority of this name whose key nobody has; its PEM text.
    pub fn make_authority(&self, name: &str) -> Result<String> {
        let subject = format!("/CN={name}");
        let argv = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ed25519",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-days",
            "3650",
        ];
        Ok(self.exec(argv.into_iter().chain(["-subj", &subject]))?.ok()?.stdout)
    }

    /// Puts the agent on a device that is off, with its serial and the file by which it joins at the next start.
    pub fn install_agent(&self, deb: &Path, serial: &str, join_file: &str) -> Result<()> {
        self.install_deb(deb)?;
        self.write_file("/etc/muster/agent.toml", format!("serial = \"{serial}\"\n"), 0o644)?;
        self.write_file("/etc/muster/join.toml", join_file, 0o600)
    }

    /// Unplugs the network cable.
    pub fn cut_off(&self) -> Result<()> {
        self.network.run(["ip", "link", "set", &self.link_name(), "down"], STEP)?.ok()?;
        Ok(())
    }

    /// Plugs the network cable in again.
    pub fn reconnect(&self) -> Result<()> {
        self.network.run(["ip", "link", "set", &self.link_name(), "up"], STEP)?.ok()?;
        Ok(())
    }

    /// Shuts it down in order and starts it again.
    pub fn reboot(&mut self) -> Result<()> {
        self.power_off()?;
        self.start()
    }

    /// Shuts it down in order; its disk stays.
    pub fn power_off(&mut self) -> Result<()> {
        self.exec(["systemctl", "poweroff"])?.ok()?;
        let Some(mut power) = self.power.take() else { bail!("{} is off", self.name) };
        wait_until("the device to shut down", BOOT, || Ok(power.container.try_wait()?))?;
        Ok(())
    }

    /// Waits until it has turned itself off.
    pub fn wait_until_off(&mut self, limit: Duration) -> Result<()> {
        let Some(mut power) = self.power.take() else { bail!("{} is off", self.name) };
        let off = wait_until("the device to turn itself off", limit, || Ok(power.container.try_wait()?));
        if off.is_err() {
            self.power = Some(power);
        }
        off.map(drop)
    }

    /// Waits until it has begun to reboot by itself, and turns it on again, as firmware would.
    pub fn wait_until_rebooted(&mut self, limit: Duration) -> Result<()> {
        /// With what systemd-nspawn ends where what is in it reboots.
        const REBOOTS: i32 = 133;
        let Some(mut power) = self.power.take() else { bail!("{} is off", self.name) };
        let off = wait_until("the device to reboot by itself", limit, || Ok(power.container.try_wait()?));
        if off.is_err() {
            self.power = Some(power);
        }
        let code = off?.code();
        ensure!(code == Some(REBOOTS), "{} did not reboot but ended with {code:?}", self.name);
        self.start()
    }

    /// Pulls the plug: every process ends at once. What was written stays, because the host's cache holds it.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut power) = self.power.take() else { return Ok(()) };
        power.pull_plug()
    }

    /// What the device wrote on its console, all boots.
    pub fn console(&self) -> String {
        fs::read_to_string(self.console_log()).unwrap_or_default()
    }

    /// The journal of this boot, of one unit, for messages of failed tests.
    pub fn journal(&self, unit: &str) -> String {
        self.exec(["journalctl", "--no-pager", "-b", "-u", unit])
            .map_or_else(|error| format!("{error:#}"), |output| output.stdout)
    }

    /// Puts its root together from the image and its own part.
    pub(crate) fn mount(&self) -> Result<()> {
        let folder = self.folder();
        for part in ["upper", "work", "root"] {
            fs::create_dir_all(folder.join(part)).with_context(|| format!("making {part}"))?;
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            self.image,
            folder.join("upper").display(),
            folder.join("work").display()
        );
        let mut argv: Vec<OsString> = ["mount", "-t", "overlay", "overlay", "-o"].map(Into::into).into();
        argv.extend([options.into(), self.root_inside().into()]);
        self.network.run(argv, STEP)?.ok()?;
        Ok(())
    }

    fn connect(&self) -> Result<()> {
        let (name, link) = (self.name.as_str(), self.link_name());
        let address = format!("{}/24", self.address);
        let steps: [&[&str]; 6] = [
            &["ip", "netns", "add", name],
            &["ip", "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", name],
            &["ip", "link", "set", &link, "master", "br0", "up"],
            &["ip", "-n", name, "addr", "add", &address, "dev", "eth0"],
            &["ip", "-n", name, "link", "set", "lo", "up"],
            &["ip", "-n", name, "link", "set", "eth0", "up"],
        ];
        for step in steps {
            self.network.run(step, STEP)?.ok()?;
        }
        Ok(())
    }

    /// What an installer gives each machine: its name, its view of names, its own SSH host key.
    fn personalise(&self) -> Result<()> {
        // A clone begins with the key of what it was cloned from.
        for file in ["/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub"] {
            fs::remove_file(self.path(file)).ok();
        }
        self.write_file("/etc/hostname", format!("{}\n", self.name), 0o644)?;
        let hosts = format!(
            "127.0.0.1 localhost\n127.0.1.1 {}\n{SERVER_ADDRESS} {SERVER_NAME} {PACKAGES_NAME}\n",
            self.name
        );
        self.write_file("/etc/hosts", hosts, 0o644)?;
        let key = self.path("/etc/ssh/ssh_host_ed25519_key");
        let mut argv: Vec<OsString> =
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"].map(Into::into).into();
        argv.push(key.into());
        command::run(argv, STEP)?.ok()?;
        Ok(())
    }

    fn find_leader(&self, container: &mut Child) -> Result<Option<u32>> {
        if let Some(status) = container.try_wait().context("asking after the container")? {
            bail!("{} did not start ({status}): {}", self.name, self.console());
        }
        let Some(nspawn) = children(container.id()).first().copied() else { return Ok(None) };
        let is_systemd = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd")
        };
        Ok(children(nspawn).into_iter().find(is_systemd))
    }

    fn wait_until_up(&self) -> Result<()> {
        let state = wait_until("systemd to finish booting", BOOT, || {
            let output = self.exec(["systemctl", "is-system-running", "--wait"])?;
            let state = output.line().to_owned();
            Ok(matches!(state.as_str(), "running" | "degraded").then_some(state))
        })
        .with_context(|| format!("{} did not come up: {}", self.name, self.console()))?;
        if state == "degraded" {
            let failed = self.exec(["systemctl", "--failed", "--no-legend", "--plain"])?;
            bail!("{} came up with failed units: {}", self.name, failed.line());
        }
        Ok(())
    }

    fn entered<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Result<Vec<OsString>> {
        let Some(power) = &self.power else { bail!("{} is off", self.name) };
        let mut words: Vec<OsString> = ["nsenter", "-a", "-t"].map(Into::into).into();
        words.push(power.leader.to_string().into());
        words.extend(["--", "env", "-i", PATH, "LC_ALL=C.UTF-8", "HOME=/root"].map(Into::into));
        words.extend(argv.into_iter().map(|word| word.as_ref().to_owned()));
        Ok(words)
    }

    /// What is its own: its part of the disk, and where that is put together with the image.
    pub(crate) fn folder(&self) -> PathBuf {
        self.network.folder().join(format!("device-{}", self.name))
    }

    /// Where its disk is, as the network's own processes see it.
    pub fn root_inside(&self) -> PathBuf {
        self.folder().join("root")
    }

    /// Where the files of its network are that are no device's.
    pub(crate) fn network_folder(&self) -> &Path {
        self.network.folder()
    }

    fn console_log(&self) -> PathBuf {
        self.network.folder().join(format!("{}.console", self.name))
    }

    /// An interface name has 15 characters at most, so it is made from the address and not from the name.
    fn link_name(&self) -> String {
        format!("dev{}", self.address.rsplit('.').next().unwrap_or_default())
    }
}

impl Drop for Device<'_> {
    fn drop(&mut self) {
        // A failure here is no loss: the network's end takes the device with it.
        self.kill().ok();
    }
}

impl Power {
    fn pull_plug(&mut self) -> Result<()> {
        let leader = i32::try_from(self.leader).ok().and_then(Pid::from_raw).context("no first process")?;
        kill_process(leader, Signal::KILL).context("ending the device's first process")?;
        self.container.wait().context("waiting for the container to end")?;
        Ok(())
    }
}
