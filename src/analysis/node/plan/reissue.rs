//! Which faults a new certificate removes.

use crate::state::Code;

/// Whether reissuing a certificate removes this finding.
pub fn goes_with_reissue(code: Code) -> bool {
    matches!(
        code,
        Code::Missing
            | Code::Unreadable
            | Code::FileEmpty
            | Code::FileTruncated
            | Code::FileNotPem
            | Code::Expired
            | Code::NotYetValid
            | Code::KeyMissing
            | Code::KeyUnreadable
            | Code::KeyMismatch
            | Code::CaReplaced
            | Code::WrongAuthority
            | Code::WeakSignature
            | Code::NegativeSerial
            | Code::KubeletLinkMissing
            | Code::KubeletLinkDangling
            | Code::KubeletLinkNoLink
            | Code::KubeletLinkOld
            | Code::KubeletServingExpired
    )
}
