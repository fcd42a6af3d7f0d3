use std::os::unix::fs::PermissionsExt;

use rcgen::{
    Attribute, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384,
    PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::request::RefusedRequest;
use super::*;

const DAY: i64 = 24 * 60 * 60;

fn now() -> Timestamp {
    "2026-12-01T10:00:00Z".parse().unwrap()
}

fn device() -> DeviceId {
    "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f".parse().unwrap()
}

fn authority(folder: &Path) -> Authority {
    Authority::set_up(folder, &"corp.example".parse().unwrap(), None, now()).unwrap()
}

fn asking_for_nothing() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
}

fn proven() -> ProvenKey {
    let csr = asking_for_nothing().serialize_request(&KeyPair::generate().unwrap()).unwrap();
    ProvenKey::of(csr.der()).unwrap()
}

/// Whether TLS would take this chain from a device, at this time.
fn is_taken(authority: &Authority, chain: &[Vec<u8>], at: Timestamp) -> bool {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.root().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let seconds = u64::try_from(at.seconds()).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier.verify_client_cert(&chain[0], &chain[1..], at).is_ok()
}

#[test]
fn a_device_certificate_says_which_device_it_is_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let issued = authority.issue_device(&proven(), device(), now()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    assert_eq!(certificate.subject().iter().count(), 0);
    let facts = facts(&issued.chain[0]).unwrap();
    assert_eq!(facts.uris, [format!("spiffe://corp.example/device/{}", device())]);
    assert_eq!(facts.name_count, 1);
    assert_eq!(facts.serial_number, issued.serial_number);
    assert_eq!(facts.not_after, now().plus_seconds(30 * DAY));
    assert_eq!((facts.not_before, facts.not_after), (issued.not_before, issued.not_after));
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    assert!(!certificate.is_ca());
    assert_eq!(issued.chain[2], authority.root().to_vec());
}

#[test]
fn a_device_certificate_is_taken_for_thirty_days_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let chain = authority.issue_device(&proven(), device(), now()).unwrap().chain;
    assert!(is_taken(&authority, &chain, now()));
    assert!(is_taken(&authority, &chain, now().plus_seconds(30 * DAY - 60)));
    assert!(!is_taken(&authority, &chain, now().plus_seconds(30 * DAY + 60)));
    assert!(!is_taken(&authority, &chain, now().plus_seconds(-DAY)));
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::set_up(elsewhere.path(), authority.trust_domain(), None, now()).unwrap();
    assert!(!is_taken(&other, &chain, now()));
}

#[test]
fn a_listener_certificate_can_not_be_shown_by_a_client() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let names = ["muster.corp.example", "192.0.2.1", "2001:db8::1"].map(|name| name.parse().unwrap());
    let bundle = authority.issue_listener(&names, now()).unwrap();
    let chain: Vec<_> = bundle.chain().iter().map(|der| der.to_vec()).collect();
    assert_eq!(facts(&chain[0]).unwrap().names, names);
    assert!(!is_taken(&authority, &chain, now()));
    assert!("two words".parse::<Name>().is_err());
}

#[test]
fn every_serial_number_is_another_one_of_about_128_bits() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let key = proven();
    let serials: std::collections::BTreeSet<_> =
        (0..20).map(|_| authority.issue_device(&key, device(), now()).unwrap().serial_number).collect();
    assert_eq!(serials.len(), 20);
    assert!(serials.iter().all(|serial| (26..=32).contains(&serial.len())));
}

#[test]
fn keys_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path());
    for name in ["root.key", "root.crt", "issuing.pem"] {
        let mode = folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_root_key_that_is_put_elsewhere_never_touches_the_data_folder() {
    let (folder, safe) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let out = safe.path().join("root.key");
    let trust_domain = "corp.example".parse().unwrap();
    let authority = Authority::set_up(folder.path(), &trust_domain, Some(&out), now()).unwrap();
    assert!(KeyPair::from_pem(&std::fs::read_to_string(&out).unwrap()).is_ok());
    assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!folder.path().join("root.key").exists());
    assert!(!authority.renew_if_due(now().plus_seconds(300 * DAY)).unwrap());
}

#[test]
fn setup_never_replaces_an_authority_but_goes_on_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let first = authority(folder.path()).fingerprint();
    let trust_domain = "corp.example".parse().unwrap();
    let again = Authority::set_up(folder.path(), &trust_domain, None, now());
    assert!(matches!(again, Err(Error::Exists(_))));
    assert_eq!(Authority::open(folder.path()).unwrap().fingerprint(), first);
    std::fs::remove_file(folder.path().join("issuing.pem")).unwrap();
    std::fs::write(folder.path().join("issuing.pem.new"), "half a k").unwrap();
    Authority::set_up(folder.path(), &trust_domain, None, now()).unwrap();
}

#[test]
fn the_issuing_certificate_is_renewed_in_time_and_devices_notice_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    assert!(!authority.renew_if_due(now().plus_seconds(200 * DAY)).unwrap());
    let due = now().plus_seconds(250 * DAY);
    let before = authority.issue_device(&proven(), device(), due).unwrap();
    assert!(authority.renew_if_due(due).unwrap());
    let after = authority.issue_device(&proven(), device(), due).unwrap();
    assert_ne!(before.chain[1], after.chain[1]);
    assert!(is_taken(&authority, &before.chain, due) && is_taken(&authority, &after.chain, due));
    let reopened = Authority::open(folder.path()).unwrap();
    assert_eq!(reopened.issue_device(&proven(), device(), due).unwrap().chain[1], after.chain[1]);
}

#[test]
fn no_certificate_outlives_the_one_that_signed_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let end = now().plus_seconds(365 * DAY);
    let last = authority.issue_device(&proven(), device(), end.plus_seconds(-DAY)).unwrap();
    assert_eq!(last.not_after, end);
    assert!(matches!(authority.issue_device(&proven(), device(), end), Err(Error::Ended(_))));
}

#[test]
fn keys_of_three_kinds_are_certified_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let csr = asking_for_nothing().serialize_request(&key).unwrap();
        let issued = authority.issue_device(&ProvenKey::of(csr.der()).unwrap(), device(), now()).unwrap();
        assert!(is_taken(&authority, &issued.chain, now()));
        let (_, certificate) = X509Certificate::from_der(&issued.chain[0]).unwrap();
        assert_eq!(certificate.public_key().raw, rcgen::PublicKeyData::subject_public_key_info(&key));
    }
    for algorithm in [&PKCS_ECDSA_P521_SHA512, &PKCS_RSA_SHA256] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let csr = asking_for_nothing().serialize_request(&key).unwrap();
        assert_eq!(ProvenKey::of(csr.der()).unwrap_err(), RefusedRequest::Key);
    }
}

#[test]
fn a_request_for_more_than_a_key_is_refused_with_what_it_asked_for() {
    let key = KeyPair::generate().unwrap();
    let refusal = |params: CertificateParams| {
        ProvenKey::of(params.serialize_request(&key).unwrap().der()).unwrap_err().to_string()
    };
    let mut other_device = asking_for_nothing();
    let uri = format!("spiffe://corp.example/device/{}", device());
    other_device.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    assert!(refusal(other_device).contains("asks for extensions (2.5.29.17)"));
    let mut named = asking_for_nothing();
    named.distinguished_name.push(DnType::CommonName, "server");
    assert!(refusal(named).contains("CN=server"));
    let mut usage = asking_for_nothing();
    usage.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    assert!(refusal(usage).contains("2.5.29.15"));
    let mut issuer = asking_for_nothing();
    issuer.is_ca = IsCa::ExplicitNoCa;
    assert!(refusal(issuer).contains("2.5.29.19"));
}

#[test]
fn a_request_with_another_attribute_is_refused() {
    // challengePassword: 1.2.840.113549.1.9.7, a set with one UTF8String.
    let challenge = Attribute {
        oid: &[1, 2, 840, 113_549, 1, 9, 7],
        values: vec![0x31, 0x06, 0x0c, 0x04, b'o', b'p', b'e', b'n'],
    };
    let key = KeyPair::generate().unwrap();
    let csr = asking_for_nothing().serialize_request_with_attributes(&key, vec![challenge]).unwrap();
    let refused = ProvenKey::of(csr.der()).unwrap_err();
    assert_eq!(refused, RefusedRequest::Attribute("1.2.840.113549.1.9.7".to_owned()));
}

#[test]
fn a_request_that_was_tampered_with_is_refused() {
    let csr = asking_for_nothing().serialize_request(&KeyPair::generate().unwrap()).unwrap();
    let good = csr.der().to_vec();
    let key = ProvenKey::of(&good).unwrap().digest();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        // What is around the signed part has a few bits that mean nothing; no other key gets through by them.
        assert!(ProvenKey::of(&bad).map_or(true, |proven| proven.digest() == key), "byte {at}");
    }
    let refused = (0..good.len()).filter(|at| {
        let mut bad = good.clone();
        bad[*at] ^= 1;
        ProvenKey::of(&bad).is_err()
    });
    assert!(refused.count() >= good.len() - 2);
    for length in 0..good.len() {
        assert!(ProvenKey::of(&good[..length]).is_err(), "{length} bytes");
    }
    let longer = [&good[..], b"\0"].concat();
    assert!(matches!(ProvenKey::of(&longer), Err(RefusedRequest::Unreadable(_))));
    assert!(matches!(ProvenKey::of(&vec![0x30; 100_000]), Err(RefusedRequest::TooLong(100_000))));
}
