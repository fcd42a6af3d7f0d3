//! Operations on a real store in a temporary folder.

use std::sync::atomic::{AtomicU64, Ordering};

use muster_policy::rights::{AdminRight, Identity, ViewRight};
use muster_proto::enrollment::{EnrollmentClaims, JoinFile};
use muster_proto::rest::{Import, NewAssignment, NewToken, Unknown};
use muster_proto::state::{DesiredState, Mode};
use muster_proto::{DeviceId, Digest, Generation, Timestamp};
use muster_store::Store;

use super::dry_run::Desk;
use super::enroll::{EnrollError, Enrolled, Request};
use super::follower::Followers;
use super::import::{NewOwners, Trial};
use super::presence::Presence;
use super::seal::SealingKey;
use super::searches::Searches;
use super::{App, Parts, Site};
use crate::artifacts::Artifacts;
use crate::ca::Issued;
use crate::install::snippet::Origin;

mod access;
mod artifacts;
mod assigning;
mod checking;
mod counting;
mod deleting;
mod doubling;
mod enrolling;
mod following;
mod holding;
mod keeping;
mod losing;
mod people;
mod proving;
mod reenrolling;
mod reporting;
mod restoring;
mod returning;
mod rolling;
mod rollouts;
mod telling;
mod waiving;

/// A server's operations over a database of their own.
struct Rig {
    app: App,
    _folder: tempfile::TempDir,
}

thread_local! {
    /// Seconds that have passed beyond those of the system's clock. Operations ask the clock on the test's own thread.
    static PASSED: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

fn clock() -> Timestamp {
    super::system_clock().plus_seconds(PASSED.get())
}

/// Lets time pass.
fn pass(seconds: i64) {
    PASSED.set(PASSED.get() + seconds);
}

fn rig() -> Rig {
    open(tempfile::tempdir().unwrap(), None)
}

fn open(folder: tempfile::TempDir, restored: Option<Timestamp>) -> Rig {
    let app = App::new(Parts {
        store: Store::open(&folder.path().join("muster.db")).unwrap(),
        artifacts: Artifacts::open(&folder.path().join("artifacts"), 1024 * 1024).unwrap(),
        sealing_key: SealingKey::open_or_create(&folder.path().join("sealing.key")).unwrap(),
        clock,
        site: Site {
            trust_domain: "corp.example".into(),
            server_name: "muster.corp.example".into(),
            device_address: "muster.corp.example:8440".into(),
            roots: vec![Digest::of(b"root")],
            origin: Origin::default(),
        },
        presence: Presence::default(),
        restored,
        desk: Desk::default(),
        return_window: 180 * 86_400,
        searches: Searches::default(),
    });
    Rig { app, _folder: folder }
}

fn admin() -> AdminRight {
    Identity::local_root().administer().unwrap()
}

fn viewer() -> ViewRight {
    Identity::local_root().view()
}

/// Stands in for the authority: every certificate has a serial number and bytes of its own.
fn issue(device: DeviceId) -> Result<Issued, std::io::Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let leaf = format!("certificate {number} of {device}").into_bytes();
    Ok(Issued {
        chain: vec![leaf, b"issuing".to_vec(), b"root".to_vec()],
        serial_number: format!("{number:040x}"),
        not_before: clock(),
        not_after: clock().plus_seconds(30 * 86_400),
    })
}

impl Rig {
    /// How a certificate stands when it is shown with the key that it was issued for.
    async fn standing(&self, device: DeviceId, serial_number: String) -> super::standing::Standing {
        let shown = serial_number.clone();
        let row = self.app.store().read(move |tx| muster_store::certificate::standing(tx, device, &shown));
        let key = row.await.unwrap().map_or_else(|| Digest::of(b"of nobody"), |row| row.key);
        self.app.standing(device, serial_number, key).await.unwrap()
    }

    async fn import(&self, csv: &str) -> Import {
        self.app.import_devices(&admin(), csv.to_owned(), NewOwners::Add, Trial::Real).await.unwrap()
    }

    /// Makes a token; gives its secret.
    async fn token(&self, uses: u32, serial: Option<&str>, unknown: Unknown) -> String {
        let request = NewToken {
            labels: vec!["joined".into()],
            uses: Some(uses),
            hours: None,
            serial: serial.map(str::to_owned),
            unknown,
        };
        let created = self.app.create_token(&admin(), request).await.unwrap();
        toml::from_str::<JoinFile>(&created.join_file).unwrap().token
    }

    async fn ask(&self, token: &str, key: &str, serial: &str) -> Result<Enrolled, EnrollError> {
        let claims = EnrollmentClaims {
            serial: serial.into(),
            hostname: format!("host-{serial}"),
            ..EnrollmentClaims::default()
        };
        let request = Request {
            token: token.to_owned(),
            key: Digest::of(key.as_bytes()),
            claims,
            address: "192.0.2.7".into(),
        };
        self.app.enroll(request, issue).await
    }

    /// Registers and enrolls a device with this serial.
    async fn device(&self, serial: &str, labels: &str) -> DeviceId {
        self.import(&format!("serial,name,labels\n{serial},dev-{},{labels}", serial.to_lowercase())).await;
        let token = self.token(1, Some(serial), Unknown::Refuse).await;
        match self.ask(&token, &format!("key of {serial}"), serial).await.unwrap() {
            Enrolled::Issued { device, .. } => device,
            Enrolled::Pending { .. } => panic!("a bound token lets in at once"),
        }
    }

    async fn state(&self, device: DeviceId) -> Option<DesiredState> {
        let notice = self.app.newer_state(device, Generation(0)).await.unwrap()?;
        Some(serde_json::from_slice(&notice.bytes).unwrap())
    }

    async fn save(&self, name: &str, resources: &str) -> u32 {
        let source = format!("muster: 1\nprofile: {name}\nresources:\n{resources}");
        self.app
            .save_profile(&admin(), name.into(), source, Followers::Bring, Trial::Real)
            .await
            .unwrap()
            .number
    }

    async fn audited(&self) -> Vec<muster_proto::rest::AuditEntry> {
        self.app.list_audit(&viewer(), Default::default(), None, 1000).await.unwrap().items
    }
}

/// The serial number of a certificate that [`issue`] made.
fn serial_number(chain: &[Vec<u8>]) -> String {
    let text = String::from_utf8(chain[0].clone()).unwrap();
    format!("{:040x}", text.split(' ').nth(1).unwrap().parse::<u64>().unwrap())
}

fn assignment(profile: &str, target: &str) -> NewAssignment {
    NewAssignment {
        profile: profile.into(),
        revision: None,
        target: target.into(),
        precedence: 0,
        mode: Mode::Enforce,
        params: Default::default(),
        follow: false,
    }
}

fn motd(text: &str) -> String {
    format!("  - file: {{ path: /etc/motd, content: \"{text}\" }}\n")
}
