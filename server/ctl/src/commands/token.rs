//! `muster token`: secrets with which devices enroll.

mod many;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use muster_proto::rest::{CreatedToken, Device, NewToken, Token as View, Unknown};

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
    after_help = "Example:\n  muster token create --label laptop --uses 10 --expires 7d > join.toml\n  muster token create --serial PF3ABC12 --print shell > lap-ada.sh\n  muster token create --print cloud-init > user-data\n  muster token create --for-serials serials.txt --out joins"
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
    /// A file with a serial a line: makes a token for each, which no other serial may use
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with_all = ["serial", "uses"])]
    for_serials: Option<PathBuf>,
    /// The folder that their files go to, each called like its serial; made when it is not there
    #[arg(long, value_name = "FOLDER", requires = "for_serials")]
    out: Option<PathBuf>,
    /// What becomes of serials that are not registered
    #[arg(long, value_enum, default_value_t = Policy::Pending)]
    unknown: Policy,
    /// What to print: the join file, or what installs the agent with it
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
    /// A script for a machine that runs
    Shell,
    /// User data for cloud-init, which installs the agent too
    CloudInit,
    /// Lines for the preseed file of Debian's installer
    Preseed,
    /// An autoinstall file for Ubuntu's installer
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
        if let (Some(list), Some(folder)) = (&self.for_serials, &self.out) {
            return self.for_each(api, list, folder).await;
        }
        let created: CreatedToken = api.post("/tokens", &self.asked(self.serial.clone())).await?;
        output::raw(self.print.of(&created))?;
        output::note(format!(
            "Token {}: {} left, until {}. The secret is shown this once.",
            created.token.id,
            created.token.uses_left,
            output::moment(created.token.expires)
        ));
        if let Some(serial) = &self.serial {
            self.say_if_unknown(api, serial, &created.token.id).await?;
        }
        Ok(Ending::Fine)
    }
}

impl Create {
    fn asked(&self, serial: Option<String>) -> NewToken {
        let unknown = match self.unknown {
            Policy::Pending => Unknown::Pending,
            Policy::Refuse => Unknown::Refuse,
        };
        let (uses, hours) = (Some(self.uses), Some(self.expires));
        NewToken { labels: self.label.clone(), uses, hours, serial, unknown }
    }

    /// A serial that was mistyped is met only when its device does not get in.
    async fn say_if_unknown(&self, api: &Api, serial: &str, id: &str) -> Result<(), Failure> {
        let found: Vec<Device> = api.get_all(&format!("/devices?q={}", part(serial.trim()))).await?;
        if found.iter().all(|device| !device.serial.eq_ignore_ascii_case(serial.trim())) {
            output::note(format!(
                "{serial} is not registered: the machine that shows the token is let in as it. If it was mistyped: muster token \
                 revoke {id}"
            ));
        }
        Ok(())
    }

    /// Makes a token for each serial. What was made before something failed is good, and is said.
    async fn for_each(&self, api: &Api, list: &Path, folder: &Path) -> Result<Ending, Failure> {
        let files = many::plan(list, folder, self.print.end())?;
        many::make(folder)?;
        for (made, (serial, path)) in files.iter().enumerate() {
            let create = async {
                let created: CreatedToken = api.post("/tokens", &self.asked(Some(serial.clone()))).await?;
                self.say_if_unknown(api, serial, &created.token.id).await?;
                many::write(path, self.print.of(&created))
            };
            create.await.map_err(|failure: Failure| {
                Failure::new(format!(
                    "no token for {serial}; {made} were made before, in {}",
                    folder.display()
                ))
                .because(failure)
                .next("take those out of the list, and try again")
            })?;
        }
        output::line(format!(
            "{} in {}: a file for each serial, each with a secret that lets its machine in once.",
            output::count(files.len(), "token"),
            folder.display()
        ))?;
        Ok(Ending::Fine)
    }
}

impl Print {
    /// What is printed of a token.
    fn of(self, created: &CreatedToken) -> &str {
        match self {
            Self::Toml => &created.join_file,
            Self::Shell => &created.snippets.shell,
            Self::CloudInit => &created.snippets.cloud_init,
            Self::Preseed => &created.snippets.preseed,
            Self::Autoinstall => &created.snippets.autoinstall,
        }
    }

    /// How the name of a file of it ends.
    fn end(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Shell => "sh",
            Self::CloudInit | Self::Autoinstall => "yaml",
            Self::Preseed => "cfg",
        }
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
                output::moment(token.expires),
                token.serial.clone().unwrap_or_default(),
                word(&token.unknown),
                token.created_by.clone(),
                if token.revoked { "revoked" } else { "" }.to_owned(),
            ]
        })?;
        self.output.where_none(&tokens, "There is no token yet. Make one: muster token create --label LABEL");
        Ok(Ending::Fine)
    }
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
}
