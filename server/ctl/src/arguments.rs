//! What can be typed, and which command it runs.

use clap::{Parser, Subcommand};

use crate::api::Api;
use crate::commands::{
    assign, assignments, audit, completion, compliance, context, device, group, login, pause, person,
    profile, removal, report, rollback, setup, token, unassign, waiver, why,
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
    /// The server to ask, by its name in `muster context list`
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
    Assign(assign::Assign),
    Unassign(unassign::Unassign),
    Assignments(assignments::Assignments),
    Rollback(rollback::Rollback),
    Pause(pause::Pause),
    Resume(pause::Resume),
    #[command(subcommand)]
    Removal(removal::Removal),
    #[command(subcommand)]
    Waiver(waiver::Waiver),
    Compliance(compliance::Compliance),
    Report(report::Report),
    Why(why::Why),
    Audit(audit::Audit),
    #[command(subcommand)]
    Person(person::Person),
    #[command(subcommand)]
    Group(group::Group),
    Completion(completion::Completion),
}

impl Arguments {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Ending, Failure> {
        let global = &self.global;
        match self.command {
            Command::Setup(command) => command.run().await,
            Command::Login(command) => command.run().await,
            Command::Context(command) => command.run(),
            Command::Device(command) => command.run(&global.api()?).await,
            Command::Token(command) => command.run(&global.api()?).await,
            Command::Profile(command) => command.run(global).await,
            Command::Assign(command) => command.run(&global.api()?).await,
            Command::Unassign(command) => command.run(&global.api()?).await,
            Command::Assignments(command) => command.run(&global.api()?).await,
            Command::Rollback(command) => command.run(&global.api()?).await,
            Command::Pause(command) => command.run(&global.api()?).await,
            Command::Resume(command) => command.run(&global.api()?).await,
            Command::Removal(command) => command.run(&global.api()?).await,
            Command::Waiver(command) => command.run(&global.api()?).await,
            Command::Compliance(command) => command.run(&global.api()?).await,
            Command::Report(command) => command.run(&global.api()?).await,
            Command::Why(command) => command.run(&global.api()?).await,
            Command::Audit(command) => command.run(&global.api()?).await,
            Command::Person(command) => command.run(&global.api()?).await,
            Command::Group(command) => command.run(&global.api()?).await,
            Command::Completion(command) => command.run(),
        }
    }
}

impl Global {
    /// The chosen server, with its API token.
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        Api::with_token(Contexts::load()?.choose(self.context.as_deref())?)
    }
}
