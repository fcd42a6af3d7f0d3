//! gzip (RFC 1952): the frame around what `miniz_oxide` inflates, one member after another.

use std::io::{self, Read};

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// What each member begins with.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How much is read at once.
const BUFFER: usize = 32 * 1024;

/// After the compressed bytes: a checksum and the length.
const TRAILER: usize = 8;

/// The bytes behind gzip.
pub(super) struct Gunzip<R> {
    from: R,
    state: Box<InflateState>,
    buffer: Box<[u8]>,
    /// What of the buffer was not looked at yet.
    begin: usize,
    end: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A header comes next; of the first one the magic is known to be there.
    Header,
    Body,
    Trailer,
    Ended,
}

impl<R> std::fmt::Debug for Gunzip<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gunzip").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl<R: Read> Gunzip<R> {
    pub(super) fn new(from: R) -> Self {
        let state = InflateState::new_boxed(DataFormat::Raw);
        Self { from, state, buffer: vec![0; BUFFER].into(), begin: 0, end: 0, stage: Stage::Header }
    }

    /// The bytes to be looked at next; none at the end.
    fn ahead(&mut self) -> io::Result<&[u8]> {
        while self.begin == self.end {
            match self.from.read(&mut self.buffer) {
                Ok(n) => {
                    (self.begin, self.end) = (0, n);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.begin..self.end])
    }

    fn byte(&mut self) -> io::Result<u8> {
        let byte = *self.ahead()?.first().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.begin += 1;
        Ok(byte)
    }

    fn pass(&mut self, bytes: usize) -> io::Result<()> {
        (0..bytes).try_for_each(|_| self.byte().map(drop))
    }

    /// Passes over a text that ends with a NUL.
    fn pass_text(&mut self) -> io::Result<()> {
        while self.byte()? != 0 {}
        Ok(())
    }

    /// Reads the header of a member; false where none comes any more, be it that zeros fill a block.
    fn header(&mut self) -> io::Result<bool> {
        const HEADER_CHECKSUM: u8 = 0x02;
        const EXTRA: u8 = 0x04;
        const NAME: u8 = 0x08;
        const COMMENT: u8 = 0x10;
        const RESERVED: u8 = 0xe0;
        const DEFLATE: u8 = 8;
        if self.ahead()?.first().is_none_or(|first| *first == 0) {
            return Ok(false);
        }
        let (magic, method) = ([self.byte()?, self.byte()?], self.byte()?);
        let flags = self.byte()?;
        if magic != MAGIC || method != DEFLATE || flags & RESERVED != 0 {
            return Err(damaged("what is there is no gzip"));
        }
        // The time, how hard it was tried, and where it was made.
        self.pass(6)?;
        if flags & EXTRA != 0 {
            let length = u16::from_le_bytes([self.byte()?, self.byte()?]);
            self.pass(length.into())?;
        }
        for text in [NAME, COMMENT] {
            if flags & text != 0 {
                self.pass_text()?;
            }
        }
        if flags & HEADER_CHECKSUM != 0 {
            self.pass(2)?;
        }
        Ok(true)
    }

    /// Inflates some. Where nothing came, the member has ended.
    fn body(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let is_end = self.ahead()?.is_empty();
            let step = inflate(&mut self.state, &self.buffer[self.begin..self.end], into, MZFlush::None);
            self.begin += step.bytes_consumed;
            match step.status {
                Ok(MZStatus::StreamEnd) => {
                    self.stage = Stage::Trailer;
                    return Ok(step.bytes_written);
                }
                Ok(_) | Err(MZError::Buf) if step.bytes_written > 0 => return Ok(step.bytes_written),
                Ok(_) | Err(MZError::Buf) if is_end => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) if step.bytes_consumed > 0 => {}
                _ => return Err(damaged("what is compressed is damaged")),
            }
        }
    }
}

impl<R: Read> Read for Gunzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match self.stage {
                Stage::Ended => return Ok(0),
                Stage::Header => {
                    self.stage = if self.header()? { Stage::Body } else { Stage::Ended };
                    self.state.reset(DataFormat::Raw);
                }
                Stage::Trailer => {
                    self.pass(TRAILER)?;
                    self.stage = Stage::Header;
                }
                Stage::Body => match self.body(into)? {
                    0 => {}
                    n => return Ok(n),
                },
            }
        }
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
