//! The only module that prints. stdout is the result, stderr is for messages; foreign text is sanitised
//! before it reaches a terminal; a broken pipe is success.

mod alike;
mod archive;
mod bundle;
mod comparison;
mod credential;
mod diagnosis;
mod etcd;
mod etcd_keys;
mod expiration;
mod explain;
mod headline;
mod history;
pub mod html;
mod json;
mod kubeconfig;
mod layout;
mod new_kubeconfig;
mod node_table;
mod nodes;
mod output;
mod outside;
mod plan;
mod probe;
mod progress;
mod prometheus;
mod recovery;
mod requests;
mod rescue;
mod restart;
mod rollout;
mod sanitise;
mod saved_snapshot;
mod summary;
mod table;
mod timeline;
pub mod trust;
mod verification;
mod verify;
mod yaml;

pub use archive::{ArchiveItem, ArchiveList, ArchiveReport, CreatedArchive, Creation, Damaged, Missing};
pub use bundle::{Bundle, BundleApply, BundledCertificate, EncryptedTo, Role, bundle_text};
pub use comparison::{Compared, Restoration, restore_text};
pub use credential::{
    Replacement, credential_finding_lines, credential_line, difference, difference_text, later_line,
    warning_lines,
};
pub use diagnosis::{Detail, DiagnosisFormat, diagnosis_json, diagnosis_text, yaml_of};
pub use etcd::{EtcdMembers, EtcdSnapshot, EtcdStatus};
pub use etcd_keys::EtcdKeys;
pub use expiration::{Expiration, Format};
pub use explain::{Topic, explain_json, explain_list, explain_text};
pub use history::{UndoReport, Undone};
pub use json::{DocumentFormat, KINDS};
pub use kubeconfig::{KubeconfigFile, KubeconfigFormat, KubeconfigReport};
pub use new_kubeconfig::NewKubeconfig;
pub use node_table::{NodesFormat, node_list, node_list_report};
pub use nodes::{nodes_json, nodes_text};
pub use output::{Output, ResultFile};
pub use outside::outside_text;
pub use plan::{LeftToDo, manual_actions, plan_notes, plan_text};
pub use probe::{ProbeFormat, ProbeReport};
pub use progress::{BAR_END, Progress, bar};
pub use prometheus::{diagnosis_metrics, nodes_metrics};
pub use recovery::{
    ClusterNames, Recovery, SECTIONS, cluster_plan, condition_text, elsewhere, finding_lines,
    finding_sections, next, next_steps, no_blocker, places_elsewhere, preflight_lines, remaining,
    renewal_messages, renewed, took,
};
pub use requests::{SignedCertificate, SignedCertificates, requests_document, requests_text};
pub use rescue::{EtcdRescue, RescueDone, RescuePlan};
pub use restart::{RestartFormat, restart_document, restart_failures, restart_plan};
pub use rollout::{Rollout, restart_command, rollout_obstacle, rollout_plan};
pub use saved_snapshot::{SavedSnapshot, SnapshotFigures, SnapshotSource};
pub use summary::{Restarting, Summary, node_and_state};
pub use timeline::{story, timeline_json, timeline_text};
pub use verification::{Verification, VerifiedArchive};
pub use verify::{ClusterFormat, cluster_lines, cluster_report};
