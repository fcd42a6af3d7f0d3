//! Who may do what: every operation of the API against everybody who could ask. The operations come from the document that
//! is made from the handlers, so that one without a row here fails; a row says what its operation is about.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::rest::{AdminLink, ApiToken, Scope};
use muster_proto::{Digest, Timestamp};
use muster_store::{Store, api_token};
use rcgen::KeyPair;

use super::*;
use crate::ca::{Authority, ProvenKey};

/// Who may use an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// Anybody: it checks for itself who they are.
    Anybody,
    /// Whoever is logged in, about themselves.
    Own,
    /// Whoever may read, and tokens with this scope.
    Read(Scope),
    /// Admins, and tokens of admins with this scope.
    Change(Scope),
    /// Admins who are people.
    Person,
}

use May::{Anybody, Change, Own, Person, Read};
use Scope::{
    AccessRead, ArtifactsRead, ArtifactsWrite, AssignmentsRead, AssignmentsWrite, AuditRead, ComplianceRead,
    ComplianceWrite, DevicesRead, DevicesWrite, EnrollmentRead, EnrollmentWrite, EventsRead, MetricsRead,
    PasswordsWrite, PeopleRead, PeopleWrite, ProfilesRead, ProfilesWrite,
};

/// In the order of the document.
const TABLE: &[(&str, &str, May)] = &[
    ("GET", "/account", Own),
    ("POST", "/account/logout", Own),
    ("POST", "/account/password", Own),
    ("POST", "/account/totp", Own),
    ("POST", "/account/totp/confirm", Own),
    ("POST", "/account/totp/end", Own),
    ("GET", "/admins", Read(AccessRead)),
    ("POST", "/admins", Person),
    ("DELETE", "/admins/{name}", Person),
    ("PATCH", "/admins/{name}", Person),
    ("POST", "/admins/{name}/logout", Person),
    ("POST", "/admins/{name}/reset", Person),
    ("GET", "/api-tokens", Read(AccessRead)),
    ("POST", "/api-tokens", Person),
    ("DELETE", "/api-tokens/{id}", Person),
    ("GET", "/artifacts", Read(ArtifactsRead)),
    ("POST", "/artifacts", Change(ArtifactsWrite)),
    ("DELETE", "/artifacts/{id}", Change(ArtifactsWrite)),
    ("GET", "/artifacts/{id}", Read(ArtifactsRead)),
    ("PATCH", "/artifacts/{id}", Change(ArtifactsWrite)),
    ("GET", "/artifacts/{id}/content", Read(ArtifactsRead)),
    ("GET", "/assignments", Read(AssignmentsRead)),
    ("POST", "/assignments", Change(AssignmentsWrite)),
    ("POST", "/assignments/plan", Change(AssignmentsWrite)),
    ("DELETE", "/assignments/{id}", Change(AssignmentsWrite)),
    ("GET", "/audit", Read(AuditRead)),
    ("GET", "/checks", Read(ComplianceRead)),
    ("GET", "/checks/{id}", Read(ComplianceRead)),
    ("GET", "/checks/{id}/devices", Read(ComplianceRead)),
    ("GET", "/compliance", Read(ComplianceRead)),
    ("GET", "/compliance/report", Read(ComplianceRead)),
    ("GET", "/compliance/standings", Read(ComplianceRead)),
    ("GET", "/controls/{id}", Read(ComplianceRead)),
    ("GET", "/controls/{id}/devices", Read(ComplianceRead)),
    ("GET", "/devices", Read(DevicesRead)),
    ("POST", "/devices/import", Change(DevicesWrite)),
    ("DELETE", "/devices/{id}", Change(DevicesWrite)),
    ("GET", "/devices/{id}", Read(DevicesRead)),
    ("PATCH", "/devices/{id}", Change(DevicesWrite)),
    ("POST", "/devices/{id}/allow-reenroll", Change(DevicesWrite)),
    ("POST", "/devices/{id}/apply-now", Change(DevicesWrite)),
    ("POST", "/devices/{id}/approve", Change(DevicesWrite)),
    ("GET", "/devices/{id}/checks", Read(DevicesRead)),
    ("GET", "/devices/{id}/checks/{check}", Read(DevicesRead)),
    ("POST", "/devices/{id}/first-login-passwords/{account}/reveal", Change(PasswordsWrite)),
    ("GET", "/devices/{id}/history", Read(DevicesRead)),
    ("DELETE", "/devices/{id}/lost", Change(DevicesWrite)),
    ("POST", "/devices/{id}/lost", Change(DevicesWrite)),
    ("POST", "/devices/{id}/plan", Change(DevicesWrite)),
    ("GET", "/devices/{id}/resources", Read(DevicesRead)),
    ("POST", "/devices/{id}/revoke", Change(DevicesWrite)),
    ("GET", "/devices/{id}/tables/{name}", Read(DevicesRead)),
    ("GET", "/events", Read(EventsRead)),
    ("GET", "/groups", Read(PeopleRead)),
    ("POST", "/groups", Change(PeopleWrite)),
    ("DELETE", "/groups/{name}", Change(PeopleWrite)),
    ("GET", "/groups/{name}", Read(PeopleRead)),
    ("DELETE", "/groups/{name}/members/{username}", Change(PeopleWrite)),
    ("PUT", "/groups/{name}/members/{username}", Change(PeopleWrite)),
    ("GET", "/outcomes", Read(ComplianceRead)),
    ("GET", "/overview", Read(ComplianceRead)),
    ("GET", "/pauses", Read(AssignmentsRead)),
    ("POST", "/pauses", Change(AssignmentsWrite)),
    ("DELETE", "/pauses/{target}", Change(AssignmentsWrite)),
    ("GET", "/people", Read(PeopleRead)),
    ("POST", "/people", Change(PeopleWrite)),
    ("DELETE", "/people/{username}", Change(PeopleWrite)),
    ("GET", "/people/{username}", Read(PeopleRead)),
    ("PATCH", "/people/{username}", Change(PeopleWrite)),
    ("GET", "/profiles", Read(ProfilesRead)),
    ("GET", "/profiles/{name}", Read(ProfilesRead)),
    ("PUT", "/profiles/{name}", Change(ProfilesWrite)),
    ("GET", "/profiles/{name}/diff", Read(ProfilesRead)),
    ("GET", "/profiles/{name}/revisions/{number}", Read(ProfilesRead)),
    ("POST", "/profiles/{name}/rollback", Change(AssignmentsWrite)),
    ("GET", "/removals", Read(AssignmentsRead)),
    ("POST", "/removals/{id}/confirm", Change(AssignmentsWrite)),
    ("POST", "/removals/{id}/drop", Change(AssignmentsWrite)),
    ("GET", "/rollouts", Read(AssignmentsRead)),
    ("POST", "/rollouts", Change(AssignmentsWrite)),
    ("GET", "/rollouts/{id}", Read(AssignmentsRead)),
    ("POST", "/rollouts/{id}/cancel", Change(AssignmentsWrite)),
    ("POST", "/rollouts/{id}/resume", Change(AssignmentsWrite)),
    ("GET", "/schema/profile", Read(ProfilesRead)),
    ("DELETE", "/session", Own),
    ("GET", "/session", Own),
    ("POST", "/session", Anybody),
    ("POST", "/session/token", Own),
    ("POST", "/setup", Anybody),
    ("GET", "/tokens", Read(EnrollmentRead)),
    ("POST", "/tokens", Change(EnrollmentWrite)),
    ("DELETE", "/tokens/{id}", Change(EnrollmentWrite)),
    ("GET", "/waivers", Read(ComplianceRead)),
    ("POST", "/waivers", Change(ComplianceWrite)),
    ("DELETE", "/waivers/{id}", Change(ComplianceWrite)),
];

/// Somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Stranger,
    Device,
    Expired,
    Revoked,
    Auditor,
    AuditorsToken,
    Admin,
    AdminsToken,
    /// An admin's token with the scope that the row names.
    Scoped,
    /// One with another scope.
    ScopedElsewhere,
}

use Who::{
    Admin, AdminsToken, Auditor, AuditorsToken, Device, Expired, Revoked, Scoped, ScopedElsewhere, Stranger,
};

const EVERYBODY: [Who; 10] =
    [Stranger, Device, Expired, Revoked, Auditor, AuditorsToken, Admin, AdminsToken, Scoped, ScopedElsewhere];

/// What becomes of the request, as far as it is about who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// 401.
    LogIn,
    /// 403.
    NotAllowed,
    /// Anything else, if only that the body is missing.
    LetIn,
}

/// The one rule that the table is judged by.
fn expected(who: Who, may: May) -> Told {
    match (may, who) {
        (Anybody, _) => Told::LetIn,
        (_, Stranger | Device | Expired | Revoked) => Told::LogIn,
        (_, Admin) | (Own, Auditor) => Told::LetIn,
        (Own, AuditorsToken | AdminsToken | Scoped | ScopedElsewhere) => Told::NotAllowed,
        (Read(_), Auditor | AuditorsToken | AdminsToken | Scoped) => Told::LetIn,
        (Change(_), AdminsToken | Scoped) => Told::LetIn,
        (Read(_) | Change(_), ScopedElsewhere) | (Change(_) | Person, Auditor | AuditorsToken) => {
            Told::NotAllowed
        }
        (Person, AdminsToken | Scoped | ScopedElsewhere) => Told::NotAllowed,
    }
}

/// Everybody's credentials.
struct People {
    server: Server,
    device: Client,
    admin: Browser,
    auditor: Browser,
    /// By who, and with a scope by that.
    tokens: BTreeMap<String, String>,
}

impl People {
    async fn gather() -> Self {
        let server = Server::start().await;
        let admin = server.first_admin().await;
        let auditor = server.auditor(&admin).await;
        let mut tokens = BTreeMap::new();
        let scopes: BTreeSet<Scope> = TABLE
            .iter()
            .filter_map(|(_, _, may)| match may {
                Read(scope) | Change(scope) => Some(*scope),
                Anybody | Own | Person => None,
            })
            .chain([MetricsRead])
            .collect();
        for scope in scopes {
            let wanted = json!({"name": "scoped", "role": "admin", "scopes": [scope]});
            tokens.insert(key(scope), server.make_token(&admin, wanted).await.secret);
        }
        for role in [Role::Admin, Role::Auditor] {
            let secret = server.make_token(&admin, json!({"name": "all", "role": role})).await.secret;
            tokens.insert(format!("{role:?}"), secret);
        }
        let revoked = server.make_token(&admin, json!({"name": "gone", "role": "admin"})).await;
        let delete = server.request(Method::DELETE, &format!("/api/v1/api-tokens/{}", revoked.token.id));
        assert_eq!(admin.sign(&server, delete).send().await.unwrap().status(), 204);
        tokens.insert("Revoked".into(), revoked.secret);
        tokens.insert("Expired".into(), server.expired(revoked.token).await);
        let device = server.device_client();
        Self { server, device, admin, auditor, tokens }
    }

    async fn ask(&self, who: Who, may: May, method: &Method, path: &str) -> Told {
        let url = format!("{}{}", self.server.url, path);
        let request =
            if who == Device { &self.device } else { &self.server.client }.request(method.clone(), url);
        let request = match who {
            Stranger | Device => request,
            Admin => self.admin.sign(&self.server, request),
            Auditor => self.auditor.sign(&self.server, request),
            Expired | Revoked => request.bearer_auth(&self.tokens[&format!("{who:?}")]),
            AdminsToken => request.bearer_auth(&self.tokens["Admin"]),
            AuditorsToken => request.bearer_auth(&self.tokens["Auditor"]),
            Scoped => request.bearer_auth(&self.tokens[&key(scope_of(may).unwrap_or(MetricsRead))]),
            ScopedElsewhere => {
                let scope = if scope_of(may) == Some(AuditRead) { EventsRead } else { AuditRead };
                request.bearer_auth(&self.tokens[&key(scope)])
            }
        };
        let request = if *method == Method::GET { request } else { request.json(&json!({})) };
        match request.send().await.unwrap().status() {
            StatusCode::UNAUTHORIZED => Told::LogIn,
            StatusCode::FORBIDDEN => Told::NotAllowed,
            status => {
                assert!(!status.is_server_error(), "{who:?} {method} {path}: {status}");
                Told::LetIn
            }
        }
    }
}

fn key(scope: Scope) -> String {
    format!("{scope:?}")
}

fn scope_of(may: May) -> Option<Scope> {
    match may {
        Read(scope) | Change(scope) => Some(scope),
        Anybody | Own | Person => None,
    }
}

impl Server {
    async fn make_token(&self, browser: &Browser, wanted: Value) -> CreatedApiToken {
        let request = self.request(Method::POST, "/api/v1/api-tokens").json(&wanted);
        let response = browser.sign(self, request).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED, "{wanted}");
        response.json().await.unwrap()
    }

    /// An auditor who is logged in.
    async fn auditor(&self, admin: &Browser) -> Browser {
        let new =
            self.request(Method::POST, "/api/v1/admins").json(&json!({"name": "ada", "role": "auditor"}));
        let link: AdminLink = admin.sign(self, new).send().await.unwrap().json().await.unwrap();
        let secret = link.link.rsplit_once('#').unwrap().1;
        self.set_up(secret, "ada").await
    }

    /// A token that has ended.
    async fn expired(&self, like: ApiToken) -> String {
        let secret = "muster-api-expired".to_owned();
        let token = ApiToken {
            id: "api-expired".into(),
            expires: Timestamp::from_system(std::time::SystemTime::now()).plus_seconds(-1),
            ..like
        };
        let digest = Digest::of(secret.as_bytes());
        let store = Store::open(&self.folder.path().join("muster.db")).unwrap();
        store.write(move |tx| api_token::insert(tx, &token, digest)).await.unwrap();
        secret
    }

    /// A client that has a device's certificate and would show it.
    fn device_client(&self) -> Client {
        let authority = Authority::open(&self.folder.path().join("ca")).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let csr = params.serialize_request(&key).unwrap();
        let id = muster_proto::DeviceId(uuid::Uuid::now_v7());
        let proven = ProvenKey::of(csr.der()).unwrap();
        let chain = authority.issue_device(&proven, id, crate::app::system_clock()).unwrap().chain;
        let encode = |der: &Vec<u8>| {
            let text = data_encoding::BASE64.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        };
        let pem = key.serialize_pem() + &chain.iter().map(encode).collect::<String>();
        let root = std::fs::read(self.folder.path().join("ca/root.crt")).unwrap();
        Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&root).unwrap()])
            .identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
            .no_proxy()
            .build()
            .unwrap()
    }
}

/// The operations of the document, as the table writes them.
fn documented() -> BTreeSet<(String, String)> {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let path = path.strip_prefix(openapi::PREFIX).unwrap();
        item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.to_owned()))
    });
    operations.collect()
}

#[test]
fn every_operation_has_its_row() {
    let rows: BTreeSet<_> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let documented = documented();
    let missing: Vec<_> = documented.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&documented).collect();
    assert!(missing.is_empty(), "say in TABLE (and in rest/scope.rs) who may use these: {missing:?}");
    assert!(gone.is_empty(), "these are no operations (any more): {gone:?}");
}

#[tokio::test]
async fn everybody_gets_what_the_table_says_and_nothing_else() {
    let people = People::gather().await;
    let mut wrong = Vec::new();
    for (method, template, may) in TABLE {
        // This one ends the login that asks; it is asked last, below.
        if (*method, *template) == ("DELETE", "/session") {
            continue;
        }
        let path = template.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        let path = format!("{}{}", openapi::PREFIX, path.collect::<Vec<_>>().join("/"));
        let method: Method = method.parse().unwrap();
        for who in EVERYBODY {
            let told = people.ask(who, *may, &method, &path).await;
            // There is no session to be told of, which is not the same as not being allowed to ask.
            let about_session = *template == "/session" && *may == Own && told == Told::LetIn;
            if told != expected(who, *may) && !about_session {
                wrong.push(format!("{who:?} {method} {template}: {told:?}, not {:?}", expected(who, *may)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for who in EVERYBODY {
        let told = people.ask(who, Own, &Method::DELETE, "/api/v1/session").await;
        let nobody = matches!(who, Stranger | Device | Expired | Revoked);
        assert_eq!(told, if nobody { Told::LogIn } else { Told::LetIn }, "{who:?}");
    }
    assert_eq!(people.ask(Admin, Own, &Method::GET, "/api/v1/account").await, Told::LogIn, "it has ended");
}

#[tokio::test]
async fn the_metrics_are_for_whoever_may_read_them() {
    let people = People::gather().await;
    for (who, told) in [
        (Stranger, Told::LogIn),
        (Expired, Told::LogIn),
        (AuditorsToken, Told::LetIn),
        (Scoped, Told::LetIn),
        (ScopedElsewhere, Told::NotAllowed),
    ] {
        assert_eq!(people.ask(who, Read(MetricsRead), &Method::GET, "/metrics").await, told, "{who:?}");
    }
}
