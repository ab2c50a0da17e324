//! The bytes below the tar: gzip or plain, counted, capped and digested as a stream.

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use flate2::bufread::GzDecoder;

use crate::disk::{Error, Packing};
use crate::state::Digest;

/// Limit of an unpacked archive. More than this tool writes (24 MiB of files and a manifest); a foreign tar
/// may hold more that is skipped. A gzip bomb stops here.
pub(super) const MAX_UNPACKED: u64 = 1 << 30;

/// The compressed file: digested and counted.
pub(super) struct Digesting<R> {
    inner: R,
    digest: ring::digest::Context,
    size: u64,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..read).unwrap_or_default());
        self.size += read as u64;
        Ok(read)
    }
}

type Packed<R> = Box<BufReader<Digesting<R>>>;

enum Layer<R: Read> {
    Gzip(Box<GzDecoder<Packed<R>>>),
    Plain(Packed<R>),
}

pub(super) struct Unpacked<R: Read> {
    layer: Layer<R>,
    left: u64,
    /// Zero bytes in a row up to here: a tar ends with two blocks of them.
    zeros: u64,
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(file: R) -> Result<Self, Error> {
        let digest = ring::digest::Context::new(&ring::digest::SHA256);
        let mut packed =
            Box::new(BufReader::with_capacity(1 << 16, Digesting { inner: file, digest, size: 0 }));
        let start = packed.fill_buf().map_err(|error| broken(&error))?;
        if let Some(packing) = Packing::of(start) {
            return Err(Error::Packed { path: PathBuf::new(), packing });
        }
        let layer = match start {
            [] => return Err(Error::archive("the file is empty")),
            [0x1f, 0x8b, ..] => Layer::Gzip(Box::new(GzDecoder::new(packed))),
            _ => Layer::Plain(packed),
        };
        Ok(Self { layer, left: MAX_UNPACKED, zeros: 0 })
    }

    /// After the last entry: only zeros may follow in the tar, and nothing after the gzip. Returns digest and
    /// size of the file.
    pub(super) fn end(mut self) -> Result<(Digest, u64), Error> {
        let mut buffer = [0; 4096];
        loop {
            let read = self.read(&mut buffer).map_err(|error| broken(&error))?;
            if read == 0 {
                break;
            }
            if buffer.iter().take(read).any(|byte| *byte != 0) {
                return Err(Error::archive("something follows after its end"));
            }
        }
        if self.zeros < 512 {
            return Err(Error::archive("truncated: its end is missing"));
        }
        let mut packed = match self.layer {
            Layer::Gzip(gzip) => gzip.into_inner(),
            Layer::Plain(packed) => packed,
        };
        if !packed.fill_buf().map_err(|error| broken(&error))?.is_empty() {
            return Err(Error::archive("something follows after its end"));
        }
        let Digesting { digest, size, .. } = packed.into_inner();
        let digest: [u8; 32] = digest.finish().as_ref().try_into().unwrap_or_default();
        Ok((digest.into(), size))
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.layer {
            Layer::Gzip(gzip) => gzip.read(buffer)?,
            Layer::Plain(packed) => packed.read(buffer)?,
        };
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(TooLarge))?;
        // More than the two blocks of the end need not be counted.
        let tail = buffer.iter().take(read).rev().take(1024).take_while(|byte| **byte == 0).count();
        self.zeros = if tail == read { self.zeros + tail as u64 } else { tail as u64 };
        Ok(read)
    }
}

/// A stream that unpacks to more than [`MAX_UNPACKED`].
#[derive(Debug, thiserror::Error)]
#[error("it unpacks to more than {} MiB", MAX_UNPACKED >> 20)]
struct TooLarge;

/// The stream broke off or is invalid. The messages of the tar crate are not passed on: they quote what it couldn't
/// read, which may be a private key whose file the user has named by mistake.
pub(super) fn broken(error: &io::Error) -> Error {
    if let Some(errno) = error.raw_os_error() {
        // The caller names the file.
        return Error::io("read", "")(io::Error::from_raw_os_error(errno));
    }
    // The tar crate has no kind for these (archive.rs).
    let is_cut = ["failed to read entire block", "unexpected EOF during skip"].contains(&&*error.to_string());
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::archive("truncated"),
        _ if is_cut => Error::archive("truncated, or no tar archive"),
        // flate2's kind for every fault of gzip.
        io::ErrorKind::InvalidInput => Error::archive("its gzip data is damaged"),
        _ if error.get_ref().is_some_and(|inner| inner.is::<TooLarge>()) => {
            Error::archive(TooLarge.to_string())
        }
        _ => Error::archive("no tar archive, or a damaged one: a header can't be read"),
    }
}
