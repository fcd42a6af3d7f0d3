//! `muster setup`: choosing a password by a one-time link.

use clap::Args;
use muster_proto::rest;

use super::login::{Address, Trust, enter};
use crate::failure::{Ending, Failure};
use crate::terminal;

/// Choose a password by a one-time link, as the first admin or one who was added, and log in
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster setup 'https://muster.corp.example:8443/setup#...' --name kim\n  muster setup - --name kim < setup-link       # keeps the link out of the shell's history"
)]
pub(crate) struct Setup {
    /// The link; `-` asks for it
    link: String,
    /// Your login name; the link of an admin who was added names it
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    trust: Trust,
}

impl Setup {
    pub(crate) async fn run(self, context: Option<&str>) -> Result<Ending, Failure> {
        let link = if self.link == "-" { terminal::ask("Setup link: ")? } else { self.link };
        let secret = link.rsplit_once('#').map_or("", |(_, secret)| secret).trim().to_owned();
        if secret.is_empty() {
            return Err(Failure::new("this is not a setup link: there is no # in it")
                .next("take the whole link that muster-server setup printed, in quotes"));
        }
        let name = self.name.or_else(|| named(&link)).ok_or_else(|| {
            Failure::new("the first admin's link names nobody").next("say who you are with --name")
        })?;
        let address = Address::parse(&link)?;
        let fingerprint = self.trust.believe(&address).await?;
        let password = self.trust.password("A new password, at least 15 characters: ")?;
        let request = rest::Setup { link: secret, name, password };
        enter(&address, fingerprint, "/setup", &request, context).await
    }
}

/// Whom the link is for, when it says.
fn named(link: &str) -> Option<String> {
    let (_, query) = link.split('#').next()?.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("name=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_whom_it_is_for() {
        let link = "https://muster.corp.example:8443/setup?name=ada@corp.example#secret";
        assert_eq!(named(link).as_deref(), Some("ada@corp.example"));
        assert_eq!(named("https://muster.corp.example:8443/setup#name=x"), None);
    }
}
