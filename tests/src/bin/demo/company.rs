//! The demo's company: its machines, its profiles, and its admin's first day, by the admin's own commands.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use muster_proto::rest::ComplianceReport;
use muster_tests::{ADMIN_NAME, Network, Packages, SERVER_ADDRESS, Server};

use crate::say::say;

/// A machine as purchasing knows it.
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) serial: &'static str,
    pub(crate) owner: &'static str,
    pub(crate) label: &'static str,
}

/// The company's three machines.
pub(crate) const MACHINES: [Machine; 3] = [
    Machine { name: "lap-ada", serial: "DEMO-L1001", owner: "ada", label: "engineering" },
    Machine { name: "lap-ben", serial: "DEMO-L1002", owner: "ben", label: "laptop" },
    Machine { name: "srv-web", serial: "DEMO-S2001", owner: "", label: "web" },
];

/// Which profile goes where.
const ASSIGNMENTS: [(&str, &str); 3] =
    [("base", "everyone"), ("engineering-laptop", "label:engineering"), ("web-server", "label:web")];

/// The company, with its admin logged in.
pub(crate) struct Company<'n> {
    server: &'n Server<'n>,
    folder: PathBuf,
    password: String,
}

impl<'n> Company<'n> {
    /// Makes the first admin by the setup link and logs the command line in.
    pub(crate) fn found(network: &'n Network, server: &'n Server<'n>) -> Result<Self> {
        let folder = network.folder().join("company");
        fs::create_dir_all(&folder).context("making the company's folder")?;
        let company = Self { server, folder, password: new_password()? };
        company.first_admin()?;
        Ok(company)
    }

    /// Imports the machines from the list that purchasing keeps.
    pub(crate) fn register(&self) -> Result<()> {
        let mut csv = String::from("serial,name,owner,labels\n");
        for Machine { name, serial, owner, label } in &MACHINES {
            csv.push_str(&format!("{serial},{name},{owner},{label}\n"));
        }
        let path = self.folder.join("devices.csv");
        fs::write(&path, csv).context("writing devices.csv")?;
        self.muster(&["device", "import", &path.to_string_lossy()])?;
        Ok(())
    }

    /// A join file for one machine: its token serves no other serial.
    pub(crate) fn join_file(&self, machine: &Machine) -> Result<String> {
        let output =
            self.server.muster(["token", "create", "--serial", machine.serial, "--print", "toml"])?.ok()?;
        Ok(output.stdout)
    }

    /// Checks, saves and assigns the demo's profiles.
    pub(crate) fn assign_profiles(&self) -> Result<()> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/baselines/demo");
        let keys = self.folder.join("keys");
        fs::create_dir_all(&keys).context("making the folder of keys")?;
        fs::write(keys.join("corp.asc"), Packages::public_key("corp")?)
            .context("writing the repository's key")?;
        for (profile, target) in ASSIGNMENTS {
            let file = format!("{profile}.yaml");
            let path = self.folder.join(&file);
            fs::copy(sources.join(&file), &path).with_context(|| format!("copying {file}"))?;
            self.muster(&["profile", "check", &path.to_string_lossy()])?;
            self.muster(&["profile", "apply", &path.to_string_lossy()])?;
            self.muster(&["assign", profile, "--to", target, "--yes"])?;
        }
        Ok(())
    }

    /// How the fleet stands, as `muster compliance -o json` says.
    pub(crate) fn compliance(&self) -> Result<ComplianceReport> {
        let output = self.server.muster(["compliance", "-o", "json"])?;
        serde_json::from_str(&output.stdout)
            .with_context(|| format!("reading `muster compliance`: {}{}", output.stdout, output.stderr))
    }

    /// The first-login password of an account on a device; told once.
    pub(crate) fn reveal_password(&self, device: &str, account: &str) -> Result<String> {
        let output = self.server.muster(["device", "password", device, account])?.ok()?;
        let password =
            output.line().split_whitespace().last().context("`muster device password` printed nothing")?;
        Ok(password.to_owned())
    }

    /// What the server says keeps a device from being compliant.
    pub(crate) fn why(&self, device: &str) -> String {
        match self.server.muster(["why", device]) {
            Ok(output) => format!("{}{}", output.stdout, output.stderr),
            Err(error) => format!("{error:#}"),
        }
    }

    /// How to ask the server from this host: where `muster` is, and the fingerprint that `muster login` has to see.
    pub(crate) fn command_line(&self, muster: &Path) -> Result<String> {
        let (muster, fingerprint) = (muster.display(), self.server.fingerprint()?);
        Ok(format!(
            "muster      {muster}\nCA          {fingerprint}\n\n  {muster} login https://{SERVER_ADDRESS}:8443 --name {ADMIN_NAME} --fingerprint {fingerprint}\n  {muster} why {}",
            MACHINES[0].name
        ))
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    pub(crate) fn server_log(&self) -> String {
        self.server.log()
    }

    /// Opens the setup link, then logs in as every later admin does. Secrets go over standard input.
    fn first_admin(&self) -> Result<()> {
        let (link, url) = (self.server.setup_link()?, self.server.admin_url());
        let fingerprint = self.server.fingerprint()?;
        let known = ["--name", ADMIN_NAME, "--password-stdin", "--fingerprint", &fingerprint];
        let input = format!("{link}\n{}\n", self.password);
        self.server.muster_with_input([&["setup", "-"], &known[..]].concat(), &input)?.ok()?;
        let input = format!("{}\n", self.password);
        self.server.muster_with_input([&["login", &url], &known[..]].concat(), &input)?.ok()?;
        say(&format!("  $ muster login {url} --name {ADMIN_NAME}"));
        Ok(())
    }

    /// Runs a command of the admin and shows it with the last line of its answer.
    fn muster(&self, args: &[&str]) -> Result<()> {
        let output = self.server.muster(args)?.ok()?;
        let shown: Vec<&str> = args.iter().map(|arg| arg.rsplit('/').next().unwrap_or(arg)).collect();
        say(&format!(
            "  $ muster {}\n    {}",
            shown.join(" "),
            output.line().lines().last().unwrap_or_default()
        ));
        Ok(())
    }
}

/// A password that nobody knows before this run.
fn new_password() -> Result<String> {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").context("reading a random id")?;
    Ok(format!("demo-{}", random.trim().split('-').take(3).collect::<Vec<_>>().join("-")))
}
