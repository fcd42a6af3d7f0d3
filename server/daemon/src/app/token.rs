//! Enrollment tokens.

use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::enrollment::JoinFile;
use muster_proto::rest::{CreatedToken, NewToken, Snippets, Token};
use muster_proto::serial;
use muster_store::{Change, StoreError};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, Site, device, secret};
use crate::install::snippet::{self, Origin};

/// Uses and hours of a token that does not say.
const USES: u32 = 1;
const HOURS: u32 = 24;
/// The most that one token may do.
const MAX_USES: u32 = 100_000;
const MAX_HOURS: u32 = 24 * 366;

impl App {
    /// Whether there is such a token, whatever has become of it. It lets nobody in.
    pub(crate) async fn knows_token(&self, secret: &str) -> Result<bool, StoreError> {
        let digest = secret::digest(secret);
        self.store().read(move |tx| Ok(muster_store::token::by_secret(tx, digest)?.is_some())).await
    }

    /// Makes a token; the join file in the answer holds its secret, which can't be had again.
    pub(crate) async fn create_token(
        &self,
        right: &AdminRight,
        request: NewToken,
    ) -> Result<CreatedToken, AppError> {
        let now = self.now();
        let uses = request.uses.unwrap_or(USES);
        let hours = request.hours.unwrap_or(HOURS);
        if !(1..=MAX_USES).contains(&uses) || !(1..=MAX_HOURS).contains(&hours) {
            return Err(AppError::Invalid(format!(
                "expected 1 to {MAX_USES} uses, and an end in 1 hour to {} days",
                MAX_HOURS / 24
            )));
        }
        let serial = request.serial.as_deref().map(serial::recorded).transpose();
        let serial = serial.map_err(|error| AppError::Invalid(format!("serial: {error}")))?;
        let token = Token {
            id: secret::id("tok-"),
            labels: device::labels_of(&request.labels)?.into_iter().collect(),
            uses_left: uses,
            uses,
            created: now,
            created_by: right.actor().to_owned(),
            expires: now.plus_seconds(i64::from(hours) * 3_600),
            serial,
            unknown: request.unknown,
            revoked: false,
        };
        let secret = secret::secret("muster-");
        let join_file = join_file(self.site(), &secret, uses)?;
        let snippets = snippets(&self.site().origin, &join_file);
        self.store()
            .write(move |tx| {
                muster_store::token::insert(tx, &token, secret::digest(&secret))?;
                let act = Act { at: now, actor: &token.created_by, action: "token.create" };
                let detail = json!({
                    "labels": token.labels, "uses": token.uses, "expires": token.expires, "serial": token.serial,
                    "unknown": token.unknown,
                });
                audit::write(tx, act, &token.id, detail)?;
                tx.tell(Change::Token(token.id.clone()));
                Ok(CreatedToken { token, join_file, snippets })
            })
            .await
    }

    /// All tokens, the newest first.
    pub(crate) async fn list_tokens(&self, _right: &ViewRight) -> Result<Vec<Token>, AppError> {
        Ok(self.store().read(muster_store::token::list).await?)
    }

    /// Makes a token useless.
    pub(crate) async fn revoke_token(&self, right: &AdminRight, id: String) -> Result<(), AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let token = muster_store::token::get(tx, &id)?
                    .ok_or_else(|| AppError::not_found("enrollment token", &id))?;
                if token.revoked {
                    return Ok(());
                }
                muster_store::token::revoke(tx, &id)?;
                audit::write(tx, Act { at, actor: &actor, action: "token.revoke" }, &id, json!({}))?;
                tx.tell(Change::Token(id));
                Ok(())
            })
            .await
    }
}

/// The text of a join file.
pub(crate) fn join_file(site: &Site, token: &str, uses: u32) -> Result<String, AppError> {
    let file = JoinFile {
        server: site.device_address.clone(),
        trust: site.roots.clone(),
        trust_domain: site.trust_domain.clone(),
        token: token.to_owned(),
    };
    let text = toml::to_string(&file).map_err(|error| AppError::Defect(format!("join file: {error}")))?;
    let machines = if uses == 1 { "one machine".to_owned() } else { format!("{uses} machines") };
    Ok(format!("# /etc/muster/join.toml: lets {machines} in. Removed from a machine after use.\n{text}"))
}

fn snippets(origin: &Origin, join_file: &str) -> Snippets {
    Snippets {
        shell: snippet::shell(origin, Some(join_file)),
        cloud_init: snippet::cloud_init(origin, join_file),
        preseed: snippet::preseed(origin, join_file),
        autoinstall: snippet::autoinstall(origin, join_file),
    }
}
