//! Profiles in YAML: read within a budget, with the line and column of everything that is wrong.
//!
//! Of YAML's ways to say one thing, those that readers disagree on are refused: anchors, merge keys, tags of its own,
//! `yes` for true.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;
use serde_saphyr::budget::BudgetBreach;

use crate::profile::{Profile, ProfileError};
use crate::text::printable;

/// The largest source of a profile, in bytes.
pub const MAX_SOURCE: usize = 1024 * 1024;

/// The most values in a source; the largest real profiles have some thousands of resources of about ten each.
const MAX_NODES: usize = 100_000;

/// Something wrong in a source text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, Deserialize)]
#[error("line {line}, column {column}: {message}")]
pub struct SourceError {
    /// From 1; 0 when it concerns the whole text.
    pub line: u64,
    /// From 1; 0 when it concerns the whole text.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

/// A source text as a JSON value, and where each part of it stands.
#[derive(Clone, Debug)]
pub struct Source {
    /// The value.
    pub value: Value,
    place: Place,
}

/// Where a value stands, and its parts by field name or index.
#[derive(Clone, Debug)]
struct Place {
    at: (u64, u64),
    parts: BTreeMap<String, Self>,
}

/// Reads YAML (or JSON, which is YAML) and checks it as a profile.
pub fn parse_profile(text: &str) -> Result<(Source, Profile), Vec<SourceError>> {
    let source = Source::read(text).map_err(|error| vec![error])?;
    if source.value.is_null() {
        let message = "it says nothing: muster profile init NAME prints one to begin with".to_owned();
        return Err(vec![SourceError { line: 1, column: 1, message }]);
    }
    match Profile::parse(&source.value) {
        Ok(profile) => Ok((source, profile)),
        Err(errors) => Err(errors.iter().map(|error| in_yaml(source.locate(error))).collect()),
    }
}

/// Says what in YAML is the way out: a version such as `1.2` is a number to it, and `yes` a text.
fn in_yaml(mut error: SourceError) -> SourceError {
    let is_scalar = ["floating point", "integer", "boolean"]
        .iter()
        .any(|found| error.message.starts_with(&format!("invalid type: {found}")));
    if is_scalar && error.message.ends_with(", expected a string") {
        error.message.push_str(": write it in quotes");
    } else if error.message.ends_with(", expected a sequence") {
        error.message.push_str(": write it as a list, in [ ]");
    } else if error.message.ends_with(", expected a boolean") {
        error.message.push_str(": write true or false");
    }
    error
}

/// What keeps a text from being read at all, for its author.
fn unreadable(error: &serde_saphyr::Error) -> String {
    match error.without_snippet() {
        serde_saphyr::Error::Budget {
            breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. },
            ..
        } => "anchors and aliases (& and *) are not taken: write out what they stand for".to_owned(),
        other => printable(&other.to_string()),
    }
}

impl Source {
    /// Reads YAML within a budget: no anchors, aliases or merge keys, one document, at most [`MAX_SOURCE`] bytes.
    pub fn read(text: &str) -> Result<Self, SourceError> {
        let whole = |message: String| SourceError { line: 0, column: 0, message };
        if text.len() > MAX_SOURCE {
            return Err(whole(format!("the profile is larger than {} KiB", MAX_SOURCE / 1024)));
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_anchors: 0, max_aliases: 0, max_depth: 32, max_documents: 1, max_nodes: MAX_NODES,
            },
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
            merge_keys: serde_saphyr::MergeKeyPolicy::Error,
            strict_booleans: true,
            reject_unsupported_tags: true,
        };
        let node: Node = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let (line, column) = error.location().map_or((0, 0), |l| (l.line(), l.column()));
            SourceError { line, column, message: unreadable(&error) }
        })?;
        let (value, place) = node.into_value();
        Ok(Self { value, place })
    }

    /// Gives the place of an error: that of its path, or of the nearest part around it that stands in the text.
    pub fn locate(&self, error: &ProfileError) -> SourceError {
        let mut place = &self.place;
        for part in error.path.split('/').skip(1) {
            match place.parts.get(part) {
                Some(inner) => place = inner,
                None => break,
            }
        }
        let (line, column) = place.at;
        SourceError { line, column, message: error.message.clone() }
    }
}

/// A YAML node with its place.
struct Node {
    at: (u64, u64),
    kind: NodeKind,
}

enum NodeKind {
    Scalar(Value),
    List(Vec<Node>),
    Fields(BTreeMap<String, Node>),
}

impl Node {
    fn into_value(self) -> (Value, Place) {
        let mut parts = BTreeMap::new();
        let mut part = |name: String, node: Self| {
            let (value, place) = node.into_value();
            parts.insert(name, place);
            value
        };
        let value = match self.kind {
            NodeKind::Scalar(value) => value,
            NodeKind::List(items) => {
                items.into_iter().enumerate().map(|(index, item)| part(index.to_string(), item)).collect()
            }
            NodeKind::Fields(fields) => fields
                .into_iter()
                .map(|(name, field)| (name.clone(), part(name, field)))
                .collect::<Map<_, _>>()
                .into(),
        };
        (value, Place { at: self.at, parts })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<NodeKind>::deserialize(deserializer)?;
        Ok(Self { at: (spanned.referenced.line(), spanned.referenced.column()), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for NodeKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = NodeKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or fields")
    }

    fn visit_bool<E>(self, v: bool) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(v.into()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(v.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<NodeKind, E> {
        Number::from_f64(v)
            .map(|n| NodeKind::Scalar(n.into()))
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, v: &str) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(v.into()))
    }

    fn visit_unit<E>(self) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeKind, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<NodeKind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(NodeKind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<NodeKind, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, field)) = access.next_entry::<String, Node>()? {
            if let Some(Node { .. }) = fields.insert(name, field) {
                return Err(A::Error::custom("a field stands twice"));
            }
        }
        Ok(NodeKind::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        parse_profile(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_mode_without_quotes_is_refused_on_its_own_line() {
        let text = "muster: 1\nprofile: base\nresources:\n  - file:\n      path: /etc/motd\n      content: hello\n      mode: 0644\n";
        assert_eq!(errors(text), ["line 7, column 13: write mode: \"0644\", in quotes"]);
    }

    #[test]
    fn an_unknown_field_is_refused_on_its_own_line() {
        let text = "muster: 1\nprofile: base\nresources:\n  - file: { path: /etc/motd, contents: hello }\n";
        assert!(errors(text)[0].starts_with("line 4, column"), "{:?}", errors(text));
        assert!(errors(text)[0].contains("unknown field `contents`"));
    }

    #[test]
    fn what_an_author_of_yaml_stumbles_over_is_said_in_their_words() {
        let version = "muster: 1\nprofile: base\nresources:\n  - package: { name: nginx, version: 1.2 }\n";
        assert!(
            errors(version)[0].ends_with("expected a string: write it in quotes"),
            "{:?}",
            errors(version)
        );
        let within = |resource: &str| {
            errors(&format!("muster: 1\nprofile: base\nresources:\n  - {resource}\n"))[0].clone()
        };
        let one = within("packages: nginx");
        assert!(one.ends_with("expected a sequence: write it as a list, in [ ]"), "{one}");
        let yes = within("service: { name: nginx, running: yes }");
        assert!(yes.ends_with("expected a boolean: write true or false"), "{yes}");
        for empty in ["", "# later\n", "---\n"] {
            assert!(errors(empty)[0].contains("muster profile init"), "{empty:?}: {:?}", errors(empty));
        }
    }

    #[test]
    fn anchors_duplicate_keys_and_bombs_are_refused() {
        let anchor = errors("muster: 1\nprofile: &a base\ndescription: *a\n");
        assert!(anchor[0].starts_with("line 2, column ") && anchor[0].contains("write out"), "{anchor:?}");
        assert!(parse_profile("muster: 1\nprofile: base\nprofile: base\n").is_err());
        let bomb =
            format!("a: &a [x,x]\n{}", (0..20).map(|i| format!("b{i}: &b{i} [*a,*a]\n")).collect::<String>());
        assert!(Source::read(&bomb).is_err());
        assert!(Source::read(&"[".repeat(100_000)).is_err());
        assert!(Source::read(&"x".repeat(MAX_SOURCE + 1)).is_err());
    }
}
