//! The profile document: what an admin writes, and what is stored, sent and verified byte for byte as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check::Check;
use crate::id::{Digest, ProfileName, ResourceId};
use crate::near;
use crate::resource::account::group_of_key;
use crate::resource::{Body, Declared, pointer};
use crate::template::{self, Names};
use crate::text::{one_line, printable};

/// A profile as its author wrote it, every resource of it understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// What it is for.
    pub description: String,
    /// What assignments give it.
    pub params: BTreeMap<ParamName, Param>,
    /// What should be so.
    pub resources: Vec<Declared>,
    /// What is asked.
    pub checks: Vec<Check>,
}

/// A typed parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// Its value when the assignment gives none; without one the assignment has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What values a parameter takes. All of them are one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// Any line of at most 1,024 characters.
    String,
    /// A host name or IP address.
    Host,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
}

/// A parameter's name: 1 to 63 of `a-z 0-9 _`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ParamName(String);

/// What is wrong in a profile, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProfileError {
    /// A JSON pointer into the document, such as `/resources/3/file/mode`.
    pub path: String,
    /// What is wrong, for its author.
    pub message: String,
    /// True when it is unknown rather than wrong: a newer reader might take it.
    pub unknown: bool,
}

/// Why a document as a whole can't be used on a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("profile document not supported here: {reason}")]
pub struct UnsupportedProfile {
    /// The field that is not known, or what is wrong.
    pub reason: String,
}

/// The outer document. Resources and checks are read one at a time, so that one unknown kind spoils only itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    muster: u32,
    profile: ProfileName,
    #[serde(default)]
    description: String,
    #[serde(default)]
    params: BTreeMap<ParamName, Param>,
    #[serde(default)]
    resources: Vec<Value>,
    #[serde(default)]
    checks: Vec<Value>,
}

impl Profile {
    /// Reads a profile strictly, as for saving: every error found is given.
    pub fn parse(document: &Value) -> Result<Self, Vec<ProfileError>> {
        let outer = outer(document).map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        let (mut resources, mut entries) = (Vec::new(), Vec::new());
        for (index, entry) in outer.resources.iter().enumerate() {
            match Declared::parse(entry) {
                Ok(declared) => {
                    entries.extend(declared.iter().map(|_| index));
                    resources.extend(declared);
                }
                Err(e) => errors.push(ProfileError {
                    path: format!("/resources/{index}{}", e.path),
                    message: e.message,
                    unknown: e.unknown,
                }),
            }
        }
        let mut checks = Vec::new();
        for (index, entry) in outer.checks.iter().enumerate() {
            match read_check(entry) {
                Ok(check) => checks.push(check),
                Err(mut error) => {
                    error.path.insert_str(0, &format!("/checks/{index}"));
                    errors.push(error);
                }
            }
        }
        let profile = Self {
            name: outer.profile,
            description: outer.description,
            params: outer.params,
            resources,
            checks,
        };
        errors.extend(profile.inconsistencies(&entries));
        if errors.is_empty() { Ok(profile) } else { Err(errors) }
    }

    /// Reads a stored document as a device does: unknown resources are Unsupported one by one, checks that can't be
    /// read are left out with the reason, an unknown field of the profile itself makes all of it Unsupported.
    pub fn read(bytes: &[u8]) -> Result<(Self, Vec<String>), UnsupportedProfile> {
        let unsupported = |reason: String| UnsupportedProfile { reason: printable(&reason) };
        let outer = match serde_json::from_slice::<Document>(bytes) {
            Ok(outer) if outer.muster == crate::LANGUAGE_VERSION => outer,
            // The long way, by which the reason is known.
            _ => {
                let document: Value =
                    serde_json::from_slice(bytes).map_err(|e| unsupported(e.to_string()))?;
                outer(&document).map_err(|e| unsupported(format!("{}: {}", e.path, e.message)))?
            }
        };
        let mut unread = Vec::new();
        let mut checks = Vec::new();
        for entry in &outer.checks {
            match read_check(entry) {
                Ok(check) => checks.push(check),
                Err(error) => unread.push(error.message),
            }
        }
        let resources = outer.resources.iter().flat_map(Declared::read).collect();
        let profile = Self {
            name: outer.profile,
            description: outer.description,
            params: outer.params,
            resources,
            checks,
        };
        Ok((profile, unread))
    }

    /// The groups whose members it gives accounts to.
    pub fn groups(&self) -> BTreeSet<String> {
        let of_key = |id: &ResourceId| match id.kind() {
            "account" => group_of_key(id.key()),
            _ => None,
        };
        self.resources.iter().filter_map(|declared| of_key(&declared.id)).map(|g| g.to_string()).collect()
    }

    /// The artifacts that its resources take from the server, as far as this reader knows them.
    pub fn artifacts(&self) -> BTreeSet<Digest> {
        let of_body = |body: &Body| match body {
            Body::Known(resource) => {
                let of_server = resource.artifacts().into_iter().filter(|(_, url)| url.is_none());
                of_server.map(|(artifact, _)| artifact).collect()
            }
            Body::Unsupported { .. } => vec![],
        };
        self.resources.iter().flat_map(|declared| of_body(&declared.body)).collect()
    }

    /// The values of the parameters, from the assignment or by default, under their names in templates.
    pub fn bind_params(&self, given: &BTreeMap<String, String>) -> Result<Names, String> {
        let mut names = Names::default();
        for name in given.keys() {
            if !self.params.keys().any(|p| p.as_str() == name) {
                let known: Vec<&str> = self.params.keys().map(ParamName::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let name = printable(name);
                return Err(format!("profile {} has no parameter {name}: it has {known}", self.name));
            }
        }
        for (name, param) in &self.params {
            let value = given.get(name.as_str()).or(param.default.as_ref());
            let value = value.ok_or_else(|| {
                format!("profile {} needs parameter {name}: give --param {name}=...", self.name)
            })?;
            param.kind.check(value).map_err(|expected| format!("parameter {name}: expected {expected}"))?;
            names.define(format!("param.{name}"), value);
        }
        Ok(names)
    }

    /// What is wrong between parts; `entries` has the index in the document of each resource.
    fn inconsistencies(&self, entries: &[usize]) -> Vec<ProfileError> {
        let mut errors = Vec::new();
        let mut error =
            |path: String, message: String| errors.push(ProfileError { path, message, unknown: false });
        for (name, param) in &self.params {
            if let Some(Err(expected)) = param.default.as_ref().map(|value| param.kind.check(value)) {
                error(format!("/params/{name}/default"), format!("expected {expected}"));
            }
        }
        let mut seen = BTreeSet::new();
        for (declared, index) in self.resources.iter().zip(entries) {
            if !seen.insert(&declared.id) {
                error(format!("/resources/{index}"), format!("{} stands twice in this profile", declared.id));
            }
            let Body::Known(resource) = &declared.body else { continue };
            for param in resource.template().iter().flat_map(|text| template::params(text)) {
                if !self.params.contains_key(&param) {
                    error(
                        format!("/resources/{index}/{}/template", resource.kind()),
                        format!("{} names param.{param}, which params does not define", declared.id),
                    );
                }
            }
        }
        let mut seen = BTreeSet::new();
        for check in &self.checks {
            if !seen.insert(&check.id) {
                error("/checks".to_owned(), format!("check {} stands twice in this profile", check.id));
            }
        }
        errors
    }
}

fn outer(document: &Value) -> Result<Document, ProfileError> {
    let error =
        |path: &str, message: String, unknown| ProfileError { path: path.to_owned(), message, unknown };
    if document.get("muster").is_some_and(|v| v != crate::LANGUAGE_VERSION) {
        return Err(error(
            "/muster",
            format!("this reader knows muster: {} only", crate::LANGUAGE_VERSION),
            true,
        ));
    }
    // To know where in a document one is takes as long as to read it: only what can't be read is asked where.
    let read = Document::deserialize(document).or_else(|_| serde_path_to_error::deserialize(document));
    let outer: Document = read.map_err(|e: serde_path_to_error::Error<_>| {
        let message = near::with_meant(printable(&e.inner().to_string()), None);
        let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
        error(&pointer(e.path()), message, unknown)
    })?;
    debug_assert_eq!(outer.muster, crate::LANGUAGE_VERSION);
    Ok(outer)
}

fn read_check(entry: &Value) -> Result<Check, ProfileError> {
    let error = |path: String, message: String| ProfileError { path, message, unknown: false };
    let check: Check = serde_path_to_error::deserialize(entry)
        .map_err(|e| error(pointer(e.path()), printable(&e.inner().to_string())))?;
    check.validate().map_err(|message| error(String::new(), message))?;
    Ok(check)
}

impl ParamType {
    /// Checks a value; the error says what was expected.
    pub fn check(self, value: &str) -> Result<(), &'static str> {
        let line = value.chars().count() <= 1024 && one_line(value);
        let (ok, expected) = match self {
            Self::String => (line, "one line of at most 1024 characters"),
            Self::Host => (
                (1..=253).contains(&value.len())
                    && !value.starts_with(['-', '.'])
                    && value.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b)),
                "a host name or IP address",
            ),
            Self::Integer => (value.parse::<i64>().is_ok(), "a whole number"),
            Self::Boolean => (matches!(value, "true" | "false"), "true or false"),
        };
        if ok { Ok(()) } else { Err(expected) }
    }
}

impl ParamName {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ParamName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let ok = (1..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected 1 to 63 of a-z, 0-9 and _, beginning with a letter")
        }
    }
}

impl<'de> Deserialize<'de> for ParamName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
mod schema {
    //! The JSON Schema of the language, put together from the types of its parts.

    use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
    use serde_json::{Map, Value, json};

    use super::{Param, Profile};
    use crate::check::Check;
    use crate::resource::{self, Common};

    impl Profile {
        /// JSON Schema 2020-12 of the profile language, for editors, REST and forms.
        pub fn schema() -> Value {
            let mut generator = SchemaSettings::draft2020_12().into_generator();
            let mut kinds = vec![json!({
                "type": "object", "additionalProperties": false, "required": ["packages"],
                "properties": {"packages": {
                    "type": "array", "items": generator.subschema_for::<resource::value::PackageName>()
                }}
            })];
            kinds.extend(kind_schemas(&mut generator));
            let param = generator.subschema_for::<Param>();
            let check = generator.subschema_for::<Check>();
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "Muster profile",
                "type": "object",
                "additionalProperties": false,
                "required": ["muster", "profile"],
                "properties": {
                    "muster": {"const": crate::LANGUAGE_VERSION},
                    "profile": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"},
                    "description": {"type": "string"},
                    "params": {"type": "object", "additionalProperties": param},
                    "resources": {"type": "array", "items": {"oneOf": kinds}},
                    "checks": {"type": "array", "items": check},
                },
                "$defs": generator.take_definitions(true),
            })
        }
    }

    fn kind_schemas(generator: &mut SchemaGenerator) -> Vec<Value> {
        let mut own = |kind: &'static str, schema: schemars::Schema| {
            let mut fields = schema.to_value();
            let common = Common::json_schema(generator).to_value();
            if let (Some(Value::Object(into)), Some(Value::Object(from))) =
                (fields.get_mut("properties"), common.get("properties"))
            {
                into.extend(from.clone());
            }
            let properties = Map::from_iter([(kind.to_owned(), fields)]);
            json!({"type": "object", "additionalProperties": false, "required": [kind], "properties": properties})
        };
        let mut inner = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator();
        vec![
            own("certificate", resource::certificate::Certificate::json_schema(&mut inner)),
            own("proxy", resource::proxy::Proxy::json_schema(&mut inner)),
            own("repository", resource::repository::Repository::json_schema(&mut inner)),
            own("package", resource::package::Package::json_schema(&mut inner)),
            own("group", resource::group::Group::json_schema(&mut inner)),
            own("account", resource::account::Account::json_schema(&mut inner)),
            own("mount", resource::mount::Mount::json_schema(&mut inner)),
            own("directory", resource::directory::Directory::json_schema(&mut inner)),
            own("archive", resource::archive::Archive::json_schema(&mut inner)),
            own("file", resource::file::File::json_schema(&mut inner)),
            own("link", resource::link::Link::json_schema(&mut inner)),
            own("line", resource::line::Line::json_schema(&mut inner)),
            own("sudo", resource::sudo::Sudo::json_schema(&mut inner)),
            own("browser_policy", resource::browser_policy::BrowserPolicy::json_schema(&mut inner)),
            own("dconf", resource::dconf::Dconf::json_schema(&mut inner)),
            own("hosts_entry", resource::hosts_entry::HostsEntry::json_schema(&mut inner)),
            own("hostname", resource::hostname::Hostname::json_schema(&mut inner)),
            own("kernel_module", resource::kernel_module::KernelModule::json_schema(&mut inner)),
            own("sysctl", resource::sysctl::Sysctl::json_schema(&mut inner)),
            own("time", resource::time::Time::json_schema(&mut inner)),
            own("locale", resource::locale::Locale::json_schema(&mut inner)),
            own("timer", resource::timer::Timer::json_schema(&mut inner)),
            own("service", resource::service::Service::json_schema(&mut inner)),
            own("script", resource::script::Script::json_schema(&mut inner)),
            own("login_rule", resource::login_rule::LoginRule::json_schema(&mut inner)),
            own("ssh_server", resource::ssh_server::SshServer::json_schema(&mut inner)),
            own("network", resource::network::Network::json_schema(&mut inner)),
            own("firewall", resource::firewall::Firewall::json_schema(&mut inner)),
            own("updates", resource::updates::Updates::json_schema(&mut inner)),
        ]
    }
}
