//! Lets a machine in, makes it wait, or refuses it: token, device, certificate and audit in one transaction.

use std::collections::BTreeSet;

use muster_policy::admit::{self, Admission, Asking, Cost, Earlier, Place, Refusal, Registered};
use muster_policy::{comply, import, name};
use muster_proto::enrollment::EnrollmentClaims;
use muster_proto::rest::{DeviceState, Token};
use muster_proto::serial;
use muster_proto::{DeviceId, Digest, Timestamp};
use muster_store::certificate::CertificateRow;
use muster_store::device::{DeviceRow, NewDevice};
use muster_store::enrollment::{EnrollmentRow, PendingRow};
use muster_store::refused::RefusedRow;
use muster_store::{Change, StoreError, Tx};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, recompile, reenroll, secret};
use crate::ca::Issued;

/// Seconds that a waiting machine waits between questions.
const RETRY_AFTER: u32 = 10;
/// The longest reason of a refusal that is kept, in characters: it may quote what a stranger sent.
const REASON: usize = 200;
/// The longest text of a claim that is kept.
const CLAIM: usize = 200;

/// A machine that asks to be let in. Its certificate request was verified: it holds the key.
pub(crate) struct Request {
    /// The token's secret.
    pub(crate) token: String,
    /// Digest of the public key (DER, `SubjectPublicKeyInfo`).
    pub(crate) key: Digest,
    /// What it says of itself.
    pub(crate) claims: EnrollmentClaims,
    /// Where it calls from.
    pub(crate) address: String,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Enrolled {
    /// It is in.
    Issued {
        /// As which device.
        device: DeviceId,
        /// DER, leaf first, root last.
        chain: Vec<Vec<u8>>,
    },
    /// It waits for an admin.
    Pending {
        /// What it shows on its console.
        code: String,
        /// Seconds to wait before it asks again.
        retry_after: u32,
    },
}

/// Why a machine did not get in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrollError {
    /// The policy says no. The caller learns the reference and nothing else; the audit has the reason.
    #[error("refused; the reason is in the server's audit under {reference}")]
    Refused {
        /// The target of the audit's entry.
        reference: String,
    },
    /// The certificate could not be made.
    #[error("the certificate could not be made")]
    Issue(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The record could not be read or written.
    #[error("the server's record could not be read or written")]
    Store(#[from] StoreError),
}

impl From<AppError> for EnrollError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Store(error) => Self::Store(error),
            other => Self::Issue(Box::new(other)),
        }
    }
}

impl App {
    /// Lets a machine in, makes it wait, or refuses it. The same key with the same token gets the same answer.
    pub(crate) async fn enroll<E>(
        &self,
        mut request: Request,
        issue: impl FnOnce(DeviceId) -> Result<Issued, E> + Send + 'static,
    ) -> Result<Enrolled, EnrollError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let now = self.now();
        shorten(&mut request.claims);
        let answer = self
            .store()
            .write(move |tx| {
                let asks = Asks::look_up(tx, &request, now)?;
                match admit::admit(&asks.asking(&request.claims)) {
                    Admission::Again(device) => asks.again(tx, device).map(Ok),
                    Admission::Issue { place, cost } => asks.let_in(tx, &request, place, cost, issue).map(Ok),
                    Admission::WaitOn { code } => {
                        Ok(Ok(Enrolled::Pending { code, retry_after: RETRY_AFTER }))
                    }
                    Admission::Wait(place) => asks.make_wait(tx, &request, place).map(Ok),
                    Admission::Refuse(refusal) => Ok(Err(asks.refuse(tx, &request, &refusal)?)),
                }
            })
            .await?;
        answer.map_err(|reference| EnrollError::Refused { reference })
    }

    /// Audits a refusal that was decided before any operation, such as of a malformed request; gives the reference.
    pub(crate) async fn refuse(
        &self,
        action: &'static str,
        address: String,
        reason: String,
    ) -> Result<String, StoreError> {
        let at = self.now();
        let reason: String = reason.chars().take(REASON).collect();
        self.store()
            .write(move |tx| {
                let reference = secret::id("ref-");
                let act = Act { at, actor: "stranger", action };
                audit::write(tx, act, &reference, json!({"address": address, "reason": reason}))?;
                Ok(reference)
            })
            .await
    }
}

/// What is known of a machine that asks.
struct Asks {
    now: Timestamp,
    token: Option<Token>,
    enrollment: Option<EnrollmentRow>,
    earlier: Earlier,
    registered: Option<Registered>,
}

impl Asks {
    fn look_up(tx: &mut Tx<'_>, request: &Request, now: Timestamp) -> Result<Self, StoreError> {
        let token = muster_store::token::by_secret(tx, secret::digest(&request.token))?;
        let mut asks = Self { now, token, enrollment: None, earlier: Earlier::Nothing, registered: None };
        // Without a token it decides nothing: it is whose page has to say why the device does not come.
        if let Some(device) = muster_store::device::by_serial(tx, request.claims.serial.trim())? {
            asks.registered = Some(registered(tx, &device)?);
        }
        let Some(token) = &asks.token else { return Ok(asks) };
        if let Some(enrollment) = muster_store::enrollment::get(tx, &token.id, request.key)?
            && let Some(device) = muster_store::device::get(tx, enrollment.device)?
        {
            asks.earlier = Earlier::Enrolled(registered(tx, &device)?);
            asks.enrollment = Some(enrollment);
        } else if let Some(pending) = muster_store::enrollment::pending(tx, &token.id, request.key)?
            && let Some(device) = muster_store::device::get(tx, pending.device)?
        {
            asks.earlier = Earlier::Waiting {
                device: registered(tx, &device)?,
                code: pending.code,
                approved: pending.approved,
            };
        }
        Ok(asks)
    }

    fn asking<'a>(&'a self, claims: &'a EnrollmentClaims) -> Asking<'a> {
        Asking {
            now: self.now,
            token: self.token.as_ref(),
            earlier: self.earlier.clone(),
            claims,
            registered: self.registered,
        }
    }

    fn token(&self) -> &Token {
        self.token.as_ref().expect("nobody is admitted without a token")
    }

    fn again(&self, tx: &mut Tx<'_>, device: DeviceId) -> Result<Enrolled, EnrollError> {
        let certificate = self.enrollment.as_ref().map(|e| e.certificate.as_str()).unwrap_or_default();
        let chain = muster_store::certificate::chain(tx, certificate)?
            .ok_or_else(|| AppError::Defect(format!("certificate {certificate} of {device} is missing")))?;
        Ok(Enrolled::Issued { device, chain })
    }

    fn let_in<E>(
        &self,
        tx: &mut Tx<'_>,
        request: &Request,
        place: Place,
        cost: Cost,
        issue: impl FnOnce(DeviceId) -> Result<Issued, E>,
    ) -> Result<Enrolled, EnrollError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let token = self.token();
        if cost == Cost::OneUse {
            spend(tx, token)?;
        }
        let device = self.place(tx, request, place, DeviceState::Registered)?;
        let replaced = match place {
            Place::Again(device) => Some(reenroll::make_room(tx, device, self.now)?),
            Place::Known(_) | Place::New => None,
        };
        let issued = issue(device).map_err(|error| EnrollError::Issue(Box::new(error)))?;
        keep_certificate(tx, device, request.key, &issued, self.now)?;
        let enrollment = EnrollmentRow { device, certificate: issued.serial_number };
        muster_store::enrollment::insert(tx, &token.id, request.key, &enrollment, self.now)?;
        muster_store::enrollment::clear_pending(tx, device)?;
        muster_store::device::set_enrolled(tx, device, self.now)?;
        muster_store::refused::end(tx, device)?;
        let mut labels = muster_store::label::of_device(tx, device)?;
        labels.extend(token.labels.iter().cloned());
        recompile::relabel(tx, device, &labels)?;
        recompile::devices(tx, &[device], self.now)?;
        // A device that was out has the state that it had, and is judged by it again.
        recompile::judge(tx, device, self.now)?;
        let act = Act { at: self.now, actor: &format!("device:{device}"), action: "device.enroll" };
        let detail = json!({
            "token": token.id, "serial": request.claims.serial, "address": request.address,
            "certificate": enrollment.certificate, "replaced_certificates": replaced,
        });
        audit::write(tx, act, &device.to_string(), detail)?;
        Ok(Enrolled::Issued { device, chain: issued.chain })
    }

    fn make_wait(&self, tx: &mut Tx<'_>, request: &Request, place: Place) -> Result<Enrolled, EnrollError> {
        let token = self.token();
        spend(tx, token)?;
        let device = self.place(tx, request, place, DeviceState::Pending)?;
        // Asking to take a device's place changes nothing for who has it: a shared token would be enough to cut it off.
        if !matches!(place, Place::Again(_)) {
            muster_store::device::set_state(tx, device, DeviceState::Pending)?;
        }
        let mut code = secret::code();
        while muster_store::enrollment::code_is_taken(tx, &code)? {
            code = secret::code();
        }
        let claims = serde_json::to_string(&request.claims)
            .map_err(|error| AppError::Defect(format!("claims: {error}")))?;
        let pending = PendingRow {
            token: token.id.clone(),
            key: request.key,
            device,
            code: code.clone(),
            claims,
            address: request.address.clone(),
            since: self.now,
            approved: false,
        };
        muster_store::enrollment::insert_pending(tx, &pending)?;
        let act = Act { at: self.now, actor: "stranger", action: "device.wait" };
        let detail = json!({
            "token": token.id, "claims": request.claims, "address": request.address, "code": code,
        });
        audit::write(tx, act, &device.to_string(), detail)?;
        Ok(Enrolled::Pending { code, retry_after: RETRY_AFTER })
    }

    fn refuse(&self, tx: &mut Tx<'_>, request: &Request, refusal: &Refusal) -> Result<String, StoreError> {
        let reference = secret::id("ref-");
        let act = Act { at: self.now, actor: "stranger", action: "enrollment.refuse" };
        let detail = json!({
            "reason": refusal.to_string(),
            "token": self.token.as_ref().map(|token| &token.id),
            "device": self.registered.as_ref().map(|device| device.id),
            "claims": request.claims,
            "key": request.key,
            "address": request.address,
        });
        audit::write(tx, act, &reference, detail)?;
        self.note_refused(tx, request, refusal, &reference)?;
        Ok(reference)
    }

    /// Notes the refusal with the devices that it may concern: the one whose serial was claimed, and the one that the
    /// token is for.
    fn note_refused(
        &self,
        tx: &mut Tx<'_>,
        request: &Request,
        refusal: &Refusal,
        reference: &str,
    ) -> Result<(), StoreError> {
        let mut concerned = BTreeSet::from_iter(self.registered.map(|device| device.id));
        if let Some(bound) = self.token.as_ref().and_then(|token| token.serial.as_deref()) {
            concerned.extend(muster_store::device::by_serial(tx, bound)?.map(|device| device.id));
        }
        for id in concerned {
            let Some(device) = muster_store::device::get(tx, id)? else { continue };
            let row = RefusedRow {
                at: self.now,
                reference: reference.to_owned(),
                reason: refusal.to_string(),
                remedy: refusal.remedy(&device.serial),
                address: request.address.clone(),
                claimed_serial: request.claims.serial.clone(),
            };
            muster_store::refused::note(tx, id, &row)?;
        }
        Ok(())
    }

    fn place(
        &self,
        tx: &mut Tx<'_>,
        request: &Request,
        place: Place,
        state: DeviceState,
    ) -> Result<DeviceId, StoreError> {
        if let Place::Known(device) | Place::Again(device) = place {
            return Ok(device);
        }
        let id = secret::device_id();
        let serial = request.claims.serial.trim();
        let wanted = match name::device_from(&request.claims.hostname) {
            // Every fresh installation is called that.
            empty if empty.is_empty() || empty == "localhost" => import::name_for(serial),
            name => name,
        };
        let name = free_name(tx, &wanted)?;
        let stale_after = comply::promise(&BTreeSet::new());
        muster_store::device::insert(
            tx,
            &NewDevice { id, serial, name: &name, owner: None, state, stale_after },
            self.now,
        )?;
        if state == DeviceState::Pending {
            muster_store::claimed::note(tx, id)?;
        }
        Ok(id)
    }
}

/// A device's record, as the policy takes it.
pub(super) fn registered(tx: &mut Tx<'_>, device: &DeviceRow) -> Result<Registered, StoreError> {
    Ok(Registered {
        id: device.id,
        state: device.state,
        owned: device.owner.is_some(),
        reenroll_until: muster_store::reenrollment::until(tx, device.id)?,
        claimed: muster_store::claimed::is(tx, device.id)?,
        promised: muster_store::enrollment::is_promised(tx, device.id)?,
    })
}

fn spend(tx: &mut Tx<'_>, token: &Token) -> Result<(), EnrollError> {
    if !muster_store::token::spend(tx, &token.id)? {
        return Err(AppError::Defect(format!("token {} has a use and has none", token.id)).into());
    }
    tx.tell(Change::Token(token.id.clone()));
    Ok(())
}

/// Records a certificate that was issued.
pub(super) fn keep_certificate(
    tx: &mut Tx<'_>,
    device: DeviceId,
    key: Digest,
    issued: &Issued,
    at: Timestamp,
) -> Result<(), StoreError> {
    let certificate = CertificateRow {
        serial_number: issued.serial_number.clone(),
        device,
        key_digest: key,
        not_before: issued.not_before,
        not_after: issued.not_after,
        chain: issued.chain.clone(),
    };
    muster_store::certificate::insert(tx, &certificate, at)
}

/// The wanted name, with a number behind it when it is taken. Another's serial is taken too: admins call devices by
/// either, and who chooses a host name must not answer to what someone else is called.
pub(super) fn free_name(tx: &mut Tx<'_>, wanted: &str) -> Result<String, StoreError> {
    let mut name = wanted.to_owned();
    for number in 2.. {
        let by_serial = |tx: &mut Tx<'_>| muster_store::device::by_serial(tx, &name);
        if muster_store::device::by_name(tx, &name)?.is_none() && by_serial(tx)?.is_none() {
            break;
        }
        // Thousands of clones of one image would make this slow: they get a random end instead.
        name = if number < 10 { format!("{wanted}-{number}") } else { secret::id(&format!("{wanted}-")) };
    }
    Ok(name)
}

/// Keeps claims short and in one line, since they are kept and shown, and come from a stranger; gives a serial its one form.
fn shorten(claims: &mut EnrollmentClaims) {
    let EnrollmentClaims { serial, hardware_uuid, hostname, model, agent_version } = claims;
    for claim in [serial, hardware_uuid, hostname, model, agent_version] {
        *claim = claim.chars().filter(|c| !c.is_control()).take(CLAIM).collect();
    }
    // Written as it is in the records. What is no serial stays as it is, for the refusal to name.
    if let Ok(serial) = serial::recorded(&claims.serial) {
        claims.serial = serial;
    }
}
