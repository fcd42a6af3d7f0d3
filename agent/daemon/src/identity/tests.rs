use std::os::unix::fs::PermissionsExt;

use ::time::{Duration, OffsetDateTime};
use inotify::{EventMask, Inotify, WatchMask};
use muster_proto::DeviceId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SignatureAlgorithm,
};

use super::*;

pub(crate) const DEVICE: &str = "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f";
pub(crate) const TRUST_DOMAIN: &str = "corp.example";

/// An organization's authority, as a server would have it.
pub(crate) struct Organization {
    pub(crate) root: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

/// A public key, as a request carries it.
pub(crate) struct PublicKey(pub(crate) Vec<u8>);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

fn moment(seconds_from_now: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::seconds(seconds_from_now)
}

impl Organization {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { root, issuer: Issuer::new(params, key) }
    }

    /// A certificate for these names, valid for so many seconds around now.
    pub(crate) fn certify(
        &self,
        key: &impl PublicKeyData,
        names: Vec<SanType>,
        usage: ExtendedKeyUsagePurpose,
        valid: (i64, i64),
    ) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![usage];
        (params.not_before, params.not_after) = (moment(valid.0), moment(valid.1));
        params.signed_by(key, &self.issuer).unwrap().der().clone()
    }

    /// The chain that makes a key this device's.
    pub(crate) fn device_chain(&self, key: &impl PublicKeyData, valid: (i64, i64)) -> Vec<Vec<u8>> {
        let uri = format!("spiffe://{TRUST_DOMAIN}/device/{DEVICE}").try_into().unwrap();
        let leaf = self.certify(key, vec![SanType::URI(uri)], ExtendedKeyUsagePurpose::ClientAuth, valid);
        vec![leaf.to_vec(), self.root.to_vec()]
    }

    pub(crate) fn join_file(&self, server: &str, token: &str) -> JoinFile {
        JoinFile {
            server: server.to_owned(),
            trust: vec![Digest::of(&self.root)],
            trust_domain: TRUST_DOMAIN.to_owned(),
            token: token.to_owned(),
        }
    }
}

pub(crate) const MONTH: (i64, i64) = (-60, 30 * 86_400);

/// The raw key of a device, for certifying it.
pub(crate) fn public(key: &DeviceKey) -> PublicKey {
    // A P-256 SubjectPublicKeyInfo ends with the 65 bytes of the point.
    let der = key.public_key();
    PublicKey(der[der.len() - 65..].to_vec())
}

fn trust(organization: &Organization) -> Trust {
    Trust::of(&organization.join_file("muster.corp.example:8440", "secret"))
}

fn device() -> DeviceId {
    DEVICE.parse().unwrap()
}

/// What is in the folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_key_survives_a_restart_and_is_for_root_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("identity");
    let folder = Folder::open(&path).unwrap();
    assert!(matches!(folder.load().unwrap(), Identity::Nothing));
    let first = folder.key().unwrap().public_key();
    let again = Folder::open(&path).unwrap();
    assert_eq!(again.key().unwrap().public_key(), first);
    assert!(matches!(again.load().unwrap(), Identity::Keyed));
    again.wait("7KQ-M2D").unwrap();
    assert!(matches!(again.load().unwrap(), Identity::Waiting { code } if code == "7KQ-M2D"));
    again.refused(Timestamp::default(), "no (reference 4711)").unwrap();
    let answer = "1970-01-01T00:00:00Z: no (reference 4711)";
    assert!(matches!(again.load().unwrap(), Identity::Refused { answer: known } if known == answer));
    again.wait("7KQ-M2D").unwrap();
    assert!(matches!(again.load().unwrap(), Identity::Waiting { .. }));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("next.key")), 0o600);
}

/// Every state of the files that a crash between two writes can leave, in the order of the writes.
#[test]
fn a_crash_between_any_two_writes_leads_to_the_same_device() {
    let organization = Organization::new();
    let whole = tempfile::tempdir().unwrap();
    let folder = Folder::open(whole.path()).unwrap();
    let key = folder.key().unwrap();
    let key_text = std::fs::read(whole.path().join("next.key")).unwrap();
    let chain = organization.device_chain(&public(&key), MONTH);
    folder.keep(key, chain, trust(&organization)).unwrap();
    let read = |name: &str| std::fs::read(whole.path().join(name)).unwrap();
    let (identity_text, trust_text) = (read("identity.pem"), read("trust.toml"));
    let join_text = toml::to_string(&organization.join_file("muster.corp.example:8440", "secret")).unwrap();

    let key_file = ("next.key", &key_text[..]);
    type Files<'a> = Vec<(&'a str, &'a [u8])>;
    let states: [(&str, Files<'_>); 7] = [
        ("key half written", vec![("next.key.new", &key_text[..20])]),
        ("key written", vec![key_file]),
        ("trust half written", vec![key_file, ("trust.toml.new", &trust_text[..9])]),
        ("trust written", vec![key_file, ("trust.toml", &trust_text)]),
        (
            "identity half written",
            vec![key_file, ("trust.toml", &trust_text), ("identity.pem.new", b"-----")],
        ),
        ("identity written", vec![key_file, ("trust.toml", &trust_text), ("identity.pem", &identity_text)]),
        ("key removed", vec![("trust.toml", &trust_text), ("identity.pem", &identity_text)]),
    ];
    for (after, files) in states {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temp.path().join("identity")).unwrap();
        for (name, content) in &files {
            std::fs::write(folder.path.join(name), content).unwrap();
        }
        let join_file = temp.path().join("join.toml");
        std::fs::write(&join_file, &join_text).unwrap();
        let enrolled = match folder.load().unwrap() {
            Identity::Enrolled(enrolled) => *enrolled,
            // Asking again with the key that is there gives the same chain; a key that never left gives a new one.
            _ => {
                let key = folder.key().unwrap();
                assert!(key.to_pem().as_bytes() == key_text || after == "key half written", "{after}");
                let chain = organization.device_chain(&public(&key), MONTH);
                folder.keep(key, chain, trust(&organization)).unwrap()
            }
        };
        assert!(join_file.exists(), "{after}: the token is there until the end");
        folder.tidy(&enrolled, &join_file).unwrap();
        assert_eq!(enrolled.device, device(), "{after}");
        assert!(!join_file.exists(), "{after}");
        let again = folder.enrolled().unwrap().unwrap();
        assert_eq!(again.key.public_key(), enrolled.key.public_key(), "{after}");
        let left: Vec<_> = names(&folder.path).into_iter().filter(|name| !name.ends_with(".new")).collect();
        assert_eq!(left, ["identity.pem", "trust.toml"], "{after}");
    }
}

#[test]
fn the_certificate_is_in_place_before_the_key_and_the_token_go() {
    let organization = Organization::new();
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let join_file = temp.path().join("join.toml");
    let join = organization.join_file("muster.corp.example:8440", "secret");
    std::fs::write(&join_file, toml::to_string(&join).unwrap()).unwrap();
    let mut inotify = Inotify::init().unwrap();
    inotify.watches().add(temp.path(), WatchMask::MOVED_TO | WatchMask::DELETE | WatchMask::MODIFY).unwrap();
    let key = folder.key().unwrap();
    let chain = organization.device_chain(&public(&key), MONTH);
    let enrolled = folder.keep(key, chain, Trust::of(&join)).unwrap();
    folder.tidy(&enrolled, &join_file).unwrap();
    let mut buffer = vec![0; 16_384];
    let seen: Vec<_> = inotify
        .read_events(&mut buffer)
        .unwrap()
        .filter_map(|event| Some((event.mask, event.name?.to_str()?.to_owned())))
        .filter(|(_, name)| !name.ends_with(".new"))
        .collect();
    let order = [
        (EventMask::MOVED_TO, "next.key"),
        (EventMask::MOVED_TO, "trust.toml"),
        (EventMask::MOVED_TO, "identity.pem"),
        // Overwritten, then removed.
        (EventMask::MODIFY, "next.key"),
        (EventMask::DELETE, "next.key"),
        (EventMask::MODIFY, "join.toml"),
        (EventMask::DELETE, "join.toml"),
    ];
    assert_eq!(seen, order.map(|(mask, name)| (mask, name.to_owned())));
}

#[test]
fn a_join_file_with_another_token_is_left_alone() {
    let organization = Organization::new();
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(&temp.path().join("identity")).unwrap();
    let key = folder.key().unwrap();
    let chain = organization.device_chain(&public(&key), MONTH);
    let enrolled = folder.keep(key, chain, trust(&organization)).unwrap();
    let join_file = temp.path().join("join.toml");
    let newer = toml::to_string(&organization.join_file("other.example:8440", "another")).unwrap();
    std::fs::write(&join_file, &newer).unwrap();
    folder.tidy(&enrolled, &join_file).unwrap();
    assert_eq!(std::fs::read_to_string(&join_file).unwrap(), newer);
}

#[test]
fn what_a_crash_left_half_erased_counts_as_gone_and_is_erased_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("next.key");
    std::fs::write(&path, [0; 240]).unwrap();
    assert!(file::read(&path).unwrap().is_none());
    assert!(!path.exists());
}

#[test]
fn erasing_a_link_leaves_the_file_it_points_to() {
    let temp = tempfile::tempdir().unwrap();
    let precious = temp.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    let link = temp.path().join("join.toml");
    std::os::unix::fs::symlink(&precious, &link).unwrap();
    file::erase(&link).unwrap();
    assert!(!link.exists());
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
}

#[test]
fn a_certificate_that_is_not_for_this_device_is_not_kept() {
    let organization = Organization::new();
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let ours = || public(&folder.key().unwrap());
    let uri = |text: &str| SanType::URI(text.to_owned().try_into().unwrap());
    let named = |key: &PublicKey, names| {
        let leaf = organization.certify(key, names, ExtendedKeyUsagePurpose::ClientAuth, MONTH);
        vec![leaf.to_vec(), organization.root.to_vec()]
    };
    let good = format!("spiffe://corp.example/device/{DEVICE}");
    let other_key = public(&DeviceKey::make().unwrap());
    let chains = [
        named(&other_key, vec![uri(&good)]),
        named(&ours(), vec![uri(&format!("spiffe://evil.example/device/{DEVICE}"))]),
        named(&ours(), vec![uri(&good), uri("spiffe://corp.example/device/other")]),
        named(&ours(), vec![uri("spiffe://corp.example")]),
        named(&ours(), vec![]),
        vec![b"no certificate".to_vec()],
        vec![],
    ];
    for chain in chains {
        let kept = folder.keep(folder.key().unwrap(), chain, trust(&organization));
        assert!(matches!(kept, Err(Error::Certificate(_))));
        assert_eq!(names(temp.path()), ["next.key"]);
    }
    folder.keep(folder.key().unwrap(), named(&ours(), vec![uri(&good)]), trust(&organization)).unwrap();
}

const JOIN: &str = "server = \"muster.corp.example:8440\"\ntrust = [\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"]\ntrust_domain = \"corp.example\"\ntoken = \"TOPSECRET\"\n";

#[test]
fn a_join_file_that_others_may_read_or_write_is_taken_from_them() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("join.toml");
    std::fs::write(&path, JOIN).unwrap();
    for (before, after) in [(0o644, 0o600), (0o620, 0o600), (0o604, 0o600), (0o400, 0o400)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(before)).unwrap();
        assert_eq!(join::read(&path).unwrap().unwrap().token, "TOPSECRET");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, after, "{before:o}");
    }
    assert_eq!(join::read(&temp.path().join("none")).unwrap(), None);
}

#[test]
fn a_join_file_is_read_strictly_and_its_token_never_repeated() {
    let good = JOIN;
    assert_eq!(join::parse(good).unwrap().token, "TOPSECRET");
    let bad = [
        good.replace("token =", "secret ="),
        format!("{good}colour = \"TOPSECRET\"\n"),
        good.replace(":8440", ""),
        good.replace("corp.example\"\ntoken", "Corp/Example\"\ntoken"),
        good.replace("[\"sha256:", "[\"sha256:zz"),
        good.replace(
            "trust = [\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"]",
            "trust = []",
        ),
        good.replace("TOPSECRET\"", "TOPSECRET"),
        good.replace("\"TOPSECRET\"", "\"\""),
    ];
    for text in bad {
        let error = join::parse(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("TOPSECRET"), "{error}");
        assert!(error.to_string().contains("muster token create"), "{error}");
    }
}

#[test]
fn forgetting_leaves_nothing() {
    let organization = Organization::new();
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let key = folder.key().unwrap();
    let chain = organization.device_chain(&public(&key), MONTH);
    folder.keep(key, chain, trust(&organization)).unwrap();
    folder.forget().unwrap();
    assert!(names(temp.path()).is_empty());
    assert!(matches!(folder.load().unwrap(), Identity::Nothing));
}
