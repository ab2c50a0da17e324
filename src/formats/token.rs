//! Bearer tokens with readable claims: JSON Web Tokens (RFC 7519). Nothing is verified, since the key is not
//! available; the claims are only as reliable as their source.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use zeroize::Zeroizing;

/// The claims that are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `sub`.
    pub subject: Option<String>,
    /// `exp`: from then on it is rejected.
    pub end: Option<Timestamp>,
    /// `nbf`: before then it is rejected.
    pub start: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Payload {
    sub: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

impl Claims {
    /// The claims of a JSON Web Token; `None` if it isn't one.
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.trim().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
        let payload: Payload = serde_json::from_slice(&json).ok()?;
        Some(Self { subject: payload.sub, end: moment(payload.exp), start: moment(payload.nbf) })
    }
}

/// A NumericDate, truncated to a second and clamped to the range of Timestamp.
fn moment(seconds: Option<f64>) -> Option<Timestamp> {
    // The cast saturates.
    let seconds = seconds? as i64;
    Timestamp::from_second(seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn claims_are_read_and_nothing_else_is_one() {
        let claims = Claims::read(&token(r#"{"sub":"a","exp":1795473000.9,"nbf":-1e300}"#)).unwrap();
        assert_eq!(claims.subject.as_deref(), Some("a"));
        assert_eq!(claims.end.unwrap().to_string(), "2026-11-23T22:30:00Z");
        assert_eq!(claims.start, Timestamp::from_second(Timestamp::MIN.as_second()).ok());
        assert_eq!(Claims::read(&token("{}")), Some(Claims::default()));
        for none in
            ["abcdef.0123456789abcdef", "", "a.b.c", "a.b.c.d", &token("[]x"), &token(r#"{"exp":"x"}"#)]
        {
            assert_eq!(Claims::read(none), None, "{none}");
        }
    }
}
