//! Permission bits as a document has them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// Permission bits, written in quotes in octal: `"0644"`, `"2775"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u32);

impl Mode {
    /// The bits, at most `0o7777`.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Takes the permission bits of a `st_mode`.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// Reads three or four octal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        const EXPECTED: InvalidValue =
            InvalidValue("a mode in quotes of three or four octal digits, such as mode: \"0644\"");
        let digits = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        if digits { u32::from_str_radix(text, 8).map(Self).map_err(|_| EXPECTED) } else { Err(EXPECTED) }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for Mode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quoted;
        impl serde::de::Visitor<'_> for Quoted {
            type Value = Mode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mode in quotes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Mode, E> {
                Mode::parse(text).map_err(E::custom)
            }

            // A bare 0644 is octal 420 to one YAML reader and decimal 644 to the next.
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Mode, E> {
                Err(E::custom("write mode: \"0644\", in quotes"))
            }

            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Mode, E> {
                Err(E::custom("write mode: \"0644\", in quotes"))
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Mode, E> {
                Err(E::custom("write mode: \"0644\", in quotes"))
            }
        }
        deserializer.deserialize_any(Quoted)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Mode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-7]{3,4}$"})
    }
}
