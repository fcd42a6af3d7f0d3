//! `line`: one line of a file whose other lines are not managed.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{AbsolutePath, Existence, LineText};
use crate::condition::Condition;

/// Between the path and what names the line, in a key: no path has two slashes in a row or ends with one.
const SEPARATOR: &str = "//";

/// More beginnings than one line has.
const MOST_MATCHES: usize = 8;

/// One line of a text file that is there already; no other line of it is changed, and owner, mode and extended attributes
/// stay. What stood there before comes back with the end of the resource. A `file` that says the whole content of the same
/// path is a conflict.
///
/// ```yaml
/// - line:
///     path: /etc/login.defs
///     line: "UMASK 077"
///     match: ["UMASK", "#UMASK"]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The file, at most 16 MiB. One that does not exist is not made.
    pub path: AbsolutePath,
    /// The line, 1 to 1,024 bytes.
    pub line: LineText,
    /// Beginnings, 8 at most, of the line that this one takes the place of, in order of preference: `["Port ", "#Port "]`. They
    /// are texts, not patterns. The first that a line has counts, and the first such line. Where there is none, the line is
    /// added. In a file, the first of these names the resource, so that two values for it contradict each other.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<LineText>,
    /// The beginning of the line below which a line is added. Where no line begins so, that is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<LineText>,
    /// The beginning of the line above which a line is added; the end of the file where none begins so, and
    /// where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<LineText>,
    /// Whether it should be there. Of a line that should not, exactly `line` is removed, as often as it is there.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

impl Line {
    /// The path, and by what the line is known in it.
    pub(super) fn key(&self) -> String {
        key(self.path.as_str(), self.matches.first().unwrap_or(&self.line).as_str())
    }

    /// The line as it should be: its text. Of any other line that is found in its place there is only a digest, as it may
    /// be nobody's concern.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => Condition::present([("line", self.line.as_str().into())]),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.below.is_some() && self.above.is_some() {
            return Err(InvalidResource::new("/line", "give only one of below and above"));
        }
        if self.matches.len() > MOST_MATCHES {
            return Err(InvalidResource::new("/line/match", format!("more than {MOST_MATCHES} beginnings")));
        }
        let placed = !self.matches.is_empty() || self.below.is_some() || self.above.is_some();
        if self.state == Existence::Absent && placed {
            return Err(InvalidResource::new(
                "/line",
                "a line that should be absent is named by itself: leave match, below and above out",
            ));
        }
        Ok(())
    }
}

/// The key of a line in a file. A tab is a blank in it, as names of resources have no control characters.
pub(super) fn key(path: &str, line: &str) -> String {
    format!("{path}{SEPARATOR}{}", line.replace('\t', " "))
}

/// The file of a key.
pub fn path_of(key: &str) -> &str {
    key.split_once(SEPARATOR).map_or(key, |(path, _)| path)
}
