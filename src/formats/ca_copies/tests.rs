use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

use super::*;

fn ca(name: &str, key: &KeyPair, year: i32) -> Certificate {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_after = date_time_ymd(year, 1, 1);
    Certificate::from_der(params.self_signed(key).unwrap().der().to_vec()).unwrap()
}

/// The CA until 2026 and until 2036, and another CA.
fn cas() -> (Certificate, Certificate, Certificate) {
    let (own, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    (ca("kubernetes", &own, 2026), ca("kubernetes", &own, 2036), ca("kubernetes", &other, 2026))
}

fn replaced_text(file: &str, old: &Certificate, new: &Certificate) -> Option<String> {
    let replaced = replaced(file.as_bytes(), old, new).unwrap()?;
    Some(String::from_utf8(replaced.to_vec()).unwrap())
}

#[test]
fn a_bundle_keeps_its_other_members_and_its_comments() {
    let (old, new, other) = cas();
    let file = |ca: &Certificate| format!("# ours\n{}# theirs\r\n{}\n", ca.to_pem(), other.to_pem());
    assert_eq!(replaced_text(&file(&old), &old, &new), Some(file(&new)));
    let without = other.to_pem();
    assert_eq!(replaced_text(&without, &old, &new), None);
    let crlf = |ca: &Certificate| ca.to_pem().trim_end().to_owned() + "\r\n";
    assert_eq!(replaced_text(&crlf(&old), &old, &new), Some(crlf(&new)));
    let unended = old.to_pem().trim_end().to_owned();
    assert_eq!(replaced_text(&unended, &old, &new), Some(new.to_pem().trim_end().to_owned()));
}

#[test]
fn a_second_certificate_of_the_same_key_is_left_out() {
    let (old, new, other) = cas();
    let twice = [old.to_pem(), other.to_pem(), old.to_pem()].concat();
    assert_eq!(replaced_text(&twice, &old, &new), Some([new.to_pem(), other.to_pem()].concat()));
}

#[test]
fn each_cluster_of_a_kubeconfig_has_its_copy_replaced_and_nothing_else() {
    let (old, new, other) = cas();
    let file = |ca: &Certificate| {
        let data = |ca: &Certificate| STANDARD.encode(ca.to_pem());
        format!(
            "# mine\ncurrent-context: x\nclusters:\n- name: a\n  cluster: {{certificate-authority-data: {}, server: s}}\n\
             - name: b\n  cluster:\n    certificate-authority-data: '{}'\n- name: c\n  cluster:\n    \
             certificate-authority-data: {}\n- name: d\n  cluster: {{certificate-authority-data: '***'}}\n",
            data(ca),
            data(&other),
            data(ca),
        )
    };
    assert_eq!(replaced_text(&file(&old), &old, &new), Some(file(&new)));
}

#[test]
fn a_copy_that_cannot_be_replaced_in_place_is_told() {
    let (old, new, _) = cas();
    let data = STANDARD.encode(old.to_pem());
    let file = format!(
        "clusters:\n- name: a\n  cluster:\n    certificate-authority-data: |\n      {}\n      {}\n",
        &data[..76],
        &data[76..]
    );
    assert_eq!(
        replaced(file.as_bytes(), &old, &new).err(),
        Some(KubeconfigError::NotOneLine("certificate-authority-data"))
    );
}

#[test]
fn a_copy_becomes_what_the_node_has_unless_it_is_ahead() {
    let key = || KeyPair::generate().unwrap();
    let (own, other, third) = (key(), key(), key());
    let at = |key: &KeyPair, start| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "kubernetes");
        params.not_before = start;
        Certificate::from_der(params.self_signed(key).unwrap().der().to_vec()).unwrap()
    };
    let from = |key: &KeyPair, year| at(key, date_time_ymd(year, 1, 1));
    let (old, renewed, new) = (from(&own, 2016), from(&own, 2026), from(&other, 2027));
    let foreign = ca("theirs", &third, 2026);
    let text = |all: &[&Certificate]| all.iter().map(|ca| ca.to_pem()).collect::<String>();
    let outcome = |file: &[&Certificate], bundle: &[&Certificate]| {
        let new = current(text(file).as_bytes(), bundle).unwrap()?;
        Some(String::from_utf8(new.to_vec()).unwrap())
    };
    assert_eq!(outcome(&[&old], &[&renewed]), Some(text(&[&renewed])));
    assert_eq!(outcome(&[&old, &foreign], &[&new, &old]), Some(text(&[&new, &old, &foreign])));
    assert_eq!(outcome(&[&foreign, &new, &old], &[&new]), Some(text(&[&foreign, &new])));
    // Made in the minutes by which its successor is dated back.
    let late = at(&own, date_time_ymd(2027, 1, 1) + std::time::Duration::from_secs(200));
    assert_eq!(outcome(&[&late], &[&new, &late]), Some(text(&[&new, &late])));
    assert_eq!(outcome(&[&new, &late], &[&new]), Some(text(&[&new])));
    assert_eq!(outcome(&[&old, &new], &[&new]), Some(text(&[&new])));
    for (file, bundle) in [
        (vec![&new, &late], vec![&new, &late]),
        (vec![&new, &late], vec![&late]),
        (vec![&renewed], vec![&renewed]),
        (vec![&new, &old], vec![&new, &old]),
        (vec![&renewed], vec![&old]),
        (vec![&new, &old], vec![&old]),
        (vec![&foreign], vec![&new]),
        (vec![&old], vec![&new]),
        (vec![&old], vec![]),
    ] {
        assert_eq!(outcome(&file, &bundle), None);
    }
}

#[test]
fn a_new_ca_joins_the_old_one_and_takes_its_place_later() {
    let (old, _, new) = cas();
    let text =
        |outcome: Option<Zeroizing<Vec<u8>>>| outcome.map(|new| String::from_utf8(new.to_vec()).unwrap());
    let join = |file: &str| text(joined(file.as_bytes(), &old, &new).unwrap());
    let part = |file: &str| text(without(file.as_bytes(), &old, &new).unwrap());
    let both = |ca: &Certificate| format!("# ours\n{}{}", new.to_pem(), ca.to_pem());
    let alone = |ca: &Certificate| format!("# ours\n{}", ca.to_pem());
    assert_eq!(join(&alone(&old)), Some(both(&old)));
    assert_eq!(join(&both(&old)), None);
    assert_eq!(join(&alone(&new)), None);
    assert_eq!(join(old.to_pem().trim_end()), Some(new.to_pem() + old.to_pem().trim_end()));
    assert_eq!(part(&both(&old)), Some(alone(&new)));
    assert_eq!((part(&alone(&old)), part(&alone(&new))), (None, None));
    let config = |pem: String| {
        let data = STANDARD.encode(pem);
        format!("clusters:\n- name: a\n  cluster:\n    certificate-authority-data: {data}\n")
    };
    assert_eq!(join(&config(alone(&old))), Some(config(both(&old))));
    assert_eq!(part(&config(both(&old))), Some(config(alone(&new))));
}
