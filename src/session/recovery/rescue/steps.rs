//! The steps of a rescue, from its record: each is derived from the phase and from the files, so that it can be
//! repeated after an interruption.

use std::time::Duration;

use crate::analysis::node::inventory::Inventory;
use crate::disk::rescue::{Phase, Rescue};
use crate::disk::transaction::{self, Lock};
use crate::disk::{Depth, Root, data};
use crate::error::Error;
use crate::formats::etcd::Keys;
use crate::formats::manifest::splice;
use crate::live::clock;
use crate::live::etcd::alone;
use crate::report::Progress;
use crate::session::Context;
use crate::session::change::meanwhile::tell;
use crate::session::change::signals::arrived;
use crate::session::change::undo::recorded_state;
use crate::state::{ChangeSet, Code, Content, Entry, Fingerprint, Snapshot};

/// etcd's flag that makes it a cluster of one: it drops what isn't committed and removes every other member (etcd 3.4
/// `etcdserver/raft.go` restartAsStandaloneNode, 3.6 `server/etcdserver/bootstrap.go`).
pub(super) const FLAG: &str = "force-new-cluster";
/// etcd's program.
const PROGRAM: &str = "etcd";
/// How long etcd may take to answer, each time.
const ANSWER: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);

/// The old manifest, and the one with the flag.
pub(super) struct Manifests {
    old: Entry,
    forced: Entry,
}

impl Manifests {
    /// `None` where the flag can't be put in safely.
    pub(super) fn of(old: &Entry) -> Option<Self> {
        let Content::File(bytes) = &old.content else { return None };
        let new = splice::with_flag(bytes, PROGRAM, FLAG)?;
        let mut attributes = old.attributes.clone();
        attributes.mtime = Default::default();
        Some(Self { old: old.clone(), forced: Entry { content: Content::File(new.into()), attributes } })
    }

    /// From the archive of a rescue.
    ///
    /// # Errors
    /// The archive is missing or damaged.
    pub(super) fn archived(root: &Root, rescue: &Rescue) -> Result<Self, Error> {
        let archived = recorded_state(root, &rescue.archive)?;
        archived.get(&rescue.manifest).and_then(Self::of).ok_or_else(|| {
            let path = rescue.archive.path.display();
            Error::could_not_run(format!(
                "cannot read the manifest of etcd before the rescue: {path} does not hold it"
            ))
            .code(Code::CannotRollBack)
        })
    }

    pub(super) fn old(&self) -> &Entry {
        &self.old
    }
}

/// What the steps work on.
pub(super) struct Stage<'a> {
    pub(super) root: &'a Root,
    pub(super) lock: &'a Lock,
    pub(super) manifests: &'a Manifests,
    /// The node with etcd's manifest.
    pub(super) inventory: &'a Inventory,
    /// How long etcd may take to stop, and to be healthy.
    pub(super) patience: Duration,
}

impl Stage<'_> {
    /// Goes on to the end of a rescue. Returns etcd's keys then; `None` if the rescue was taken back.
    ///
    /// # Errors
    /// A step failed; the record stays.
    pub(super) fn go_on(
        &self,
        rescue: &mut Rescue,
        context: &mut Context<'_>,
    ) -> Result<Option<Keys>, Error> {
        // A step of it that was interrupted is one file: it is finished, in whichever direction.
        transaction::resume(
            self.root,
            self.lock,
            transaction::Theirs::Refuse,
            &context.operator,
            context.now,
        )?;
        loop {
            let next = match rescue.phase {
                Phase::Copying => self.copy(rescue, context)?,
                Phase::Forcing => self.force(rescue, context)?,
                Phase::Ending => {
                    let keys = self.end(rescue, context)?;
                    Rescue::remove(self.lock)?;
                    return Ok(Some(keys));
                }
                Phase::Abandoning | Phase::Undoing => {
                    self.take_back(rescue, context)?;
                    Rescue::remove(self.lock)?;
                    return Ok(None);
                }
            };
            rescue.phase = next;
            rescue.write(self.lock)?;
        }
    }

    fn copy(&self, rescue: &Rescue, context: &mut Context<'_>) -> Result<Phase, Error> {
        let stopped = self.stop(rescue, context)?;
        let shared = data::copy(self.root, &rescue.data, &rescue.copy)?;
        drop(stopped);
        let how = if shared { "shares its content with" } else { "is a full copy of" };
        let (copy, data) = (rescue.copy.display(), rescue.data.display());
        context.out.say(&format!("Copy of etcd's data, synced: {copy} ({how} {data})"));
        Ok(Phase::Forcing)
    }

    fn force(&self, rescue: &Rescue, context: &mut Context<'_>) -> Result<Phase, Error> {
        self.put(rescue, Some(&self.manifests.forced), context)?;
        self.wait_alone(rescue, "as a new cluster", context)?;
        Ok(Phase::Ending)
    }

    fn end(&self, rescue: &Rescue, context: &mut Context<'_>) -> Result<Keys, Error> {
        if self.now(rescue) != Fingerprint::of(Some(&self.manifests.old)) {
            // With its manifest away it is known that no etcd with the flag is left.
            drop(self.stop(rescue, context)?);
            self.put(rescue, Some(&self.manifests.old), context)?;
        }
        self.wait_alone(rescue, "with its old manifest", context)
    }

    fn take_back(&self, rescue: &Rescue, context: &mut Context<'_>) -> Result<(), Error> {
        if rescue.phase == Phase::Abandoning {
            data::remove_copy(self.root, &rescue.copy)?;
        } else if !data::is_back(self.root, &rescue.data, rescue.kept.as_ref())? {
            let stopped = self.stop(rescue, context)?;
            data::put_back(self.root, &rescue.data, &rescue.copy, rescue.kept.as_ref())?;
            drop(stopped);
        }
        self.put(rescue, Some(&self.manifests.old), context)
    }

    fn now(&self, rescue: &Rescue) -> Fingerprint {
        Fingerprint::of(self.read(rescue).as_ref())
    }

    fn read(&self, rescue: &Rescue) -> Option<Entry> {
        let mut now = Snapshot::default();
        self.root.read(&mut now, &rescue.manifest, Depth::File);
        now.get(&rescue.manifest).cloned()
    }

    /// Takes the manifest away and waits until no etcd runs.
    fn stop(&self, rescue: &Rescue, context: &mut Context<'_>) -> Result<Option<data::Stopped>, Error> {
        self.put(rescue, None, context)?;
        let data = &rescue.data;
        let mut held = None;
        self.wait("stopping", "stopped", context, || {
            held = data::stopped(self.root, data).map_err(|error| error.to_string())?;
            held.as_ref().map(drop).ok_or_else(|| "it still runs".to_owned())
        })?;
        Ok(held)
    }

    fn wait_alone(&self, rescue: &Rescue, how: &str, context: &mut Context<'_>) -> Result<Keys, Error> {
        let mut found = None;
        self.wait(&format!("starting {how}"), &format!("healthy {how}, the only member"), context, || {
            found = Some(alone::alone(self.inventory, ANSWER)?);
            Ok(())
        })?;
        match (found, rescue.revision) {
            (Some(keys), Some(before)) if keys.revision < before => {
                let what = format!(
                    "cannot verify the rescued etcd: it is at revision {}, and was at {before} before",
                    keys.revision
                );
                Err(Error::manual_action(what).code(Code::Unhealthy).hint(TAKE_BACK))
            }
            (Some(keys), _) => Ok(keys),
            (None, _) => Err(Error::manual_action("cannot verify the rescued etcd: its keys are not known")
                .code(Code::Unhealthy)),
        }
    }

    /// Asks until there is no reason left, and shows it.
    fn wait(
        &self,
        doing: &str,
        done: &str,
        context: &mut Context<'_>,
        mut ask: impl FnMut() -> Result<(), String>,
    ) -> Result<(), Error> {
        let mut board = Progress::new([PROGRAM], context.out.is_terminal());
        let began = clock::now();
        let result = loop {
            let asked = ask();
            let text = match &asked {
                Ok(()) => board.step(PROGRAM, done, true, context.elapsed()),
                Err(why) => board.step(PROGRAM, &format!("{doing}: {why}"), false, context.elapsed()),
            };
            context.out.draw(&text);
            let Err(why) = asked else { break Ok(()) };
            if let Some(signal) = arrived() {
                break Err(Error::manual_action(format!("interrupted by {signal} while etcd was {doing}"))
                    .code(Code::Interrupted)
                    .hint(TAKE_BACK));
            }
            if began.elapsed() >= self.patience {
                let seconds = self.patience.as_secs();
                let what =
                    format!("cannot complete the rescue: etcd is still {doing} after {seconds} s: {why}");
                break Err(Error::manual_action(what).code(Code::RestartFailed).hint(TAKE_BACK));
            }
            std::thread::sleep(PAUSE);
        };
        context.waited += began.elapsed();
        result
    }

    /// Puts a manifest in place, or takes it away. Anything but the old one, ours or none is another's work.
    fn put(&self, rescue: &Rescue, wanted: Option<&Entry>, context: &mut Context<'_>) -> Result<(), Error> {
        let now = self.read(rescue);
        let is = |entry: Option<&Entry>| Fingerprint::of(now.as_ref()) == Fingerprint::of(entry);
        if is(wanted) {
            return Ok(());
        }
        if ![None, Some(&self.manifests.old), Some(&self.manifests.forced)].into_iter().any(is) {
            let path = rescue.manifest.display();
            let what = format!("cannot replace {path}: something else has changed it meanwhile");
            return Err(Error::manual_action(what)
                .code(Code::ChangedMeanwhile)
                .hint("move it elsewhere, then: sudo kuberescue resume"));
        }
        let mut changes = ChangeSet::default();
        changes.put(&rescue.manifest, now.clone(), wanted.cloned());
        let record = transaction::Context {
            command: rescue.command.clone(),
            operator: context.operator.clone(),
            archive: Some(rescue.archive.clone()),
            now: clock::wall(),
        };
        let outcome = if wanted == Some(&self.manifests.old) {
            // A rollback after it must not take the old manifest away again.
            let before =
                transaction::last(self.root)?.map_or_else(|| rescue.kept.clone(), |journal| journal.id);
            transaction::apply_last(self.root, self.lock, &changes, &record, before)?
        } else {
            transaction::apply(self.root, self.lock, &changes, &record)?
        };
        context.changed = true;
        tell(&outcome.meanwhile, "move it elsewhere, then: sudo kuberescue resume", context)
    }
}

/// How to go on after a step that failed.
const TAKE_BACK: &str =
    "sudo kuberescue resume goes on; sudo kuberescue rollback puts etcd's old data and its manifest back";
