//! `muster token`: secrets with which devices enroll.

use clap::{Args, Subcommand, ValueEnum};
use muster_proto::rest::{CreatedToken, NewToken, Token as View, Unknown};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, word};

/// Make, list and revoke tokens with which devices enroll
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster token create --label laptop --uses 10 --expires 7d")]
pub(crate) enum Token {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token and print the join file with it; the secret is shown once
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster token create --label laptop --uses 10 --expires 7d > join.toml\n  muster token create --print cloud-init > user-data"
)]
pub(crate) struct Create {
    /// A label that its devices get; may be given several times
    #[arg(long)]
    label: Vec<String>,
    /// How many devices may use it
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// When it ends, such as 12h or 7d
    #[arg(long, default_value = "24h", value_parser = hours)]
    expires: u32,
    /// The only serial that may use it
    #[arg(long)]
    serial: Option<String>,
    /// What becomes of serials that are not registered
    #[arg(long, value_enum, default_value_t = Policy::Pending)]
    unknown: Policy,
    /// What to print: the join file, or a snippet that puts it on the device
    #[arg(long, value_enum, default_value_t = Print::Toml)]
    print: Print,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    /// They wait for approval
    Pending,
    /// They are refused
    Refuse,
}

#[derive(Clone, Copy, ValueEnum)]
enum Print {
    /// /etc/muster/join.toml itself
    Toml,
    /// User data for cloud-init
    CloudInit,
    /// Lines for Ubuntu's autoinstall
    Autoinstall,
}

/// List tokens, without their secrets
#[derive(Args)]
#[command(after_help = "Example:\n  muster token list -o json")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Revoke a token: no further device enrolls with it
#[derive(Args)]
#[command(after_help = "Example:\n  muster token revoke 0198...")]
pub(crate) struct Revoke {
    /// Its id, from `muster token list`
    id: String,
}

impl Token {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::Create(command) => command.run(api).await,
            Self::List(command) => command.run(api).await,
            Self::Revoke(command) => {
                api.delete(&format!("/tokens/{}", part(&command.id))).await?;
                output::note("Revoked. Devices that have enrolled with it stay.");
                Ok(Ending::Fine)
            }
        }
    }
}

impl Create {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let unknown = match self.unknown {
            Policy::Pending => Unknown::Pending,
            Policy::Refuse => Unknown::Refuse,
        };
        let asked = NewToken {
            labels: self.label,
            uses: Some(self.uses),
            hours: Some(self.expires),
            serial: self.serial,
            unknown,
        };
        let created: CreatedToken = api.post("/tokens", &asked).await?;
        output::raw(&match self.print {
            Print::Toml => created.join_file,
            Print::CloudInit => cloud_init(&created.join_file),
            Print::Autoinstall => autoinstall(&created.join_file),
        })?;
        output::note(format!(
            "Token {}: {} left, until {}. The secret is shown this once.",
            created.token.id, created.token.uses_left, created.token.expires
        ));
        Ok(Ending::Fine)
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let tokens: Vec<View> = api.get("/tokens").await?;
        let header = ["id", "labels", "uses left", "expires", "serial", "unknown", "made by", "revoked"];
        self.output.list(&tokens, &header, |token| {
            vec![
                token.id.clone(),
                token.labels.join(";"),
                format!("{} of {}", token.uses_left, token.uses),
                token.expires.to_string(),
                token.serial.clone().unwrap_or_default(),
                word(&token.unknown),
                token.created_by.clone(),
                if token.revoked { "revoked" } else { "" }.to_owned(),
            ]
        })?;
        Ok(Ending::Fine)
    }
}

/// User data that writes the join file; the agent enrolls as soon as it is there.
fn cloud_init(join_file: &str) -> String {
    format!(
        "#cloud-config\nwrite_files:\n  - path: /etc/muster/join.toml\n    permissions: \"0600\"\n    content: |\n{}",
        indented(join_file, 6)
    )
}

/// The same inside an autoinstall file, which hands user data to the installed system.
fn autoinstall(join_file: &str) -> String {
    format!(
        "#cloud-config\nautoinstall:\n  version: 1\n  user-data:\n    write_files:\n      - path: /etc/muster/join.toml\n        permissions: \"0600\"\n        content: |\n{}",
        indented(join_file, 10)
    )
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// Reads `12h` or `7d` as hours.
fn hours(text: &str) -> Result<u32, String> {
    let wrong = || "write it as hours or days, such as 12h or 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let hours = match unit {
        "h" => Some(number),
        "d" => number.checked_mul(24),
        _ => None,
    };
    hours.filter(|hours| *hours > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_hours_or_days() {
        assert_eq!(hours("12h"), Ok(12));
        assert_eq!(hours("7d"), Ok(168));
        for wrong in ["", "7", "0d", "d", "7w", "-1h", "7é"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn snippets_carry_the_join_file_whole() {
        let join_file = "server = \"m:8440\"\ntoken = \"x\"\n";
        let document = |text: &str| muster_proto::yaml::Source::read(text).unwrap().value;
        assert_eq!(document(&cloud_init(join_file))["write_files"][0]["content"], join_file);
        let nested = document(&autoinstall(join_file));
        assert_eq!(nested["autoinstall"]["user-data"]["write_files"][0]["content"], join_file);
    }
}
