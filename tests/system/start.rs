//! Follows `docs/start.md` literally, on fresh machines, to its end.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use muster_tests::document::{self, Step};
use muster_tests::{Artifacts, Device, Network, Packages};

const SERVER: &str = "muster";
const PASSWORD: &str = "walnut-harbour-eleven-lamps";
/// The longest that one command of the document may take.
const PATIENCE: Duration = Duration::from_secs(400);
const INSTALLING: Duration = Duration::from_secs(300);

/// The machines that the reader has, by name, with the serials of their firmware.
const SERIALS: [(&str, &str); 4] =
    [("lap-ada", "PF3ABC12"), ("template", "TEMPLATE"), ("srv-web1", "SRV-0001"), ("srv-db1", "SRV-0002")];

/// The reader and the machines.
struct Reader<'n> {
    machines: BTreeMap<String, Device<'n>>,
    _debian: Packages,
}

impl<'n> Reader<'n> {
    /// With what stands in the document under "you need", and root's way by ssh from the server to the others.
    fn begin(network: &'n Network) -> Result<Self> {
        let mut reader = Self { machines: BTreeMap::new(), _debian: Packages::serve(network)? };
        for name in [SERVER, "lap-ada", "template", "srv-db1"] {
            reader.machines.insert(name.to_owned(), Device::boot(network, name)?);
        }
        for name in reader.machines.keys() {
            reader.introduce(name)?;
        }
        let server = reader.machine(SERVER)?;
        server.copy_in(&Artifacts::find()?.server_deb, "/root/muster-server_0.1.0_amd64.deb")?;
        server.exec(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"])?.ok()?;
        server.write_file("/root/.ssh/config", "StrictHostKeyChecking accept-new\n", 0o600)?;
        let key = server.read_file("/root/.ssh/id_ed25519.pub")?;
        for name in ["lap-ada", "template"] {
            reader.machine(name)?.write_file("/root/.ssh/authorized_keys", &key, 0o600)?;
        }
        Ok(reader)
    }

    /// Gives a machine the names of the others, and its serial.
    fn introduce(&self, name: &str) -> Result<()> {
        let machine = self.machine(name)?;
        let hosts = machine.read_file("/etc/hosts")?;
        let server = self.machine(SERVER)?.address();
        let others: String =
            self.machines.values().map(|other| format!("{} {}\n", other.address(), other.name())).collect();
        machine.write_file("/etc/hosts", format!("{hosts}{server} muster.corp.example\n{others}"), 0o644)?;
        if let Some((_, serial)) = SERIALS.iter().find(|(known, _)| *known == name) {
            // Firmware is no file of the package's, about which dpkg would ask.
            machine.write_file("/etc/dpkg/dpkg.cfg.d/rig", "force-confold\n", 0o644)?;
            machine.write_file("/etc/muster/agent.toml", format!("serial = \"{serial}\"\n"), 0o644)?;
        }
        Ok(())
    }

    fn machine(&self, name: &str) -> Result<&Device<'n>> {
        self.machines.get(name).with_context(|| format!("the document names {name}, which is no machine"))
    }

    fn follow(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::File { name, text } => {
                self.machine(SERVER)?.write_file(Path::new("/root").join(name), text, 0o644)
            }
            Step::ByHand(what) => self.do_by_hand(what).with_context(|| what.clone()),
            Step::Command { host, line, expected } => {
                let read = self.type_in(host, line)?;
                match document::missing(expected, &read) {
                    None => Ok(()),
                    Some(missing) => bail!("{host}: {line}\nsaid nothing like {missing:?}:\n{read}"),
                }
            }
        }
    }

    /// Types a line at a terminal and answers what is asked there.
    fn type_in(&self, host: &str, line: &str) -> Result<String> {
        let machine = self.machine(host)?;
        let line_in_home = format!("cd /root && {line}");
        let argv =
            ["env", "TERM=dumb", "script", "--quiet", "--return", "--command", &line_in_home, "/dev/null"];
        let mut terminal = machine.command(argv)?;
        let mut child =
            terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut keyboard = child.stdin.take().context("no keyboard")?;
        let mut screen = child.stdout.take().context("no screen")?;
        let (show, shown) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                if show.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let (begun, mut said, mut answered) = (Instant::now(), String::new(), 0);
        loop {
            match shown.recv_timeout(Duration::from_secs(1)) {
                Ok(bytes) => said.push_str(&String::from_utf8_lossy(&bytes)),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if let Some(answer) = self.answer(&said[answered..])? {
                answered = said.len();
                keyboard.write_all(format!("{answer}\n").as_bytes())?;
            }
            if begun.elapsed() > PATIENCE {
                child.kill()?;
                bail!("{host}: {line}\nwas not done in time:\n{said}");
            }
        }
        let ended = child.wait()?;
        // A plan and a trial end with 2 when there are changes.
        let planned = (line.contains(" plan ") || line.contains(" --dry-run")) && ended.code() == Some(2);
        ensure!(ended.success() || planned, "{host}: {line}\nended with {ended}:\n{said}");
        Ok(said.replace('\r', ""))
    }

    /// What a person answers to the question that stands at the end of the screen.
    fn answer(&self, screen: &str) -> Result<Option<String>> {
        let question = screen.rsplit('\n').next().unwrap_or_default();
        Ok(if question.ends_with("Setup link: ") {
            Some(self.machine(SERVER)?.read_file("/var/lib/muster-server/setup-link")?.trim().to_owned())
        } else if question.ends_with("characters: ") {
            Some(PASSWORD.to_owned())
        } else if question.ends_with("[y/N] ") {
            Some("y".to_owned())
        } else {
            None
        })
    }

    fn do_by_hand(&mut self, what: &str) -> Result<()> {
        match what.split_whitespace().collect::<Vec<_>>()[..] {
            ["clone", from, to] => {
                let mut template = self.machines.remove(from).context("there is no such machine")?;
                template.power_off()?;
                self.machines.insert(to.to_owned(), template.prepare_clone(to)?);
                self.introduce(to)?;
                self.machines.get_mut(to).context("the clone is gone")?.start()
            }
            ["cloud-init", name, user_data] => self.start_by_cloud_init(name, user_data),
            _ => bail!("nobody knows how to do this"),
        }
    }

    /// A cloud's image has cloud-init in it; the cloud then shows it the user data.
    fn start_by_cloud_init(&mut self, name: &str, user_data: &str) -> Result<()> {
        let user_data = self.machine(SERVER)?.read_file(Path::new("/root").join(user_data))?;
        let machine = self.machines.get_mut(name).context("there is no such machine")?;
        machine.exec_within(["apt-get", "--quiet", "update"], INSTALLING)?.ok()?;
        let install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "install", "cloud-init"];
        machine.exec_within(install, INSTALLING)?.ok()?;
        machine.power_off()?;
        let seed = "/var/lib/cloud/seed/nocloud";
        machine.write_file(format!("{seed}/meta-data"), "instance-id: i-1\n", 0o644)?;
        machine.write_file(format!("{seed}/user-data"), user_data, 0o600)?;
        let settings = "datasource_list: [NoCloud]\nnetwork: {config: disabled}\napt: {preserve_sources_list: true}\nlocale: false\n";
        machine.write_file("/etc/cloud/cloud.cfg.d/99-rig.cfg", settings, 0o644)?;
        let started = machine.start();
        started.with_context(|| machine.read_file("/var/log/cloud-init.log").unwrap_or_default())?;
        let said = machine.exec_within(["cloud-init", "status", "--wait", "--long"], INSTALLING)?;
        ensure!(said.stdout.contains("status: done"), "{}", said.stdout);
        Ok(())
    }
}

#[test]
fn a_newcomer_who_follows_the_start_ends_with_everything_compliant() -> Result<()> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/start.md");
    let steps = document::steps(&fs::read_to_string(document)?)?;
    let network = Network::create()?;
    let mut reader = Reader::begin(&network)?;
    for step in &steps {
        reader.follow(step)?;
        // Between two commands a person takes a breath, in which what was started comes up.
        reader.machine(SERVER)?.exec(["sleep", "2"])?.ok()?;
    }
    Ok(())
}
