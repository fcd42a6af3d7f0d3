//! The headers of a tar archive: those of POSIX (ustar and pax) and of GNU tar.

use super::Flaw;

/// The length of a header, and what all else is padded to.
pub(super) const LENGTH: usize = 512;

/// A header whose checksum is right.
#[derive(Debug)]
pub(super) struct Header([u8; LENGTH]);

impl Header {
    pub(super) fn read(block: [u8; LENGTH]) -> Result<Self, Flaw> {
        let header = Self(block);
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { u64::from(b' ') } else { u64::from(*byte) })
            .sum();
        if number(&block[148..156]) != Some(sum) {
            return Err(Flaw::Format("a header has a wrong checksum"));
        }
        Ok(header)
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    /// As it is called, without what an extended header says.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text_of(&self.0[..100]);
        // GNU tar has other things there, and another magic.
        let prefix = if &self.0[257..263] == b"ustar\0" { text_of(&self.0[345..500]) } else { &[] };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn target(&self) -> Vec<u8> {
        text_of(&self.0[157..257]).to_vec()
    }

    pub(super) fn size(&self) -> Result<u64, Flaw> {
        number(&self.0[124..136]).ok_or(Flaw::Format("a header has a size that is no number"))
    }

    /// Permission bits, without those by which a program runs as its owner or group.
    pub(super) fn mode(&self) -> Result<u32, Flaw> {
        let mode = number(&self.0[100..108]).ok_or(Flaw::Format("a header has a mode that is no number"))?;
        Ok(u32::try_from(mode & 0o777).unwrap_or_default())
    }

    /// In seconds since 1970; 0 for what lies before.
    pub(super) fn modified(&self) -> i64 {
        number(&self.0[136..148]).and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or_default()
    }
}

/// What an extended header says of the entry that comes next.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

impl Pax {
    pub(super) fn is_empty(&self) -> bool {
        self.path.is_none() && self.target.is_none() && self.size.is_none()
    }

    /// Takes the records of a header of kind `x`.
    pub(super) fn add(&mut self, records: &[u8]) -> Result<(), Flaw> {
        for_each(records, |key, value| {
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(decimal(value).ok_or(BROKEN)?),
                _ if key.starts_with(b"GNU.sparse.") => return Err(SPARSE),
                _ => {}
            }
            Ok(())
        })
    }

    /// Refuses a header of kind `g` that says anything of what all entries are.
    pub(super) fn check_global(records: &[u8]) -> Result<(), Flaw> {
        for_each(records, |key, _| match key {
            b"path" | b"linkpath" | b"size" => {
                Err(Flaw::Format("it says the same path or size of all entries"))
            }
            _ if key.starts_with(b"GNU.sparse.") => Err(SPARSE),
            _ => Ok(()),
        })
    }
}

const BROKEN: Flaw = Flaw::Format("an extended header is broken");
const SPARSE: Flaw = Flaw::Format("it has sparse files: make it without --sparse");

/// Goes through records, each its own length in digits, a blank, a key, `=`, a value and a newline.
fn for_each(mut records: &[u8], mut take: impl FnMut(&[u8], &[u8]) -> Result<(), Flaw>) -> Result<(), Flaw> {
    while !records.is_empty() {
        let digits = records.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = decimal(&records[..digits]).and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length <= records.len()).ok_or(BROKEN)?;
        let (record, rest) = records.split_at(length);
        let record = record.get(digits..).and_then(|record| record.strip_prefix(b" ")).ok_or(BROKEN)?;
        let record = record.strip_suffix(b"\n").ok_or(BROKEN)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or(BROKEN)?;
        take(&record[..equals], &record[equals + 1..])?;
        records = rest;
    }
    Ok(())
}

/// What stands before the first NUL.
pub(super) fn text_of(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number of a header: octal digits between blanks and NULs or, with the first bit set, the bytes of the number itself. What is
/// negative or larger than 63 bits is none.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let bytes = field.iter().enumerate().map(|(at, byte)| if at == 0 { byte & 0x7f } else { *byte });
        return bytes.into_iter().try_fold(0u64, |sum, byte| {
            let shifted = sum.checked_mul(256).filter(|shifted| *shifted <= i64::MAX.cast_unsigned())?;
            Some(shifted | u64::from(byte))
        });
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, b' ' | 0)).unwrap_or(digits.len());
    if digits[end..].iter().any(|byte| !matches!(byte, b' ' | 0)) {
        return None;
    }
    // No field is long enough for an overflow.
    digits[..end].iter().try_fold(0u64, |sum, byte| match byte {
        b'0'..=b'7' => Some(sum * 8 + u64::from(byte - b'0')),
        _ => None,
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}
