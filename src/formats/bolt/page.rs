//! One page: its header and its table of elements (bbolt 1.5.0 `internal/common/page.go`, `inode.go`).

/// Bytes of a header.
pub(super) const HEADER: usize = 16;
/// Bytes of an element in the table of a branch or a leaf page.
const ELEMENT: usize = 16;
/// Flag of a leaf's element that is a bucket.
const IS_BUCKET: u32 = 1;

#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) id: u64,
    pub(super) kind: Kind,
    /// Elements.
    count: u16,
    /// Pages that belong to this one, after it.
    pub(super) overflow: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Branch,
    Leaf,
    /// A meta page, a page of the freelist, or none at all.
    Other,
}

impl Header {
    pub(super) fn parse(page: &[u8]) -> Option<Self> {
        let kind = match u16::from_le_bytes(bytes(page, 8)?) {
            1 => Kind::Branch,
            2 => Kind::Leaf,
            _ => Kind::Other,
        };
        Some(Self {
            id: u64::from_le_bytes(bytes(page, 0)?),
            kind,
            count: u16::from_le_bytes(bytes(page, 10)?),
            overflow: u32::from_le_bytes(bytes(page, 12)?),
        })
    }

    /// Bytes of the header and of the table of elements.
    pub(super) fn table(&self) -> usize {
        HEADER + usize::from(self.count) * ELEMENT
    }
}

fn bytes<const N: usize>(page: &[u8], at: usize) -> Option<[u8; N]> {
    page.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Where a leaf's element lies in its page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) is_bucket: bool,
    pub(super) start: usize,
    pub(super) key: usize,
    pub(super) value: usize,
}

impl Span {
    pub(super) fn of<'p>(&self, page: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        let end = self.start.checked_add(self.key)?;
        Some((page.get(self.start..end)?, page.get(end..end.checked_add(self.value)?)?))
    }
}

/// The elements of a leaf page of `length` bytes whose header and table are in `table`.
pub(super) fn leaf(table: &[u8], header: Header, length: usize) -> Result<Vec<Span>, &'static str> {
    let mut spans = Vec::with_capacity(usize::from(header.count));
    let mut free = header.table();
    for at in places(header) {
        let (Some(flags), Some(position), Some(key), Some(value)) =
            (word(table, at), word(table, at + 4), word(table, at + 8), word(table, at + 12))
        else {
            return Err(CUT_OFF);
        };
        let (key, value) = (key as usize, value as usize);
        let start = place(at, position, key, &mut free, length)?;
        free = free.checked_add(value).filter(|end| *end <= length).ok_or(BEYOND)?;
        spans.push(Span { is_bucket: flags & IS_BUCKET != 0, start, key, value });
    }
    Ok(spans)
}

/// A child of a branch page, and where the key from which on it is lies in the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    pub(super) id: u64,
    start: usize,
    end: usize,
}

impl Child {
    pub(super) fn key<'p>(&self, page: &'p [u8]) -> &'p [u8] {
        page.get(self.start..self.end).unwrap_or_default()
    }
}

/// The children of a branch page.
pub(super) fn branch(page: &[u8], header: Header) -> Result<Vec<Child>, &'static str> {
    let mut children: Vec<Child> = Vec::with_capacity(usize::from(header.count));
    let mut free = header.table();
    for at in places(header) {
        let (Some(position), Some(key), Some(id)) =
            (word(page, at), word(page, at + 4), bytes(page, at + 8).map(u64::from_le_bytes))
        else {
            return Err(CUT_OFF);
        };
        let start = place(at, position, key as usize, &mut free, page.len())?;
        let child = Child { id, start, end: free };
        if children.last().is_some_and(|before| before.key(page) >= child.key(page)) {
            return Err(DISORDER);
        }
        children.push(child);
    }
    if children.is_empty() { Err("a branch without children") } else { Ok(children) }
}

const CUT_OFF: &str = "it has fewer elements than its header says";
const BEYOND: &str = "an element lies outside of it";
pub(super) const DISORDER: &str = "its keys are out of order";

fn places(header: Header) -> impl Iterator<Item = usize> {
    (0..usize::from(header.count)).map(|index| HEADER + index * ELEMENT)
}

fn word(page: &[u8], at: usize) -> Option<u32> {
    bytes(page, at).map(u32::from_le_bytes)
}

/// Where the key of the element at `at` begins. Elements follow each other as bbolt writes them: two that overlapped
/// would make a page hold more than it has. `free` becomes the key's end.
fn place(
    at: usize,
    position: u32,
    key: usize,
    free: &mut usize,
    length: usize,
) -> Result<usize, &'static str> {
    let start = at.checked_add(position as usize).filter(|start| *start >= *free).ok_or(BEYOND)?;
    if key == 0 {
        return Err("an element has no key");
    }
    *free = start.checked_add(key).filter(|end| *end <= length).ok_or(BEYOND)?;
    Ok(start)
}
