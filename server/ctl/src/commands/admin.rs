//! `muster admin`: who administers, and one's own account.

mod own;

use clap::{Args, Subcommand, ValueEnum};
use muster_proto::rest::{AdminLink, AdminPatch, AdminView, Ended, NewAdmin, Role};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, Single, count, word};
use crate::terminal::Consent;

/// Say who administers; change your own password and codes
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster admin add ada --role auditor\n  muster admin totp")]
pub(crate) enum Admin {
    List(List),
    Add(Add),
    Role(SetRole),
    Remove(Remove),
    Reset(Reset),
    Logout(Logout),
    Password(own::Password),
    Totp(own::Totp),
}

/// What somebody may do.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum RoleWord {
    /// Everything
    Admin,
    /// Read everything, change nothing
    Auditor,
}

/// List admins, and how they log in
#[derive(Args)]
#[command(after_help = "Example:\n  muster admin list -o json")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Add an admin, and print the one-time link by which they choose a password
#[derive(Args)]
#[command(after_help = "Example:\n  muster admin add ada --role auditor")]
pub(crate) struct Add {
    /// The login name
    name: String,
    /// What they may do
    #[arg(long, value_enum)]
    role: RoleWord,
    #[command(flatten)]
    output: Single,
}

/// Change what an admin may do, at once
///
/// Whoever becomes an auditor loses the API tokens of the role admin that they made.
#[derive(Args)]
#[command(after_help = "Example:\n  muster admin role ada admin")]
pub(crate) struct SetRole {
    /// The login name
    name: String,
    /// What they may do from here on
    #[arg(value_enum)]
    role: RoleWord,
}

/// Remove an admin, with their logins and the API tokens that they made
#[derive(Args)]
#[command(after_help = "Example:\n  muster admin remove ada")]
pub(crate) struct Remove {
    /// The login name
    name: String,
    #[command(flatten)]
    consent: Consent,
}

/// Take an admin's password and codes away, and print a one-time link by which they choose anew
///
/// Their logins end at once. When nobody is left who could do this, root can, on the server's machine: muster-server admin
/// reset NAME.
#[derive(Args)]
#[command(after_help = "Example:\n  muster admin reset ada")]
pub(crate) struct Reset {
    /// The login name
    name: String,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    output: Single,
}

/// Log this command line out, or everything that is logged in as you or as another admin
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster admin logout\n  muster admin logout --all ada\n  muster admin logout --all --tokens"
)]
pub(crate) struct Logout {
    /// Every browser and command line
    #[arg(long)]
    all: bool,
    /// API and enrollment tokens that you, or the other admin, made, too: somebody else may have made them
    #[arg(long, requires = "all")]
    tokens: bool,
    /// Another admin's
    #[arg(requires = "all")]
    name: Option<String>,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Admin => Self::Admin,
            RoleWord::Auditor => Self::Auditor,
        }
    }
}

impl Admin {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::List(command) => command.run(api).await?,
            Self::Add(command) => command.run(api).await?,
            Self::Role(command) => command.run(api).await?,
            Self::Remove(command) => command.run(api).await?,
            Self::Reset(command) => command.run(api).await?,
            Self::Logout(command) => command.run(api).await?,
            Self::Password(command) => command.run(api).await?,
            Self::Totp(command) => command.run(api).await?,
        }
        Ok(Ending::Fine)
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<(), Failure> {
        let admins: Vec<AdminView> = api.get("/admins").await?;
        let header = ["name", "role", "state", "codes", "last login", "logins", "api tokens"];
        self.output.list(&admins, &header, |admin| {
            vec![
                admin.name.clone(),
                word(&admin.role),
                if admin.active { "active" } else { "has no password yet" }.to_owned(),
                if admin.totp { "on" } else { "off" }.to_owned(),
                self.output.time(admin.last_login),
                admin.logins.to_string(),
                admin.api_tokens.to_string(),
            ]
        })
    }
}

impl Add {
    async fn run(self, api: &Api) -> Result<(), Failure> {
        let asked = NewAdmin { name: self.name, role: self.role.into() };
        let link: AdminLink = api.post("/admins", &asked).await?;
        self.output.one(&link, |link| {
            output::line(&link.link)?;
            output::note(format!(
                "{} becomes {} by opening this link, once, until {}. It is shown this once.",
                link.name,
                word(&link.role),
                output::moment(link.expires)
            ));
            Ok(())
        })
    }
}

impl SetRole {
    async fn run(self, api: &Api) -> Result<(), Failure> {
        let asked = AdminPatch { role: self.role.into() };
        let admin: AdminView = api.patch(&format!("/admins/{}", part(&self.name)), &asked).await?;
        output::line(format!("{} is {} from here on.", admin.name, word(&admin.role)))
    }
}

impl Remove {
    async fn run(self, api: &Api) -> Result<(), Failure> {
        let about = format!("{}'s logins and API tokens end.", self.name);
        self.consent.ask(&about, "Go on?", &format!("{} stays", self.name))?;
        let ended: Ended = api.take(&format!("/admins/{}", part(&self.name))).await?;
        output::line(format!("{} is removed. {}", self.name, words(ended)))
    }
}

impl Reset {
    async fn run(self, api: &Api) -> Result<(), Failure> {
        let about = format!("{}'s password and codes go, and their logins end.", self.name);
        self.consent.ask(&about, "Go on?", "nothing was reset")?;
        let link: AdminLink = api.act(&format!("/admins/{}/reset", part(&self.name))).await?;
        self.output.one(&link, |link| {
            output::line(&link.link)?;
            output::note(format!(
                "{} chooses a new password by opening this link, once, until {}. Codes are off. {} API tokens that \
                 they made go on: muster api-token list.",
                link.name,
                output::moment(link.expires),
                words(link.ended)
            ));
            Ok(())
        })
    }
}

impl Logout {
    async fn run(self, api: &Api) -> Result<(), Failure> {
        let goes_on = "API and enrollment tokens go on: muster api-token list, muster token list; --tokens ends them too";
        if self.all && !self.tokens {
            output::note(goes_on);
        }
        let tokens = self.tokens;
        match (self.all, self.name) {
            (_, Some(name)) => {
                let ended: Ended =
                    api.act(&format!("/admins/{}/logout?tokens={tokens}", part(&name))).await?;
                output::line(words(ended))
            }
            (all, None) => {
                let path = format!("/account/logout?tokens={tokens}");
                let others = if all { api.act(&path).await? } else { Ended::default() };
                api.delete("/session").await?;
                output::line(words(Ended { logins: others.logins.saturating_add(1), ..others }))?;
                output::note("Here too: log in again with muster login.");
                Ok(())
            }
        }
    }
}

/// What ended, as a sentence.
fn words(ended: Ended) -> String {
    let logins = count(ended.logins, "login");
    let tokens = [(ended.api_tokens, "API token"), (ended.tokens, "enrollment token")];
    let tokens =
        tokens.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(number, what));
    let all: Vec<_> = [logins].into_iter().chain(tokens).collect();
    format!("{} ended.", all.join(", "))
}
