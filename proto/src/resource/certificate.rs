//! `certificate`: a certificate that the device trusts, as one more anchor in the system's own store.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::SnippetName;
use crate::condition::Condition;
use crate::id::Digest;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Of base64 in a line (RFC 7468, 2).
const LINE: usize = 64;
/// Larger than any certificate of an authority.
const MOST_BYTES: usize = 32 * 1024;

/// A trust anchor beside those that come with the system: whoever holds its key can pose as any server to programs that use
/// the system's store. It stands in `/usr/local/share/ca-certificates`, and `update-ca-certificates` of the package
/// `ca-certificates` brings it into the store, and out of it when the resource ends.
///
/// ```yaml
/// - certificate:
///     name: corp
///     pem: |
///         -----BEGIN CERTIFICATE-----
///         MIIBPDCB76ADAgECAhQj6gNCkZfBfWu783qdjhwSXAYe4jAFBgMrZXAwFDESMBAG
///         A1UEAwwJQ29ycCBSb290MB4XDTI2MTEyNzE1NDc1NVoXDTQ2MTEyMjE1NDc1NVow
///         FDESMBAGA1UEAwwJQ29ycCBSb290MCowBQYDK2VwAyEAJFca47hbyZehBZCGEJXz
///         V6+QVsjCzC0qS2HcfLcN0TOjUzBRMB0GA1UdDgQWBBSeCx/RJPYqNVIHLxcIw+tO
///         eQJxPDAfBgNVHSMEGDAWgBSeCx/RJPYqNVIHLxcIw+tOeQJxPDAPBgNVHRMBAf8E
///         BTADAQH/MAUGAytlcANBANIG28nbiGwAclGm5/YLZEnQX64Rxtak9FmlX48gi+ce
///         IrX0l4F0f8N675haD2EMbWyrORDT1UUkY1f8j/1/Zwc=
///         -----END CERTIFICATE-----
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Its name; the file is `/usr/local/share/ca-certificates/muster-<name>.crt`.
    pub name: SnippetName,
    /// Exactly one certificate in PEM (RFC 7468), at most 32 KiB, and nothing beside it: `update-ca-certificates` takes one in
    /// a file. A private key is refused.
    pub pem: String,
}

impl Certificate {
    /// Where the certificate stands for `update-ca-certificates`.
    pub fn file(name: &str) -> String {
        format!("/usr/local/share/ca-certificates/muster-{name}.crt")
    }

    /// The certificate, written the one way that RFC 7468 calls strict.
    pub fn rendered(&self) -> Option<String> {
        let encoded = BASE64.encode(&der(&self.pem).ok()?);
        let mut text = format!("{BEGIN}\n");
        for line in encoded.as_bytes().chunks(LINE) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        Some(format!("{text}{END}\n"))
    }

    /// The digest of the file, and that it is in the store.
    pub fn desired(&self) -> Condition {
        let digest = self.rendered().map(|text| Digest::of(text.as_bytes()).to_string());
        Condition::present([("file", digest.into()), ("trusted", true.into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        match der(&self.pem) {
            Ok(_) => Ok(()),
            Err(reason) => Err(InvalidResource::new("/certificate/pem", reason)),
        }
    }
}

/// The bytes of the one certificate in a text; the error says what was expected.
pub fn der(pem: &str) -> Result<Vec<u8>, &'static str> {
    const EXPECTED: &str =
        "expected exactly one certificate, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
    if pem.contains("PRIVATE KEY") {
        return Err("this is a private key: give the certificate alone");
    }
    if pem.len() > MOST_BYTES {
        return Err("a certificate has at most 32 KiB");
    }
    let mut lines = pem.trim_matches('\n').split('\n');
    if lines.next() != Some(BEGIN) || lines.next_back() != Some(END) {
        return Err(EXPECTED);
    }
    let encoded: String = lines.collect();
    // The decoder takes neither blanks nor the armor of a second certificate.
    let der = BASE64.decode(encoded.as_bytes()).map_err(|_| EXPECTED)?;
    if is_one_sequence(&der) { Ok(der) } else { Err("what stands between BEGIN and END is no certificate") }
}

/// Whether the bytes are one SEQUENCE of DER (X.690, 8.1.3) and nothing behind it, as every certificate is. What it holds
/// is read by the device.
fn is_one_sequence(der: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = der else { return false };
    let (length, rest) = match (*length, rest) {
        (short @ 0..=0x7f, rest) => (usize::from(short), rest),
        (0x81, [length, rest @ ..]) => (usize::from(*length), rest),
        (0x82, [high, low, rest @ ..]) => ((usize::from(*high) << 8) | usize::from(*low), rest),
        _ => return false,
    };
    length == rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(der: &[u8]) -> String {
        format!("{BEGIN}\n{}\n{END}\n", BASE64.encode(der))
    }

    #[test]
    fn one_certificate_is_taken_and_written_the_same_way_however_it_came() {
        let mut bytes = vec![0x30, 0x81, 200];
        bytes.resize(203, 7);
        let name = SnippetName::parse("corp").unwrap();
        let certificate = Certificate { name, pem: format!("\n{}\n\n", pem(&bytes)) };
        certificate.validate().unwrap();
        let rendered = certificate.rendered().unwrap();
        assert!(rendered.lines().all(|line| line.len() <= LINE), "{rendered}");
        assert_eq!(der(&rendered).unwrap(), bytes);
    }

    #[test]
    fn what_is_not_exactly_one_certificate_is_refused() {
        let one = pem(&[0x30, 0]);
        der(&one).unwrap();
        let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        let wrong = [
            String::new(),
            "x".repeat(10_000),
            format!("{one}{one}"),
            format!("{one}{key}"),
            format!("{key}{one}"),
            format!("subject: CN=x\n{one}"),
            format!("{one}# more\n"),
            one.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
            one.replace("MAA=", "MAA= "),
            one.replace("MAA=", "MAA=\0"),
            one.replace('\n', "\r\n"),
            pem(b"not DER"),
            pem(&[0x30, 1]),
            pem(&[0x30, 0, 0]),
            pem(&[0x30, 0x84, 0, 0, 0, 0]),
            format!("{BEGIN}\n{END}\n"),
            pem(&vec![0x30; MOST_BYTES]),
        ];
        for text in wrong {
            assert!(der(&text).is_err(), "{text:.100}");
        }
        assert!(der(key).unwrap_err().contains("private key"));
    }
}
