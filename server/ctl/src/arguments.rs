//! What can be typed, and which command it runs.

use clap::{Parser, Subcommand};

use crate::api::Api;
use crate::commands::{
    admin, api_token, artifact, assign, assignments, audit, check, completions, compliance, context, device,
    group, login, manuals, pause, person, profile, removal, report, rollback, rollout, setup, token,
    unassign, waiver, why,
};
use crate::contexts::Contexts;
use crate::failure::{Ending, Failure};

/// Provision devices and prove that they comply.
#[derive(Parser)]
#[command(
    name = "muster",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 fine, 1 failed, 2 there are changes.\n\nExample:\n  muster login https://muster.corp.example:8443\n  muster compliance"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(clap::Args)]
pub(crate) struct Global {
    /// The server to ask, by its name in `muster context list`; what setup and login call what they keep
    #[arg(long, global = true, env = "MUSTER_CONTEXT")]
    context: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    Setup(setup::Setup),
    Login(login::Login),
    #[command(subcommand)]
    Context(context::Context),
    #[command(subcommand)]
    Device(device::Device),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Profile(profile::Profile),
    #[command(subcommand)]
    Artifact(artifact::Artifact),
    Assign(assign::Assign),
    Unassign(unassign::Unassign),
    Assignments(assignments::Assignments),
    #[command(subcommand)]
    Rollout(rollout::Rollout),
    Rollback(rollback::Rollback),
    Pause(pause::Pause),
    Resume(pause::Resume),
    #[command(subcommand)]
    Removal(removal::Removal),
    #[command(subcommand)]
    Waiver(waiver::Waiver),
    Compliance(compliance::Compliance),
    Report(report::Report),
    #[command(subcommand)]
    Check(check::Check),
    Why(why::Why),
    Audit(audit::Audit),
    #[command(subcommand)]
    Person(person::Person),
    #[command(subcommand)]
    Group(group::Group),
    #[command(subcommand)]
    Admin(admin::Admin),
    #[command(subcommand)]
    ApiToken(api_token::Token),
    Completions(completions::Completions),
    Manuals(manuals::Manuals),
}

impl Arguments {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Ending, Failure> {
        let global = &self.global;
        match self.command {
            Command::Setup(command) => command.run(global.context.as_deref()).await,
            Command::Login(command) => command.run(global.context.as_deref()).await,
            Command::Context(command) => command.run(),
            Command::Device(command) => command.run(&global.api()?).await,
            Command::Token(command) => command.run(&global.api()?).await,
            Command::Profile(command) => command.run(global).await,
            Command::Artifact(command) => command.run(&global.api()?).await,
            Command::Assign(command) => command.run(&global.api()?).await,
            Command::Unassign(command) => command.run(&global.api()?).await,
            Command::Assignments(command) => command.run(&global.api()?).await,
            Command::Rollout(command) => command.run(&global.api()?).await,
            Command::Rollback(command) => command.run(&global.api()?).await,
            Command::Pause(command) => command.run(&global.api()?).await,
            Command::Resume(command) => command.run(&global.api()?).await,
            Command::Removal(command) => command.run(&global.api()?).await,
            Command::Waiver(command) => command.run(&global.api()?).await,
            Command::Compliance(command) => command.run(&global.api()?).await,
            Command::Report(command) => command.run(&global.api()?).await,
            Command::Check(command) => command.run(&global.api()?).await,
            Command::Why(command) => command.run(&global.api()?).await,
            Command::Audit(command) => command.run(&global.api()?).await,
            Command::Person(command) => command.run(&global.api()?).await,
            Command::Group(command) => command.run(&global.api()?).await,
            Command::Admin(command) => command.run(&global.api()?).await,
            Command::ApiToken(command) => command.run(&global.api()?).await,
            Command::Completions(command) => command.run(),
            Command::Manuals(command) => command.run(),
        }
    }
}

impl Global {
    /// The chosen server, with its API token.
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        Api::with_token(Contexts::load()?.choose(self.context.as_deref())?)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_has_an_example_in_its_help() {
        let mut waiting = vec![Arguments::command()];
        while let Some(command) = waiting.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no example", command.get_name());
            waiting.extend(command.get_subcommands().cloned());
        }
    }

    /// What `-o` takes, of every command that has it; one that shows or lists without it takes nothing.
    fn formats(command: &clap::Command, path: &str, all: &mut Vec<(String, String)>) {
        let output = command.get_arguments().find(|argument| argument.get_short() == Some('o'));
        let takes = output.map(|argument| {
            let values = argument.get_possible_values();
            values.iter().map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(" ")
        });
        if takes.is_some() || path.ends_with(" list") || path.ends_with(" show") {
            all.push((path.to_owned(), takes.unwrap_or_default()));
        }
        for inner in command.get_subcommands() {
            formats(inner, &format!("{path} {}", inner.get_name()), all);
        }
    }

    #[test]
    fn every_list_comes_in_three_formats_and_what_is_one_thing_in_two() {
        let lists = [
            "admin list",
            "api-token list",
            "artifact list",
            "assignments",
            "audit",
            "check list",
            "check show",
            "compliance",
            "context list",
            "device history",
            "device list",
            "group list",
            "pause list",
            "person list",
            "profile list",
            "profile show",
            "removal list",
            "rollout list",
            "token list",
            "waiver list",
            "why",
        ];
        let mut all = Vec::new();
        formats(&Arguments::command(), "", &mut all);
        for (path, takes) in &all {
            let path = path.trim_start();
            let expected = match path {
                "report" => "html csv json",
                path if lists.contains(&path) => "table json csv",
                _ => "table json",
            };
            assert_eq!(takes, expected, "muster {path}");
        }
        for list in lists {
            assert!(all.iter().any(|(path, _)| path.trim_start() == list), "muster {list} is gone");
        }
    }

    /// The commands below one that can be told beforehand not to ask, each with how.
    fn consents(command: &clap::Command, path: &str, all: &mut Vec<(String, Option<char>)>) {
        let yes = command.get_arguments().find(|argument| argument.get_long() == Some("yes"));
        all.extend(yes.map(|argument| (path.trim_start().to_owned(), argument.get_short())));
        for inner in command.get_subcommands() {
            consents(inner, &format!("{path} {}", inner.get_name()), all);
        }
    }

    #[test]
    fn every_command_that_asks_takes_the_yes_beforehand() {
        let asking = [
            "device revoke",
            "device lost",
            "device delete",
            "device label",
            "profile apply",
            "artifact delete",
            "assign",
            "unassign",
            "rollout cancel",
            "rollback",
            "pause",
            "waiver end",
            "person remove",
            "admin remove",
            "admin reset",
        ];
        let mut all = Vec::new();
        consents(&Arguments::command(), "", &mut all);
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, asking);
        assert!(all.iter().all(|(_, short)| *short == Some('y')), "{all:?}");
    }

    #[test]
    fn every_command_line_in_the_documentation_is_one() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let mut checked = 0;
        for (name, text) in muster_tests::document::all(&docs).unwrap() {
            for words in muster_tests::document::command_lines(&text, "muster").unwrap() {
                let parsed = Arguments::try_parse_from(&words);
                assert!(parsed.is_ok(), "{name}: {}\n{}", words.join(" "), parsed.err().unwrap());
                checked += 1;
            }
        }
        assert!(checked > 0, "the documentation has no command line");
    }
}
