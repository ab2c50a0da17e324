//! CBOR (RFC 8949) as JSON, as far as Kubernetes writes it (k8s.io/apimachinery v0.36
//! `pkg/runtime/serializer/cbor/internal/modes/encode.go`): definite lengths, text as byte strings, bytes in tag 22.

use serde_json::{Map, Number, Value};

/// Kubernetes' own limit is 64 (`decode.go` `MaxNestedLevels`).
const MAX_DEPTH: usize = 64;
/// Of bytes that are to be written as base64.
const TAG_BASE64: u64 = 22;

/// `None` if it is damaged, deeper than Kubernetes accepts, or followed by something.
pub(super) fn parse(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value = item(&mut rest, MAX_DEPTH)?;
    rest.is_empty().then_some(value)
}

fn item(rest: &mut &[u8], depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let first = *take(rest, 1)?.first()?;
    let (kind, short) = (first >> 5, first & 0x1f);
    if kind == 7 {
        return simple(rest, short);
    }
    let number = match short {
        0..=23 => u64::from(short),
        24..=27 => {
            take(rest, 1 << (short - 24))?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
        }
        // Lengths that are not told before are not written by Kubernetes.
        _ => return None,
    };
    let length = usize::try_from(number);
    Some(match kind {
        0 => number.into(),
        1 => match i64::try_from(number) {
            Ok(number) => (-1 - number).into(),
            Err(_) => return None,
        },
        2 | 3 => Value::String(String::from_utf8_lossy(take(rest, length.ok()?)?).into_owned()),
        4 => {
            // Each element has a byte at least: a number that can't be is refused before anything is reserved.
            let length = length.ok().filter(|length| *length <= rest.len())?;
            Value::Array((0..length).map(|_| item(rest, depth)).collect::<Option<_>>()?)
        }
        5 => {
            let length = length.ok().filter(|length| *length <= rest.len())?;
            let mut map = Map::new();
            for _ in 0..length {
                let Value::String(key) = item(rest, depth)? else { return None };
                map.insert(key, item(rest, depth)?);
            }
            Value::Object(map)
        }
        _ if number == TAG_BASE64 => base64(rest)?,
        _ => item(rest, depth)?,
    })
}

fn base64(rest: &mut &[u8]) -> Option<Value> {
    use base64::Engine as _;
    let before = *rest;
    let first = *take(rest, 1)?.first()?;
    let length = match first {
        0x40..=0x57 => u64::from(first & 0x1f),
        0x58..=0x5b => {
            take(rest, 1 << (first - 0x58))?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
        }
        _ => {
            *rest = before;
            return None;
        }
    };
    let bytes = take(rest, usize::try_from(length).ok()?)?;
    Some(Value::String(base64::engine::general_purpose::STANDARD.encode(bytes)))
}

fn simple(rest: &mut &[u8], short: u8) -> Option<Value> {
    Some(match short {
        20 => Value::Bool(false),
        21 => Value::Bool(true),
        22 => Value::Null,
        26 => float(f32::from_be_bytes(take(rest, 4)?.try_into().ok()?).into()),
        27 => float(f64::from_be_bytes(take(rest, 8)?.try_into().ok()?)),
        _ => return None,
    })
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_writes() {
        // {"a": "x" as bytes, "b": [1, -2, true, null], "c": 22(h'0102'), "d": 1.5}
        let bytes = b"\xd9\xd9\xf7\xa4\x41a\x41x\x41b\x84\x01\x21\xf5\xf6\x41c\xd6\x42\x01\x02\x41d\xfb\x3f\xf8\0\0\0\0\0\0";
        let expected = serde_json::json!({"a": "x", "b": [1, -2, true, null], "c": "AQI=", "d": 1.5});
        assert_eq!(parse(bytes), Some(expected));
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn what_could_fill_the_memory() {
        assert_eq!(parse(b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(parse(b"\xbf\x41a\x01\xff"), None, "no length");
        assert_eq!(parse(&[0x81; 1 << 20]), None, "deep");
        assert_eq!(parse(b"\x01\x01"), None, "followed by something");
    }
}
