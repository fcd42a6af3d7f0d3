//! Who administers: links, roles, codes, passwords and API tokens.

use muster_policy::guess;
use muster_proto::rest::{
    AdminLink, Login, NewAdmin, NewApiToken, NewPassword, Role, Scope, Setup, TotpEnd, TotpSecret,
};

use super::super::account::Current;
use super::super::admin::{NewSession, Refusals};
use super::super::admins::Made;
use super::super::code::tests::shown;
use super::super::error::AppError;
use super::super::restore::{Choices, Newcomers, Tokens};
use super::*;

const PASSWORD: &str = "walnut harbour eleven lamps";
const OTHER: &str = "nine velvet anchors whisper";

impl Rig {
    /// Makes the first admin, kim.
    async fn kim(&self) -> NewSession {
        let link = self.app.create_setup_link(&admin()).await.unwrap();
        self.choose(&link, "kim", PASSWORD).await.unwrap()
    }

    async fn choose(&self, link: &str, name: &str, password: &str) -> Result<NewSession, AppError> {
        let (link, name, password) = (link.to_owned(), name.to_owned(), password.to_owned());
        self.app.set_up(Setup { link, name, password }).await
    }

    async fn add(&self, name: &str, role: Role) -> AdminLink {
        self.app.add_admin(&admin(), NewAdmin { name: name.into(), role }).await.unwrap()
    }

    /// Adds an admin who has chosen a password.
    async fn active(&self, name: &str, role: Role) -> NewSession {
        let link = self.add(name, role).await;
        self.choose(secret_of(&link), name, PASSWORD).await.unwrap()
    }

    async fn log_in(&self, password: &str, code: Option<&str>) -> Result<NewSession, AppError> {
        let login = Login { name: "kim".into(), password: password.into(), code: code.map(str::to_owned) };
        self.app.log_in(login, "192.0.2.7".into(), Refusals::Few).await
    }

    /// Turns codes on for kim.
    async fn with_codes(&self) -> TotpSecret {
        // At the beginning of a code's life, so that it ends when a test lets time pass and not while it looks.
        pass(30 - clock().seconds().rem_euclid(30));
        let secret = self.app.begin_totp("kim".into(), PASSWORD.into()).await.unwrap();
        self.app.confirm_totp("kim".into(), shown(&secret.secret, clock())).await.unwrap();
        secret
    }

    async fn api_token(&self, role: Role, scopes: Vec<Scope>) -> Result<String, AppError> {
        let kim = Identity::admin("kim", Role::Admin).administer().unwrap();
        let wanted = NewApiToken { name: "ci".into(), role, days: None, scopes };
        Ok(self.app.create_api_token(&kim, wanted).await?.secret)
    }
}

fn secret_of(link: &AdminLink) -> &str {
    link.link.rsplit_once('#').unwrap().1
}

#[tokio::test]
async fn an_added_admin_chooses_a_password_by_a_link_once_and_within_the_hour() {
    let rig = rig();
    rig.kim().await;
    let link = rig.add("ada", Role::Auditor).await;
    assert!(link.link.starts_with("https://muster.corp.example:8443/setup?name=ada#"), "{}", link.link);
    let secret = secret_of(&link);
    assert!(matches!(rig.choose(secret, "eve", OTHER).await, Err(AppError::Invalid(_))), "it is for ada");
    let begun = rig.choose(secret, "ada", OTHER).await.unwrap();
    assert_eq!(begun.session.role, Role::Auditor);
    assert!(matches!(rig.choose(secret, "ada", OTHER).await, Err(AppError::Unauthenticated)));
    let late = rig.add("eve", Role::Admin).await;
    pass(3_601);
    assert!(matches!(rig.choose(secret_of(&late), "eve", OTHER).await, Err(AppError::Unauthenticated)));
}

#[tokio::test]
async fn nobody_logs_in_before_a_password_was_chosen() {
    let rig = rig();
    rig.kim().await;
    rig.add("ada", Role::Admin).await;
    let login = Login { name: "ada".into(), password: String::new(), code: None };
    assert!(matches!(
        rig.app.log_in(login, "192.0.2.7".into(), Refusals::Few).await,
        Err(AppError::Unauthenticated)
    ));
}

#[tokio::test]
async fn the_last_admin_who_can_log_in_is_neither_removed_nor_demoted() {
    let rig = rig();
    rig.kim().await;
    rig.add("ada", Role::Admin).await;
    let refused = rig.app.remove_admin(&admin(), "kim".into()).await;
    assert!(matches!(refused, Err(AppError::LastAdmin(_))), "ada can't log in yet");
    let refused = rig.app.set_admin_role(&admin(), "kim".into(), Role::Auditor).await;
    assert!(matches!(refused, Err(AppError::LastAdmin(_))));
    rig.active("eve", Role::Admin).await;
    rig.app.set_admin_role(&admin(), "kim".into(), Role::Auditor).await.unwrap();
    rig.app.remove_admin(&admin(), "kim".into()).await.unwrap();
    assert!(matches!(rig.app.remove_admin(&admin(), "eve".into()).await, Err(AppError::LastAdmin(_))));
    rig.app.remove_admin(&admin(), "ada".into()).await.unwrap();
}

#[tokio::test]
async fn whoever_goes_takes_logins_and_tokens_along() {
    let rig = rig();
    let kim = rig.kim().await;
    rig.active("ada", Role::Admin).await;
    let command_line = rig.app.keep_logged_in(&kim.session, "laptop").await.unwrap().secret;
    let token = rig.api_token(Role::Auditor, vec![]).await.unwrap();
    assert_eq!(rig.app.token_holder(&command_line).await.unwrap().account.as_deref(), Some("kim"));
    let ended = rig.app.remove_admin(&admin(), "kim".into()).await.unwrap();
    assert_eq!((ended.logins, ended.api_tokens), (2, 1));
    assert!(rig.app.session(&kim.secret).await.is_err());
    assert!(rig.app.token_holder(&command_line).await.is_err());
    assert!(rig.app.token_holder(&token).await.is_err());
}

#[tokio::test]
async fn enrollment_tokens_end_with_who_made_them_and_on_request_with_their_logins() {
    let rig = rig();
    rig.kim().await;
    rig.active("ada", Role::Admin).await;
    let token_of = async |name: &str| {
        let right = Identity::admin(name, Role::Admin).administer().unwrap();
        let request =
            NewToken { labels: vec![], uses: Some(5), hours: None, serial: None, unknown: Unknown::Pending };
        let made = rig.app.create_token(&right, request).await.unwrap();
        toml::from_str::<JoinFile>(&made.join_file).unwrap().token
    };
    let (ada, kim) = (token_of("ada").await, token_of("kim").await);
    let ended = rig.app.log_out_admin(&admin(), "ada".into(), Made::GoesOn).await.unwrap();
    assert_eq!(ended.tokens, 0);
    rig.ask(&ada, "key 1", "PF1").await.unwrap();
    let ended = rig.app.log_out_admin(&admin(), "ada".into(), Made::Ends).await.unwrap();
    assert_eq!(ended.tokens, 1);
    assert!(rig.ask(&ada, "key 2", "PF2").await.is_err());
    rig.ask(&kim, "key 3", "PF3").await.unwrap();
    let ended = rig.app.remove_admin(&admin(), "kim".into()).await.unwrap();
    assert_eq!(ended.tokens, 1);
    assert!(rig.ask(&kim, "key 4", "PF4").await.is_err());
}

#[tokio::test]
async fn what_a_program_made_with_an_admins_token_ends_with_that_admin_though_it_is_used_up() {
    let rig = rig();
    rig.kim().await;
    rig.active("ada", Role::Admin).await;
    let first = rig.api_token(Role::Admin, vec![]).await.unwrap();
    let program = rig.app.token_holder(&first).await.unwrap().identity.administer().unwrap();
    let wanted = NewApiToken { name: "second".into(), role: Role::Admin, days: None, scopes: vec![] };
    let second = rig.app.create_api_token(&program, wanted).await.unwrap().secret;
    let request =
        NewToken { labels: vec![], uses: Some(1), hours: None, serial: None, unknown: Unknown::Pending };
    let made = rig.app.create_token(&program, request).await.unwrap();
    let token = toml::from_str::<JoinFile>(&made.join_file).unwrap().token;
    rig.ask(&token, "key 1", "PF1").await.unwrap();
    let ended = rig.app.remove_admin(&admin(), "kim".into()).await.unwrap();
    assert_eq!((ended.tokens, ended.api_tokens), (1, 2));
    assert!(rig.app.token_holder(&second).await.is_err());
    assert!(rig.ask(&token, "key 1", "PF1").await.is_err(), "nobody waits by it either");
}

#[tokio::test]
async fn what_a_program_made_ends_with_its_admin_though_the_programs_own_token_is_gone() {
    let rig = rig();
    rig.kim().await;
    rig.active("ada", Role::Admin).await;
    let mut right = Identity::admin("kim", Role::Admin).administer().unwrap();
    for name in ["first", "second"] {
        let wanted = NewApiToken { name: name.into(), role: Role::Admin, days: None, scopes: vec![] };
        let made = rig.app.create_api_token(&right, wanted).await.unwrap();
        right = rig.app.token_holder(&made.secret).await.unwrap().identity.administer().unwrap();
    }
    let request =
        NewToken { labels: vec![], uses: Some(9), hours: None, serial: None, unknown: Unknown::Pending };
    let made = rig.app.create_token(&right, request).await.unwrap();
    let token = toml::from_str::<JoinFile>(&made.join_file).unwrap().token;
    for api_token in rig.app.list_api_tokens(&viewer()).await.unwrap() {
        rig.app.delete_api_token(&admin(), &api_token.id).await.unwrap();
    }
    let ended = rig.app.remove_admin(&admin(), "kim".into()).await.unwrap();
    assert_eq!((ended.tokens, ended.api_tokens), (1, 0));
    assert!(rig.ask(&token, "key 1", "PF1").await.is_err());
}

#[tokio::test]
async fn a_restore_ends_links_and_recovery_codes_that_may_have_been_used_since() {
    let rig = rig();
    rig.kim().await;
    let codes = rig.with_codes().await.recovery_codes;
    let link = rig.add("carl", Role::Admin).await;
    let choices = Choices { tokens: Tokens::Keep, newcomers: Newcomers::TakeUp };
    rig.app.make_safe(&admin(), clock().plus_seconds(-3_600), choices).await.unwrap();
    assert!(rig.choose(secret_of(&link), "carl", PASSWORD).await.is_err());
    assert!(rig.log_in(PASSWORD, Some(&codes[0])).await.is_err());
}

#[tokio::test]
async fn a_new_role_holds_at_once_for_logins_and_ends_what_the_old_one_made() {
    let rig = rig();
    let kim = rig.kim().await;
    rig.active("ada", Role::Admin).await;
    let command_line = rig.app.keep_logged_in(&kim.session, "laptop").await.unwrap().secret;
    let (strong, weak) = (
        rig.api_token(Role::Admin, vec![]).await.unwrap(),
        rig.api_token(Role::Auditor, vec![]).await.unwrap(),
    );
    rig.app.set_admin_role(&admin(), "kim".into(), Role::Auditor).await.unwrap();
    assert!(rig.app.session(&kim.secret).await.unwrap().identity.administer().is_err());
    assert!(rig.app.token_holder(&command_line).await.unwrap().identity.administer().is_err());
    assert!(rig.app.token_holder(&strong).await.is_err());
    assert!(rig.app.token_holder(&weak).await.is_ok());
}

#[tokio::test]
async fn a_reset_takes_password_codes_and_logins_and_gives_a_link() {
    let rig = rig();
    let kim = rig.kim().await;
    rig.with_codes().await;
    let link = rig.app.reset_admin(&admin(), "kim".into()).await.unwrap();
    assert_eq!(link.ended.logins, 1);
    assert!(rig.app.session(&kim.secret).await.is_err());
    assert!(matches!(rig.log_in(PASSWORD, None).await, Err(AppError::Unauthenticated)));
    rig.choose(secret_of(&link), "kim", OTHER).await.unwrap();
    rig.log_in(OTHER, None).await.unwrap();
}

#[tokio::test]
async fn a_code_is_asked_for_after_the_password_and_taken_once() {
    let rig = rig();
    rig.kim().await;
    let secret = rig.with_codes().await;
    assert!(matches!(rig.log_in(PASSWORD, None).await, Err(AppError::CodeNeeded)));
    assert!(matches!(rig.log_in(OTHER, None).await, Err(AppError::Unauthenticated)), "it tells nothing");
    let used = shown(&secret.secret, clock());
    assert!(
        matches!(rig.log_in(PASSWORD, Some(&used)).await, Err(AppError::WrongCode)),
        "it turned codes on"
    );
    pass(30);
    let next = shown(&secret.secret, clock());
    rig.log_in(PASSWORD, Some(&next)).await.unwrap();
    assert!(matches!(rig.log_in(PASSWORD, Some(&next)).await, Err(AppError::WrongCode)));
    assert!(matches!(rig.log_in(PASSWORD, Some(&used)).await, Err(AppError::WrongCode)), "nor an older one");
}

#[tokio::test]
async fn a_secret_counts_once_a_code_of_it_was_given() {
    let rig = rig();
    rig.kim().await;
    assert!(matches!(rig.app.begin_totp("kim".into(), OTHER.into()).await, Err(AppError::Unauthenticated)));
    let secret = rig.app.begin_totp("kim".into(), PASSWORD.into()).await.unwrap();
    assert!(
        secret.uri.starts_with("otpauth://totp/Muster%20muster.corp.example:kim?secret="),
        "{}",
        secret.uri
    );
    rig.log_in(PASSWORD, None).await.unwrap();
    let unproven = rig.app.confirm_totp("kim".into(), secret.recovery_codes[0].clone()).await;
    assert!(matches!(unproven, Err(AppError::WrongCode)));
    rig.log_in(PASSWORD, None).await.unwrap();
    let account = rig.app.confirm_totp("kim".into(), shown(&secret.secret, clock())).await.unwrap();
    assert_eq!((account.totp, account.recovery_codes, account.password_length), (true, 10, 8));
    assert!(rig.log_in(PASSWORD, None).await.is_err());
    assert!(matches!(rig.app.begin_totp("kim".into(), PASSWORD.into()).await, Err(AppError::Taken(_))));
}

#[tokio::test]
async fn a_recovery_code_stands_in_once() {
    let rig = rig();
    rig.kim().await;
    let secret = rig.with_codes().await;
    let code = secret.recovery_codes[3].to_lowercase();
    rig.log_in(PASSWORD, Some(&code)).await.unwrap();
    assert!(matches!(rig.log_in(PASSWORD, Some(&code)).await, Err(AppError::WrongCode)));
    assert_eq!(rig.app.account("kim".into()).await.unwrap().recovery_codes, 9);
}

#[tokio::test]
async fn wrong_codes_make_every_caller_wait_and_a_wrong_password_does_not() {
    let rig = rig();
    rig.kim().await;
    let secret = rig.with_codes().await;
    for _ in 0..50 {
        assert!(matches!(
            rig.log_in("a wrong password", Some("000000")).await,
            Err(AppError::Unauthenticated)
        ));
    }
    for _ in 0..guess::FREE {
        assert!(matches!(rig.log_in(PASSWORD, Some("abcdef")).await, Err(AppError::WrongCode)));
    }
    pass(30 - 2);
    let right = shown(&secret.secret, clock());
    for _ in 0..3 {
        rig.log_in(PASSWORD, Some("abcdef")).await.map(|_| ()).unwrap_err();
    }
    let refused = rig.log_in(PASSWORD, Some(&right)).await;
    assert!(matches!(refused, Err(AppError::TooManyGuesses { seconds: 1..=64 })), "even a right one");
    pass(60);
    rig.log_in(PASSWORD, Some(&shown(&secret.secret, clock()))).await.unwrap();
}

#[tokio::test]
async fn codes_end_by_password_and_code() {
    let rig = rig();
    rig.kim().await;
    let secret = rig.with_codes().await;
    pass(60);
    let end = |password: &str, code: &str| TotpEnd { password: password.into(), code: code.into() };
    let code = shown(&secret.secret, clock());
    assert!(rig.app.end_totp("kim".into(), end(OTHER, &code)).await.is_err());
    assert!(rig.app.end_totp("kim".into(), end(PASSWORD, "000")).await.is_err());
    assert!(rig.app.end_totp("kim".into(), end(PASSWORD, "")).await.is_err());
    assert!(!rig.app.end_totp("kim".into(), end(PASSWORD, &code)).await.unwrap().totp);
    rig.log_in(PASSWORD, None).await.unwrap();
}

#[tokio::test]
async fn a_new_password_ends_other_logins_and_asks_for_what_a_login_asks_for() {
    let rig = rig();
    let kim = rig.kim().await;
    let (here, there) = (kim.secret, rig.log_in(PASSWORD, None).await.unwrap().secret);
    let change = |current: &str, code: Option<String>, new: &str| {
        let new = NewPassword { current: current.into(), code, new: new.into() };
        rig.app.change_password("kim".into(), Current::Session(here.clone()), new)
    };
    assert!(matches!(change(OTHER, None, OTHER).await, Err(AppError::Unauthenticated)));
    assert!(matches!(change(PASSWORD, None, "fourteen chars").await, Err(AppError::Invalid(_))));
    assert!(matches!(change(PASSWORD, None, "passwordpassword").await, Err(AppError::Invalid(_))));
    assert_eq!(change(PASSWORD, None, OTHER).await.unwrap().logins, 1);
    assert!(rig.app.session(&here).await.is_ok() && rig.app.session(&there).await.is_err());
    change(OTHER, None, PASSWORD).await.unwrap();
    let secret = rig.with_codes().await;
    assert!(matches!(change(PASSWORD, None, "walnut lamp").await, Err(AppError::CodeNeeded)));
    let code = Some(secret.recovery_codes[0].clone());
    change(PASSWORD, code, "walnut lamp").await.unwrap();
    let end = TotpEnd { password: "walnut lamp".into(), code: secret.recovery_codes[1].clone() };
    assert!(
        matches!(rig.app.end_totp("kim".into(), end).await, Err(AppError::Invalid(_))),
        "too short alone"
    );
}

#[tokio::test]
async fn an_api_token_says_when_it_was_used_and_takes_only_scopes_that_fit() {
    let rig = rig();
    rig.kim().await;
    let unfit = rig.api_token(Role::Auditor, vec![Scope::DevicesWrite]).await;
    assert!(matches!(unfit, Err(AppError::Invalid(_))));
    let secret = rig.api_token(Role::Auditor, vec![Scope::AuditRead, Scope::AuditRead]).await.unwrap();
    let used = async || rig.app.list_api_tokens(&viewer()).await.unwrap()[0].last_used;
    assert_eq!(used().await, None);
    assert_eq!(rig.app.token_holder(&secret).await.unwrap().scopes, [Scope::AuditRead]);
    let first = used().await.unwrap();
    pass(60);
    rig.app.token_holder(&secret).await.unwrap();
    assert_eq!(used().await, Some(first), "reading does not write each time");
    pass(90 * 86_400);
    assert!(rig.app.token_holder(&secret).await.is_err(), "it ended");
}

#[tokio::test]
async fn nothing_secret_is_in_the_audit() {
    let rig = rig();
    rig.kim().await;
    let secret = rig.with_codes().await;
    let link = rig.add("ada", Role::Admin).await;
    let token = rig.api_token(Role::Admin, vec![]).await.unwrap();
    rig.log_in(PASSWORD, Some("no-such-code")).await.map(|_| ()).unwrap_err();
    let text = serde_json::to_string(&rig.audited().await).unwrap();
    for hidden in
        [PASSWORD, &secret.secret, &secret.recovery_codes[0], secret_of(&link), &token, "no-such-code"]
    {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
    for action in ["admin.create", "totp.begin", "totp.on", "api_token.create", "login.refuse"] {
        assert!(text.contains(&format!("\"{action}\"")), "{action}");
    }
}
