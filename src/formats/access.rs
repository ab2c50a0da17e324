//! Whether a process may open a file: its user and its groups against mode, owner and access control list.

use crate::state::Attributes;

/// The extended attribute with an access control list (acl(5)).
pub const ACL: &str = "system.posix_acl_access";

/// For reading a file, in each of the three digits of a mode.
pub const READ: u32 = 0o4;
/// For opening what is in a directory.
pub const SEARCH: u32 = 0o1;

/// A container's user and its groups, from the `securityContext` of the pod and of the container (Kubernetes API
/// reference, PodSecurityContext). Root where nothing is said: the images of Kubernetes and etcd name no user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsAs {
    pub uid: u32,
    /// The primary group, `supplementalGroups` and `fsGroup`.
    pub gids: Vec<u32>,
    /// Root whose container drops `CAP_DAC_OVERRIDE`, which opens every file (capabilities(7)). No other user has it:
    /// what a container adds is effective for root alone, since the runtime sets no ambient capabilities.
    pub drops_override: bool,
}

impl RunsAs {
    /// Whether modes and lists count for it.
    pub fn is_checked(&self) -> bool {
        self.uid != 0 || self.drops_override
    }

    /// The permission bit for reading that counts for it: the owner's, the group's or that of all others. None for
    /// root, which reads everything.
    pub fn needs(&self, uid: u32, gid: u32) -> Option<u32> {
        match self.uid {
            _ if !self.is_checked() => None,
            own if own == uid => Some(0o400),
            _ if self.gids.contains(&gid) => Some(0o040),
            _ => Some(0o004),
        }
    }

    /// Whether it has all of these permissions, as the kernel decides it (acl(5), "access check algorithm").
    pub fn may(&self, wanted: u32, file: &Attributes) -> bool {
        let grants = |bits: u32| bits & wanted == wanted;
        if !self.is_checked() {
            return true;
        }
        let list = file.xattrs.iter().find(|(name, _)| *name == ACL);
        let Some(list) = list.and_then(|(_, value)| List::read(value)) else {
            return match self.needs(file.uid, file.gid) {
                Some(0o400) => grants(file.mode >> 6),
                Some(0o040) => grants(file.mode >> 3),
                _ => grants(file.mode),
            };
        };
        if self.uid == file.uid {
            return grants(file.mode >> 6);
        }
        if let Some((_, bits)) = list.users.iter().find(|(uid, _)| *uid == self.uid) {
            return grants(bits & list.mask);
        }
        let own = list.group.map(|bits| (file.gid, bits));
        let mut groups = own.iter().chain(&list.groups).filter(|(gid, _)| self.gids.contains(gid)).peekable();
        match groups.peek() {
            Some(_) => groups.any(|(_, bits)| grants(bits & list.mask)),
            None => grants(file.mode),
        }
    }
}

/// What a list says beyond the mode. Its mask limits users and groups.
struct List {
    users: Vec<(u32, u32)>,
    group: Option<u32>,
    groups: Vec<(u32, u32)>,
    mask: u32,
}

impl List {
    /// Version 2, then tag, permissions and identifier of each entry, little endian (Linux
    /// `include/uapi/linux/posix_acl_xattr.h`).
    fn read(value: &[u8]) -> Option<Self> {
        let (entries, rest) = value.strip_prefix(&[2, 0, 0, 0])?.as_chunks::<8>();
        let mut list = Self { users: Vec::new(), group: None, groups: Vec::new(), mask: 0o7 };
        for [tag, _, bits, _, id @ ..] in entries {
            let (bits, id) = (u32::from(*bits), u32::from_le_bytes(*id));
            match tag {
                0x02 => list.users.push((id, bits)),
                0x04 => list.group = Some(bits),
                0x08 => list.groups.push((id, bits)),
                0x10 => list.mask = bits,
                _ => {}
            }
        }
        rest.is_empty().then_some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: u16 = 0x02;
    const OWN_GROUP: u16 = 0x04;
    const GROUP: u16 = 0x08;
    const MASK: u16 = 0x10;

    fn file(mode: u32, uid: u32, gid: u32, list: &[(u16, u16, u32)]) -> Attributes {
        let mut value = vec![2, 0, 0, 0];
        for (tag, bits, id) in list {
            value.extend([tag.to_le_bytes(), bits.to_le_bytes()].concat());
            value.extend(id.to_le_bytes());
        }
        let lists = (!list.is_empty()).then(|| (ACL.into(), value));
        Attributes { mode, uid, gid, xattrs: lists.into_iter().collect(), ..Attributes::default() }
    }

    fn user(uid: u32, gids: &[u32]) -> RunsAs {
        RunsAs { uid, gids: gids.to_vec(), drops_override: false }
    }

    #[test]
    fn the_mode_counts_for_the_first_that_fits() {
        let etcd = user(2379, &[0, 2000]);
        for (mode, uid, gid, may) in [
            (0o600, 2379, 0, true),
            (0o077, 2379, 0, false),
            (0o640, 0, 2000, true),
            (0o604, 0, 2000, false),
            (0o604, 0, 7, true),
            (0o640, 0, 7, false),
        ] {
            assert_eq!(etcd.may(READ, &file(mode, uid, gid, &[])), may, "{mode:o} {uid}:{gid}");
        }
        assert!(etcd.may(SEARCH, &file(0o711, 0, 7, &[])));
        assert!(!etcd.may(SEARCH, &file(0o744, 0, 7, &[])));
    }

    #[test]
    fn root_opens_every_file_unless_that_was_dropped() {
        assert!(user(0, &[0]).may(READ, &file(0, 1, 1, &[])));
        let limited = RunsAs { drops_override: true, ..user(0, &[0]) };
        assert!(!limited.may(READ, &file(0o600, 1, 1, &[])));
        assert!(limited.may(READ, &file(0o600, 0, 0, &[])));
        assert_eq!((limited.needs(1, 0), user(0, &[0]).needs(1, 0)), (Some(0o040), None));
    }

    #[test]
    fn a_list_counts_before_the_mode() {
        let own = (OWN_GROUP, 0, u32::MAX);
        for (list, may) in [
            (vec![(USER, 4, 2379), own, (MASK, 4, u32::MAX)], true),
            // Its mask is what chmod sets as the group's bits.
            (vec![(USER, 4, 2379), own, (MASK, 0, u32::MAX)], false),
            (vec![(USER, 4, 1), own, (MASK, 4, u32::MAX)], false),
            (vec![own, (GROUP, 4, 2000), (MASK, 4, u32::MAX)], true),
            (vec![own, (GROUP, 0, 2000), (MASK, 4, u32::MAX)], false),
            (vec![(OWN_GROUP, 4, u32::MAX), (GROUP, 0, 2000)], true),
        ] {
            assert_eq!(user(2379, &[0, 2000]).may(READ, &file(0o640, 0, 0, &list)), may, "{list:?}");
        }
        assert!(user(2379, &[7]).may(READ, &file(0o604, 0, 0, &[own, (GROUP, 0, 2000)])));
        assert!(user(2379, &[7]).may(READ, &file(0o400, 2379, 0, &[own])));
        // One that is damaged is no list.
        let mut damaged = file(0o604, 0, 0, &[own]);
        damaged.xattrs.insert(ACL.into(), vec![2, 0, 0, 0, 1]);
        assert!(user(2379, &[7]).may(READ, &damaged));
    }
}
