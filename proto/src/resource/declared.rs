//! A resource as it stands in a profile: its kind, the fields that every kind has, and the kind's own.

use serde::de::value::MapDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{KINDS, Resource, claimed_id, package, value};
use crate::condition::Condition;
use crate::id::ResourceId;
use crate::near;
use crate::text::{one_line, printable};
use crate::timestamp::Timestamp;
use crate::when::When;

/// What every kind may carry beside its own fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Common {
    /// Why this is here; travels along and is shown wherever the resource is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Devices for which this holds; elsewhere the resource does not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// What happens when the resource leaves the desired state.
    #[serde(default, skip_serializing_if = "OnRemoval::is_restore")]
    pub on_removal: OnRemoval,
    /// Until this time the resource does not apply; then the device begins with it by itself, online or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// From this time on the device ends the resource by itself, online or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Resources, such as `script:format`, that have to be as they should before this one is changed; what is not there for the
    /// device is not waited for. Most orders need no word: a directory comes before its files, a package before its service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub after: Vec<ResourceId>,
    /// Services, such as `service:nginx`, that have to read what changed: they do by their own `on_change`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub notify: Vec<ResourceId>,
}

/// What happens when a resource leaves the desired state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnRemoval {
    /// What Muster created is removed, what it changed is restored.
    #[default]
    Restore,
    /// It stays as it is.
    Keep,
}

impl OnRemoval {
    fn is_restore(&self) -> bool {
        *self == Self::Restore
    }
}

/// A resource as it stands in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name on a device. For `account: { for: owner }` the key is `@owner` until the device's owner is bound, and for
    /// `from: "group:engineers"` it is `@group:engineers` until the members are.
    pub id: ResourceId,
    /// Fields that every kind has.
    pub common: Common,
    /// Fields of the kind.
    pub body: Body,
}

/// The kind's own part of a declared resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Of a known kind with known fields only.
    Known(Resource),
    /// Of a newer language than this reader's: neither changed nor reversed.
    Unsupported {
        /// The kind or field that is not known.
        reason: String,
    },
}

/// Why a resource could not be read. `path` is a JSON pointer from the resource's own object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidResource {
    /// Where, such as `/file/mode`.
    pub path: String,
    /// What is wrong, for the author of the profile.
    pub message: String,
    /// True when a newer reader might accept it: an unknown kind or field, rather than a wrong value.
    pub unknown: bool,
}

impl InvalidResource {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), unknown: false }
    }
}

impl Declared {
    /// Reads one entry of a profile's `resources`: an object with one key, the kind. `packages` gives several.
    ///
    /// Strict: an unknown kind or field is an error with `unknown` set; see [`Declared::read`] for devices.
    pub fn parse(entry: &Value) -> Result<Vec<Self>, InvalidResource> {
        let (kind, fields) = single(entry)?;
        if kind == "packages" {
            return Self::parse_packages(fields);
        }
        let Value::Object(fields) = fields else {
            return Err(InvalidResource::new(format!("/{kind}"), "expected fields in { }"));
        };
        let common = parse_common(kind, fields)?;
        let own =
            fields.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| !is_common(name));
        let resource = match Resource::parse(kind, own) {
            None => {
                let known = KINDS.iter().copied().chain(["packages"]);
                let meant = near::meant(kind, known).map(|near| format!(" (did you mean {near}?)"));
                let (kind, meant) = (printable(kind), meant.unwrap_or_default());
                let message =
                    format!("unknown kind {kind:?}{meant}: known are packages, {}", KINDS.join(", "));
                return Err(InvalidResource { path: String::new(), message, unknown: true });
            }
            Some(Err(error)) => return Err(invalid(&format!("/{kind}"), &error)),
            Some(Ok(resource)) => resource,
        };
        resource.validate()?;
        if matches!(resource, Resource::Updates(_)) && common.not_after.is_some() {
            let message = "updates are not taken back, so that there is nothing to end: leave it out";
            return Err(InvalidResource::new(format!("/{kind}/not_after"), message));
        }
        let id = resource.id();
        if !common.after.is_empty() && resource.desired() == Condition::Absent {
            let message =
                "what should not be there goes before all else, and waits for nothing: leave it out";
            return Err(InvalidResource::new(format!("/{kind}/after"), message));
        }
        for (field, names) in [("after", &common.after), ("notify", &common.notify)] {
            if names.contains(&id) {
                return Err(InvalidResource::new(
                    format!("/{kind}/{field}"),
                    "it names itself: name another one",
                ));
            }
        }
        Ok(vec![Self { id, common, body: Body::Known(resource) }])
    }

    /// Reads one entry as a device does: never fails, but gives what it does not know as Unsupported.
    pub fn read(entry: &Value) -> Vec<Self> {
        let error = match Self::parse(entry) {
            Ok(declared) => return declared,
            Err(error) => error,
        };
        match single(entry) {
            // One name of a newer form spoils only itself.
            Ok(("packages", Value::Array(names))) => names
                .iter()
                .flat_map(|name| Self::read(&serde_json::json!({"package": {"name": name}})))
                .collect(),
            _ => vec![Self::unsupported(entry, &error)],
        }
    }

    fn unsupported(entry: &Value, error: &InvalidResource) -> Self {
        Self {
            id: claimed_id(entry),
            common: readable_common(entry),
            body: Body::Unsupported { reason: printable(&format!("{}: {error}", error.path)) },
        }
    }

    fn parse_packages(names: &Value) -> Result<Vec<Self>, InvalidResource> {
        let names: Vec<value::PackageName> =
            serde_path_to_error::deserialize(names).map_err(|error| invalid("/packages", &error))?;
        Ok(names
            .into_iter()
            .map(|name| {
                let state = value::Existence::Present;
                Resource::Package(package::Package { name, version: None, artifact: None, url: None, state })
            })
            .map(|r| Self { id: r.id(), common: Common::default(), body: Body::Known(r) })
            .collect())
    }
}

/// Of the fields that every kind has, those that can be read. A `when` that can't leaves the claim standing.
fn readable_common(entry: &Value) -> Common {
    fn read<T: serde::de::DeserializeOwned>(fields: &Value, name: &str) -> Option<T> {
        T::deserialize(fields.get(name)?).ok()
    }
    let (_, fields) = single(entry).unwrap_or(("", entry));
    Common {
        note: read(fields, "note"),
        when: read(fields, "when"),
        on_removal: read(fields, "on_removal").unwrap_or_default(),
        not_before: read(fields, "not_before"),
        not_after: read(fields, "not_after"),
        after: read(fields, "after").unwrap_or_default(),
        notify: read(fields, "notify").unwrap_or_default(),
    }
}

/// The kind and the fields of an entry, which is an object with one key.
pub(super) fn single(entry: &Value) -> Result<(&str, &Value), InvalidResource> {
    let mut fields = entry.as_object().into_iter().flatten();
    match (fields.next(), fields.next()) {
        (Some((kind, fields)), None) => Ok((kind, fields)),
        _ => Err(InvalidResource::new("", "expected one resource, such as - file: { path: /etc/motd, ... }")),
    }
}

/// The fields that every kind may have.
const COMMON: [&str; 7] = ["note", "when", "on_removal", "not_before", "not_after", "after", "notify"];

/// Whether every kind may have a field of this name.
fn is_common(name: &str) -> bool {
    COMMON.contains(&name)
}

fn parse_common(kind: &str, fields: &Map<String, Value>) -> Result<Common, InvalidResource> {
    let common =
        fields.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| is_common(name));
    let common: Common = serde_path_to_error::deserialize(MapDeserializer::new(common))
        .map_err(|error| invalid(&format!("/{kind}"), &error))?;
    if let (Some(begin), Some(end)) = (common.not_before, common.not_after)
        && begin >= end
    {
        let message = format!("it would end before it begins: not_after is {end}");
        return Err(InvalidResource::new(format!("/{kind}/not_before"), message));
    }
    for (field, ids) in [("after", &common.after), ("notify", &common.notify)] {
        if !ids.is_empty() {
            names_resources(&format!("/{kind}/{field}"), ids)?;
        }
    }
    if let Some(index) = common.notify.iter().position(|id| id.kind() != "service") {
        let message = format!("{} is no service: only services are told of changes", common.notify[index]);
        return Err(InvalidResource::new(format!("/{kind}/notify/{index}"), message));
    }
    Ok(common)
}

/// Whether each could be the id of a resource: of a kind that is known, with a key that fits.
pub(super) fn names_resources(path: &str, ids: &[ResourceId]) -> Result<(), InvalidResource> {
    /// The most that one list names.
    const MAX: usize = 100;
    if ids.len() > MAX {
        return Err(InvalidResource::new(path, format!("at most {MAX} resources are named")));
    }
    for (index, id) in ids.iter().enumerate() {
        let named = KINDS.contains(&id.kind()) && !id.key().is_empty();
        if !named || id.as_str().len() > 4200 || !one_line(id.as_str()) {
            let message = format!(
                "{} names no resource: write kind:key, such as file:/etc/motd",
                printable(id.as_str())
            );
            return Err(InvalidResource::new(format!("{path}/{index}"), message));
        }
    }
    Ok(())
}

fn invalid(at: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> InvalidResource {
    // Only a kind's own fields are told by serde.
    let is_of_kind = error.path().iter().count() <= 1;
    let message = near::with_meant(printable(&error.inner().to_string()), is_of_kind.then_some(&COMMON));
    let path = format!("{at}{}", pointer(error.path()));
    // serde says so of unknown fields and of unknown variants alike: either may be a newer language.
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    InvalidResource { path, message, unknown }
}

/// Where in a document serde stopped, as a JSON pointer.
pub(crate) fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            serde_path_to_error::Segment::Map { key } => pointer.push_str(&format!("/{key}")),
            serde_path_to_error::Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {}
        }
    }
    pointer
}
