//! `muster api-token`: secrets with which programs ask the server.

use clap::{Args, Subcommand};
use muster_proto::rest::{ApiToken, CreatedApiToken, NewApiToken, Scope};

use super::admin::RoleWord;
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, Single, word};
use crate::span::span;

const DAY: u64 = 86_400;

/// Make, list and revoke tokens with which programs ask the server
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster api-token create grafana --role auditor --scope metrics:read")]
pub(crate) enum Token {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make an API token and print its secret, once
///
/// A program sends it as `Authorization: Bearer`. Scopes narrow what the role allows: devices, enrollment, people, profiles,
/// assignments and compliance, each :read or :write, where write includes read; passwords:write, which reveals first-login
/// passwords; audit:read, access:read, events:read and metrics:read. No API token can make admins or API tokens.
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster api-token create grafana --role auditor --expires 90d --scope metrics:read\n  muster api-token create ci --role admin --scope profiles:write --scope assignments:write"
)]
pub(crate) struct Create {
    /// What it is for
    name: String,
    /// What it may do
    #[arg(long, value_enum)]
    role: RoleWord,
    /// When it ends, in days, such as 90d
    #[arg(long, default_value = "90d", value_parser = days)]
    expires: u32,
    /// What it reaches of that, such as devices:read; everything when left out; may be given several times
    #[arg(long, value_parser = scope)]
    scope: Vec<Scope>,
    #[command(flatten)]
    output: Single,
}

/// List API tokens and command lines that are logged in, without their secrets
#[derive(Args)]
#[command(after_help = "Example:\n  muster api-token list -o json")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Revoke an API token, at once
#[derive(Args)]
#[command(after_help = "Example:\n  muster api-token revoke api-3f2a9c1b04de")]
pub(crate) struct Revoke {
    /// Its id, from `muster api-token list`
    id: String,
}

impl Token {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::Create(command) => command.run(api).await?,
            Self::List(command) => command.run(api).await?,
            Self::Revoke(command) => {
                api.delete(&format!("/api-tokens/{}", part(&command.id))).await?;
                output::line(format!("{} is revoked.", command.id))?;
            }
        }
        Ok(Ending::Fine)
    }
}

impl Create {
    async fn run(self, api: &Api) -> Result<(), Failure> {
        let asked = NewApiToken {
            name: self.name,
            role: self.role.into(),
            days: Some(self.expires),
            scopes: self.scope,
        };
        let created: CreatedApiToken = api.post("/api-tokens", &asked).await?;
        self.output.one(&created, |created| {
            output::line(&created.secret)?;
            output::note(format!(
                "API token {} of the role {}, until {}. The secret is shown this once.",
                created.token.id,
                word(&created.token.role),
                output::moment(created.token.expires)
            ));
            Ok(())
        })
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<(), Failure> {
        let tokens: Vec<ApiToken> = api.get("/api-tokens").await?;
        let header = ["id", "name", "role", "scopes", "expires", "last used", "made by"];
        self.output.list(&tokens, &header, |token| {
            let scopes: Vec<_> = token.scopes.iter().map(word).collect();
            let scopes = match (&token.login, scopes.is_empty()) {
                (Some(_), _) => "a login".to_owned(),
                (None, true) => "everything".to_owned(),
                (None, false) => scopes.join(" "),
            };
            vec![
                token.id.clone(),
                token.name.clone(),
                word(&token.role),
                scopes,
                output::moment(token.expires),
                self.output.time(token.last_used),
                token.created_by.clone(),
            ]
        })
    }
}

fn days(text: &str) -> Result<u32, String> {
    let seconds = span(text)?.as_secs();
    let days = u32::try_from(seconds / DAY).ok().filter(|days| *days > 0 && seconds % DAY == 0);
    days.ok_or_else(|| "write it as whole days, such as 90d".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        "there is no such scope; muster api-token create --help lists them, such as devices:read".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_whole_days_and_scopes_are_a_closed_set() {
        assert_eq!(days("90d"), Ok(90));
        assert_eq!(days("48h"), Ok(2));
        assert!(days("1h").is_err() && days("0d").is_err() && days("90").is_err());
        assert_eq!(scope("devices:read"), Ok(Scope::DevicesRead));
        assert!(scope("devices:*").is_err() && scope("access:write").is_err());
    }
}
