//! `muster-server setup`: makes the data folder, and a one-time link for the first admin.

use std::fs;
use std::io::{BufRead, IsTerminal, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use muster_policy::rights::Identity;
use muster_proto::spiffe::TrustDomain;

use crate::account;
use crate::app::{AppError, system_clock};
use crate::ca::{self, Authority, Name};
use crate::config::{ADMIN_PORT, Config, DEVICE_PORT, DataFolder, GivenTls};
use crate::listen::ServedCertificate;
use crate::serve::Record;

/// Make this machine a Muster server
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  muster-server setup --name muster.corp.example --trust-domain corp.example"
)]
pub(crate) struct Setup {
    /// The folder for keys and database
    #[arg(long, default_value = "/var/lib/muster-server")]
    data: PathBuf,
    /// The name that devices and admins connect to
    #[arg(long)]
    name: Option<String>,
    /// The name under which device certificates are issued; never changes
    #[arg(long)]
    trust_domain: Option<String>,
    /// Write the root key here, to be kept offline, instead of into the folder
    #[arg(long, value_name = "FILE")]
    root_key_out: Option<PathBuf>,
    /// A certificate for browsers, PEM; one of its own when left out
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// An address that the server is reached by besides its name; may be given several times
    #[arg(long, value_name = "IP")]
    address: Vec<IpAddr>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Setup {
    /// Becomes who may safely work in the folder. To be called while the process has one thread.
    pub(crate) fn drop_rights(&self) -> Result<()> {
        account::become_owner_of(&self.data)
    }

    /// Sets up, or makes a new link where there is no admin yet.
    pub(crate) async fn run(self) -> Result<()> {
        let folder = DataFolder::at(&self.data);
        if !folder.is_set_up() {
            self.make(&folder)?;
        }
        let config = folder.read_config()?;
        let authority = Authority::open(&folder.authority())?;
        self.refuse_another_name(&config.name, authority.trust_domain())?;
        let record = Record::open(&folder, &config, &authority).await?;
        let right = Identity::local_root().administer()?;
        let secret = match record.app.create_setup_link(&right).await {
            Ok(secret) => secret,
            Err(AppError::Taken(_) | AppError::Invalid(_)) => bail!(
                "{} is set up already and has an admin; log in at https://{}:{ADMIN_PORT}",
                self.data.display(),
                config.name
            ),
            Err(error) => return Err(error).context("can't make the setup link"),
        };
        let link = format!("https://{}:{ADMIN_PORT}/setup#{secret}", config.name);
        // Last of all: the unit that starts the server waits for this file.
        folder.write_private(&folder.setup_link(), &format!("{link}\n"))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "Muster is set up in {}.\n", self.data.display())?;
        writeln!(out, "  Setup link       {link}")?;
        writeln!(out, "                   makes the first admin, once, within an hour")?;
        writeln!(out, "  CA fingerprint   {}", authority.fingerprint())?;
        writeln!(out, "  For devices      {}:{DEVICE_PORT}", config.name)?;
        writeln!(out, "  For admins       https://{}:{ADMIN_PORT}\n", config.name)?;
        if let Some(path) = &self.root_key_out {
            writeln!(out, "Keep {} offline; it is needed to renew the issuing certificate.", path.display())?;
        }
        writeln!(out, "{}\n", warning(&self.data, authority.holds_root_key()))?;
        writeln!(out, "Next: open the link, or run: muster setup - --name YOU")?;
        Ok(())
    }

    /// A folder is set up once: an option that asks for something else was not heeded, and is not passed over.
    fn refuse_another_name(&self, name: &str, domain: &TrustDomain) -> Result<()> {
        let folder = self.data.display();
        if let Some(given) = self.name.as_ref().filter(|given| !given.eq_ignore_ascii_case(name)) {
            bail!(
                "{folder} is set up with --name {name} already, not {given}: leave --name out for a new link, \
                 or give another --data to set up another server"
            );
        }
        if let Some(given) = self.trust_domain.as_ref().filter(|given| **given != domain.to_string()) {
            bail!(
                "{folder} is set up with --trust-domain {domain} already, not {given}, and that never changes: \
                 leave --trust-domain out for a new link, or give another --data to set up another server"
            );
        }
        Ok(())
    }

    fn make(&self, folder: &DataFolder) -> Result<()> {
        if folder.restoring().exists() {
            bail!("a restore was cut off in {}: empty it, and restore again", folder.path().display());
        }
        let name = self.answer(self.name.as_deref(), "--name", "Name that devices and admins connect to")?;
        let name = name.to_ascii_lowercase();
        let mut names: Vec<Name> = vec![name.parse().context("--name can't be used")?];
        names.extend(self.address.iter().map(|address| Name::Ip(*address)));
        let domain = name.split_once('.').map(|(_, domain)| domain.to_owned());
        let domain = match (&self.trust_domain, domain) {
            (None, Some(domain)) if self.yes => domain,
            (given, _) => self.answer(
                given.as_deref(),
                "--trust-domain",
                "Trust domain, such as corp.example (never changes)",
            )?,
        };
        let domain: TrustDomain = domain.parse().context("--trust-domain can't be used")?;
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(GivenTls { certificate: absolute(certificate)?, key: absolute(key)? })
            }
            _ => None,
        };
        folder.make()?;
        let now = system_clock();
        let authority =
            match Authority::set_up(&folder.authority(), &domain, self.root_key_out.as_deref(), now) {
                // An earlier setup was cut off between this and the last step.
                Err(ca::Error::Exists(_)) => Authority::open(&folder.authority())?,
                made => made?,
            };
        if *authority.trust_domain() != domain {
            bail!("the authority in {} is for {}", folder.path().display(), authority.trust_domain());
        }
        ServedCertificate::make(&authority, &folder.device_certificate(), &names, now)?;
        ServedCertificate::make(&authority, &folder.admin_certificate(), &names, now)?;
        let (return_window_days, max_artifact_mib) = (None, None);
        folder.write_config(&Config { name, packages: None, tls, return_window_days, max_artifact_mib })
    }

    /// What was given, or what the person at the terminal answers.
    fn answer(&self, given: Option<&str>, option: &str, question: &str) -> Result<String> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        if self.yes || !std::io::stdin().is_terminal() {
            bail!("{option} is missing");
        }
        let mut terminal = std::io::stderr();
        write!(terminal, "{question}: ")?;
        terminal.flush()?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// What a copy of the folder is worth to a thief.
fn warning(folder: &Path, holds_root_key: bool) -> String {
    let (span, remedy) = if holds_root_key {
        (
            "for as long as they trust this root",
            "Set up with --root-key-out to keep the root key elsewhere, use",
        )
    } else {
        ("until the issuing certificate ends, a year at most", "Use")
    };
    format!(
        "Warning: whoever gets a copy of {}, from a disk or a backup, can read first-login\n\
         passwords that nobody has revealed yet, and give orders to every device as if it were this server,\n\
         {span}. {remedy} full-disk encryption, and encrypt its backups.",
        folder.display()
    )
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).with_context(|| format!("can't read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_says_what_a_copy_is_worth_and_what_to_do() {
        let folder = Path::new("/var/lib/muster-server");
        let (with, without) = (warning(folder, true), warning(folder, false));
        assert!(with.contains("--root-key-out") && with.contains("full-disk encryption"), "{with}");
        assert!(!without.contains("--root-key-out") && without.contains("a year at most"), "{without}");
    }
}
