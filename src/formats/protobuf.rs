//! The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), field by field and without copies:
//! etcd's records and Kubernetes' objects need a few fields each.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// Text; what is no UTF-8 is replaced.
    pub fn text(self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// The fields of a message in their order, each with its number; the last one is an error if the message is damaged.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: Some(message) }
}

/// What can't be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid protobuf")]
pub struct Invalid;

pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Invalid>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take().filter(|rest| !rest.is_empty())?;
        let Some((field, after)) = field(rest) else { return Some(Err(Invalid)) };
        self.rest = Some(after);
        Some(Ok(field))
    }
}

fn field(rest: &[u8]) -> Option<((u64, Value<'_>), &[u8])> {
    let (tag, rest) = varint(rest)?;
    let fixed = |length: usize| {
        let (bytes, rest) = rest.split_at_checked(length)?;
        let number = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Some((Value::Number(number), rest))
    };
    let (value, rest) = match tag & 7 {
        0 => {
            let (number, rest) = varint(rest)?;
            (Value::Number(number), rest)
        }
        1 => fixed(8)?,
        2 => {
            let (length, rest) = varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(bytes), rest)
        }
        5 => fixed(4)?,
        // Groups, which neither etcd nor Kubernetes has.
        _ => return None,
    };
    let number = tag >> 3;
    (number > 0).then_some(((number, value), rest))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        // The tenth byte has one bit left.
        if index == 9 && *byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_field() {
        // protoc --encode of {1: 150, 2: "testing", 3: fixed32 1, 4: fixed64 2, 5: -1}.
        let message = b"\x08\x96\x01\x12\x07testing\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let found: Vec<_> = fields(message).map(Result::unwrap).collect();
        assert_eq!(
            found,
            [
                (1, Value::Number(150)),
                (2, Value::Bytes(b"testing")),
                (3, Value::Number(1)),
                (4, Value::Number(2)),
                (5, Value::Number(u64::MAX)),
            ]
        );
    }

    #[test]
    fn what_is_damaged_is_the_last_field() {
        for bad in [
            &b"\x08"[..],
            b"\x12\x07test",
            b"\x0b",
            b"\x00\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        ] {
            let found: Vec<_> = fields(bad).collect();
            assert_eq!(found, [Err(Invalid)], "{bad:?}");
        }
        assert_eq!(fields(b"\x08\x01\x12").collect::<Vec<_>>(), [Ok((1, Value::Number(1))), Err(Invalid)]);
    }
}
