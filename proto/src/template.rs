//! Templates: plain lookup of named values in `{{ }}`, no code. An undefined name is an error.

use std::collections::BTreeMap;

use crate::profile::ParamName;

/// The values a template may name: `param.*`, `device.*` and `person.*`, by their full dotted names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, String>);

/// Why a template could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `{{` without `}}`.
    #[error("'{{{{' at byte {0} has no '}}}}'")]
    Unclosed(usize),
    /// A name that nothing defines here.
    #[error(
        "'{0}' is not defined here: a template may name param.*, device.id, device.name, device.serial, person.username and person.full_name"
    )]
    Undefined(String),
}

/// The names that exist beside the profile's parameters; `person.*` only on a device with an owner.
const FIXED: [&str; 5] = ["device.id", "device.name", "device.serial", "person.username", "person.full_name"];

impl Names {
    /// Defines a value; the last one wins.
    pub fn define(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Replaces each `{{ name }}` in `template` by its value.
    pub fn fill(&self, template: &str) -> Result<String, TemplateError> {
        let mut filled = String::with_capacity(template.len());
        each(template, |piece| {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Name(name) => {
                    filled
                        .push_str(self.0.get(name).ok_or_else(|| TemplateError::Undefined(name.to_owned()))?);
                }
            }
            Ok(())
        })?;
        Ok(filled)
    }
}

/// Checks the form of a template and that its names can exist at all.
pub fn check(template: &str) -> Result<(), TemplateError> {
    each(template, |piece| match piece {
        Piece::Name(name) if !FIXED.contains(&name) && param(name).is_none() => {
            Err(TemplateError::Undefined(name.to_owned()))
        }
        Piece::Name(_) | Piece::Text(_) => Ok(()),
    })
}

/// The parameters that a template names.
pub fn params(template: &str) -> Vec<ParamName> {
    let mut found = Vec::new();
    let walked = each(template, |piece| {
        if let Piece::Name(name) = piece {
            found.extend(param(name));
        }
        Ok(())
    });
    if walked.is_ok() { found } else { Vec::new() }
}

fn param(name: &str) -> Option<ParamName> {
    name.strip_prefix("param.").and_then(|p| p.parse().ok())
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn each(
    template: &str,
    mut visit: impl FnMut(Piece<'_>) -> Result<(), TemplateError>,
) -> Result<(), TemplateError> {
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let at = template.len() - rest.len() + start;
        visit(Piece::Text(&rest[..start]))?;
        let end = rest[start..].find("}}").ok_or(TemplateError::Unclosed(at))?;
        visit(Piece::Name(rest[start + 2..start + end].trim()))?;
        rest = &rest[start + end + 2..];
    }
    visit(Piece::Text(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_nothing_else() {
        let mut names = Names::default();
        names.define("param.ntp", "ntp.example.com {{ device.name }}");
        assert_eq!(
            names.fill("server {{ param.ntp }} iburst\n").unwrap(),
            "server ntp.example.com {{ device.name }} iburst\n"
        );
    }

    #[test]
    fn an_undefined_name_is_an_error() {
        assert_eq!(Names::default().fill("{{ param.x }}"), Err(TemplateError::Undefined("param.x".into())));
        assert!(check("{{ env.PATH }}").is_err());
        assert!(check("{{ param.x }").is_err());
    }
}
