//! What is asked of a plan.

use jiff::SignedDuration;

use super::{CaSelection, DEFAULT_CA_DAYS, Replace};
use crate::formats::key::KeyAlgorithm;
use crate::formats::san::San;
use crate::state::catalog::CertSpec;
use crate::state::{Code, Finding};

#[derive(Clone, Debug)]
pub struct Options {
    pub selection: Selection,
    /// Which CA certificates are reissued with their own keys.
    pub authorities: CaSelection,
    /// Validity of these CA certificates in days.
    pub ca_days: u32,
    /// The CA that is replaced by a new one.
    pub replace: Option<Replace>,
    /// Renew the kubelet's certificates even if they have not expired.
    pub kubelet: bool,
    /// A kubelet.conf that holds the client certificate shall name it in the kubelet's store instead.
    pub client_cert_rotation: bool,
    pub reuse_keys: bool,
    /// The algorithm of kubeadm's new keys, where the operator says it. The kubelet makes its own keys.
    pub key_algorithm: Option<KeyAlgorithm>,
    /// Validity of the new leaf certificates in days, where the operator says it.
    pub days: Option<u32>,
    /// Renew only what expires within this time, or doesn't work.
    pub due_within: Option<SignedDuration>,
    /// Continue without the leaf certificates whose CA cannot sign.
    pub partial: bool,
    /// Blockers that are known and accepted: the plan ignores them.
    pub accept: Vec<Code>,
    /// The node must work afterwards: a blocker that reissuing doesn't repair, and that isn't about
    /// credentials, stops the plan.
    pub whole_node: bool,
    /// Names that serving certificates get beyond those of the old ones.
    pub add_sans: Vec<San>,
    /// Names that serving certificates lose.
    pub remove_sans: Vec<San>,
    /// Plan what CAs sign whose keys are kept elsewhere, and nothing else.
    pub elsewhere: Option<Elsewhere>,
}

/// Which certificates of CAs whose keys are not on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    All,
    /// Those of these names.
    Named(Vec<String>),
}

impl Options {
    /// Whether a finding is a blocker that was not accepted.
    pub fn stands(&self, finding: &Finding) -> bool {
        finding.is_blocker() && !self.accept.contains(&finding.code)
    }

    /// The defaults of `recover`.
    pub fn recovery() -> Self {
        Self {
            selection: Selection::All,
            authorities: CaSelection::None,
            ca_days: DEFAULT_CA_DAYS,
            replace: None,
            kubelet: false,
            client_cert_rotation: false,
            reuse_keys: false,
            key_algorithm: None,
            days: None,
            due_within: None,
            partial: false,
            accept: Vec::new(),
            whole_node: true,
            add_sans: Vec::new(),
            remove_sans: Vec::new(),
            elsewhere: None,
        }
    }
}

/// Which leaf certificates are renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// No leaf certificate: only CAs.
    Nothing,
    /// Everything, and those of the kubelet's certificates that no longer work.
    All,
    /// One of kubeadm's leaf certificates.
    One(&'static CertSpec),
    /// Only the kubelet's client certificate.
    Kubelet,
    /// Only the kubelet's serving certificate.
    KubeletServing,
    /// Several of these.
    Several(Vec<Selection>),
}

impl Selection {
    /// What several names ask for together: `all` includes the others, and each counts once.
    pub fn of(names: &[Self]) -> Self {
        let mut once: Vec<Self> = Vec::new();
        for name in names {
            if *name == Self::All {
                return Self::All;
            }
            if !once.contains(name) {
                once.push(name.clone());
            }
        }
        match once.as_slice() {
            [one] => one.clone(),
            _ => Self::Several(once),
        }
    }

    /// Each of several, or itself.
    pub fn each(&self) -> &[Self] {
        match self {
            Self::Several(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// Whether one of kubeadm's is asked for by its name.
    pub fn is_by_name(&self) -> bool {
        self.each().iter().any(|one| matches!(one, Self::One(_)))
    }
}
