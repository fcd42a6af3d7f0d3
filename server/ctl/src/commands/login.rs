//! `muster login`: know the server, log in once, keep an API token.

use clap::Args;
use muster_proto::Digest;
use muster_proto::rest::{self, CODE_NEEDED, CreatedApiToken, NewLogin, Session};
use serde::Serialize;

use crate::api::Api;
use crate::contexts::{Context, Contexts};
use crate::failure::{Ending, Failure};
use crate::{output, pin, terminal};

/// The port of the admins' listener.
const PORT: u16 = 8443;

/// Log in to a server
///
/// Shows the fingerprint of the server's root certificate and remembers it, as ssh does. Keeps an API token for 90 days in
/// muster/config.toml in your configuration folder, readable by you only, in a context called like the server or as --context
/// says: with two, two people of one server are known.
#[derive(Args)]
#[command(after_help = "Example:\n  muster login https://muster.corp.example:8443 --name kim")]
pub(crate) struct Login {
    /// The server's address
    url: String,
    /// Your login name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    trust: Trust,
}

/// How the password and the server's fingerprint are given.
#[derive(Args)]
pub(crate) struct Trust {
    /// Read the password from standard input, and a code when one is needed, a line each
    #[arg(long)]
    password_stdin: bool,
    /// The fingerprint that the server must show, as `muster-server setup` printed it
    #[arg(long, value_name = "sha256:...")]
    fingerprint: Option<Digest>,
}

impl Login {
    pub(crate) async fn run(self, context: Option<&str>) -> Result<Ending, Failure> {
        let address = Address::parse(&self.url)?;
        let fingerprint = self.trust.believe(&address).await?;
        let name = match self.name {
            Some(name) => name,
            None if terminal::present() => terminal::ask("Login name: ")?,
            None => return Err(Failure::new("no login name given").next("give one with --name")),
        };
        let password = self.trust.password("Password: ")?;
        let mut login = rest::Login { name, password, code: None };
        match enter(&address, fingerprint, "/session", &login, context).await {
            Err(failure) if failure.is_of(CODE_NEEDED) => {
                login.code = Some(self.trust.password("Code: ")?);
                enter(&address, fingerprint, "/session", &login, context).await
            }
            ended => ended,
        }
    }
}

impl Trust {
    /// The password.
    pub(crate) fn password(&self, prompt: &str) -> Result<String, Failure> {
        terminal::password(self.password_stdin, prompt)
    }

    /// The fingerprint to pin: as given, as known from before, or as the person at the terminal accepts it.
    pub(crate) async fn believe(&self, address: &Address) -> Result<Digest, Failure> {
        let all = pin::fingerprints(&address.host, address.port).await?;
        let contexts = Contexts::load()?.contexts;
        let known = contexts.values().find(|context| context.url == address.url());
        let known = known.map(|context| context.fingerprint);
        let shown =
            *all.last().ok_or_else(|| Failure::new(format!("{} shows no certificate", address.host)))?;
        if let Some(wanted) = self.fingerprint {
            // It may be of any certificate that the server shows; whether that is its own is for TLS to find out.
            return if all.contains(&wanted) {
                Ok(wanted)
            } else {
                Err(another(&address.host, wanted, shown))
            };
        }
        if known == Some(shown) {
            return Ok(shown);
        }
        if known.is_some() {
            output::note(format!("WARNING: {} shows another certificate than before.", address.host));
        }
        output::note(format!("{} shows a certificate with the fingerprint", address.host));
        output::note(format!("  {shown}"));
        output::note("Compare it with what `muster-server setup` printed on the server.");
        if !terminal::present() {
            return Err(Failure::new("nobody is at the terminal to accept this fingerprint")
                .next("when it is the right one, give it with --fingerprint"));
        }
        if terminal::confirm("Trust it?")? {
            Ok(shown)
        } else {
            Err(Failure::new("not trusted, nothing sent"))
        }
    }
}

/// What was given is of no certificate that the server shows.
fn another(host: &str, wanted: Digest, shown: Digest) -> Failure {
    Failure::new(format!("{host} has another fingerprint than the one given, and nothing was sent to it"))
        .because(format!("given was {wanted}, and it shows {shown}"))
        .next(
            "compare both with what `muster-server setup` printed on the server: if that is neither, somebody may stand between \
             you and it",
        )
}

/// Opens a session by this request, makes an API token with it, ends it, and remembers the token.
pub(crate) async fn enter(
    address: &Address,
    fingerprint: Digest,
    path: &str,
    request: &impl Serialize,
    context: Option<&str>,
) -> Result<Ending, Failure> {
    let called = context.unwrap_or(&address.host).to_owned();
    let mut api = Api::anonymous(&address.url(), fingerprint)?;
    let session: Session = api.open_session(path, request).await?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let created: CreatedApiToken = api.post("/session/token", &NewLogin { host }).await?;
    api.delete("/session").await?;
    let mut contexts = Contexts::load()?;
    let context =
        Context { url: address.url(), fingerprint, name: session.name.clone(), token: created.secret };
    contexts.contexts.insert(called.clone(), context);
    let before = std::mem::replace(&mut contexts.current, called.clone());
    contexts.save()?;
    if !before.is_empty() && before != called {
        output::note(format!("Commands go to {called} from now on. Back: muster context use {before}"));
    }
    output::note(format!(
        "Logged in to {} as {} ({}), until {}.",
        session.server,
        session.name,
        output::word(&session.role),
        output::moment(created.token.expires)
    ));
    Ok(Ending::Fine)
}

/// Where a server is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads `https://HOST[:PORT]`; `https://` and the port may be left out, a path is ignored.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::new(format!("{text} is not the address of a server"))
                .next("write it as https://muster.corp.example:8443")
        };
        let rest = text.strip_prefix("https://").unwrap_or(text);
        if rest.contains("://") {
            return Err(wrong());
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(wrong)?)),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(PORT), str::parse).map_err(|_| wrong())?;
        let ok = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b));
        if ok { Ok(Self { host: host.to_ascii_lowercase(), port }) } else { Err(wrong()) }
    }

    /// As an origin.
    pub(crate) fn url(&self) -> String {
        if self.host.contains(':') {
            format!("https://[{}]:{}", self.host, self.port)
        } else {
            format!("https://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_with_and_without_its_parts() {
        let url = |text: &str| Address::parse(text).map(|address| address.url()).ok();
        assert_eq!(url("muster.corp.example").as_deref(), Some("https://muster.corp.example:8443"));
        assert_eq!(
            url("https://Muster.corp.example:9/x#y").as_deref(),
            Some("https://muster.corp.example:9")
        );
        assert_eq!(url("https://[::1]:8443").as_deref(), Some("https://[::1]:8443"));
        assert_eq!(url("http://muster.corp.example"), None);
        assert_eq!(url("https://kim@muster.corp.example"), None);
        assert_eq!(url("https://"), None);
    }
}
