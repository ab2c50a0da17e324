//! What keeps the credential of a kubeconfig from being read or replaced.

/// Why a kubeconfig's credential cannot be read or replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// The file has no bytes, or only white space.
    #[error("the file is empty")]
    Empty,
    /// Neither YAML nor JSON, or no kubeconfig.
    #[error("not a kubeconfig: {0}")]
    Malformed(String),
    /// The same, and with more in it than one user: what a new file would lose.
    #[error("not a kubeconfig: {0}; it has more than one user, context or cluster")]
    MalformedOfSeveral(String),
    /// Not parsed at all: its content is unknown, so it must not be replaced.
    #[error("{0}")]
    TooLarge(String),
    /// `current-context`, or what it refers to, is missing.
    #[error("its {0} is missing")]
    Missing(String),
    /// A token, an exec plug-in or files instead of an embedded certificate.
    #[error("user \"{user}\" does not have an embedded client certificate: it uses {uses}")]
    NotEmbedded {
        /// The user of the current context.
        user: String,
        /// What it uses instead.
        uses: String,
    },
    /// The current context leads to another cluster, and which other one is this node's is not clear.
    #[error("its current-context is another cluster's ({server}), and {} is this cluster's", if *several { "more than one user" } else { "no context" })]
    OtherCluster {
        /// The other cluster's.
        server: String,
        /// Whether several others are this node's.
        several: bool,
    },
    #[error("{0} is not base64")]
    NotBase64(&'static str),
    /// A value that cannot be replaced in place.
    #[error("{0} is a block scalar or an alias, which cannot be replaced in place; write it on one line")]
    NotOneLine(&'static str),
}

impl KubeconfigError {
    /// Whether the file has nothing to lose: it may be replaced by a new one.
    pub fn is_worthless(&self) -> bool {
        matches!(self, Self::Empty | Self::Malformed(_))
    }
}
