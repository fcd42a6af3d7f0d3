//! `locale`: the language and conventions that programs of the device use unless a user says otherwise.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{LocaleCategory, LocaleName};
use crate::condition::Condition;
use crate::id::Digest;

/// The key of every `locale`: a device has one.
pub const KEY: &str = "locale";

/// Where the locale stands on Debian and what comes from it.
pub const DEBIAN_PATH: &str = "/etc/default/locale";

/// Where it stands elsewhere (locale.conf(5)).
pub const PATH: &str = "/etc/locale.conf";

/// The locales that `locale-gen` generates, on Debian and what comes from it.
pub const LISTED: &str = "/etc/locale.gen";

/// More locales than a device needs; each takes seconds to generate and some megabytes.
const MOST: usize = 32;

/// The device's locale for logins and services, and the locales that programs may choose from. Each that is named here is
/// generated where it is missing, which takes the package `locales`; what it says holds from the next login on.
///
/// ```yaml
/// - locale: { lang: en_US.UTF-8, categories: [LC_TIME=de_DE.UTF-8] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Locale {
    /// The locale of all that nothing else is said of: `LANG`. The whole of `/etc/default/locale` is made from it; where there
    /// is an `/etc/locale.conf`, of that.
    pub lang: LocaleName,
    /// Categories with another locale, such as `LC_TIME=de_DE.UTF-8`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<LocaleCategory>,
    /// Further locales to have, 32 with the others at most. What others had generated stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generate: Vec<LocaleName>,
}

impl Locale {
    /// The file as locale.conf(5) has it.
    pub fn rendered(&self) -> String {
        let mut text = format!("# Managed by Muster: locale:{KEY}\nLANG={}\n", self.lang);
        let categories: BTreeSet<_> = self.categories.iter().map(LocaleCategory::as_str).collect();
        for category in categories {
            text.push_str(category);
            text.push('\n');
        }
        text
    }

    /// The locales that have to be generated, sorted. The C library has the others in itself.
    fn generated(&self) -> BTreeSet<&str> {
        let of_categories = self.categories.iter().filter_map(|category| category.as_str().split_once('='));
        let named = self.generate.iter().map(LocaleName::as_str);
        named
            .chain(of_categories.map(|(_, locale)| locale))
            .chain([self.lang.as_str()])
            .filter(|locale| !matches!(*locale, "C" | "POSIX" | "C.UTF-8" | "C.utf8"))
            .collect()
    }

    /// The digest of the file, and the locales that the C library has and `/etc/locale.gen` lists, as far as they are asked
    /// for.
    pub fn desired(&self) -> Condition {
        let generated: Vec<_> = self.generated().into_iter().collect();
        Condition::present([
            ("file", Digest::of(self.rendered().as_bytes()).to_string().into()),
            ("generated", generated.clone().into()),
            ("listed", generated.into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let categories: BTreeSet<_> =
            self.categories.iter().filter_map(|category| category.as_str().split('=').next()).collect();
        if categories.len() < self.categories.len() {
            return Err(InvalidResource::new("/locale/categories", "one category stands there twice"));
        }
        if self.generated().len() > MOST {
            return Err(InvalidResource::new("/locale/generate", format!("more than {MOST} locales")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locale_that_is_named_is_generated_but_those_that_need_not_be() {
        let locale: Locale = serde_json::from_value(serde_json::json!({
            "lang": "C.UTF-8", "categories": ["LC_TIME=de_DE.UTF-8", "LC_PAPER=de_DE.UTF-8"], "generate": ["fr_FR.UTF-8"],
        }))
        .unwrap();
        let desired = locale.desired();
        assert_eq!(
            desired.attributes().unwrap()["generated"],
            serde_json::json!(["de_DE.UTF-8", "fr_FR.UTF-8"])
        );
        assert!(locale.rendered().ends_with("\nLANG=C.UTF-8\nLC_PAPER=de_DE.UTF-8\nLC_TIME=de_DE.UTF-8\n"));
        let plain = Locale { lang: locale.lang, categories: vec![], generate: vec![] };
        assert_eq!(plain.desired().attributes().unwrap()["generated"], serde_json::json!([]));
    }
}
