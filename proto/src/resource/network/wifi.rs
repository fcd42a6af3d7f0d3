//! The part of a `network` that is about Wi-Fi.

use serde::{Deserialize, Serialize};

use super::{is_plain, not_plain};
use crate::resource::InvalidResource;
use crate::resource::value::{AbsolutePath, DomainName, RadioIdentity, Ssid};

/// A network without wires. NetworkManager joins it when it is in reach and nothing else is joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Wifi {
    /// Its name, 1 to 32 bytes.
    pub ssid: Ssid,
    /// Whether it does not tell its name, so that the device has to ask for it wherever it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// How the device is let in: `open`, by `psk`, or by `enterprise`.
    pub access: Access,
}

/// How a device is let into a Wi-Fi. Each file named here is one of the device and root's. Where it holds a secret, nobody else may
/// read it, and none of them may be one that others can write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Access {
    /// Everybody is, and everybody can listen.
    Open,
    /// By a passphrase that all share (WPA2 or WPA3).
    Psk {
        /// The file that holds it in one line: 8 to 63 printable characters, or 64 hexadecimal digits.
        psk_file: AbsolutePath,
    },
    /// By a server that knows who comes (802.1X).
    Enterprise(Enterprise),
}

/// Who the device is to a server of 802.1X, and by what it knows that server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Enterprise {
    /// As whom it comes.
    pub identity: RadioIdentity,
    /// Who it says it is where everybody can hear it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_identity: Option<RadioIdentity>,
    /// The file of the certificate in PEM that the server's is signed by.
    pub ca_file: AbsolutePath,
    /// The full name in the server's certificate: without it anyone who has some certificate of that authority would be
    /// believed, and given passwords.
    pub domain: DomainName,
    /// What it shows of itself: `tls`, `peap` or `ttls`.
    pub method: Method,
}

/// By what a device shows who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// By a certificate (EAP-TLS).
    Tls {
        /// The file of its certificate in PEM.
        certificate_file: AbsolutePath,
        /// The file of the key to that, in PEM and without a passphrase.
        key_file: AbsolutePath,
    },
    /// By a password, with `MSCHAPv2` inside of PEAP.
    Peap {
        /// The file that holds the password in one line.
        password_file: AbsolutePath,
    },
    /// By a password, with `MSCHAPv2` inside of TTLS.
    Ttls {
        /// The file that holds the password in one line.
        password_file: AbsolutePath,
    },
}

impl Wifi {
    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let files: Vec<&AbsolutePath> = match &self.access {
            Access::Open => vec![],
            Access::Psk { psk_file } => vec![psk_file],
            Access::Enterprise(Enterprise { ca_file, method, .. }) => match method {
                Method::Tls { certificate_file, key_file } => vec![ca_file, certificate_file, key_file],
                Method::Peap { password_file } | Method::Ttls { password_file } => {
                    vec![ca_file, password_file]
                }
            },
        };
        match files.into_iter().find(|path| !is_plain(path)) {
            None => Ok(()),
            Some(path) => Err(InvalidResource::new("/network/wifi/access", not_plain(path))),
        }
    }
}
