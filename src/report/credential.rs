//! A credential in a line, two of them side by side, and the nodes that one of them lists.

use jiff::Timestamp;
use serde_json::Value;

use super::expiration::{Format, residual_time, seconds_between};
use super::kubeconfig::{identity, problem_line};
use super::{sanitise, table};
use crate::analysis::node::findings::Code;
use crate::analysis::workstation::difference::Difference;
use crate::analysis::workstation::{Checked, Weight};

/// Whose credential it is, until when, and for which server.
pub fn credential_line(source: &str, checked: &Checked, now: Timestamp) -> String {
    let end = checked.end().map(|end| {
        let left = seconds_between(now, end);
        let ended = checked.problems.iter().any(|problem| problem.code == Code::Expired);
        let how = if ended {
            format!("ended {} ago", residual_time(-left))
        } else {
            format!("{} left", residual_time(left))
        };
        format!(", until {end} ({how})")
    });
    let serial = checked.certificate.as_ref().map(|leaf| format!(", serial {}", leaf.serial));
    let text = format!(
        "{source}: {}{}{}, server {}",
        identity(checked),
        serial.unwrap_or_default(),
        end.unwrap_or_default(),
        checked.server
    );
    sanitise::line(&text).into_owned()
}

/// What is to be said of it, a line each.
pub fn problem_lines(checked: &Checked) -> String {
    let lines = checked.problems.iter().map(|problem| problem_line(checked, problem));
    lines.collect::<String>().trim_end().to_owned()
}

/// What does not keep it from working and is to be known, a line each.
pub fn warning_lines(checked: &Checked) -> String {
    let warnings = checked.problems.iter().filter(|problem| problem.weight == Weight::Warning);
    warnings.map(|problem| problem_line(checked, problem)).collect::<String>().trim_end().to_owned()
}

/// That what is there lives longer than what is to take its place, where that is so.
pub fn later_line(old: &Checked, new: &Checked) -> String {
    match (old.end(), new.end()) {
        (Some(old), Some(new)) if old > new => {
            format!("warning: what is there now lives longer: until {old}; the new one until {new}")
        }
        _ => String::new(),
    }
}

/// Two of them, in this form; `names` is what they are called.
pub fn difference(difference: &Difference, names: (&str, &str), format: Format) -> String {
    let document = || {
        let mut value = serde_json::to_value(difference).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.insert("kind".to_owned(), "KubeconfigComparison".into());
            fields.insert("old".to_owned(), names.0.into());
            fields.insert("new".to_owned(), names.1.into());
        }
        value
    };
    format.render(|_| difference_text(difference, names), document)
}

/// Two of them as a table.
pub fn difference_text(difference: &Difference, (old, new): (&str, &str)) -> String {
    let mut rows = vec![vec!["WHAT".to_owned(), old.to_owned(), new.to_owned(), String::new()]];
    rows.extend(difference.rows.iter().map(|row| {
        let mark = if row.same { "same" } else { "differs" };
        vec![row.what.to_owned(), row.old.clone(), row.new.clone(), mark.to_owned()]
    }));
    table::render(&rows)
}
