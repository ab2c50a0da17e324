use super::*;

fn with(authority: &str, certificate: &str, key: &str) -> String {
    format!(
        "clusters:\n- name: c\n  cluster:\n    server: https://s:6443\n    certificate-authority-data: {authority}\n\
         contexts:\n- name: x\n  context: {{cluster: c, user: u}}\ncurrent-context: x\nusers:\n- name: u\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\n"
    )
}

fn spliced(text: &str, authority: Option<&[u8]>) -> Result<String, KubeconfigError> {
    let config = Kubeconfig::parse(text.as_bytes())?;
    let new = config.splice(text.as_bytes(), b"new", b"key", authority)?;
    Ok(String::from_utf8(new.to_vec()).unwrap())
}

#[test]
fn documents_after_the_first_stay_as_they_are() {
    let text = format!("# mine\n---\n{}---\nusers: [{{name: other}}]\n...\n", with("QQ==", "QUI=", "QUJD"));
    let new = spliced(&text, None).unwrap();
    assert_eq!(new, text.replace("QUI=", "bmV3").replace("QUJD", "a2V5"));
}

#[test]
fn of_two_equal_keys_the_last_is_read_and_replaced() {
    let text = with("QQ==", "QUI=", "WFg=\n    client-key-data: QUJD");
    let new = spliced(&text, None).unwrap();
    assert_eq!(new, text.replace("QUI=", "bmV3").replace("QUJD", "a2V5"));
    assert!(new.contains("WFg="), "{new}");
}

#[test]
fn a_ca_that_cannot_be_replaced_is_read_all_the_same() {
    for form in ["|\n      QU\n      I=", ">-\n      QUI=", "&a QUI=\nx: *a", "\"QU\\\n      I=\""] {
        let text = with(form, "QQ==", "QUJD");
        let config = Kubeconfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.authority_pem().map(|pem| &**pem), Some(b"AB".as_slice()), "{form}");
        assert!(spliced(&text, None).is_ok(), "{form}");
    }
    let text = format!("x: &a QUI=\n{}", with("*a", "QQ==", "QUJD"));
    let config = Kubeconfig::parse(text.as_bytes()).unwrap();
    assert_eq!(config.authority_pem().map(|pem| &**pem), Some(b"AB".as_slice()));
    assert!(matches!(config.authority_not_replaceable(), Some(KubeconfigError::NotOneLine(_))));
    assert!(matches!(spliced(&text, Some(b"ca")), Err(KubeconfigError::NotOneLine(_))));
}

#[test]
fn a_credential_in_several_lines_is_read_and_not_replaced() {
    let text = with("QQ==", "|\n      QU\n      I=", "QUJD");
    let config = Kubeconfig::parse(text.as_bytes()).unwrap();
    let Credential::Embedded(embedded) = &config.credential else { panic!() };
    assert_eq!(&**embedded.certificate_pem(), b"AB");
    assert!(embedded.not_replaceable().is_some());
    assert!(matches!(spliced(&text, None), Err(KubeconfigError::NotOneLine(_))));
}

#[test]
fn what_a_new_file_would_lose_is_not_worthless() {
    let broken = |text: &str| Kubeconfig::parse(format!("{text}\t{{[\n").as_bytes()).err().unwrap();
    let one = with("QQ==", "QUI=", "QUJD");
    assert!(broken(&one).is_worthless(), "{}", broken(&one));
    for more in
        ["- name: v\n  user: {token: x}\n", "- name: d\n  cluster:\n    server: https://t\n", "- context:\n"]
    {
        assert!(!broken(&format!("{one}{more}")).is_worthless(), "{more}");
    }
    // An empty document before the one that was meant: kubectl sees an empty file, and so nothing is lost here.
    let second = format!("---\n---\n{one}");
    assert!(!Kubeconfig::parse(second.as_bytes()).err().unwrap().is_worthless());
    assert!(Kubeconfig::parse(b"# nothing\n---\n").err().unwrap().is_worthless());
}

#[test]
fn an_embedded_credential_becomes_the_name_of_a_file_and_every_other_byte_stays() {
    let refer = |text: &str| {
        let new = Kubeconfig::parse(text.as_bytes()).unwrap().refer_to(text.as_bytes(), "/k/c.pem")?;
        Ok::<_, KubeconfigError>(String::from_utf8(new.to_vec()).unwrap())
    };
    let of = |user: &str| {
        format!(
            "# kept\nclusters: [{{name: c, cluster: {{server: s}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\nusers:\n- name: other\n  user: {{client-key-data: QQ==}}\n- name: u\n  user:{user}\n"
        )
    };
    for (embedded, files) in [
        (
            "\n    client-certificate-data: QUJD # from init\n    client-key-data: REVG",
            "\n    client-certificate: /k/c.pem # from init\n    client-key: /k/c.pem",
        ),
        (
            "\n    \"client-key-data\" : 'REVG'\n    client-certificate-data:\n      \"QUJD\"",
            "\n    \"client-key\" : '/k/c.pem'\n    client-certificate:\n      \"/k/c.pem\"",
        ),
        (
            " {client-certificate-data: QUJD, client-key-data: REVG, token: ''}",
            " {client-certificate: /k/c.pem, client-key: /k/c.pem, token: ''}",
        ),
    ] {
        assert_eq!(refer(&of(embedded)).unwrap(), of(files));
    }
    for not in [
        // Data wins over a path, which may be there too.
        "\n    client-certificate: /old\n    client-certificate-data: QUJD\n    client-key-data: REVG",
        "\n    client-certificate-data: |\n      QUJD\n    client-key-data: REVG",
        "\n    client-certificate: /old\n    client-key: /old",
    ] {
        refer(&of(not)).unwrap_err();
    }
}
