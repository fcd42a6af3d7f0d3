//! Writes the reference in `docs/profiles.md` from the JSON Schema of the profile language, and holds it current.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use muster_proto::profile::Profile;
use serde_json::{Map, Value};

/// What stands above it is written by hand.
const BEGIN: &str = "<!-- From here on this file is written by a test, from the JSON Schema. -->\n";

struct Schema {
    definitions: Value,
}

type Fields = Map<String, Value>;

impl Schema {
    fn reference(whole: &Value) -> String {
        let schema = Self { definitions: whole["$defs"].clone() };
        let kinds = kinds(whole);
        let shared = shared(&kinds);
        let of = |name: &str| schema.definitions[name].clone();
        let mut text = String::from("\n## Resources\n\nFields in bold must be given.\n\n### Every kind\n\n");
        let common: Fields = kinds[0].1["properties"].as_object().unwrap().clone();
        text.push_str(&schema.table(&only(&common, |name| shared.contains(name)), &Value::Null));
        text.push_str(
            "\nThe fields of `when`; all that are given must hold, and a list holds if one of it does:\n\n",
        );
        text.push_str(&schema.table(of("When")["properties"].as_object().unwrap(), &Value::Null));
        for (kind, fields) in &kinds {
            text.push_str(&format!("\n### {kind}\n\n{}\n\n", sentence(fields)));
            let own = only(fields["properties"].as_object().unwrap(), |name| !shared.contains(name));
            text.push_str(&schema.table(&own, &fields["required"]));
            for (name, field) in &own {
                text.push_str(&schema.nested(name, field));
            }
        }
        text.push_str("\n### packages\n\nThe only plural: a list of names, each of which is a `package` with nothing else said.\n");
        for (title, name) in [("Checks", "Check"), ("Parameters", "Param")] {
            text.push_str(&format!("\n## {title}\n\n{}\n\n", sentence(&of(name))));
            text.push_str(&schema.table(of(name)["properties"].as_object().unwrap(), &of(name)["required"]));
        }
        text
    }

    fn table(&self, fields: &Fields, required: &Value) -> String {
        let mut text = String::from("| field | value | meaning |\n|---|---|---|\n");
        for (name, field) in fields {
            let must = required.as_array().is_some_and(|names| names.iter().any(|other| other == name));
            let name = if must { format!("**`{name}`**") } else { format!("`{name}`") };
            let meaning = sentence(field).replace('|', "\\|");
            text.push_str(&format!("| {name} | {} | {meaning} |\n", self.value(field).replace('|', "\\|")));
        }
        text
    }

    /// The fields of what a field holds or lists, where that is an object of its own, and then the fields of these.
    fn nested(&self, name: &str, field: &Value) -> String {
        let field = if field["items"].is_object() { &field["items"] } else { field };
        let choices = field["oneOf"].as_array().or_else(|| field["anyOf"].as_array());
        let objects: Vec<&Value> = choices.map_or_else(|| vec![field], |choices| choices.iter().collect());
        let objects: Vec<&Value> = objects.into_iter().filter(|one| one["properties"].is_object()).collect();
        let mut fields = Fields::new();
        for object in &objects {
            for (name, field) in object["properties"].as_object().unwrap() {
                let mut field = field.clone();
                // A choice that is one field is described as the choice.
                if field["description"].is_null() {
                    field["description"] = object["description"].clone();
                }
                fields.insert(name.clone(), field);
            }
        }
        let (which, required) = match objects.as_slice() {
            [] => return String::new(),
            [one] => ("The fields", &one["required"]),
            _ => ("One of the fields", &Value::Null),
        };
        let mut text = format!("\n{which} of `{name}`:\n\n{}", self.table(&fields, required));
        for (name, field) in &fields {
            text.push_str(&self.nested(name, field));
        }
        text
    }

    /// What may be written there, in words.
    fn value(&self, field: &Value) -> String {
        if let Some(name) = field["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
            return match name {
                "Timestamp" => "time, as `\"2027-01-01T00:00:00Z\"`".to_owned(),
                "When" => "see below".to_owned(),
                _ => self.value(&self.definitions[name]),
            };
        }
        if let Some(word) = field["const"].as_str() {
            return format!("`{word}`");
        }
        if let Some(choices) = field["oneOf"].as_array().or_else(|| field["anyOf"].as_array()) {
            let words =
                choices.iter().filter(|choice| choice["type"] != "null").map(|choice| self.value(choice));
            let mut words: Vec<_> = words.collect();
            words.dedup();
            return words.join(" or ");
        }
        let kind = match &field["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap_or(&Value::Null),
            kind => kind,
        };
        match kind.as_str() {
            Some("array") => format!("list of {}", self.value(&field["items"])),
            Some("string") => "text".to_owned(),
            Some("integer") => "number".to_owned(),
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("object") if field["properties"].is_object() => "the fields below".to_owned(),
            Some("object") => "names with their values".to_owned(),
            other => panic!("no words for {other:?} in {field}"),
        }
    }
}

/// Every kind by its name, with the schema of its fields.
fn kinds(whole: &Value) -> Vec<(String, Value)> {
    let all = whole["properties"]["resources"]["items"]["oneOf"].as_array().unwrap();
    let named = all.iter().flat_map(|kind| kind["properties"].as_object().unwrap().clone());
    named.filter(|(name, _)| name != "packages").collect()
}

/// The fields that every kind has.
fn shared(kinds: &[(String, Value)]) -> BTreeSet<String> {
    let first = kinds[0].1["properties"].as_object().unwrap();
    let everywhere = |name: &&String| kinds.iter().all(|(_, kind)| kind["properties"][*name] == first[*name]);
    first.keys().filter(everywhere).cloned().collect()
}

fn only(fields: &Fields, keep: impl Fn(&str) -> bool) -> Fields {
    fields.iter().filter(|(name, _)| keep(name)).map(|(name, field)| (name.clone(), field.clone())).collect()
}

fn sentence(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

#[test]
fn the_reference_of_profiles_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/profiles.md");
    let text = fs::read_to_string(&path).unwrap();
    let (by_hand, _) = text.split_once(BEGIN).unwrap_or((&text, ""));
    let current = format!("{by_hand}{BEGIN}{}", Schema::reference(&Profile::schema()));
    if std::env::var_os("MUSTER_WRITE_DOCS").is_some() {
        fs::write(&path, &current).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == current,
        "run: MUSTER_WRITE_DOCS=1 cargo nextest run -p muster-server the_reference_of_profiles"
    );
}
