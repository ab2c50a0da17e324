//! JSON as YAML: block style, keys sorted, every string in double quotes, which YAML reads as JSON does.

use serde_json::Value;

use super::sanitise;

pub(super) fn render(value: &Value) -> String {
    let mut out = String::new();
    node(value, 0, &mut out);
    out
}

/// Writes a value at the beginning of a line that is already indented.
fn node(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                out.push_str(key);
                out.push(':');
                match value {
                    Value::Object(inner) if !inner.is_empty() => below(value, indent + 2, out),
                    // kubeadm and kubectl don't indent the items of a list.
                    Value::Array(items) if !items.is_empty() => below(value, indent, out),
                    scalar => {
                        out.push(' ');
                        node(scalar, indent, out);
                    }
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                out.push_str("- ");
                node(item, indent + 2, out);
            }
        }
        Value::String(text) => {
            out.push_str(&sanitise::json(&Value::from(text.as_str()).to_string()));
            out.push('\n');
        }
        scalar => {
            out.push_str(&scalar.to_string());
            out.push('\n');
        }
    }
}

fn below(value: &Value, indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    node(value, indent, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_says() {
        let value = serde_json::json!({
            "b": [{"x": 1, "y": [true, null]}, {"x": "a: \"b\"\n\u{9b}"}],
            "a": {"empty": {}, "none": [], "deep": {"text": "no"}},
        });
        let text = render(&value);
        assert_eq!(
            text,
            "a:\n  deep:\n    text: \"no\"\n  empty: {}\n  none: []\nb:\n- x: 1\n  y:\n  - true\n  - null\n\
             - x: \"a: \\\"b\\\"\\n\\u009b\"\n"
        );
        let back: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, value);
    }
}
