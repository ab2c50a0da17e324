//! What a token says of itself: the payload alone, and a token as it stands, with white space around it or without.
#![no_main]

use kuberescue::formats::token::Claims;
use libfuzzer_sys::fuzz_target;

/// base64 as it is in URLs, without padding.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fuzz_target!(|data: &[u8]| {
    if let Ok(token) = std::str::from_utf8(data) {
        let claims = Claims::read(token);
        assert_eq!(claims, Claims::read(&format!(" {token}\n")));
        assert!(claims.is_none() || token.trim().matches('.').count() == 2, "three parts");
    }
    let payload = encoded(data);
    let claims = Claims::read(&format!("e30.{payload}.c2ln"));
    assert_eq!(claims, Claims::read(&format!(".{payload}.")), "the other parts don't count");
    // What isn't asked for may be no UTF-8, and a list of the three is read as well: nobody who signs tokens makes such.
    let json = serde_json::from_slice::<serde_json::Value>(data).ok().filter(serde_json::Value::is_object);
    if let (Some(claims), Some(json)) = (claims, json) {
        assert_eq!(claims.subject.as_deref(), json["sub"].as_str());
        assert_eq!(claims.end.is_some(), json["exp"].is_number());
        assert_eq!(claims.start.is_some(), json["nbf"].is_number());
    }
});

fn encoded(data: &[u8]) -> String {
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let bits =
            chunk.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        text.extend((0..=chunk.len()).map(|digit| DIGITS[bits >> (18 - 6 * digit) & 63] as char));
    }
    text
}
