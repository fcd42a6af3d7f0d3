//! Writes the reference of the profile language from its JSON Schema, and holds it current: the second half of `docs/profiles.md`, and a page
//! for each kind in `docs/kinds`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use muster_proto::profile::Profile;
use muster_proto::yaml;
use serde_json::{Map, Value};

/// What stands above it is written by hand.
const BEGIN: &str = "<!-- From here on this file is written by a test, from the JSON Schema. -->\n";

/// The first line of a page for a kind.
const WHOLE: &str = "<!-- This file is written by a test, from the JSON Schema. -->\n";

struct Schema {
    definitions: Value,
}

type Fields = Map<String, Value>;

impl Schema {
    /// The reference of the language, without what is of one kind alone.
    fn reference(whole: &Value) -> String {
        let schema = Self { definitions: whole["$defs"].clone() };
        let kinds = kinds(whole);
        let shared = shared(&kinds);
        let of = |name: &str| schema.definitions[name].clone();
        let mut text = String::from("\n## Resources\n\n| kind | what it is |\n|---|---|\n");
        for (kind, fields) in &kinds {
            text.push_str(&format!("| [{kind}](kinds/{kind}.md) | {} |\n", first_sentence(fields)));
        }
        text.push_str("| packages | The only plural: a list of names, each of which is a `package` with nothing else said. |\n");
        text.push_str("\n### Every kind\n\n");
        let common: Fields = kinds[0].1["properties"].as_object().unwrap().clone();
        text.push_str(&schema.table(&only(&common, |name| shared.contains(name)), &Value::Null));
        text.push_str(
            "\nThe fields of `when`; all that are given must hold, and a list holds if one of it does:\n\n",
        );
        text.push_str(&schema.table(of("When")["properties"].as_object().unwrap(), &Value::Null));
        for (title, name) in [("Checks", "Check"), ("Parameters", "Param")] {
            text.push_str(&format!(
                "\n## {title}\n\n{}\n\nFields in bold must be given.\n\n",
                sentence(&of(name))
            ));
            text.push_str(&schema.table(of(name)["properties"].as_object().unwrap(), &of(name)["required"]));
        }
        text
    }

    /// Every kind with its page.
    fn pages(whole: &Value) -> BTreeMap<String, String> {
        let schema = Self { definitions: whole["$defs"].clone() };
        let kinds = kinds(whole);
        let shared = shared(&kinds);
        let page = |(kind, fields): &(String, Value)| {
            let own = only(fields["properties"].as_object().unwrap(), |name| !shared.contains(name));
            let mut text = format!("{WHOLE}# {kind}\n\n{}\n\n", fields["description"].as_str().unwrap());
            text.push_str("Fields in bold must be given; those that [every kind](../profiles.md#every-kind) has may be.\n\n");
            text.push_str(&schema.table(&own, &fields["required"]));
            for (name, field) in &own {
                text.push_str(&schema.nested(name, field));
            }
            (kind.clone(), text)
        };
        kinds.iter().map(page).collect()
    }

    fn table(&self, fields: &Fields, required: &Value) -> String {
        let mut text = String::from("| field | value | meaning |\n|---|---|---|\n");
        for (name, field) in fields {
            let must = required.as_array().is_some_and(|names| names.iter().any(|other| other == name));
            let name = if must { format!("**`{name}`**") } else { format!("`{name}`") };
            let meaning = format!("{}{}", sentence(field), self.words(field)).replace('|', "\\|");
            text.push_str(&format!("| {name} | {} | {meaning} |\n", self.value(field).replace('|', "\\|")));
        }
        text
    }

    /// What each of the words means that may be written there.
    fn words(&self, field: &Value) -> String {
        let meanings = choices(self.resolved(field)).into_iter().flatten().filter_map(|choice| {
            let choice = self.resolved(choice);
            let more = self.words(choice);
            let word = choice["const"].as_str().filter(|_| choice["description"].is_string());
            word.map(|word| format!(" `{word}`: {}", sentence(choice))).or(Some(more))
        });
        meanings.collect()
    }

    /// The fields of what a field holds or lists, where that is an object of its own, and of what is in that. `path` is how one gets there.
    fn nested(&self, path: &str, field: &Value) -> String {
        let field = self.resolved(field);
        if field["items"].is_object() {
            return self.nested(path, &field["items"]);
        }
        if let Some(choices) = choices(field) {
            let below = choices.iter().map(|choice| match variant(choice) {
                Some((name, fields)) => self.nested(&format!("{path}.{name}"), fields),
                None => self.nested(path, choice),
            });
            return below.collect();
        }
        let Some(fields) = field["properties"].as_object() else { return String::new() };
        let below = fields.iter().map(|(name, field)| self.nested(&format!("{path}.{name}"), field));
        let own = format!("\nThe fields of `{path}`:\n\n{}", self.table(fields, &field["required"]));
        own + &below.collect::<String>()
    }

    /// A schema, or the definition that it points to. `When` has a table of its own.
    fn resolved<'a>(&'a self, field: &'a Value) -> &'a Value {
        match definition(field) {
            Some("When") | None => field,
            Some(name) => &self.definitions[name],
        }
    }

    /// What may be written there, in words.
    fn value(&self, field: &Value) -> String {
        match definition(field) {
            Some("Timestamp") => return "time, as `\"2027-01-01T00:00:00Z\"`".to_owned(),
            Some("When") => return "see below".to_owned(),
            Some(name) => return self.value(&self.definitions[name]),
            None => {}
        }
        if let Some(word) = field["const"].as_str() {
            return format!("`{word}`");
        }
        if let Some((name, _)) = variant(field) {
            return format!("`{name}` with the fields below");
        }
        if let Some(choices) = choices(field) {
            let words =
                choices.iter().filter(|choice| choice["type"] != "null").map(|choice| self.value(choice));
            return words.collect::<Vec<_>>().join(" or ");
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

/// The name of the definition that a schema points to.
fn definition(field: &Value) -> Option<&str> {
    field["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// What may stand in the same place.
fn choices(field: &Value) -> Option<&Vec<Value>> {
    field["oneOf"].as_array().or_else(|| field["anyOf"].as_array())
}

/// The name and the fields of a choice that is written as `name: { ... }`.
fn variant(choice: &Value) -> Option<(&String, &Value)> {
    let fields = choice["properties"].as_object().filter(|fields| fields.len() == 1)?;
    let (name, field) = fields.iter().next()?;
    (choice["required"] == Value::from(vec![name.clone()]) && field["properties"].is_object())
        .then_some((name, field))
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

/// What is said of it, in one paragraph and without its example.
fn sentence(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split("```").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_sentence(schema: &Value) -> String {
    let text = sentence(schema);
    text.split_once(". ").map_or(text.clone(), |(first, _)| format!("{first}."))
}

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

const HOW: &str =
    "run: MUSTER_WRITE_DOCS=1 cargo nextest run --workspace -E 'test(the_reference_of_profiles_is_current)'";

#[test]
fn the_reference_of_profiles_is_current() {
    let schema = Profile::schema();
    let profiles = docs().join("profiles.md");
    let text = fs::read_to_string(&profiles).unwrap();
    let (by_hand, _) = text.split_once(BEGIN).unwrap_or((&text, ""));
    let mut current = vec![(profiles, format!("{by_hand}{BEGIN}{}", Schema::reference(&schema)))];
    let pages = Schema::pages(&schema);
    current.extend(pages.iter().map(|(kind, page)| (docs().join(format!("kinds/{kind}.md")), page.clone())));
    if std::env::var_os("MUSTER_WRITE_DOCS").is_some() {
        fs::create_dir_all(docs().join("kinds")).unwrap();
        for (path, text) in &current {
            fs::write(path, text).unwrap();
        }
    }
    for (path, text) in &current {
        assert!(fs::read_to_string(path).unwrap_or_default() == *text, "{}: {HOW}", path.display());
    }
    let there = fs::read_dir(docs().join("kinds")).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<PathBuf> = there.filter(|path| !current.iter().any(|(other, _)| other == path)).collect();
    assert!(left.is_empty(), "of no kind: {left:?}");
}

#[test]
fn every_kind_has_an_example_that_may_stand_in_a_profile() {
    for (kind, fields) in kinds(&Profile::schema()) {
        let text = fields["description"].as_str().unwrap();
        let example = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
        let example = example.unwrap_or_else(|| panic!("{kind} has no example"));
        // The command line puts the key in the place of its file.
        let example = example.replace("key_from: corp.asc", "key: \"-----BEGIN PGP PUBLIC KEY BLOCK-----\"");
        let source = format!("muster: 1\nprofile: example\nresources:\n{example}");
        let (_, profile) = yaml::parse_profile(&source).unwrap_or_else(|errors| panic!("{source}{errors:?}"));
        assert!(
            profile.resources.iter().any(|resource| resource.id.kind() == kind),
            "no {kind} in:\n{example}"
        );
    }
}
