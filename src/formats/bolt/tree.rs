//! A bucket's tree below one meta page, walked page by page. Each page is visited once in a walk, keys only ever rise
//! (or fall), and elements don't overlap: so a walk has an end, whatever the pages hold.

use std::ops::{ControlFlow, RangeInclusive};

use super::page::{self, Child, DISORDER, Header, Kind, Span};
use super::{Meta, Pages, ReadError};

/// The deepest tree: 64 GiB in pages of 4 KiB with fifty children each have five levels.
const MAX_DEPTH: usize = 10;
/// The largest branch page in bytes: two keys of 32 KiB (bbolt `MaxKeySize`) and one page of 64 KiB fit twice.
const MAX_BRANCH: usize = 256 << 10;
/// The largest leaf page that is read as one, in bytes. Of a larger one each element is read by itself.
const MAX_LEAF: usize = 4 << 20;
/// The largest key and value in bytes: etcd warns of requests above 10 MiB (`recommendedMaxRequestBytes`,
/// `server/etcdmain/etcd.go`); the default limit is 1.5 MiB.
const MAX_ELEMENT: usize = 10 << 20;
/// The most pages of a database: 64 GiB of the usual size, eight times what etcd recommends.
const MAX_PAGES: u64 = 1 << 24;
/// etcd has ten.
const MOST_BUCKETS: usize = 100;
const META_PAGES: u64 = 2;
/// Bytes of a bucket's header: its root page, 0 for one that follows in the same value, and a sequence.
const BUCKET: usize = 16;

/// What a walk is told of each key and its value; it may break the walk off.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// In which order, and where it begins.
#[derive(Clone, Copy, Debug)]
pub enum Order<'k> {
    /// Rising, from this key on.
    From(&'k [u8]),
    /// Falling, from the last key before this one.
    Before(&'k [u8]),
    /// Falling, from the last key.
    FromEnd,
}

/// A database as of one transaction.
pub struct View<'p> {
    pub(super) pages: &'p mut dyn Pages,
    pub(super) meta: Meta,
    /// Bytes of a value that are told; what is beyond them in pages of its own is not read.
    pub(super) most: usize,
}

impl View<'_> {
    /// The transaction.
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// The value of a key; `None` if it or the bucket doesn't exist.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(&mut self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let mut found = None;
        self.walk(bucket, Order::From(key), &mut |at, value| {
            found = (at == key).then(|| value.to_vec());
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The names of the buckets, each as long as a name of etcd's may be.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn buckets(&mut self) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut names = Vec::new();
        let root = Root::Page(self.meta.root);
        Walk::new(self).run(root, Order::From(&[]), &mut |key, _, is_bucket| {
            if is_bucket && names.len() < MOST_BUCKETS {
                names.push(key.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        Ok(names)
    }

    /// Bytes of the pages that hold something: what remains after a defragmentation, but for half-empty pages. etcd
    /// calls it `dbSizeInUse`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn in_use(&mut self) -> Result<u64, ReadError> {
        let mut roots = Vec::new();
        let mut walk = Walk::new(self);
        walk.run(Root::Page(walk.meta.root), Order::From(&[]), &mut |_, value, is_bucket| {
            if is_bucket && roots.len() < MOST_BUCKETS {
                roots
                    .push(value.get(..8).and_then(|root| root.try_into().ok()).map_or(0, u64::from_le_bytes));
            }
            ControlFlow::Continue(())
        })?;
        walk.only_pages = true;
        for root in roots.into_iter().filter(|root| *root != 0) {
            walk.last = None;
            walk.run(Root::Page(root), Order::From(&[]), &mut |_, _, _| ControlFlow::Continue(()))?;
        }
        if let Some(freelist) = walk.meta.freelist {
            walk.load(freelist)?;
        }
        let pages: u64 = walk.visited.iter().map(|word| u64::from(word.count_ones())).sum();
        Ok((pages + META_PAGES).saturating_mul(walk.meta.page_size))
    }

    /// Each key of a bucket with its value, buckets in it left out. A bucket that doesn't exist is empty.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn walk(&mut self, bucket: &[u8], order: Order<'_>, visit: &mut Visit<'_>) -> Result<(), ReadError> {
        let Some(root) = self.root(bucket)? else { return Ok(()) };
        Walk::new(self).run(root, order, &mut |key, value, is_bucket| {
            if is_bucket { ControlFlow::Continue(()) } else { visit(key, value) }
        })
    }

    fn root(&mut self, bucket: &[u8]) -> Result<Option<Root>, ReadError> {
        let mut found = None;
        let root = Root::Page(self.meta.root);
        Walk::new(self).run(root, Order::From(bucket), &mut |key, value, is_bucket| {
            if key == bucket && is_bucket {
                found = Some(value.to_vec());
            }
            ControlFlow::Break(())
        })?;
        let Some(value) = found else { return Ok(None) };
        let damaged = ReadError::Damaged { page: self.meta.root, why: "a bucket in it has no header" };
        let root = value.get(..8).and_then(|root| root.try_into().ok()).map(u64::from_le_bytes);
        Ok(Some(match root.ok_or(damaged)? {
            0 => Root::Inline { within: self.meta.root, value },
            page => Root::Page(page),
        }))
    }
}

/// Where a bucket's tree begins.
enum Root {
    Page(u64),
    /// Its one leaf is in the value itself, after the bucket's header.
    Inline {
        within: u64,
        value: Vec<u8>,
    },
}

type Each<'v> = dyn FnMut(&[u8], &[u8], bool) -> ControlFlow<()> + 'v;

struct Walk<'w> {
    pages: &'w mut dyn Pages,
    meta: Meta,
    /// A bit for each page.
    visited: Vec<u64>,
    /// The last key that was met.
    last: Option<Vec<u8>>,
    /// Leaves are not read but for their headers.
    only_pages: bool,
    most: usize,
}

/// A branch page on the way.
struct Branch {
    page: Vec<u8>,
    /// In the order of the walk.
    rest: std::vec::IntoIter<Child>,
}

/// A page that was read: all of it, or of a large leaf its table of elements.
struct Loaded {
    id: u64,
    header: Header,
    bytes: Vec<u8>,
    /// Bytes, with its overflow.
    length: usize,
}

impl Loaded {
    fn damaged(&self, why: &'static str) -> ReadError {
        ReadError::Damaged { page: self.id, why }
    }
}

impl<'w> Walk<'w> {
    fn new(view: &'w mut View<'_>) -> Self {
        let View { pages, meta, most } = view;
        Self {
            pages: &mut **pages,
            meta: *meta,
            visited: Vec::new(),
            last: None,
            only_pages: false,
            most: *most,
        }
    }

    fn run(&mut self, root: Root, order: Order<'_>, each: &mut Each<'_>) -> Result<(), ReadError> {
        let (mut page, mut low) = match root {
            Root::Page(id) => (self.load(id)?, Vec::new()),
            Root::Inline { within, value } => {
                let bytes = value.get(BUCKET..).unwrap_or_default().to_vec();
                let header = Header::parse(&bytes).filter(|header| header.kind == Kind::Leaf);
                let header = header.ok_or(ReadError::Damaged { page: within, why: NO_PAGE })?;
                (Loaded { id: within, header, length: bytes.len(), bytes }, Vec::new())
            }
        };
        let mut stack: Vec<Branch> = Vec::new();
        loop {
            match page.header.kind {
                Kind::Leaf if self.only_pages => {}
                Kind::Leaf if self.leaf(&page, &low, order, each)?.is_break() => return Ok(()),
                Kind::Leaf => {}
                Kind::Branch if stack.len() < MAX_DEPTH => stack.push(branch(page, order)?),
                Kind::Branch => return Err(page.damaged("its tree is too deep")),
                Kind::Other => return Err(page.damaged(NO_PAGE)),
            }
            let Some((next, from)) = self.next(&mut stack, order)? else { return Ok(()) };
            (page, low) = (self.load(next)?, from);
        }
    }

    /// The next page, and the key from which on it is.
    fn next(&self, stack: &mut Vec<Branch>, order: Order<'_>) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
        while let Some(branch) = stack.last_mut() {
            let Some(child) = branch.rest.next() else {
                stack.pop();
                continue;
            };
            let low = child.key(&branch.page);
            if order.is_rising() && self.last.as_deref().is_some_and(|last| last >= low) {
                return Err(ReadError::Damaged { page: child.id, why: DISORDER });
            }
            return Ok(Some((child.id, low.to_vec())));
        }
        Ok(None)
    }

    fn load(&mut self, id: u64) -> Result<Loaded, ReadError> {
        let damaged = |why| ReadError::Damaged { page: id, why };
        let size = self.meta.page_size;
        self.enter(id, id..=id)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.fill(id, 0, &mut bytes)?;
        let header = Header::parse(&bytes).ok_or(damaged(NO_PAGE))?;
        if header.id != id {
            return Err(damaged("it holds another page's number"));
        }
        self.enter(id, id + 1..=id.saturating_add(u64::from(header.overflow)))?;
        let length = size.saturating_mul(u64::from(header.overflow) + 1);
        let length = usize::try_from(length).map_err(|_| damaged(NO_PAGE))?;
        let first = bytes.len();
        match header.kind {
            Kind::Branch if length > MAX_BRANCH => return Err(damaged("a branch page of this size")),
            Kind::Leaf if self.only_pages => {}
            Kind::Leaf if length > MAX_LEAF || length > self.most => {
                bytes = longer(&bytes, header.table().max(first));
            }
            Kind::Branch | Kind::Leaf => bytes = longer(&bytes, length),
            Kind::Other => {}
        }
        if let Some(rest) = bytes.get_mut(first..).filter(|rest| !rest.is_empty()) {
            self.fill(id, first, rest)?;
        }
        Ok(Loaded { id, header, bytes, length })
    }

    /// Marks pages that belong to the page `id`.
    fn enter(&mut self, id: u64, pages: RangeInclusive<u64>) -> Result<(), ReadError> {
        let damaged = |why| Err(ReadError::Damaged { page: id, why });
        let end = *pages.end();
        if end >= self.meta.pages {
            return damaged("it lies outside of the pages in use");
        }
        if end >= MAX_PAGES {
            return damaged("the database is larger than any that is read");
        }
        for page in pages {
            let (word, bit) = (usize::try_from(page / 64).unwrap_or(0), 1 << (page % 64));
            if self.visited.len() <= word {
                self.visited.resize(word + 1, 0);
            }
            match self.visited.get_mut(word) {
                Some(word) if *word & bit == 0 => *word |= bit,
                _ => return damaged("it belongs to more than one place of the tree"),
            }
        }
        Ok(())
    }

    fn fill(&mut self, id: u64, within: usize, buffer: &mut [u8]) -> Result<(), ReadError> {
        let offset = id.saturating_mul(self.meta.page_size).saturating_add(within as u64);
        self.pages.read(offset, buffer).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                ReadError::Damaged { page: id, why: "the file ends before it" }
            }
            _ => ReadError::Io(error),
        })
    }

    fn leaf(
        &mut self,
        page: &Loaded,
        low: &[u8],
        order: Order<'_>,
        each: &mut Each<'_>,
    ) -> Result<ControlFlow<()>, ReadError> {
        let spans = page::leaf(&page.bytes, page.header, page.length).map_err(|why| page.damaged(why))?;
        let mut element = Vec::new();
        for index in 0..spans.len() {
            let at = if order.is_rising() { index } else { spans.len() - 1 - index };
            let Some(span) = spans.get(at) else { break };
            let found = match span.of(&page.bytes) {
                Some(found) => found,
                None => self.element(page.id, *span, &mut element)?,
            };
            let (key, value) = found;
            let in_order = self.last.as_deref().is_none_or(|last| order.follows(last, key));
            if !in_order || (at == 0 && key < low) {
                return Err(page.damaged(DISORDER));
            }
            let last = self.last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
            if order.includes(key) && each(key, value, span.is_bucket).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One element of a leaf that wasn't read as a whole.
    fn element<'e>(
        &mut self,
        page: u64,
        span: Span,
        buffer: &'e mut Vec<u8>,
    ) -> Result<(&'e [u8], &'e [u8]), ReadError> {
        let size = span.key.saturating_add(span.value.min(self.most));
        if size > MAX_ELEMENT {
            return Err(ReadError::Damaged { page, why: "a value is larger than any that is read" });
        }
        buffer.resize(size, 0);
        self.fill(page, span.start, buffer)?;
        Ok(buffer.split_at(span.key.min(size)))
    }
}

/// Followed by zeros. `Vec::resize` writes them one by one where the program is built for size.
fn longer(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut all = vec![0; length.max(bytes.len())];
    if let Some(start) = all.get_mut(..bytes.len()) {
        start.copy_from_slice(bytes);
    }
    all
}

fn branch(page: Loaded, order: Order<'_>) -> Result<Branch, ReadError> {
    let mut children = page::branch(&page.bytes, page.header).map_err(|why| page.damaged(why))?;
    let at = |child: &Child| child.key(&page.bytes);
    match order {
        // The child that may hold the key: the last that begins before it, or with it.
        Order::From(from) => {
            let after = children.partition_point(|child| at(child) <= from);
            children.drain(..after.saturating_sub(1));
        }
        Order::Before(end) => children.truncate(children.partition_point(|child| at(child) < end).max(1)),
        Order::FromEnd => {}
    }
    if !order.is_rising() {
        children.reverse();
    }
    Ok(Branch { page: page.bytes, rest: children.into_iter() })
}

impl Order<'_> {
    fn is_rising(self) -> bool {
        matches!(self, Self::From(_))
    }

    fn follows(self, last: &[u8], key: &[u8]) -> bool {
        if self.is_rising() { last < key } else { last > key }
    }

    fn includes(self, key: &[u8]) -> bool {
        match self {
            Self::From(from) => key >= from,
            Self::Before(end) => key < end,
            Self::FromEnd => true,
        }
    }
}

const NO_PAGE: &str = "it is no branch or leaf page";
