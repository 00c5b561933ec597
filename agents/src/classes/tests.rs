use super::*;

fn asked(registered: DataClass, policy: ClassPolicy) -> Asked {
    Asked {
        policy: Arc::new(policy),
        registered,
        role: "secretary".parse().unwrap(),
        consents: BTreeMap::new(),
    }
}

fn finds(rule: &str) -> Vec<RuleCount> {
    let rule = rule.parse().unwrap();
    vec![RuleCount { rule, count: 2 }]
}

fn reasons(ruled: &Ruled) -> Vec<String> {
    let denied = ruled.denied.iter().flat_map(|denied| &denied.reasons);
    denied.map(|r| format!("{} {}", r.rule, r.count)).collect()
}

#[test]
fn each_class_is_handled_as_the_company_says() {
    let no_tools = || panic!("no rule asks for tools");
    for (class, clean, with_a_person) in [
        (DataClass::Internal, vec![], vec![]),
        (DataClass::Generated, vec![], vec![]),
        (DataClass::Ec, vec![], vec!["class.ec 1", "person 2"]),
        (DataClass::Mail, vec!["class.mail 1"], vec!["class.mail 1"]),
        (
            DataClass::Personal,
            vec!["class.personal 1"],
            vec!["class.personal 1"],
        ),
    ] {
        let policy = ClassPolicy::default();
        let digest = policy.digest();
        let asked = asked(class, policy);
        let ruled = asked.rule(no_tools, &[]);
        assert_eq!(reasons(&ruled), clean, "{class}");
        assert_eq!((ruled.ruling.class, ruled.ruling.policy), (class, digest));
        assert_eq!(
            reasons(&asked.rule(no_tools, &finds("person"))),
            with_a_person
        );
    }
}

#[test]
fn a_consent_lets_its_own_class_pass_and_is_named() {
    let mut asked = asked(DataClass::Mail, ClassPolicy::default());
    asked.consents.insert(DataClass::Personal, 7);
    assert_eq!(reasons(&asked.rule(Vec::new, &[])), ["class.mail 1"]);
    asked.consents.insert(DataClass::Mail, 9);
    let ruled = asked.rule(Vec::new, &finds("email"));
    assert!(ruled.denied.is_none());
    assert_eq!(ruled.ruling.consent, Some(9));
}

#[test]
fn no_image_leaves_with_personal_data_unless_the_company_says_so() {
    let image = finds("media-image");
    let handled = |personal: Handling, no_media: Option<&[DataClass]>| {
        let mut policy = ClassPolicy {
            personal,
            ..ClassPolicy::default()
        };
        if let Some(classes) = no_media {
            policy.no_media = classes.to_vec();
        }
        let mut asked = asked(DataClass::Personal, policy);
        asked.consents.insert(DataClass::Personal, 7);
        asked
    };
    for handling in [Handling::Mask, Handling::Consent] {
        let asked = handled(handling, None);
        let ruled = asked.rule(Vec::new, &image);
        assert_eq!(reasons(&ruled), ["class.personal 1", "media-image 2"]);
        let remedy = ruled.denied.unwrap().remedy;
        assert!(remedy.contains("send its text instead"), "{remedy}");
        assert!(asked.rule(Vec::new, &finds("person")).denied.is_none());
        let allowed = handled(handling, Some(&[]));
        assert!(allowed.rule(Vec::new, &image).denied.is_none());
    }
    // Another class as well, where the company adds it.
    let policy: ClassPolicy = toml::from_str("no_media = ['personal', 'internal']").unwrap();
    let ruled = asked(DataClass::Internal, policy).rule(Vec::new, &image);
    assert_eq!(reasons(&ruled), ["class.internal 1", "media-image 2"]);
    let internal = asked(DataClass::Internal, ClassPolicy::default());
    assert!(internal.rule(Vec::new, &image).denied.is_none());
}

#[test]
fn a_rule_adds_a_class_by_role_or_by_a_tool_that_was_used() {
    let text =
        "[[rule]]\nclass = 'mail'\ntool = 'mcp__mail__*'\n[[rule]]\nclass = 'ec'\nrole = 'shop'\n";
    let policy: ClassPolicy = toml::from_str(text).unwrap();
    policy.check().unwrap();
    let mut asked = asked(DataClass::Internal, policy);
    let tools = |name: &str| {
        let name = name.to_owned();
        move || vec![name]
    };
    let ruled = asked.rule(tools("mcp__mail__search"), &[]);
    assert_eq!(reasons(&ruled), ["class.mail 1"]);
    assert!(asked.rule(tools("mcp__wiki__search"), &[]).denied.is_none());
    asked.role = "shop".parse().unwrap();
    // Both rules apply: each has to let it pass, and the strictest is named.
    asked.consents.insert(DataClass::Mail, 3);
    let ruled = asked.rule(tools("mcp__mail__read"), &finds("phone"));
    assert_eq!(reasons(&ruled), ["class.ec 1", "phone 2"]);
    let ruled = asked.rule(tools("mcp__mail__read"), &[]);
    assert_eq!(ruled.ruling.class, DataClass::Mail);
    assert!(ruled.denied.is_none());
}

#[test]
fn a_rule_without_a_condition_is_refused() {
    let policy: ClassPolicy = toml::from_str("[[rule]]\nclass = 'personal'\n").unwrap();
    assert_eq!(policy.check(), Err(ClassPolicyError::NoCondition(1)));
    assert!(toml::from_str::<ClassPolicy>("perosnal = 'never'").is_err());
}
