//! Shows a first-login password, once.

use muster_policy::rights::AdminRight;
use muster_proto::rest::RevealedPassword;
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, device};

impl App {
    /// Takes the account's first-login password out of the record. It is audited, and can't be had again.
    pub(crate) async fn reveal_password(
        &self,
        right: &AdminRight,
        called: String,
        account: String,
    ) -> Result<RevealedPassword, AppError> {
        let (app, at, actor) = (self.clone(), self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let device = device::find(tx, &called)?;
                let sealed = muster_store::password::take(tx, device.id, &account)?.ok_or_else(|| {
                    AppError::Missing(format!(
                        "no first-login password of {account} waits on {}: it was revealed already (muster audit \
                         says to whom), or the device made none",
                        device.name
                    ))
                })?;
                let purpose = super::report::purpose(device.id, &account);
                let opened = app.0.sealing_key.open(&purpose, &sealed);
                let opened = opened.map_err(|error| AppError::Defect(error.to_string()))?;
                let password = String::from_utf8(opened)
                    .map_err(|_| AppError::Defect("the password is not UTF-8".to_owned()))?;
                let act = Act { at, actor: &actor, action: "password.reveal" };
                audit::write(tx, act, &device.id.to_string(), json!({"account": account}))?;
                Ok(RevealedPassword { account, password })
            })
            .await
    }
}
