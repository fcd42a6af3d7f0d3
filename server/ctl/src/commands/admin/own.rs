//! `muster admin password` and `muster admin totp`: one's own account.

use clap::Args;
use muster_proto::rest::{Account, Ended, NewPassword, NewTotp, TotpCode, TotpEnd, TotpSecret};

use crate::api::Api;
use crate::failure::Failure;
use crate::output::{self, count};
use crate::terminal;

/// Change your password; your other logins end
///
/// At least 15 characters, or 8 when your logins need a code. A few words are good; there are no other rules but that it
/// is not one that is tried first.
#[derive(Args)]
#[command(after_help = "Example:\n  muster admin password")]
pub(crate) struct Password {
    /// Read from standard input, a line each: the password, a code when one is needed, the new password
    #[arg(long)]
    password_stdin: bool,
}

/// Ask for a code of an authenticator at each login as you, or no longer
///
/// Prints a secret for the authenticator and ten recovery codes, and waits for the first code before it counts.
#[derive(Args)]
#[command(after_help = "Example:\n  muster admin totp\n  muster admin totp --off")]
pub(crate) struct Totp {
    /// No longer; needs the password and a code
    #[arg(long)]
    off: bool,
    /// Read from standard input, a line each: the password, then the code
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    pub(super) async fn run(self, api: &Api) -> Result<(), Failure> {
        let ask = |prompt: &str| terminal::password(self.password_stdin, prompt);
        let account: Account = api.get("/account").await?;
        let current = ask("Your password: ")?;
        let code = account.totp.then(|| ask("A code, or a recovery code: ")).transpose()?;
        let new = ask(&format!("A new password, at least {} characters: ", account.password_length))?;
        if !self.password_stdin && ask("The new password again: ")? != new {
            return Err(Failure::new("the two are not the same: nothing was changed"));
        }
        let ended: Ended = api.post("/account/password", &NewPassword { current, code, new }).await?;
        output::line(format!("Your password is changed. {} ended.", count(ended.logins, "other login")))
    }
}

impl Totp {
    pub(super) async fn run(self, api: &Api) -> Result<(), Failure> {
        let ask = |prompt: &str| terminal::password(self.password_stdin, prompt);
        let password = ask("Your password: ")?;
        if self.off {
            let code = ask("A code, or a recovery code: ")?;
            let _: Account = api.post("/account/totp/end", &TotpEnd { password, code }).await?;
            return output::line("Your logins need no code from here on.");
        }
        let made: TotpSecret = api.post("/account/totp", &NewTotp { password }).await?;
        output::fields(&[("Secret", made.secret), ("URI", made.uri)])?;
        output::line("Recovery codes, each good once in place of a code:")?;
        for code in &made.recovery_codes {
            output::line(format!("  {code}"))?;
        }
        output::note("They are shown this once: print them and lock them away.");
        let code = ask("The code that your authenticator shows: ")?;
        let _: Account = api.post("/account/totp/confirm", &TotpCode { code }).await?;
        output::line("Your logins need a code from here on.")
    }
}
