//! Rights as values: an operation that changes something takes an [`AdminRight`], one that reads a [`ViewRight`], and
//! neither can be had but from an [`Identity`] whose role allows it.
//!
//! Reading covers everything but secrets. Revealing a first-login password is a change: it can be done once.

use muster_proto::rest::Role;

/// Who was authenticated, and how. Made only where a credential was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    actor: String,
    role: Role,
}

/// The right to read everything but secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRight {
    actor: String,
}

/// The right to change things and to see secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRight {
    actor: String,
}

/// The role does not allow it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{actor} may read but not change anything")]
pub struct Forbidden {
    /// Who asked.
    pub actor: String,
}

/// Nobody could administer any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "nobody but {name} can log in as an admin: make another admin first (muster admin add NAME --role admin)"
)]
pub struct LastAdmin {
    /// Whom it concerns.
    pub name: String,
}

/// Whether this admin may go or become an auditor; `admins` are all who can log in as an admin now.
pub fn may_step_down(admins: &[&str], name: &str) -> Result<(), LastAdmin> {
    if admins == [name] { Err(LastAdmin { name: name.to_owned() }) } else { Ok(()) }
}

impl Identity {
    /// An admin who logged in.
    pub fn admin(name: &str, role: Role) -> Self {
        Self { actor: format!("admin:{name}"), role }
    }

    /// The holder of an API token. Its id says who it is; the name is free text, quoted behind it, that could be anybody's.
    pub fn token(id: &str, name: &str, role: Role) -> Self {
        Self { actor: format!("token:{id} {name:?}"), role }
    }

    /// Root on the server's own machine, who owns the database anyway.
    pub fn local_root() -> Self {
        Self { actor: "root:server".to_owned(), role: Role::Admin }
    }

    /// What they may do.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Every role may read.
    pub fn view(&self) -> ViewRight {
        ViewRight { actor: self.actor.clone() }
    }

    /// Only admins may change.
    pub fn administer(&self) -> Result<AdminRight, Forbidden> {
        match self.role {
            Role::Admin => Ok(AdminRight { actor: self.actor.clone() }),
            Role::Auditor => Err(Forbidden { actor: self.actor.clone() }),
        }
    }
}

impl ViewRight {
    /// Who, as the audit says it.
    pub fn actor(&self) -> &str {
        &self.actor
    }
}

impl AdminRight {
    /// Who may change may read.
    pub fn view(&self) -> ViewRight {
        ViewRight { actor: self.actor.clone() }
    }

    /// Who, as the audit says it.
    pub fn actor(&self) -> &str {
        &self.actor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auditor_reads_and_changes_nothing() {
        let auditor = Identity::token("api-1", "grc", Role::Auditor);
        assert_eq!(auditor.view().actor(), "token:api-1 \"grc\"");
        assert_eq!(auditor.administer().unwrap_err().actor, "token:api-1 \"grc\"");
    }

    #[test]
    fn a_token_named_like_somebody_else_is_told_apart_by_its_id() {
        let posing = Identity::token("api-7", "kim\" admin:kim", Role::Admin);
        assert_eq!(posing.view().actor(), r#"token:api-7 "kim\" admin:kim""#);
        let namesake = Identity::token("api-8", "kim\" admin:kim", Role::Admin);
        assert_ne!(posing.view().actor(), namesake.view().actor());
    }

    #[test]
    fn the_last_admin_stays() {
        let may = |admins: &[&str], name: &str| may_step_down(admins, name).is_ok();
        assert!(!may(&["kim"], "kim"));
        assert!(may(&["ada", "kim"], "kim") && may(&["kim", "ada"], "kim"));
        assert!(may(&["kim"], "invited"), "who can't log in takes nothing along");
    }

    #[test]
    fn an_admin_is_named_in_what_they_do() {
        assert_eq!(Identity::admin("kim", Role::Admin).administer().unwrap().actor(), "admin:kim");
    }
}
