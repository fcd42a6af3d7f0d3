//! What goes into a statement and comes out of a row, without naming a database.

use muster_proto::{DeviceId, Digest, Generation, RevisionNumber, Timestamp};

/// One value, borrowed from who binds it or from the row it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// BIGINT.
    Integer(i64),
    /// TEXT.
    Text(&'a str),
    /// BYTEA.
    Bytes(&'a [u8]),
}

/// A value that a statement takes. Some need a text made for them, so this may own one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param<'a> {
    /// Borrowed.
    Plain(Value<'a>),
    /// A text made for the statement, such as that of an id.
    Made(String),
}

/// A type that a column can be read as.
pub trait Column: Sized {
    /// What the column should hold, for messages.
    const EXPECTED: &'static str;

    /// Reads it; `None` when it holds something else.
    fn read(value: Value<'_>) -> Option<Self>;
}

impl Param<'_> {
    /// The value to bind.
    pub fn value(&self) -> Value<'_> {
        match self {
            Param::Plain(value) => *value,
            Param::Made(text) => Value::Text(text),
        }
    }
}

macro_rules! integer {
    ($($type:ty),+) => { $(
        impl From<$type> for Param<'_> {
            fn from(value: $type) -> Self {
                Param::Plain(Value::Integer(i64::from(value)))
            }
        }

        impl Column for $type {
            const EXPECTED: &'static str = concat!("a whole number of type ", stringify!($type));

            fn read(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Integer(n) => n.try_into().ok(),
                    _ => None,
                }
            }
        }
    )+ };
}
integer!(i64, u32, i32);

macro_rules! made {
    ($($type:ty, $expected:literal);+) => { $(
        impl From<$type> for Param<'_> {
            fn from(value: $type) -> Self {
                Param::Made(value.to_string())
            }
        }

        impl Column for $type {
            const EXPECTED: &'static str = $expected;

            fn read(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Text(text) => text.parse().ok(),
                    _ => None,
                }
            }
        }
    )+ };
}
made!(DeviceId, "a device id"; Digest, "a digest");

impl From<u64> for Param<'_> {
    /// Clamped to what BIGINT holds: counters and sequences never come near it.
    fn from(value: u64) -> Self {
        Param::Plain(Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl Column for u64 {
    const EXPECTED: &'static str = "a whole number that is not negative";

    fn read(value: Value<'_>) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

impl From<bool> for Param<'_> {
    fn from(value: bool) -> Self {
        Param::Plain(Value::Integer(i64::from(value)))
    }
}

impl Column for bool {
    const EXPECTED: &'static str = "0 or 1";

    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            _ => None,
        }
    }
}

impl From<Timestamp> for Param<'_> {
    fn from(value: Timestamp) -> Self {
        Param::Plain(Value::Integer(value.micros()))
    }
}

impl Column for Timestamp {
    const EXPECTED: &'static str = "a time in microseconds";

    fn read(value: Value<'_>) -> Option<Self> {
        Self::from_micros(i64::read(value)?)
    }
}

impl From<Generation> for Param<'_> {
    fn from(value: Generation) -> Self {
        value.0.into()
    }
}

impl Column for Generation {
    const EXPECTED: &'static str = "a generation";

    fn read(value: Value<'_>) -> Option<Self> {
        u64::read(value).map(Self)
    }
}

impl From<RevisionNumber> for Param<'_> {
    fn from(value: RevisionNumber) -> Self {
        value.0.into()
    }
}

impl Column for RevisionNumber {
    const EXPECTED: &'static str = "a revision's number";

    fn read(value: Value<'_>) -> Option<Self> {
        u32::read(value).map(Self)
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Param::Plain(Value::Text(value))
    }
}

impl<'a> From<&'a String> for Param<'a> {
    fn from(value: &'a String) -> Self {
        Param::Plain(Value::Text(value))
    }
}

impl Column for String {
    const EXPECTED: &'static str = "a text";

    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl<'a> From<&'a [u8]> for Param<'a> {
    fn from(value: &'a [u8]) -> Self {
        Param::Plain(Value::Bytes(value))
    }
}

impl<'a> From<&'a Vec<u8>> for Param<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Param::Plain(Value::Bytes(value))
    }
}

impl Column for Vec<u8> {
    const EXPECTED: &'static str = "bytes";

    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.to_owned()),
            _ => None,
        }
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Param::Plain(Value::Null), Into::into)
    }
}

impl<T: Column> Column for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}
