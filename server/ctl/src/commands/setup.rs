//! `muster setup`: the first admin, by the link that `muster-server setup` printed.

use clap::Args;
use muster_proto::rest;

use super::login::{Address, Trust, enter};
use crate::failure::{Ending, Failure};
use crate::terminal;

/// Become the first admin by the one-time link of `muster-server setup`, and log in
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster setup 'https://muster.corp.example:8443/setup#...' --name kim\n  muster setup - --name kim < setup-link       # keeps the link out of the shell's history"
)]
pub(crate) struct Setup {
    /// The link; `-` asks for it
    link: String,
    /// Your login name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    trust: Trust,
}

impl Setup {
    pub(crate) async fn run(self) -> Result<Ending, Failure> {
        let link = if self.link == "-" { terminal::ask("Setup link: ")? } else { self.link };
        let secret = link.rsplit_once('#').map_or("", |(_, secret)| secret).trim().to_owned();
        if secret.is_empty() {
            return Err(Failure::new("this is not a setup link: there is no # in it")
                .next("take the whole link that muster-server setup printed, in quotes"));
        }
        let address = Address::parse(&link)?;
        let fingerprint = self.trust.believe(&address).await?;
        let password = self.trust.password("A new password, at least 12 characters: ")?;
        enter(&address, fingerprint, "/setup", &rest::Setup { link: secret, name: self.name, password }).await
    }
}
