//! The page of a made-up diagnosis: everything that the trees of the stories don't have.

use std::path::PathBuf;

use super::*;
use crate::analysis::forensics::diagnosis::{
    EtcdPlace, Expiry, RankedFinding, Role, State, Summary, Unreadable, Validity, Verdict,
};
use crate::analysis::node::findings::{Code, Evidence, Finding, Remedy};
use crate::report::trust::{RowKind, Status};

const HOSTILE: &str = "<script>alert('1')</script>\"&\u{1b}[31m";

fn validity(name: &str, from: &str, to: &str) -> Validity {
    Validity {
        name: name.to_owned(),
        path: PathBuf::from(HOSTILE),
        authority: name.ends_with("ca"),
        subject: HOSTILE.to_owned(),
        issuer: HOSTILE.to_owned(),
        subject_parts: Vec::new(),
        issuer_parts: Vec::new(),
        serial: "01".to_owned(),
        not_before: from.parse().unwrap(),
        not_after: to.parse().unwrap(),
    }
}

fn told(code: Code, severity: Severity, subject: &str, remedy: &str) -> RankedFinding {
    let evidence = Evidence {
        path: HOSTILE.into(),
        line: Some(7),
        field: HOSTILE.to_owned(),
        value: HOSTILE.to_owned(),
    };
    let finding = Finding {
        evidence: vec![evidence],
        remedy: Remedy { command: None, reason: remedy.to_owned() },
        ..Finding::new(code, severity, subject, HOSTILE, HOSTILE)
    };
    RankedFinding { finding, consequence: (severity == Severity::Blocker).then_some("nothing goes") }
}

fn diagnosis() -> Diagnosis {
    Diagnosis {
        at: "2026-11-24T00:00:00Z".parse().unwrap(),
        source: HOSTILE.to_owned(),
        node: Summary {
            name: Some(HOSTILE.to_owned()),
            role: Role::Worker,
            version: None,
            etcd: EtcdPlace::None,
        },
        last_heartbeat: None,
        verdict: Verdict {
            state: State::Credentials,
            headline: format!("KUBELET CANNOT START: 1 expired; {HOSTILE}"),
            cause: Some(HOSTILE.to_owned()),
            next: format!("sudo kuberescue recover {HOSTILE}"),
            line: format!(
                "kubelet cannot start: 1 expired; {HOSTILE}; repairable here with: kuberescue recover"
            ),
            workloads: HOSTILE.to_owned(),
            repair: Some("kuberescue recover".to_owned()),
            conditions: Vec::new(),
            obstacle: None,
        },
        findings: vec![
            told(Code::Expired, Severity::Blocker, "expired", "Do that."),
            told(Code::Expired, Severity::Blocker, HOSTILE, "Do that."),
            told(Code::Expiring, Severity::Warning, "expiring", "Do this."),
            told(Code::AdminStillMasters, Severity::Note, "admin.conf", "Nothing."),
        ],
        credentials: vec![
            validity("ca", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
            validity("old ca", "1900-01-01T00:00:00Z", "9999-12-30T00:00:00Z"),
            validity("expired", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            validity("expiring", "2025-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            validity("not yet", "2026-11-25T00:00:00Z", "2027-11-25T00:00:00Z"),
            validity("valid", "2026-11-23T00:00:00Z", "2027-11-23T00:00:00Z"),
            validity(
                "/home/somebody/of/a/long/name/.kube/config",
                "2026-11-23T00:00:00Z",
                "2099-01-01T00:00:00Z",
            ),
        ],
        unreadable: vec![Unreadable { name: HOSTILE.into(), path: HOSTILE.into(), why: HOSTILE.into() }],
        horizon: vec![Expiry {
            at: "2026-12-01T00:00:00Z".parse().unwrap(),
            name: HOSTILE.to_owned(),
            consequence: HOSTILE.to_owned(),
        }],
    }
}

fn row(depth: usize) -> Row {
    Row {
        depth,
        kind: RowKind::Certificate,
        node: None,
        label: HOSTILE.to_owned(),
        status: Status::Faulty,
        state: HOSTILE.to_owned(),
        detail: HOSTILE.to_owned(),
        notes: vec![HOSTILE.to_owned()],
        if_gone: Some(HOSTILE.to_owned()),
    }
}

fn rendered() -> String {
    let diagnosis = diagnosis();
    // Deeper than is shown, back to the top at once, and a step that skips levels.
    let rows: Vec<_> = [0, 1, 2, 1, 0].into_iter().chain(0..40).chain([0, 5]).map(row).collect();
    let moment = |at: &str| Moment {
        at: at.parse().unwrap(),
        source: HOSTILE.to_owned(),
        event: HOSTILE.to_owned(),
        count: Some(4711),
        path: Some(HOSTILE.into()),
    };
    let story = Story {
        first_failure: Some(HOSTILE.to_owned()),
        remarks: vec![HOSTILE.to_owned()],
        moments: vec![moment("2026-01-01T00:00:00Z"), moment("2027-01-01T00:00:00Z")],
    };
    Page { diagnosis: &diagnosis, trust: &rows, timeline: Some(&story) }.render()
}

/// The tags that are open at the end, and closing tags without an open one.
fn unbalanced(page: &str) -> Vec<String> {
    const VOID: [&str; 6] = ["meta", "br", "rect", "line", "path", "circle"];
    let body = page.split_once("</style>").unwrap().1;
    let (mut open, mut wrong) = (vec!["html", "head"], Vec::new());
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.split([' ', '\n', '/']).next().unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                wrong.push(format!("</{name}>"));
            }
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    wrong.extend(open.into_iter().map(str::to_owned));
    wrong
}

#[test]
fn nothing_foreign_becomes_markup() {
    let page = rendered();
    assert!(!page.contains("<script") && !page.contains("alert('1')") && !page.contains('\u{1b}'));
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;\\u{1b}[31m"));
}

#[test]
fn every_tag_is_closed() {
    assert_eq!(unbalanced(&rendered()), Vec::<String>::new());
}

#[test]
fn nothing_is_asked_for_from_outside() {
    let page = rendered();
    for wrong in ["http:", "https:", "//", "src=", "@import", " on", "javascript:", "<link", "<iframe"] {
        let found = page.match_indices(wrong).find(|(at, _)| {
            // Words, comments and references to other parts of the page are harmless.
            let before = &page[..*at];
            wrong != " on" || before.rfind('<') > before.rfind('>')
        });
        assert_eq!(found, None, "{wrong}");
    }
    assert_eq!(page.matches("url(").count(), page.matches("url(#").count());
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
}

#[test]
fn conditions_are_told_in_words_and_by_pattern() {
    let page = rendered();
    for (words, class) in [
        ("EXPIRED 327 days ago", "bar expired"),
        ("EXPIRES in 7 days", "bar expiring"),
        ("STARTS in 24 hours", "bar not-yet"),
        ("364 days left", "bar valid"),
    ] {
        assert!(page.contains(&format!(">{words}</text>")), "{words}");
        assert!(page.contains(&format!("<rect class=\"{class}\" x=\"")), "{class}");
    }
    // What lasts beyond the axis has torn ends, on both sides; a long name keeps its end.
    assert!(page.contains("<svg class=\"torn\" x=\"0%\"") && page.contains("<svg class=\"torn\" x=\"100%\""));
    assert!(page.contains(">…y/of/a/long/name/.kube/config</text>"));
    assert!(page.contains("<td class=\"count\">4711 ×</td>"));
    assert_eq!(page.matches("<tr class=\"now\">").count(), 1);
}

#[test]
fn what_is_the_same_is_said_once() {
    let page = rendered();
    let blockers = page.split_once("id=\"blockers\"").unwrap().1.split_once("</section>").unwrap().0;
    assert_eq!(blockers.matches("nothing goes").count(), 1);
    let (first, second) = blockers.split_once("</li>\n<li>").unwrap();
    assert!(first.find("Do that.") < first.find("<details>"));
    assert!(second.find("Do that.") > second.find("<details>"));
}

#[test]
fn sections_without_content_are_left_out() {
    let mut diagnosis = diagnosis();
    diagnosis.findings.clear();
    diagnosis.credentials.clear();
    diagnosis.unreadable.clear();
    diagnosis.horizon.clear();
    diagnosis.verdict.state = State::Well;
    let page = Page { diagnosis: &diagnosis, trust: &[], timeline: None }.render();
    assert_eq!(page.matches("<section").count(), 1);
    assert_eq!(unbalanced(&page), Vec::<String>::new());
}

/// WCAG 2.2's relative luminance.
fn luminance(colour: &str) -> f64 {
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

#[test]
fn text_has_the_contrast_that_wcag_aa_asks_for() {
    let themes: Vec<_> = STYLE.split(":root {").skip(1).map(|rest| rest.split_once('}').unwrap().0).collect();
    assert_eq!(themes.len(), 3, "light, dark, print");
    for theme in themes {
        let colour = |name: &str| {
            let rest = theme.split_once(&format!("--{name}: ")).unwrap().1;
            rest.split_once(';').unwrap().0
        };
        let contrast = |a: &str, b: &str| {
            let (a, b) = (luminance(colour(a)), luminance(colour(b)));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        for (text, grounds) in [
            ("text", ["ground", "card", "code", "bad-ground", "warn-ground", "good-ground"].as_slice()),
            ("soft", &["ground", "card", "code"]),
            ("bad", &["card", "bad-ground"]),
            ("warn", &["ground", "card", "warn-ground"]),
            ("good", &["card", "good-ground"]),
            ("link", &["ground", "card"]),
        ] {
            for ground in grounds {
                let found = contrast(text, ground);
                assert!(found >= 4.5, "{text} on {ground}: {found:.2}");
            }
        }
        for bar in ["bar-valid", "bar-expiring", "bar-expired", "bar-not-yet"] {
            assert!(contrast(bar, "card") >= 3.0, "{bar}: {:.2}", contrast(bar, "card"));
        }
    }
}

#[test]
fn the_line_of_the_time_crosses_no_name() {
    let page = rendered();
    let number = |tag: &str, attribute: &str| {
        let (_, rest) = tag.split_once(&format!(" {attribute}=\"")).unwrap();
        rest.split('"').next().unwrap().parse::<i64>().unwrap()
    };
    for chart in page.split("<svg class=\"chart\"").skip(1) {
        let names: Vec<i64> =
            chart.split("<text class=\"name\"").skip(1).map(|rest| number(rest, "y")).collect();
        let lines =
            chart.split("<line class=\"at\"").skip(1).map(|rest| (number(rest, "y1"), number(rest, "y2")));
        let lines: Vec<(i64, i64)> = lines.collect();
        assert!(!names.is_empty() && lines.len() > names.len());
        for (name, (from, to)) in names.iter().flat_map(|name| lines.iter().map(move |line| (name, line))) {
            assert!(*to <= name - 11 || *from > name + 2, "the name at {name}, a line from {from} to {to}");
        }
    }
}
